//! The wanted rows, shard by shard: what each part is a function of, and the cells of its rows.
//!
//! A part's digest covers all that determines its bytes: the format, the shard's name and fingerprint, what the index says of each of its
//! rows, and the row's verdict. If records are published, it also covers the recorder's stamp and the regions of each row. A rejected row's
//! threshold is part of that row. A kept row names no dial, so that a turn which changes no kept row changes no data part.

use super::digest::Digest;
use super::manifest::{Part, PartKind};
use super::origins::Counting;
use super::parquet::{Cell, Column, ColumnType, PartWriter, Presence};
use super::parts::{PartFile, Planned};
use super::pieces::published_pieces;
use super::records::{RecordCells, edit_columns, record_columns, write_edits, write_records};
use super::rejected::{self, digest_rejected, pieces_rejected_columns};
use super::source::OpenShard;
use super::{PUBLISHED, PublishError, Wanted, WantedPieces, WantedShard};
use crate::flow::PieceVerdict;
use crate::row::{Of, Refusal, Refused, RowId, Verdict};
use crate::shard::{Format, Member, ORIGIN_VERSION, Origin, Picture, Sample, ShardIndex, Sidecar};

/// Which part of which shard: `shard` is its place in [`Wanted::shards`].
pub(super) struct Recipe {
    pub shard: usize,
    pub kind: PartKind,
}

/// The columns of `data/`: the same for every part.
pub(super) fn all_data_columns(wanted: &Wanted<'_>) -> Result<Vec<Column>, PublishError> {
    let mut columns = data_columns(wanted.score_columns)?;
    if let Some(pieces) = &wanted.pieces {
        columns.extend(record_columns(pieces)?);
        no_name_twice(edit_columns(pieces))?;
        for (of, _) in pieces.sorts {
            pieces_rejected_columns((pieces, *of))?;
        }
    }
    no_name_twice(columns)
}

/// Those of them that every pipeline has.
pub(super) fn data_columns(score_columns: &[&str]) -> Result<Vec<Column>, PublishError> {
    use ColumnType::{Float32, Int32, Int64, LongText, Text};
    use Presence::{Always, Nullable};
    let mut columns: Vec<Column> = [
        ("key", Text),
        ("shard", Text),
        ("picture", Text),
        ("offset", Int64),
        ("length", Int64),
        ("width", Int32),
        ("height", Int32),
        ("format", Text),
        ("content", Text),
    ]
    .into_iter()
    .map(|(name, holds)| Column::new(name, holds, Always))
    .collect();
    columns.extend(score_columns.iter().map(|name| Column::new(name, Float32, Always)));
    for (name, holds) in [("caption", LongText), ("sidecar", LongText), ("sidecar_error", Text)] {
        columns.push(Column::new(name, holds, Nullable));
    }
    let origin = Origin::COLUMNS.into_iter().zip([LongText, Text, Text, Text]);
    columns.extend(origin.map(|(name, holds)| Column::new(name, holds, Nullable)));
    no_name_twice(columns)
}

pub(super) fn no_name_twice(columns: Vec<Column>) -> Result<Vec<Column>, PublishError> {
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].iter().any(|other| other.name == column.name) {
            return Err(PublishError::SameName(column.name.to_string()));
        }
    }
    Ok(columns)
}

/// The columns of `rejected/`.
pub(super) fn rejected_columns() -> Vec<Column> {
    use ColumnType::Text;
    let sample = ["key", "shard"].map(|name| Column::new(name, Text, Presence::Always));
    let sidecar_error = Column::new("sidecar_error", Text, Presence::Nullable);
    sample.into_iter().chain(reason_columns()).chain([sidecar_error]).collect()
}

/// The columns that say why a row or a piece of one is not kept: those of [`Reason::cells`].
pub(super) fn reason_columns() -> [Column; 6] {
    use ColumnType::{Float32, Text};
    use Presence::{Always, Nullable};
    [
        ("stage", Text, Always),
        ("dial", Text, Nullable),
        ("score", Float32, Nullable),
        ("threshold", Float32, Nullable),
        ("class", Text, Nullable),
        ("message", Text, Nullable),
    ]
    .map(|(name, holds, presence)| Column::new(name, holds, presence))
}

