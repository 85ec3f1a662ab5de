//! What is published of an item: the item, the raw answers, and where its pictures lie.

use std::sync::Arc;

use benchmarks::{Item, Judged, Lacks};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use threshflow::lane::{Key, Question, Stage};
use threshflow::publish::{KeptPicture, Nested, Recorder};
use threshflow::row::{Image, Refusal, Stamp, With};

use crate::edit::{EditItems, MadePicture, Outcome};
use crate::items::{self, ReadItems};
use crate::judge::{DatedAnswer, JudgeItems};

/// Raise this when the code changes what a record is.
const VERSION: &[u8] = b"bench_record/1";

/// Writes records out of what the stages remember.
pub struct BenchRecorder {
    pub items: Arc<Stage<ReadItems>>,
    pub edits: Arc<Stage<EditItems>>,
    pub judge: Arc<Stage<JudgeItems>>,
}

/// A record as it is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchRecord {
    pub item: Item,
    /// What it lacks, where nobody was asked about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Lacks>,
    /// By pass, and in a pass in the order of the benchmark's asks.
    pub answers: Vec<DatedAnswer>,
    /// By the run's parser; `None` where no answer was read.
    pub item_score: Option<f64>,
    /// The edited pictures, one a turn.
    pub made: Vec<MadePicture>,
}

impl BenchRecord {
    /// What is counted of it.
    pub fn judged(self) -> Judged {
        let answers = self.answers.into_iter().map(|dated| dated.answer).collect();
        Judged { item: self.item, lacks: self.lacks, answers }
    }

    /// Reads a record as it was published.
    pub fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Published {
            record: BenchRecord,
        }
        serde_json::from_slice::<Published>(text).map(|published| published.record)
    }
}

impl BenchRecorder {
    fn record_of(&self, picture: &KeptPicture<'_>) -> Result<BenchRecord, String> {
        let said = |refusal: Refusal| refusal.to_string();
        let item: Item = items::whole(picture.sidecar).map_err(said)?;
        let image = Image {
            id: picture.id,
            content: picture.picture.content,
            width: picture.picture.width,
            height: picture.picture.height,
        };
        let sample = Question::about(&image, Key::Sample);
        let outcome = Outcome::from_bytes(&self.edits.blob(&sample).map_err(said)?).map_err(said)?;
        let (asked, _) = items::kept(item.clone());
        let row = With::new(With::new(image, asked), outcome.handle());
        let blob = self.judge.blob(&Question::about(&row, Key::Row)).map_err(said)?;
        let answers = JudgeItems::answers(&blob).map_err(said)?;
        let (lacks, made): (Option<Lacks>, Vec<MadePicture>) = match outcome {
            Outcome::Made { pictures, .. } => (None, pictures),
            Outcome::Lacks(lacks) => (Some(lacks), Vec::new()),
        };
        let score = picture.scores.iter().find(|(name, _)| *name == "item_score");
        let item_score = score.map(|(_, score)| f64::from(*score)).filter(|score| score.is_finite());
        Ok(BenchRecord { item, lacks, answers, item_score, made })
    }
}

impl Recorder for BenchRecorder {
    fn stamp(&self) -> Stamp {
        Stamp::of(&[
            ("record", VERSION),
            ("item", &self.items.memo().stamp().0.0),
            ("edit", &self.edits.memo().stamp().0.0),
            ("judge", &self.judge.memo().stamp().0.0),
        ])
    }

    fn columns(&self) -> Vec<(&'static str, Nested)> {
        let text = || Nested::Text;
        let answer = vec![
            ("ask", text()),
            ("pass", Nested::Int64),
            ("day", text()),
            ("text", text()),
            ("class", text()),
            ("message", text()),
        ];
        vec![
            ("item", text()),
            ("prompts", Nested::List(Box::new(text()))),
            ("rubric", text()),
            ("groups", Nested::Entries(Box::new(text()))),
            ("lacks", Nested::Struct(vec![("class", text()), ("message", text())])),
            ("answers", Nested::List(Box::new(Nested::Struct(answer)))),
        ]
    }

    /// The record as [`BenchRecord`] reads it, with the fields of the columns beside.
    fn record(&self, picture: &KeptPicture<'_>) -> Result<String, String> {
        let record = self.record_of(picture)?;
        serde_json::to_string(&columns_of(&record)).map_err(|error| error.to_string())
    }
}

/// The record with the columns' fields: the answers are spelled in flat fields there.
fn columns_of(record: &BenchRecord) -> Value {
    let BenchRecord { item, lacks, answers, .. } = record;
    let answer = |DatedAnswer { answer, day, .. }: &DatedAnswer| {
        let (text, class, message) = match &answer.said {
            benchmarks::Said::Text(text) => (Some(text), None, None),
            benchmarks::Said::Refused { class, message } => (None, Some(class), Some(message)),
        };
        json!({
            "ask": answer.ask, "pass": answer.pass, "day": day, "text": text, "class": class, "message": message,
        })
    };
    json!({
        "item": item.key, "prompts": item.prompts, "rubric": item.rubric, "groups": item.groups, "lacks": lacks,
        "answers": answers.iter().map(answer).collect::<Vec<_>>(), "record": record,
    })
}
