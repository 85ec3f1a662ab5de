//! Publishes what several processes settled: each stages the parts of its shards, and process 0 puts all of them in place.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Counts, until_it_ends, until_it_is_lost};
use crate::cli::publishing::{Then, wanted_of};
use crate::cli::run::{Opened, Unopened, catalogue_of, settings};
use crate::cli::store::Store;
use crate::cli::summary::Summary;
use crate::cli::{Failure, RunOptions, RunReport, buckets, errors, labelled, run, tell_mended};
use crate::cluster::{Cluster, Lost as LostProcess};
use crate::flow::{Progress, Setting, Tick, Verdicts};
use crate::label::{LabelError, Labels};
use crate::lane::StageStatus;
use crate::publish::{self, Commit, Lost, Removed, StagedShare};

/// What process 0 says when all is well.
const GO_ON: &str = "";

/// Publishes where the dataflow of all processes stands, unless more failed, or would be lost, than may be. A run ends with what fails in one
/// process; of a session it fails in all, and all go on.
pub(in crate::cli) fn publish_together(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    opened: &mut Opened,
    (wanted, gone): (&[Setting], Removed),
    stages: &[StageStatus],
    then: Then,
) -> Result<RunReport, Failure> {
    let cluster = opened.cluster.clone().expect("several processes run");
    let mut dials = settings(pipeline.dials, wanted, &opened.engine.values());
    let mut tick: Box<Ticking> = match then {
        Then::End => Box::new(until_it_ends(Some(&cluster))),
        Then::GoOn => Box::new(until_it_is_lost(&cluster)),
    };
    let all = All { cluster: &cluster, then };
    let labels = labels_of_all(&all, opened, &mut tick)?;
    let precisions = labelled::precisions(&mut opened.engine, pipeline.dials, &labels, &mut tick)?;
    dials.iter_mut().for_each(|dial| dial.labels = precisions.get(dial.name).cloned());
    let settled = match then {
        Then::End => opened.engine.end(),
        Then::GoOn => opened.engine.verdicts().clone(),
    };
    let is_foreign = cluster.meet(vec![opened.is_foreign.into()]).map_err(lost)?;
    opened.is_foreign = is_foreign.iter().any(|said| *said == [1]);

    let (mut summary, failure) = count(options, pipeline, &cluster, opened, (&dials, &settled), stages)?;
    summary.removed = (gone.rows > 0).then_some(gone);
    let mut report = RunReport::of(summary, failure, options);
    if report.failure.is_none() {
        publish(options, pipeline, &all, opened, (settled, &dials), &mut report)?;
    }
    report.is_told_by_another = !cluster.leads();
    Ok(report)
}

pub(super) fn lost(lost: LostProcess) -> Failure {
    Failure::Failed(lost.to_string())
}

/// What goes on while the dataflow is waited for.
type Ticking = dyn FnMut(&Progress, &Verdicts) -> Result<(), String>;

/// The processes, and what becomes of their dataflow.
struct All<'a> {
    cluster: &'a Arc<Cluster>,
    then: Then,
}

impl All<'_> {
    /// What this process did for itself. Where a run ends with a failure, the others end because of that.
    fn agree<T>(&self, own: Result<T, Failure>) -> Result<T, Failure> {
        if self.then == Then::End {
            return own;
        }
        let failure = own.as_ref().err().cloned();
        let all: Vec<Option<Failure>> = heard(&self.cluster.meet(said(&failure)?).map_err(lost)?)?;
        let own = own?;
        all.into_iter().flatten().next().map_or(Ok(own), Err)
    }
}

/// The labels, as process 0 reads them: somebody may label meanwhile, and all have to speak of the same dials.
fn labels_of_all(all: &All<'_>, opened: &mut Opened, tick: Tick<'_>) -> Result<Labels, Failure> {
    let failed = |error: LabelError| Failure::Failed(error.to_string());
    let folder = opened.store.folder().to_owned();
    let leads = all.cluster.leads();
    let own = if leads { Labels::bytes(&folder).map_err(failed) } else { Ok(Vec::new()) };
    let said = opened.engine.meet(all.agree(own)?, tick).map_err(run::stopped)?;
    let labels = Labels::parse(&folder, &said[0]).map_err(failed)?;
    if leads && all.then == Then::End {
        labelled::tell_damage(&labels);
    }
    Ok(labels)
}

/// What is said to another process: JSON, which holds whatever is written to files, too.
fn said(what: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(what).map_err(|error| Failure::Failed(error.to_string()))
}