/// The parts of one shard that have rows, with their digests.
pub(super) fn plan(
    wanted: &Wanted<'_>,
    place: usize,
    index: &ShardIndex,
) -> Result<Vec<Planned<Recipe>>, PublishError> {
    let shard = &wanted.shards[place];
    if shard.verdicts.len() != index.samples.len() {
        let (verdicts, samples) = (shard.verdicts.len(), index.samples.len());
        return Err(PublishError::Verdicts(format!(
            "shard {}: {verdicts} verdicts for {samples} rows",
            shard.name
        )));
    }
    let mut planned = Vec::new();
    for &kind in PUBLISHED.kinds {
        let mut digest = Digest::of_part(kind, shard.name, index.fingerprint);
        if kind == PartKind::Data {
            digest.text(ORIGIN_VERSION);
        }
        let rows = match (kind, &wanted.pieces) {
            (PartKind::Data, _) | (PartKind::Records, Some(_)) => {
                digest_kept(&mut digest, wanted, shard, index)?
            }
            (PartKind::Edits, Some(pieces)) if !pieces.recorder.edit_columns().is_empty() => {
                digest_kept(&mut digest, wanted, shard, index)?;
                edits_kept(pieces, shard)
            }
            (PartKind::Rejected, _) => digest_lost(&mut digest, wanted, shard, index),
            (PartKind::RegionsRejected, Some(pieces)) => {
                digest_rejected(&mut digest, wanted, (pieces, Of::Regions), shard, index)
            }
            (PartKind::EditsRejected, Some(pieces)) => {
                digest_rejected(&mut digest, wanted, (pieces, Of::Edits), shard, index)
            }
            _ => 0,
        };
        if rows > 0 {
            let digest = digest.finish();
            planned.push(Planned {
                part: Part {
                    shard: shard.name.to_owned(),
                    fingerprint: index.fingerprint.to_string(),
                    kind,
                    file: kind.file(shard.name, digest),
                    digest: digest.to_string(),
                    rows,
                    bytes: 0,
                    hash: None,
                    follows: None,
                    origins: None,
                },
                recipe: Recipe { shard: place, kind },
            });
        }
    }
    Ok(planned)
}

/// Puts the kept rows of a shard, and what is published with them, into a part's digest; gives their number.
fn digest_kept(
    digest: &mut Digest,
    wanted: &Wanted<'_>,
    shard: &WantedShard<'_>,
    index: &ShardIndex,
) -> Result<u64, PublishError> {
    wanted.score_columns.iter().for_each(|name| digest.text(name));
    if let Some(pieces) = &wanted.pieces {
        digest.recorder(pieces);
    }
    let mut rows = 0;
    for row in kept_rows(shard, index) {
        let (member, sample, scores) = row?;
        rows += 1;
        picture_of(shard.name, sample)?;
        digest.number(member.into());
        digest.sample(sample);
        digest.number(0);
        scores.iter().for_each(|&score| digest.score(score));
        for (of, _) in wanted.pieces.iter().flat_map(|pieces| pieces.sorts) {
            let pieces = wanted.pieces.iter();
            let id = shard.row_id(member as usize);
            pieces.for_each(|pieces| digest.pieces(&published_pieces(pieces, *of, id)));
        }
    }
    Ok(rows)
}

/// How many edits of kept pictures a shard has.
fn edits_kept(pieces: &WantedPieces<'_>, shard: &WantedShard<'_>) -> u64 {
    let kept = (0..shard.verdicts.len()).filter(|row| matches!(shard.verdicts[*row], Verdict::Kept(_)));
    kept.map(|row| published_pieces(pieces, Of::Edits, shard.row_id(row)).len() as u64).sum()
}

/// Puts the rows of a shard that are not kept into a part's digest; gives their number.
fn digest_lost(digest: &mut Digest, wanted: &Wanted<'_>, shard: &WantedShard<'_>, index: &ShardIndex) -> u64 {
    let mut rows = 0;
    for (number, sample, reason) in lost_rows(shard, index) {
        rows += 1;
        digest.number(number as u64);
        digest.sample(sample);
        digest.reason(wanted, &reason);
    }
    rows
}

/// The kept rows, in the order of the shard, each with its number in the index and its scores.
pub(super) fn kept_rows<'a>(
    shard: &'a WantedShard<'_>,
    index: &'a ShardIndex,
) -> impl Iterator<Item = Result<(u32, &'a Sample, &'a [f32]), PublishError>> {
    let rows = index.samples.iter().zip(shard.verdicts).enumerate();
    rows.filter_map(|(member, (sample, verdict))| match verdict {
        Verdict::Kept(scores) => Some(match u32::try_from(member) {
            Ok(member) => Ok((member, sample, &**scores)),
            Err(_) => Err(PublishError::Verdicts(format!("shard {} has more than 2^32 rows", shard.name))),
        }),
        _ => None,
    })
}

