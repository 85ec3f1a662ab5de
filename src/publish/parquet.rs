//! The only module that knows Arrow and parquet (with `nested` below it). It declares columns, writes rows of cells, and reads rows.
//!
//! The bytes of a file are a function of its columns and rows. No arrow schema, no library version and no time is written. The bytes do
//! depend on the encoders of the crates `parquet` and `zstd`. So a change of those crates that changes bytes must raise [`super::FORMAT`]
//! (the test `bytes_are_those_of_this_format` detects it).

mod nested;
pub(crate) mod stream;
pub(crate) mod table;

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::Value;

use super::PublishError;
use super::record::{Nested, PICTURE, Pictures};
use nested::Tree;

/// Rows that a row group holds at most, and bytes of text after which it ends before.
const GROUP_ROWS: usize = 8_192;
const GROUP_BYTES: usize = 64 << 20;
/// Most bytes of a row group with pictures, unless one row has more. A reader that streams takes in a row group before its first row, and a
/// writer holds one, of each of the parts that are written side by side. Hugging Face's own writer makes groups of 100 MB at most.
const PICTURE_GROUP_BYTES: usize = 32 << 20;
/// Most bytes that the pictures of a row have together: Arrow counts the bytes of a batch, and parquet those of a page, in 31 bits.
pub const MOST_PICTURE_BYTES: usize = 1 << 30;
/// Rows and bytes of text that wait in memory, uncompressed, at most (and one row more).
const BATCH_ROWS: usize = 1_024;
const BATCH_BYTES: usize = 4 << 20;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    /// Short text that may repeat: a dictionary is tried.
    Text,
    /// Text that is long and hardly repeats: no dictionary, no statistics.
    LongText,
    Int32,
    Int64,
    Float32,
    /// Lists and structs, from JSON. No statistics: they would say nothing of a list.
    Nested(Nested),
}

/// May a column's cells be missing?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Always,
    Nullable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub holds: ColumnType,
    pub presence: Presence,
}

