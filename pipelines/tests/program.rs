//! The program `threshflow`: pipelines as subcommands, what it says of itself, and commands that it prints or that the pages show.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::error::ErrorKind;
use pipelines::PROGRAM;
use pipelines::demo::{DemoOptions, write_demo_shards};
use serde_json::Value;
use tests::manual::{bash_offers, set};
use tests::program::{Desk, Ended, ended};

const PIPELINES: [&str; 4] = ["imgedit", "recap_mask", "prepare", "distinct"];

fn desk() -> Desk {
    Desk::new(env!("CARGO_BIN_EXE_threshflow"))
}

#[test]
fn every_pipeline_is_a_subcommand_and_the_first_may_go_unnamed() {
    let desk = desk();
    let help = desk.ask("--help").expect(0, &[]).stdout;
    for pipeline in PIPELINES {
        assert_eq!(help.matches(&format!("\n  {pipeline} ")).count(), 1, "{help}");
        let of_it = desk.ask(&format!("{pipeline} --help")).expect(0, &[]).stdout;
        assert!(of_it.contains(&format!("Usage: threshflow {pipeline} <COMMAND>")), "{of_it}");
        for subcommand in ["run", "plan", "explain", "export", "dials", "clean", "verify"] {
            assert!(of_it.contains(&format!("\n  {subcommand} ")), "{subcommand} is not in {of_it}");
        }
        assert_eq!(of_it.contains("\n  demo "), pipeline != "distinct", "{of_it}");
        assert!(of_it.contains("\n  bench "), "{of_it}");
        assert_eq!(of_it.contains("\n  release "), pipeline == "imgedit", "{of_it}");
    }
    let dials = |words: &str| desk.ask(&format!("{words} --json")).expect(0, &[]).json();
    let count = |words: &str| dials(words).as_array().expect("a list").len();
    assert_eq!(dials("dials"), dials("imgedit dials"));
    assert_eq!(["dials", "prepare dials", "distinct dials"].map(count), [38, 2, 3]);
    assert!(help.contains("A command without a pipeline's name is one of imgedit."), "{help}");
    assert_eq!(
        desk.ask("--version").expect(0, &[]).stdout,
        format!("threshflow {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn what_cannot_be_meant_ends_with_2_and_names_the_pipeline() {
    let desk = desk();
    desk.ask("").expect(2, &["Pipelines:", "Usage: threshflow [PIPELINE] <COMMAND>"]);
    desk.ask("imgedi run").expect(2, &["imgedi", "imgedit"]);
    desk.ask("prepare").expect(2, &["Usage: threshflow prepare <COMMAND>"]);
    desk.ask("prepare release").expect(2, &["unrecognized subcommand 'release'"]);
    desk.ask("distinct demo").expect(2, &["unrecognized subcommand 'demo'"]);
    desk.ask("prepare run --colour red").expect(2, &["--colour", "threshflow prepare run"]);
    desk.ask("run --colour red").expect(2, &["--colour", "threshflow run"]);
    desk.ask("prepare clean --store nowhere").expect(2, &["there is no store at nowhere"]);
    assert_eq!(
        std::fs::read_dir(desk.folder.path()).expect("is there").count(),
        1,
        "only the shards are there"
    );
}

#[test]
fn a_bench_runs_the_whole_and_then_each_stage_alone() {
    let desk = desk();
    let options = DemoOptions { scenes: 3, shrink: 8, ..DemoOptions::default() };
    write_demo_shards(&desk.path("scenes"), &options).expect("shards are written");
    let models: Vec<String> =
        tests::demo_models().into_iter().map(|(flag, model)| format!("{flag} {model}")).collect();
    let command = format!(
        "bench --shards scenes --backend embedded {} --set short_side=0 --set aesthetic=0 --set detection=0.4",
        models.join(" ")
    );
    let edits = "--edits remove --set object_area=0.04";
    let found =
        desk.ask(&format!("imgedit {command} {edits} --json")).expect(0, &["bench: segment alone"]).json();
    assert!(found["pictures"].as_u64() >= Some(3), "{found}");
    let stages = found["stages"].as_array().expect("a list");
    let of = |name: &str| stages.iter().find(|stage| stage["stage"] == name);
    for name in ["aesthetic", "caption", "detect", "segment", "region_score", "instruct", "edit", "compare"] {
        let stage = of(name).unwrap_or_else(|| panic!("{name} is not in {found}"));
        assert!(stage["asked"].as_u64() >= Some(3) && stage["with"] == serde_json::json!([]), "{stage}");
    }
    // Edits rest on what their editor made: without that they are made again, and not by any other's leave.
    assert_eq!(of("edit_embedded").expect("the editor's cache")["with"], serde_json::json!(["edit"]));
    let cpu = |stage: &Value| stage["alone"]["cpu_seconds"].as_f64().expect("a number");
    assert!(cpu(of("edit_embedded").expect("is there")) > cpu(of("edit").expect("is there")), "{found}");
    let own: f64 = stages.iter().filter(|stage| stage["stage"] != "edit").map(cpu).sum();
    let whole = found["whole"]["cpu_seconds"].as_f64().expect("a number");
    assert!((0.2..1.5).contains(&(own / whole)), "{own} s of {whole} s in all: {found}");

    desk.ask(&format!("imgedit {command} --at-most 3")).expect(2, &["--at-most 3", "fewer shards"]);
    desk.ask(&format!("imgedit {command} --set nothing=1")).expect(2, &["nothing"]);
    let paid = "--chat-model big --chat-url http://127.0.0.1:9";
    desk.ask(&format!("imgedit {command} {paid}")).expect(2, &["may cost money"]);
    let none = format!("imgedit {command}").replace("short_side=0", "short_side=9000");
    desk.ask(&none).expect(1, &["no stage was asked anything"]);
}

#[test]
fn bash_completes_pipelines_verbs_and_flags() {
    let desk = desk();
    let script = desk.path("threshflow.bash");
    std::fs::write(&script, desk.ask("completions bash").expect(0, &[]).stdout).expect("is written");
    let offers = |words: &[&str]| bash_offers(&script, "threshflow", words);
    let all = offers(&[""]);
    for word in PIPELINES.iter().chain(&["run", "release", "completions", "man"]) {
        assert!(all.iter().any(|offer| offer == word), "{word} is not in {all:?}");
    }
    assert_eq!(offers(&["pre"]), ["prepare"]);
    assert_eq!(offers(&["imgedit", "rel"]), ["release"]);
    assert_eq!(offers(&["imgedit", "run", "--chat-m"]), ["--chat-model"]);
    assert_eq!(offers(&["run", "--chat-m"]), ["--chat-model"], "of the pipeline that goes unnamed");
    assert_eq!(offers(&["prepare", "run", "--aesthetic-f"]), ["--aesthetic-from-sidecar"]);
    assert_eq!(offers(&["completions", "fi"]), ["fish"]);
}

#[test]
fn every_command_has_a_page_once() {
    let desk = desk();
    desk.ask("man --to pages").expect(0, &[]);
    let has = |page: &str| desk.path("pages").join(format!("{page}.1")).exists();
    for pipeline in PIPELINES {
        assert!(has(&format!("threshflow-{pipeline}")) && has(&format!("threshflow-{pipeline}-run")));
    }
    assert!(has("threshflow-imgedit-release") && has("threshflow-man") && !has("threshflow-run"));
    let pages = std::fs::read_dir(desk.path("pages")).expect("is made");
    for page in pages.map(|page| page.expect("is listed").path()) {
        if set(&page).is_none() {
            break;
        }
    }
    if let Some(text) = set(&desk.path("pages/threshflow.1")) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("A command without a pipeline's name is one of imgedit."), "{text}");
        assert!(text.contains("threshflow-recap_mask(1)"), "{text}");
    }
}