/// The rows that are not kept, in the order of the shard, each with its number in the index.
fn lost_rows<'a>(
    shard: &'a WantedShard<'_>,
    index: &'a ShardIndex,
) -> impl Iterator<Item = (usize, &'a Sample, Reason<'a>)> {
    let rows = index.samples.iter().zip(shard.verdicts).enumerate();
    rows.filter_map(|(number, (sample, verdict))| Some((number, sample, Reason::of_row(verdict)?)))
}

/// Writes a part's rows.
pub(super) fn write_part(
    wanted: &Wanted<'_>,
    recipe: &Recipe,
    open: &impl OpenShard,
    file: &mut PartFile,
) -> Result<(), PublishError> {
    let shard = &wanted.shards[recipe.shard];
    match (recipe.kind, &wanted.pieces) {
        (PartKind::Data, _) => write_data(wanted, shard, open, file),
        (PartKind::Rejected, _) => write_rejected(wanted, shard, open.index(), file),
        (PartKind::Records, Some(pieces)) => write_records(wanted, pieces, shard, open, file),
        (PartKind::Edits, Some(pieces)) => write_edits(wanted, pieces, shard, open, file),
        (PartKind::RegionsRejected, Some(pieces)) => {
            rejected::write_rejected(wanted, (pieces, Of::Regions), shard, open, file)
        }
        (PartKind::EditsRejected, Some(pieces)) => {
            rejected::write_rejected(wanted, (pieces, Of::Edits), shard, open, file)
        }
        (kind, _) => {
            Err(PublishError::Other(format!("parts of kind {kind:?} are not made of these verdicts")))
        }
    }
}

fn write_data(
    wanted: &Wanted<'_>,
    shard: &WantedShard<'_>,
    open: &impl OpenShard,
    file: &mut PartFile,
) -> Result<(), PublishError> {
    let path = file.get_ref().path.clone();
    let failed = |error| super::parquet::failure("write", &path, error);
    let mut counting = Counting::default();
    let mut writer = PartWriter::new(file, &all_data_columns(wanted)?).map_err(failed)?;
    for row in kept_rows(shard, open.index()) {
        let (member, sample, scores) = row?;
        let sidecar = sidecar_of(open, shard.name, member, sample)?;
        let row = KeptRow::of(shard, member, sample, scores, &sidecar)?;
        let sidecar_error = sample.sidecar_refusal.as_deref().map(Refusal::to_string);
        let content = row.picture.content.to_string();
        let place = place_of(open, &sample.key, row.member);
        let origin = Origin::of(&sidecar);
        let mut cells = row.cells(shard.name, &place, sidecar_error.as_deref(), &content);
        cells.extend(origin.texts().map(Cell::from));
        counting.add(&origin);
        let record = match &wanted.pieces {
            Some(pieces) => Some(RecordCells::of(wanted, pieces, shard.name, &row)?),
            None => None,
        };
        cells.extend(record.iter().flat_map(RecordCells::cells));
        writer.push(&cells).map_err(|error| failed(super::parquet::of_row(&sample.key, error)))?;
    }
    writer.finish().map_err(failed)?.get_mut().origins = counting.counts();
    Ok(())
}

fn write_rejected(
    wanted: &Wanted<'_>,
    shard: &WantedShard<'_>,
    index: &ShardIndex,
    file: &mut PartFile,
) -> Result<(), PublishError> {
    let path = file.get_ref().path.clone();
    let failed = |error| super::parquet::failure("write", &path, error);
    let mut writer = PartWriter::new(file, &rejected_columns()).map_err(failed)?;
    for (_, sample, reason) in lost_rows(shard, index) {
        let sidecar_error = sample.sidecar_refusal.as_deref().map(Refusal::to_string);
        let mut cells = vec![Cell::Text(&sample.key), Cell::Text(shard.name)];
        cells.extend(reason.cells(wanted));
        cells.push(sidecar_error.as_deref().into());
        writer.push(&cells).map_err(failed)?;
    }
    writer.finish().map(drop).map_err(failed)
}

/// A kept row's picture and the member that holds it.
pub(super) fn picture_of<'a>(
    shard: &str,
    sample: &'a Sample,
) -> Result<(&'a Picture, &'a Member), PublishError> {
    let why = match &sample.picture {
        Ok(picture) => match sample.members.get(picture.member as usize) {
            Some(member) => return Ok((picture, member)),
            None => "its picture is none of its members".to_owned(),
        },
        Err(refusal) => format!("its picture was refused ({refusal})"),
    };
    Err(PublishError::Verdicts(format!("shard {shard}: {} is kept, but {why}", sample.key)))
}

