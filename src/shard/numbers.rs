//! The numbers of shards: the lines of `store/shards.log` are read, added to, and written anew if some are lost.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::sources::Sources;
use crate::row::ContentHash;

/// Which number each shard has, and the next that is free.
pub(super) struct Numbers {
    pub(super) by_shard: HashMap<(String, ContentHash), u32>,
    /// Numbers that other segments of the store gave, which hold here as well.
    of_others: HashMap<(String, ContentHash), u32>,
    /// Those that are given here.
    range: Range<u32>,
    pub(super) next: u32,
    /// `None` in a read-only catalogue.
    pub(super) log: Option<File>,
}

/// The numbers that the first segment of a store gives, and those that a later one gives: no two give one number.
pub(super) fn range_of(segment: u16) -> Range<u32> {
    const FIRST: u32 = 1 << 31;
    const EACH: u32 = 1 << 20;
    match segment {
        0 => 0..FIRST,
        // The last ends where no number follows.
        segment => {
            let start = FIRST + u32::from(segment - 1) * EACH;
            start..start.saturating_add(EACH)
        }
    }
}

impl Numbers {
    /// Of a segment without a log.
    pub(super) fn of(segment: u16) -> Self {
        let range = range_of(segment);
        let (by_shard, of_others) = (HashMap::new(), HashMap::new());
        Numbers { by_shard, of_others, next: range.start, range, log: None }
    }

    /// Takes in the lines of another segment's log. Where several give a shard a number, the lowest counts.
    pub(super) fn read_other(&mut self, text: &[u8]) {
        for (seq, fingerprint, name) in text.split_inclusive(|&byte| byte == b'\n').filter_map(read_line) {
            // Also what this segment gave and has lost: no number is given twice.
            if self.range.contains(&seq) {
                self.next = self.next.max(seq.saturating_add(1));
            }
            let known = self.of_others.entry((name, fingerprint)).or_insert(seq);
            *known = seq.min(*known);
        }
    }

    /// The number that a shard is to have which has none here, and the next that is free then; none where no number is left.
    pub(super) fn fresh(&self, shard: &(String, ContentHash)) -> Option<(u32, u32)> {
        match self.of_others.get(shard) {
            Some(seq) => Some((*seq, self.next)),
            None => self.range.contains(&self.next).then_some((self.next, self.next.saturating_add(1))),
        }
    }

    /// Takes in the lines of the log and says how many bytes of it are whole, and how many lines are damaged: a last one without its
    /// end is only torn, and its number was never given out.
    pub(super) fn read(&mut self, text: &[u8]) -> (usize, usize) {
        let (mut whole, mut at, mut broken) = (0, 0, 0);
        let mut given = HashSet::new();
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            at += line.len();
            let Some((seq, fingerprint, name)) = read_line(line) else {
                broken += usize::from(line.ends_with(b"\n"));
                continue;
            };
            // Two runs that wrote at once may have given a number, or named a shard, twice: the first line counts.
            if given.insert(seq) {
                self.by_shard.entry((name, fingerprint)).or_insert(seq);
            }
            if self.range.contains(&seq) {
                self.next = self.next.max(seq.saturating_add(1));
            }
            whole = at;
        }
        (whole, broken)
    }

    /// Where lines are lost, gives new numbers to the shards that were seen and have none; says how many lines that were.
    pub(super) fn renew<'a>(
        &mut self,
        broken: usize,
        seen: impl Iterator<Item = &'a (String, ContentHash)>,
    ) -> usize {
        let mut without: Vec<_> = seen.filter(|shard| !self.by_shard.contains_key(*shard)).cloned().collect();
        let lost = broken.max(without.len());
        if lost == 0 {
            return 0;
        }
        self.next = self.next.max(self.above_all_that_were_given());
        without.sort();
        for shard in without {
            let Some((seq, next)) = self.fresh(&shard) else { break };
            self.by_shard.insert(shard, seq);
            self.next = next;
        }
        lost
    }

    /// In the first segment numbers count from 0, one a shard: the clock's seconds lie above all that were given, and rise by themselves. A later
    /// one has fewer: so many as it never gives at once are left out.
    fn above_all_that_were_given(&self) -> u32 {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        match self.range.start {
            0 => clock.map_or(0, |since| since.as_secs() as u32),
            _ => self.next.saturating_add((self.range.end - self.range.start) / 4),
        }
    }

    /// Puts a log of what is known in the place of a damaged one.
    pub(super) fn write_anew(&self, store: &Path, path: &Path) -> std::io::Result<()> {
        let mut lines: Vec<_> =
            self.by_shard.iter().map(|((name, fingerprint), seq)| (*seq, *fingerprint, name)).collect();
        lines.sort();
        let text: String =
            lines.into_iter().map(|(seq, fingerprint, name)| line_of(seq, fingerprint, name)).collect();
        replace(store, path, text.as_bytes())
    }
}

