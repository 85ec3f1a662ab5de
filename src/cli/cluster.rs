//! `run` and `live` by several processes: one dataflow over several machines, or several processes of this one.

mod counts;
mod publishing;
mod supervise;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use clap::Args;

use super::part::{PartOptions, run_part};
use super::program::Call;
use super::publishing::Then;
use super::run::{
    Asked, Unopened, asked, check_places, check_words, settings_wanted, until_a_signal, with_unopened,
};
use super::{App, Failure, LiveOptions, RunOptions, RunReport, signals};
use crate::cluster::{Cluster, Hosts, Joining, Place, Same, choices};
use crate::flow::{Progress, Setting, Verdicts};
use crate::lane::StageStatus;
use crate::limits;
use crate::publish::Recorder;
use crate::shard::ShardSource;
pub(super) use counts::Counts;
pub(super) use publishing::publish_together;

/// The processes that run one dataflow, and how often they are started again.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ClusterOptions {
    #[command(flatten)]
    pub(super) processes: ProcessOptions,
    /// Start again up to N times when a process was killed or cannot be reached: nothing that was answered is asked again
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) restarts: u16,
}

/// The processes that run one dataflow.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ProcessOptions {
    /// Run as N processes on this machine, which share its cores. Each asks about shards of its own; duplicates and shares are of all rows, and
    /// what is published is what one process publishes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), conflicts_with = "process")]
    pub(super) processes: Option<u16>,
    /// Run as one of N processes on machines that see the same --store, --out and shards: this is process I, and they count from 0. Process 0
    /// publishes, tells of all, and serves the page of a session. `auto` reads I and N from the variables of a Slurm step (srun --ntasks=N) or of an Indexed Job of Kubernetes
    #[arg(long, value_name = "I/N")]
    pub(super) process: Option<String>,
    /// Where the processes listen: a file with a line for each, HOST or HOST:PORT (2101 unless it says so), process 0 first. Without it, each
    /// listens at the address of its host's name, at a free port, and they find each other by the store
    #[arg(long, value_name = "FILE", requires = "process")]
    pub(super) hosts: Option<PathBuf>,
    /// Where this process listens, if that is not the address of its host's name: HOST or HOST:PORT
    #[arg(long, value_name = "HOST", requires = "process", conflicts_with = "hosts")]
    pub(super) bind: Option<String>,
}

impl ProcessOptions {
    fn place(&self) -> Result<Option<(Place, Option<Hosts>)>, Failure> {
        let Some(process) = &self.process else { return Ok(None) };
        let usage = |why: String| Failure::Usage(format!("--process {process}: {why}"));
        let hosts = match &self.hosts {
            None => None,
            Some(path) => {
                let wrong = |why: String| Failure::Usage(format!("--hosts {}: {why}", path.display()));
                let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
                Some(Hosts::parse(&text).map_err(wrong)?)
            }
        };
        let place = match (process.as_str(), &hosts) {
            ("auto", _) => Place::of_scheduler(&|name| std::env::var(name).ok()).map_err(usage)?,
            (index, Some(hosts)) if !index.contains('/') => {
                let index =
                    index.parse().map_err(|_| usage("it takes a number from 0 on, or `auto`".to_owned()))?;
                Place::checked(index, hosts.all().len()).map_err(usage)?
            }
            (both, _) => both.parse().map_err(usage)?,
        };
        if let Some(hosts) = &hosts
            && hosts.all().len() != place.of
        {
            return Err(usage(format!(
                "there are {} processes, and --hosts names {}",
                place.of,
                hosts.all().len()
            )));
        }
        Ok(Some((place, hosts)))
    }
}

