//! The pairs of hashes that are close, found by bands.
//!
//! A hash of 56 bits is cut into 4 bands of 14. Two hashes at most 7 bits apart differ by at most 1 bit in one band at
//! least, since 2 in each of the 4 would make 8. So it is enough to look, for every band, at the hashes whose band is the
//! same or differs by one bit: 15 of its 16,384 values. This is the pigeonhole argument of multi-index hashing (Norouzi,
//! Punjani and Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012).

use std::collections::HashMap;

use super::groups::better;
use super::{Candidate, NearestBetter};
use crate::flow::complete::Changes;
use crate::row::PerceptualHash;
use crate::shard::ShardNames;

const BANDS: u32 = 4;
const BITS: u32 = PerceptualHash::BITS / BANDS;
const VALUES: usize = 1 << BITS;
/// By how many bits a band may differ where it is looked at.
const SLACK: u32 = 1;

const _: () = assert!(BANDS * BITS == PerceptualHash::BITS && NearestBetter::REACH < BANDS * (SLACK + 1));

/// The hashes by the values of their bands: those values that this worker looks after.
///
/// Every worker is told of every hash, in the same order, and stores it under those of its four values that are its
/// own. Of two hashes the later one looks for the earlier; the pair is found under the earlier one's value of the first
/// band that is near enough, thus by one worker.
pub(super) struct Bands {
    names: ShardNames,
    worker: usize,
    workers: usize,
    /// By band and value.
    buckets: Vec<Vec<u64>>,
    /// The best row of every hash that stands in a bucket here.
    best: HashMap<u64, Candidate>,
    /// How many hashes were looked at so far.
    looked_at: u64,
}

impl Bands {
    pub(super) fn new(names: ShardNames, worker: usize, workers: usize) -> Self {
        let buckets = vec![Vec::new(); BANDS as usize * VALUES];
        Bands { names, worker, workers, buckets, best: HashMap::new(), looked_at: 0 }
    }

    /// Takes in the hashes that come or leave, with their best rows, and says of every pair with one of them that is
    /// close: the hash whose row is the worse one, and the distance.
    pub(super) fn work_off(&mut self, mut changes: Changes<(u64, Candidate)>, say: &mut Changes<(u64, u8)>) {
        // The changes are sorted, and this keeps their order otherwise: the same on every worker.
        changes.sort_by_key(|(_, diff)| *diff);
        for ((hash, candidate), diff) in changes {
            if diff < 0 {
                self.take_out(hash);
                self.meet(hash, &candidate, diff, say);
            } else {
                self.meet(hash, &candidate, diff, say);
                self.put_in(hash, candidate);
            }
        }
    }

    fn meet(&mut self, hash: u64, candidate: &Candidate, diff: isize, say: &mut Changes<(u64, u8)>) {
        let mut looked_at = 0;
        for number in 0..BANDS {
            let own = band(hash, number);
            let values = (0..BITS).map(|bit| own ^ (1 << bit));
            for value in values.chain([own]).filter(|value| self.is_own(number, *value)) {
                let bucket = &self.buckets[place(number, value)];
                looked_at += bucket.len() as u64;
                for &other in bucket {
                    let differing = hash ^ other;
                    let distance = differing.count_ones();
                    if distance > NearestBetter::REACH || first_near_band(differing) != Some(number) {
                        continue;
                    }
                    let Some(its) = self.best.get(&other) else { continue };
                    let worse = if better(candidate, its, &self.names) { other } else { hash };
                    say.push(((worse, distance as u8), diff));
                }
            }
        }
        self.looked_at += looked_at;
    }

    fn put_in(&mut self, hash: u64, candidate: Candidate) {
        for number in self.own_bands(hash) {
            self.buckets[place(number, band(hash, number))].push(hash);
            self.best.insert(hash, candidate);
        }
    }

    fn take_out(&mut self, hash: u64) {
        for number in self.own_bands(hash) {
            let bucket = &mut self.buckets[place(number, band(hash, number))];
            if let Some(at) = bucket.iter().position(|other| *other == hash) {
                bucket.swap_remove(at);
            }
        }
        self.best.remove(&hash);
    }

