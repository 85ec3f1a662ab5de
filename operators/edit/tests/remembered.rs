//! What each pass is given beside its picture, and which refusals of editors are remembered.

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

#[test]
fn what_an_editor_says_of_the_content_is_remembered_and_nothing_else() {
    let of = |class: &'static str| Refusal::new(class, String::new());
    assert!(is_kept(&of("too_small")));
    assert!(!is_kept(&passing(of("too_small"))), "its editor says that it passes");
    for class in ["editor_http_status", "unwritable_memo", Refusal::OVER_BUDGET] {
        assert!(!is_kept(&of(class)), "{class}");
    }
    assert_eq!(passing(of(Refusal::OVER_BUDGET)).class, Refusal::OVER_BUDGET, "a budget is nobody's fault");
}
