//! Published rows that a run would remove because their shards no longer hold them. A disk that is not mounted looks like a shard that
//! somebody removed.

use std::collections::HashSet;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::explain::with_manifest;
use super::manifest::{Part, PartKind, read_manifest};
use super::parquet::{self, Cell, Rows};
use super::{PublishError, check_part, manifest};
use crate::row::ContentHash;
use crate::shard::{Shard, ShardError};

/// What is there now of a shard that was published.
pub enum Present {
    /// No shard of that name.
    Gone,
    /// A shard of that name, not looked into yet.
    Unopened,
    /// A shard of that name with this fingerprint.
    Loaded(ContentHash),
    /// No shard of that name, but others that its pictures may be in by now: a folder that holds more than it did is in more parts.
    In(Vec<String>),
}

/// Published rows that the shards do not hold any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// How many there are, ...
    pub rows: u64,
    /// ... of so many that are published.
    pub of: u64,
    /// The shards that they were published from, the one that most are missing of first.
    pub shards: Vec<RemovedOfShard>,
}

/// Of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedOfShard {
    /// The shard's name.
    pub shard: String,
    /// Rows that are published and that it does not hold.
    pub rows: u64,
    /// Whether it is not there at all.
    pub gone: bool,
    /// The published part is damaged, so that nobody knows which of its rows the shard still holds: all of them count.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unreadable: bool,
}

impl Removed {
    /// Of several processes, each of which has looked at its own shards.
    pub(crate) fn of_all(all: impl IntoIterator<Item = Removed>) -> Removed {
        let mut sum = Removed::default();
        for removed in all {
            sum.rows += removed.rows;
            sum.of = sum.of.max(removed.of);
            sum.shards.extend(removed.shards);
        }
        sum.sort();
        sum
    }

    fn sort(&mut self) {
        self.shards.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.shard.cmp(&b.shard)));
    }

    /// Their share of what is published, 0 to 1.
    pub fn share(&self) -> f64 {
        self.rows as f64 / (self.of as f64).max(1.0)
    }
}

/// `120 of 2000 published rows (6.0 %): of 00003 (no such shard), 61 of 00007`.
impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 8;
        write!(f, "{} of {} published rows ({:.1} %): ", self.rows, self.of, 100.0 * self.share())?;
        for (place, RemovedOfShard { shard, rows, gone, unreadable }) in
            self.shards.iter().take(MOST).enumerate()
        {
            let why = match (gone, unreadable) {
                (true, _) => "there is no such shard",
                (_, true) => "it changed, and the part that lists what was published of it is damaged",
                _ => "it does not hold them",
            };
            write!(f, "{}{rows} of {shard:?} ({why})", if place > 0 { ", " } else { "" })?;
        }
        match self.shards.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, ", and of {more} more shards"),
        }
    }
}

/// The rows that `out` publishes and that the shards do not hold any more, by what `present` says of each shard. Where its
/// contents are those that were published, or it is not opened yet, nothing is missing of it; others are opened by `open`.
pub(crate) fn removed_rows(
    out: &Path,
    present: impl Fn(&str) -> Present,
    open: impl Fn(&str) -> Result<Arc<Shard>, ShardError>,
) -> Result<Removed, PublishError> {
    if read_manifest(out)?.is_none() {
        return Ok(Removed::default());
    }
    with_manifest(out, |manifest| {
        let mut removed = Removed::default();
        for part in manifest.parts.iter().filter(|part| part.kind == PartKind::Data) {
            removed.of += part.rows;
            let now = present(&part.shard);
            let (rows, unreadable) = match now {
                Present::Gone => (part.rows, false),
                Present::Unopened => (0, false),
                Present::Loaded(same) if manifest::hash_of_hex(&part.fingerprint) == Some(same) => (0, false),
                Present::Loaded(_) | Present::In(_) => match missing_of(out, part, &now, &open)? {
                    Ok(rows) => (rows, false),
                    // A commit may have swept it meanwhile: see `with_manifest`.
                    Err(error) if is_missing(&error) && read_manifest(out)?.as_ref() != Some(manifest) => {
                        return Err(error);
                    }
                    Err(_) => (part.rows, true),
                },
            };
            if rows > 0 {
                removed.rows += rows;
                let gone = matches!(now, Present::Gone);
                removed.shards.push(RemovedOfShard { shard: part.shard.clone(), rows, gone, unreadable });
            }
        }
        removed.sort();
        Ok(removed)
    })
}

fn is_missing(error: &PublishError) -> bool {
    matches!(error, PublishError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// How many rows of a part are of keys that none of the shards has that may hold them now; inside, where the part cannot be read.
fn missing_of(
    out: &Path,
    part: &Part,
    now: &Present,
    open: impl Fn(&str) -> Result<Arc<Shard>, ShardError>,
) -> Result<Result<u64, PublishError>, PublishError> {
    let mut keys = match keys_of(out, part) {
        Ok(keys) => keys,
        Err(error) => return Ok(Err(error)),
    };
    let one = std::slice::from_ref(&part.shard);
    for shard in if let Present::In(shards) = now { shards } else { one } {
        let shard = open(shard)?;
        let held: HashSet<&str> = shard.index.samples.iter().map(|sample| sample.key.as_str()).collect();
        keys.retain(|key| !held.contains(key.as_str()));
    }
    Ok(Ok(keys.len() as u64))
}

/// The keys of a part's rows.
fn keys_of(out: &Path, part: &Part) -> Result<Vec<String>, PublishError> {
    check_part(out, part)?;
    let path = out.join(&part.file);
    let mut keys = Vec::new();
    let seen = parquet::read(&path, &["key"], Rows::All, |_, cells| {
        if let Cell::Text(key) = cells[0] {
            keys.push(key.to_owned());
        }
        ControlFlow::<()>::Continue(())
    });
    seen.map_err(|error| parquet::failure("read", &path, error))?;
    Ok(keys)
}
