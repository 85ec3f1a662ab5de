//! Numbers by programs that we did not write. `references.py` makes them.

use super::super::interval::student;
use super::super::{Estimates, Passing, clopper_pearson, rank};
use super::{labels, near, population};
use crate::row::ContentHash;

/// Good, labels, and the interval by statsmodels.
const INTERVALS: [(usize, usize, f64, f64); 7] = [
    (0, 30, 0.0, 0.1157033082220278),
    (1, 30, 0.0008435709266304788, 0.17216945563341268),
    (15, 30, 0.31297028586802744, 0.6870297141319726),
    (29, 30, 0.8278305443665873, 0.9991564290733695),
    (30, 30, 0.8842966917779722, 1.0),
    (57, 60, 0.8607567532789272, 0.9895676703556517),
    (97, 100, 0.91482394702572, 0.9937700284616936),
];

#[test]
fn an_interval_of_a_share_is_that_of_statsmodels() {
    for (good, all, low, high) in INTERVALS {
        let found = clopper_pearson(good as f64 / all as f64, all as f64);
        near(found.0, low, 1e-11);
        near(found.1, high, 1e-11);
    }
}

#[test]
fn one_stratum_of_very_many_rows_is_a_plain_share_by_hand() {
    for passing in [Passing::Above, Passing::AtMost] {
        for (good, all, low, high) in INTERVALS {
            let rows = population(passing, &[(0..4096, 1 << 40)]);
            let at = if passing == Passing::Above { -1.0 } else { 5000.0 };
            let found = Estimates::new(rows, labels(0..4096, good, all)).at(at).precision.unwrap();
            near(found.value, good as f64 / all as f64, 1e-12);
            near(found.low, low, 1e-9);
            near(found.high, high, 1e-9);
            near(found.effective, all as f64, 1e-9);
            assert_eq!((found.labels, found.unlabelled), (all, 0.0));
        }
    }
}

#[test]
fn students_t_is_that_of_scipy() {
    let wanted = [
        (1.0, 12.706204736174694),
        (2.0, 4.302652729749462),
        (5.0, 2.5705818356363146),
        (29.0, 2.045229642132703),
        (92.0, 1.98608631695113),
    ];
    for (degrees, t) in wanted {
        near(student(degrees), t, 1e-7);
    }
}

/// With so many labels smoothing changes little: what is left is the stratified estimate, its variance with the finite population
/// correction, and the interval around it.
#[test]
fn strata_are_estimated_as_samplics_does() {
    let rows =
        population(Passing::Above, &[(0..1000, 50), (1000..2000, 20), (2000..3000, 20), (3000..4000, 5)]);
    let mut all = labels(0..1000, 30, 400);
    all.extend(labels(1000..2000, 120, 300));
    all.extend(labels(2000..3000, 240, 300));
    all.extend(labels(3000..4000, 245, 250));
    let found = Estimates::new(rows, all).at(2000.0);
    let (precision, recall) = (found.precision.unwrap(), found.recall.unwrap());
    near(precision.value, 0.836, 1e-12);
    near(precision.low, 0.7961583943067398, 1e-3);
    near(precision.high, 0.870816484575575, 1e-3);
    // Beale's ratio is another one than samplics', by a term of 1 / labels.
    near(recall.value, 0.6401225114854517, 1e-3);
    near(recall.low, 0.604251918499588, 2e-3);
    near(recall.high, 0.6748643710263239, 2e-3);
}

#[test]
fn a_rank_is_the_hash_that_it_is_said_to_be() {
    assert_eq!(rank(7, "sharp", ContentHash::of(b"a picture")), 2733487386373265477);
}
