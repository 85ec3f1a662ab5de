//! Where rows stand, as a session asks: by row, by dial and by stage.

use std::collections::{BTreeMap, BTreeSet};

use super::pieces::PieceTable;
use super::{PieceCounts, PieceVerdict, Verdicts};
use crate::flow::Told;
use crate::row::{Of, Place, RowId, Verdict};

impl Verdicts {
    /// The pictures that were refused by what may go well the next time, or a piece of which was.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20]), |images, _| images.finish());
    /// assert!(engine.verdicts().refused_for_now().is_empty());
    /// ```
    pub fn refused_for_now(&self) -> BTreeSet<RowId> {
        let pictures = self.refused.iter().filter(|(_, refused)| !refused.refusal.is_permanent());
        let pieces = Of::PIECES.into_iter().flat_map(|of| self.pieces(of));
        let pieces = pieces.filter(|(_, verdict)| match verdict {
            PieceVerdict::Refused(refused) => !refused.refusal.is_permanent(),
            _ => false,
        });
        pictures.map(|(id, _)| *id).chain(pieces.map(|(id, _)| id)).collect()
    }

    /// How many rows each dial holds back, by the dials' numbers: pictures, regions or edits.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// assert_eq!(engine.verdicts().held_back()[0], 1);
    /// ```
    pub fn held_back(&self) -> &[i64] {
        &self.gated
    }

    /// How many pictures are refused, and how many of them by what may go well the next time.
    pub(crate) fn refused(&self) -> (u64, u64) {
        let for_now = self.refused.values().filter(|refused| !refused.refusal.is_permanent());
        (self.refused.len() as u64, for_now.count() as u64)
    }

    /// How many pictures and pieces each stage refused.
    pub(crate) fn refused_by_stage(&self) -> BTreeMap<&str, u64> {
        let mut stages: BTreeMap<&str, u64> = BTreeMap::new();
        for refused in self.refused.values() {
            *stages.entry(&refused.stage).or_default() += 1;
        }
        for (_, verdict) in Of::PIECES.into_iter().flat_map(|of| self.pieces(of)) {
            if let PieceVerdict::Refused(refused) = verdict {
                *stages.entry(&refused.stage).or_default() += 1;
            }
        }
        stages
    }

    /// How many pictures and pieces each stage would be asked about.
    pub(crate) fn undecided_by_stage(&self) -> BTreeMap<&'static str, u64> {
        let mut stages: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (stage, rows) in self.stages.iter().zip(&self.undecided_at) {
            *stages.entry(stage).or_default() += (*rows).max(0) as u64;
        }
        stages
    }

    /// Where a picture stands, if it has a verdict.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::{RowId, Verdict};
    ///
    /// let engine = run(pictures([5, 20]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let of = |member| engine.verdicts().of(RowId { shard: 0, member });
    /// assert_eq!(of(0), Some(Verdict::Gated { dial: "side", score: 5.0 }));
    /// assert_eq!(of(2), None, "there is no such row");
    /// ```
    pub fn of(&self, id: RowId) -> Option<Verdict> {
        self.verdict(id, self.shards.get(&id.shard)?)
    }

    /// The stage that would be asked about a picture that is undecided.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::row::RowId;
    ///
    /// let lab = Lab::new(Mode::Plan);
    /// let taster = lab.stage(taster());
    /// let engine = run(pictures([5]), move |images, _| images.ask(&taster).finish());
    /// assert_eq!(engine.verdicts().undecided_at(RowId { shard: 0, member: 0 }), Some("taster"));
    /// ```
    pub fn undecided_at(&self, id: RowId) -> Option<&'static str> {
        let stage = self.shards.get(&id.shard)?.get(id.member as usize)?.unasked_stage()?;
        self.stages.get(usize::from(stage)).copied()
    }

    /// The stage that would be asked about a piece that is undecided.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::{Place, RowId};
    ///
    /// let engine = run(pictures([5]), |images, _| images.finish());
    /// let region = Place::region(RowId { shard: 0, member: 0 }, 0);
    /// assert_eq!(engine.verdicts().piece_undecided_at(region), None, "there is no such region");
    /// ```
    pub fn piece_undecided_at(&self, place: Place) -> Option<&'static str> {
        let stage = self.table(place.of)?.open_at(place)?;
        self.stages.get(usize::from(stage)).copied()
    }

    /// Every row that is expected, in the order of the shards' numbers.
    pub(crate) fn all(&self) -> impl Iterator<Item = RowId> {
        self.shards.iter().flat_map(|(shard, rows)| {
            (0..rows.len()).map(move |member| RowId { shard: *shard, member: member as u32 })
        })
    }

    /// How the pieces of that sort stand: how many of them.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::row::Of;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, dial| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     pictures.with(regions.gate(&dial.sure)).finish()
    /// });
    /// let counts = engine.verdicts().piece_counts(Of::Regions);
    /// assert_eq!((counts.found, counts.kept + counts.gated), (3, 3));
    /// ```
    pub fn piece_counts(&self, of: Of) -> PieceCounts {
        self.table(of).map(PieceTable::counts).unwrap_or_default()
    }

    /// How many pieces of that sort a picture has.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::row::Of;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, dial| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     pictures.with(regions.gate(&dial.sure)).finish()
    /// });
    /// let id = |member| threshflow::row::RowId { shard: 0, member };
    /// assert_eq!(engine.verdicts().found_in(Of::Regions, id(1)), 3);
    /// ```
    pub fn found_in(&self, of: Of, id: RowId) -> u64 {
        self.table(of).map_or(0, |table| table.found_in(id))
    }

    /// The pieces of a picture in the order of their numbers, and where each stands.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::flow::PieceVerdict;
    /// use threshflow::row::Of;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, dial| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     pictures.with(regions.gate(&dial.sure)).finish()
    /// });
    /// let id = |member| threshflow::row::RowId { shard: 0, member };
    /// let regions = engine.verdicts().pieces_of(Of::Regions, id(1));
    /// let kept = regions.iter().filter(|(_, region)| matches!(region, PieceVerdict::Kept { .. }));
    /// assert_eq!(kept.map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1], "the third is at 1/3");
    /// ```
    pub fn pieces_of(&self, of: Of, id: RowId) -> Vec<(u16, &PieceVerdict)> {
        self.table(of).map(|table| table.of(id)).unwrap_or_default()
    }

    /// The same, each with what it had been told when it was held back or refused.
    pub(crate) fn pieces_told(&self, of: Of, id: RowId) -> Vec<(u16, &PieceVerdict, Option<&Told>)> {
        self.table(of).map(|table| table.told(id)).unwrap_or_default()
    }

    /// Every piece of that sort, with its picture, in no order.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::row::Of;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, dial| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     pictures.with(regions.gate(&dial.sure)).finish()
    /// });
    /// assert_eq!(engine.verdicts().pieces(Of::Regions).count(), 3);
    /// ```
    pub fn pieces(&self, of: Of) -> impl Iterator<Item = (RowId, &PieceVerdict)> {
        self.table(of).into_iter().flat_map(PieceTable::iter)
    }
}
