//! The lock of a set in a bucket: an object, `.lock`, that says who writes. It is written under conditions alone, so that of two writers one has
//! it. Who has it writes it anew again and again; where that stops for as long as the lock itself says, its writer is taken for dead. It stays
//! when nobody writes, and marks the place as ours before a manifest is there.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Remote, rest};
use crate::limits;
use crate::object::{ObjectError, ObjectFailure, ObjectUrl, Objects, PutIf, Tag};
use crate::publish::PublishError;

pub(super) const LOCK: &str = ".lock";
/// The lock holds for so many times the patience of its writer's requests; it is written anew four times as often.
const LEASE: f64 = 2.0;
const BEATS: u32 = 4;
/// Of a lease: a writer that was not heard for so long takes itself for dead, before others do.
const OWN_LEASE: f64 = 0.75;
/// How often it is looked whether another writer lives.
const LOOK: Duration = Duration::from_millis(500);

/// Who writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lock {
    format: String,
    /// See `Record::writer`.
    writer: String,
    host: String,
    process: u32,
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
    Nothing,
    /// It can be taken.
    Free(Tag),
    Held(Tag, Lock),
}

struct State {
    tag: Tag,
    lock: Lock,
    heard: Instant,
    lost: bool,
    ended: bool,
}

/// The lock, taken; kept alive by a thread.
pub(super) struct Claim<'a> {
    remote: &'a Remote,
    beating: std::sync::Arc<Beating>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Beating {
    url: ObjectUrl,
    objects: Objects,
    lease: Duration,
    state: Mutex<State>,
    wake: Condvar,
}

impl<'a> Claim<'a> {
    /// Takes the lock, be it after a while: another's that is dead is waited for.
    pub(super) fn take(remote: &'a Remote, writer: &str) -> Result<Self, PublishError> {
        let mut watched: Option<(Tag, Lock, Instant)> = None;
        loop {
            let found = find(remote, writer)?;
            let (tag, lock) = match found {
                Found::Nothing => (None, None),
                Found::Free(tag) => (Some(tag), None),
                Found::Held(tag, lock) => (Some(tag), Some(lock)),
            };
            let Some(lock) = lock else {
                match Claim::put(remote, writer, tag.as_ref())? {
                    Some(claim) => return Ok(claim),
                    None => continue,
                }
            };
            let tag = tag.unwrap_or_default();
            match &watched {
                None => {
                    crate::note!(
                        "{} is being written by process {} on {}, or was when that ended: waiting up to {:.0} s to see whether it lives",
                        remote.shown(),
                        lock.process,
                        lock.host,
                        lock.lease_seconds
                    );
                    watched = Some((tag, lock, Instant::now()));
                }
                Some((before, _, _)) if *before != tag => {
                    let rival = Rival { host: lock.host, process: lock.process };
                    return Err(PublishError::Rival { url: remote.shown(), rival });
                }
                Some((_, lock, since)) if since.elapsed().as_secs_f64() > lock.lease_seconds => {
                    if let Some(claim) = Claim::put(remote, writer, Some(&tag))? {
                        crate::note!(
                            "{}: the lock of process {} on {} was taken over",
                            remote.shown(),
                            lock.process,
                            lock.host
                        );
                        return Ok(claim);
                    }
                }
                Some(_) => {}
            }
            if remote.objects.is_stopped() {
                return Err(PublishError::Other("stopped".to_owned()));
            }
            rest(LOOK);
        }
    }

    /// Takes the lock, unless another writer has it.
    pub(super) fn try_take(remote: &'a Remote, writer: &str) -> Result<Option<Self>, PublishError> {
        match find(remote, writer)? {
            Found::Held(..) => Ok(None),
            Found::Free(tag) => Claim::put(remote, writer, Some(&tag)),
            Found::Nothing => Claim::put(remote, writer, None),
        }
    }

    /// Writes the lock where it is as it was found; `None` where another was faster.
    fn put(remote: &'a Remote, writer: &str, found: Option<&Tag>) -> Result<Option<Self>, PublishError> {
        let lease = remote.objects.patience().mul_f64(LEASE);
        let lock = Lock {
            format: remote.kind.format.to_owned(),
            writer: writer.to_owned(),
            host: crate::cluster::host_name(),
            process: std::process::id(),
            held: true,
            beat: 0,
            lease_seconds: lease.as_secs_f64(),
        };
        let (url, heard) = (remote.url_of(LOCK), Instant::now());
        let when = found.map_or(PutIf::Absent, PutIf::Is);
        let tag = match remote.objects.put(&url, &text_of(&lock), when) {
            Ok(tag) => tag,
            Err(error) if is_refused(&error) => match read(&remote.objects, &url)? {
                // An attempt that was cut off came through.
                Some((tag, Some(there))) if there == lock => tag,
                _ => return Ok(None),
            },
            Err(error) => return Err(error.into()),
        };
        let state = Mutex::new(State { tag, lock, heard, lost: false, ended: false });
        let objects = remote.objects.clone();
        let beating = std::sync::Arc::new(Beating { url, objects, lease, state, wake: Condvar::new() });
        let of_thread = beating.clone();
        let thread = std::thread::Builder::new().name("lock".to_owned()).spawn(move || of_thread.beat());
        let thread = thread.map_err(|error| {
            PublishError::Other(limits::no_thread("to keep the lock of a bucket", &error))
        })?;
        Ok(Some(Claim { remote, beating, thread: Some(thread) }))
    }

