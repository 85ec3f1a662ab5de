//! Pictures in the rows: the same bytes as in the tars, written again where they changed, checked as those in tars are.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use ::tests::python::load_pictures;
use operators::plan::edit_plan::EditType;
use operators::plan::edit_plan::passes::Shown;
use serde_json::{Value, json};
use threshflow::publish::{Pictures, Table};

use super::super::*;
use super::made_up::{HEIGHT, MULTI, MadeUp, SINGLE, WIDTH};
use super::writing::{bytes, members, touched};

fn embed(made_up: &MadeUp, to: &Path) -> Released {
    release(to, made_up, PicturesIn::Rows).unwrap()
}

/// Every file of every tar, by path, read by the crate `tar`.
fn in_tars(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let tars = bytes(folder).into_iter().filter(|(name, _)| name.contains(".tar.split."));
    tars.flat_map(|(_, tar)| members(&tar)).map(|(path, (_, bytes))| (path, bytes)).collect()
}

/// The files that the rows have themselves, as this program reads them.
fn in_rows(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("Parquet")).unwrap() {
        let table = Table::open(&entry.unwrap().path()).unwrap();
        let columns = table.columns();
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let see = |_, row: &[Value], pictures: Pictures| {
            let first = pictures.keys().next().unwrap().rsplit_once('/').unwrap().0.to_owned();
            let task = names.iter().position(|name| *name == "task").unwrap();
            let task = row[task].as_str().unwrap().as_bytes().to_vec();
            all.extend(pictures);
            all.insert(format!("{first}/result.json"), task);
            ControlFlow::<()>::Continue(())
        };
        table.read_pictures(&names, see).unwrap();
    }
    all
}

#[test]
fn rows_have_the_very_files_that_the_tars_have() {
    let (tars, rows) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made_up = MadeUp::new();
    made_up.release_to(tars.path());
    embed(&made_up, rows.path());
    let wanted = in_tars(tars.path());
    assert_eq!(wanted.len(), 4 * (10 * 3 + 1 + (2 + 3 + 3) * 2 + 3) + 4 * (13 - 2));
    assert!(in_rows(rows.path()) == wanted);
    let files = bytes(rows.path());
    assert!(!files.keys().any(|name| name.contains(".tar")), "{:?}", files.keys());
    // What is told of the edits is the same.
    let others = bytes(tars.path());
    let told = |name: &&String| name.starts_with("Details/") || name.ends_with("_score.json");
    assert!(others.keys().filter(told).all(|name| files[name] == others[name]));
    assert_eq!(report(&check(rows.path())), "clean: no faults, 0 notes\n");
}

/// The pictures in a row as Python had it, and nothing else of it, by path: their bytes in base64 and their sizes.
fn pictures_of(value: &Value, into: &mut BTreeMap<String, (String, Value)>) {
    match value {
        Value::Object(fields) if fields.contains_key("bytes") => {
            let text = |name: &str| fields[name].as_str().unwrap().to_owned();
            into.insert(text("path"), (text("bytes"), fields["size"].clone()));
        }
        Value::Object(fields) => fields.values().for_each(|value| pictures_of(value, into)),
        Value::Array(values) => values.iter().for_each(|value| pictures_of(value, into)),
        _ => {}
    }
}

#[test]
fn datasets_streams_pictures_of_every_type_and_they_are_those_of_the_tars() {
    let (tars, rows) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made_up = MadeUp::new();
    made_up.release_to(tars.path());
    embed(&made_up, rows.path());
    let Some(said) = load_pictures(rows.path()) else { return };
    let is_picture = |path: &String| !path.ends_with(".json");
    let wanted: BTreeMap<_, _> =
        in_tars(tars.path()).into_iter().filter(|(path, _)| is_picture(path)).collect();
    let mut found = BTreeMap::new();
    for (edit_type, _) in SINGLE.iter().chain(&MULTI) {
        let rows = said["rows"][edit_type.name()].as_array().unwrap();
        assert_eq!(rows.len(), 4, "{edit_type}");
        rows.iter().for_each(|row| pictures_of(row, &mut found));
    }
    assert!(found.keys().eq(wanted.keys()));
    for (path, (base64, size)) in &found {
        assert_eq!(size, &json!([WIDTH, HEIGHT]), "{path}");
        assert!(*base64 == as_base64(&wanted[path]), "{path} has other bytes than the tar's");
    }
    for (schema, rows) in [("single_turn", 40), ("multi_turn", 12)] {
        assert_eq!(said["rows"][schema].as_array().map(Vec::len), Some(rows));
    }
    assert!(said["whole"].as_str().unwrap().contains("PngImageFile"), "{}", said["whole"]);
}

