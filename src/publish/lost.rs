//! What is published and would be published no more, or with less, because something failed: a server, a device, a disk, or a
//! budget that did not pay for it. What a dial holds back or a model refuses is no such loss, nor is what left the shards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;

use super::explain::with_manifest;
use super::manifest::{Manifest, Part, PartKind, read_manifest};
use super::parquet::{self, Cell, Rows};
use super::pieces::pieces_kept_column;
use super::source::{OpenShard, Shards};
use super::{PublishError, Wanted, WantedPieces, WantedShard};
use crate::flow::PieceVerdict;
use crate::row::{Lasts, Of, Refused, RowId, Verdict};
use crate::shard::Catalogue;

/// Published rows that are lost to failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Published pictures that failed, or that would be published with fewer regions.
    pub pictures: LostRows,
    /// Published edits.
    pub edits: LostRows,
    /// What the first of the failures said.
    #[serde(skip)]
    pub example: String,
}

/// Of pictures, or of edits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LostRows {
    /// How many there are, ...
    pub rows: u64,
    /// ... of so many that are published.
    pub of: u64,
}

impl LostRows {
    fn share(&self) -> f64 {
        self.rows as f64 / (self.of as f64).max(1.0)
    }
}

impl Lost {
    /// The larger of their shares of what is published, 0 to 1.
    pub fn share(&self) -> f64 {
        self.pictures.share().max(self.edits.share())
    }
}

/// `3 of 120 published edits (2.5 %), for example: edit: unreachable: ...`.
impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorts = [("pictures", &self.pictures), ("edits", &self.edits)];
        for (place, (sort, lost)) in sorts.into_iter().filter(|(_, lost)| lost.rows > 0).enumerate() {
            let and = if place > 0 { " and " } else { "" };
            write!(f, "{and}{} of {} published {sort} ({:.1} %)", lost.rows, lost.of, 100.0 * lost.share())?;
        }
        write!(f, ", for example: {}", self.example)
    }
}

/// What of the rows that `out` publishes would be lost if `wanted` were published.
pub fn lost_rows(out: &Path, wanted: &Wanted<'_>, catalogue: &Catalogue) -> Result<Lost, PublishError> {
    lost_of(out, wanted, catalogue)
}

pub(super) fn lost_of(out: &Path, wanted: &Wanted<'_>, shards: &impl Shards) -> Result<Lost, PublishError> {
    let mut failed = Vec::new();
    for shard in &wanted.shards {
        let members = failed_members(shard, wanted.pieces.as_ref());
        if !members.is_empty() {
            failed.push((shard, members));
        }
    }
    if failed.is_empty() || read_manifest(out)?.is_none() {
        return Ok(Lost::default());
    }
    with_manifest(out, |manifest| {
        let mut lost = Lost::default();
        let rows =
            |kind| manifest.parts.iter().filter(move |part| part.kind == kind).map(|part| part.rows).sum();
        (lost.pictures.of, lost.edits.of) = (rows(PartKind::Data), rows(PartKind::Edits));
        for (shard, members) in &failed {
            let open = shards.numbered(shard.seq)?;
            let keys: BTreeMap<&str, usize> =
                members.keys().map(|member| (open.index().samples[*member].key.as_str(), *member)).collect();
            let parts = manifest.parts.iter().filter(|part| part.shard == shard.name);
            for part in parts.filter(|part| part.kind == PartKind::Data) {
                see_published(out, manifest, part, |key, published| {
                    if let Some(member) = keys.get(key) {
                        lost.add(shard, wanted.pieces.as_ref(), *member, &published, &members[member]);
                    }
                })?;
            }
        }
        Ok(lost)
    })
}

/// The pictures of a shard of which anything failed, and what that said.
fn failed_members(shard: &WantedShard<'_>, pieces: Option<&WantedPieces<'_>>) -> BTreeMap<usize, String> {
    let of_member = |(member, verdict): (usize, &Verdict)| {
        let of_picture = if let Verdict::Refused(refused) = verdict { Some(&**refused) } else { None };
        let id = shard.row_id(member);
        let all = pieces.into_iter().flat_map(|pieces| {
            let of = |of| pieces.verdicts.pieces_of(of, id);
            Of::PIECES.into_iter().flat_map(of)
        });
        let of_pieces = all.filter_map(|(_, verdict)| match verdict {
            PieceVerdict::Refused(refused) => Some(&**refused),
            _ => None,
        });
        let first = of_picture.into_iter().chain(of_pieces).find(|refused| failed(refused))?;
        Some((member, format!("{}: {}", first.stage, first.refusal)))
    };
    shard.verdicts.iter().enumerate().filter_map(of_member).collect()
}

