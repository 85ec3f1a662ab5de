//! Incremental equals from scratch: random histories of dial turns, shards that come, go and change, restarts and
//! worker counts, each held against a plain function of the samples and, byte for byte, against a fresh run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tests::curate::{Args, plainly, verdict};
use tests::live::{Live, Options};
use tests::shards::{Sample, corpus, write};
use tests::{Rng, trees};
use threshflow::row::Verdict;

const SEQUENCES: u64 = 300;
const STEPS: usize = 10;
/// Shards a sequence plays with.
const SHARDS: usize = 4;

struct History {
    folder: tempfile::TempDir,
    rng: Rng,
    values: Vec<f32>,
    /// Which version of each shard is in, if any.
    versions: BTreeMap<usize, u64>,
    seed: u64,
}

impl History {
    fn samples(&self, shard: usize, version: u64) -> Vec<Sample> {
        // Neighbours overlap, so that the same content stands in several shards.
        let start = shard as u64 * 9 + version * 2;
        corpus(self.seed % 5, start..start + 8 + (shard as u64 + version) % 7)
    }

    fn path(&self, shard: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("{shard:05}.tar"))
    }

    fn wanted(&self) -> BTreeMap<String, Verdict> {
        let rows = self.versions.iter().flat_map(|(&shard, &version)| {
            let samples = self.samples(shard, version);
            let row = move |(place, sample): (usize, Sample)| {
                (
                    format!("{shard:05}/{}#{place}", sample.key),
                    verdict(&sample, self.values[0], self.values[1]),
                )
            };
            samples.into_iter().enumerate().map(row).collect::<Vec<_>>()
        });
        rows.collect()
    }

    fn start(&mut self) -> Live {
        let workers = [1, 2, 4][self.rng.below(3)];
        let rows_an_epoch = 1 + self.rng.below(12);
        let options = Options { workers, rows_an_epoch, window: 1 + self.rng.below(6), ..Options::default() };
        let args = Args { bytes: 1000, ..Args::default() };
        let mut live = Live::start(&self.folder.path().join("store"), &options, &args, &self.values, None);
        let mut shards: Vec<usize> = self.versions.keys().copied().collect();
        if self.rng.below(2) == 0 {
            shards.reverse();
        }
        for shard in shards {
            live.insert(&self.path(shard));
        }
        live
    }

    fn step(&mut self, live: &mut Live) {
        match self.rng.below(8) {
            0..=2 => {
                let value = self.rng.below(21) as f32 / 2.0;
                self.values[1] = value;
                live.turn(1, value);
            }
            3 => {
                let value = self.rng.below(24) as f32;
                self.values[0] = value;
                live.turn(0, value);
            }
            4 | 5 => self.toggle(live),
            6 => live.settle(),
            _ => {
                // A restart: what was not settled is worked out again.
                let started = self.start();
                *live = started;
            }
        }
    }

    /// A shard comes, or goes, or comes back as another version of itself.
    fn toggle(&mut self, live: &mut Live) {
        let shard = self.rng.below(SHARDS);
        if self.versions.remove(&shard).is_some() {
            live.remove(&format!("{shard:05}"));
            // Only now: a shard that is replaced under a run's feet is another test's business.
            live.settle();
        }
        if self.rng.below(3) > 0 {
            let version = self.rng.next() % 3;
            write(&self.path(shard), &self.samples(shard, version));
            self.versions.insert(shard, version);
            live.insert(&self.path(shard));
        }
    }
}

fn play(seed: u64) {
    let folder = tests::scratch();
    let mut history =
        History { folder, rng: Rng(seed), values: vec![12.0, 4.5], versions: BTreeMap::new(), seed };
    for shard in 0..2 {
        write(&history.path(shard), &history.samples(shard, 0));
        history.versions.insert(shard, 0);
    }
    let mut live = history.start();
    let out = history.folder.path().join("out");
    for step in 0..STEPS {
        history.step(&mut live);
        if history.rng.below(3) == 0 || step == STEPS - 1 {
            live.settle();
            let standing: BTreeMap<_, _> =
                live.verdicts().iter().map(|(name, v)| (name.clone(), plainly(v))).collect();
            assert_eq!(standing, history.wanted(), "seed {seed}, step {step}");
            live.commit(&out);
        }
    }
    drop(live);
    let scratch = tests::scratch();
    let args = Args { bytes: 1000, ..Args::default() };
    let mut fresh =
        Live::start(&scratch.path().join("store"), &Options::default(), &args, &history.values, None);
    for shard in history.versions.keys() {
        fresh.insert(&history.path(*shard));
    }
    fresh.settle();
    fresh.commit(&scratch.path().join("out"));
    trees::assert_same(&out, &scratch.path().join("out"), &format!("seed {seed}"));
    assert!(Path::new(&out).join("manifest.json").exists());
}

#[test]
fn any_history_publishes_what_a_fresh_run_publishes() {
    let threads = 4;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (0..SEQUENCES).filter(|seed| seed % threads == thread).for_each(play));
        }
    });
}

#[test]
fn the_oracle_itself_tells_rows_apart() {
    let samples = corpus(0, 0..200);
    let kinds: BTreeSet<String> = samples
        .iter()
        .map(|sample| match verdict(sample, 12.0, 4.5) {
            Verdict::Kept(_) => "kept".to_owned(),
            Verdict::Gated { dial, .. } => dial.to_owned(),
            Verdict::Refused(refused) => refused.stage.to_string(),
        })
        .collect();
    let all = ["judge", "kept", "probe", "short_side", "taste"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}
