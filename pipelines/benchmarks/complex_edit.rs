//! Complex-Edit: instructions of one to eight atomic edits. Scores of 0 to 10: how well the instruction is followed and what should stay
//! is kept, from both pictures in one ask; perceptual quality, from the edited one. An item's score is the mean of the three. The
//! benchmark asks up to 20 times; here these are passes.
//!
//! The data set is released as Parquet; what is read here is an export of its rows: a JSON list, lines of JSON (`.jsonl`) or an object by
//! key. A row has `edit.compound`, a list whose Nth is `{"compound_instruction": "…"}` of complexity N, and makes one item for each:
//! `KEY_cN`. Or a row is one item, with `instruction` and `complexity`. `image` names the picture from the file on; where it is not a
//! text, the picture is `KEY.png|jpg|jpeg|webp` beside the file or below `images/`. A row without a `key` is numbered from 0 in five
//! digits, `00000`, as the benchmark's script pairs sorted pictures with rows. The edited picture is `KEY_cN.*` or `cN/KEY.*`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::definition::{all_read, mean};
use crate::{Ask, Benchmark, Item, Items, ItemsError, Part, Script, files};

pub(crate) static COMPLEX_EDIT: Benchmark = Benchmark {
    name: "complex-edit",
    about: "Complex-Edit: instructions of complexity 1 to 8, three scores of 0 to 10",
    items,
    asks: &[
        Ask {
            name: "alignment",
            range: [0.0, 10.0],
            scores: &["instruction following", "identity preservation"],
            labels: &[&["instruction following"], &["identity preservation"]],
            upstream: &[("", "prompt_alignment.ALIGNMENT_PROMPT_W_RUBRIC+prompt_alignment.PROMPT_TEMPLATE")],
            ..Ask::ONE_SCORE
        },
        Ask {
            name: "quality",
            parts: &[Part::Rubric, Part::After],
            range: [0.0, 10.0],
            scores: &["perceptual quality"],
            labels: &[&["perceptual quality"]],
            upstream: &[("", "prompt_quality.PERCEPTUAL_QUALITY_PROMPT_W_RUBRIC_WO_INST")],
            ..Ask::ONE_SCORE
        },
    ],
    formula: |item, scores| mean(all_read(&COMPLEX_EDIT, item, scores)?),
    perfect: None,
    script: Script::Schema,
    dimension: "complexity",
    subsets: &[],
    own: &[
        ("alignment", include_str!("prompts/complex-edit/alignment.md")),
        ("quality", include_str!("prompts/complex-edit/quality.md")),
    ],
};

const NAMES: [&str; 4] =
    ["complex_edit.json", "complex_edit.jsonl", "complex-edit.json", "complex-edit.jsonl"];
const MOST_COMPLEX: u64 = 8;

fn items(path: &Path) -> Result<Items, ItemsError> {
    let file = files::find(path, &NAMES)?;
    let mut read = Vec::new();
    for (at, (key, row)) in files::rows(&file)?.into_iter().enumerate() {
        let key = match key.or(files::maybe(&file, &format!("row {}", at + 1), &row, "key")?) {
            Some(key) => files::key(&file, &key)?,
            None => format!("{at:05}"),
        };
        for (complexity, instruction) in instructions(&file, &key, &row)? {
            read.push((item(&file, &key, &row, complexity, instruction)?, picture(&file, &key, &row)?));
        }
    }
    let read = read.into_iter().map(|(item, picture)| (item, (picture, None))).collect();
    files::items(&file, read, BTreeMap::new())
}

fn picture(file: &Path, key: &str, row: &Map<String, Value>) -> Result<std::path::PathBuf, ItemsError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    match row.get("image") {
        Some(Value::String(id)) => files::inside(file, key, folder, id),
        _ => Ok(files::picture(&[folder.to_owned(), folder.join("images")], &[key.to_owned()])),
    }
}

fn item(
    file: &Path,
    key: &str,
    row: &Map<String, Value>,
    complexity: u64,
    instruction: String,
) -> Result<Item, ItemsError> {
    let mut groups = BTreeMap::from([("complexity".to_owned(), complexity.to_string())]);
    if let Some(kind) = files::maybe(file, key, row, "image_type")? {
        groups.insert("image_type".to_owned(), kind);
    }
    let several = row.contains_key("edit");
    Ok(Item {
        key: if several { files::key(file, &format!("{key}_c{complexity}"))? } else { key.to_owned() },
        prompts: vec![instruction],
        rubric: "complex-edit".into(),
        groups,
        places: if several { vec![format!("c{complexity}/{key}")] } else { Vec::new() },
        ..Item::default()
    })
}

/// The instructions of a row, each with its complexity.
fn instructions(file: &Path, key: &str, row: &Map<String, Value>) -> Result<Vec<(u64, String)>, ItemsError> {
    let wrong = |what: String| files::error(file, format!("item {key:?}: {what}"));
    let Some(edit) = row.get("edit") else {
        let complexity =
            row.get("complexity").and_then(Value::as_u64).filter(|it| (1..=MOST_COMPLEX).contains(it));
        let complexity = complexity
            .ok_or_else(|| wrong("it has no \"edit\", and then \"complexity\" must be 1 to 8".into()))?;
        return Ok(vec![(complexity, files::said(file, key, row, "instruction")?)]);
    };
    let compound = edit.get("compound").and_then(Value::as_array).filter(|it| !it.is_empty());
    let compound =
        compound.ok_or_else(|| wrong("\"edit.compound\" must be a list of instructions".into()))?;
    if compound.len() as u64 > MOST_COMPLEX {
        return Err(wrong(format!("\"edit.compound\" has {} instructions; 8 are the most", compound.len())));
    }
    let one = |(at, edit): (usize, &Value)| match edit {
        Value::Object(edit) => Ok((at as u64 + 1, files::said(file, key, edit, "compound_instruction")?)),
        other => Err(wrong(format!("\"edit.compound\" must hold objects, not {other}"))),
    };
    compound.iter().enumerate().map(one).collect()
}
