//! Released tars, joined by `cat` and read by Python: ImgEdit's own readers are `tarfile` and webdataset.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ::tests::python::{load_datasets, read_tar};
use operators::plan::edit_plan::EditType;

use super::super::*;
use super::made_up::{MULTI, MadeUp, SINGLE};
use super::writing::rows;

#[test]
fn python_reads_the_joined_pieces_of_every_tar() {
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Add, EditType::Visual, EditType::VersionBacktracking]);
    // The 100th byte of a name that no header holds is a slash: of the edits of one type in either shard.
    for (shard, edit_type) in [(0, EditType::Add), (2, EditType::Visual)] {
        let (name, edits) = &mut made_up.shards[shard];
        *name = format!("laion_{shard}_{}", "s".repeat(91 - format!("results_{edit_type}_").len()));
        assert_eq!(format!("results_{edit_type}_{name}/").len(), 100);
        for (place, edit) in edits.iter_mut().enumerate() {
            edit.shard.clone_from(name);
            edit.key = format!("{}{place}", "k".repeat(160 + 30 * place));
        }
    }
    let to = tempfile::tempdir().unwrap();
    release(to.path(), &made_up, PicturesIn::Tars { piece_bytes: 5_000 }).unwrap();
    let mut tars: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for folder in ["Singleturn", "Multiturn"] {
        for entry in std::fs::read_dir(to.path().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let (stem, _) = path.to_str().unwrap().rsplit_once('.').unwrap();
            tars.entry(stem.to_owned()).or_default().push(path.clone());
        }
    }
    assert_eq!(tars.len(), 6);
    for (stem, mut pieces) in tars {
        pieces.sort();
        assert!(pieces.len() > 1, "{stem} is in one piece");
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| std::fs::read(piece).unwrap()).collect();
        let mut wanted = Vec::new();
        let mut archive = tar::Archive::new(&joined[..]);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            wanted.push((String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes));
        }
        let Some((found, _)) = read_tar(&pieces) else { return };
        assert!(found == wanted, "{stem}");
        let results = wanted.iter().filter(|(name, _)| name.ends_with("/result.json")).count();
        assert_eq!(results, 2, "a task for each of two edits");
    }
}

#[test]
fn datasets_loads_every_type_by_its_name() {
    let to = tempfile::tempdir().unwrap();
    let mut made_up = MadeUp::new();
    made_up.release_to(to.path());
    let Some(loaded) = load_datasets(to.path()) else { return };
    let names =
        |loaded: &serde_json::Value| -> Vec<String> { loaded.as_object().unwrap().keys().cloned().collect() };
    let types = SINGLE.iter().chain(&MULTI).map(|(edit_type, _)| edit_type.name());
    let wanted: Vec<&str> = types.clone().chain(["single_turn", "multi_turn", "details"]).collect();
    assert_eq!(names(&loaded), wanted);
    let tables = |edit_type: &str| -> Vec<serde_json::Value> {
        let part = |number| rows(&to.path().join(format!("Parquet/{edit_type}_part{number}.parquet")));
        [part(1), part(3)].concat()
    };
    for edit_type in types {
        assert_eq!(loaded[edit_type]["rows"], serde_json::json!(tables(edit_type)), "{edit_type}");
    }
    for (schema, types) in [("single_turn", &SINGLE[..]), ("multi_turn", &MULTI)] {
        let all = loaded[schema]["rows"].as_array().unwrap();
        let of_types: Vec<_> = types.iter().flat_map(|(edit_type, _)| tables(edit_type.name())).collect();
        assert!(all.len() == of_types.len() && of_types.iter().all(|row| all.contains(row)), "{schema}");
    }
    assert_eq!(loaded["details"]["rows"].as_array().map(Vec::len), Some(52));

    // A type of which nothing is left has no configuration, and the others load as they did.
    made_up.keep(&[EditType::Add, EditType::ContentMemory]);
    made_up.release_to(to.path());
    let fewer = load_datasets(to.path()).unwrap();
    assert_eq!(names(&fewer), ["add", "content_memory", "single_turn", "multi_turn", "details"]);
    assert_eq!(fewer["add"], loaded["add"]);
    made_up.keep(&[EditType::ContentMemory]);
    made_up.release_to(to.path());
    assert!(load_datasets(to.path()).unwrap()["single_turn"].is_null());
    made_up.keep(&[]);
    made_up.release_to(to.path());
    let card = std::fs::read_to_string(to.path().join("README.md")).unwrap();
    assert!(card.contains("# 0 edits") && !card.contains("configs:"), "{card}");
}

#[test]
fn a_card_that_somebody_changed_is_no_damage_and_is_written_anew() {
    let to = tempfile::tempdir().unwrap();
    let made_up = MadeUp::new();
    made_up.release_to(to.path());
    let path = to.path().join("README.md");
    let card = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{card}Licence: mine\n")).unwrap();
    assert!(check(to.path()).iter().all(|finding| finding.severity == Severity::Note));
    let done = made_up.release_to(to.path());
    assert_eq!((done.parts_written, done.bytes_written), (0, 0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), card);
}
