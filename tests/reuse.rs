//! Reuse, by the exact log of asks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use std::sync::atomic::Ordering;
use std::time::Duration;

use tests::curate::{Args, asked, plainly, verdict};
use tests::live::{Live, Options};
use tests::shards::{Sample, corpus, write};
use threshflow::lane::AskLog;
use threshflow::memo::{Access, Memo};
use threshflow::row::{ContentHash, Verdict};

fn session(store: &Path, judge: u64, values: &[f32]) -> (Live, AskLog) {
    let log = AskLog::default();
    let args = Args { judge, bytes: 1000, ..Args::default() };
    (Live::start(store, &Options::default(), &args, values, Some(log.clone())), log)
}

/// What was asked since the last look, with how often.
fn take(log: &AskLog) -> BTreeMap<ContentHash, usize> {
    let mut counts = BTreeMap::new();
    for (stage, content) in std::mem::take(&mut *log.lock().unwrap()) {
        assert_eq!(stage, "judge");
        *counts.entry(content).or_default() += 1;
    }
    counts
}

fn none() -> BTreeMap<ContentHash, usize> {
    BTreeMap::new()
}

fn minus(
    all: &BTreeMap<ContentHash, usize>,
    known: &BTreeMap<ContentHash, usize>,
) -> BTreeMap<ContentHash, usize> {
    all.iter().filter(|(content, _)| !known.contains_key(*content)).map(|(c, n)| (*c, *n)).collect()
}

fn kept(live: &Live) -> Vec<String> {
    live.verdicts().into_iter().filter(|(_, v)| matches!(v, Verdict::Kept(_))).map(|(name, _)| name).collect()
}

struct Data {
    folder: tempfile::TempDir,
    a: Vec<Sample>,
    b: Vec<Sample>,
}

fn data() -> Data {
    let folder = tests::scratch();
    let (a, mut b) = (corpus(1, 0..300), corpus(1, 300..500));
    b.push(Sample { key: "a-copy".into(), ..a[0].clone() });
    write(&folder.path().join("a.tar"), &a);
    write(&folder.path().join("b.tar"), &b);
    Data { folder, a, b }
}

#[test]
fn every_question_is_asked_once() {
    let data = data();
    let (store, tar) = (data.folder.path().join("store"), |name: &str| data.folder.path().join(name));
    let first = asked(&data.a, 12.0);
    let both = asked(&[data.a.clone(), data.b.clone()].concat(), 12.0);
    assert!(first.len() > 100 && both.len() > first.len() + 50);

    let (mut live, log) = session(&store, 0, &[12.0, 4.5]);
    live.insert(&tar("a.tar"));
    live.settle();
    assert_eq!(take(&log), first, "a first run asks every picture that passes the first gate, once");

    live.insert(&tar("b.tar"));
    live.settle();
    assert_eq!(take(&log), minus(&both, &first), "a new shard asks its own rows only, and of a copy nothing");
    let (at_4_5, verdicts) = (kept(&live), live.verdicts());

    live.turn(1, 7.0);
    live.settle();
    assert_eq!(take(&log), none(), "tightening asks nothing");
    let at_7 = kept(&live);
    let scores = |name: &String| match &verdicts[name] {
        Verdict::Kept(scores) => scores[1],
        other => panic!("{other:?}"),
    };
    let wanted: Vec<_> = at_4_5.iter().filter(|name| scores(name) >= 7.0).cloned().collect();
    assert_eq!(at_7, wanted, "exactly the rows between the dials left");

    live.turn(1, 0.0);
    live.settle();
    assert_eq!(take(&log), none(), "below where it began: scores were asked before they were gated");

    live.turn(0, 9.0);
    live.settle();
    let wider = asked(&[data.a.clone(), data.b.clone()].concat(), 9.0);
    assert_eq!(
        take(&log),
        minus(&wider, &both),
        "loosening an earlier dial asks exactly what was never asked"
    );

    live.turn(0, 12.0);
    live.turn(1, 4.5);
    live.settle();
    assert_eq!(
        (take(&log), live.verdicts()),
        (none(), verdicts.clone()),
        "and back: nothing asked, the same set"
    );
    drop(live);

    let (mut live, log) = session(&store, 0, &[12.0, 4.5]);
    live.insert(&tar("b.tar"));
    live.insert(&tar("a.tar"));
    live.settle();
    assert_eq!((take(&log), live.verdicts()), (none(), verdicts.clone()), "the same run again");
    drop(live);

    let (mut live, log) = session(&store, 1, &[12.0, 4.5]);
    live.insert(&tar("a.tar"));
    live.insert(&tar("b.tar"));
    live.settle();
    assert_eq!(take(&log), both, "a new model asks all, once");
    drop(live);

    let mut changed = data.a.clone();
    changed[5] = corpus(2, 5..6).remove(0);
    changed.push(corpus(2, 900..901).remove(0));
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(&tar("a.tar"), &changed);
    let (mut live, log) = session(&store, 0, &[12.0, 4.5]);
    live.insert(&tar("a.tar"));
    live.insert(&tar("b.tar"));
    live.settle();
    let now = asked(&[changed, data.b.clone()].concat(), 12.0);
    assert_eq!(take(&log), minus(&now, &both), "a changed shard asks its new pictures only");
    assert!(!take(&log).contains_key(&ContentHash([0; 16])));
}

