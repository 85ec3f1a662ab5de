//! Publishes what settled: of a run, which ends with it; and of a session, which goes on.

use super::run::{Opened, Unopened, settings, until_a_signal};
use super::summary::Summary;
use super::{Failure, RunOptions, RunReport, errors, labelled, tell_mended};
use crate::flow::{Setting, Verdicts};
use crate::label::Labels;
use crate::lane::StageStatus;
use crate::publish::{self, Committed, DialSetting, Lost, Removed, Wanted, WantedPieces, WantedShard};
use crate::report::{self, ReportError, Written};

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
    let mut report = RunReport {
        summary,
        part: None,
        committed: None,
        exported: None,
        page: None,
        told: None,
        failure,
        out: options.out.clone(),
    };
    if report.failure.is_none() {
        let settled = match then {
            Then::End => opened.engine.end(),
            Then::GoOn => opened.engine.verdicts().clone(),
        };
        let (lost, done) = commit(options, pipeline, opened, settled, &dials)?;
        report.take_lost(lost, options);
        if let Some((committed, page)) = done {
            tell_mended(&options.out, &committed.mended);
            report.summary.mended.clone_from(&committed.mended);
            report.committed = Some(committed);
            report.take_page(page);
            report.export(options.export.as_deref(), &opened.catalogue);
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
        let mut summary = Summary::of(name, dials, self.engine.verdicts(), &self.stages(), stages);
        summary.tell_of(&self.lanes.endpoints());
        summary.demonstration = self.demonstration();
        summary.store_damage = self.lanes.damages();
        summary.remark(self.remarks.clone(), &self.catalogue.sidecar_fields());
        summary
    }
}

/// What was published, and how the page about it went.
type Done = (Committed, Option<Result<Written, ReportError>>);

/// Publishes, unless more would be lost than may be; and says what is lost.
fn commit(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    opened: &Opened,
    mut settled: Verdicts,
    dials: &[DialSetting],
) -> Result<(Lost, Option<Done>), Failure> {
    let (stages, demonstration) = (opened.stages(), opened.demonstration());
    let histograms = opened.engine.histograms().clone();
    let score_columns = opened.engine.score_names().to_vec();
    let sorts = opened.engine.piece_score_names().to_vec();
    let verdicts = settled.take_shards();
    let pieces = opened.pipeline.its_recorder();
    let pieces = pieces.map(|recorder| WantedPieces { verdicts: &settled, sorts: &sorts, recorder });
    let shards = opened
        .shards
        .iter()
        .filter_map(|(name, seq)| Some(WantedShard { seq: *seq, name, verdicts: verdicts.get(seq)? }));
    let wanted = Wanted {
        pipeline: pipeline.name,
        stages: &stages,
        dials,
        score_columns: &score_columns,
        shards: shards.collect(),
        pieces,
        demonstration: &demonstration,
    };
    let lost = publish::lost_rows(&options.out, &wanted, &opened.catalogue)?;
    if lost.share() > options.max_lost {
        return Ok((lost, None));
    }
    let committed = publish::commit(&options.out, &wanted, &opened.catalogue)?;
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
    Ok((lost, Some((committed, page))))
}
