//! The index of a memo: what is remembered under each content, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::{INLINE, Inline, NARROW, Remembered};
use crate::row::{ContentHash, Refusal};

/// An inline part: its length and its bytes (of one longer than [`NARROW`], its place among [`Index::wide`]); or [`REFUSED`], or
/// [`FORGOTTEN`]. Packed into eight bytes, since there is one for every answer.
#[derive(Clone, Copy)]
pub(super) struct Slot(u64);

pub(super) const REFUSED: u8 = 0xff;
pub(super) const FORGOTTEN: u8 = 0xfe;

impl Slot {
    pub(super) const REFUSED: Slot = Slot((REFUSED as u64) << 56);
    pub(super) const FORGOTTEN: Slot = Slot((FORGOTTEN as u64) << 56);

    pub(super) fn narrow(bytes: &[u8]) -> Self {
        let mut low = [0; 8];
        low[..bytes.len()].copy_from_slice(bytes);
        Slot((bytes.len() as u64) << 56 | u64::from_le_bytes(low))
    }
    pub(super) fn wide(length: usize, place: usize) -> Self {
        Slot((length as u64) << 56 | place as u64)
    }
    pub(super) fn tag(self) -> u8 {
        (self.0 >> 56) as u8
    }
    pub(super) fn low(self) -> u64 {
        self.0 & ((1 << 56) - 1)
    }
}

/// Of an answer that has no blob.
pub(super) const NO_BLOB: u64 = u64::MAX;

/// The answers in the order of the log, and where in it each content stands.
///
/// A run looks contents up in nearly the order in which an earlier one asked about them, so that the next answer is
/// most often the one behind the last, and is found without a hash table ([`Reader`]). The table itself holds places
/// only: small enough that building it for ten million answers is not one wait for memory after the other.
#[derive(Default)]
pub(super) struct Index {
    pub(super) answers: Vec<(ContentHash, Slot)>,
    /// Inline parts of more than [`NARROW`] bytes.
    pub(super) wide: Vec<[u8; INLINE]>,
    pub(super) places: hashbrown::HashTable<u32>,
    /// Where the blobs of the first so many answers lie in the log; empty where no answer has one.
    pub(super) blobs: Vec<u64>,
    /// Few, and their messages are long: beside the slots.
    pub(super) refusals: HashMap<ContentHash, Arc<Refusal>>,
    /// Answers that came after their questions were refused for now, and where their blobs lie: they count when that is forgotten.
    pub(super) late: HashMap<ContentHash, (Inline, u64)>,
}

/// Content hashes are uniform already: their first eight bytes are the hash.
fn hash_of(content: &ContentHash) -> u64 {
    content.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

impl Index {
    pub(super) fn reserve(&mut self, answers: usize) {
        self.answers.reserve(answers);
        self.places.reserve(answers, |place| hash_of(&self.answers[*place as usize].0));
    }

    pub(super) fn place(&self, content: &ContentHash) -> Option<usize> {
        let place = self.places.find(hash_of(content), |place| self.answers[*place as usize].0 == *content);
        place.map(|place| *place as usize)
    }

    /// `None` also for what was forgotten.
    pub(super) fn slot(&self, content: &ContentHash) -> Option<Slot> {
        self.place(content).map(|place| self.answers[place].1).filter(|slot| slot.tag() != FORGOTTEN)
    }

    pub(super) fn forget(&mut self, content: &ContentHash) {
        if let Some(place) = self.place(content) {
            self.answers[place].1 = Slot::FORGOTTEN;
            self.refusals.remove(content);
        }
    }

    pub(super) fn insert_answer(&mut self, content: ContentHash, inline: &[u8], blob: u64) {
        let slot = if inline.len() <= NARROW {
            Slot::narrow(inline)
        } else {
            self.wide.push(Inline::new(inline).bytes);
            Slot::wide(inline.len(), self.wide.len() - 1)
        };
        self.insert(content, slot, blob);
    }

    pub(super) fn insert(&mut self, content: ContentHash, slot: Slot, blob: u64) {
        let known = self.place(&content);
        let place = known.unwrap_or(self.answers.len());
        if blob != NO_BLOB || self.blobs.get(place).is_some_and(|old| *old != NO_BLOB) {
            self.blobs.resize(self.blobs.len().max(place + 1), NO_BLOB);
            self.blobs[place] = blob;
        }
        if known.is_some() {
            self.answers[place].1 = slot;
            return;
        }
        let place = u32::try_from(self.answers.len()).expect("a memo holds fewer than 2^32 answers");
        self.answers.push((content, slot));
        self.places
            .insert_unique(hash_of(&content), place, |place| hash_of(&self.answers[*place as usize].0));
    }

    pub(super) fn get(&self, content: &ContentHash) -> Option<Remembered> {
        self.said_at(self.place(content)?)
    }

    pub(super) fn said_at(&self, place: usize) -> Option<Remembered> {
        let (content, slot) = &self.answers[place];
        Some(match slot.tag() {
            REFUSED => Remembered::Refused(self.refusals.get(content)?.clone()),
            FORGOTTEN => return None,
            len if usize::from(len) <= NARROW => {
                Remembered::Answer(Inline::new(&slot.low().to_le_bytes()[..len as usize]))
            }
            len => Remembered::Answer(Inline { len, bytes: *self.wide.get(slot.low() as usize)? }),
        })
    }
}
