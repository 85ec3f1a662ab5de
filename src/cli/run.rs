//! `run`: from shards to the published set. It also opens everything that `plan` needs too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::input::InputRemarks;
use super::part::PartRun;
use super::progress::Display;
use super::publishing::{Then, publish_settled};
use super::store::{PartRecord, Store};
use super::{App, Failure, RunOptions, RunReport, Workbench, apart, refusals, removed, signals};
use crate::dial;
use crate::flow::{DialSpec, Engine, EngineOptions, Fed, Progress, Setting, Stopped, Tick, Verdicts, Wired};
use crate::lane::{AskLog, LaneOptions, Lanes, Mode, StageStatus};
use crate::limits::{self, no_thread};
use crate::pipeline::{OpenedPipeline, dial_specs, dial_specs_with, start_opened};
use crate::publish::{self, Demonstration, DialSetting, Removed, StageDescription};
use crate::report;
use crate::row::{Image, Refused, RowId};
use crate::shard::{Catalogue, FoundPictures, ReadOptions, Shard, ShardSource, sorted_by_name};

/// For answers that may have been paid for, when a run is stopped.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Everything that a run works with, opened.
pub(super) struct Opened {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) engine: Engine,
    pub(super) pipeline: Arc<dyn OpenedPipeline>,
    pub(super) sources: Vec<ShardSource>,
    /// How many shards there are, also where only a part is asked about.
    pub(super) of_shards: usize,
    part: Option<PartRun>,
    /// The shards that are in, by name.
    pub(super) shards: Vec<(String, u32)>,
    /// Where shards may leave: the rows of each, by number.
    pub(super) rows_in: Option<HashMap<u32, Vec<Fed>>>,
    /// The stages that are there to demonstrate, and whether pictures that are not a demo's came.
    demonstration: Vec<Demonstration>,
    is_foreign: bool,
    /// What is to be said of them.
    pub(super) remarks: InputRemarks,
    /// Last: its lock is let go when nothing writes any more.
    pub(super) store: Store,
}

/// Opens a pipeline's stages.
pub(super) type Open<'a> = dyn Fn(&Workbench) -> Result<Arc<dyn OpenedPipeline>, Failure> + 'a;

/// A run that has asked all that was to be asked, or all of its part.
pub(super) struct Asked {
    pub(super) opened: Opened,
    pub(super) gone: Removed,
    pub(super) stages: Vec<StageStatus>,
}

/// A pipeline that is yet to be opened, of whatever type it is. What a command does is compiled once, not anew for every pipeline.
#[derive(Clone)]
pub(super) struct Unopened<'a> {
    pub(super) name: &'static str,
    /// The pipeline's own, and behind them those of scorers that flags name.
    pub(super) dials: &'static [DialSpec],
    /// How many of them are the pipeline's own.
    pub(super) own: usize,
    /// The shards that it found itself, if it does.
    pub(super) sources: Option<Vec<ShardSource>>,
    /// Where only a part of the shards is asked about.
    pub(super) part: Option<PartRun>,
    pub(super) open: &'a Open<'a>,
}

/// Calls `work` with `P`, which will be opened as `app` says, and with the options as `P` wants them.
pub(super) fn with_unopened<P: App, T>(
    options: &RunOptions,
    app: &P::Args,
    work: impl FnOnce(&RunOptions, &Unopened<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut options = options.clone();
    if P::OWN_SOURCE {
        refuse_source(P::NAME, &options)?;
    }
    let sources = P::source(app, &mut options)?;
    let dials = dial_specs_with::<P>(P::named_dials(app)?).map_err(Failure::Usage)?;
    let open = |workbench: &Workbench| Ok(Arc::new(P::open(app, workbench)?) as Arc<dyn OpenedPipeline>);
    work(
        &options,
        &Unopened { name: P::NAME, dials, own: dial_specs::<P>().len(), sources, part: None, open: &open },
    )
}

/// An error where a pipeline that finds its pictures itself is told where they are.
fn refuse_source(name: &str, options: &RunOptions) -> Result<(), Failure> {
    if options.source.shards.is_empty() && options.source.pictures.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{name} finds its pictures by its own flags; leave out --shards and --pictures"
    )))
}

