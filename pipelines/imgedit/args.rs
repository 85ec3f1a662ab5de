//! The flags of `imgedit`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use operators::plan::choose::{PIXELS_APART, Shares};

use crate::ground::GroundArgs;
use crate::imgedit::flags;

/// Where chat models are, where nobody says.
pub const DEFAULT_CHAT_URL: &str = "https://api.openai.com/v1";

/// Flags of `imgedit run` and `imgedit plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub ground: GroundArgs,
    /// Which edits are tried: all, or types with the share of the pictures that they are tried on: add,remove=0.5
    #[arg(long, value_name = "TYPES", default_value = "all")]
    pub edits: Shares,
    /// Shapes every choice: of objects, of operations, of words, of pixels
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub seed: u64,
    /// How far apart the two objects of hybrid and content_memory must be, in pixels
    #[arg(long, default_value_t = PIXELS_APART, value_name = "PIXELS", value_parser = flags::pixels)]
    pub pixels_apart: f32,
    /// Take a sample's own caption where it has one; ask only where it is missing
    #[arg(long)]
    pub sidecar_captions: bool,
    /// The nouns that the embedded captioner looks for: a file with a line [objects] and a noun a line below it; backgrounds below a
    /// line [backgrounds]
    #[arg(long, value_name = "FILE")]
    pub vocabulary: Option<PathBuf>,
    /// What the embedded grammar may name, as JSON: {"things": ["ball", "cup"]}, likewise colours, looks, styles, grounds; what is
    /// left out is the embedded list
    #[arg(long, value_name = "FILE")]
    pub lexicon: Option<PathBuf>,
    /// What `visual` edits show: a folder of PNG, JPEG or WebP pictures, each named for what is on it (blue_teapot.png)
    /// [default: pictograms that are drawn]
    #[arg(long, value_name = "FOLDER")]
    pub references: Option<PathBuf>,
    #[command(flatten)]
    pub chat: ChatArgs,
    #[command(flatten)]
    pub editors: EditorArgs,
    #[command(flatten)]
    pub spending: SpendingArgs,
}

/// Chat models.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Chat models")]
pub struct ChatArgs {
    /// The endpoint of chat models, OpenAI-compatible
    #[arg(long, value_name = "URL", env = "OPENAI_BASE_URL", default_value = DEFAULT_CHAT_URL)]
    pub chat_url: String,
    /// The endpoint of the judge, where it is another
    #[arg(long, value_name = "URL")]
    pub judge_url: Option<String>,
    /// A file that holds the chat models' key [default: the environment variable OPENAI_API_KEY]. Endpoints elsewhere have
    /// keys of their own: JUDGE_API_KEY, EDIT_API_KEY
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Azure's dialect, with this api-version
    #[arg(long, value_name = "VERSION")]
    pub azure: Option<String>,
    /// The model for all that is written and judged, where no other is named; without it the embedded defaults write and judge
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub chat_model: Option<String>,
    /// Captions pictures
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub caption_model: Option<String>,
    /// Finds the nouns of captions
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub nouns_model: Option<String>,
    /// Puts edits in words
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub instruct_model: Option<String>,
    /// Judges edits: ImgEdit-Judge, or any model that looks at pictures
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    pub judge_model: Option<String>,
    /// 0 to 2, of all chat models
    #[arg(long, default_value_t = 0.0, value_parser = flags::temperature)]
    pub temperature: f32,
    /// The most tokens of an answer
    #[arg(long, default_value_t = 1024, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: u32,
    /// Requests under way at once, of an endpoint
    #[arg(long, default_value_t = 16, value_name = "REQUESTS", value_parser = flags::at_least_one)]
    pub in_flight: usize,
    /// Seconds that one request may take
    #[arg(long, default_value_t = 120.0, value_name = "SECONDS", value_parser = flags::seconds)]
    pub call_timeout: f64,
    /// Seconds that a question may take with all its retries
    #[arg(long, default_value_t = 600.0, value_name = "SECONDS", value_parser = flags::seconds)]
    pub call_deadline: f64,
    /// The most requests that an endpoint is sent in a minute
    #[arg(long, value_name = "REQUESTS")]
    pub requests_a_minute: Option<NonZeroU32>,
    /// The most tokens that an endpoint is asked for in a minute, by estimate
    #[arg(long, value_name = "TOKENS")]
    pub tokens_a_minute: Option<NonZeroU32>,
}

/// Editors, in the order in which they are asked whether they can.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Editors")]
pub struct EditorArgs {
    /// ComfyUI servers, which share one queue
    #[arg(long, value_name = "URL", num_args = 1..)]
    pub comfyui: Vec<String>,
    /// The folder of ComfyUI workflows and their bindings: see models/comfyui
    #[arg(long, value_name = "FOLDER", requires = "comfyui")]
    pub workflows: Option<PathBuf>,
    /// Seconds that a prompt may take from ComfyUI's queue to its end, waiting included; --call-timeout and --call-deadline bound
    /// its calls, and how long an edit waits for a server that is well
    #[arg(long, default_value_t = 600.0, value_name = "SECONDS", value_parser = flags::seconds)]
    pub comfyui_timeout: f64,
    /// The endpoint of an editing model: OpenAI-style images/edits
    #[arg(long, value_name = "URL", requires = "edit_model")]
    pub edit_url: Option<String>,
    /// The editing model, as its endpoint names it
    #[arg(long, value_name = "MODEL", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_model: Option<String>,
    /// The size that the editing model is asked for, as its endpoint takes it: 1024x1024, auto. Without it, as the endpoint likes
    #[arg(long, value_name = "SIZE", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_size: Option<String>,
    /// The quality that it is asked for: low, medium, high, auto
    #[arg(long, value_name = "QUALITY", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_quality: Option<String>,
    /// Another field that it is sent as it is, any number of times: --edit-field num_inference_steps=28
    #[arg(long, value_name = "NAME=VALUE", requires = "edit_url", value_parser = flags::field)]
    pub edit_field: Vec<(String, String)>,
    /// The field that it is sent a seed in, of 31 bits: seed. Without it none is sent
    #[arg(long, value_name = "NAME", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_seed_field: Option<String>,
    /// Whether it is sent the region as a mask; never, for a model that edits by words alone
    #[arg(long, value_name = "WHEN", default_value = "region")]
    pub edit_mask: EditMask,
    /// An ONNX inpainter for what is taken out (LaMa): a folder with model.onnx
    #[arg(long, value_name = "FOLDER")]
    pub inpainter: Option<PathBuf>,
}

/// Whether an editing model is sent masks.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditMask {
    /// Where an edit is about a region
    Region,
    /// Never: the words say where
    Never,
}

/// What a run may cost.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Spending")]
pub struct SpendingArgs {
    /// The most requests to endpoints; what is left then is asked by the next run
    #[arg(long, value_name = "REQUESTS")]
    pub max_calls: Option<u64>,
    /// The most that requests may cost, in USD; every model needs a price then
    #[arg(long, value_name = "USD", value_parser = flags::dollars)]
    pub max_cost: Option<f64>,
    /// Prices by model, in USD per million tokens: {"MODEL": {"prompt": 2.5, "completion": 10.0}}
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
}
