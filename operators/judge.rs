//! `judge`: whether an edit did what its instruction says, and whether it looks natural. A chat model that sees both pictures judges, or
//! the embedded judge does from pixels and a CLIP. An edit of several turns is judged turn by turn; its scores are those of its weakest
//! turn.

pub mod clip;
pub mod pixels;

use std::sync::Arc;

use image::RgbImage;
use threshflow::lane::{Answer, Key, Limits, Looks, Operator, Question, Reply, Scores, Stage, Subject};
use threshflow::memo::Inline;
use threshflow::row::{ContentHash, Refusal, Row, Score, Scored, Stamp, Unit, With};
use threshflow::shard::Picture;

use crate::edit::{EditPictures, operations_of_turn};
use crate::edit_source::{Planned, of_step};
use crate::editors::paint;
use crate::instruct::StoredInstruction;
use crate::judge::clip::{JudgeClip, ToSee};
use crate::judge::pixels::{Agreement, Measured};
use crate::pixels::decode::{Purpose, decoder_stamp};
use crate::pixels::full::bytes_to_decode;
use crate::pixels::mask::Mask;
use crate::plan::edit_plan::{EditType, Operation};
use crate::plan::judgement::Judgement;
use crate::words::chat::BYTES_OF_A_REQUEST;
use crate::words::chat::judge::{Pair, Rubric};
use crate::words::chat::{self, ChatRequest, PixelRange};
use crate::words::chat_cache::ChatCache;

/// How well the instruction was followed.
pub struct Follows;
impl Unit for Follows {
    const NAME: &'static str = "follows";
    const UNIT: &'static str = "1 to 5";
    const LOW: f32 = 1.0;
    const HIGH: f32 = 5.0;
}

/// How natural the edit looks, and whether all else stayed.
pub struct Natural;
impl Unit for Natural {
    const NAME: &'static str = "natural";
    const UNIT: &'static str = "1 to 5";
    const LOW: f32 = 1.0;
    const HIGH: f32 = 5.0;
}

/// Whether what changed is what the instruction names: 1 or 0.
pub struct ObjectMatch;
impl Unit for ObjectMatch {
    const NAME: &'static str = "object_match";
    const UNIT: &'static str = "0 or 1";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1.0;
}

/// Raise this when the code changes what a judgement is.
const VERSION: &[u8] = b"judge/3";

/// The scores of an edit, as they ride.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EditScores {
    pub follows: f32,
    pub natural: f32,
    pub matches: bool,
}

/// What the embedded judge goes by, for people.
const PIXELS: &str = "pixels: change inside the mask, none outside";

/// Scores ride in thousandths.
const STEPS: f32 = 1000.0;

impl EditScores {
    /// Of the weakest turn.
    fn of(judgements: &[Judgement]) -> Self {
        let least = |score: fn(&Judgement) -> f32| judgements.iter().map(score).fold(f32::INFINITY, f32::min);
        EditScores {
            follows: least(|judgement| judgement.follows),
            natural: least(|judgement| judgement.natural),
            matches: judgements.iter().all(|judgement| judgement.matches),
        }
    }
}

impl Scores for EditScores {
    fn without_answer<R: Row>(row: R) -> Self::Row<R> {
        With::new(With::new(With::new(row, Score::NAN), Score::NAN), Score::NAN)
    }
}

impl Answer for EditScores {
    type Row<R: Row> = Scored<Scored<Scored<R, Follows>, Natural>, ObjectMatch>;

    fn attach<R: Row>(self, row: R) -> Self::Row<R> {
        let row = With::new(With::new(row, Score::of(self.follows)), Score::of(self.natural));
        With::new(row, Score::of(f32::from(u8::from(self.matches))))
    }
    fn to_inline(self) -> Inline {
        let steps = |score: f32| (score.clamp(0.0, 60.0) * STEPS).round() as u16;
        let [[a, b], [c, d]] = [self.follows, self.natural].map(|score| steps(score).to_le_bytes());
        Inline::of([a, b, c, d, u8::from(self.matches)])
    }
    fn from_inline(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, matches] = *bytes else { return None };
        let [follows, natural] = [[a, b], [c, d]].map(|steps| f32::from(u16::from_le_bytes(steps)) / STEPS);
        (matches < 2).then_some(EditScores { follows, natural, matches: matches == 1 })
    }
}