fn shell(desk: &Desk, line: &str) -> Ended {
    ended(Command::new("sh").args(["-c", line]).current_dir(desk.folder.path()))
}

/// The words of a command line after the program's name, as a shell would make them of a plain line.
fn words(line: &str) -> Vec<String> {
    let line = line.split("  #").next().unwrap_or_default();
    let unquoted = |word: &str| word.trim_matches(['\'', '"']).to_owned();
    line.split_whitespace().filter(|word| !word.starts_with('…')).map(unquoted).collect()
}

/// What is wrong with a command, which may leave flags out where it says `…`, or where it is but the command's name.
fn wrong(line: &str) -> Option<String> {
    let words = std::iter::once("threshflow".to_owned()).chain(words(line));
    let error = PROGRAM.command().try_get_matches_from(words).err()?;
    let left_out = line.contains('…') || line.contains("...") || !line.contains(" -");
    let fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument => left_out,
        _ => false,
    };
    (!fine).then(|| format!("{line}: {error}"))
}

#[test]
fn a_hint_is_a_command_that_can_be_typed() {
    let desk = desk();
    let listed = |words: &str| {
        std::fs::create_dir_all(desk.path("st ore")).expect("is made");
        let ended = ended(desk.bare(words).args(["clean", "--store", "st ore"])).expect(0, &[]);
        let hint = ended.stdout.split('`').nth(1).expect("a command").to_owned();
        assert!(shell(&desk, &hint).expect(0, &[]).stdout.contains("dropped 0 stamps"), "{hint}");
        hint
    };
    let program = env!("CARGO_BIN_EXE_threshflow");
    assert_eq!(listed("prepare"), format!("{program} prepare clean --store 'st ore' --drop dead"));
    assert_eq!(listed(""), format!("{program} imgedit clean --store 'st ore' --drop dead"));
}

