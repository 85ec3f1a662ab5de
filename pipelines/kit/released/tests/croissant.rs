//! `croissant.json`, read by `mlcroissant`: it is valid, its files are those that are there, and its records are the rows.

use std::path::Path;

use ::tests::python::read_croissant;
use operators::plan::edit_plan::EditType;
use serde_json::{Value, json};

use super::super::*;
use super::made_up::{HEIGHT, MadeUp, WIDTH};
use super::writing::{bytes, rows};

fn made_up() -> MadeUp {
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Remove, EditType::Visual, EditType::ContentMemory]);
    made_up
}

/// The rows of a type, of all of its parts.
fn of_type(folder: &Path, edit_type: &str) -> Vec<Value> {
    let part = |number| rows(&folder.join(format!("Parquet/{edit_type}_part{number}.parquet")));
    [part(1), part(3)].concat()
}

#[test]
fn mlcroissant_reads_every_row_of_a_set_with_tars() {
    let to = tempfile::tempdir().unwrap();
    made_up().release_to(to.path());
    let Some(said) = read_croissant(to.path()) else { return };
    assert_eq!(said["wrong"], json!([]), "hashlib comes to the same");
    let ours = ["README.md", "croissant.json", "manifest.json", ".lock"];
    let files: Vec<String> =
        bytes(to.path()).into_keys().filter(|name| !ours.contains(&name.as_str())).collect();
    assert_eq!(said["files"], json!(files));
    for edit_type in ["remove", "visual"] {
        assert_eq!(said["records"][edit_type], json!(of_type(to.path(), edit_type)), "{edit_type}");
    }
    let turn = |turn: &Value| json!({ "input_image": turn["input_images"][0], "output_image": turn["output_images"][0], "prompt": turn["prompt"] });
    let turns = |row: &Value| row["data"].as_array().unwrap().iter().map(turn).collect::<Vec<_>>();
    let wanted: Vec<Value> =
        of_type(to.path(), "content_memory").iter().map(|row| json!({ "turns": turns(row) })).collect();
    assert_eq!(said["records"]["content_memory"], json!(wanted));
    let details: Vec<Value> = ["content_memory", "remove", "visual"]
        .iter()
        .flat_map(|name| rows(&to.path().join(format!("Details/{name}.parquet"))))
        .collect();
    let told = said["records"]["details"].as_array().unwrap();
    assert_eq!(told.len(), details.len());
    for (told, wanted) in told.iter().zip(&details) {
        assert!(told.as_object().unwrap().iter().all(|(name, value)| *value == wanted[name]), "{told}");
    }
}

#[test]
fn mlcroissant_decodes_the_pictures_in_rows() {
    let to = tempfile::tempdir().unwrap();
    release(to.path(), &made_up(), PicturesIn::Rows).unwrap();
    let Some(said) = read_croissant(to.path()) else { return };
    assert_eq!(said["wrong"], json!([]));
    let picture = json!({ "size": [WIDTH, HEIGHT] });
    for (record, row) in
        said["records"]["visual"].as_array().unwrap().iter().zip(of_type(to.path(), "visual"))
    {
        assert_eq!(record["input_images"], json!([picture, picture]), "the source and the reference");
        assert_eq!((&record["output_images"], &record["prompt"]), (&json!([picture]), &row["prompt"]));
        assert_eq!((&record["mask"], &record["task"]), (&picture, &row["task"]));
        assert_eq!((&record["license"], &record["author"]), (&row["license"], &row["author"]));
    }
    let memory = &said["records"]["content_memory"][0]["turns"];
    assert_eq!(memory.as_array().map(Vec::len), Some(2));
    assert!((0..2).all(|turn| memory[turn]["output_image"] == picture), "{memory}");
}

/// It may be changed otherwise: a licence of the whole set, an author.
#[test]
fn hashes_that_are_not_those_of_the_files_are_a_fault() {
    let to = tempfile::tempdir().unwrap();
    made_up().release_to(to.path());
    let path = to.path().join("croissant.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let classes = |text: &str| {
        std::fs::write(&path, text).unwrap();
        check(to.path()).into_iter().map(|finding| finding.class).collect::<Vec<_>>()
    };
    let mut said: Value = serde_json::from_str(&text).unwrap();
    said["license"] = json!("https://creativecommons.org/licenses/by/4.0/");
    assert_eq!(classes(&said.to_string()), Vec::<&str>::new());
    said["distribution"][1]["sha256"] = json!("00");
    assert_eq!(classes(&said.to_string()), ["stale_croissant"]);
    assert_eq!(classes(&text[..text.len() / 2]), ["bad_croissant"]);
    // One that is not there says nothing wrong.
    std::fs::remove_file(&path).unwrap();
    assert!(check(to.path()).is_empty());
    // The next release writes it again.
    made_up().release_to(to.path());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// What an earlier version named is swept before the new files come: a crash in between leaves no manifest that names it.
#[test]
fn a_release_over_an_earlier_version_names_nothing_that_it_swept() {
    let to = tempfile::tempdir().unwrap();
    made_up().release_to(to.path());
    let manifest = to.path().join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let mut earlier: Value = serde_json::from_str(&text).unwrap();
    earlier["version"] = json!(2);
    std::fs::write(&manifest, earlier.to_string()).unwrap();
    // A folder lies where a file must come.
    let in_the_way = to.path().join(earlier["parts"][0]["files"][0]["path"].as_str().unwrap());
    std::fs::remove_file(&in_the_way).unwrap();
    std::fs::create_dir(&in_the_way).unwrap();
    std::fs::write(in_the_way.join("x"), "x").unwrap();
    release(to.path(), &made_up(), PicturesIn::TARS).unwrap_err();
    let left: Value = serde_json::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
    assert_eq!((&left["version"], left["parts"].as_array().map(Vec::len)), (&json!(3), Some(0)), "{left}");
    assert!(!to.path().join("croissant.json").exists());
    std::fs::remove_dir_all(&in_the_way).unwrap();
    made_up().release_to(to.path());
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), text);
}

#[test]
fn what_it_says_is_what_is_known() {
    let to = tempfile::tempdir().unwrap();
    made_up().release_to(to.path());
    let text = std::fs::read_to_string(to.path().join("croissant.json")).unwrap();
    let said: Value = serde_json::from_str(&text).unwrap();
    let of = |name: &str| said[format!("rai:{name}")].to_string();
    assert!(of("dataBiases").contains("remove 4, visual 4, content_memory 4."), "{}", of("dataBiases"));
    assert!(of("dataLimitations").contains("Of 12 edits"), "{}", of("dataLimitations"));
    assert!(of("dataLimitations").contains("a licence for 12 and none for 0"), "{}", of("dataLimitations"));
    assert!(
        of("personalSensitiveInformation").contains("in 6 rows"),
        "{}",
        of("personalSensitiveInformation")
    );
    assert_eq!(said["rai:machineAnnotationTools"][0], "judge: pixels");
    assert!(
        of("dataPreprocessingProtocol").contains("follows >= 2.75"),
        "{}",
        of("dataPreprocessingProtocol")
    );
    let card = std::fs::read_to_string(to.path().join("README.md")).unwrap();
    for table in [
        "| `CC BY 4.0` | 6 |\n| `CC0` | 6 |\n",
        "| `A. \\| B.` | 6 |\n| *none* | 6 |\n",
        "| `00001.example` | 6 |",
    ] {
        assert!(card.contains(table), "{card}");
    }
}
