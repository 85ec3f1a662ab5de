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
use crate::publish::record::{Nested, Pictures};

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
        TableWriter::noting(out, columns, &[])
    }

    /// The same, with notes in the file's footer: each a key and a text.
    pub fn noting(
        out: W,
        columns: &[(&'static str, Nested)],
        notes: &[(&str, String)],
    ) -> Result<Self, TableError> {
        let column = |(name, holds): &(&'static str, Nested)| {
            Column::new(name, ColumnType::Nested(holds.clone()), Presence::Nullable)
        };
        let columns: Vec<Column> = columns.iter().map(column).collect();
        Ok(TableWriter { part: PartWriter::noting(out, &columns, notes)? })
    }

    /// Adds a row, a value a column. An error where one does not fit; the table is then of no more use.
    pub fn push(&mut self, row: &[Value]) -> Result<(), TableError> {
        self.push_pictures(row, &Pictures::new())
    }

    /// The same of a row with [pictures](Nested::Picture), whose bytes are in `pictures`.
    ///
    /// A row group has at most 32 MiB of them, or one row; so no more of the table is held.
    pub fn push_pictures(&mut self, row: &[Value], pictures: &Pictures) -> Result<(), TableError> {
        let cells: Vec<Cell<'_>> =
            row.iter().map(|value| Cell::Json(std::borrow::Cow::Borrowed(value))).collect();
        Ok(self.part.push_pictures(&cells, pictures)?)
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
        self.read_pictures(columns, |number, row, _| see(number, row))
    }

    /// The same, with the bytes of the pictures that each row names. Few rows are held at once where there are pictures.
    pub fn read_pictures<B>(
        &self,
        columns: &[&str],
        mut see: impl FnMut(u64, &[Value], Pictures) -> ControlFlow<B>,
    ) -> Result<Option<B>, TableError> {
        let file = self.file.try_clone().map_err(|error| TableError(error.to_string()))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let fields = self.metadata.schema().fields().iter();
        let mut read = fields.filter(|field| columns.contains(&field.name().as_str()));
        let rows = if read.any(|field| nested::has_pictures(field.data_type())) { 4 } else { 256 };
        let mut number = 0;
        for batch in builder.with_projection(mask).with_batch_size(rows).build()? {
            let batch = batch.map_err(ParquetError::from)?;
            let array = |name: &&str| batch.column_by_name(name).ok_or_else(|| super::no_column(name));
            let arrays = columns.iter().map(array).collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let mut pictures = Pictures::new();
                let values = arrays.iter().map(|array| nested::value_of(array, row, &mut pictures));
                let values = values.collect::<Result<Vec<Value>, _>>()?;
                if let ControlFlow::Break(found) = see(number, &values, pictures) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    /// A file that counts what came to it.
    struct Counted(File, Arc<AtomicUsize>);

    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.1.fetch_add(bytes.len(), Ordering::Relaxed);
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.0.flush()
        }
    }

    fn columns() -> [(&'static str, Nested); 2] {
        [("pictures", Nested::List(Box::new(Nested::Picture))), ("prompt", Nested::Text)]
    }

    /// A row of two pictures of `len` bytes each, and all the bytes that a JPEG may have.
    fn row(number: usize, len: usize) -> (Vec<Value>, Pictures) {
        let paths = [0, 1].map(|side| format!("{number}/{side}.jpg"));
        let byte = |at: usize| (at.wrapping_mul(2_654_435_761) >> 7) as u8;
        let bytes = |side: usize| (0..len).map(|at| byte(at + number * 2 + side)).collect();
        let pictures = [0, 1].map(|side| (paths[side].clone(), bytes(side))).into();
        (vec![json!(paths), json!(format!("edit {number}"))], pictures)
    }

    #[test]
    fn row_groups_with_pictures_are_bounded_and_so_is_what_is_held() {
        const MOST: usize = 32 << 20;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pictures.parquet");
        let came = Arc::new(AtomicUsize::new(0));
        let file = Counted(File::create(&path).unwrap(), came.clone());
        let notes = [("huggingface", "{}".to_owned())];
        let mut table = TableWriter::noting(file, &columns(), &notes).unwrap();
        let (mut given, mut most_held) = (0, 0);
        for number in 0..60 {
            // One is larger than a row group may be.
            let (values, pictures) = row(number, if number == 20 { MOST } else { 700_000 });
            given += pictures.values().map(Vec::len).sum::<usize>();
            table.push_pictures(&values, &pictures).unwrap();
            most_held = most_held.max(given - came.load(Ordering::Relaxed).min(given));
        }
        table.finish().unwrap();
        let table = Table::open(&path).unwrap();
        let metadata = table.metadata.metadata();
        let groups: Vec<(i64, i64)> =
            metadata.row_groups().iter().map(|group| (group.num_rows(), group.total_byte_size())).collect();
        assert!(groups.len() >= 4 && groups.iter().map(|group| group.0).sum::<i64>() == 60, "{groups:?}");
        // A page's header, lengths and levels are some bytes more.
        let is_bounded = |group: &&(i64, i64)| group.1 <= MOST as i64 + 16_384;
        let alone: Vec<i64> = groups.iter().filter(|it| !is_bounded(it)).map(|it| it.0).collect();
        assert_eq!(alone, [1], "only the row that is larger by itself: {groups:?}");
        assert!(most_held <= 2 * MOST + 65_536, "{most_held} bytes of one row and nothing else");
        let noted = metadata.file_metadata().key_value_metadata().unwrap();
        assert_eq!(noted.iter().map(|note| note.key.as_str()).collect::<Vec<_>>(), ["huggingface"]);
    }

    #[test]
    fn pictures_come_back_byte_by_byte_and_as_hugging_face_stores_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pictures.parquet");
        let mut table = TableWriter::new(File::create(&path).unwrap(), &columns()).unwrap();
        let rows: Vec<_> = (0..9).map(|number| row(number, 5_000 * number)).collect();
        rows.iter().for_each(|(values, pictures)| table.push_pictures(values, pictures).unwrap());
        table.push(&[Value::Null, json!("none")]).unwrap();
        table.finish().unwrap();
        let table = Table::open(&path).unwrap();
        assert_eq!(table.columns()[0].1, "list<struct<bytes: binary, path: string>>");
        let mut found = Vec::new();
        let see = |_, row: &[Value], pictures| {
            found.push((row.to_vec(), pictures));
            ControlFlow::<()>::Continue(())
        };
        table.read_pictures(&["pictures", "prompt"], see).unwrap();
        let none = (vec![Value::Null, json!("none")], Pictures::new());
        assert!(found == [rows, vec![none]].concat());
    }

    #[test]
    fn a_picture_without_bytes_is_an_error_that_names_it() {
        let mut table = TableWriter::new(Vec::new(), &columns()).unwrap();
        let error = table.push(&[json!(["a/b.png"]), json!("no")]).unwrap_err().to_string();
        assert_eq!(error, "pictures[0]: the bytes of the picture a/b.png were not given");
    }
}
