//! KRIS-Bench: 1,267 edits that need knowledge, of some twenty categories. Scores of 1 to 5: consistency from both pictures, instruction
//! following from both, quality from the edited one; in categories of knowledge, its plausibility is asked beside the instruction. The
//! score of an item is the mean of the dimensions that it has; the table gives the mean of each dimension over the items that have it.
//!
//! Items are read from `KRIS_Bench/CATEGORY/annotation.json` (the folder, or the one above it), `{"1": {"ori_img": "1.jpg", "ins_en": "…",
//! "explain_en": "…"}}`; `instruction` and `explain`, as the scripts of the benchmark call them, are taken too. `gt_img`, of changes of the
//! viewpoint, is the reference picture. An item's key is `CATEGORY_ID`, and its edited picture `CATEGORY_ID.*` or `CATEGORY/ID.*`.
//!
//! Items of several pictures (`multi-element_composition`, `temporal_prediction`) can't be asked about: a run shows a judge one picture
//! before. They are in [`Items::lacks`](crate::Items::lacks), by the class `several_pictures`, and so in every table.
//!
//! A judge's `null` is no score: the answer is unread, and a further pass asks again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::definition::{all_read, mean};
use crate::{Ask, Benchmark, Item, Items, ItemsError, Lacks, Part, Script, files};

pub(crate) static KRIS: Benchmark = Benchmark {
    name: "kris",
    about: "KRIS-Bench: edits that need knowledge, scores of 1 to 5 in three or four dimensions",
    items,
    asks: &[
        Ask {
            name: "consistency",
            scores: &["consistency"],
            labels: &[&["consistency score", "consistency"]],
            upstream: &[("", "prompt_consist")],
            ..Ask::ONE_SCORE
        },
        INSTRUCTION,
        Ask {
            name: "instruction_reference",
            parts: &[Part::Rubric, Part::Before, Part::After, Part::Reference],
            upstream: &[("", "prompt_view_instruction_following")],
            ..INSTRUCTION
        },
        Ask {
            name: "knowledge",
            scores: &["instruction", "knowledge"],
            labels: &[INSTRUCTION_LABELS, &["knowledge score", "knowledge plausibility", "knowledge"]],
            upstream: &[("", "prompt_dual_evaluation")],
            ..Ask::ONE_SCORE
        },
        Ask {
            name: "quality",
            parts: &[Part::Rubric, Part::After],
            scores: &["quality"],
            labels: &[&["quality score", "image quality", "visual quality", "quality"]],
            upstream: &[("", "prompt_quality")],
            ..Ask::ONE_SCORE
        },
    ],
    formula: |item, scores| mean(all_read(&KRIS, item, scores)?),
    perfect: None,
    script: Script::Kris,
    dimension: "category",
    subsets: &[],
    own: &[
        ("consistency", include_str!("prompts/kris/consistency.md")),
        ("instruction", include_str!("prompts/kris/instruction.md")),
        ("instruction_reference", include_str!("prompts/kris/instruction_reference.md")),
        ("knowledge", include_str!("prompts/kris/knowledge.md")),
        ("quality", include_str!("prompts/kris/quality.md")),
    ],
};

const INSTRUCTION_LABELS: &[&str] = &["instruction score", "instruction following", "instruction"];
const INSTRUCTION: Ask = Ask {
    name: "instruction",
    scores: &["instruction"],
    labels: &[INSTRUCTION_LABELS],
    upstream: &[("anomaly", "prompt_abnormal_instruction_following"), ("", "prompt_instruction_following")],
    ..Ask::ONE_SCORE
};

/// The categories of knowledge, under the names of the folders and those of the scripts.
const KNOWLEDGE: [&str; 12] = [
    "abstract_reasoning",
    "mathematics",
    "practical_knowledge",
    "daily_life",
    "medicine",
    "rule-based_reasoning",
    "rule_reasoning",
    "biology",
    "geography",
    "chemistry",
    "humanities",
    "physics",
];

