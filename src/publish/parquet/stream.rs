//! Rows as an Arrow IPC stream: what a notebook reads with `pyarrow.ipc.open_stream`. The format is that of
//! <https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format>.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use serde::{Deserialize, Serialize};

/// A column and its values, one a row; a missing value is null.
#[derive(Serialize, Deserialize)]
pub(crate) enum StreamColumn {
    Text(Vec<Option<String>>),
    Float(Vec<Option<f32>>),
    Bool(Vec<bool>),
}

impl StreamColumn {
    /// Takes in the values of another one of the same kind.
    pub(crate) fn append(&mut self, other: StreamColumn) -> Result<(), String> {
        match (self, other) {
            (StreamColumn::Text(values), StreamColumn::Text(more)) => values.extend(more),
            (StreamColumn::Float(values), StreamColumn::Float(more)) => values.extend(more),
            (StreamColumn::Bool(values), StreamColumn::Bool(more)) => values.extend(more),
            _ => return Err("two processes have other columns; run one version everywhere".to_owned()),
        }
        Ok(())
    }

    fn array(self) -> (DataType, ArrayRef) {
        match self {
            StreamColumn::Text(values) => (DataType::Utf8, Arc::new(StringArray::from(values))),
            StreamColumn::Float(values) => (DataType::Float32, Arc::new(Float32Array::from(values))),
            StreamColumn::Bool(values) => (DataType::Boolean, Arc::new(BooleanArray::from(values))),
        }
    }
}

/// The columns, by name and of one length, as a stream of one batch.
pub(crate) fn arrow_stream(columns: Vec<(String, StreamColumn)>) -> Result<Vec<u8>, String> {
    let write = || -> Result<Vec<u8>, ArrowError> {
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (name, column) in columns {
            let (holds, array) = column.array();
            fields.push(Field::new(name, holds, true));
            arrays.push(array);
        }
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), arrays)?;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        writer.write(&batch)?;
        writer.finish()?;
        writer.into_inner()
    };
    write().map_err(|error| format!("the rows cannot be written as an Arrow stream: {error}"))
}
