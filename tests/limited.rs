//! Programs under limits of the system: how a child gets one, who runs it, and how long it may take.

use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::program::{Ended, ended_within};

/// A limit that a child is given, as `setrlimit` takes it.
#[derive(Clone, Copy)]
pub struct Limit {
    pub resource: libc::__rlimit_resource_t,
    pub value: u64,
}

/// Has the child start with this limit. Root is bound by all of them but the count of threads, which is one of a user's.
pub fn limited(command: &mut Command, limit: Limit) -> &mut Command {
    let set = move || {
        let both = libc::rlimit { rlim_cur: limit.value, rlim_max: limit.value };
        // SAFETY: a plain system call, allowed between fork and exec.
        match unsafe { libc::setrlimit(limit.resource, &raw const both) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: `set` calls one system call and allocates nothing.
    unsafe { command.pre_exec(set) }
}

/// Runs a child to its end; panics where it takes longer than `seconds`.
///
/// # Errors
/// Where it can't be started.
pub fn ended(command: &mut Command, seconds: u64) -> io::Result<Ended> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    Ok(ended_within(child, seconds))
}

/// A user who has no other threads, for children of root; `None` where this is not root.
pub fn nobody_else() -> Option<u32> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // SAFETY: a plain system call.
    let is_root = unsafe { libc::geteuid() } == 0;
    let user = || 200_000 + std::process::id() % 10_000 * 100 + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
    is_root.then(user)
}

/// Gives a folder and all that is in it to that user.
pub fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).expect("root may give what it has");
    if path.is_dir() {
        std::fs::read_dir(path).expect("lists").for_each(|entry| give(&entry.expect("lists").path(), user));
    }
}
