//! Bounds are numbers: the work of a turn, the bytes decoded at once, the epochs in flight.

use std::sync::Mutex;

use tests::curate::{Args, Taste};
use tests::live::{Live, Options, go_on};
use tests::shards::{corpus, write};
use threshflow::flow::{Comparison, DialSpec, Engine, EngineOptions, Fed, touched_records};
use threshflow::row::{ContentHash, Image, Row, RowId, Score, Scored, Unit, Verdict, With};

/// `touched_records` counts for the whole process: one test at a time may look at it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const DIALS: &[DialSpec] = &[DialSpec {
    name: "taste",
    group: None,
    unit: Taste::UNIT,
    comparison: Comparison::Above,
    default: 5.0,
    low: 0.0,
    high: 10.0,
    about: "",
}];

/// Scores in 0..10, spread evenly and without order.
fn score(n: u32) -> f32 {
    (n.wrapping_mul(2_654_435_761) >> 8) as f32 / (1u32 << 24) as f32 * 10.0
}

fn image(n: u32) -> Image {
    let id = RowId { shard: 0, member: n };
    Image { id, content: ContentHash::default(), width: 1, height: 1 }
}

fn gate_over(rows: u32, workers: usize) -> Engine {
    let options = EngineOptions { workers, ..EngineOptions::default() };
    let mut engine = Engine::start(options, DIALS, &[5.0], |images, maker| {
        let dial = maker.dial::<Taste>(&DIALS[0]);
        let taste = |image: Image| {
            let taste = Score::<Taste>::of(score(image.id.member));
            With::new(image, taste)
        };
        images.each(taste).gate(&dial).finish()
    })
    .unwrap();
    engine.insert(0, (0..rows as usize).map(|n| Fed::Image(image(n as u32))), &mut go_on).unwrap();
    engine.settle(&mut go_on).unwrap();
    engine
}

#[test]
fn a_turn_touches_the_band_only() {
    let _alone = ONE_AT_A_TIME.lock().unwrap();
    let rows = 1_000_000;
    let mut engine = gate_over(rows, 1);
    for (from, to) in [(5.0f32, 5.1f32), (5.1, 5.0), (5.0, 4.0), (4.0, 4.000001)] {
        let band = (0..rows).filter(|n| (score(*n) > from) != (score(*n) > to)).count() as u64;
        let before = touched_records();
        engine.turn(0, to, &mut go_on).unwrap();
        engine.settle(&mut go_on).unwrap();
        // Besides the band: the rest of the buckets that the dial left and came to, a 4,096th of the scale each.
        let edge = |n: &u32| [from, to].iter().any(|at| (score(*n) - at).abs() <= 10.0 / 4096.0);
        let edges = (0..rows).filter(edge).count() as u64;
        let touched = touched_records() - before;
        assert!((band..=band + edges).contains(&touched), "{touched} from {from} to {to}, band {band}");
        let kept =
            engine.verdicts().iter().filter(|(_, verdict)| matches!(verdict, Verdict::Kept(_))).count();
        assert_eq!(kept, (0..rows).filter(|n| score(*n) > to).count());
    }
}

#[test]
fn rows_of_every_worker_turn() {
    let _alone = ONE_AT_A_TIME.lock().unwrap();
    let mut engine = gate_over(10_000, 3);
    engine.turn(0, 9.0, &mut go_on).unwrap();
    engine.settle(&mut go_on).unwrap();
    let kept: Vec<u32> = engine
        .verdicts()
        .iter()
        .filter(|(_, v)| matches!(v, Verdict::Kept(_)))
        .map(|(id, _)| id.member)
        .collect();
    assert_eq!(kept, (0..10_000).filter(|n| score(*n) > 9.0).collect::<Vec<_>>());
}

#[test]
fn the_source_waits_for_the_window_and_the_bytes() {
    let folder = tests::scratch();
    let path = folder.path().join("a.tar");
    write(&path, &corpus(3, 0..400));
    // Pictures of 1,000 bytes against a budget of 4,000: the corpus is a hundred times the budget.
    let args = Args { slow: 2, bytes: 1000, ..Args::default() };
    let options =
        Options { window: 3, rows_an_epoch: 8, pool_threads: 8, decoded_bytes: 4000, ..Options::default() };
    let mut live = Live::start(&folder.path().join("store"), &options, &args, &[0.0, 0.0], None);
    live.insert(&path);
    live.settle();
    let (budget, progress) = (live.lanes.budget(), live.engine.progress());
    assert!(budget.peak() <= 4000, "{} bytes were decoded at once", budget.peak());
    assert!(budget.peak() > 3000, "the budget was never under pressure: {}", budget.peak());
    assert_eq!(budget.used(), 0, "every permit came back");
    assert_eq!(progress.peak_epochs_in_flight, 3, "the window is used, and never exceeded");
    assert!(progress.window_waits > 10, "the source was seen waiting {} times", progress.window_waits);
    assert_eq!(progress.rows_fed, 400);
}

/// A picture's bytes are given back when it is prepared: what waits for a slow judge holds its crop.
#[test]
fn what_waits_for_an_answer_holds_what_was_prepared_and_no_picture() {
    let folder = tests::scratch();
    let path = folder.path().join("a.tar");
    write(&path, &corpus(3, 0..400));
    // Prepared, a picture of 10,000 bytes is one of 1,000.
    let args = Args { slow: 10, bytes: 10_000, ..Args::default() };
    let options = Options { pool_threads: 2, decoded_bytes: 1 << 30, ..Options::default() };
    let mut live = Live::start(&folder.path().join("store"), &options, &args, &[0.0, 0.0], None);
    live.insert(&path);
    live.settle();
    let (peak, waiting) = (live.lanes.budget().peak(), 2 * 8 * 2);
    // Those in line, those in two batches of 8, and a thread each with one more.
    let most = (waiting + 2 * 8 + 2) * 1000 + 2 * 9000;
    assert!((waiting * 1000..=most).contains(&peak), "{peak} bytes were held at most, {most} may be");
    assert_eq!(live.lanes.budget().used(), 0, "every permit came back");
}

#[test]
fn the_source_waits_for_the_rows_where_epochs_are_large() {
    let folder = tests::scratch();
    let path = folder.path().join("a.tar");
    write(&path, &corpus(3, 0..400));
    let args = Args { slow: 2, ..Args::default() };
    let options = Options { window: 100, rows_an_epoch: 16, rows: 50, ..Options::default() };
    let mut live = Live::start(&folder.path().join("store"), &options, &args, &[0.0, 0.0], None);
    live.insert(&path);
    live.settle();
    let progress = live.engine.progress();
    assert_eq!(progress.peak_rows_in_flight, 48, "three epochs of 16 rows");
    assert!(progress.window_waits > 10, "the source was seen waiting {} times", progress.window_waits);
}

#[test]
fn a_row_is_small() {
    assert_eq!(std::mem::size_of::<Image>(), 28);
    assert_eq!(std::mem::size_of::<Scored<Scored<Image, Taste>, Taste>>(), 36);
    assert!(std::mem::size_of::<Verdict>() <= 32);
    assert_eq!(Scored::<Image, Taste>::score_names(), ["taste"]);
}
