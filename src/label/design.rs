//! Which rows a person is asked to label: a sample that is stratified by score, and finer around the cut.
//!
//! A [`Draw`] cuts the scale into strata, which are ranges of the histogram's buckets. Of each stratum it takes the rows with the lowest
//! [`rank`]. A rank is a hash, so these rows are a simple random sample of the stratum (permanent random numbers: K. R. W. Brewer, L. J. Early
//! and S. F. Joyce, "Selecting several samples from a single population", Australian Journal of Statistics 14 (1972) 231-239). A larger
//! sample contains the smaller one. A row that comes later has its fair place.
//!
//! Rows of the same content have the same rank. They are drawn and labelled as one. A row without a score is in no stratum.

use std::collections::HashSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::scale::{BUCKETS, Population};
use crate::row::ContentHash;

/// Parts of the rows on one side of the cut in percent, the nearest first. With each its turns in a round of labels:
/// many rows near the cut, and yet enough of the others, which weigh most in a precision.
const PARTS: [(u64, u32); 4] = [(2, 1), (8, 1), (20, 2), (70, 3)];
/// Fewer rows are no stratum of their own.
const FEWEST_ROWS: u64 = 20;

/// The permanent random number of a content at a dial: uniform over all numbers, and the same in every process. The lowest are drawn first.
///
/// It is the first eight bytes, little-endian, of BLAKE3 over the seed (8 bytes), the length of the dial's name (8 bytes), the name and the
/// content; integers are little-endian.
///
/// ```
/// use threshflow::label::rank;
/// use threshflow::row::ContentHash;
/// let content = ContentHash::of(b"a picture");
/// assert_eq!(rank(1, "sharp", content), rank(1, "sharp", content));
/// assert_ne!(rank(1, "sharp", content), rank(2, "sharp", content));
/// ```
pub fn rank(seed: u64, dial: &str, content: ContentHash) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&(dial.len() as u64).to_le_bytes());
    hasher.update(dial.as_bytes());
    hasher.update(&content.0);
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// A stratum: a range of buckets, from the first to before the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stratum {
    pub buckets: Range<u16>,
    /// Rows in it when it was drawn.
    pub rows: u64,
    /// How many labels of each round are its.
    pub turns: u32,
}

/// How rows are drawn for labelling at one dial. The edges of the strata stay when the cut moves and when rows come and leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// The dial; a group of a dial by group is a dial of its own here.
    pub dial: String,
    /// Where the dial stood, in its unit.
    pub at: f32,
    pub seed: u64,
    /// The first bucket that lies above the cut.
    pub cut: u16,
    /// How many labels were planned. Labels beyond them are as good.
    pub planned: usize,
    /// In the order of the scale. Together they are all of it.
    pub strata: Vec<Stratum>,
}

/// A row that may be labelled, as the engine finds it for a stratum. `place` is the engine's own, and is handed back as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub content: ContentHash,
    pub place: (u64, u16),
    pub score: f32,
    pub rank: u64,
}

/// What is remembered of how a label's row was drawn, since estimates need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// The buckets of its stratum.
    pub stratum: Range<u16>,
    /// The part of the stratum's contents that was to be drawn, above 0 and up to 1.
    pub chance: f64,
}

impl Draw {
    /// Strata for a dial that stands at `at`, for about `planned` labels. On each side of the cut there are four: the 2 % of the side's rows that
    /// are nearest, the next 8 %, the next 20 %, and the rest. A stratum with fewer than 20 rows is joined with the next one, and so is
    /// one whose rows share a bucket with its neighbour's. A histogram without rows gives one stratum without rows.
    ///
    /// ```
    /// use threshflow::label::{BUCKETS, Draw, Passing, Population, Scale};
    /// let scale = Scale::new(0.0, 10.0, Passing::Above)?;
    /// let population = Population::new(scale, &[5; BUCKETS as usize])?;
    /// let draw = Draw::new("aesthetic", &population, 5.0, 1, 30);
    /// let strata: Vec<_> = draw.strata.iter().map(|stratum| stratum.buckets.clone()).collect();
    /// assert_eq!(strata[3..6], [2007..2048, 2048..2089, 2089..2253]);
    /// assert_eq!(strata.len(), 8);
    /// # Ok::<(), threshflow::label::LabelError>(())
    /// ```
    pub fn new(dial: &str, population: &Population, at: f32, seed: u64, planned: usize) -> Self {
        let scale = population.scale();
        // A dial of no number passes nothing: everything is on one side.
        let cut = scale.bucket(at).unwrap_or(0);
        // The cut's own bucket is on the passing side.
        let cut = if scale.passing().is_of_high() { cut } else { cut + 1 };
        let (mut below, mut above) = (side(population, 0..cut, true), side(population, cut..BUCKETS, false));
        // A side without rows is no stratum; its scores are its neighbour's, for rows that may come.
        if below[0].rows == 0 {
            let empty = below.remove(0);
            join(&mut above[0], empty);
        } else if above[0].rows == 0 {
            let empty = above.remove(0);
            join(&mut below[0], empty);
        }
        let strata = below.into_iter().rev().chain(above).collect();
        Draw { dial: dial.to_owned(), at, seed, cut, planned, strata }
    }