/// Whether a refusal says nothing of what was asked.
fn failed(refused: &Refused) -> bool {
    refused.refusal.lasts != Lasts::Content
}

/// The numbers of the regions and of the edits that are published with a picture.
type Published = [BTreeSet<i64>; 2];

/// Shows `see` the rows of a data part. One that cannot be read is damaged, and is written again: it holds nothing any more.
fn see_published(
    out: &Path,
    manifest: &Manifest,
    part: &Part,
    mut see: impl FnMut(&str, Published),
) -> Result<(), PublishError> {
    let sorts = Of::PIECES.map(|of| match of {
        Of::Edits => manifest.edits.is_some(),
        _ => manifest.regions.is_some(),
    });
    let of_sorts = || Of::PIECES.into_iter().zip(sorts).filter(|(_, are)| *are).map(|(of, _)| of);
    let columns: Vec<&str> = std::iter::once("key").chain(of_sorts().map(pieces_kept_column)).collect();
    let path = out.join(&part.file);
    let seen = parquet::read(&path, &columns, Rows::All, |_, cells| {
        let Cell::Text(key) = cells[0] else { return ControlFlow::<()>::Continue(()) };
        let mut published = Published::default();
        for (of, cell) in of_sorts().zip(&cells[1..]) {
            let numbers = if let Cell::Json(pieces) = cell { pieces.as_array() } else { None };
            let numbers = numbers.into_iter().flatten().filter_map(|piece| piece["number"].as_i64());
            published[usize::from(of == Of::Edits)] = numbers.collect();
        }
        see(key, published);
        ControlFlow::Continue(())
    });
    match seen.map_err(|error| parquet::failure("read", &path, error)) {
        // A commit may have swept it: whoever asks looks at the manifest again.
        Err(PublishError::Io { source, doing, path }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(PublishError::Io { source, doing, path })
        }
        _ => Ok(()),
    }
}

impl Lost {
    fn add(
        &mut self,
        shard: &WantedShard<'_>,
        pieces: Option<&WantedPieces<'_>>,
        member: usize,
        [regions, edits]: &Published,
        said: &str,
    ) {
        let now = Now { pieces, id: shard.row_id(member) };
        let (pictures, edits) = match &shard.verdicts[member] {
            Verdict::Refused(refused) if failed(refused) => (1, edits.len() as u64),
            // It is not published for a reason of its own.
            Verdict::Refused(_) | Verdict::Gated { .. } => (0, 0),
            Verdict::Kept(_) => {
                let fewer = regions.iter().any(|number| now.failed(Of::Regions, *number));
                (u64::from(fewer), now.lost_edits(edits))
            }
        };
        self.pictures.rows += pictures;
        self.edits.rows += edits;
        if pictures + edits > 0 && self.example.is_empty() {
            self.example = said.to_owned();
        }
    }
}

/// Where the pieces of a picture stand now.
struct Now<'a> {
    pieces: Option<&'a WantedPieces<'a>>,
    id: RowId,
}

impl Now<'_> {
    fn of(&self, of: Of) -> Vec<(u16, &PieceVerdict)> {
        self.pieces.map(|pieces| pieces.verdicts.pieces_of(of, self.id)).unwrap_or_default()
    }

    fn failed(&self, of: Of, number: i64) -> bool {
        let is_it = |(known, verdict): &(u16, &PieceVerdict)| {
            i64::from(*known) == number
                && matches!(verdict, PieceVerdict::Refused(refused) if failed(refused))
        };
        self.of(of).iter().any(is_it)
    }

    /// Published edits that failed, and those that were not tried because a region failed that they need.
    fn lost_edits(&self, published: &BTreeSet<i64>) -> u64 {
        let a_region_failed = self
            .of(Of::Regions)
            .iter()
            .any(|(_, verdict)| matches!(verdict, PieceVerdict::Refused(refused) if failed(refused)));
        let edits = self.of(Of::Edits);
        let is_lost = |number: &&i64| match edits
            .iter()
            .find(|(known, _)| i64::from(*known) == **number)
            .map(|(_, verdict)| *verdict)
        {
            Some(PieceVerdict::Kept { .. } | PieceVerdict::Gated { .. }) => false,
            Some(PieceVerdict::Refused(refused)) => failed(refused) || a_region_failed,
            None => a_region_failed,
        };
        published.iter().filter(is_lost).count() as u64
    }
}
