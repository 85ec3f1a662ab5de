//! Dials by share: `top:30%` of the rows that reach a gate pass, whatever that comes to.
//!
//! A share is a function of the rows that reach the gate, and of nothing else. So it is resolved when they are all there: rows wait at the
//! gate as rows that are held back do, outside of the engine's window, and nothing is asked about them. Gates are resolved in the order of
//! their wiring, since what passes one reaches the next. The gate's buckets say in which of them the boundary lies; only the rows of that
//! bucket are looked at. The dial is then turned as any dial is, at the cost of the rows between where it stood and where it stands.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::gate::{Comparison, DialEvent, DialSpec, Position};
use super::progress::{Stopped, Tick};
use super::scan::{Scan, Standing};
use super::{Engine, Setting, Share, Wired};
use crate::lane::lock;
use crate::row::{AnyUnit, Score};

/// How a dial stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stands {
    pub(super) setting: Setting,
    /// As its gates were told.
    pub(super) position: Position,
}

impl Stands {
    pub(super) fn first(dials: &[DialSpec], settings: &[Setting]) -> Vec<Self> {
        let stands = |(dial, spec): (usize, &DialSpec)| {
            let setting = settings.get(dial).copied().unwrap_or(Setting::At(spec.default));
            let position = match setting {
                Setting::At(value) => Position::at(value),
                Setting::Top(_) => Position { at: None, resolved: Some(0) },
            };
            Stands { setting, position }
        };
        dials.iter().enumerate().map(stands).collect()
    }

    fn share(&self) -> Option<Share> {
        if let Setting::Top(share) = self.setting { Some(share) } else { None }
    }
}

