//! Kill -9 while regions are found, masked and judged: the next run asks only what was not answered.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::ground::pictures;
use tests::program::{Desk, asks, wait_for_asks};
use tests::{Rng, trees};

const KILLS: u64 = 10;
const CORES: usize = 2;
/// Groups of regions that may be lost: in the hands of the pool, waiting for a batch, being answered. A question of
/// every stage likewise.
const LOST: usize = (CORES + 2 * 3 * 3 + 2 * 2 * 2) * 13 + CORES + 2 * 4 * 3 + 16 * 3;
const FLAGS: &str = "--cores 2 --slow 1 --log-asks asks.log";

fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    for (n, name) in ["a", "b", "c"].iter().enumerate() {
        desk.shard(name, &pictures(7, n as u64 * 150..n as u64 * 150 + 150, 0));
    }
    desk
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let whole = desk();
    whole.done(FLAGS);
    let of_whole = asks(&whole.path("asks.log"));
    // Samples and shards are numbered as they come: what is asked of sidecars has other names in another store.
    let plain = |line: &&String| !line.starts_with("words ");
    let all: BTreeSet<&String> = of_whole.iter().filter(plain).collect();
    assert!(of_whole.len() > 1000, "{} are too few to be interrupted", of_whole.len());
    let mut interrupted = 0;
    for n in 0..KILLS {
        let desk = desk();
        let log = desk.path("asks.log");
        let mut child = desk.start(FLAGS);
        wait_for_asks(&log, of_whole.len() * n as usize / KILLS as usize);
        std::thread::sleep(Duration::from_millis(Rng(n).below(20) as u64));
        child.kill().expect("is killed");
        child.wait().expect("is reaped");
        let first = asks(&log).len();
        interrupted += usize::from(first < of_whole.len());
        desk.done(FLAGS);
        let both = asks(&log);
        let context = format!("kill {n}, after {first} asks of {}", of_whole.len());
        let second: BTreeSet<&String> = both[first..].iter().collect();
        assert_eq!(second.len(), both.len() - first, "{context}: asked twice in one run");
        assert_eq!(both.iter().filter(plain).collect::<BTreeSet<_>>(), all, "{context}");
        let twice = both.len() - of_whole.len();
        assert!(twice <= LOST, "{context}: {twice} were asked twice");
        trees::assert_same(&desk.path("out"), &whole.path("out"), &context);
    }
    assert!(interrupted > 6, "the kills came too late: {interrupted}");
}
