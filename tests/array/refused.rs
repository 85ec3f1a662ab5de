//! What an array is told when something is wrong.

use crate::{array, asked, begin, desk, done, publish};

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
    array(&desk, 2, "");
    let lock = std::fs::File::open(desk.path("store/segments/0002/.lock")).expect("is there");
    lock.try_lock().expect("as a process holds it that asks");
    desk.run("--part 2/2").expect(1, &["another process asks about part 2"]);
    desk.ask("store compact --store store").expect(1, &["another process asks about part 2"]);
    desk.run("").expect(0, &["another process asks about part 2: what it has answered so far is read"]);
    done(begin(&desk, 1, 2, ""));
    // Whoever only looks whether somebody holds it lets go of it at once.
    let looks = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(lock);
    });
    done(begin(&desk, 2, 2, ""));
    looks.join().expect("ends");
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

#[test]
fn a_store_that_is_also_the_output_is_refused_by_every_part() {
    let desk = desk(1, false);
    let part = "run --part 1/2 --shards shards --store same --out same";
    desk.ask(part).expect(2, &["same"]);
    desk.ask("script slurm --parts 2 -- --shards shards --store same --out same").expect(2, &["same"]);
    desk.ask("script slurm --parts 2 -- --shards shards --set sharp=5").expect(2, &["sharp"]);
}

#[test]
fn what_was_refused_is_asked_again_in_all_segments() {
    let desk = desk(4, false);
    array(&desk, 2, "");
    let refused = asked(&publish(&desk, "--retry"));
    assert!(refused > 0, "some are refused");
    assert_eq!(asked(&publish(&desk, "--retry")), refused, "as often as it is said");
    // A part that asks again asks its own, and whoever publishes takes what it was told then.
    let again: u64 = array(&desk, 2, "--retry").iter().map(asked).sum();
    assert_eq!(again, refused);
    assert_eq!(asked(&publish(&desk, "")), 0);
    assert_eq!(asked(&publish(&desk, "--retry")), refused);
}

#[test]
fn foreign_names_among_segments_are_left_alone_and_whole_arrays_are_not_complained_of() {
    let desk = desk(4, false);
    array(&desk, 4, "");
    let segments = desk.path("store/segments");
    for folder in ["abc", "+001", "0000", "9999"] {
        std::fs::create_dir(segments.join(folder)).expect("is made");
    }
    std::fs::write(segments.join("0099"), "no folder").expect("is written");
    array(&desk, 2, "");
    let said = desk.run("");
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:#?}");
    desk.ask("verify --store store").expect(0, &[]);
}
