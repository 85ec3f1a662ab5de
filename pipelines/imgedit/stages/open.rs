//! Who answers in `imgedit`: chat models behind an endpoint, ComfyUI, an HTTP editor, ONNX, or the embedded defaults if nothing else is
//! named.

use std::sync::Arc;
use std::time::Duration;

use operators::caption::{Caption, CaptionBy, CaptionSource, FixedVocabulary, Sidecars};
use operators::compare::Compare;
use operators::edit::{Edit, EditPictures, Editors};
use operators::edit_source::EditSource;
use operators::editors::Editor;
use operators::editors::comfy::{Comfy, ComfySettings};
use operators::editors::http_edit::{EditEndpoint, HttpEdit, HttpEditSettings, Masks};
use operators::editors::limits::Limits;
use operators::editors::onnx_inpaint::{InpaintSettings, OnnxInpaint};
use operators::editors::paint::Paint;
use operators::editors::references::References;
use operators::http::{ApiKey, Host, HostSettings, KeyHeader, Prices, Spending, Tokens};
use operators::instruct::{Instruct, InstructBy};
use operators::judge::{Judge, JudgeBy};
use operators::noun_finder::{NounFinder, NounsBy};
use operators::plan::choose::Choose;
use operators::plan::edit_plan::EditType;
use operators::plan::noun_list::{NounList, NounSource};
use operators::words::chat::{ChatModel, Style};
use operators::words::chat_cache::ChatCache;
use operators::words::plain::{Lexicon, Vocabulary};
use operators::{NounsFromSidecar, Records};
use threshflow::cli::{Failure, Workbench};
use threshflow::lane::{Lanes, Operator, Stage};
use threshflow::row::RegionKind;

use crate::Stages;
use crate::args::{Args, EditMask, EditorArgs};
use crate::flags;
use crate::measures::Measures;
use crate::record::ImgEditRecorder;
use kit::edit_record::RecordedStamp;
use kit::ground::{Ground, Opening};
use kit::illustrate::IllustrateEdits;
use kit::region_record::RegionRecorder;

fn said(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// The key in an environment variable. Servers at home want none; those that do say so.
fn key_in(variable: &str) -> Result<Option<ApiKey>, Failure> {
    std::env::var_os(variable).map(|_| ApiKey::from_environment(variable).map_err(said)).transpose()
}

/// Opens endpoints, each once.
struct Endpoints<'a> {
    args: &'a Args,
    workbench: &'a Workbench,
    /// Of the chat models' endpoint. No other endpoint is sent it.
    key: Option<ApiKey>,
    spending: Arc<Spending>,
    prices: Arc<Prices>,
    open: Vec<Arc<Host>>,
}

