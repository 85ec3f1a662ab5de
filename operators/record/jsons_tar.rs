//! Tars of records, as upstream releases them: one JSON a picture under `jsons/`.

use std::collections::HashSet;
use std::io::{self, Write};

use threshflow::publish::PlainTar;
use threshflow::row::ContentHash;

use super::{MOST_BYTES, Record};

/// Why a tar of records could not be written.
#[derive(Debug, thiserror::Error)]
pub enum JsonsTarError {
    /// The name can't be a member's.
    #[error("the record's name {name:?} {why}; name it like 00095/00019/000197953, without an extension")]
    Name { name: String, why: &'static str },
    /// Two records have the same name.
    #[error("two records are named {0:?}; a tar may hold one of them, give the other another name")]
    Twice(String),
    /// The record is longer than what is read back.
    #[error(
        "the record {name:?} has {len} bytes, at most {MOST_BYTES} can be read back; shorten its masks or split it"
    )]
    TooLong { name: String, len: u64 },
    /// The output refused.
    #[error("cannot write the record {name:?}: {source}; check that the disk has room and may be written to")]
    Io { name: String, source: io::Error },
}

/// Writes a tar with a member `jsons/NAME.json` for every (NAME, record), in their order; gives `out` back, not flushed.
///
/// Byte for byte a function of its input: times, owners and modes are fixed, records are compact JSON. A name is relative,
/// with parts joined by `/`, none of which is empty, `.` or `..`.
pub fn write_jsons_tar<W: Write>(
    out: W,
    records: impl IntoIterator<Item = (String, Record)>,
) -> Result<W, JsonsTarError> {
    let mut tar = PlainTar::new(out);
    let mut names = HashSet::new();
    for (name, record) in records {
        if let Some(why) = fault_of(&name) {
            return Err(JsonsTarError::Name { name, why });
        }
        // Sixteen bytes a name, whatever its length.
        if !names.insert(ContentHash::of(name.as_bytes())) {
            return Err(JsonsTarError::Twice(name));
        }
        let json = record.to_json();
        if json.len() as u64 > MOST_BYTES {
            return Err(JsonsTarError::TooLong { name, len: json.len() as u64 });
        }
        if let Err(source) = tar.append(&format!("jsons/{name}.json"), json.as_bytes()) {
            return Err(JsonsTarError::Io { name, source });
        }
    }
    tar.finish().map_err(|source| JsonsTarError::Io { name: "the end of the tar".to_owned(), source })
}

fn fault_of(name: &str) -> Option<&'static str> {
    const MOST: usize = 4000;
    let bad_part = |part: &str| matches!(part, "" | "." | "..");
    match name {
        _ if name.len() > MOST => Some("has more than 4,000 bytes"),
        _ if name.split('/').any(bad_part) => Some("is empty, absolute, or has an empty part, `.` or `..`"),
        _ if name.contains(char::is_control) => Some("holds a control character"),
        _ if name.rsplit('/').next().is_some_and(|last| last.starts_with('.')) => {
            Some("begins with a dot in its last part, so that it would have no key")
        }
        _ => None,
    }
}
