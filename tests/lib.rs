//! What the whole-pipeline tests share: shards that they make, a pipeline whose only stage is a plain function of
//! a picture's bytes, one that finds regions so and one whose dials are by group, from-scratch oracles of all, a live session on the engine, random histories
//! of it, rows without pictures and a question that costs nothing, and servers that answer as they are told to.

pub mod buckets;
pub mod curate;
pub mod fakes;
pub mod ground;
pub mod grouped;
pub mod harm;
pub mod history;
pub mod limited;
pub mod live;
pub mod manual;
pub mod outside;
pub mod program;
pub mod python;
pub mod questions;
pub mod resident;
pub mod rows;
pub mod shards;
pub mod tars;
pub mod trees;

/// A small deterministic generator (SplitMix64), so that every failure can be run again from its seed.
pub struct Rng(pub u64);

impl Rng {
    #[expect(clippy::should_implement_trait, reason = "endless: an iterator would only hide that")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// The demo's models, each with the flag by which a pipeline of regions is given it.
pub fn demo_models() -> [(&'static str, String); 5] {
    [
        ("--aesthetic", "aesthetic"),
        ("--detector", "detect"),
        ("--detector-text", "clip"),
        ("--segmenter", "segment"),
        ("--clip", "clip"),
    ]
    .map(|(flag, model)| (flag, format!("{}/../models/demo/{model}", env!("CARGO_MANIFEST_DIR"))))
}

/// Whether tests of random histories and of many moments take all of them: `THRESHFLOW_LONG=1`. Otherwise they take some.
pub fn is_long() -> bool {
    std::env::var_os("THRESHFLOW_LONG").is_some_and(|it| it == "1")
}

/// A folder for one test: in memory where the system has such a place, since thousands of synced files are made.
pub fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).expect("a folder for the test can be made")
}
