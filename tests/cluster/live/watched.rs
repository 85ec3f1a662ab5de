//! Shards come, change and leave while several processes run a session; and what fails in one of them fails the request, not the session.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::json;
use tests::Rng;
use tests::ground::pictures;
use tests::program::Desk;
use tests::resident::{Resident, assert_published};
use tests::shards::write;
use threshflow::cluster::choices;
use threshflow::publish::PlainTar;

use super::{rows_of, text};
use crate::{counted, desk};

/// Writes a shard beside its place and puts it there by a rename, as careful writers do.
fn put(desk: &Desk, name: &str, samples: std::ops::Range<u64>) {
    let beside = desk.path("beside.tar");
    write(&beside, &pictures(7, samples, 0));
    std::fs::rename(&beside, desk.path("shards").join(format!("{name}.tar"))).unwrap();
}

#[test]
fn shards_come_and_go_and_what_was_asked_stays_asked() {
    let desk = desk(4, false);
    let session = Resident::start(
        &desk,
        "--processes 3 --cores 1 --watch --max-removed 100% --max-lost 100% --log-asks asks.log",
    );
    let mut rng = Rng(5);
    // Of each shard, the first of its pictures and how many there are: no picture is ever in two shards.
    let mut there: Vec<Option<(u64, u64)>> = (0..4).map(|n| Some((n * 24, 24))).collect();
    there.resize(7, None);
    let (mut came_again, mut fresh) = (0, 1_000);
    let mut left: Vec<Option<(u64, u64)>> = vec![None; there.len()];
    for step in 0..14 {
        let shard = rng.below(there.len());
        let path = desk.path("shards").join(format!("s{shard}.tar"));
        let in_all = there.iter().flatten().count();
        there[shard] = match there[shard] {
            Some(rows) if in_all > 2 && rng.below(2) == 0 => {
                std::fs::remove_file(&path).unwrap();
                left[shard] = Some(rows);
                None
            }
            // The same pictures as before, ...
            None if left[shard].is_some() && rng.below(3) > 0 => {
                came_again += 1;
                left[shard]
            }
            // ... or others.
            _ => {
                fresh += 40;
                Some((fresh, 10 + rng.below(20) as u64))
            }
        };
        if let Some((from, rows)) = there[shard] {
            put(&desk, &format!("s{shard}"), from..from + rows);
        }
        let rows: u64 = there.iter().flatten().map(|(_, rows)| rows).sum();
        let state = session.wait_for(&format!("step {step}: {rows} rows"), |state| state["rows"] == rows);
        assert_eq!(state["processes"], 3);
        session.turn("short_side", ["8", "10", "13", "top:70%"][rng.below(4)]);
        if rng.below(2) == 0 || step == 13 {
            let applied = session.apply();
            assert_eq!((&applied["undecided"], &applied["failed"]), (&json!(0), &json!(0)), "step {step}");
            session.post("/api/publish", &json!({}));
            let flags = text(&applied["flags"]).replace('\'', "");
            assert_published(&desk, &flags, &format!("step {step}"));
        }
    }
    assert!(came_again > 1, "{came_again} came again");
    let twice: Vec<String> =
        counted(&desk).into_iter().filter(|(_, count)| *count > 1).map(|(asked, _)| asked).collect();
    assert!(twice.is_empty(), "asked twice: {twice:?}");
}

/// The shards of the rows at the first gate, each with the number that its process gave it.
fn shards(session: &Resident) -> BTreeMap<String, u32> {
    let number = |id: &str| id.split_once('-').and_then(|(shard, _)| shard.parse().ok()).expect("a row's id");
    let name = |row: &str| row.split_once('/').expect("a shard and a key").0.to_owned();
    rows_of(session).iter().map(|(row, id)| (name(row), number(id))).collect()
}

#[test]
fn a_shard_that_comes_again_goes_where_it_was_asked_about() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    // All are the second process's by their names: the first one helps.
    let names = (0..).map(|n| format!("s{n}")).filter(|name| choices(name, 2)[0] == 1).take(20);
    names
        .enumerate()
        .for_each(|(n, name)| drop(desk.shard(&name, &pictures(7, n as u64 * 6..n as u64 * 6 + 6, 0))));
    let session = Resident::start(&desk, "--processes 2 --cores 1 --watch");
    session.apply();
    let there = shards(&session);
    assert_eq!(there.len(), 20, "{there:?}");
    // Each process numbers its shards in a range of its own.
    let (helped, number) = there.iter().min_by_key(|(_, number)| **number).expect("shards");
    let highest = there.values().max().expect("shards");
    assert!(highest - number > 1_000, "nobody helped: {there:?}");
    let (path, away) = (desk.path("shards").join(format!("{helped}.tar")), desk.path("away.tar"));
    std::fs::rename(&path, &away).unwrap();
    session.wait_for("that it is gone", |state| state["rows"] == 114);
    std::fs::rename(&away, &path).unwrap();
    let state = session.wait_for("that it comes again", |state| state["rows"] == 120);
    assert_eq!(state["asks"], json!([]), "{helped}: {state}");
}

