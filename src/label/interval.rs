//! Intervals for a share: Clopper and Pearson's, for a number of trials that need not be whole.

use special::Beta as _;

/// The chance with which an interval contains what it estimates.
pub const CONFIDENCE: f64 = 0.95;

/// The interval of C. J. Clopper and E. S. Pearson (Biometrika 26 (1934) 404-413) for a share, at 95 %: `successes` of `trials`, from 0 to 1. Both
/// may be fractions, as effective numbers are (E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201). More successes than
/// trials count as all; without trials the interval is all from 0 to 1; with infinitely many (a census) it is the share `share`.
///
/// ```
/// use threshflow::label::clopper_pearson;
/// // scipy.stats.beta.ppf([0.025, 0.975], [9, 10], [2, 1])
/// let (low, high) = clopper_pearson(0.9, 10.0);
/// assert!((low - 0.5549839).abs() < 1e-7 && (high - 0.9974714).abs() < 1e-7);
/// ```
pub fn clopper_pearson(share: f64, trials: f64) -> (f64, f64) {
    if !share.is_finite() || trials.is_nan() || trials <= 0.0 {
        return (0.0, 1.0);
    }
    let share = share.clamp(0.0, 1.0);
    if trials > MOST_TRIALS {
        return (share, share);
    }
    let (tail, successes) = ((1.0 - CONFIDENCE) / 2.0, share * trials);
    let failures = trials - successes;
    let low = if share == 0.0 { 0.0 } else { beta_quantile(tail, successes, failures + 1.0) };
    let high = if share == 1.0 { 1.0 } else { beta_quantile(1.0 - tail, successes + 1.0, failures) };
    (low.min(share), high.max(share))
}

/// Beyond so many, an interval is narrower than any picture of it.
const MOST_TRIALS: f64 = 1e9;

fn beta_quantile(at: f64, a: f64, b: f64) -> f64 {
    // Where a parameter is next to nothing, so is the distance from the end, and the search for it would not end well.
    let least = 1e-6;
    let (a, b) = (a.max(least), b.max(least));
    at.inv_inc_beta(a, b, a.ln_beta(b))
}

/// Student's t for the two sides of an interval, by degrees of freedom (at least 1).
pub(super) fn student(degrees: f64) -> f64 {
    let degrees = degrees.max(1.0);
    let x = beta_quantile(1.0 - CONFIDENCE, degrees / 2.0, 0.5);
    (degrees * (1.0 - x) / x).sqrt()
}
