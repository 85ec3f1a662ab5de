//! What each pass is given beside its picture.

use super::super::editors::seed_of;
use super::super::*;
use super::desk::{Desk, Stub};

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
fn a_lost_pass_is_made_again_with_what_started_from_it() {
    let desk = Desk::with(Stub::default());
    let make =
        || desk.make(EditType::ContentMemory, &[Operation::Replace, Operation::Adjust], &[0, 1]).unwrap();
    let bytes = |stored: &StoredEdit| postcard::to_stdvec(stored).unwrap();
    let (edit, first) = (desk.edit(), make());
    assert_eq!((desk.take().len(), edit.stands(&bytes(&first))), (2, true));
    let key = |number: usize| ContentHash(first.passes[number].key);
    let cache = &edit.editors.who_can(Operation::Replace).unwrap().cache;

    // The editor makes the same of it: the edit is what it was.
    cache.forget(&key(0)).unwrap();
    assert!(!edit.stands(&bytes(&first)));
    assert!(!cache.knows(&key(1)), "the second pass started from what is lost");
    assert_eq!((make(), desk.take().len()), (first.clone(), 2));
    assert!(edit.stands(&bytes(&first)));

    // The last pass alone is lost: what it started from stays.
    cache.forget(&key(1)).unwrap();
    assert!(!edit.stands(&bytes(&first)) && cache.knows(&key(0)));
    // The editor makes another picture: another edit, about which is asked anew.
    let second = make();
    assert_eq!(second.passes[0], first.passes[0]);
    assert_ne!(Handle::<Edited>::of(&bytes(&second)).bytes(), Handle::<Edited>::of(&bytes(&first)).bytes());
    assert!(edit.stands(&bytes(&second)) && !edit.stands(&bytes(&first)));

    // A run that ended between the two: the first was made again, as another, and the second not yet.
    let _ = desk.make(EditType::Style, &[Operation::Style], &[]).unwrap();
    cache.forget(&key(0)).unwrap();
    cache.look_up_one(key(0), || Ok(b"another".to_vec())).unwrap();
    assert!(!edit.stands(&bytes(&second)) && !cache.knows(&key(1)));
}
