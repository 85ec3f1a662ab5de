//! Random histories of a folder: pictures and sidecars come, change, move and go, and dials move. What is published in the end is, byte for
//! byte, what a fresh run publishes, and only contents are asked about that were never asked about.
//!
//! `THRESHFLOW_TEST_FOLDERS=1000 cargo test -p tests --test folder histories` plays more of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tests::curate::{Curate, asked, verdict};
use tests::history::play_all;
use tests::shards::{Sample, corpus};
use tests::{Rng, scratch, trees};
use threshflow::cli::invoke;
use threshflow::publish::published_keys;
use threshflow::row::{ContentHash, Verdict};

const STEPS: usize = 8;

struct History {
    rng: Rng,
    folder: tempfile::TempDir,
    /// By key: what the files hold now.
    samples: BTreeMap<String, Sample>,
    dials: [f32; 2],
    known: BTreeSet<ContentHash>,
}

impl History {
    fn root(&self) -> PathBuf {
        self.folder.path().join("photos")
    }

    fn picture(&mut self) -> Sample {
        let number = self.rng.below(60) as u64;
        corpus(3, number..number + 1).remove(0)
    }

    fn key(&mut self) -> String {
        let folders = ["", "a/", "a.b/", "a-b/"];
        format!("{}{}", folders[self.rng.below(4)], ["x", "x-1", "y", "y!", "z"][self.rng.below(5)])
    }

    fn change(&mut self) {
        let key = self.key();
        match (self.rng.below(6), self.samples.remove(&key)) {
            // Gone, or not there and no more so.
            (0, _) => {}
            (1, Some(sample)) => {
                let mut other = sample.picture.clone();
                *other.last_mut().unwrap() ^= 1 << self.rng.below(8);
                self.samples.insert(key, Sample { picture: other, ..sample });
            }
            (2, Some(sample)) => {
                let to = self.key();
                self.samples.insert(to.clone(), Sample { key: to, ..sample });
            }
            (3, Some(sample)) => {
                let json =
                    (self.rng.below(3) > 0).then(|| format!("{{\"caption\":\"c{}\"}}", self.rng.below(4)));
                self.samples.insert(key, Sample { json, ..sample });
            }
            _ => {
                let sample = self.picture();
                self.samples.insert(key.clone(), Sample { key, ..sample });
            }
        }
    }

    /// Makes the files those of the samples; what is right is left as it is.
    fn write(&self) {
        let mut wanted: BTreeMap<String, &[u8]> = BTreeMap::new();
        for (key, Sample { picture, json, .. }) in &self.samples {
            wanted.insert(format!("{key}.png"), picture);
            wanted.extend(json.iter().map(|json| (format!("{key}.json"), json.as_bytes())));
        }
        wanted.insert("notes/readme.md".to_owned(), b"left aside");
        let there = trees::read(&self.root());
        for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
            std::fs::remove_file(self.root().join(name)).unwrap();
        }
        for (name, bytes) in
            wanted.iter().filter(|(name, bytes)| there.get(*name).is_none_or(|is| is != *bytes))
        {
            let path = self.root().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Publishes to `to`; gives what was asked.
    fn run(&self, to: &Path) -> Vec<ContentHash> {
        let text = |path: PathBuf| path.display().to_string();
        let [short_side, taste] = self.dials;
        let command = [
            "run".to_owned(),
            "--pictures".to_owned(),
            text(self.root()),
            format!("--store={}", text(to.join("store"))),
            format!("--out={}", text(to.join("out"))),
            format!("--set=short_side={short_side}"),
            format!("--set=taste={taste}"),
            "--max-error-rate=1".to_owned(),
            "--max-removed=1".to_owned(),
        ];
        let log = Arc::new(Mutex::new(Vec::new()));
        let report = invoke::run_logged::<Curate>(&command, log.clone()).unwrap();
        report.check().unwrap();
        let log = log.lock().unwrap();
        log.iter().map(|(_, content)| *content).collect()
    }

    fn check(&mut self, seed: u64, step: usize) {
        let samples: Vec<Sample> = self.samples.values().cloned().collect();
        let asked_now = self.run(self.folder.path());
        let wanted = asked(&samples, self.dials[0]);
        let news: BTreeSet<ContentHash> =
            wanted.keys().copied().filter(|it| !self.known.contains(it)).collect();
        assert_eq!(asked_now.len(), news.len(), "seed {seed}, step {step}: asked once each");
        assert_eq!(asked_now.into_iter().collect::<BTreeSet<_>>(), news, "seed {seed}, step {step}");
        self.known.extend(news);
        let kept =
            |sample: &&Sample| matches!(verdict(sample, self.dials[0], self.dials[1]), Verdict::Kept(_));
        let kept: BTreeSet<String> = samples.iter().filter(kept).map(|sample| sample.key.clone()).collect();
        let published = published_keys(&self.folder.path().join("out")).unwrap();
        let published: BTreeSet<String> = published.into_iter().map(|row| row.key).collect();
        assert_eq!(published, kept, "seed {seed}, step {step}");
    }
}

fn play(seed: u64) {
    let (rng, folder) = (Rng(seed), scratch());
    let (samples, known) = (BTreeMap::new(), BTreeSet::new());
    let mut history = History { rng, folder, samples, dials: [12.0, 4.5], known };
    // A folder without pictures is an error.
    let first = Sample { key: "first".to_owned(), ..history.picture() };
    history.samples.insert("first".to_owned(), first);
    for step in 0..STEPS {
        for _ in 0..history.rng.below(5) {
            history.change();
        }
        match history.rng.below(4) {
            0 => history.dials[0] = history.rng.below(24) as f32,
            1 => history.dials[1] = history.rng.below(21) as f32 / 2.0,
            _ => {}
        }
        history.write();
        history.check(seed, step);
    }
    let fresh = scratch();
    history.run(fresh.path());
    trees::assert_same(
        &history.folder.path().join("out"),
        &fresh.path().join("out"),
        &format!("seed {seed}"),
    );
}

#[test]
fn what_is_published_of_a_folder_is_what_a_fresh_run_publishes() {
    let sequences = std::env::var("THRESHFLOW_TEST_FOLDERS").map_or(60, |count| count.parse().unwrap());
    play_all(sequences, play);
}
