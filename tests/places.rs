//! A shard that cannot be read any more refuses its own rows, and no other row with the same picture.

use std::collections::BTreeMap;
use std::path::Path;

use tests::curate::{Args, plainly, verdict};
use tests::live::{Live, Options};
use tests::shards::{Sample, corpus, spoil, write};
use threshflow::lane::AskLog;
use threshflow::row::Verdict;

const DIALS: [f32; 2] = [12.0, 4.5];

fn session(store: &Path, workers: usize) -> (Live, AskLog) {
    let options = Options { workers, rows_an_epoch: 7, pool_queue: 5, ..Options::default() };
    let (args, log) = (Args { slow_prepare: 1, ..Args::default() }, AskLog::default());
    (Live::start(store, &options, &args, &DIALS, Some(log.clone())), log)
}

/// Of a shard, by place: where every sample must end.
fn wanted(shard: &str, samples: &[Sample]) -> BTreeMap<String, Verdict> {
    let place = |(place, sample): (usize, &Sample)| {
        (format!("{shard}/{}#{place}", sample.key), verdict(sample, DIALS[0], DIALS[1]))
    };
    samples.iter().enumerate().map(place).collect()
}

/// Where the rows of a shard end.
fn of_shard(live: &Live, shard: &str) -> BTreeMap<String, Verdict> {
    let all = live.verdicts().into_iter();
    let of = all.filter(|(name, _)| name.split('/').next() == Some(shard));
    of.map(|(name, verdict)| (name, plainly(&verdict))).collect()
}

fn was_refused_there(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(was) if was.stage == "judge" && was.refusal.class != "distasteful")
}

/// Two shards of the same pictures, the first of which is spoilt when it has been loaded.
fn play(workers: usize, spoilt_comes_first: bool, settle_between: bool) {
    let folder = tests::scratch();
    let path = |name: &str| folder.path().join(name);
    let samples = corpus(3, 0..40);
    // Each picture once more, and one of them thrice.
    let mut others: Vec<Sample> = samples.iter().rev().cloned().collect();
    others.push(Sample { key: "again".into(), ..samples[0].clone() });
    write(&path("spoilt.tar"), &samples);
    write(&path("sound.tar"), &others);
    let context = format!("{workers} workers, {spoilt_comes_first}, {settle_between}");

    let (mut live, log) = session(&path("store"), workers);
    let opened = live.load(&path("spoilt.tar"));
    spoil(&path("spoilt.tar"));
    let first_goes_in = |live: &mut Live| match spoilt_comes_first {
        true => live.insert_loaded(opened.clone()),
        false => live.insert(&path("sound.tar")),
    };
    first_goes_in(&mut live);
    if settle_between {
        live.settle();
    }
    match spoilt_comes_first {
        true => live.insert(&path("sound.tar")),
        false => live.insert_loaded(opened.clone()),
    }
    live.settle();
    assert_eq!(of_shard(&live, "sound"), wanted("sound", &others), "{context}");
    let (is, plain) = (of_shard(&live, "spoilt"), wanted("spoilt", &samples));
    let refused = is.values().filter(|verdict| was_refused_there(verdict)).count();
    for (name, verdict) in &is {
        assert!(was_refused_there(verdict) || *verdict == plain[name], "{context}: {name} is {verdict:?}");
    }
    match (spoilt_comes_first, settle_between) {
        (true, true) => assert!(refused > 10, "{context}: {refused} of {} refused", is.len()),
        (false, true) => assert_eq!(refused, 0, "{context}: what is remembered needs no bytes"),
        _ => {}
    }

    // They leave and come back as they were, and nothing is asked for it.
    let asked = std::mem::take(&mut *log.lock().unwrap()).len();
    assert!(asked >= refused, "{context}");
    for side in [20.0, DIALS[0]] {
        live.turn(0, side);
        live.settle();
    }
    assert_eq!(of_shard(&live, "spoilt"), is, "{context}");
    live.remove("sound");
    live.settle();
    assert_eq!(of_shard(&live, "spoilt"), is, "{context}");
    live.remove("spoilt");
    live.insert(&path("sound.tar"));
    live.settle();
    assert_eq!(of_shard(&live, "sound"), wanted("sound", &others), "{context}");
    assert!(log.lock().unwrap().is_empty(), "{context}");
    live.rest();
    drop(live);

    // None of it is remembered: the next run, with a shard that is whole again, asks nothing that was answered.
    spoil(&path("spoilt.tar"));
    let (mut live, log) = session(&path("store"), workers);
    live.insert(&path("spoilt.tar"));
    live.settle();
    assert_eq!(of_shard(&live, "spoilt"), plain, "{context}");
    assert!(log.lock().unwrap().is_empty(), "{context}");
}

#[test]
fn a_shard_that_cannot_be_read_refuses_its_own_rows_only() {
    for workers in [1, 2, 4] {
        for spoilt_comes_first in [true, false] {
            for settle_between in [true, false] {
                play(workers, spoilt_comes_first, settle_between);
            }
        }
    }
}
