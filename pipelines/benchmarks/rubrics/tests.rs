//! Rubrics: gaps, a user's own files, what is missing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::{all, by_name};

fn read(name: &str, text: &str) -> Result<Rubrics, String> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), text).expect("written");
    Rubrics::read(&folder.path().join(name)).map_err(|why| why.to_string())
}

fn item(rubric: &str, prompt: &str) -> Item {
    Item { key: "7".into(), prompts: vec![prompt.into()], rubric: rubric.into(), ..Item::default() }
}

#[test]
fn gaps_are_filled_once_and_nothing_else_is_touched() {
    let basic = &by_name("imgedit-basic").expect("basic").asks[0];
    let rubrics = read("prompts.json", r#"{"add": "\nA {x} <b> <edit_prompt>; again <edit_prompt>. é\n"}"#)
        .expect("read");
    let text = rubrics.text(basic, &item("add", "Write <edit_prompt> {instruct}")).expect("filled");
    assert_eq!(text, "\nA {x} <b> Write <edit_prompt> {instruct}; again Write <edit_prompt> {instruct}. é\n");
    let other = rubrics.text(basic, &item("alter", "x")).expect_err("no such type").to_string();
    assert!(other.contains("\"alter\"") && other.contains("add"), "{other}");
}

#[test]
fn a_fork_whose_types_the_rubrics_lack_is_told_with_how_many() {
    let basic = by_name("imgedit-basic").expect("basic");
    let rubrics = Rubrics::own(basic);
    let items = ["alter", "add", "alter"].map(|of| item(of, "p")).to_vec();
    let items =
        Items { file: PathBuf::new(), pictures: vec![], lacks: BTreeMap::new(), hash: String::new(), items };
    let told = rubrics.missing(basic, &items).expect_err("alter").to_string();
    assert!(told.contains("\"alter\" (2 items)") && told.contains("adjust"), "{told}");
    let there = Items { items: vec![item("add", "p")], ..items };
    assert_eq!(rubrics.missing(basic, &there), Ok(()));
    let untold = read("p.json", r#"{"add": "Grade it. [edit_prompt]"}"#).expect("read");
    let told = untold.missing(basic, &there).expect_err("no gap").to_string();
    assert!(told.contains("\"add\"") && told.contains("<edit_prompt>"), "{told}");
    let one = read("p.md", "Grade <edit_prompt>.").expect("read");
    assert_eq!(one.missing(basic, &there), Ok(()));
    let gedit = by_name("gedit").expect("gedit");
    let told = one.missing(gedit, &there).expect_err("two asks").to_string();
    assert!(told.contains("asks sc, pq"), "{told}");
}

#[test]
fn python_files_are_read_as_python_reads_them() {
    let kris = by_name("kris").expect("kris");
    let source = "import x\nprompt_consist = \"\"\"Of {instruct}: {{\\\"score\\\": 1}}\\n\"\"\"\n\nprompt_quality = r'''raw \\n'''\nx = f(prompt)\n  y = \"\"\"no\"\"\"\n";
    let rubrics = read("prompts.py", source).expect("read");
    assert_eq!(rubrics.names().collect::<Vec<_>>(), ["prompt_consist", "prompt_quality"]);
    let consistency = kris.ask("consistency").expect("an ask");
    assert_eq!(
        rubrics.text(consistency, &item("kris", "A {b}")).expect("filled"),
        "Of A {b}: {\"score\": 1}\n"
    );
    assert_eq!(
        rubrics.text(kris.ask("quality").expect("an ask"), &item("kris", "A")).expect("raw"),
        "raw \\n"
    );
    let told = rubrics.text(kris.ask("knowledge").expect("an ask"), &item("kris", "A")).expect_err("none");
    assert!(told.to_string().contains("\"knowledge\""), "{told}");
    assert!(read("p.py", "a = \"\"\"x").expect_err("no end").contains("has no end"));
    assert!(read("p.py", "a = 3\n").expect_err("none").contains("no text"));
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        (
            "prompt_alignment.py",
            "ALIGNMENT_PROMPT_W_RUBRIC = \"\"\"one\"\"\"\nPROMPT_TEMPLATE = \"\"\"of {instruction}\"\"\"\n",
        ),
        ("prompt_quality.py", "PROMPT_TEMPLATE = \"\"\"other\"\"\"\n"),
        ("x.txt", ""),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let complex = by_name("complex-edit").expect("complex-edit");
    let text = Rubrics::read(folder.path()).expect("read").text(&complex.asks[0], &item("complex-edit", "A"));
    assert_eq!(text.as_deref(), Ok("one\nof A"));
    let gedit = by_name("gedit").expect("gedit");
    let parts = "_context_no_delimit = \"\"\"one\"\"\"\n_prompts_0shot_rule_PQ = \"\"\"two\"\"\"\n";
    let text = read("vie_prompts.py", parts).expect("read").text(&gedit.asks[1], &item("gedit", "A"));
    assert_eq!(text.as_deref(), Ok("one\ntwo"));
}

#[test]
fn a_rubric_that_wants_what_an_item_lacks_is_an_error() {
    let kris = by_name("kris").expect("kris");
    let own = Rubrics::own(kris);
    let told = own.text(kris.ask("knowledge").expect("an ask"), &item("kris", "A")).expect_err("no fact");
    assert!(told.to_string().contains("\"explain\"") && told.to_string().contains("\"7\""), "{told}");
    assert!(read("a.json", r#"{"add": 3}"#).expect_err("3").contains("\"add\" is 3"));
    assert!(read("a.json", r#"{"add": "a", "add": "b"}"#).expect_err("twice").contains("twice"));
    assert!(read("a.md", "  \n").expect_err("empty").contains("no text"));
}

#[test]
fn ours_are_there_for_every_ask_and_fill_for_every_kind_of_item() {
    for benchmark in all() {
        let own = Rubrics::own(benchmark);
        assert!(own.texts.values().all(|text| text.lines().count() > 3));
        for ask in benchmark.asks {
            let kinds: Vec<String> = match benchmark.name {
                "imgedit-basic" => own.names().map(str::to_owned).collect(),
                "imgedit-uge" => vec!["uge".into()],
                "imgedit-multiturn" => vec!["turn".into()],
                other => vec![other.to_owned()],
            };
            for kind in kinds {
                let facts = ["explain", "reference"].map(|name| (name.to_owned(), "F".to_owned())).into();
                let item =
                    Item { prompts: vec!["P1".into(), "P2".into(), "P3".into()], facts, ..item(&kind, "") };
                let text = own.text(ask, &item).expect(ask.name);
                assert!(gapless(&text), "{}: {text}", ask.name);
                let told = ask.parts.len() == 2 || text.contains(&format!("P{}", ask.turn));
                assert!(told || ask.name.contains("reasoning"), "{}: the instruction is not told", ask.name);
            }
        }
    }
}

fn gapless(text: &str) -> bool {
    GAPS.iter().all(|(name, _)| !text.contains(&format!("<{name}>")))
}

#[test]
fn a_hash_is_of_one_rubric_and_the_items_words_are_not_in_it() {
    let basic = by_name("imgedit-basic").expect("basic");
    let (one, two) = (
        read("p.json", r#"{"add": "A <edit_prompt>", "style": "S"}"#).expect("one"),
        read("p.json", r#"{"add": "A <edit_prompt>", "style": "T"}"#).expect("two"),
    );
    let of = |rubrics: &Rubrics, kind: &str, words: &str| {
        rubrics.hash_of(&basic.asks[0], &item(kind, words)).expect("hash")
    };
    assert_eq!(of(&one, "add", "x"), of(&two, "add", "y"));
    assert_ne!(of(&one, "style", "x"), of(&two, "style", "x"));
    assert_ne!(one.whole_hash(), two.whole_hash());
    assert_eq!(one.hash("add"), Some(of(&one, "add", "x")));
}
