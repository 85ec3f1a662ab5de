//! Tars whose bytes are a function of their contents: names, contents and their order, and nothing else.
//!
//! This is the only place that writes the header of a member. A header says that its member is a plain file (type `0`). If it said nothing
//! (type NUL), Python's `tarfile` would take a member whose name in the header ends in `/` for a folder, read its bytes as headers, and
//! stop. Names are written as they are, byte by byte: in the header; in its two fields, joined by a `/`; or, if neither is long enough, in
//! a GNU long name before the header, which `tarfile`, webdataset, GNU tar, libarchive and libtar read.

use std::io::{self, Read, Write};

use crate::row::ContentHash;

/// Headers, payloads and long names fill whole blocks.
const BLOCK: u64 = 512;
/// Bytes of a name that a header holds, ...
const MOST_NAME: usize = 100;
/// ... and of what may stand before it, parted by a `/` that is not written.
const MOST_PREFIX: usize = 155;

/// A tar being written: plain files of mode 0644, of user and group 0, from the first second of 1970.
///
/// ```
/// use threshflow::publish::PlainTar;
/// let write = || {
///     let mut tar = PlainTar::new(Vec::new());
///     tar.append("jsons/cat.json", b"{}")?;
///     tar.finish()
/// };
/// assert_eq!(write()?, write()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PlainTar<W: Write> {
    out: W,
}

impl<W: Write> PlainTar<W> {
    /// Starts a tar at the end of `out`.
    pub fn new(out: W) -> Self {
        PlainTar { out }
    }

    /// Puts a file in; gives the hash of the bytes that were written.
    ///
    /// An error where no reader would make a file of `name` again: it is empty, absolute, ends in `/`, or has a NUL or `..`.
    pub fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<ContentHash> {
        let length = bytes.len() as u64;
        self.out.write_all(&head_of(name, length)?)?;
        // Hashed as they are read: mapped bytes may change between two looks at them.
        let mut bytes = Hashing { bytes, hasher: blake3::Hasher::new() };
        io::copy(&mut bytes, &mut self.out)?;
        self.out.write_all(padding_after(length))?;
        Ok(ContentHash::from_hasher(&bytes.hasher))
    }

    /// Writes the end-of-archive mark and gives `out` back, not flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK as usize])?;
        Ok(self.out)
    }
}

