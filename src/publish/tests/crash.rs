//! A crash, or a full disk, at every step of the protocol: a whole set is named at each moment, and the next
//! commit gives the right bytes.

use super::super::steps::injected::{Ended, Mishap, frees_space, mishap_at};
use super::*;

/// That what the manifest names is there; gives the manifest.
fn named_whole(out: &Path) -> Option<Manifest> {
    let manifest = read_manifest(out).expect("a manifest that is there can be read")?;
    for part in &manifest.parts {
        let bytes = fs::metadata(out.join(&part.file)).expect("a named part is there").len();
        assert_eq!(bytes, part.bytes, "{}", part.file);
    }
    Some(manifest)
}

/// Two sets that share a part, each having one that the other lacks; without regions and with them.
fn before_and_after() -> [(World, World); 2] {
    let before = World::new(&["gone", "same", "turned"], 12);
    let mut after = World::new(&["came", "same", "turned"], 12);
    after.shards[0].seq = 9;
    after.shards[2] = made_up_shard("turned", 1, 15, 7);
    [(before.clone(), after.clone()), (before.with_regions(), after.with_regions())]
}

#[test]
fn the_sets_have_parts_of_every_kind() {
    let kinds = before_and_after().map(|(_, after)| {
        let folder = scratch();
        after.commit(folder.path()).unwrap();
        let parts = named_whole(folder.path()).unwrap().parts;
        parts.iter().map(|part| part.kind).collect::<std::collections::BTreeSet<_>>().len()
    });
    assert_eq!(kinds, [2, 4]);
}

/// Runs `check` for the mishap at each step of the commit from `before` (if any) to `after`.
fn at_each_step(
    mishap: Mishap,
    before: Option<&World>,
    after: &World,
    check: impl Fn(&Path, Option<Manifest>, Ended<Result<Committed, PublishError>>),
) {
    let wanted = after.fresh_bytes();
    for number in 0.. {
        let folder = scratch();
        let out = folder.path().join("out");
        if let Some(before) = before {
            before.commit(&out).unwrap();
        }
        let old = named_manifest(&out);
        let (ended, passed) = mishap_at(number, mishap, || after.commit(&out));
        if passed.len() <= number {
            assert!(matches!(ended, Ended::Returned(Ok(_))));
            assert!(number > 20, "only {passed:?} were steps");
            return;
        }
        if mishap == Mishap::Full && frees_space(passed[number]) && matches!(ended, Ended::Returned(Ok(_))) {
            continue;
        }
        check(&out, old, ended);
        after.commit(&out).unwrap();
        assert_same(&tree(&out), &wanted);
        assert!(!out.join(".writing").exists());
    }
}

fn named_manifest(out: &Path) -> Option<Manifest> {
    if out.exists() { named_whole(out) } else { None }
}

#[test]
fn a_crash_at_any_step_is_repaired_by_the_next_commit() {
    for (before, after) in before_and_after() {
        let new = {
            let folder = scratch();
            after.commit(folder.path()).unwrap();
            named_whole(folder.path())
        };
        for before in [Some(&before), None] {
            at_each_step(Mishap::Crash, before, &after, |out, old, ended| {
                assert!(matches!(ended, Ended::Crashed));
                let now = named_manifest(out);
                assert!(now == old || now == new, "neither the old nor the new set");
            });
        }
    }
}

#[test]
fn a_crash_on_the_way_to_another_set_is_repaired_by_going_back() {
    for (before, after) in before_and_after() {
        let wanted = before.fresh_bytes();
        at_each_step(Mishap::Crash, Some(&before), &after, |out, _, _| {
            before.commit(out).unwrap();
            assert_same(&tree(out), &wanted);
        });
    }
}

#[test]
fn a_full_disk_is_said_and_leaves_a_whole_set() {
    for (before, after) in before_and_after() {
        at_each_step(Mishap::Full, Some(&before), &after, |out, _, ended| {
            let Ended::Returned(Err(error)) = ended else { panic!("no error") };
            assert!(error.to_string().contains("free some space"), "{error}");
            let named = named_whole(out).expect("a set is named");
            assert!(!out.join(".writing").exists(), "what was half written is in the way of a full disk");
            // Who reads by a glob sees that set, too.
            let files = tree(out).into_keys().filter(|path| path.parent() != Some(Path::new("")));
            let mut named: Vec<PathBuf> = named.parts.iter().map(|part| part.file.clone().into()).collect();
            named.sort();
            assert_eq!(files.collect::<Vec<_>>(), named);
        });
    }
}
