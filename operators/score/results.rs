//! A scorer of the user's own about what editors made. An edit of several turns has the score of its worst turn, as a judge's scores are
//! those of the weakest one.

use std::sync::Arc;

use threshflow::lane::{Key, Limits, Looks, Operator, Reply, Subject};
use threshflow::row::{Refusal, Score, Stamp, Unit};
use threshflow::shard::Picture;

use super::{Direction, UserScorer};
use crate::edit::{EditPicture, EditPictures};
use crate::models::score_model::ScoreSession;
use crate::onnx::Pooled;
use crate::pixels::decode::Rgb;
use crate::pixels::fit::Fitted;
use crate::pixels::full::bytes_to_decode;

/// Raise this when the code changes what a score of an edit is.
const VERSION: &[u8] = b"score_result/1";

/// Scores the pictures that edits end in, in the unit `U`.
pub struct ResultScorer<U> {
    name: &'static str,
    scorer: Arc<UserScorer<U>>,
    pictures: EditPictures,
}

impl<U: Unit> ResultScorer<U> {
    /// The scorer about the results of `pictures`, as the stage `name`, which is kept until the process ends.
    pub fn of(name: &str, scorer: Arc<UserScorer<U>>, pictures: EditPictures) -> Self {
        ResultScorer { name: Box::leak(name.to_owned().into_boxed_str()), scorer, pictures }
    }

    /// Which of an edit's turns counts.
    fn worst(&self, a: f32, b: f32) -> f32 {
        match self.scorer.spec().direction {
            Direction::HigherIsBetter => a.min(b),
            Direction::LowerIsBetter => a.max(b),
        }
    }
}

impl<U: Unit> Operator for ResultScorer<U> {
    type Answer = Score<U>;
    /// A picture a turn.
    type Prepared = Vec<Fitted>;
    type Session = Pooled<ScoreSession>;

    const LOOKS: Looks = Looks::AtBothFrames;
    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        self.name
    }

    fn stamp(&self) -> Stamp {
        let edits = self.pictures.edits.operator().stamp_of_pictures();
        let direction: &[u8] = match self.scorer.spec().direction {
            Direction::HigherIsBetter => b"least",
            Direction::LowerIsBetter => b"most",
        };
        let scorer = self.scorer.stamp();
        Stamp::of(&[
            ("operator", VERSION),
            ("scorer", &scorer.0.0),
            ("edits", &edits.0.0),
            ("turns", direction),
        ])
    }

    fn model(&self) -> String {
        self.scorer.model()
    }

    fn demonstration(&self) -> Option<String> {
        Operator::demonstration(&*self.scorer)
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        // The original, a result of about its size, and what is made ready of it.
        bytes_to_decode(picture, bytes) * 2 + self.scorer.bytes_to_prepare(picture, bytes)
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        self.scorer.bytes_prepared(questions)
    }

    fn bytes_held(&self, prepared: &Vec<Fitted>, _questions: usize) -> u64 {
        prepared.iter().map(|fitted| fitted.pixels.len() as u64).sum()
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Vec<Fitted>, Refusal> {
        let question = subject
            .questions
            .first()
            .ok_or_else(|| Refusal::transient("no_picture", "there is nothing to score"))?;
        let planned = self.pictures.source().planned(question)?;
        let fitted = |[_, after]: [EditPicture; 2]| {
            let image = self.pictures.pixels(subject, &after)?;
            self.scorer.fit(&Rgb::of_image(&image)?)
        };
        self.pictures.of(question, &planned)?.into_iter().map(fitted).collect()
    }

    fn limits(&self) -> Limits {
        self.scorer.limits()
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        self.scorer.open_session()
    }

    fn answer(
        &self,
        session: &mut Self::Session,
        batch: &[Vec<Fitted>],
    ) -> Vec<Result<Reply<Score<U>>, Refusal>> {
        let all: Vec<&Fitted> = batch.iter().flatten().collect();
        let mut scores = self.scorer.scores(session, &all).into_iter();
        let one = |turns: &Vec<Fitted>| {
            let scores: Vec<Result<f32, Refusal>> = scores.by_ref().take(turns.len()).collect();
            let scores = scores.into_iter().collect::<Result<Vec<f32>, _>>()?;
            let worst = scores.into_iter().reduce(|a, b| self.worst(a, b));
            let worst =
                worst.ok_or_else(|| Refusal::permanent("no_edit", "an edit of no turns has no result"))?;
            Ok(Score::of(worst).into())
        };
        batch.iter().map(one).collect()
    }
}
