//! Nested columns: writes JSON values to Arrow's lists and structs, and reads them back.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, Float32Builder, Float64Builder, Int64Builder, NullBufferBuilder, StringBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};
use parquet::errors::ParquetError;
use serde_json::Value;

use super::canonical;
use crate::publish::record::{ENTRY, Nested, PICTURE, Pictures};

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
        Nested::Picture => DataType::Struct(picture_fields()),
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

fn picture_fields() -> Fields {
    let [bytes, path] = PICTURE;
    vec![Field::new(bytes, DataType::Binary, true), Field::new(path, DataType::Utf8, true)].into()
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
        Nested::Picture => PICTURE.map(|part| vec![name.to_owned(), part.to_owned()]).into(),
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
    Picture(BinaryBuilder, StringBuilder, NullBufferBuilder),
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
            Nested::Picture => {
                Tree::Picture(BinaryBuilder::new(), StringBuilder::new(), NullBufferBuilder::new(0))
            }
        }
    }

    /// Adds a row, the bytes of its pictures out of `pictures`, and says how many bytes it holds about. After a misfit the tree is of no
    /// more use.
    pub(super) fn push(&mut self, value: Option<&Value>, pictures: &Pictures) -> Result<usize, Misfit> {
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
                let push =
                    |(at, value)| item.push(Some(value), pictures).map_err(|it| it.below(&format!("[{at}]")));
                values.into_iter().flatten().enumerate().map(push).sum()
            }
            Tree::Struct(fields, trees, present) => {
                let object = leaf(value, Value::as_object, "an object")?;
                present.append(object.is_some());
                let push = |(field, tree): (&FieldRef, &mut Tree)| {
                    let value = object.and_then(|object| object.get(field.name()));
                    tree.push(value, pictures).map_err(|misfit| misfit.below(&format!(".{}", field.name())))
                };
                fields.iter().zip(trees).map(push).sum()
            }
            Tree::Entries(lists, names, values) => {
                let object = leaf(value, Value::as_object, "an object")?;
                lists.push(object.map(serde_json::Map::len));
                let push = |(name, value): (&String, &Value)| {
                    names.append_value(name);
                    let bytes =
                        values.push(Some(value), pictures).map_err(|it| it.below(&format!("[{name:?}]")))?;
                    Ok(name.len() + bytes)
                };
                object.into_iter().flatten().map(push).sum()
            }
            Tree::Picture(bytes, paths, present) => {
                let path = leaf(value, Value::as_str, "the path of a picture")?;
                let unknown = |path| Misfit {
                    path: String::new(),
                    why: format!("the bytes of the picture {path} were not given"),
                };
                let of_path = |path| pictures.get(path).ok_or_else(|| unknown(path));
                let picture = path.map(of_path).transpose()?;
                present.append(path.is_some());
                bytes.append_option(picture);
                paths.append_option(path);
                Ok(path.map_or(0, str::len) + picture.map_or(0, Vec::len))
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
            Tree::Picture(bytes, paths, present) => {
                let arrays: Vec<ArrayRef> = vec![Arc::new(bytes.finish()), Arc::new(paths.finish())];
                Arc::new(StructArray::try_new(picture_fields(), arrays, present.finish())?)
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

/// Whether it is what [`Nested::Picture`] is written as.
pub(super) fn is_picture(fields: &Fields) -> bool {
    let [bytes, path] = PICTURE;
    matches!(&fields[..], [one, other] if one.name() == bytes && *one.data_type() == DataType::Binary
        && other.name() == path && *other.data_type() == DataType::Utf8)
}

/// Whether pictures lie in a type.
pub(super) fn has_pictures(holds: &DataType) -> bool {
    match holds {
        DataType::List(item) => has_pictures(item.data_type()),
        DataType::Struct(fields) => {
            is_picture(fields) || fields.iter().any(|field| has_pictures(field.data_type()))
        }
        _ => false,
    }
}

/// The path of a picture; its bytes, if there are both, go to `pictures`.
fn picture_of(columns: &[ArrayRef], row: usize, pictures: &mut Pictures) -> Value {
    let [bytes, paths] = columns else { return Value::Null };
    let (bytes, paths) = (bytes.as_binary::<i32>(), paths.as_string::<i32>());
    if paths.is_null(row) {
        return Value::Null;
    }
    let path = paths.value(row);
    if !bytes.is_null(row) {
        pictures.insert(path.to_owned(), bytes.value(row).to_owned());
    }
    path.into()
}

/// What was written, of entries their list, of a picture its path: its bytes go to `pictures`. A number that JSON has not is null, as
/// what is missing.
pub(super) fn value_of(
    array: &dyn Array,
    row: usize,
    pictures: &mut Pictures,
) -> Result<Value, ParquetError> {
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
            let item = |item| value_of(&items, item, pictures);
            (0..items.len()).map(item).collect::<Result<Vec<_>, _>>()?.into()
        }
        DataType::Struct(fields) if is_picture(fields) => {
            picture_of(array.as_struct().columns(), row, pictures)
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let field = |(field, column): (&FieldRef, &ArrayRef)| {
                Ok::<_, ParquetError>((field.name().clone(), value_of(column, row, pictures)?))
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
