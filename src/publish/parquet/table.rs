//! Tables of nested columns, for formats that are not ours. They are written row by row from JSON, and can be read whoever wrote them.

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use serde_json::Value;

use super::{Cell, Column, ColumnType, PartWriter, Presence, nested};
use crate::publish::record::Nested;

/// What is wrong with a table, in the words of the parquet library where it is not our own row.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TableError(String);

impl From<ParquetError> for TableError {
    fn from(error: ParquetError) -> Self {
        TableError(match error {
            // Without the library's own "Parquet error:".
            ParquetError::General(why) => why,
            other => other.to_string(),
        })
    }
}

/// Writes a table, holding a row group of it in memory at most. The bytes are a function of columns and rows alone.
///
/// ```
/// use std::ops::ControlFlow;
/// use serde_json::json;
/// use threshflow::publish::{Nested, Table, TableWriter};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("a.parquet");
/// let texts = Nested::List(Box::new(Nested::Text));
/// let mut table = TableWriter::new(std::fs::File::create(&path)?, &[("images", texts), ("prompt", Nested::Text)])?;
/// table.push(&[json!(["a.png"]), json!("remove the cat")])?;
/// table.finish()?;
///
/// let table = Table::open(&path)?;
/// let columns = [("images", "list<string>"), ("prompt", "string")];
/// assert_eq!(table.columns(), columns.map(|(name, holds)| (name.to_owned(), holds.to_owned())));
/// let found = table.read(&["prompt"], |_, row| ControlFlow::Break(row[0].clone()))?;
/// assert_eq!(found, Some(json!("remove the cat")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TableWriter<W: Write + Send> {
    part: PartWriter<W>,
}

impl<W: Write + Send> TableWriter<W> {
    /// Starts a table at the start of `out`. Every value of every column may be missing.
    pub fn new(out: W, columns: &[(&'static str, Nested)]) -> Result<Self, TableError> {
        let column = |(name, holds): &(&'static str, Nested)| {
            Column::new(name, ColumnType::Nested(holds.clone()), Presence::Nullable)
        };
        let columns: Vec<Column> = columns.iter().map(column).collect();
        Ok(TableWriter { part: PartWriter::new(out, &columns)? })
    }

    /// Adds a row, a value a column. An error where one does not fit; the table is then of no more use.
    pub fn push(&mut self, row: &[Value]) -> Result<(), TableError> {
        let cells: Vec<Cell<'_>> =
            row.iter().map(|value| Cell::Json(std::borrow::Cow::Borrowed(value))).collect();
        Ok(self.part.push(&cells)?)
    }

    /// Writes what is left and the footer, and gives the file back, not flushed.
    pub fn finish(self) -> Result<W, TableError> {
        Ok(self.part.finish()?)
    }
}

/// A table that is there to be read.
pub struct Table {
    file: File,
    metadata: ArrowReaderMetadata,
}

impl Table {
    /// Reads the footer.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let file = File::open(path).map_err(|error| TableError(error.to_string()))?;
        // What a writer notes of its own types (large strings, views) would only make them differ.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&file, options)?;
        Ok(Table { file, metadata })
    }

    /// The columns in order, with their types: `string`, `list<string>`, `list<struct<a: string, b: int64>>`.
    pub fn columns(&self) -> Vec<(String, String)> {
        let fields = self.metadata.schema().fields();
        fields.iter().map(|field| (field.name().clone(), shape(field.data_type()))).collect()
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Shows `see` the rows with their numbers, the values of `columns` in that order, until it breaks.
    ///
    /// An error where a column is missing, or holds what this crate never writes (dates, maps).
    pub fn read<B>(
        &self,
        columns: &[&str],
        mut see: impl FnMut(u64, &[Value]) -> ControlFlow<B>,
    ) -> Result<Option<B>, TableError> {
        let file = self.file.try_clone().map_err(|error| TableError(error.to_string()))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let mut number = 0;
        for batch in builder.with_projection(mask).with_batch_size(256).build()? {
            let batch = batch.map_err(ParquetError::from)?;
            let array = |name: &&str| batch.column_by_name(name).ok_or_else(|| super::no_column(name));
            let arrays = columns.iter().map(array).collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let values = arrays.iter().map(|array| nested::value_of(array, row));
                let values = values.collect::<Result<Vec<Value>, _>>()?;
                if let ControlFlow::Break(found) = see(number, &values) {
                    return Ok(Some(found));
                }
                number += 1;
            }
        }
        Ok(None)
    }
}

fn shape(holds: &DataType) -> String {
    match holds {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => format!("list<{}>", shape(item.data_type())),
        DataType::Struct(fields) => {
            let field =
                |field: &arrow_schema::FieldRef| format!("{}: {}", field.name(), shape(field.data_type()));
            format!("struct<{}>", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string().to_lowercase(),
    }
}