impl Engine {
    /// Where the dials stand, in their order. What is by share has the value that it was resolved to; before it is resolved, and where no
    /// row reaches its gate, the end of the scale that lets the fewest pass.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::flow::{Setting, Share};
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.turn(0, Setting::Top(Share::rows(1).expect("is above 0")), &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(kept(&engine), [2]);
    /// assert!((79.9..80.0).contains(&engine.values()[0]), "it is above this that a side passes");
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn values(&self) -> Vec<f32> {
        let value = |(stands, spec): (&Stands, &DialSpec)| match stands.position.at {
            Some(at) => at.get(),
            None if is_from_above(spec.comparison) => spec.high,
            None => spec.low,
        };
        self.stands.iter().zip(self.dials).map(value).collect()
    }

    pub(super) fn turn_to(&mut self, dial: usize, to: Setting, tick: Tick<'_>) -> Result<(), Stopped> {
        if self.stands.iter().any(|stands| stands.share().is_some()) {
            // No row waits at a gate whose dials are turned.
            self.resolve_shares(tick)?;
        }
        let stood = self.stands[dial].position;
        let position = match to {
            Setting::At(value) => Position::at(value),
            // What passes goes on passing until the share is resolved; what comes waits.
            Setting::Top(_) => {
                Position { resolved: Some(stood.resolved.map_or(0, |times| times + 1)), ..stood }
            }
        };
        self.stands[dial] = Stands { setting: to, position };
        self.moved = true;
        self.tell_dials(vec![(dial, DialEvent::Turn(position))], tick)
    }

    /// Waits until all that was handed in is worked off, in all processes, and resolves the dials that are by share, gate after gate.
    pub(super) fn resolve_shares(&mut self, tick: Tick<'_>) -> Result<(), Stopped> {
        self.wait_for_everybody(tick)?;
        if self.sum(vec![u64::from(self.moved)], tick)? == [0] {
            return Ok(());
        }
        let mut gates: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for step in self.wired() {
            let Wired::Gate { dial, gate, open: false, .. } = step else { continue };
            let dial = self.dials.iter().position(|spec| spec.name == *dial);
            let shared = dial.filter(|dial| self.stands[*dial].share().is_some());
            gates.entry(*gate).or_default().extend(shared);
        }
        for dials in gates.into_values().filter(|dials| !dials.is_empty()) {
            self.resolve(&dials, tick)?;
        }
        self.moved = false;
        Ok(())
    }

    /// Resolves the dials of one gate, which all its rows have reached.
    fn resolve(&mut self, dials: &[usize], tick: Tick<'_>) -> Result<(), Stopped> {
        let buckets: Vec<u64> = dials.iter().flat_map(|dial| self.histograms()[*dial].buckets()).collect();
        let each = buckets.len() / dials.len();
        let buckets = self.sum(buckets, tick)?;
        let boundaries = dials.iter().zip(buckets.chunks(each.max(1)));
        let boundaries: Vec<Option<Boundary>> =
            boundaries.map(|(dial, buckets)| self.boundary(*dial, buckets.to_vec())).collect();
        let found = dials.iter().zip(&boundaries).filter_map(|(dial, boundary)| Some((*dial, (*boundary)?)));
        let (mut scans, mut scores) = (Vec::new(), BTreeMap::new());
        for (dial, Boundary { bucket, .. }) in found {
            let seen: Arc<Mutex<Vec<f32>>> = Arc::default();
            scores.insert(dial, seen.clone());
            let see = Arc::new(move |row: Standing| lock(&seen).push(row.score));
            scans.push((dial, Scan { low: bucket, high: bucket, see }));
        }
        if !scans.is_empty() {
            self.scan_all(scans, tick)?;
        }
        let mut scores = self.scores_of_all(scores, tick)?;
        let (mut turns, mut moves) = (Vec::new(), false);
        for (&dial, boundary) in dials.iter().zip(boundaries) {
            let spec = &self.dials[dial];
            let stood = self.stands[dial].position;
            let at = boundary
                .and_then(|boundary| boundary.at(spec.comparison, scores.remove(&dial).unwrap_or_default()));
            // Where several processes resolve a share, rows may wait at the others.
            moves |= at != stood.at || self.histograms()[dial].is_waited_at() || self.peers().is_some();
            let resolved = Some(stood.resolved.map_or(0, |times| times + 1));
            turns.push((dial, Position { at, resolved }));
        }
        if !moves {
            return Ok(());
        }
        turns.iter().for_each(|(dial, position)| self.stands[*dial].position = *position);
        self.tell_dials(turns.into_iter().map(|(dial, to)| (dial, DialEvent::Turn(to))).collect(), tick)?;
        self.wait_for_everybody(tick)
    }

    /// The scores that were seen in the bucket of each dial's boundary, in all processes.
    fn scores_of_all(
        &mut self,
        seen: BTreeMap<usize, Arc<Mutex<Vec<f32>>>>,
        tick: Tick<'_>,
    ) -> Result<BTreeMap<usize, Vec<f32>>, Stopped> {
        let mut scores: BTreeMap<usize, Vec<f32>> =
            seen.into_iter().map(|(dial, seen)| (dial, std::mem::take(&mut *lock(&seen)))).collect();
        if self.peers().is_none() {
            return Ok(scores);
        }
        for of_dial in scores.values_mut() {
            let said = of_dial.iter().flat_map(|score| score.to_le_bytes()).collect();
            let heard = self.meet(said, tick)?.concat();
            let score = |bytes: &[u8]| bytes.try_into().map_or(f32::NAN, f32::from_le_bytes);
            *of_dial = heard.chunks_exact(4).map(score).collect();
        }
        Ok(scores)
    }

    /// Where the last row that passes lies; `None` where no row has reached the gate.
    fn boundary(&self, dial: usize, buckets: Vec<u64>) -> Option<Boundary> {
        let share = self.stands[dial].share()?;
        let mut left = share.of(buckets.iter().sum());
        let mut buckets: Vec<(usize, u64)> = buckets.into_iter().enumerate().collect();
        if is_from_above(self.dials[dial].comparison) {
            buckets.reverse();
        }
        for (bucket, rows) in buckets {
            if left <= rows && left > 0 {
                return Some(Boundary { bucket: bucket as u16, rank: left as usize });
            }
            left -= rows;
        }
        None
    }
}

/// Whether the highest scores are the best.
fn is_from_above(comparison: Comparison) -> bool {
    matches!(comparison, Comparison::Above | Comparison::AtLeast)
}

/// The row of that rank in a bucket, from 1: the last one that passes.
#[derive(Clone, Copy)]
struct Boundary {
    bucket: u16,
    rank: usize,
}

impl Boundary {
    /// Where the dial stands, if these are the scores in the bucket: all that scores as the last row that passes, or better, passes.
    fn at(self, comparison: Comparison, scores: Vec<f32>) -> Option<Score<AnyUnit>> {
        let mut scores: Vec<Score<AnyUnit>> = scores.into_iter().map(Score::of).collect();
        scores.sort_unstable();
        if is_from_above(comparison) {
            scores.reverse();
        }
        let last = *scores.get(self.rank - 1)?;
        Some(match comparison {
            Comparison::AtLeast | Comparison::AtMost => last,
            Comparison::Above => last.next_down(),
            Comparison::Below => last.next_up(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::example::{Side, go_on, kept, pictures, run};
    use crate::row::{Image, With};

    /// Scores that lie in few buckets, out of order, with ties.
    fn score(member: u32) -> f32 {
        match member * 7 % 40 {
            n if n < 30 => 50.0 + n as f32 / 10_000.0,
            n => (n / 3) as f32,
        }
    }

    /// Every share, against a sorted list.
    #[test]
    fn the_bucket_of_the_boundary_is_settled_exactly() {
        let mut engine = run(pictures([1; 40]), |images, dial| {
            let scored = |image: Image| {
                let score = Score::<Side>::of(score(image.id.member));
                With::new(image, score)
            };
            images.each(scored).gate(&dial.side).finish()
        });
        let mut sorted: Vec<f32> = (0..40).map(score).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        assert!(engine.histograms()[0].buckets().iter().any(|rows| *rows > 20), "many are in one bucket");
        for rows in (1..=40).rev().chain([7, 33]) {
            engine.turn(0, Setting::Top(Share::rows(rows).unwrap()), &mut go_on).unwrap();
            engine.settle(&mut go_on).unwrap();
            let last = sorted[rows as usize - 1];
            let wanted: Vec<u32> = (0..40).filter(|member| score(*member) >= last).collect();
            assert_eq!(kept(&engine), wanted, "top:{rows}");
        }
    }

    #[test]
    fn the_last_one_that_passes_passes_and_the_next_one_does_not() {
        let scores = [0.1, 0.4, 0.2, 0.3, 0.2];
        for (comparison, wanted) in [
            (Comparison::Above, [0.4, 0.3, 0.2, 0.2, 0.1]),
            (Comparison::AtLeast, [0.4, 0.3, 0.2, 0.2, 0.1]),
            (Comparison::Below, [0.1, 0.2, 0.2, 0.3, 0.4]),
            (Comparison::AtMost, [0.1, 0.2, 0.2, 0.3, 0.4]),
        ] {
            for rank in 1..=scores.len() {
                let at = Boundary { bucket: 0, rank }.at(comparison, scores.to_vec()).unwrap();
                let passing = scores.iter().filter(|score| comparison.passes(Score::of(**score), at)).count();
                let ties = wanted.iter().filter(|score| **score == wanted[rank - 1]).count();
                assert!((rank..rank + ties).contains(&passing), "{comparison} {at:?} of {rank}: {passing}");
                assert!(comparison.passes(Score::of(wanted[rank - 1]), at), "{comparison} {rank}");
            }
        }
    }
}
