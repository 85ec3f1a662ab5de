//! What labels say about a dial: precision and recall at every threshold, with intervals.
//!
//! **Cells.** The edges of all strata that labels were drawn from cut the scale into cells (the common refinement of the draws). Every
//! draw treats the contents of a cell alike. So the labelled contents of a cell are a simple random sample of it, given their number,
//! whichever draws they came from. The rows of a cell are counted by the histogram of now (post-stratification: D. Holt and T. M. F. Smith,
//! Journal of the Royal Statistical Society A 142 (1979) 33-46), since rows come and leave, and the cut moves. Rows that came since
//! the draw, and rows that a person skipped, are taken to be as the labelled ones of their cell. A threshold inside of a cell parts the cell,
//! and each part is estimated by its own labels. A cell without a label that lies in a stratum with labels is joined with its nearest
//! labelled neighbour in that stratum.
//!
//! **Precision** is the mean of the passing cells' shares of good labels, weighted by their rows (W. G. Cochran, "Sampling Techniques", 3rd
//! edition (1977), section 5.3).
//!
//! **Recall** is the good rows that pass over all good rows, both estimated: Beale's ratio (E. M. L. Beale, Industrielle Organisation 31 (1962)
//! 27-28; M. Tin, Journal of the American Statistical Association 60 (1965) 294-307), whose bias is smaller than the plain ratio's.
//! With less than some five good labels it is biased all the same.
//!
//! **Variances** have the finite population correction of each cell. In them, and only there, the share of a cell is (good + 1/2) / (labels +
//! 1), so that a cell whose labels agree does not pass for certain. The variance of a recall is that of its linear form; one of the two
//! totals that it is divided by is not smoothed, lest the halves count as good labels.
//!
//! **Intervals** are those of E. L. Korn and B. I. Graubard ("Confidence intervals for proportions with small expected number of positive
//! counts estimated from survey data", Survey Methodology 24 (1998) 193-201): Clopper and Pearson's, with the effective number of labels
//! p (1 - p) / variance times the square of t(n - 1) / t(n - cells), where n are the labels. For one cell without the correction this is the
//! number of labels. A cell with one label counts as half a cell (collapsed strata, Cochran section 5A.12). For a precision it is at
//! most that of a simple random sample of as many labels: what few labels say of the gain by strata is not to be relied on.
//!
//! **Rows that no label speaks for** widen an interval by their share of the rows: its low end is as if all of them were bad, its high
//! end as if all were good. The estimate itself takes the part of a cell that has no label to be halfway between the rest of its cell and the
//! rest of its side.
//!
//! **Equal contents.** Shares are of rows. A content that stands k times is one label that counts k rows. The effective number of such
//! labels is (sum of weights)^2 / (sum of their squares) (L. Kish, Journal of Official Statistics 8 (1992) 183-200).
//!
//! **Scores that changed.** A label counts where its content is now. In a cell with labels that were drawn elsewhere, each label
//! weighs 1 / chance. A content without a score counts nowhere.

use std::ops::Range;

use super::LabelError;
use super::design::Drawn;
use super::interval::{clopper_pearson, student};
use super::scale::{BUCKETS, Population};

/// A labelled content that is still there.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// Its score now.
    pub score: f32,
    /// How many rows have this content now.
    pub rows: u64,
    pub good: bool,
    pub drawn: Drawn,
}

/// An estimated share, from 0 to 1, with its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// How many labels it rests on.
    pub labels: usize,
    /// How many labels of a simple random sample would say as much; infinite where every row is labelled.
    pub effective: f64,
    /// The share of the rows in question that no label speaks for. The interval is widened by it.
    pub unlabelled: f64,
}

/// What labels say about a dial that stands at `at`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At {
    pub at: f32,
    /// The share of good rows among those that pass; `None` if no label is of a row that passes.
    pub precision: Option<Estimate>,
    /// The share of the good rows that pass; `None` if no label is good.
    pub recall: Option<Estimate>,
}

