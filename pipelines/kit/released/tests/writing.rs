//! What is written, and what is left alone.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use operators::plan::edit_plan::EditType;
use serde_json::{Value, json};
use threshflow::publish::Table;

use super::super::*;
use super::made_up::{BOX, MadeUp};

/// Every file below `folder` by its path: its bytes, and what a rewriting would change. What was seen of them is no part of the set.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, u64, i64, i64)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in std::fs::read_dir(&below).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let known = std::fs::metadata(&path).unwrap();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if name == ".seen" {
                continue;
            }
            let seen = (std::fs::read(&path).unwrap(), known.ino(), known.mtime(), known.mtime_nsec());
            files.insert(name, seen);
        }
    }
    files
}

pub(super) fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    files(folder).into_iter().map(|(name, (bytes, ..))| (name, bytes)).collect()
}

/// The files that were written between two looks, and those that are gone.
pub(super) fn touched(folder: &Path, action: impl FnOnce()) -> (Vec<String>, Vec<String>) {
    let before = files(folder);
    action();
    let after = files(folder);
    let written =
        after.iter().filter(|(name, seen)| before.get(*name) != Some(seen)).map(|(name, _)| name.clone());
    let gone = before.keys().filter(|name| !after.contains_key(*name)).cloned();
    (written.collect(), gone.collect())
}

pub(super) fn rows(path: &Path) -> Vec<Value> {
    let table = Table::open(path).unwrap();
    let columns = table.columns();
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut rows = Vec::new();
    let see = |_, row: &[Value]| {
        rows.push(names.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned()).collect());
        ControlFlow::<()>::Continue(())
    };
    table.read(&names, see).unwrap();
    rows
}

pub(super) fn members(tar: &[u8]) -> BTreeMap<String, (u64, Vec<u8>)> {
    let mut members = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (mut bytes, at) = (Vec::new(), entry.raw_file_position());
        entry.read_to_end(&mut bytes).unwrap();
        members.insert(entry.path().unwrap().to_str().unwrap().to_owned(), (at, bytes));
    }
    members
}

#[test]
fn a_released_set_has_imgedits_layout() {
    let to = tempfile::tempdir().unwrap();
    let done = MadeUp::new().release_to(to.path());
    assert_eq!((done.parts_written, done.parts_unchanged, done.parts_removed), (26, 0, 0));
    let files = files(to.path());
    let notes: usize = [".lock", "manifest.json", "README.md", "croissant.json"]
        .iter()
        .map(|name| files[*name].0.len())
        .sum();
    let all: usize = files.values().map(|(bytes, ..)| bytes.len()).sum();
    assert_eq!(done.bytes_written, (all - notes) as u64);
    for part in ["Singleturn/add_part1", "Singleturn/hybrid_part3", "Multiturn/version_backtracking_part3"] {
        assert!(files.contains_key(&format!("{part}.tar.split.000")), "{part}");
    }
    // The second shard has no edits, and its number.
    assert!(!files.keys().any(|name| name.contains("_part2") || name.contains(".writing")));
    let folder = "results_visual_laion_00001/00_000_1";
    let single = rows(&to.path().join("Parquet/visual_part1.parquet"));
    let wanted = json!({
        "input_images": [format!("{folder}/original.png"), format!("{folder}/reference.png")],
        "output_images": [format!("{folder}/result.png")],
        "prompt": "visual the red box in the middle",
    });
    assert_eq!((single.len(), &single[0]), (2, &wanted));
    let folder = "results_content_memory_laion_00003/00_000_2";
    let multi = rows(&to.path().join("Parquet/content_memory_part3.parquet"));
    let turn = json!({
        "input_images": [format!("{folder}/origin_1.png")],
        "output_images": [format!("{folder}/result_1.png")],
        "prompt": "make the red box shine",
    });
    assert_eq!(multi[1]["data"][1], turn);
    let tar = members(&files["Multiturn/content_memory_part3.tar.split.000"].0);
    let names: Vec<&str> = tar.keys().filter_map(|name| name.strip_prefix(&format!("{folder}/"))).collect();
    assert_eq!(
        names,
        ["mask.png", "origin_0.png", "origin_1.png", "result.json", "result_0.png", "result_1.png"]
    );
}

