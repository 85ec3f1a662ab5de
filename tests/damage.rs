//! Damage at random places of a finished store or output, and then a run: the bytes of an undamaged one, or a refusal with a reason
//! that says what to do. `verify` sees every damage of what is published.
//!
//! `THRESHFLOW_DAMAGES=200 cargo test -p tests --test damage -- --nocapture` does 200 of each and prints what became of them.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use tests::ground::pictures;
use tests::harm::{Done, Kept, damages, files, harm};
use tests::program::{Desk, Ended};
use tests::{Rng, trees};

const FEW: u64 = 16;

fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    for (n, name) in ["a", "b", "c/d"].iter().enumerate() {
        fs::create_dir_all(desk.path("shards/c")).expect("makes");
        desk.shard(name, &pictures(7, n as u64 * 30..n as u64 * 30 + 30, 0));
    }
    desk
}

/// What became of damages, counted.
#[derive(Default)]
struct Figures(BTreeMap<&'static str, u64>);

impl Figures {
    fn count(&mut self, what: &'static str, yes: bool) {
        *self.0.entry(what).or_default() += u64::from(yes);
    }
    fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }
}

/// The files that `verify` says are damaged.
fn verified(desk: &Desk, what: &str) -> (Ended, Vec<String>) {
    let ended = desk.ask(&format!("verify {what} --json"));
    let Ok(json) = serde_json::from_str::<Value>(&ended.stdout) else { return (ended, Vec::new()) };
    let of = |part: &Value| part["damaged"].as_array().cloned().unwrap_or_default();
    let mut all = of(&json["store"]);
    json["folders"].as_array().into_iter().flatten().for_each(|folder| all.extend(of(folder)));
    (ended, all.iter().map(|damaged| damaged["file"].as_str().expect("a name").to_owned()).collect())
}

fn asked(json: &Value) -> u64 {
    json["asks"].as_object().into_iter().flatten().map(|(_, asks)| asks["asked"].as_u64().unwrap_or(0)).sum()
}

#[test]
fn damaged_outputs_are_seen_and_mended_or_refused() {
    let desk = desk();
    desk.done("--cores 2");
    let (whole, out) = (Kept::of(&desk.path("out")), desk.path("out"));
    desk.ask(&format!("verify out --store {}", desk.path("store").display())).expect(0, &[]);
    let master = trees::read(&out);
    let mut figures = Figures::default();
    for seed in 0..damages(FEW) {
        let mut rng = Rng(seed);
        let all = files(&out, &|name| name.starts_with(".lock"));
        let Done { harm: kind, file, other } = harm(&out, &all, &mut rng);
        let context = format!("seed {seed}, {kind:?} of {file} {other:?}");
        let is_published = |name: &String| !name.starts_with('.');
        let published: Vec<&String> =
            [Some(&file), other.as_ref()].into_iter().flatten().filter(|it| is_published(it)).collect();
        let (ended, seen) = verified(&desk, "out");
        let noticed = ended.code == Some(1);
        figures.count("damaged published files", !published.is_empty());
        figures.count("seen by verify", noticed);
        assert!(noticed || published.is_empty(), "{context}: verify saw nothing: {ended:#?}");
        // A damaged manifest says nothing sound of the others, and a lost one nothing at all.
        let of_manifest = published.iter().any(|name| *name == "manifest.json");
        assert!(of_manifest || published.iter().all(|name| seen.contains(name)), "{context}: {seen:?}");
        let run = desk.run("--json --cores 2");
        if run.code == Some(0) {
            let json = run.json();
            let told = json["mended"].as_array().is_some_and(|mended| !mended.is_empty());
            figures.count("told by the run", told);
            figures.count("mended", !published.is_empty());
            assert!(told || of_manifest || published.is_empty(), "{context}: written again without a word");
            assert_eq!(asked(&json), 0, "{context}");
        } else {
            figures.count("told by the run", true);
            figures.count("refused", true);
            let why = ["damaged", "not of a", "version", "cannot"];
            assert!(why.iter().any(|word| run.stderr.contains(word)), "{context}: {run:#?}");
            // What the message says, or, where another's folder is named, what one does then.
            if run.stderr.contains("delete it and run again") {
                fs::remove_file(out.join("manifest.json")).expect("deletes");
            } else {
                whole.put_back();
            }
            desk.done("--cores 2");
        }
        let same = trees::read(&out) == master;
        figures.count("silent differences", !same);
        assert!(same, "{context}: another output");
        assert_eq!(verified(&desk, "out").0.code, Some(0), "{context}: still damaged");
    }
    println!("outputs: {:?}", figures.0);
    assert_eq!(
        (figures.of("silent differences"), figures.of("damaged published files")),
        (0, figures.of("seen by verify"))
    );
}

