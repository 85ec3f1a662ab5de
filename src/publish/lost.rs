//! Published data that would be lost, or become less, because something failed: a server, a device, a disk, or a budget that did not pay
//! for it. What a dial holds back or a model refuses is no such loss, and neither is what left the shards.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::explain::with_manifest;
use super::manifest::{Manifest, Part, PartKind, read_manifest};
use super::parquet::{self, Cell, Rows};
use super::pieces::pieces_kept_column;
use super::source::{OpenShard, Shards};
use super::{PublishError, Wanted, WantedPieces, WantedShard, check_part};
use crate::flow::PieceVerdict;
use crate::row::{Of, Refused, RowId, Verdict};
use crate::shard::{Catalogue, undivided};

/// Published rows that are lost to failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Published pictures that failed, or that would be published with fewer regions.
    pub pictures: LostRows,
    /// Published edits.
    pub edits: LostRows,
    /// What the first of the failures said.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub example: String,
}

/// Of pictures, or of edits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Of several processes, each of which has looked at its own shards.
    pub(crate) fn of_all(all: impl IntoIterator<Item = Lost>) -> Lost {
        let mut sum = Lost::default();
        for Lost { pictures, edits, example } in all {
            for (sum, one) in [(&mut sum.pictures, pictures), (&mut sum.edits, edits)] {
                sum.rows += one.rows;
                // Those who lost nothing have not counted what is published.
                sum.of = sum.of.max(one.of);
            }
            if sum.example.is_empty() {
                sum.example = example;
            }
        }
        sum
    }

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
pub(crate) fn lost_rows(
    out: &Path,
    wanted: &Wanted<'_>,
    catalogue: &Catalogue,
) -> Result<Lost, PublishError> {
    lost_of(out, wanted, catalogue)
}

pub(super) fn lost_of(out: &Path, wanted: &Wanted<'_>, shards: &impl Shards) -> Result<Lost, PublishError> {
    let with_failed = with_failed_pieces(wanted.pieces.as_ref());
    let mut failed = Vec::new();
    for shard in &wanted.shards {
        let members = failed_members(shard, wanted.pieces.as_ref(), &with_failed);
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
            let is_loose = open.folder().is_some();
            // Pictures of a folder may have been in another part of it when they were published.
            let holds = |part: &&Part| match is_loose {
                true => undivided(&part.shard) == undivided(shard.name),
                false => part.shard == shard.name,
            };
            let parts = manifest.parts.iter().filter(holds);
            for part in parts.filter(|part| part.kind == PartKind::Data) {
                if is_damaged(out, manifest, part)? {
                    // Nobody knows what it held: all that failed may have been published.
                    for (member, said) in members {
                        let all = all_of(wanted.pieces.as_ref(), shard.row_id(*member));
                        let said =
                            format!("{said} (the part that lists what is published is damaged: all count)");
                        lost.add(shard, wanted.pieces.as_ref(), *member, &all, &said);
                    }
                    continue;
                }
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
fn failed_members(
    shard: &WantedShard<'_>,
    pieces: Option<&WantedPieces<'_>>,
    with_failed_pieces: &HashSet<RowId>,
) -> BTreeMap<usize, String> {
    let of_member = |(member, verdict): (usize, &Verdict)| {
        let of_picture = if let Verdict::Refused(refused) = verdict { Some(&**refused) } else { None };
        let of_picture = of_picture.filter(|refused| failed(refused));
        let id = shard.row_id(member);
        // Most have none, and are not looked at piece by piece.
        let pieces = pieces.filter(|_| with_failed_pieces.contains(&id));
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
    !refused.refusal.is_permanent()
}

fn piece_failed(verdict: &PieceVerdict) -> bool {
    matches!(verdict, PieceVerdict::Refused(refused) if failed(refused))
}

/// The pictures of which a piece failed.
fn with_failed_pieces(pieces: Option<&WantedPieces<'_>>) -> HashSet<RowId> {
    let all = pieces
        .into_iter()
        .flat_map(|pieces| Of::PIECES.into_iter().flat_map(|of| pieces.verdicts.pieces(of)));
    all.filter(|(_, verdict)| piece_failed(verdict)).map(|(id, _)| id).collect()
}

/// The numbers of the regions and of the edits that are published with a picture.
type Published = [BTreeSet<i64>; 2];

/// Whether a part is not what was written; an error where a commit may have swept it: whoever asks looks at the manifest again.
fn is_damaged(out: &Path, manifest: &Manifest, part: &Part) -> Result<bool, PublishError> {
    match check_part(out, part) {
        Ok(()) => Ok(false),
        Err(error) if read_manifest(out)?.as_ref() != Some(manifest) => Err(error),
        Err(_) => Ok(true),
    }
}

/// The numbers of all regions and of all edits of a picture as it stands now.
fn all_of(pieces: Option<&WantedPieces<'_>>, id: RowId) -> Published {
    let now = Now { pieces, id };
    let numbers = |of| now.of(of).into_iter().map(|(number, _)| number.into()).collect();
    [numbers(Of::Regions), numbers(Of::Edits)]
}

/// Shows `see` the rows of a data part.
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
    seen.map(drop).map_err(|error| parquet::failure("read", &path, error))
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
            Verdict::Refused(_) => (0, 0),
            // A picture whose pieces were asked about had passed the gates before them: the one that holds it back now counts what is
            // left of them.
            Verdict::Gated { .. } => (1, now.lost_edits(edits)),
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
        let is_it =
            |(known, verdict): &(u16, &PieceVerdict)| i64::from(*known) == number && piece_failed(verdict);
        self.of(of).iter().any(is_it)
    }

    /// Published edits that failed, and those that were not tried because a region failed that they need.
    fn lost_edits(&self, published: &BTreeSet<i64>) -> u64 {
        let a_region_failed = self.of(Of::Regions).iter().any(|(_, verdict)| piece_failed(verdict));
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
