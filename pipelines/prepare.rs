//! Prepare: from web shards to the pictures worth editing. ImgEdit's first stage.
//!
//! Every `ask` is answered once and remembered; every `gate` is a dial that a rerun may turn.
//! To make a pipeline of your own, copy this file.

use std::path::PathBuf;

use operators::onnx::{Backend, BackendChoice, Device};
use operators::{Aesthetic, AestheticScorer, ShortSide, short_side};
use threshflow::cli::{App, BenchOptions, Failure, Output, Workbench};
use threshflow::prelude::*;
use threshflow::report::Illustrator;

use crate::illustrate::Illustrate;

dials! {
    /// What a rerun may turn: `prepare run ... --set aesthetic=5.0`.
    pub struct Dials {
        /// How long the shorter side of a picture must be.
        short_side: ShortSide > 1280,
        /// How pleasing a picture must be.
        aesthetic: Aesthetic > 4.75,
    }
}

/// The stages that cost something, opened once and shared by every worker.
pub struct Prepare {
    aesthetic: Arc<Stage<AestheticScorer>>,
    sidecar_score: Option<String>,
}

impl Pipeline for Prepare {
    const NAME: &'static str = "prepare";
    type Dials<'s> = Dials<'s>;
    type Output = Scored<Scored<Image, ShortSide>, Aesthetic>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, Self::Output> {
        images.each(short_side).gate(&dial.short_side).ask(&self.aesthetic).gate(&dial.aesthetic)
    }

    fn illustrator(&self) -> Option<&dyn Illustrator> {
        Some(&Illustrate)
    }

    fn sidecar_score(&self) -> Option<&str> {
        self.sidecar_score.as_deref()
    }
}

/// Flags of `prepare run` and `prepare plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The scorer: a folder with model.onnx, or with vision_model.onnx and head.onnx; or one .onnx file
    #[arg(long, value_name = "MODEL", required_unless_present = "aesthetic_from_sidecar")]
    pub aesthetic: Option<PathBuf>,
    /// Take the score from this field of the .json sidecar (LAION has `aes`); ask only where it is missing
    #[arg(long, value_name = "FIELD")]
    pub aesthetic_from_sidecar: Option<String>,
    /// Where models run: cpu, cuda:0,1 or tensorrt:0
    #[arg(long, default_value = "cpu")]
    pub device: Device,
    /// What runs models: onnxruntime, embedded, or auto (ONNX Runtime where its library is found)
    #[arg(long, default_value = "auto")]
    pub backend: BackendChoice,
}

impl App for Prepare {
    const ABOUT: &'static str = "Curates web shards: keeps the pictures that are large and pleasing enough";
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        let scorer = match &args.aesthetic {
            Some(model) => {
                let failed = |error: operators::onnx::OnnxError| Failure::Failed(error.to_string());
                let backend = Backend::find(args.backend, args.device.clone()).map_err(failed)?;
                workbench.note(&backend.description());
                AestheticScorer::open(model, &backend, workbench.cores).map_err(failed)?
            }
            None => AestheticScorer::without_model(),
        };
        let sidecar_score = args.aesthetic_from_sidecar.clone();
        let scorer = if sidecar_score.is_some() { scorer.or_sidecar() } else { scorer };
        Ok(Prepare { aesthetic: Stage::open(scorer, &workbench.lanes)?, sidecar_score })
    }

    fn demo(folder: &std::path::Path, output: Output) -> Result<(), Failure> {
        crate::prepare_demo::run(folder, output)
    }

    fn bench(args: &Args, options: &BenchOptions) -> Result<(), Failure> {
        crate::bench::throughput(args, options)
    }
}
