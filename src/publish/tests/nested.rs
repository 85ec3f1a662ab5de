//! Nested columns by themselves: what goes in comes out, in any mixture of what is there and what is missing.

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::super::parquet::{Cell, Column, ColumnType, PartWriter, Presence, Rows, read};
use super::*;

fn written(holds: &Nested, values: &[Value]) -> Result<Vec<Value>, String> {
    let columns = [
        Column::new("key", ColumnType::Text, Presence::Always),
        Column::new("nested", ColumnType::Nested(holds.clone()), Presence::Nullable),
    ];
    let folder = scratch();
    let path = folder.path().join("part.parquet");
    let mut writer = PartWriter::new(fs::File::create(&path).unwrap(), &columns).unwrap();
    let pictures = [("a.png", "bytes"), ("b/c.jpg", "")];
    let pictures = pictures.map(|(path, bytes)| (path.to_owned(), bytes.into())).into();
    for value in values {
        let cells = [Cell::Text("a key"), Cell::Json(Cow::Borrowed(value))];
        writer.push_pictures(&cells, &pictures).map_err(|error| error.to_string())?;
    }
    writer.finish().unwrap();
    let mut found = Vec::new();
    let see = |_: usize, cells: &[Cell<'_>]| {
        found.push(match &cells[0] {
            Cell::Missing => Value::Null,
            Cell::Json(value) => value.clone().into_owned(),
            Cell::Text(text) => (*text).into(),
            Cell::Int64(value) => (*value).into(),
            Cell::Int32(value) => (*value).into(),
            Cell::Float32(value) => (*value).into(),
        });
        ControlFlow::<()>::Continue(())
    };
    read(&path, &["nested"], Rows::All, see).unwrap();
    Ok(found)
}

fn list(item: Nested) -> Nested {
    Nested::List(Box::new(item))
}

fn random_type(random: &mut Random, deep: u32) -> Nested {
    match random.below(if deep == 0 { 4 } else { 7 }) {
        0 => Nested::Text,
        1 => Nested::Int64,
        2 => Nested::Float64,
        3 => Nested::Picture,
        4 => list(random_type(random, deep - 1)),
        5 => Nested::Struct(vec![
            ("one", random_type(random, deep - 1)),
            ("two", random_type(random, deep - 1)),
        ]),
        _ => Nested::Entries(Box::new(random_type(random, deep - 1))),
    }
}

/// A value of that type, as JSON has it and as it is read back.
fn random_value(random: &mut Random, holds: &Nested) -> (Value, Value) {
    if random.below(6) == 0 {
        return (Value::Null, Value::Null);
    }
    let both = |value: Value| (value.clone(), value);
    match holds {
        Nested::Text => both("x\"\n✓".repeat(random.below(3) as usize).into()),
        Nested::Picture => both(["a.png", "b/c.jpg"][random.below(2) as usize].into()),
        Nested::Int64 => both((random.below(u64::MAX >> 11) as i64).wrapping_neg().into()),
        Nested::Float32 => both((random.below(1 << 20) as f32 / 7.0).into()),
        // Of all digits: a reader of numbers that is off by one bit would show.
        Nested::Float64 => both((random.below(1 << 52) as f64 / 1e13 / 3.0).into()),
        Nested::List(item) => {
            let items = (0..random.below(4)).map(|_| random_value(random, item));
            let (json, read): (Vec<_>, Vec<_>) = items.unzip();
            (json.into(), read.into())
        }
        Nested::Struct(fields) => {
            let (mut json, mut read) = (serde_json::Map::new(), serde_json::Map::new());
            for (name, holds) in fields {
                let value = random_value(random, holds);
                if !value.0.is_null() || random.below(2) == 0 {
                    json.insert((*name).to_owned(), value.0);
                }
                read.insert((*name).to_owned(), value.1);
            }
            json.insert("unknown".to_owned(), json!([1, "two"]));
            (json.into(), read.into())
        }
        Nested::Entries(holds) => {
            let (mut json, mut read) = (serde_json::Map::new(), Vec::new());
            for number in 0..random.below(4) {
                let (name, value) = (format!("{}", 9 - number), random_value(random, holds));
                json.insert(name.clone(), value.0);
                read.push(json!({ "name": name, "value": value.1 }));
            }
            (json.into(), read.into())
        }
    }
}

#[test]
fn random_values_of_random_types_read_back() {
    let mut random = Random::of("nested");
    for round in 0..150 {
        let holds = random_type(&mut random, 4);
        // Rows of several batches, so that a batch does not inherit from the one before.
        let rows = if round % 50 == 0 { 2_500 } else { 20 };
        let values: Vec<(Value, Value)> = (0..rows).map(|_| random_value(&mut random, &holds)).collect();
        let (json, wanted): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        // Through text, as records come.
        let json: Vec<Value> = json.iter().map(|it| serde_json::from_str(&it.to_string()).unwrap()).collect();
        assert_eq!(written(&holds, &json).unwrap(), wanted, "{holds}");
    }
}

#[test]
fn numbers_fit_or_are_said_not_to() {
    let fits = |holds: Nested, text: &str| written(&list(holds), &[serde_json::from_str(text).unwrap()]);
    assert_eq!(
        fits(Nested::Int64, "[9223372036854775807,-9223372036854775808]").unwrap()[0][1],
        json!(i64::MIN)
    );
    assert_eq!(fits(Nested::Float32, "[1,-0.0,0.1]").unwrap(), [json!([1.0, 0.0, 0.1f32])]);
    assert_eq!(fits(Nested::Float64, "[0.1,1e308]").unwrap(), [json!([0.1, 1e308])]);
    for (holds, text, why) in [
        (
            Nested::Int64,
            "[0,9223372036854775808]",
            "nested[1]: 9223372036854775808 stands where a whole number",
        ),
        (Nested::Int64, "[1.0]", "nested[0]: 1.0 stands where a whole number of 64 bits belongs"),
        (Nested::Float32, "[1e39]", "nested[0]: 1e+39 stands where a number of 32 bits belongs"),
        (Nested::Float64, "[true]", "nested[0]: true stands where a number belongs"),
        (Nested::Text, "[\"\",7]", "nested[1]: 7 stands where text belongs"),
        (Nested::Text, "{\"a\":1}", "nested: {\"a\":1} stands where a list belongs"),
        (list(Nested::Text), "[null,[null,[]]]", "nested[1][1]: [] stands where text belongs"),
        (Nested::Entries(Box::new(Nested::Text)), "[[]]", "nested[0]: [] stands where an object belongs"),
    ] {
        let error = fits(holds, text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let long = written(&Nested::Int64, &[json!("é".repeat(1000))]).unwrap_err();
    assert!(long.len() < 250 && long.contains("..."), "{long}");
}

#[test]
fn a_nested_part_has_the_bytes_of_this_format() {
    // As with plain columns: if this fails after an upgrade of parquet or zstd, raise FORMAT. The tars of records are in it, too.
    let world = World::new(&["one"], 40).with_regions();
    let mut hasher = blake3::Hasher::new();
    for (path, bytes) in world.fresh_bytes() {
        if path.parent() != Some(Path::new("")) {
            hasher.update(&bytes);
        }
    }
    assert_eq!(
        (FORMAT, super::super::export::TAR_FORMAT, ContentHash::from_hasher(&hasher).to_string().as_str()),
        (1, 2, "ecdc560084b829b4d8883c29f21d38b0")
    );
}
