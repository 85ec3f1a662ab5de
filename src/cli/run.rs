//! `run`: from shards to the published set. It also opens everything that `plan` needs too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::ClusterRun;
use super::input::InputRemarks;
use super::part::{Part, PartRun};
use super::progress::Display;
use super::publishing::{Then, publish_settled};
use super::store::{PartRecord, Store};
use super::{App, Failure, RunOptions, RunReport, Workbench, apart, refusals, removed, signals};
use crate::cluster::{Cluster, Place};
use crate::dial;
use crate::flow::{DialSpec, Engine, EngineOptions, Fed, Peers, Progress, Setting, Stopped, Verdicts, Wired};
use crate::lane::{AskLog, LaneOptions, Lanes, Mode, StageStatus};
use crate::limits;
use crate::object::Objects;
use crate::pipeline::{OpenedPipeline, dial_specs, dial_specs_with, start_opened};
use crate::publish::{self, Demonstration, DialSetting, Removed, StageDescription};
use crate::report;
use crate::shard::{Catalogue, FoundPictures, ReadOptions, ShardSource, sorted_by_name};

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
    pub(super) part: Option<PartRun>,
    /// The other processes, where several run one dataflow.
    pub(super) cluster: Option<Arc<Cluster>>,
    /// The shards that are in, by name.
    pub(super) shards: Vec<(String, u32)>,
    /// Where shards may leave: the rows of each, by number.
    pub(super) rows_in: Option<HashMap<u32, Vec<Fed>>>,
    /// The stages that are there to demonstrate, and whether pictures that are not a demo's came.
    pub(super) demonstration: Vec<Demonstration>,
    pub(super) is_foreign: bool,
    /// What is to be said of them.
    pub(super) remarks: InputRemarks,
    /// Who reads those that lie in object stores.
    pub(super) objects: Objects,
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
    /// Where several processes run one dataflow.
    pub(super) cluster: Option<ClusterRun>,
    pub(super) open: &'a Open<'a>,
}

impl Unopened<'_> {
    /// Which of the run's processes this is.
    pub(super) fn place(&self) -> Place {
        self.cluster.as_ref().map_or(Place::ALONE, |run| run.place)
    }

    /// The segment of a process that asks about some of the shards alone.
    fn segment<'s>(&self, sources: &'s [ShardSource]) -> Option<SegmentOf<'s>> {
        let all = || sources.iter().map(|source| source.name.as_str());
        if let Some(cluster) = &self.cluster {
            let some = || all().filter(|name| cluster.may_get(name)).collect();
            let shards = (!cluster.gets_more).then(some);
            // By number as the part of an array.
            return Some(SegmentOf { number: cluster.place.index as u16 + 1, part: None, shards });
        }
        let Part { index, of } = self.part.as_ref()?.part;
        let (pipeline, shards) = (self.name.to_owned(), sources.len());
        let part = PartRecord { pipeline, index, of, shards, ended: false };
        Some(SegmentOf { number: index, part: Some(part), shards: Some(all().collect()) })
    }
}

/// The segment that a process writes, what is noted of the part of an array that it is, and the shards that it may ask about: any where they are
/// not known beforehand.
struct SegmentOf<'s> {
    number: u16,
    part: Option<PartRecord>,
    shards: Option<Vec<&'s str>>,
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
    options.in_folders()?;
    let dials = dial_specs_with::<P>(P::named_dials(app)?).map_err(Failure::Usage)?;
    let open = |workbench: &Workbench| Ok(Arc::new(P::open(app, workbench)?) as Arc<dyn OpenedPipeline>);
    let unopened = Unopened {
        name: P::NAME,
        dials,
        own: dial_specs::<P>().len(),
        sources,
        part: None,
        cluster: None,
        open: &open,
    };
    work(&options, &unopened).map_err(|failure| options.told(failure))
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
    let segment = unopened.segment(&sources);
    let mut store = match (mode, segment) {
        (Mode::Plan, _) => Store::look(&options.store)?,
        (Mode::Ask | Mode::Live, None) => Store::open(&options.store)?,
        (Mode::Ask | Mode::Live, Some(SegmentOf { number, part, shards })) => {
            Store::open_segment(&options.store, number, part, shards.as_deref())?
        }
    };
    if unopened.cluster.is_none() {
        store.tell_of_parts(unopened.name);
    }
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
    let pipeline = (unopened.open)(&Workbench { lanes: lanes.clone(), cores, place: unopened.place() })?;
    store.lost_of(&lanes.status()).into_iter().for_each(|lost| lanes.tell_damage(lost));
    let workers = options.workers.map_or(usual_workers(mode, cores), usize::from);
    let joins = |run: &ClusterRun| {
        let all = (sources.as_slice(), workers, pipeline.its_recorder());
        run.join(options, unopened, all, first, &lanes.status())
    };
    let cluster = unopened.cluster.as_ref().map(joins).transpose()?;
    let peers = cluster.clone().map(|cluster| cluster as Arc<dyn Peers>);
    let engine = EngineOptions { workers, window: options.window.into(), peers, ..Default::default() };
    let engine = start_opened(pipeline.clone(), unopened.dials, engine, first).map_err(Failure::Failed)?;
    // A plan starts from what is published: what counts is where the dials are to stand.
    let wanted = settings_wanted(unopened.dials, options)?;
    refusals::refuse_taken_names(&engine, unopened, &*pipeline)?;
    refusals::refuse_open_dials(&engine, unopened.dials, &wanted)?;
    refusals::refuse_unclear_shares(&engine, unopened.dials, &wanted)?;
    let of = |(stage, what): (&str, String)| Demonstration { stage: stage.to_owned(), what };
    let demonstration = lanes.demonstrations().into_iter().map(of).collect();
    let (shards, is_foreign) = (Vec::new(), false);
    // All processes find the same files, and one of them tells of them.
    let remarks = match cluster.as_ref().is_none_or(|cluster| cluster.leads()) {
        true => InputRemarks { left_aside, passed_over, ..InputRemarks::default() },
        false => InputRemarks::default(),
    };
    Ok(Opened {
        store,
        catalogue,
        lanes,
        engine,
        pipeline,
        sources,
        of_shards,
        part,
        cluster,
        shards,
        rows_in: None,
        demonstration,
        is_foreign,
        remarks,
        objects: options.source.objects.reader(),
    })
}

