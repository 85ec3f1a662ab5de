//! The records of kept pictures. The pipeline's recorder makes them; they are published as columns and as files of a tar.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::parquet::{Cell, Column, ColumnType, PartWriter, Presence};
use super::parts::PartFile;
use super::pieces::{pieces_cell, pieces_kept, pieces_kept_column, published_pieces};
use super::plain_tar::PlainTar;
use super::source::OpenShard;
use super::wanted::{KeptRow, kept_rows, sidecar_of};
use super::{KeptPicture, Nested, PublishError, PublishedPiece, Wanted, WantedPieces, WantedShard};
use crate::row::{Of, Verdict};
use crate::shard::Shard;

/// The columns that the data parts of a pipeline with pieces have beside the others.
pub(super) fn record_columns(pieces: &WantedPieces<'_>) -> Result<Vec<Column>, PublishError> {
    let mut columns = Vec::new();
    for (of, score_columns) in pieces.sorts {
        let names = ["number", "content"].iter().chain(score_columns);
        let names: Vec<&str> = names.copied().collect();
        if let Some(twice) = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
            return Err(PublishError::SameName((*twice.1).to_owned()));
        }
        columns.push((pieces_kept_column(*of), pieces_kept(score_columns)));
    }
    columns.extend(pieces.recorder.columns());
    Ok(columns.into_iter().map(nested_column).collect())
}

pub(super) fn nested_column((name, holds): (&'static str, Nested)) -> Column {
    Column::new(name, ColumnType::Nested(holds), Presence::Nullable)
}

/// A kept picture's record and its pieces, as the columns take them.
pub(super) struct RecordCells {
    pieces: Vec<Value>,
    record: Map<String, Value>,
    names: Vec<&'static str>,
}

impl RecordCells {
    pub(super) fn of(
        wanted: &Wanted<'_>,
        pieces: &WantedPieces<'_>,
        shard: &str,
        row: &KeptRow<'_>,
    ) -> Result<Self, PublishError> {
        let text = record_of(wanted, pieces, shard, row)?;
        let record = serde_json::from_str(&text)
            .map_err(|error| broken(shard, row, &format!("what was made is no JSON object: {error}")))?;
        let names = pieces.recorder.columns().into_iter().map(|(name, _)| name).collect();
        let sorts = pieces.sorts.iter();
        let cell = |(of, names): &(_, Vec<_>)| pieces_cell(&published_pieces(pieces, *of, row.id), names);
        Ok(RecordCells { pieces: sorts.map(cell).collect(), record, names })
    }

    /// In the order of [`record_columns`].
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let fields = self.names.iter().map(|name| self.record.get(*name));
        self.pieces.iter().map(Some).chain(fields).map(json_cell)
    }
}

pub(super) fn json_cell(value: Option<&Value>) -> Cell<'_> {
    value.map_or(Cell::Missing, |value| Cell::Json(Cow::Borrowed(value)))
}

/// The columns of `edits/`.
pub(super) fn edit_columns(pieces: &WantedPieces<'_>) -> Vec<Column> {
    let own = ["key", "shard"].map(|name| Column::new(name, ColumnType::Text, Presence::Always));
    own.into_iter().chain(pieces.recorder.edit_columns().into_iter().map(nested_column)).collect()
}

/// Writes a part of edits: one row for each edit of each kept picture.
pub(super) fn write_edits(
    wanted: &Wanted<'_>,
    pieces: &WantedPieces<'_>,
    shard: &WantedShard<'_>,
    open: &impl OpenShard,
    file: &mut PartFile,
) -> Result<(), PublishError> {
    let path = file.get_ref().path.clone();
    let failed = |error| super::parquet::failure("write", &path, error);
    let names: Vec<&str> = pieces.recorder.edit_columns().into_iter().map(|(name, _)| name).collect();
    let mut writer = PartWriter::new(file, &edit_columns(pieces)).map_err(failed)?;
    for row in kept_rows(shard, open.index()) {
        let (member, sample, scores) = row?;
        if published_pieces(pieces, Of::Edits, shard.row_id(member as usize)).is_empty() {
            continue;
        }
        let sidecar = sidecar_of(open, shard.name, member, sample)?;
        let row = KeptRow::of(shard, member, sample, scores, &sidecar)?;
        let picture = picture_with(wanted, pieces, shard.name, &row);
        let edits = pieces.recorder.edits(&picture).map_err(|why| broken(shard.name, &row, &why))?;
        for edit in edits {
            let mut cells = vec![Cell::Text(&sample.key), Cell::Text(shard.name)];
            cells.extend(names.iter().map(|name| json_cell(edit.get(*name))));
            writer.push(&cells).map_err(|error| failed(super::parquet::of_row(&sample.key, error)))?;
        }
    }
    writer.finish().map(drop).map_err(failed)
}

