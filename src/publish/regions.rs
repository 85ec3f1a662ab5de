//! The regions that are wanted: those that are published with their pictures, and the rows of those that are not.
//!
//! A region that passed everything goes with its picture: where that is not kept, the region is in no part.

use serde_json::{Map, Value};

use super::digest::Digest;
use super::parquet::{Cell, Column, ColumnType, Presence};
use super::record::{Nested, PublishedRegion};
use super::wanted::Reason;
use super::{PublishError, Wanted, WantedRegions, WantedShard};
use crate::flow::RegionVerdict;
use crate::row::RowId;
use crate::shard::{Sample, ShardIndex};

/// The column of the regions that are published with a picture.
pub(super) const REGIONS_KEPT: &str = "regions_kept";

/// What the column [`REGIONS_KEPT`] holds.
pub(super) fn regions_kept(score_columns: &[&'static str]) -> Nested {
    let mut fields = vec![("number", Nested::Int64), ("content", Nested::Text)];
    fields.extend(score_columns.iter().map(|&name| (name, Nested::Float32)));
    Nested::List(Box::new(Nested::Struct(fields)))
}

/// A cell of the column [`REGIONS_KEPT`]. A score that is no finite number is missing: JSON has none such.
pub(super) fn regions_cell(regions: &[PublishedRegion<'_>], score_columns: &[&'static str]) -> Value {
    let cell = |region: &PublishedRegion<'_>| {
        let mut fields = Map::new();
        fields.insert("number".to_owned(), region.number.into());
        fields.insert("content".to_owned(), region.content.to_string().into());
        for (name, &score) in score_columns.iter().zip(region.scores) {
            fields.insert((*name).to_owned(), score.into());
        }
        Value::Object(fields)
    };
    regions.iter().map(cell).collect::<Vec<_>>().into()
}

/// The regions of a kept picture that are published with it, in the order of their numbers.
pub(super) fn published_regions<'a>(regions: &WantedRegions<'a>, id: RowId) -> Vec<PublishedRegion<'a>> {
    let published = |(number, verdict): (u16, &'a RegionVerdict)| match verdict {
        RegionVerdict::Kept { content, scores } => {
            Some(PublishedRegion { number, content: *content, scores })
        }
        _ => None,
    };
    regions.verdicts.regions_of(id).into_iter().filter_map(published).collect()
}

/// The columns of `regions_rejected/`.
pub(super) fn regions_rejected_columns() -> Vec<Column> {
    use ColumnType::{Float32, Int32, Text};
    use Presence::{Always, Nullable};
    [
        ("key", Text, Always),
        ("shard", Text, Always),
        ("region", Int32, Always),
        ("stage", Text, Always),
        ("dial", Text, Nullable),
        ("score", Float32, Nullable),
        ("threshold", Float32, Nullable),
        ("class", Text, Nullable),
        ("message", Text, Nullable),
    ]
    .into_iter()
    .map(|(name, holds, presence)| Column::new(name, holds, presence))
    .collect()
}

/// Shows `see` every region of the shard that was held back or refused, in the order of pictures and of regions.
pub(super) fn see_rejected<E>(
    regions: &WantedRegions<'_>,
    shard: &WantedShard<'_>,
    index: &ShardIndex,
    mut see: impl FnMut(usize, &Sample, u16, Reason<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for (member, sample) in index.samples.iter().enumerate() {
        for (number, verdict) in regions.verdicts.regions_of(shard.row_id(member)) {
            if let Some(reason) = Reason::of_region(verdict) {
                see(member, sample, number, reason)?;
            }
        }
    }
    Ok(())
}

/// Puts the rejected regions of a shard into the digest of their part; gives their number.
pub(super) fn digest_rejected(
    digest: &mut Digest,
    wanted: &Wanted<'_>,
    regions: &WantedRegions<'_>,
    shard: &WantedShard<'_>,
    index: &ShardIndex,
) -> Result<u64, PublishError> {
    let mut rows = 0;
    see_rejected(regions, shard, index, |member, sample, number, reason| {
        rows += 1;
        digest.number(member as u64);
        digest.text(&sample.key);
        digest.number(number.into());
        digest.reason(wanted, &reason);
        Ok(())
    })
    .map(|()| rows)
}

/// In the order of [`regions_rejected_columns`].
pub(super) fn rejected_region_cells<'a>(
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
