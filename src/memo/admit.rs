//! What counts of the records of all segments, as they are read one log after the other.
//!
//! What counts is what one log would say, in which all records stood in the order in which they were written: the first answer wins; an answer
//! counts more than a refusal, whichever was first; what was forgotten counts no more. Between segments the order is by the clocks of the machines
//! that wrote them, which a log notes once a second ([`Kind::Mark`]), and where these say the same by the order in which the logs are read. Whoever
//! writes notes no earlier time than the latest that it has read.
//!
//! Nearly every content has one record. So the first is taken in at once, and only where another follows are all of them kept, and put in order at
//! the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::log::{self, Kind, Record};
use super::{FromShard, INLINE, Index, Inline, NO_BLOB, REFUSED, Remembered, Slot};
use crate::row::{ContentHash, Refusal};

/// A place in one of several logs. A log has fewer than 2^48 bytes.
pub(super) fn place_of(log: u64, offset: u64) -> u64 {
    log << 48 | offset
}

/// The log and the offset of a [place](place_of).
pub(super) fn parted(place: u64) -> (usize, u64) {
    ((place >> 48) as usize, place & ((1 << 48) - 1))
}

/// When something was written: by the clock, in milliseconds since 1970 (0 in logs from before this was noted), and in the order in which the
/// logs are read.
type Written = (u64, u32);

#[derive(Clone)]
enum Said {
    Answer(Inline, HasBlob),
    Refusal(Arc<Refusal>, u32),
    Forgotten,
}

type HasBlob = bool;

#[derive(Clone)]
struct Event {
    written: Written,
    from: FromShard,
    place: u64,
    said: Said,
}

/// Takes in the records of one memo.
pub(super) struct Admission<'a> {
    index: &'a mut Index,
    only_from: Option<&'a HashSet<FromShard>>,
    /// Whether the log that is read is another segment's.
    other: bool,
    generation: u32,
    now: Written,
    from: FromShard,
    latest: u64,
    /// Which number this log has in [places](place_of).
    log: u64,
    /// The generation of each refusal that stands.
    refused_in: HashMap<ContentHash, u32>,
    /// From this place of the index on, answers were written then, and came from there.
    written: Vec<(usize, Written, FromShard)>,
    /// Of contents with several records, all of them.
    contested: HashMap<ContentHash, Vec<Event>>,
    /// Where the record lies that counts of each content, where that is to be known.
    winners: Option<HashMap<ContentHash, u64>>,
}

/// Which records count.
#[derive(Default)]
pub(super) struct Counting {
    /// Of each content that is remembered, the [place](place_of) of the record that says what.
    pub(super) winners: HashMap<ContentHash, u64>,
    /// The places of records that say that others were forgotten: those last written of each content.
    pub(super) forgotten: HashSet<u64>,
    /// Of contents that were answered several times: the shards that the questions came from.
    pub(super) from: HashMap<ContentHash, Vec<FromShard>>,
}

impl<'a> Admission<'a> {
    pub(super) fn of(index: &'a mut Index, only_from: Option<&'a HashSet<FromShard>>) -> Self {
        Admission {
            index,
            only_from,
            other: false,
            generation: 0,
            now: (0, 0),
            from: FromShard::default(),
            latest: 0,
            log: 0,
            refused_in: HashMap::new(),
            written: Vec::new(),
            contested: HashMap::new(),
            winners: None,
        }
    }

    /// Also notes which records count.
    pub(super) fn noting_winners(self) -> Self {
        Admission { winners: Some(HashMap::new()), ..self }
    }

    /// What follows is of the next log: of the process's own where `log` is 0. Refusals of an earlier generation are forgotten.
    pub(super) fn begin(&mut self, log: u64, generation: u32) {
        (self.other, self.log, self.generation) = (log != 0, log, generation);
        self.now = (0, self.now.1 + 1);
        self.from = FromShard::default();
    }