/// Opens store, shards, stages and dataflow, with the dials at `values`.
pub(super) fn open(
    options: &RunOptions,
    unopened: &Unopened<'_>,
    mode: Mode,
    first: &[Setting],
    log: Option<AskLog>,
) -> Result<Opened, Failure> {
    check(options)?;
    let FoundPictures { shards: sources, left_aside, passed_over } = match &unopened.sources {
        Some(shards) => FoundPictures { shards: sorted_by_name(shards.clone())?, ..FoundPictures::default() },
        None => options.source.find()?,
    };
    if mode != Mode::Plan && unopened.part.is_none() {
        // Before the first question: shards that are not even there.
        removed::check(options, &removed::before(options, &sources)?)?;
    }
    let of_shards = sources.len();
    let part = unopened.part.clone();
    let sources = part.iter().fold(sources, |sources, part| part.shards(sources));
    let mut store = match (mode, &part) {
        (Mode::Plan, _) => Store::look(&options.store)?,
        (Mode::Ask | Mode::Live, None) => Store::open(&options.store)?,
        (Mode::Ask | Mode::Live, Some(part)) => {
            let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            let (index, of, shards) = (part.part.index, part.part.of, sources.len());
            let pipeline = unopened.name.to_owned();
            Store::open_part(
                &options.store,
                PartRecord { pipeline, index, of, shards, ended: false },
                &names,
            )?
        }
    };
    store.tell_of_parts(unopened.name);
    let generation = match (options.retry, mode) {
        (true, Mode::Ask | Mode::Live) => store.next_generation()?,
        (true, Mode::Plan) => u32::MAX,
        (false, _) => store.generation(),
    };
    let catalogue = Arc::new(catalogue_of(&store, options.source.read_options(), mode == Mode::Plan)?);
    let cores = options.cores();
    let lanes = LaneOptions {
        mode,
        pool_threads: cores,
        pool_queue: 64.max(cores * 16),
        decoded_bytes: options.decoded_bytes,
        deadline: Duration::from_secs_f64(options.deadline),
        memos: store.places(generation),
        log,
    };
    let lanes = Lanes::open(lanes, catalogue.clone());
    catalogue.damage().into_iter().for_each(|damage| lanes.tell_damage(damage.to_owned()));
    let pipeline = (unopened.open)(&Workbench { lanes: lanes.clone(), cores })?;
    store.lost_of(&lanes.status()).into_iter().for_each(|lost| lanes.tell_damage(lost));
    let engine = EngineOptions {
        workers: options.workers.map_or(usual_workers(mode, cores), usize::from),
        window: options.window.into(),
        ..Default::default()
    };
    let engine = start_opened(pipeline.clone(), unopened.dials, engine, first).map_err(Failure::Failed)?;
    // A plan starts from what is published: what counts is where the dials are to stand.
    let wanted = settings_wanted(unopened.dials, options)?;
    refusals::refuse_taken_names(&engine, unopened, &*pipeline)?;
    refusals::refuse_open_dials(&engine, unopened.dials, &wanted)?;
    refusals::refuse_unclear_shares(&engine, unopened.dials, &wanted)?;
    let of = |(stage, what): (&str, String)| Demonstration { stage: stage.to_owned(), what };
    let demonstration = lanes.demonstrations().into_iter().map(of).collect();
    let (shards, is_foreign) = (Vec::new(), false);
    let remarks = InputRemarks { left_aside, passed_over, ..InputRemarks::default() };
    Ok(Opened {
        store,
        catalogue,
        lanes,
        engine,
        pipeline,
        sources,
        of_shards,
        part,
        shards,
        rows_in: None,
        demonstration,
        is_foreign,
        remarks,
    })
}

/// The shards of a store.
pub(super) fn catalogue_of(
    store: &Store,
    options: ReadOptions,
    read_only: bool,
) -> Result<Catalogue, Failure> {
    let segments = store.segments();
    let segment = (segments.own.number, &*segments.folders_of_others());
    Ok(Catalogue::open_segment(&segments.own.folder, segment, options, read_only)?)
}

