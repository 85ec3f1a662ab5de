//! `threshflow prepare bench`: images a second from shards to published rows, and the limit of this machine, in one run.
//!
//! The limit is `cores / (decode + model)`, in core-seconds for each image, each measured alone with all cores busy. A program without any
//! cost of its own would reach it. If others use the machine, each measurement meets another load, and only the seconds of CPU can be
//! compared. So they are given too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use operators::AestheticScorer;
use threshflow::cli::{BenchOptions, Commands, Failure, print_json};
use threshflow::lane::{Operator, Subject};
use threshflow::limits::{cpu_seconds, no_thread, side_by_side};
use threshflow::shard::{Catalogue, Shard};

use crate::Args;

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// What a measurement took: seconds by the clock, and seconds that cores worked for this process.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    cpu: f64,
}

struct Clock {
    begin: Instant,
    cpu: f64,
}

impl Clock {
    fn start() -> Self {
        Clock { begin: Instant::now(), cpu: cpu_seconds() }
    }

    fn took(&self) -> Took {
        Took { wall: self.begin.elapsed().as_secs_f64(), cpu: cpu_seconds() - self.cpu }
    }
}

/// On so many pictures decoding and the model are measured alone, where nobody says how many.
const AT_MOST: usize = 1000;

/// A picture of an open shard.
type SampleAt = (Arc<Shard>, u32);