/// By what a threshold is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// By its estimated precision.
    #[default]
    Estimate,
    /// By the low end of its interval.
    LowEnd,
}

/// The estimates of one dial, for its labels and rows of now.
#[derive(Clone, Debug)]
pub struct Estimates {
    population: Population,
    cells: Vec<Cell>,
}

#[derive(Clone, Debug)]
struct Cell {
    buckets: Range<u16>,
    labels: Vec<Weighed>,
}

#[derive(Clone, Debug)]
struct Weighed {
    score: f32,
    good: bool,
    rows: f64,
    /// How many rows it stands for, up to a factor that all labels of its cell share.
    weight: f64,
    stratum: Range<u16>,
}

/// The part of a cell on one side of a threshold.
#[derive(Default)]
struct Part {
    rows: f64,
    /// Rows that the labels count.
    labelled: f64,
    labels: usize,
    good: f64,
    /// The share of good rows for variances: see the head of this file.
    smoothed: f64,
    /// The variance of the share of good rows, by the smoothed share.
    variance: f64,
    /// The same by the share itself, unbiased.
    plain: f64,
}

impl Part {
    fn new<'a>(labels: impl Iterator<Item = &'a Weighed>, rows: f64) -> Self {
        let (mut number, mut labelled, mut weight, mut squares, mut good) = (0, 0.0, 0.0, 0.0, 0.0);
        for label in labels {
            let weighs = label.weight * label.rows;
            number += 1;
            labelled += label.rows;
            weight += weighs;
            squares += weighs * weighs;
            good += if label.good { weighs } else { 0.0 };
        }
        // The histogram may lag behind, or be in doubt in one bucket.
        let rows = rows.max(labelled);
        if number == 0 {
            return Part { rows, ..Part::default() };
        }
        let (good, effective) = (good / weight, weight * weight / squares);
        let smoothed = (effective * good + 0.5) / (effective + 1.0);
        let rest = 1.0 - labelled / rows;
        let variance = rest * smoothed * (1.0 - smoothed) / effective;
        let plain = if number > 1 { rest * good * (1.0 - good) / (effective - 1.0) } else { 0.0 };
        Part { rows, labelled, labels: number, good, smoothed, variance, plain }
    }
}

/// What is known of the rows on one side of a threshold: sums over the parts of all cells.
#[derive(Default)]
struct Side {
    /// Rows of the parts that have labels, and of these the rows that the labels count.
    rows: f64,
    labelled: f64,
    /// Rows of the parts that have none.
    unlabelled: f64,
    /// Of these, the rows whose cell has labels on the other side, and how many of them are good if those labels speak for them.
    guessed: f64,
    guessed_good: f64,
    labels: usize,
    /// For degrees of freedom.
    cells: f64,
    /// Good rows of the parts that have labels: estimated, the same for variances, and the variances.
    good: f64,
    smoothed: f64,
    variance: f64,
    plain: f64,
}

impl Side {
    fn add(&mut self, part: &Part, other: &Part) {
        if part.labels == 0 {
            self.unlabelled += part.rows;
            if other.labels > 0 {
                self.guessed += part.rows;
                self.guessed_good += part.rows * other.good;
            }
            return;
        }
        self.rows += part.rows;
        self.labelled += part.labelled;
        self.labels += part.labels;
        self.cells += if part.labels == 1 { 0.5 } else { 1.0 };
        self.good += part.rows * part.good;
        self.smoothed += part.rows * part.smoothed;
        self.variance += part.rows * part.rows * part.variance;
        self.plain += part.rows * part.rows * part.plain;
    }

    /// How many of the guessed rows are good: half by the labels of their cell, which are on the other side of the threshold, and half by
    /// those of this side. Where the share of good rows rises or falls evenly, the errors of both cancel.
    fn guess(&self) -> f64 {
        match self.labels {
            0 => self.guessed_good,
            _ => (self.guessed_good + self.guessed * self.good / self.rows) / 2.0,
        }
    }