#[test]
fn shards_that_others_asked_about_before_are_asked_nothing_when_they_come() {
    let desk = desk(3, false);
    desk.done("--log-asks asks.log");
    // No process knows of it when it begins.
    let shard = desk.path("shards/s1.tar");
    let away = desk.path("s1.tar");
    std::fs::rename(&shard, &away).unwrap();
    let session = Resident::start(&desk, "--processes 2 --cores 1 --watch --max-removed 100%");
    assert_eq!(session.get("/api/state")["rows"], 48);
    std::fs::rename(&away, &shard).unwrap();
    let state = session.wait_for("the shard", |state| state["rows"] == 72);
    assert_eq!(state["asks"], json!([]), "{state}");
    // One that cannot be read is told of, and comes when it can be.
    put(&desk, "bad", 400..410);
    let bad = desk.path("shards/bad.tar");
    std::fs::set_permissions(&bad, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&bad).is_err() {
        session.wait_for("that it is told", |_| session.said().contains("bad"));
        assert_eq!(session.get("/api/state")["rows"], 72);
    }
    std::fs::set_permissions(&bad, std::fs::Permissions::from_mode(0o644)).unwrap();
    session.wait_for("the shard that can be read", |state| state["rows"] == 82);
}

#[test]
fn what_fails_in_one_process_is_told_and_the_session_goes_on() {
    let desk = desk(6, false);
    let session = Resident::start(&desk, "--processes 3 --cores 1");
    session.apply();
    let before = session.post("/api/publish", &json!({}))["published"]["rows"].clone();
    session.turn("short_side", "14");
    // Shards of several processes are written over in place, one after the other.
    for shard in ["s0", "s1", "s2", "s3"] {
        let path = desk.path("shards").join(format!("{shard}.tar"));
        let was = std::fs::read(&path).unwrap();
        let beside = desk.path("beside.tar");
        write(&beside, &pictures(9, 0..24, 0));
        std::fs::copy(&beside, &path).unwrap();
        let (status, refused) = session.try_post("/api/publish", &json!({}));
        let why = text(&refused["error"]);
        assert!(status == 409 && why.contains("changed while it was read"), "{shard}: {status} {refused}");
        std::fs::write(&path, was).unwrap();
        assert_eq!(session.get("/api/state")["published"]["rows"], before, "{shard}");
    }
    // The folder belongs to another file for a moment.
    let (out, away) = (desk.path("out"), desk.path("away"));
    std::fs::rename(&out, &away).unwrap();
    std::fs::write(&out, "a file").unwrap();
    let (status, refused) = session.try_post("/api/publish", &json!({}));
    assert!(status >= 400 && text(&refused["error"]).contains("out"), "{status} {refused}");
    std::fs::remove_file(&out).unwrap();
    std::fs::rename(&away, &out).unwrap();
    assert!(session.turn("short_side", "12")["kept"].as_u64() > Some(0));
    session.apply();
    session.end().expect(0, &[]);
    assert_published(&desk, "", "what was published before");
}

#[test]
fn several_processes_publish_by_the_clock_what_came() {
    let desk = desk(3, false);
    let session = Resident::start(&desk, "--processes 2 --cores 1 --watch --publish-every 1s");
    session.wait_for("the first publishing", |state| state["published"]["rows"].as_u64() > Some(0));
    put(&desk, "later", 500..530);
    let published = session.wait_for("the new shard", |state| state["rows"] == 102)["published"].clone();
    session.wait_for("the next publishing", |state| {
        state["published"] != published && state["enter"] == 0 && state["undecided"] == 0
    });
    assert_published(&desk, "", "by the clock, with one shard more");
}

#[test]
fn ctrl_c_while_another_process_reads_a_shard_ends_all() {
    let desk = desk(2, false);
    let session = Resident::start(&desk, "--processes 2 --cores 1 --watch");
    // Long to read, and the second process's.
    let name = (0..).map(|n| format!("long{n}")).find(|name| choices(name, 2)[0] == 1).expect("some name is");
    let path = desk.path("beside.tar");
    let mut tar = PlainTar::new(BufWriter::new(File::create(&path).unwrap()));
    for n in 0..100_000 {
        tar.append(&format!("{n:06}.txt"), b"a").unwrap();
    }
    tar.finish().and_then(|mut tar| tar.flush()).unwrap();
    std::fs::rename(&path, desk.path("shards").join(format!("{name}.tar"))).unwrap();
    session.wait_for("the shard that rests", |state| state["waiting_shards"] == json!([name]));
    std::thread::sleep(Duration::from_millis(1500));
    let rows = session.get("/api/state")["rows"].clone();
    session.end().expect(0, &[]);
    assert_eq!(rows, 48, "it was read before the end came: a longer one is needed");
}
