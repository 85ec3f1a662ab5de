//! What a run would remove from what is published, because shards are gone or because something failed; and whether it may.

use std::collections::{HashMap, HashSet};

use super::run::{Opened, stopped};
use super::{Failure, RunOptions};
use crate::flow::Tick;
use crate::publish::{Lost, Present, Removed, removed_rows};
use crate::shard::{Holds, ShardError, ShardSource, undivided};

/// By the names of the shards alone, before any is opened: at least these rows would be removed.
pub(super) fn before(options: &RunOptions, sources: &[ShardSource]) -> Result<Removed, Failure> {
    let named: HashSet<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let folders = folders(sources);
    let present = |name: &str| match named.contains(name) || folders.contains_key(undivided(name)) {
        true => Present::Unopened,
        false => Present::Gone,
    };
    Ok(removed_rows(&options.out, present, |name| Err(ShardError::Usage(format!("{name:?} is not open"))))?)
}

/// As [`of`], in all processes, each of which looks at its own shards.
pub(super) fn of_all(options: &RunOptions, opened: &mut Opened, tick: Tick<'_>) -> Result<Removed, Failure> {
    let own = of(options, opened)?;
    if opened.cluster.is_none() {
        return Ok(own);
    }
    let failed = |error: serde_json::Error| Failure::Failed(error.to_string());
    let all = opened.engine.meet(serde_json::to_vec(&own).map_err(failed)?, tick).map_err(stopped)?;
    let all: Result<Vec<Removed>, _> = all.iter().map(|said| serde_json::from_slice(said)).collect();
    Ok(Removed::of_all(all.map_err(failed)?))
}

/// By what the shards hold, when all of them are in.
pub(super) fn of(options: &RunOptions, opened: &Opened) -> Result<Removed, Failure> {
    let shards: HashMap<&str, u32> = opened.shards.iter().map(|(name, seq)| (name.as_str(), *seq)).collect();
    let seq = |name: &str| shards.get(name).copied();
    let folders = folders(&opened.sources);
    // Of several processes, one looks at what is none of theirs.
    let follows = opened.cluster.as_ref().is_some_and(|cluster| !cluster.leads());
    let elsewhere: HashSet<&str> = match opened.cluster {
        Some(_) => opened.sources.iter().map(|source| source.name.as_str()).collect(),
        None => HashSet::new(),
    };
    let present = |name: &str| match (seq(name), folders.get(undivided(name))) {
        (Some(seq), _) => opened.catalogue.fingerprint(seq).map_or(Present::Unopened, Present::Loaded),
        (None, _) if follows || elsewhere.contains(name) => Present::Unopened,
        (None, Some(parts)) => Present::In(parts.iter().map(|part| (*part).to_owned()).collect()),
        (None, None) => Present::Gone,
    };
    let open = |name: &str| match (seq(name), opened.sources.iter().find(|source| source.name == name)) {
        (Some(seq), _) => opened.catalogue.shard(seq),
        (None, Some(source)) => opened.catalogue.load(source),
        (None, None) => Err(ShardError::Usage(format!("there is no shard {name:?}"))),
    };
    Ok(removed_rows(&options.out, present, open)?)
}

/// The names of the parts that folders of pictures are in, by the folders' names.
pub(super) fn folders(sources: &[ShardSource]) -> HashMap<&str, Vec<&str>> {
    let mut folders: HashMap<&str, Vec<&str>> = HashMap::new();
    for source in sources.iter().filter(|source| matches!(source.holds, Holds::Files(_))) {
        folders.entry(undivided(&source.name)).or_default().push(&source.name);
    }
    folders
}

/// An error where a run would remove more than it may.
pub(super) fn check(options: &RunOptions, removed: &Removed) -> Result<(), Failure> {
    if removed.share() <= options.max_removed {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{removed}: they would be removed from {}, more than --max-removed {:.0}% allows, because the shards do not hold them any \
         more. Mount the disk or put the shards back (or name them: --shards and --pictures have to name all that is to stay published); or run \
         with --max-removed 100% to publish without them",
        options.out_shown(),
        options.max_removed * 100.0
    )))
}

/// Why a run that lost more than it may publishes nothing.
pub(super) fn too_much_lost(lost: &Lost, options: &RunOptions) -> String {
    format!(
        "{lost}. They would be taken away from {}, because something failed or was not paid for, which is more than --max-lost \
         {:.0}% allows; answers are kept, and what was published before stands as it was. Repair it and run again: what failed is \
         asked again; or run with --max-lost {:.0}% to publish without them",
        options.out_shown(),
        options.max_lost * 100.0,
        (lost.share() * 100.0).ceil()
    )
}
