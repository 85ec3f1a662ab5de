//! The flags of `imgedit`, and who answers: chat models behind an endpoint, ComfyUI, an HTTP editor, ONNX, or the embedded
//! defaults where nothing else is named.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use operators::caption::{Caption, CaptionBy, CaptionSource, FixedVocabulary, Sidecars};
use operators::chat::{ChatModel, Style};
use operators::chat_book::ChatBook;
use operators::choose::{Choose, PIXELS_APART, Shares};
use operators::comfy::{Comfy, ComfySettings};
use operators::edit::{Edit, EditPictures, Editors};
use operators::edit_source::EditSource;
use operators::editor::Editor;
use operators::http::{Host, HostSettings, Key, KeyHeader, Prices, Spending, Tokens};
use operators::http_edit::{EditEndpoint, HttpEdit, HttpEditSettings};
use operators::instruct::{Instruct, InstructBy};
use operators::judge::{Judge, JudgeBy};
use operators::noun_finder::{NounFinder, NounsBy};
use operators::nouns::{NounList, NounSource};
use operators::onnx_inpaint::{InpaintSettings, OnnxInpaint};
use operators::paint::Paint;
use operators::plain::{Lexicon, Vocabulary};
use operators::references::References;
use operators::{NounsFromSidecar, Records};
use threshflow::cli::{Failure, Workbench};
use threshflow::lane::{Lanes, Operator, Stage};
use threshflow::row::RegionKind;

use crate::edit_record::RecordedStamp;
use crate::ground::{Ground, GroundArgs, Opening};
use crate::illustrate::IllustrateEdits;
use crate::imgedit::ImgEdit;
use crate::imgedit_flags as flags;
use crate::imgedit_record::ImgEditRecorder;
use crate::recap_record::RecapRecorder;

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
    /// The endpoint of an editing model: OpenAI-style images/edits
    #[arg(long, value_name = "URL", requires = "edit_model")]
    pub edit_url: Option<String>,
    /// The editing model, as its endpoint names it
    #[arg(long, value_name = "MODEL", requires = "edit_url", value_parser = NonEmptyStringValueParser::new())]
    pub edit_model: Option<String>,
    /// An ONNX inpainter for what is taken out (LaMa): a folder with model.onnx
    #[arg(long, value_name = "FOLDER")]
    pub inpainter: Option<PathBuf>,
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

fn said(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// The key in an environment variable. Servers at home want none; those that do say so.
fn key_in(variable: &str) -> Result<Option<Key>, Failure> {
    std::env::var_os(variable).map(|_| Key::from_environment(variable).map_err(said)).transpose()
}

/// Opens endpoints, each once.
struct Endpoints<'a> {
    args: &'a Args,
    workbench: &'a Workbench,
    /// Of the chat models' endpoint. No other endpoint is sent it.
    key: Option<Key>,
    spending: Arc<Spending>,
    prices: Arc<Prices>,
    open: Vec<Arc<Host>>,
}

impl<'a> Endpoints<'a> {
    fn of(args: &'a Args, workbench: &'a Workbench) -> Result<Self, Failure> {
        let key = match &args.chat.key_file {
            Some(path) => Some(Key::from_file(path).map_err(said)?),
            None => key_in("OPENAI_API_KEY")?,
        };
        let prices = match &args.spending.prices {
            Some(path) => Prices::read(path).map_err(said)?,
            None => Prices::embedded(),
        };
        flags::check_prices(args, &prices)?;
        Ok(Endpoints {
            args,
            workbench,
            key,
            spending: Spending::new(args.spending.max_calls, args.spending.max_cost),
            prices: Arc::new(prices),
            open: Vec::new(),
        })
    }

