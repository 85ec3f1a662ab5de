//! The flags of `edit_bench`.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use kit::servers::{EditorArgs, EndpointArgs, SpendingArgs, values};
use operators::words::chat::PixelRange;

/// Flags of `edit_bench run` and `edit_bench plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The benchmark
    #[arg(long, value_name = "NAME", value_parser = names())]
    pub benchmark: String,
    /// Its items: the JSON file, or the folder that holds it and the pictures
    #[arg(long, value_name = "PATH")]
    pub items: PathBuf,
    /// Pictures that somebody made already: a folder with KEY.png, KEY.jpg or KEY.webp for each item; KEY_1, KEY_2 ... for turns
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["editor", "edit_url", "comfyui", "inpainter"])]
    pub results: Option<PathBuf>,
    /// An editor that needs no server, to hold others against
    #[arg(long, value_name = "EDITOR", conflicts_with_all = ["edit_url", "comfyui", "inpainter"])]
    pub editor: Option<Baseline>,
    /// What tables call the editor [default: the editing model, or the folder of results]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub name: Option<String>,
    /// The benchmark's own prompt file, as it is [default: the one that lies beside the items]
    #[arg(long, value_name = "FILE", conflicts_with = "own_rubrics")]
    pub rubrics: Option<PathBuf>,
    /// Judge by the rubrics that come with this program. Scores by other rubrics do not compare with them
    #[arg(long)]
    pub own_rubrics: bool,
    /// How often each item is judged; an item's score is the mean. Pass N is asked with seed N - 1
    #[arg(long, default_value_t = 1, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_PASSES)))]
    pub passes: u32,
    /// How answers are read: `default` takes what judges really write, `upstream` only what the benchmark's own script takes
    #[arg(long, default_value = "default", value_name = "PARSER")]
    pub parser: ParserArg,
    /// Cut the second and the third score to the first, as the judge is told to keep them. Without it, such answers are only counted
    #[arg(long)]
    pub clamp: bool,
    /// Shapes the pictures that editors make
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub seed: u64,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub endpoints: EndpointArgs,
    #[command(flatten)]
    pub editors: EditorArgs,
    #[command(flatten)]
    pub spending: SpendingArgs,
}

/// The judge.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Judge")]
pub struct JudgeArgs {
    /// The endpoint of the judge, OpenAI-compatible. Its key is in JUDGE_API_KEY, or in OPENAI_API_KEY where no other endpoint is named
    #[arg(long, value_name = "URL")]
    pub judge_url: Option<String>,
    /// The model that judges: gpt-4.1, ImgEdit-Judge; without it, the embedded judge does, which knows the demo's items alone
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub judge_model: Option<String>,
    /// The judge's temperature, 0 to 2 [default: the server's own]
    #[arg(long, value_name = "NUMBER", value_parser = values::temperature)]
    pub temperature: Option<f32>,
    /// The most tokens of an answer
    #[arg(long, default_value_t = 2048, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: u32,
    /// The pixels that pictures are resized to: as-is sends the files as they are; imgedit-judge is 1016064-1354752; or LEAST-MOST
    /// [default: imgedit-judge for models of that name, otherwise as-is]
    #[arg(long, value_name = "PIXELS", value_parser = judge_pixels)]
    pub judge_pixels: Option<Pixels>,
}

/// The most passes.
pub(crate) const MOST_PASSES: u32 = 20;

/// The judge that is asked where none is named.
pub(crate) const EMBEDDED: &str = "embedded, by pixels";

/// The size at which a judge is sent pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// The files themselves.
    AsTheyAre,
    Within(PixelRange),
}

/// An editor that is there for comparison.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Gives every picture back as it is
    NoOp,
    /// The embedded painter, which knows the demo's items alone
    Embedded,
    /// The embedded painter, about another object than the one that is asked for
    WrongObject,
}

/// How answers are read.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParserArg {
    /// Lines, JSON and prose
    Default,
    /// What the benchmark's own script takes
    Upstream,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(benchmarks::all().iter().map(|benchmark| benchmark.name))
}

fn judge_pixels(text: &str) -> Result<Pixels, String> {
    match text {
        "as-is" => return Ok(Pixels::AsTheyAre),
        "imgedit-judge" => return Ok(Pixels::Within(PixelRange::OF_A_JUDGE)),
        _ => {}
    }
    let ends = text.split_once('-').and_then(|(least, most)| Some((least.parse().ok()?, most.parse().ok()?)));
    match ends {
        Some((least, most)) if 1 <= least && least <= most => Ok(Pixels::Within(PixelRange { least, most })),
        _ => Err("give as-is, imgedit-judge, or LEAST-MOST in pixels such as 1016064-1354752".to_owned()),
    }
}

impl Args {
    /// What tables call the editor.
    pub fn name(&self) -> String {
        let of_folder = |folder: &PathBuf| {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            folder.file_name().map(|name| name.to_string_lossy().into_owned())
        };
        let baseline = |baseline: Baseline| match baseline {
            Baseline::NoOp => "no-op",
            Baseline::Embedded => "embedded",
            Baseline::WrongObject => "wrong-object",
        };
        self.name
            .clone()
            .or_else(|| self.results.as_ref().and_then(of_folder))
            .or_else(|| self.editor.map(|editor| baseline(editor).to_owned()))
            .or_else(|| self.editors.edit_model.clone())
            .or_else(|| self.editors.workflows.as_ref().and_then(of_folder))
            .unwrap_or_else(|| "editor".to_owned())
    }

    /// What tables call the judge.
    pub fn judge_name(&self) -> String {
        self.judge.judge_model.clone().unwrap_or_else(|| EMBEDDED.to_owned())
    }

    /// How the judge is sent pictures.
    pub fn pixels(&self) -> Pixels {
        let is_imgedits = |model: &String| model.to_lowercase().replace('_', "-").contains("imgedit-judge");
        self.judge.judge_pixels.unwrap_or(match &self.judge.judge_model {
            Some(model) if is_imgedits(model) => Pixels::Within(PixelRange::OF_A_JUDGE),
            _ => Pixels::AsTheyAre,
        })
    }
}
