//! Damage to what `imgedit` remembers and releases: the next run makes again what is lost, and only that, and a release is what it was.
//!
//! `THRESHFLOW_DAMAGES=200 cargo test -p pipelines --test imgedit_damage -- --nocapture` does 200 of each.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use pipelines::demo::{DemoOptions, VOCABULARY, write_demo_shards};
use pipelines::edit_record::EditRecord;
use tests::harm::{Kept, damages, files, harm};
use tests::program::{Ended, ended};
use tests::{Rng, trees};
use threshflow::publish::Table;

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/demo");
const EDITS: &str = "--edits=remove,replace,content_memory";
const FEW: u64 = 6;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tests::scratch();
        let options = DemoOptions { scenes: 10, shrink: 6, ..DemoOptions::default() };
        write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
        fs::write(folder.path().join("vocabulary.txt"), VOCABULARY).expect("a vocabulary");
        Desk(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ask(&self, words: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_threshflow"));
        ended(
            command
                .arg("imgedit")
                .args(words.split_whitespace())
                .current_dir(self.0.path())
                .env("RUST_BACKTRACE", "0"),
        )
    }

    fn run(&self) -> Ended {
        self.ask(&format!(
            "run --json --backend=embedded --max-error-rate=1 --pixels-apart=20 --set=short_side=0 --set=detection=0.4 --set=follows=1 --set=natural=1 \
             --aesthetic {MODELS}/aesthetic --detector {MODELS}/detect --detector-text {MODELS}/clip --segmenter {MODELS}/segment \
             --clip {MODELS}/clip --shards shards --store store --out out --vocabulary vocabulary.txt {EDITS}"
        ))
    }

    fn release(&self, to: &str) -> Ended {
        self.ask(&format!("release --store store --out out --to {to} --json"))
    }
}

fn asked(run: &Ended) -> BTreeMap<String, u64> {
    let json = run.json();
    let asks = json["asks"].as_object().expect("stages").iter();
    let asked = asks.map(|(stage, asks)| (stage.clone(), asks["asked"].as_u64().expect("a number")));
    asked.filter(|(_, asked)| *asked > 0).collect()
}

/// The records of all published edits.
fn records(out: &Path) -> Vec<EditRecord> {
    let mut records = Vec::new();
    for part in fs::read_dir(out.join("edits")).expect("edits are published") {
        let table = Table::open(&part.expect("a file").path()).expect("a table");
        let stopped = table.read(&["record"], |_, row| {
            records.push(serde_json::from_str(row[0].as_str().expect("a record")).expect("a record"));
            ControlFlow::<()>::Continue(())
        });
        assert!(stopped.expect("reads").is_none());
    }
    records
}

#[test]
fn a_picture_that_rotted_is_made_again_and_then_the_release_works() {
    let desk = Desk::new();
    desk.run().expect(0, &[]);
    desk.release("first").expect(0, &[]);
    let (out, first) = (trees::read(&desk.path("out")), trees::read(&desk.path("first")));
    let records = records(&desk.path("out"));
    let pass = &records.iter().find(|record| record.passes.len() > 1).expect("a conversation").passes[0];
    let memo = desk.path("store/memo").join(format!("{}.memo", pass.stamp));
    let mut bytes = fs::read(&memo).expect("a book");
    let key: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&pass.key[2 * at..2 * at + 2], 16).expect("hex")).collect();
    let at = bytes.windows(16).position(|window| window == key).expect("the answer is in its book");
    bytes[at + 300] ^= 1;
    fs::write(&memo, &bytes).expect("writes");
    desk.release("second").expect(1, &["remembers no picture of pass 0", "run the pipeline again"]);
    desk.ask("verify --store store").expect(1, &["1 file is damaged"]);
    let run = desk.run().expect(0, &["no sound answer", "rest on what the store has lost"]);
    let made = asked(&run);
    assert!(made["edit_embedded"] <= 2 && made["edit"] >= 1, "only what is lost: {made:?}");
    assert!(made.keys().all(|stage| stage.starts_with("edit")), "{made:?}");
    assert!(trees::read(&desk.path("out")) == out, "the embedded editor makes the same again");
    desk.release("second").expect(0, &[]);
    assert!(trees::read(&desk.path("second")) == first);
    desk.ask("verify out second --store store").expect(0, &[]);
    assert_eq!(asked(&desk.run().expect(0, &[])), BTreeMap::new());
}

