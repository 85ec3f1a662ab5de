//! Starts the processes of a run on this machine, and starts them again when one was lost.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cli::invoke::shell_word;
use crate::cli::{Failure, RunOptions, signals};
use crate::cluster::LOST_EXIT_CODE;
use crate::limits::no_thread;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// When one has ended without success, or the user stops, those that nobody told are told after so long.
const SOON: Duration = Duration::from_secs(1);
/// When one was lost, the others have so long to end by themselves.
const PATIENCE: Duration = Duration::from_millis(2500);

/// A process to be started.
struct Wanted {
    number: usize,
    /// It speaks for itself; what others say is said with their numbers, on stderr.
    speaks: bool,
    args: Vec<OsString>,
}

/// A process that was started, and who reads what it says.
struct Started {
    number: usize,
    child: Child,
    ended: Option<ExitStatus>,
    /// It was told to stop.
    stopped: bool,
    reader: Option<JoinHandle<()>>,
}

/// So many processes of one run, on this machine.
pub(super) fn processes(count: u16, restarts: u16, cores: usize, args: &[OsString]) -> Result<(), Failure> {
    let left_out: &[&str] =
        if cores == 0 { &["--processes", "--restarts", "--cores"] } else { &["--processes", "--restarts"] };
    let args = without(args, left_out);
    let all = RunOptions::cores_of(cores);
    let wanted = |number: u16| {
        let mut own = args.clone();
        own.extend(["--process".into(), format!("{number}/{count}").into()]);
        own.extend(["--bind".into(), "127.0.0.1".into()]);
        if cores == 0 {
            own.extend(["--cores".into(), (all / usize::from(count)).max(1).to_string().into()]);
        }
        Wanted { number: number.into(), speaks: number == 0, args: own }
    };
    again_and_again(restarts, (0..count).map(wanted).collect())
}

/// The process of this number alone: the others are started, and started again, elsewhere.
pub(super) fn one(number: usize, restarts: u16, args: &[OsString]) -> Result<(), Failure> {
    again_and_again(restarts, vec![Wanted { number, speaks: true, args: without(args, &["--restarts"]) }])
}

fn again_and_again(restarts: u16, mut all: Vec<Wanted>) -> Result<(), Failure> {
    let mut begun = 0;
    loop {
        let ended = together(&all)?;
        let killed = ended.iter().find(|(_, status)| status.signal().is_some());
        let lost = killed.or_else(|| ended.iter().find(|(_, status)| is_lost(*status)));
        let failed = lost.or_else(|| ended.iter().find(|(_, status)| !status.success()));
        let Some(words) = failed.map(told) else { return Ok(()) };
        if lost.is_none() || signals::stopped() || begun == restarts {
            let code = ended.iter().find_map(|(_, status)| status.code().filter(|code| *code != 0));
            return Err(match (code, lost) {
                (_, Some(_)) => Failure::Lost(words),
                (Some(2), None) => Failure::Usage(words),
                _ => Failure::Failed(words),
            });
        }
        begun += 1;
        crate::note!("{words}; starts again ({begun} of {restarts})");
        // What was refused in the run that goes on is not asked again.
        all.iter_mut().for_each(|one| one.args.retain(|arg| arg != "--retry"));
    }
}

/// Whether a process was lost, or ended because another one was.
fn is_lost(status: ExitStatus) -> bool {
    status.signal().is_some() || status.code() == Some(LOST_EXIT_CODE.into())
}

fn told((number, status): &(usize, ExitStatus)) -> String {
    let how = match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) if code == i32::from(LOST_EXIT_CODE) => {
            "ended because another one was lost".to_owned()
        }
        (None, code) => format!("ended with exit code {}", code.unwrap_or(-1)),
    };
    format!("process {number} {how}; what it said stands above")
}

/// Flags that may differ from process to process: each with a value, and without.
const OWN_FLAGS: [&str; 13] = [
    "--process",
    "--hosts",
    "--bind",
    "--restarts",
    "--cores",
    "--device",
    "--key-file",
    "--decoded-bytes",
    // Of process 0, which serves a session.
    "--port",
    "--listen",
    "--token-file",
    "--host-name",
    "--publish-every",
];
const OWN_SWITCHES: [&str; 4] = ["--json", "--verbose", "--retry", "--no-metrics"];

/// What all processes of a run have on their command lines.
pub(super) fn flags_of_all(args: &[OsString]) -> String {
    let mut words = without(args, &OWN_FLAGS);
    words.retain(|word| !OWN_SWITCHES.iter().any(|switch| word == switch));
    let words: Vec<String> = words.iter().map(|word| shell_word(&word.to_string_lossy())).collect();
    words.join(" ")
}

