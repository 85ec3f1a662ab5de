//! Publishes what settled: of a run, which ends with it; and of a session, which goes on.

use std::collections::BTreeMap;

use super::run::{Opened, Unopened, settings, until_a_signal};
use super::summary::Summary;
use super::{Failure, RunOptions, RunReport, buckets, errors, labelled, tell_mended};
use crate::flow::{Setting, Verdicts};
use crate::label::Labels;
use crate::lane::StageStatus;
use crate::publish::{
    self, Committed, Demonstration, DialSetting, Lost, Removed, Sent, StageDescription, Wanted, WantedPieces,
    WantedShard,
};
use crate::report::{self, ReportError, Written};
use crate::row::{Of, Verdict};

/// What becomes of the dataflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It ends, before the files are written: its memory is theirs.
    End,
    GoOn,
}

/// Publishes where the dataflow stands, unless more failed, or would be lost, than may be. `wanted` is where the dials were put, and
/// `gone` what the shards do not hold any more.
pub(super) fn publish_settled(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    opened: &mut Opened,
    (wanted, gone): (&[Setting], Removed),
    stages: &[StageStatus],
    then: Then,
) -> Result<RunReport, Failure> {
    let mut dials = settings(pipeline.dials, wanted, &opened.engine.values());
    let labels = Labels::read(opened.store.folder()).map_err(|error| Failure::Failed(error.to_string()))?;
    if then == Then::End {
        labelled::tell_damage(&labels);
    }
    let precisions = labelled::precisions(&mut opened.engine, pipeline.dials, &labels, &mut until_a_signal)?;
    dials.iter_mut().for_each(|dial| dial.labels = precisions.get(dial.name).cloned());
    let mut summary = opened.summary(pipeline.name, &dials, stages);
    summary.removed = (gone.rows > 0).then_some(gone);
    let failure = errors::too_many(&summary.errors, summary.rows, options.max_error_rate);
    let mut report = RunReport::of(summary, failure, options);
    if report.failure.is_none() {
        let settled = match then {
            Then::End => opened.engine.end(),
            Then::GoOn => opened.engine.verdicts().clone(),
        };
        let (lost, done) = commit(options, pipeline, opened, settled, &dials)?;
        report.take_lost(lost, options);
        if let Some(Done { committed, sent, page }) = done {
            tell_mended(options.out_shown().as_ref(), &committed.mended);
            report.summary.mended.clone_from(&committed.mended);
            report.committed = Some(committed);
            report.take_sent(sent);
            report.take_page(page);
            report.export(options, &opened.catalogue);
            report.take_told(opened.pipeline.is_published(&options.out));
        }
    }
    Ok(report)
}

impl Opened {
    /// What there is to say of it, with the dials as they stand; `stages` say what was asked.
    pub(super) fn summary(
        &self,
        name: &'static str,
        dials: &[DialSetting],
        stages: &[StageStatus],
    ) -> Summary {
        let mut summary = self.summary_of(name, dials, self.engine.verdicts(), stages);
        summary.remark(self.remarks.clone(), &self.catalogue.sidecar_fields());
        summary
    }

    /// The same of these verdicts, without what there is to remark of the shards.
    pub(super) fn summary_of(
        &self,
        name: &'static str,
        dials: &[DialSetting],
        verdicts: &Verdicts,
        stages: &[StageStatus],
    ) -> Summary {
        let mut summary = Summary::of(name, dials, verdicts, &self.stages(), stages);
        summary.tell_of(&self.lanes.endpoints());
        summary.demonstration = self.demonstration();
        summary.store_damage = self.lanes.damages();
        summary.objects = self.objects.counts();
        summary
    }

    /// What is published of it beside its rows.
    pub(super) fn about(&self) -> About {
        About {
            stages: self.stages(),
            demonstration: self.demonstration(),
            score_columns: self.engine.score_names().to_vec(),
            sorts: self.engine.piece_score_names().to_vec(),
        }
    }
}

/// What is published beside rows: the stages and the columns.
pub(super) struct About {
    stages: Vec<StageDescription>,
    demonstration: Vec<Demonstration>,
    score_columns: Vec<&'static str>,
    sorts: Vec<(Of, Vec<&'static str>)>,
}

/// What is wanted of the shards that are in. `settled` has the pieces, and `verdicts` those of the rows.
pub(super) fn wanted_of<'a>(
    pipeline: &Unopened<'_>,
    opened: &'a Opened,
    about: &'a About,
    dials: &'a [DialSetting],
    (settled, verdicts): (&'a Verdicts, &'a BTreeMap<u32, Vec<Verdict>>),
) -> Wanted<'a> {
    let pieces = opened.pipeline.its_recorder();
    let pieces = pieces.map(|recorder| WantedPieces { verdicts: settled, sorts: &about.sorts, recorder });
    let shards = opened
        .shards
        .iter()
        .filter_map(|(name, seq)| Some(WantedShard { seq: *seq, name, verdicts: verdicts.get(seq)? }));
    Wanted {
        pipeline: pipeline.name,
        stages: &about.stages,
        dials,
        score_columns: &about.score_columns,
        shards: shards.collect(),
        pieces,
        demonstration: &about.demonstration,
    }
}

/// What was published and sent, and how the page about it went.
struct Done {
    committed: Committed,
    sent: Option<Sent>,
    page: Option<Result<Written, ReportError>>,
}

/// Publishes, unless more would be lost than may be; and says what is lost.
fn commit(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    opened: &Opened,
    mut settled: Verdicts,
    dials: &[DialSetting],
) -> Result<(Lost, Option<Done>), Failure> {
    let about = opened.about();
    let histograms = opened.engine.histograms().clone();
    let verdicts = settled.take_shards();
    let wanted = wanted_of(pipeline, opened, &about, dials, (&settled, &verdicts));
    let writing = options.begin()?;
    let lost = publish::lost_rows(&options.out, &wanted, &opened.catalogue)?;
    if lost.share() > options.max_lost {
        return Ok((lost, None));
    }
    let committed = publish::commit(&options.out, &wanted, &opened.catalogue)?;
    let sent = writing.map(buckets::send).transpose()?;
    let page = options.report.as_deref().map(|path| {
        let about = report::Report {
            wanted: &wanted,
            dials: pipeline.dials,
            histograms: &histograms,
            illustrator: opened.pipeline.its_illustrator(),
            threads: options.cores(),
        };
        report::write(path, &about, &opened.catalogue)
    });
    Ok((lost, Some(Done { committed, sent, page })))
}
