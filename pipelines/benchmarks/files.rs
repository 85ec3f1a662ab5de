//! Item files: found in a folder, read without a key that stands twice, and checked for what would go wrong later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use operators::words::chat::reader::once::Once;
use serde_json::{Map, Value};

use crate::item::hash_of;
use crate::{Item, Items, ItemsError};

/// What a run writes, and rubrics: never items.
const NO_ITEMS: [&str; 8] = [
    "judge_prompt.json",
    "prompts.json",
    "basic_prompts.json",
    "result.json",
    "average_score.json",
    "typescore.json",
    "package.json",
    "metrics.json",
];
/// Endings of pictures, in the order that they are looked for.
const PICTURES: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

pub(crate) fn error(path: &Path, what: impl std::fmt::Display) -> ItemsError {
    ItemsError(format!("no items from {}: {what}", path.display()))
}

/// The file of items: the path itself, or the first of `names` that the folder has, or its only JSON file.
pub(crate) fn find(path: &Path, names: &[&str]) -> Result<PathBuf, ItemsError> {
    let wanted = || format!("give the file, or a folder with one of {}", names.join(", "));
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if !path.is_dir() {
        return Err(error(path, format!("there is no such file or folder; {}", wanted())));
    }
    if let Some(found) = names.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        return Ok(found);
    }
    let entries = std::fs::read_dir(path).map_err(|why| error(path, format!("it can't be listed: {why}")))?;
    let mut others = BTreeSet::new();
    for entry in entries {
        let file = entry.map_err(|why| error(path, format!("it can't be listed: {why}")))?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".json") && !NO_ITEMS.contains(&name.as_str()) && file.is_file() {
            others.insert(file);
        }
    }
    match (others.len(), others.pop_first()) {
        (1, Some(only)) => Ok(only),
        (0, _) => Err(error(path, format!("the folder has no file of items; {}", wanted()))),
        (several, _) => Err(error(path, format!("the folder has {several} JSON files; {}", wanted()))),
    }
}

/// The JSON of a file, in which no object has a key twice.
pub(crate) fn json(path: &Path) -> Result<Value, ItemsError> {
    let text = text(path)?;
    match serde_json::from_str::<Once>(&text) {
        Ok(Once(value)) => Ok(value),
        Err(why) => {
            Err(error(path, format!("it is not JSON that says each thing once: {why}; correct the file")))
        }
    }
}