/// Who judges.
pub enum JudgeBy {
    /// Pixels, and what a CLIP says of them where there is one.
    Pixels(Option<Box<JudgeClip>>),
    Chat(Arc<ChatCache>),
}

/// Judges edits.
pub struct Judge {
    by: JudgeBy,
    pictures: EditPictures,
}

/// An edit made ready: its turns as they were measured, or what is asked of each.
pub enum ToJudge {
    Measured(Vec<Vec<MeasuredStep>>),
    Ask(Vec<ChatRequest>),
}

/// A step of a turn: what pixels say of it, and what a CLIP is still to see.
pub struct MeasuredStep {
    operation: Operation,
    measured: Measured,
    to_see: Option<ToSee>,
}

impl Judge {
    pub fn new(by: JudgeBy, pictures: EditPictures) -> Self {
        Judge { by, pictures }
    }

    fn turn(
        &self,
        planned: &Planned,
        (masks, results): (&[Mask], &[String]),
        turn: usize,
        [before, after]: [&RgbImage; 2],
    ) -> Result<Vec<MeasuredStep>, Refusal> {
        let widened =
            |step: usize| of_step(masks, step).map(|mask| paint::widened(mask, paint::reach(mask.area())));
        let operations = operations_of_turn(planned, turn);
        let widened: Vec<Option<Mask>> = operations.iter().map(|(step, _)| widened(*step)).collect();
        let steps: Vec<pixels::Step<'_>> = operations
            .iter()
            .zip(&widened)
            .map(|((_, operation), mask)| pixels::Step { operation: *operation, mask: mask.as_ref() })
            .collect();
        let measured = pixels::measure(before, after, &steps)?;
        let step = |((step, operation), measured): ((usize, Operation), Measured)| {
            let to_see = match &self.by {
                JudgeBy::Pixels(Some(clip)) => {
                    let result = results.get(step).map(String::as_str);
                    clip.prepare(planned, (step, operation), masks, result, [before, after])?
                }
                _ => None,
            };
            Ok(MeasuredStep { operation, measured, to_see })
        };
        operations.into_iter().zip(measured).map(step).collect()
    }

    /// What the CLIP, where one is there to see, says of all that is to be seen of these edits: their turns' steps, in order.
    fn seen(&self, batch: &[ToJudge]) -> Vec<Result<Agreement, Refusal>> {
        let turns = batch.iter().filter_map(|edit| match edit {
            ToJudge::Measured(turns) => Some(turns),
            ToJudge::Ask(_) => None,
        });
        let to_see: Vec<&ToSee> = turns.flatten().flatten().filter_map(|step| step.to_see.as_ref()).collect();
        match &self.by {
            JudgeBy::Pixels(Some(clip)) => clip.see(&to_see),
            _ => Vec::new(),
        }
    }

    fn unknown_texts(&self, clip: &JudgeClip, question: &Question) -> Vec<(&'static str, ContentHash)> {
        let Ok(planned) = self.pictures.source().planned(question) else { return Vec::new() };
        let stored = self.pictures.instruction(question).unwrap_or_default();
        clip.unknown(&planned, &stored.instruction.results)
    }
}

/// The turns of an edit, judged by what was measured, and by what was seen of its steps that are to be seen.
fn judged(
    turns: &[Vec<MeasuredStep>],
    seen: &mut impl Iterator<Item = Result<Agreement, Refusal>>,
) -> Result<Vec<Judgement>, Refusal> {
    let steps = turns.iter().flatten().filter(|step| step.to_see.is_some()).count();
    // All are taken off, whatever came of the first.
    let seen: Vec<Result<Agreement, Refusal>> = seen.by_ref().take(steps).collect();
    let mut seen = seen.into_iter().collect::<Result<Vec<Agreement>, Refusal>>()?.into_iter();
    let mut of_step = |step: &MeasuredStep| {
        let agreement = step.to_see.as_ref().and_then(|_| seen.next());
        pixels::of_step(step.operation, &step.measured, agreement.as_ref())
    };
    turns.iter().map(|turn| pixels::worst(turn.iter().map(&mut of_step))).collect()
}