    /// How many rows of each stratum `labels` labels are: the engine finds so many of the lowest rank, the labelled ones among them.
    pub fn takes(&self, labels: usize) -> Vec<usize> {
        let mut takes = vec![0; self.strata.len()];
        for stratum in self.turns(|stratum, taken| (taken as u64) < self.strata[stratum].rows).take(labels) {
            takes[stratum] += 1;
        }
        takes
    }

    /// The rows of `found` in the order in which they are to be labelled, without those that are labelled. `found` has the rows of each stratum.
    ///
    /// The order goes round the strata, those at the cut first. So wherever a person stops, what is labelled is a stratified sample.
    pub fn order(
        &self,
        mut found: Vec<Vec<Candidate>>,
        is_labelled: impl Fn(ContentHash) -> bool,
    ) -> Vec<Candidate> {
        found.resize(self.strata.len(), Vec::new());
        let mut seen = HashSet::new();
        for candidates in &mut found {
            candidates.retain(|it| !it.score.is_nan());
            candidates.sort_by_key(|it| (it.rank, it.content, it.place));
            candidates.retain(|it| seen.insert(it.content));
        }
        let mut next = vec![0; found.len()];
        let mut order = Vec::new();
        for stratum in self.turns(|stratum, taken| taken < found[stratum].len()) {
            let candidate = found[stratum][next[stratum]];
            next[stratum] += 1;
            if !is_labelled(candidate.content) {
                order.push(candidate);
            }
        }
        order
    }

    /// How a row of this score is drawn; `None` for a NaN, which is in no stratum.
    pub fn drawn(&self, population: &Population, score: f32) -> Option<Drawn> {
        let bucket = population.scale().bucket(score)?;
        let at = self.strata.iter().position(|stratum| stratum.buckets.contains(&bucket))?;
        let (takes, rows) = (self.takes(self.planned), self.strata[at].rows.max(1));
        let chance = (takes[at].max(1) as f64 / rows as f64).min(1.0);
        Some(Drawn { stratum: self.strata[at].buckets.clone(), chance })
    }

    /// The strata one turn after the other, as long as there `is_more` in any of them: the next turn is that of the stratum that has had
    /// the least of its turns, and of several that which is nearest to the cut.
    fn turns(&self, is_more: impl Fn(usize, usize) -> bool) -> impl Iterator<Item = usize> {
        let turns = self.strata.iter().map(|it| u64::from(it.turns.max(1))).collect::<Vec<_>>();
        let near = self.near();
        let mut taken = vec![0_usize; self.strata.len()];
        std::iter::from_fn(move || {
            let open = near.iter().copied().filter(|at| is_more(*at, taken[*at]));
            // (taken + 1) / turns, compared without dividing.
            let next = open.min_by(|a, b| {
                let after = |at: usize, other: usize| (taken[at] as u64 + 1) * turns[other];
                after(*a, *b).cmp(&after(*b, *a))
            })?;
            taken[next] += 1;
            Some(next)
        })
    }

    /// The strata by how many others lie between them and the cut.
    fn near(&self) -> Vec<usize> {
        let above = self.strata.partition_point(|stratum| stratum.buckets.end <= self.cut);
        let mut near: Vec<usize> = (0..self.strata.len()).collect();
        near.sort_by_key(|at| if *at < above { (above - 1 - at, 1) } else { (at - above, 0) });
        near
    }
}

