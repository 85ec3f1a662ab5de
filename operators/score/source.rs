//! A scorer of the user's own about source pictures: by a model, by a number that the sidecars have, or by the number and else the model.

use std::sync::Arc;

use threshflow::lane::{Limits, Operator, Reply, Subject};
use threshflow::row::{Refusal, Score, Stamp};
use threshflow::shard::Picture;

use super::{NamedField, UserScore, UserScorer};
use crate::models::score_model::ScoreSession;
use crate::onnx::Pooled;
use crate::pixels::fit::Fitted;

/// Raise this when the code changes what a score of a sidecar is.
const VERSION: &[u8] = b"score_from_sidecar/1";

/// Scores source pictures. A number of a sidecar comes by [`Stage::open_or_sidecar`](threshflow::lane::Stage::open_or_sidecar).
pub struct SourceScorer(By);

enum By {
    Model(Arc<UserScorer>),
    /// No model: pictures whose sidecar has no such number are refused.
    Sidecar {
        name: &'static str,
        field: String,
        ends: [f32; 2],
    },
}

impl SourceScorer {
    /// Who answers where the sidecar has no number.
    pub fn of(scorer: Arc<UserScorer>) -> Self {
        SourceScorer(By::Model(scorer))
    }

    /// The numbers of the sidecars alone. The name is kept until the process ends.
    pub fn of_sidecar(named: &NamedField) -> Self {
        let name = Box::leak(named.name.clone().into_boxed_str());
        SourceScorer(By::Sidecar { name, field: named.field.clone(), ends: named.ends() })
    }
}

impl Operator for SourceScorer {
    type Answer = Score<UserScore>;
    type Prepared = Fitted;
    type Session = Option<Pooled<ScoreSession>>;

    fn name(&self) -> &'static str {
        match &self.0 {
            By::Model(scorer) => scorer.name(),
            By::Sidecar { name, .. } => name,
        }
    }

    fn stamp(&self) -> Stamp {
        match &self.0 {
            By::Model(scorer) => scorer.stamp(),
            // What is remembered says all of this.
            By::Sidecar { name, field, ends } => {
                let ends = format!("{ends:?}");
                let parts = [("name", *name), ("field", field.as_str()), ("ends", ends.as_str())];
                let mut all: Vec<(&str, &[u8])> = vec![("operator", VERSION)];
                all.extend(parts.iter().map(|(part, value)| (*part, value.as_bytes())));
                Stamp::of(&all)
            }
        }
    }

    fn model(&self) -> String {
        match &self.0 {
            By::Model(scorer) => scorer.model(),
            By::Sidecar { .. } => "none".to_owned(),
        }
    }

    fn demonstration(&self) -> Option<String> {
        match &self.0 {
            By::Model(scorer) => scorer.demonstration(),
            By::Sidecar { .. } => None,
        }
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        match &self.0 {
            By::Model(scorer) => scorer.bytes_to_prepare(picture, bytes),
            By::Sidecar { .. } => 0,
        }
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        match &self.0 {
            By::Model(scorer) => scorer.bytes_prepared(questions),
            By::Sidecar { .. } => 0,
        }
    }

    fn bytes_held(&self, prepared: &Fitted, questions: usize) -> u64 {
        match &self.0 {
            By::Model(scorer) => scorer.bytes_held(prepared, questions),
            By::Sidecar { .. } => 0,
        }
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Fitted, Refusal> {
        match &self.0 {
            By::Model(scorer) => scorer.prepare(subject),
            By::Sidecar { name, field, ends: [low, high] } => {
                let message = format!(
                    "the sidecar has no number `{field}` from {low} to {high}, and there is no model to ask; \
                     --score-from-sidecar {name}=FIELD:LOW..HIGH says another range, --score {name}=FOLDER names a model"
                );
                Err(Refusal::permanent("no_score", message))
            }
        }
    }

    fn limits(&self) -> Limits {
        match &self.0 {
            By::Model(scorer) => scorer.limits(),
            By::Sidecar { .. } => Limits::of_functions(1),
        }
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        match &self.0 {
            By::Model(scorer) => scorer.open_session().map(Some),
            By::Sidecar { .. } => Ok(None),
        }
    }

    fn answer(
        &self,
        session: &mut Self::Session,
        batch: &[Fitted],
    ) -> Vec<Result<Reply<Score<UserScore>>, Refusal>> {
        match (&self.0, session) {
            (By::Model(scorer), Some(session)) => scorer.answer(session, batch),
            _ => batch.iter().map(|_| Err(Refusal::permanent("no_score", "there is no model"))).collect(),
        }
    }
}
