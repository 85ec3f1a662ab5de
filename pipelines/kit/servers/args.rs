//! The flags of servers: how their endpoints are asked, who edits, and what a run may cost.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;

use super::values;

/// How endpoints are asked.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Endpoints")]
pub struct EndpointArgs {
    /// A file with the key of the chat models [default: the environment variable OPENAI_API_KEY]. Other endpoints have keys of
    /// their own: JUDGE_API_KEY, EDIT_API_KEY
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Use Azure's form of the API, with this api-version
    #[arg(long, value_name = "VERSION")]
    pub azure: Option<String>,
    /// The most requests of one endpoint that are under way at once
    #[arg(long, default_value_t = 16, value_name = "REQUESTS", value_parser = values::at_least_one)]
    pub in_flight: usize,
    /// Seconds that one request may take
    #[arg(long, default_value_t = 120.0, value_name = "SECONDS", value_parser = values::seconds)]
    pub call_timeout: f64,
    /// Seconds that a question may take with all its retries
    #[arg(long, default_value_t = 600.0, value_name = "SECONDS", value_parser = values::seconds)]
    pub call_deadline: f64,
    /// The most requests that an endpoint is sent in a minute
    #[arg(long, value_name = "REQUESTS")]
    pub requests_a_minute: Option<NonZeroU32>,
    /// The most tokens that an endpoint is asked for in a minute, by estimate
    #[arg(long, value_name = "TOKENS")]
    pub tokens_a_minute: Option<NonZeroU32>,
}

/// Editors, in the order in which they are tried.
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
    /// its calls, and how long an edit waits for a server that works
    #[arg(long, default_value_t = 600.0, value_name = "SECONDS", value_parser = values::seconds)]
    pub comfyui_timeout: f64,
    /// The endpoint of an editing model: OpenAI-style images/edits
    #[arg(long, value_name = "URL", requires = "edit_model")]
    pub edit_url: Option<String>,
    /// The editing model, as its endpoint names it
    #[arg(long, value_name = "MODEL", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_model: Option<String>,
    /// The size that the editing model is asked for, in the form of its endpoint: 1024x1024, auto. Without it, the endpoint decides
    #[arg(long, value_name = "SIZE", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_size: Option<String>,
    /// The quality that the editing model is asked for: low, medium, high, auto
    #[arg(long, value_name = "QUALITY", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_quality: Option<String>,
    /// Another field that is sent to the editing model as it is; may be given several times: --edit-field num_inference_steps=28
    #[arg(long, value_name = "NAME=VALUE", requires = "edit_url", value_parser = values::field)]
    pub edit_field: Vec<(String, String)>,
    /// The field in which the editing model gets a seed of 31 bits: seed. Without it, no seed is sent
    #[arg(long, value_name = "NAME", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_seed_field: Option<String>,
    /// Whether the editing model gets the region as a mask; never is for a model that edits by words alone
    #[arg(long, value_name = "WHEN", default_value = "region")]
    pub edit_mask: EditMask,
    /// An ONNX inpainter, which removes objects (LaMa): a folder with model.onnx
    #[arg(long, value_name = "FOLDER")]
    pub inpainter: Option<PathBuf>,
}

/// Whether an editing model is sent masks.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditMask {
    /// If an edit is about a region
    Region,
    /// Never: the words say where
    Never,
}

/// What a run may cost.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Spending")]
pub struct SpendingArgs {
    /// The most requests to endpoints; the next run asks what is left
    #[arg(long, value_name = "REQUESTS")]
    pub max_calls: Option<u64>,
    /// The most that requests may cost, in USD; every model then needs a price
    #[arg(long, value_name = "USD", value_parser = values::dollars)]
    pub max_cost: Option<f64>,
    /// Prices by model, in USD per million tokens: {"MODEL": {"prompt": 2.5, "completion": 10.0}}
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
}
