//! Scorers of the user's own in `imgedit`, and measures of edits by models: columns, dials and stages like any others. They come and go,
//! and nothing is asked twice.

mod measures;
mod sources;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use pipelines::demo::{DemoOptions, VOCABULARY, write_demo_shards};
use pipelines::imgedit::ImgEdit;
use serde_json::{Value, json};
use tests::program::ended;
use tests::trees;
use threshflow::cli::{Failure, Plan, RunReport, invoke};
use threshflow::lane::AskLog;
use threshflow::publish::{Ended, Table, find_verdict, published_keys};

/// A model that gives the means of red, green and blue.
const MEANS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../operators/fixtures/scorers/free.onnx");

fn command(folder: &Path, subcommand: &str, more: &[&str]) -> Vec<String> {
    let path = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let fixed = [
        subcommand,
        "--backend=embedded",
        "--max-error-rate=1",
        "--edits=remove,style",
        "--set=short_side=0",
        "--set=detection=0.4",
        "--set=aesthetic=3",
        "--set=follows=1",
        "--set=natural=1",
    ];
    let mut command: Vec<String> = fixed.map(str::to_owned).into();
    for (flag, model) in tests::demo_models() {
        command.extend([flag.to_owned(), model]);
    }
    let places =
        [("--shards", "shards"), ("--store", "store"), ("--out", "out"), ("--vocabulary", "vocabulary.txt")];
    for (flag, part) in places {
        command.extend([flag.to_owned(), path(part)]);
    }
    command.extend(more.iter().map(|word| (*word).to_owned()));
    command
}

/// What a run asked, by stage, beside what it reports.
fn run(folder: &Path, more: &[&str]) -> (RunReport, BTreeMap<&'static str, u64>) {
    let log = AskLog::default();
    let report = invoke::run_logged::<ImgEdit>(&command(folder, "run", more), log.clone()).expect("runs");
    let mut asked = BTreeMap::new();
    for (stage, _) in log.lock().expect("nobody panicked").iter() {
        *asked.entry(*stage).or_default() += 1;
    }
    (report, asked)
}

fn plan(folder: &Path, more: &[&str]) -> Plan {
    invoke::plan::<ImgEdit>(&command(folder, "plan", more)).expect("plans")
}

fn refused(folder: &Path, more: &[&str]) -> String {
    match invoke::run::<ImgEdit>(&command(folder, "run", more)) {
        Err(Failure::Usage(error) | Failure::Failed(error)) => error,
        other => panic!("{more:?}: {:?}", other.map(|report| report.summary.kept)),
    }
}

/// A scorer by one colour, as its folder.
fn scorer(folder: &Path, name: &str, colour: usize, looks_at: &str) -> String {
    let at = folder.join(name);
    std::fs::create_dir_all(&at).expect("a folder");
    std::fs::copy(MEANS, at.join("model.onnx")).expect("is copied");
    let file = format!(
        r#"{{"input": {{"layout": "nchw", "channels": "rgb", "fit": "squash", "size": [8, 8]}},
            "output": {{"name": "means", "index": [{colour}]}}, "unit": "0 to 255", "about": "How much of this colour there is.",
            "range": [0, 255], "direction": "higher_is_better", "looks_at": "{looks_at}"}}"#
    );
    std::fs::write(at.join("score.json"), file).expect("is written");
    format!("--score={name}={}", at.display())
}

fn scenes(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DemoOptions { scenes: count, shrink: 6, ..DemoOptions::default() };
    write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
    std::fs::write(folder.path().join("vocabulary.txt"), VOCABULARY).expect("a vocabulary");
    folder
}

/// This score of every published picture, by its key.
fn scores(out: &Path, name: &str) -> BTreeMap<String, f32> {
    let of = |key: String| {
        let Some(Ended::Kept(kept)) = find_verdict(out, &key).expect("reads").map(|it| it.ended) else {
            panic!("{key} is kept")
        };
        let score = kept.scores.iter().find(|(known, _)| known == name).expect("a column").1;
        (key, score)
    };
    published_keys(out).expect("reads").into_iter().map(|key| of(key.to_string())).collect()
}

/// This column of every row of `edits/`.
fn of_edits(out: &Path, column: &str) -> Vec<f64> {
    let mut scores = Vec::new();
    for part in std::fs::read_dir(out.join("edits")).expect("edits are published") {
        let table = Table::open(&part.expect("a file").path()).expect("a table");
        let stopped = table.read(&[column], |_, row| {
            scores.push(row[0].as_f64().expect("every edit has the score"));
            ControlFlow::<()>::Continue(())
        });
        assert!(stopped.expect("reads").is_none());
    }
    scores
}

