//! What is published, beside the shards that are in.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Opened;
use super::pieces::PublishedPieces;
use crate::cli::{Failure, removed};
use crate::publish::{self, PublishedPlace};
use crate::row::RowId;
use crate::shard::undivided;

/// The rows that are published now.
#[derive(Default)]
pub(in crate::cli) struct Published {
    pub(in crate::cli) kept: HashSet<RowId>,
    pub(super) pieces: PublishedPieces,
    /// Of pictures that are not in the shards any more.
    pub(in crate::cli) gone: u64,
}

/// How many of what is published a process found in its shards, and did not: rows, regions, edits.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(in crate::cli) struct FoundOfPublished {
    here: [u64; 3],
    not_here: [u64; 3],
}

impl Published {
    pub(in crate::cli) fn found(&self) -> FoundOfPublished {
        let [regions, edits] = self.pieces.gone_by_sort();
        let [found_regions, found_edits] = self.pieces.found_by_sort();
        FoundOfPublished {
            here: [self.kept.len() as u64, found_regions, found_edits],
            not_here: [self.gone, regions, edits],
        }
    }

    /// Of several processes, what none of them has found is gone, and process 0 counts it; `found` is of all.
    pub(in crate::cli) fn beside(mut self, found: &[FoundOfPublished], process: Option<usize>) -> Self {
        let Some(process) = process else { return self };
        let first = found[0];
        let gone = [0, 1, 2].map(|sort| {
            let elsewhere: u64 = found[1..].iter().map(|other| other.here[sort]).sum();
            if process == 0 { first.not_here[sort].saturating_sub(elsewhere) } else { 0 }
        });
        self.gone = gone[0];
        self.pieces.set_gone([gone[1], gone[2]]);
        self
    }
}

pub(in crate::cli) fn published_rows(out: &Path, opened: &Opened) -> Result<Published, Failure> {
    let mut rows: HashMap<String, HashMap<String, Vec<PublishedPlace>>> = HashMap::new();
    let folders = removed::folders(&opened.sources);
    // A picture of a folder may have been in another part of it when it was published.
    let named = |shard: &str| match undivided(shard) {
        folder if folders.contains_key(folder) => folder.to_owned(),
        _ => shard.to_owned(),
    };
    for row in publish::published_rows(out)? {
        rows.entry(named(&row.row.shard)).or_default().insert(row.row.key, row.pieces);
    }
    let mut published = Published::default();
    for (name, seq) in &opened.shards {
        let Some(rows) = rows.get_mut(&named(name)) else { continue };
        let shard = opened.catalogue.shard(*seq)?;
        for (member, sample) in shard.index.samples.iter().enumerate() {
            // A refused row may bear a picture's key; it was never published.
            if sample.picture.is_ok()
                && let Some(pieces) = rows.remove(&sample.key)
            {
                let id = RowId { shard: *seq, member: member as u32 };
                published.kept.insert(id);
                published.pieces.add(id, pieces);
            }
        }
    }
    for pieces in rows.into_values().flat_map(HashMap::into_values) {
        published.gone += 1;
        published.pieces.add_gone(&pieces);
    }
    published.pieces.sort();
    Ok(published)
}