#[test]
fn tasks_have_the_fields_that_imgedits_tools_store() {
    let to = tempfile::tempdir().unwrap();
    MadeUp::new().release_to(to.path());
    let task = |part: &str, folder: &str| -> Value {
        let tar = members(&std::fs::read(to.path().join(format!("{part}.tar.split.000"))).unwrap());
        serde_json::from_slice(&tar[&format!("{folder}/00_000_1/result.json")].1).unwrap()
    };
    let add = task("Singleturn/add_part1", "results_add_laion_00001");
    assert_eq!(add["edit_obj"], Value::Null);
    assert_eq!((&add["edit_type"], &add["edit_result"]["class_name"]), (&json!("add"), &json!("red box")));
    assert_eq!(add["resolution"], json!({ "height": 48, "width": 64 }));
    assert_eq!(add["original_hash"].as_str().unwrap().len(), 32);
    let hybrid = task("Singleturn/hybrid_part1", "results_hybrid_laion_00001");
    assert_eq!(hybrid["edit_type"], json!(["adjust", "add"]));
    assert_eq!(
        (&hybrid["edit_obj1"]["bbox"], &hybrid["edit_obj2"]),
        (&json!(BOX.map(f64::from)), &Value::Null)
    );
    assert_eq!(
        (&hybrid["edit_result"][0], &hybrid["edit_result"][1]["class_name"]),
        (&json!("a blue box"), &json!("red box"))
    );
    assert!(hybrid.get("original_hash").is_none(), "no turn shows the source picture");
    let memory = task("Multiturn/content_memory_part1", "results_content_memory_laion_00001");
    assert_eq!(
        (&memory["premise"], &memory["round2_prompt"]),
        (&json!("everything must be blue"), &json!("make the red box shine"))
    );
    let style = task("Singleturn/style_part1", "results_style_laion_00001");
    assert_eq!((&style["edit_obj"], &style["edit_result"]), (&Value::Null, &json!("a blue box")));
}