impl Column {
    pub(super) fn new(name: &str, holds: ColumnType, presence: Presence) -> Self {
        Column { name: name.to_owned(), holds, presence }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    Text(&'a str),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    /// In a nested column, where null counts as missing.
    Json(Cow<'a, Value>),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Cell::Missing, Cell::Text)
    }
}

enum Builder {
    Text(StringBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    /// With the column's name.
    Nested(String, Tree),
}

impl Builder {
    fn of(column: &Column) -> Self {
        match &column.holds {
            ColumnType::Text | ColumnType::LongText => Builder::Text(StringBuilder::new()),
            ColumnType::Int32 => Builder::Int32(Int32Builder::new()),
            ColumnType::Int64 => Builder::Int64(Int64Builder::new()),
            ColumnType::Float32 => Builder::Float32(Float32Builder::new()),
            ColumnType::Nested(holds) => Builder::Nested(column.name.clone(), Tree::of(holds)),
        }
    }

    /// Adds a row, and says how many bytes of text and of nested values it holds.
    fn push(&mut self, cell: &Cell<'_>, pictures: &Pictures) -> Result<usize, ParquetError> {
        match (self, cell) {
            (Builder::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Builder::Text(builder), Cell::Missing) => builder.append_null(),
            (Builder::Int32(builder), Cell::Int32(value)) => builder.append_value(*value),
            (Builder::Int32(builder), Cell::Missing) => builder.append_null(),
            (Builder::Int64(builder), Cell::Int64(value)) => builder.append_value(*value),
            (Builder::Int64(builder), Cell::Missing) => builder.append_null(),
            (Builder::Float32(builder), Cell::Float32(value)) => builder.append_value(canonical(*value)),
            (Builder::Float32(builder), Cell::Missing) => builder.append_null(),
            (Builder::Nested(column, tree), Cell::Json(_) | Cell::Missing) => {
                let value = if let Cell::Json(value) = cell { Some(value.as_ref()) } else { None };
                return tree.push(value, pictures).map_err(|misfit| misfit.of_column(column));
            }
            (_, cell) => return Err(ParquetError::General(format!("{cell:?} does not fit its column"))),
        }
        Ok(if let Cell::Text(text) = cell { text.len() } else { 0 })
    }

    fn finish(&mut self) -> Result<ArrayRef, ParquetError> {
        Ok(match self {
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Int32(builder) => Arc::new(builder.finish()),
            Builder::Int64(builder) => Arc::new(builder.finish()),
            Builder::Float32(builder) => Arc::new(builder.finish()),
            Builder::Nested(_, tree) => tree.finish()?,
        })
    }
}

/// One NaN and one zero, so that equal scores are equal bytes.
pub(super) fn canonical(score: f32) -> f32 {
    if score.is_nan() { f32::NAN } else { score + 0.0 }
}

/// Writes one parquet file in row groups, holding little of it in memory.
pub(super) struct PartWriter<W: Write + Send> {
    schema: Arc<Schema>,
    builders: Vec<Builder>,
    writer: ArrowWriter<W>,
    batch_rows: usize,
    batch_bytes: usize,
    group_rows: usize,
    group_bytes: usize,
    most_group_bytes: usize,
}

impl<W: Write + Send> PartWriter<W> {
    pub(super) fn new(file: W, columns: &[Column]) -> Result<Self, ParquetError> {
        PartWriter::noting(file, columns, &[])
    }

    /// With notes in the file's footer, each a key and a text.
    pub(super) fn noting(
        file: W,
        columns: &[Column],
        notes: &[(&str, String)],
    ) -> Result<Self, ParquetError> {
        let fields: Vec<Field> = columns.iter().map(field).collect();
        let schema = Arc::new(Schema::new(fields));
        let options = ArrowWriterOptions::new()
            .with_properties(properties(columns, notes)?)
            .with_skip_arrow_metadata(true);
        let has_pictures =
            |column: &Column| matches!(&column.holds, ColumnType::Nested(holds) if holds.has_pictures());
        Ok(PartWriter {
            writer: ArrowWriter::try_new_with_options(file, schema.clone(), options)?,
            builders: columns.iter().map(Builder::of).collect(),
            schema,
            batch_rows: 0,
            batch_bytes: 0,
            group_rows: 0,
            group_bytes: 0,
            most_group_bytes: if columns.iter().any(has_pictures) {
                PICTURE_GROUP_BYTES
            } else {
                GROUP_BYTES
            },
        })
    }

    /// One cell a column, in the columns' order.
    pub(super) fn push(&mut self, row: &[Cell<'_>]) -> Result<(), ParquetError> {
        self.push_pictures(row, &Pictures::new())
    }

    /// The same, where cells name pictures.
    pub(super) fn push_pictures(
        &mut self,
        row: &[Cell<'_>],
        pictures: &Pictures,
    ) -> Result<(), ParquetError> {
        let bytes: usize = pictures.values().map(Vec::len).sum();
        if bytes > MOST_PICTURE_BYTES {
            return Err(ParquetError::General(format!(
                "its pictures have {bytes} bytes together, and a row of a table holds at most {MOST_PICTURE_BYTES}"
            )));
        }
        if bytes > 0 {
            self.make_room(bytes)?;
        }
        if row.len() != self.builders.len() {
            let (cells, columns) = (row.len(), self.builders.len());
            return Err(ParquetError::General(format!("a row of {cells} cells for {columns} columns")));
        }
        for (builder, cell) in self.builders.iter_mut().zip(row) {
            self.batch_bytes += builder.push(cell, pictures)?;
        }
        self.batch_rows += 1;
        if self.batch_rows == BATCH_ROWS || self.batch_bytes >= BATCH_BYTES {
            self.write_batch()?;
        }
        if self.group_rows + self.batch_rows == GROUP_ROWS || self.group_bytes >= self.most_group_bytes {
            self.end_group()?;
        }
        Ok(())
    }

    /// Writes what waits, where pictures of so many bytes would make a batch or a row group too long.
    fn make_room(&mut self, bytes: usize) -> Result<(), ParquetError> {
        if self.batch_bytes + bytes > BATCH_BYTES {
            self.write_batch()?;
        }
        if self.group_bytes + self.batch_bytes + bytes > self.most_group_bytes {
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        self.write_batch()?;
        self.writer.flush()?;
        (self.group_rows, self.group_bytes) = (0, 0);
        Ok(())
    }

    fn write_batch(&mut self) -> Result<(), ParquetError> {
        if self.batch_rows == 0 {
            return Ok(());
        }
        let arrays = self.builders.iter_mut().map(Builder::finish).collect::<Result<_, _>>()?;
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)?;
        self.writer.write(&batch)?;
        self.group_rows += self.batch_rows;
        self.group_bytes += self.batch_bytes;
        (self.batch_rows, self.batch_bytes) = (0, 0);
        Ok(())
    }

    /// Writes the footer and gives the file back.
    pub(super) fn finish(mut self) -> Result<W, ParquetError> {
        self.write_batch()?;
        self.writer.into_inner()
    }
}

fn field(column: &Column) -> Field {
    let holds = match &column.holds {
        ColumnType::Text | ColumnType::LongText => DataType::Utf8,
        ColumnType::Int32 => DataType::Int32,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float32 => DataType::Float32,
        ColumnType::Nested(holds) => nested::data_type(holds),
    };
    Field::new(&column.name, holds, column.presence == Presence::Nullable)
}

fn properties(columns: &[Column], notes: &[(&str, String)]) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by(format!("threshflow version {}", super::FORMAT))
        .set_key_value_metadata(noted(notes))
        // Groups are ended by `push`, by rows and by bytes.
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(None);
    for column in columns {
        match &column.holds {
            ColumnType::LongText => {
                let path = ColumnPath::new(vec![column.name.clone()]);
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_statistics_enabled(path, EnabledStatistics::None);
            }
            ColumnType::Nested(holds) => {
                for leaf in nested::leaves(&column.name, holds) {
                    let is_picture =
                        holds.has_pictures() && leaf.last().is_some_and(|name| name == PICTURE[0]);
                    let path = ColumnPath::new(leaf);
                    if is_picture {
                        // They are compressed as they come, and no two are the same.
                        properties = properties
                            .set_column_dictionary_enabled(path.clone(), false)
                            .set_column_compression(path.clone(), Compression::UNCOMPRESSED);
                    }
                    properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
                }
            }
            _ => {}
        }
    }
    Ok(properties.build())
}

fn noted(notes: &[(&str, String)]) -> Option<Vec<KeyValue>> {
    let noted = notes.iter().map(|(key, text)| KeyValue::new((*key).to_owned(), text.clone()));
    Some(noted.collect()).filter(|noted: &Vec<KeyValue>| !noted.is_empty())
}

/// Which rows of a file are read, counted from 0.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rows {
    All,
    Only(usize),
}

/// Shows `see` the cells of `columns` (in that order), row by row, until it breaks.
pub(super) fn read<B>(
    path: &Path,
    columns: &[&str],
    rows: Rows,
    mut see: impl FnMut(usize, &[Cell<'_>]) -> ControlFlow<B>,
) -> Result<Option<B>, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    // Small batches: a row may hold a megabyte of sidecar.
    let mut builder = builder.with_projection(mask).with_batch_size(256);
    let mut number = 0;
    if let Rows::Only(row) = rows {
        builder = builder.with_offset(row).with_limit(1);
        number = row;
    }
    for batch in builder.build()? {
        let batch = batch?;
        let arrays: Vec<&ArrayRef> = columns
            .iter()
            .map(|name| batch.column_by_name(name).ok_or_else(|| no_column(name)))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells: Vec<Cell<'_>> =
                arrays.iter().map(|array| cell(array, row)).collect::<Result<_, _>>()?;
            if let ControlFlow::Break(found) = see(number, &cells) {
                return Ok(Some(found));
            }
            number += 1;
        }
    }
    Ok(None)
}

/// The names of a file's columns, in order.
pub(super) fn columns_of(path: &Path) -> Result<Vec<String>, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    Ok(builder.schema().fields().iter().map(|field| field.name().clone()).collect())
}

fn no_column(name: &str) -> ParquetError {
    ParquetError::General(format!("there is no column {name:?}"))
}

fn cell(array: &ArrayRef, row: usize) -> Result<Cell<'_>, ParquetError> {
    if array.is_null(row) {
        return Ok(Cell::Missing);
    }
    match array.data_type() {
        DataType::Utf8 => Ok(Cell::Text(array.as_string::<i32>().value(row))),
        DataType::Int32 => Ok(Cell::Int32(array.as_primitive::<Int32Type>().value(row))),
        DataType::Int64 => Ok(Cell::Int64(array.as_primitive::<Int64Type>().value(row))),
        DataType::Float32 => Ok(Cell::Float32(array.as_primitive::<Float32Type>().value(row))),
        DataType::List(_) | DataType::Struct(_) | DataType::Float64 => {
            Ok(Cell::Json(Cow::Owned(nested::value_of(array, row, &mut Pictures::new())?)))
        }
        other => Err(ParquetError::General(format!("a column of type {other}, which is never written here"))),
    }
}

/// The error, told of the row of this key.
pub(super) fn of_row(key: &str, error: ParquetError) -> ParquetError {
    match error {
        ParquetError::General(why) => ParquetError::General(format!("row {key}: {why}")),
        other => other,
    }
}

/// The error that a part's failure is, with the file system's own word where that was the cause.
pub(super) fn failure(doing: &'static str, path: &Path, error: ParquetError) -> PublishError {
    let next = match doing {
        "read" => "run the pipeline again: a part that is missing or cut is written anew",
        _ => "nothing was published; please report this",
    };
    let why = match &error {
        // Without the library's own "Parquet error:".
        ParquetError::General(why) => why.clone(),
        other => other.to_string(),
    };
    if let ParquetError::External(cause) = error
        && let Ok(source) = cause.downcast::<std::io::Error>()
    {
        return PublishError::Io { doing, path: path.to_owned(), source: *source };
    }
    PublishError::Part { path: path.to_owned(), why, next }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::row::ContentHash;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("key", ColumnType::Text, Presence::Always),
            Column::new("length", ColumnType::Int64, Presence::Always),
            Column::new("width", ColumnType::Int32, Presence::Always),
            Column::new("score", ColumnType::Float32, Presence::Nullable),
            Column::new("sidecar", ColumnType::LongText, Presence::Nullable),
        ]
    }

    fn file_of(rows: usize, sidecar: &str) -> Vec<u8> {
        let mut writer = PartWriter::new(Vec::new(), &columns()).unwrap();
        for row in 0..rows {
            let score = if row % 3 == 0 { Cell::Missing } else { Cell::Float32(row as f32 / 7.0) };
            let key = format!("{row:09}");
            let cells =
                [Cell::Text(&key), Cell::Int64(row as i64), Cell::Int32(640), score, Some(sidecar).into()];
            writer.push(&cells).unwrap();
        }
        writer.finish().unwrap()
    }

    fn groups(file: Vec<u8>) -> Vec<i64> {
        let mut on_disk = tempfile::tempfile().unwrap();
        on_disk.write_all(&file).unwrap();
        let reader = SerializedFileReader::new(on_disk).unwrap();
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect()
    }

    #[test]
    fn bytes_are_those_of_this_format() {
        // If this fails after an upgrade of parquet or zstd, raise FORMAT: parts that were written before would
        // differ from those of a fresh run.
        let hash = ContentHash::of(&file_of(10_000, "{\"url\":\"https://example.org\"}")).to_string();
        assert_eq!((super::super::FORMAT, hash.as_str()), (1, "70d4894f5105ddf0534ef02f2e6a2483"));
    }

    #[test]
    fn row_groups_are_bounded_in_rows_and_in_bytes() {
        assert_eq!(groups(file_of(20_000, "")), [8_192, 8_192, 20_000 - 2 * 8_192]);
        // 64 MiB of sidecars, in batches of 4 MiB.
        let long = groups(file_of(100, &"x".repeat(1 << 20)));
        assert!(long.len() == 2 && long[0] >= 64 && long[0] <= 68, "{long:?}");
        assert_eq!(groups(file_of(0, "")), [] as [i64; 0]);
    }

    #[test]
    fn a_cell_in_the_wrong_column_is_an_error() {
        let mut writer = PartWriter::new(Vec::new(), &columns()).unwrap();
        assert!(writer.push(&[Cell::Int32(1)]).is_err());
        assert!(
            writer
                .push(&[Cell::Int32(1), Cell::Int64(1), Cell::Int32(1), Cell::Missing, Cell::Missing])
                .is_err()
        );
    }
}