    /// The host at `url`. Where that is not the chat models' own, its key comes from the environment variable `variable`: a key is
    /// never sent to a server that it is not for.
    fn host(&mut self, url: &str, variable: &str) -> Result<Arc<Host>, Failure> {
        let known = self.open.iter().find(|host| host.settings().base_url == url.trim_end_matches('/'));
        if let Some(host) = known {
            return Ok(host.clone());
        }
        let chat = &self.args.chat;
        let is_the_chats = url.trim_end_matches('/') == chat.chat_url.trim_end_matches('/');
        let key = if is_the_chats { self.key.clone() } else { key_in(variable)? };
        let seconds = |seconds: f64, flag: &str| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|error| Failure::Usage(format!("{flag} {seconds}: {error}; give seconds above 0")))
        };
        let azure = chat.azure.is_some();
        let settings = HostSettings {
            key,
            key_header: if azure { KeyHeader::Named("api-key".into()) } else { KeyHeader::default() },
            most_in_flight: chat.in_flight,
            requests_a_minute: chat.requests_a_minute,
            tokens_a_minute: chat.tokens_a_minute,
            call_timeout: seconds(chat.call_timeout, "--call-timeout")?,
            deadline: seconds(chat.call_deadline, "--call-deadline")?,
            // The deadline is the bound that the user sets: a server that turns every second request away loses no row.
            most_retries: 12,
            // Rows wait for their epoch's slowest answer; a server that wants to be left alone for longer says so.
            longest_pause: Duration::from_secs(8),
            spending: self.spending.clone(),
            prices: self.prices.clone(),
            ..HostSettings::new(url, url)
        };
        let host = Host::open(settings).map_err(said)?;
        self.open.push(host.clone());
        Ok(host)
    }

    /// The chat model of an operator; `None` where the embedded default is to answer.
    fn chat(
        &mut self,
        name: &'static str,
        model: &Option<String>,
        url: Option<&str>,
    ) -> Result<Option<Arc<ChatBook>>, Failure> {
        let chat = &self.args.chat;
        let Some(model) = model.as_ref().or(chat.chat_model.as_ref()) else { return Ok(None) };
        let style = match &chat.azure {
            Some(api_version) => Style::Azure { api_version: api_version.clone() },
            None => Style::OpenAi,
        };
        let model = ChatModel {
            temperature: Some(chat.temperature),
            seed: Some(self.args.seed),
            max_tokens: chat.max_tokens,
            style,
            ..ChatModel::new(model.as_str())
        };
        let host = self.host(url.unwrap_or(&chat.chat_url), "JUDGE_API_KEY")?;
        self.workbench.lanes.watch(host.clone());
        Ok(Some(ChatBook::open(name, model, host, &self.workbench.lanes)?))
    }
}

fn vocabulary(args: &Args) -> Result<Vocabulary, Failure> {
    match &args.vocabulary {
        None => Ok(Vocabulary::embedded().clone()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                said(format!(
                    "the vocabulary {} can't be read: {error}; name a text file, a noun a line below [objects]",
                    path.display()
                ))
            })?;
            Vocabulary::parse(&text).map_err(said)
        }
    }
}

fn lexicon(args: &Args) -> Result<Lexicon, Failure> {
    match &args.lexicon {
        None => Ok(Lexicon::embedded()),
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| {
                said(format!(
                    "the lexicon {} can't be read: {error}; name a JSON file of lists",
                    path.display()
                ))
            })?;
            Lexicon::from_json(&bytes).map_err(said)
        }
    }
}

fn references(args: &Args, lanes: &Arc<Lanes>) -> Result<Option<Arc<References>>, Failure> {
    args.references.as_ref().map(|folder| References::open(folder, lanes).map_err(said)).transpose()
}

fn nouns_of(vocabulary: &Vocabulary) -> Result<NounList, Failure> {
    let of = |kind: RegionKind| {
        vocabulary.iter().filter(move |noun| vocabulary.get(noun).is_some_and(|(_, known)| known == kind))
    };
    NounList::of(of(RegionKind::Object), of(RegionKind::Background)).map_err(said)
}

fn editors(
    args: &Args,
    workbench: &Workbench,
    opening: &Opening<'_>,
    endpoints: &mut Endpoints<'_>,
) -> Result<Arc<Editors>, Failure> {
    let wanted = &args.editors;
    let mut editors: Vec<Arc<dyn Editor>> = Vec::new();
    if let Some(workflows) = &wanted.workflows {
        let settings = ComfySettings::new(wanted.comfyui.clone(), workflows.clone());
        editors.push(Arc::new(Comfy::open(settings).map_err(said)?));
    }
    if let (Some(url), Some(model)) = (&wanted.edit_url, &wanted.edit_model) {
        let host = endpoints.host(url, "EDIT_API_KEY")?;
        workbench.lanes.watch(host.clone());
        // A guess that the first answer's own count replaces: a picture in, a picture out.
        let estimated = Tokens { prompt: 1_500, completion: 5_000 };
        let endpoint = EditEndpoint::over(host, estimated).map_err(said)?;
        let settings = HttpEditSettings::new(model.as_str());
        editors.push(Arc::new(HttpEdit::new(endpoint, settings).map_err(said)?));
    }
    if let Some(folder) = &wanted.inpainter {
        let settings = InpaintSettings::default();
        let inpainter = OnnxInpaint::open(folder, &opening.backend, settings, workbench.cores);
        editors.push(Arc::new(inpainter.map_err(said)?));
    }
    editors.push(Arc::new(Paint));
    Ok(Editors::open(editors, args.seed, &workbench.lanes)?)
}

