//! `prepare bench`: images a second from shards to published rows, beside the limit of this machine, in one run.
//!
//! The limit is `cores / (decode + model)`, in core-seconds an image, each measured alone with all cores busy: what
//! a program without any cost of its own would reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use operators::AestheticScorer;
use operators::onnx::Backend;
use threshflow::cli::{BenchOptions, Failure, invoke, print_json};
use threshflow::lane::{Operator, Subject};
use threshflow::shard::{Catalogue, Shard, find};

use crate::prepare::{Args, Prepare};

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// A picture of an open shard.
type Place = (Arc<Shard>, u32);

pub fn throughput(args: &Args, options: &BenchOptions) -> Result<(), Failure> {
    let Some(model) = &args.aesthetic else {
        return Err(Failure::Usage("bench needs a model: --aesthetic names one".into()));
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let backend = Backend::find(args.backend, args.device.clone()).map_err(failed)?;
    let scorer = AestheticScorer::open(model, &backend, cores).map_err(failed)?;
    let scratch = tempfile::tempdir().map_err(failed)?;
    let catalogue = Catalogue::open(&scratch.path().join("index"), options.source.read_options(), false)?;
    let places = pictures(&catalogue, options)?;
    if places.is_empty() {
        return Err(Failure::Failed("the shards hold no picture that can be read".into()));
    }

    let (crops, decode) = decode_alone(&scorer, &places, cores)?;
    let model_seconds = model_alone(&scorer, crops, cores)?;
    let limit = cores as f64 / (decode + model_seconds);
    let (images, seconds) = end_to_end(args, options, scratch.path())?;
    let rate = images as f64 / seconds;
    if options.json {
        return print_json(&serde_json::json!({
            "backend": backend.description(), "cores": cores, "pictures": places.len(),
            "decode_core_ms": decode * 1e3, "model_core_ms": model_seconds * 1e3, "limit_images_per_second": limit,
            "end_to_end_images": images, "end_to_end_images_per_second": rate, "share_of_limit": rate / limit,
        }));
    }
    println!("{}", backend.description());
    println!(
        "decode and crop alone  {:8.2} core-ms an image ({:.0} images/s on {cores} cores)",
        decode * 1e3,
        cores as f64 / decode
    );
    println!(
        "model alone            {:8.2} core-ms an image ({:.0} images/s on {cores} cores)",
        model_seconds * 1e3,
        cores as f64 / model_seconds
    );
    println!("limit                  {limit:8.1} images/s");
    println!(
        "end to end             {rate:8.1} images/s over {images} images, {:.0} % of the limit",
        100.0 * rate / limit
    );
    Ok(())
}

/// Up to the wanted number of pictures, from the first shards.
fn pictures(catalogue: &Catalogue, options: &BenchOptions) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    for source in find(&options.source.shards)? {
        let shard = catalogue.load(&source)?;
        for (member, sample) in shard.index.samples.iter().enumerate() {
            if sample.picture.is_ok() && places.len() < options.pictures {
                places.push((shard.clone(), member as u32));
            }
        }
    }
    Ok(places)
}

/// Crops of all pictures, and core-seconds a picture, with all cores decoding.
fn decode_alone(
    scorer: &AestheticScorer,
    places: &[Place],
    cores: usize,
) -> Result<(Vec<Vec<u8>>, f64), Failure> {
    let prepare = |(shard, member): &Place| {
        let bytes = shard.picture_bytes(*member).ok()?;
        let picture = shard.index.samples[*member as usize].picture.as_ref().ok()?;
        scorer.prepare(&Subject { content: picture.content, picture: Some((picture, &bytes)) }).ok()
    };
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let crops: Vec<Vec<u8>> = std::thread::scope(|threads| {
        let work = || {
            let mut crops = Vec::new();
            while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                crops.extend(prepare(place));
            }
            crops
        };
        let threads: Vec<_> = (0..cores).map(|_| threads.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    if crops.is_empty() {
        return Err(Failure::Failed("no picture could be decoded".into()));
    }
    let seconds = begin.elapsed().as_secs_f64() * cores as f64 / crops.len() as f64;
    Ok((crops, seconds))
}

/// Core-seconds a picture, with the model's own sessions fed with ready crops and nothing else running.
fn model_alone(scorer: &AestheticScorer, crops: Vec<Vec<u8>>, cores: usize) -> Result<f64, Failure> {
    const LEAST_SECONDS: f64 = 4.0;
    let done = AtomicUsize::new(0);
    // Sessions open before the clock starts.
    let ready = std::sync::Barrier::new(scorer.sessions() + 1);
    let begin = std::thread::scope(|threads| {
        let work = |thread: usize| {
            let (crops, done, ready) = (&crops, &done, &ready);
            move || -> Result<(), String> {
                let session = scorer.open_session();
                ready.wait();
                let mut session = session?;
                let begin = Instant::now();
                for batch in crops.chunks(scorer.most_a_batch()).cycle().skip(thread) {
                    if begin.elapsed().as_secs_f64() > LEAST_SECONDS {
                        break;
                    }
                    scorer.answer(&mut session, batch);
                    done.fetch_add(batch.len(), Ordering::Relaxed);
                }
                Ok(())
            }
        };
        let threads: Vec<_> = (0..scorer.sessions()).map(|thread| threads.spawn(work(thread))).collect();
        ready.wait();
        let begin = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| failed("a session panicked"))?.map_err(failed)?;
        }
        Ok::<Instant, Failure>(begin)
    })?;
    Ok(begin.elapsed().as_secs_f64() * cores as f64 / done.load(Ordering::Relaxed).max(1) as f64)
}

/// A whole run, on an empty store: pictures asked, and seconds.
fn end_to_end(args: &Args, options: &BenchOptions, scratch: &std::path::Path) -> Result<(u64, f64), Failure> {
    let path = |part: &str| scratch.join(part).to_string_lossy().into_owned();
    let model = args.aesthetic.as_ref().map(|model| model.to_string_lossy().into_owned()).unwrap_or_default();
    let mut command: Vec<String> = vec!["run".into(), "--aesthetic".into(), model];
    command.extend([
        "--store".into(),
        path("store"),
        "--out".into(),
        path("out"),
        "--set".into(),
        "short_side=0".into(),
    ]);
    command.extend([format!("--device={}", args.device), format!("--backend={}", args.backend)]);
    command.push("--max-error-rate=1".into());
    let source = &options.source;
    command
        .extend([format!("--max-pixels={}", source.max_pixels), format!("--max-bytes={}", source.max_bytes)]);
    let switches = [(source.no_exif, "--no-exif"), (source.no_mmap, "--no-mmap")];
    command.extend(switches.iter().filter(|(on, _)| *on).map(|(_, switch)| (*switch).to_owned()));
    command.push("--shards".into());
    command.extend(options.source.shards.iter().cloned());
    let report = invoke::run::<Prepare>(&command)?;
    let asked = report.summary.asks.get("aesthetic").map_or(0, |asks| asks.asked);
    Ok((asked, report.summary.seconds))
}
