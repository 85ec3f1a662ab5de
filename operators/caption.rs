//! `caption`: what a picture shows, in words. A chat model that sees the picture writes it; without one, it is made from what a detector
//! finds of a fixed vocabulary. The sample's own caption can be taken instead.

use std::sync::Arc;

use threshflow::flow::Finds;
use threshflow::lane::{Key, Known, Limits, Operator, Question, Reply, Stage, Subject};
use threshflow::row::{ContentHash, Handle, Refusal, Stamp, Topic};
use threshflow::shard::{Catalogue, Picture};

use crate::detect::{Asked, Detect};
use crate::models::detect_model::Detector;
use crate::onnx::Pooled;
use crate::pixels::decode::{Purpose, decode, decoder_stamp};
use crate::pixels::full::{as_image, bytes_to_decode};
use crate::plan::noun_list::{NounList, NounSource};
use crate::words::chat::reader::said;
use crate::words::chat::{self, ChatRequest, PixelRange};
use crate::words::chat_cache::ChatCache;
use crate::words::plain::{self, Seen};

/// The caption of a picture.
pub struct Captioned;
impl Topic for Captioned {
    const NAME: &'static str = "caption";
}

/// Raise this when the code changes what a caption is.
const VERSION: &[u8] = b"caption/1";

/// Raise this when the code changes what is made of a sample's own caption.
const SIDECARS_FIRST: &[u8] = b"first/2";

/// How sure the detector must be of what a plain caption speaks of.
const LEAST_SCORE: f32 = 0.3;

/// Who captions.
pub enum CaptionBy {
    /// A detector that looks for the nouns of a [`FixedVocabulary`].
    Finds(Box<Detect>),
    Chat(Arc<ChatCache>),
}

/// Whether captions of samples are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sidecars {
    /// Where a sample has a caption, it is taken, without thinking and control tokens, and nothing asked.
    First,
    Ignored,
}

/// Captions pictures.
pub struct Caption {
    by: CaptionBy,
    sidecars: Sidecars,
}

impl Caption {
    pub fn new(by: CaptionBy, sidecars: Sidecars) -> Self {
        Caption { by, sidecars }
    }
}

/// The same nouns for every picture.
pub struct FixedVocabulary(pub NounList);

impl NounSource for FixedVocabulary {
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("vocabulary", &self.0.to_bytes())])
    }
    fn nouns(&self, _question: &Question) -> Result<NounList, Refusal> {
        Ok(self.0.clone())
    }
}

/// Where captions are remembered.
pub trait CaptionSource: Send + Sync {
    fn stamp(&self) -> Stamp;
    /// The caption of the picture that the question is about, read from a memo. Not for a worker thread.
    fn caption(&self, question: &Question) -> Result<String, Refusal>;
}

impl CaptionSource for Stage<Caption> {
    fn stamp(&self) -> Stamp {
        self.memo().stamp()
    }
    fn caption(&self, question: &Question) -> Result<String, Refusal> {
        String::from_utf8(self.blob(question)?)
            .map_err(|error| Refusal::transient("foreign_answer", format!("not a caption: {error}")))
    }
}

/// A picture made ready for whoever captions it.
pub enum ToCaption {
    Look(Box<Asked>, [u32; 2]),
    Ask(Box<ChatRequest>),
}

pub enum Session {
    Detector(Box<Pooled<Detector>>),
    Chat,
}

fn reply(caption: String) -> Reply<Handle<Captioned>> {
    let blob = caption.into_bytes();
    Reply::with_blob(Handle::of(&blob), blob)
}

fn from_finds(detect: &Detect, blob: &[u8], [width, height]: [u32; 2]) -> Result<String, Refusal> {
    let found = detect.found(blob)?;
    let sure = found.iter().filter(|one| one.score >= LEAST_SCORE);
    let seen = sure.map(|one| Seen {
        noun: &one.noun_text,
        kind: one.kind,
        bbox: one.bbox,
        score: one.score,
        colour: None,
    });
    Ok(plain::caption(&seen.collect::<Vec<_>>(), width, height))
}

impl Operator for Caption {
    type Answer = Handle<Captioned>;
    type Prepared = ToCaption;
    type Session = Session;

    const KEY: Key = Key::Sample;