/// Where `--set` puts the dials.
pub(super) fn settings_wanted(dials: &[DialSpec], options: &RunOptions) -> Result<Vec<Setting>, Failure> {
    dial::settings(dials, &options.set).map_err(|error| Failure::Usage(error.to_string()))
}

fn check(options: &RunOptions) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    if !(0.0..=1.0).contains(&options.max_error_rate) {
        wrong.push(format!("--max-error-rate {}: it takes a share from 0 to 1", options.max_error_rate));
    }
    if !(options.deadline > 0.0 && options.deadline <= 1e6) {
        wrong.push(format!("--deadline {}: it takes seconds, above 0 and up to 1000000", options.deadline));
    }
    if options.decoded_bytes < 1 << 20 {
        wrong.push(format!("--decoded-bytes {}: it takes at least 1048576 (1 MiB)", options.decoded_bytes));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Usage(wrong.join("\n"))) }
}

/// The rows that a shard brings, in the order of its samples.
pub fn rows_of(shard: &Shard) -> impl ExactSizeIterator<Item = Fed> + '_ {
    let seq = shard.seq;
    shard.index.samples.iter().enumerate().map(move |(member, sample)| {
        let id = RowId { shard: seq, member: member as u32 };
        match &sample.picture {
            Ok(picture) => Fed::Image(Image {
                id,
                content: picture.content,
                width: picture.width,
                height: picture.height,
            }),
            Err(refusal) => {
                Fed::Refused(id, Box::new(Refused { stage: "probe".into(), refusal: refusal.clone() }))
            }
        }
    })
}

impl Opened {
    /// Indexes the shards on threads of their own and hands in their rows as they come.
    pub(super) fn insert_all(
        &mut self,
        tick: &mut dyn FnMut(&Progress, &Verdicts) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let (sender, receiver) = crossbeam::channel::bounded::<Result<(String, Arc<Shard>), Failure>>(2);
        let next = AtomicUsize::new(0);
        let (sources, catalogue) = (self.sources.clone(), self.catalogue.clone());
        let (sources, catalogue) = (&sources, &catalogue);
        std::thread::scope(|threads| {
            let mut started = 0;
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(4) {
                let (sender, next) = (sender.clone(), &next);
                let index = move || {
                    while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let loaded = catalogue.load(source).map(|shard| (source.name.clone(), shard));
                        if sender.send(loaded.map_err(Failure::from)).is_err() {
                            return;
                        }
                    }
                };
                match std::thread::Builder::new().name("index".into()).spawn_scoped(threads, index) {
                    Ok(_) => started += 1,
                    // One that could be started does the work of all.
                    Err(_) if started > 0 => break,
                    Err(error) => return Err(Failure::Failed(no_thread("to index shards", &error))),
                }
            }
            drop(sender);
            // Moved in here, so that leaving early drops it and lets the threads go.
            let receiver = receiver;
            loop {
                let loaded: Result<_, Failure> = match receiver.recv_timeout(Duration::from_millis(100)) {
                    Ok(loaded) => loaded,
                    Err(crossbeam::channel::RecvTimeoutError::Disconnected) => return Ok::<(), Failure>(()),
                    Err(crossbeam::channel::RecvTimeoutError::Timeout) => {
                        tick(&self.engine.progress(), self.engine.verdicts()).map_err(Failure::Failed)?;
                        continue;
                    }
                };
                let (name, shard) = loaded?;
                self.take_in(&name, &shard, tick)?;
            }
        })?;
        self.shards.sort();
        Ok(())
    }

    /// Hands in the rows of a shard.
    pub(super) fn take_in(&mut self, name: &str, shard: &Arc<Shard>, tick: Tick<'_>) -> Result<(), Failure> {
        self.remarks.see(shard, &self.catalogue.sidecar_fields());
        if !self.is_foreign && is_foreign(shard) {
            self.is_foreign = true;
            warn_of(&self.demonstration);
        }
        if let Some(rows) = &mut self.rows_in {
            rows.insert(shard.seq, rows_of(shard).collect());
        }
        match self.part.as_ref().and_then(|part| part.only.as_ref()) {
            None => self.engine.insert(shard.seq, rows_of(shard), tick).map_err(stopped)?,
            Some(only) => {
                let keys = only.keys(name);
                let is_meant = |key: &str| keys.is_some_and(|keys| keys.contains(key));
                let rows = rows_of(shard).zip(&shard.index.samples);
                let rows: Vec<Fed> =
                    rows.filter(|(_, sample)| is_meant(&sample.key)).map(|(row, _)| row).collect();
                let all = shard.index.samples.len();
                self.engine.insert_some(shard.seq, all, rows.into_iter(), tick).map_err(stopped)?;
            }
        }
        self.shards.push((name.to_owned(), shard.seq));
        Ok(())
    }

    /// The stages that are there to demonstrate, if pictures came that are not a demo's.
    pub(super) fn demonstration(&self) -> Vec<Demonstration> {
        if self.is_foreign { self.demonstration.clone() } else { Vec::new() }
    }

    pub(super) fn stages(&self) -> Vec<StageDescription> {
        let describe = |wired: &Wired| match wired {
            Wired::Ask { stage, of, stamp, model } => {
                StageDescription::Ask { name: stage, of: *of, stamp: *stamp, model: model.clone() }
            }
            Wired::Choose { stage } => StageDescription::Choose { name: stage },
            Wired::Gate { dial, of, open, gate: _ } => StageDescription::Gate { dial, of: *of, open: *open },
            Wired::Absent { columns, of } => StageDescription::Absent { columns: columns.clone(), of: *of },
        };
        std::iter::once(StageDescription::Probe).chain(self.engine.wired().iter().map(describe)).collect()
    }
}

