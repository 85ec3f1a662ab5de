//! What is to be known of a release that is sent to a bucket.

use std::collections::HashSet;

use threshflow::publish::{RemoteKind, sealed};

use super::card::CARD;
use super::croissant::CROISSANT;
use super::folder::{FORMAT, Manifest, NamedFile, is_part};

/// Its names have no digests: what changes is written over, and no manifest names it meanwhile.
pub static REMOTE: RemoteKind =
    RemoteKind { format: FORMAT, notes: &[CARD, CROISSANT], is_part, named, without: Some(without) };

fn read(text: &[u8]) -> Result<Manifest, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

fn named(text: &[u8]) -> Result<HashSet<String>, String> {
    Ok(read(text)?.files().map(|file| file.path.clone()).collect())
}

/// The manifest with the parts alone of which all files stay, the details that stay, and the scores if they do.
fn without(text: &[u8], stays: &dyn Fn(&str) -> bool) -> Result<Vec<u8>, String> {
    let mut manifest = read(text)?;
    let stays = |file: &NamedFile| stays(&file.path);
    manifest.parts.retain(|part| part.files.iter().all(stays));
    manifest.details.retain(|details| stays(&details.file));
    manifest.scores = manifest.scores.filter(stays);
    sealed(&manifest).map_err(|error| error.to_string())
}