    fn own_bands(&self, hash: u64) -> impl Iterator<Item = u32> + use<> {
        let own: Vec<u32> = (0..BANDS).filter(|number| self.is_own(*number, band(hash, *number))).collect();
        own.into_iter()
    }

    /// Whether this worker looks after the hashes of this value in this band.
    fn is_own(&self, number: u32, value: usize) -> bool {
        // Times an odd number: values that many pictures have, such as those of flat ones, lie side by side.
        (value.wrapping_mul(0x9e3b).wrapping_add(number as usize) >> 3) % self.workers == self.worker
    }
}

fn band(hash: u64, number: u32) -> usize {
    (hash >> (number * BITS)) as usize & (VALUES - 1)
}

fn place(number: u32, value: usize) -> usize {
    number as usize * VALUES + value
}

/// The first band in which hashes that differ so are near enough to meet.
fn first_near_band(differing: u64) -> Option<u32> {
    (0..BANDS).find(|number| band(differing, *number).count_ones() <= SLACK)
}

#[cfg(test)]
mod tests {
    use super::super::At;
    use super::*;
    use crate::row::{ContentHash, Place, RowId, Score};

    fn candidate(n: u32) -> Candidate {
        let place = Place::picture(RowId { shard: 0, member: n });
        Candidate { score: Score::of(n as f32), content: ContentHash::default(), at: At { place, worker: 0 } }
    }

    /// Feeds two hashes to so many workers and adds up what they say of them.
    fn said_of_a_pair(workers: usize, [one, other]: [u64; 2]) -> Changes<(u64, u8)> {
        let mut said = Vec::new();
        for worker in 0..workers {
            let mut bands = Bands::new(ShardNames::default(), worker, workers);
            bands.work_off(vec![((one, candidate(1)), 1), ((other, candidate(0)), 1)], &mut said);
        }
        said
    }

    #[test]
    fn every_pair_within_reach_is_found_once_and_none_beyond() {
        let mut bits = 0x0123_4567_89ab_cdef_u64;
        let mut next = move || {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            bits
        };
        let mask = (1 << PerceptualHash::BITS) - 1;
        for round in 0..300 {
            let one = next() & mask;
            let wanted = 1 + round % 9;
            let mut differing = 0_u64;
            while differing.count_ones() < wanted {
                differing |= 1 << (next() % u64::from(PerceptualHash::BITS));
            }
            let other = one ^ differing;
            let near: Changes<_> =
                (wanted <= NearestBetter::REACH).then_some(((other, wanted as u8), 1)).into_iter().collect();
            for workers in [1, 2, 3] {
                assert_eq!(said_of_a_pair(workers, [one, other]), near, "{one:x} {other:x}");
            }
        }
    }

    #[test]
    fn the_hardest_pairs_are_found() {
        // One bit in one band, two in each of the others: whichever band it is.
        for lucky in 0..BANDS {
            let differing =
                (0..BANDS).map(|number| if number == lucky { 1_u64 } else { 3 } << (number * BITS));
            let differing = differing.fold(0, |all, band| all | band);
            assert_eq!(differing.count_ones(), NearestBetter::REACH);
            assert_eq!(said_of_a_pair(1, [0, differing]), [((differing, 7), 1)]);
        }
    }

    #[test]
    fn a_bucket_that_everything_falls_into_is_looked_at_and_not_spoken_of() {
        // 2,000 hashes share three bands: all of them are looked at there, and a pair is a record only within reach.
        let mut bands = Bands::new(ShardNames::default(), 0, 1);
        let mut said = Vec::new();
        for n in 0..2_000_u32 {
            bands.work_off(vec![((u64::from(n * 8), candidate(n)), 1)], &mut said);
        }
        assert!(bands.looked_at >= 3 * 2_000 * 1_999 / 2);
        let close: usize = (0..2_000_u32).map(|n| (0..n).filter(|m| (n ^ m).count_ones() <= 7).count()).sum();
        assert_eq!(said.len(), close);
    }
}