/// Writes a file of the store anew: whole or not at all.
pub(super) fn replace(store: &Path, path: &Path, text: &[u8]) -> std::io::Result<()> {
    // A store may be shared: as open as the user's umask says, not private as temporary files are.
    let shared = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new().prefix(".log-").permissions(shared).tempfile_in(store)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

pub(super) fn line_of(seq: u32, fingerprint: ContentHash, name: &str) -> String {
    let name = serde_json::Value::from(name);
    let rest = format!("{seq}\t{fingerprint}\t{name}");
    format!("{:08x}\t{rest}\n", crc32fast::hash(rest.as_bytes()))
}

/// Adds to a segment's log the numbers that others gave to shards which have none in it: what is remembered under them may come to lie in this one.
pub(crate) fn take_over(store: &Path, others: &[PathBuf]) -> std::io::Result<()> {
    let mut numbers = Numbers::of(0);
    numbers.read(&read_log(store)?);
    for other in others {
        numbers.read_other(&read_log(other)?);
    }
    let (own, others) = (&mut numbers.by_shard, &numbers.of_others);
    let news: Vec<_> = others.iter().filter(|(shard, _)| !own.contains_key(*shard)).collect();
    if news.is_empty() {
        return Ok(());
    }
    own.extend(news.into_iter().map(|(shard, seq)| (shard.clone(), *seq)));
    numbers.write_anew(store, &store.join("shards.log"))
}

/// The names of the shards that a segment of a store has numbers of.
pub(crate) fn named_in(store: &Path) -> std::io::Result<HashSet<String>> {
    let text = read_log(store)?;
    Ok(text.split_inclusive(|&byte| byte == b'\n').filter_map(read_line).map(|(_, _, name)| name).collect())
}

/// The lines of a segment's log, as far as it has one.
pub(super) fn read_log(store: &Path) -> std::io::Result<Vec<u8>> {
    match std::fs::read(store.join("shards.log")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// How many shards of a store were seen and have no number: their lines are lost.
pub(super) fn without_number(store: &Path) -> std::io::Result<usize> {
    let mut numbers = Numbers::of(0);
    numbers.read(&read_log(store)?);
    let sources = Sources::open(store, true)?;
    Ok(sources.shards().filter(|shard| !numbers.by_shard.contains_key(*shard)).count())
}

/// Whether a line of `shards.log` is whole.
pub(super) fn is_line(line: &[u8]) -> bool {
    read_line(line).is_some()
}

fn read_line(line: &[u8]) -> Option<(u32, ContentHash, String)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (crc, rest) = line.split_once('\t')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(rest.as_bytes()) {
        return None;
    }
    let mut fields = rest.splitn(3, '\t');
    let seq = fields.next()?.parse().ok()?;
    let fingerprint = u128::from_str_radix(fields.next()?, 16).ok()?;
    let name = serde_json::from_str(fields.next()?).ok()?;
    Some((seq, ContentHash(fingerprint.to_be_bytes()), name))
}
