//! kill -9 of a session at any moment: the next one goes on, asks next to nothing twice, and publishes what a fresh run publishes.

use serde_json::json;
use tests::Rng;
use tests::program::{asks, wait_for_asks};
use tests::resident::Resident;

use crate::desk;

const KILLS: u64 = 30;
const FLAGS: &str = "--cores 2 --slow 1 --log-asks asks.log";
/// As in the tests that kill runs: what is in the hands of a pool of 2, waits for a batch, or is being answered, of every stage.
const LOST: usize = 300;

#[test]
fn a_killed_session_goes_on_where_it_was() {
    let whole = desk();
    whole.done(FLAGS);
    let all = asks(&whole.path("asks.log")).len();
    let mut interrupted = 0;
    for n in 0..KILLS {
        let (desk, mut rng) = (desk(), Rng(n));
        let log = desk.path("asks.log");
        let session = Resident::start(&desk, FLAGS);
        session.post("/api/apply", &json!({}));
        if n % 3 == 0 {
            session.turn("short_side", "12");
            session.turn("short_side", "10");
        }
        wait_for_asks(&log, all * n as usize / KILLS as usize);
        if n == KILLS - 1 {
            session.rest();
            session.try_post("/api/publish", &json!({}));
        }
        std::thread::sleep(std::time::Duration::from_millis(rng.below(20) as u64));
        session.kill();
        let first = asks(&log).len();
        interrupted += usize::from(first < all);
        let session = Resident::start(&desk, FLAGS);
        session.apply();
        session.post("/api/publish", &json!({}));
        let twice = asks(&log).len() - all;
        assert!(twice <= LOST, "kill {n} after {first} of {all}: {twice} were asked twice");
        tests::trees::assert_same(&desk.path("out"), &whole.path("out"), &format!("kill {n}"));
    }
    assert!(interrupted > 15, "the kills came too late: {interrupted}");
}