fn stamp_of<O: Operator>(stage: &Stage<O>) -> RecordedStamp {
    RecordedStamp {
        stage: stage.operator().name().to_owned(),
        stamp: stage.memo().stamp().to_string(),
        model: stage.operator().model(),
    }
}

/// Opens all stages.
pub fn open(args: &Args, workbench: &Workbench) -> Result<ImgEdit, Failure> {
    flags::check(args)?;
    let lanes = &workbench.lanes;
    let opening = Opening::of(&args.ground, workbench)?;
    let mut endpoints = Endpoints::of(args, workbench)?;
    let vocabulary = vocabulary(args)?;

    let sidecars = if args.sidecar_captions { Sidecars::First } else { Sidecars::Ignored };
    let by = match endpoints.chat("caption_chat", &args.chat.caption_model, None)? {
        Some(chat) => CaptionBy::Chat(chat),
        None => {
            let nouns = Arc::new(FixedVocabulary(nouns_of(&vocabulary)?));
            CaptionBy::Finds(Box::new(opening.detector(nouns, Records::default())?))
        }
    };
    let caption = Stage::open(Caption::new(by, sidecars), lanes)?;
    let captions: Arc<dyn CaptionSource> = caption.clone();

    let by = match endpoints.chat("nouns_chat", &args.chat.nouns_model, None)? {
        Some(chat) => NounsBy::Chat(chat),
        None => NounsBy::Plain(vocabulary),
    };
    let sidecar = NounsFromSidecar::new(&args.ground.nouns_from, opening.records.clone());
    let nouns = Stage::open(NounFinder::new(by, captions.clone(), sidecar), lanes)?;
    let noun_source: Arc<dyn NounSource> = nouns.clone();
    let Ground { detect, segment, region_score, clip_texts } = opening.ground(&noun_source)?;

    let source = EditSource {
        captions: captions.clone(),
        detect: detect.clone(),
        masks: segment.clone(),
        seed: args.seed,
        references: references(args, lanes)?,
    };
    let choose =
        Arc::new(Choose { seed: args.seed, shares: args.edits.clone(), pixels_apart: args.pixels_apart });
    let by = match endpoints.chat("instruct_chat", &args.chat.instruct_model, None)? {
        Some(chat) => InstructBy::Chat(chat),
        None => InstructBy::Plain(lexicon(args)?),
    };
    let instruct = Stage::open(Instruct::new(by, source.clone()), lanes)?;
    let editors = editors(args, workbench, &opening, &mut endpoints)?;
    let edit = Stage::open(Edit::new(editors, source, instruct.clone()), lanes)?;
    let pictures = EditPictures { edits: edit.clone() };
    let judge_url = args.chat.judge_url.as_deref();
    let by = match endpoints.chat("judge_chat", &args.chat.judge_model, judge_url)? {
        Some(chat) => JudgeBy::Chat(chat),
        None => JudgeBy::Pixels(Some(Box::new(opening.judge_clip(clip_texts)?))),
    };
    let judge = Stage::open(Judge::new(by, pictures.clone()), lanes)?;

    let illustrator = IllustrateEdits { pictures: pictures.clone() };
    let recorder = ImgEditRecorder {
        recap: RecapRecorder::new(
            Some(captions),
            noun_source,
            detect.clone(),
            segment.clone(),
            opening.records.clone(),
        ),
        choose: choose.clone(),
        pictures,
        judge: judge.clone(),
        stamps: vec![
            stamp_of(&caption),
            stamp_of(&nouns),
            stamp_of(&detect),
            stamp_of(&segment),
            stamp_of(&region_score),
            stamp_of(&instruct),
            stamp_of(&edit),
            stamp_of(&judge),
        ],
        judge_model: judge.operator().model(),
    };
    Ok(ImgEdit {
        aesthetic: opening.aesthetic.clone(),
        caption,
        nouns,
        detect,
        segment,
        region_score,
        choose,
        instruct,
        edit,
        judge,
        recorder,
        illustrator,
        sidecar_score: args.ground.aesthetic_from_sidecar.clone(),
    })
}
