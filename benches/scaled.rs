//! What scaled decoding costs in accuracy: crops, embeddings and scores of the same photographs, decoded in full and scaled.
//!
//! `cargo bench -p benches --bench scaled -- PHOTOGRAPHS CLIP SCORER`: a folder of JPEGs (`benches/scaled/photographs.py` fetches 389), a
//! folder with a vision tower and one with a scorer (`benches/scaled/model.py` makes both of weights that a package brings). Without them,
//! eight drawn photos are shown to the demo's models, which says little.

use std::path::{Path, PathBuf};

use operators::models::aesthetic_model::AestheticModel;
use operators::models::clip_model::ClipModel;
use operators::onnx::{Backend, BackendChoice, Device, SessionDevice};
use operators::pixels::decode::{Purpose, Rgb, decode};
use threshflow::shard::{ReadOptions, probe};

/// All that models make of a picture.
struct Made {
    crop: Vec<u8>,
    embedding: Vec<f32>,
    score: f32,
    /// Whether it was decoded smaller than it is.
    is_smaller: bool,
}

/// One number of each picture, smallest first.
struct Spread(Vec<f64>);

impl Spread {
    fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_unstable_by(f64::total_cmp);
        Spread(numbers)
    }

    fn at(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share).round() as usize]
    }

    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }
}

fn photographs(folder: Option<&Path>) -> Vec<Vec<u8>> {
    let Some(folder) = folder else { return (0..8).map(benches::photos::jpeg).collect() };
    let entries = std::fs::read_dir(folder).expect("the folder of photographs can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a photograph can be read")).collect()
}

fn decoded(bytes: &[u8], purpose: Purpose) -> Rgb {
    let header = probe(bytes, &ReadOptions::default()).expect("a picture");
    decode(bytes, header.format, header.orientation, purpose).expect("a sound picture")
}

fn main() {
    let named: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).map(PathBuf::from).collect();
    let folder = |place: usize| named.get(place).map(PathBuf::as_path);
    let demo = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo").join(name);
    let photographs = photographs(folder(0));
    let backend = Backend::find(BackendChoice::Auto, Device::Cpu).expect("a back-end");
    let clip = ClipModel::open(folder(1).unwrap_or(&demo("clip")), &backend).expect("a vision tower");
    let scorer = AestheticModel::open(folder(2).unwrap_or(&demo("aesthetic")), &backend).expect("a scorer");
    let mut vision = clip.open_vision(SessionDevice::Cpu, 1).expect("a session");
    let mut scores = scorer.open_session(SessionDevice::Cpu, 1).expect("a session");
    let mut made = |bytes: &[u8], purpose: Purpose| {
        let rgb = decoded(bytes, purpose);
        let crop = clip.preprocess().crop_u8(&rgb).expect("a crop");
        let embedding = vision.embed(&[&crop]).expect("an embedding").remove(0);
        let score = scores.score(&[&scorer.crop(&rgb).expect("a crop")]).expect("a score")[0];
        Made { crop, embedding, score, is_smaller: rgb.width < rgb.full_width }
    };
    let full: Vec<Made> = photographs.iter().map(|bytes| made(bytes, Purpose::Full)).collect();
    let of_scores = Spread::of(full.iter().map(|made| f64::from(made.score)).collect());
    println!(
        "{} photographs; {}; scores in full: 5 % below {:.3}, half below {:.3}, 5 % above {:.3}",
        full.len(),
        backend.description(),
        of_scores.at(0.05),
        of_scores.at(0.5),
        of_scores.at(0.95)
    );
    // As `--decode scaled` does it, and with twice the size that the model sees left for the resize.
    let size = clip.preprocess().size;
    for (name, least) in [("scaled", size), ("scaled, twice the size left", 2 * size)] {
        let purpose = Purpose::ShortSideAtLeast(least);
        let pairs: Vec<(&Made, Made)> =
            full.iter().zip(&photographs).map(|(full, bytes)| (full, made(bytes, purpose))).collect();
        report(name, &pairs.into_iter().filter(|(_, made)| made.is_smaller).collect::<Vec<_>>());
    }
}

fn report(name: &str, pairs: &[(&Made, Made)]) {
    if pairs.is_empty() {
        println!("{name}: no photograph came smaller");
        return;
    }
    let spread = |of: fn(&Made, &Made) -> f64| {
        Spread::of(pairs.iter().map(|(full, scaled)| of(full, scaled)).collect())
    };
    let levels = spread(|full, scaled| {
        let apart = full.crop.iter().zip(&scaled.crop).map(|(a, b)| f64::from(a.abs_diff(*b)));
        apart.sum::<f64>() / full.crop.len() as f64
    });
    let cosine = spread(|full, scaled| {
        let dot: f64 = full.embedding.iter().zip(&scaled.embedding).map(|(a, b)| f64::from(a * b)).sum();
        let square = |made: &Made| made.embedding.iter().map(|x| f64::from(x * x)).sum::<f64>();
        dot / (square(full) * square(scaled)).sqrt()
    });
    let score = spread(|full, scaled| f64::from((full.score - scaled.score).abs()));
    let shift = spread(|full, scaled| f64::from(scaled.score - full.score));
    println!(
        "{name}: {} came smaller\n  crop, levels of 255 on average: median {:.2}, most {:.2}\n  cosine of embeddings: median {:.4}, \
         lowest 1 % {:.4}, lowest {:.4}\n  score: median difference {:.3}, 95 % below {:.3}, most {:.3}; all moved by {:+.3} on average",
        pairs.len(),
        levels.at(0.5),
        levels.at(1.0),
        cosine.at(0.5),
        cosine.at(0.01),
        cosine.at(0.0),
        score.at(0.5),
        score.at(0.95),
        score.at(1.0),
        shift.mean()
    );
}
