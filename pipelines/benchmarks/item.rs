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
    /// Where the benchmark's own scripts lay the edited picture, relative to the folder of results and without an extension:
    /// `biology/1`. To be looked for after `KEY.*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// What is known of the picture besides, for editors and judges that work by it; kept as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<serde_json::Value>,
}

/// The items of a benchmark as a file or a folder has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Items {
    /// The file that they were read from, or the folder of several.
    pub file: PathBuf,
    /// In the order of the file.
    pub items: Vec<Item>,
    /// Of each item, in the same order: its picture, and its reference picture where it has one. They need not be there.
    pub pictures: Vec<(PathBuf, Option<PathBuf>)>,
    /// Items that nobody can be asked about, by key, and why: such as those that have several pictures. They count in `n`, and a run
    /// puts this into [`Judged::lacks`](crate::Judged::lacks).
    pub lacks: BTreeMap<String, Lacks>,
    /// Of all that shapes a score: keys, prompts, rubrics' names, groups, facts and asks, in the order of the keys. Not of the
    /// pictures' places. Two tables compare only where this is the same.
    pub hash: String,
}

/// What an item lacks that a judge would have been shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacks {
    /// snake_case: `no_picture` (the item's own), `missing_result`, `content_filter` (of the editor), ...
    pub class: String,
    pub message: String,
}

/// The hash of items: of each, in the order of the keys, what shapes a score. 64 hexadecimal digits.
pub fn hash_of<'a>(items: impl IntoIterator<Item = &'a Item>) -> String {
    let by_key: BTreeMap<&str, &Item> = items.into_iter().map(|item| (item.key.as_str(), item)).collect();
    let mut hash = blake3::Hasher::new();
    for item in by_key.values() {
        hash.update(shape(item).as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().to_hex().to_string()
}

/// What of an item shapes a score, as one line of JSON.
pub(crate) fn shape(item: &Item) -> String {
    let Item { key, prompts, rubric, groups, facts, asks, places: _, plan: _ } = item;
    serde_json::json!([key, prompts, rubric, groups, facts, asks]).to_string()
}

/// Why there are no items.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ItemsError(pub String);