fn items(path: &Path) -> Result<Items, ItemsError> {
    let (mut read, mut lacks) = (Vec::new(), BTreeMap::new());
    for (category, file) in annotations(path)? {
        for (id, row) in files::rows(&file)? {
            let id = files::key(&file, &id.unwrap_or_default())?;
            let (item, pictures, several) = item(&file, &category, &id, &row)?;
            if several > 1 {
                let message =
                    format!("the item has {several} pictures, and a judge is shown one before the edit");
                lacks.insert(item.key.clone(), Lacks { class: "several_pictures".into(), message });
            }
            read.push((item, pictures));
        }
    }
    files::items(path, read, lacks)
}

type Pictures = (PathBuf, Option<PathBuf>);

fn item(
    file: &Path,
    category: &str,
    id: &str,
    row: &Map<String, Value>,
) -> Result<(Item, Pictures, usize), ItemsError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let ids = match row.get("ori_img") {
        Some(Value::Array(several)) if !several.is_empty() => {
            let text = |it: &Value| it.as_str().map(str::to_owned);
            let all: Option<Vec<String>> = several.iter().map(text).collect();
            all.ok_or_else(|| {
                files::error(file, format!("item {id:?}: \"ori_img\" must list names of pictures"))
            })?
        }
        _ => vec![files::said(file, id, row, "ori_img")?],
    };
    for picture in &ids {
        files::inside(file, id, folder, picture)?;
    }
    let reference = match files::maybe(file, id, row, "gt_img")? {
        Some(picture) => Some(files::inside(file, id, folder, &picture)?),
        None => None,
    };
    let mut facts = BTreeMap::new();
    for name in ["explain_en", "explain"] {
        if let Some(explain) = files::maybe(file, id, row, name)? {
            facts.entry("explain".to_owned()).or_insert(explain);
        }
    }
    let asked = match reference {
        Some(_) => "instruction_reference",
        None if KNOWLEDGE.contains(&category) => "knowledge",
        None => "instruction",
    };
    let anomaly = category.contains("anomaly") || category.contains("abnormal");
    let item = Item {
        key: files::key(file, &format!("{category}_{id}"))?,
        prompts: vec![files::said_as(file, id, row, &["ins_en", "instruction"])?],
        rubric: if anomaly { "anomaly" } else { "kris" }.into(),
        groups: BTreeMap::from([("category".to_owned(), category.to_owned())]),
        facts,
        asks: ["consistency", asked, "quality"].map(str::to_owned).into(),
        places: vec![format!("{category}/{id}")],
        plan: None,
    };
    Ok((item, (folder.join(&ids[0]), reference), ids.len()))
}

/// The categories' files, by category.
fn annotations(path: &Path) -> Result<BTreeMap<String, PathBuf>, ItemsError> {
    let category = |file: &Path| {
        let folder = std::path::absolute(file).ok()?.parent()?.file_name()?.to_str()?.to_owned();
        Some((folder, file.to_owned()))
    };
    if path.is_file() {
        return Ok(category(path).into_iter().collect());
    }
    let below = path.join("KRIS_Bench");
    let folder = if below.is_dir() { below.as_path() } else { path };
    if folder.join("annotation.json").is_file() {
        return Ok(category(&folder.join("annotation.json")).into_iter().collect());
    }
    let listed = std::fs::read_dir(folder).map_err(|why| {
        files::error(folder, format!("it can't be listed: {why}; give the folder KRIS_Bench"))
    })?;
    let mut found = BTreeMap::new();
    for entry in listed {
        let entry = entry.map_err(|why| files::error(folder, format!("it can't be listed: {why}")))?;
        let file = entry.path().join("annotation.json");
        if file.is_file() {
            found.extend(category(&file));
        }
    }
    if found.is_empty() {
        return Err(files::error(
            folder,
            "no folder in it has an annotation.json; give the folder KRIS_Bench",
        ));
    }
    Ok(found)
}
