//! The dataset card: `README.md` in the form that the Hugging Face hub reads, with the funnel that led to the set.

use std::fmt::Write;

use super::funnel::{FunnelStep, Summary};
use super::manifest::{Part, PartKind};
use super::{StageDescription, Wanted};

/// The whole card.
pub(super) fn card(wanted: &Wanted<'_>, summary: &Summary, funnel: &[FunnelStep], parts: &[Part]) -> String {
    let mut card = front_matter(parts);
    let (pipeline, kept, rows) = (wanted.pipeline, summary.kept, summary.rows);
    // Writing to a string cannot fail.
    let _ = write!(
        card,
        "# {pipeline}: {kept} of {rows} rows kept\n\n\
         Curated by the Threshflow pipeline `{pipeline}`. Every row of the input is here once: kept in `data/`, or in \
         `rejected/` with the reason.\n\n"
    );
    card.push_str(&funnel_table(funnel));
    card.push_str(&dial_table(wanted));
    card.push_str(&stamp_table(wanted));
    card.push_str(&columns(wanted));
    card.push_str(LOADING);
    card
}

/// Names the files of each configuration; one without files would keep the others from loading.
fn front_matter(parts: &[Part]) -> String {
    let mut text = "---\n".to_owned();
    let configs = [("default", "data", PartKind::Data), ("rejected", "rejected", PartKind::Rejected)];
    let with_files: Vec<_> =
        configs.iter().filter(|config| parts.iter().any(|part| part.kind == config.2)).collect();
    if !with_files.is_empty() {
        text.push_str("configs:\n");
    }
    for (name, folder, _) in with_files {
        let _ = write!(text, "- config_name: {name}\n  data_files: {folder}/*.parquet\n");
    }
    text.push_str("tags:\n- threshflow\n---\n\n");
    text
}

fn funnel_table(funnel: &[FunnelStep]) -> String {
    let mut table =
        "## The funnel\n\n| stage | rows in | held back | refused | rows out |\n|---|--:|--:|--:|--:|\n"
            .to_owned();
    for FunnelStep { stage, entered, gated, refused, left } in funnel {
        let _ = writeln!(table, "| {} | {entered} | {gated} | {refused} | {left} |", cell(stage));
    }
    table + "\n"
}

fn dial_table(wanted: &Wanted<'_>) -> String {
    if wanted.dials.is_empty() {
        return String::new();
    }
    let mut table = "## Dials\n\nA row passed a gate where its score stands so to the dial.\n\n\
                     | dial | passes | unit | default | about |\n|---|---|---|--:|---|\n"
        .to_owned();
    for dial in wanted.dials {
        let [name, unit, about] = [dial.name, dial.unit, dial.about].map(cell);
        let _ = writeln!(
            table,
            "| `{name}` | {} {} | {unit} | {} | {about} |",
            dial.comparison, dial.value, dial.default
        );
    }
    table + "\n"
}

fn stamp_table(wanted: &Wanted<'_>) -> String {
    let mut table = "## Models\n\nA stamp is the hash of all that shapes an answer: the operator, the model's bytes, the \
                     preprocessing, the precision.\n\n| stage | model | stamp |\n|---|---|---|\n"
        .to_owned();
    let header = table.len();
    for stage in wanted.stages {
        if let StageDescription::Ask { name, stamp, model, .. } = stage {
            let _ = writeln!(table, "| {} | {} | `{stamp}` |", cell(name), cell(model));
        }
    }
    if table.len() == header { String::new() } else { table + "\n" }
}

fn columns(wanted: &Wanted<'_>) -> String {
    let scores: Vec<String> = wanted.score_columns.iter().map(|name| format!("`{name}`")).collect();
    let scores = if scores.is_empty() {
        String::new()
    } else {
        format!(" Scores (32-bit floats): {}.", scores.join(", "))
    };
    format!(
        "## Columns\n\n`data/`: one row a picture. `shard` and `key` name the sample. The picture, whose file name is \
         `picture`, is the `length` bytes at `offset` of the shard's tar (of its pieces joined, where it is in pieces); \
         `content` is the start of the BLAKE3 hash of those bytes (128 bits). `width` and `height` are in pixels, as the \
         picture is shown.{scores} `caption` is the sample's caption; `sidecar` is its `.json` as text, and \
         `sidecar_error` says why it could not be read.\n\n\
         `rejected/`: one row a sample that was not kept. `stage` is where it ended; with `dial`, `score` and \
         `threshold` where a gate held it back, with `class` and `message` where it was refused.\n\n"
    )
}

const LOADING: &str = "## Loading\n\n```python\n\
from datasets import load_dataset\n\
kept = load_dataset(\"parquet\", data_files=\"data/*.parquet\", split=\"train\")\n\
rejected = load_dataset(\"parquet\", data_files=\"rejected/*.parquet\", split=\"train\")\n\
```\n\n\
No pictures are in this folder. The pipeline's `export` copies the kept samples, with the original bytes of every \
file, into WebDataset tars.\n";

/// Text that cannot end its table cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