    /// An error where the lock is another's by now, or may be.
    pub(super) fn check(&self) -> Result<(), PublishError> {
        let state = self.beating.state();
        if state.lost || state.heard.elapsed() > self.beating.lease.mul_f64(OWN_LEASE) {
            return Err(PublishError::Other(format!(
                "{} could not be kept locked: its server was not reached for too long, or another writer took over. What was published there stands \
                 as it was, or as the other left it; run again: what was answered is kept",
                self.remote.shown()
            )));
        }
        Ok(())
    }

    /// An error where the store writes whatever the condition: then two writers could not be told apart.
    pub(super) fn check_conditions(&self) -> Result<(), PublishError> {
        // Not while it beats.
        let state = self.beating.state();
        let text = text_of(&state.lock);
        let (url, objects) = (&self.beating.url, &self.beating.objects);
        let other = Tag {
            etag: Some("\"00000000000000000000000000000000\"".to_owned()),
            version: Some("1".to_owned()),
        };
        for (when, what) in [(PutIf::Absent, "If-None-Match"), (PutIf::Is(&other), "If-Match")] {
            match objects.put(url, &text, when) {
                Ok(_) => {
                    return Err(PublishError::Other(format!(
                        "{}: its server writes an object whatever the condition ({what}) says, so that two writers could not be told apart. Publish \
                         to a folder, and copy that; or take a store that knows conditional writes, as Amazon S3, Google Cloud Storage, Azure, R2 \
                         and newer MinIO and Ceph do",
                        self.remote.shown()
                    )));
                }
                Err(error) if is_refused(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Lets it go, as far as that is possible; where it is not, the lease runs out.
    pub(super) fn release(mut self) {
        self.end();
        let mut state = self.beating.state();
        if !state.lost {
            state.lock.held = false;
            state.lock.beat += 1;
            let (text, url) = (text_of(&state.lock), &self.beating.url);
            let _ = self.beating.objects.put_once(url, &text, PutIf::Is(&state.tag));
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

    fn beat(&self) {
        let mut state = self.state();
        let pause = self.lease / BEATS;
        loop {
            let begin = Instant::now();
            while !state.ended && begin.elapsed() < pause {
                let left = pause.saturating_sub(begin.elapsed());
                state = self.wait(state, left);
            }
            if state.ended || state.lost {
                return;
            }
            let (tag, mut lock) = (state.tag.clone(), state.lock.clone());
            drop(state);
            lock.beat += 1;
            let heard = Instant::now();
            let written = match self.objects.put_once(&self.url, &text_of(&lock), PutIf::Is(&tag)) {
                Err(error) if is_refused(&error) => read(&self.objects, &self.url).map(|found| match found {
                    // One that was cut off came through.
                    Some((tag, Some(there))) if there.is_of(&lock) => Some((tag, there)),
                    _ => None,
                }),
                done => done.map(|tag| Some((tag, lock))),
            };
            state = self.state();
            match written {
                Ok(Some((tag, lock))) => (state.tag, state.lock, state.heard) = (tag, lock, heard),
                Ok(None) => state.lost = true,
                // Tried again at the next beat: it is lost when they all fail.
                Err(_) => {}
            }
        }
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>, pause: Duration) -> MutexGuard<'s, State> {
        self.wake.wait_timeout(state, pause).map_or_else(|error| error.into_inner().0, |(state, _)| state)
    }
}

impl Lock {
    /// Whether it was written by the same claim.
    fn is_of(&self, other: &Lock) -> bool {
        (&self.writer, &self.host, self.process) == (&other.writer, &other.host, other.process)
    }
}

fn text_of(lock: &Lock) -> Vec<u8> {
    serde_json::to_vec_pretty(lock).unwrap_or_default()
}

fn is_refused(error: &ObjectError) -> bool {
    matches!(error.failure, ObjectFailure::Changed | ObjectFailure::Gone)
}

/// What lies there; no lock where it cannot be read as one.
fn read(objects: &Objects, url: &ObjectUrl) -> Result<Option<(Tag, Option<Lock>)>, ObjectError> {
    let read = objects.read_tagged(url)?;
    Ok(read.map(|(tag, text)| (tag, serde_json::from_slice(&text).ok())))
}

fn find(remote: &Remote, writer: &str) -> Result<Found, PublishError> {
    Ok(match read(&remote.objects, &remote.url_of(LOCK))? {
        None => Found::Nothing,
        // One of this store alone goes on at a time, and locks the mirror: who holds it is dead.
        Some((tag, Some(lock))) if lock.held && lock.writer != writer => Found::Held(tag, lock),
        // Also the mark of a folder that was copied there.
        Some((tag, _)) => Found::Free(tag),
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
