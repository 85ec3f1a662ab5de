//! The house itself: rooms import to the left only, each library has its room, nothing on a worker thread waits,
//! and every file says what it is for and stays readable.

use std::path::{Path, PathBuf};

use source::{Source, is_word};

#[path = "house/layers.rs"]
mod layers;
#[path = "house/source.rs"]
mod source;

/// What runs on worker threads, or is as pure as what does; and what lies there but has a thread of its own.
const NEVER_WAITS: [&str; 4] = ["src/row", "src/dial.rs", "src/flow/", "operators/plan/"];
const OWN_THREAD: [&str; 2] = ["src/flow/engine.rs", "src/flow/peers/link.rs"];
/// Libraries that have a room: nobody else knows them.
const LIBRARIES: [(&[&str], &[&str]); 10] = [
    (&["timely", "differential_dataflow"], &["src/flow/"]),
    (&["arrow_array", "arrow_schema", "arrow_buffer", "arrow"], &["src/publish/parquet"]),
    (&["ort", "rten", "rten_tensor"], &["operators/onnx/"]),
    (&["rten_simd"], &["operators/pixels/"]),
    (&["tokenizers"], &["operators/models/"]),
    (&["ureq"], &["src/object/", "operators/http/", "operators/editors/comfy/"]),
    (&["object_store"], &["src/object/"]),
    (&["tungstenite"], &["operators/editors/comfy/"]),
    (&["hyper", "hyper_util", "tokio"], &["src/web/", "src/object/reads.rs"]),
    (&["http_body_util"], &["src/web/", "src/object/connect.rs"]),
];
/// What would make a worker wait.
const WAITS: [&str; 9] = [
    "thread::sleep",
    "::park(",
    ".recv()",
    ".recv_timeout(",
    "std::fs",
    "std::net",
    "File::",
    "Condvar",
    "Command::new",
];
const MOST_LINES: usize = 500;
/// Whose public functions have examples that run, and what the examples themselves are made of.
const SHOWN: &str = "src/flow/";
const SHOWS: &str = "src/flow/example.rs";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// Whether the code has a path that starts with this crate.
fn uses(code: &str, library: &str) -> bool {
    let path = format!("{library}::");
    code.match_indices(&path).any(|(at, _)| !code[..at].ends_with(|c: char| is_word(c) || c == ':'))
}

/// Public functions without an example in what is said of them.
fn without_example(text: &str) -> Vec<&str> {
    let (mut found, mut example) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("pub fn ") && !example {
            found.push(line.split(['(', '<']).next().unwrap_or(line));
        }
        // Attributes stand between what is said and the function.
        example =
            line.starts_with("///") && (example || line == "/// ```") || line.starts_with("#[") && example;
    }
    found
}