/// `run`, by whatever number of processes.
pub(super) fn run<P: App>(
    options: &RunOptions,
    part: &PartOptions,
    ClusterOptions { processes, restarts }: &ClusterOptions,
    app: &P::Args,
    call: &Call,
) -> Result<Option<RunReport>, Failure> {
    let restarts = *restarts;
    if restarts > 0 && processes.processes.is_none() && processes.process.is_none() {
        return Err(Failure::Usage("--restarts is for --processes and --process".to_owned()));
    }
    let place = processes.place()?;
    if processes.processes.is_none() && place.is_none() {
        return run_part::<P>(options, part, app, None).map(Some);
    }
    check_words::<P>(options, app)?;
    refuse_alone::<P>(options)?;
    let bounds = ["--max-calls", "--max-cost"];
    let bound = call
        .args
        .iter()
        .map(|arg| arg.to_string_lossy())
        .find(|arg| bounds.iter().any(|bound| arg.starts_with(bound)));
    if let Some(bound) = bound.filter(|_| restarts > 0) {
        return Err(Failure::Usage(format!(
            "--restarts beside {bound}: each start would spend that much anew; leave one of them out"
        )));
    }
    match (processes.processes, place) {
        (Some(processes), _) => supervise::processes(processes, restarts, options.cores, &call.args),
        (None, Some((place, _))) if restarts > 0 => supervise::one(place.index, restarts, &call.args),
        (None, place) => {
            let run = place.map(|place| ClusterRun::new(place, processes, call));
            return with_unopened::<P, _>(options, app, |options, pipeline| {
                let pipeline = Unopened { cluster: run, ..pipeline.clone() };
                ending(pipeline.cluster.as_ref(), work(options, &pipeline)).map(Some)
            });
        }
    }?;
    Ok(None)
}

/// `live`, by whatever number of processes. `ready` is told the URL of the page.
pub(super) fn live<P: App>(
    options: &RunOptions,
    live: &LiveOptions,
    processes: &ProcessOptions,
    app: &P::Args,
    call: &Call,
) -> Result<(), Failure> {
    let ready = |url: &str| crate::say!("{url}");
    let place = processes.place()?;
    if processes.processes.is_none() && place.is_none() {
        return super::live::live::<P>(options, live, app, ready);
    }
    check_words::<P>(options, app)?;
    refuse_alone::<P>(options)?;
    if let Some(processes) = processes.processes {
        return supervise::processes(processes, 0, options.cores, &call.args);
    }
    let run =
        place.map(|place| ClusterRun { gets_more: live.watch, ..ClusterRun::new(place, processes, call) });
    with_unopened::<P, _>(options, app, |options, pipeline| {
        let pipeline = Unopened { cluster: run, ..pipeline.clone() };
        ending(pipeline.cluster.as_ref(), super::live::session(options, &pipeline, live, ready))
    })
}

/// What several processes cannot do.
fn refuse_alone<P: App>(options: &RunOptions) -> Result<(), Failure> {
    if P::OWN_SOURCE {
        return Err(Failure::Usage(format!(
            "{} runs as one process; leave out --processes and --process",
            P::NAME
        )));
    }
    if options.report.is_some() {
        return Err(Failure::Usage(
            "--report: several processes write no page; leave it out, and run once more in one process with it: that asks nothing".to_owned(),
        ));
    }
    Ok(())
}

/// One process of several, which is yet to join the others.
#[derive(Clone)]
pub(super) struct ClusterRun {
    pub(super) place: Place,
    hosts: Option<Hosts>,
    bind: Option<String>,
    /// What all have on their command lines.
    flags: String,
    /// Shards come while it runs.
    pub(super) gets_more: bool,
    joined: Arc<OnceLock<Arc<Cluster>>>,
}

impl ClusterRun {
    fn new((place, hosts): (Place, Option<Hosts>), options: &ProcessOptions, call: &Call) -> Self {
        let flags = supervise::flags_of_all(&call.args);
        ClusterRun {
            place,
            hosts,
            bind: options.bind.clone(),
            flags,
            gets_more: false,
            joined: Arc::default(),
        }
    }

    /// Whether it may be given the shard of that name, and so has to know what was answered about it.
    pub(super) fn may_get(&self, shard: &str) -> bool {
        choices(shard, self.place.of).contains(&self.place.index)
    }

