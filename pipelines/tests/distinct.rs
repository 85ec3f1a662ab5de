//! Of pictures that look alike, one is kept, and the dial says how alike.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use pipelines::demo::Scene;
use pipelines::distinct::Distinct;
use tests::tars::{file, tar_of};
use threshflow::cli::invoke;
use threshflow::publish::published_keys;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/demo/aesthetic");

fn jpeg(scene: u64, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    Scene::number(1, scene).draw(400, 300).write_with_encoder(encoder).expect("encodes");
    bytes
}

fn published(folder: &Path, distance: &str) -> (usize, u64) {
    let path = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let mut command: Vec<String> =
        ["run", "--backend=embedded", "--aesthetic", MODEL, "--set=short_side=0", "--set=aesthetic=0"]
            .map(str::to_owned)
            .into();
    command.push(format!("--set=duplicate_distance={distance}"));
    for (flag, part) in [("--shards", "shards"), ("--store", "store"), ("--out", "out")] {
        command.extend([flag.to_owned(), path(part)]);
    }
    let report = invoke::run::<Distinct>(&command).expect("runs");
    let asked = report.summary.asks.values().map(|asks| asks.asked).sum();
    (published_keys(&folder.join("out")).expect("reads").len(), asked)
}

#[test]
fn copies_leave_and_come_back_with_the_dial() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("shards")).expect("a folder");
    // Six scenes; in the second shard each once more, encoded anew, and one byte for byte.
    let first: Vec<_> = (0..6).map(|n| file(format!("{n}.jpg"), jpeg(n, 90))).collect();
    let mut second: Vec<_> = (0..6).map(|n| file(format!("again{n}.jpg"), jpeg(n, 60))).collect();
    second.push(file("same.jpg", jpeg(0, 90)));
    std::fs::write(folder.path().join("shards/a.tar"), tar_of(&first)).expect("writes");
    std::fs::write(folder.path().join("shards/b.tar"), tar_of(&second)).expect("writes");
    let (kept, asked) = published(folder.path(), "3");
    assert_eq!((kept, asked), (6, 24), "each content is scored and hashed once");
    assert_eq!(published(folder.path(), "-1"), (13, 0), "all of them, and nothing asked");
    assert_eq!(published(folder.path(), "3"), (6, 0));
}

#[test]
fn copies_in_several_parts_or_processes_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let shards = folder.path().join("shards");
    std::fs::create_dir(&shards).expect("a folder");
    // Each scene once in every shard, encoded anew, and two byte for byte in all.
    for shard in 0..6 {
        let mut members: Vec<_> = (0..4).map(|n| file(format!("{n}.jpg"), jpeg(n, 90 - 5 * shard))).collect();
        members.extend((4..6).map(|n| file(format!("same{n}.jpg"), jpeg(n, 90))));
        std::fs::write(shards.join(format!("s{shard}.tar")), tar_of(&members)).expect("writes");
    }
    let run = |store: &str, out: &str, more: &str| -> serde_json::Value {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_threshflow"));
        command.args([
            "distinct",
            "run",
            "--json",
            "--backend=embedded",
            "--aesthetic",
            MODEL,
            "--shards",
            "shards",
        ]);
        command.args(["--set=short_side=0", "--set=aesthetic=0", "--set=duplicate_distance=3"]);
        command.args(["--store", store, "--out", out]).current_dir(folder.path());
        command.args(more.split_whitespace());
        tests::program::ended(&mut command).expect(0, &[]).json()
    };
    let asked = |said: &serde_json::Value| -> u64 {
        said["asks"]
            .as_object()
            .expect("stages")
            .values()
            .map(|stage| stage["asked"].as_u64().expect("a number"))
            .sum()
    };
    let whole = run("store", "out", "");
    let parts: Vec<_> = (1..=3).map(|part| run("array", "by_array", &format!("--part={part}/3"))).collect();
    assert!(parts.iter().filter(|part| part["shards"].as_u64() > Some(0)).count() > 1, "{parts:?}");
    let by_parts: u64 = parts.iter().map(asked).sum();
    // Two pictures that are in all shards are asked about by every part, and scored and hashed there.
    assert!(
        (asked(&whole)..=asked(&whole) + 2 * 2 * 2).contains(&by_parts),
        "{by_parts} of {}",
        asked(&whole)
    );
    assert_eq!(asked(&run("array", "by_array", "")), 0);
    tests::trees::assert_same(
        &folder.path().join("by_array"),
        &folder.path().join("out"),
        "copies in an array",
    );
    assert_eq!(published_keys(&folder.path().join("out")).expect("reads").len(), 6);
    // Several processes find them as they run: of two that look alike and are in two processes, the same one stays as in one.
    for (processes, workers) in [(2, 1), (3, 2)] {
        let (store, out) = (format!("store{processes}"), format!("out{processes}"));
        let said = run(&store, &out, &format!("--processes={processes} --workers={workers}"));
        let most = asked(&whole) + 2 * 2 * (processes - 1);
        assert!((asked(&whole)..=most).contains(&asked(&said)), "{said}");
        let context = format!("copies in {processes} processes");
        tests::trees::assert_same(&folder.path().join(out), &folder.path().join("out"), &context);
    }
}
