//! Correlations and kappas.
//!
//! Kendall's tau-b is the crate `kendalls`'. Of the rest no crate that is kept has a form that fits: those that there are know no ties
//! (`correlation`), or have no ranks (`statrs`). All are checked against SciPy, scikit-learn and statsmodels
//! (`fixtures/statistics.py`).

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Pearson's correlation. `None` of fewer than two values, and where one side does not vary.
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    if a.len() != b.len() || a.len() < 2 {
        return None;
    }
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    let varies = varies(a) && varies(b) && of_a > 0.0 && of_b > 0.0;
    varies.then(|| (both / (of_a.sqrt() * of_b.sqrt())).clamp(-1.0, 1.0))
}

fn varies(values: &[f64]) -> bool {
    values.iter().any(|value| *value != values[0])
}

/// Spearman's rank correlation: Pearson's of the ranks, of which tied values share the middle one. `None` as of [`pearson`].
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    pearson(&ranks(a), &ranks(b))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let first = tied.iter().map(|at| order_of(&order, *at, values)).min().unwrap_or_default();
        let middle = first as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|at| ranks[*at] = middle);
    }
    ranks
}

/// How many values are below.
fn order_of(order: &[usize], at: usize, values: &[f64]) -> usize {
    order.partition_point(|other| values[*other] < values[at])
}

/// Kendall's tau-b. `None` as of [`pearson`].
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 2 || !varies(a) || !varies(b) {
        return None;
    }
    let compare = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or(Ordering::Greater);
    let (tau, _) = kendalls::tau_b_with_comparator(a, b, compare).ok()?;
    tau.is_finite().then_some(tau)
}

/// The share of pairs that two graders see alike: that both order the same way, or that both hold for equal. A tie of one alone is a
/// disagreement. (D. Deutsch, G. Foster, M. Freitag, *Ties Matter*, EMNLP 2023: `acc_eq`, without a calibrated epsilon.) `same` is how
/// many of the pairs are of one thing with itself, as resamples have them; these don't count. `None` where there is no pair.
pub fn pairwise(a: &[f64], b: &[f64], same: usize) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let pairs = |n: usize| n * n.saturating_sub(1) / 2;
    let all = pairs(a.len());
    if all <= same {
        return None;
    }
    let (tied_a, tied_b) = (tied(a.iter().map(|it| (*it, 0.0))), tied(b.iter().map(|it| (*it, 0.0))));
    let tied_both = tied(a.iter().copied().zip(b.iter().copied()));
    // Tau-b is what speaks for less what speaks against, by the root of the untied pairs of each.
    let root = ((all - tied_a) as f64 * (all - tied_b) as f64).sqrt();
    let balance = kendall(a, b).unwrap_or(0.0) * root;
    let untied = (all + tied_both - tied_a - tied_b) as f64;
    let alike = ((untied + balance) / 2.0).round();
    Some((alike + (tied_both - same) as f64) / (all - same) as f64)
}

/// How many pairs have equal values.
fn tied(values: impl Iterator<Item = (f64, f64)>) -> usize {
    let mut values: Vec<(f64, f64)> = values.collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    values.chunk_by(|a, b| a == b).map(|equal| equal.len() * (equal.len() - 1) / 2).sum()
}

/// Cohen's kappa of two raters' verdicts on the same things. `None` of nothing, and where chance alone would agree in all, so that
/// kappa is not defined.
pub fn cohen(pairs: &[(bool, bool)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let share = |fits: fn(&(bool, bool)) -> bool| pairs.iter().filter(|pair| fits(pair)).count() as f64 / n;
    let (a, b) = (share(|pair| pair.0), share(|pair| pair.1));
    let observed = share(|pair| pair.0 == pair.1);
    let chance = a * b + (1.0 - a) * (1.0 - b);
    (!pairs.is_empty() && chance < 1.0).then(|| (observed - chance) / (1.0 - chance))
}

/// Fleiss' kappa: each thing's numbers of yes and no, by any raters. Things of fewer than two verdicts don't count. Where things have
/// different numbers of verdicts, each thing's agreement is that of its own pairs, and chance is of all verdicts. `None` as of [`cohen`].
pub fn fleiss(counts: &[(usize, usize)]) -> Option<f64> {
    let counts: Vec<(f64, f64)> =
        counts.iter().filter(|(yes, no)| yes + no > 1).map(|(yes, no)| (*yes as f64, *no as f64)).collect();
    let all: f64 = counts.iter().map(|(yes, no)| yes + no).sum();
    let yes = counts.iter().map(|(yes, _)| yes).sum::<f64>() / all;
    let agreement = |(yes, no): &(f64, f64)| {
        let n = yes + no;
        (yes * (yes - 1.0) + no * (no - 1.0)) / (n * (n - 1.0))
    };
    let observed = counts.iter().map(agreement).sum::<f64>() / counts.len() as f64;
    let chance = yes * yes + (1.0 - yes) * (1.0 - yes);
    (!counts.is_empty() && chance < 1.0).then(|| (observed - chance) / (1.0 - chance))
}

/// Cohen's kappa of every two raters, who are named, over the things that both judged.
pub(crate) fn cohens<K: Ord>(
    verdicts: &BTreeMap<String, BTreeMap<K, bool>>,
) -> Vec<(String, String, usize, Option<f64>)> {
    let raters: Vec<(&String, &BTreeMap<K, bool>)> = verdicts.iter().collect();
    let mut kappas = Vec::new();
    for (at, (one, of_one)) in raters.iter().enumerate() {
        for (other, of_other) in &raters[at + 1..] {
            let pairs: Vec<(bool, bool)> =
                of_one.iter().filter_map(|(thing, yes)| Some((*yes, *of_other.get(thing)?))).collect();
            kappas.push(((*one).clone(), (*other).clone(), pairs.len(), cohen(&pairs)));
        }
    }
    kappas
}

#[cfg(test)]
mod tests;