/// Whether a picture of the shard is none of a demo's.
fn is_foreign(shard: &Shard) -> bool {
    shard.index.samples.iter().any(|sample| sample.picture.is_ok() && !sample.is_demonstration())
}

/// Models that were made for a demo know nothing of other pictures, and answer all the same.
fn warn_of(demonstration: &[Demonstration]) {
    if !demonstration.is_empty() {
        crate::note!(
            "warning: demonstration models answer here, and not all pictures are the demo's: what they make is not for training. \
             They are {}. Name your own by their flags; card, report and manifest say it, too",
            Demonstration::list(demonstration)
        );
    }
}

/// Of a run, rows wait for answers far longer than for the dataflow. A session's turns wait for nothing else, and past a few workers for memory.
fn usual_workers(mode: Mode, cores: usize) -> usize {
    if mode == Mode::Live { cores.clamp(1, 4) } else { 1 }
}

pub(super) fn stopped(stopped: Stopped) -> Failure {
    Failure::Failed(stopped.to_string())
}

/// Goes on until a signal, or a limit of the machine, says otherwise: for what takes no longer than the dataflow's own time.
pub(super) fn until_a_signal(_: &Progress, _: &Verdicts) -> Result<(), String> {
    if signals::stopped() { Err("stopped".to_owned()) } else { limits::stops().map_or(Ok(()), Err) }
}

/// The dials as they stand: `values` are what `wanted` was resolved to.
pub fn settings(dials: &[DialSpec], wanted: &[Setting], values: &[f32]) -> Vec<DialSetting> {
    let setting = |((spec, wanted), value): ((&DialSpec, &Setting), &f32)| DialSetting {
        name: spec.name,
        group: spec.group,
        unit: spec.unit,
        comparison: spec.comparison.sign(),
        value: *value,
        share: wanted.share_text(),
        default: spec.default,
        labels: None,
        about: spec.about,
    };
    dials.iter().zip(wanted).zip(values).map(setting).collect()
}

/// Curates: asks what was never asked, and publishes what passes the dials.
///
/// `log`, where given, receives every question that was really asked.
pub fn run<P: App>(options: &RunOptions, app: &P::Args, log: Option<AskLog>) -> Result<RunReport, Failure> {
    with_unopened::<P, _>(options, app, |options, pipeline| run_unopened(options, pipeline, log))
}

