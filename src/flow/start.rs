//! Starts the workers' threads, and ends the process where one of them panics.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use timely::WorkerConfig;
use timely::communication::WorkerGuards;
use timely::worker::Worker;

use super::peers::Communication;
use crate::limits;

/// Set while timely starts the workers' threads.
static STARTING: AtomicBool = AtomicBool::new(false);

/// Starts the workers. Where one thread can't be started, timely leaves those that it could start waiting for it: so as many as it
/// needs are started beforehand, and ended again.
pub(super) fn start_workers(
    (builders, guard): Communication,
    config: WorkerConfig,
    peers: usize,
    run: impl Fn(&mut Worker) + Send + Sync + 'static,
) -> Result<WorkerGuards<()>, String> {
    let gate = std::sync::RwLock::new(());
    std::thread::scope(|threads| {
        let _closed = gate.write();
        let start = |_| {
            let started = std::thread::Builder::new().spawn_scoped(threads, || drop(gate.read()));
            started.map(drop).map_err(|error| limits::no_thread("for the dataflow", &error))
        };
        (0..peers).try_for_each(start)
    })?;
    STARTING.store(true, Ordering::SeqCst);
    let guards = timely::execute::execute_from(builders, guard, config, run);
    // Where it failed, those that did start find it out only now.
    STARTING.store(guards.is_err(), Ordering::SeqCst);
    guards
}

/// A panic in one worker thread leaves the others waiting for it for ever (timely issue 319): end the process.
/// Not `panic = "abort"`, which would also end it for a decoder that panics on one picture.
pub(super) fn end_the_process_if_a_worker_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if STARTING.load(Ordering::SeqCst) {
                // Another process took the last thread in between: a worker finds that its peer is not there.
                let error = std::io::Error::from_raw_os_error(libc::EAGAIN);
                crate::note!("error: {}", limits::no_thread("for the dataflow", &error));
                std::process::exit(1);
            }
            before(info);
            if std::thread::current().name().is_some_and(|name| name.starts_with("timely:")) {
                crate::note!(
                    "a worker of the dataflow panicked, and the run cannot go on; run again: answers are kept"
                );
                std::process::exit(1);
            }
        }));
    });
}