#[test]
fn damaged_stores_release_the_same_or_are_refused() {
    let desk = Desk::new();
    desk.run().expect(0, &[]);
    desk.release("first").expect(0, &[]);
    let (out, first) = (trees::read(&desk.path("out")), trees::read(&desk.path("first")));
    let whole = Kept::of(&desk.path("store"));
    let mut figures: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..damages(FEW) {
        whole.put_back();
        let all = files(&desk.path("store"), &|name| name.starts_with(".lock"));
        let done = harm(&desk.path("store"), &all, &mut Rng(seed + 30_000));
        let context = format!("seed {seed}, {done:?}");
        let seen = desk.ask("verify --store store").code == Some(1);
        *figures.entry("seen by verify").or_default() += u64::from(seen);
        // Half of them with the set as it was published: only what is lost may be missed.
        if seed % 2 == 0 {
            fs::remove_dir_all(desk.path("out")).expect("deletes");
        }
        let mut run = desk.run();
        let refused = run.code != Some(0);
        *figures.entry("refused").or_default() += u64::from(refused);
        while run.code != Some(0) {
            let (_, rest) =
                run.stderr.split_once("the memo ").unwrap_or_else(|| panic!("{context}: {run:#?}"));
            let (path, _) =
                rest.split_once(" is not a memo").unwrap_or_else(|| panic!("{context}: {run:#?}"));
            fs::remove_file(desk.path(path)).expect("it is moved away, as is said");
            run = desk.run();
        }
        let told = run.stderr.contains("warning") || refused;
        *figures.entry("told by the run").or_default() += u64::from(told);
        let again = asked(&run);
        *figures.entry("asked again").or_default() += u64::from(!again.is_empty());
        assert!(again.is_empty() || told, "{context}: asked again without a word: {again:?}");
        assert!(trees::read(&desk.path("out")) == out, "{context}: another output, {again:?}");
        let _ = fs::remove_dir_all(desk.path("second"));
        desk.release("second").expect(0, &[]);
        assert!(trees::read(&desk.path("second")) == first, "{context}: another release");
        desk.ask("verify out second --store store").expect(0, &[]);
    }
    println!("stores: {figures:?}");
}

#[test]
fn damaged_releases_are_seen_and_written_again() {
    let desk = Desk::new();
    desk.run().expect(0, &[]);
    desk.release("first").expect(0, &[]);
    let (whole, first) = (Kept::of(&desk.path("first")), trees::read(&desk.path("first")));
    let mut figures: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..damages(FEW) {
        let all = files(&desk.path("first"), &|name| name.starts_with('.'));
        let done = harm(&desk.path("first"), &all, &mut Rng(seed + 20_000));
        let context = format!("seed {seed}, {done:?}");
        let seen = desk.ask("verify first --json");
        assert!(seen.code != Some(0), "{context}: verify saw nothing");
        *figures.entry("seen by verify").or_default() += 1;
        let again = desk.release("first");
        if again.code == Some(0) {
            let told = again.json()["mended"].as_array().is_some_and(|mended| !mended.is_empty());
            *figures.entry("told by the release").or_default() += u64::from(told);
            *figures.entry("mended").or_default() += 1;
        } else {
            assert!(
                ["damaged", "version", "not of a"].iter().any(|why| again.stderr.contains(why)),
                "{context}: {again:#?}"
            );
            *figures.entry("refused").or_default() += 1;
            whole.put_back();
        }
        assert!(trees::read(&desk.path("first")) == first, "{context}: another release");
        desk.ask("verify first").expect(0, &[]);
    }
    println!("releases: {figures:?}");
}
