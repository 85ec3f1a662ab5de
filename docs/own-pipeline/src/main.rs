//! A pipeline in a crate of its own: it keeps the pictures that are large enough and have enough contrast.

use std::process::ExitCode;

use operators::pixels::decode::{Purpose, Rgb, decode, decoded_bytes_of, decoder_stamp};
use operators::{ShortSide, short_side};
use threshflow::cli::{App, Failure, Workbench};
use threshflow::lane::{Limits, Reply, Subject};
use threshflow::prelude::*;
use threshflow::row::{Refusal, Stamp};
use threshflow::shard::Picture;

/// How much the brightness of a picture varies: its standard deviation.
pub struct Contrast;

impl Unit for Contrast {
    const NAME: &'static str = "contrast";
    const UNIT: &'static str = "levels of 255";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 127.5;
}

/// Measures the contrast of pictures.
pub struct ContrastScorer {
    /// So many pixels at each edge do not count.
    border: usize,
}

impl ContrastScorer {
    /// The contrast inside the border; `None` where the border leaves no pixel.
    fn contrast(&self, picture: &Rgb) -> Option<f32> {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let inside = |at: usize, length: usize| at >= self.border && at + self.border < length;
        let pixels = || picture.pixels.chunks_exact(3).enumerate();
        let pixels = || pixels().filter(|(at, _)| inside(at % width, width) && inside(at / width, height));
        let greys = || pixels().map(|(_, rgb)| grey(rgb[0], rgb[1], rgb[2]));
        let count = greys().count() as f64;
        let mean = greys().sum::<f64>() / count;
        let variance = greys().map(|grey| (grey - mean).powi(2)).sum::<f64>() / count;
        (count > 0.0).then_some(variance.sqrt() as f32)
    }
}

/// The brightness of a pixel, from 0 to 255, as television has it (Rec. 601).
fn grey(red: u8, green: u8, blue: u8) -> f64 {
    0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue)
}

impl Operator for ContrastScorer {
    type Answer = Score<Contrast>;
    type Prepared = f32;
    type Session = ();

    fn name(&self) -> &'static str {
        "contrast"
    }

    fn stamp(&self) -> Stamp {
        let border = self.border.to_le_bytes();
        let decoder = decoder_stamp(Purpose::Full);
        Stamp::of(&[("operator", b"contrast/1"), ("border", &border), ("decoder", decoder.as_bytes())])
    }

    fn model(&self) -> String {
        format!("standard deviation of brightness, {} pixels from each edge", self.border)
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        let (width, height) = (picture.width.into(), picture.height.into());
        decoded_bytes_of(bytes, width, height, picture.format, Purpose::Full)
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        (questions * size_of::<f32>()) as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<f32, Refusal> {
        let (picture, bytes) = subject.look()?;
        let pixels = decode(bytes, picture.format, picture.orientation, Purpose::Full)?;
        self.contrast(&pixels).ok_or_else(|| {
            let Picture { width, height, .. } = picture;
            let message = format!("{width} x {height} pixels, and --border {} leaves none", self.border);
            Refusal::permanent("too_small", message)
        })
    }

    fn limits(&self) -> Limits {
        Limits::of_functions(256)
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, _: &mut (), prepared: &[f32]) -> Vec<Result<Reply<Score<Contrast>>, Refusal>> {
        prepared.iter().map(|contrast| Ok(Score::of(*contrast).into())).collect()
    }
}

dials! {
    /// What a rerun may turn: `own-pipeline run … --set contrast=50`.
    pub struct Dials {
        /// How long the shorter side of a picture must be.
        short_side: ShortSide > 512,
        /// How much the brightness of a picture must vary.
        contrast: Contrast >= 30,
    }
}

/// The stages that cost something.
pub struct OwnPipeline {
    contrast: Arc<Stage<ContrastScorer>>,
}

impl Pipeline for OwnPipeline {
    const NAME: &'static str = "own_pipeline";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        images.each(short_side).gate(&dial.short_side).ask(&self.contrast).gate(&dial.contrast)
    }
}

/// Flags of `run` and `plan`.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// So many pixels at each edge of a picture do not count: for pictures with frames
    #[arg(long, default_value_t = 0, value_name = "PIXELS")]
    border: usize,
}

impl App for OwnPipeline {
    const ABOUT: &'static str = "Keeps the pictures that are large enough and have enough contrast";
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        let contrast = ContrastScorer { border: args.border };
        Ok(OwnPipeline { contrast: Stage::open(contrast, &workbench.lanes)? })
    }
}

fn main() -> ExitCode {
    threshflow::cli::main::<OwnPipeline>()
}
