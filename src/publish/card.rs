//! The dataset card: `README.md` in the form that the Hugging Face hub reads, with the funnels that led to the set.

use std::fmt::Write;

use super::funnel::{FunnelStep, Summary};
use super::manifest::{Part, PartKind, PicturesFolder};
use super::origins::origins_on_card;
use super::pieces::{pieces_kept, pieces_kept_column};
use super::rejected::{Sort, told_columns};
use super::{Demonstration, DialSetting, StageDescription, Wanted, WantedPieces};
use crate::row::Of;

/// The whole card, with the funnels of pictures, of regions and of edits.
pub(super) fn card(
    wanted: &Wanted<'_>,
    summary: &Summary,
    [pictures, regions, edits]: [&[FunnelStep]; 3],
    (folders, parts): (&[PicturesFolder], &[Part]),
) -> String {
    let mut card = front_matter(parts);
    let (pipeline, kept, rows) = (wanted.pipeline, summary.kept, summary.rows);
    // Writing to a string cannot fail.
    let _ = write!(
        card,
        "# {pipeline}: {kept} of {rows} rows kept\n\n\
         Curated by the Threshflow pipeline `{pipeline}`. Every row of the input is here once: kept in `data/`, or in \
         `rejected/` with the reason.\n\n"
    );
    if let Some(sentence) = Demonstration::sentence(wanted.demonstration) {
        let _ = write!(card, "**{sentence}**\n\n");
    }
    card.push_str(&funnel_table("The funnel", "rows", pictures));
    card.push_str(&piece_funnel(summary, Of::Regions, regions));
    card.push_str(&piece_funnel(summary, Of::Edits, edits));
    card.push_str(&dial_table(wanted));
    card.push_str(&stamp_table(wanted));
    card.push_str(&columns(wanted));
    card.push_str(&origins_on_card(parts));
    card.push_str(&of_folders(folders));
    card.push_str(&wanted.pieces.as_ref().map_or(String::new(), piece_columns));
    card.push_str(&loading(parts));
    card
}

/// Names the files of each configuration; one without files would keep the others from loading.
fn front_matter(parts: &[Part]) -> String {
    let mut text = "---\n".to_owned();
    let configs = [
        ("default", PartKind::Data),
        ("edits", PartKind::Edits),
        ("rejected", PartKind::Rejected),
        ("regions_rejected", PartKind::RegionsRejected),
        ("edits_rejected", PartKind::EditsRejected),
    ];
    let with_files: Vec<_> =
        configs.iter().filter(|config| parts.iter().any(|part| part.kind == config.1)).collect();
    if !with_files.is_empty() {
        text.push_str("configs:\n");
    }
    for (name, kind) in with_files {
        let _ = write!(text, "- config_name: {name}\n  data_files: {}/*.parquet\n", kind.folder());
    }
    text.push_str("tags:\n- threshflow\n---\n\n");
    text
}

fn funnel_table(title: &str, what: &str, funnel: &[FunnelStep]) -> String {
    let mut table = format!(
        "## {title}\n\n| stage | {what} in | held back | refused | {what} out |\n|---|--:|--:|--:|--:|\n"
    );
    for FunnelStep { stage, entered, gated, refused, left } in funnel {
        let _ = writeln!(table, "| {} | {entered} | {gated} | {refused} | {left} |", cell(stage));
    }
    table + "\n"
}

fn piece_funnel(summary: &Summary, of: Of, funnel: &[FunnelStep]) -> String {
    let Some(pieces) = summary.pieces(of) else { return String::new() };
    let (found, kept, published) = (pieces.found, pieces.kept, pieces.published);
    let what = of.plural();
    let came = if of == Of::Edits { "were tried on" } else { "were found in" };
    let mut text = funnel_table(&format!("The funnel of {what}"), what, funnel);
    let _ = write!(
        text,
        "{found} {what} {came} the pictures, {kept} of them were kept; {published} of these are of a picture that \
         is kept, and published with it.\n\n"
    );
    text
}

fn dial_table(wanted: &Wanted<'_>) -> String {
    if wanted.dials.is_empty() {
        return String::new();
    }
    let mut table = "## Dials\n\nA row passed a gate where its score stands so to the dial.\n\n\
                     | dial | passes | unit | default | about |\n|---|---|---|--:|---|\n"
        .to_owned();
    for groups in wanted.dials.chunk_by(|one, next| one.dial() == next.dial()) {
        // Groups that all stand the same are one line.
        let stand = |dial: &DialSetting| (dial.value.to_bits(), dial.share.clone(), dial.labels.clone());
        let alike = groups.iter().all(|group| stand(group) == stand(&groups[0]));
        for dial in if alike { &groups[..1] } else { groups } {
            let name = if alike { dial.dial() } else { dial.name };
            let [name, unit, about] = [name, dial.unit, dial.about].map(cell);
            let said = [&dial.share, &dial.labels].into_iter().flatten();
            let said = said.map(|said| format!(" ({said})")).collect::<String>();
            let _ = writeln!(
                table,
                "| `{name}` | {} {}{said} | {unit} | {} | {about} |",
                dial.comparison, dial.value, dial.default
            );
        }
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
         `sidecar_error` says what of them could not be used as it stands, and why. `source_url`, `source`, `license` and `author` \
         are what the `.json` says of the picture's origin, null where it says nothing.\n\n\
         `rejected/`: one row a sample that was not kept. `stage` is where it ended; with `dial`, `score` and \
         `threshold` where a gate held it back, with `class` and `message` where it was refused.\n\n"
    )
}

