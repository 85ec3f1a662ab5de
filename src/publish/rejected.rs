//! The regions and edits that are not published with a picture: why, and all that is known of each.
//!
//! A piece that was held back or refused is such a one, and so is a piece that passed everything and whose picture is not kept. A row says
//! what the piece had been told by then (its content and its scores) and what the pipeline's recorder knows of it.

use serde_json::{Map, Value};

use super::digest::Digest;
use super::funnel::{place_of_gate, place_of_refusal};
use super::parquet::{Cell, Column, ColumnType, PartWriter, Presence};
use super::parts::PartFile;
use super::pieces::published_pieces;
use super::records::{broken, json_cell, nested_column, picture_with};
use super::source::OpenShard;
use super::wanted::{KeptRow, Reason, no_name_twice, reason_columns, sidecar_of};
use super::{Nested, PublishError, RejectedPiece, StageDescription, Wanted, WantedPieces, WantedShard};
use crate::flow::{PieceVerdict, Told};
use crate::row::{Of, Verdict};
use crate::shard::ShardIndex;

/// The pieces of one sort: all of them, and which.
pub(super) type Sort<'a, 'b> = (&'a WantedPieces<'b>, Of);

/// A piece that is not published with its picture.
struct Rejected<'a> {
    piece: RejectedPiece<'a>,
    reason: Reason<'a>,
    /// Whether that is why the picture is not kept; the piece itself passed everything.
    of_picture: bool,
}

/// The columns of `regions_rejected/` or `edits_rejected/` that say which piece it is, and why.
pub(super) fn reasons_of_pieces(of: Of) -> Vec<Column> {
    use ColumnType::{Int32, Text};
    let whose = [("key", Text), ("shard", Text), (of.singular(), Int32)];
    let whose = whose.map(|(name, holds)| Column::new(name, holds, Presence::Always));
    whose.into_iter().chain(reason_columns()).collect()
}

/// The column that says whose reason it is: `region` or `edit`, or `picture` where the piece passed everything.
pub(super) const REJECTED: &str = "rejected";
/// The column of the scores that a piece had.
pub(super) const SCORES: &str = "scores";

/// What is published of such a piece beside that, as columns with their types.
pub(super) fn told_columns((pieces, of): Sort<'_, '_>) -> Vec<(&'static str, Nested)> {
    let mut columns = vec![(REJECTED, Nested::Text), ("content", Nested::Text)];
    let scores = pieces.score_columns(of).unwrap_or_default();
    if !scores.is_empty() {
        let fields = scores.iter().map(|&name| (name, Nested::Float32)).collect();
        columns.push((SCORES, Nested::Struct(fields)));
    }
    columns.extend(pieces.recorder.rejected_columns(of));
    columns
}

/// All columns of `regions_rejected/` or `edits_rejected/`.
pub(super) fn pieces_rejected_columns(sort: Sort<'_, '_>) -> Result<Vec<Column>, PublishError> {
    let told = told_columns(sort).into_iter().map(nested_column);
    no_name_twice(reasons_of_pieces(sort.1).into_iter().chain(told).collect())
}

/// The stages of one sort that are asked, in their order.
struct Asked<'a> {
    stages: &'a [StageDescription],
    of: Of,
    names: Vec<&'static str>,
}

impl<'a> Asked<'a> {
    fn of(stages: &'a [StageDescription], of: Of) -> Self {
        Asked { stages, of, names: asked(stages, of).collect() }
    }

    /// Those that had answered about a piece which ended for that reason.
    fn before(&self, reason: &Reason<'_>) -> &[&'static str] {
        let place = match reason {
            Reason::Gated { dial, .. } => place_of_gate(self.stages, self.of, dial),
            Reason::Refused(refused) => place_of_refusal(self.stages, self.of, &refused.stage),
        };
        let before = place.map_or(0, |place| asked(&self.stages[..place], self.of).count());
        &self.names[..before]
    }
}

fn asked(stages: &[StageDescription], wanted: Of) -> impl Iterator<Item = &'static str> {
    stages.iter().filter_map(move |stage| match stage {
        StageDescription::Ask { name, of, .. } if *of == wanted => Some(*name),
        _ => None,
    })
}

/// Those of a picture, in the order of their numbers.
fn rejected_of<'a>(
    (pieces, of): Sort<'_, 'a>,
    asked: &'a Asked<'a>,
    shard: &WantedShard<'a>,
    member: usize,
) -> Vec<Rejected<'a>> {
    let of_picture = Reason::of_row(&shard.verdicts[member]);
    let rejected = |(number, verdict, told): (u16, &'a PieceVerdict, Option<&Told>)| {
        if let PieceVerdict::Kept { content, scores } = verdict {
            let (content, scores) = (Some(*content), scores.to_vec());
            let piece = RejectedPiece { number, content, scores, answered: &asked.names };
            return of_picture.map(|reason| Rejected { piece, reason, of_picture: true });
        }
        let reason = Reason::of_piece(verdict)?;
        let scores = told.iter().flat_map(|told| &told.scores).map(|score| score.get()).collect();
        let content = told.map(|told| told.content);
        let piece = RejectedPiece { number, content, scores, answered: asked.before(&reason) };
        Some(Rejected { piece, reason, of_picture: false })
    };
    pieces.verdicts.pieces_told(of, shard.row_id(member)).into_iter().filter_map(rejected).collect()
}

