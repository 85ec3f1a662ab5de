//! A session that stays, over HTTP, as a process: what it says, asks and publishes.

mod api;
mod asks;
mod day;
mod kills;
mod labels;
mod openapi;
mod turns;
mod watched;

use tests::ground::pictures;
use tests::program::Desk;
use tests::resident::assert_published;

/// Shards of pictures with regions and edits.
fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    for (n, name) in ["a", "b", "c"].iter().enumerate() {
        desk.shard(name, &pictures(7, n as u64 * 60..n as u64 * 60 + 60, 0));
    }
    desk
}
