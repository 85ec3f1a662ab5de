//! The header walk: where every member of a tar is, and where the tar is damaged, if it is.
//!
//! The `tar` crate reads the header blocks (ustar prefixes, GNU and octal numbers). The steps from block to block are done here, over the
//! joined bytes. Only this gives the exact offset of damage, never allocates by a size that a header claims, and needs no `Read` across the
//! joints of a tar in chunks.

use std::fmt::Write as _;

use super::bytes::Bytes;
use super::names::{hostile, is_litter, kind_name, quoted, shown, sparse};
use super::tar_bytes::TarBytes;
use crate::row::Refusal;

const BLOCK: u64 = 512;

/// Most bytes of an extended header (PAX, GNU long name) that are looked at.
const MOST_EXTENSION: u64 = 1 << 20;

/// A member of the tar: a file, or something that had to be refused.
pub(super) struct Entry {
    pub(super) path: Vec<u8>,
    /// Where its payload begins.
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) refusal: Option<Refusal>,
}

/// Where a walk had to end early, and why.
pub(super) struct Damage {
    pub(super) at: u64,
    /// The member whose payload is not all there.
    pub(super) cut_path: Option<Vec<u8>>,
    pub(super) refusal: Refusal,
}

/// All that a walk found: the members in order, and the damage that ended it, if any.
pub(super) struct Walk {
    pub(super) entries: Vec<Entry>,
    /// How many members were passed over: what systems leave beside a user's files.
    pub(super) passed_over: u64,
    pub(super) damage: Option<Damage>,
}

/// Walks the headers of a tar from its first byte to its end or its first damage; of loose files, the list of them.
pub(super) fn walk(bytes: &Bytes) -> Walk {
    match bytes {
        Bytes::Tar(tar) => walk_tar(tar),
        Bytes::Loose(loose) => loose.walk(),
    }
}

fn walk_tar(bytes: &TarBytes) -> Walk {
    let mut walker =
        Walker { bytes, at: 0, entries: Vec::new(), passed_over: 0, pending: Pending::default() };
    let mut damage = loop {
        match walker.step() {
            Ok(Step::On) => {}
            Ok(Step::End) => break None,
            Err(damage) => break Some(*damage),
        }
    };
    if let Some(name) = bytes.missing() {
        damage = Some(walker.missing_chunk(&name, damage));
    }
    Walk { entries: walker.entries, passed_over: walker.passed_over, damage }
}

enum Step {
    On,
    End,
}

/// What extended headers said about the member that follows them.
#[derive(Default)]
struct Pending {
    any: bool,
    long_name: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
    refusal: Option<Refusal>,
}

struct Walker<'a> {
    bytes: &'a TarBytes,
    at: u64,
    entries: Vec<Entry>,
    passed_over: u64,
    pending: Pending,
}

type Stepped<T> = Result<T, Box<Damage>>;

