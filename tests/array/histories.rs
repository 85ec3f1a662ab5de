//! Random histories of arrays: other sizes, other dials, tasks that are killed, stores that are merged. What is published is what one run publishes,
//! and what was answered is not asked again.

use tests::Rng;
use tests::ground::HISTORY_FLAGS as FLAGS;
use tests::program::asks;
use tests::resident::assert_published;

use crate::{LOST, array, asked, begin, counted, desk, done, publish};

const HISTORIES: u64 = 24;

#[test]
fn whatever_the_arrays_what_is_published_is_one_runs() {
    let (mut asked_in_arrays, mut kills) = (0, 0);
    for seed in 0..HISTORIES {
        let mut rng = Rng(seed);
        let doubled = rng.below(2) == 0;
        let desk = desk(3 + rng.below(4) as u64, doubled);
        let mut killed = 0;
        for step in 0..1 + rng.below(3) {
            let flags = format!("{} --workers {}", FLAGS[rng.below(FLAGS.len())], 1 + rng.below(2));
            let of = 1 + rng.below(8);
            if rng.below(2) == 0 {
                // A task is killed, and run again with the others.
                let before = asks(&desk.path("asks.log")).len();
                let mut child = begin(&desk, 1 + rng.below(of), of, &format!("{flags} --slow 2"));
                let enough = before + rng.below(60);
                let log = desk.path("asks.log");
                while child.try_wait().expect("can be waited for").is_none() && asks(&log).len() <= enough {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                if child.try_wait().expect("can be waited for").is_none() {
                    child.kill().expect("is killed");
                    killed += 1;
                }
                child.wait().expect("is reaped");
            }
            let said = array(&desk, of, &flags);
            asked_in_arrays += said.iter().map(asked).sum::<u64>();
            let shards: u64 = said.iter().map(|task| task["shards"].as_u64().expect("a number")).sum();
            assert_eq!(
                Some(shards),
                said[0]["of_shards"].as_u64(),
                "seed {seed}: every shard is in one part"
            );
            if rng.below(4) == 0 {
                desk.ask("store compact --store store").expect(0, &[]);
            }
            if rng.below(2) == 0 {
                let run = publish(&desk, &flags);
                let by_share = flags.contains("top:");
                assert!(
                    asked(&run) == 0 || by_share,
                    "seed {seed}, step {step}: the array left {} unasked",
                    asked(&run)
                );
                assert_published(&desk, &flags, &format!("seed {seed}, step {step}"));
            }
        }
        let flags = FLAGS[rng.below(FLAGS.len())];
        publish(&desk, flags);
        assert_published(&desk, flags, &format!("seed {seed}"));
        kills += killed;
        // Who asks about a picture that lies in two shards of two parts asks twice, and nobody asks a third time.
        let counts = counted(&desk);
        let most = if doubled { 2 } else { 1 };
        let again: usize = counts.values().map(|count| count.saturating_sub(most)).sum();
        assert!(
            again <= killed * LOST,
            "seed {seed}: {again} were asked more than {most} times, with {killed} kills"
        );
        let doubles = counts.values().filter(|count| **count > 1).count();
        assert!(
            !doubled || killed > 0 || doubles * 4 < counts.len(),
            "seed {seed}: {doubles} of {}",
            counts.len()
        );
    }
    assert!(asked_in_arrays > 5000 && kills > 3, "{asked_in_arrays} questions, {kills} kills");
}

#[test]
fn a_shard_that_goes_to_another_part_is_not_asked_about_again() {
    let desk = desk(12, false);
    let first: u64 = array(&desk, 3, "").iter().map(asked).sum();
    assert!(first > 500, "{first}");
    for of in [8, 2, 5] {
        let again: u64 = array(&desk, of, "").iter().map(asked).sum();
        assert_eq!(again, 0, "in {of} parts");
    }
    let looser: u64 = array(&desk, 7, "--set short_side=5").iter().map(asked).sum();
    assert!(looser > 0);
    assert_eq!(asked(&publish(&desk, "--set short_side=5")), 0);
    assert_published(&desk, "--set short_side=5", "three sizes of array, and a looser dial");
}

#[test]
fn a_run_reads_what_a_part_has_answered_so_far() {
    let desk = desk(4, false);
    // One part is asked about while another run publishes.
    let log = desk.path("asks.log");
    let slow = begin(&desk, 1, 1, "--slow 20");
    tests::program::wait_for_asks(&log, 60);
    let beside = desk.run("--json --log-asks asks.log");
    let beside = beside.expect(0, &["another process asks about part 1"]).json();
    assert!(asked(&beside) > 0);
    done(slow);
    assert_published(&desk, "", "beside a part");
    // Both asked some of it: the first answer counts, for all who come.
    let again = publish(&desk, "");
    assert_eq!(asked(&again), 0);
    assert_published(&desk, "", "after it");
}
