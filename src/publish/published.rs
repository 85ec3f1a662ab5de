//! What is published, row by row and piece by piece. A plan is compared with it.

use std::ops::ControlFlow;
use std::path::Path;

use super::PublishError;
use super::explain::{RowKey, with_manifest};
use super::manifest::{Manifest, PartKind, hash_of_hex};
use super::parquet::{self, Cell, Rows};
use super::pieces::pieces_kept_column;
use crate::row::{ContentHash, Of};

/// A published piece: its number among its picture's, and its content.
pub type PublishedPlace = (Of, u16, ContentHash);

/// A published row, and the pieces that are published with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedRow {
    /// Of the picture.
    pub row: RowKey,
    /// Regions, then edits.
    pub pieces: Vec<PublishedPlace>,
}

/// Every row that `out` publishes with its regions and edits, part by part.
pub(crate) fn published_rows(out: &Path) -> Result<Vec<PublishedRow>, PublishError> {
    with_manifest(out, |manifest| rows_of(out, manifest))
}

fn rows_of(out: &Path, manifest: &Manifest) -> Result<Vec<PublishedRow>, PublishError> {
    let is_published = |of: &Of| match of {
        Of::Pictures => false,
        Of::Regions => manifest.regions.is_some(),
        Of::Edits => manifest.edits.is_some(),
    };
    let sorts: Vec<Of> = Of::PIECES.into_iter().filter(is_published).collect();
    let columns: Vec<&str> =
        std::iter::once("key").chain(sorts.iter().map(|of| pieces_kept_column(*of))).collect();
    let mut rows = Vec::new();
    for part in manifest.parts.iter().filter(|part| part.kind == PartKind::Data) {
        let path = out.join(&part.file);
        let broken = parquet::read(&path, &columns, Rows::All, |number, cells| {
            let pieces = sorts.iter().zip(&cells[1..]).map(|(of, cell)| pieces_of(*of, cell));
            match (&cells[0], pieces.collect::<Option<Vec<_>>>()) {
                (Cell::Text(key), Some(pieces)) => {
                    let row = RowKey { shard: part.shard.clone(), key: (*key).to_owned() };
                    rows.push(PublishedRow { row, pieces: pieces.concat() });
                    ControlFlow::Continue(())
                }
                _ => ControlFlow::Break(number),
            }
        });
        if let Some(number) = broken.map_err(|error| parquet::failure("read", &path, error))? {
            return Err(super::explain::not_ours(path, number));
        }
    }
    Ok(rows)
}

fn pieces_of(of: Of, cell: &Cell<'_>) -> Option<Vec<PublishedPlace>> {
    let Cell::Json(pieces) = cell else { return None };
    let piece = |piece: &serde_json::Value| {
        let number = u16::try_from(piece["number"].as_i64()?).ok()?;
        Some((of, number, hash_of_hex(piece["content"].as_str()?)?))
    };
    pieces.as_array()?.iter().map(piece).collect()
}
