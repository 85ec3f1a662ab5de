//! Exit codes and messages, what `--json` prints, and runs that may not start.

use tests::program::{Desk, asks, ended, ended_within, start, wait_for_asks};
use tests::shards::{corpus, write};
use tests::trees;

use crate::{desk, distinct};

#[test]
fn what_cannot_be_meant_is_told_with_exit_code_2_and_changes_nothing() {
    let (desk, _) = desk();
    desk.run("--colour red").expect(2, &["--colour"]);
    desk.run("--set tast=5").expect(2, &["there is no dial of that name", "Did you mean taste?"]);
    desk.run("--set taste=11").expect(2, &["out of range", "from 0 to 10"]);
    desk.run("--set taste").expect(2, &["name=value"]);
    desk.run("--max-error-rate 1.5").expect(2, &["--max-error-rate 1.5", "from 0 to 1"]);
    desk.run("--max-error-rate NaN").expect(2, &["--max-error-rate NaN"]);
    desk.run("--deadline 0").expect(2, &["--deadline 0"]);
    desk.run("--deadline NaN").expect(2, &["--deadline NaN"]);
    desk.run("--decoded-bytes 5").expect(2, &["--decoded-bytes 5"]);
    desk.run("--workers 0").expect(2, &["--workers"]);
    desk.ask("run --shards nowhere/*.tar").expect(2, &["nothing matches \"nowhere/*.tar\""]);
    desk.ask("run --shards nowhere.tar").expect(2, &["\"nowhere.tar\" does not exist"]);
    desk.ask("run").expect(2, &["--shards"]);
    desk.ask("rum").expect(2, &["rum"]);
    desk.ask("").expect(2, &["Usage"]);
    desk.ask("explain --out out a/1").expect(1, &["holds no published set"]);
    desk.ask("clean --store nowhere").expect(2, &["there is no store at nowhere"]);
    for absent in ["demo", "bench"] {
        desk.ask(absent).expect(2, &["unrecognized subcommand", absent]);
    }
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 1, "only the shards are there");
    desk.ask("--help").expect(0, &[]);
}

#[test]
fn a_pipeline_has_verbs_of_its_own_beside_those_of_all() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    let help = desk.ask("--help").expect(0, &[]).stdout;
    assert!(help.contains("say ") && help.contains("Says words") && help.contains("explain"), "{help}");
    assert_eq!(desk.ask("say hello").expect(0, &[]).stdout, "hello\n");
    desk.ask("say rude").expect(1, &["say: these are rude words"]);
    desk.ask("say").expect(2, &["<words>"]);
    desk.ask("say hello --loud").expect(2, &["--loud"]);
    desk.ask("sai hello").expect(2, &["sai"]);
}

#[test]
fn two_shards_of_one_name_are_not_one() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    for folder in ["x", "y"] {
        std::fs::create_dir(desk.path(folder)).unwrap();
        write(&desk.path(folder).join("a.tar"), &corpus(1, 0..5));
    }
    desk.ask("run --shards x/a.tar y/a.tar")
        .expect(2, &["two shards have the same name \"a\"", "x/a.tar", "y/a.tar"]);
    desk.ask("run --shards . --max-error-rate 1").expect(0, &[]);
}

