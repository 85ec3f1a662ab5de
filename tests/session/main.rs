//! A session that stays, over HTTP, as a process: what it says, asks and publishes.

mod api;
mod asks;
mod day;
mod kills;
mod labels;
mod openapi;
mod turns;
mod watched;

use std::path::Path;

use tests::ground::pictures;
use tests::program::Desk;

/// Shards of pictures with regions and edits.
fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    for (n, name) in ["a", "b", "c"].iter().enumerate() {
        desk.shard(name, &pictures(7, n as u64 * 60..n as u64 * 60 + 60, 0));
    }
    desk
}

/// What a fresh run publishes with these dials, from the same shards, in a store of its own.
fn fresh(desk: &Desk, set: &str) -> tempfile::TempDir {
    let folder = tests::scratch();
    let mut command = desk.bare("run --json --max-error-rate 1 --shards");
    command.arg(desk.path("shards")).arg("--store").arg(folder.path().join("store"));
    command.arg("--out").arg(folder.path().join("out")).args(set.split_whitespace());
    let ended = tests::program::ended(&mut command);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    folder
}

fn assert_published(desk: &Desk, set: &str, context: &str) {
    let fresh = fresh(desk, set);
    tests::trees::assert_same(&desk.path("out"), &fresh.path().join("out"), context);
    assert!(Path::new(&desk.path("out")).join("manifest.json").exists());
}