/// The strata of one side of the cut, the nearest first. The cut is at the end of `buckets` for the side below it.
fn side(population: &Population, buckets: Range<u16>, is_below: bool) -> Vec<Stratum> {
    let rows = population.rows(&buckets);
    let before = population.rows(&(0..buckets.start));
    let (mut strata, mut left, mut reached) = (Vec::<Stratum>::new(), buckets.clone(), 0);
    for (part, turns) in PARTS {
        reached += part;
        let taken = (reached * rows).div_ceil(100);
        let range = match is_below {
            // The bucket of the farthest row that is taken is taken as a whole.
            true => {
                population.bucket_of_row(before + rows - taken.min(rows)).clamp(left.start, left.end)
                    ..left.end
            }
            false => {
                left.start
                    ..(population.bucket_of_row((before + taken).saturating_sub(1)) + 1)
                        .clamp(left.start, left.end)
            }
        };
        match is_below {
            true => left.end = range.start,
            false => left.start = range.end,
        }
        let rows = population.rows(&range);
        strata.push(Stratum { buckets: range, rows, turns });
    }
    // What is beyond the last row.
    let last = &mut strata[PARTS.len() - 1].buckets;
    *last = if is_below { buckets.start..last.end } else { last.start..buckets.end };
    join_outwards(strata)
}

/// Joins each stratum of too few rows with the next one outwards, and the last with the one before it.
fn join_outwards(strata: Vec<Stratum>) -> Vec<Stratum> {
    let mut joined: Vec<Stratum> = Vec::new();
    for stratum in strata {
        match joined.last_mut().filter(|last| last.rows < FEWEST_ROWS || stratum.rows < FEWEST_ROWS) {
            Some(last) => join(last, stratum),
            None => joined.push(stratum),
        }
    }
    joined
}

fn join(stratum: &mut Stratum, other: Stratum) {
    let turns = if stratum.rows == 0 || other.rows == 0 {
        stratum.turns.max(other.turns)
    } else {
        stratum.turns + other.turns
    };
    *stratum = Stratum {
        buckets: stratum.buckets.start.min(other.buckets.start)..stratum.buckets.end.max(other.buckets.end),
        rows: stratum.rows + other.rows,
        turns,
    };
}

#[cfg(test)]
mod tests {
    use super::super::scale::{Passing, Scale};
    use super::*;

    fn population(buckets: &[u64], passing: Passing) -> Population {
        Population::new(Scale::new(0.0, 4096.0, passing).unwrap(), buckets).unwrap()
    }

    fn ranges(draw: &Draw) -> Vec<Range<u16>> {
        draw.strata.iter().map(|stratum| stratum.buckets.clone()).collect()
    }

    /// Strata are all of the scale, without gaps.
    fn check(draw: &Draw, population: &Population) {
        let strata = &draw.strata;
        assert_eq!(
            (strata[0].buckets.start, strata[strata.len() - 1].buckets.end),
            (0, BUCKETS),
            "{strata:?}"
        );
        assert!(strata.windows(2).all(|two| two[0].buckets.end == two[1].buckets.start), "{strata:?}");
        assert!(strata.iter().all(|it| !it.buckets.is_empty() && it.rows == population.rows(&it.buckets)));
    }

    #[test]
    fn strata_are_finer_around_the_cut_on_both_sides() {
        let rows = population(&[10; BUCKETS as usize], Passing::Above);
        let draw = Draw::new("sharp", &rows, 1000.0, 1, 30);
        check(&draw, &rows);
        // 2, 10 and 30 % of 1,000 buckets below, and of 3,096 above.
        assert_eq!(
            ranges(&draw),
            [0..700, 700..900, 900..980, 980..1000, 1000..1062, 1062..1310, 1310..1929, 1929..4096]
        );
        let below = population(&[10; BUCKETS as usize], Passing::Below);
        let draw = Draw::new("sharp", &below, 1000.0, 1, 30);
        // The cut's own bucket is on the side that passes.
        assert!(draw.strata.iter().any(|it| it.buckets.end == 1001), "{:?}", ranges(&draw));
    }

