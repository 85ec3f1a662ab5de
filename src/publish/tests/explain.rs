//! `explain`: every row of a set is found, by its full key and by its bare one, and ended where it did.

use super::*;

fn ended(verdict: &Verdict, world: &World, found: &Ended) -> bool {
    match (verdict, found) {
        (Verdict::Kept(scores), Ended::Kept(kept)) => {
            let found: Vec<f32> = kept.scores.iter().map(|(_, score)| *score).collect();
            found == scores[..] && kept.scores[1].0 == "aesthetic"
        }
        (Verdict::Gated { dial, score }, Ended::Gated { dial: found, score: at, threshold }) => {
            let stood = if *dial == "aesthetic" { world.aesthetic } else { world.short_side };
            dial == found && score == at && *threshold == stood
        }
        (Verdict::Refused(refused), Ended::Refused { stage, class, message }) => {
            refused.stage == *stage && refused.refusal.class == *class && refused.refusal.message == *message
        }
        _ => false,
    }
}

#[test]
fn every_row_is_found_where_it_ended() {
    let (folder, world) = (scratch(), World::new(&["a", "a/b", "c d/é"], 20));
    world.commit(folder.path()).unwrap();
    for shard in &world.shards {
        for (sample, verdict) in shard.open.index.samples.iter().zip(world.verdicts(shard)) {
            let full = format!("{}/{}", shard.name, sample.key);
            for key in [&full, &sample.key] {
                let found = find_verdict(folder.path(), key).unwrap().expect(key);
                assert_eq!((&found.shard, &found.key), (&shard.name, &sample.key));
                assert!(ended(&verdict, &world, &found.ended), "{key}: {:?}", found.ended);
                assert_eq!(found.sidecar_error, sample.sidecar_refusal.as_deref().map(Refusal::to_string));
                assert_eq!((found.dials.len(), found.stages.len()), (2, 4));
            }
        }
    }
}

/// A world of these shards, each with rows of these keys, all refused.
fn of_keys(shards: &[(&str, &[&str])]) -> World {
    let mut world = World::new(&[], 0);
    for (seq, (name, keys)) in shards.iter().enumerate() {
        let mut made = made_up_shard(name, 0, keys.len() as u32, seq as u32);
        let mut open = (*made.open).clone();
        for (sample, key) in open.index.samples.iter_mut().zip(*keys) {
            sample.key = (*key).to_owned();
        }
        made.open = Arc::new(open);
        let refusal = |key: &&str| Refused {
            stage: "probe".into(),
            refusal: Refusal::permanent("cut_picture", format!("{name} {key}")),
        };
        made.fates = keys.iter().map(|key| Fate { short_side: 0.0, aesthetic: Err(refusal(key)) }).collect();
        world.shards.push(made);
    }
    world
}

fn message(out: &Path, key: &str) -> Option<String> {
    find_verdict(out, key).unwrap().map(|found| match found.ended {
        Ended::Refused { message, .. } => message,
        other => panic!("{other:?}"),
    })
}

#[test]
fn slashes_belong_to_shards_and_to_keys() {
    let folder = scratch();
    of_keys(&[("a", &["b/c", "b/d", "x"]), ("a/b", &["c"]), ("e", &["a/b/y"])])
        .commit(folder.path())
        .unwrap();
    let message = |key| message(folder.path(), key);
    assert_eq!(message("a/b/d").unwrap(), "a b/d", "whatever shard has it");
    assert_eq!(message("a/b/y").unwrap(), "e a/b/y", "and as a bare key");
    assert_eq!(message("x").unwrap(), "a x");
    assert_eq!(message("a/b"), None);
    // Two rows that look the same when they are written with a slash between.
    let error = find_verdict(folder.path(), "a/b/c").unwrap_err().to_string();
    assert!(
        error.contains("2 shards") && error.contains(r#"--shard "a/b" "c", --shard "a" "b/c""#),
        "{error}"
    );
    let apart = |shard, key| find_verdict_in(folder.path(), shard, key).unwrap();
    let ends = [("a/b", "c"), ("a", "b/c")].map(|(shard, key)| (shard, key, apart(shard, key).unwrap()));
    for (shard, key, found) in ends {
        assert_eq!((found.shard.as_str(), found.key.as_str()), (shard, key));
        assert!(matches!(found.ended, Ended::Refused { message, .. } if message == format!("{shard} {key}")));
    }
    assert_eq!(apart("a", "c"), None);
    assert_eq!(apart("b", "c"), None);
}

#[test]
fn a_bare_key_of_several_shards_is_asked_back() {
    let folder = scratch();
    of_keys(&[("a", &["k", "k"]), ("b", &["k"]), ("c", &["l", "l"])]).commit(folder.path()).unwrap();
    let error = find_verdict(folder.path(), "k").unwrap_err();
    assert!(error.to_string().contains("2 shards") && error.to_string().contains("a/k, b/k"), "{error}");
    // Twice in one shard is one row and what was refused because of it.
    let found = find_verdict(folder.path(), "l").unwrap().unwrap();
    assert_eq!((found.shard.as_str(), found.also.len()), ("c", 1));
}

#[test]
fn near_names_are_offered() {
    let folder = scratch();
    of_keys(&[("00012", &["000120345", "000120346", "000129999", "zebra"])]).commit(folder.path()).unwrap();
    let near = |key| near_keys(folder.path(), key).unwrap();
    assert_eq!(find_verdict(folder.path(), "00012/000120354").unwrap(), None);
    assert_eq!(near("00012/000120344")[0], "00012/000120345");
    assert_eq!(near("0012/000120345"), ["00012/000120345", "00012/000120346"]);
    assert_eq!(near("zebar"), ["00012/zebra"]);
    assert_eq!(near("elephants"), [] as [&str; 0]);
}

#[test]
fn nothing_published_is_said() {
    let folder = scratch();
    let error = find_verdict(folder.path(), "k").unwrap_err();
    assert!(matches!(error, PublishError::NothingPublished { .. }), "{error}");
    assert_eq!(read_manifest(folder.path()).unwrap(), None);
}
