//! Regions, on a pipeline of plain functions: what they come to, what is asked for them, and what is not.

mod groups;
mod held_back;
mod kill;
mod loads;
mod oracle;
mod places;
mod plan;
mod progress;
mod reuse;
mod slow;
mod stall;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tests::ground::Ground;
use tests::live::Live;
use threshflow::lane::AskLog;
use threshflow::row::{ContentHash, Of};

/// The defaults of the dials.
const DEFAULTS: [f32; 13] = [10.0, 0.25, 0.0625, 0.75, 0.125, 0.625, 0.25, 0.5, 0.375, 7.0, 1.0, 0.25, 0.0];
/// The places of some dials in their declaration.
const SURE: usize = 1;

/// The records that are published in `out`, by `shard/key`.
fn published_records(out: &Path) -> BTreeMap<String, String> {
    let mut records = BTreeMap::new();
    for entry in std::fs::read_dir(out.join("jsons")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let (shard, _) = name.rsplit_once('-').expect("a shard and a digest");
        let mut tar = tar::Archive::new(std::fs::File::open(entry.path()).unwrap());
        for file in tar.entries().unwrap() {
            let mut file = file.unwrap();
            let path = file.path().unwrap().to_string_lossy().into_owned();
            let key = path.strip_prefix("jsons/").and_then(|path| path.strip_suffix(".json")).unwrap();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut file, &mut text).unwrap();
            records.insert(format!("{shard}/{key}"), text);
        }
    }
    records
}

/// A value of this dial at which scores tie.
fn some_value(dial: usize, rng: &mut tests::Rng) -> f32 {
    match dial {
        0 => rng.below(24) as f32,
        1 | 5 | 8 => rng.below(9) as f32 / 8.0,
        2 | 3 | 4 | 6 => rng.below(17) as f32 / 16.0,
        7 => rng.below(5) as f32 / 4.0,
        9 => rng.below(11) as f32,
        10 => rng.below(6) as f32,
        11 => rng.below(5) as f32 / 4.0,
        _ => rng.below(4) as f32,
    }
}

/// Questions by stage.
type Asks = BTreeMap<&'static str, BTreeSet<ContentHash>>;

/// What was asked since the last look; panics where something was asked twice.
fn take(log: &AskLog) -> Asks {
    let mut asks = Asks::new();
    for (stage, content) in std::mem::take(&mut *log.lock().unwrap()) {
        assert!(asks.entry(stage).or_default().insert(content), "{stage} was asked twice about {content}");
    }
    asks
}

/// Adds what was asked to what is known.
fn learn(known: &mut Asks, asks: &Asks) {
    for (stage, asks) in asks {
        known.entry(stage).or_default().extend(asks);
    }
}

/// Settles, and holds every verdict against the plain functions.
fn settle_and_compare(live: &mut Live<Ground>, plain: &tests::ground::Plain, context: &str) {
    live.settle();
    let compare = |what: &str, is: BTreeMap<String, String>, wanted: &BTreeMap<String, String>| {
        let name = is.keys().chain(wanted.keys()).find(|name| is.get(*name) != wanted.get(*name));
        if let Some(name) = name {
            panic!("{context}: {what} {name} is {:?}, not {:?}", is.get(name), wanted.get(name));
        }
    };
    compare("region", tests::ground::piece_verdicts(live, Of::Regions), &plain.regions);
    compare("edit", tests::ground::piece_verdicts(live, Of::Edits), &plain.edits);
    compare("picture", tests::ground::picture_verdicts(live), &plain.pictures);
}