    #[test]
    fn strata_of_few_rows_are_joined_and_a_side_without_rows_is_no_stratum() {
        for (rows, at, wanted) in [
            (vec![(100, 50), (3000, 30)], 2000.0, 2),
            (vec![(100, 5000)], 2000.0, 1),
            (vec![(100, 3), (3000, 3)], 2000.0, 2),
            (vec![], 2000.0, 1),
            (vec![(2001, 700), (2002, 2), (2004, 9)], 2000.5, 1),
            (vec![(0, 700), (4095, 700)], 4096.0, 2),
            (vec![(0, 700), (4095, 700)], -7.0, 2),
        ] {
            let mut buckets = vec![0; usize::from(BUCKETS)];
            rows.iter().for_each(|(bucket, rows): &(usize, u64)| buckets[*bucket] = *rows);
            for passing in [Passing::Above, Passing::AtMost] {
                let population = population(&buckets, passing);
                let draw = Draw::new("sharp", &population, at, 1, 30);
                check(&draw, &population);
                assert_eq!(draw.strata.len(), wanted, "{rows:?} {draw:?}");
            }
        }
    }

    #[test]
    fn random_histograms_give_whole_scales() {
        let mut state = 7_u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..300 {
            let mut buckets = vec![0; usize::from(BUCKETS)];
            for _ in 0..random(60) {
                buckets[random(4096) as usize] = random(100);
            }
            let passing =
                [Passing::Above, Passing::AtLeast, Passing::Below, Passing::AtMost][random(4) as usize];
            let population = population(&buckets, passing);
            let draw = Draw::new("sharp", &population, random(5000) as f32 - 400.0, 1, 30);
            check(&draw, &population);
            let takes = draw.takes(40);
            assert_eq!(takes.iter().sum::<usize>() as u64, population.all().min(40));
        }
    }

    fn candidate(number: u64, score: f32) -> Candidate {
        let content = ContentHash::of(&number.to_le_bytes());
        Candidate { content, place: (number, 0), score, rank: rank(1, "sharp", content) }
    }

    #[test]
    fn every_beginning_of_the_order_is_a_sample_of_all_strata() {
        let rows = population(&[10; BUCKETS as usize], Passing::Above);
        let draw = Draw::new("sharp", &rows, 2048.0, 1, 30);
        let found: Vec<Vec<Candidate>> = (0..draw.strata.len() as u64)
            .map(|stratum| (0..40).map(|row| candidate(stratum * 100 + row, stratum as f32)).collect())
            .collect();
        let order = draw.order(found.clone(), |_| false);
        assert_eq!(order.len(), 320);
        for round in 1..=4 {
            let mut had = vec![0; 8];
            order[..14 * round].iter().for_each(|it| had[it.score as usize] += 1);
            assert_eq!(had, [3, 2, 1, 1, 1, 1, 2, 3].map(|turns| turns * round), "{round}");
            assert_eq!(had, draw.takes(14 * round));
        }
        // Of each stratum the lowest ranks come first.
        for stratum in 0..8 {
            let ranks: Vec<u64> =
                order.iter().filter(|it| it.score == stratum as f32).map(|it| it.rank).collect();
            assert!(ranks.is_sorted());
        }
        // What is labelled keeps its turn: the rest stays in its order.
        let labelled: HashSet<ContentHash> = order[..9].iter().map(|it| it.content).collect();
        assert_eq!(draw.order(found, |content| labelled.contains(&content)), order[9..]);
    }

    #[test]
    fn a_content_is_labelled_once_and_a_row_without_a_score_never() {
        let rows = population(&[10; BUCKETS as usize], Passing::Above);
        let draw = Draw::new("sharp", &rows, 2048.0, 1, 30);
        let found = vec![vec![
            candidate(1, 1.0),
            Candidate { place: (9, 9), ..candidate(1, 1.0) },
            candidate(2, f32::NAN),
        ]];
        assert_eq!(draw.order(found, |_| false), [candidate(1, 1.0)]);
        assert_eq!(draw.drawn(&rows, f32::NAN), None);
        let drawn = draw.drawn(&rows, 2048.0).unwrap();
        // Two rounds of 14, and two of the many that are far: 2 of the 410 rows that are nearest above.
        assert_eq!(drawn.stratum, 2048..2089);
        assert!((drawn.chance - 2.0 / 410.0).abs() < 1e-12, "{drawn:?}");
    }
}
