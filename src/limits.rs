//! Limits that the system sets for a process (`ulimit`, a container's number of threads). An operation that reaches a limit ends with an
//! error that names the limit.
//!
//! The number of the system's error shows that a limit was reached. Every message of an [`io::Error`] contains this number, and [`advice`]
//! looks for it. Two limits end a process by a signal unless the process prevents it (the size of files, the time on the CPU). Memory that
//! cannot be had ends a process in the middle of its work. [`prepare`] deals with these.

use std::any::Any;
use std::io;
use std::panic::{set_hook, take_hook};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The limit now in force of that resource; `None` where there is none.
macro_rules! limit {
    ($resource:ident) => {{
        let mut now = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: writes the limit to `now`, and to nothing else.
        let read = unsafe { libc::getrlimit(libc::$resource, &raw mut now) };
        (read == 0 && now.rlim_cur != libc::RLIM_INFINITY).then_some(now.rlim_cur as u64)
    }};
}

/// How many files this process may have open at once; `None` where there is no bound.
pub fn open_files() -> Option<u64> {
    limit!(RLIMIT_NOFILE)
}

/// Seconds that cores have worked for this process so far, in all its threads.
pub fn cpu_seconds() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole `rusage`, which all zeros are one of, and which the call fills.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// How many bytes of address space this process may have; `None` where there is no bound.
pub(crate) fn address_space() -> Option<u64> {
    limit!(RLIMIT_AS)
}

/// The smaller of what `ulimit -v` and `ulimit -d` allow, in KiB as they say it, and which of the two it is.
fn memory() -> Option<(u64, &'static str)> {
    let space = address_space().map(|bytes| (bytes >> 10, "`ulimit -v`"));
    let data = limit!(RLIMIT_DATA).map(|bytes| (bytes >> 10, "`ulimit -d`"));
    space.into_iter().chain(data).min()
}

/// How many threads the container that this process is in may have, by its control group.
fn threads_of_the_container() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let of_line = |line: &str| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            "pids" => "/sys/fs/cgroup/pids",
            _ => return None,
        };
        // Seen from inside of a container, its group is the root.
        let of_group = |group: &str| std::fs::read_to_string(format!("{root}{group}/pids.max")).ok();
        of_group(group).or_else(|| of_group(""))?.trim().parse().ok()
    };
    groups.lines().filter_map(of_line).min()
}

/// The sentence about a thread that could not be started for `doing`: which limits may be behind it, and what they are.
///
/// ```
/// let error = std::io::Error::from_raw_os_error(libc::EAGAIN);
/// let words = threshflow::limits::no_thread("to decode on", &error);
/// assert!(words.starts_with("no thread could be started to decode on: ") && words.contains("ulimit -u"), "{words}");
/// ```
pub fn no_thread(doing: &str, error: &io::Error) -> String {
    format!("no thread could be started {doing}: {error}; {}", more_threads())
}

/// What is to be allowed where a thread could not be started.
fn more_threads() -> String {
    let mut allow = format!("allow more threads: `ulimit -u` is {}", bound(limit!(RLIMIT_NPROC)));
    if let Some(most) = threads_of_the_container() {
        allow.push_str(&format!(", the container's pids.max {most}"));
    }
    if let Some((kib, which)) = memory() {
        allow.push_str(&format!("; or more memory for their stacks: {which} is {kib} KiB"));
    }
    format!("{allow}. Fewer are needed with lower --cores and --workers")
}

/// A limit, for people.
fn bound(limit: Option<u64>) -> String {
    limit.map_or("without bound".to_owned(), |limit| limit.to_string())
}

/// What of a panic's text says that a thread could not be started.
const OF_THREADS: [&str; 2] = ["failed to spawn thread", "code: 11, kind: WouldBlock"];

/// What of an error's text says that memory could not be had.
const OF_MEMORY: [&str; 7] = [
    "(os error 12)",
    "not enough memory",
    "bad_alloc",
    "returned null pointer",
    "failed to map segment",
    "memory allocation of",
    "Failed to allocate memory",
];

/// Where an error's text bears the number of a limit that was run into: which limit, what it is, and what to do.
///
/// ```
/// use std::io::Error;
/// use threshflow::limits::advice;
/// let words = |error: i32| advice(&format!("00000.tar: {}; check the file", Error::from_raw_os_error(error)));
/// assert!(words(libc::EMFILE).is_some_and(|words| words.contains("`ulimit -n`")));
/// assert!(words(libc::EFBIG).is_some_and(|words| words.contains("`ulimit -f`")));
/// assert!(words(libc::ENOMEM).is_some_and(|words| words.contains("memory")));
/// assert_eq!(words(libc::ENOSPC), None);
/// ```
pub fn advice(text: &str) -> Option<String> {
    if text.contains("(os error 24)") {
        return Some(format!(
            "too many files are open: `ulimit -n` is {}. Raise it (`ulimit -n 1024` is enough), and run again",
            bound(open_files())
        ));
    }
    if text.contains("(os error 23)") {
        return Some("too many files are open on this machine: raise `sysctl fs.file-max`".to_owned());
    }
    if text.contains("(os error 27)") {
        let most = limit!(RLIMIT_FSIZE).map(|bytes| bytes >> 10);
        return Some(format!(
            "a file grew too large: `ulimit -f` allows {} KiB a file. Raise it, and run again",
            bound(most)
        ));
    }
    if text.contains("(os error 122)") {
        return Some("the disk's quota of this user is used up: `quota` shows it".to_owned());
    }
    // What the standard library and pools of threads say where they are not asked for an error.
    if OF_THREADS.iter().any(|words| text.contains(words)) {
        return Some(more_threads());
    }
    OF_MEMORY.iter().any(|words| text.contains(words)).then(|| match memory() {
        Some((kib, which)) => format!("memory ran out: {which} allows {kib} KiB. {CHEAPER}"),
        None => format!("the system had no more memory to give. {CHEAPER}"),
    })
}

