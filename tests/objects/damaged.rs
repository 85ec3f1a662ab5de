//! Files of the cache that are not what was written: noticed, fetched anew, and never read.

use std::path::{Path, PathBuf};

use serde_json::json;
use tests::Rng;
use tests::resident::assert_published;

use crate::bucket::Bucket;
use crate::desk;
use crate::words::{DAMAGED, says_any};

const SHARDS: u64 = 4;

/// The files of the cache that hold shards: those that are as large as the smallest of them.
fn cached(bucket: &Bucket) -> Vec<PathBuf> {
    let smallest = bucket.sizes().into_values().min().expect("shards");
    let mut found = Vec::new();
    let mut folders = vec![bucket.desk.path("cache")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("is there").flatten() {
            let meta = entry.metadata().expect("is there");
            match meta.is_dir() {
                true => folders.push(entry.path()),
                false if meta.len() >= smallest => found.push(entry.path()),
                false => {}
            }
        }
    }
    found.sort();
    assert_eq!(found.len() as u64, SHARDS, "one file for each shard: {found:?}");
    found
}

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("reads");
    how(&mut bytes);
    // In place: the times and the inode may tell nothing.
    let mut file = std::fs::File::options().write(true).truncate(true).open(path).expect("opens");
    std::io::Write::write_all(&mut file, &bytes).expect("writes");
}

/// A cache that holds all shards, for stores that come later.
fn filled() -> Option<Bucket> {
    let bucket = Bucket::of(desk(SHARDS, 40, 0))?;
    bucket.step("", "--cache cache");
    Some(bucket)
}

/// Of a run whose store knows nothing, and of one that asks about all pictures again; each finds the cache after `harm`.
fn meet(what: &str, harm: impl Fn(&[PathBuf])) {
    let Some(bucket) = filled() else { return };
    for (known, flags) in [(false, "--judge 0"), (true, "--judge 1")] {
        if !known {
            bucket.afresh();
        }
        harm(&cached(&bucket));
        bucket.rules(&json!([]));
        let said = bucket.run(&format!("--cache cache {flags}"));
        let counts = bucket.counts();
        let context = format!("{what}, {flags}: {counts:?} {said:#?}");
        assert_eq!(said.code, Some(0), "{context}");
        assert_published(&bucket.desk, flags, &context);
        // Who asks about some pictures may meet none of the damage; a walk reads every file.
        assert!(known || says_any(&said.stderr, &[DAMAGED]) && counts.bytes > 0, "{context}");
        // Whoever comes then finds nothing wrong.
        bucket.afresh();
        bucket.step("", "--cache cache");
        bucket.rules(&json!([]));
        bucket.afresh();
        let said = bucket.run("--cache cache").expect(0, &[]);
        assert!(
            !says_any(&said.stderr, &[DAMAGED]) && bucket.counts().bytes == 0,
            "{context}, then: {said:#?}"
        );
    }
}

#[test]
fn a_flipped_bit_is_noticed_wherever_it_is() {
    for seed in 0..3 {
        meet(&format!("a bit of each file, seed {seed}"), |files| {
            let mut rng = Rng(seed);
            for file in files {
                change(file, |bytes| {
                    let place = rng.below(bytes.len() - 1024);
                    bytes[place] ^= 1 << rng.below(8);
                });
            }
        });
    }
}

#[test]
fn blocks_of_zeros_are_noticed() {
    meet("a page of zeros in each file", |files| {
        for file in files {
            change(file, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle..middle + 4096].fill(0);
            });
        }
    });
}

#[test]
fn a_file_that_was_cut_is_noticed() {
    meet("half a file, none of it, and one without its end", |files| {
        change(&files[0], |bytes| bytes.truncate(bytes.len() / 2));
        change(&files[1], Vec::clear);
        change(&files[2], |bytes| bytes.truncate(bytes.len() - 1));
    });
}

#[test]
fn a_file_that_is_another_shards_is_noticed() {
    meet("two files that have changed places", |files| {
        let [one, other] = [&files[0], &files[1]].map(|path| std::fs::read(path).expect("reads"));
        std::fs::write(&files[0], other).expect("writes");
        std::fs::write(&files[1], one).expect("writes");
    });
}

/// Deleted while no run is on, all of it or some.
#[test]
fn files_that_are_gone_are_fetched_again_and_nothing_is_said() {
    let Some(bucket) = filled() else { return };
    bucket.afresh();
    std::fs::remove_file(&cached(&bucket)[1]).expect("is removed");
    bucket.rules(&json!([]));
    let said = bucket.run("--cache cache").expect(0, &[]);
    assert!(!says_any(&said.stderr, &[DAMAGED]), "{said:#?}");
    let counts = bucket.counts();
    assert!(bucket.sizes().values().any(|size| *size == counts.bytes), "that shard alone: {counts:?}");
    assert_published(&bucket.desk, "", "a file is gone");
    bucket.afresh();
    std::fs::remove_dir_all(bucket.desk.path("cache")).expect("is removed");
    bucket.step("", "--cache cache");
}
