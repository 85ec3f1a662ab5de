//! `nearest_better`: how far every picture is from the nearest better one that looks like it, so that a gate can drop
//! near duplicates.
//!
//! Which of two rows is the better one is a total order that no dial and no history moves, and a row's distance depends
//! on the rows that came this far, not on which of them a gate then keeps: nothing is iterated. The price is that a row
//! may leave for one that itself leaves for a third.
//!
//! What travels between workers is small: a hash and what ranks its row. Four operators, each working off epochs that
//! are complete; the rows themselves never move:
//!
//! 1. `groups`, on the hash's worker: the best row of every hash. All others of the hash are at distance 0 from it. So
//!    a thousand white pictures cost the next steps one.
//! 2. `bands`, every hash's best on every worker: the pairs of hashes at most [`NearestBetter::REACH`] bits apart, each
//!    pair found by one worker.
//! 3. `distances`, on the hash's worker: counts the better neighbours of each hash by their distance.
//! 4. `home`, on the row's worker: rows with their distances.
//!
//! Kept by hand, like a gate's rows, and not as joined arrangements: a band of 14 bits meets its neighbours in 15 places,
//! which a join would have to hold as 60 records a row, and would say a record of every pair that is looked at.

mod bands;
mod groups;

use std::collections::{BTreeMap, HashMap};

use differential_dataflow::AsCollection;
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Exchange;
use timely::dataflow::operators::vec::{Broadcast, Map};

use super::complete::{Changes, at_complete_epochs};
use super::{Collection, Epoch, Flow};
use crate::row::{AnyUnit, ContentHash, Has, PerceptualHash, Place, Row, Score, Scored, Unit, With};
use crate::shard::ShardNames;
use bands::Bands;
use groups::{Groups, Said};

/// The unit of how far the nearest better picture is, in bits of the perceptual hash.
///
/// A gate that keeps what is *above* its dial drops near duplicates: at -1 nothing, at 0 pictures of the same hash, at
/// [`REACH`](NearestBetter::REACH) all that is found. Up to there the distance is exact, and a dial goes no further; a
/// picture with no better one within reach scores [`NOTHING_NEAR`](NearestBetter::NOTHING_NEAR), and passes always.
pub struct NearestBetter;

impl NearestBetter {
    /// The most bits that two hashes may differ in for their pictures to meet. No pair within it is missed.
    pub const REACH: u32 = 7;
    /// The score of a picture that has no better one within reach.
    pub const NOTHING_NEAR: f32 = (Self::REACH + 1) as f32;
}

impl Unit for NearestBetter {
    const NAME: &'static str = "nearest_better";
    const UNIT: &'static str = "differing bits of 56";
    const LOW: f32 = -1.0;
    const HIGH: f32 = Self::REACH as f32;
}

impl<'s, R: Row> Flow<'s, R> {
    /// Scores every row by the bits that its perceptual hash differs in from that of the nearest better row among those of this
    /// flow, on all workers.
    ///
    /// The better row is the one of the higher score in the unit `by` (every number is higher than no number); of the same
    /// score, the one of the lesser content hash; of the same content, the one of the first shard by name in `names`, and in a
    /// shard the first. In plan mode, a row whose hash is not known yet is nobody's neighbour.
    ///
    /// A turned dial of the gate that follows costs nothing here. A row that comes or leaves costs a look at the hashes
    /// that share a quarter of its bits but one: of a million, about 3,700.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::{PerceptualHash, With};
    /// use threshflow::shard::ShardNames;
    ///
    /// let names = ShardNames::default();
    /// names.insert(0, "00012");
    /// // The hashes of 8 and 24 differ in one bit, and 24 is the better. That of 103 differs in six and more.
    /// let engine = run(pictures([8, 24, 103]), move |images, dial| {
    ///     let hashed = images.each(side).each(|row| {
    ///         let hash = PerceptualHash([row.row.height as u8, 0, 0, 0, 0, 0, 0]);
    ///         With::new(row, hash)
    ///     });
    ///     hashed.nearest_better(&names, Side).gate(&dial.nearest_better).finish()
    /// });
    /// assert_eq!(kept(&engine), [1, 2]);
    /// ```
    pub fn nearest_better<U: Unit, I, H>(
        self,
        names: &ShardNames,
        _by: U,
    ) -> Flow<'s, Scored<R, NearestBetter>>
    where
        R: Has<Score<U>, I> + Has<PerceptualHash, H>,
    {
        let rows = nearest_better(self.rows.clone(), names, |row: &R| {
            (*Has::<PerceptualHash, H>::get(row), Score::of(Has::<Score<U>, I>::get(row).get()))
        });
        self.of_rows(rows)
    }
}

