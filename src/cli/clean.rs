//! `clean`: lists what the store holds, by stamp, and forgets some of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::invoke::shell_word;
use super::store::{StampRecord, Store};
use super::{Failure, Output, print_json};
use crate::shard::stale_lists;

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
    let held = held(&store);
    let stale = stale_lists(folder).map_err(|error| {
        Failure::Failed(format!("the store {} cannot be read: {error}; check its disk", folder.display()))
    })?;
    let stale_bytes: u64 = stale.iter().map(|list| list.bytes).sum();
    let Some(which) = drop else {
        list(&held, output, &clean)?;
        if output == Output::Text && !stale.is_empty() {
            let (count, size) = (stale.len(), stale_bytes as f64 / 1e6);
            crate::say!("lists of what folders of pictures held before: {count}, {size:.1} MB; dead, too");
        }
        return Ok(());
    };
    // Where the names were lost, what never finished a run can't be told from what others use.
    let is_known =
        |held: &StoredStamp| !store.record().names_lost || store.all_stamps().contains_key(&held.stamp);
    let (known, unknown): (Vec<&StoredStamp>, Vec<&StoredStamp>) =
        held.iter().partition(|held| is_known(held));
    if which == "dead" && !unknown.is_empty() {
        crate::note!(
            "warning: store.json was damaged, so that nobody knows who uses {} of the stamps: they stay. Run every pipeline of this \
             store once, then drop by stamp what is still dead",
            unknown.len()
        );
    }
    let wanted: Vec<&StoredStamp> = match which {
        "dead" => known.into_iter().filter(|held| held.dead).collect(),
        which => held.iter().filter(|held| held.stamp.starts_with(which)).collect(),
    };
    if which != "dead" {
        match wanted.as_slice() {
            [] => {
                return Err(Failure::Usage(format!(
                    "--drop {which}: the store holds no such stamp; `{clean}` lists them"
                )));
            }
            [_] => {}
            several => {
                let message = format!("--drop {which}: {} stamps start so; give more of it", several.len());
                return Err(Failure::Usage(message));
            }
        }
    }
    for held in &wanted {
        store.drop_stamp(&held.stamp)?;
    }
    let mut bytes: u64 = wanted.iter().map(|held| held.bytes).sum();
    if which == "dead" {
        for list in &stale {
            std::fs::remove_file(&list.path).map_err(|error| {
                Failure::Failed(format!(
                    "{} cannot be removed: {error}; check that the store may be written to",
                    list.path.display()
                ))
            })?;
        }
        bytes += stale_bytes;
    }
    match output {
        Output::Json => print_json(&serde_json::json!({ "dropped": wanted, "bytes": bytes })),
        Output::Text => {
            crate::say!(
                "dropped {} stamps, {:.1} MB; what they held is asked again if it is needed",
                wanted.len(),
                bytes as f64 / 1e6
            );
            Ok(())
        }
    }
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
            "{}  {stage}, {:.1} MB, {} asked, {users}",
            held.stamp,
            held.bytes as f64 / 1e6,
            held.record.asked
        );
        crate::say!("{:32}  {}", "", held.record.model);
    }
    crate::say!("`{clean} --drop dead` forgets what no pipeline's latest run used");
    Ok(())
}
