//! Intervals for a share: Clopper and Pearson's, for a number of trials that need not be whole.

use statrs::function::beta::{beta_reg, ln_beta};

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
const MOST_TRIALS: f64 = 1e6;

/// The quantile of the beta distribution, to 12 digits behind the point: Newton's steps, and a halving where one would leave what is left. (The
/// crate's own `inv_beta_reg` does not end for some parameters, such as 1.8e7 and 0.03.)
fn beta_quantile(at: f64, a: f64, b: f64) -> f64 {
    let (a, b) = (a.max(LEAST), b.max(LEAST));
    let whole = ln_beta(a, b);
    let (mut low, mut high, mut x) = (0.0_f64, 1.0_f64, a / (a + b));
    for _ in 0..MOST_STEPS {
        let over = beta_reg(a, b, x) - at;
        match over > 0.0 {
            true => high = x,
            false => low = x,
        }
        let density = ((a - 1.0) * x.ln() + (b - 1.0) * (-x).ln_1p() - whole).exp();
        let newton = x - over / density;
        let next = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
        let step = (next - x).abs();
        x = next;
        if step < 1e-13 || high - low < 1e-13 {
            break;
        }
    }
    x
}

/// Parameters below this are as good as none.
const LEAST: f64 = 1e-6;
const MOST_STEPS: usize = 200;

/// Student's t for the two sides of an interval, by degrees of freedom (at least 1).
pub(super) fn student(degrees: f64) -> f64 {
    let degrees = degrees.max(1.0);
    let x = beta_quantile(1.0 - CONFIDENCE, degrees / 2.0, 0.5);
    (degrees * (1.0 - x) / x).sqrt()
}
