//! `instruct`: an edit's plan in words. A chat model that sees the picture writes them, or the plain grammar does. In both cases the words
//! pass [the same checker](crate::plan::edit_plan::check).

use std::sync::Arc;

use image::RgbImage;
use serde::{Deserialize, Serialize};
use threshflow::lane::{self, Key, Looks, Operator, Question, Reply, Stage, Subject};
use threshflow::row::{ContentHash, Handle, Refusal, Row, Stamp, Topic};
use threshflow::shard::{Catalogue, Picture};

use crate::edit_source::{EditSource, Planned, end_frame, no_end_frame, of_step};
use crate::editors::limits::Limits;
use crate::editors::references::StoredReference;
use crate::pixels::decode::{Purpose, decoder_stamp};
use crate::pixels::full::{bytes_to_decode, pixels_of};
use crate::plan::edit_plan::{EditType, Instruction, Needs};
use crate::words::chat::BYTES_OF_A_REQUEST;
use crate::words::chat::{self, ChatRequest, PixelRange};
use crate::words::chat_cache::ChatCache;
use crate::words::plain::{self, Known, Lexicon, colour_of, motion_of};

/// The instruction of an edit.
pub struct Instructed;
impl Topic for Instructed {
    const NAME: &'static str = "instruction";
}

/// Raise this when the code changes what an instruction is.
const VERSION: &[u8] = b"instruct/3";

/// Who writes.
pub enum InstructBy {
    Plain(Lexicon),
    Chat(Arc<ChatCache>),
}

/// An instruction as it is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredInstruction {
    pub instruction: Instruction,
    /// Of a `visual`.
    #[serde(flatten)]
    pub reference: StoredReference,
}

impl StoredInstruction {
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(bytes)
            .map_err(|error| Refusal::transient("foreign_answer", format!("not an instruction: {error}")))
    }

    fn reply(&self) -> Reply<Handle<Instructed>> {
        let blob = serde_json::to_vec(self).unwrap_or_default();
        Reply::with_blob(Handle::of(&blob), blob)
    }
}

/// Puts edits in words.
pub struct Instruct {
    by: InstructBy,
    source: EditSource,
    limits: Arc<Limits>,
}

/// Words that are there already, or what is asked for them.
pub enum ToWrite {
    Written(StoredInstruction),
    Ask { request: ChatRequest, planned: Box<Planned>, reference: StoredReference },
}

impl Instruct {
    pub fn new(by: InstructBy, source: EditSource) -> Self {
        Instruct { by, source, limits: Arc::default() }
    }

    /// Has a chat model write what these editors can make, and nothing else.
    pub fn within(self, limits: Arc<Limits>) -> Self {
        Instruct { limits, ..self }
    }

    fn plainly(
        &self,
        lexicon: &Lexicon,
        planned: &Planned,
        (picture, end): (&RgbImage, Option<&RgbImage>),
        reference: StoredReference,
    ) -> Result<StoredInstruction, Refusal> {
        let masks = self.source.masks(planned)?;
        let colours: Vec<Option<&str>> = masks.iter().map(|mask| colour_of(picture, mask)).collect();
        let steps = 0..planned.plan.steps.len();
        let colours: Vec<Option<&str>> =
            steps.map(|step| of_step(&colours, step).copied().flatten()).collect();
        let sure: Vec<(&str, [f32; 4])> =
            planned.sure.iter().map(|(noun, bbox)| (noun.as_str(), *bbox)).collect();
        let motion = end.and_then(|end| motion_of(picture, end, &sure));
        let objects: Vec<&str> = planned.objects.iter().map(String::as_str).collect();
        let known = Known {
            colours: &colours,
            motion: motion.as_ref(),
            reference: reference.shows.as_deref(),
            objects: &objects,
        };
        let instruction = plain::instruct(lexicon, &planned.plan, &known)?;
        Ok(StoredInstruction { instruction, reference })
    }
}

fn request(
    planned: &Planned,
    (picture, end): (&RgbImage, Option<&RgbImage>),
    reference: Option<&RgbImage>,
    limits: &Limits,
) -> Result<ChatRequest, Refusal> {
    let encode = |picture: &RgbImage| chat::encode(picture, PixelRange::OF_A_WRITER);
    let crop = |region: &crate::edit_source::PlannedRegion| {
        let [left, top, right, bottom] = region.object.bbox.map(|edge| edge.max(0.0).round() as u32);
        let (left, top) = (left.min(picture.width() - 1), top.min(picture.height() - 1));
        let width = right.saturating_sub(left).clamp(1, picture.width() - left);
        let height = bottom.saturating_sub(top).clamp(1, picture.height() - top);
        encode(&image::imageops::crop_imm(picture, left, top, width, height).to_image())
    };
    let seen = chat::instruct::Seen {
        picture: Some(encode(picture)?),
        crops: planned.regions.iter().map(crop).collect::<Result<_, _>>()?,
        reference: reference.map(encode).transpose()?,
        end_frame: end.map(encode).transpose()?,
    };
    Ok(chat::instruct::request(&planned.plan, &seen, limits))
}

impl Operator for Instruct {
    type Answer = Handle<Instructed>;
    type Prepared = ToWrite;
    type Session = ();