/// Where pictures are that are in no tar.
fn of_folders(folders: &[PicturesFolder]) -> String {
    if folders.is_empty() {
        return String::new();
    }
    let mut text = "Pictures of these shards lie loose in folders: `picture` is the path of the file below the folder, all of it is the \
                    picture, and `offset` is 0. A folder of many pictures is in parts, which are called `NAME/1-of-16` and so on.\n\n\
                    | shard | folder |\n|---|---|\n"
        .to_owned();
    for PicturesFolder { shard, folder } in folders {
        let _ = writeln!(text, "| {} | {} |", cell(shard), cell(folder));
    }
    text + "\n"
}

fn piece_columns(pieces: &WantedPieces<'_>) -> String {
    let own = |(of, names): &(Of, Vec<_>)| (pieces_kept_column(*of), pieces_kept(names));
    let mut text =
        "`jsons/`: one tar a shard, with the record of each kept picture as `jsons/<key>.json`. The fields of the record \
         that are columns of `data/`, too, stand below; what a record lacks is null there. `regions_kept` (and `edits_kept`) \
         list the pieces that are published with the picture: their numbers among all that were found in it, their content \
         hashes, their scores (null where one is no finite number). Of a sample with an end frame (`KEY.end.jpg`), `content` is the \
         hash of both files' hashes.\n\n| column | type |\n|---|---|\n"
            .to_owned();
    for (name, holds) in pieces.sorts.iter().map(own).chain(pieces.recorder.columns()) {
        let _ = writeln!(text, "| `{}` | `{}` |", cell(name), cell(&holds.to_string()));
    }
    for (of, _) in pieces.sorts {
        text.push_str(&rejected_columns((pieces, *of)));
    }
    text + "\n" + &edit_columns(pieces)
}

fn rejected_columns(sort: Sort<'_, '_>) -> String {
    let (one, many) = (sort.1.singular(), sort.1.plural());
    let mut text = format!(
        "\n`{many}_rejected/`: a row for each of the {many} that are not published with a picture. `{one}` is its \
         number; `stage` to `message` are as in `rejected/`. `rejected` says whose reason that is: the {one}'s own, or that of its \
         `picture` where the {one} passed everything. `content` and `scores` are those that the {one} had when it ended; what nobody \
         knew yet is null, here and in the other columns.\n\n| column | type |\n|---|---|\n"
    );
    for (name, holds) in told_columns(sort) {
        let _ = writeln!(text, "| `{}` | `{}` |", cell(name), cell(&holds.to_string()));
    }
    text
}

fn edit_columns(pieces: &WantedPieces<'_>) -> String {
    let columns = pieces.recorder.edit_columns();
    if columns.is_empty() {
        return String::new();
    }
    let mut text = "`edits/`: one row an edit of a kept picture, named by `key` and `shard`.\n\n| column | type |\n|---|---|\n"
        .to_owned();
    for (name, holds) in columns {
        let _ = writeln!(text, "| `{}` | `{}` |", cell(name), cell(&holds.to_string()));
    }
    text + "\n"
}

/// How the parts are read that each set has, and those that this one has.
fn loading(parts: &[Part]) -> String {
    let mut text = "## Loading\n\n```python\n\
        from datasets import load_dataset\n\
        kept = load_dataset(\"parquet\", data_files=\"data/*.parquet\", split=\"train\")\n\
        rejected = load_dataset(\"parquet\", data_files=\"rejected/*.parquet\", split=\"train\")\n"
        .to_owned();
    if parts.iter().any(|part| part.kind == PartKind::Edits) {
        text.push_str("edits = load_dataset(\"parquet\", data_files=\"edits/*.parquet\", split=\"train\")\n");
    }
    if parts.iter().any(|part| part.kind == PartKind::RegionsRejected) {
        text.push_str(
            "regions = load_dataset(\"parquet\", data_files=\"regions_rejected/*.parquet\", split=\"train\")\n",
        );
    }
    if parts.iter().any(|part| part.kind == PartKind::EditsRejected) {
        text.push_str(
            "edits_rejected = load_dataset(\"parquet\", data_files=\"edits_rejected/*.parquet\", split=\"train\")\n",
        );
    }
    text + "```\n\nNo pictures are in this folder. The pipeline's `export` copies the kept samples, with the original bytes \
            of every file, into WebDataset tars.\n"
}

/// Text that cannot end its table cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
