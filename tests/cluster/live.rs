//! A session of several processes, over HTTP: it answers as a session of one process does.

mod asking;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use tests::Rng;
use tests::ground::TURNED;
use tests::program::Desk;
use tests::python::python_with;
use tests::resident::{Resident, assert_published};
use tests::trees;

use crate::desk;

/// What is compared with where the dials stand: what is published, and settings, as they are written in a URL.
const COMPARED: [&str; 4] =
    ["", "short_side%3D14", "sure%3D0.5%3Bquality%3D0.25", "short_side%3Dtop%3A60%25"];
/// Rows of each side of a cut that are compared.
const AT_THE_CUT: usize = 7;
/// What every session has for itself, in its answers.
const OWN: [&str; 6] = ["version", "output", "store", "processes", "applying", "summary"];
/// Words are looked up by each process for itself: what two of them need is asked by both.
const BY_EACH: &str = "spelling";

/// Two sessions on the same shards: of one process, and of several. In each shard are other pictures.
struct Beside {
    sessions: [Resident; 2],
    /// Behind the sessions, which end first.
    desks: [Desk; 2],
}

impl Beside {
    fn start(processes: usize, flags: &str) -> Self {
        let desks = [desk(6, false), desk(6, false)];
        let start =
            |desk: &Desk, more: &str| Resident::start(desk, &format!("--workers 1 --cores 1 {flags} {more}"));
        let sessions = [start(&desks[0], ""), start(&desks[1], &format!("--processes {processes}"))];
        Beside { sessions, desks }
    }

    /// What both say, the one process first.
    fn ask<T>(&self, ask: impl Fn(&Resident) -> T) -> [T; 2] {
        self.sessions.each_ref().map(ask)
    }

    fn get(&self, path: &str) -> [Value; 2] {
        self.ask(|session| session.get(path))
    }

    /// Panics unless both answer the same, but for what `plain` takes away. The answer.
    fn same(&self, path: &str, plain: impl Fn(Value) -> Value, context: &str) -> Value {
        let [one, several] = self.ask(|session| {
            let (status, answer) = session.try_get(path);
            (status, plain(answer))
        });
        assert_eq!(several, one, "{context}: {path}");
        one.1
    }

    /// Publishes what all questions were asked for, and panics unless both published the same.
    fn publish(&self, context: &str) {
        self.ask(Resident::apply);
        self.ask(|session| session.post("/api/publish", &json!({})));
        self.assert_published_the_same(context);
    }

    fn assert_published_the_same(&self, context: &str) {
        let [one, several] = self.desks.each_ref().map(|desk| desk.path("out"));
        assert!(one.join("manifest.json").exists(), "{context}: nothing is published");
        trees::assert_same(&several, &one, context);
    }
}

/// An answer without what every session has for itself.
fn plain(mut answer: Value) -> Value {
    let Some(fields) = answer.as_object_mut() else { return answer };
    OWN.iter().for_each(|own| drop(fields.remove(*own)));
    if let Some(published) = fields.get_mut("published").and_then(Value::as_object_mut) {
        published.remove("at");
    }
    answer
}

