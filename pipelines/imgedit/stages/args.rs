//! The flags of `imgedit`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use operators::plan::choose::{PIXELS_APART, Shares};

use kit::ground::GroundArgs;
use kit::scorers::ScoreArgs;
use kit::servers::{DEFAULT_CHAT_URL, EditorArgs, EndpointArgs, SpendingArgs, values};

/// Flags of `imgedit run` and `imgedit plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub ground: GroundArgs,
    /// Which edits are tried: all, or types, each with the share of the pictures that it is tried on: add,remove=0.5
    #[arg(long, value_name = "TYPES", default_value = "all")]
    pub edits: Shares,
    /// Shapes every choice of objects, operations, words and pixels
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub seed: u64,
    /// How far apart the two objects of hybrid and content_memory must be, in pixels
    #[arg(long, default_value_t = PIXELS_APART, value_name = "PIXELS", value_parser = values::pixels)]
    pub pixels_apart: f32,
    /// Take a sample's own caption if it has one; ask only if it is missing
    #[arg(long)]
    pub sidecar_captions: bool,
    /// The nouns that the embedded captioner looks for: a file with a line [objects] and one noun in each line below it; backgrounds
    /// are below a line [backgrounds]
    #[arg(long, value_name = "FILE")]
    pub vocabulary: Option<PathBuf>,
    /// What the embedded grammar may name, as JSON: {"things": ["ball", "cup"]}, likewise colours, looks, styles, grounds; a list
    /// that is left out is the embedded one
    #[arg(long, value_name = "FILE")]
    pub lexicon: Option<PathBuf>,
    /// What `visual` edits show: a folder of PNG, JPEG or WebP pictures, each named for what it shows (blue_teapot.png)
    /// [default: drawn pictograms]
    #[arg(long, value_name = "FOLDER")]
    pub references: Option<PathBuf>,
    #[command(flatten)]
    pub scorers: ScoreArgs,
    #[command(flatten)]
    pub measures: MeasureArgs,
    #[command(flatten)]
    pub chat: ChatArgs,
    #[command(flatten)]
    pub editors: EditorArgs,
    #[command(flatten)]
    pub spending: SpendingArgs,
}

/// What models measure of edits, before they are judged.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Measures of edits by models")]
pub struct MeasureArgs {
    /// Measure how alike the pictures of an edit are to this vision tower: a CLIP's folder, or a DINOv2's with model.onnx and
    /// preprocessor_config.json
    #[arg(long, value_name = "FOLDER")]
    pub similarity: Option<PathBuf>,
    /// Measure by the CLIP of --clip whether the pictures of an edit changed as the words did
    #[arg(long)]
    pub clip_direction: bool,
    /// Look with the detector for what had to go, for what had to come and for the other objects in what the editor made
    #[arg(long)]
    pub redetect: bool,
}

/// Chat models.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Chat models")]
pub struct ChatArgs {
    /// The endpoint of chat models, OpenAI-compatible
    #[arg(long, value_name = "URL", env = "OPENAI_BASE_URL", default_value = DEFAULT_CHAT_URL)]
    pub chat_url: String,
    /// The endpoint of the judge, if it has another
    #[arg(long, value_name = "URL")]
    pub judge_url: Option<String>,
    /// The model that writes and judges, if no other is named; without it, the embedded defaults write and judge
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub chat_model: Option<String>,
    /// The model that captions pictures
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub caption_model: Option<String>,
    /// The model that finds the nouns of captions
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub nouns_model: Option<String>,
    /// The model that puts edits in words
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub instruct_model: Option<String>,
    /// The model that judges edits: ImgEdit-Judge, or any model that sees pictures
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub judge_model: Option<String>,
    /// The temperature of all chat models, 0 to 2
    #[arg(long, default_value_t = 0.0, value_parser = values::temperature)]
    pub temperature: f32,
    /// The most tokens of an answer
    #[arg(long, default_value_t = 1024, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: u32,
    #[command(flatten)]
    pub endpoints: EndpointArgs,
}