    /// When the last of all that was read was written.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    pub(super) fn take_in(&mut self, offset: u64, record: &Record<'_>) {
        if let Some((at, from)) = record.mark() {
            (self.now.0, self.from) = (at, from);
            self.latest = self.latest.max(at);
            return;
        }
        let is_wanted =
            |only: &&HashSet<FromShard>| self.from == FromShard::default() || only.contains(&self.from);
        if self.other && self.only_from.is_some() && self.only_from.filter(is_wanted).is_none() {
            return;
        }
        let Some(said) = self.said(record) else { return };
        let event = Event { written: self.now, from: self.from, place: place_of(self.log, offset), said };
        if let Some(events) = self.contested.get_mut(&record.content) {
            events.push(event);
        } else if let Some(first) = self.first(&record.content) {
            self.contested.insert(record.content, vec![first, event]);
        } else if matches!(event.said, Said::Forgotten) {
            self.contested.insert(record.content, vec![event]);
        } else {
            if self.written.last().is_none_or(|(_, last, from)| (*last, *from) != (self.now, self.from)) {
                self.written.push((self.index.answers.len(), self.now, self.from));
            }
            self.stands(record.content, event);
        }
    }

    /// What a record says, if it says something that counts.
    fn said(&self, record: &Record<'_>) -> Option<Said> {
        match record.kind {
            Kind::Forgotten => Some(Said::Forgotten),
            Kind::Refusal if record.generation < self.generation => None,
            Kind::Refusal => {
                let refusal = postcard::from_bytes::<Refusal>(record.payload).ok()?;
                Some(Said::Refusal(Arc::new(refusal), record.generation))
            }
            Kind::InlineAndBlob => {
                Some(Said::Answer(Inline::new(log::split_inline(record.payload)?.0), true))
            }
            Kind::Inline => {
                (record.payload.len() <= INLINE).then(|| Said::Answer(Inline::new(record.payload), false))
            }
            Kind::Rotten | Kind::Mark => None,
        }
    }

    /// The record that was taken in of a content.
    fn first(&self, content: &ContentHash) -> Option<Event> {
        let place = self.index.place(content)?;
        let later = self.written.partition_point(|(start, ..)| *start <= place);
        let (_, written, from) = later.checked_sub(1).map(|last| self.written[last])?;
        let blob = self.index.blobs.get(place).copied().unwrap_or(NO_BLOB);
        let said = match self.index.said_at(place)? {
            Remembered::Answer(inline) => Said::Answer(inline, blob != NO_BLOB),
            Remembered::Refused(refusal) => Said::Refusal(refusal, *self.refused_in.get(content)?),
        };
        let winner = self.winners.as_ref().and_then(|winners| winners.get(content).copied());
        Some(Event { written, from, place: winner.unwrap_or(blob), said })
    }

    fn stands(&mut self, content: ContentHash, event: Event) {
        if let Some(winners) = &mut self.winners {
            winners.insert(content, event.place);
        }
        match event.said {
            Said::Answer(inline, has_blob) => {
                let blob = if has_blob { event.place } else { NO_BLOB };
                self.index.insert_answer(content, inline.bytes(), blob);
            }
            Said::Refusal(refusal, generation) => {
                self.refused_in.insert(content, generation);
                self.index.refusals.insert(content, refusal);
                self.index.insert(content, Slot::REFUSED, NO_BLOB);
            }
            Said::Forgotten => {}
        }
    }

    /// Puts the records of contents that have several in order. Gives which records count, where that was to be noted.
    pub(super) fn end(mut self) -> Counting {
        let mut counting = Counting::default();
        for (content, mut events) in std::mem::take(&mut self.contested) {
            // Stable: within a log, and within a second, as they were read.
            events.sort_by_key(|event| event.written);
            let mut standing: Option<Event> = None;
            let forgotten = events.iter().rfind(|event| matches!(event.said, Said::Forgotten));
            counting.forgotten.extend(forgotten.map(|event| event.place));
            if self.winners.is_some() {
                let mut from: Vec<FromShard> = Vec::new();
                for event in &events {
                    if !from.contains(&event.from) {
                        from.push(event.from);
                    }
                }
                counting.from.insert(content, from);
            }
            for event in events {
                let counts = match (&event.said, standing.as_ref().map(|event| &event.said)) {
                    (Said::Forgotten, _) => {
                        standing = None;
                        false
                    }
                    (_, None | Some(Said::Forgotten)) => true,
                    (Said::Refusal(_, newer), Some(Said::Refusal(_, known))) => newer > known,
                    // One that came after its question was given up on counts from the next run on.
                    (Said::Answer(..), Some(Said::Refusal(..))) => true,
                    (_, Some(Said::Answer(..))) => false,
                };
                if counts {
                    standing = Some(event);
                }
            }
            if self.index.place(&content).is_some() {
                self.index.forget(&content);
            }
            if let Some(winners) = &mut self.winners {
                winners.remove(&content);
            }
            standing.into_iter().for_each(|event| self.stands(content, event));
        }
        debug_assert!(
            self.index.answers.iter().filter(|(_, slot)| slot.tag() == REFUSED).count()
                <= self.index.refusals.len()
        );
        Counting { winners: self.winners.unwrap_or_default(), ..counting }
    }
}
