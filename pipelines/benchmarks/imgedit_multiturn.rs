//! ImgEdit-Bench, its part of several turns: two or three instructions on one picture, run in order. Each turn is a yes or a no.
//!
//! The authors have people judge it. A judge's opinion is beside theirs, and marked as such: one ask a turn, 1 for yes and 0 for no,
//! about the picture before the turn and the one after it.
//!
//! Items are read from `annotation.json` of the archive's three folders `content_memory`, `content_understand` and `version_backtrace`
//! below `Benchmark/multiturn`, each `{"1": {"id": "000066341.jpg", "turn1": "…", "turn2": "…", "turn3": "…"}}` with its pictures beside
//! it; or from one such file, whose category is the name of its folder. The folders' keys are the same, so an item's key is
//! `CATEGORY_KEY`, and its edited pictures are `CATEGORY_KEY_turn1.png` and so on, or `CATEGORY/KEY_turn1.png`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::definition::{all_read, mean};
use crate::{Ask, Benchmark, Item, Items, ItemsError, Script, files};

pub(crate) static IMGEDIT_MULTITURN: Benchmark = Benchmark {
    name: "imgedit-multiturn",
    about: "ImgEdit-Bench, multi-turn: two or three turns, each a yes or a no, by people",
    items,
    asks: &[TURN, Ask { name: "turn2", turn: 2, ..TURN }, Ask { name: "turn3", turn: 3, ..TURN }],
    formula: |item, scores| mean(all_read(&IMGEDIT_MULTITURN, item, scores)?),
    perfect: Some(|item, scores| {
        all_read(&IMGEDIT_MULTITURN, item, scores).is_some_and(|all| all.iter().all(|yes| *yes == 1.0))
    }),
    script: Script::ImgEdit,
    dimension: "category",
    subsets: &[],
    own: &[("turn", include_str!("prompts/imgedit-multiturn.md"))],
};

const TURN: Ask = Ask {
    name: "turn1",
    range: [0.0, 1.0],
    scores: &["fulfilled"],
    labels: &[&["fulfilled", "fulfils", "fulfilled the instruction", "verdict", "answer"]],
    ..Ask::ONE_SCORE
};

/// The folders, in the order that their items come.
pub const CATEGORIES: [&str; 3] = ["content_memory", "content_understand", "version_backtrace"];

fn items(path: &Path) -> Result<Items, ItemsError> {
    let mut read = Vec::new();
    for (category, file) in annotations(path)? {
        let folder = file.parent().unwrap_or(Path::new("."));
        for (key, row) in files::rows(&file)? {
            let id = files::key(&file, &key.unwrap_or_default())?;
            let picture = files::inside(&file, &id, folder, &files::said(&file, &id, &row, "id")?)?;
            let mut prompts = vec![files::said(&file, &id, &row, "turn1")?];
            for turn in ["turn2", "turn3"] {
                prompts.extend(files::maybe(&file, &id, &row, turn)?);
            }
            if row.get("turn4").is_some() {
                return Err(files::error(&file, format!("item {id:?} has more than three turns")));
            }
            let item = Item {
                key: files::key(&file, &format!("{category}_{id}"))?,
                rubric: "turn".into(),
                groups: BTreeMap::from([("category".to_owned(), category.clone())]),
                asks: (1..=prompts.len()).map(|turn| format!("turn{turn}")).collect(),
                places: vec![format!("{category}/{id}")],
                prompts,
                ..Item::default()
            };
            read.push((item, (picture, None)));
        }
    }
    files::items(path, read, BTreeMap::new())
}

/// The files, each with its category.
fn annotations(path: &Path) -> Result<Vec<(String, PathBuf)>, ItemsError> {
    let named = |file: &Path| {
        let folder = std::path::absolute(file).ok()?.parent()?.file_name()?.to_str()?.to_owned();
        Some(folder)
    };
    if path.is_file() {
        let category = named(path).unwrap_or_else(|| "multiturn".to_owned());
        return Ok(vec![(category, path.to_owned())]);
    }
    for below in ["", "Benchmark/multiturn", "multiturn", "Multiturn"] {
        let folder = if below.is_empty() { path.to_owned() } else { path.join(below) };
        if folder.join("annotation.json").is_file() {
            return annotations(&folder.join("annotation.json"));
        }
        let file = |category: &str| (category.to_owned(), folder.join(category).join("annotation.json"));
        let (there, gone): (Vec<_>, Vec<_>) =
            CATEGORIES.iter().map(|it| file(it)).partition(|(_, file)| file.is_file());
        match (there.is_empty(), gone.first()) {
            (true, _) => {}
            (false, None) => return Ok(there),
            (false, Some((_, gone))) => {
                return Err(files::error(
                    &folder,
                    format!(
                        "{} is missing; give one annotation.json to take a category alone",
                        gone.display()
                    ),
                ));
            }
        }
    }
    Err(files::error(path, format!("there is no annotation.json, nor folders {}", CATEGORIES.join(", "))))
}
