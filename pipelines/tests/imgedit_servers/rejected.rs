//! What was made and dropped is data, too: `edits_rejected/` and `regions_rejected/` say of it all that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use operators::plan::judgement::Judgement;
use pipelines::edit_record::EditRecord;
use serde_json::{Map, Value};
use tests::fakes::http::{Action, Asked};
use tests::fakes::models::{Faults, Models, Task, edited_at, key, said};
use tests::python::load_datasets;
use tests::trees;
use threshflow::publish::Table;

use crate::desk::Desk;

const EDITS: &str = "--edits=remove,replace,adjust,extract,style,content_memory,action";

/// Writers, editors and judges that fail now and then, for good.
fn script(asked: &Asked, task: Task) -> Option<Action> {
    let hash = key(asked);
    let is_asked_again = asked.json()["messages"].as_array().is_some_and(|messages| messages.len() > 2);
    match task {
        Task::Instruct if is_asked_again || hash.is_multiple_of(5) => Some(said("No.")),
        Task::Judge if is_asked_again || hash.is_multiple_of(6) => Some(said("No.")),
        Task::Edit if hash.is_multiple_of(6) => Some(edited_at(hash, 1, 1)),
        _ => None,
    }
}

type Row = Map<String, Value>;

/// The rows of a table in `out`, by shard, key and what the cell `number` says.
fn rows(out: &Path, table: &str, number: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for part in std::fs::read_dir(out.join(table)).into_iter().flatten() {
        let table = Table::open(&part.expect("a part").path()).expect("a table");
        let columns: Vec<String> = table.columns().into_iter().map(|(name, _)| name).collect();
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let stopped = table.read(&names, |_, cells| {
            let row: Row = columns.iter().cloned().zip(cells.iter().cloned()).collect();
            let name = format!("{} {} {}", row["shard"], row["key"], row[number]);
            assert!(rows.insert(name.clone(), row).is_none(), "{name} is there twice");
            ControlFlow::<()>::Continue(())
        });
        assert!(stopped.expect("reads").is_none());
    }
    rows
}

fn summary(out: &Path) -> String {
    std::fs::read_to_string(out.join("summary.json")).expect("a summary")
}

/// Every edit that was tried, with the columns that `edits/` has; an edit is in one of the two tables.
fn tried(out: &Path) -> BTreeMap<String, Row> {
    let mut tried = rows(out, "edits", "edit_type");
    let some = tried.values().next().unwrap_or_else(|| panic!("no edit is published: {}", summary(out)));
    let columns: Vec<String> = some.keys().cloned().collect();
    for (name, row) in rows(out, "edits_rejected", "edit_type") {
        let row = columns.iter().map(|column| (column.clone(), row[column].clone())).collect();
        assert!(tried.insert(name.clone(), row).is_none(), "{name} is in both tables");
    }
    tried
}

/// That a rejected edit says all that its end lets know; gives where it ended.
fn check_edit(name: &str, row: &Row) -> String {
    let is = |column: &str| !row[column].is_null();
    let record = || row["record"].as_str().unwrap_or_else(|| panic!("{name} has no record"));
    let record = || serde_json::from_str::<EditRecord<Option<Judgement>>>(record()).expect("a record");
    let score = |of: &Value| of.as_f64().map(|score| score as f32);
    assert!(is("edit_type") && is("picture"), "{name}: {row:?}");
    for score in ["follows", "natural", "object_match"] {
        assert_eq!(row[score], row["scores"][score], "{name}");
    }
    let told = [is("content"), is("operations"), is("prompts"), is("reasons"), is("follows"), is("judge")];
    // A dial by group names the group, too: here, the edit's type.
    let stage = row["stage"].as_str().expect("a stage");
    let (stage, group) = stage.split_once('[').unwrap_or((stage, ""));
    assert!(group.is_empty() || group.strip_suffix(']') == row["edit_type"].as_str(), "{name}: {row:?}");
    match stage {
        "choose" => assert!(told == [false; 6] && !is("record"), "{name}: {row:?}"),
        "instruct" => {
            assert_eq!(told, [true, true, false, false, false, false], "{name}: {row:?}");
            assert!(record().turns.is_empty() && record().passes.is_empty(), "{name}");
        }
        "edit" => {
            assert_eq!(told, [true, true, true, false, false, false], "{name}: {row:?}");
            assert!(!record().turns.is_empty() && record().passes.is_empty(), "{name}");
        }
        "judge" => {
            assert_eq!(told, [true, true, true, false, false, false], "{name}: {row:?}");
            let record = record();
            assert!(record.passes.iter().all(|pass| pass.picture.is_some()) && !record.passes.is_empty());
            assert!(record.turns.iter().all(|turn| turn.judgement.is_none()), "{name}");
        }
        dial => {
            assert_eq!(told, [true; 6], "{name}: {row:?}");
            // All that a published edit says.
            let record: EditRecord =
                serde_json::from_str(row["record"].as_str().expect("text")).expect("whole");
            assert!(!record.passes.is_empty() && !record.turns.is_empty(), "{name}");
            if dial == "edits" {
                assert_eq!(row["rejected"], "picture", "{name}");
            } else {
                assert_eq!(score(&row["score"]), score(&row[dial]), "{name}");
                let (score, threshold) = (score(&row["score"]), score(&row["threshold"]));
                assert!(if dial == "no_op" { score > threshold } else { score < threshold }, "{name}");
            }
        }
    }
    let by_picture = row["rejected"] == "picture";
    assert!(by_picture || row["rejected"] == "edit", "{name}");
    stage.to_owned()
}

