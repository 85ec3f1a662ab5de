//! The keys of an object as they were: their order, and the values of those that this layer does not know.

use super::values::{Json, Text};

/// The keys of one object of a record. Empty for an object made in code: that is written in upstream's order.
///
/// Written are, in this order: the keys that are kept here, then the known fields that have a value and are not
/// among them. A known key that stood there with `null`, or whose value was taken out since, is written as `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(Vec<Slot>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Slot {
    Known(&'static str),
    Unknown(Text, Json),
}

impl Keys {
    /// The keys that this room doesn't know, with their values, in order.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().filter_map(|slot| match slot {
            Slot::Known(_) => None,
            Slot::Unknown(key, value) => Some((key.as_str(), value)),
        })
    }

    pub(super) fn push_known(&mut self, key: &'static str) {
        self.0.push(Slot::Known(key));
    }

    pub(super) fn push_unknown(&mut self, key: Text, value: Json) {
        self.0.push(Slot::Unknown(key, value));
    }

    /// Writes an object: these keys, and then what else of `fields` (the known ones, in upstream's order) has a value.
    pub(super) fn write(&self, out: &mut String, fields: &[(&'static str, Option<&dyn WriteJson>)]) {
        let mut before = '{';
        let mut key_of = |out: &mut String, key: &Text| {
            out.push(std::mem::replace(&mut before, ','));
            key.write(out);
            out.push(':');
        };
        for slot in &self.0 {
            match slot {
                Slot::Unknown(key, value) => {
                    key_of(out, key);
                    out.push_str(value.text());
                }
                Slot::Known(key) => {
                    key_of(out, &Text::from(*key));
                    match fields.iter().find(|(name, _)| name == key).and_then(|(_, field)| *field) {
                        Some(field) => field.write_json(out),
                        None => out.push_str("null"),
                    }
                }
            }
        }
        for (name, field) in fields {
            let written = || self.0.iter().any(|slot| matches!(slot, Slot::Known(key) if key == name));
            if let Some(field) = field.filter(|_| !written()) {
                key_of(out, &Text::from(*name));
                field.write_json(out);
            }
        }
        out.push_str(if before == '{' { "{}" } else { "}" });
    }
}

/// What can stand in a record, as compact JSON.
pub(super) trait WriteJson {
    fn write_json(&self, out: &mut String);
}
