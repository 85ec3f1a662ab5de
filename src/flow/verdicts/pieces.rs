//! Where every piece of the pictures stands: regions in one table, edits in another. Changes are added up piece by piece, in
//! whatever order they come: when an epoch is complete, every piece that was found has exactly one verdict left.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::flow::{KeptPiece, Told};
use crate::row::{ContentHash, Place, Refused, RowId};
#[cfg(doc)]
use crate::row::{Row, Verdict};

/// Where a region or an edit ended.
#[derive(Clone, Debug)]
pub enum PieceVerdict {
    /// Published with its picture: its [`Row::content`], and its scores in the order of the flow's names.
    Kept { content: ContentHash, scores: Box<[f32]> },
    /// Held back by the dial of this name, at this score.
    Gated { dial: &'static str, score: f32 },
    /// Ended without an answer.
    Refused(Box<Refused>),
}

/// Bit by bit, as with [`Verdict`].
impl PartialEq for PieceVerdict {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                PieceVerdict::Kept { content, scores },
                PieceVerdict::Kept { content: other, scores: others },
            ) => {
                content == other && scores.iter().map(|s| s.to_bits()).eq(others.iter().map(|s| s.to_bits()))
            }
            (PieceVerdict::Gated { dial, score }, PieceVerdict::Gated { dial: other, score: at }) => {
                dial == other && score.to_bits() == at.to_bits()
            }
            (PieceVerdict::Refused(one), PieceVerdict::Refused(other)) => one == other,
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    number: u16,
    verdict: PieceVerdict,
    /// None of a kept one, whose verdict says as much, and of what was no row.
    told: Option<Box<Told>>,
    /// 1 when all is settled; whatever while changes are under way.
    count: i32,
}

#[derive(Clone, Debug, Default)]
struct OfPicture {
    found: i64,
    entries: Vec<Entry>,
    /// Pieces that are undecided: their numbers, the stage that would be asked about each, and as in [`Entry::count`].
    open: Vec<(u16, u16, i32)>,
}

/// See [`Verdicts::piece_counts`](super::Verdicts::piece_counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceCounts {
    /// All of them.
    pub found: i64,
    /// That passed everything.
    pub kept: i64,
    /// That a dial holds back.
    pub gated: i64,
    /// That ended without an answer.
    pub refused: i64,
    /// About which a question is held back.
    pub undecided: i64,
}

impl PieceCounts {
    /// Those of other pictures, too.
    pub(crate) fn add(&mut self, other: PieceCounts) {
        self.found += other.found;
        self.kept += other.kept;
        self.gated += other.gated;
        self.refused += other.refused;
        self.undecided += other.undecided;
    }
}

/// The pieces of one sort of all pictures.
#[derive(Clone, Debug, Default)]
pub(super) struct PieceTable {
    pictures: HashMap<RowId, OfPicture>,
    /// Pictures of which something changed since all were settled.
    changed: HashSet<RowId>,
    counts: PieceCounts,
}

impl PieceTable {
    pub(super) fn add_found(&mut self, id: RowId, found: u16, diff: isize) {
        self.counts.found += i64::from(found) * diff as i64;
        self.change(id, |picture| picture.found += i64::from(found) * diff as i64);
    }

    pub(super) fn add_kept(&mut self, piece: KeptPiece, diff: isize) {
        let scores = piece.scores.iter().map(|score| score.get()).collect();
        self.add(piece.place, PieceVerdict::Kept { content: piece.content, scores }, None, diff);
    }

    pub(super) fn add(&mut self, place: Place, verdict: PieceVerdict, told: Option<Box<Told>>, diff: isize) {
        let number = place.number;
        *match &verdict {
            PieceVerdict::Kept { .. } => &mut self.counts.kept,
            PieceVerdict::Gated { .. } => &mut self.counts.gated,
            PieceVerdict::Refused(_) => &mut self.counts.refused,
        } += diff as i64;
        self.change(place.id, |picture| {
            let known =
                |entry: &Entry| entry.number == number && entry.verdict == verdict && entry.told == told;
            match picture.entries.iter().position(known) {
                Some(at) => {
                    picture.entries[at].count += diff as i32;
                    if picture.entries[at].count == 0 {
                        picture.entries.swap_remove(at);
                    }
                }
                None => picture.entries.push(Entry { number, verdict, told, count: diff as i32 }),
            }
        });
    }

    /// A question about a piece is held back by the stage of that number.
    pub(super) fn add_open(&mut self, place: Place, stage: u16, diff: isize) {
        self.counts.undecided += diff as i64;
        self.change(place.id, |picture| {
            let known = |(number, at, _): &(u16, u16, i32)| (*number, *at) == (place.number, stage);
            match picture.open.iter().position(known) {
                Some(at) => {
                    picture.open[at].2 += diff as i32;
                    if picture.open[at].2 == 0 {
                        picture.open.swap_remove(at);
                    }
                }
                None => picture.open.push((place.number, stage, diff as i32)),
            }
        });
    }

    pub(super) fn counts(&self) -> PieceCounts {
        self.counts
    }

    /// The number of the stage that would be asked about the piece.
    pub(super) fn open_at(&self, place: Place) -> Option<u16> {
        let open = self.pictures.get(&place.id)?.open.iter();
        open.filter(|(number, ..)| *number == place.number).map(|(_, stage, _)| *stage).next()
    }