    /// The share of good rows in the parts that have labels.
    fn share(&self) -> Estimate {
        let rows = self.rows;
        let variance = self.variance / (rows * rows);
        let simple = self.labels as f64 / (1.0 - self.labelled / rows);
        Estimate::new(self.good / rows, self.smoothed / rows, variance, (self.labels, self.cells), simple)
    }
}

impl Estimate {
    /// By the formulas at the head of this file; `smoothed` and `variance` are of the share, `most` is the most that the effective number may
    /// be.
    fn new(value: f64, smoothed: f64, variance: f64, (labels, cells): (usize, f64), most: f64) -> Self {
        let number = labels as f64;
        let fewer = match number - cells.max(1.0) {
            degrees if degrees < 1.0 => 1.0,
            degrees => (student(number - 1.0) / student(degrees)).powi(2),
        };
        let effective = match smoothed * (1.0 - smoothed) / variance {
            effective if variance > 0.0 => (effective * fewer).min(most),
            // All rows are labelled.
            _ => f64::INFINITY,
        };
        let (low, high) = clopper_pearson(value, effective);
        Estimate { value, low, high, labels, effective, unlabelled: 0.0 }
    }

    fn precision(passing: &Side) -> Option<Self> {
        if passing.labels == 0 {
            return None;
        }
        let mut estimate = passing.share();
        estimate.value = (passing.good + passing.guess()) / (passing.rows + passing.guessed);
        estimate.unlabelled = passing.unlabelled / (passing.rows + passing.unlabelled);
        estimate.low *= 1.0 - estimate.unlabelled;
        estimate.high = estimate.high * (1.0 - estimate.unlabelled) + estimate.unlabelled;
        Some(estimate)
    }

    fn recall(passing: &Side, held: &Side) -> Option<Self> {
        let (good, labels) = (passing.good + held.good, passing.labels + held.labels);
        if good <= 0.0 {
            return None;
        }
        // Beale's ratio, and Beale's total.
        let total = good + (passing.plain + held.plain) / good;
        let value = (passing.good + passing.plain / good) / total;
        let all = passing.smoothed + held.smoothed;
        let smoothed = passing.smoothed / all;
        let variance = (1.0 - smoothed).powi(2) * passing.variance + smoothed.powi(2) * held.variance;
        let cells = passing.cells + held.cells;
        let (more, fewer) = (passing.unlabelled, held.unlabelled);
        let mut estimate = match (passing.labels, held.labels) {
            // Nothing is in doubt where all rows are on one side. Otherwise the rows without a label are, and how many good rows there are.
            (0, _) => {
                let least = (held.share().low * held.rows).max(f64::MIN_POSITIVE);
                Estimate { low: 0.0, high: more / (more + least), ..held.share() }
            }
            (_, 0) => {
                let least = passing.share().low * passing.rows;
                let low = if fewer > 0.0 { least / (fewer + least) } else { 1.0 };
                Estimate { low, high: 1.0, ..passing.share() }
            }
            _ => {
                let estimate =
                    Estimate::new(value, smoothed, variance / (all * good), (labels, cells), f64::INFINITY);
                let low = estimate.low * total / (total + fewer);
                let high = (estimate.high * total + more) / (total + more);
                Estimate { low, high, ..estimate }
            }
        };
        let (pass_guess, held_guess) = (passing.guess(), held.guess());
        estimate.value = (value * total + pass_guess) / (total + pass_guess + held_guess);
        estimate.unlabelled = (more + fewer) / (passing.rows + held.rows + more + fewer);
        Some(estimate)
    }
}