fn heard<T: DeserializeOwned>(all: &[Vec<u8>]) -> Result<Vec<T>, Failure> {
    let one = |said: &Vec<u8>| serde_json::from_slice(said);
    all.iter().map(one).collect::<Result<_, _>>().map_err(|error| {
        Failure::Failed(format!(
            "another process said what this one does not understand: {error}; run one version everywhere"
        ))
    })
}

/// What process 0 says, for all.
fn of_the_first(cluster: &Cluster, words: &str) -> Result<String, Failure> {
    let all = cluster.meet(words.as_bytes().to_vec()).map_err(lost)?;
    Ok(String::from_utf8_lossy(&all[0]).into_owned())
}

/// The summary: in process 0 of all, elsewhere of its own; and, everywhere, why nothing is published, if too much failed.
fn count(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    cluster: &Cluster,
    opened: &Opened,
    (dials, settled): (&[publish::DialSetting], &crate::flow::Verdicts),
    stages: &[StageStatus],
) -> Result<(Summary, Option<String>), Failure> {
    let mut summary = opened.summary_of(pipeline.name, dials, settled, stages);
    let mut remarks = opened.remarks.clone();
    let counts = Counts::of(&summary, &opened.remarks, cluster.bytes_sent());
    let all = cluster.tell_the_first(said(&counts)?).map_err(lost)?;
    let mut words = GO_ON.to_owned();
    if cluster.leads() {
        let all: Vec<Counts> = heard(&all)?;
        let bytes: u64 = all.iter().map(|counts| counts.bytes_sent).sum();
        let others = all.into_iter().enumerate().skip(1);
        let wiring = opened.stages();
        for (process, counts) in others {
            remarks.add(&counts.remarks);
            counts.add_to(&mut summary, process, &wiring);
        }
        summary.demonstration = opened.demonstration();
        summary.processes =
            Some(crate::cli::summary::Processes { count: cluster.place().of, bytes_sent: bytes });
        words = errors::too_many(&summary.errors, summary.rows, options.max_error_rate).unwrap_or_default();
    }
    summary.remark(remarks, &opened.catalogue.sidecar_fields());
    let words = of_the_first(cluster, &words)?;
    Ok((summary, (words != GO_ON).then_some(words)))
}

fn publish(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    all: &All<'_>,
    opened: &Opened,
    (mut settled, dials): (crate::flow::Verdicts, &[publish::DialSetting]),
    report: &mut RunReport,
) -> Result<(), Failure> {
    let about = opened.about();
    let verdicts = settled.take_shards();
    let wanted = wanted_of(pipeline, opened, &about, dials, (&settled, &verdicts));
    let cluster = all.cluster;
    let lost_here = publish::lost_rows(&options.out, &wanted, &opened.catalogue);
    let lost_here = all.agree(lost_here.map_err(Failure::from))?;
    let lost_all = Lost::of_all(heard(&cluster.meet(said(&lost_here)?).map_err(lost)?)?);
    let is_too_much = lost_all.share() > options.max_lost;
    report.take_lost(lost_all, options);
    if is_too_much {
        return Ok(());
    }
    if !cluster.leads() {
        // Process 0 has locked the folder.
        all.agree(Ok(()))?;
        let mark = of_the_first(cluster, GO_ON)?;
        let share = StagedShare::beside(&options.out, &mark, &wanted, &opened.catalogue);
        let share = all.agree(share.map_err(Failure::from))?;
        cluster.tell_the_first(said(&share)?).map_err(lost)?;
        return Ok(());
    }
    let commit = options.begin().and_then(|writing| {
        let commit = Commit::open(&options.out)?;
        Ok((commit.mark()?, commit, writing))
    });
    let (mark, commit, writing) = all.agree(commit.map_err(Failure::from))?;
    of_the_first(cluster, &mark)?;
    let committed = commit.put(&wanted, |commit| -> Result<Vec<StagedShare>, Failure> {
        let own = commit.stage(&wanted, &opened.catalogue);
        let own = all.agree(own.map_err(Failure::from))?;
        heard(&cluster.tell_the_first(said(&own)?).map_err(lost)?)
    })?;
    tell_mended(options.out_shown().as_ref(), &committed.mended);
    report.summary.mended.clone_from(&committed.mended);
    report.committed = Some(committed);
    report.take_sent(writing.map(buckets::send).transpose()?);
    if options.export.is_some() {
        // This process knows its own shards alone.
        let store = Store::look(&options.store)?;
        let all = catalogue_of(&store, options.source.read_options(), true)?;
        report.export(options, &all);
    }
    report.take_told(opened.pipeline.is_published(&options.out));
    Ok(())
}
