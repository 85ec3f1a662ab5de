//! The columns of the three kinds of parquet files, and their rows.
//!
//! `Parquet/` has ImgEdit's two schemas and no more, or these with the pictures (see [`columns`]). `Details/<type>.parquet` has a row an edit, in the order of the parts:
//!
//! | column | what |
//! |---|---|
//! | `part` | `remove_part3`: the tar and the file in `Parquet/` |
//! | `source_shard`, `source_key`, `original_path` | where the source picture comes from |
//! | `source_url`, `source`, `license`, `author` | what its sidecar says of its origin, null where it says nothing |
//! | `original_hash` | BLAKE3 of its bytes, the first 16, as 32 hex digits; null where no turn shows it |
//! | `width`, `height` | of the source picture as shown; boxes and masks are measured on it |
//! | `operations`, `results` | one a step: what is done, and what must come of it (null where nothing is said) |
//! | `prompts`, `input_images`, `output_images` | one a turn; images are members of the tar |
//! | `premise`, `reference_image`, `mask_image` | null where there is none |
//! | `objects` | the edited regions: `step` (from 0), `noun`, `kind` (`object`, `background`), `bbox` (left, top, right, bottom, in pixels), `mask` (COCO run lengths), `scores` |
//! | `judgements` | one a turn, null where it was not judged: `score1` (follows, 1 to 5), `score2` (natural, 1 to 5), `match` (1, 0 or null), `reason` |
//! | `judge_model` | who judged |
//! | `scores` | every score of the edit, by name |
//! | `stamps` | the stages that shaped it, with the stamp of their answers and the model |
//! | `digest` | changes when anything of the edit changes |

use serde_json::{Value, json};
use threshflow::publish::Nested;
use threshflow::shard::Origin;

use super::edit::{Judged, ReleasedEdit};
use super::sample::SamplePaths;

fn list(of: Nested) -> Nested {
    Nested::List(Box::new(of))
}

/// The columns of a file in `Parquet/`: ImgEdit's own, of a single edit or of a conversation. Where the rows have the pictures, these
/// stand in the place of their paths. `mask` and `task` (the text of `result.json`) are what a tar would have beside them, and what the
/// sidecar says of the picture's origin follows.
pub(crate) fn columns(is_multi_turn: bool, is_embedded: bool) -> Vec<(&'static str, Nested)> {
    let image = if is_embedded { Nested::Picture } else { Nested::Text };
    let images = || list(image.clone());
    let turn = vec![("input_images", images()), ("output_images", images()), ("prompt", Nested::Text)];
    let mut columns = if is_multi_turn { vec![("data", list(Nested::Struct(turn)))] } else { turn };
    if is_embedded {
        columns.extend([("mask", Nested::Picture), ("task", Nested::Text)]);
        columns.extend(Origin::COLUMNS.map(|name| (name, Nested::Text)));
    }
    columns
}

