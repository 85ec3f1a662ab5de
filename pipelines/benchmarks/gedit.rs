//! GEdit-Bench (Step1X-Edit): 606 instructions in English and as many in Chinese, of eleven task types. Two asks with two scores of 0 to
//! 10 each: SC (semantic consistency: success, over-editing) from both pictures, PQ (perceptual quality: naturalness, artefacts) from
//! the edited one alone. An item's score is the root of the lower SC by the lower PQ; the total is the mean of the types' means, for each
//! language, and over the items of the intersection (which all models of the paper answered) besides.
//!
//! The data set is released as Parquet; what is read here is an export of its rows: a JSON list, lines of JSON (`.jsonl`) or an object by
//! key, each row with `key`, `task_type`, `instruction`, `instruction_language` (`en`, or `cn`; `zh` is taken as `cn`) and
//! `Intersection_exist` (true or false). A row's picture is the file that `input_image` names, or else `KEY.png|jpg|jpeg|webp` or
//! `KEY_SRCIMG.png` (as GEdit's own script writes it) beside the file, below `images/`, or where that script lays them:
//! `fullset/TYPE/LANGUAGE/`. Where both languages have the same key, the item's key is `KEY-LANGUAGE`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{Ask, Benchmark, Form, Item, Items, ItemsError, Part, Script, Subset, files};

pub(crate) static GEDIT: Benchmark = Benchmark {
    name: "gedit",
    about: "GEdit-Bench: 606 instructions in English and in Chinese, of 11 types, scores of 0 to 10",
    items,
    asks: &[
        Ask {
            name: "sc",
            range: [0.0, 10.0],
            scores: &["success", "overediting"],
            labels: LIST,
            form: Form::List,
            upstream: &[(
                "",
                "_context_no_delimit+_prompts_0shot_two_image_edit_rule+_prompts_0shot_tie_rule_SC",
            )],
            ..Ask::ONE_SCORE
        },
        Ask {
            name: "pq",
            parts: &[Part::Rubric, Part::After],
            range: [0.0, 10.0],
            scores: &["naturalness", "artefacts"],
            labels: LIST,
            form: Form::List,
            upstream: &[("", "_context_no_delimit+_prompts_0shot_rule_PQ")],
            ..Ask::ONE_SCORE
        },
    ],
    formula: |_, scores| {
        let lowest = |scores: &[f64]| scores.iter().copied().min_by(f64::total_cmp);
        Some((lowest(scores[0]?)? * lowest(scores[1]?)?).sqrt())
    },
    perfect: None,
    script: Script::VieScore,
    dimension: "type",
    subsets: &[
        Subset { name: "en", groups: &[("language", "en")] },
        Subset { name: "cn", groups: &[("language", "cn")] },
        Subset { name: "en, intersection", groups: &[("language", "en"), ("intersection", "yes")] },
        Subset { name: "cn, intersection", groups: &[("language", "cn"), ("intersection", "yes")] },
    ],
    own: &[("sc", include_str!("prompts/gedit/sc.md")), ("pq", include_str!("prompts/gedit/pq.md"))],
};

/// One name for the whole list, as VIEScore has it.
const LIST: &[&[&str]] = &[&["score", "scores", "output score"], &["score", "scores", "output score"]];

const NAMES: [&str; 4] = ["gedit.json", "gedit.jsonl", "GEdit-Bench.json", "GEdit-Bench.jsonl"];

fn items(path: &Path) -> Result<Items, ItemsError> {
    let file = files::find(path, &NAMES)?;
    let rows = files::rows(&file)?;
    let mut read = Vec::new();
    for (at, (key, row)) in rows.into_iter().enumerate() {
        let key = match key {
            Some(key) => key,
            None => files::said(&file, &format!("row {}", at + 1), &row, "key")?,
        };
        let key = files::key(&file, &key)?;
        let language = language(&file, &key, &row)?;
        read.push((key, language, row));
    }
    let mut languages: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, language, _) in &read {
        languages.entry(key).or_default().insert(language);
    }
    let both: BTreeSet<String> =
        languages.iter().filter(|(_, of)| of.len() > 1).map(|(key, _)| (*key).to_owned()).collect();
    let items = read.iter().map(|(key, language, row)| item(&file, key, language, row, both.contains(key)));
    files::items(&file, items.collect::<Result<_, _>>()?, BTreeMap::new())
}

type Read = (Item, (PathBuf, Option<PathBuf>));

fn item(
    file: &Path,
    key: &str,
    language: &str,
    row: &Map<String, Value>,
    both: bool,
) -> Result<Read, ItemsError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let task = files::said_as(file, key, row, &["task_type", "type"])?;
    let intersection = match row.get("Intersection_exist").or(row.get("intersection_exist")) {
        None | Some(Value::Null | Value::Bool(false)) => "no",
        Some(Value::Bool(true)) => "yes",
        Some(other) => {
            let wanted = format!("item {key:?}: \"Intersection_exist\" must be true or false, not {other}");
            return Err(files::error(file, wanted));
        }
    };
    files::inside(file, key, folder, &format!("{task}/{language}"))?;
    let picture = match row.get("input_image") {
        Some(Value::String(id)) => files::inside(file, key, folder, id)?,
        _ => {
            let laid = folder.join("fullset").join(&task).join(language);
            files::picture(
                &[folder.to_owned(), folder.join("images"), laid],
                &[key.to_owned(), format!("{key}_SRCIMG")],
            )
        }
    };
    let groups = [("type", task.as_str()), ("language", language), ("intersection", intersection)];
    let item = Item {
        key: if both { files::key(file, &format!("{key}-{language}"))? } else { key.to_owned() },
        prompts: vec![files::said(file, key, row, "instruction")?],
        rubric: "gedit".into(),
        groups: groups.map(|(dimension, group)| (dimension.to_owned(), group.to_owned())).into(),
        places: vec![format!("fullset/{task}/{language}/{key}"), format!("{task}/{language}/{key}")],
        ..Item::default()
    };
    Ok((item, (picture, None)))
}

fn language(file: &Path, key: &str, row: &Map<String, Value>) -> Result<String, ItemsError> {
    match files::said(file, key, row, "instruction_language")?.as_str() {
        "en" => Ok("en".into()),
        "cn" | "zh" => Ok("cn".into()),
        other => Err(files::error(
            file,
            format!("item {key:?}: \"instruction_language\" is {other:?}; `en` and `cn` are known"),
        )),
    }
}
