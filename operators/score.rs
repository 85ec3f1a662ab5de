//! A scorer of the user's own: any ONNX model from a picture to numbers, described by a `score.json` beside it. No Rust is written for it.
//!
//! The file and the model's arithmetic are in [`score_model`](crate::models::score_model). This file makes it an operator about source
//! pictures, and `results` one about what editors made of them.

mod named;
mod results;
mod scorers;
mod source;

use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use threshflow::lane::{Limits, Operator, Reply, Subject};
use threshflow::row::{Refusal, Score, Stamp, Unit};
use threshflow::shard::Picture;

use crate::models::score_model::{ScoreModel, ScoreSession};
use crate::onnx::{
    Backend, BackendChoice, Device, OnnxError, Pooled, SessionPlan, SessionPool, demonstration,
};
use crate::pixels::decode::{Rgb, decode, decoded_bytes_of};
use crate::pixels::fit::Fitted;

pub use self::named::{NamedError, NamedField, NamedFolder, check_names};
pub use self::results::ResultScorer;
pub use self::scorers::{Results, ScorersError, alone, dials_of, name_of_results};
pub use self::source::SourceScorer;
pub use crate::models::score_model::spec::{Direction, LooksAt, ScoreSpec};

/// The unit of scores whose name, unit and range are known at run time alone: [`UserScorer::spec`] has them.
pub struct UserScore;

impl Unit for UserScore {
    const NAME: &'static str = "user_score";
    const UNIT: &'static str = "as score.json says";
    const LOW: f32 = f32::MIN;
    const HIGH: f32 = f32::MAX;
}

/// Raise this when the code changes what a score is.
const VERSION: &[u8] = b"score/1";

/// Scores pictures as a folder's `score.json` says, in the unit `U`.
pub struct UserScorer<U = UserScore> {
    name: &'static str,
    model: ScoreModel,
    pool: SessionPool<ScoreSession>,
    unit: PhantomData<fn() -> U>,
}

impl<U: Unit> UserScorer<U> {
    /// The scorer in `folder`, on `cores` cores, as the stage `name`: snake_case, and no name of another. It is
    /// run once on a grey picture, so that a `score.json` that does not fit its model is an error before the first question.
    ///
    /// The name is kept until the process ends: a process opens few scorers.
    pub fn open(name: &str, folder: &Path, backend: &Backend, cores: usize) -> Result<Self, OnnxError> {
        let model = ScoreModel::open(folder, backend)?;
        let mut plan = SessionPlan::new(backend, model.bytes(), cores);
        plan.most_a_batch = model.fixed_batch().unwrap_or(plan.most_a_batch);
        let tried = Mutex::new(None);
        if let Some(place) = plan.places.first() {
            *tried.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((*place, model.open_tried(*place, plan.threads)?));
        }
        let opened = model.clone();
        // The session that was tried is the first that the pool asks for.
        let opens = move |place, threads| {
            let first = tried.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(at, _)| *at == place);
            first.map_or_else(|| opened.open_session(place, threads), |(_, session)| Ok(session))
        };
        let pool = SessionPool::open(plan, opens, ScoreSession::warm_up)?;
        let name = Box::leak(name.to_owned().into_boxed_str());
        Ok(UserScorer { name, model, pool, unit: PhantomData })
    }

    /// What the `score.json` in a folder says, held against its model; the model is not opened.
    pub fn read_spec(folder: &Path) -> Result<ScoreSpec, OnnxError> {
        // Which back-end it is does not matter yet.
        let backend = Backend::find(BackendChoice::Embedded, Device::Cpu)?;
        ScoreModel::open(folder, &backend).map(|model| model.spec().clone())
    }

    /// What its `score.json` says: unit, range, direction, dial, which pictures it looks at.
    pub fn spec(&self) -> &ScoreSpec {
        self.model.spec()
    }

    /// The picture as the model takes it. `picture` must be decoded for
    /// [`Purpose::Full`](crate::pixels::decode::Purpose::Full).
    pub fn fit(&self, picture: &Rgb) -> Result<Fitted, Refusal> {
        self.model.prepare(picture)
    }

    /// The scores of pictures that [`UserScorer::fit`] made, in order. Refusal classes: `not_a_number`, `out_of_range`; those of
    /// models that fail (`model_failed`, `out_of_memory`).
    pub fn scores(
        &self,
        session: &mut Pooled<ScoreSession>,
        fitted: &[&Fitted],
    ) -> Vec<Result<f32, Refusal>> {
        let numbers = self.pool.run(session, fitted, |session, pictures| session.run(pictures));
        numbers.into_iter().map(|number| self.spec().score(number?)).collect()
    }
}

impl<U: Unit> Operator for UserScorer<U> {
    type Answer = Score<U>;
    type Prepared = Fitted;
    type Session = Pooled<ScoreSession>;

    fn name(&self) -> &'static str {
        self.name
    }

    fn stamp(&self) -> Stamp {
        let mut parts = vec![("operator", VERSION.to_vec())];
        parts.extend(self.model.stamp_parts());
        Stamp::of_gathered(&parts)
    }

    fn model(&self) -> String {
        // By its content, not its folder: what is published may not depend on where models lie.
        let content = self.model.content_hash().to_string();
        format!("ONNX model {} with its score.json ({})", &content[..8], self.model.precision_class())
    }

    fn demonstration(&self) -> Option<String> {
        demonstration(std::iter::once(self.model.graph()))
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        let (width, height) = (picture.width.into(), picture.height.into());
        let fitted = self.model.fitting().size_of((width, height));
        // Once as it is cut, once more where it is padded or read from a JPEG.
        decoded_bytes_of(bytes, width, height, picture.format, self.model.purpose()) + 2 * bytes_of(fitted)
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        self.model.fitting().size().map_or(0, bytes_of)
    }

    fn bytes_held(&self, prepared: &Fitted, _questions: usize) -> u64 {
        prepared.pixels.len() as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Fitted, Refusal> {
        let (picture, bytes) = subject.look()?;
        let rgb = decode(bytes, picture.format, picture.orientation, self.model.purpose())?;
        self.fit(&rgb)
    }

    fn limits(&self) -> Limits {
        self.pool.limits()
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        self.pool.open_session()
    }

    fn answer(&self, session: &mut Self::Session, batch: &[Fitted]) -> Vec<Result<Reply<Score<U>>, Refusal>> {
        let scores = self.scores(session, &batch.iter().collect::<Vec<_>>());
        scores.into_iter().map(|score| score.map(|score| Score::of(score).into())).collect()
    }
}

fn bytes_of((width, height): (u32, u32)) -> u64 {
    3 * u64::from(width) * u64::from(height)
}

#[cfg(test)]
mod tests;
