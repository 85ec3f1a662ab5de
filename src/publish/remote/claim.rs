//! The lock of a set in a bucket: an object, `.lock`, that says who writes. It is written under conditions alone, so that of two writers one has
//! it. Who has it writes it anew again and again; where that stops for as long as the lock itself says, its writer is taken for dead. It stays
//! when nobody writes, and marks the place as ours before a manifest is there.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Remote, rest};
use crate::limits;
use crate::object::{ObjectError, ObjectFailure, ObjectUrl, Objects, PutIf, Tag};
use crate::publish::PublishError;

pub(super) const LOCK: &str = ".lock";
/// The lock holds for so many times the patience of its writer's requests, and no less than this. It is written anew nine times as often: two
/// requests in a row that take all their patience do not cost it.
const LEASE: u32 = 3;
const LEAST_LEASE: Duration = Duration::from_secs(3);
const BEATS: u32 = 9;
/// Of a lease: a writer that was not heard for so long takes itself for dead, before others do.
const OWN_LEASE: f64 = 0.75;
/// How often it is looked whether another writer lives.
const LOOK: Duration = Duration::from_millis(200);
/// Many hold it for a moment only.
const SAY_AFTER: Duration = Duration::from_secs(1);
/// So often the lock may be refused though nobody has it: others may come and go in between.
const MOST_REFUSALS: usize = 20;
/// How often it is tried to write it anew before something is deleted.
const MOST_RENEWALS: u32 = 4;
/// How often it is tried to let it go.
const MOST_RELEASES: u32 = 3;

/// Who writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lock {
    format: String,
    /// See `Record::writer`.
    writer: String,
    host: String,
    process: u32,
    /// Of this taking of the lock, and of no other.
    #[serde(default)]
    claim: String,
    held: bool,
    /// Goes up each time that it is written.
    beat: u64,
    lease_seconds: f64,
}

/// Another writer, who lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    pub host: String,
    pub process: u32,
}

/// What is there.
enum Found {
    /// It can be taken, where it is still so.
    Free(Option<Tag>),
    Held(Tag, Lock),
}

/// When the lock was written last: on a clock that may stand still while the machine sleeps, and on one that does not.
#[derive(Clone, Copy)]
struct Heard(Instant, SystemTime);

impl Heard {
    fn now() -> Self {
        Heard(Instant::now(), SystemTime::now())
    }

