//! How parts, folders and files are named.

use std::collections::HashMap;

use operators::plan::edit_plan::EditType;
use threshflow::row::ContentHash;

/// `remove_part3`.
pub(crate) fn part_name(edit_type: EditType, number: usize) -> String {
    format!("{edit_type}_part{number}")
}

/// Where the tars of a type lie.
pub(crate) fn tar_folder(edit_type: EditType) -> &'static str {
    if edit_type.is_multi_turn() { "Multiturn" } else { "Singleturn" }
}

pub(crate) const PARQUET: &str = "Parquet";
pub(crate) const DETAILS: &str = "Details";
pub(crate) const SCORES: &str = "all_dataset_gpt_score.json";
pub(crate) const FOLDERS: [&str; 4] = ["Singleturn", "Multiturn", PARQUET, DETAILS];

/// The name of a type, where `name` is `<type>_part<digits>`.
pub(crate) fn type_of_part(name: &str) -> Option<EditType> {
    let (edit_type, number) = name.rsplit_once("_part")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    EditType::from_name(edit_type).filter(|_| is_number)
}

/// Whether a file below one of [`FOLDERS`] is named as we name ours. Only such files are ever deleted.
pub(crate) fn is_ours(folder: &str, name: &str) -> bool {
    match folder {
        "Details" => name.strip_suffix(".parquet").is_some_and(|name| EditType::from_name(name).is_some()),
        "Parquet" => name.strip_suffix(".parquet").is_some_and(|name| type_of_part(name).is_some()),
        _ => name.split_once(".tar.split.").is_some_and(|(part, piece)| {
            type_of_part(part).is_some_and(|edit_type| tar_folder(edit_type) == folder)
                && piece.len() >= 3
                && piece.bytes().all(|byte| byte.is_ascii_digit())
        }),
    }
}

/// Names as folders: `/` becomes `_`. Names that would then be one (`a/b` and `a_b`) or would mislead a file system get a hash.
pub(crate) fn folders<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let flat = |name: &str| name.replace(['/', '\0'], "_");
    let mut counts: HashMap<String, usize> = HashMap::new();
    for name in names.clone() {
        *counts.entry(flat(name)).or_default() += 1;
    }
    let folder = |name: &str| {
        let flat = flat(name);
        let plain = counts.get(&flat) == Some(&1) && !flat.is_empty() && flat != "." && flat != "..";
        if plain { flat } else { format!("{flat}~{}", &ContentHash::of(name.as_bytes()).to_string()[..8]) }
    };
    names.map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_plain_where_they_can_be_and_distinct_always() {
        let made = folders(["00094/00030/1", "a/b", "a_b", ".."].into_iter());
        assert_eq!(made[0], "00094_00030_1");
        assert!(made[1].starts_with("a_b~") && made[2].starts_with("a_b~") && made[1] != made[2], "{made:?}");
        assert!(made[3].starts_with("..~"));
    }

    #[test]
    fn only_our_own_names_are_ours() {
        for (folder, name) in [
            ("Singleturn", "add_part1.tar.split.000"),
            ("Multiturn", "content_memory_part12.tar.split.1000"),
            ("Parquet", "version_backtracking_part1.parquet"),
            ("Details", "style.parquet"),
        ] {
            assert!(is_ours(folder, name), "{folder}/{name}");
        }
        for (folder, name) in [
            ("Multiturn", "add_part1.tar.split.000"),
            ("Singleturn", "add_part1.tar"),
            ("Singleturn", "add_part.tar.split.000"),
            ("Parquet", "notes.parquet"),
            ("Details", "add_part1.parquet"),
        ] {
            assert!(!is_ours(folder, name), "{folder}/{name}");
        }
    }
}