/// RFC 4648, section 4.
fn as_base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        let letter = |place: usize| LETTERS[(number >> (18 - 6 * place)) as usize % 64] as char;
        (0..4).for_each(|place| text.push(if place <= three.len() { letter(place) } else { '=' }));
    }
    text
}

#[test]
fn embedding_writes_only_what_changed_and_can_be_turned_on_and_off() {
    let (to, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Remove, EditType::Visual, EditType::ContentMemory]);
    made_up.release_to(whole.path());
    let whole = bytes(whole.path());
    embed(&made_up, to.path());
    let embedded = bytes(to.path());
    let nothing = touched(to.path(), || {
        assert_eq!(embed(&made_up, to.path()), Released { parts_unchanged: 6, ..Released::default() });
    });
    assert_eq!(nothing, (vec![], vec![]));
    let done = made_up.release_to(to.path());
    assert_eq!((done.parts_written, done.parts_unchanged), (6, 0));
    assert!(bytes(to.path()) == whole);
    let done = embed(&made_up, to.path());
    assert_eq!((done.parts_written, done.parts_unchanged), (6, 0));
    assert!(bytes(to.path()) == embedded, "tars are gone, and everything is as it was");
    made_up.change(EditType::Visual, |edit| edit.turns[0].prompt = "show the red box, please".to_owned());
    let (written, gone) = touched(to.path(), || {
        let done = embed(&made_up, to.path());
        assert_eq!((done.parts_written, done.parts_unchanged), (1, 5));
    });
    let changed = [
        "Details/visual.parquet",
        "Parquet/visual_part1.parquet",
        "all_dataset_gpt_score.json",
        "croissant.json",
        "manifest.json",
    ];
    assert_eq!((written, gone), (changed.map(str::to_owned).to_vec(), vec![]));
    assert_eq!(check(to.path()), []);
}

#[test]
fn faults_of_pictures_in_rows_are_found_in_ours_and_in_a_download() {
    let to = tempfile::tempdir().unwrap();
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Remove, EditType::VersionBacktracking]);
    made_up.spoil = |edit, picture, bytes| {
        let is_made = *picture != PictureRef::Shown(Shown::Original);
        if edit.edit_type == EditType::Remove && edit.key.ends_with('1') && is_made {
            bytes.truncate(bytes.len() / 2);
        }
    };
    embed(&made_up, to.path());
    let faults = |folder: &Path| -> Vec<(&'static str, String)> {
        check(folder).into_iter().map(|finding| (finding.class, finding.path)).collect()
    };
    let cut = |shard: &str| ("broken_picture", format!("results_remove_laion_{shard}/00_000_1/result.png"));
    let cuts = vec![cut("00001"), cut("00003")];
    assert_eq!(faults(to.path()), cuts);
    // A bit in the bytes of a picture, where no check sum of parquet looks.
    let path = to.path().join("Parquet/remove_part3.parquet");
    let mut file = std::fs::read(&path).unwrap();
    let at = file.windows(4).rposition(|it| it == b"IDAT").unwrap() + 20;
    file[at] ^= 1;
    std::fs::write(&path, file).unwrap();
    let found = faults(to.path());
    assert!(found.contains(&("changed_file", "Parquet/remove_part3.parquet".to_owned())), "{found:?}");
    let verified = verify(to.path()).unwrap().unwrap();
    assert_eq!(verified.damaged.len(), 1, "{verified:?}");
    let done = embed(&made_up, to.path());
    assert_eq!((done.parts_written, done.mended.len()), (1, 1), "{done:?}");
    std::fs::remove_file(to.path().join("manifest.json")).unwrap();
    std::fs::remove_dir_all(to.path().join("Details")).unwrap();
    assert_eq!(faults(to.path()), cuts);
}
