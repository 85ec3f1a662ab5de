//! Items: what an editor is asked to do with a picture.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One item of a benchmark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Unique in the benchmark. The edited picture is `KEY.png`, `KEY.jpg`, `KEY.jpeg` or `KEY.webp` of a folder of results.
    pub key: String,
    /// What the editor is told: one prompt a turn.
    pub prompts: Vec<String>,
    /// The name of the rubric that the item is judged by, such as its edit type; the same for all where there is but one.
    pub rubric: String,
    /// The groups that it counts in, by dimension: `("type", "add")`, `("language", "en")`.
    pub groups: BTreeMap<String, String>,
    /// What rubrics have further gaps for, by the gap's name: `explain`, `reference`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The asks that apply to it, by name; all of the benchmark's where this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<String>,
    /// What is known of the picture besides, for editors and judges that work by it; kept as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<serde_json::Value>,
}

/// The items of a benchmark as a file or a folder has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Items {
    /// In the order of the file.
    pub items: Vec<Item>,
    /// Of each item, in the same order: its picture, and its reference picture where it has one. They need not be there.
    pub pictures: Vec<(PathBuf, Option<PathBuf>)>,
    /// Of all that shapes a score: keys, prompts, rubrics' names, groups and facts, in the order of the keys. Not of the pictures' places.
    /// Two tables compare only where this is the same.
    pub hash: String,
}

/// Why there are no items.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ItemsError(pub String);
