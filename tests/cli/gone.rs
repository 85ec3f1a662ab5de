//! Shards that are gone, or hold less, or something else under the same looks: a run says so and publishes nothing, or asks anew.

use std::collections::BTreeSet;
use std::fs::FileTimes;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tests::program::{Desk, ended};
use tests::shards::{Sample, corpus, png};
use threshflow::publish::{RowKey, published_keys};

fn published(desk: &Desk) -> BTreeSet<RowKey> {
    published_keys(&desk.path("out")).unwrap().into_iter().collect()
}

fn of_shard(rows: &BTreeSet<RowKey>, shard: &str) -> usize {
    rows.iter().filter(|row| row.shard == shard).count()
}

/// Twenty small shards that are published, and the rows.
fn many() -> (Desk, BTreeSet<RowKey>) {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    for shard in 0..20 {
        desk.shard(&format!("s{shard:02}"), &corpus(9, shard * 20..shard * 20 + 20));
    }
    desk.done("");
    let rows = published(&desk);
    assert!(rows.len() > 60 && (0..20).all(|shard| of_shard(&rows, &format!("s{shard:02}")) > 0));
    (desk, rows)
}

/// That a run publishes nothing and says all of this, and a plan says so too.
#[track_caller]
fn stops(desk: &Desk, rows: &BTreeSet<RowKey>, words: &[&str]) {
    desk.run("")
        .expect(1, words)
        .expect(1, &["--max-removed 5% allows", "--max-removed 100%", "Mount the disk"]);
    assert_eq!(&published(desk), rows);
    let plan = ended(&mut desk.command("plan", "")).expect(0, &[]);
    for word in words.iter().chain(&["a run would stop: ", "gone from the shards: "]) {
        assert!(plan.stdout.contains(word), "{word:?} is not in {}", plan.stdout);
    }
    let plan = ended(&mut desk.command("plan", "--json --max-removed 1")).expect(0, &[]).json();
    assert_eq!(plan.get("stops"), None);
    assert_eq!(plan["removed"]["of"], rows.len());
}

fn shard(desk: &Desk, name: &str) -> std::path::PathBuf {
    desk.path("shards").join(format!("{name}.tar"))
}

#[test]
fn a_disk_that_is_not_mounted_stops_the_run_before_anything_is_asked() {
    let (desk, rows) = many();
    let mut names: Vec<String> = (0..20).map(|shard| format!("s{shard:02}")).collect();
    names.sort_by_key(|name| of_shard(&rows, name));
    // The one that least was published of, and two more.
    let [least, some, most] = [&names[0], &names[10], &names[19]];
    for name in [least, some, most] {
        std::fs::rename(shard(&desk, name), desk.path(name)).unwrap();
    }
    // What would be asked if the run went on.
    desk.shard("s20", &corpus(9, 400..420));
    let log = desk.path("asked");
    let text = desk.run(&format!("--log-asks {}", log.display())).expect(1, &[least, some, most]);
    assert!(text.stderr.contains(&format!("of {} published rows", rows.len())), "{}", text.stderr);
    assert_eq!(tests::program::asks(&log), [] as [String; 0]);
    std::fs::remove_file(shard(&desk, "s20")).unwrap();
    let missing = of_shard(&rows, most);
    stops(&desk, &rows, &[&format!("{missing} of {most:?} (there is no such shard)")]);

    // One shard of twenty is less than 5 %, and told.
    for name in [some, most] {
        std::fs::rename(desk.path(name), shard(&desk, name)).unwrap();
    }
    let missing = of_shard(&rows, least);
    assert!(missing * 20 <= rows.len());
    let done = desk.done("");
    assert_eq!(done["removed"]["rows"], missing);
    assert_eq!(
        done["removed"]["shards"],
        serde_json::json!([{ "shard": least, "rows": missing, "gone": true }])
    );
    assert_eq!(published(&desk).len(), rows.len() - missing);
    assert_eq!(desk.done("").get("removed"), None);
}

