//! Labels: drawn around the cut, kept in the store, and what they say is what a computation by hand says.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::resident::Resident;

use crate::desk;

/// Whether a row is good: a function of its score, so that the truth is known.
fn is_good(score: f64) -> bool {
    score > 11.0
}

fn label_all(session: &Resident, labels: usize) -> Vec<(f64, bool)> {
    let mut said = Vec::new();
    while said.len() < labels {
        let drawn = session.get("/api/labels?dial=short_side&draw=10&seed=7");
        let next = drawn["next"].as_array().unwrap().clone();
        if next.is_empty() {
            break;
        }
        for row in next {
            let score = row["score"].as_f64().unwrap();
            let label = json!({ "dial": "short_side", "row": row["id"], "good": is_good(score) });
            let answer = session.post("/api/labels", &label);
            said.push((score, is_good(score)));
            assert_eq!(answer["labelled"], said.len(), "{row}");
        }
    }
    said
}

#[test]
fn all_rows_labelled_tell_the_truth_and_labels_outlive_the_session() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    // Every content that reaches the gate.
    let said = label_all(&session, usize::MAX);
    assert!(said.len() > 100, "{}", said.len());
    let precision = session.get("/api/precision?dial=short_side");
    // By hand: of all rows that pass 10, those above 11.
    let rows: Vec<f64> = (0..3)
        .flat_map(|shard| (0..60).map(move |member| format!("{shard}-{member}")))
        .filter_map(|id| {
            let row = session.get(&format!("/api/row/{id}"));
            let side = row["size"][0].as_f64()?.min(row["size"][1].as_f64()?);
            (row["verdict"]["stage"] != "probe").then_some(side)
        })
        .collect();
    let passing: Vec<&f64> = rows.iter().filter(|side| **side > 10.0).collect();
    let good = passing.iter().filter(|side| is_good(***side)).count();
    let truth = good as f64 / passing.len() as f64;
    let at = &precision["at"];
    assert!((at["precision"].as_f64().unwrap() - truth).abs() < 1e-9, "{at}: {truth}");
    assert!((at["recall"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{at}");
    // The loosest cut at which nothing bad passes.
    let loosest = session.get("/api/loosest?dial=short_side&precision=1");
    let value = loosest["value"].as_f64().unwrap();
    assert!((11.0..12.0).contains(&value), "{loosest}");
    let looser = session.turn("short_side", &(value - 0.5).to_string());
    assert!(looser["kept"].is_u64());
    let (status, none) = session.try_get("/api/loosest?dial=short_side&precision=1.5");
    assert_eq!(status, 400, "{none}");
    // As a table, and back: nothing is new.
    let (status, table) = session.get_bytes("/api/labels.csv?dial=short_side");
    assert_eq!(status, 200);
    let table = String::from_utf8(table).unwrap();
    assert_eq!(table.lines().count(), said.len() + 1, "{table}");
    assert!(table.starts_with("dial,content,good,score,chance,stratum,labelled_at,shard,key\r\n"), "{table}");
    assert_eq!(session.end().code, Some(0));
    let again = Resident::start(&desk, "");
    let kept = again.get("/api/precision?dial=short_side");
    assert_eq!((&kept["at"], &kept["labelled"]), (&precision["at"], &precision["labelled"]));
}

#[test]
fn what_labels_say_is_on_the_card_and_in_stories_and_a_run_says_the_same() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    let said = label_all(&session, 40);
    session.apply();
    session.post("/api/publish", &json!({}));
    let at = session.get("/api/precision?dial=short_side")["at"].clone();
    let part = |name: &str| at[name].as_f64().unwrap();
    let passing = said.iter().filter(|(score, _)| *score > 10.0).count();
    assert_eq!(at["labels"], passing);
    let wanted = format!(
        "precision {:.2} [{:.2}, {:.2}] by {passing} labels",
        part("precision"),
        part("low"),
        part("high")
    );
    let manifest = |out: &str| -> Value {
        let text = std::fs::read_to_string(desk.path(out).join("manifest.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let dials = manifest("out")["dials"].as_array().unwrap().clone();
    let of = |name: &str| dials.iter().find(|dial| dial["name"] == name).unwrap()["labels"].clone();
    assert_eq!((of("short_side"), of("sure")), (json!(wanted), Value::Null));
    let card = std::fs::read_to_string(desk.path("out/README.md")).unwrap();
    assert!(card.contains(&format!("| `short_side` | > 10 ({wanted}) |")), "{card}");
    // A row that was labelled, and is kept.
    let labels = session.get("/api/labels?dial=short_side&draw=0&seed=7");
    let tell = |label: &Value| {
        let story = session.get(&format!("/api/row/{}", label["row"].as_str().unwrap()));
        let here = json!([{ "dial": "short_side", "good": label["good"], "score": label["score"], "at": story["labels"][0]["at"] }]);
        assert_eq!(story["labels"], here, "{label}");
        story
    };
    let stories: Vec<Value> = labels["labels"].as_array().unwrap().iter().map(tell).collect();
    let kept = stories.iter().find(|story| story["verdict"]["verdict"] == "kept").unwrap();
    let line = format!("short_side: passes > 10 ({wanted})");
    assert!(kept["story"].as_array().unwrap().contains(&json!(line)), "{kept}");
    let key = format!("{}/{}", kept["shard"].as_str().unwrap(), kept["key"].as_str().unwrap());
    let explained = desk.ask(&format!("explain --out out {key}")).expect(0, &[]);
    assert!(explained.stdout.contains(&format!(" passes > 10 ({wanted})")), "{explained:#?}");
    // What a run publishes over the same store is the same, to the byte.
    assert_eq!(session.end().code, Some(0));
    desk.ask("run --max-error-rate 1 --shards shards --store store --out again").expect(0, &[]);
    tests::trees::assert_same(&desk.path("out"), &desk.path("again"), "a run over the same labels");
}

#[test]
fn labels_that_all_agree_say_no_more_than_clopper_and_pearson_do() {
    let desk = desk();
    let session = Resident::start(&desk, "--set short_side=0");
    let drawn = session.get("/api/labels?dial=short_side&draw=20&seed=3");
    let next = drawn["next"].as_array().unwrap();
    assert_eq!(next.len(), 20);
    let ids: BTreeSet<&str> = next.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 20, "each once");
    for row in next {
        session.post("/api/labels", &json!({ "dial": "short_side", "row": row["id"], "good": true }));
    }
    let at = session.get("/api/precision?dial=short_side")["at"].clone();
    let (low, high) = (at["low"].as_f64().unwrap(), at["high"].as_f64().unwrap());
    // By hand, of 20 that are all good: scipy.stats.beta.ppf(0.025, 20, 1) is 0.8316. Where the rows were drawn from strata, a sample of 20
    // says no more than that.
    assert_eq!((at["precision"].as_f64(), high), (Some(1.0), 1.0), "{at}");
    assert!((0.5..=0.8317).contains(&low), "{at}");
    // One is taken back. A row's story tells what was said of it.
    let first = &next[0]["id"];
    let story = format!("/api/row/{}", first.as_str().unwrap());
    let said = session.get(&story)["labels"].clone();
    assert_eq!(
        (&said[0]["dial"], &said[0]["good"], &said[1]),
        (&json!("short_side"), &json!(true), &Value::Null)
    );
    let answer = session.post("/api/labels", &json!({ "dial": "short_side", "row": first, "good": null }));
    assert_eq!(answer["labelled"], 19);
    assert_eq!(session.get(&story)["labels"], json!([]));
    let (status, wrong) =
        session.try_post("/api/labels", &json!({ "dial": "sure", "row": first, "good": true }));
    assert_eq!(status, 400, "{wrong}");
    assert!(wrong["error"].as_str().unwrap().contains("does not reach the gate"), "{wrong}");
}

#[test]
fn a_table_with_a_wrong_line_is_refused_whole() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    let post = |table: &str| -> (u16, Value) { session.try_post_text("/api/labels.csv", "text/csv", table) };
    let head = "dial,content,good,score\n";
    let content = "00112233445566778899aabbccddeeff";
    let (status, wrong) =
        post(&format!("{head}short_side,{content},true,11\nshort_side,{content},perhaps,11\n"));
    assert_eq!(status, 400, "{wrong}");
    assert!(wrong["error"].as_str().unwrap().contains("line 3"), "{wrong}");
    let (status, done) = post(&format!("{head}short_side,{content},true,11\n"));
    assert_eq!((status, &done["imported"]), (200, &json!(1)), "{done}");
    let (_, same) = post(&format!("{head}short_side,{content},true,11\n"));
    assert_eq!((&same["imported"], &same["same"]), (&json!(0), &json!(1)), "{same}");
}
