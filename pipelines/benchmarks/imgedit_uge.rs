//! ImgEdit-Bench, its hard part: understanding, grounding, editing. 47 items, one score of 1 to 5.
//!
//! This is the shortest definition: copy it for a benchmark of your own, and add it to `all.rs`.
//!
//! Items are read from an object of keys, `{"1": {"id": "000029784.jpg", "prompt": "…"}}`: `UGE_edit.json` of the repository with its
//! pictures beside it, or the folder `Benchmark/hard` of the archive. `id` is the picture's path from the file on.

use std::collections::BTreeMap;
use std::path::Path;

use crate::definition::mean;
use crate::{Ask, Benchmark, Item, Items, ItemsError, Script, files};

pub(crate) static IMGEDIT_UGE: Benchmark = Benchmark {
    name: "imgedit-uge",
    about: "ImgEdit-Bench, understanding-grounding-editing: 47 hard instructions, one score of 1 to 5",
    items,
    asks: &[Ask::ONE_SCORE],
    formula: |_, scores| mean(scores[0]?.iter().copied()),
    perfect: None,
    script: Script::ImgEdit,
    dimension: "type",
    subsets: &[],
    own: &[("uge", include_str!("prompts/imgedit-uge.md"))],
};

const NAMES: [&str; 5] =
    ["UGE_edit.json", "hard.json", "Benchmark/hard/UGE_edit.json", "hard/UGE_edit.json", "UGE/UGE_edit.json"];

fn items(path: &Path) -> Result<Items, ItemsError> {
    let file = match files::find(path, &NAMES) {
        Err(_) if path.join("Benchmark/hard").is_dir() => files::find(&path.join("Benchmark/hard"), &NAMES)?,
        found => found?,
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut read = Vec::new();
    for (key, row) in files::rows(&file)? {
        let key = files::key(&file, &key.unwrap_or_default())?;
        let picture = files::inside(&file, &key, folder, &files::said(&file, &key, &row, "id")?)?;
        let item = Item {
            prompts: vec![files::said(&file, &key, &row, "prompt")?],
            rubric: "uge".into(),
            groups: BTreeMap::from([("type".to_owned(), "uge".to_owned())]),
            plan: row.get("plan").cloned(),
            key,
            ..Item::default()
        };
        read.push((item, (picture, None)));
    }
    files::items(&file, read, BTreeMap::new())
}