const CHEAPER: &str =
    "Raise it, or ask for less: lower --decoded-bytes, --cores and --workers, fewer stages at once";

/// Set by SIGXCPU.
static OUT_OF_TIME: AtomicBool = AtomicBool::new(false);

/// Why a run has to stop, where a limit says so.
pub fn stops() -> Option<String> {
    OUT_OF_TIME.load(Ordering::SeqCst).then(|| {
        let seconds = limit!(RLIMIT_CPU).map_or("no bound".to_owned(), |seconds| format!("{seconds} s"));
        format!("stopped: the time on the CPU that `ulimit -t` allows is used up ({seconds}); raise it")
    })
}

/// What is said when memory could not be had: worked out beforehand, since nothing can be then.
static LAST_WORDS: OnceLock<String> = OnceLock::new();

/// To be called once, at the start of a program.
///
/// A write beyond `ulimit -f` is then an error like that of a full disk, and not the end of the process. A run whose time on the CPU is up
/// stops as after Ctrl-C. Memory that the limits don't allow still ends the process, but says which limit it was; and a panic that a
/// limit is behind is left to whoever catches it, without a backtrace.
pub fn prepare() {
    let before = take_hook();
    set_hook(Box::new(move |panic| {
        if advice(said(panic.payload())).is_none() {
            before(panic);
        }
    }));
    // SAFETY: plain system calls; both handlers do only what a handler may: see there.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::signal(libc::SIGXCPU, on_time_up as *const () as libc::sighandler_t);
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if address_space().is_some() {
        // Each arena of the C library reserves 64 MiB, and most of it is never touched.
        // SAFETY: sets a bound on how many arenas there will be.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
    // Where no limit is set, an abort is something else, and its core worth keeping.
    if let Some((kib, which)) = memory() {
        LAST_WORDS.get_or_init(|| {
            format!(
                "error: the process could not go on, most likely for want of memory: {which} allows {kib} KiB. {CHEAPER}. What was \
                 published stands as it was, and answers that came are kept\n"
            )
        });
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGABRT, on_abort as *const () as libc::sighandler_t) };
    }
}

/// What a panic says; nothing where that is no text.
pub fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

/// A store to an atomic: allowed in a handler.
extern "C" fn on_time_up(_signal: libc::c_int) {
    OUT_OF_TIME.store(true, Ordering::SeqCst);
}

/// `write` and `_exit`, which are allowed in a handler; the words are there already.
extern "C" fn on_abort(_signal: libc::c_int) {
    let words = LAST_WORDS.get().map_or("", String::as_str);
    // SAFETY: the words live as long as the process; 134 is what a shell calls an abort.
    unsafe {
        libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len());
        libc::_exit(134);
    }
}

/// Gives memory that was freed back to the system, where the C library keeps it: each of its arenas keeps the most that it ever held, and
/// there are some for every core. Takes milliseconds; for moments at which a lot was freed.
pub(crate) fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: touches only what nobody holds.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Does `work` on this thread and beside it on as many others as make `threads` in all, and gives what each came to. Where a thread
/// can't be started, the others do its part: so `work` takes its tasks from a list that all share. A panic goes on here.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// let next = AtomicUsize::new(0);
/// let work = || std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < 100)).sum::<usize>();
/// assert_eq!(threshflow::limits::side_by_side(4, work).iter().sum::<usize>(), 4950);
/// ```
pub fn side_by_side<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let others: Vec<_> =
            (1..threads).map_while(|_| std::thread::Builder::new().spawn_scoped(scope, &work).ok()).collect();
        let mine = work();
        let theirs = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        std::iter::once(mine).chain(theirs).collect()
    })
}

/// A file that this process has locked, and that is unlocked when this is dropped. A child that another thread is just starting has the file, too,
/// until its own program runs: closing alone would leave the lock to it for that long.
#[derive(Debug)]
pub struct Locked(pub(crate) std::fs::File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Where that fails, closing does it.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_let_go_though_a_child_still_has_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || std::fs::File::open(file.path()).unwrap();
        let locked = Locked(open());
        locked.0.try_lock().unwrap();
        // As after a fork: the same open file.
        let of_child = locked.0.try_clone().unwrap();
        assert!(open().try_lock().is_err());
        drop(locked);
        open().try_lock().unwrap();
        drop(of_child);
    }
}
