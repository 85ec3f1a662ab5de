//! What may be tried again is, at growing intervals, and each time it is said.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use super::ObjectFailure;

/// The first pause, about; each is twice the one before, as far as the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// How often a pause looks whether the run was stopped.
const LOOK: Duration = Duration::from_millis(50);

/// Why a request failed, as far as it was seen on the wire.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) why: String,
    /// Whether the same request may succeed later.
    pub(super) passes: bool,
    pub(super) failure: ObjectFailure,
}

impl Trouble {
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Trouble { why: why.into(), passes: true, failure: ObjectFailure::Failed }
    }

    pub(super) fn lasting(failure: ObjectFailure, why: impl Into<String>) -> Self {
        Trouble { why: why.into(), passes: false, failure }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Trouble {}

/// Tries `work` once, and up to `retries` times more where its failure may pass; `on_retry` is told before each pause.
pub(super) fn tried<T>(
    retries: usize,
    is_stopped: impl Fn() -> bool,
    mut on_retry: impl FnMut(&Trouble, Duration, usize),
    mut work: impl FnMut() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(retries)
        .with_jitter()
        .build();
    let mut pauses = pauses.enumerate();
    loop {
        let trouble = match work() {
            Ok(done) => return Ok(done),
            Err(trouble) => trouble,
        };
        let next = if trouble.passes { pauses.next() } else { None };
        let Some((number, pause)) = next else {
            let times = if trouble.passes { format!(" ({} tries)", retries + 1) } else { String::new() };
            return Err(Trouble { why: format!("{}{times}", trouble.why), ..trouble });
        };
        on_retry(&trouble, pause, number + 1);
        if !rested(pause, &is_stopped) {
            return Err(Trouble::lasting(ObjectFailure::Stopped, format!("stopped after: {}", trouble.why)));
        }
    }
}

/// Waits so long; false where the run was stopped meanwhile.
#[expect(
    clippy::disallowed_methods,
    reason = "on threads that index shards or answer questions: a worker reads no objects"
)]
pub(super) fn rested(pause: Duration, is_stopped: impl Fn() -> bool) -> bool {
    let until = Instant::now() + pause;
    while !is_stopped() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
    false
}