    const LOOKS: Looks = Looks::AtBothFrames;
    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "instruct"
    }

    fn rests_on_caches(&self) -> bool {
        self.source.references.is_some()
    }

    /// Always: a reference picture that the store lost is taken from the user's folder again, the words stay.
    fn stands(&self, blob: &[u8]) -> bool {
        let stored = self
            .source
            .references
            .as_ref()
            .map(|references| (references, StoredInstruction::from_bytes(blob)));
        if let Some((references, Ok(StoredInstruction { reference, .. }))) = stored {
            references.keep(&reference);
        }
        true
    }

    fn stamp(&self) -> Stamp {
        let mut parts: Vec<(&str, Vec<u8>)> =
            vec![("operator", VERSION.to_vec()), ("decode", decoder_stamp(Purpose::Full).into_bytes())];
        parts.extend(self.source.stamps().into_iter().map(|stamp| ("before", stamp.0.to_vec())));
        match &self.by {
            InstructBy::Plain(lexicon) => {
                parts.extend([("plain", plain::VERSION.to_vec()), ("lexicon", lexicon.to_bytes())]);
            }
            InstructBy::Chat(chat) => {
                parts.push(("chat", chat.stamp().0.0.to_vec()));
                parts.extend(EditType::ALL.into_iter().flat_map(chat::instruct::stamp_parts));
                parts.extend(self.limits.stamp_parts());
            }
        }
        Stamp::of_gathered(&parts)
    }

    fn demonstration(&self) -> Option<String> {
        matches!(self.by, InstructBy::Plain(_)).then(|| "the embedded grammar".to_owned())
    }

    fn model(&self) -> String {
        match &self.by {
            InstructBy::Plain(_) => "a small grammar".to_owned(),
            InstructBy::Chat(chat) => chat.description(),
        }
    }

    /// An action that no second frame shows is refused without decoding anything.
    fn known(&self, question: &Question, shards: &Catalogue) -> lane::Known<Handle<Instructed>> {
        let edit_type = question.edit.as_ref().and_then(|edit| EditType::from_number(edit.number));
        if edit_type.map(EditType::needs) != Some(Needs::TwoFrames) {
            return Ok(None);
        }
        let shard = shards.shard(question.id.shard)?;
        let sample = shard.index.samples.get(question.id.member as usize);
        let is_alone = sample.is_some_and(|sample| sample.end_frame().is_none());
        Ok(is_alone.then(|| Err(no_end_frame())))
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        // A mask a region, and the second frame, beside the picture.
        bytes_to_decode(picture, bytes) * 2 + BYTES_OF_A_REQUEST
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        BYTES_OF_A_REQUEST
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<ToWrite, Refusal> {
        let (Some(question), Some((picture, bytes))) = (subject.questions.first(), subject.picture) else {
            return Err(Refusal::transient("no_picture", "there is nothing to look at"));
        };
        let planned = self.source.planned(question)?;
        let two_frames = planned.plan.edit_type.needs() == Needs::TwoFrames;
        let end = two_frames.then(|| end_frame(subject.end_frame)).transpose()?;
        let pixels = pixels_of(picture, bytes)?;
        let reference = self.source.choose_reference(&planned)?;
        let seen = (&pixels, end.as_ref());
        match &self.by {
            InstructBy::Plain(lexicon) => {
                self.plainly(lexicon, &planned, seen, reference).map(ToWrite::Written)
            }
            InstructBy::Chat(_) => {
                let drawn = self.source.reference_picture(&reference)?;
                let request = request(&planned, seen, drawn.as_ref(), &self.limits)?;
                Ok(ToWrite::Ask { request, planned: Box::new(planned), reference })
            }
        }
    }

    fn limits(&self) -> lane::Limits {
        match &self.by {
            InstructBy::Plain(_) => lane::Limits::of_functions(1),
            InstructBy::Chat(chat) => chat.limits(1),
        }
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(
        &self,
        _session: &mut (),
        batch: &[ToWrite],
    ) -> Vec<Result<Reply<Handle<Instructed>>, Refusal>> {
        let one = |to_write: &ToWrite| match (to_write, &self.by) {
            (ToWrite::Written(stored), _) => Ok(stored.reply()),
            (ToWrite::Ask { request, planned, reference }, InstructBy::Chat(chat)) => {
                let objects: Vec<&str> = planned.objects.iter().map(String::as_str).collect();
                let parse = |answer: &str| {
                    let instruction = chat::instruct::parse(answer, &planned.plan, &objects)?;
                    self.limits.check(&instruction, &planned.plan).map(|()| instruction)
                };
                let instruction = chat::ask(&**chat, request, parse)?;
                Ok(StoredInstruction { instruction, reference: reference.clone() }.reply())
            }
            (ToWrite::Ask { .. }, InstructBy::Plain(_)) => {
                Err(Refusal::transient("wrong_session", "the question was made ready for a chat model"))
            }
        };
        batch.iter().map(one).collect()
    }

    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        let InstructBy::Chat(chat) = &self.by else { return Vec::new() };
        questions.iter().map(|question| (chat.name(), question.content)).collect()
    }
}

/// Where instructions are remembered.
pub trait InstructionSource: Send + Sync {
    fn stamp(&self) -> Stamp;
    /// The instruction of the edit that the question is about. Not for a worker thread.
    fn instruction(&self, question: &Question) -> Result<StoredInstruction, Refusal>;
    /// The same as the bytes that its [`Handle`] is of.
    fn instruction_bytes(&self, question: &Question) -> Result<Vec<u8>, Refusal>;
}

impl InstructionSource for Stage<Instruct> {
    fn stamp(&self) -> Stamp {
        self.memo().stamp()
    }
    fn instruction(&self, question: &Question) -> Result<StoredInstruction, Refusal> {
        StoredInstruction::from_bytes(&self.instruction_bytes(question)?)
    }
    fn instruction_bytes(&self, question: &Question) -> Result<Vec<u8>, Refusal> {
        let no_edit = || Refusal::permanent("no_edit", "only edits have instructions");
        let edit = question.edit.as_ref().ok_or_else(no_edit)?;
        // Whatever the row was told since: instructions are remembered under the edit as it was chosen.
        let mut asked = question.clone();
        asked.row = edit.content();
        self.blob(&asked)
    }
}

#[cfg(test)]
mod tests;