pub(crate) fn throughput(args: &Args, options: &BenchOptions, commands: &Commands) -> Result<(), Failure> {
    let is_alone = args.clip.is_none() && args.aesthetic_from_sidecar.is_none();
    if !(is_alone && args.scorers.score.is_empty() && args.scorers.score_from_sidecar.is_empty()) {
        let message = "`prepare bench` measures the model of --aesthetic alone; leave out --clip, --aesthetic-from-sidecar, --score and \
                       --score-from-sidecar";
        return Err(Failure::Usage(message.into()));
    }
    let Some(model) = &args.aesthetic else {
        return Err(Failure::Usage("bench needs a model: --aesthetic names one".into()));
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let backend = args.models.find()?;
    let scorer = AestheticScorer::open(model, &backend, cores).map_err(failed)?.decoding(args.models.decode);
    let scratch = tempfile::tempdir().map_err(failed)?;
    let catalogue = Catalogue::open(&scratch.path().join("index"), options.source.read_options(), false)?;
    let places = pictures(&catalogue, options)?;
    if places.is_empty() {
        return Err(Failure::Failed("the shards hold no picture that can be read".into()));
    }

    let (crops, decode) = decode_alone(&scorer, &places, cores)?;
    let model = model_alone(&scorer, crops, cores)?;
    let clock = Clock::start();
    let (images, seconds) = end_to_end(args, options, commands, scratch.path())?;
    let whole = Took { wall: seconds, cpu: clock.took().cpu };
    let images_a_second = images as f64 / whole.wall;
    let result = Throughput {
        backend: backend.description(),
        decode: args.models.decode.to_string(),
        cores,
        pictures: places.len(),
        decode_core_ms: decode.wall * 1e3,
        model_core_ms: model.wall * 1e3,
        limit_images_per_second: cores as f64 / (decode.wall + model.wall),
        end_to_end_images: images,
        end_to_end_images_per_second: images_a_second,
        share_of_limit: images_a_second * (decode.wall + model.wall) / cores as f64,
        decode_cpu_ms: decode.cpu * 1e3,
        model_cpu_ms: model.cpu * 1e3,
        end_to_end_cpu_ms: whole.cpu * 1e3 / images.max(1) as f64,
        cores_busy: whole.cpu / whole.wall,
    };
    if options.json {
        return print_json(&result);
    }
    result.print();
    Ok(())
}

/// What a run of the bench found.
#[derive(serde::Serialize)]
struct Throughput {
    backend: String,
    /// How JPEGs were decoded: full or scaled.
    decode: String,
    cores: usize,
    pictures: usize,
    /// Each phase alone, by the clock: core-milliseconds an image.
    decode_core_ms: f64,
    model_core_ms: f64,
    limit_images_per_second: f64,
    end_to_end_images: u64,
    end_to_end_images_per_second: f64,
    share_of_limit: f64,
    /// The same in milliseconds of CPU, which do not count what others took of the machine.
    decode_cpu_ms: f64,
    model_cpu_ms: f64,
    end_to_end_cpu_ms: f64,
    /// While running end to end.
    cores_busy: f64,
}

impl Throughput {
    fn print(&self) {
        let cores = self.cores as f64;
        let alone = |name: &str, core_ms: f64, cpu_ms: f64| {
            let rate = cores * 1e3 / core_ms;
            threshflow::say!(
                "{name} {core_ms:8.2} core-ms an image ({rate:.0} images/s on {cores} cores), {cpu_ms:.2} ms of CPU"
            );
        };
        threshflow::say!("{}; JPEGs are decoded {}", self.backend, self.decode);
        alone("decode and crop alone ", self.decode_core_ms, self.decode_cpu_ms);
        alone("model alone           ", self.model_core_ms, self.model_cpu_ms);
        threshflow::say!("limit                  {:8.1} images/s", self.limit_images_per_second);
        threshflow::say!(
            "end to end             {:8.1} images/s over {} images, {:.0} % of the limit; {:.2} ms of CPU an image, \
             {:.2} of {cores} cores busy",
            self.end_to_end_images_per_second,
            self.end_to_end_images,
            100.0 * self.share_of_limit,
            self.end_to_end_cpu_ms,
            self.cores_busy
        );
    }
}

/// Up to the wanted number of pictures, from the first shards.
fn pictures(catalogue: &Catalogue, options: &BenchOptions) -> Result<Vec<SampleAt>, Failure> {
    let mut places = Vec::new();
    for source in options.source.find()?.shards {
        let shard = catalogue.load(&source)?;
        for (member, sample) in shard.index.samples.iter().enumerate() {
            if sample.picture.is_ok() && places.len() < options.at_most.unwrap_or(AT_MOST) {
                places.push((shard.clone(), member as u32));
            }
        }
    }
    Ok(places)
}

/// Crops of all pictures, and what one takes: core-seconds with all cores decoding.
fn decode_alone(
    scorer: &AestheticScorer,
    places: &[SampleAt],
    cores: usize,
) -> Result<(Vec<Vec<u8>>, Took), Failure> {
    let prepare = |(shard, member): &SampleAt| {
        let bytes = shard.picture_bytes(*member).ok()?;
        let picture = shard.index.samples[*member as usize].picture.as_ref().ok()?;
        scorer
            .prepare(&Subject {
                questions: &[],
                picture: Some((picture, &bytes)),
                end_frame: None,
                sidecar: None,
            })
            .ok()
    };
    let next = AtomicUsize::new(0);
    let clock = Clock::start();
    let work = || {
        let mut crops = Vec::new();
        while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            crops.extend(prepare(place));
        }
        crops
    };
    let crops: Vec<Vec<u8>> = side_by_side(cores, work).into_iter().flatten().collect();
    if crops.is_empty() {
        return Err(Failure::Failed("no picture could be decoded".into()));
    }
    let (took, each) = (clock.took(), 1.0 / crops.len() as f64);
    Ok((crops, Took { wall: took.wall * cores as f64 * each, cpu: took.cpu * each }))
}