/// The mean of red of every picture of the shards, by its key.
fn reds(folder: &Path) -> BTreeMap<String, f32> {
    let mut reds = BTreeMap::new();
    for shard in
        std::fs::read_dir(folder.join("shards")).expect("shards").map(|it| it.expect("a shard").path())
    {
        let name = shard.file_name().expect("a name").to_string_lossy().into_owned();
        // One of them is in chunks, of which the first is read here.
        let name = name.split(".tar").next().expect("a name").to_owned();
        let mut tar = tar::Archive::new(std::fs::File::open(&shard).expect("a shard"));
        for entry in tar.entries().expect("a tar") {
            // One of the demo's shards is cut off on purpose.
            let Ok(mut entry) = entry else { break };
            let path = entry.path().expect("a path").to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            if std::io::Read::read_to_end(&mut entry, &mut bytes).is_err() {
                break;
            }
            let Ok(picture) = image::load_from_memory(&bytes) else { continue };
            let picture = picture.into_rgb8();
            let sum: f64 = picture.pixels().map(|pixel| f64::from(pixel[0])).sum();
            let mean = sum / (f64::from(picture.width()) * f64::from(picture.height()));
            // Up to the first dot of the file's name.
            let (folder, file) =
                path.rsplit_once('/').map_or((String::new(), path.as_str()), |(f, n)| (format!("{f}/"), n));
            let key = file.split('.').next().expect("a name");
            reds.entry(format!("{name}/{folder}{key}")).or_insert(mean as f32);
        }
    }
    reds
}

#[test]
fn scorers_come_and_go_and_nothing_is_asked_twice() {
    let folder = scenes(24);
    let (folder, out) = (folder.path(), folder.path().join("out"));
    let (without, _) = run(folder, &[]);
    let before = trees::read(&out);

    // Two come: one looks at sources and at results.
    let (red, green) = (scorer(folder, "red", 0, "both"), scorer(folder, "green", 1, "sources"));
    let plan_of_both = plan(folder, &[&red, &green]);
    let page = folder.join("report.html");
    let (report, asked) = run(folder, &[&red, &green, &format!("--report={}", page.display())]);
    assert_eq!(asked.keys().copied().collect::<Vec<_>>(), ["green", "red", "red_result"]);
    assert_eq!((asked["red"], asked["green"]), (plan_of_both.total.asks["red"], asked["red"]));
    assert_eq!(report.summary.kept, without.summary.kept, "their dials are open");
    let measured = scores(&out, "red");
    let plainly = reds(folder);
    let both = measured.iter().filter_map(|(key, score)| Some((key, score, plainly.get(key)?)));
    let both: Vec<_> = both.collect();
    assert!(both.len() > 8, "{}: {:?}", both.len(), plainly.keys());
    for (key, score, plainly) in both {
        // Squashed to 8 x 8 pixels, the edges count a little less.
        assert!((score - plainly).abs() < 4.0, "{key}: {score} and not {plainly}");
    }
    assert_ne!(measured, scores(&out, "green"));
    assert_eq!(of_edits(&out, "red_result").len() as u64, asked["red_result"], "all that was made is kept");
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(
        ["red", "green", "red_result"].iter().all(|name| page.contains(name)),
        "the report shows the dials"
    );
    let card = std::fs::read_to_string(out.join("README.md")).expect("a card");
    assert!(card.contains("red_result") && card.contains("How much of this colour there is."), "{card}");

    // A turn: the better half is left, exactly, as was foretold.
    let mut sorted: Vec<f32> = measured.values().copied().collect();
    sorted.sort_by(f32::total_cmp);
    let half = format!("--set=red={}", sorted[sorted.len() / 2]);
    let foretold = plan(folder, &[&red, &green, &half]);
    let (_, asked) = run(folder, &[&red, &green, &half]);
    assert!(asked.is_empty(), "{asked:?}");
    let left: BTreeMap<String, f32> = measured
        .iter()
        .filter(|(_, red)| **red >= sorted[sorted.len() / 2])
        .map(|(k, v)| (k.clone(), *v))
        .collect();
    assert_eq!(scores(&out, "red"), left);
    assert_eq!(foretold.total.leave, (measured.len() - left.len()) as u64);
    // By share it is the same turn.
    let turned = trees::read(&out.join("data"));
    let (_, asked) = run(folder, &[&red, &green, "--set=red=top:100%", "--set=green=top:3"]);
    assert!(asked.is_empty() && scores(&out, "green").len() <= 3, "{asked:?}");
    run(folder, &[&red, &green, &half]);
    assert!(turned == trees::read(&out.join("data")));

    // They go, and come back in another order.
    let (_, asked) = run(folder, &[]);
    assert!(asked.is_empty() && before == trees::read(&out), "as if they had never been there: {asked:?}");
    let (_, asked) = run(folder, &[&green, &red]);
    assert!(asked.is_empty() && scores(&out, "red") == measured, "{asked:?}");
}

