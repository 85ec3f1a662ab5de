//! Reads the records of a log in order, and continues after damage: one pass finds the next sound record.
//!
//! A damaged record may have lost its length, so that the next record may begin at any byte after it. Every byte at which a record could
//! begin is a candidate. To compute its CRC byte by byte would be quadratic. It is computed from two CRCs of the pass itself: of all bytes
//! before its start, and of all bytes before its end.

use std::collections::BTreeMap;
use std::ops::Range;

use crc32fast::Hasher;

use super::log::{CRC, HEAD, Kind, Record};
use crate::row::ContentHash;

/// The CRC of candidates up to this many bytes is worked out at once.
const SHORT: usize = 1 << 10;
/// Candidates whose ends are yet to come: beyond so many, those that would end last are given up.
const MOST_WAITING: usize = 1 << 22;

/// What a log was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// The end of the last sound record.
    pub sound: usize,
    /// What lies between sound records and is none.
    pub rotten: Vec<Range<usize>>,
    /// Bytes that were marked as rotten by an earlier opening.
    pub marked: u64,
    /// Sound records, marks not counted.
    pub records: u64,
    /// Bytes that were read, each as often as it was: what a scan costs.
    pub looked: u64,
}

/// Kind and end of what begins at `at`, if it could be a record.
fn head(bytes: &[u8], at: usize) -> Option<(Kind, usize)> {
    let rest = bytes.get(at..)?;
    let kind = Kind::of(*rest.get(4)?)?;
    let length = u32::from_le_bytes(*rest.first_chunk()?) as usize;
    let end = at.checked_add(HEAD + CRC)?.checked_add(length)?;
    (end <= bytes.len()).then_some((kind, end))
}

fn crc_at(bytes: &[u8], end: usize) -> u32 {
    bytes[end - CRC..end].try_into().map_or(0, u32::from_le_bytes)
}

fn is_sound(bytes: &[u8], at: usize, end: usize) -> bool {
    crc32fast::hash(&bytes[at..end - CRC]) == crc_at(bytes, end)
}

fn record(bytes: &[u8], at: usize, kind: Kind, end: usize) -> Record<'_> {
    let generation = bytes[at + 5..at + 9].try_into().map_or(0, u32::from_le_bytes);
    let content = bytes[at + 9..at + HEAD].try_into().map(ContentHash).unwrap_or_default();
    Record { kind, generation, content, payload: &bytes[at + HEAD..end - CRC] }
}

/// Reads the record at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    let (kind, end) = head(bytes, 0)?;
    is_sound(bytes, 0, end).then(|| record(bytes, 0, kind, end))
}

/// Shows every sound record from `start` on to `admit`, in order, each with its place.
pub(super) fn scan(bytes: &[u8], start: usize, admit: &mut dyn FnMut(u64, Record<'_>)) -> Scanned {
    let mut scanned = Scanned { sound: start, ..Scanned::default() };
    // What may be read in vain of records that turn out to be damaged: with it, many damaged lengths stay linear.
    let mut in_vain = bytes.len().saturating_mul(2);
    let (mut at, mut known_sound) = (start, false);
    while at < bytes.len() {
        let found = head(bytes, at).filter(|(_, end)| known_sound || end - at <= in_vain);
        if let Some((kind, end)) = found {
            scanned.looked += (end - at) as u64;
            if is_sound(bytes, at, end) {
                if scanned.sound < at {
                    scanned.rotten.push(scanned.sound..at);
                }
                match kind {
                    Kind::Rotten => scanned.marked += (end - at) as u64,
                    Kind::Mark => admit(at as u64, record(bytes, at, kind, end)),
                    _ => {
                        scanned.records += 1;
                        admit(at as u64, record(bytes, at, kind, end));
                    }
                }
                (at, known_sound) = (end, false);
                scanned.sound = end;
                continue;
            }
            in_vain -= (end - at).min(in_vain);
        }
        // Where the length alone was too much to read in vain, the record itself may be the next sound one.
        let from = if found.is_some() || head(bytes, at).is_none() { at + 1 } else { at };
        match next_sound(bytes, from, &mut scanned.looked) {
            Some(next) => (at, known_sound) = (next, true),
            None => break,
        }
    }
    scanned
}

/// Where a record could begin: contents are hashes, and a hash is no run of one byte, as what was zeroed is.
fn candidate(bytes: &[u8], at: usize) -> Option<usize> {
    let (_, end) = head(bytes, at)?;
    let content = &bytes[at + 9..at + HEAD];
    content.iter().any(|byte| *byte != content[0]).then_some(end)
}

/// The start of the sound record that ends first, of those that begin at `from` or later.
fn next_sound(bytes: &[u8], from: usize, looked: &mut u64) -> Option<usize> {
    // By the end of what the CRC covers, then by the start: the CRC of all from `from` to the start.
    let mut waiting: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    let (mut crc, mut read) = (Hasher::new(), from);
    let mut crc_to = |to: usize, looked: &mut u64| {
        crc.update(&bytes[read..to]);
        *looked += (to - read) as u64;
        read = to;
        crc.clone().finalize()
    };
    let mut next_end = usize::MAX;
    for at in from..bytes.len() {
        while next_end <= at {
            let Some(((end, start), before)) = waiting.pop_first() else { break };
            let all = crc_to(end, looked);
            if joins(before, start - from, crc_at(bytes, end + CRC), end - start) == all {
                return Some(start);
            }
            next_end = waiting.first_key_value().map_or(usize::MAX, |((end, _), _)| *end);
        }
        let Some(end) = candidate(bytes, at) else { continue };
        if end - at <= SHORT {
            *looked += (end - at) as u64;
            if is_sound(bytes, at, end) {
                return Some(at);
            }
            continue;
        }
        waiting.insert((end - CRC, at), crc_to(at, looked));
        if waiting.len() > MOST_WAITING {
            waiting.pop_last();
        }
        next_end = waiting.first_key_value().map_or(usize::MAX, |((end, _), _)| *end);
    }
    None
}

/// The CRC of two texts that follow each other, by their CRCs and lengths.
fn joins(first: u32, first_length: usize, second: u32, second_length: usize) -> u32 {
    let mut joined = Hasher::new_with_initial_len(first, first_length as u64);
    joined.combine(&Hasher::new_with_initial_len(second, second_length as u64));
    joined.finalize()
}
