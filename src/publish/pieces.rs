//! The regions and edits that are wanted: those that are published with their pictures, and the rows of the others.
//!
//! A piece that passed everything is published with its picture. If the picture is not kept, the piece is in no part.

use serde_json::{Map, Value};

use super::digest::Digest;
use super::parquet::{Cell, Column, ColumnType, Presence};
use super::record::{Nested, PublishedPiece};
use super::wanted::{Reason, reason_columns};
use super::{PublishError, Wanted, WantedPieces, WantedShard};
use crate::flow::PieceVerdict;
use crate::row::{Of, RowId};
use crate::shard::{Sample, ShardIndex};

/// The column of the pieces of that sort that are published with a picture.
pub(super) fn pieces_kept_column(of: Of) -> &'static str {
    match of {
        Of::Edits => "edits_kept",
        Of::Regions | Of::Pictures => "regions_kept",
    }
}

/// What that column holds.
pub(super) fn pieces_kept(score_columns: &[&'static str]) -> Nested {
    let mut fields = vec![("number", Nested::Int64), ("content", Nested::Text)];
    fields.extend(score_columns.iter().map(|&name| (name, Nested::Float32)));
    Nested::List(Box::new(Nested::Struct(fields)))
}

/// A cell of that column. A score that is no finite number is missing: JSON has none such.
pub(super) fn pieces_cell(pieces: &[PublishedPiece<'_>], score_columns: &[&'static str]) -> Value {
    let cell = |piece: &PublishedPiece<'_>| {
        let mut fields = Map::new();
        fields.insert("number".to_owned(), piece.number.into());
        fields.insert("content".to_owned(), piece.content.to_string().into());
        for (name, &score) in score_columns.iter().zip(piece.scores) {
            fields.insert((*name).to_owned(), score.into());
        }
        Value::Object(fields)
    };
    pieces.iter().map(cell).collect::<Vec<_>>().into()
}

/// The pieces of a kept picture that are published with it, in the order of their numbers.
pub(super) fn published_pieces<'a>(pieces: &WantedPieces<'a>, of: Of, id: RowId) -> Vec<PublishedPiece<'a>> {
    let published = |(number, verdict): (u16, &'a PieceVerdict)| match verdict {
        PieceVerdict::Kept { content, scores } => Some(PublishedPiece { number, content: *content, scores }),
        _ => None,
    };
    pieces.verdicts.pieces_of(of, id).into_iter().filter_map(published).collect()
}

/// The columns of `regions_rejected/` or `edits_rejected/`.
pub(super) fn pieces_rejected_columns(of: Of) -> Vec<Column> {
    use ColumnType::{Int32, Text};
    let whose = [("key", Text), ("shard", Text), (of.singular(), Int32)];
    let whose = whose.map(|(name, holds)| Column::new(name, holds, Presence::Always));
    whose.into_iter().chain(reason_columns()).collect()
}

/// Shows `see` every piece of the shard that was held back or refused, in the order of pictures and of numbers.
pub(super) fn see_rejected<E>(
    (pieces, of): (&WantedPieces<'_>, Of),
    shard: &WantedShard<'_>,
    index: &ShardIndex,
    mut see: impl FnMut(usize, &Sample, u16, Reason<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for (member, sample) in index.samples.iter().enumerate() {
        for (number, verdict) in pieces.verdicts.pieces_of(of, shard.row_id(member)) {
            if let Some(reason) = Reason::of_piece(verdict) {
                see(member, sample, number, reason)?;
            }
        }
    }
    Ok(())
}

/// Puts the rejected pieces of a shard into the digest of their part; gives their number.
pub(super) fn digest_rejected(
    digest: &mut Digest,
    wanted: &Wanted<'_>,
    (pieces, of): (&WantedPieces<'_>, Of),
    shard: &WantedShard<'_>,
    index: &ShardIndex,
) -> Result<u64, PublishError> {
    let mut rows = 0;
    see_rejected((pieces, of), shard, index, |member, sample, number, reason| {
        rows += 1;
        digest.number(member as u64);
        digest.text(&sample.key);
        digest.number(number.into());
        digest.reason(wanted, &reason);
        Ok(())
    })
    .map(|()| rows)
}

/// In the order of [`pieces_rejected_columns`].
pub(super) fn rejected_piece_cells<'a>(
    wanted: &Wanted<'_>,
    shard: &'a str,
    key: &'a str,
    number: u16,
    reason: &Reason<'a>,
) -> Vec<Cell<'a>> {
    let mut cells = vec![Cell::Text(key), Cell::Text(shard), Cell::Int32(number.into())];
    cells.extend(reason.cells(wanted));
    cells
}
