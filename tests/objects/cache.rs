//! The cache of shards: its bound at every moment, what goes first, and who may share it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use serde_json::json;
use tests::program::{Desk, ended_within, start};
use tests::trees;

use crate::bucket::Bucket;
use crate::words::CACHE_BYTES;
use crate::{PATIENCE, desk};

/// For sums by block, and whatever else a cache writes beside a shard.
const BESIDE: u64 = 16 << 10;

/// The bytes of all files below a folder. Those that go while it looks count as nothing.
pub fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

/// What `act` makes of the folder at most, looked at all the time.
fn most_while(folder: &Path, act: impl FnOnce()) -> u64 {
    let (most, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Relaxed) {
                most.fetch_max(bytes_below(folder), Relaxed);
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
        });
        let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        over.store(true, Relaxed);
        watcher.join().expect("looks");
        acted.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    most.into_inner()
}

#[test]
fn the_cache_is_never_larger_than_it_may_be() {
    let Some(bucket) = Bucket::of(desk(10, 12, 200 << 10)) else { return };
    let sizes = bucket.sizes();
    let largest = sizes.values().max().expect("shards") + BESIDE;
    for (bound, flags) in [
        (largest, ""),
        (largest * 5 / 2, ""),
        (largest * 5 / 2, "--processes 2"),
        (largest * 4, "--slow 20 --slow-prepare 5"),
    ] {
        bucket.afresh();
        let flags = format!("--cache-bytes {bound} {flags}");
        // Bytes come in little pieces: the folder is looked at while files grow.
        bucket.rules(&json!([{ "do": { "dribble": 20_000, "pause": 0.001 } }]));
        let mut evicted = None;
        let most = most_while(&bucket.desk.path("store/cache"), || {
            evicted = bucket.done(&flags)["objects"]["evicted"].as_u64();
        });
        assert!(most <= bound, "{flags}: {most} bytes");
        assert!(most > largest / 2, "{flags}: nothing was cached, or not there: {most} bytes");
        assert!(evicted >= Some(5), "{flags}: {evicted:?}");
        bucket.rules(&json!([]));
        tests::resident::assert_published(&bucket.desk, "", &flags);
    }
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let Some(bucket) = Bucket::of(desk(4, 12, 200 << 10)) else { return };
    let largest = bucket.sizes().into_values().max().expect("shards") + BESIDE;
    let mut judge = 0;
    // Each time another judge: the pictures of the shard are read. What was fetched for that.
    let mut ask = |shard: &str| {
        judge += 1;
        bucket.rules(&json!([]));
        let url = bucket.url_of(&format!("laion/{shard}.tar"));
        let flags = format!(
            "--json --judge {judge} --out out-{shard} --cache-bytes {} --set short_side=0",
            largest * 7 / 2
        );
        let said = bucket.run_over(&url, &flags).expect(0, &[]).json();
        assert!(tests::program::asked(&said) > 8, "{said}");
        bucket.counts().bytes
    };
    for shard in ["s0", "s1", "s2"] {
        assert_eq!(ask(shard), bucket.size(shard));
    }
    assert_eq!((ask("s0"), ask("s2")), (0, 0), "three are there");
    assert_eq!(ask("s3"), bucket.size("s3"));
    // In place of the second, whose turn was longest ago.
    assert_eq!((ask("s0"), ask("s2"), ask("s3")), (0, 0, 0));
    assert!(ask("s1") > 0);
}

#[test]
fn a_shard_that_is_larger_than_the_cache_is_refused_with_both_sizes() {
    let Some(bucket) = Bucket::of(desk(2, 12, 200 << 10)) else { return };
    let bound = bucket.size("s0") / 2;
    let said = bucket.run(&format!("--cache-bytes {bound}"));
    assert!(said.code == Some(1) || said.code == Some(2), "{said:#?}");
    let code = said.code.expect("ended");
    said.expect(code, &[CACHE_BYTES, &bound.to_string(), &bucket.size("s0").to_string(), "laion/s0.tar"]);
    assert!(!bucket.desk.path("out/manifest.json").exists());
    assert_eq!(bucket.counts().bytes, 0, "it is known before it is fetched");
    bucket.step("", "");
}

/// The shards of the desk once more, for another store with another output.
fn stores(names: [&str; 2], more: &str) -> [String; 2] {
    names.map(|name| format!("--json --store store-{name} --out out-{name} {more}"))
}

fn assert_same(desk: &Desk, names: &[&str], context: &str) {
    for name in names {
        trees::assert_same(&desk.path(&format!("out-{name}")), &desk.path("out"), context);
    }
}

#[test]
fn several_runs_share_a_cache() {
    let Some(bucket) = Bucket::of(desk(6, 24, 200 << 10)) else { return };
    bucket.step("", "");
    let (total, largest) =
        (bucket.sizes().values().sum::<u64>(), bucket.sizes().into_values().max().expect("shards"));
    for (round, bound) in [("wide", total * 2), ("narrow", (largest + BESIDE) * 5 / 2)] {
        bucket.rules(&json!([]));
        let flags = format!("--cache {round} --cache-bytes {bound} --slow 5");
        let names = [&*format!("a-{round}"), &*format!("b-{round}")];
        let runs = stores(names, &flags).map(|flags| start(&mut bucket.command("run", &flags)));
        for run in runs {
            ended_within(run, PATIENCE).expect(0, &[]);
        }
        assert_same(&bucket.desk, &names, round);
        let bytes = bucket.counts().bytes;
        assert!((total..=total * 3).contains(&bytes), "{round}: {bytes} of {total}");
    }
    // Whoever comes later finds them all there.
    bucket.rules(&json!([]));
    let third = stores(["c", "d"], "--cache wide").map(|flags| bucket.run(&flags).expect(0, &[]));
    assert!(third.iter().all(|said| said.json()["objects"]["bytes"].as_u64().unwrap_or(0) == 0));
    assert_eq!((bucket.counts().bytes, bucket.counts().gets), (0, 0));
    assert_same(&bucket.desk, &["c", "d"], "from the cache alone");
}

#[test]
fn what_else_lies_in_the_folder_is_left_alone() {
    let Some(bucket) = Bucket::of(desk(5, 12, 200 << 10)) else { return };
    let cache = bucket.desk.path("kept");
    std::fs::create_dir_all(cache.join("folder/deep")).expect("makes");
    let junk = ["README.md", ".hidden", "s0.tar", "laion.tar.part", "folder/deep/file", "0123456789abcdef"];
    for name in junk {
        std::fs::write(cache.join(name), format!("mine: {name}")).expect("writes");
    }
    let largest = bucket.sizes().into_values().max().expect("shards") + BESIDE;
    let flags = format!("--cache kept --cache-bytes {}", largest * 5 / 2);
    let (summary, _) = bucket.step("", &flags);
    assert!(summary["objects"]["evicted"].as_u64() >= Some(2), "{summary}");
    bucket.step("--judge 1", &flags);
    for name in junk {
        let there = std::fs::read_to_string(cache.join(name)).unwrap_or_default();
        assert_eq!(there, format!("mine: {name}"));
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_refused_with_the_reason() {
    let Some(bucket) = Bucket::of(desk(1, 12, 0)) else { return };
    std::fs::write(bucket.desk.path("file"), "no folder").expect("writes");
    let said = bucket.run("--cache file");
    assert!(matches!(said.code, Some(1 | 2)) && said.stderr.contains("file"), "{said:#?}");
    bucket.run("--cache-bytes lots").expect(2, &[CACHE_BYTES]);
}