/// Writes a part of records: one file a kept picture, its text as the recorder gives it.
pub(super) fn write_records(
    wanted: &Wanted<'_>,
    pieces: &WantedPieces<'_>,
    shard: &WantedShard<'_>,
    open: &impl OpenShard,
    file: &mut PartFile,
) -> Result<(), PublishError> {
    let path = file.get_ref().path.clone();
    let mut tar = PlainTar::new(file);
    for row in kept_rows(shard, open.index()) {
        let (member, sample, scores) = row?;
        let sidecar = sidecar_of(open, shard.name, member, sample)?;
        let row = KeptRow::of(shard, member, sample, scores, &sidecar)?;
        let text = record_of(wanted, pieces, shard.name, &row)?;
        let name = format!("jsons/{}.json", sample.key);
        tar.append(&name, text.as_bytes()).map_err(PublishError::io("write", &path))?;
    }
    tar.finish().map(drop).map_err(PublishError::io("write", &path))
}

/// The record of a row as it is published; `None` for a row that is not kept, and where no records are written.
///
/// `shard` is one of the wanted, and `open` the same shard, open.
pub(crate) fn record_of_row(
    wanted: &Wanted<'_>,
    shard: &WantedShard<'_>,
    open: &Shard,
    member: u32,
) -> Result<Option<String>, PublishError> {
    with_kept_row(wanted, shard, open, member, |pieces, row| record_of(wanted, pieces, shard.name, row))
}

/// The numbers of the edits that are published of a kept row.
pub(crate) fn edits_published<'a>(
    wanted: &Wanted<'a>,
    shard: &WantedShard<'_>,
    member: u32,
) -> Vec<PublishedPiece<'a>> {
    let Some(pieces) = &wanted.pieces else { return Vec::new() };
    published_pieces(pieces, Of::Edits, shard.row_id(member as usize))
}

/// An edit's number and its row.
pub(crate) type NumberedRow = (u16, Map<String, Value>);

/// The edits of a row as they are published, by their numbers; none of a row that is not kept.
///
/// `shard` is one of the wanted, and `open` the same shard, open.
pub(crate) fn edits_of_row(
    wanted: &Wanted<'_>,
    shard: &WantedShard<'_>,
    open: &Shard,
    member: u32,
) -> Result<Vec<NumberedRow>, PublishError> {
    let edits = with_kept_row(wanted, shard, open, member, |pieces, row| {
        let picture = picture_with(wanted, pieces, shard.name, row);
        let edits = pieces.recorder.edits(&picture).map_err(|why| broken(shard.name, row, &why))?;
        Ok(picture.edits.iter().map(|piece| piece.number).zip(edits).collect())
    });
    edits.map(Option::unwrap_or_default)
}

/// What `tell` makes of a row; `None` for one that is not kept, and where no pieces are published.
fn with_kept_row<T>(
    wanted: &Wanted<'_>,
    shard: &WantedShard<'_>,
    open: &Shard,
    member: u32,
    tell: impl FnOnce(&WantedPieces<'_>, &KeptRow<'_>) -> Result<T, PublishError>,
) -> Result<Option<T>, PublishError> {
    let (Some(pieces), Some(Verdict::Kept(scores)), Some(sample)) =
        (&wanted.pieces, shard.verdicts.get(member as usize), open.index.samples.get(member as usize))
    else {
        return Ok(None);
    };
    let sidecar = sidecar_of(open, shard.name, member, sample)?;
    let row = KeptRow::of(shard, member, sample, scores, &sidecar)?;
    tell(pieces, &row).map(Some)
}

fn record_of(
    wanted: &Wanted<'_>,
    pieces: &WantedPieces<'_>,
    shard: &str,
    row: &KeptRow<'_>,
) -> Result<String, PublishError> {
    let picture = picture_with(wanted, pieces, shard, row);
    pieces.recorder.record(&picture).map_err(|why| broken(shard, row, &why))
}

/// All that is known of a picture.
pub(super) fn picture_with<'a>(
    wanted: &Wanted<'_>,
    pieces: &WantedPieces<'a>,
    shard: &'a str,
    row: &'a KeptRow<'a>,
) -> KeptPicture<'a> {
    KeptPicture {
        shard,
        id: row.id,
        sample: row.sample,
        picture: row.picture,
        file: &row.file,
        sidecar: row.sidecar,
        scores: wanted.score_columns.iter().copied().zip(row.scores.iter().copied()).collect(),
        regions: published_pieces(pieces, Of::Regions, row.id),
        region_score_names: pieces.score_columns(Of::Regions).unwrap_or_default(),
        edits: published_pieces(pieces, Of::Edits, row.id),
        edit_score_names: pieces.score_columns(Of::Edits).unwrap_or_default(),
    }
}

pub(super) fn broken(shard: &str, row: &KeptRow<'_>, why: &str) -> PublishError {
    PublishError::Record { shard: shard.to_owned(), key: row.sample.key.clone(), why: why.to_owned() }
}
