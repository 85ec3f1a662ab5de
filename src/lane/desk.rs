//! Who asked what: questions in flight, and the mailboxes that their answers go to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{Wake, lock};
use crate::memo::Remembered;
use crate::row::{ContentHash, RowId};

/// What is asked about: the content is the question, the row says where its bytes lie.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub content: ContentHash,
    pub id: RowId,
}

/// Where one asker's answers arrive.
pub struct Mailbox {
    arrived: Mutex<Vec<(ContentHash, Remembered)>>,
    /// Set by the first arrival after a look; keeps a thousand answers from waking a thousand times.
    signalled: AtomicBool,
    wake: Wake,
}

impl Mailbox {
    pub fn new(wake: Wake) -> Arc<Self> {
        Arc::new(Mailbox { arrived: Mutex::default(), signalled: AtomicBool::new(false), wake })
    }

    /// Takes what has arrived. The flag falls before the letters are taken: what arrives after that wakes again.
    pub fn take(&self) -> Vec<(ContentHash, Remembered)> {
        self.signalled.store(false, Ordering::SeqCst);
        std::mem::take(&mut lock(&self.arrived))
    }

    pub(super) fn deliver(&self, letters: impl IntoIterator<Item = (ContentHash, Remembered)>) {
        lock(&self.arrived).extend(letters);
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
    /// Whether a thread has taken the question up.
    pub(super) taken: bool,
    /// Since when it is worked on.
    pub(super) started: Option<Instant>,
}

/// The questions in flight of one stage, by content: the same content is asked once, however many ask.
pub(super) type Desk = HashMap<ContentHash, Flight>;

/// An answer and the question that it answers.
pub(super) type Letter = (ContentHash, Remembered);

/// Sorts answers by mailbox, taking their flights off the desk.
pub(super) fn address(desk: &mut Desk, answers: Vec<Letter>) -> Vec<(Arc<Mailbox>, Vec<Letter>)> {
    let mut letters: Vec<(Arc<Mailbox>, Vec<Letter>)> = Vec::new();
    for (content, answer) in answers {
        // Not on the desk: cancelled, or given up on. The memo has it for whoever asks next.
        let Some(flight) = desk.remove(&content) else { continue };
        for mailbox in flight.mailboxes {
            match letters.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &mailbox)) {
                Some((_, pile)) => pile.push((content, answer.clone())),
                None => letters.push((mailbox, vec![(content, answer.clone())])),
            }
        }
    }
    letters
}