impl Estimates {
    /// `labels` are those of the dial's contents that are there now.
    ///
    /// ```
    /// use threshflow::label::{BUCKETS, Drawn, Estimates, Labelled, Passing, Population, Scale};
    /// let scale = Scale::new(0.0, 1.0, Passing::Above)?;
    /// let population = Population::new(scale, &[1000; BUCKETS as usize])?;
    /// // Ten rows of the upper half, drawn at random; the lowest of them is bad.
    /// let drawn = Drawn { stratum: BUCKETS / 2..BUCKETS, chance: 10.0 / 2_048_000.0 };
    /// let label = |score, good| Labelled { score, rows: 1, good, drawn: drawn.clone() };
    /// let labels = (0..10).map(|row| label(0.51 + row as f32 * 0.05, row > 0)).collect();
    /// let precision = Estimates::new(population, labels).at(0.5).precision.expect("ten labels pass");
    /// assert_eq!(precision.to_string(), "0.90 [0.55, 1.00] by 10 labels");
    /// # Ok::<(), threshflow::label::LabelError>(())
    /// ```
    pub fn new(population: Population, labels: Vec<Labelled>) -> Self {
        let mut edges = vec![0, BUCKETS];
        edges.extend(labels.iter().flat_map(|it| [it.drawn.stratum.start, it.drawn.stratum.end]));
        edges.sort_unstable();
        edges.dedup();
        edges.retain(|edge| *edge <= BUCKETS);
        let cell = |two: &[u16]| Cell { buckets: two[0]..two[1], labels: Vec::new() };
        let mut cells: Vec<Cell> = edges.windows(2).map(cell).collect();
        let mut moved = vec![false; cells.len()];
        for label in labels.into_iter().filter(|label| label.rows > 0) {
            let Some(bucket) = population.scale().bucket(label.score) else { continue };
            let at = cells.partition_point(|cell| cell.buckets.end <= bucket);
            moved[at] |= !label.drawn.stratum.contains(&bucket);
            let weight = 1.0 / label.drawn.chance.clamp(f64::MIN_POSITIVE, 1.0);
            cells[at].labels.push(Weighed {
                score: label.score,
                good: label.good,
                rows: label.rows as f64,
                weight,
                stratum: label.drawn.stratum,
            });
        }
        for (cell, moved) in cells.iter_mut().zip(moved) {
            if !moved {
                let labelled: f64 = cell.labels.iter().map(|label| label.rows).sum();
                let weight = (population.rows(&cell.buckets) as f64).max(labelled) / labelled;
                cell.labels.iter_mut().for_each(|label| label.weight = weight);
            }
        }
        Estimates { cells: joined(cells), population }
    }

    /// How many labels count: those of rows that are there and have a score.
    pub fn labels(&self) -> usize {
        self.cells.iter().map(|cell| cell.labels.len()).sum()
    }

    /// What the labels say where the dial stands at `at`.
    pub fn at(&self, at: f32) -> At {
        let passing = self.population.scale().passing();
        let split = self.population.scale().bucket(at);
        let (mut pass, mut held) = (Side::default(), Side::default());
        for cell in &self.cells {
            let (mut here, mut pass_here) = (0.0, 0.0);
            for label in cell.labels.iter().filter(|it| self.population.scale().bucket(it.score) == split) {
                here += label.rows;
                pass_here += if passing.passes(label.score, at) { label.rows } else { 0.0 };
            }
            let seen = (here > 0.0).then(|| pass_here / here);
            let rows = self.population.rows(&cell.buckets) as f64;
            let rows_passing = self.population.passing(&cell.buckets, at, seen);
            let (labels_pass, labels_held): (Vec<_>, Vec<_>) =
                cell.labels.iter().partition(|label| passing.passes(label.score, at));
            let in_pass = Part::new(labels_pass.into_iter(), rows_passing);
            let in_held = Part::new(labels_held.into_iter(), rows - rows_passing);
            pass.add(&in_pass, &in_held);
            held.add(&in_held, &in_pass);
        }
        At { at, precision: Estimate::precision(&pass), recall: Estimate::recall(&pass, &held) }
    }

