//! Item files of every benchmark, in every layout, and what is refused.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Items, by_name};

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    std::fs::write(file, text).expect("written");
}

fn items(benchmark: &str, path: &Path) -> Result<Items, String> {
    (by_name(benchmark).expect(benchmark).items)(path).map_err(|why| why.to_string())
}

fn read(benchmark: &str, name: &str, text: &str) -> Result<Items, String> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), name, text);
    items(benchmark, folder.path())
}

const BASIC: &str = r#"{"7": {"id": "animal/1.jpg", "prompt": "Add a hat.", "edit_type": "add"},
    "5": {"id": "style/2.jpg", "prompt": "As a woodcut.", "edit_type": "style"}}"#;

#[test]
fn imgedits_items_are_found_under_both_names_and_in_the_archive() {
    let folder = tempfile::tempdir().expect("a folder");
    let layouts = ["basic_edit.json", "singleturn.json", "Benchmark/singleturn/singleturn.json", "mine.json"];
    let mut hashes = Vec::new();
    for (at, layout) in layouts.iter().enumerate() {
        let below = folder.path().join(at.to_string());
        write(&below, layout, BASIC);
        write(below.join(layout).parent().expect("a folder"), "judge_prompt.json", "{}");
        let found = items("imgedit-basic", &below).expect(layout);
        let by_file = items("imgedit-basic", &below.join(layout)).expect(layout);
        assert_eq!(found, by_file);
        let keys: Vec<&str> = found.items.iter().map(|item| item.key.as_str()).collect();
        assert_eq!(keys, ["7", "5"], "in the order of the file");
        assert_eq!(found.pictures[0].0, below.join(layout).with_file_name("animal/1.jpg"));
        assert_eq!((found.items[0].rubric.as_str(), found.items[0].groups["type"].as_str()), ("add", "add"));
        hashes.push(found.hash);
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0] && hash.len() == 64));

    write(
        folder.path(),
        "archive/Benchmark/hard/any.json",
        r#"{"1": {"id": "2.jpg", "prompt": "Remove it."}}"#,
    );
    let hard = items("imgedit-uge", &folder.path().join("archive")).expect("hard");
    assert_eq!(hard.pictures[0].0, folder.path().join("archive/Benchmark/hard/2.jpg"));
}

#[test]
fn the_hash_is_of_what_shapes_a_score_and_of_nothing_else() {
    let hash = |text: &str| read("imgedit-basic", "basic_edit.json", text).expect(text).hash;
    let row = |id: &str, prompt: &str, of: &str| {
        format!(r#"{{"7": {{"id": "{id}", "prompt": "{prompt}", "edit_type": "{of}"}}}}"#)
    };
    let one = hash(&row("a.jpg", "Add a hat.", "add"));
    assert_eq!(one, hash(&row("b/c.png", "Add a hat.", "add")), "not of the picture's place");
    assert_ne!(one, hash(&row("a.jpg", "Add a cap.", "add")));
    assert_ne!(one, hash(&row("a.jpg", "Add a hat.", "alter")), "the fork's own spelling is another set");
    let swapped = r#"{"5": {"id": "style/2.jpg", "prompt": "As a woodcut.", "edit_type": "style"},
        "7": {"id": "animal/1.jpg", "prompt": "Add a hat.", "edit_type": "add"}}"#;
    assert_eq!(hash(BASIC), hash(swapped), "not of the order");
}

