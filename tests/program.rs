//! The `curate` program, run as a user runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::shards::{Sample, write};

/// A folder with shards, a store and an output, and the program that works on them.
pub struct Desk {
    pub folder: tempfile::TempDir,
    program: &'static str,
    /// Where the program has several.
    pipeline: Option<&'static str>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is printed is UTF-8");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The one JSON object on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Panics unless the command ended with `code` and said all of `words`.
    pub fn expect(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not said: {self:#?}");
        }
        self
    }
}

impl Desk {
    /// `program` is `env!("CARGO_BIN_EXE_…")` of the test.
    pub fn new(program: &'static str) -> Self {
        Desk::in_folder(crate::scratch(), program)
    }

    /// The same with a program that has several pipelines, for one of them.
    pub fn of_pipeline(program: &'static str, pipeline: &'static str) -> Self {
        Desk { pipeline: Some(pipeline), ..Desk::new(program) }
    }

    /// The same where files may be large, as long as they are mostly holes.
    pub fn on_disk(program: &'static str) -> Self {
        Desk::in_folder(tempfile::tempdir().expect("a folder for the test can be made"), program)
    }

    fn in_folder(folder: tempfile::TempDir, program: &'static str) -> Self {
        std::fs::create_dir(folder.path().join("shards")).expect("makes");
        Desk { folder, program, pipeline: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn shard(&self, name: &str, samples: &[Sample]) -> PathBuf {
        let path = self.path("shards").join(format!("{name}.tar"));
        write(&path, samples);
        path
    }

    /// `run` or `plan` over all shards; `more` is split at spaces. Any number of refusals is allowed unless it
    /// says otherwise: the corpus is full of them.
    pub fn command(&self, subcommand: &str, more: &str) -> Command {
        let mut command = self.bare(&format!("{subcommand} --shards"));
        command.arg(self.path("shards")).arg("--store").arg(self.path("store"));
        command.arg("--out").arg(self.path("out")).args(more.split_whitespace());
        if !more.contains("--max-error-rate") {
            command.args(["--max-error-rate", "1"]);
        }
        command
    }

    /// The program with these arguments alone, in the desk's folder.
    pub fn bare(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.program);
        command
            .args(self.pipeline)
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        // Panics that are planted need no backtrace, which takes long unoptimised.
        command.env("RUST_BACKTRACE", "0");
        command
    }

    pub fn run(&self, more: &str) -> Ended {
        ended(&mut self.command("run", more))
    }

    /// A run that is done, as its JSON.
    pub fn done(&self, more: &str) -> Value {
        self.run(&format!("--json {more}")).expect(0, &[]).json()
    }

    pub fn start(&self, more: &str) -> Child {
        start(&mut self.command("run", more))
    }

    pub fn ask(&self, arguments: &str) -> Ended {
        ended(&mut self.bare(arguments))
    }
}

pub fn ended(command: &mut Command) -> Ended {
    Ended::of(command.output().expect("the program starts"))
}

pub fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Kills a child with SIGKILL as soon as `ready` says so; panics where it ends by itself before, or where `ready` never comes.
pub fn killed_when(mut child: Child, ready: impl Fn() -> bool) {
    let begin = Instant::now();
    while !ready() {
        assert!(begin.elapsed() < Duration::from_secs(120), "what the kill waits for never came");
        assert!(child.try_wait().expect("can be waited for").is_none(), "it ended before the kill");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("is killed");
    child.wait().expect("is reaped");
}

/// Waits for the end of a child; panics where it takes longer than `seconds`.
pub fn ended_within(mut child: Child, seconds: u64) -> Ended {
    let begin = Instant::now();
    while child.try_wait().expect("can be waited for").is_none() {
        if begin.elapsed() > Duration::from_secs(seconds) {
            child.kill().expect("is killed");
            panic!(
                "still running after {seconds} s: {:#?}",
                Ended::of(child.wait_with_output().expect("ends"))
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ended::of(child.wait_with_output().expect("ends"))
}

/// How many questions a run, or a task, asked, as its summary says.
pub fn asked(summary: &Value) -> u64 {
    let stages = summary["asks"].as_object().expect("stages").values();
    stages.map(|stage| stage["asked"].as_u64().expect("a number")).sum()
}

/// Waits until the log of asks has so many lines.
pub fn wait_for_asks(log: &Path, count: usize) {
    let begin = Instant::now();
    while asks(log).len() < count {
        assert!(begin.elapsed() < Duration::from_secs(60), "{count} questions were never asked");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The processes that a run has started, by their numbers.
pub fn processes_of(run: u32) -> BTreeMap<usize, u32> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").expect("is there").map_while(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let stat = read("stat");
        let parent =
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        if parent != Some(run) {
            continue;
        }
        let line = read("cmdline");
        let mut words = line.split('\0').skip_while(|word| *word != "--process").skip(1);
        let number = words.next().and_then(|word| word.split_once('/')?.0.parse().ok());
        found.extend(number.map(|number| (number, pid)));
    }
    found
}

/// Sends a signal to a process that a run has started.
pub fn kill(pid: u32, signal: i32) {
    // SAFETY: a plain system call. Who started the process has not waited for it yet, or its number is nobody's.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

/// Sends a signal to a child that has not been waited for.
pub fn signal(child: &Child, signal: i32) {
    // SAFETY: a plain system call; the child is not yet reaped, so that its number is nobody else's.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, signal) };
    assert_eq!(sent, 0, "the signal is sent");
}

/// The lines of a log of asks; none where there is no log.
pub fn asks(log: &Path) -> Vec<String> {
    std::fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}