fn run_unopened(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    log: Option<AskLog>,
) -> Result<RunReport, Failure> {
    let begin = Instant::now();
    let wanted = settings_wanted(pipeline.dials, options)?;
    check_places(options)?;
    let Asked { mut opened, gone, stages } = asked(options, pipeline, &wanted, log)?;
    let mut report = publish_settled(options, pipeline, &mut opened, (&wanted, gone), &stages, Then::End)?;
    report.summary.measure(begin.elapsed());
    Ok(report)
}

/// Opens a run, and asks all that is to be asked. What was answered is kept, however it ends.
pub(super) fn asked(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    wanted: &[Setting],
    log: Option<AskLog>,
) -> Result<Asked, Failure> {
    let mut opened = open(options, pipeline, Mode::Ask, wanted, log)?;
    let mut gone = Removed::default();
    let fed = feed(options, &mut opened, &mut gone);
    // Whatever happened, what was answered stays answered.
    let synced = opened.lanes.sync();
    let lengths = opened.lanes.memo_lengths();
    opened.lanes.close();
    let stages = opened.lanes.status();
    let noted = opened.store.note_run(pipeline.name, &stages, &lengths);
    // What stopped the run is told first: a full disk refuses the notes as well.
    if let Err(failure) = fed {
        let kept: u64 = stages.iter().map(|stage| stage.asked.answered).sum();
        return Err(Failure::Failed(format!(
            "{failure}\n{kept} questions were answered in this run, and the answers are kept in {}; what was published \
             before stands as it was. Run the same command again to go on",
            options.store.display()
        )));
    }
    synced?;
    noted?;
    Ok(Asked { opened, gone, stages })
}

/// Whether the flags of a run can be meant like this.
pub(super) fn check_words<P: App>(options: &RunOptions, app: &P::Args) -> Result<(), Failure> {
    check(options)?;
    check_apart(options)?;
    let dials = dial_specs_with::<P>(P::named_dials(app)?).map_err(Failure::Usage)?;
    settings_wanted(dials, options).map(drop)
}

fn check_apart(options: &RunOptions) -> Result<(), Failure> {
    let export = options.export.iter().map(|export| ("--export", export.as_path()));
    let folders = [("--store", options.store.as_path()), ("--out", options.out.as_path())];
    apart(&folders.into_iter().chain(export).collect::<Vec<_>>())
}

/// That what is published has places of its own, which can be written to: before the first question, not after the last.
pub(super) fn check_places(options: &RunOptions) -> Result<(), Failure> {
    check_apart(options)?;
    publish::check_out(&options.out)?;
    options.export.as_deref().map_or(Ok(()), publish::check_export)?;
    options.report.as_deref().map_or(Ok(()), report::check)?;
    options.report.as_deref().map_or(Ok(()), |page| apart::outside(page, &options.source.pictures))
}

fn feed(options: &RunOptions, opened: &mut Opened, gone: &mut Removed) -> Result<(), Failure> {
    let lanes = opened.lanes.clone();
    let mut display = Display::start(lanes.clone(), opened.sources.len(), options.verbose);
    let mut tick = |progress: &Progress, verdicts: &Verdicts| {
        display.update(progress, verdicts);
        if signals::stopped() {
            return Err("stopped".to_owned());
        }
        if let Some(why) = limits::stops() {
            return Err(why);
        }
        if let Some(why) = lanes.endpoints().iter().find_map(|endpoint| endpoint.hopeless()) {
            return Err(why);
        }
        lanes.trouble().seen().map_or(Ok(()), Err)
    };
    let fed = opened.insert_all(&mut tick).and_then(|()| match opened.part {
        // It publishes nothing, and has not all the rows that shares are of.
        Some(_) => opened.engine.settle_but_shares(&mut tick).map_err(stopped),
        None => {
            *gone = removed::of(options, opened)?;
            removed::check(options, gone)?;
            opened.engine.settle(&mut tick).map_err(stopped)
        }
    });
    display.finish();
    lanes.stop();
    if fed.is_err() {
        // What is under way may have been paid for.
        let waits = lanes.under_way();
        if !waits.is_empty() {
            crate::note!(
                "waits for what is under way, up to {} s: {}",
                LONGEST_WAIT.as_secs(),
                waits.join(", ")
            );
        }
        lanes.wait_for_answers(LONGEST_WAIT);
    }
    fed
}