/// The shards of a store.
pub(super) fn catalogue_of(
    store: &Store,
    options: ReadOptions,
    read_only: bool,
) -> Result<Catalogue, Failure> {
    let segments = store.segments();
    // One for all segments.
    let options = ReadOptions { cache: options.cache.or_in(store.folder(), read_only), ..options };
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

impl Opened {
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

/// Whether stages of the pipeline, with these flags, ask servers. Nothing is asked.
pub(super) fn asks_servers<P: App>(options: &RunOptions, app: &P::Args) -> Result<bool, Failure> {
    with_unopened::<P, _>(options, app, |options, pipeline| {
        let wanted = settings_wanted(pipeline.dials, options)?;
        let opened = open(options, pipeline, Mode::Plan, &wanted, None)?;
        Ok(!opened.lanes.endpoints().is_empty())
    })
}

fn run_unopened(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    log: Option<AskLog>,
) -> Result<RunReport, Failure> {
    let begin = Instant::now();
    let wanted = settings_wanted(pipeline.dials, options)?;
    check_places(options, true)?;
    let Asked { mut opened, gone, stages } = asked(options, pipeline, &wanted, log)?;
    let mut report = publish_settled(options, pipeline, &mut opened, (&wanted, gone), &stages, Then::End)?;
    report.summary.measure(begin.elapsed());
    // With what publishing read.
    report.summary.objects = options.source.objects.reader.counts();
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

pub(super) fn check_apart(options: &RunOptions) -> Result<(), Failure> {
    apart(&options.folders_apart())
}

/// That what is published has places of its own, which can be written to: before the first question, not after the last.
pub(super) fn check_places(options: &RunOptions, publishes: bool) -> Result<(), Failure> {
    check_apart(options)?;
    options.report.iter().try_for_each(|page| apart::on_disk("--report", page))?;
    options.source.objects.cache.iter().try_for_each(|cache| apart::on_disk("--cache", cache))?;
    options.bring(publishes)?;
    let [out, export] = options.are_in_buckets();
    // The mirrors of a run that does not publish are not brought.
    if publishes || !out {
        publish::check_out(&options.out)?;
    }
    if publishes || !export {
        options.export.as_deref().map_or(Ok(()), publish::check_export)?;
    }
    options.report.as_deref().map_or(Ok(()), report::check)?;
    options.report.as_deref().map_or(Ok(()), |page| apart::outside(page, &options.source.pictures))
}

fn feed(options: &RunOptions, opened: &mut Opened, gone: &mut Removed) -> Result<(), Failure> {
    let (lanes, cluster) = (opened.lanes.clone(), opened.cluster.clone());
    let mut display = Display::start(lanes.clone(), opened.sources.len(), options.verbose);
    let mut tick = |progress: &Progress, verdicts: &Verdicts| {
        display.update(progress, verdicts);
        if let Some(why) = lost(&cluster) {
            return Err(why);
        }
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
            *gone = removed::of_all(options, opened, &mut tick)?;
            removed::check(options, gone)?;
            opened.engine.settle(&mut tick).map_err(stopped)
        }
    });
    display.finish();
    lanes.stop();
    if let Err(failure) = &fed {
        // The others are told before this process waits for anything.
        opened.cluster.iter().for_each(|cluster| cluster.fail(&failure.to_string()));
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

/// Why the run ended in another process, if it did.
fn lost(cluster: &Option<Arc<Cluster>>) -> Option<String> {
    cluster.as_ref()?.lost().map(|lost| lost.to_string())
}