    fn name(&self) -> &'static str {
        "caption"
    }

    fn stamp(&self) -> Stamp {
        let sidecars: &[u8] = if self.sidecars == Sidecars::First { SIDECARS_FIRST } else { b"ignored" };
        match &self.by {
            CaptionBy::Finds(detect) => {
                let stamp = detect.stamp();
                let (least, plain) = (LEAST_SCORE.to_le_bytes(), plain::VERSION);
                Stamp::of(&[
                    ("operator", VERSION),
                    ("sidecars", sidecars),
                    ("finds", &stamp.0.0),
                    ("least", &least),
                    ("plain", plain),
                ])
            }
            CaptionBy::Chat(chat) => {
                let (stamp, task) = (chat.stamp(), chat::caption::stamp_parts());
                let decode = decoder_stamp(Purpose::Full);
                let mut parts: Vec<(&str, &[u8])> = vec![
                    ("operator", VERSION),
                    ("sidecars", sidecars),
                    ("chat", &stamp.0.0),
                    ("decode", decode.as_bytes()),
                ];
                parts.extend(task.iter().map(|(name, value)| (*name, value.as_slice())));
                Stamp::of(&parts)
            }
        }
    }

    fn demonstration(&self) -> Option<String> {
        matches!(self.by, CaptionBy::Finds(_)).then(|| "the embedded captioner".to_owned())
    }

    fn model(&self) -> String {
        let by = match &self.by {
            CaptionBy::Finds(detect) => format!("plain words for the finds of {}", detect.model()),
            CaptionBy::Chat(chat) => chat.description(),
        };
        if self.sidecars == Sidecars::First { format!("the sample's own, else {by}") } else { by }
    }

    fn known(&self, question: &Question, shards: &Catalogue) -> Known<Handle<Captioned>> {
        if self.sidecars == Sidecars::Ignored {
            return Ok(None);
        }
        let sidecar = shards.shard(question.id.shard)?.sidecar(question.id.member)?;
        // A caption that a model wrote may have all that models write around their answers.
        let caption = sidecar.caption.and_then(|caption| said(&caption).ok()).unwrap_or_default();
        let caption = caption.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok((!caption.is_empty()).then(|| Ok(reply(caption))))
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        match &self.by {
            CaptionBy::Finds(detect) => detect.bytes_to_prepare(picture, bytes),
            CaptionBy::Chat(_) => bytes_to_decode(picture, bytes),
        }
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        match &self.by {
            CaptionBy::Finds(detect) => detect.bytes_prepared(questions),
            CaptionBy::Chat(_) => chat::BYTES_OF_A_REQUEST,
        }
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<ToCaption, Refusal> {
        let (picture, bytes) = subject.look()?;
        match &self.by {
            CaptionBy::Finds(detect) => {
                let size = [picture.width, picture.height].map(u32::from);
                Ok(ToCaption::Look(Box::new(detect.prepare(subject)?), size))
            }
            CaptionBy::Chat(_) => {
                let rgb = decode(bytes, picture.format, picture.orientation, Purpose::Full)?;
                let picture = chat::encode(&as_image(rgb)?, PixelRange::OF_A_WRITER)?;
                Ok(ToCaption::Ask(Box::new(chat::caption::request(picture))))
            }
        }
    }

    fn limits(&self) -> Limits {
        match &self.by {
            CaptionBy::Finds(detect) => detect.limits(),
            CaptionBy::Chat(chat) => chat.limits(1),
        }
    }

    fn open_session(&self) -> Result<Session, String> {
        match &self.by {
            CaptionBy::Finds(detect) => {
                detect.open_session().map(|session| Session::Detector(Box::new(session)))
            }
            CaptionBy::Chat(_) => Ok(Session::Chat),
        }
    }

    fn answer(
        &self,
        session: &mut Session,
        batch: &[ToCaption],
    ) -> Vec<Result<Reply<Handle<Captioned>>, Refusal>> {
        let one = |picture: &ToCaption| match (picture, &self.by, &mut *session) {
            (ToCaption::Look(asked, size), CaptionBy::Finds(detect), Session::Detector(detector)) => {
                let lost = || Refusal::transient("wrong_count", "the detector gave no answer");
                let found =
                    detect.answer(detector, std::slice::from_ref(&**asked)).pop().ok_or_else(lost)??;
                from_finds(detect, &found.blob.unwrap_or_default(), *size).map(reply)
            }
            (ToCaption::Ask(request), CaptionBy::Chat(chat), _) => {
                chat::ask(&**chat, request, chat::caption::parse).map(reply)
            }
            _ => {
                Err(Refusal::transient("wrong_session", "the question was made ready for another captioner"))
            }
        };
        batch.iter().map(one).collect()
    }

    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        match &self.by {
            CaptionBy::Finds(detect) => detect.asks_in_turn(questions),
            // One request for each picture.
            CaptionBy::Chat(chat) => questions.iter().map(|question| (chat.name(), question.image)).collect(),
        }
    }
}