#[test]
fn what_is_to_go_goes_when_it_is_said() {
    let (desk, rows) = many();
    for shard in 0..10 {
        std::fs::remove_file(desk.path(&format!("shards/s{shard:02}.tar"))).unwrap();
    }
    desk.run("--max-removed 40%").expect(1, &["--max-removed 40% allows"]);
    assert_eq!(published(&desk), rows);
    desk.done("--max-removed 100%");
    let left = rows.iter().filter(|row| row.shard.as_str() >= "s10").count();
    assert_eq!(published(&desk).len(), left);
    desk.run("--max-removed 2").expect(2, &["--max-removed", "from 0 to 1"]);
}

#[test]
fn shards_that_hold_less_than_was_published_are_told_by_their_rows() {
    let (desk, rows) = many();
    let path = |number: usize| shard(&desk, &format!("s{number:02}"));
    let keep: Vec<Vec<u8>> = (0..3).map(|number| std::fs::read(path(number)).unwrap()).collect();
    // Empty; cut in the middle; another shard altogether.
    std::fs::write(path(0), b"").unwrap();
    std::fs::write(path(1), &keep[1][..keep[1].len() / 10 / 512 * 512]).unwrap();
    desk.shard("s02", &corpus(9, 1_000..1_020));
    let all = of_shard(&rows, "s00");
    stops(&desk, &rows, &[&format!("{all} of \"s00\" (it does not hold them)"), "s01", "s02"]);
    for (number, bytes) in keep.iter().enumerate() {
        std::fs::write(path(number), bytes).unwrap();
    }
    assert_eq!(desk.done("").get("removed"), None);
    assert_eq!(published(&desk), rows);
}

#[test]
fn a_missing_piece_is_told_by_the_rows_that_it_held() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    let tar = desk.shard("x", &corpus(9, 0..100));
    let bytes = std::fs::read(&tar).unwrap();
    std::fs::remove_file(&tar).unwrap();
    let piece = |number: usize| desk.path(&format!("shards/x.tar.split.00{number}"));
    for (number, bytes) in bytes.chunks(bytes.len().div_ceil(4)).enumerate() {
        std::fs::write(piece(number), bytes).unwrap();
    }
    desk.done("");
    let rows = published(&desk);
    for number in [1, 3] {
        let bytes = std::fs::read(piece(number)).unwrap();
        std::fs::remove_file(piece(number)).unwrap();
        stops(&desk, &rows, &["of \"x\" (it does not hold them)"]);
        std::fs::write(piece(number), bytes).unwrap();
    }
    desk.done("");
    assert_eq!(published(&desk), rows);
}

#[test]
fn fewer_patterns_than_before_stop_the_run_and_a_first_run_does_not() {
    let (desk, rows) = many();
    let run = |out: &str, more: &str| {
        let few = desk.path("shards/s0*.tar");
        let command =
            format!("run --store store --out {out} --max-error-rate 1 --shards {} {more}", few.display());
        desk.ask(&command)
    };
    run("out", "")
        .expect(1, &["--shards and --pictures have to name all that is to stay published", "more shards"]);
    assert_eq!(published(&desk), rows);
    run("another", "").expect(0, &[]);
    run("out", "--max-removed 1").expect(0, &[]);
}

#[test]
fn a_link_that_leads_nowhere_is_an_error_and_never_a_shard_less() {
    let (desk, rows) = many();
    std::fs::rename(shard(&desk, "s05"), desk.path("elsewhere.tar")).unwrap();
    std::os::unix::fs::symlink(desk.path("elsewhere.tar"), shard(&desk, "s05")).unwrap();
    desk.done("");
    assert_eq!(published(&desk), rows);
    std::fs::remove_file(desk.path("elsewhere.tar")).unwrap();
    for subcommand in ["run", "plan"] {
        // Even where it may remove all.
        let command = &mut desk.command(subcommand, "--max-removed 1");
        ended(command).expect(1, &["s05.tar: it is a link to", "elsewhere.tar", "mount the disk"]);
    }
    assert_eq!(published(&desk), rows);
}