#[test]
fn every_edit_is_in_one_of_two_tables_and_says_the_same_there() {
    let models = Models::with(Faults::default(), Box::new(script));
    let desk = Desk::of(14, 12);
    let out = desk.path("out");
    let run = |desk: &Desk, set: &str| drop(desk.run(&models, &format!("{EDITS} {set}")));
    run(&desk, "");
    let made = tried(&out);
    let mut ended: BTreeSet<String> = BTreeSet::new();
    let (asked, mut published) = (models.server().count(), BTreeSet::new());
    let turns = [
        "",
        "--set=follows=3",
        "--set=follows=3 --set=natural=3",
        "--set=edits=2",
        "--set=object_match=1 --set=edits=2",
        "--set=natural=3 --set=edits=0",
    ];
    for set in turns {
        run(&desk, &format!("{set} --workers=2"));
        let now = tried(&out);
        assert_eq!(now.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>(), "{set}");
        for (name, row) in &now {
            assert_eq!(row, &made[name], "{set}: {name}");
        }
        let rejected = rows(&out, "edits_rejected", "edit_type");
        ended.extend(rejected.iter().map(|(name, row)| check_edit(name, row)));
        published.insert(now.len() - rejected.len());
    }
    let all = ["choose", "edit", "edits", "follows", "instruct", "judge", "natural", "object_match"];
    assert_eq!(ended, all.map(str::to_owned).into());
    assert!(published.len() > 3, "{published:?}");
    assert_eq!(models.server().count(), asked, "turns ask nothing");
    loads(&out);
    // Any way to where the dials stand leads to the same bytes.
    let fresh = Desk::of(14, 12);
    run(&fresh, &format!("{} --workers=4", turns[turns.len() - 1]));
    trees::assert_same(&out, &fresh.path("out"), "turned, and from scratch");
    run(&desk, turns[3]);
    run(&fresh, turns[3]);
    trees::assert_same(&out, &fresh.path("out"), "turned back, and from another side");
}

/// Hugging Face `datasets` loads both tables, and the one of rejected edits has every column of the other.
fn loads(out: &Path) {
    let Some(loaded) = load_datasets(out) else { return };
    let [edits, rejected] = ["edits", "edits_rejected"].map(|name| &loaded[name]);
    for (column, kind) in edits["columns"].as_object().expect("columns") {
        assert_eq!(&rejected["columns"][column], kind, "{column}");
    }
    let count = |table: &Value| table["rows"].as_array().expect("rows").len();
    assert_eq!(count(edits), rows(out, "edits", "edit_type").len());
    assert_eq!(count(rejected), rows(out, "edits_rejected", "edit_type").len());
    let table = &loaded["regions_rejected"];
    assert_eq!(count(table), rows(out, "regions_rejected", "region").len());
    for row in table["rows"].as_array().expect("rows") {
        assert_eq!(row["bbox"].as_array().map(Vec::len), Some(4), "{row}");
        assert_eq!(row["mask"].is_null(), row["scores"]["mask_score"].is_null(), "{row}");
    }
}

/// The regions of kept pictures as `data/` lists them: noun, box and mask, and scores.
fn published_regions(out: &Path) -> BTreeMap<String, (Value, Value)> {
    let mut all = BTreeMap::new();
    for row in rows(out, "data", "key").values() {
        let scores = |number: &Value| {
            let kept = row["regions_kept"].as_array().expect("a list").iter();
            let kept = kept.filter(|kept| kept["number"] == *number);
            kept.map(|kept| kept.as_object().expect("a struct").clone()).next().expect("it is kept")
        };
        for kind in ["object", "background"] {
            for region in row["segmentation"][kind].as_array().into_iter().flatten() {
                let mut scores = scores(&region["number"]);
                scores.retain(|name, _| name != "number");
                let what = serde_json::json!([region["class_name"], kind, region["bbox"], region["mask"]]);
                let name = format!("{} {} {}", row["shard"], row["key"], region["number"]);
                all.insert(name, (what, Value::Object(scores)));
            }
        }
    }
    all
}

#[test]
fn a_region_that_is_dropped_says_what_it_said_where_it_was_kept() {
    let models = Models::start();
    let desk = Desk::of(12, 12);
    let out = desk.path("out");
    drop(desk.run(&models, "--edits=remove"));
    let kept = published_regions(&out);
    assert!(kept.len() > 10, "{} regions", kept.len());
    let mut whose = BTreeMap::<String, usize>::new();
    for set in ["--set=object_clip=1 --set=object_area_sure=1", "--set=detection=0.6", "--set=regions=3"] {
        drop(desk.run(&models, &format!("--edits=remove {set}")));
        let still = published_regions(&out);
        let rejected = rows(&out, "regions_rejected", "region");
        for (name, (what, scores)) in &kept {
            let Some(row) = rejected.get(name) else {
                assert_eq!(&still[name].0, what, "{set}: {name}");
                continue;
            };
            assert!(!still.contains_key(name), "{set}: {name} is in both");
            let told = |name: &str| row["scores"][name].clone();
            let masked = !told("mask_score").is_null();
            let mask = if masked { what[3].clone() } else { Value::Null };
            let found = serde_json::json!([row["class_name"], row["kind"], row["bbox"], row["mask"]]);
            assert_eq!(found, serde_json::json!([what[0], what[1], what[2], mask]), "{set}: {name}");
            assert_eq!(row["content"], scores["content"], "{set}: {name}");
            for (score, value) in
                scores.as_object().expect("scores").iter().filter(|(name, _)| *name != "content")
            {
                let told = told(score);
                assert!(told == *value || !masked && told.is_null(), "{set}: {name}: {score} {told} {value}");
            }
            *whose.entry(format!("{} {masked}", row["rejected"].as_str().expect("text"))).or_default() += 1;
        }
    }
    let wanted = ["picture true", "region false", "region true"];
    assert_eq!(whose.keys().collect::<Vec<_>>(), wanted, "{whose:?}");
}
