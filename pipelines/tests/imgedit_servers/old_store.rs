//! A store that version 0.1.0 wrote before rows had columns is asked only for what was new since, none of which costs anything: `compare`;
//! and where the embedded judge judges, its third version, with what it looks up. What is published of pictures and regions is what was
//! published then; an edit has more columns now.
//!
//! `fixtures/old_store.tar` holds shards, stores and the hashes of what was published, once with the embedded defaults and once with
//! servers. `THRESHFLOW_WRITE_OLD_STORE=1` writes it anew, which is right only where a stamp was raised on purpose.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipelines::imgedit::ImgEdit;
use tests::fakes::models::Models;
use tests::trees;
use threshflow::cli::invoke;
use threshflow::lane::AskLog;
use threshflow::row::ContentHash;

use crate::desk::Desk;

const WRITE: &str = "THRESHFLOW_WRITE_OLD_STORE";
/// Types of one turn and of several, with one object and with two; what a detector finds decides which of them come to something.
const EDITS: &str = "--edits=add,remove,replace,adjust,visual,hybrid,content_memory,version_backtracking";
const WAYS: [&str; 2] = ["embedded", "served"];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/old_store.tar")
}

/// The command of a way, without its servers where none is meant.
fn command(desk: &Desk, way: &str, models: &Models) -> Vec<String> {
    let mut command = desk.command("run", &models.url(), EDITS);
    if way == "embedded" {
        // Each of these flags and the word behind it.
        while let Some(at) =
            command.iter().position(|word| ["--chat-url", "--edit-url"].contains(&word.as_str()))
        {
            command.drain(at..at + 2);
        }
        command.retain(|word| !word.starts_with("--edit-model") && !word.starts_with("--chat-model"));
    }
    for (flag, part) in [("--store", "store"), ("--out", "out")] {
        let at = command.iter().position(|word| word == flag).expect("it is named");
        command[at + 1] = desk.path(&format!("{way}/{part}")).to_string_lossy().into_owned();
    }
    command
}

/// What is told of rejected pieces has more columns than it had.
const TOLD_ANEW: [&str; 2] = ["regions_rejected/", "edits_rejected/"];
/// By way, the stages that were not there then, or answer otherwise.
const NEW: [(&str, &[&str]); 2] =
    [("embedded", &["compare", "judge", "clip_text"]), ("served", &["compare"])];
/// What tells nothing of edits: its parts hold what they held. (Their names have a digest of all that may shape them, which is another.)
const AS_BEFORE: [&str; 2] = ["rejected", "jsons"];

/// The hashes of the parts of a folder, in the order of their shards.
fn of_folder(hashes: &BTreeMap<String, String>, folder: &str) -> Vec<String> {
    let of_it = hashes.iter().filter(|(name, _)| name.split('/').next() == Some(folder));
    of_it.map(|(_, hash)| hash.clone()).collect()
}

/// The hash of every part that is published, by its name. The page and the counts beside them may say more than they did.
fn hashes(out: &Path) -> BTreeMap<String, String> {
    let parts =
        trees::read(out).into_iter().filter(|(name, _)| name.ends_with(".parquet") || name.ends_with(".tar"));
    parts.map(|(name, bytes)| (name, ContentHash::of(&bytes).to_string())).collect()
}

#[test]
fn a_store_of_the_version_before_opens_with_nothing_asked() {
    if std::env::var_os(WRITE).is_some() {
        return write();
    }
    let models = Models::start();
    let desk = Desk::copied(|folder| {
        let file = std::fs::File::open(fixture()).expect("the fixture");
        tar::Archive::new(file).unpack(folder).expect("unpacks");
    });
    for way in WAYS {
        let log = AskLog::default();
        invoke::run_logged::<ImgEdit>(&command(&desk, way, &models), log.clone()).expect("runs");
        let asked = log.lock().expect("nobody panicked").clone();
        let (_, new) = NEW.iter().find(|(known, _)| *known == way).expect("a way");
        let other = asked.iter().find(|(stage, _)| !new.contains(stage));
        assert!(other.is_none(), "{way} asked {other:?}");
        assert!(!asked.is_empty(), "{way}: what is new was asked");
        let told = std::fs::read(desk.path(&format!("{way}/published.json"))).expect("the hashes");
        let told: BTreeMap<String, String> = serde_json::from_slice(&told).expect("JSON");
        assert!(told.len() > 20, "{told:?}");
        let now = hashes(&desk.path(&format!("{way}/out")));
        for folder in AS_BEFORE {
            let before = of_folder(&told, folder);
            assert!(!before.is_empty(), "{way}: {folder} was published, of {:?}", told.keys());
            assert_eq!(of_folder(&now, folder), before, "{way}: {folder}");
        }
        assert_eq!(of_folder(&now, "edits").len(), of_folder(&told, "edits").len(), "{way}");
        for folder in TOLD_ANEW {
            let parts =
                |all: &BTreeMap<String, String>| all.keys().filter(|name| name.starts_with(folder)).count();
            assert!(parts(&now) >= parts(&told) && parts(&told) > 0, "{way}: {folder}");
        }
        let again = AskLog::default();
        invoke::run_logged::<ImgEdit>(&command(&desk, way, &models), again.clone()).expect("runs");
        assert!(again.lock().expect("nobody panicked").is_empty(), "{way}: nothing is asked twice");
        assert_eq!(hashes(&desk.path(&format!("{way}/out"))), now, "{way}: the same bytes again");
    }
    assert_eq!(models.server().count(), 0, "servers are asked nothing");
}

fn write() {
    let models = Models::start();
    let desk = Desk::of(7, 12);
    for way in WAYS {
        invoke::run::<ImgEdit>(&command(&desk, way, &models)).expect("runs");
        let told = serde_json::to_vec_pretty(&hashes(&desk.path(&format!("{way}/out")))).expect("JSON");
        std::fs::write(desk.path(&format!("{way}/published.json")), told).expect("writes");
        std::fs::remove_dir_all(desk.path(&format!("{way}/out"))).expect("removes");
    }
    let mut tar = tar::Builder::new(std::fs::File::create(fixture()).expect("the fixture"));
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_dir_all(".", desk.folder()).expect("packs");
    tar.finish().expect("packs");
}