/// Writes other bytes of the same length over a file and gives it the time that it had, as `cp -p` does.
fn replace_in_disguise(path: &Path, bytes: &[u8]) {
    let before = std::fs::metadata(path).unwrap();
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
    let after = std::fs::metadata(path).unwrap();
    assert_eq!(
        (before.len(), before.mtime(), before.mtime_nsec()),
        (after.len(), after.mtime(), after.mtime_nsec())
    );
}

#[test]
fn pictures_that_change_under_the_same_length_and_time_are_asked_about() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    // The same length, whatever is drawn.
    let samples: Vec<Sample> = (0..9)
        .map(|n| Sample { key: format!("{n}"), picture: png(16, 16, n), json: None })
        .map(|sample| Sample { picture: [sample.picture, vec![0; 8]].concat(), ..sample })
        .collect();
    let path = desk.shard("a", &samples);
    let old = SystemTime::now() - Duration::from_secs(100_000);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_times(FileTimes::new().set_modified(old)).unwrap();
    let first = desk.done("");
    assert_eq!(first["asks"]["judge"]["asked"], 9);
    let mut other = samples.clone();
    for sample in &mut other[..3] {
        *sample.picture.last_mut().unwrap() = 1;
    }
    let beside = desk.path("b.tar");
    tests::shards::write(&beside, &other);
    replace_in_disguise(&path, &std::fs::read(&beside).unwrap());
    let second = desk.done("");
    assert_eq!(
        (&second["asks"]["judge"]["asked"], &second["asks"]["judge"]["remembered"]),
        (&3.into(), &6.into())
    );
    // And back: nothing that was paid for is lost.
    tests::shards::write(&beside, &samples);
    replace_in_disguise(&path, &std::fs::read(&beside).unwrap());
    assert_eq!(desk.done("")["asks"]["judge"]["asked"], 0);
}

#[test]
fn a_plan_tells_apart_what_looks_the_same_with_a_slash_between() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    let sample = |key: &str, seed| Sample { key: key.to_owned(), picture: png(20, 20, seed), json: None };
    let good = (0..).filter(|seed| {
        let content = threshflow::row::ContentHash::of(&png(20, 20, *seed));
        tests::curate::taste(content).is_ok_and(|taste| taste >= 5.0)
    });
    let seeds: Vec<u64> = good.take(2).collect();
    std::fs::create_dir(desk.path("shards/a")).unwrap();
    tests::shards::write(&desk.path("shards/a.tar"), &[sample("b/c", seeds[0])]);
    desk.done("");
    assert_eq!(published(&desk).len(), 1);
    // Another row, which is written a/b/c as well.
    tests::shards::write(&desk.path("shards/a/b.tar"), &[sample("c", seeds[1])]);
    let plan = ended(&mut desk.command("plan", "--json")).expect(0, &[]).json();
    assert_eq!((&plan["total"]["enter"], &plan["total"]["leave"]), (&0.into(), &0.into()));
    assert_eq!(plan["total"]["undecided"], 1);
    desk.done("");
    let rows = published(&desk);
    assert_eq!(rows.len(), 2);
    std::fs::remove_file(desk.path("shards/a.tar")).unwrap();
    let plan = ended(&mut desk.command("plan", "--json")).expect(0, &[]).json();
    assert_eq!((&plan["total"]["enter"], &plan["total"]["leave"]), (&0.into(), &1.into()));
    assert_eq!(plan["removed"]["rows"], 1);

    desk.ask("explain --out out a/b/c").expect(1, &["--shard \"a/b\" \"c\"", "--shard \"a\" \"b/c\""]);
    let one = desk.ask("explain --out out --shard a b/c").expect(0, &[]);
    assert!(one.stdout.starts_with("a/b/c (shard \"a\", key \"b/c\")\n"), "{}", one.stdout);
    assert_eq!(desk.ask("explain --out out --json --shard a/b c").expect(0, &[]).json()["shard"], "a/b");
    desk.ask("explain --out out --shard a c").expect(2, &["a/c: no row of that key"]);
}