/// What of a row decides whether it is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Candidate {
    score: Score<AnyUnit>,
    content: ContentHash,
    at: At,
}

/// A row, and the worker that it lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct At {
    place: Place,
    worker: u32,
}

fn nearest_better<'s, R: Row>(
    rows: Collection<'s, R>,
    names: &ShardNames,
    ranked: fn(&R) -> (PerceptualHash, Score<AnyUnit>),
) -> Collection<'s, Scored<R, NearestBetter>> {
    let scope = rows.inner.scope();
    let (worker, workers) = (scope.index(), scope.peers());

    let candidates = rows.clone().map(move |row| {
        let (hash, score) = ranked(&row);
        let at = At { place: row.place(), worker: worker as u32 };
        (hash.bits(), Candidate { score, content: row.content(), at })
    });
    let candidates = candidates.inner.exchange(|((hash, _), ..)| spread(*hash)).as_collection();
    let of_groups = candidates.map(|(hash, candidate)| OfGroups::Row(hash, candidate));
    let of_groups = of_groups.concat(names_of_shards(rows.clone(), names));
    let (mut groups, groups_names) = (Groups::new(names.clone()), names.clone());
    let said = at_complete_epochs("Near: groups", of_groups, move |changes, say| {
        groups.work_off(known(changes, &groups_names), say);
    });
    let best = said.clone().flat_map(|said| match said {
        Said::Best(hash, candidate) => Some((hash, candidate)),
        Said::SameAsBetter(_) => None,
    });
    let same = said.flat_map(|said| match said {
        Said::SameAsBetter(at) => Some((at, 0)),
        Said::Best(..) => None,
    });

    let everywhere = best.clone().inner.broadcast().as_collection();
    let mut bands = Bands::new(names.clone(), worker, workers);
    let near =
        at_complete_epochs("Near: bands", everywhere, move |changes, say| bands.work_off(changes, say));
    let near = near.inner.exchange(|((hash, _), ..)| spread(*hash)).as_collection();
    let of_hashes = best.map(|(hash, candidate)| OfHash::Best(hash, candidate.at));
    let of_hashes = of_hashes.concat(near.map(|(hash, distance)| OfHash::Near(hash, distance)));
    let mut distances = Distances::default();
    let distances = at_complete_epochs("Near: distances", of_hashes, move |changes, say| {
        distances.work_off(changes, say)
    });

    let distances = same.concat(distances);
    let distances =
        distances.inner.exchange(|((at, _), ..): &((At, u8), _, _)| u64::from(at.worker)).as_collection();
    let at_home = distances.map(|(at, distance)| AtHome::Distance(at.place, distance));
    let at_home = rows.map(AtHome::Row).concat(at_home);
    let mut standing = RowsAtHome::default();
    at_complete_epochs("Near: home", at_home, move |changes, say| standing.work_off(changes, say))
}

/// What the first step is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum OfGroups {
    /// What a shard of this number is called.
    Name(u32, String),
    /// A row of this hash.
    Row(u64, Candidate),
}

/// The names of the shards that rows come from, to all workers: another process knows only those that it has loaded. Rows come in any order of
/// their epochs, since answers do; so a name is told at the epoch of every row that is earlier than all before it, and is there when that epoch
/// is worked off.
fn names_of_shards<'s, R: Row>(rows: Collection<'s, R>, names: &ShardNames) -> Collection<'s, OfGroups> {
    let (names, mut told) = (names.clone(), HashMap::<u32, Epoch>::new());
    let first = rows.inner.flat_map(move |(row, epoch, _)| {
        let shard = row.place().id.shard;
        let is_news = told.get(&shard).is_none_or(|known| epoch < *known);
        is_news.then(|| {
            told.insert(shard, epoch);
            (OfGroups::Name(shard, names.name(shard).to_string()), epoch, 1)
        })
    });
    first.broadcast().as_collection()
}

