//! A live session: the engine with its shards, turned while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use threshflow::cli::{App, Workbench, rows_of, settings};
use threshflow::flow::{DialSpec, Engine, EngineOptions, Progress, Setting, Verdicts, Wired};
use threshflow::lane::{AskLog, LaneOptions, Lanes, Mode, Question};
use threshflow::pipeline::{dial_specs_with, start_with};
use threshflow::publish::{self, Committed, StageDescription, Wanted, WantedPieces, WantedShard};
use threshflow::row::Verdict;
use threshflow::shard::{Catalogue, ReadOptions, Shard, ShardSource, find};

use crate::curate::{Args, Curate};

pub struct Options {
    pub workers: usize,
    pub window: usize,
    pub rows_an_epoch: usize,
    /// In the dataflow at once.
    pub rows: usize,
    pub pool_threads: usize,
    /// Questions that may wait for the pool.
    pub pool_queue: usize,
    pub decoded_bytes: u64,
    /// [`Mode::Live`] holds questions back.
    pub mode: Mode,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            workers: 1,
            window: 4,
            rows_an_epoch: 16,
            rows: 32_768,
            pool_threads: 2,
            pool_queue: 32,
            decoded_bytes: 1 << 20,
            mode: Mode::Ask,
        }
    }
}

pub struct Live<P: App = Curate> {
    pub engine: Engine,
    pub pipeline: Arc<P>,
    pub lanes: Arc<Lanes>,
    pub catalogue: Arc<Catalogue>,
    pub shards: BTreeMap<String, Arc<Shard>>,
    /// Those of the pipeline, and those of scorers that `args` name.
    pub dials: &'static [DialSpec],
    /// Where the dials were set.
    pub settings: Vec<Setting>,
}

pub fn go_on(_: &Progress, _: &Verdicts) -> Result<(), String> {
    Ok(())
}

/// Ends what waits where a run would be stopped.
fn watch(lanes: &Arc<Lanes>) -> impl FnMut(&Progress, &Verdicts) -> Result<(), String> + 'static {
    let lanes = lanes.clone();
    move |_, _| lanes.trouble().seen().map_or(Ok(()), Err)
}

impl Live {
    pub fn start(store: &Path, options: &Options, args: &Args, values: &[f32], log: Option<AskLog>) -> Self {
        Self::open(store, options, args, values, log)
    }
}

impl<P: App> Live<P> {
    pub fn open(
        store: &Path,
        options: &Options,
        args: &P::Args,
        settings: &[impl Into<Setting> + Copy],
        log: Option<AskLog>,
    ) -> Self {
        let read = ReadOptions { max_pixels: 1 << 30, max_bytes: 1 << 30, ..ReadOptions::default() };
        let catalogue =
            Arc::new(Catalogue::open(store, read, options.mode == Mode::Plan).expect("the catalogue opens"));
        let lanes = LaneOptions {
            mode: options.mode,
            pool_threads: options.pool_threads,
            pool_queue: options.pool_queue,
            decoded_bytes: options.decoded_bytes,
            deadline: Duration::from_secs(60),
            memos: threshflow::memo::Places::alone(&store.join("memo"), 0),
            log,
        };
        let lanes = Lanes::open(lanes, catalogue.clone());
        let workbench = Workbench {
            lanes: lanes.clone(),
            cores: options.pool_threads,
            place: threshflow::cluster::Place::ALONE,
        };
        let pipeline = Arc::new(P::open(args, &workbench).expect("the pipeline opens"));
        let engine = EngineOptions {
            workers: options.workers,
            window: options.window,
            most_rows_an_epoch: options.rows_an_epoch,
            most_rows: options.rows,
            peers: None,
        };
        let settings: Vec<Setting> = settings.iter().map(|setting| (*setting).into()).collect();
        let named = P::named_dials(args).expect("the scorers have dials");
        let dials = dial_specs_with::<P>(named).expect("names of their own");
        let engine = start_with(pipeline.clone(), dials, engine, &settings).expect("the engine starts");
        Live { engine, pipeline, lanes, catalogue, shards: BTreeMap::new(), dials, settings }
    }

    pub fn insert(&mut self, path: &Path) {
        let shard = self.load(path);
        self.insert_loaded(shard);
    }

    pub fn insert_source(&mut self, source: ShardSource) {
        let shard = self.catalogue.load(&source).expect("loads");
        self.insert_loaded(shard);
    }

    /// Loads a shard whose rows are to come later.
    pub fn load(&self, path: &Path) -> Arc<Shard> {
        let source = find(&[path.to_string_lossy().into_owned()]).expect("is there").remove(0);
        self.catalogue.load(&source).expect("loads")
    }