    /// Waits for the others, now that this process has opened all that it needs.
    pub(super) fn join(
        &self,
        options: &RunOptions,
        unopened: &Unopened<'_>,
        (sources, workers, recorder): (&[ShardSource], usize, Option<&dyn Recorder>),
        dials: &[Setting],
        stages: &[StageStatus],
    ) -> Result<Arc<Cluster>, Failure> {
        let same = |what: &str, is: String| Same { what: what.to_owned(), is };
        let stage = |stage: &StageStatus| format!("{} {} ({})", stage.name, stage.stamp, stage.model);
        let setting = |(spec, to): (&crate::flow::DialSpec, &Setting)| format!("{}={to:?}", spec.name);
        let limits = [options.max_error_rate, options.max_removed, options.max_lost];
        let same = vec![
            same("the versions", format!("threshflow {}", env!("CARGO_PKG_VERSION"))),
            same("the pipelines", unopened.name.to_owned()),
            same("the dials", unopened.dials.iter().zip(dials).map(setting).collect::<Vec<_>>().join(", ")),
            same("the stages", stages.iter().map(stage).collect::<Vec<_>>().join(", ")),
            same("--workers", workers.to_string()),
            same("--max-error-rate, --max-removed and --max-lost", format!("{limits:?}")),
            same("the limits of pictures", format!("{:?}", options.source.read_options().of_rows())),
            same("the records", recorder.map_or("none".to_owned(), |recorder| recorder.stamp().to_string())),
            same("the flags", self.flags.clone()),
        ];
        let shards: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        let (place, hosts, bind) = (self.place, self.hosts.clone(), self.bind.clone());
        let (store, shards) = (options.store.as_path(), shards.as_slice());
        let joining = Joining { place, hosts, bind, store, shards, same, ends_the_process: true };
        let joined = joining.join(&mut || match signals::stopped() {
            true => Err("stopped".to_owned()),
            false => limits::stops().map_or(Ok(()), Err),
        });
        let cluster = joined.map_err(|lost| match lost.process == place.index && !lost.again {
            true => Failure::Failed(lost.why),
            false => ended_elsewhere(lost.to_string(), lost.again),
        })?;
        let _ = self.joined.set(cluster.clone());
        Ok(cluster)
    }
}

/// A failure that began in another process.
fn ended_elsewhere(words: String, again: bool) -> Failure {
    if again { Failure::Lost(words) } else { Failure::Failed(words) }
}

/// As [`until_a_signal`], and, of several processes, until the run ended elsewhere.
pub(super) fn until_it_ends(
    cluster: Option<&Arc<Cluster>>,
) -> impl FnMut(&Progress, &Verdicts) -> Result<(), String> + use<> {
    let mut until_lost = cluster.map(until_it_is_lost);
    move |progress, verdicts| {
        until_lost.as_mut().map_or(Ok(()), |lost| lost(progress, verdicts))?;
        until_a_signal(progress, verdicts)
    }
}

/// Until the run ended elsewhere, or the machine has no room.
pub(super) fn until_it_is_lost(
    cluster: &Arc<Cluster>,
) -> impl FnMut(&Progress, &Verdicts) -> Result<(), String> + use<> {
    let cluster = cluster.clone();
    move |_, _| match cluster.lost() {
        Some(lost) => Err(lost.to_string()),
        None => limits::stops().map_or(Ok(()), Err),
    }
}

/// How it ended, as all are to know it.
fn ending<T>(run: Option<&ClusterRun>, done: Result<T, Failure>) -> Result<T, Failure> {
    let Some(cluster) = run.and_then(|run| run.joined.get()) else { return done };
    let Err(failure) = done else { return done };
    match cluster.lost() {
        // Others may have lost this one.
        Some(lost) if lost.again || lost.process != cluster.place().index => {
            let words = failure.to_string();
            // What says it already, and what was kept of the answers, or what broke because of it.
            let words = if words.contains(&lost.why) { words } else { format!("{lost}\n{words}") };
            Err(ended_elsewhere(words, lost.again))
        }
        _ => {
            cluster.fail(&failure.to_string());
            Err(failure)
        }
    }
}

fn work(options: &RunOptions, pipeline: &Unopened<'_>) -> Result<RunReport, Failure> {
    let begin = Instant::now();
    let wanted = settings_wanted(pipeline.dials, options)?;
    check_places(options, true)?;
    let Asked { mut opened, gone, stages } = asked(options, pipeline, &wanted, None)?;
    let what = (wanted.as_slice(), gone);
    let before = options.source.objects.reader.counts();
    let mut report = publish_together(options, pipeline, &mut opened, what, &stages, Then::End)?;
    // With what publishing read and sent here: of all processes this one does that.
    let since = options.source.objects.reader.counts().since(&before);
    report.summary.objects = report.summary.objects.and(&since);
    opened.cluster.iter().try_for_each(|cluster| cluster.finish()).map_err(publishing::lost)?;
    report.summary.measure(begin.elapsed());
    Ok(report)
}