impl Walker<'_> {
    fn step(&mut self) -> Stepped<Step> {
        let left = self.bytes.len() - self.at;
        if left < BLOCK {
            return self.end_of_bytes(left);
        }
        let mut block = [0; BLOCK as usize];
        self.read(self.at, &mut block)?;
        if block.iter().all(|&byte| byte == 0) {
            return self.end_mark();
        }
        let header = tar::Header::from_byte_slice(&block);
        self.check_sum(&block, header)?;
        let claimed = header.entry_size().map_err(|_| {
            self.damage(format!("the size field {} is not a number", shown(&block[124..136])))
        })?;
        let kind = header.entry_type().as_byte();
        match kind {
            b'x' | b'X' | b'g' | b'L' | b'K' | b'V' => self.extension(kind, claimed, header),
            _ => self.member(kind, claimed, header, &block),
        }
    }

    /// The bytes ran out where a header should begin.
    fn end_of_bytes(&self, left: u64) -> Stepped<Step> {
        if self.at == 0 {
            return Err(self.damage(match left {
                0 => "the file is empty (0 bytes); a tar without members is 1,024 bytes of zeros".to_owned(),
                _ => self.not_a_tar(),
            }));
        }
        if left > 0 {
            return Err(self
                .damage(format!("the tar ends {left} bytes into a header of 512{}", self.maybe_missing())));
        }
        if self.pending.any {
            return Err(self.damage(format!("the tar ends after an extended header{}", self.maybe_missing())));
        }
        match self.bytes.next_chunk().filter(|_| self.bytes.missing().is_none()) {
            // A plain tar may end without the mark; of a tar in chunks, the last chunk is then likely not here.
            Some(next) => Err(self.damage(format!(
                "the chunks end without the end-of-archive mark; the next chunk, {next}, may be missing"
            ))),
            None => Ok(Step::End),
        }
    }

    /// A block of zeros: the end, if nothing but zeros follows. Anything else would be lost in silence.
    fn end_mark(&self) -> Stepped<Step> {
        let first = self.first_byte_set(self.at + BLOCK)?;
        match first {
            None if self.pending.any => {
                Err(self.damage("an extended header is followed by the end of the archive".to_owned()))
            }
            None => Ok(Step::End),
            Some(first) => Err(self.damage(format!(
                "zeros where a header should be, and other bytes again from byte {first} on, which are not read: a \
                 hole in the file, or tars put one behind the other"
            ))),
        }
    }

    /// Where the first byte at or after `at` lies that is not zero.
    fn first_byte_set(&self, mut at: u64) -> Stepped<Option<u64>> {
        const STEP: u64 = 1 << 20;
        while at < self.bytes.len() {
            let step = STEP.min(self.bytes.len() - at);
            let (mut seen, mut first) = (0, None);
            self.bytes
                .pass(at, step, &mut |part| {
                    let set = || part.iter().position(|&byte| byte != 0);
                    first = first.or_else(|| set().map(|position| at + seen + position as u64));
                    seen += part.len() as u64;
                })
                .map_err(|refusal| self.refused(refusal))?;
            if first.is_some() {
                return Ok(first);
            }
            at += step;
        }
        Ok(None)
    }

    fn check_sum(&self, block: &[u8; BLOCK as usize], header: &tar::Header) -> Stepped<()> {
        let counted = |byte: usize| if (148..156).contains(&byte) { b' ' } else { block[byte] };
        let sum: u32 = (0..block.len()).map(|i| u32::from(counted(i))).sum();
        // Some old writers summed signed bytes.
        let signed: i64 = (0..block.len()).map(|i| i64::from(counted(i) as i8)).sum();
        match header.cksum() {
            Ok(stored) if stored == sum || i64::from(stored) == signed => Ok(()),
            _ if self.at == 0 => Err(self.damage(self.not_a_tar())),
            Ok(stored) => {
                Err(self.damage(format!("the header's checksum says {stored}, its bytes add up to {sum}")))
            }
            Err(_) => Err(self.damage(format!(
                "the header's checksum field {} is not a number (its bytes add up to {sum})",
                shown(&block[148..156])
            ))),
        }
    }

    /// A header that says something about the next member (or about none): PAX, GNU long names, volume labels.
    fn extension(&mut self, kind: u8, len: u64, header: &tar::Header) -> Stepped<Step> {
        let payload = self.at + BLOCK;
        self.check_payload(payload, len, || header.path_bytes().into_owned()).map_err(|mut damage| {
            // Whose member the header was for, nobody knows.
            damage.cut_path = None;
            damage
        })?;
        if matches!(kind, b'x' | b'X' | b'L') {
            self.pending.any = true;
            if len > MOST_EXTENSION {
                self.pending.refusal = Some(Refusal::permanent(
                    "bad_extended_header",
                    format!(
                        "the extended header at byte {} has {len} bytes, at most {MOST_EXTENSION} are read",
                        self.at
                    ),
                ));
            } else {
                let mut text = vec![0; len as usize];
                self.read(payload, &mut text)?;
                if kind == b'L' {
                    text.truncate(text.iter().position(|&byte| byte == 0).unwrap_or(text.len()));
                    self.pending.long_name = Some(text);
                } else if self.pending.read_pax(&text).is_none() {
                    self.pending.refusal = Some(Refusal::permanent(
                        "bad_extended_header",
                        format!("the PAX header at byte {} is malformed", self.at),
                    ));
                }
            }
        } else if kind == b'K' {
            self.pending.any = true;
        }
        self.go_over(payload, len)
    }

    fn member(
        &mut self,
        kind: u8,
        claimed: u64,
        header: &tar::Header,
        block: &[u8; BLOCK as usize],
    ) -> Stepped<Step> {
        let pending = std::mem::take(&mut self.pending);
        let path = pending.path.or(pending.long_name).unwrap_or_else(|| header.path_bytes().into_owned());
        // Before there was a type of folders, a file whose name ends with a slash was one; V7 tars still have them.
        let is_old_folder =
            path.ends_with(b"/") && (kind == 0 || matches!(kind, b'0' | b'7') && claimed == 0);
        let kind = if is_old_folder { b'5' } else { kind };
        // As POSIX has it, links, devices, fifos and folders have no payload, whatever their size field says.
        let bare = matches!(kind, b'1'..=b'6');
        let len = if bare { 0 } else { pending.size.unwrap_or(claimed) };
        let mut payload = self.at + BLOCK;
        if kind == b'S' {
            payload = self.after_sparse_map(payload, block[482] != 0)?;
        }
        self.check_payload(payload, len, || path.clone())?;
        let named = quoted(&path);
        let refusal = match kind {
            _ if pending.refusal.is_some() => pending.refusal,
            // `D`: a folder with a list of its files, in GNU tar's incremental backups.
            b'5' | b'D' => None,
            _ if is_litter(&path) => {
                self.passed_over += 1;
                return self.go_over(payload, len);
            }
            b'S' => Some(sparse(&named)),
            _ if pending.sparse => Some(sparse(&named)),
            0 | b'0' | b'7' => hostile(&path),
            _ => Some(Refusal::permanent(
                "not_a_file",
                format!("{named} is {}, not a file; only plain files are read", kind_name(kind)),
            )),
        };
        if !matches!(kind, b'5' | b'D') || refusal.is_some() {
            self.entries.push(Entry { path, offset: payload, len, refusal });
        }
        self.go_over(payload, len)
    }

    /// Old GNU sparse files carry blocks of map between header and payload.
    fn after_sparse_map(&self, mut at: u64, mut more: bool) -> Stepped<u64> {
        while more {
            if self.bytes.len() - at < BLOCK {
                return Err(
                    self.damage(format!("the tar ends inside a sparse file's map{}", self.maybe_missing()))
                );
            }
            let mut block = [0; BLOCK as usize];
            self.read(at, &mut block)?;
            more = block[504] != 0;
            at += BLOCK;
        }
        Ok(at)
    }

    fn check_payload(&self, payload: u64, len: u64, path: impl Fn() -> Vec<u8>) -> Stepped<()> {
        let left = self.bytes.len() - payload;
        if len <= left {
            return Ok(());
        }
        let path = path();
        let message = format!(
            "{} claims {len} bytes, but the tar ends {left} bytes after its header{}",
            quoted(&path),
            self.maybe_missing()
        );
        let mut damage = self.damage(message);
        damage.cut_path = Some(path);
        Err(damage)
    }

    /// Steps to the header after a payload that is all there.
    fn go_over(&mut self, payload: u64, len: u64) -> Stepped<Step> {
        let end = payload + len;
        let padded = end.div_ceil(BLOCK).saturating_mul(BLOCK);
        if padded > self.bytes.len() {
            self.at = end;
            return Err(
                self.damage(format!("the tar ends in the padding after a member{}", self.maybe_missing()))
            );
        }
        self.at = padded;
        Ok(Step::On)
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Stepped<()> {
        let mut filled = 0;
        self.bytes
            .pass(at, into.len() as u64, &mut |part| {
                into[filled..filled + part.len()].copy_from_slice(part);
                filled += part.len();
            })
            .map_err(|refusal| self.refused(refusal))
    }

    fn damage(&self, what: String) -> Box<Damage> {
        let place = self.bytes.place(self.at);
        self.refused(Refusal::permanent("damaged_tar", format!("damaged at byte {}{place}: {what}", self.at)))
    }

    fn refused(&self, refusal: Refusal) -> Box<Damage> {
        Box::new(Damage { at: self.at, cut_path: None, refusal })
    }

    /// What is said of a shard with a known gap, whether or not the walk stumbled over it.
    fn missing_chunk(&self, name: &str, stumbled: Option<Damage>) -> Damage {
        let mut message = format!(
            "the chunk {name} is missing; the tar was read up to byte {}, put the chunk back to read the rest",
            self.bytes.len()
        );
        let (mut at, mut cut_path) = (self.bytes.len(), None);
        if let Some(damage) = stumbled.filter(|_| self.bytes.len() > 0) {
            let _ = write!(message, " ({})", damage.refusal.message);
            (at, cut_path) = (damage.at, damage.cut_path);
        }
        Damage { at, cut_path, refusal: Refusal::transient("missing_piece", message) }
    }

    fn maybe_missing(&self) -> String {
        match (self.bytes.missing(), self.bytes.next_chunk()) {
            (None, Some(next)) => format!("; the next chunk, {next}, may be missing"),
            _ => String::new(),
        }
    }

    /// What a file is that does not begin with a tar header.
    fn not_a_tar(&self) -> String {
        let mut head = [0; 6];
        let len = head.len().min(self.bytes.len() as usize);
        if self.read(0, &mut head[..len]).is_err() {
            return "this is not a tar".to_owned();
        }
        let known: [(&[u8], &str); 6] = [
            (b"\x1f\x8b", "gzip"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"\xfd7zXZ\0", "xz"),
            (b"BZh", "bzip2"),
            (b"\x04\x22\x4d\x18", "lz4"),
            (b"PK\x03\x04", "zip"),
        ];
        match known.iter().find(|(magic, _)| head.starts_with(magic)) {
            Some((_, name)) => {
                format!("this is {name}, not a plain tar; pictures are read in place, so decompress it first")
            }
            None => "this is not a tar: its first 512 bytes are no valid header".to_owned(),
        }
    }
}

impl Pending {
    /// Reads the `LENGTH KEY=VALUE\n` records of a PAX header; `None` where they are malformed. Values may hold
    /// newlines, which the `tar` crate's own reader splits at.
    fn read_pax(&mut self, mut text: &[u8]) -> Option<()> {
        while !text.is_empty() && text[0] != 0 {
            let space = text.iter().take(20).position(|&byte| byte == b' ')?;
            let len: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
            let record = text.get(space + 1..len)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"size" => self.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
                _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
            text = &text[len..];
        }
        Some(())
    }
}