#[test]
#[ignore = "draws 240 scenes: half a minute on two cores, unoptimised"]
fn a_demo_says_commands_that_can_be_typed() {
    let desk = desk();
    let said = desk.ask("prepare demo --folder demo").expect(0, &[]).stdout;
    let program = env!("CARGO_BIN_EXE_threshflow");
    let prompt = format!("$ {program} ");
    let shown: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix(&prompt)).collect();
    assert!(shown.len() == 5 && shown.iter().all(|line| line.starts_with("prepare ")), "{said}");
    assert_eq!(shown.iter().filter_map(|line| wrong(line)).collect::<Vec<_>>(), Vec::<String>::new());
    let next: Vec<&str> = said.lines().map(str::trim).filter(|line| line.starts_with(program)).collect();
    assert_eq!(next.len(), 2, "{said}");
    for line in next {
        shell(&desk, line).expect(0, &[]);
    }
    assert!(desk.path("demo/curated").is_dir(), "{said}");
}

/// README and the pages beside it.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let docs =
        std::fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("is listed").path());
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "models/README.md"].map(|page| root.join(page)),
    );
    pages
}

/// The commands of a page, whole lines and spans of code, without the program's name. Where a block of the page goes to another crate,
/// `cargo run` is that crate's from there on: `tests/own_pipeline.rs` runs those of `docs/own-pipeline`.
fn commands(page: &str) -> Vec<String> {
    let joined = page.replace("\\\n", " ");
    let mut elsewhere = false;
    let here = |line: &&str| {
        elsewhere = (elsewhere && !line.starts_with("```")) || line.contains("cd ../");
        !(elsewhere && line.starts_with("cargo "))
    };
    let joined = joined.lines().filter(here).collect::<Vec<_>>().join("\n");
    let spans = joined.split('`').skip(1).step_by(2).filter(|span| !span.contains('\n'));
    let all = joined.lines().chain(spans).map(str::trim);
    let named = all.filter_map(|line| {
        let after = line.strip_prefix("cargo run --release -- ").or_else(|| line.strip_prefix("threshflow "));
        // Not the engine of that name: `threshflow <- operators`.
        after
            .filter(|words| words.starts_with(|it: char| it.is_ascii_lowercase() || it == '-'))
            .map(str::to_owned)
    });
    named.collect()
}

#[test]
fn every_command_that_the_pages_show_can_be_meant() {
    let mut looked_at = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("is read");
        let commands = commands(&text);
        looked_at += commands.len();
        let wrong: Vec<String> = commands.iter().filter_map(|line| wrong(line)).collect();
        assert!(wrong.is_empty(), "{}: {}", page.display(), wrong.join("\n"));
    }
    assert!(looked_at > 20, "{looked_at} commands");
}

#[test]
fn a_command_that_cannot_be_meant_is_found() {
    let page = "```\nthreshflow prepare run --shards 'a/*.tar' \\\n    --aesthetic m   # a comment\n```\n`threshflow dials` `x`\n";
    assert_eq!(commands(page).len(), 2, "{:?}", commands(page));
    let two = "```\ncargo run --release -- dials\ncp -r own ../my && cd ../my\ncargo run --release -- rum\n```\n```\ncargo run --release -- man\n```\n";
    assert_eq!(commands(two), ["dials", "man"], "those between are of another crate");
    assert!(commands(page).iter().all(|line| wrong(line).is_none()));
    for line in
        ["prepare rum", "run --shards a --colour red", "prepare release --to x", "prepare run --shards a"]
    {
        assert!(wrong(line).is_some(), "{line}");
    }
    assert!(wrong("prepare run --shards a …").is_none());
}

#[test]
fn the_bench_of_prepare_refuses_what_it_does_not_measure() {
    let desk = desk();
    for other in [
        "--clip models",
        "--aesthetic-from-sidecar aes",
        "--score nsfw=models",
        "--score-from-sidecar nsfw=punsafe",
    ] {
        desk.ask(&format!("prepare bench --shards shards --aesthetic model {other}"))
            .expect(2, &["measures the model of --aesthetic alone", "--score-from-sidecar"]);
    }
}
