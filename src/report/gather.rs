//! Gets the pictures of a report from the shards, through the pipeline's illustrator, on a few threads.
//!
//! The small pictures are held in memory. Of the large ones, each thread holds one; of very large ones, there is only one at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::choose::{self, Chosen, Reason};
use super::{Illustration, Illustrator, MOST_PICTURES, OnSheet, Report, ReportError, Shown};
use crate::publish::{PublishError, Wanted, record_of_row};
use crate::row::{Refusal, Verdict};
use crate::shard::{Catalogue, Sample, Shard};

/// A picture of more pixels than this is decoded alone.
const LARGE: u64 = 24_000_000;

/// A row of the report.
pub(super) struct Pictured {
    pub shard: String,
    pub key: String,
    /// In pixels, where it is known.
    pub size: Option<[u16; 2]>,
    /// By name; none of a row that is not kept.
    pub scores: Vec<(&'static str, f32)>,
    pub verdict: Verdict,
    /// `None` where there is no picture, or nobody to show it.
    pub drawn: Option<Result<Illustration, Refusal>>,
}

impl Pictured {
    /// As a part of the contact sheet, if there is something to see.
    pub(super) fn on_sheet(&self) -> Option<OnSheet<'_>> {
        let illustration = self.drawn.as_ref()?.as_ref().ok()?;
        let scores = self.scores.iter().filter(|(name, _)| *name == "aesthetic");
        let scores = scores.map(|(name, score)| format!("  {name} {score:.2}"));
        let caption = format!("{}/{}{}", self.shard, self.key, scores.collect::<String>());
        Some(OnSheet { caption, illustration })
    }
}

/// Rows that were not kept for one reason.
pub(super) struct Dropped {
    pub reason: Reason,
    /// All such rows, shown or not.
    pub rows: u64,
    pub pictures: Vec<Pictured>,
}

/// All the pictures of a page.
pub(super) struct Pictures {
    pub kept: Vec<Pictured>,
    pub dropped: Vec<Dropped>,
}

/// Chooses the rows and gets their pictures.
pub(super) fn gather(report: &Report<'_>, catalogue: &Catalogue) -> Result<Pictures, ReportError> {
    let kept = choose::kept(report.wanted, MOST_PICTURES);
    let groups = choose::dropped(report.wanted, MOST_PICTURES);
    let all: Vec<Chosen> =
        kept.iter().chain(groups.iter().flat_map(|group| &group.chosen)).copied().collect();
    let mut pictured = get_all(report, catalogue, &all)?.into_iter();
    let kept = pictured.by_ref().take(kept.len()).collect();
    let dropped = groups.into_iter().map(|group| Dropped {
        reason: group.reason,
        rows: group.rows,
        pictures: pictured.by_ref().take(group.chosen.len()).collect(),
    });
    Ok(Pictures { kept, dropped: dropped.collect() })
}

fn get_all(
    report: &Report<'_>,
    catalogue: &Catalogue,
    chosen: &[Chosen],
) -> Result<Vec<Pictured>, ReportError> {
    let alone = Mutex::new(());
    on_threads(report.threads, chosen, |row| get(report, catalogue, *row, &alone))
}

/// Works on every item on a few threads; the answers are in the order of the items.
pub(super) fn on_threads<T: Sync, A: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<A, PublishError> + Sync,
) -> Result<Vec<A>, ReportError> {
    let next = AtomicUsize::new(0);
    let got: Vec<Mutex<Option<Result<A, PublishError>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    crate::limits::side_by_side(threads.clamp(1, items.len().max(1)), || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let (Some(item), Some(slot)) = (items.get(place), got.get(place)) else { return };
            let answer = work(item);
            *crate::lane::lock(slot) = Some(answer);
        }
    });
    let value = |slot: Mutex<Option<_>>| slot.into_inner().ok().flatten();
    let missing = || Err(PublishError::Other("a picture of the report was not got".to_owned()));
    Ok(got.into_iter().map(|slot| value(slot).unwrap_or_else(missing)).collect::<Result<_, _>>()?)
}

fn get(
    report: &Report<'_>,
    catalogue: &Catalogue,
    row: Chosen,
    alone: &Mutex<()>,
) -> Result<Pictured, PublishError> {
    let wanted = report.wanted;
    let in_shard = &wanted.shards[row.shard];
    let shard = catalogue.shard(in_shard.seq)?;
    let (Some(sample), Some(verdict)) =
        (shard.index.samples.get(row.member as usize), in_shard.verdicts.get(row.member as usize))
    else {
        return Err(PublishError::Verdicts(format!("shard {} has no row {}", shard.name, row.member)));
    };
    let scores = match verdict {
        Verdict::Kept(scores) => wanted.score_columns.iter().copied().zip(scores.iter().copied()).collect(),
        _ => Vec::new(),
    };
    let drawn = match report.illustrator {
        Some(illustrator) => draw(illustrator, wanted, row, (&shard, sample), alone)?,
        None => None,
    };
    Ok(Pictured {
        shard: in_shard.name.to_owned(),
        key: sample.key.clone(),
        size: sample.picture.as_ref().ok().map(|picture| [picture.width, picture.height]),
        scores,
        verdict: verdict.clone(),
        drawn,
    })
}

fn draw(
    illustrator: &dyn Illustrator,
    wanted: &Wanted<'_>,
    row: Chosen,
    (shard, sample): (&Shard, &Sample),
    alone: &Mutex<()>,
) -> Result<Option<Result<Illustration, Refusal>>, PublishError> {
    let Ok(picture) = &sample.picture else { return Ok(None) };
    let bytes = match shard.picture_bytes(row.member) {
        Ok(bytes) => bytes,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    let record = record_of_row(wanted, &wanted.shards[row.shard], shard, row.member)?;
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    let _alone = (pixels > LARGE).then(|| crate::lane::lock(alone));
    let shown = Shown { picture, bytes: &bytes, record: record.as_deref() };
    // One picture that a decoder cannot bear costs the page that picture.
    let drawn = catch_unwind(AssertUnwindSafe(|| illustrator.illustrate(&shown)));
    let gave_up = |_| Err(Refusal::permanent("not_drawn", "what draws it gave up on this picture"));
    Ok(Some(drawn.unwrap_or_else(gave_up)))
}