    fn change(&mut self, id: RowId, change: impl FnOnce(&mut OfPicture)) {
        self.changed.insert(id);
        let picture = self.pictures.entry(id).or_default();
        change(picture);
        if picture.found == 0 && picture.entries.is_empty() && picture.open.is_empty() {
            self.pictures.remove(&id);
        }
    }

    /// Pictures whose pieces do not each stand in exactly one verdict.
    pub(super) fn astray(&self) -> impl Iterator<Item = RowId> {
        let settled = |id: &&RowId| self.pictures.get(id).is_none_or(OfPicture::is_settled);
        self.changed.iter().filter(move |id| !settled(id)).copied()
    }

    /// All pieces stand in one verdict each.
    pub(super) fn is_checked(&mut self) {
        self.changed.clear();
    }

    pub(super) fn found_in(&self, id: RowId) -> u64 {
        self.pictures.get(&id).map_or(0, |picture| picture.found.max(0) as u64)
    }

    /// The picture's pieces in the order of their numbers, each with its verdict.
    pub(super) fn of(&self, id: RowId) -> Vec<(u16, &PieceVerdict)> {
        self.told(id).into_iter().map(|(number, verdict, _)| (number, verdict)).collect()
    }

    /// The same, each with what it had been told.
    pub(super) fn told(&self, id: RowId) -> Vec<(u16, &PieceVerdict, Option<&Told>)> {
        let entries = self.pictures.get(&id).map(|picture| picture.entries.as_slice()).unwrap_or_default();
        let pieces = entries.iter().map(|entry| (entry.number, &entry.verdict, entry.told.as_deref()));
        let mut pieces: Vec<_> = pieces.collect();
        pieces.sort_by_key(|(number, ..)| *number);
        pieces
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RowId, &PieceVerdict)> {
        self.pictures
            .iter()
            .flat_map(|(id, picture)| picture.entries.iter().map(|entry| (*id, &entry.verdict)))
    }
}

impl OfPicture {
    fn is_settled(&self) -> bool {
        let ends = self.entries.len() + self.open.len();
        let open = self.open.iter().map(|(number, _, count)| (*number, *count));
        let counted = self.entries.iter().map(|entry| (entry.number, entry.count)).chain(open);
        let mut numbers: Vec<u16> = counted.clone().map(|(number, _)| number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let each_once = numbers.len() == ends && counted.into_iter().all(|(_, count)| count == 1);
        each_once && ends as i64 == self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Refusal;

    const ID: RowId = RowId { shard: 2, member: 5 };

    fn gated(score: f32) -> PieceVerdict {
        PieceVerdict::Gated { dial: "tested", score }
    }

    fn refused(message: &str) -> PieceVerdict {
        let refusal = Refusal::permanent("tested", message.to_owned());
        PieceVerdict::Refused(Box::new(Refused { stage: "tested".into(), refusal }))
    }

    fn kept(score: f32) -> PieceVerdict {
        PieceVerdict::Kept { content: ContentHash([1; 16]), scores: Box::new([score]) }
    }

    #[test]
    fn every_piece_that_was_found_stands_in_one_verdict() {
        let mut table = PieceTable::default();
        // What comes or leaves, and whether all is settled then.
        let changes = [
            (0, gated(0.5), 1, false),
            (1, refused("one"), 1, true),
            (1, refused("other"), 1, false),
            (1, refused("one"), -1, true),
            (0, gated(0.5), 1, false),
            (0, gated(0.5), -1, true),
            (0, kept(0.5), 1, false),
            (0, gated(0.5), -1, true),
            (2, gated(0.5), 1, false),
            (2, gated(0.5), -1, true),
            (1, refused("other"), -1, false),
            (1, gated(f32::NAN), 1, true),
            (1, gated(f32::NAN), -1, false),
            (1, kept(f32::NAN), 1, true),
            (1, kept(f32::NAN), -1, false),
            (1, refused("other"), 1, true),
        ];
        table.add_found(ID, 2, 1);
        assert_eq!(table.astray().collect::<Vec<_>>(), [ID], "nothing is said of either");
        for (at, (number, verdict, diff, settled)) in changes.into_iter().enumerate() {
            table.add(Place::region(ID, number), verdict, None, diff);
            assert_eq!(table.astray().next(), (!settled).then_some(ID), "after change {at}");
        }
        assert_eq!(table.of(ID), [(0, &kept(0.5)), (1, &refused("other"))]);
        assert_eq!(table.found_in(ID), 2);
        table.add_found(ID, 2, -1);
        assert_eq!(table.astray().next(), Some(ID), "two pieces of none");
        table.add(Place::region(ID, 0), kept(0.5), None, -1);
        table.add(Place::region(ID, 1), refused("other"), None, -1);
        assert_eq!((table.astray().next(), table.iter().count(), table.pictures.len()), (None, 0, 0));
    }

    #[test]
    fn a_verdict_is_another_where_anything_of_it_is() {
        let other_content = PieceVerdict::Kept { content: ContentHash([2; 16]), scores: Box::new([0.0]) };
        let other_dial = PieceVerdict::Gated { dial: "other", score: 0.0 };
        let all = [
            kept(0.0),
            kept(-0.0),
            other_content,
            gated(0.0),
            gated(-0.0),
            other_dial,
            refused("a"),
            refused("b"),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(one == other, at == other_at, "{one:?} {other:?}");
            }
        }
    }
}
