//! What random histories have in common: shards that come, go and come back as other versions of themselves, and the
//! fresh run that what is published in the end is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use threshflow::cli::App;

use crate::live::{Live, Options};
use crate::shards::{Sample, write};
use crate::{Rng, trees};
use threshflow::flow::Setting;
use threshflow::lane::{Mode, Question};

/// Shards a history plays with.
const SHARDS: usize = 4;

/// A history so far: where the dials stand, and which shards are in.
pub struct History<S = f32> {
    pub rng: Rng,
    pub values: Vec<S>,
    folder: tempfile::TempDir,
    /// Which version of each shard is in, if any.
    versions: BTreeMap<usize, u64>,
    seed: u64,
    samples: Samples,
}

/// What a version of a shard holds, by the history's seed, the shard and the version.
pub type Samples = fn(u64, usize, u64) -> Vec<Sample>;

impl<S: Into<Setting> + Copy> History<S> {
    /// Begins with two shards.
    pub fn new(seed: u64, values: &[S], samples: Samples) -> Self {
        let (folder, versions) = (crate::scratch(), BTreeMap::from([(0, 0), (1, 0)]));
        let history = History { rng: Rng(seed), values: values.to_vec(), folder, versions, seed, samples };
        for (shard, version) in &history.versions {
            write(&history.path(*shard), &samples(seed, *shard, *version));
        }
        history
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The shards that are in: their names, and what they hold.
    pub fn shards(&self) -> impl Iterator<Item = (String, Vec<Sample>)> {
        let samples = |shard, version| (self.samples)(self.seed, shard, version);
        self.versions.iter().map(move |(shard, version)| (name(*shard), samples(*shard, *version)))
    }

    /// Puts the shards into a session that was just started, in either order.
    pub fn insert_into<P: App>(&mut self, live: &mut Live<P>) {
        let mut shards: Vec<usize> = self.versions.keys().copied().collect();
        if self.rng.below(2) == 0 {
            shards.reverse();
        }
        for shard in shards {
            live.insert(&self.path(shard));
        }
    }

    /// A shard comes, or goes, or comes back as another version of itself.
    pub fn toggle<P: App>(&mut self, live: &mut Live<P>) {
        let shard = self.take_out(live);
        self.put_back(shard, live);
    }

    /// A shard goes, if it is in, and has left when this returns: which one.
    pub fn take_out<P: App>(&mut self, live: &mut Live<P>) -> usize {
        let shard = self.rng.below(SHARDS);
        if self.versions.remove(&shard).is_some() {
            live.remove(&name(shard));
            // Only now: a shard that is replaced under a run's feet is another test's business.
            live.settle();
            live.rest();
        }
        shard
    }

    /// A shard that is out comes, mostly, as some version of itself.
    pub fn put_back<P: App>(&mut self, shard: usize, live: &mut Live<P>) {
        if self.rng.below(3) > 0 {
            let version = self.rng.next() % 3;
            write(&self.path(shard), &(self.samples)(self.seed, shard, version));
            self.versions.insert(shard, version);
            live.insert(&self.path(shard));
        }
    }

    /// What a plan says that looks at the store beside the session: what would be asked.
    pub fn planned<P: App>(&self, args: &P::Args) -> BTreeMap<&'static str, BTreeSet<Question>> {
        let options = Options { mode: Mode::Plan, ..Options::default() };
        let mut plan = Live::<P>::open(&self.store(), &options, args, &self.values, None);
        for shard in self.versions.keys() {
            plan.insert(&self.path(*shard));
        }
        plan.settle();
        plan.unasked()
    }

    /// Holds what was published against what a fresh run publishes, byte for byte.
    pub fn assert_as_fresh<P: App>(&self, args: &P::Args) {
        let scratch = crate::scratch();
        let (store, out) = (scratch.path().join("store"), scratch.path().join("out"));
        let mut fresh = Live::<P>::open(&store, &Options::default(), args, &self.values, None);
        for shard in self.versions.keys() {
            fresh.insert(&self.path(*shard));
        }
        fresh.settle();
        fresh.commit(&out);
        trees::assert_same(&self.out(), &out, &format!("seed {}", self.seed));
        assert!(self.out().join("manifest.json").exists());
    }

    fn path(&self, shard: usize) -> PathBuf {
        self.folder.path().join(format!("{}.tar", name(shard)))
    }
}

fn name(shard: usize) -> String {
    format!("{shard:05}")
}

/// Plays the histories of the seeds below `sequences`, several at a time.
pub fn play_all(sequences: u64, play: impl Fn(u64) + Sync) {
    let (threads, play) = (4, &play);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (0..sequences).filter(|seed| seed % threads == thread).for_each(play));
        }
    });
}
