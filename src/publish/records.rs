//! The records of kept pictures: made by the pipeline's recorder, published as columns and as files of a tar.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::parquet::{Cell, Column, ColumnType, Presence};
use super::parts::PartFile;
use super::plain_tar::PlainTar;
use super::regions::{REGIONS_KEPT, published_regions, regions_cell, regions_kept};
use super::source::OpenShard;
use super::wanted::{KeptRow, kept_rows};
use super::{KeptPicture, PublishError, Wanted, WantedRegions, WantedShard};
use crate::row::Verdict;
use crate::shard::Shard;

/// The columns that the data parts of a pipeline with regions have beside the others.
pub(super) fn record_columns(regions: &WantedRegions<'_>) -> Result<Vec<Column>, PublishError> {
    let names = ["number", "content"].iter().chain(regions.score_columns);
    let names: Vec<&str> = names.copied().collect();
    if let Some(twice) = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
        return Err(PublishError::Verdicts(format!("two scores of regions would be named {}", twice.1)));
    }
    let own = (REGIONS_KEPT, regions_kept(regions.score_columns));
    let columns = std::iter::once(own).chain(regions.recorder.columns());
    Ok(columns
        .map(|(name, holds)| Column::new(name, ColumnType::Nested(holds), Presence::Nullable))
        .collect())
}

/// A kept picture's record and its regions, as the columns take them.
pub(super) struct RecordCells {
    regions: Value,
    record: Map<String, Value>,
    names: Vec<&'static str>,
}

impl RecordCells {
    pub(super) fn of(
        wanted: &Wanted<'_>,
        regions: &WantedRegions<'_>,
        shard: &str,
        row: &KeptRow<'_>,
    ) -> Result<Self, PublishError> {
        let text = record_of(wanted, regions, shard, row)?;
        let record = serde_json::from_str(&text)
            .map_err(|error| broken(shard, row, &format!("what was made is no JSON object: {error}")))?;
        let names = regions.recorder.columns().into_iter().map(|(name, _)| name).collect();
        let published = published_regions(regions, row.id);
        Ok(RecordCells { regions: regions_cell(&published, regions.score_columns), record, names })
    }

    /// In the order of [`record_columns`].
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let fields = self.names.iter().map(|name| self.record.get(*name));
        let cell = |value: Option<_>| value.map_or(Cell::Missing, |value| Cell::Json(Cow::Borrowed(value)));
        std::iter::once(Some(&self.regions)).chain(fields).map(cell)
    }
}

/// Writes a part of records: one file a kept picture, its text as the recorder gives it.
pub(super) fn write_records(
    wanted: &Wanted<'_>,
    regions: &WantedRegions<'_>,
    shard: &WantedShard<'_>,
    open: &impl OpenShard,
    file: &mut PartFile,
) -> Result<(), PublishError> {
    let path = file.get_ref().path.clone();
    let mut tar = PlainTar::new(file);
    for row in kept_rows(shard, open.index()) {
        let (member, sample, scores) = row?;
        let sidecar = open.sidecar(member);
        let row = KeptRow::of(shard, member, sample, scores, &sidecar)?;
        let text = record_of(wanted, regions, shard.name, &row)?;
        let name = format!("jsons/{}.json", sample.key);
        tar.append(&name, text.as_bytes()).map_err(PublishError::io("write", &path))?;
    }
    tar.finish().map(drop).map_err(PublishError::io("write", &path))
}

/// The record of a row as it is published; `None` for a row that is not kept, and where no records are written.
///
/// `shard` is one of the wanted, and `open` the same shard, open.
pub fn record_of_row(
    wanted: &Wanted<'_>,
    shard: &WantedShard<'_>,
    open: &Shard,
    member: u32,
) -> Result<Option<String>, PublishError> {
    let (Some(regions), Some(Verdict::Kept(scores)), Some(sample)) =
        (&wanted.regions, shard.verdicts.get(member as usize), open.index.samples.get(member as usize))
    else {
        return Ok(None);
    };
    let sidecar = open.sidecar(member);
    let row = KeptRow::of(shard, member, sample, scores, &sidecar)?;
    record_of(wanted, regions, shard.name, &row).map(Some)
}

fn record_of(
    wanted: &Wanted<'_>,
    regions: &WantedRegions<'_>,
    shard: &str,
    row: &KeptRow<'_>,
) -> Result<String, PublishError> {
    let picture = KeptPicture {
        shard,
        id: row.id,
        sample: row.sample,
        picture: row.picture,
        file: &row.file,
        sidecar: row.sidecar,
        scores: wanted.score_columns.iter().copied().zip(row.scores.iter().copied()).collect(),
        regions: published_regions(regions, row.id),
        region_score_names: regions.score_columns,
    };
    regions.recorder.record(&picture).map_err(|why| broken(shard, row, &why))
}

fn broken(shard: &str, row: &KeptRow<'_>, why: &str) -> PublishError {
    PublishError::Record { shard: shard.to_owned(), key: row.sample.key.clone(), why: why.to_owned() }
}