/// Everything that is wrong with a file.
fn wrong(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: String| wrong.push(format!("{}: {what}", source.path));
    if !source.text.starts_with("//!") {
        say("opens without `//!`: say what it is for".into());
    }
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        say(format!("{lines} lines, and {MOST_LINES} are the most"));
    }
    if source.is_test() {
        return wrong;
    }
    let code = source.code();
    layers::wrong(source).into_iter().for_each(&mut say);
    for (libraries, homes) in LIBRARIES {
        for library in libraries.iter().filter(|library| uses(&code, library)) {
            // A bench may set the plain form of an operator beside ours.
            let at_home = homes.iter().any(|home| source.path.starts_with(home));
            if !at_home && !source.path.starts_with("benches/") {
                say(format!("{library} belongs to {}", homes.join(" and ")));
            }
        }
    }
    for writes in ["tar::Builder", "Header::new_ustar", "Header::new_gnu", "Header::new_old"] {
        if code.contains(writes) && source.path != "src/publish/plain_tar.rs" {
            say(format!("{writes}: tars are written by PlainTar alone, whose headers others can read"));
        }
    }
    for panics in ["thread::spawn(", "scope.spawn(", "threads.spawn("] {
        if code.contains(panics)
            && ["src/", "operators/", "pipelines/"].iter().any(|it| source.path.starts_with(it))
        {
            say(format!(
                "{panics} panics where no thread can be started: take a Builder, or limits::side_by_side"
            ));
        }
    }
    let never_waits = NEVER_WAITS.iter().any(|below| source.path.starts_with(below));
    if never_waits && !OWN_THREAD.contains(&source.path.as_str()) {
        for waits in WAITS.iter().filter(|waits| code.contains(**waits)) {
            say(format!("{waits} waits, and this runs on a worker thread"));
        }
    }
    if source.path.starts_with(SHOWN) && source.path != SHOWS {
        for name in without_example(&source.text) {
            say(format!("{name} has no example: show it in a block of code that asserts something"));
        }
    }
    let knows_pipelines = ["pipelines", "imgedit", "kit"].iter().any(|krate| uses(&code, krate));
    if source.path.starts_with("operators/") && knows_pipelines {
        say("an operator knows no pipeline".into());
    }
    if source.path.starts_with("src/") && (uses(&code, "operators") || knows_pipelines) {
        say("the engine knows neither operators nor pipelines".into());
    }
    wrong
}

fn sources_beneath(root: &Path, below: &str, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(root.join(below))
        .expect("lists")
        .map(|entry| entry.expect("reads").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let relative = format!("{below}/{name}");
        if path.is_dir() && name != "target" {
            sources_beneath(root, &relative, found);
        } else if name.ends_with(".rs") {
            found.push(Source { text: std::fs::read_to_string(&path).expect("reads"), path: relative });
        }
    }
}

