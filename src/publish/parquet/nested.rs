//! Nested columns: writes JSON values to Arrow's lists and structs, and reads them back.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Float64Builder, Int64Builder, NullBufferBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};
use parquet::errors::ParquetError;
use serde_json::Value;

use super::canonical;
use crate::publish::record::{ENTRY, Nested};

/// What parquet's own specification calls the field in a list.
const ELEMENT: &str = "element";

/// The Arrow type of a nested column.
pub(super) fn data_type(holds: &Nested) -> DataType {
    match holds {
        Nested::Text => DataType::Utf8,
        Nested::Int64 => DataType::Int64,
        Nested::Float32 => DataType::Float32,
        Nested::Float64 => DataType::Float64,
        Nested::List(item) => DataType::List(element(data_type(item))),
        Nested::Struct(fields) => DataType::Struct(struct_fields(fields)),
        Nested::Entries(value) => DataType::List(element(DataType::Struct(entry_fields(value)))),
    }
}

fn element(holds: DataType) -> FieldRef {
    Arc::new(Field::new(ELEMENT, holds, true))
}

fn struct_fields(fields: &[(&'static str, Nested)]) -> Fields {
    fields.iter().map(|(name, holds)| Field::new(*name, data_type(holds), true)).collect()
}

fn entry_fields(value: &Nested) -> Fields {
    let [name, content] = ENTRY;
    vec![Field::new(name, DataType::Utf8, true), Field::new(content, data_type(value), true)].into()
}

/// The paths of a column's leaves, as parquet knows them.
pub(super) fn leaves(name: &str, holds: &Nested) -> Vec<Vec<String>> {
    let below = |parts: &[&str], leaves: Vec<Vec<String>>| -> Vec<Vec<String>> {
        let before = |leaf: Vec<String>| parts.iter().map(|&part| part.to_owned()).chain(leaf).collect();
        leaves.into_iter().map(before).collect()
    };
    match holds {
        Nested::List(item) => below(&[name, "list"], leaves(ELEMENT, item)),
        Nested::Struct(fields) => {
            below(&[name], fields.iter().flat_map(|(field, holds)| leaves(field, holds)).collect())
        }
        Nested::Entries(value) => {
            let [key, content] = ENTRY;
            let both = [leaves(key, &Nested::Text), leaves(content, value)].concat();
            below(&[name, "list", ELEMENT], both)
        }
        _ => vec![vec![name.to_owned()]],
    }
}

/// A value that does not fit its column: where in it, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    path: String,
    why: String,
}

impl Misfit {
    fn below(self, step: &str) -> Self {
        Misfit { path: format!("{step}{}", self.path), ..self }
    }
    pub(super) fn of_column(self, column: &str) -> ParquetError {
        ParquetError::General(format!("{column}{}: {}", self.path, self.why))
    }
}

/// Rows of a nested column that wait to be written.
pub(super) enum Tree {
    Text(StringBuilder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    List(Lists, Box<Tree>),
    Struct(Fields, Vec<Tree>, NullBufferBuilder),
    Entries(Lists, StringBuilder, Box<Tree>),
}

/// How long the lists are, and which are there at all.
#[derive(Default)]
pub(super) struct Lists {
    lengths: Vec<usize>,
    present: Option<NullBufferBuilder>,
}

impl Lists {
    fn push(&mut self, length: Option<usize>) {
        self.lengths.push(length.unwrap_or(0));
        self.present.get_or_insert_with(|| NullBufferBuilder::new(0)).append(length.is_some());
    }

    fn finish(&mut self, items: ArrayRef) -> Result<ArrayRef, ArrowError> {
        let offsets = OffsetBuffer::try_from_lengths(std::mem::take(&mut self.lengths))
            .map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
        let present = self.present.as_mut().and_then(NullBufferBuilder::finish);
        Ok(Arc::new(ListArray::try_new(element(items.data_type().clone()), offsets, items, present)?))
    }
}

impl Tree {
    pub(super) fn of(holds: &Nested) -> Self {
        match holds {
            Nested::Text => Tree::Text(StringBuilder::new()),
            Nested::Int64 => Tree::Int64(Int64Builder::new()),
            Nested::Float32 => Tree::Float32(Float32Builder::new()),
            Nested::Float64 => Tree::Float64(Float64Builder::new()),
            Nested::List(item) => Tree::List(Lists::default(), Box::new(Tree::of(item))),
            Nested::Struct(fields) => {
                let trees = fields.iter().map(|(_, holds)| Tree::of(holds)).collect();
                Tree::Struct(struct_fields(fields), trees, NullBufferBuilder::new(0))
            }
            Nested::Entries(value) => {
                Tree::Entries(Lists::default(), StringBuilder::new(), Box::new(Tree::of(value)))
            }
        }
    }

    /// Adds a row, and says how many bytes it holds about. After a misfit the tree is of no more use.
    pub(super) fn push(&mut self, value: Option<&Value>) -> Result<usize, Misfit> {
        let value = value.filter(|value| !value.is_null());
        match self {
            Tree::Text(builder) => {
                let text = leaf(value, Value::as_str, "text")?;
                builder.append_option(text);
                Ok(text.map_or(0, str::len))
            }
            Tree::Int64(builder) => {
                builder.append_option(leaf(value, Value::as_i64, "a whole number of 64 bits")?);
                Ok(8)
            }
            Tree::Float32(builder) => {
                builder.append_option(leaf(value, as_f32, "a number of 32 bits")?.map(canonical));
                Ok(4)
            }
            Tree::Float64(builder) => {
                builder.append_option(leaf(value, Value::as_f64, "a number")?.map(|number| number + 0.0));
                Ok(8)
            }
            Tree::List(lists, item) => {
                let values = leaf(value, Value::as_array, "a list")?;
                lists.push(values.map(Vec::len));
                let push = |(at, value)| item.push(Some(value)).map_err(|it| it.below(&format!("[{at}]")));
                values.into_iter().flatten().enumerate().map(push).sum()
            }
            Tree::Struct(fields, trees, present) => {
                let object = leaf(value, Value::as_object, "an object")?;
                present.append(object.is_some());
                let push = |(field, tree): (&FieldRef, &mut Tree)| {
                    let value = object.and_then(|object| object.get(field.name()));
                    tree.push(value).map_err(|misfit| misfit.below(&format!(".{}", field.name())))
                };
                fields.iter().zip(trees).map(push).sum()
            }
            Tree::Entries(lists, names, values) => {
                let object = leaf(value, Value::as_object, "an object")?;
                lists.push(object.map(serde_json::Map::len));
                let push = |(name, value): (&String, &Value)| {
                    names.append_value(name);
                    let bytes = values.push(Some(value)).map_err(|it| it.below(&format!("[{name:?}]")))?;
                    Ok(name.len() + bytes)
                };
                object.into_iter().flatten().map(push).sum()
            }
        }
    }

    /// The rows that were added since the last time.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Tree::Text(builder) => Arc::new(builder.finish()),
            Tree::Int64(builder) => Arc::new(builder.finish()),
            Tree::Float32(builder) => Arc::new(builder.finish()),
            Tree::Float64(builder) => Arc::new(builder.finish()),
            Tree::List(lists, item) => {
                let items = item.finish()?;
                lists.finish(items)?
            }
            Tree::Struct(fields, trees, present) => {
                let arrays = trees.iter_mut().map(Tree::finish).collect::<Result<_, _>>()?;
                Arc::new(StructArray::try_new(fields.clone(), arrays, present.finish())?)
            }
            Tree::Entries(lists, names, values) => {
                let arrays: Vec<ArrayRef> = vec![Arc::new(names.finish()), values.finish()?];
                let [name, content] = ENTRY;
                let field = |name, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
                let fields = vec![field(name, &arrays[0]), field(content, &arrays[1])].into();
                lists.finish(Arc::new(StructArray::try_new(fields, arrays, None)?))?
            }
        })
    }
}