/// The rows among what the first step is told; the names go to `names`.
fn known(changes: Changes<OfGroups>, names: &ShardNames) -> Changes<(u64, Candidate)> {
    let row = |(what, diff)| match what {
        OfGroups::Row(hash, candidate) => Some(((hash, candidate), diff)),
        OfGroups::Name(shard, name) => {
            names.insert(shard, &name);
            None
        }
    };
    // Names sort before rows: all are there when the first row is ranked.
    changes.into_iter().filter_map(row).collect()
}

/// Spreads hashes over workers: pictures that look alike share the low bits of theirs.
fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// What the third step is told of a hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum OfHash {
    /// The place of its best row.
    Best(u64, At),
    /// A better hash at this distance.
    Near(u64, u8),
}

/// The third step: the distance of every hash's best row.
#[derive(Default)]
struct Distances(HashMap<u64, Neighbours>);

/// A hash's best row, and how many better hashes there are at 1, 2 ... bits from it.
#[derive(Clone, Default)]
struct Neighbours {
    best: Option<At>,
    near: [i32; NearestBetter::REACH as usize],
}

impl Neighbours {
    fn said(&self) -> Option<(At, u8)> {
        let nearest = self.near.iter().position(|count| *count > 0).unwrap_or(self.near.len());
        self.best.map(|at| (at, nearest as u8 + 1))
    }
}

impl Distances {
    fn work_off(&mut self, mut changes: Changes<OfHash>, say: &mut Changes<(At, u8)>) {
        // What leaves first: a hash's best row may be another one after the epoch.
        changes.sort_by_key(|(_, diff)| *diff);
        let mut before: BTreeMap<u64, Option<(At, u8)>> = BTreeMap::new();
        for (what, diff) in changes {
            let (OfHash::Best(hash, _) | OfHash::Near(hash, _)) = what;
            let neighbours = self.0.entry(hash).or_default();
            before.entry(hash).or_insert_with(|| neighbours.said());
            match what {
                OfHash::Best(_, at) => neighbours.best = (diff > 0).then_some(at),
                OfHash::Near(_, distance) => neighbours.near[usize::from(distance) - 1] += diff as i32,
            }
        }
        for (hash, was) in before {
            let Some(neighbours) = self.0.get(&hash) else { continue };
            let is = neighbours.said();
            if was != is {
                say.extend(was.map(|was| (was, -1)));
                say.extend(is.map(|is| (is, 1)));
            }
            if neighbours.best.is_none() && neighbours.near.iter().all(|count| *count == 0) {
                self.0.remove(&hash);
            }
        }
    }
}

/// What the last step is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AtHome<R> {
    Row(R),
    Distance(Place, u8),
}

/// The last step: the rows that live here, and their distances.
struct RowsAtHome<R>(HashMap<Place, (Option<R>, Option<u8>)>);

impl<R> Default for RowsAtHome<R> {
    fn default() -> Self {
        RowsAtHome(HashMap::new())
    }
}

impl<R: Row> RowsAtHome<R> {
    fn work_off(&mut self, mut changes: Changes<AtHome<R>>, say: &mut Changes<Scored<R, NearestBetter>>) {
        // What leaves first: a row may come back in the same epoch with another distance, or as another row.
        changes.sort_by_key(|(_, diff)| *diff);
        let scored = |(row, distance): &(Option<R>, Option<u8>)| {
            let distance = f32::from((*distance)?);
            row.clone().map(|row| With::new(row, Score::of(distance)))
        };
        let mut before: BTreeMap<Place, Option<Scored<R, NearestBetter>>> = BTreeMap::new();
        for (what, diff) in changes {
            let place = match &what {
                AtHome::Row(row) => row.place(),
                AtHome::Distance(place, _) => *place,
            };
            let stands = self.0.entry(place).or_default();
            before.entry(place).or_insert_with(|| scored(stands));
            match what {
                AtHome::Row(row) => stands.0 = (diff > 0).then_some(row),
                AtHome::Distance(_, distance) => stands.1 = (diff > 0).then_some(distance),
            }
        }
        for (place, was) in before {
            let Some(stands) = self.0.get(&place) else { continue };
            let is = scored(stands);
            if was != is {
                say.extend(was.map(|was| (was, -1)));
                say.extend(is.map(|is| (is, 1)));
            }
            if stands.0.is_none() && stands.1.is_none() {
                self.0.remove(&place);
            }
        }
    }
}
