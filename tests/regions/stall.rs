//! Turning dials while regions are found and asked about, with next to no room in the queue, never stalls.

use std::sync::mpsc;
use std::time::Duration;

use tests::Rng;
use tests::ground::{Args, At, Ground, pictures, plain};
use tests::live::{Live, Options};
use tests::shards::write;

use crate::{DEFAULTS, SURE, settle_and_compare, some_value};

const ROUNDS: usize = 8;

#[test]
fn dials_turned_while_regions_are_asked_about_never_stall() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let folder = tests::scratch();
        let path = folder.path().join("a.tar");
        let samples = pictures(3, 0..250, 0);
        write(&path, &samples);
        for round in 0..ROUNDS {
            let options = Options {
                workers: 4,
                window: 8,
                rows_an_epoch: 64,
                pool_threads: 1 + round % 4,
                pool_queue: 1 + round % 4,
                decoded_bytes: 4000,
                ..Options::default()
            };
            let store = folder.path().join(format!("store{round}"));
            let mut live = Live::<Ground>::open(&store, &options, &Args::default(), &DEFAULTS, None);
            live.insert(&path);
            let mut rng = Rng(round as u64);
            for turn in 0..40 {
                match turn % 4 {
                    0 => live.turn(SURE, 1.0),
                    2 => live.turn(SURE, 0.0),
                    _ => {
                        let dial = rng.below(DEFAULTS.len());
                        live.turn(dial, some_value(dial, &mut rng));
                    }
                }
            }
            let values = live.engine.values();
            let plain = plain([("a", samples.as_slice())], At(&values), None);
            settle_and_compare(&mut live, &plain, &format!("round {round}"));
            let (budget, progress) = (live.lanes.budget(), live.engine.progress());
            assert!(budget.peak() <= 4000 && budget.used() == 0, "{} bytes at once", budget.peak());
            assert!(progress.peak_epochs_in_flight <= 8, "{progress:?}");
            done.send(round).unwrap();
        }
    });
    for round in 0..ROUNDS {
        assert!(ended.recv_timeout(Duration::from_secs(40)).is_ok(), "stalled (or failed) in round {round}");
    }
}