#[test]
fn rows_that_leave_while_they_are_asked_about_leave_nothing_behind() {
    let data = data();
    let store = data.folder.path().join("store");
    let log = AskLog::default();
    let args = Args { slow_prepare: 10, bytes: 1000, ..Args::default() };
    let mut live = Live::start(
        &store,
        &Options { window: 64, ..Options::default() },
        &args,
        &[12.0, 4.5],
        Some(log.clone()),
    );
    // The same pictures twice: a question is withdrawn when nobody of several waits any more.
    write(&data.folder.path().join("copy.tar"), &data.a);
    for name in ["a", "copy"] {
        live.insert(&data.folder.path().join(format!("{name}.tar")));
    }
    live.remove("a");
    live.remove("copy");
    live.settle();
    assert!(live.verdicts().is_empty());
    let asked_before = take(&log);
    assert!(asked_before.len() < asked(&data.a, 12.0).len(), "questions that nobody waits for are withdrawn");
    live.insert(&data.folder.path().join("a.tar"));
    live.settle();
    assert_eq!(take(&log), minus(&asked(&data.a, 12.0), &asked_before));
    let _: Arc<_> = live.lanes.clone();
}

/// A question that was withdrawn may still be at work when its shard is written over: what it then reads is not what it
/// was asked about, and must not be remembered as if it were.
#[test]
fn what_is_read_of_a_shard_that_was_written_over_is_not_remembered() {
    let folder = tests::scratch();
    let path = folder.path().join("a.tar");
    let mut samples = corpus(1, 0..40);
    write(&path, &samples);
    let args = Args { slow_prepare: 150, ..Args::default() };
    let options = Options { pool_threads: 4, ..Options::default() };
    let mut live = Live::start(&folder.path().join("store"), &options, &args, &[0.0, 4.5], None);
    live.insert(&path);
    while live.pipeline.judge().operator().preparing.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    live.remove("a");
    live.settle();
    samples.reverse();
    write(&path, &samples);
    // What is still at work reads the new bytes; whoever asks before it is done would wait with it, and be refused.
    live.rest();
    live.insert(&path);
    live.settle();
    let standing = live.verdicts();
    for (place, sample) in samples.iter().enumerate() {
        let name = format!("a/{}#{place}", sample.key);
        assert_eq!(plainly(&standing[&name]), verdict(sample, 0.0, 4.5), "{name}");
    }
}

/// So many samples that are asked about, for their pictures can be.
fn askable(count: usize) -> Vec<Sample> {
    let is_asked = |sample: &Sample| !asked(std::slice::from_ref(sample), 0.0).is_empty();
    corpus(1, 0..100).into_iter().filter(is_asked).take(count).collect()
}

/// A session with one question that is being answered.
fn while_answering(folder: &Path) -> Live {
    let path = folder.join("a.tar");
    write(&path, &askable(1));
    let args = Args { slow: 800, ..Args::default() };
    let mut live = Live::start(&folder.join("store"), &Options::default(), &args, &[0.0, 4.5], None);
    live.insert(&path);
    while live.pipeline.judge().operator().answering.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    live
}

/// What a store holds of the judge's answers.
fn remembered(live: &Live, folder: &Path) -> usize {
    let stamp = live.pipeline.judge().memo().stamp();
    Memo::open(&folder.join("store/memo"), stamp, 0, Access::ReadOnly).expect("opens").len()
}

#[test]
fn a_run_that_is_stopped_keeps_the_answers_under_way() {
    let folder = tests::scratch();
    let live = while_answering(folder.path());
    live.lanes.stop();
    live.lanes.wait_for_answers(Duration::from_secs(60));
    live.lanes.close();
    assert_eq!(remembered(&live, folder.path()), 1);
}

#[test]
fn what_is_answered_after_the_end_is_not_written_to_a_store_that_may_be_anothers() {
    let folder = tests::scratch();
    let live = while_answering(folder.path());
    live.lanes.stop();
    live.lanes.close();
    live.rest();
    assert_eq!(remembered(&live, folder.path()), 0);
}

/// A question that is withdrawn and asked again stands twice in the queue of the pool.
#[test]
fn a_question_that_comes_back_while_it_waits_is_asked_once() {
    let folder = tests::scratch();
    let (path, samples) = (folder.path().join("a.tar"), askable(2));
    write(&path, &samples);
    let log = AskLog::default();
    let args = Args { slow_prepare: 300, slow: 600, ..Args::default() };
    let options = Options { pool_threads: 1, ..Options::default() };
    let store = folder.path().join("store");
    let mut live = Live::start(&store, &options, &args, &[0.0, 4.5], Some(log.clone()));
    live.insert(&path);
    while live.pipeline.judge().operator().preparing.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    // One is at work, the other waits.
    live.turn(0, 90.0);
    live.turn(0, 0.0);
    live.settle();
    assert_eq!(take(&log), asked(&samples, 0.0));
}
