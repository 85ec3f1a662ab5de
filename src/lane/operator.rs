//! What an operator is: how a question is prepared and answered, and which part of the answer is put on the row.

use super::{Limits, Question};
use crate::memo::{Inline, Written};
use crate::row::{
    ContentHash, Handle, Hashed, PerceptualHash, Refusal, Row, Score, Scored, Stamp, Topic, Unit, With,
    WithHandle,
};
use crate::shard::{Catalogue, EndFrame, Picture, Sidecar, Unreadable};

/// What rides of an answer: the inline part, which the memo's index holds.
pub trait Answer: Copy + Send + Sync + 'static {
    /// The row that a row becomes when it is given this answer.
    type Row<R: Row>: Row;
    fn attach<R: Row>(self, row: R) -> Self::Row<R>;
    fn to_inline(self) -> Inline;
    /// `None` where the bytes are not of this type: then the stamp lacks something that shapes the answer.
    fn from_inline(bytes: &[u8]) -> Option<Self>;
}

/// An answer that is scores and nothing else: where nobody is asked, it is known what stands in its place.
pub trait Scores: Answer {
    /// The row with NaN in the place of every score.
    fn without_answer<R: Row>(row: R) -> Self::Row<R>;
}

impl<U: Unit> Scores for Score<U> {
    fn without_answer<R: Row>(row: R) -> Scored<R, U> {
        With::new(row, Score::NAN)
    }
}

impl<U: Unit> Answer for Score<U> {
    type Row<R: Row> = Scored<R, U>;

    fn attach<R: Row>(self, row: R) -> Scored<R, U> {
        With::new(row, self)
    }
    fn to_inline(self) -> Inline {
        Inline::of(self.get().to_le_bytes())
    }
    fn from_inline(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Score::of(f32::from_le_bytes(bytes)))
    }
}

impl<T: Topic> Answer for Handle<T> {
    type Row<R: Row> = WithHandle<R, T>;

    fn attach<R: Row>(self, row: R) -> WithHandle<R, T> {
        With::new(row, self)
    }
    fn to_inline(self) -> Inline {
        Inline::of(self.bytes())
    }
    fn from_inline(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Handle::from_bytes)
    }
}

impl Answer for PerceptualHash {
    type Row<R: Row> = Hashed<R>;

    fn attach<R: Row>(self, row: R) -> Hashed<R> {
        With::new(row, self)
    }
    fn to_inline(self) -> Inline {
        Inline::of(self.0)
    }
    fn from_inline(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(PerceptualHash)
    }
}

/// An answer, and what is too large of it to ride: boxes, a mask, an embedding. Memos keep both.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<A> {
    pub answer: A,
    pub blob: Option<Vec<u8>>,
}

impl<A> From<A> for Reply<A> {
    fn from(answer: A) -> Self {
        Reply { answer, blob: None }
    }
}

impl<A: Answer> Reply<A> {
    pub fn with_blob(answer: A, blob: Vec<u8>) -> Self {
        Reply { answer, blob: Some(blob) }
    }

    pub(super) fn written(self) -> Written {
        Written { inline: self.answer.to_inline(), blob: self.blob }
    }
}

/// What a sample brought along as an answer, if anything; an error where that cannot be told.
pub type Known<A> = Result<Option<Result<Reply<A>, Refusal>>, Unreadable>;

/// What an operator is shown of a question, or of the questions about one picture that are asked together.
pub struct Subject<'a> {
    /// The questions: one, unless the operator takes them [together](Operator::TOGETHER).
    pub questions: &'a [Question],
    /// `None` where the operator does not look at pictures ([`Operator::LOOKS`]).
    pub picture: Option<(&'a Picture, &'a [u8])>,
    /// The second frame of the sample; `None` where it has none, or where the operator does not look
    /// [at both](Looks::AtBothFrames).
    pub end_frame: Option<&'a EndFrame<'a>>,
    /// `None` where the operator does not look at sidecars.
    pub sidecar: Option<&'a Sidecar>,
}

impl<'a> Subject<'a> {
    /// The picture and its bytes; a transient refusal `no_picture` where there is none to look at.
    pub fn look(&self) -> Result<(&'a Picture, &'a [u8]), Refusal> {
        self.picture.ok_or_else(|| Refusal::transient("no_picture", "there is nothing to look at"))
    }

    /// What the (first) question is keyed by.
    pub fn content(&self) -> ContentHash {
        self.questions.first().map(|question| question.content).unwrap_or_default()
    }
}

/// What of a sample an operator is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    AtThePicture,
    /// At the picture, and at the second frame where the sample has one.
    AtBothFrames,
    AtTheSidecar,
    /// The row alone is the question.
    AtTheRow,
}

impl Looks {
    /// Whether pixels are decoded.
    pub(super) fn at_pixels(self) -> bool {
        matches!(self, Looks::AtThePicture | Looks::AtBothFrames)
    }
}