/// What is told of rows, without their numbers and without times: of an id only the piece is left.
fn told(value: &Value) -> Value {
    let piece = |id: &str| id.split_once('.').map_or(String::new(), |(_, piece)| piece.to_owned());
    let field = |name: &str, value: &Value| match (name, value) {
        ("id" | "row", Value::String(id)) => json!(piece(id)),
        ("image", Value::String(url)) => json!(url.rsplit('/').next()),
        ("neighbours", Value::Array(ids)) => ids.iter().map(|id| json!(id.is_null())).collect(),
        _ => told(value),
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "version" && *name != "at");
            Value::Object(
                fields.map(|(name, value)| (name.clone(), field(name, value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(values) => values.iter().map(told).collect(),
        other => other.clone(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Takes a step in both sessions: which, and the status of the answer.
fn step(both: &Beside, rng: &mut Rng, context: &str) -> (&'static str, u16) {
    let (dial, values) = TURNED[rng.below(TURNED.len())];
    let turn = json!({ "dials": { dial: values[rng.below(values.len())] } });
    let (path, body) = match rng.below(12) {
        0 | 1 => ("/api/undo", json!({})),
        2 => ("/api/redo", json!({})),
        3 | 4 => ("/api/apply", json!({})),
        5 | 6 => ("/api/publish", json!({})),
        _ => ("/api/turn", turn),
    };
    let answers = both.ask(|session| session.try_post(path, &body));
    let status = answers[0].0;
    if path == "/api/apply" {
        // What is asked is counted while it is.
        assert_eq!(answers[1].0, status, "{context}: {answers:?}");
        both.ask(Resident::rest);
        return (path, status);
    }
    let [one, several] = answers.map(|(status, answer)| (status, plain(answer)));
    assert_eq!(several, one, "{context}: {path} {body}");
    if (path, status) == ("/api/publish", 200) {
        both.assert_published_the_same(context);
    }
    (path, status)
}

/// Panics unless both sessions say the same of all that they can be asked.
fn assert_same_answers(both: &Beside, rng: &mut Rng, context: &str) {
    let state = both.same("/api/state", plain, context);
    let dials: Vec<&str> = list(&state["dials"]).iter().map(|dial| text(&dial["name"])).collect();
    for dial in &dials {
        both.same(&format!("/api/histogram/{dial}"), plain, context);
    }
    for _ in 0..3 {
        assert_same_cuts(both, dials[rng.below(dials.len())], context);
    }
    assert_same_plans(both, context);
    assert_same_changes(both, context);
    let a = COMPARED[rng.below(COMPARED.len())];
    both.same(&format!("/api/compare?a={a}&b=now"), compared, context);
}

/// Some rows of each side are shown, and each session has its own choice.
fn compared(answer: Value) -> Value {
    let mut answer = plain(answer);
    for side in ["only_a", "only_b"] {
        if let Some(rows) = answer.pointer_mut(&format!("/{side}/rows")) {
            *rows = json!(!list(rows).is_empty());
        }
    }
    answer
}

fn assert_same_plans(both: &Beside, context: &str) {
    let plans = both.get("/api/plan").map(|mut plan| {
        let fields = plan.as_object_mut().expect("a plan");
        ["seconds", "cost"].iter().for_each(|own| drop(fields.remove(*own)));
        let words = fields["asks"].as_object_mut().and_then(|asks| asks.remove(BY_EACH));
        (words.and_then(|words| words.as_u64()).unwrap_or(0), plan)
    });
    let [(words_of_one, one), (words, several)] = plans;
    assert_eq!(several, one, "{context}: /api/plan");
    assert!(words >= words_of_one, "{context}: {words} words are to be looked up, and {words_of_one} by one");
}

fn assert_same_cuts(both: &Beside, dial: &str, context: &str) {
    let cuts = both.get(&format!("/api/cut?dial={dial}&most={AT_THE_CUT}"));
    assert_eq!(cuts[1]["value"], cuts[0]["value"], "{context}: {dial}");
    for side in ["above", "below"] {
        let [one, several] = cuts.each_ref().map(|cut| nearest(list(&cut[side])));
        assert_eq!(several, one, "{context}: {side} the cut of {dial}");
    }
}

/// The scores of these rows, and what is told of those that are nearer than the last one. Of rows that are as far as that, any may be there.
fn nearest(rows: &[Value]) -> (Vec<&Value>, BTreeSet<String>) {
    let last = rows.get(AT_THE_CUT - 1).map(|row| &row["score"]);
    let nearer = rows.iter().filter(|row| last != Some(&row["score"]));
    (rows.iter().map(|row| &row["score"]).collect(), nearer.map(|row| told(row).to_string()).collect())
}

fn assert_same_changes(both: &Beside, context: &str) {
    for (side, enters) in [("enter", true), ("leave", false)] {
        let changes = both.get(&format!("/api/changes?side={side}&most=9"));
        let [one, several] = changes.each_ref().map(|changes| (&changes["count"], &changes["gone"]));
        assert_eq!(several, one, "{context}: what would {side}");
        for changes in &changes {
            let rows = list(&changes["rows"]);
            let ids: BTreeSet<&str> = rows.iter().map(|row| text(&row["id"])).collect();
            assert!(ids.len() == rows.len() && rows.len() <= 9, "{context}: {changes}");
            assert_eq!(rows.is_empty(), changes["count"] == 0, "{context}: {changes}");
            let moves =
                |row: &Value| row["published"] == !enters && (row["verdict"]["verdict"] == "kept") == enters;
            assert!(rows.iter().all(moves), "{context}: {changes}");
        }
    }
}

#[test]
fn several_processes_answer_as_one() {
    for (processes, seed) in [(2, 352), (3, 193)] {
        // Tight at first: every loosening has something to ask.
        let both = Beside::start(processes, "--set short_side=19 --set sure=0.75");
        let (mut rng, mut taken) = (Rng(seed), BTreeMap::new());
        assert_same_answers(&both, &mut rng, "at first");
        for number in 0..25 {
            let context = format!("{processes} processes, seed {seed}, step {number}");
            let took = step(&both, &mut rng, &context);
            *taken.entry(took).or_insert(0) += 1;
            assert_same_answers(&both, &mut rng, &format!("{context}: {took:?}"));
        }
        for took in [
            ("/api/turn", 200),
            ("/api/undo", 200),
            ("/api/redo", 200),
            ("/api/redo", 409),
            ("/api/publish", 200),
            ("/api/publish", 409),
        ] {
            assert!(taken.contains_key(&took), "no step was {took:?}: {taken:?}");
        }
        let context = format!("{processes} processes, seed {seed}, in the end");
        both.publish(&context);
        assert_same_answers(&both, &mut rng, &context);
        let flags = text(&both.sessions[1].get("/api/state")["flags"]).replace('\'', "");
        assert_published(&both.desks[1], &flags, &context);
    }
}

/// The rows that reach the first gate, by shard and key: their ids.
fn rows_of(session: &Resident) -> BTreeMap<String, String> {
    let cut = session.get("/api/cut?dial=short_side&most=200");
    let rows = ["above", "below"].into_iter().flat_map(|side| list(&cut[side]));
    rows.map(|row| (format!("{}/{}", text(&row["shard"]), text(&row["key"])), text(&row["id"]).to_owned()))
        .collect()
}

/// What both tell of a row that has another id in each. Panics unless it is the same.
fn stories(both: &Beside, ids: &[&str; 2]) -> [Value; 2] {
    let ask = |place: usize, path: &str| both.sessions[place].get(&format!("{path}/{}", ids[place]));
    let stories = [0, 1].map(|place| ask(place, "/api/row"));
    assert_eq!(told(&stories[1]), told(&stories[0]), "{ids:?}");
    let drawings = [0, 1].map(|place| told(&ask(place, "/api/drawing")));
    assert_eq!(drawings[1], drawings[0], "{ids:?}");
    stories
}

#[test]
fn a_row_has_the_same_story_and_the_same_pictures() {
    let both = Beside::start(3, "");
    both.ask(Resident::apply);
    let [one, several] = both.ask(rows_of);
    assert!(one.keys().eq(several.keys()) && one.len() > 100, "{one:?} {several:?}");
    let (mut pieces, mut behind) = (0, 0);
    for (id_of_one, id) in one.values().zip(several.values()).step_by(5) {
        let ids = [id_of_one.as_str(), id.as_str()];
        let of_both = stories(&both, &ids);
        let image = |place: usize| both.sessions[place].get_bytes(&format!("/api/image/{}/0", ids[place]));
        assert!(image(0).0 == 200 && image(0) == image(1), "{ids:?}: other pictures");
        // The last of its edits, and the row behind it, which may be no picture.
        if let [Some(a), Some(b)] = of_both.each_ref().map(|story| list(&story["pieces"]).last()) {
            stories(&both, &[text(&a["id"]), text(&b["id"])]);
            pieces += 1;
        }
        if let [Some(a), Some(b)] = of_both.each_ref().map(|story| story["neighbours"][1].as_str()) {
            stories(&both, &[a, b]);
            behind += 1;
        }
    }
    assert!(pieces > 3 && behind > 15, "{pieces} pieces, {behind} neighbours");
    for (place, rows) in [&one, &several].into_iter().enumerate() {
        let id = rows.values().next().expect("a row");
        let nowhere = format!("{}-99999", id.rsplit_once('-').expect("a row's id").0);
        for path in [
            format!("/api/row/{nowhere}"),
            format!("/api/drawing/{nowhere}"),
            format!("/api/image/{nowhere}/0"),
            format!("/api/image/{id}/99"),
            "/api/row/99-0".to_owned(),
        ] {
            let (status, answer) = both.sessions[place].try_get(&path);
            assert!(status == 404 && !text(&answer["error"]).is_empty(), "{path}: {status} {answer}");
        }
    }
}

/// All of an Arrow stream's rows but their ids, each as JSON, in an order of their own. `None` where Python lacks pyarrow.
fn rows_by_python(stream: &Path) -> Option<Vec<String>> {
    let script = "import sys, json, pyarrow.ipc as ipc\n\
                  rows = ipc.open_stream(sys.argv[1]).read_all().to_pylist()\n\
                  assert len({row.pop('id') for row in rows}) == len(rows)\n\
                  print(json.dumps(sorted(json.dumps(row, sort_keys=True) for row in rows)))";
    let read = python_with(&["pyarrow"])?.args(["-c", script]).arg(stream).output().expect("python3 starts");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    Some(serde_json::from_slice(&read.stdout).expect("a list of texts"))
}

#[test]
fn a_notebook_reads_the_rows_of_all_processes() {
    let both = Beside::start(3, "");
    for which in ["all", "undecided", "all", "kept", "gated&dial=short_side", "enter"] {
        let [one, several] = [0, 1].map(|place| {
            let (status, bytes) = both.sessions[place].get_bytes(&format!("/api/rows?which={which}"));
            assert_eq!(status, 200, "{which}");
            let path = both.desks[place].path("rows.arrow");
            std::fs::write(&path, bytes).expect("writes");
            rows_by_python(&path)
        });
        let (Some(one), Some(several)) = (one, several) else { return };
        assert_eq!(several, one, "{which}");
        assert!(!one.is_empty() && (which != "all" || one.len() == 6 * 24), "{which}: {} rows", one.len());
        if which == "undecided" {
            both.ask(Resident::apply);
        }
    }
}

/// The lines of a table of labels, without the times.
fn lines(table: &str) -> BTreeSet<String> {
    let timeless = |line: &str| {
        let cells = line.split(',').enumerate().filter(|(place, _)| *place != 6);
        cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
    };
    table.lines().map(timeless).collect()
}

#[test]
fn labels_count_over_all_processes() {
    let both = Beside::start(3, "");
    both.ask(Resident::apply);
    let drawn = both.get("/api/labels?dial=quality&draw=20&seed=3");
    let named = |row: &Value| format!("{} {} {}", row["shard"], row["key"], row["score"]);
    let next = |drawn: &Value| list(&drawn["next"]).iter().map(named).collect::<Vec<_>>();
    let [one, several] = drawn.each_ref().map(next);
    let labels = one.len();
    // A content that stands twice is labelled once: there may be fewer than are asked for.
    assert!(several == one && (15..=20).contains(&labels), "{several:?} instead of {one:?}");
    for (session, drawn) in both.sessions.iter().zip(&drawn) {
        for row in list(&drawn["next"]) {
            let good = row["score"].as_f64() >= Some(0.4);
            session.post("/api/labels", &json!({ "dial": "quality", "row": row["id"], "good": good }));
        }
    }
    let told_labels = |answer: Value| told(&answer["labels"]);
    let kept = both.same("/api/labels?dial=quality&draw=0&seed=3", told_labels, "labelled");
    assert_eq!(list(&kept).len(), labels, "{kept}");
    let [one, several] = both.get("/api/labels?dial=quality&draw=9&seed=3").each_ref().map(next);
    assert!(several == one && !one.is_empty(), "{several:?} instead of {one:?}");
    for (a, b) in list(&drawn[0]["next"]).iter().zip(list(&drawn[1]["next"])).take(3) {
        let of_both = stories(&both, &[text(&a["id"]), text(&b["id"])]);
        assert_eq!(list(&of_both[1]["labels"]).len(), 1, "{}", of_both[1]);
    }
    let precision = both.same("/api/precision?dial=quality", plain, "labelled");
    assert!(precision["labelled"] == labels && precision["at"]["precision"].is_f64(), "{precision}");
    let tables = both.ask(|session| session.get_bytes("/api/labels.csv").1);
    let [one, several] = tables.map(|table| String::from_utf8(table).expect("a table"));
    assert_eq!(lines(&several), lines(&one));
    assert_eq!(several.lines().count(), labels + 1, "{several}");

    let elsewhere = desk(6, false);
    let third = Resident::start(&elsewhere, "--processes 3 --cores 1");
    third.apply();
    let (status, imported) = third.try_post_text("/api/labels.csv", "text/csv", &several);
    assert_eq!((status, &imported["imported"]), (200, &json!(labels)), "{imported}");
    assert_eq!(plain(third.get("/api/precision?dial=quality")), precision);
    both.publish("with labels");
    let card = std::fs::read_to_string(both.desks[1].path("out/README.md")).expect("a card");
    assert!(card.contains("(precision "), "{card}");
}

/// Metrics that are sums over all processes, or the same in all of them; not so those of words.
fn metrics(session: &Resident) -> BTreeSet<String> {
    let (status, text) = session.get_bytes("/metrics");
    assert_eq!(status, 200);
    let text = String::from_utf8(text).expect("a text");
    let state = session.get("/api/state");
    for verdict in ["kept", "gated", "refused", "undecided"] {
        let line = format!("threshflow_rows{{verdict=\"{verdict}\"}} {}\n", state[verdict]);
        assert!(text.contains(&line), "{line} is not in {text}");
    }
    let names = ["rows", "published", "entering", "leaving", "dial", "unasked", "asking", "questions_total"];
    let names = names.into_iter().chain(["answers_total", "failures_total", "shards", "waiting_shards"]);
    let names: Vec<String> = names.map(|name| format!("threshflow_{name}")).collect();
    let counts = |line: &&str| names.iter().any(|name| line.starts_with(name)) && !line.contains(BY_EACH);
    text.lines().filter(counts).map(str::to_owned).collect()
}

/// Questions by stage: asked, answered, failed.
fn lanes(session: &Resident) -> BTreeMap<String, [u64; 3]> {
    let mut lanes = BTreeMap::<String, [u64; 3]>::new();
    for stage in list(&session.get("/api/lanes")["stages"]) {
        let counts = ["asked", "answered", "failed"].map(|name| stage[name].as_u64().expect("a number"));
        let all = lanes.entry(text(&stage["name"]).to_owned()).or_default();
        all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    lanes
}

#[test]
fn metrics_and_lanes_are_sums() {
    let both = Beside::start(3, "");
    let mut before = BTreeSet::new();
    for context in ["at first", "asked", "published", "turned"] {
        match context {
            "asked" => drop(both.ask(Resident::apply)),
            "published" => both.publish(context),
            "turned" => drop(both.ask(|session| session.turn("sure", "0.5"))),
            _ => {}
        }
        let [one, several] = both.ask(metrics);
        assert_eq!(several, one, "{context}");
        assert_ne!(one, before, "{context}: nothing became of it");
        let [mut of_one, mut of_several] = both.ask(lanes);
        let words = [&mut of_one, &mut of_several].map(|lanes| lanes.remove(BY_EACH).expect("a cache")[0]);
        assert_eq!(of_several, of_one, "{context}");
        assert!(words[1] >= words[0] && (context == "at first") == (of_one["judge"][0] == 0), "{words:?}");
        before = one;
    }
}
