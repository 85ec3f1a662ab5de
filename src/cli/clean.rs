//! `clean`: lists what the store holds, by stamp, and forgets some of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::fetched::{self, CACHE, megabytes};
use super::invoke::shell_word;
use super::store::{StampRecord, Store};
use super::{Failure, Output, print_json};
use crate::object::Emptied;
use crate::shard::{StaleList, stale_lists};

#[derive(Serialize)]
struct StoredStamp {
    stamp: String,
    bytes: u64,
    dead: bool,
    #[serde(flatten)]
    record: StampRecord,
}

/// `called`: what a person types before the subcommand.
pub(super) fn clean(folder: &Path, drop: Option<&str>, output: Output, called: &str) -> Result<(), Failure> {
    let clean = format!("{called} clean --store {}", shell_word(&folder.to_string_lossy()));
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("there is no store at {}; --store names one", folder.display())));
    }
    let mut store = if drop.is_some() { Store::open_whole(folder)? } else { Store::look(folder)? };
    let stale = stale_lists(folder).map_err(|error| {
        Failure::Failed(format!("the store {} cannot be read: {error}; check its disk", folder.display()))
    })?;
    match drop {
        None => {
            list(&held(&store), output, &clean)?;
            if output == Output::Text {
                list_lists(&stale);
                fetched::list(folder, &clean)?;
            }
            Ok(())
        }
        Some(CACHE) => drop_cache(folder, output),
        Some(which) => {
            let dropped = drop_stamps(&mut store, which, &clean)?;
            let mut bytes: u64 = dropped.iter().map(|held| held.bytes).sum();
            if which == "dead" {
                bytes += drop_lists(&stale)?;
            }
            if output == Output::Json {
                return print_json(&serde_json::json!({ "dropped": dropped, "bytes": bytes }));
            }
            let (count, size) = (dropped.len(), megabytes(bytes));
            crate::say!("dropped {count} stamps, {size}; what they held is asked again if it is needed");
            Ok(())
        }
    }
}

fn drop_cache(store: &Path, output: Output) -> Result<(), Failure> {
    let Emptied { files, bytes, held } = fetched::drop_shards(store)?;
    if held > 0 {
        crate::note!("{held} files of the cache are in use, or may not be written to: they stay");
    }
    if output == Output::Json {
        return print_json(&serde_json::json!({ "dropped": [], "bytes": bytes, "held": held }));
    }
    crate::say!(
        "dropped {files} shards of object stores, {}; what is needed of them is fetched again",
        megabytes(bytes)
    );
    Ok(())
}

fn list_lists(stale: &[StaleList]) {
    if !stale.is_empty() {
        let (count, size) = (stale.len(), megabytes(stale.iter().map(|list| list.bytes).sum()));
        crate::say!("lists of what folders of pictures held before: {count}, {size}; dead, too");
    }
}

fn drop_stamps(store: &mut Store, which: &str, clean: &str) -> Result<Vec<StoredStamp>, Failure> {
    let held = held(store);
    let wanted: Vec<StoredStamp> = match which {
        "dead" => {
            // Where the names were lost, what never finished a run can't be told from what others use.
            let is_known = |held: &StoredStamp| {
                !store.record().names_lost || store.all_stamps().contains_key(&held.stamp)
            };
            let (known, unknown): (Vec<StoredStamp>, Vec<StoredStamp>) = held.into_iter().partition(is_known);
            if !unknown.is_empty() {
                crate::note!(
                    "warning: store.json was damaged, so that nobody knows who uses {} of the stamps: they stay. Run every pipeline of this \
                     store once, then drop by stamp what is still dead",
                    unknown.len()
                );
            }
            known.into_iter().filter(|held| held.dead).collect()
        }
        which => {
            let wanted: Vec<StoredStamp> =
                held.into_iter().filter(|held| held.stamp.starts_with(which)).collect();
            let refused = |why: String| Err(Failure::Usage(format!("--drop {which}: {why}")));
            match wanted.len() {
                0 => return refused(format!("the store holds no such stamp; `{clean}` lists them")),
                1 => wanted,
                several => return refused(format!("{several} stamps start so; give more of it")),
            }
        }
    };
    for held in &wanted {
        store.drop_stamp(&held.stamp)?;
    }
    Ok(wanted)
}

/// Their bytes.
fn drop_lists(stale: &[StaleList]) -> Result<u64, Failure> {
    for list in stale {
        std::fs::remove_file(&list.path).map_err(|error| {
            let path = list.path.display();
            Failure::Failed(format!(
                "{path} cannot be removed: {error}; check that the store may be written to"
            ))
        })?;
    }
    Ok(stale.iter().map(|list| list.bytes).sum())
}

fn held(store: &Store) -> Vec<StoredStamp> {
    let mut stamps: BTreeMap<String, (u64, StampRecord)> =
        store.all_stamps().into_iter().map(|(stamp, record)| (stamp, (0, record))).collect();
    for entry in
        store.segments().memos().filter_map(|memos| std::fs::read_dir(memos).ok()).flatten().flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(stamp) = name.strip_suffix(".memo") {
            let bytes = entry.metadata().map_or(0, |meta| meta.len());
            stamps.entry(stamp.to_owned()).or_default().0 += bytes;
        }
    }
    let held = |(stamp, (bytes, record)): (String, (u64, StampRecord))| StoredStamp {
        dead: record.used_by.is_empty(),
        stamp,
        bytes,
        record,
    };
    stamps.into_iter().map(held).collect()
}

fn list(held: &[StoredStamp], output: Output, clean: &str) -> Result<(), Failure> {
    if output == Output::Json {
        return print_json(&held);
    }
    for held in held {
        let stage = if held.record.stage.is_empty() { "(never finished a run)" } else { &held.record.stage };
        let users =
            if held.dead { "dead".to_owned() } else { format!("used by {}", held.record.used_by.join(", ")) };
        crate::say!(
            "{}  {stage}, {}, {} asked, {users}",
            held.stamp,
            megabytes(held.bytes),
            held.record.asked
        );
        crate::say!("{:32}  {}", "", held.record.model);
    }
    crate::say!("`{clean} --drop dead` forgets what no pipeline's latest run used");
    Ok(())
}
