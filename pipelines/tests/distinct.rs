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
