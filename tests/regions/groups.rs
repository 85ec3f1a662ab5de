//! The regions of a picture that are asked about together are prepared together, and fail together.

use std::collections::BTreeMap;

use tests::ground::{Args, At, Ground, picture_verdicts, pictures, piece_verdicts, plain};
use tests::live::{Live, Options};
use tests::shards::{Sample, write};
use threshflow::row::ContentHash;
use threshflow::row::Of;

use crate::DEFAULTS;

fn run(samples: &[Sample], options: &Options, args: &Args) -> (tempfile::TempDir, Live<Ground>) {
    let folder = tests::scratch();
    let path = folder.path().join("a.tar");
    write(&path, samples);
    let mut live = Live::<Ground>::open(&folder.path().join("store"), options, args, &DEFAULTS, None);
    live.insert(&path);
    live.settle();
    (folder, live)
}

/// Pictures that were prepared, with how many questions each time.
fn by_picture(prepared: &[(ContentHash, usize)]) -> BTreeMap<ContentHash, Vec<usize>> {
    let mut pictures: BTreeMap<ContentHash, Vec<usize>> = BTreeMap::new();
    for (picture, questions) in prepared {
        pictures.entry(*picture).or_default().push(*questions);
    }
    pictures
}

#[test]
fn the_regions_of_a_picture_are_prepared_once_however_short_the_queue() {
    let samples = pictures(9, 0..120, 0);
    let asked = plain([("a", samples.as_slice())], At(&DEFAULTS), None).asks["mask"].len();
    for (pool_queue, workers, rows_an_epoch) in [(1, 1, 200), (3, 2, 200), (32, 1, 16), (32, 4, 200)] {
        let options = Options { pool_queue, workers, rows_an_epoch, ..Options::default() };
        let (_folder, live) = run(&samples, &options, &Args::default());
        let prepared = by_picture(&live.pipeline.mask.operator().prepared.lock().unwrap());
        assert_eq!(prepared.values().flatten().sum::<usize>(), asked);
        assert!(prepared.values().any(|times| times[0] > pool_queue.min(5)), "no group was large");
        let torn: Vec<_> = prepared.values().filter(|times| times.len() > 1).collect();
        assert!(torn.is_empty(), "queue {pool_queue}, {workers} workers: torn apart: {torn:?}");
        // Masks of a picture come together, so their judging is asked together.
        let judged = by_picture(&live.pipeline.judge().operator().prepared.lock().unwrap());
        assert!(judged.values().all(|times| times.len() == 1), "queue {pool_queue}: {judged:?}");
    }
}

#[test]
fn hundreds_of_regions_in_one_picture_are_prepared_once() {
    let samples = pictures(9, 0..12, 0);
    let args = Args { exactly: Some(300), ..Args::default() };
    let wanted = plain([("a", samples.as_slice())], At(&DEFAULTS), args.exactly);
    for pool_queue in [2, 64] {
        let (_folder, live) = run(&samples, &Options { pool_queue, ..Options::default() }, &args);
        assert_eq!(
            (piece_verdicts(&live, Of::Regions), picture_verdicts(&live)),
            (wanted.regions.clone(), wanted.pictures.clone())
        );
        let prepared = by_picture(&live.pipeline.mask.operator().prepared.lock().unwrap());
        assert!(prepared.values().all(|times| times.len() == 1 && times[0] > 50), "{prepared:?}");
    }
}

/// A picture whose masks fail: all its regions that are asked about are refused so, and nothing else is.
fn one_fails(args: impl Fn(String) -> Args, verdict: &str) {
    let samples = pictures(9, 0..60, 0);
    let wanted = plain([("a", samples.as_slice())], At(&DEFAULTS), None);
    let asked = |verdict: &String| !verdict.contains("_area") && !verdict.contains("sure");
    let name_of = |place: usize| format!("a/{}#{place}/", samples[place].key);
    let regions_of = |place: usize| {
        let name = name_of(place);
        wanted.regions.iter().filter(move |(region, verdict)| region.starts_with(&name) && asked(verdict))
    };
    let failing = (0..samples.len()).max_by_key(|place| regions_of(*place).count()).unwrap();
    assert!(regions_of(failing).count() > 3);
    let picture = ContentHash::of(&samples[failing].picture).to_string();
    let (_folder, live) = run(&samples, &Options::default(), &args(picture));
    for (name, is) in piece_verdicts(&live, Of::Regions) {
        let wanted = &wanted.regions[&name];
        match name.starts_with(&name_of(failing)) && asked(wanted) {
            true => assert_eq!(is, verdict, "{name}"),
            false => assert_eq!(&is, wanted, "{name}"),
        }
    }
    let name = format!("a/{}#{failing}", samples[failing].key);
    assert_eq!(picture_verdicts(&live)[&name], "held back by regions at 0.0");
}

#[test]
fn a_group_that_cannot_be_prepared_is_refused_whole() {
    let args = |picture| Args { refuse_preparing: Some(picture), ..Args::default() };
    one_fails(args, "refused by mask: torn");
}

#[test]
fn a_panic_costs_the_regions_of_one_picture() {
    let args = |picture| Args { panic_answering: Some(picture), slow: 2, ..Args::default() };
    one_fails(args, "refused by mask: panicked");
}
