//! How much of their speed the models that run here keep while the servers that others run on fail.
//!
//! `imgedit` over small drawn scenes, with the demo's ONNX models on half of the cores and fake chat and editing models behind
//! an address, once as they should be and once failing as often as this file says; in turns, so that who else uses the machine
//! bears on both. Speed is answers a second of the ONNX stages, from the start until 99 in 100 of their answers are there: the
//! last ones wait for the unluckiest calls, of which a handful fail five times in a row, and after them come the servers alone.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::FromArgMatches;
use pipelines::demo::{DemoOptions, write_demo_shards};
use pipelines::imgedit::ImgEdit;
use tests::fakes::models::{Faults, Models};
use tests::live::{Live, Options};
use threshflow::cli::App;
use threshflow::lane::Lanes;
use threshflow::shard::find;

const SCENES: usize = 1_200;
const ROUNDS: usize = 2;
const FAILING: Faults = Faults { too_many: 30, broken: 10, hang: 5 };
/// Seconds after which a call that hangs is given up.
const TIMEOUT: &str = "3";
const IN_FLIGHT: &str = "128";
const HERE: [&str; 4] = ["aesthetic", "detect", "segment", "region_score"];

fn main() {
    // `cargo bench -- NAME` shows its filter to every bench.
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "servers".contains(filter.as_str())) {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2);
    let folder = tests::scratch();
    let shards = folder.path().join("shards");
    let drawn = DemoOptions { scenes: SCENES, shrink: 4, threads: cores, ..DemoOptions::default() };
    write_demo_shards(&shards, &drawn).expect("shards are written");
    println!("{SCENES} scenes, {cores} cores for decoding and for models, {IN_FLIGHT} calls in flight");
    let mut shares = Vec::new();
    for round in 0..ROUNDS {
        let run = |name: &str, faults: Faults| {
            let models = Models::failing(faults);
            let speed = run(&shards, &folder.path().join(format!("{name}{round}")), &models, cores);
            let (answers, failed) = (models.answers(), models.injected());
            println!(
                "{name}: {} answers, 99 in 100 in {:.1} s, {:.0} a second; the last at {:.1} s, all done at {:.1} s; servers: {answers} answers, {failed} failures",
                speed.answers,
                speed.most,
                speed.rate(),
                speed.last,
                speed.whole
            );
            speed.rate()
        };
        let [calm, disturbed] = [("undisturbed", Faults::default()), ("disturbed", FAILING)]
            .map(|(name, faults)| run(name, faults));
        shares.push(disturbed / calm);
    }
    let shares: Vec<String> = shares.iter().map(|share| format!("{:.0} %", share * 100.0)).collect();
    println!("beside failing servers the models that run here keep {} of their speed", shares.join(", "));
}

/// What the models that run here did.
struct Speed {
    answers: u64,
    /// Until 99 in 100 of their answers were there.
    most: f64,
    /// Until the last of them.
    last: f64,
    whole: f64,
}

impl Speed {
    fn rate(&self) -> f64 {
        0.99 * self.answers as f64 / self.most
    }
}

fn run(shards: &Path, store: &Path, models: &Models, cores: usize) -> Speed {
    let options = Options {
        window: 64,
        rows_an_epoch: 4096,
        pool_threads: cores,
        pool_queue: 64.max(cores * 16),
        decoded_bytes: 1 << 30,
        ..Options::default()
    };
    let values: Vec<f32> = threshflow::pipeline::dial_specs::<ImgEdit>()
        .iter()
        .map(|dial| match dial.name {
            "short_side" | "aesthetic" => 0.0,
            "detection" => 0.4,
            _ => dial.default,
        })
        .collect();
    let mut live = Live::<ImgEdit>::open(store, &options, &args(&models.url()), &values, None);
    let (lanes, done) = (live.lanes.clone(), AtomicBool::new(false));
    let start = Instant::now();
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&lanes, &done, start));
        let sources = find(&[shards.to_string_lossy().into_owned()]).expect("shards are found");
        sources.into_iter().for_each(|source| live.insert_source(source));
        live.settle();
        let whole = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let seen = watching.join().expect("watches");
        let (answers, last) = *seen.last().expect("there are answers");
        let most = seen.iter().find(|(some, _)| *some * 100 >= answers * 99).expect("the last at least").1;
        Speed { answers, most: most.as_secs_f64(), last: last.as_secs_f64(), whole }
    })
}

/// How many answers the stages that run here had given, and when.
fn watch(lanes: &Lanes, done: &AtomicBool, start: Instant) -> Vec<(u64, Duration)> {
    let mut seen = vec![(0, Duration::ZERO)];
    while !done.load(Ordering::Relaxed) {
        let here = lanes.status().into_iter().filter(|stage| HERE.contains(&stage.name));
        let now = here.map(|stage| stage.asked.answered).sum();
        if seen.last().is_some_and(|(before, _)| now > *before) {
            seen.push((now, start.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    seen
}

/// As on a command line.
fn args(url: &str) -> <ImgEdit as App>::Args {
    let model = |name: &str| format!("{}/../models/demo/{name}", env!("CARGO_MANIFEST_DIR"));
    let command = <<ImgEdit as App>::Args as clap::Args>::augment_args(clap::Command::new("imgedit"));
    let (aesthetic, detector, segmenter, clip) =
        (model("aesthetic"), model("detect"), model("segment"), model("clip"));
    let matches = command.get_matches_from([
        "imgedit",
        "--nouns-from=none",
        "--edits=remove=0.2",
        "--edit-model=painter",
        "--chat-model=writer",
        "--aesthetic",
        &aesthetic,
        "--detector",
        &detector,
        "--detector-text",
        &clip,
        "--segmenter",
        &segmenter,
        "--clip",
        &clip,
        "--chat-url",
        url,
        "--edit-url",
        url,
        "--in-flight",
        IN_FLIGHT,
        "--call-timeout",
        TIMEOUT,
    ]);
    <ImgEdit as App>::Args::from_arg_matches(&matches).expect("flags are as they should be")
}
