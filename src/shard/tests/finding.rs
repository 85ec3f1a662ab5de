//! Finding shards: what patterns name, and what the shards are called.

use super::*;
use crate::shard::{ShardError, find};

fn desk() -> Desk {
    let desk = Desk::new();
    for name in [
        "laion/00000.tar",
        "laion/00001.tar",
        "laion/00000.parquet",
        "laion/part/00000.tar",
        "laion/s.tar.split.000",
        "laion/s.tar.split.001",
        "laion/s.tar.split.003",
        "laion/odd[1].tar",
        "laion/noise.tar.split.x",
        "laion/plain.bin",
        "empty/readme.md",
    ] {
        desk.put(name, &[0; 1024]);
    }
    desk
}

fn names(desk: &Desk, patterns: &[&str]) -> Result<Vec<String>, String> {
    let patterns: Vec<String> = patterns
        .iter()
        .map(|pattern| desk.folder.path().join(pattern).to_string_lossy().into_owned())
        .collect();
    match find(&patterns) {
        Ok(shards) => Ok(shards.into_iter().map(|shard| shard.name).collect()),
        Err(ShardError::Usage(message)) => Err(message),
        Err(other) => panic!("{other}"),
    }
}

fn good(desk: &Desk, patterns: &[&str]) -> Vec<String> {
    names(desk, patterns).unwrap()
}

#[test]
fn files_folders_and_globs_name_shards_relative_to_their_fixed_part() {
    let desk = desk();
    assert_eq!(good(&desk, &["laion/*.tar"]), ["00000", "00001", "odd[1]"]);
    assert_eq!(good(&desk, &["laion"]), ["00000", "00001", "odd[1]", "part/00000", "s"]);
    assert_eq!(good(&desk, &["laion/"]), good(&desk, &["laion"]));
    assert_eq!(good(&desk, &["lai*/**/*"]).len(), 5);
    assert_eq!(good(&desk, &["lai*/*.tar"]), ["laion/00000", "laion/00001", "laion/odd[1]"]);
    assert_eq!(good(&desk, &["laion/*/*.tar"]), ["part/00000"]);
    assert_eq!(good(&desk, &["laion/*"]), ["00000", "00001", "odd[1]", "s"]);
    assert_eq!(good(&desk, &["laion/part/00000.tar", "laion/00001.tar"]), ["00000", "00001"]);
    assert_eq!(good(&desk, &["laion/odd[1].tar"]), ["odd[1]"]);
    assert_eq!(good(&desk, &["laion/plain.bin"]), ["plain.bin"]);
}

#[test]
fn one_chunk_stands_for_all_and_gaps_are_named() {
    let desk = desk();
    for pattern in ["laion/s.tar.split.001", "laion/s.tar.*", "laion/s.tar.split.00[13]"] {
        let pattern = desk.folder.path().join(pattern).to_string_lossy().into_owned();
        let shards = find(&[pattern]).unwrap();
        assert_eq!(shards.len(), 1);
        let chunks: Vec<(bool, String)> = chunks_of(&shards[0])
            .iter()
            .map(|chunk| match chunk {
                Ok(path) => (true, path.extension().unwrap().to_string_lossy().into_owned()),
                Err(path) => (false, path.extension().unwrap().to_string_lossy().into_owned()),
            })
            .collect();
        let expected = [(true, "000"), (true, "001"), (false, "002"), (true, "003")];
        assert_eq!(chunks, expected.map(|(there, number)| (there, number.to_owned())));
    }
    desk.put("far/t.tar.split.4000000000", b"");
    let pattern = desk.folder.path().join("far").to_string_lossy().into_owned();
    assert_eq!(chunks_of(&find(&[pattern]).unwrap()[0]).len(), 1001);
}

#[test]
fn a_shard_named_twice_counts_once() {
    let desk = desk();
    assert_eq!(good(&desk, &["laion/00000.tar", "laion/*.tar", "laion/../laion/00000.tar"]).len(), 3);
    assert_eq!(good(&desk, &["laion/s.tar.split.000", "laion/s.tar.split.001"]), ["s"]);
}

#[test]
fn what_names_nothing_or_two_things_says_so() {
    let desk = desk();
    let message = names(&desk, &["laion/00000.tar", "laion/part"]).unwrap_err();
    assert!(message.contains("laion/00000.tar") && message.contains("laion/part/00000.tar"), "{message}");
    for pattern in ["laion/*.tgz", "nowhere/*.tar", "nowhere.tar", "empty", "laion/*.parquet", "laion/***"] {
        let message = names(&desk, &[pattern]).unwrap_err();
        assert!(message.contains(pattern), "{message}");
    }
    assert!(matches!(find(&[]), Err(ShardError::Usage(_))));
    desk.put("twice/u.tar.split.1", b"");
    desk.put("twice/u.tar.split.001", b"");
    assert!(names(&desk, &["twice"]).unwrap_err().contains("chunk 1"));
}
