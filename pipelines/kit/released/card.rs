//! `README.md`: the card by which Hugging Face `datasets` finds the tables. It has a configuration for each type, because the two schemas
//! differ, one for all types of each schema, and one for the details.

use std::fmt::Write;

use operators::plan::edit_plan::EditType;

use super::edit::PicturesIn;
use super::names::{DETAILS, PARQUET, tar_folder};
use super::origins::Origins;
use super::{features, tables};

/// The name of the card's file.
pub(crate) const CARD: &str = "README.md";

/// What is released of a type.
pub(crate) struct TypeOnCard {
    pub edit_type: EditType,
    pub edits: usize,
    pub parts: usize,
}

/// The card of a folder that holds these types from these origins, of which `remark` is to be known: a function of nothing else.
pub(crate) fn card(
    types: &[TypeOnCard],
    layout: PicturesIn,
    remark: Option<&str>,
    origins: &Origins,
) -> String {
    let edits: usize = types.iter().map(|it| it.edits).sum();
    let is_embedded = layout == PicturesIn::Rows;
    let mut card = front_matter(types, is_embedded);
    // Writing to a string cannot fail.
    let _ = write!(
        card,
        "# {edits} edits of pictures, in ImgEdit's layout\n\n\
         Written by `imgedit release`, and written anew by the next one.\n\n"
    );
    if let Some(remark) = remark {
        let _ = write!(card, "**{remark}**\n\n");
    }
    card.push_str("| configuration | schema | edits | tables | pictures |\n|---|---|--:|--:|---|\n");
    for TypeOnCard { edit_type, edits, parts } in types {
        let schema = if edit_type.is_multi_turn() { "multi-turn" } else { "single turn" };
        let pictures = match is_embedded {
            true => "in the rows".to_owned(),
            false => format!("`{}/{edit_type}_part*.tar.split.*`", tar_folder(*edit_type)),
        };
        let _ = writeln!(card, "| `{edit_type}` | {schema} | {edits} | {parts} | {pictures} |");
    }
    card.push_str(
        "\nA row of a single turn has `input_images`, `output_images` and `prompt`; one of several turns has `data`, a list of such \
         rows. `single_turn` and `multi_turn` are all types of that schema. `details` has all that is known of each edit: where its \
         picture comes from, the objects with boxes and masks, every score, and what made and judged it.\n",
    );
    if let Some(first) = types.first() {
        card.push_str(&if is_embedded { loading_pictures(first) } else { loading_paths(first) });
    }
    card + &origins.tables()
}

/// How pictures that are in the rows are had.
fn loading_pictures(first: &TypeOnCard) -> String {
    let name = first.edit_type;
    let first_picture = match name.is_multi_turn() {
        true => "edit[\"data\"][0][\"input_images\"][0]",
        false => "edit[\"input_images\"][0]",
    };
    format!(
        "\nA row has its pictures, as Hugging Face's `Image`: the bytes of the file, and the path that it would have in a tar. `mask` is \
         255 where any edited object is (null where the edit is about no object), and `task` is the text of ImgEdit's `result.json`.\n\n\
         ```python\nfrom datasets import load_dataset\n\
         for edit in load_dataset(\".\", \"{name}\", split=\"train\", streaming=True):\n    {first_picture}.show()\n    break\n```\n"
    )
}

/// How the tables and the pictures in tars are had.
fn loading_paths(first: &TypeOnCard) -> String {
    let (name, tars) = (first.edit_type, tar_folder(first.edit_type));
    format!(
        "\n```python\nfrom datasets import load_dataset\nedits = load_dataset(\".\", \"{name}\", split=\"train\")\n```\n\n\
         Pictures lie in tars, which may be in pieces; a row names the members:\n\n\
         ```\ncat {tars}/{name}_part1.tar.split.* | tar -x\n```\n"
    )
}

/// Only what has files: a configuration without any keeps the others from loading.
fn front_matter(types: &[TypeOnCard], is_embedded: bool) -> String {
    let files = |edit_type: EditType| format!("{PARQUET}/{edit_type}_part*.parquet");
    let mut text = "---\n".to_owned();
    if !types.is_empty() {
        text.push_str("configs:\n");
    }
    for TypeOnCard { edit_type, .. } in types {
        let _ = write!(text, "- config_name: {edit_type}\n  data_files: {}\n", files(*edit_type));
    }
    let mut default = "  default: true\n";
    for (name, multi_turn) in [("single_turn", false), ("multi_turn", true)] {
        let of_schema: Vec<_> =
            types.iter().filter(|it| it.edit_type.is_multi_turn() == multi_turn).collect();
        if of_schema.is_empty() {
            continue;
        }
        let _ = write!(text, "- config_name: {name}\n{}  data_files:\n", std::mem::take(&mut default));
        for it in of_schema {
            let _ = writeln!(text, "  - {}", files(it.edit_type));
        }
    }
    if !types.is_empty() {
        let _ = write!(text, "- config_name: details\n  data_files: {DETAILS}/*.parquet\n");
    }
    if is_embedded && !types.is_empty() {
        text.push_str(&features_of(types));
    }
    text + "tags:\n- image-editing\n- threshflow\n---\n\n"
}

/// Of each configuration with pictures, what its columns hold: by this a viewer shows pictures before it has read a file.
fn features_of(types: &[TypeOnCard]) -> String {
    let is_multi = |it: &TypeOnCard| it.edit_type.is_multi_turn();
    let schemas = [("single_turn", false), ("multi_turn", true)];
    let schemas = schemas.into_iter().filter(|(_, multi)| types.iter().any(|it| is_multi(it) == *multi));
    let configs = types.iter().map(|it| (it.edit_type.name(), is_multi(it))).chain(schemas);
    let mut text = "dataset_info:\n".to_owned();
    for (name, is_multi_turn) in configs {
        let columns = features::yaml(&tables::columns(is_multi_turn, true), 2);
        let _ = write!(text, "- config_name: {name}\n  features:\n{columns}");
    }
    text
}