    /// The thresholds at which anything changes, from the lowest: the scores of labels, and the edges of cells.
    pub fn thresholds(&self) -> Vec<f32> {
        let scale = self.population.scale();
        let edges = self.cells.iter().flat_map(|cell| [cell.buckets.start, cell.buckets.end]);
        let mut thresholds: Vec<f32> = edges.map(|edge| scale.edge(edge)).collect();
        thresholds.extend(self.cells.iter().flat_map(|cell| cell.labels.iter().map(|label| label.score)));
        thresholds.sort_unstable_by(f32::total_cmp);
        thresholds.dedup();
        thresholds
    }

    /// What the labels say at each of the [`thresholds`](Self::thresholds). The intervals hold for each threshold by itself, and not for all of
    /// them together.
    pub fn curve(&self) -> Vec<At> {
        self.thresholds().into_iter().map(|at| self.at(at)).collect()
    }

    /// The loosest of the [`thresholds`](Self::thresholds) whose own precision is at least `target`, from 0 to 1; `None` if there is none. Where precision does
    /// not rise with the threshold, a tighter threshold may have less than `target`, and is not looked at. A threshold that is chosen for its
    /// estimate tends to be one whose estimate is too high: [`By::LowEnd`] is the careful choice.
    ///
    /// # Errors
    /// If `target` is no number from 0 to 1.
    pub fn loosest(&self, target: f64, by: By) -> Result<Option<At>, LabelError> {
        if !(0.0..=1.0).contains(&target) {
            return Err(LabelError::Wrong(format!(
                "a precision of {target}: a share from 0 to 1 is wanted; give 0.95 for 95 %"
            )));
        }
        let mut thresholds = self.thresholds();
        if !self.population.scale().passing().is_of_high() {
            thresholds.reverse();
        }
        let reaches = |at: &At| {
            at.precision.is_some_and(|it| match by {
                By::Estimate => it.value >= target,
                By::LowEnd => it.low >= target,
            })
        };
        Ok(thresholds.into_iter().map(|at| self.at(at)).find(reaches))
    }
}

/// Joins cells that have no label with the nearest labelled one whose labels were drawn from a stratum that reaches over both.
fn joined(cells: Vec<Cell>) -> Vec<Cell> {
    let spoken_for = |at: usize, by: usize| {
        let (all, both) = (&cells[at].buckets, &cells[by]);
        both.labels.iter().any(|label| label.stratum.start <= all.start && all.end <= label.stratum.end)
    };
    // For each cell the labelled one that it goes to.
    let goes_to: Vec<usize> = (0..cells.len())
        .map(|at| {
            if !cells[at].labels.is_empty() {
                return at;
            }
            let before =
                (0..at).rev().find(|by| !cells[*by].labels.is_empty()).filter(|by| spoken_for(at, *by));
            let after =
                (at..cells.len()).find(|by| !cells[*by].labels.is_empty()).filter(|by| spoken_for(at, *by));
            match (before, after) {
                (Some(before), Some(after)) if at - before > after - at => after,
                (Some(before), _) => before,
                (None, Some(after)) => after,
                (None, None) => at,
            }
        })
        .collect();
    let mut joined: Vec<(usize, Cell)> = Vec::new();
    for (cell, goes_to) in cells.into_iter().zip(goes_to) {
        match joined.last_mut().filter(|(last, _)| *last == goes_to) {
            Some((_, last)) => {
                last.buckets.end = cell.buckets.end;
                last.labels.extend(cell.labels);
            }
            None => joined.push((goes_to, cell)),
        }
    }
    joined.into_iter().map(|(_, cell)| cell).collect()
}

impl std::fmt::Display for Estimate {
    /// `0.97 [0.93, 0.99] by 84 labels`, and what share of the rows no label speaks for.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.labels == 1 { "" } else { "s" };
        write!(f, "{:.2} [{:.2}, {:.2}] by {} label{plural}", self.value, self.low, self.high, self.labels)?;
        if self.unlabelled >= 0.005 {
            write!(f, " ({:.0} % of the rows without a label)", self.unlabelled * 100.0)?;
        }
        Ok(())
    }
}