/// Puts the rejected pieces of a shard into the digest of their part; gives their number.
pub(super) fn digest_rejected(
    digest: &mut Digest,
    wanted: &Wanted<'_>,
    sort: Sort<'_, '_>,
    shard: &WantedShard<'_>,
    index: &ShardIndex,
) -> u64 {
    let (pieces, of) = sort;
    let is_recorded = !pieces.recorder.rejected_columns(of).is_empty();
    for (name, holds) in told_columns(sort) {
        digest.text(name);
        digest.text(&holds.to_string());
    }
    if is_recorded {
        digest.text(&pieces.recorder.stamp().to_string());
    }
    let asked = Asked::of(wanted.stages, of);
    let mut rows = 0;
    for (member, sample) in index.samples.iter().enumerate() {
        let rejected = rejected_of(sort, &asked, shard, member);
        if rejected.is_empty() {
            continue;
        }
        digest.number(member as u64);
        digest.sample(sample);
        if is_recorded {
            let id = shard.row_id(member);
            pieces.sorts.iter().for_each(|(of, _)| digest.pieces(&published_pieces(pieces, *of, id)));
        }
        digest.number(rejected.len() as u64);
        for Rejected { piece, reason, of_picture } in &rejected {
            rows += 1;
            digest.number(piece.number.into());
            digest.number((*of_picture).into());
            digest.number(piece.answered.len() as u64);
            piece.answered.iter().for_each(|name| digest.text(name));
            digest.text(&piece.content.map_or(String::new(), |content| content.to_string()));
            digest.number(piece.scores.len() as u64);
            piece.scores.iter().for_each(|&score| digest.score(score));
            digest.reason(wanted, reason);
        }
    }
    rows
}

/// Writes the rejected pieces of a shard, in the order of pictures and of numbers.
pub(super) fn write_rejected(
    wanted: &Wanted<'_>,
    sort: Sort<'_, '_>,
    shard: &WantedShard<'_>,
    open: &impl OpenShard,
    file: &mut PartFile,
) -> Result<(), PublishError> {
    let path = file.get_ref().path.clone();
    let failed = |error| super::parquet::failure("write", &path, error);
    let mut writer = PartWriter::new(file, &pieces_rejected_columns(sort)?).map_err(failed)?;
    let asked = Asked::of(wanted.stages, sort.1);
    for (member, sample) in open.index().samples.iter().enumerate() {
        let rejected = rejected_of(sort, &asked, shard, member);
        if rejected.is_empty() {
            continue;
        }
        let recorded = recorded(wanted, sort, shard, (open, member), &rejected)?;
        for (rejected, recorded) in rejected.iter().zip(&recorded) {
            let told = told_cells(sort, rejected);
            let mut cells = vec![
                Cell::Text(&sample.key),
                Cell::Text(shard.name),
                Cell::Int32(rejected.piece.number.into()),
            ];
            cells.extend(rejected.reason.cells(wanted));
            cells.extend(told.iter().map(|value| json_cell(Some(value))));
            let names = sort.0.recorder.rejected_columns(sort.1).into_iter();
            cells.extend(names.map(|(name, _)| json_cell(recorded.get(name))));
            writer.push(&cells).map_err(|error| failed(super::parquet::of_row(&sample.key, error)))?;
        }
    }
    writer.finish().map(drop).map_err(failed)
}

/// In the order of [`told_columns`], without what the recorder tells.
fn told_cells((pieces, of): Sort<'_, '_>, rejected: &Rejected<'_>) -> Vec<Value> {
    let Rejected { piece, of_picture, .. } = rejected;
    let whose = if *of_picture { Of::Pictures } else { of };
    let mut cells: Vec<Value> =
        vec![whose.singular().into(), piece.content.map(|content| content.to_string()).into()];
    let names = pieces.score_columns(of).unwrap_or_default();
    if !names.is_empty() {
        // A score that is not known yet, or is no finite number, is missing.
        let scores =
            names.iter().zip(&piece.scores).map(|(name, score)| ((*name).to_owned(), (*score).into()));
        cells.push(Value::Object(scores.collect()));
    }
    cells
}

/// What the recorder knows of the rejected pieces of a picture, in their order.
fn recorded(
    wanted: &Wanted<'_>,
    (pieces, of): Sort<'_, '_>,
    shard: &WantedShard<'_>,
    (open, member): (&impl OpenShard, usize),
    rejected: &[Rejected<'_>],
) -> Result<Vec<Map<String, Value>>, PublishError> {
    if pieces.recorder.rejected_columns(of).is_empty() {
        return Ok(vec![Map::new(); rejected.len()]);
    }
    let scores: &[f32] = match &shard.verdicts[member] {
        Verdict::Kept(scores) => scores,
        Verdict::Gated { .. } | Verdict::Refused(_) => &[],
    };
    let sample = &open.index().samples[member];
    let sidecar = sidecar_of(open, shard.name, member as u32, sample)?;
    let row = KeptRow::of(shard, member as u32, sample, scores, &sidecar)?;
    let picture = picture_with(wanted, pieces, shard.name, &row);
    let told: Vec<RejectedPiece<'_>> = rejected.iter().map(|rejected| rejected.piece.clone()).collect();
    let rows = pieces.recorder.rejected(of, &picture, &told).map_err(|why| broken(shard.name, &row, &why))?;
    match rows.len() == told.len() {
        true => Ok(rows),
        false => {
            let (what, found, wanted) = (of.plural(), rows.len(), told.len());
            Err(broken(shard.name, &row, &format!("{found} rows were made of {wanted} rejected {what}")))
        }
    }
}