#[test]
fn what_would_go_wrong_later_is_refused_with_the_value() {
    let row = |key: &str, id: &str, prompt: &str| {
        format!(r#"{{{key:?}: {{"id": {id:?}, "prompt": {prompt:?}, "edit_type": "add"}}}}"#)
    };
    let wrong: [(String, &str); 15] = [
        (r#"{"7": {"id": "a", "prompt": "p", "edit_type": "add"}, "7": {"id": "b", "prompt": "q", "edit_type": "add"}}"#.into(), "\"7\" stands in it twice"),
        (r#"{"7": {"id": "a", "id": "b", "prompt": "p", "edit_type": "add"}}"#.into(), "\"id\" stands in it twice"),
        (r#"{"7": {"id": "a.jpg", "edit_type": "add"}}"#.into(), "has no \"prompt\""),
        (r#"{"7": {"id": "a.jpg", "prompt": "p"}}"#.into(), "has no \"edit_type\""),
        (r#"{"7": {"id": 3, "prompt": "p", "edit_type": "add"}}"#.into(), "must be a text, not 3"),
        (row("7", "a.jpg", "  "), "is empty"),
        (row("", "a.jpg", "p"), "is no key"),
        (row("a/b", "a.jpg", "p"), "\"a/b\" is no key"),
        (row("..", "a.jpg", "p"), "\"..\" is no key"),
        (row("a\n", "a.jpg", "p"), "is no key"),
        (row("7", "../a.jpg", "p"), "\"../a.jpg\""),
        (row("7", "/etc/passwd", "p"), "\"/etc/passwd\""),
        (row("7", "", "p"), "is empty"),
        ("{}".into(), "there is none in it"),
        ("[3]".into(), "must be an object, not 3"),
    ];
    for (text, why) in wrong {
        let told = read("imgedit-basic", "basic_edit.json", &text).expect_err(&text);
        assert!(told.contains(why) && told.contains("basic_edit.json"), "{text}: {told}");
    }
    let none = tempfile::tempdir().expect("a folder");
    let told = items("imgedit-basic", none.path()).expect_err("empty");
    assert!(told.contains("singleturn.json") && told.contains("basic_edit.json"), "{told}");
    write(none.path(), "a.json", "{}");
    write(none.path(), "b.json", "{}");
    assert!(items("imgedit-basic", none.path()).expect_err("two").contains("2 JSON files"));
}

#[test]
fn the_folders_of_turns_are_one_benchmark() {
    let folder = tempfile::tempdir().expect("a folder");
    let two = r#"{"1": {"id": "1.jpg", "turn1": "Add a hat.", "turn2": "Make it red."}}"#;
    let three = r#"{"1": {"id": "1.jpg", "turn1": "a", "turn2": "b", "turn3": "c"}}"#;
    write(folder.path(), "Benchmark/multiturn/content_memory/annotation.json", two);
    write(folder.path(), "Benchmark/multiturn/content_understand/annotation.json", three);
    let told = items("imgedit-multiturn", folder.path()).expect_err("one is missing");
    assert!(told.contains("version_backtrace"), "{told}");
    write(folder.path(), "Benchmark/multiturn/version_backtrace/annotation.json", three);
    let all = items("imgedit-multiturn", folder.path()).expect("all");
    let keys: Vec<&str> = all.items.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["content_memory_1", "content_understand_1", "version_backtrace_1"]);
    assert_eq!(all.items[0].asks, ["turn1", "turn2"]);
    assert_eq!(all.items[1].prompts, ["a", "b", "c"]);
    let alone = folder.path().join("Benchmark/multiturn/version_backtrace");
    assert_eq!(items("imgedit-multiturn", &alone).expect("alone").items[0].key, "version_backtrace_1");
}

#[test]
fn gedits_rows_are_a_list_lines_or_an_object() {
    let row = |key: &str, language: &str, there: bool| {
        format!(
            r#"{{"key": "{key}", "task_type": "ps_human", "instruction": "i", "instruction_language": "{language}", "Intersection_exist": {there}}}"#
        )
    };
    let (en, cn) = (row("k1", "en", true), row("k2", "zh", false));
    let list = read("gedit", "gedit.json", &format!("[{en}, {cn}]")).expect("list");
    let lines = read("gedit", "gedit.jsonl", &format!("{en}\n\n{cn}\n")).expect("lines");
    let object = read("gedit", "gedit.json", &format!("{{\"k1\": {en}, \"k2\": {cn}}}")).expect("object");
    assert!(list.hash == lines.hash && lines.hash == object.hash);
    let groups = &list.items[1].groups;
    assert_eq!((groups["language"].as_str(), groups["intersection"].as_str()), ("cn", "no"));
    assert_eq!(list.items[0].places[0], "fullset/ps_human/en/k1");
    let both = read("gedit", "gedit.json", &format!("[{}, {}]", row("k", "en", true), row("k", "cn", true)));
    let keys: Vec<String> = both.expect("both").items.into_iter().map(|item| item.key).collect();
    assert_eq!(keys, ["k-en", "k-cn"]);
    let twice = read("gedit", "gedit.json", &format!("[{en}, {en}]")).expect_err("twice");
    assert!(twice.contains("\"k1\" stands in it twice"), "{twice}");
    assert!(
        read("gedit", "gedit.json", &format!("[{}]", row("k", "fr", true)))
            .expect_err("fr")
            .contains("\"fr\"")
    );

    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "gedit.json", &format!("[{en}]"));
    write(folder.path(), "images/k1.jpg", "");
    let found = items("gedit", folder.path()).expect("found");
    assert_eq!(found.pictures[0].0, folder.path().join("images/k1.jpg"));
}

#[test]
fn kris_asks_by_category_and_says_what_it_cannot_ask() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = r#"{"1": {"ori_img": "1.jpg", "ins_en": "i", "explain_en": "e"}}"#;
    write(folder.path(), "KRIS_Bench/biology/annotation.json", one);
    write(folder.path(), "KRIS_Bench/color_change/annotation.json", one);
    write(
        folder.path(),
        "KRIS_Bench/viewpoint_change/annotation.json",
        r#"{"1": {"ori_img": "1.jpg", "gt_img": "1_gt.jpg", "ins_en": "i", "explain_en": ""}}"#,
    );
    write(
        folder.path(),
        "KRIS_Bench/temporal_prediction/annotation.json",
        r#"{"1": {"ori_img": ["1-1.jpg", "1-2.jpg", "1-3.jpg"], "ins_en": "i", "explain_en": "e"}}"#,
    );
    let all = items("kris", folder.path()).expect("all");
    let asks: BTreeMap<&str, &str> =
        all.items.iter().map(|item| (item.key.as_str(), item.asks[1].as_str())).collect();
    let wanted = [
        ("biology_1", "knowledge"),
        ("color_change_1", "instruction"),
        ("temporal_prediction_1", "instruction"),
        ("viewpoint_change_1", "instruction_reference"),
    ];
    assert_eq!(asks, BTreeMap::from(wanted));
    assert_eq!(all.lacks.keys().collect::<Vec<_>>(), ["temporal_prediction_1"]);
    assert_eq!(all.lacks["temporal_prediction_1"].class, "several_pictures");
    assert_eq!(all.pictures[3].1, Some(folder.path().join("KRIS_Bench/viewpoint_change/1_gt.jpg")));
    assert_eq!(all.items[0].facts["explain"], "e");
}

#[test]
fn rise_and_complex_edit_are_read() {
    let row = |more: &str| format!(r#"[{{"index": "i1", "instruction": "i", "image": "a/1.png", {more}}}]"#);
    let asks =
        |more: &str| read("rise", "data_total.json", &row(more)).map(|items| items.items[0].asks.join(" "));
    let cases = [
        (r#""category": "causal_reasoning", "reference": "r""#, "consistency reasoning plausibility"),
        (
            r#""category": "causal_reasoning", "reference": "r", "reasoning_img": "yes""#,
            "consistency reasoning_before plausibility",
        ),
        (
            r#""category": "causal_reasoning", "reference": "r", "consistency_free": true"#,
            "reasoning plausibility",
        ),
        (
            r#""category": "spatial_reasoning", "reference_img": "r.png""#,
            "consistency_reference reasoning_reference plausibility",
        ),
        (r#""category": "logical_reasoning", "reference_txt": "r""#, "logic_consistency logic_reasoning"),
        (
            r#""category": "logical_reasoning", "reference_img": "r.png""#,
            "logic_consistency_reference logic_reasoning_reference",
        ),
    ];
    for (more, wanted) in cases {
        assert_eq!(asks(more).as_deref(), Ok(wanted), "{more}");
    }
    assert!(asks(r#""category": "causal_reasoning""#).expect_err("none").contains("nothing to be judged by"));
    assert!(
        asks(r#""category": "moral_reasoning", "reference": "r""#)
            .expect_err("none")
            .contains("moral_reasoning")
    );

    let edit = r#"[{"image": null, "edit": {"compound": [{"compound_instruction": "a"}, {"compound_instruction": "b"}]}}]"#;
    let items = read("complex-edit", "complex_edit.json", edit).expect("compound");
    let keys: Vec<&str> = items.items.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["00000_c1", "00000_c2"]);
    assert_eq!(items.items[1].groups["complexity"], "2");
    let flat = read("complex-edit", "complex_edit.json", r#"{"x": {"instruction": "a", "complexity": 9}}"#);
    assert!(flat.expect_err("nine").contains("1 to 8"));
}
