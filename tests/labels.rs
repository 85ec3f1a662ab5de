//! Intervals of labels against SciPy, whose quantiles of the beta distribution are not ours.

use std::process::Stdio;

use tests::python::python_with;
use threshflow::label::clopper_pearson;

/// Reads lines of a share and a number of trials, and writes Clopper and Pearson's interval of each.
const SCRIPT: &str = "
import sys
from scipy.stats import beta
for line in sys.argv[1].splitlines():
    share, trials = map(float, line.split())
    good = share * trials
    low = 0.0 if share == 0 else beta.ppf(0.025, good, trials - good + 1)
    high = 1.0 if share == 1 else beta.ppf(0.975, good + 1, trials - good)
    print(repr(float(low)), repr(float(high)))
";

#[test]
fn intervals_are_those_of_scipy_for_whole_numbers_and_for_fractions() {
    let Some(mut python) = python_with(&["scipy.stats"]) else { return };
    let shares = [0.0, 1e-4, 0.013, 0.2, 0.5, 0.77, 0.95, 0.999, 1.0];
    let trials = [0.4, 1.0, 2.7, 13.0, 30.0, 84.5, 1000.0, 123_456.0];
    let cases: Vec<(f64, f64)> =
        shares.iter().flat_map(|share| trials.iter().map(|trials| (*share, *trials))).collect();
    let lines: String = cases.iter().map(|(share, trials)| format!("{share:?} {trials:?}\n")).collect();
    let output = python.args(["-c", SCRIPT, &lines]).stdin(Stdio::null()).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(said.lines().count(), cases.len());
    for ((share, trials), line) in cases.into_iter().zip(said.lines()) {
        let wanted: Vec<f64> = line.split(' ').map(|number| number.parse().expect("a number")).collect();
        // With less than a label's worth, a quantile may lie beyond the share itself; an interval contains it.
        let wanted = (wanted[0].min(share), wanted[1].max(share));
        let found = clopper_pearson(share, trials);
        let error = (found.0 - wanted.0).abs().max((found.1 - wanted.1).abs());
        assert!(error < 1e-10, "{share} of {trials}: {found:?} instead of {wanted:?}");
    }
}