#[test]
fn numbers_of_sidecars_are_scores_and_a_model_is_asked_where_there_is_none() {
    let folder = scenes(24);
    let (folder, out) = (folder.path(), folder.path().join("out"));
    // Without a model, pictures without a number are refused.
    let (report, _) = run(folder, &["--score-from-sidecar=beauty=aes:0..10"]);
    let given = report.summary.asks["beauty"].given;
    assert!(given > 0 && report.summary.refused["beauty"]["no_score"] > 0, "{}", report.summary);
    let beauties = scores(&out, "beauty");
    assert!(
        beauties.values().all(|beauty| *beauty > 0.0 && *beauty <= 10.0 && *beauty != 0.5),
        "{beauties:?}"
    );
    let (_, asked) =
        run(folder, &["--score-from-sidecar=beauty=aes:0..10:lower_is_better", "--set=beauty=5"]);
    assert!(asked.is_empty() && scores(&out, "beauty").values().all(|beauty| *beauty <= 5.0));

    // A number beyond the range is none.
    let (report, _) = run(folder, &["--score-from-sidecar=beauty=aes:4..5"]);
    assert!(report.summary.asks["beauty"].given < given, "{}", report.summary);
    assert!(scores(&out, "beauty").values().all(|beauty| (4.0..=5.0).contains(beauty)));

    // With one, only they are asked about.
    let red = scorer(folder, "red", 0, "sources");
    let (report, asked) = run(folder, &[&red, "--score-from-sidecar=red=aes"]);
    assert_eq!((report.summary.asks["red"].given, report.summary.asks["red"].asked), (given, asked["red"]));
    assert!(
        scores(&out, "red").values().any(|red| *red > 10.0)
            && scores(&out, "red").values().any(|red| *red <= 10.0)
    );
}

#[test]
fn the_dials_of_scorers_are_listed() {
    let folder = scenes(1);
    let dials = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_threshflow"));
        ended(command.args(["imgedit", "dials", "--json"]).args(more)).expect(0, &[]).json()
    };
    let red = scorer(folder.path(), "red", 0, "both");
    let listed = dials(&[&red, "--score-from-sidecar=nsfw=punsafe:0..2:lower_is_better"]);
    let own = dials(&[]).as_array().expect("a list").len();
    let listed = &listed.as_array().expect("a list")[own..];
    let of = |dial: &Value| {
        ["name", "comparison", "default", "low", "high", "unit"].map(|field| dial[field].clone())
    };
    let listed: Vec<_> = listed.iter().map(of).collect();
    let unit = json!("as the sidecars' `punsafe`");
    assert_eq!(listed[0], [json!("nsfw"), json!("<="), json!(2.0), json!(0.0), json!(2.0), unit]);
    for (dial, name) in listed[1..].iter().zip(["red", "red_result"]) {
        assert_eq!(
            *dial,
            [json!(name), json!(">="), json!(0.0), json!(0.0), json!(255.0), json!("0 to 255")]
        );
    }
    assert_eq!(listed.len(), 3);
}

#[test]
fn a_wrong_scorer_is_refused_before_anything_is_asked() {
    let folder = scenes(2);
    let folder = folder.path();
    let mut cases: Vec<(Vec<String>, &str)> = Vec::new();
    for (name, looks_at, words) in [
        (
            "aesthetic",
            "sources",
            "aesthetic: a dial has this name; give the scorer of --score or --score-from-sidecar another name, such as my_aesthetic",
        ),
        ("follows", "results", "follows: a dial has this name"),
        ("caption", "sources", "caption: a stage of imgedit has this name"),
        ("choose", "results", "choose: a stage of imgedit has this name"),
        ("width", "sources", "width: a column of imgedit has this name; give the scorer"),
        ("content", "results", "content: a column of imgedit has this name"),
        ("prompts", "results", "prompts: a column of imgedit has this name"),
    ] {
        cases.push((vec![scorer(folder, name, 0, looks_at)], words));
    }
    let (red, both) = (scorer(folder, "red", 0, "sources"), scorer(folder, "tint", 0, "both"));
    let results = scorer(folder, "late", 0, "results");
    cases.push((vec![red.clone(), red.clone()], "--score red=…: the name is given twice"));
    cases
        .push((vec![both, scorer(folder, "tint_result", 0, "sources")], "tint_result: a dial has this name"));
    cases.push((vec![results, "--score-from-sidecar=late=aes".to_owned()], "looks at results"));
    let otherwise = "--score-from-sidecar=red=aes:0..10".to_owned();
    cases.push((
        vec![red.clone(), otherwise],
        "from 0 to 255, higher_is_better; leave range and direction out",
    ));
    cases.push((vec![red.clone(), "--set=red=300".to_owned()], "from 0 to 255 (0 to 255)"));
    cases.push((vec!["--set=red=3".to_owned()], "there is no dial of that name"));
    cases.push((vec!["--score=red=nowhere".to_owned()], "nowhere"));
    let wrong = scorer(folder, "wrong", 0, "sources");
    std::fs::write(folder.join("wrong/score.json"), "{}").expect("is written");
    cases.push((vec![wrong], "A whole score.json for it"));
    for (more, words) in cases {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let error = refused(folder, &more);
        assert!(error.contains(words), "{more:?}: {error}");
    }
    assert!(!folder.join("out").exists(), "nothing is published");
}
