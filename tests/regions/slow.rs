//! A slow answer holds up its own picture, and none of those that came with it.

use std::time::{Duration, Instant};

use tests::ground::{Args, At, Ground, pictures, plain};
use tests::live::{Live, Options};
use tests::shards::write;
use threshflow::lane::AskLog;
use threshflow::row::ContentHash;

use crate::{DEFAULTS, settle_and_compare};

/// How many regions the last stage that is asked about them was asked about.
fn judged(log: &AskLog) -> usize {
    log.lock().unwrap().iter().filter(|(stage, _)| *stage == "judge").count()
}

#[test]
fn models_go_on_with_an_epoch_of_which_one_answer_is_awaited() {
    let folder = tests::scratch();
    let path = folder.path().join("a.tar");
    let samples = pictures(3, 0..120, 0);
    write(&path, &samples);
    // One epoch, which is not complete before all of it is answered.
    let options = Options { rows_an_epoch: 1000, pool_threads: 4, ..Options::default() };
    let run = |store: &str, args: &Args| {
        let log = AskLog::default();
        let store = folder.path().join(store);
        let mut live = Live::<Ground>::open(&store, &options, args, &DEFAULTS, Some(log.clone()));
        live.insert(&path);
        (live, log)
    };
    let (mut undisturbed, all) = run("undisturbed", &Args::default());
    undisturbed.settle();
    let all = judged(&all);

    // A picture of which regions are kept, by `a/key#place/number`.
    let plain = plain([("a", samples.as_slice())], At(&DEFAULTS), None);
    let kept = plain.regions.iter().find(|(_, verdict)| verdict.starts_with("kept")).expect("some are").0;
    let place = kept.split(['#', '/']).nth(2).expect("a place").parse::<usize>().expect("a number");
    let held = ContentHash::of(&samples[place].picture);
    let args = Args {
        hold_words: Some(held.to_string()),
        log_asks: Some(folder.path().join("asks")),
        ..Args::default()
    };
    let (mut live, log) = run("disturbed", &args);
    let since = Instant::now();
    // Of the held picture's own regions, and of those whose words are read in the same job, nobody can be asked.
    while judged(&log) < all * 8 / 10 {
        assert!(since.elapsed() < Duration::from_secs(40), "{} of {all} regions were judged", judged(&log));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(judged(&log) < all);
    std::fs::write(folder.path().join("released"), "").unwrap();
    settle_and_compare(&mut live, &plain, "released");
    assert_eq!(judged(&log), all);
}
