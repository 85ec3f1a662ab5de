//! Incremental equals from scratch, with regions: random histories of dial turns, shards that come and go, restarts and
//! worker counts, each held against plain functions and, byte for byte, against a fresh run.

use std::collections::{BTreeMap, BTreeSet};

use tests::ground::{Args, At, Ground, Plain, pictures, plain};
use tests::live::{Live, Options};
use tests::shards::{Sample, write};
use tests::{Rng, trees};

use crate::{DEFAULTS, published_records, settle_and_compare, some_value};

const SEQUENCES: u64 = 160;
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

fn name(shard: usize) -> String {
    format!("{shard:05}")
}

impl History {
    /// Neighbours hold the same pictures, some with other words.
    fn samples(&self, shard: usize, version: u64) -> Vec<Sample> {
        let start = shard as u64 * 6 + version * 2;
        pictures(self.seed % 5, start..start + 9 + version % 5, (shard as u64 + version) % 2)
    }

    fn path(&self, shard: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("{}.tar", name(shard)))
    }

    fn plain(&self) -> Plain {
        let shards = self.versions.iter();
        let shards: Vec<(String, Vec<Sample>)> =
            shards.map(|(shard, version)| (name(*shard), self.samples(*shard, *version))).collect();
        let shards = shards.iter().map(|(name, samples)| (name.as_str(), samples.as_slice()));
        plain(shards, At(&self.values), None)
    }

    fn start(&mut self) -> Live<Ground> {
        let options = Options {
            workers: [1, 2, 4][self.rng.below(3)],
            rows_an_epoch: 1 + self.rng.below(12),
            window: 1 + self.rng.below(6),
            pool_queue: [1, 3, 32][self.rng.below(3)],
            ..Options::default()
        };
        let store = self.folder.path().join("store");
        let mut live = Live::open(&store, &options, &Args::default(), &self.values, None);
        let mut shards: Vec<usize> = self.versions.keys().copied().collect();
        if self.rng.below(2) == 0 {
            shards.reverse();
        }
        for shard in shards {
            live.insert(&self.path(shard));
        }
        live
    }

    fn turn(&mut self, live: &mut Live<Ground>) {
        let dial = self.rng.below(DEFAULTS.len());
        let value = if self.rng.below(4) == 0 { DEFAULTS[dial] } else { some_value(dial, &mut self.rng) };
        self.values[dial] = value;
        live.turn(dial, value);
    }

    fn step(&mut self, mut live: Live<Ground>) -> Live<Ground> {
        match self.rng.below(8) {
            // Several turns while answers are under way.
            0..=3 => (0..1 + self.rng.below(4)).for_each(|_| self.turn(&mut live)),
            4 | 5 => self.toggle(&mut live),
            6 => live.settle(),
            _ => {
                // A restart: what was not settled is worked out again. One at a time: memos have one writer.
                live.lanes.stop();
                drop(live);
                live = self.start();
            }
        }
        live
    }

    /// A shard comes, or goes, or comes back as another version of itself.
    fn toggle(&mut self, live: &mut Live<Ground>) {
        let shard = self.rng.below(SHARDS);
        if self.versions.remove(&shard).is_some() {
            live.remove(&name(shard));
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
        History { folder, rng: Rng(seed), values: DEFAULTS.to_vec(), versions: BTreeMap::new(), seed };
    for shard in 0..2 {
        write(&history.path(shard), &history.samples(shard, 0));
        history.versions.insert(shard, 0);
    }
    let mut live = history.start();
    let out = history.folder.path().join("out");
    for step in 0..STEPS {
        live = history.step(live);
        if history.rng.below(3) == 0 || step == STEPS - 1 {
            settle_and_compare(&mut live, &history.plain(), &format!("seed {seed}, step {step}"));
        }
        if history.rng.below(6) == 0 || step == STEPS - 1 {
            live.settle();
            live.commit(&out);
            assert_eq!(published_records(&out), history.plain().records, "seed {seed}, step {step}");
        }
    }
    drop(live);
    let scratch = tests::scratch();
    let store = scratch.path().join("store");
    let mut fresh =
        Live::<Ground>::open(&store, &Options::default(), &Args::default(), &history.values, None);
    for shard in history.versions.keys() {
        fresh.insert(&history.path(*shard));
    }
    fresh.settle();
    fresh.commit(&scratch.path().join("out"));
    trees::assert_same(&out, &scratch.path().join("out"), &format!("seed {seed}"));
    assert!(out.join("manifest.json").exists());
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
fn the_oracle_itself_tells_regions_apart() {
    let samples = pictures(0, 0..300, 0);
    let plain = plain([("a", samples.as_slice())], At(&DEFAULTS), None);
    let kinds = |verdicts: &BTreeMap<String, String>| -> BTreeSet<String> {
        let kind = |verdict: &String| {
            let end = verdict.find(" at ").or(verdict.find(" [")).unwrap_or(verdict.len());
            verdict[..end].to_owned()
        };
        verdicts.values().map(kind).collect()
    };
    let gates = [
        "background_area",
        "background_clip",
        "object_area",
        "object_area_most",
        "object_clip",
        "quality",
        "sure",
    ];
    let mut of_regions: BTreeSet<String> = gates.iter().map(|dial| format!("held back by {dial}")).collect();
    of_regions.extend(["kept", "refused by judge: blank", "refused by mask: no_mask"].map(str::to_owned));
    assert_eq!(kinds(&plain.regions), of_regions);
    let of_pictures = [
        "held back by regions",
        "held back by short_side",
        "kept",
        "refused by find: lost",
        "refused by probe: not_a_picture",
        "refused by words: bad_tags",
    ];
    assert_eq!(kinds(&plain.pictures), of_pictures.map(str::to_owned).into());
    assert!(plain.regions.values().any(|verdict| verdict.contains("NaN")));
}