#[test]
fn json_is_one_object_and_adds_up() {
    let (desk, samples) = desk();
    let ended = desk.run("--json").expect(0, &[]);
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    let json = ended.json();
    let fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for field in [
        "pipeline",
        "dials",
        "rows",
        "kept",
        "gated",
        "refused",
        "asks",
        "seconds",
        "images_per_second",
        "peak_rss_bytes",
    ] {
        assert!(fields.contains(&field), "{field} is not in {fields:?}");
    }
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let gated: u64 = json["gated"].as_object().unwrap().values().map(number).sum();
    let classes =
        json["refused"].as_object().unwrap().values().flat_map(|stage| stage.as_object().unwrap().values());
    let refused: u64 = classes.map(number).sum();
    assert_eq!(
        (number(&json["rows"]), json["rows"].as_u64()),
        (number(&json["kept"]) + gated + refused, Some(320))
    );
    assert!(
        gated > 0 && refused > 0 && number(&json["kept"]) > 0 && number(&json["peak_rss_bytes"]) > 1 << 20
    );
    let asked = &json["asks"]["judge"];
    assert_eq!(number(&asked["asked"]), distinct(&samples).len() as u64);
    assert_eq!(json["dials"], serde_json::json!({ "short_side": 12.0, "taste": 4.5 }));
    let again = desk.done("");
    assert_eq!(again["asks"]["judge"]["asked"], 0);
    let text = desk.run("").expect(0, &[]);
    assert!(text.stdout.contains("320 rows") && text.stdout.contains("published in"), "{text:?}");
}

#[test]
fn dials_are_told() {
    let (desk, _) = desk();
    let text = desk.ask("dials").expect(0, &[]).stdout;
    assert!(text.contains("taste") && text.contains(">= 4.5") && text.contains("from 0 to 10"), "{text}");
    let dials = desk.ask("dials --json").expect(0, &[]).json();
    assert_eq!(
        dials[1],
        serde_json::json!({
            "name": "taste", "comparison": ">=", "default": 4.5, "unit": "0 to 10", "low": 0.0, "high": 10.0,
            "about": "Taste.",
        })
    );
}

#[test]
fn too_many_refusals_fail_the_run_and_keep_its_answers() {
    let (desk, _) = desk();
    let failed = desk.run("--json --max-error-rate 0.05").expect(1, &["of 320 rows were refused", "--retry"]);
    assert!(failed.json()["asks"]["judge"]["asked"].as_u64().unwrap() > 100);
    assert!(!desk.path("out/manifest.json").exists(), "nothing is published");
    assert_eq!(desk.done("")["asks"]["judge"]["asked"], 0, "the answers were kept");
    let before = trees::read(&desk.path("out"));
    desk.run("--set taste=9 --max-error-rate 0.05")
        .expect(1, &["what was published before stands as it was"]);
    assert_eq!(trees::read(&desk.path("out")), before);
}

#[test]
fn one_store_has_one_run_at_a_time() {
    let (desk, samples) = desk();
    let first = start(&mut desk.command("run", "--slow-prepare 10 --cores 1 --log-asks asks.log"));
    wait_for_asks(&desk.path("asks.log"), 3);
    desk.run("--out other").expect(2, &[]); // `--out` twice
    desk.run("").expect(1, &["is in use by another run", "--store"]);
    desk.ask("clean --store store --drop dead").expect(1, &["is in use by another run"]);
    // Looking is free.
    desk.ask("clean --store store").expect(0, &[]);
    ended(&mut desk.command("plan", "--set taste=6")).expect(0, &[]);
    ended_within(first, 60).expect(0, &[]);
    assert_eq!(asks(&desk.path("asks.log")).len(), distinct(&samples).len(), "the others disturbed nothing");
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone_and_told_before_anything_is_asked() {
    let (desk, _) = desk();
    std::fs::create_dir(desk.path("out")).unwrap();
    std::fs::write(desk.path("out/thesis.tex"), "years of work").unwrap();
    desk.run("--log-asks asks.log").expect(1, &["thesis.tex", "choose an empty folder"]);
    assert_eq!(std::fs::read_to_string(desk.path("out/thesis.tex")).unwrap(), "years of work");
    assert_eq!(trees::read(&desk.path("out")).len(), 1);
    desk.run("--export shards --log-asks asks.log").expect(1, &["thesis.tex"]);
    std::fs::remove_file(desk.path("out/thesis.tex")).unwrap();
    desk.run("--export shards --log-asks asks.log").expect(1, &["a.tar", "choose an empty folder"]);
    assert_eq!(asks(&desk.path("asks.log")).len(), 0, "hours of asking for nothing");
}