fn blob(judgements: &[Judgement]) -> Vec<u8> {
    serde_json::to_vec(judgements).unwrap_or_default()
}

fn reply(judgements: &[Judgement]) -> Reply<EditScores> {
    Reply::with_blob(EditScores::of(judgements), blob(judgements))
}

/// What was said before a turn, the premise first.
fn earlier<'a>(premise: Option<&'a str>, prompts: &'a [String], turn: usize) -> Vec<&'a str> {
    premise.into_iter().chain(prompts.iter().take(turn).map(String::as_str)).collect()
}

fn request(
    planned: &Planned,
    (stored, reference): (&StoredInstruction, Option<&RgbImage>),
    turn: usize,
    [before, after]: [&RgbImage; 2],
) -> Result<ChatRequest, Refusal> {
    let said = &stored.instruction;
    let operation = planned.plan.steps.get(turn).or(planned.plan.steps.first()).map(|step| step.operation);
    let operation =
        operation.ok_or_else(|| Refusal::permanent("no_step", "an edit of no steps cannot be judged"))?;
    let encode = |picture| chat::encode(picture, PixelRange::OF_A_JUDGE);
    let instruction = said.prompts.get(turn).map_or("", String::as_str);
    let earlier = earlier(said.premise.as_deref(), &said.prompts, turn);
    let rubric = Rubric::of(planned.plan.edit_type, operation);
    let reference = reference.map(|picture| chat::encode(picture, PixelRange::OF_A_WRITER)).transpose()?;
    let pair = Pair { before: encode(before)?, after: encode(after)?, reference };
    Ok(chat::judge::request(pair, instruction, &earlier, rubric))
}

impl Operator for Judge {
    type Answer = EditScores;
    type Prepared = ToJudge;
    /// The tower's are lent.
    type Session = ();