#[test]
fn the_house_is_in_order() {
    let root = root();
    let mut sources = Vec::new();
    for package in ["src", "operators", "pipelines", "tests", "benches"] {
        sources_beneath(root, package, &mut sources);
    }
    assert!(sources.len() > 80, "only {} files were found", sources.len());
    for file in OWN_THREAD {
        assert!(sources.iter().any(|source| source.path == file), "where is {file}?");
    }
    let mut wrong: Vec<String> = sources.iter().flat_map(wrong).collect();
    wrong.extend(layers::empty_rooms(&sources));
    wrong.extend(layers::circles(&sources));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[track_caller]
fn caught(path: &str, code: &str, words: &str) {
    let wrong = wrong(&Source::new(path, &format!("//! A file.\n{code}")));
    assert!(wrong.len() == 1 && wrong[0].contains(words), "{wrong:?} instead of {words:?}");
}

#[track_caller]
fn passed(path: &str, code: &str) {
    let wrong = wrong(&Source::new(path, &format!("//! A file.\n{code}")));
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn an_import_to_the_right_is_caught() {
    caught("src/shard/find.rs", "use crate::flow::Flow;", "shard may not import flow");
    caught("src/row.rs", "fn f(x: crate::shard::Picture) {}", "row may not import shard");
    caught("src/row.rs", "use super::shard::Picture;", "row may not import shard");
    caught("src/lane/mod.rs", "use super::flow::Flow;", "lane may not import flow");
    caught(
        "src/lane/pool.rs",
        "use crate::{\n    memo::Memo,\n    publish::{commit, export},\n};",
        "lane may not import publish",
    );
    caught("src/publish/parts.rs", "use crate::lane::Lanes;", "publish may not import lane");
    caught("src/memo/log.rs", "use crate::shard::Shard;", "memo may not import shard");
    caught("src/flow/ask.rs", "use crate::cli::run;", "flow may not import cli");
    caught("src/memo/deep/er.rs", "use super::super::super::shard::Shard;", "memo may not import shard");
    caught("src/label/store.rs", "use crate::shard::Shard;", "label may not import shard");
    passed("src/label/store.rs", "use crate::row::ContentHash;");
    caught("src/new.rs", "", "new is no room of src");
    caught("src/new/deep.rs", "", "new is no room of src");
    caught("src/web/server.rs", "use crate::flow::Flow;", "web may not import flow");
    caught("src/web/server.rs", "use crate::row::Row;", "web may not import row");
    caught("src/flow/engine.rs", "use crate::web::Hub;", "flow may not import web");
    passed("src/cli/run.rs", "use crate::web::Hub;");
    passed("src/web/server.rs", "use crate::{limits, say};");
    passed("src/memo/deep/er.rs", "use super::shard::Shard;\nuse super::super::Memo;");
    passed("src/cli/run.rs", "use crate::{flow::Flow, lane::{Lanes, Mode}, publish};");
    passed(
        "src/lane/stage.rs",
        "use super::batch::Batches;\nuse crate::memo::Memo;\n// use crate::flow::Flow;",
    );
    passed("src/row.rs", "#[cfg(test)]\nmod tests {\n    use crate::shard::Shard;\n}");
}

#[test]
fn an_operators_layer_imports_those_below_it_and_questions_import_all() {
    caught("operators/pixels/new.rs", "use crate::onnx::OnnxError;", "pixels may not import onnx");
    caught("operators/editors/paint/new.rs", "use crate::words::plain;", "editors may not import words");
    caught(
        "operators/models/new.rs",
        "use super::super::detect::Detect;",
        "models may not import the questions",
    );
    caught(
        "operators/words/chat.rs",
        "use crate::{pixels, judge::Judge};",
        "words may not import the questions",
    );
    caught("operators/words/mod.rs", "use crate::Detect;", "words may not import the questions");
    caught("operators/new/mod.rs", "", "new is no room of operators");
    passed("operators/new.rs", "use crate::words::chat;\nuse crate::detect::Detect;");
    passed("operators/judge/new.rs", "use crate::edit::Edit;\nuse super::clip::JudgeClip;");
    passed("operators/words/new.rs", "use crate::editors::{Editor, limits::{self, Limits}, made as whole};");
}

#[test]
fn every_crate_in_the_folder_of_another_is_listed() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("reads");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).expect("members");
    let nested = members.split('"').skip(1).step_by(2).filter(|member| member.contains('/'));
    let listed: std::collections::BTreeSet<&str> = source::NESTED.into_iter().collect();
    assert_eq!(nested.collect::<std::collections::BTreeSet<_>>(), listed);
}

#[test]
fn a_circle_of_modules_is_caught() {
    let circles = |files: &[(&str, &str)]| {
        layers::circles(&files.iter().map(|(path, code)| Source::new(path, code)).collect::<Vec<_>>())
    };
    let two = [
        ("operators/caption.rs", "use crate::source::Source;"),
        ("operators/source.rs", "use crate::{caption::CaptionSource, detect::Detect};"),
        ("operators/detect.rs", "use crate::models::nms;"),
    ];
    assert_eq!(circles(&two), ["operators: caption -> source -> caption is a circle"]);
    let below = [
        ("operators/editors/mod.rs", "use crate::editors::limits::Results;"),
        ("operators/editors/limits.rs", "use super::Editor;\nuse crate::plan::edit_plan::Operation;"),
        ("pipelines/told/mod.rs", "use crate::shown::Shown;"),
        ("pipelines/shown/page.rs", "use super::super::told::Told;"),
        ("pipelines/shown/mod.rs", "mod page;"),
    ];
    let found = circles(&below);
    assert_eq!(found[0], "operators: editors -> editors::limits -> editors is a circle");
    assert_eq!(found[1], "pipelines: shown -> told -> shown is a circle");
    assert_eq!(circles(&two[1..]), [""; 0]);
    // What a folder's own files say of each other is its own matter.
    let inside = [
        ("operators/judge.rs", "use crate::judge::clip;"),
        ("operators/judge/clip.rs", "use super::Judge;\nuse crate::judge::pixels;"),
        ("operators/judge/pixels.rs", "use super::clip;"),
    ];
    assert_eq!(circles(&inside), [""; 0]);
}