/// Whether there are pictures in these columns.
pub(crate) fn has_pictures(columns: &[(&'static str, Nested)]) -> bool {
    columns.iter().any(|(_, holds)| *holds == Nested::Picture)
}

/// See the head of this file.
pub(crate) fn details() -> Vec<(&'static str, Nested)> {
    use Nested::{Float32, Float64, Int64, Struct, Text};
    let scores = || list(Struct(vec![("name", Text), ("value", Float32)]));
    let object = Struct(vec![
        ("step", Int64),
        ("noun", Text),
        ("kind", Text),
        ("bbox", list(Float64)),
        ("mask", Text),
        ("scores", scores()),
    ]);
    let judgement =
        Struct(vec![("score1", Float32), ("score2", Float32), ("match", Int64), ("reason", Text)]);
    let [source_url, source, license, author] = Origin::COLUMNS;
    vec![
        ("part", Text),
        ("source_shard", Text),
        ("source_key", Text),
        ("original_path", Text),
        (source_url, Text),
        (source, Text),
        (license, Text),
        (author, Text),
        ("original_hash", Text),
        ("width", Int64),
        ("height", Int64),
        ("operations", list(Text)),
        ("results", list(Text)),
        ("prompts", list(Text)),
        ("input_images", list(Text)),
        ("output_images", list(Text)),
        ("premise", Text),
        ("reference_image", Text),
        ("mask_image", Text),
        ("objects", list(object)),
        ("judgements", list(judgement)),
        ("judge_model", Text),
        ("scores", scores()),
        ("stamps", list(Struct(vec![("stage", Text), ("stamp", Text), ("model", Text)]))),
        ("digest", Text),
    ]
}

/// The columns of a table as they are told to people, and compared: `list<string>`.
pub(crate) fn shapes(columns: &[(&'static str, Nested)]) -> Vec<(String, String)> {
    columns.iter().map(|(name, holds)| ((*name).to_owned(), shape(holds))).collect()
}

fn shape(holds: &Nested) -> String {
    match holds {
        Nested::Text => "string".to_owned(),
        Nested::Picture => "struct<bytes: binary, path: string>".to_owned(),
        Nested::List(item) => format!("list<{}>", shape(item)),
        Nested::Struct(fields) => {
            let field = |(name, holds): &(&str, Nested)| format!("{name}: {}", shape(holds));
            format!("struct<{}>", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The row of `Parquet/<part>.parquet`; with `task` where it has the pictures, too.
pub(crate) fn row(edit: &ReleasedEdit, paths: &SamplePaths, task: Option<&str>) -> Vec<Value> {
    let turns = edit.turns.iter().zip(&paths.turns).map(|(turn, (input, output))| {
        let inputs: Vec<&str> = [input].into_iter().chain(&paths.reference).map(String::as_str).collect();
        (json!(inputs), json!([output]), turn.prompt.as_str())
    });
    let mut row: Vec<Value> = if edit.edit_type.is_multi_turn() {
        let turn = |(inputs, outputs, prompt): (Value, Value, &str)| json!({ "input_images": inputs, "output_images": outputs, "prompt": prompt });
        vec![turns.map(turn).collect()]
    } else {
        turns.take(1).flat_map(|(inputs, outputs, prompt)| [inputs, outputs, prompt.into()]).collect()
    };
    if let Some(task) = task {
        row.extend([json!(paths.mask), task.into()]);
        row.extend(edit.origin.texts().map(|text| json!(text)));
    }
    row
}

/// The row of `Details/<type>.parquet`.
pub(crate) fn details_row(part: &str, edit: &ReleasedEdit, paths: &SamplePaths) -> Vec<Value> {
    let scores = |scores: &[(String, f32)]| -> Value {
        scores.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
    };
    let objects = edit.objects.iter().map(|object| {
        json!({
            "step": object.step, "noun": object.noun, "kind": object.kind.to_string(), "bbox": object.bbox,
            "mask": object.mask, "scores": scores(&object.scores),
        })
    });
    let stamps =
        edit.stamps.iter().map(|it| json!({ "stage": it.stage, "stamp": it.stamp, "model": it.model }));
    let results = edit.results.iter().map(|result| Some(result).filter(|result| !result.is_empty()));
    let [source_url, source, license, author] = edit.origin.texts().map(|text| json!(text));
    vec![
        part.into(),
        edit.shard.as_str().into(),
        edit.key.as_str().into(),
        edit.original_path.as_str().into(),
        source_url,
        source,
        license,
        author,
        json!(paths.original_hash),
        edit.width.into(),
        edit.height.into(),
        edit.operations.iter().map(|operation| operation.name()).collect(),
        results.map(|result| json!(result)).collect(),
        edit.turns.iter().map(|turn| turn.prompt.as_str()).collect(),
        paths.turns.iter().map(|(input, _)| input.as_str()).collect(),
        paths.turns.iter().map(|(_, output)| output.as_str()).collect(),
        json!(edit.premise),
        json!(paths.reference),
        json!(paths.mask),
        objects.collect(),
        edit.turns.iter().map(|turn| turn.judgement.as_ref().map_or(Value::Null, judgement)).collect(),
        edit.judge_model.as_str().into(),
        scores(&edit.scores),
        stamps.collect(),
        edit.digest.to_string().into(),
    ]
}

fn judgement(judged: &Judged) -> Value {
    json!({
        "score1": judged.follows, "score2": judged.natural, "match": judged.matches.map(u8::from),
        "reason": judged.reason,
    })
}