/// The text of a file, in UTF-8, without a byte order mark.
pub(crate) fn text(path: &Path) -> Result<String, ItemsError> {
    let bytes = std::fs::read(path).map_err(|why| error(path, format!("it can't be read: {why}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|why| error(path, format!("it is not UTF-8 ({why}); save it as UTF-8")))?;
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

/// A row, and its key where a mapping has it.
pub(crate) type KeyedRow = (Option<String>, Map<String, Value>);

/// Rows of a file: a list, lines of JSON, or a mapping of keys to rows. Of a mapping the key comes along.
pub(crate) fn rows(path: &Path) -> Result<Vec<KeyedRow>, ItemsError> {
    let row = |key: Option<String>, value: Value, at: usize| match value {
        Value::Object(row) => Ok((key, row)),
        other => Err(error(path, format!("row {at} must be an object, not {}", short(&other)))),
    };
    if path.extension().is_some_and(|ending| ending == "jsonl") {
        let text = text(path)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        return lines
            .map(|(at, line)| match serde_json::from_str::<Once>(line) {
                Ok(Once(value)) => row(None, value, at + 1),
                Err(why) => Err(error(path, format!("line {} is not JSON: {why}", at + 1))),
            })
            .collect();
    }
    match json(path)? {
        Value::Array(items) => items.into_iter().enumerate().map(|(at, it)| row(None, it, at + 1)).collect(),
        Value::Object(items) => {
            items.into_iter().enumerate().map(|(at, (key, it))| row(Some(key), it, at + 1)).collect()
        }
        other => Err(error(
            path,
            format!("it must hold a list of items, or an object of items by key, not {}", short(&other)),
        )),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(60).chain(['…']).collect() }
}

/// A text of a row that has to be there, and says something.
pub(crate) fn said(
    path: &Path,
    key: &str,
    row: &Map<String, Value>,
    name: &str,
) -> Result<String, ItemsError> {
    match row.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(Value::String(_)) => {
            Err(error(path, format!("item {key:?}: {name:?} is empty; a text is wanted")))
        }
        Some(other) => {
            Err(error(path, format!("item {key:?}: {name:?} must be a text, not {}", short(other))))
        }
        None => Err(error(path, format!("item {key:?} has no {name:?}; a text is wanted"))),
    }
}

/// The first of these that the row has, in any of which a text may stand.
pub(crate) fn said_as(
    path: &Path,
    key: &str,
    row: &Map<String, Value>,
    names: &[&str],
) -> Result<String, ItemsError> {
    let name = names.iter().find(|name| row.get(**name).is_some_and(|it| !it.is_null()));
    said(path, key, row, name.unwrap_or(&names[0]))
}

/// A text of a row that need not be there. Neither `null`, nor an empty text, nor NaN is one.
pub(crate) fn maybe(
    path: &Path,
    key: &str,
    row: &Map<String, Value>,
    name: &str,
) -> Result<Option<String>, ItemsError> {
    match row.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(_) => said(path, key, row, name).map(Some),
    }
}

/// A key names a file of the results.
pub(crate) fn key(path: &Path, key: &str) -> Result<String, ItemsError> {
    let fits = !key.is_empty()
        && key != "."
        && key != ".."
        && key.len() <= 200
        && key.trim() == key
        && !key.contains(['/', '\\'])
        && !key.chars().any(char::is_control);
    if fits {
        return Ok(key.to_owned());
    }
    let wanted = "a key names a file: up to 200 bytes, without slashes, line breaks, or blanks around it";
    Err(error(path, format!("{key:?} is no key of an item: {wanted}; rename it")))
}

/// A picture that a row names, within the folder.
pub(crate) fn inside(path: &Path, key: &str, folder: &Path, id: &str) -> Result<PathBuf, ItemsError> {
    let stays = !id.is_empty()
        && !id.contains('\0')
        && Path::new(id).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if stays {
        return Ok(folder.join(id));
    }
    let wanted = "a path below the folder of the items is wanted, without `..`";
    Err(error(path, format!("item {key:?} names the picture {id:?}; {wanted}")))
}

/// The picture of a name, by whichever ending it has; as PNG where there is none.
pub(crate) fn picture(folders: &[PathBuf], stems: &[String]) -> PathBuf {
    let places = folders.iter().flat_map(|folder| {
        stems.iter().flat_map(move |stem| PICTURES.map(|ending| folder.join(format!("{stem}.{ending}"))))
    });
    let mut places = places.peekable();
    let first = places.peek().cloned().unwrap_or_default();
    places.find(|place| place.is_file()).unwrap_or(first)
}

/// Items with their hash, as `path` has them. Two of one key are an error.
pub(crate) fn items(
    path: &Path,
    read: Vec<(Item, (PathBuf, Option<PathBuf>))>,
    lacks: BTreeMap<String, crate::Lacks>,
) -> Result<Items, ItemsError> {
    if read.is_empty() {
        return Err(error(path, "there is none in it"));
    }
    let mut keys = BTreeSet::new();
    if let Some((twice, _)) = read.iter().find(|(item, _)| !keys.insert(item.key.as_str())) {
        return Err(error(path, format!("the key {:?} stands in it twice; keys are unique", twice.key)));
    }
    let hash = hash_of(read.iter().map(|(item, _)| item));
    let (items, pictures) = read.into_iter().unzip();
    Ok(Items { file: path.to_owned(), items, pictures, lacks, hash })
}

#[cfg(test)]
mod tests;
