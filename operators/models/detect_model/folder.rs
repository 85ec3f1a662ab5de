//! The files beside a detector's graph: the labels of a built-in vocabulary, and the letterbox in preprocessor_config.json.

use std::io::ErrorKind;

use serde_json::Value;

use crate::onnx::{ModelFolder, OnnxError};
use crate::pixels::letterbox::LetterboxFamily;

/// What preprocessor_config.json decides; nothing where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) family: Option<LetterboxFamily>,
    /// The edge of the letterbox in pixels.
    pub(super) size: Option<u32>,
}

fn failed(folder: &ModelFolder, why: String) -> OnnxError {
    OnnxError::Folder { path: folder.root().to_path_buf(), why }
}

/// The graph that is meant.
pub(super) fn graph(folder: &ModelFolder) -> Result<String, OnnxError> {
    if let Some(name) = folder.named().or_else(|| folder.first_of(&["model.onnx"])) {
        return Ok(name.to_string());
    }
    match &folder.graphs()[..] {
        [only] => Ok(only.clone()),
        graphs => {
            let why = format!("no detector in it: it holds {graphs:?}; wanted model.onnx, or a single graph");
            Err(failed(folder, why))
        }
    }
}

fn read(folder: &ModelFolder, name: &str) -> Result<Option<Vec<u8>>, OnnxError> {
    match std::fs::read(folder.root().join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(folder, format!("{name}: {error}"))),
    }
}

/// The labels of a baked vocabulary: those beside the graph, else those that it brings itself.
pub(super) fn labels(folder: &ModelFolder, own: Option<Vec<String>>) -> Result<Vec<String>, OnnxError> {
    let labels = match (read(folder, "labels.txt")?, read(folder, "labels.json")?) {
        (Some(text), None) => from_lines(&text),
        (None, Some(text)) => from_json(&text),
        (None, None) => own.ok_or_else(|| {
            "the graph takes no text, so its vocabulary is baked in, and neither labels.txt nor labels.json nor the graph's own \
             metadata (`names`) says what it is; write one label a line, in the graph's order"
                .to_string()
        }),
        (Some(_), Some(_)) => {
            Err("there are a labels.txt and a labels.json; take one of them away".to_string())
        }
    };
    labels.map_err(|why| failed(folder, why))
}

fn from_lines(text: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("labels.txt is no UTF-8: {error}"))?;
    let labels: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_string()).collect();
    match labels.iter().position(String::is_empty) {
        Some(at) => Err(format!("line {} of labels.txt is empty; write one label a line", at + 1)),
        None => Ok(labels),
    }
}

/// A list of names, or an object from "0", "1", ... to names, in any order.
fn from_json(text: &[u8]) -> Result<Vec<String>, String> {
    const ALLOWED: &str =
        "a list of names, or an object of names by index from \"0\" on without gaps, is allowed";
    let value: Value =
        serde_json::from_slice(text).map_err(|error| format!("labels.json is no JSON: {error}"))?;
    let name = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_string);
    let labels: Option<Vec<String>> = match &value {
        Value::Array(names) => names.iter().map(|value| name(Some(value))).collect(),
        Value::Object(names) => (0..names.len()).map(|at| name(names.get(&at.to_string()))).collect(),
        _ => None,
    };
    labels.filter(|labels| !labels.is_empty()).ok_or_else(|| {
        let start: String = value.to_string().chars().take(60).collect();
        format!("labels.json starts with {start}; {ALLOWED}")
    })
}

/// `letterbox` (or `family`) and `size` of preprocessor_config.json; its other fields mean nothing to a letterbox.
pub(super) fn config(folder: &ModelFolder) -> Result<Config, OnnxError> {
    let Some(text) = read(folder, "preprocessor_config.json")? else { return Ok(Config::default()) };
    parse(&text).map_err(|why| failed(folder, format!("preprocessor_config.json: {why}")))
}

fn parse(text: &[u8]) -> Result<Config, String> {
    let config: Value = serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let there = |field: &str| config.get(field).filter(|value| !value.is_null());
    let family = match there("letterbox").or(there("family")).map(|value| (value, value.as_str())) {
        None => None,
        Some((_, Some("mmyolo"))) => Some(LetterboxFamily::Mmyolo),
        Some((_, Some("ultralytics"))) => Some(LetterboxFamily::Ultralytics),
        Some((other, _)) => {
            return Err(format!("`letterbox` is {other}; \"mmyolo\" or \"ultralytics\" is allowed"));
        }
    };
    let size = match there("size") {
        None => None,
        Some(value) => {
            let square = value.get("height").filter(|height| value.get("width") == Some(height));
            match square.unwrap_or(value).as_u64() {
                Some(pixels @ 1..=4096) => Some(pixels as u32),
                _ => {
                    return Err(format!(
                        "`size` is {value}; the edge of a square is allowed, 1 to 4096 pixels, as a number or as equal height \
                         and width"
                    ));
                }
            }
        }
    };
    Ok(Config { family, size })
}
