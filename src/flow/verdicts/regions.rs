//! Where every region stands. Changes are added up region by region, in whatever order they come: when an epoch is
//! complete, every region that was found has exactly one verdict left.

use std::collections::HashMap;

use crate::flow::KeptRegion;
use crate::row::{ContentHash, Place, Refused, RowId};
#[cfg(doc)]
use crate::row::{Row, Verdict};

/// Where a region ended.
#[derive(Clone, Debug)]
pub enum RegionVerdict {
    /// Published with its picture: its [`Row::content`], and its scores in the order of the flow's names.
    Kept { content: ContentHash, scores: Box<[f32]> },
    /// Held back by the dial of this name, at this score.
    Gated { dial: &'static str, score: f32 },
    /// Ended without an answer.
    Refused(Box<Refused>),
}

/// Bit by bit, as with [`Verdict`].
impl PartialEq for RegionVerdict {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                RegionVerdict::Kept { content, scores },
                RegionVerdict::Kept { content: other, scores: others },
            ) => {
                content == other && scores.iter().map(|s| s.to_bits()).eq(others.iter().map(|s| s.to_bits()))
            }
            (RegionVerdict::Gated { dial, score }, RegionVerdict::Gated { dial: other, score: at }) => {
                dial == other && score.to_bits() == at.to_bits()
            }
            (RegionVerdict::Refused(one), RegionVerdict::Refused(other)) => one == other,
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    number: u16,
    verdict: RegionVerdict,
    /// 1 when all is settled; whatever while changes are under way.
    count: i32,
}

#[derive(Clone, Debug, Default)]
struct OfPicture {
    found: i64,
    entries: Vec<Entry>,
}

/// The regions of all pictures.
#[derive(Clone, Debug, Default)]
pub(super) struct RegionTable {
    pictures: HashMap<RowId, OfPicture>,
}

impl RegionTable {
    pub(super) fn add_found(&mut self, id: RowId, found: u16, diff: isize) {
        self.change(id, |picture| picture.found += i64::from(found) * diff as i64);
    }

    pub(super) fn add_kept(&mut self, region: KeptRegion, diff: isize) {
        let scores = region.scores.iter().map(|score| score.get()).collect();
        self.add(region.place, RegionVerdict::Kept { content: region.content, scores }, diff);
    }

    pub(super) fn add(&mut self, place: Place, verdict: RegionVerdict, diff: isize) {
        let Some(number) = place.region else { return };
        self.change(place.id, |picture| {
            let known = |entry: &Entry| entry.number == number && entry.verdict == verdict;
            match picture.entries.iter().position(known) {
                Some(at) => {
                    picture.entries[at].count += diff as i32;
                    if picture.entries[at].count == 0 {
                        picture.entries.swap_remove(at);
                    }
                }
                None => picture.entries.push(Entry { number, verdict, count: diff as i32 }),
            }
        });
    }

    fn change(&mut self, id: RowId, change: impl FnOnce(&mut OfPicture)) {
        let picture = self.pictures.entry(id).or_default();
        change(picture);
        if picture.found == 0 && picture.entries.is_empty() {
            self.pictures.remove(&id);
        }
    }

    /// Pictures whose regions do not each stand in exactly one verdict.
    pub(super) fn astray(&self) -> impl Iterator<Item = RowId> {
        self.pictures.iter().filter(|(_, picture)| !picture.is_settled()).map(|(id, _)| *id)
    }

    pub(super) fn found_in(&self, id: RowId) -> u64 {
        self.pictures.get(&id).map_or(0, |picture| picture.found.max(0) as u64)
    }

    /// The picture's regions in the order of their numbers, each with its verdict.
    pub(super) fn of(&self, id: RowId) -> Vec<(u16, &RegionVerdict)> {
        let entries = self.pictures.get(&id).map(|picture| picture.entries.as_slice()).unwrap_or_default();
        let mut regions: Vec<_> = entries.iter().map(|entry| (entry.number, &entry.verdict)).collect();
        regions.sort_by_key(|(number, _)| *number);
        regions
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RowId, &RegionVerdict)> {
        self.pictures
            .iter()
            .flat_map(|(id, picture)| picture.entries.iter().map(|entry| (*id, &entry.verdict)))
    }
}

impl OfPicture {
    fn is_settled(&self) -> bool {
        let mut numbers: Vec<u16> = self.entries.iter().map(|entry| entry.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let each_once =
            numbers.len() == self.entries.len() && self.entries.iter().all(|entry| entry.count == 1);
        each_once && self.entries.len() as i64 == self.found
    }
}
