//! What a run collected about an item: raw answers, to be read by any parser at any time.

use serde::{Deserialize, Serialize};

use crate::{Item, Lacks};

/// An item and what the judge said about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub item: Item,
    /// Why nobody was asked about it, where nobody was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Lacks>,
    /// By pass, and in a pass in the order of the benchmark's asks.
    #[serde(default)]
    pub answers: Vec<Answer>,
}

/// What came of one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The name of the [`Ask`](crate::Ask).
    pub ask: String,
    /// From 1.
    pub pass: u32,
    pub said: Said,
}

/// What a judge said, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Its answer.
    Text(String),
    /// Why there is no answer. By `content_filter` and `model_declined` the judge refused, or a filter before it.
    Refused { class: String, message: String },
}

impl Said {
    /// The class by which the judge, or a filter before it, refused. By any other class the answer is not there for another reason, such
    /// as `answer_cut`, and counts as unread.
    pub fn refusal(&self) -> Option<&str> {
        const REFUSALS: [&str; 2] = ["content_filter", "model_declined"];
        match self {
            Said::Refused { class, .. } if REFUSALS.contains(&class.as_str()) => Some(class),
            _ => None,
        }
    }
}
