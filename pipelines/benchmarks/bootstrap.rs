//! Intervals and significance by the bootstrap. All of it is drawn from one fixed seed by a generator of its own, so that the same scores
//! give the same bytes on any day, on any machine, with any version of any crate.
//!
//! Sources: B. Efron, R. J. Tibshirani, *An Introduction to the Bootstrap*, 1993: percentile intervals, chapter 13; tests of a mean, 16.4.

use serde::Serialize;

/// How often is drawn.
pub const RESAMPLES: usize = 10_000;
/// How sure an interval is.
pub const CONFIDENCE: f64 = 0.95;
const SEED: u64 = 0x5EED_0F7A_B1E5;

/// A mean, or another statistic, with the interval that the bootstrap gives it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    pub value: f64,
    /// The ends of the 95 % interval. Of one item both are the value. `None` where most resamples have no value, as of a correlation of
    /// two items.
    pub interval: Option<[f64; 2]>,
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new() -> Draw {
        Draw(SEED)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// One of the first `n` numbers.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

/// The mean, with its interval over the values. `None` of nothing.
pub(crate) fn of_mean(values: &[f64]) -> Option<Estimate> {
    of_means(&[values.to_vec()])
}

/// The mean of the groups' means, with its interval: drawn within each group. Groups without values don't count. `None` of nothing.
pub(crate) fn of_means(groups: &[Vec<f64>]) -> Option<Estimate> {
    let groups: Vec<&Vec<f64>> = groups.iter().filter(|group| !group.is_empty()).collect();
    if groups.is_empty() {
        return None;
    }
    let mut draw = Draw::new();
    let of = |mean: &mut dyn FnMut(&[f64]) -> f64| {
        let sum: f64 = groups.iter().map(|group| mean(group)).sum();
        sum / groups.len() as f64
    };
    let value = of(&mut |group| group.iter().sum::<f64>() / group.len() as f64);
    let resampled = (0..RESAMPLES).map(|_| {
        of(&mut |group| {
            (0..group.len()).map(|_| group[draw.below(group.len())]).sum::<f64>() / group.len() as f64
        })
    });
    Some(percentile(value, resampled.collect()))
}

/// Any statistic of `n` items, by the places of the items that are drawn. Resamples of which it has no value don't count; an interval
/// needs half of them.
pub(crate) fn of_statistic(n: usize, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Estimate> {
    let all: Vec<usize> = (0..n).collect();
    let value = statistic(&all)?;
    let mut draw = Draw::new();
    let mut places = vec![0; n];
    let resampled = (0..RESAMPLES).filter_map(|_| {
        places.iter_mut().for_each(|place| *place = draw.below(n));
        statistic(&places)
    });
    let resampled: Vec<f64> = resampled.collect();
    let enough = resampled.len() * 2 >= RESAMPLES;
    Some(if enough { percentile(value, resampled) } else { Estimate { value, interval: None } })
}

fn percentile(value: f64, mut resampled: Vec<f64>) -> Estimate {
    resampled.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Estimate { value, interval: Some([quantile(&resampled, tail), quantile(&resampled, 1.0 - tail)]) }
}

/// The quantile of sorted values, between neighbours by a straight line, as NumPy's `quantile` gives it.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// What [`two_sided`] needs.
const LEAST_DIFFERENCES: usize = 10;

/// How likely a mean difference as far from 0 as this one is where there is none, on either side: the share of resamples of the centred
/// differences whose mean is as far from 0, (1 + number) / (1 + resamples), which is never 0. `None` of fewer than ten differences: so few
/// know too little of how far they spread, and any p would be too small.
pub(crate) fn two_sided(differences: &[f64]) -> Option<f64> {
    let n = differences.len();
    if n < LEAST_DIFFERENCES {
        return None;
    }
    let mean = differences.iter().sum::<f64>() / n as f64;
    let centred: Vec<f64> = differences.iter().map(|it| it - mean).collect();
    let mut draw = Draw::new();
    let as_far = |_: &usize| {
        let resampled = (0..n).map(|_| centred[draw.below(n)]).sum::<f64>() / n as f64;
        // What is equal but for rounding is as far.
        resampled.abs() >= mean.abs() - 1e-12
    };
    let beyond = (0..RESAMPLES).filter(as_far).count();
    Some((1 + beyond) as f64 / (1 + RESAMPLES) as f64)
}

#[cfg(test)]
mod tests;