/// The command line without these flags, each of which has a value.
fn without(args: &[OsString], flags: &[&str]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut args = args.iter().skip(1);
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        if flags.iter().any(|flag| text == *flag) {
            args.next();
        } else if !flags.iter().any(|flag| text.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')))
        {
            kept.push(arg.clone());
        }
    }
    kept
}

/// Runs them to their ends: how each ended, by its number.
fn together(all: &[Wanted]) -> Result<Vec<(usize, ExitStatus)>, Failure> {
    let mut started = Vec::new();
    for wanted in all {
        match Started::start(wanted) {
            Ok(one) => started.push(one),
            Err(why) => {
                started.iter_mut().for_each(|one| drop(one.child.kill()));
                started.iter_mut().for_each(|one| drop(one.child.wait()));
                return Err(Failure::Failed(format!("process {} cannot be started: {why}", wanted.number)));
            }
        }
    }
    let (mut lost, mut failed, mut stopped) = (None::<Instant>, None::<Instant>, None::<Instant>);
    while started.iter().any(|one| one.ended.is_none()) {
        for one in started.iter_mut().filter(|one| one.ended.is_none()) {
            one.ended = one.child.try_wait().map_err(|error| Failure::Failed(error.to_string()))?;
            if one.ended.is_some_and(is_lost) {
                lost.get_or_insert_with(Instant::now);
            }
            if one.ended.is_some_and(|status| !status.success()) {
                failed.get_or_insert_with(Instant::now);
            }
        }
        if signals::stopped() {
            let since = *stopped.get_or_insert_with(Instant::now);
            // Process 0 tells the others, and all end in order; those that have not joined yet are told by nobody else.
            let all = since.elapsed() > SOON;
            started
                .iter_mut()
                .enumerate()
                .filter(|(place, _)| all || *place == 0)
                .for_each(|(_, one)| one.stop());
        }
        if lost.is_none() && failed.is_some_and(|since| since.elapsed() > SOON) {
            started.iter_mut().for_each(Started::stop);
        }
        if lost.is_some_and(|since| since.elapsed() > PATIENCE) {
            started.iter().filter(|one| one.ended.is_none()).for_each(|one| one.tell(libc::SIGKILL));
        }
        #[expect(clippy::disallowed_methods, reason = "nothing else is done here")]
        std::thread::sleep(LOOK_EVERY);
    }
    let ended = |one: Started| {
        let _ = one.reader.map(JoinHandle::join);
        Some((one.number, one.ended?))
    };
    Ok(started.into_iter().filter_map(ended).collect())
}

impl Started {
    fn start(Wanted { number, speaks, args }: &Wanted) -> Result<Self, String> {
        let number = *number;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).process_group(0).env(signals::SUPERVISED, "1");
        if !speaks {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        }
        let parent = std::process::id();
        // SAFETY: plain system calls, between fork and exec.
        unsafe {
            command.pre_exec(move || {
                // Whatever becomes of who started them, they do not stay behind.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                match libc::getppid() == parent as libc::pid_t {
                    true => Ok(()),
                    false => Err(std::io::Error::from_raw_os_error(libc::ESRCH)),
                }
            });
        }
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let said = child.stderr.take();
        let read = move |said: std::process::ChildStderr| {
            for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
                crate::note!("process {number}: {}", String::from_utf8_lossy(&line));
            }
        };
        let reader =
            said.map(|said| std::thread::Builder::new().name("said".into()).spawn(move || read(said)));
        let reader = reader.transpose().map_err(|error| no_thread("to hear what processes say", &error));
        let reader = reader.inspect_err(|_| drop(child.kill()))?;
        Ok(Started { number, child, ended: None, stopped: false, reader })
    }

    /// Tells it once to stop, unless it has ended.
    fn stop(&mut self) {
        if self.ended.is_none() && !std::mem::replace(&mut self.stopped, true) {
            self.tell(libc::SIGTERM);
        }
    }

    fn tell(&self, signal: libc::c_int) {
        // SAFETY: a plain system call; the process is a child that was not waited for yet, so that its number is its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_the_supervisor_are_left_out() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let args = words("threshflow run --processes 3 --shards a --restarts=2 --out --restarts-of-mine");
        assert_eq!(
            without(&args, &["--processes", "--restarts"]),
            words("run --shards a --out --restarts-of-mine")
        );
        assert!(without(&words("threshflow"), &["--processes"]).is_empty());
    }
}