    const LOOKS: Looks = Looks::AtBothFrames;
    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "judge"
    }

    fn stamp(&self) -> Stamp {
        let edits = self.pictures.edits.operator().stamp_of_pictures();
        let mut parts: Vec<(&str, Vec<u8>)> = vec![
            ("operator", VERSION.to_vec()),
            ("edits", edits.0.0.to_vec()),
            ("decode", decoder_stamp(Purpose::Full).into_bytes()),
        ];
        match &self.by {
            JudgeBy::Pixels(clip) => {
                parts.push(("pixels", pixels::VERSION.to_vec()));
                parts.extend(clip.iter().flat_map(|clip| clip.stamp_parts()));
            }
            JudgeBy::Chat(chat) => {
                parts.push(("chat", chat.stamp().0.0.to_vec()));
                parts.extend(Rubric::ALL.into_iter().flat_map(chat::judge::stamp_parts));
            }
        }
        Stamp::of_gathered(&parts)
    }

    fn demonstration(&self) -> Option<String> {
        matches!(self.by, JudgeBy::Pixels(_)).then(|| "the embedded judge".to_owned())
    }

    fn model(&self) -> String {
        match &self.by {
            JudgeBy::Pixels(None) => PIXELS.to_owned(),
            JudgeBy::Pixels(Some(clip)) => {
                format!("{PIXELS}; {}: the noun before and after", clip.description())
            }
            JudgeBy::Chat(chat) => chat.description(),
        }
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        // The original, both pictures, masks, what SSIM keeps, and a cut-out.
        bytes_to_decode(picture, bytes) * 5 + BYTES_OF_A_REQUEST
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        match &self.by {
            // Three turns of a step each, or one of two.
            JudgeBy::Pixels(Some(clip)) => clip.bytes_of_steps(3),
            JudgeBy::Pixels(None) => 0,
            JudgeBy::Chat(_) => BYTES_OF_A_REQUEST,
        }
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<ToJudge, Refusal> {
        let no_question = || Refusal::transient("no_question", "there is no edit to judge");
        let question = subject.questions.first().ok_or_else(no_question)?;
        let planned = self.pictures.source().planned(question)?;
        let stored = self.pictures.instruction(question)?;
        let turns = self.pictures.of(question, &planned)?.into_iter().enumerate();
        match &self.by {
            JudgeBy::Pixels(_) => {
                let masks = self.pictures.source().masks(&planned)?;
                let said = (masks.as_slice(), stored.instruction.results.as_slice());
                let measured = turns.map(|(turn, shown)| {
                    let [before, after] = self.pictures.pair(subject, &shown)?.pictures;
                    self.turn(&planned, said, turn, [&before, &after])
                });
                measured.collect::<Result<_, _>>().map(ToJudge::Measured)
            }
            JudgeBy::Chat(_) => {
                let reference = self.pictures.source().reference_picture(&stored.reference)?;
                let said = (&stored, reference.as_ref());
                let asked = turns.map(|(turn, [before, after])| {
                    let pixels = |shown| self.pictures.pixels(subject, shown);
                    let (before, after) = (pixels(&before)?, pixels(&after)?);
                    request(&planned, said, turn, [&before, &after])
                });
                asked.collect::<Result<_, _>>().map(ToJudge::Ask)
            }
        }
    }

    fn limits(&self) -> Limits {
        match &self.by {
            JudgeBy::Pixels(Some(clip)) => clip.limits(),
            JudgeBy::Pixels(None) => Limits::of_functions(1),
            // An answer a turn.
            JudgeBy::Chat(chat) => chat.limits(3),
        }
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, (): &mut (), batch: &[ToJudge]) -> Vec<Result<Reply<EditScores>, Refusal>> {
        let mut seen = self.seen(batch).into_iter();
        let one = |edit: &ToJudge| match (edit, &self.by) {
            (ToJudge::Measured(turns), _) => judged(turns, &mut seen).map(|judged| reply(&judged)),
            (ToJudge::Ask(requests), JudgeBy::Chat(chat)) => {
                let asked = requests.iter().map(|request| chat::ask(&**chat, request, chat::judge::parse));
                asked.collect::<Result<Vec<_>, _>>().map(|judged| reply(&judged))
            }
            (ToJudge::Ask(_), JudgeBy::Pixels(_)) => {
                Err(Refusal::transient("wrong_session", "the question was made ready for a chat model"))
            }
        };
        batch.iter().map(one).collect()
    }

    /// A request a turn; by a CLIP, the texts that it was never asked for.
    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        let chat = match &self.by {
            JudgeBy::Chat(chat) => chat,
            JudgeBy::Pixels(None) => return Vec::new(),
            JudgeBy::Pixels(Some(clip)) => {
                return questions.iter().flat_map(|question| self.unknown_texts(clip, question)).collect();
            }
        };
        let turns = |question: &Question| {
            let edit_type = question.edit.as_ref().and_then(|edit| EditType::from_number(edit.number));
            let content = question.content;
            let turn =
                move |turn: usize| ContentHash::of(&[content.0.as_slice(), &turn.to_le_bytes()].concat());
            (0..edit_type.map_or(0, EditType::turns)).map(move |number| (chat.name(), turn(number)))
        };
        questions.iter().flat_map(turns).collect()
    }
}

/// The judgements of an edit, turn by turn, read back.
pub fn judgements(judge: &Stage<Judge>, question: &Question) -> Result<Vec<Judgement>, Refusal> {
    let no_edit = || Refusal::permanent("no_edit", "only edits are judged");
    let edit = question.edit.as_ref().ok_or_else(no_edit)?;
    let (instructed, edited) = judge.operator().pictures.handles(question)?;
    let mut asked = question.clone();
    asked.row = With::new(With::new((**edit).clone(), instructed), edited).content();
    serde_json::from_slice(&judge.blob(&asked)?)
        .map_err(|error| Refusal::transient("foreign_answer", format!("not a judgement: {error}")))
}

#[cfg(test)]
mod tests;
