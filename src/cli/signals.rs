//! Ctrl-C, SIGTERM and SIGHUP. The first signal ends a run so that the next run can continue it. The second ends the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Set by the first signal: runs of this process stop at the next tick.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Set by who asks for that.
static HANDLED: AtomicBool = AtomicBool::new(false);

/// Whether a signal came.
pub(super) fn stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}

/// The same for a command that may have begun with it already.
pub(super) fn stop_on_signals_once() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if !HANDLED.load(Ordering::SeqCst) {
        ONCE.call_once(stop_on_signals);
    }
}

/// From now on. A signal that is ignored stays ignored: `nohup` ignores SIGHUP, a shell without job control SIGINT of what it
/// starts in the background.
pub(super) fn stop_on_signals() {
    HANDLED.store(true, Ordering::SeqCst);
    let signals = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
    let ignored: Vec<libc::c_int> = signals.into_iter().filter(|signal| is_ignored(*signal)).collect();
    if let Err(error) = ctrlc::set_handler(on_signal) {
        // Its handlers stand by now, with nobody to hear them: a signal would do nothing.
        for signal in signals {
            // SAFETY: a plain system call; SIG_DFL is no handler of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        crate::note!("warning: Ctrl-C will end the run at once: {error}");
    }
    for signal in ignored {
        // SAFETY: a plain system call; SIG_IGN is no handler of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all zeros are a valid `sigaction` to be written over.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with no new action it only writes what holds now to `now`.
    let read = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) };
    read == 0 && now.sa_sigaction == libc::SIG_IGN
}

/// Set in the environment of processes that another one has started and stops: a system that ends a run signals all of them, and so does who
/// started them, so that two signals at once are one.
pub(super) const SUPERVISED: &str = "THRESHFLOW_SUPERVISED";
const AT_ONCE: Duration = Duration::from_secs(2);

/// On a thread of its own.
fn on_signal() {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let is_again = STOPPED.swap(true, Ordering::SeqCst);
    let since = FIRST.get_or_init(Instant::now).elapsed();
    if is_again && since < AT_ONCE && std::env::var_os(SUPERVISED).is_some() {
        return;
    }
    if is_again {
        // SAFETY: ends the process without running anything of it; a model that hangs could hold up an `exit`.
        unsafe { libc::_exit(1) };
    }
    crate::note!("stopping: answers that came are kept. Ctrl-C or SIGTERM once more ends at once");
}
