//! Tests of the whole room.

mod estimates;
mod kept;
mod references;
mod simulation;
mod tables;

use super::{BUCKETS, Drawn, Labelled, Passing, Population, Scale};

/// Rows by bucket, on a scale from 0 to 4,096: a score is in the bucket of its whole part.
fn population(passing: Passing, rows: &[(std::ops::Range<u16>, u64)]) -> Population {
    let mut buckets = vec![0; usize::from(BUCKETS)];
    for (range, rows) in rows {
        range.clone().for_each(|bucket| buckets[usize::from(bucket)] += rows);
    }
    Population::new(Scale::new(0.0, 4096.0, passing).unwrap(), &buckets).unwrap()
}

/// A label of one row that was drawn from these buckets.
fn label(score: f32, good: bool, stratum: std::ops::Range<u16>) -> Labelled {
    Labelled { score, rows: 1, good, drawn: Drawn { stratum, chance: 0.01 } }
}

/// Labels of a stratum, of which the first are good. Their scores are spread over it.
fn labels(stratum: std::ops::Range<u16>, good: usize, all: usize) -> Vec<Labelled> {
    let width = f32::from(stratum.end - stratum.start) / all as f32;
    let score = |at: usize| f32::from(stratum.start) + (at as f32 + 0.5) * width;
    // Good and bad ones lie everywhere.
    let is_good = |at: usize| (at + 1) * good / all > at * good / all;
    (0..all).map(|at| label(score(at), is_good(at), stratum.clone())).collect()
}

#[track_caller]
fn near(found: f64, wanted: f64, most: f64) {
    assert!((found - wanted).abs() <= most, "{found} instead of {wanted}");
}