#[test]
fn details_and_scores_tell_the_rest() {
    let to = tempfile::tempdir().unwrap();
    let mut made_up = MadeUp::new();
    made_up.change(EditType::Remove, |edit| edit.turns[0].judgement = None);
    made_up.release_to(to.path());
    let details = rows(&to.path().join("Details/remove.parquet"));
    assert_eq!(details.len(), 4);
    let parts: Vec<_> = details.iter().map(|row| row["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["remove_part1", "remove_part1", "remove_part3", "remove_part3"]);
    let row = &details[3];
    assert_eq!((&row["source_shard"], &row["source_key"]), (&json!("laion/00003"), &json!("00/000/2")));
    assert_eq!(
        (&row["objects"][0]["noun"], &row["objects"][0]["bbox"]),
        (&json!("red box"), &json!(BOX.map(f64::from)))
    );
    assert_eq!(row["scores"][1], json!({ "name": "follows", "value": 0.1_f32 }));
    assert_eq!((&row["stamps"][0]["stage"], &row["judge_model"]), (&json!("judge"), &json!("pixels")));
    assert_eq!((&details[0]["judgements"], &row["judgements"][0]["match"]), (&json!([null]), &json!(1)));
    let scores: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(to.path().join("all_dataset_gpt_score.json")).unwrap())
            .unwrap();
    let row = json!({ "score1": 5, "score2": 3.5, "match": true, "reason": "as asked" });
    assert_eq!(scores["results_remove_laion_00001/00_000_2/result.png"], row);
    assert!(!scores.contains_key("results_remove_laion_00001/00_000_1/result.png"), "nobody judged it");
    // Turns: 10 single and 2 + 3 + 3, of two pictures in two shards, but one.
    assert_eq!(scores.len(), 4 * 18 - 1);
}

#[test]
fn an_export_writes_only_what_changed() {
    let to = tempfile::tempdir().unwrap();
    let mut made_up = MadeUp::new();
    made_up.release_to(to.path());
    let nothing = touched(to.path(), || {
        let unchanged = Released { parts_unchanged: 26, ..Released::default() };
        assert_eq!(made_up.release_to(to.path()), unchanged);
    });
    assert_eq!(nothing, (vec![], vec![]));

    made_up.asked.lock().unwrap().clear();
    made_up.change(EditType::Replace, |edit| edit.turns[0].prompt = "Replace the red box, please".into());
    let (written, gone) = touched(to.path(), || {
        let done = made_up.release_to(to.path());
        assert_eq!((done.parts_written, done.parts_unchanged, done.parts_removed), (1, 25, 0));
    });
    let changed = [
        "Details/replace.parquet",
        "Parquet/replace_part1.parquet",
        "Singleturn/replace_part1.tar.split.000",
        "all_dataset_gpt_score.json",
        "croissant.json",
        "manifest.json",
    ];
    assert_eq!((written, gone), (changed.map(str::to_owned).to_vec(), vec![]));
    let asked = std::mem::take(&mut *made_up.asked.lock().unwrap());
    assert!(
        asked.len() == 4 && asked.iter().all(|it| it.starts_with("laion/00001") && it.ends_with("replace"))
    );

    // A part between two that stay, and the last of three.
    let mut second = made_up.shards[0].clone();
    second.0 = "laion/00002".to_owned();
    second.1.iter_mut().for_each(|edit| edit.shard = "laion/00002".to_owned());
    made_up.shards[1] = second;
    made_up.shards[2].1.retain(|edit| edit.edit_type != EditType::Style || edit.key.ends_with('2'));
    let done = made_up.release_to(to.path());
    assert_eq!((done.parts_written, done.parts_unchanged, done.parts_removed), (14, 25, 0));

    // However it came about, the same edits are the same bytes.
    let fresh = tempfile::tempdir().unwrap();
    made_up.release_to(fresh.path());
    assert!(bytes(to.path()) == bytes(fresh.path()));
    assert_eq!(report(&check(to.path())), "clean: no faults, 0 notes\n");
}

#[test]
fn what_is_dropped_is_gone_everywhere() {
    let to = tempfile::tempdir().unwrap();
    let mut made_up = MadeUp::new();
    made_up.release_to(to.path());
    // One of two, both of a part, and all of a type.
    made_up.shards[0].1.retain(|edit| !(edit.edit_type == EditType::Remove && edit.key.ends_with('2')));
    made_up.shards[2].1.retain(|edit| edit.edit_type != EditType::Remove);
    made_up
        .shards
        .iter_mut()
        .for_each(|(_, edits)| edits.retain(|edit| edit.edit_type != EditType::ContentMemory));
    let (written, gone) = touched(to.path(), || {
        let done = made_up.release_to(to.path());
        assert_eq!((done.parts_written, done.parts_removed), (1, 3));
    });
    assert!(
        !written.iter().any(|name| name.contains("content_memory") || name.contains("part3")),
        "{written:?}"
    );
    assert!(gone.contains(&"Details/content_memory.parquet".to_owned()) && gone.len() == 7, "{gone:?}");
    let scores = std::fs::read_to_string(to.path().join("all_dataset_gpt_score.json")).unwrap();
    assert!(!scores.contains("remove_laion_00003") && !scores.contains("remove_laion_00001/00_000_2"));
    assert_eq!(rows(&to.path().join("Details/remove.parquet")).len(), 1);
    let tar = members(&std::fs::read(to.path().join("Singleturn/remove_part1.tar.split.000")).unwrap());
    assert!(tar.len() == 4 && tar.keys().all(|name| name.contains("/00_000_1/")));
    assert_eq!(check(to.path()), []);
    // Nothing at all is left of a set of nothing but our own five files.
    made_up.shards.clear();
    made_up.release_to(to.path());
    assert_eq!(
        bytes(to.path()).into_keys().collect::<Vec<_>>(),
        [".lock", "README.md", "all_dataset_gpt_score.json", "croissant.json", "manifest.json"]
    );
}

#[test]
fn tars_are_cut_anywhere() {
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Add, EditType::ContentMemory]);
    let whole = tempfile::tempdir().unwrap();
    made_up.release_to(whole.path());
    let tar = std::fs::read(whole.path().join("Singleturn/add_part1.tar.split.000")).unwrap();
    let members = members(&tar);
    let in_picture = members["results_add_laion_00001/00_000_1/result.png"].0 + 20;
    // The payload's header ends where the payload begins.
    let in_header = members["results_add_laion_00001/00_000_2/original.png"].0 - 300;
    for most in [in_picture, in_header, 1_000, tar.len() as u64, tar.len() as u64 + 1] {
        let to = tempfile::tempdir().unwrap();
        release(to.path(), &made_up, PicturesIn::Tars { piece_bytes: most }).unwrap();
        let mut joined = Vec::new();
        for number in 0..(tar.len() as u64).div_ceil(most) {
            let piece =
                std::fs::read(to.path().join(format!("Singleturn/add_part1.tar.split.{number:03}"))).unwrap();
            assert!(piece.len() as u64 <= most);
            joined.extend(piece);
        }
        assert!(joined == tar);
        assert_eq!(check(to.path()), [], "pieces of {most} bytes");
    }
    // Another size is another set; pieces that are too many go.
    let to = tempfile::tempdir().unwrap();
    release(to.path(), &made_up, PicturesIn::Tars { piece_bytes: 5_000 }).unwrap();
    made_up.release_to(to.path());
    assert!(bytes(to.path()) == bytes(whole.path()));
}