#[test]
fn a_library_out_of_its_room_is_caught() {
    caught("src/lane/pool.rs", "use timely::progress::Antichain;", "timely belongs to src/flow/");
    caught(
        "src/cli/run.rs",
        "use differential_dataflow::AsCollection;",
        "differential_dataflow belongs to src/flow/",
    );
    caught("src/publish/wanted.rs", "let x = arrow_array::Int64Array::new();", "arrow_array belongs to");
    caught("operators/aesthetic.rs", "use pipelines::prepare;", "an operator knows no pipeline");
    caught("operators/judge.rs", "use kit::ground::Ground;", "an operator knows no pipeline");
    caught("src/cli/mod.rs", "use operators::Aesthetic;", "the engine knows neither");
    caught(
        "pipelines/kit/demo/shards.rs",
        "let header = tar::Header::new_ustar();",
        "tars are written by PlainTar",
    );
    caught("benches/photos.rs", "let tar = tar::Builder::new(file);", "tars are written by PlainTar");
    passed("src/shard/walk.rs", "let header = tar::Header::from_byte_slice(&block);");
    passed("src/flow/gate.rs", "use timely::dataflow::Scope;");
    caught("operators/detect.rs", "use rten::Model;", "rten belongs to operators/onnx/");
    caught("src/cli/run.rs", "let it = tokio::spawn(work);", "tokio belongs to src/web/");
    caught("operators/http/mod.rs", "use hyper_util::rt::TokioIo;", "hyper_util belongs to src/web/");
    caught("operators/words/chat.rs", "let agent = ureq::agent();", "ureq belongs to src/object/ and");
    passed("src/publish/parquet.rs", "use arrow_array::Int64Array;");
}

#[test]
fn what_waits_on_a_worker_thread_is_caught() {
    for code in ["std::thread::sleep(pause);", "let x = events.recv();", "let x = std::fs::read(path);"] {
        caught("src/flow/worker.rs", code, "waits, and this runs on a worker thread");
        caught("src/flow/gate/new.rs", code, "waits, and this runs on a worker thread");
        caught("operators/plan/choose.rs", code, "waits, and this runs on a worker thread");
        passed("src/lane/pool.rs", code);
        passed("src/flow/engine.rs", code);
    }
    passed("src/flow/worker.rs", "while let Ok(command) = commands.try_recv() {}");
}

#[test]
fn a_public_function_of_a_flow_without_an_example_is_caught() {
    caught("src/flow/new.rs", "/// Says more.\npub fn more(self) {}", "pub fn more has no example");
    caught(
        "src/flow/new.rs",
        "/// ```\n/// ```\npub fn a() {}\n\npub fn b<T>() {}",
        "pub fn b has no example",
    );
    passed(
        "src/flow/new.rs",
        "/// More.\n///\n/// ```\n/// assert!(true);\n/// ```\n#[must_use]\npub fn more() {}",
    );
    passed("src/flow/new.rs", "/// For this room.\npub(super) fn more() {}");
    passed("src/lane/new.rs", "pub fn more() {}");
}

#[test]
fn a_thread_that_may_not_be_started_is_caught() {
    caught("src/lane/pool.rs", "let it = std::thread::spawn(work);", "no thread can be started");
    caught("pipelines/bench.rs", "scope.spawn(|| work());", "no thread can be started");
    passed("src/lane/pool.rs", "let it = std::thread::Builder::new().spawn(work);");
    passed("benches/ask.rs", "scope.spawn(|| work());");
}

#[test]
fn a_file_that_does_not_say_what_it_is_for_or_goes_on_for_ever_is_caught() {
    assert_eq!(wrong(&Source::new("src/row.rs", "use std::fmt;\n")).len(), 1);
    caught("src/row.rs", &"\n".repeat(MOST_LINES), "are the most");
}
