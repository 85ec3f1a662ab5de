//! Turning dials while answers come in, on several workers, never stalls.

use std::sync::mpsc;
use std::time::Duration;

use tests::curate::Args;
use tests::live::{Live, Options};
use tests::shards::{corpus, write};

const ROUNDS: usize = 30;

#[test]
fn dials_turned_while_answers_come_in_never_stall() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let folder = tests::scratch();
        let path = folder.path().join("a.tar");
        write(&path, &corpus(3, 0..1500));
        for round in 0..ROUNDS {
            let args = Args { bytes: 10, ..Args::default() };
            let options =
                Options { workers: 4, window: 8, rows_an_epoch: 256, pool_threads: 4, ..Options::default() };
            let mut live =
                Live::start(&folder.path().join(format!("store{round}")), &options, &args, &[0.0, 0.0], None);
            live.insert(&path);
            // Rows of waiting questions leave (and withdraw them) while other workers ask and answers are remembered.
            for turn in 0..60 {
                live.turn(0, if turn % 2 == 0 { 90.0 } else { 0.0 });
            }
            live.settle();
            done.send(round).unwrap();
        }
    });
    let mut rounds: usize = 0;
    while rounds < ROUNDS {
        let round = ended.recv_timeout(Duration::from_secs(60));
        assert!(round.is_ok(), "stalled in round {rounds}");
        rounds += 1;
    }
}
