//! Prepare: from web shards to the pictures worth editing. ImgEdit's first stage.
//!
//! Every `ask` is answered once and remembered. Every `gate` has a dial that a rerun may move.

mod bench;
mod demo;

use std::path::PathBuf;

use operators::score::{Results, SourceScorer};
use operators::{Aesthetic, AestheticScorer, Clip, HeadOnClip, ShortSide, short_side};
use threshflow::cli::{App, Bench, Demo, Entry, Failure, Workbench};
use threshflow::prelude::*;
use threshflow::report::Illustrator;
use threshflow::row::NamedScores;

use kit::illustrate::Illustrate;
use kit::models::ModelArgs;
use kit::scorers::ScoreArgs;

dials! {
    /// What a rerun may turn: `threshflow prepare run ... --set aesthetic=5.0`.
    pub struct Dials {
        /// How long the shorter side of a picture must be.
        short_side: ShortSide > 1280,
        /// How pleasing a picture must be.
        aesthetic: Aesthetic > 4.75,
    }
}

/// The pipeline as a program has it. It is compiled here, with the crate.
pub static ENTRY: Entry = Entry::of::<Prepare>();

/// The stages that cost something, opened once and shared by every worker.
pub struct Prepare {
    aesthetic: Scorer,
    /// Of the user's own.
    scorers: Vec<Arc<Stage<SourceScorer>>>,
}

/// How a picture's score is had.
enum Scorer {
    Whole(Arc<Stage<AestheticScorer>>),
    /// CLIP is asked for the embedding, and a head scores that.
    OnClip(Arc<Stage<Clip>>, Arc<Stage<HeadOnClip>>),
}

/// A picture with its size, its beauty, and what scorers of the user's own say.
pub type Pleasing = With<Scored<Scored<Image, ShortSide>, Aesthetic>, NamedScores>;

impl Prepare {
    /// The pictures that are large and pleasing enough, and that pass the scorers of the user's own; `distinct` goes on from them.
    pub fn pleasing<'s>(
        &self,
        images: Flow<'s, Image>,
        size: &Dial<'s, ShortSide>,
        aesthetic: &Dial<'s, Aesthetic>,
    ) -> Flow<'s, Pleasing> {
        let large = images.each(short_side).gate(size);
        let scored = match &self.aesthetic {
            Scorer::Whole(scorer) => large.ask(scorer),
            Scorer::OnClip(clip, head) => large.ask(clip).ask(head),
        };
        scored.gate(aesthetic).named_scores(&self.scorers)
    }
}

impl Pipeline for Prepare {
    const NAME: &'static str = "prepare";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        self.pleasing(images, &dial.short_side, &dial.aesthetic)
    }

    fn illustrator(&self) -> Option<&dyn Illustrator> {
        Some(&Illustrate)
    }
}

/// Flags of `prepare run` and `prepare plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The scorer: a folder with model.onnx, or with vision_model.onnx and head.onnx; or one .onnx file
    #[arg(long, value_name = "MODEL", required_unless_present = "aesthetic_from_sidecar")]
    pub aesthetic: Option<PathBuf>,
    /// Ask this CLIP (a folder with vision_model.onnx) for embeddings, and score them by the head.onnx of --aesthetic
    #[arg(long, value_name = "FOLDER", requires = "aesthetic", conflicts_with = "aesthetic_from_sidecar")]
    pub clip: Option<PathBuf>,
    /// Take the score from this field of the .json sidecar (LAION has `aes`); ask only if it is missing
    #[arg(long, value_name = "FIELD")]
    pub aesthetic_from_sidecar: Option<String>,
    #[command(flatten)]
    pub scorers: ScoreArgs,
    #[command(flatten)]
    pub models: ModelArgs,
}

impl App for Prepare {
    const ABOUT: &'static str = "Curates web shards: keeps the pictures that are large and pleasing enough";
    const DEMO: Option<Demo> = Some(demo::run);
    const BENCH: Option<Bench<Args>> = Some(bench::throughput);
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        let failed = |error: operators::onnx::OnnxError| Failure::Failed(error.to_string());
        let (lanes, cores) = (&workbench.lanes, workbench.cores);
        let whole = |scorer: AestheticScorer| -> Result<Scorer, Failure> {
            let field = args.aesthetic_from_sidecar.as_deref();
            Ok(Scorer::Whole(workbench.stage_or_sidecar(scorer, field)?))
        };
        let Some(model) = &args.aesthetic else {
            let scorers = args.scorers.open_sources(|| args.models.backend(workbench), workbench)?;
            return Ok(Prepare { aesthetic: whole(AestheticScorer::without_model())?, scorers });
        };
        let (backend, decode) = (args.models.backend(workbench)?, args.models.decode);
        let aesthetic = match &args.clip {
            Some(clip) => {
                let clip = Clip::open(clip, &backend, cores).map_err(failed)?.decoding(decode);
                let clip = Stage::open(clip, lanes)?;
                let head = HeadOnClip::open(model, &backend, clip.clone()).map_err(failed)?;
                Scorer::OnClip(clip, Stage::open(head, lanes)?)
            }
            None => whole(AestheticScorer::open(model, &backend, cores).map_err(failed)?.decoding(decode))?,
        };
        Ok(Prepare { aesthetic, scorers: args.scorers.open_sources(|| Ok(backend), workbench)? })
    }

    kit::dials_of_scorers!(Results::NotMade);
}