    pub fn insert_loaded(&mut self, shard: Arc<Shard>) {
        self.engine.insert(shard.seq, rows_of(&shard), &mut watch(&self.lanes)).expect("goes in");
        self.shards.insert(shard.name.clone(), shard);
    }

    pub fn remove(&mut self, name: &str) {
        let shard = self.shards.remove(name).expect("is in");
        self.engine.retract(shard.seq, rows_of(&shard), &mut watch(&self.lanes)).expect("goes out");
    }

    pub fn turn(&mut self, dial: usize, to: impl Into<Setting> + Copy) {
        self.settings[dial] = to.into();
        self.engine.turn(dial, to, &mut watch(&self.lanes)).expect("turns");
    }

    pub fn settle(&mut self) {
        self.engine.settle(&mut watch(&self.lanes)).expect("settles");
    }

    /// Asks what is held back, about so many pictures at most; with `afresh`, what failed too.
    pub fn ask(&mut self, most: usize, afresh: bool) {
        self.lanes.ask_now(afresh);
        self.release(most);
    }

    /// Nothing is asked from here on; what is under way is answered, and told.
    pub fn hold_back(&mut self) {
        self.lanes.hold_back();
        self.settle();
        self.rest();
        self.release(usize::MAX);
        self.settle();
    }

    fn release(&mut self, most: usize) {
        let mut pictures = self.engine.undecided_pictures();
        pictures.append(&mut self.engine.verdicts().refused_for_now());
        let pictures: Vec<_> = pictures.into_iter().take(most).collect();
        let mut released = 0;
        while released < pictures.len() {
            released += self.engine.release(&pictures[released..]);
            if released < pictures.len() {
                self.engine.listen::<()>(&crossbeam::channel::never(), Duration::from_millis(1));
            }
        }
    }

    /// What would be asked, by stage: the questions that nobody knows the answers to.
    pub fn unasked(&self) -> BTreeMap<&'static str, BTreeSet<Question>> {
        let mut questions: BTreeMap<&'static str, Vec<Question>> = BTreeMap::new();
        for (stage, question) in self.engine.unasked() {
            questions.entry(stage).or_default().push(question.clone());
        }
        let known = questions.into_iter().map(|(stage, questions)| {
            (stage, self.lanes.without_the_known(stage, questions).into_iter().collect())
        });
        known.filter(|(_, questions): &(_, BTreeSet<_>)| !questions.is_empty()).collect()
    }

    /// Waits until nothing reads the shards: a question that was withdrawn may still be at work when all has settled.
    pub fn rest(&self) {
        while self.lanes.status().iter().any(|stage| stage.at_work > 0) {
            std::thread::yield_now();
        }
    }

    /// Every row's verdict, by `shard/key#place`.
    pub fn verdicts(&self) -> BTreeMap<String, Verdict> {
        let names: BTreeMap<u32, &Arc<Shard>> =
            self.shards.values().map(|shard| (shard.seq, shard)).collect();
        let named = self.engine.verdicts().iter().map(|(id, verdict)| {
            let shard = names[&id.shard];
            let key = &shard.index.samples[id.member as usize].key;
            (format!("{}/{key}#{}", shard.name, id.member), verdict.clone())
        });
        named.collect()
    }

    pub fn commit(&self, out: &Path) -> Committed {
        let dials = settings(self.dials, &self.settings, &self.engine.values());
        let describe = |wired: &Wired| match wired {
            Wired::Ask { stage, of, stamp, model } => {
                StageDescription::Ask { name: stage, of: *of, stamp: *stamp, model: model.clone() }
            }
            Wired::Choose { stage } => StageDescription::Choose { name: stage },
            Wired::Gate { dial, of, open, gate: _ } => StageDescription::Gate { dial, of: *of, open: *open },
            Wired::Absent { columns, of } => StageDescription::Absent { columns: columns.clone(), of: *of },
        };
        let stages = std::iter::once(StageDescription::Probe);
        let stages: Vec<_> = stages.chain(self.engine.wired().iter().map(describe)).collect();
        let mut verdicts = self.engine.verdicts().clone();
        let settled = verdicts.take_shards();
        let pieces = self.pipeline.recorder().map(|recorder| WantedPieces {
            verdicts: &verdicts,
            sorts: self.engine.piece_score_names(),
            recorder,
        });
        let shards = self.shards.iter();
        let shards =
            shards.map(|(name, shard)| WantedShard { seq: shard.seq, name, verdicts: &settled[&shard.seq] });
        let wanted = Wanted {
            pipeline: P::NAME,
            stages: &stages,
            dials: &dials,
            score_columns: self.engine.score_names(),
            shards: shards.collect(),
            pieces,
            demonstration: &[],
        };
        publish::commit(out, &wanted, &self.catalogue).expect("commits")
    }
}