#[test]
fn what_is_missing_or_half_put_in_place_is_mended() {
    let whole = tempfile::tempdir().unwrap();
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Add, EditType::Hybrid, EditType::ContentMemory]);
    made_up.release_to(whole.path());
    for harm in [
        |to: &Path| std::fs::remove_file(to.join("Multiturn/content_memory_part3.tar.split.000")).unwrap(),
        |to: &Path| std::fs::write(to.join("Details/add.parquet"), b"PAR1").unwrap(),
        |to: &Path| std::fs::remove_file(to.join("manifest.json")).unwrap(),
        |to: &Path| std::fs::remove_file(to.join("all_dataset_gpt_score.json")).unwrap(),
        |to: &Path| std::fs::write(to.join("Singleturn/add_part1.tar.split.001"), b"of another set").unwrap(),
        |to: &Path| {
            std::fs::create_dir(to.join(".writing")).unwrap();
            std::fs::write(to.join(".writing/Singleturn+add_part1.tar.split.000"), b"half").unwrap();
        },
    ] {
        let to = tempfile::tempdir().unwrap();
        made_up.release_to(to.path());
        harm(to.path());
        made_up.release_to(to.path());
        assert!(bytes(to.path()) == bytes(whole.path()));
    }
    // An edit that cannot be had: nothing is touched.
    made_up.change(EditType::Hybrid, |edit| drop(edit.turns.pop()));
    let before = bytes(whole.path());
    let error = release(whole.path(), &made_up, PicturesIn::TARS).unwrap_err().to_string();
    assert!(error.contains("00/000/1, hybrid: it has 0 turns"), "{error}");
    assert!(bytes(whole.path()) == before);
}

#[test]
fn an_export_that_breaks_off_halfway_names_only_what_is_whole() {
    let (whole, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Add, EditType::Style, EditType::ContentMemory]);
    made_up.release_to(to.path());
    made_up.change(EditType::Add, |edit| edit.scores.clear());
    made_up.change(EditType::Style, |edit| edit.scores.clear());
    made_up.release_to(whole.path());
    // A folder where a file is to go: the renames before it are done, those after it are not.
    let in_the_way = to.path().join("Parquet/style_part1.parquet");
    std::fs::remove_file(&in_the_way).unwrap();
    std::fs::create_dir(&in_the_way).unwrap();
    let error = release(to.path(), &made_up, PicturesIn::TARS).unwrap_err().to_string();
    assert!(error.starts_with("cannot rename to") && error.contains("style_part1.parquet"), "{error}");
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(to.path().join("manifest.json")).unwrap()).unwrap();
    let named: Vec<&str> =
        manifest["parts"].as_array().unwrap().iter().filter_map(|it| it["part"].as_str()).collect();
    assert_eq!(named, ["add_part3", "style_part3", "content_memory_part1", "content_memory_part3"]);
    std::fs::remove_dir(&in_the_way).unwrap();
    made_up.release_to(to.path());
    assert!(bytes(to.path()) == bytes(whole.path()));
}

#[test]
fn folders_of_others_are_refused() {
    let to = tempfile::tempdir().unwrap();
    std::fs::write(to.path().join("thesis.txt"), "three years").unwrap();
    assert!(check_release(to.path()).is_err());
    let error = release(to.path(), &MadeUp::new(), PicturesIn::Tars { piece_bytes: 1_000 }).unwrap_err();
    assert!(matches!(&error, ReleaseError::NotOurs { found, .. } if found == "thesis.txt"), "{error}");
    assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 1);
    let mut made_up = MadeUp::new();
    let twice = made_up.shards[0].1[0].clone();
    made_up.shards[0].1.push(twice);
    let to = tempfile::tempdir().unwrap();
    assert!(matches!(
        release(to.path(), &made_up, PicturesIn::Tars { piece_bytes: 1_000 }),
        Err(ReleaseError::Listing(_))
    ));
}