/// What an answer is remembered under, beside the stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The picture's bytes: the same picture is asked about once, wherever it lies.
    Picture,
    /// The picture's bytes and the sample that it lies in: for what sidecars say.
    Sample,
    /// [`Row::content`]: the picture, and what earlier answers made of it.
    Row,
}

/// Whether questions about one picture share a preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    EachAlone,
    ByPicture,
}

/// When questions are prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepares {
    /// On the decode pool, before a session has time for them: a model on this machine always finds the next batch ready.
    Ahead,
    /// By the session that answers, when it takes the question up: what waits for a slow server holds no pixels. Such questions are
    /// answered one by one, and wait in one of several [lines](Limits::lines).
    WhenTakenUp,
}

/// A costly question and how it is answered: [`prepare`](Operator::prepare) on the decode pool, picture by
/// picture; [`answer`](Operator::answer) in batches, on threads that each hold a session.
pub trait Operator: Send + Sync + 'static {
    type Answer: Answer;
    /// What waits for a batch: a crop, not a picture.
    type Prepared: Send + 'static;
    /// What a thread that answers holds: a model's session. Opened on that thread, so it need not be `Send`.
    type Session: 'static;

    const LOOKS: Looks = Looks::AtThePicture;
    const KEY: Key = Key::Picture;
    const TOGETHER: Together = Together::EachAlone;
    const PREPARES: Prepares = Prepares::Ahead;
    /// How many questions go to a pool thread at once. More than one only where preparing is cheap.
    const QUESTIONS_A_JOB: usize = 1;

    /// The stage's name in summaries, refusals and the funnel, in snake_case.
    fn name(&self) -> &'static str;
    /// The hash of all that shapes an answer.
    fn stamp(&self) -> Stamp;
    /// What answers, for people: a model's folder, a back-end.
    fn model(&self) -> String;
    /// What of it is there to demonstrate, and makes nothing to train on: `a model of the demo`. `None` where nothing is.
    fn demonstration(&self) -> Option<String> {
        None
    }
    /// An answer to one question that the sample brought along, looked up on the pool and remembered like any other;
    /// counted as given, not as asked.
    ///
    /// What cannot be read is no answer and not the lack of one: the question is then neither asked nor remembered.
    fn known(&self, _question: &Question, _shards: &Catalogue) -> Known<Self::Answer> {
        Ok(None)
    }
    /// An upper bound of the bytes held while this picture is prepared. `bytes` are as they lie in the shard.
    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64;
    /// The bytes that so many prepared questions (of one picture) hold while they wait for their batch.
    fn bytes_prepared(&self, questions: usize) -> u64;
    /// The same of these that were prepared, where it depends on them: what keeps whole pictures.
    fn bytes_held(&self, _prepared: &Self::Prepared, questions: usize) -> u64 {
        self.bytes_prepared(questions)
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<Self::Prepared, Refusal>;
    /// How many threads answer how many questions at once, and for how long. Asked once, when the stage is opened.
    fn limits(&self) -> Limits;
    /// Where there are several lines: the one in which this question waits, or waits next. On the decode pool; may read memos.
    fn line(&self, _question: &Question) -> Result<usize, Refusal> {
        Ok(0)
    }
    /// Where there are several lines: what a session of `line` does for a question. `None`: it did its part, and the question goes
    /// on in [another line](Operator::line).
    fn answer_in_line(
        &self,
        _line: usize,
        session: &mut Self::Session,
        prepared: &Self::Prepared,
    ) -> Option<Result<Reply<Self::Answer>, Refusal>> {
        self.answer(session, std::slice::from_ref(prepared)).pop()
    }
    fn open_session(&self) -> Result<Self::Session, String>;
    /// Answers a batch, in order: exactly as many answers as questions (where they are asked together, those of the
    /// first picture, then those of the second ...). A batch of several that panics, or gets another number of answers,
    /// is asked again one by one: borrowed, so that it outlives the attempt.
    fn answer(
        &self,
        session: &mut Self::Session,
        batch: &[Self::Prepared],
    ) -> Vec<Result<Reply<Self::Answer>, Refusal>>;
    /// Whether answers rest on what caches keep, such as pictures that were made: then [`stands`](Operator::stands) is asked.
    fn rests_on_caches(&self) -> bool {
        false
    }
    /// Whether a remembered answer still stands, by its blob: not where a cache lost what it rests on, or holds another in its place.
    /// Asked of every answer when the stage is opened, and again until all stand; one that does not is forgotten and asked again.
    fn stands(&self, _body: &[u8]) -> bool {
        true
    }
    /// What else answering these questions would ask, by stage: what `plan` counts beside them. May read memos.
    fn asks_in_turn(&self, _questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_looked_at_where_a_picture_is() {
        let all = [Looks::AtThePicture, Looks::AtBothFrames, Looks::AtTheSidecar, Looks::AtTheRow];
        assert_eq!(all.map(Looks::at_pixels), [true, true, false, false]);
    }
}
