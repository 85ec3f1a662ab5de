//! Scans: what rows stand in a gate, between two scores. A gate is asked at an epoch of its own, as a dial is turned: so what is seen is how
//! things stood then.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::Engine;
use super::gate::{BUCKETS, DialEvent, bucket_between};
use super::progress::{Stopped, Tick};
use crate::lane::lock;
use crate::row::{AnyUnit, ContentHash, Place, Row, Score};

/// A row that stands in a gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    pub place: Place,
    /// See [`Row::content`](crate::row::Row::content).
    pub content: ContentHash,
    /// That the gate holds against its dial.
    pub score: f32,
    /// Whether the score passes where the dial stands.
    pub passes: bool,
}

/// Sees rows, on the threads of several workers at once.
pub type See = Arc<dyn Fn(Standing) + Send + Sync>;

/// What the gates of a dial are to look at: the rows in these buckets, ends included.
#[derive(Clone)]
pub(super) struct Scan {
    pub(super) low: u16,
    pub(super) high: u16,
    pub(super) see: See,
}

impl Scan {
    pub(super) fn show<R: Row>(&self, row: &R, score: Score<AnyUnit>, passes: bool) {
        (self.see)(Standing { place: row.place(), content: row.content(), score: score.get(), passes });
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "buckets {} to {}", self.low, self.high)
    }
}

impl Engine {
    /// Shows `see` every row that stands in the gate of the dial of this number, in the buckets from `low` to `high` (ends included) of the
    /// dial's [histogram](super::Histogram). The rows come in no order. A score that is no number is in no bucket.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use threshflow::flow::example::*;
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let see = { let seen = seen.clone(); move |row: threshflow::flow::Standing| seen.lock().unwrap().push(row.score) };
    /// engine.scan(0, (0, 4095), Arc::new(see), &mut go_on)?;
    /// seen.lock().unwrap().sort_by(f32::total_cmp);
    /// assert_eq!(*seen.lock().unwrap(), [5.0, 20.0, 80.0]);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn scan(
        &mut self,
        dial: usize,
        (low, high): (u16, u16),
        see: See,
        tick: Tick<'_>,
    ) -> Result<(), Stopped> {
        assert!(dial < self.dials.len(), "there are {} dials", self.dials.len());
        self.scan_all(vec![(dial, Scan { low, high: high.min(BUCKETS - 1), see })], tick)
    }

    /// Has the gates of several dials scanned at one epoch, each once.
    pub(super) fn scan_all(&mut self, scans: Vec<(usize, Scan)>, tick: Tick<'_>) -> Result<(), Stopped> {
        let mut told = Vec::new();
        for (dial, scan) in scans {
            self.histograms()[dial].ask_for(Some(scan));
            self.scans += 1;
            told.push((dial, DialEvent::Scan(self.scans)));
        }
        let dials: Vec<usize> = told.iter().map(|(dial, _)| *dial).collect();
        self.tell_dials(told, tick)?;
        self.wait_for_all(tick)?;
        dials.iter().for_each(|dial| self.histograms()[*dial].ask_for(None));
        Ok(())
    }

    /// The rows nearest to where a dial stands: those that pass, and those that do not, at most `most` of each, the nearest first; of the
    /// same score, in the order of their places.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let mut engine = run(pictures([5, 9, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let [above, below] = engine.nearest(0, 1, &mut go_on)?;
    /// assert_eq!([above[0].score, below[0].score], [20.0, 9.0]);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn nearest(
        &mut self,
        dial: usize,
        most: usize,
        tick: Tick<'_>,
    ) -> Result<[Vec<Standing>; 2], Stopped> {
        let Some(at) = self.stands[dial].position.at else { return Ok([Vec::new(), Vec::new()]) };
        let spec = &self.dials[dial];
        let band =
            band(&self.histograms()[dial].buckets(), bucket_between((spec.low, spec.high), at.get()), most);
        let nearest = Arc::new(Mutex::new([Nearest::of(most), Nearest::of(most)]));
        let see = {
            let (nearest, at) = (nearest.clone(), at.get());
            move |row: Standing| lock(&nearest)[usize::from(!row.passes)].see((row.score - at).abs(), row)
        };
        self.scan(dial, band, Arc::new(see), tick)?;
        let [above, below] = &mut *lock(&nearest);
        Ok([above.take(), below.take()])
    }
}

/// The buckets, on both sides of this one, that the nearest rows are in: so many on each side, if there are so many. Those in the bucket
/// itself lie on both sides, and count for neither.
fn band(buckets: &[u64], at: u16, most: usize) -> (u16, u16) {
    let at = usize::from(at);
    let last = |rows: &mut dyn Iterator<Item = (usize, &u64)>| {
        let (mut seen, mut last) = (0, at);
        for (bucket, rows) in rows {
            (seen, last) = (seen + rows, bucket);
            if seen >= most as u64 {
                break;
            }
        }
        last as u16
    };
    let up = last(&mut buckets.iter().enumerate().skip(at + 1));
    let down = last(&mut buckets.iter().enumerate().take(at).rev());
    (down, up)
}

/// The rows at the least distances, of those that were seen.
struct Nearest {
    most: usize,
    rows: Vec<(f32, Standing)>,
}

impl Nearest {
    fn of(most: usize) -> Self {
        Nearest { most, rows: Vec::new() }
    }

    fn see(&mut self, distance: f32, row: Standing) {
        self.rows.push((distance, row));
        // Many rows may score the same.
        if self.rows.len() > 2 * self.most + 1024 {
            self.keep_the_nearest();
        }
    }

    fn keep_the_nearest(&mut self) {
        self.rows.sort_by(|(one, row), (other, next)| one.total_cmp(other).then(row.place.cmp(&next.place)));
        self.rows.truncate(self.most);
    }

    fn take(&mut self) -> Vec<Standing> {
        self.keep_the_nearest();
        std::mem::take(&mut self.rows).into_iter().map(|(_, row)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::example::{Side, go_on, pictures, run};
    use crate::row::With;

    /// Many rows in one bucket, ties, and empty stretches.
    fn score(member: u32) -> f32 {
        match member * 7 % 60 {
            n if n < 30 => 50.0 + (n / 3) as f32 / 10_000.0,
            n => n as f32,
        }
    }

    #[test]
    fn the_nearest_rows_are_those_of_a_sorted_list() {
        let mut engine = run(pictures([1; 60]), |images, dial| {
            let scored = |image: crate::row::Image| {
                let score = Score::<Side>::of(score(image.id.member));
                With::new(image, score)
            };
            images.each(scored).gate(&dial.side).finish()
        });
        for (at, most) in [(50.0003, 4), (10.0, 5), (45.0, 100), (59.0, 3), (0.0, 1), (50.0, 0), (100.0, 7)] {
            engine.turn(0, at, &mut go_on).unwrap();
            engine.settle(&mut go_on).unwrap();
            let wanted = [true, false].map(|passes| {
                let mut rows: Vec<u32> = (0..60).filter(|member| (score(*member) > at) == passes).collect();
                rows.sort_by(|a, b| {
                    let distance = |member: u32| (score(member) - at).abs();
                    distance(*a).total_cmp(&distance(*b)).then(a.cmp(b))
                });
                rows.truncate(most);
                rows
            });
            let nearest = engine.nearest(0, most, &mut go_on).unwrap();
            let members = nearest.map(|rows| rows.iter().map(|row| row.place.id.member).collect::<Vec<_>>());
            assert_eq!(members, wanted, "{most} at {at}");
        }
    }
}