/// What stands before the payload of a plain file: its header, and before that its name, where the header has no room for it.
fn head_of(name: &str, length: u64) -> io::Result<Vec<u8>> {
    if let Some(why) = fault_of(name) {
        let message = format!("a file in a tar cannot be named {name:?}: the name {why}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut head = Vec::new();
    let header = plain_header(tar::EntryType::Regular, length);
    let (before, last) = fields_of(name).unwrap_or_else(|| {
        let long = plain_header(tar::EntryType::GNULongName, name.len() as u64 + 1);
        head.extend(signed(long, ("", "././@LongLink")));
        head.extend(name.as_bytes());
        head.push(0);
        head.extend(padding_after(name.len() as u64 + 1));
        ("", stub_of(name))
    });
    head.extend(signed(header, (before, last)));
    Ok(head)
}

fn fault_of(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        _ if name.starts_with('/') => Some("is an absolute path"),
        _ if name.ends_with('/') => Some("ends in a slash, as a folder's does"),
        _ if name.contains('\0') => Some("holds a NUL"),
        _ if name.split('/').any(|part| part == "..") => Some("climbs out of its folder with `..`"),
        _ => None,
    }
}

/// A name in the header's two fields, the first as short as it can be; `None` where they don't hold it.
fn fields_of(name: &str) -> Option<(&str, &str)> {
    if name.len() <= MOST_NAME {
        return Some(("", name));
    }
    let bytes = name.as_bytes();
    // Beside another slash, readers may put the two together otherwise.
    let parts = |&at: &usize| {
        bytes[at] == b'/' && bytes[at - 1] != b'/' && !matches!(bytes.get(at + 1), None | Some(b'/'))
    };
    let at =
        (name.len() - MOST_NAME - 1..=MOST_PREFIX.min(name.len() - 1)).filter(|&at| at > 0).find(parts)?;
    Some((&name[..at], &name[at + 1..]))
}

/// The beginning of a long name, for readers that know no long names: never what looks like a folder.
fn stub_of(name: &str) -> &str {
    name[..name.floor_char_boundary(MOST_NAME)].trim_end_matches('/')
}

fn plain_header(kind: tar::EntryType, length: u64) -> tar::Header {
    // Set by hand: what `tar` calls deterministic is a time in 2006.
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(length);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// The bytes of a header with this name in its two fields, and its checksum.
fn signed(mut header: tar::Header, (before, last): (&str, &str)) -> [u8; BLOCK as usize] {
    if let Some(fields) = header.as_ustar_mut() {
        fields.prefix[..before.len()].copy_from_slice(before.as_bytes());
        fields.name[..last.len()].copy_from_slice(last.as_bytes());
    }
    header.set_cksum();
    *header.as_bytes()
}

/// The zeros that fill the last block of so many bytes.
fn padding_after(length: u64) -> &'static [u8] {
    let used = (length % BLOCK) as usize;
    if used == 0 { &[] } else { &[0; BLOCK as usize][used..] }
}

struct Hashing<'a> {
    bytes: &'a [u8],
    hasher: blake3::Hasher,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(tar);
        let files = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().as_bytes()[156], b'0');
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes)
        });
        files.collect()
    }

    #[test]
    fn names_of_all_lengths_are_written_as_they_are() {
        for at in 0..620 {
            let mut name = "a".repeat(at) + "é/b//./c.jpg";
            name.truncate(name.floor_char_boundary(at + 1));
            let (mut tar, payload) = (PlainTar::new(Vec::new()), vec![7; at]);
            if name.is_empty() || name.ends_with('/') {
                tar.append(&name, &payload).unwrap_err();
                continue;
            }
            assert_eq!(tar.append(&name, &payload).unwrap(), ContentHash::of(&payload));
            let tar = tar.finish().unwrap();
            assert_eq!(tar.len() % 512, 0);
            assert_eq!(names_in(&tar), [(name, payload)]);
        }
    }

    #[test]
    fn a_name_that_fits_the_header_takes_one_block_and_another_three() {
        let length = |name: &str| head_of(name, 1).unwrap().len();
        let (folder, file) = ("f".repeat(155), "n".repeat(100));
        assert_eq!(length(&file), 512);
        assert_eq!(length(&format!("{folder}/{file}")), 512);
        assert_eq!(length(&format!("{folder}f/{file}")), 3 * 512);
        assert_eq!(length(&format!("{folder}/{file}n")), 3 * 512);
        assert_eq!(length(&format!("{folder}//{}", &file[1..])), 3 * 512);
        assert_eq!(length(&"n".repeat(512)), 4 * 512, "and its NUL");
    }

    #[test]
    fn what_stands_for_a_long_name_is_no_folder() {
        for slashes in ["/", "//", "/////"] {
            let name = format!("{}{slashes}{}", "d".repeat(100 - slashes.len()), "k".repeat(200));
            let head = head_of(&name, 0).unwrap();
            let header = &head[head.len() - 512..];
            assert_eq!((header[156], header[99]), (b'0', 0), "{name}");
        }
    }

    #[test]
    fn names_that_no_reader_would_make_a_file_of_are_refused() {
        for name in ["", "/a", "a/", "../a", "a/..", "a/../b", "a\0b"] {
            assert_eq!(
                PlainTar::new(io::sink()).append(name, b"").unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
        }
        for name in ["a..b", "..a", "./a", ".a", "a//b"] {
            PlainTar::new(io::sink()).append(name, b"").unwrap();
        }
    }

    #[test]
    fn a_length_of_more_than_eleven_octal_digits_is_told() {
        let head = head_of("a", 1 << 40).unwrap();
        assert_eq!(tar::Header::from_byte_slice(&head).entry_size().unwrap(), 1 << 40);
    }
}
