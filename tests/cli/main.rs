//! The command line as a user meets it: exit codes, what is said and where, and what is left behind.

mod absent;
mod faults;
mod gone;
mod manual;
mod places;
mod plan;
mod report;
mod shares;
mod store;
mod usage;

use tests::program::Desk;
use tests::shards::{Sample, corpus};
use threshflow::row::ContentHash;

/// Two shards; the second holds copies of what is in the first.
fn desk() -> (Desk, Vec<Sample>) {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    let a = corpus(5, 0..200);
    let mut b = corpus(5, 200..300);
    b.extend(a[..20].iter().map(|sample| Sample { key: format!("copy-{}", sample.key), ..sample.clone() }));
    desk.shard("a", &a);
    desk.shard("b", &b);
    (desk, [a, b].concat())
}

/// The contents that a run at the defaults asks about.
fn distinct(samples: &[Sample]) -> Vec<String> {
    tests::curate::asked(samples, 12.0).keys().map(ContentHash::to_string).collect()
}

/// The keys of the rows, as SHARD/KEY, whose content this is.
fn keys_of(samples: &[Sample], content: &str) -> Vec<String> {
    let shard = |place: usize| if place < 200 { "a" } else { "b" };
    let rows = samples.iter().enumerate();
    let same = rows.filter(|(_, sample)| ContentHash::of(&sample.picture).to_string() == content);
    same.map(|(place, sample)| format!("{}/{}", shard(place), sample.key)).collect()
}