/// What a picture takes, with the model's own sessions fed with ready crops and nothing else running.
fn model_alone(scorer: &AestheticScorer, crops: Vec<Vec<u8>>, cores: usize) -> Result<Took, Failure> {
    const LEAST_SECONDS: f64 = 4.0;
    let done = AtomicUsize::new(0);
    // Sessions open before the clock starts.
    let gate = std::sync::RwLock::new(());
    let (opened, opens) = std::sync::mpsc::channel();
    let clock = std::thread::scope(|threads| {
        let closed = gate.write();
        let work = |thread: usize| {
            let (crops, done, gate, opened) = (&crops, &done, &gate, opened.clone());
            move || -> Result<(), String> {
                let session = scorer.open_session();
                let _ = opened.send(());
                let _open = gate.read();
                let mut session = session?;
                let begin = Instant::now();
                for batch in crops.chunks(scorer.limits().batch).cycle().skip(thread) {
                    if begin.elapsed().as_secs_f64() > LEAST_SECONDS {
                        break;
                    }
                    scorer.answer(&mut session, batch);
                    done.fetch_add(batch.len(), Ordering::Relaxed);
                }
                Ok(())
            }
        };
        let start = |thread: usize| {
            let started = std::thread::Builder::new().spawn_scoped(threads, work(thread));
            started.map_err(|error| failed(no_thread("for a session", &error)))
        };
        let threads = (0..scorer.limits().sessions()).map(start).collect::<Result<Vec<_>, _>>()?;
        #[expect(clippy::disallowed_methods, reason = "a benchmark's own thread")]
        threads.iter().for_each(|_| opens.recv().unwrap_or_default());
        let clock = Clock::start();
        drop(closed);
        for thread in threads {
            thread.join().map_err(|_| failed("a session panicked"))?.map_err(failed)?;
        }
        Ok::<Clock, Failure>(clock)
    })?;
    let (took, each) = (clock.took(), 1.0 / done.load(Ordering::Relaxed).max(1) as f64);
    Ok(Took { wall: took.wall * cores as f64 * each, cpu: took.cpu * each })
}

/// A whole run, on an empty store: pictures asked, and seconds.
fn end_to_end(
    args: &Args,
    options: &BenchOptions,
    commands: &Commands,
    scratch: &std::path::Path,
) -> Result<(u64, f64), Failure> {
    let path = |part: &str| scratch.join(part).to_string_lossy().into_owned();
    let model = args.aesthetic.as_ref().map(|model| model.to_string_lossy().into_owned()).unwrap_or_default();
    let mut command: Vec<String> = vec!["run".into(), "--aesthetic".into(), model];
    command.extend(["--store".into(), path("store"), "--out".into(), path("out")]);
    // All pictures are asked about, if nobody says otherwise.
    if !options.set.iter().any(|set| set.starts_with("short_side")) {
        command.push("--set=short_side=0".into());
    }
    let models = &args.models;
    command.extend([format!("--device={}", models.device), format!("--backend={}", models.backend)]);
    command.push(format!("--decode={}", models.decode));
    command.push("--max-error-rate=1".into());
    command.extend(options.set.iter().map(|set| format!("--set={set}")));
    let source = &options.source;
    command
        .extend([format!("--max-pixels={}", source.max_pixels), format!("--max-bytes={}", source.max_bytes)]);
    let switches = [(source.no_exif, "--no-exif"), (source.no_mmap, "--no-mmap")];
    command.extend(switches.iter().filter(|(on, _)| *on).map(|(_, switch)| (*switch).to_owned()));
    let objects = &source.objects;
    command.extend(objects.cache.iter().map(|cache| format!("--cache={}", cache.to_string_lossy())));
    command.push(format!("--cache-bytes={}", objects.cache_bytes));
    command.push(format!("--object-retries={}", objects.object_retries));
    command.push(format!("--object-timeout={}", objects.object_timeout));
    for (flag, named) in [("--shards", &source.shards), ("--pictures", &source.pictures)] {
        command.extend(named.iter().flat_map(|named| [flag.to_owned(), named.clone()]));
    }
    let report = (commands.run)(&command)?;
    let asked = report.summary.asks.get("aesthetic").map_or(0, |asks| asks.asked);
    Ok((asked, report.summary.seconds))
}
