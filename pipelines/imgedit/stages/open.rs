//! Who answers in `imgedit`: chat models behind an endpoint, ComfyUI, an HTTP editor, ONNX, or the embedded defaults if nothing else is
//! named.

use std::sync::Arc;

use operators::caption::{Caption, CaptionBy, CaptionSource, FixedVocabulary, Sidecars};
use operators::compare::Compare;
use operators::edit::{Edit, EditPictures, Editors};
use operators::edit_source::EditSource;
use operators::editors::http_edit::Wording;
use operators::editors::limits::Limits;
use operators::editors::paint::Paint;
use operators::editors::references::References;
use operators::instruct::{Instruct, InstructBy};
use operators::judge::{Judge, JudgeBy};
use operators::noun_finder::{NounFinder, NounsBy};
use operators::plan::choose::Choose;
use operators::plan::edit_plan::EditType;
use operators::plan::noun_list::{NounList, NounSource};
use operators::words::chat::ChatModel;
use operators::words::chat_cache::ChatCache;
use operators::words::plain::{Lexicon, Vocabulary};
use operators::{NounsFromSidecar, Records};
use threshflow::cli::{Failure, Workbench};
use threshflow::lane::{Lanes, Operator, Stage};
use threshflow::row::RegionKind;

use crate::Stages;
use crate::args::Args;
use crate::flags;
use crate::measures::Measures;
use crate::record::ImgEditRecorder;
use kit::edit_record::RecordedStamp;
use kit::ground::{Ground, Opening};
use kit::illustrate::IllustrateEdits;
use kit::region_record::RegionRecorder;
use kit::servers::{Endpoints, editors};

fn said(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// A chat model's cache, the model where it is named, and the endpoint where it has one of its own.
type Named<'a> = (&'static str, &'a Option<String>, Option<&'a str>);

/// The chat model of an operator; `None` where the embedded default is to answer.
fn chat(
    args: &Args,
    endpoints: &mut Endpoints<'_>,
    (name, model, url): Named<'_>,
) -> Result<Option<Arc<ChatCache>>, Failure> {
    let chat = &args.chat;
    let Some(model) = model.as_ref().or(chat.chat_model.as_ref()) else { return Ok(None) };
    let model = ChatModel {
        temperature: Some(chat.temperature),
        seed: Some(args.seed),
        max_tokens: chat.max_tokens,
        ..ChatModel::new(model.as_str())
    };
    endpoints.chat(name, model, url.unwrap_or(&chat.chat_url)).map(Some)
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

/// Opens all stages.
pub(crate) fn open(args: &Args, workbench: &Workbench) -> Result<Stages, Failure> {
    flags::check(args)?;
    let lanes = &workbench.lanes;
    let opening = Opening::of(&args.ground, workbench)?;
    let models = flags::models(args);
    let asked = (&args.chat.endpoints, &args.spending);
    let mut endpoints = Endpoints::of(asked, &args.chat.chat_url, &models, workbench)?;
    let vocabulary = vocabulary(args)?;

    let sidecars = if args.sidecar_captions { Sidecars::First } else { Sidecars::Ignored };
    let by = match chat(args, &mut endpoints, ("caption_chat", &args.chat.caption_model, None))? {
        Some(chat) => CaptionBy::Chat(chat),
        None => {
            let nouns = Arc::new(FixedVocabulary(nouns_of(&vocabulary)?));
            CaptionBy::Finds(Box::new(opening.detector(nouns, Records::default())?))
        }
    };
    let caption = Stage::open(Caption::new(by, sidecars), lanes)?;
    let captions: Arc<dyn CaptionSource> = caption.clone();

    let by = match chat(args, &mut endpoints, ("nouns_chat", &args.chat.nouns_model, None))? {
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
    let by = match chat(args, &mut endpoints, ("instruct_chat", &args.chat.instruct_model, None))? {
        Some(chat) => InstructBy::Chat(chat),
        None => InstructBy::Plain(lexicon(args)?),
    };
    let named = (&args.editors, &args.chat.endpoints);
    let backend = || Ok(opening.backend.clone());
    let mut editors = editors(named, Wording::default(), backend, workbench, &mut endpoints)?;
    editors.push(Arc::new(Paint));
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
    let by = match chat(args, &mut endpoints, ("judge_chat", &args.chat.judge_model, judge_url))? {
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
