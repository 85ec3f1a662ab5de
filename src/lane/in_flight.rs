//! The in-flight table: which questions are being answered, and the mailboxes that their completions go to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::Key;
use super::{Wake, lock};
use crate::memo::Remembered;
use crate::row::{ContentHash, Edit, Place, Region, Row, RowId};

/// What is asked about, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// What the answer is remembered under, beside the stamp: see [`Key`].
    pub content: ContentHash,
    pub id: RowId,
    /// Of the picture's bytes.
    pub image: ContentHash,
    /// Of the row: see [`Row::content`].
    pub row: ContentHash,
    /// What the row is about, if it is about a region.
    pub region: Option<Region>,
    /// What the row is about, if it is about an edit.
    pub edit: Option<Box<Edit>>,
}

impl Question {
    /// The question about `row` that is remembered under `key`.
    pub fn about<R: Row>(row: &R, key: Key) -> Self {
        let (image, content) = (row.image(), row.content());
        let (region, edit) = (row.region().cloned(), row.edit().cloned().map(Box::new));
        let mut question =
            Question { content, id: image.id, image: image.content, row: content, region, edit };
        question.content = question.key(key);
        question
    }

    /// Whose verdict the answer shapes.
    pub fn place(&self) -> Place {
        match (&self.edit, &self.region) {
            (Some(edit), _) => Place::edit(self.id, edit.number),
            (None, Some(region)) => Place::region(self.id, region.number),
            (None, None) => Place::picture(self.id),
        }
    }

    /// What the same row's question to a stage of that key is remembered under.
    pub fn key(&self, key: Key) -> ContentHash {
        match key {
            Key::Picture => self.image,
            Key::Row => self.row,
            Key::Sample => {
                let mut hasher = blake3::Hasher::new();
                hasher.update(&self.image.0).update(&self.id.shard.to_le_bytes());
                hasher.update(&self.id.member.to_le_bytes());
                ContentHash::from_hasher(&hasher)
            }
        }
    }
}

/// Where one asker's completions arrive: of answers, or of blobs that were recalled.
pub struct Mailbox<L = Completion> {
    arrived: Mutex<Vec<L>>,
    /// Set by the first arrival after a look; keeps a thousand answers from waking a thousand times.
    signalled: AtomicBool,
    wake: Wake,
}

impl<L> Mailbox<L> {
    pub fn new(wake: Wake) -> Arc<Self> {
        Arc::new(Mailbox { arrived: Mutex::default(), signalled: AtomicBool::new(false), wake })
    }

    /// Takes what has arrived. The flag falls before the completions are taken: what arrives after that wakes again.
    pub fn take(&self) -> Vec<L> {
        self.signalled.store(false, Ordering::SeqCst);
        std::mem::take(&mut lock(&self.arrived))
    }

    pub(super) fn deliver(&self, completions: impl IntoIterator<Item = L>) {
        lock(&self.arrived).extend(completions);
        if !self.signalled.swap(true, Ordering::SeqCst) {
            (self.wake)();
        }
    }

    pub(super) fn wake(&self) -> &Wake {
        &self.wake
    }
}

pub(super) struct Flight {
    pub(super) mailboxes: Vec<Arc<Mailbox>>,
    pub(super) state: State,
    /// The number of the shard that it came from first.
    pub(super) shard: u32,
}

/// How far a question in flight has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for a thread of the pool.
    Asked,
    /// A thread of the pool, or of a session, has it, and waits for bytes to hold it in: nobody works on it yet.
    Taken,
    /// It is worked on, since then.
    AtWork(Instant),
    /// It waits for a session, in that line, since then. `open`: nothing was done for it yet, so that it can be withdrawn.
    InLine { line: usize, since: Instant, open: bool },
}

impl State {
    /// Whether a question that nobody waits for any more is dropped.
    pub(super) fn is_open(self) -> bool {
        matches!(self, State::Asked | State::InLine { open: true, .. })
    }
}

/// The questions in flight of one stage, by content: the same content is asked once, however many ask.
pub(super) type InFlight = HashMap<ContentHash, Flight>;

/// An answer, and which question it answers.
#[derive(Clone)]
pub struct Completion {
    /// Of the question.
    pub content: ContentHash,
    pub said: Remembered,
    /// The row that could not be asked about where it lies: a refusal of that row alone. Others of the same content ask with
    /// their own bytes. `None`: the answer is about the content, wherever it lies.
    pub only: Option<RowId>,
}

impl Completion {
    /// An answer about the content.
    pub(super) fn of(content: ContentHash, said: Remembered) -> Self {
        Completion { content, said, only: None }
    }
}

/// Sorts answers by mailbox, taking their flights out of the in-flight table.
pub(super) fn address(
    in_flight: &mut InFlight,
    answers: Vec<Completion>,
) -> Vec<(Arc<Mailbox>, Vec<Completion>)> {
    let mut completions: Vec<(Arc<Mailbox>, Vec<Completion>)> = Vec::new();
    for completion in answers {
        // Not in the in-flight table: cancelled, or given up on. The memo has it for whoever asks next.
        let Some(flight) = in_flight.remove(&completion.content) else { continue };
        for mailbox in flight.mailboxes {
            match completions.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &mailbox)) {
                Some((_, pile)) => pile.push(completion.clone()),
                None => completions.push((mailbox, vec![completion.clone()])),
            }
        }
    }
    completions
}