/// A row's sidecar. One that cannot be read fails the part: a part is written once, and would say for good that there is none.
pub(super) fn sidecar_of(
    open: &impl OpenShard,
    shard: &str,
    member: u32,
    sample: &Sample,
) -> Result<Sidecar, PublishError> {
    let failed = |why| PublishError::Sidecar { shard: shard.to_owned(), key: sample.key.clone(), why };
    open.sidecar(member).map_err(failed)
}

/// The name that a member has in a tar.
pub(super) fn member_name(key: &str, member: &Member) -> String {
    if member.extension.is_empty() { key.to_owned() } else { format!("{key}.{}", member.extension) }
}

/// Where a reader finds a member: the name of its file, and where it begins in that file, be it a tar or a file of its own.
pub(super) fn place_of(open: &impl OpenShard, key: &str, member: &Member) -> (String, i64) {
    match open.file_of(member) {
        Some(file) => (file, 0),
        None => (member_name(key, member), member.offset as i64),
    }
}

/// A row that is kept, or of which pieces are rejected: its picture and its sidecar.
pub(super) struct KeptRow<'a> {
    pub id: RowId,
    pub sample: &'a Sample,
    pub picture: &'a Picture,
    member: &'a Member,
    /// The name of the picture's file.
    pub file: String,
    /// None of a row that is not kept.
    pub scores: &'a [f32],
    pub sidecar: &'a Sidecar,
}

impl<'a> KeptRow<'a> {
    pub(super) fn of(
        shard: &WantedShard<'_>,
        member: u32,
        sample: &'a Sample,
        scores: &'a [f32],
        sidecar: &'a Sidecar,
    ) -> Result<Self, PublishError> {
        let id = shard.row_id(member as usize);
        let (picture, member) = picture_of(shard.name, sample)?;
        let file = member_name(&sample.key, member);
        Ok(KeptRow { id, sample, picture, member, file, scores, sidecar })
    }

    /// In the order of [`data_columns`], but for what is known of the picture's origin.
    fn cells<'b>(
        &'b self,
        shard: &'b str,
        (file, offset): &'b (String, i64),
        sidecar_error: Option<&'b str>,
        content: &'b str,
    ) -> Vec<Cell<'b>> {
        let mut cells = vec![
            Cell::Text(&self.sample.key),
            Cell::Text(shard),
            Cell::Text(file),
            Cell::Int64(*offset),
            Cell::Int64(self.member.len as i64),
            Cell::Int32(self.picture.width.into()),
            Cell::Int32(self.picture.height.into()),
            Cell::Text(format_name(self.picture.format)),
            Cell::Text(content),
        ];
        cells.extend(self.scores.iter().map(|&score| Cell::Float32(score)));
        cells.push(self.sidecar.caption.as_deref().into());
        cells.push(self.sidecar.json.as_deref().into());
        cells.push(sidecar_error.into());
        cells
    }
}

/// Why a row or a piece of one is not kept.
#[derive(Clone, Copy)]
pub(super) enum Reason<'a> {
    Gated { dial: &'static str, score: f32 },
    Refused(&'a Refused),
}

impl<'a> Reason<'a> {
    pub(super) fn of_row(verdict: &'a Verdict) -> Option<Self> {
        match verdict {
            Verdict::Kept(_) => None,
            Verdict::Gated { dial, score } => Some(Reason::Gated { dial, score: *score }),
            Verdict::Refused(refused) => Some(Reason::Refused(refused)),
        }
    }

    pub(super) fn of_piece(verdict: &'a PieceVerdict) -> Option<Self> {
        match verdict {
            PieceVerdict::Kept { .. } => None,
            PieceVerdict::Gated { dial, score } => Some(Reason::Gated { dial, score: *score }),
            PieceVerdict::Refused(refused) => Some(Reason::Refused(refused)),
        }
    }

    /// In the order of [`reason_columns`].
    pub(super) fn cells(&self, wanted: &Wanted<'_>) -> [Cell<'a>; 6] {
        use Cell::{Float32, Missing, Text};
        match *self {
            Reason::Gated { dial, score } => {
                let threshold = threshold(wanted, dial).map_or(Missing, Float32);
                [Text(dial), Text(dial), Float32(score), threshold, Missing, Missing]
            }
            Reason::Refused(Refused { stage, refusal }) => {
                [Text(stage), Missing, Missing, Missing, Text(&refusal.class), Text(&refusal.message)]
            }
        }
    }
}

pub(super) fn threshold(wanted: &Wanted<'_>, name: &str) -> Option<f32> {
    wanted.dials.iter().find(|dial| dial.name == name).map(|dial| dial.value)
}

pub(super) fn format_name(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "jpeg",
        Format::Png => "png",
        Format::WebP => "webp",
        Format::Gif => "gif",
        Format::Bmp => "bmp",
        Format::Tiff => "tiff",
    }
}
