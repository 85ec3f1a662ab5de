//! What an array is told when something is wrong.

use crate::{begin, desk, done};

#[test]
fn a_part_that_there_is_not_is_refused_with_the_reason() {
    let desk = desk(1, false);
    for (part, words) in [
        ("0/4", "parts count from 1"),
        ("5/4", "the last is 4/4"),
        ("3", "as in 3/64"),
        ("auto", "say which part"),
    ] {
        let mut command = desk.command("run", &format!("--part {part}"));
        command.env_remove("SLURM_ARRAY_TASK_ID").env_remove("JOB_COMPLETION_INDEX");
        tests::program::ended(&mut command).expect(2, &[words]);
    }
    assert!(!desk.path("store").exists(), "nothing was written");
}

#[test]
fn a_scheduler_says_which_part_it_is() {
    let desk = desk(5, false);
    let mut shards = 0;
    for task in 0..3 {
        let mut command = desk.command("run", "--json --part auto");
        command.env("SLURM_ARRAY_TASK_ID", task.to_string()).env("SLURM_ARRAY_TASK_COUNT", "3");
        command.env("SLURM_ARRAY_TASK_MIN", "0").env("SLURM_ARRAY_TASK_MAX", "2");
        let said = tests::program::ended(&mut command).expect(0, &[]).json();
        assert_eq!((said["part"].as_u64(), said["of"].as_u64()), (Some(task + 1), Some(3)));
        shards += said["shards"].as_u64().expect("a number");
    }
    assert_eq!(shards, 5);
}

#[test]
fn one_process_asks_about_a_part_and_others_are_told_so() {
    let desk = desk(3, false);
    let task = begin(&desk, 2, 2, "--slow 20");
    tests::program::wait_for_asks(&desk.path("asks.log"), 5);
    desk.run("--part 2/2").expect(1, &["part 2 is being asked by another process"]);
    desk.ask("store compact --store store").expect(1, &["part 2 is being asked by another process"]);
    done(begin(&desk, 1, 2, ""));
    done(task);
    desk.ask("store compact --store store").expect(0, &[]);
    desk.ask("store compact --store nothing").expect(2, &["there is no store at nothing"]);
}

#[test]
fn a_part_publishes_nothing_and_says_so() {
    let desk = desk(3, false);
    let said = desk.run("--part 1/1").expect(0, &[]);
    assert!(
        said.stdout.starts_with("part 1 of 1: 3 of 3 shards were asked about, and nothing was published"),
        "{said:#?}"
    );
    assert!(!desk.path("out/manifest.json").exists());
    // More parts than shards: some have nothing to do, and that is no error.
    for part in 1..=8 {
        done(begin(&desk, part, 8, ""));
    }
}
