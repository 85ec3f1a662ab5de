//! The columns as Hugging Face's `datasets` knows them: on the card, and in the footers of the files. By these a picture in a row is a
//! picture, and not a struct of bytes and a path.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use threshflow::publish::Nested;

/// The key in a parquet file's footer under which `datasets` looks for [`note`].
pub(crate) const NOTE: &str = "huggingface";

/// What the footer says: `{"info": {"features": …}}`, as `Features.to_dict` of `datasets` has them.
pub(crate) fn note(columns: &[(&'static str, Nested)]) -> String {
    json!({ "info": { "features": fields(columns) } }).to_string()
}

fn fields(columns: &[(&'static str, Nested)]) -> Value {
    let fields = columns.iter().map(|(name, holds)| ((*name).to_owned(), feature(holds)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn feature(holds: &Nested) -> Value {
    let value = |dtype: &str| json!({ "dtype": dtype, "_type": "Value" });
    match holds {
        Nested::Text => value("string"),
        Nested::Int64 => value("int64"),
        Nested::Float32 => value("float32"),
        Nested::Float64 => value("float64"),
        Nested::Picture => json!({ "_type": "Image" }),
        Nested::List(item) => json!({ "feature": feature(item), "_type": "List" }),
        Nested::Struct(columns) => fields(columns),
        Nested::Entries(item) => feature(&Nested::List(Box::new(entry(item)))),
    }
}

/// What an entry is written as.
fn entry(item: &Nested) -> Nested {
    Nested::Struct(vec![("name", Nested::Text), ("value", item.clone())])
}

/// The list below `features:` of a card's `dataset_info`, each line after so many spaces.
pub(crate) fn yaml(columns: &[(&'static str, Nested)], indent: usize) -> String {
    let mut text = String::new();
    for (name, holds) in columns {
        // Writing to a string cannot fail.
        let _ = write!(text, "{:indent$}- name: {name}\n{}", "", kind(holds, indent + 2));
    }
    text
}

/// What stands below a name: `dtype: image`, `list: string`, `struct:` and its fields.
fn kind(holds: &Nested, indent: usize) -> String {
    match holds {
        Nested::List(item) => match &**item {
            Nested::Struct(fields) => format!("{:indent$}list:\n{}", "", yaml(fields, indent)),
            Nested::List(_) | Nested::Entries(_) => {
                format!("{:indent$}list:\n{}", "", kind(item, indent + 2))
            }
            leaf => format!("{:indent$}list: {}\n", "", dtype(leaf)),
        },
        Nested::Struct(fields) => format!("{:indent$}struct:\n{}", "", yaml(fields, indent)),
        Nested::Entries(item) => kind(&Nested::List(Box::new(entry(item))), indent),
        leaf => format!("{:indent$}dtype: {}\n", "", dtype(leaf)),
    }
}

fn dtype(leaf: &Nested) -> String {
    match leaf {
        Nested::Text => "string".to_owned(),
        Nested::Picture => "image".to_owned(),
        other => other.to_string(),
    }
}
