//! Shards that lie in buckets: what is published is what the same tars in a folder come to, whatever happens on the way, and no byte is
//! fetched that is not needed. The buckets are on a real server of S3 ([`bucket`]), behind a proxy that counts and does harm.

mod bucket;
mod cache;
mod changes;
mod clean;
mod commands;
mod damaged;
mod exhausted;
mod faults;
mod harness;
mod histories;
mod hub;
mod kills;
mod same;
mod secrets;
mod sets;
mod stores;
mod unsent;
mod usage;
mod words;
mod writers;

use tests::Rng;
use tests::program::Desk;
use tests::shards::{Sample, corpus};
use tests::tars::{file, tar_of};

/// What one command may take in a test, in seconds.
const PATIENCE: u64 = 60;

/// The samples of one shard of a test's corpus.
fn samples(shard: u64, each: u64) -> Vec<Sample> {
    corpus(7, shard * each..(shard + 1) * each)
}

/// A tar of these samples, with so many bytes of no pictures between them.
fn tar(samples: &[Sample], filler: usize) -> Vec<u8> {
    let each = filler / samples.len() / 8;
    let mut rng = Rng(filler as u64);
    let mut members = Vec::new();
    for Sample { key, picture, json } in samples {
        members.push(file(format!("{key}.png"), picture));
        members.extend(json.iter().map(|json| file(format!("{key}.json"), json)));
        if each > 0 {
            let noise: Vec<u8> = (0..each).flat_map(|_| rng.next().to_le_bytes()).collect();
            members.push(file(format!("{key}.bin"), noise));
        }
    }
    tar_of(&members)
}

/// A desk with so many shards, `s0` and on, of so many pictures each.
fn desk(shards: u64, each: u64, filler: usize) -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    for shard in 0..shards {
        put(&desk, &format!("s{shard}"), &tar(&samples(shard, each), filler));
    }
    desk
}

/// Writes a shard into the desk's folder, where runs without a bucket find it.
fn put(desk: &Desk, shard: &str, tar: &[u8]) {
    std::fs::write(desk.path("shards").join(format!("{shard}.tar")), tar).expect("writes");
}
