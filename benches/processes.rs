//! Several processes that run one dataflow, beside one with as many workers: pictures a second, rows replayed a second, and what crosses the wire.
//!
//! The program is this one: the processes are its own. On `--cores` of two machines they would not share: here one process has all cores, and of two
//! each has half.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::Value;
use tests::program::Desk;
use threshflow::cluster::{Cluster, Joining, Place, Same};
use threshflow::flow::example::{DIALS, Dials, go_on, pictures, side};
use threshflow::flow::{Engine, EngineOptions, Fed, Peers, Setting};
use threshflow::row::Image;

/// Bytes of each shard: some 100 pictures like photos.
const SHARD: u64 = 32 << 20;
const SHARDS: usize = 24;
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| first == "prepare") {
        return threshflow::cli::main_of(&pipelines::PROGRAM);
    }
    // `cargo bench -- NAME` shows its filter to every bench.
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if filters.is_empty() || filters.iter().any(|filter| "processes".contains(filter.as_str())) {
        traffic();
        pictures_a_second();
    }
    ExitCode::SUCCESS
}

/// Asks and publishes, and replays: one process of one worker, one of two, and two of one.
fn pictures_a_second() {
    let program = std::env::current_exe().expect("this program has a path");
    let desk = Desk::of_pipeline(program.to_str().expect("UTF-8").to_owned().leak(), "prepare");
    for shard in 0..SHARDS {
        let path = desk.path(&format!("shards/{shard:05}.tar"));
        // No picture lies in two shards: two processes would both be asked about it.
        benches::photos::write_shard_from(&path, SHARD, shard as u64 * 1_000_000);
    }
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let ways = [
        ("1 process, 1 worker", format!("--workers 1 --cores {cores}")),
        ("1 process, 2 workers", format!("--workers 2 --cores {cores}")),
        ("2 processes, 1 worker each", format!("--workers 1 --cores {} --processes 2", cores.div_ceil(2))),
    ];
    let (_, model) = &tests::demo_models()[0];
    let mut rates = vec![[Vec::new(), Vec::new()]; ways.len()];
    for round in 0..ROUNDS {
        for (way, (name, flags)) in ways.iter().enumerate() {
            let _ = std::fs::remove_dir_all(desk.path("store"));
            let _ = std::fs::remove_dir_all(desk.path("out"));
            for (again, rates) in rates[way].iter_mut().enumerate() {
                let flags = format!("{flags} --backend=embedded --set short_side=0 --aesthetic={model}");
                let said = desk.done(&flags);
                let rate = said["images_per_second"].as_f64().expect("a rate");
                let what = ["asks", "replays"][again];
                println!("processes/{name}, round {round}: {what} {rate:.1} pictures/s{}", wire(&said));
                rates.push(rate);
            }
        }
    }
    let median = |rates: &[f64]| {
        let mut sorted = rates.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    for (way, (name, _)) in ways.iter().enumerate() {
        let [asks, replays] = [0, 1].map(|at| (median(&rates[way][at]), median(&rates[1][at])));
        println!(
            "processes/{name}: asks {:.1} pictures/s ({:.1} % of 1 process of 2 workers), replays {:.0} ({:.1} %)",
            asks.0,
            100.0 * asks.0 / asks.1,
            replays.0,
            100.0 * replays.0 / replays.1
        );
    }
}

fn wire(said: &Value) -> String {
    let bytes = said["processes"]["bytes_sent"].as_u64();
    let rows = said["rows"].as_f64().expect("a number");
    bytes.map_or(String::new(), |bytes| format!(", {:.1} bytes a row crossed", bytes as f64 / rows))
}

/// What timely's progress costs: bytes that all processes send for each epoch, where no row leaves its process.
fn traffic() {
    const EPOCHS: usize = 2_000;
    const ROWS: usize = 8;
    for processes in [2, 4, 8] {
        let store = tempfile::tempdir().expect("a folder");
        let each = EPOCHS / processes;
        let sent: u64 = std::thread::scope(|threads| {
            let one = |index: usize| {
                let store = store.path();
                threads.spawn(move || {
                    let place = Place { index, of: processes };
                    let cluster = join(place, store);
                    let mut engine = start(cluster.clone());
                    for epoch in 0..each {
                        let number = (epoch * processes + index) as u32;
                        let renumbered = |mut image: Image| {
                            image.id.shard = number;
                            Fed::Image(image)
                        };
                        engine
                            .insert(number, pictures([50; ROWS]).into_iter().map(renumbered), &mut go_on)
                            .expect("go in");
                    }
                    engine.settle(&mut go_on).expect("settles");
                    engine.into_verdicts();
                    cluster.finish().expect("ends");
                    cluster.bytes_sent()
                })
            };
            let threads: Vec<_> = (0..processes).map(one).collect();
            threads.into_iter().map(|thread| thread.join().expect("a process ends")).sum()
        });
        let links = (processes * (processes - 1)) as f64;
        println!(
            "processes/progress of {processes} processes: {:.0} bytes an epoch over all links, {:.0} over each",
            sent as f64 / (each * processes) as f64,
            sent as f64 / (each * processes) as f64 / links
        );
    }
}

fn join(place: Place, store: &std::path::Path) -> Arc<Cluster> {
    let joining = Joining {
        place,
        hosts: None,
        bind: Some("127.0.0.1".to_owned()),
        store,
        shards: &[],
        same: Vec::<Same>::new(),
        ends_the_process: false,
    };
    joining.join(&mut || Ok(())).expect("joins")
}

fn start(cluster: Arc<Cluster>) -> Engine {
    let options = EngineOptions { peers: Some(cluster as Arc<dyn Peers>), ..EngineOptions::default() };
    let settings: Vec<Setting> = DIALS.iter().map(|dial| Setting::At(dial.default)).collect();
    Engine::start(options, &DIALS, &settings, |images, maker| {
        let dial = Dials::make(maker);
        images.each(side).gate(&dial.side).finish()
    })
    .expect("starts")
}
