//! Who may join a run, and what is said to and of those that may not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::program::{Desk, Ended, ended, ended_within, signal};
use tests::resident::assert_published;

use crate::{begin, command, counted, desk, done};

/// One process of a run, started by hand.
fn one(desk: &Desk, process: &str, flags: &str) -> Child {
    begin(desk, &format!("--process {process} --bind 127.0.0.1 --cores 1 {flags}"))
}

/// Where process 0 listens, and the token, as it says to who may read them.
fn meeting_point(desk: &Desk) -> (SocketAddr, String) {
    let path = desk.path("store/cluster.json");
    let begin = Instant::now();
    loop {
        if let Ok(text) = std::fs::read(&path) {
            let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "the token is for this user alone");
            let point: Value = serde_json::from_slice(&text).expect("is whole");
            let word = |name: &str| point[name].as_str().expect("a text").to_owned();
            return (word("address").parse().expect("an address"), word("token"));
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "process 0 never said where it is");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn processes_that_are_started_by_hand_find_each_other_by_the_store() {
    let desk = desk(5, true);
    // The last comes first.
    let two = one(&desk, "2/3", "");
    let one_of_them = one(&desk, "1/3", "");
    let first = one(&desk, "0/3", "");
    let (address, token) = meeting_point(&desk);
    assert!(address.ip().is_loopback() && token.len() == 64);
    assert_eq!(done(first).json()["processes"]["count"], 3);
    for other in [one_of_them, two] {
        assert_eq!(done(other).stdout, "", "process 0 tells of all");
    }
    assert!(!desk.path("store/cluster.json").exists(), "nobody else is to come");
    assert_published(&desk, "", "by hand");
}

#[test]
fn strangers_are_refused_and_hold_nobody_up() {
    let desk = desk(3, false);
    let first = one(&desk, "0/2", "");
    let (address, token) = meeting_point(&desk);
    // Some say nothing, ...
    let silent: Vec<TcpStream> = (0..70).map(|_| TcpStream::connect(address).expect("connects")).collect();
    // ... one speaks another language, ...
    let mut web = TcpStream::connect(address).expect("connects");
    web.write_all(b"GET / HTTP/1.1\r\nHost: here, at a name that is long enough to fill it\r\n\r\n")
        .expect("is sent");
    // ... and one knows how it goes, but not the token.
    let mut liar = TcpStream::connect(address).expect("connects");
    liar.write_all(b"tflow/1\n\0\x01\0").and_then(|()| liar.write_all(&[7; 32])).expect("is sent");
    let mut answer = [0; 64];
    drop(silent);
    liar.set_read_timeout(Some(Duration::from_secs(20))).expect("is set");
    liar.read_exact(&mut answer).expect("a nonce and a proof");
    // What it is sent proves nothing of it: it may not be sent back.
    liar.write_all(&answer[32..]).expect("is sent");
    let mut rest = Vec::new();
    let _ = liar.read_to_end(&mut rest);
    assert_eq!(rest, [0_u8; 0], "it is not let in");
    let second = one(&desk, "1/2", "");
    let first = done(first);
    done(second);
    let told = first.stderr.matches("was refused: it did not prove that it knows this run's token").count();
    assert_eq!(told, 1, "once an address: {first:#?}");
    assert!(!first.stderr.contains(&token));
    assert_published(&desk, "", "beside strangers");
}

#[test]
fn processes_with_other_flags_or_other_shards_end_all_and_say_which() {
    let desk = desk(3, false);
    let differs = |flags: [&str; 2], words: &str| {
        let two = [one(&desk, "0/2", flags[0]), one(&desk, "1/2", flags[1])];
        let ended: Vec<Ended> = two.into_iter().map(|child| ended_within(child, 30)).collect();
        for ended in ended {
            ended.expect(1, &["process 1 on ", "has not the same flags, or sees not the same files", words]);
        }
        assert!(!desk.path("out/manifest.json").exists());
    };
    differs(["", "--set short_side=9"], "the dials are");
    differs(["--workers 2", ""], "--workers are 1 there, and 2 here");
    differs(["", "--max-lost 0.5"], "--max-lost are");
    let elsewhere = tests::scratch();
    tests::shards::write(&elsewhere.path().join("more.tar"), &tests::ground::pictures(7, 0..3, 0));
    differs(["", &format!("--shards {}", elsewhere.path().display())], "the shards are 4, of the digest");

    // A number that is nobody's.
    let three = [one(&desk, "0/2", ""), one(&desk, "2/3", "")];
    for child in three {
        ended_within(child, 30).expect(1, &["process 2 of 3 on ", "here are 2 processes"]);
    }
}

#[test]
fn who_waits_says_for_whom_and_is_ended_by_a_signal() {
    let desk = desk(2, false);
    // Left by a run that was killed: nobody is there.
    std::fs::create_dir_all(desk.path("store")).expect("makes");
    let left = format!("{{\"address\":\"127.0.0.1:9\",\"of\":2,\"token\":\"{}\"}}", "0".repeat(64));
    std::fs::write(desk.path("store/cluster.json"), left).expect("writes");
    let second = one(&desk, "1/2", "");
    std::thread::sleep(Duration::from_millis(10_500));
    signal(&second, libc::SIGTERM);
    let words = ["waits for process 0", "127.0.0.1:9", "it may be left by an earlier run", "stopped"];
    ended_within(second, 10).expect(1, &words);

    std::fs::remove_file(desk.path("store/cluster.json")).expect("is there");
    let first = one(&desk, "0/3", "");
    std::thread::sleep(Duration::from_millis(10_500));
    signal(&first, libc::SIGTERM);
    ended_within(first, 10).expect(1, &["1 of 3 are here, not yet 1, 2", "stopped"]);
    assert!(!Path::new(&desk.path("store/cluster.json")).exists());
}

#[test]
fn flags_that_cannot_be_meant_are_refused_at_once() {
    let desk = desk(1, false);
    let hosts = |text: &str| std::fs::write(desk.path("hosts"), text).expect("writes");
    hosts("127.0.0.1:7001\n127.0.0.1:7002\n");
    for (flags, words) in [
        ("--process 2/2", "no process 2 of 2: they count from 0, the last is 1"),
        ("--process 1", "a process is written I/N"),
        ("--process auto", "neither SLURM_PROCID nor JOB_COMPLETION_INDEX is set"),
        ("--process 2 --hosts hosts", "no process 2 of 2"),
        ("--process 0/3 --hosts hosts", "there are 3 processes, and --hosts names 2"),
        ("--process 0 --hosts nowhere", "--hosts nowhere: No such file"),
        ("--processes 0", "0 is not in 1..=1024"),
        ("--processes 2 --process 0/2", "cannot be used with"),
        ("--processes 2 --part 1/2", "cannot be used with"),
        ("--hosts hosts", "--process <I/N>"),
        ("--restarts 1", "--restarts is for --processes and --process"),
        ("--processes 2 --report page.html", "run once more in one process"),
    ] {
        let mut command = command(&desk, flags);
        command.env_remove("SLURM_PROCID").env_remove("JOB_COMPLETION_INDEX");
        ended(&mut command).expect(2, &[words]);
    }
    for (flags, words) in [
        ("--process 0/2 --bind 0.0.0.0", "name the one that they reach it by"),
        ("--process 0/2 --bind 192.0.2.1", "this process cannot listen at 192.0.2.1:0"),
        ("--process 0/2 --bind nowhere.invalid", "nowhere.invalid:0 is not found"),
    ] {
        ended(&mut command(&desk, flags)).expect(1, &[words]);
    }
    assert!(!desk.path("out/manifest.json").exists() && counted(&desk).is_empty());
}

#[test]
fn a_scheduler_says_which_process_this_is_and_a_file_where_they_are() {
    let desk = desk(4, false);
    let free =
        || std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    std::fs::write(desk.path("hosts"), format!("127.0.0.1:{}\nlocalhost:{} # two\n", free(), free()))
        .expect("writes");
    let start = |index: &str| {
        let mut command = command(&desk, "--process auto --hosts hosts --cores 1");
        command.env("SLURM_PROCID", index).env("SLURM_NTASKS", "2");
        tests::program::start(&mut command)
    };
    let (second, first) = (start("1"), start("0"));
    assert_eq!(done(first).json()["processes"]["count"], 2);
    done(second);
    assert_published(&desk, "", "by a scheduler's variables");
}
