//! Kill -9 at any moment, then a run to the end: the output of an uninterrupted run, and next to nothing asked twice.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tests::program::{Desk, asks};
use tests::shards::corpus;
use tests::{Rng, trees};
use threshflow::publish::read_manifest;

const SIDE_BY_SIDE: usize = 3;
const CORES: usize = 2;
/// What may be asked twice: what a decode thread has in hand, what waits for a batch, what is being answered.
const IN_FLIGHT: usize = CORES + 2 * 8 * 2 + 2 * 8;
/// Slowed so that most of a run is asking.
const FLAGS: &str = "--cores 2 --slow 2 --slow-prepare 1 --log-asks asks.log";

/// What is killed, and how often.
struct Killed {
    program: &'static str,
    /// Behind [`FLAGS`].
    flags: &'static str,
    kills: usize,
}

const PLAIN: Killed = Killed { program: env!("CARGO_BIN_EXE_curate"), flags: "", kills: 50 };
/// With dials by group and by share, and scorers that flags name.
const GROUPED: Killed = Killed {
    program: env!("CARGO_BIN_EXE_grouped"),
    flags: "--scorers salt --scorers sour --set short_side=top:95% --set salt=top:850 --set sour=8 --set taste=2 \
            --set taste[tall]=top:30% --set modest=top:60%",
    kills: 20,
};

impl Killed {
    fn flags(&self) -> String {
        format!("{FLAGS} {}", self.flags)
    }
}

fn desk(killed: &Killed) -> Desk {
    let desk = Desk::new(killed.program);
    for (n, name) in ["a", "b", "c", "d"].iter().enumerate() {
        desk.shard(name, &corpus(7, n as u64 * 250..n as u64 * 250 + 250));
    }
    desk
}

/// A run that nothing disturbs: how long it takes, and what it asks.
struct Undisturbed {
    desk: Desk,
    seconds: f64,
    asked: BTreeSet<String>,
}

fn undisturbed(killed: &Killed) -> Undisturbed {
    let (desk, flags) = (desk(killed), killed.flags());
    desk.done(&flags);
    std::fs::remove_dir_all(desk.path("store")).unwrap();
    std::fs::remove_dir_all(desk.path("out")).unwrap();
    std::fs::remove_file(desk.path("asks.log")).unwrap();
    let begin = Instant::now();
    let done = desk.done(&flags);
    let seconds = begin.elapsed().as_secs_f64();
    let asked = asks(&desk.path("asks.log"));
    let distinct: BTreeSet<String> = asked.iter().cloned().collect();
    assert_eq!(
        (asked.len(), done["asks"]["judge"]["asked"].as_u64()),
        (distinct.len(), Some(distinct.len() as u64))
    );
    assert!(distinct.len() > 300, "{} are too few to be interrupted", distinct.len());
    Undisturbed { desk, seconds, asked: distinct }
}

fn kill(mut child: Child) {
    child.kill().expect("is killed");
    child.wait().expect("is reaped");
}

/// Whatever the moment, what is published is whole: every part that the manifest names is there.
fn assert_whole(out: &Path, context: &str) {
    let Some(manifest) = read_manifest(out).unwrap_or_else(|error| panic!("{context}: {error}")) else {
        return;
    };
    for part in manifest.parts {
        let there = std::fs::metadata(out.join(&part.file)).map(|meta| meta.len()).ok();
        assert_eq!(there, Some(part.bytes), "{context}: {}", part.file);
    }
}

/// Waits for the moment of this kill: a share of the whole run, or shortly after publishing began.
fn wait_for_the_moment(n: usize, desk: &Desk, seconds: f64, rng: &mut Rng) {
    if !n.is_multiple_of(3) {
        return std::thread::sleep(Duration::from_secs_f64(seconds * rng.below(1100) as f64 / 1000.0));
    }
    let publishing = || desk.path("out/.writing").exists() || desk.path("out/manifest.json").exists();
    let begin = Instant::now();
    while !publishing() && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_micros(100));
    }
    std::thread::sleep(Duration::from_micros(rng.below(20_000) as u64));
}

/// How far a kill let its run come.
#[derive(Debug, Default)]
struct Came {
    before_the_end_of_asking: usize,
    into_publishing: usize,
    asked_twice: usize,
}

