//! `store compact`: merges what the parts of job arrays wrote into the first segment of a store.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Subcommand;

use super::store::Store;
use super::{Failure, Output, print_json};
use crate::memo::compact;
use crate::row::Stamp;
use crate::shard::take_over;

/// What is done with a store as a whole.
#[derive(Subcommand)]
pub(super) enum StoreCommand {
    /// Merge the segments that the parts of job arrays wrote into one, so that a run has fewer files to read. Nothing else may use the
    /// store meanwhile
    Compact {
        #[arg(long, default_value = "store")]
        store: std::path::PathBuf,
        #[arg(long)]
        json: bool,
    },
}

impl StoreCommand {
    pub(super) fn work(&self) -> Result<(), Failure> {
        match self {
            StoreCommand::Compact { store, json } => {
                compact_store(store, if *json { Output::Json } else { Output::Text })
            }
        }
    }
}

fn compact_store(folder: &Path, output: Output) -> Result<(), Failure> {
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("there is no store at {}; --store names one", folder.display())));
    }
    let mut store = Store::open_whole(folder)?;
    let places = store.places(store.generation());
    let mut stamps: BTreeSet<Stamp> = BTreeSet::new();
    let mut segments = 0;
    for memos in store.segments().memos().skip(1) {
        let found = super::verify::stamps_in(&memos)?;
        segments += u64::from(!found.is_empty());
        stamps.extend(found);
    }
    let mut answers = 0;
    let mut damaged = Vec::new();
    if !stamps.is_empty() {
        store.forget_lengths()?;
    }
    let segment_folders = store.segments().folders_of_others();
    take_over(folder, &segment_folders).map_err(|error| {
        Failure::Failed(format!(
            "the numbers of the shards in {} cannot be merged: {error}; check its disk",
            folder.display()
        ))
    })?;
    for stamp in &stamps {
        let merged = compact(&places, *stamp)?;
        answers += merged.answers;
        damaged.extend(merged.damaged);
    }
    store.take_over_records()?;
    for (path, damage) in &damaged {
        crate::note!(
            "warning: {}: {damage}; all other answers hold, and what is lost is asked again",
            path.display()
        );
    }
    let damaged: Vec<String> =
        damaged.iter().map(|(path, damage)| format!("{}: {damage}", path.display())).collect();
    match output {
        Output::Json => print_json(
            &serde_json::json!({ "segments": segments, "memos": stamps.len(), "answers": answers, "damaged": damaged }),
        ),
        Output::Text => {
            crate::say!(
                "{segments} segments merged into one: {} memos, {answers} answers and refusals",
                stamps.len()
            );
            Ok(())
        }
    }
}
