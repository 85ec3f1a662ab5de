//! The regions and edits that are published with their pictures. A piece that passed everything is, if its picture is kept.

use serde_json::{Map, Value};

use super::WantedPieces;
use super::record::{Nested, PublishedPiece};
use crate::flow::PieceVerdict;
use crate::row::{Of, RowId};

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