fn as_f32(value: &Value) -> Option<f32> {
    value.as_f64().map(|number| number as f32).filter(|number| number.is_finite())
}

fn leaf<'a, T>(
    value: Option<&'a Value>,
    read: impl Fn(&'a Value) -> Option<T>,
    wanted: &str,
) -> Result<Option<T>, Misfit> {
    const MOST: usize = 60;
    let Some(value) = value else { return Ok(None) };
    let misfit = || {
        let text = value.to_string();
        let shown: String = text.chars().take(MOST).collect();
        let rest = if shown.len() < text.len() { "..." } else { "" };
        Misfit { path: String::new(), why: format!("{shown}{rest} stands where {wanted} belongs") }
    };
    read(value).map(Some).ok_or_else(misfit)
}

/// What was written, of entries their list. A number that JSON has not is null, as what is missing.
pub(super) fn value_of(array: &dyn Array, row: usize) -> Result<Value, ParquetError> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|item| value_of(&items, item)).collect::<Result<Vec<_>, _>>()?.into()
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let field = |(field, column): (&FieldRef, &ArrayRef)| {
                Ok::<_, ParquetError>((field.name().clone(), value_of(column, row)?))
            };
            Value::Object(fields.iter().zip(columns).map(field).collect::<Result<_, _>>()?)
        }
        other => {
            return Err(ParquetError::General(format!(
                "a value of type {other}, which is never written here"
            )));
        }
    })
}
