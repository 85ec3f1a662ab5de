//! Near duplicates over real shards: hashes are asked once, and which copy stays is no matter of the store's history.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tests::curate::{ShortSide, short_side};
use tests::live::go_on;
use tests::shards::{Sample, corpus, write};
use threshflow::cli::rows_of;
use threshflow::dial::DialSet;
use threshflow::dials;
use threshflow::flow::{Engine, EngineOptions, NearestBetter};
use threshflow::lane::{LaneOptions, Lanes, Limits, Mode, Operator, Reply, Stage, Subject};
use threshflow::row::{ContentHash, PerceptualHash, Refusal, Stamp};
use threshflow::shard::{Catalogue, Picture, ReadOptions, find};

dials! {
    /// Of this test's pipeline.
    struct Dials {
        /// How far a row must be from the nearest better one.
        duplicate_distance: NearestBetter > 3,
    }
}

/// A hash of the picture's bytes with so few values that many pictures are near each other.
struct Hasher;

impl Operator for Hasher {
    type Answer = PerceptualHash;
    type Prepared = ContentHash;
    type Session = ();

    fn name(&self) -> &'static str {
        "hasher"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"hasher/1")])
    }
    fn model(&self) -> String {
        "none".to_owned()
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        1000
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        16
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<ContentHash, Refusal> {
        let (_, bytes) =
            subject.picture.ok_or_else(|| Refusal::permanent("no_bytes", "nothing to look at"))?;
        Ok(ContentHash::of(bytes))
    }
    fn limits(&self) -> Limits {
        Limits::of_functions(8)
    }
    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }
    fn answer(&self, _: &mut (), batch: &[ContentHash]) -> Vec<Result<Reply<PerceptualHash>, Refusal>> {
        let hash = |ContentHash(content): &ContentHash| {
            // Eight clusters a byte or more apart, and a few bits in each.
            let [a, b, c] = [1, 2, 4].map(|bit| if content[1] & bit > 0 { 0xff } else { 0 });
            PerceptualHash([content[0] & 0x31, a, b, c, 0, 0, content[2] & 0x11])
        };
        batch.iter().map(|content| Ok(hash(content).into())).collect()
    }
}

struct Run {
    engine: Engine,
    lanes: Arc<Lanes>,
    names: BTreeMap<u32, String>,
}

impl Run {
    fn over(store: &Path, shards: &[PathBuf]) -> Self {
        let catalogue = Catalogue::open(store, ReadOptions::default(), false).expect("the catalogue opens");
        let catalogue = Arc::new(catalogue);
        let lanes = LaneOptions {
            mode: Mode::Ask,
            pool_threads: 2,
            pool_queue: 32,
            decoded_bytes: 1 << 20,
            deadline: Duration::from_secs(60),
            memos: threshflow::memo::Places::alone(&store.join("memo"), 0),
            log: None,
        };
        let lanes = Lanes::open(lanes, catalogue.clone());
        let stage = Stage::open(Hasher, &lanes).expect("the stage opens");
        let names = lanes.shard_names();
        let options = EngineOptions { workers: 2, ..EngineOptions::default() };
        let engine = Engine::start(options, Dials::specs(), &[3.0], move |images, maker| {
            let dials = Dials::make(maker);
            let hashed = images.each(short_side).ask(&stage);
            hashed.nearest_better(&names, ShortSide).gate(&dials.duplicate_distance).finish()
        });
        let mut run = Run { engine: engine.expect("starts"), lanes, names: BTreeMap::new() };
        for path in shards {
            let source = find(&[path.to_string_lossy().into_owned()]).expect("is there").remove(0);
            let shard = catalogue.load(&source).expect("loads");
            run.engine.insert(shard.seq, rows_of(&shard), &mut go_on).expect("goes in");
            run.names.insert(shard.seq, source.name);
        }
        run.settle();
        run
    }

    fn settle(&mut self) {
        self.engine.settle(&mut go_on).expect("settles");
    }

    /// Every row's verdict, by its shard's name.
    fn verdicts(&self) -> BTreeMap<(String, u32), String> {
        let verdicts = self.engine.verdicts().iter();
        verdicts.map(|(id, v)| ((self.names[&id.shard].clone(), id.member), format!("{v:?}"))).collect()
    }

    fn asked(&self) -> u64 {
        self.lanes.status()[0].asked.asked
    }
}

/// Three shards that share most of their samples.
fn shards(folder: &Path) -> (Vec<PathBuf>, usize) {
    let samples: Vec<Vec<Sample>> = [0..40, 10..50, 20..60].map(|range| corpus(3, range)).into();
    let paths: Vec<PathBuf> = (0..3).map(|n| folder.join(format!("{n:05}.tar"))).collect();
    paths.iter().zip(&samples).for_each(|(path, samples)| write(path, samples));
    let pictures = samples.iter().flatten().filter(|sample| sample.picture != b"not a picture");
    let contents: BTreeSet<ContentHash> = pictures.map(|sample| ContentHash::of(&sample.picture)).collect();
    (paths, contents.len())
}

#[test]
fn a_hash_is_asked_once_and_no_turn_asks_again() {
    let folder = tests::scratch();
    let (paths, contents) = shards(folder.path());
    let store = folder.path().join("store");
    let mut first = Run::over(&store, &paths);
    assert_eq!(first.asked(), contents as u64);
    let standing = first.verdicts();
    for at in [-1.0, 0.0, 7.0, 3.0] {
        first.engine.turn(0, at, &mut go_on).expect("turns");
        first.settle();
    }
    assert_eq!((first.asked(), first.verdicts()), (contents as u64, standing.clone()));
    drop(first);
    let again = Run::over(&store, &paths);
    assert_eq!((again.asked(), again.verdicts()), (0, standing));
}

#[test]
fn which_copy_stays_is_no_matter_of_the_order_that_a_store_met_its_shards_in() {
    let folder = tests::scratch();
    let (paths, _) = shards(folder.path());
    let [one, two, three] = [0, 1, 2].map(|n| paths[n].clone());
    let orders = [[one.clone(), two.clone(), three.clone()], [three, one, two]];
    let stores = ["first", "second"].map(|store| folder.path().join(store));
    let runs: Vec<_> = stores.iter().zip(&orders).map(|(store, order)| Run::over(store, order)).collect();
    assert_ne!(runs[0].names, runs[1].names, "the stores number their shards alike: this shows nothing");
    assert_eq!(runs[0].verdicts(), runs[1].verdicts());
    let kept = runs[0].verdicts().values().filter(|verdict| verdict.starts_with("Kept")).count();
    assert!((2..60).contains(&kept), "{kept}");
}
