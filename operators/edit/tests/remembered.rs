//! What each pass is given beside its picture.

use super::super::editors::seed_of;
use super::super::*;

#[test]
fn every_pass_has_a_seed_of_its_own() {
    let keys = [ContentHash([1; 16]), ContentHash([2; 16])];
    let seeds: Vec<u64> = keys.iter().flat_map(|key| [1, 2].map(|seed| seed_of(seed, key))).collect();
    for (at, seed) in seeds.iter().enumerate() {
        assert!(*seed < 1 << 53, "{seed} is rounded in JSON");
        assert!(!seeds[..at].contains(seed), "{seeds:?}");
    }
    assert_eq!(seed_of(1, &keys[0]), seeds[0], "the same pass, the same seed");
}