    fn since(self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

struct State {
    tag: Tag,
    lock: Lock,
    heard: Heard,
    lost: bool,
    ended: bool,
}

/// The lock, taken; kept alive by a thread.
pub(super) struct Claim<'a> {
    remote: &'a Remote,
    beating: Arc<Beating>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What came of an attempt to take the lock.
pub(super) enum Taken<'a> {
    Claim(Claim<'a>),
    /// Another writer has it.
    Held,
}

/// What came of writing the lock once more.
enum Beat {
    Written,
    /// It is another's.
    Lost,
    Failed(ObjectFailure),
}

struct Beating {
    url: ObjectUrl,
    objects: Objects,
    lease: Duration,
    state: Mutex<State>,
    wake: Condvar,
    /// Held while the lock is written: one beat at a time.
    writing: Mutex<()>,
}

impl<'a> Claim<'a> {
    /// Takes the lock, be it after a while: another's that is dead is waited for.
    pub(super) fn take(remote: &'a Remote, writer: &str) -> Result<Self, PublishError> {
        let mut watched: Option<(Tag, Lock, Instant)> = None;
        let (mut refusals, mut said) = (0, false);
        loop {
            let (tag, lock) = match find(remote, writer)? {
                Found::Free(tag) => (tag, None),
                Found::Held(tag, lock) => (Some(tag), Some(lock)),
            };
            let is_dead = match (&lock, &watched) {
                (None, _) => true,
                (Some(lock), Some((before, known, since))) if known.claim == lock.claim => {
                    if tag.as_ref() != Some(before) {
                        let rival = Rival { host: lock.host.clone(), process: lock.process };
                        return Err(PublishError::Rival { url: remote.shown(), rival });
                    }
                    since.elapsed().as_secs_f64() > lock.lease_seconds
                }
                // Another than the one that was watched before.
                (Some(_), _) => false,
            };
            if is_dead {
                if let Some(claim) = Claim::put(remote, writer, tag.as_ref())? {
                    if let Some(lock) = lock {
                        let (url, process, host) = (remote.shown(), lock.process, lock.host);
                        crate::note!("{url}: the lock of process {process} on {host} was taken over");
                    }
                    return Ok(claim);
                }
                refusals += 1;
                if refusals > MOST_REFUSALS {
                    return Err(refuses(remote));
                }
            } else if let (Some(tag), Some(lock)) = (tag, lock) {
                match &mut watched {
                    Some((_, known, since)) if known.claim == lock.claim => {
                        if !said && since.elapsed() > SAY_AFTER {
                            said = true;
                            tell_of(remote, &lock);
                        }
                    }
                    _ => watched = Some((tag, lock, Instant::now())),
                }
            }
            if remote.objects.is_stopped() {
                return Err(PublishError::Other(format!(
                    "stopped while the lock of {} was waited for",
                    remote.shown()
                )));
            }
            rest(LOOK);
        }
    }

    /// Takes the lock, unless another writer has it.
    pub(super) fn try_take(remote: &'a Remote, writer: &str) -> Result<Taken<'a>, PublishError> {
        for _ in 0..MOST_REFUSALS {
            match find(remote, writer)? {
                Found::Held(..) => return Ok(Taken::Held),
                Found::Free(tag) => {
                    if let Some(claim) = Claim::put(remote, writer, tag.as_ref())? {
                        return Ok(Taken::Claim(claim));
                    }
                }
            }
            rest(LOOK / 10);
        }
        Err(refuses(remote))
    }

    /// Writes the lock where it is as it was found; `None` where another was faster.
    fn put(remote: &'a Remote, writer: &str, found: Option<&Tag>) -> Result<Option<Self>, PublishError> {
        let lease = (remote.objects.patience() * LEASE).max(LEAST_LEASE);
        let lock = Lock {
            format: remote.kind.format.to_owned(),
            writer: writer.to_owned(),
            host: crate::cluster::host_name(),
            process: std::process::id(),
            claim: super::record::drawn(),
            held: true,
            beat: 0,
            lease_seconds: lease.as_secs_f64(),
        };
        let (url, heard) = (remote.url_of(LOCK), Heard::now());
        let when = found.map_or(PutIf::Absent, PutIf::Is);
        let tag = match remote.objects.put_seen(&url, &text_of(&lock), when) {
            Err(error) if is_refused(&error) => return Ok(None),
            done => done?,
        };
        let state = Mutex::new(State { tag, lock, heard, lost: false, ended: false });
        let objects = remote.objects.clone();
        let beating =
            Arc::new(Beating { url, objects, lease, state, wake: Condvar::new(), writing: Mutex::default() });
        let of_thread = beating.clone();
        let thread = std::thread::Builder::new().name("lock".to_owned()).spawn(move || of_thread.beat());
        let thread = thread.map_err(|error| {
            PublishError::Other(limits::no_thread("to keep the lock of a bucket", &error))
        })?;
        Ok(Some(Claim { remote, beating, thread: Some(thread) }))
    }

    /// An error where the lock is another's by now, or may be. Where it was not written for long, that is tried once more.
    pub(super) fn check(&self) -> Result<(), PublishError> {
        if self.beating.is_ours() { Ok(()) } else { self.renew() }
    }

    /// Writes the lock anew: an error where it is another's, or cannot be reached.
    pub(super) fn renew(&self) -> Result<(), PublishError> {
        for attempt in 1..=MOST_RENEWALS {
            match self.beating.write() {
                Beat::Written => return Ok(()),
                Beat::Failed(ObjectFailure::Failed) => rest(LOOK * attempt),
                Beat::Lost | Beat::Failed(_) => break,
            }
        }
        Err(PublishError::LockLost { url: self.remote.shown() })
    }

    /// Lets it go, as far as that is possible; where it is not, the lease runs out.
    pub(super) fn release(mut self) {
        self.end();
        let (lock, tag) = {
            let state = self.beating.state();
            if state.lost {
                return;
            }
            (Lock { held: false, beat: state.lock.beat + 1, ..state.lock.clone() }, state.tag.clone())
        };
        // Some stores take one write a second of an object.
        for attempt in 1..=MOST_RELEASES {
            let done = self.beating.objects.put_once(&self.beating.url, &text_of(&lock), PutIf::Is(&tag));
            if !done.is_err_and(|error| error.failure == ObjectFailure::Failed) {
                break;
            }
            rest(LOOK * attempt);
        }
    }

    fn end(&mut self) {
        self.beating.state().ended = true;
        self.beating.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Beating {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self) -> bool {
        let state = self.state();
        !state.lost && state.heard.since() <= self.lease.mul_f64(OWN_LEASE)
    }

    fn beat(&self) {
        let pause = self.lease / BEATS;
        loop {
            let begin = Instant::now();
            let mut state = self.state();
            while !state.ended && begin.elapsed() < pause {
                let left = pause.saturating_sub(begin.elapsed());
                let waited = self.wake.wait_timeout(state, left);
                state = waited.map_or_else(|error| error.into_inner().0, |(state, _)| state);
            }
            if state.ended || state.lost {
                return;
            }
            drop(state);
            self.write();
        }
    }

    /// Writes it once more. What cannot be reached is tried again at the next beat.
    fn write(&self) -> Beat {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (tag, mut lock) = {
            let state = self.state();
            (state.tag.clone(), state.lock.clone())
        };
        lock.beat += 1;
        let heard = Heard::now();
        let written = match self.objects.put_once(&self.url, &text_of(&lock), PutIf::Is(&tag)) {
            Err(error) if is_refused(&error) => read(&self.objects, &self.url).map(|found| match found {
                // One that was cut off came through.
                Some((tag, Some(there))) if there.held && there.claim == lock.claim => Some((tag, there)),
                _ => None,
            }),
            done => done.map(|tag| Some((tag, lock))),
        };
        let mut state = self.state();
        match written {
            Ok(Some((tag, lock))) => {
                (state.tag, state.lock, state.heard) = (tag, lock, heard);
                Beat::Written
            }
            Ok(None) => {
                state.lost = true;
                Beat::Lost
            }
            Err(error) => Beat::Failed(error.failure),
        }
    }
}

fn tell_of(remote: &Remote, lock: &Lock) {
    crate::note!(
        "{} is being written by process {} on {}, or was when that ended: waiting up to {:.0} s to see whether it lives",
        remote.shown(),
        lock.process,
        lock.host,
        lock.lease_seconds
    );
}

fn text_of(lock: &Lock) -> Vec<u8> {
    serde_json::to_vec_pretty(lock).unwrap_or_default()
}

pub(super) fn is_refused(error: &ObjectError) -> bool {
    matches!(error.failure, ObjectFailure::Changed | ObjectFailure::Gone)
}

/// Two writers could not be told apart.
pub(super) fn unconditional(remote: &Remote, what: &str, how: &str) -> PublishError {
    PublishError::Other(format!(
        "{}: its server does not look at the condition of a write ({what}; {how}), so that two writers could not be told apart. Publish to a \
         folder, and copy that; or take a store that knows conditional writes, as Amazon S3, Google Cloud Storage, Azure, R2 and newer MinIO \
         and Ceph do",
        remote.shown()
    ))
}

fn refuses(remote: &Remote) -> PublishError {
    PublishError::Other(format!(
        "{}: {LOCK} cannot be written, though it is as the condition of the write says: its server refuses that again and again. Look whether the \
         object is kept from being written (a lease, a retention), and whether something between here and the server changes ETags; or publish \
         elsewhere",
        remote.shown()
    ))
}

/// What lies there; no lock where it cannot be read as one.
fn read(objects: &Objects, url: &ObjectUrl) -> Result<Option<(Tag, Option<Lock>)>, ObjectError> {
    let read = objects.read_tagged(url)?;
    Ok(read.map(|(tag, text)| (tag, serde_json::from_slice(&text).ok())))
}

fn find(remote: &Remote, writer: &str) -> Result<Found, PublishError> {
    Ok(match read(&remote.objects, &remote.url_of(LOCK))? {
        None => Found::Free(None),
        // One of this store alone goes on at a time, and locks the mirror: who holds it is dead.
        Some((tag, Some(lock))) if lock.held && lock.writer != writer => Found::Held(tag, lock),
        // Also the mark of a folder that was copied there.
        Some((tag, _)) => Found::Free(Some(tag)),
    })
}

/// Whether the lock says that the place is of this kind.
pub(super) fn is_marked(remote: &Remote) -> Result<bool, PublishError> {
    let Some((_, text)) = remote.objects.read_tagged(&remote.url_of(LOCK))? else { return Ok(false) };
    // As of a folder that was copied there.
    let of_a_folder = format!("{}\n", remote.kind.format).into_bytes();
    let lock: Option<Lock> = serde_json::from_slice(&text).ok();
    Ok(text == of_a_folder || lock.is_some_and(|lock| lock.format == remote.kind.format))
}