impl<'a> Endpoints<'a> {
    fn of(args: &'a Args, workbench: &'a Workbench) -> Result<Self, Failure> {
        let key = match &args.chat.key_file {
            Some(path) => Some(ApiKey::from_file(path).map_err(said)?),
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
    ) -> Result<Option<Arc<ChatCache>>, Failure> {
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
        Ok(Some(ChatCache::open(name, model, host, &self.workbench.lanes)?))
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

/// What a flag of seconds says.
fn seconds(seconds: f64, flag: &str) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| Failure::Usage(format!("{flag} {seconds}: {error}; give seconds above 0")))
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

/// What the editing model is asked beside the edits themselves.
fn edit_settings(wanted: &EditorArgs, model: &str) -> HttpEditSettings {
    let named = [("size", &wanted.edit_size), ("quality", &wanted.edit_quality)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    HttpEditSettings {
        fields: wanted.edit_field.iter().cloned().chain(named).collect(),
        seed_field: wanted.edit_seed_field.clone(),
        masks: match wanted.edit_mask {
            EditMask::Region => Masks::Sent,
            EditMask::Never => Masks::NotSent,
        },
        ..HttpEditSettings::new(model)
    }
}

/// The editors, in the order in which they are asked whether they can.
fn editors(
    args: &Args,
    workbench: &Workbench,
    opening: &Opening<'_>,
    endpoints: &mut Endpoints<'_>,
) -> Result<Vec<Arc<dyn Editor>>, Failure> {
    let wanted = &args.editors;
    let mut editors: Vec<Arc<dyn Editor>> = Vec::new();
    if let Some(workflows) = &wanted.workflows {
        let chat = &args.chat;
        let settings = ComfySettings {
            call_timeout: seconds(chat.call_timeout, "--call-timeout")?,
            give_up_after: seconds(chat.call_deadline, "--call-deadline")?,
            prompt_timeout: seconds(wanted.comfyui_timeout, "--comfyui-timeout")?,
            ..ComfySettings::new(wanted.comfyui.clone(), workflows.clone())
        };
        let comfy = Comfy::open(settings).map_err(said)?;
        comfy.servers().into_iter().for_each(|server| workbench.lanes.watch(server));
        editors.push(Arc::new(comfy));
    }
    if let (Some(url), Some(model)) = (&wanted.edit_url, &wanted.edit_model) {
        let host = endpoints.host(url, "EDIT_API_KEY")?;
        workbench.lanes.watch(host.clone());
        // A guess that the first answer's own count replaces: a picture in, a picture out.
        let estimated = Tokens { prompt: 1_500, completion: 5_000 };
        let endpoint = EditEndpoint::over(host, estimated).map_err(said)?;
        let settings = edit_settings(wanted, model);
        editors.push(Arc::new(HttpEdit::new(endpoint, settings).map_err(said)?));
    }
    if let Some(folder) = &wanted.inpainter {
        let settings = InpaintSettings::default();
        let inpainter = OnnxInpaint::open(folder, &opening.backend, settings, workbench.cores);
        editors.push(Arc::new(inpainter.map_err(said)?));
    }
    editors.push(Arc::new(Paint));
    Ok(editors)
}

/// Opens all stages.
pub(crate) fn open(args: &Args, workbench: &Workbench) -> Result<Stages, Failure> {
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
    let editors = editors(args, workbench, &opening, &mut endpoints)?;
    let instruct = Instruct::new(by, source.clone()).within(Limits::of(&editors));
    let instruct = Stage::open(instruct, lanes)?;
    let editors = Editors::open(editors, args.seed, lanes)?;
    let tried = EditType::ALL.into_iter().filter(|edit_type| args.edits.of(*edit_type) > 0.0);
    let edit = Stage::open(Edit::new(editors, source, instruct.clone()).trying(tried), lanes)?;
    // Of the pictures that a comparison decodes, so many bytes are kept for the judge and for other edits of the same picture.
    let pictures = EditPictures::new(edit.clone(), lanes.budget().capacity() / 8);
    let compare = Stage::open(Compare::new(pictures.clone()), lanes)?;
    let measures = Measures::open(&args.measures, (workbench, &opening), &clip_texts, &pictures)?;
    let scorers = args.scorers.open(&opening.backend, workbench, &pictures)?;
    let judge_url = args.chat.judge_url.as_deref();
    let by = match endpoints.chat("judge_chat", &args.chat.judge_model, judge_url)? {
        Some(chat) => JudgeBy::Chat(chat),
        None => JudgeBy::Pixels(Some(Box::new(opening.judge_clip(clip_texts)?))),
    };
    let judge = Stage::open(Judge::new(by, pictures.clone()), lanes)?;

    let illustrator = IllustrateEdits { pictures: pictures.clone() };
    let stamps = [
        RecordedStamp::of(&caption),
        RecordedStamp::of(&nouns),
        RecordedStamp::of(&detect),
        RecordedStamp::of(&segment),
        RecordedStamp::of(&region_score),
        RecordedStamp::of(&instruct),
        RecordedStamp::of(&edit),
        RecordedStamp::of(&compare),
    ];
    let stamps = stamps.into_iter().chain(measures.stamps()).chain([RecordedStamp::of(&judge)]);
    let recorder = ImgEditRecorder {
        recap: RegionRecorder::new(
            Some(captions),
            noun_source,
            detect.clone(),
            segment.clone(),
            opening.records.clone(),
        ),
        choose: choose.clone(),
        instruct: instruct.clone(),
        pictures,
        judge: judge.clone(),
        named: measures.columns().chain(scorers.results.iter().map(|it| it.operator().name())).collect(),
        stamps: stamps.chain(scorers.results.iter().map(|it| RecordedStamp::of(it))).collect(),
        judge_model: judge.operator().model(),
        as_stored: workbench.lanes.shown().is_some(),
    };
    Ok(Stages {
        aesthetic: opening.aesthetic.clone(),
        scorers,
        caption,
        nouns,
        detect,
        segment,
        region_score,
        choose,
        instruct,
        edit,
        compare,
        similarity: measures.similarity,
        clip_direction: measures.clip_direction,
        redetect: measures.redetect,
        judge,
        recorder,
        illustrator,
    })
}
