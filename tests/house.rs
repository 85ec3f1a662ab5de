//! The house itself: rooms import to the left only, each library has its room, nothing on a worker thread waits,
//! and every file says what it is for and stays readable.

use std::path::{Path, PathBuf};

/// From left to right: a room may import those before it.
const ROOMS: [&str; 10] =
    ["row", "shard", "memo", "lane", "flow", "dial", "publish", "report", "pipeline", "cli"];
/// `publish` stands beside the dataflow, not on top of it: of `flow` it knows the verdicts, and no more.
const PUBLISH_MAY: [&str; 3] = ["row", "shard", "flow"];
/// Neither of these knows the other.
const STRANGERS: [(&str, &str); 1] = [("memo", "shard")];
/// What the worker threads run.
const WORKER_SIDE: [&str; 14] = [
    "src/flow/mod.rs",
    "src/flow/ask.rs",
    "src/flow/complete.rs",
    "src/flow/edits.rs",
    "src/flow/either.rs",
    "src/flow/gate.rs",
    "src/flow/histogram.rs",
    "src/flow/near.rs",
    "src/flow/near/bands.rs",
    "src/flow/near/groups.rs",
    "src/flow/regions.rs",
    "src/flow/worker.rs",
    "src/flow/verdicts.rs",
    "src/flow/verdicts/pieces.rs",
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

/// A file's path below the repository, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The code: no comments, no unit tests at the end of the file.
    fn code(&self) -> String {
        let end = self.text.find("#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        let line = |line: &str| match line.find("//") {
            // Not in a string such as "https://".
            Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
            _ => line.to_owned(),
        };
        self.text[..end].lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The room that the file belongs to: `flow` for `src/flow/ask.rs` and `row` for `src/row.rs`.
    fn room(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        let room = below.split('/').next()?;
        Some(room.strip_suffix(".rs").unwrap_or(room)).filter(|room| *room != "lib")
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The first names after `crate::` in the code: `crate::{flow::Flow, row}` names two.
fn named_after_crate(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| is_word(c) || c == '$') {
            continue;
        }
        let rest = code[at + "crate::".len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads(group)),
            None => names.push(rest.chars().take_while(|c| is_word(*c)).collect()),
        }
    }
    names
}

/// The first name of every item of a `{…}` group, nested groups passed over.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut fresh) = (0, vec![String::new()], true);
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(String::new());
                fresh = true;
            }
            _ if depth > 0 || !fresh => {}
            _ if is_word(letter) => heads.last_mut().expect("one at least").push(letter),
            _ if letter.is_whitespace() => {}
            _ => fresh = false,
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

fn place(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

fn may_import(room: &str, other: &str) -> bool {
    let (Some(here), Some(there)) = (place(room), place(other)) else { return true };
    let strangers = STRANGERS.iter().any(|(a, b)| (room, other) == (*a, *b) || (room, other) == (*b, *a));
    here == there || there < here && !strangers && (room != "publish" || PUBLISH_MAY.contains(&other))
}

/// Whether the code has a path that starts with this crate.
fn uses(code: &str, library: &str) -> bool {
    let path = format!("{library}::");
    code.match_indices(&path).any(|(at, _)| !code[..at].ends_with(|c: char| is_word(c) || c == ':'))
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
    let mut imported = named_after_crate(&code);
    // From the root of a room, `super` is the crate.
    if !source.path[4.min(source.path.len())..].contains('/') || source.path.ends_with("/mod.rs") {
        let up = code.replace("super::super::", "").replace("super::", "crate::");
        imported = named_after_crate(&up);
    }
    for other in imported {
        if let Some(room) = source.room()
            && !may_import(room, &other)
        {
            say(format!("{room} may not import {other}"));
        }
    }
    let rooms_of = [
        (&["timely", "differential_dataflow"][..], "src/flow/"),
        (&["arrow_array", "arrow_schema", "arrow_buffer", "arrow"][..], "src/publish/parquet"),
    ];
    for (libraries, home) in rooms_of {
        for library in libraries.iter().filter(|library| uses(&code, library)) {
            // A bench may set the plain form of an operator beside ours.
            if !source.path.starts_with(home) && !source.path.starts_with("benches/") {
                say(format!("{library} belongs to {home}"));
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
    if WORKER_SIDE.contains(&source.path.as_str()) {
        for waits in WAITS.iter().filter(|waits| code.contains(**waits)) {
            say(format!("{waits} waits, and this runs on a worker thread"));
        }
    }
    if source.path.starts_with("operators/") && uses(&code, "pipelines") {
        say("an operator knows no pipeline".into());
    }
    if source.path.starts_with("src/") && (uses(&code, "operators") || uses(&code, "pipelines")) {
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut sources = Vec::new();
    for package in ["src", "operators", "pipelines", "tests", "benches"] {
        sources_beneath(root, package, &mut sources);
    }
    assert!(sources.len() > 80, "only {} files were found", sources.len());
    for room in ROOMS {
        assert!(sources.iter().any(|source| source.room() == Some(room)), "where is {room}?");
    }
    for file in WORKER_SIDE {
        assert!(sources.iter().any(|source| source.path == file), "where is {file}?");
    }
    let wrong: Vec<String> = sources.iter().flat_map(wrong).collect();
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
    passed("src/cli/run.rs", "use crate::{flow::Flow, lane::{Lanes, Mode}, publish};");
    passed(
        "src/lane/stage.rs",
        "use super::batch::Batches;\nuse crate::memo::Memo;\n// use crate::flow::Flow;",
    );
    passed("src/row.rs", "#[cfg(test)]\nmod tests {\n    use crate::shard::Shard;\n}");
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
    caught("src/cli/mod.rs", "use operators::Aesthetic;", "the engine knows neither");
    caught(
        "pipelines/demo/shards.rs",
        "let header = tar::Header::new_ustar();",
        "tars are written by PlainTar",
    );
    caught("benches/photos.rs", "let tar = tar::Builder::new(file);", "tars are written by PlainTar");
    passed("src/shard/walk.rs", "let header = tar::Header::from_byte_slice(&block);");
    passed("src/flow/gate.rs", "use timely::dataflow::Scope;");
    passed("src/publish/parquet.rs", "use arrow_array::Int64Array;");
}

#[test]
fn what_waits_on_a_worker_thread_is_caught() {
    for code in ["std::thread::sleep(pause);", "let x = events.recv();", "let x = std::fs::read(path);"] {
        caught("src/flow/worker.rs", code, "waits, and this runs on a worker thread");
        passed("src/lane/pool.rs", code);
    }
    passed("src/flow/worker.rs", "while let Ok(command) = commands.try_recv() {}");
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