#[test]
fn damaged_stores_give_the_same_output_or_a_refusal() {
    let desk = desk();
    desk.done("--cores 2");
    let (whole, store) = (Kept::of(&desk.path("store")), desk.path("store"));
    let master = trees::read(&desk.path("out"));
    let verify = format!("--store {}", store.display());
    let mut figures = Figures::default();
    for seed in 0..damages(FEW) {
        let mut rng = Rng(seed + 10_000);
        whole.put_back();
        let all = files(&store, &|name| name.starts_with(".lock"));
        let done = harm(&store, &all, &mut rng);
        let context = format!("seed {seed}, {done:?}");
        let (ended, _) = verified(&desk, &verify);
        figures.count("seen by verify", ended.code == Some(1));
        if ended.code == Some(0) {
            println!("nothing is lost, says verify: {context}");
        }
        // Everything is published again, so that all bodies are read.
        let _ = fs::remove_dir_all(desk.path("out"));
        let mut run = desk.run("--json --cores 2");
        figures.count("told by the run", run.code != Some(0) || run.stderr.contains("warning"));
        if run.code != Some(0) {
            figures.count("refused", true);
            assert!(run.stderr.contains("move it away and run again"), "{context}: {run:#?}");
            // What the message says, as often as it says it.
            while run.code != Some(0) {
                let (_, rest) = run.stderr.split_once("the memo ").expect("a memo is named");
                let (path, _) = rest.split_once(" is not a memo").expect("and what is wrong with it");
                fs::remove_file(path).unwrap_or_else(|error| panic!("{context}: {path}: {error}"));
                run = desk.run("--json --cores 2");
            }
        } else {
            figures.count("done at once", true);
        }
        let again = asked(&run.json());
        figures.count("asked again", again > 0);
        figures.count("asked again without a word", again > 0 && !run.stderr.contains("warning"));
        assert!(again == 0 || run.stderr.contains("warning"), "{context}: asked again without a word");
        let same = trees::read(&desk.path("out")) == master;
        figures.count("silent differences", !same);
        assert!(same, "{context}: another output");
        let left = verified(&desk, &verify);
        assert_eq!(left.0.code, Some(0), "{context}: still damaged: {left:#?}");
        let json = desk.done("--cores 2");
        assert_eq!(
            (asked(&json), &json["store_damage"]),
            (0, &Value::Null),
            "{context}: told twice, or asked twice"
        );
    }
    println!("stores: {:?}", figures.0);
    assert_eq!((figures.of("silent differences"), figures.of("asked again without a word")), (0, 0));
}

#[test]
fn verify_says_what_to_name_and_what_is_none_of_ours() {
    let desk = desk();
    desk.done("--cores 2 --export tars");
    desk.ask("verify").expect(2, &["name what is to be verified"]);
    desk.ask("verify nowhere").expect(2, &["there is no folder nowhere"]);
    desk.ask("verify shards").expect(1, &["holds no published set"]);
    desk.ask("verify out --store nowhere").expect(2, &["there is no store at nowhere"]);
    fs::write(desk.path("out/mine.txt"), "x").expect("writes");
    let said = desk.ask("verify out tars --store store").expect(0, &[]).stdout;
    for words in
        ["all as they were written", "none of ours, left alone: mine.txt", "tars: threshflow export", "memos"]
    {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    let tar = files(&desk.path("tars"), &|name| !name.ends_with(".tar")).remove(0);
    let mut bytes = fs::read(desk.path("tars").join(&tar)).expect("reads");
    bytes[600] ^= 4;
    fs::write(desk.path("tars").join(&tar), bytes).expect("writes");
    let ended = desk.ask("verify tars").expect(1, &["1 file is damaged"]);
    assert!(ended.stdout.contains(&tar) && ended.stdout.contains("run again what wrote it"), "{ended:#?}");
    let done = desk
        .ask("export --store store --out out --to tars --json")
        .expect(0, &["it is written again"])
        .json();
    assert_eq!((&done["parts_written"], done["mended"][0]["file"].as_str()), (&1.into(), Some(tar.as_str())));
    desk.ask("verify tars").expect(0, &[]);
}

#[test]
fn a_part_that_lists_what_a_changed_shard_held_is_needed_for_the_rule_of_what_may_be_removed() {
    let desk = desk();
    desk.done("--cores 2");
    let part = files(&desk.path("out"), &|name| !name.starts_with("data/a-")).remove(0);
    let path = desk.path("out").join(&part);
    let mut bytes = fs::read(&path).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).expect("writes");
    // The shard changes as well: nobody knows any more which of its published rows it holds.
    desk.shard("a", &pictures(7, 0..31, 0));
    let before = trees::read(&desk.path("out"));
    desk.run("--cores 2")
        .expect(1, &["the part that lists what was published of it is damaged", "--max-removed"]);
    assert!(trees::read(&desk.path("out")) == before, "what was published stands");
    desk.done("--cores 2 --max-removed 100%");
    desk.ask("verify out").expect(0, &[]);
}