fn play(n: usize, killed: &Killed, whole: &Undisturbed) -> Came {
    let mut rng = Rng(n as u64);
    let (desk, flags) = (desk(killed), killed.flags());
    let context = format!("kill {n} {}", killed.flags);
    let child = desk.start(&flags);
    wait_for_the_moment(n, &desk, whole.seconds, &mut rng);
    kill(child);
    assert_whole(&desk.path("out"), &context);
    let first = asks(&desk.path("asks.log")).len();
    let into_publishing = desk.path("out/.writing").exists();
    let done = desk.done(&flags);
    trees::assert_same(&desk.path("out"), &whole.desk.path("out"), &context);
    let all = asks(&desk.path("asks.log"));
    let second: BTreeSet<&String> = all[first..].iter().collect();
    assert_eq!(second.len(), all.len() - first, "{context}: asked twice in one run");
    assert_eq!(done["asks"]["judge"]["asked"].as_u64(), Some(second.len() as u64), "{context}");
    let distinct: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(distinct, whole.asked, "{context}");
    let asked_twice = all.len() - distinct.len();
    assert!(asked_twice <= IN_FLIGHT, "{context}: {asked_twice} asked twice, {first} had been asked");
    Came {
        before_the_end_of_asking: usize::from(first < whole.asked.len()),
        into_publishing: usize::from(into_publishing),
        asked_twice,
    }
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    play_all(&PLAIN);
}

#[test]
fn a_killed_run_of_groups_shares_and_named_scorers_goes_on_where_it_was() {
    play_all(&GROUPED);
}

fn play_all(killed: &Killed) {
    let whole = undisturbed(killed);
    let all = Mutex::new(Came::default());
    std::thread::scope(|scope| {
        for thread in 0..SIDE_BY_SIDE {
            let (whole, all) = (&whole, &all);
            scope.spawn(move || {
                for n in (0..killed.kills).filter(|n| n % SIDE_BY_SIDE == thread) {
                    let came = play(n, killed, whole);
                    let mut all = all.lock().unwrap();
                    all.before_the_end_of_asking += came.before_the_end_of_asking;
                    all.into_publishing += came.into_publishing;
                    all.asked_twice = all.asked_twice.max(came.asked_twice);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    println!("{all:?} of {}", killed.kills);
    assert!(
        all.before_the_end_of_asking >= killed.kills / 4,
        "the kills came too late to tell anything: {all:?}"
    );
    assert!(all.into_publishing >= killed.kills / 17, "no kill met the publishing: {all:?}");
}

/// Waits until `now` says so, without a pause: a moment may be short.
fn wait_until(now: impl Fn() -> bool) {
    let begin = Instant::now();
    while !now() && begin.elapsed() < Duration::from_secs(60) {
        std::hint::spin_loop();
    }
}

#[test]
fn a_kill_while_a_turn_is_published_leaves_the_old_set_or_the_new() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    // Many shards: putting their parts in place takes a while.
    for n in 0..80 {
        desk.shard(&format!("{n:02}"), &corpus(7, n * 8..n * 8 + 8));
    }
    desk.done("--set taste=4.5");
    let old = trees::read(&desk.path("out"));
    desk.done("--set taste=8");
    let new = desk.path("new");
    std::fs::rename(desk.path("out"), &new).unwrap();
    let (mut stayed, mut changed) = (0, 0);
    for n in 0..16 {
        let out = desk.path("out");
        let _ = std::fs::remove_dir_all(&out);
        for (name, bytes) in &old {
            std::fs::create_dir_all(out.join(name).parent().unwrap()).unwrap();
            std::fs::write(out.join(name), bytes).unwrap();
        }
        let manifest = out.join("manifest.json");
        let inode = std::fs::metadata(&manifest).unwrap().ino();
        let child = desk.start("--set taste=8");
        if n % 2 == 0 {
            // The moment from which the new parts are what is published: all of them must be there.
            wait_until(|| std::fs::metadata(&manifest).is_ok_and(|now| now.ino() != inode));
        } else {
            wait_until(|| out.join(".writing").exists());
            std::thread::sleep(Duration::from_micros(n * n * 500));
        }
        kill(child);
        let context = format!("kill {n}");
        assert_whole(&out, &context);
        let manifest = std::fs::read(manifest).unwrap();
        stayed += usize::from(manifest == old["manifest.json"]);
        changed += usize::from(manifest == std::fs::read(new.join("manifest.json")).unwrap());
        assert_eq!(desk.done("--set taste=8")["asks"]["judge"]["asked"], 0, "{context}");
        trees::assert_same(&out, &new, &context);
    }
    println!("{stayed} stayed, {changed} changed");
    assert_eq!(stayed + changed, 16, "a manifest is the old one or the new one");
    assert!(stayed > 0 && changed > 0, "the kills met one side of the change only: {stayed}, {changed}");
}
