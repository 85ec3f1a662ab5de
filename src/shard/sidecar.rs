//! The sidecars of a sample: its `.json` member, its `.txt` member, and the caption that results from them.
//!
//! The reader takes what Python's `json` and LAION's tools write (`text`, `lenient`). What cannot be read is lost field by field, and
//! reported field by field. Only a text that is no JSON object is lost as a whole. A sidecar is read as a stream, and only what is wanted
//! is kept: a tree of 16 MiB of `[0,0,...` would take a gigabyte. The result is the sidecar's own text without its white space, so that no
//! number loses digits.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Member;
use super::bytes::Bytes;
use super::lenient::{Change, Changed, MOST_CHANGES, StrictJson, strict_json};
use super::text::{Holding, decode};
use crate::row::Refusal;

/// Raise it when the same bytes come to another JSON, caption, number or remark: shards are then new ones.
pub(super) const VERSION: u32 = 2;

/// Most bytes of a `.json` or `.txt` member that are read.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// Most fields that the object of a sidecar may have.
const MOST_FIELDS: usize = 65_536;

/// Deepest nesting that is taken: what other readers of JSON take too.
const MOST_DEEP: usize = 128;

/// Most remarks about one sidecar that are told one by one; the others are counted.
const MOST_TOLD: usize = 16;

/// All that a sample's sidecars say.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The `.json` member as strict JSON without white space; `None` where there is none that is an object, or where it is not
    /// wanted.
    pub(super) json: Option<String>,
    /// Never empty.
    pub(super) caption: Option<String>,
    /// The top-level numbers, in the order of the file.
    pub(super) numbers: Vec<(String, f32)>,
    /// What is not told by the above.
    pub(super) refusal: Option<Refusal>,
}

/// Reads the sidecars among a sample's members; an error where their bytes cannot be had, which says nothing of them.
///
/// `with_json`: whether the text of the `.json` is wanted.
pub(super) fn read(members: &[Member], bytes: &Bytes, with_json: bool) -> Result<Read, Refusal> {
    let member = |extension: &str| members.iter().find(|member| member.extension == extension);
    let (mut read, mut told) = (Read::default(), Told::default());
    let mut lost = None;
    let mut caption = None;
    if let Some(json) = member("json") {
        let object = match too_long(json) {
            Some(why) => Err(why),
            None => Object::parse(&bytes.slice(json.offset, json.len)?, with_json, &mut told),
        };
        match object {
            Ok(object) => {
                (read.json, read.numbers) = (object.json, object.numbers);
                caption = object.caption.or(object.cap);
            }
            Err(why) => lost = Some(format!("the .json member is not usable: {why}")),
        }
    }
    if let Some(text) = member("txt") {
        match too_long(text) {
            Some(why) => told.say(format!("the .txt member is not usable: {why}")),
            None => {
                let payload = bytes.slice(text.offset, text.len)?;
                let decoded = decode(&payload, Holding::Prose);
                // An empty one, as some tools write where there is no caption, hides nothing.
                caption = Some(decoded.text.trim().to_owned()).filter(|text| !text.is_empty()).or(caption);
                decoded.told.into_iter().for_each(|why| told.say(format!("the .txt member: {why}")));
            }
        }
    }
    read.caption = caption;
    let class = if lost.is_some() { "bad_sidecar" } else { "bad_fields" };
    let remarks = lost.into_iter().chain(told.into_text());
    read.refusal =
        remarks.reduce(|all, one| format!("{all}; {one}")).map(|message| Refusal::permanent(class, message));
    Ok(read)
}

fn too_long(member: &Member) -> Option<String> {
    let len = member.len;
    (len > MOST_BYTES).then(|| format!("it has {len} bytes, at most {MOST_BYTES} are read"))
}

/// What is to be said of a sidecar.
#[derive(Default)]
struct Told {
    remarks: Vec<String>,
    more: usize,
}

impl Told {
    fn say(&mut self, remark: String) {
        if self.remarks.len() < MOST_TOLD {
            self.remarks.push(remark);
        } else {
            self.more += 1;
        }
    }

    fn into_text(mut self) -> Option<String> {
        if self.more > 0 {
            self.remarks.push(format!("and {} more remarks", self.more));
        }
        (!self.remarks.is_empty()).then(|| self.remarks.join("; "))
    }
}

/// What a `.json` member that holds one object says.
#[derive(Default)]
struct Object {
    json: Option<String>,
    numbers: Vec<(String, f32)>,
    caption: Option<String>,
    cap: Option<String>,
}

impl Object {
    /// Reads a `.json` member: one object. The error says why it is none.
    fn parse(bytes: &[u8], with_json: bool, told: &mut Told) -> Result<Self, String> {
        let decoded = decode(bytes, Holding::Json);
        let StrictJson { text, changes } = strict_json(&decoded.text);
        if changes.len() > MOST_CHANGES {
            return Err(format!(
                "more than {MOST_CHANGES} of its values are none that JSON has, such as NaN"
            ));
        }
        let fields: Fields<'_> = serde_json::from_str(&text).map_err(|error| match &decoded.told {
            Some(why) => format!("{error} ({why})"),
            None => error.to_string(),
        })?;
        let mut deepest = 0;
        see_text(text.as_bytes(), &mut |_, depth| deepest = deepest.max(depth));
        if deepest > MOST_DEEP {
            return Err(format!("it is nested {deepest} deep, at most {MOST_DEEP} is read"));
        }
        if let Some(why) = decoded.told {
            told.say(format!("the .json member: {why}{}", fields.with_replacements()));
        }
        fields.tell_changes(&text, &changes, told);
        let mut object = Object::default();
        for Field { name, value, times, .. } in &fields.0 {
            if *times > 1 {
                told.say(format!("{} stands {times} times in the .json, and the last counts", shown(name)));
            }
            object.take(name, value.get(), told);
        }
        object.json = with_json.then(|| fields.compact());
        Ok(object)
    }

    fn take(&mut self, name: &str, value: &str, told: &mut Told) {
        match name {
            "caption" => self.caption = caption(name, value, told),
            "cap" => self.cap = caption(name, value, told),
            _ => {}
        }
        let number = match value.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => value.parse::<f64>().ok(),
            // Python's tools write numbers as strings, too.
            Some(b'"') if name != "caption" && name != "cap" => string(value).as_deref().and_then(number_in),
            _ => None,
        };
        match number.map(|number| (number, number as f32)) {
            Some((_, number)) if number.is_finite() => self.numbers.push((name.to_owned(), number)),
            Some((number, _)) => {
                told.say(format!("{} is {number:e}, too large for a score (32-bit float)", shown(name)));
            }
            None => {}
        }
    }
}

/// A decimal number that a string holds and nothing else.
fn number_in(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_decimal { None } else { text.parse::<f64>().ok().filter(|number| number.is_finite()) }
}

/// The caption that a field holds: a string, or the first one in a list that is not empty.
fn caption(name: &str, value: &str, told: &mut Told) -> Option<String> {
    let found = match value.as_bytes().first() {
        Some(b'n') => return None,
        Some(b'"') => string(value),
        Some(b'[') => serde_json::from_str::<FirstText>(value).ok().and_then(|first| first.0),
        _ => None,
    };
    if found.is_none() {
        told.say(format!(
            "{} is {}, which is no caption; a string or a list of strings is one",
            shown(name),
            shown(value)
        ));
    }
    found.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Of a list: the first string that says something, else an empty one, where it has any or has nothing at all.
struct FirstText(Option<String>);

impl<'de> Deserialize<'de> for FirstText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Looking;
        impl<'de> Visitor<'de> for Looking {
            type Value = FirstText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FirstText, A::Error> {
                let (mut first, mut others) = (None::<String>, false);
                while let Some(item) = list.next_element::<&RawValue>()? {
                    match string(item.get()) {
                        Some(text) if first.as_deref().is_none_or(|known| known.trim().is_empty()) => {
                            first = Some(text);
                        }
                        Some(_) => {}
                        None => others = true,
                    }
                }
                Ok(FirstText(first.or_else(|| (!others).then(String::new))))
            }
        }
        deserializer.deserialize_seq(Looking)
    }
}

fn string(text: &str) -> Option<String> {
    text.starts_with('"').then(|| serde_json::from_str(text).ok()).flatten()
}

/// A name or value for a message: escaped (no control characters reach a terminal), not too long.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let start: String = text.chars().take(MOST).collect();
    if start.len() < text.len() { format!("{start:?}...") } else { format!("{start:?}") }
}

/// One field of an object.
struct Field<'a> {
    name: String,
    key: &'a RawValue,
    /// Where the name stands several times, the last value.
    value: &'a RawValue,
    times: usize,
}

/// The fields of an object in the order in which their names first came.
struct Fields<'a>(Vec<Field<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taking;
        impl<'de> Visitor<'de> for Taking {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields: Vec<Field<'_>> = Vec::new();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    let name = string(key.get()).ok_or_else(|| A::Error::custom("a name is no string"))?;
                    if let Some(&place) = places.get(&name) {
                        let times = fields[place].times + 1;
                        fields[place] = Field { name, key, value, times };
                        continue;
                    }
                    if fields.len() == MOST_FIELDS {
                        let message =
                            format!("it has more than {MOST_FIELDS} fields, the most that are read");
                        return Err(A::Error::custom(message));
                    }
                    places.insert(name.clone(), fields.len());
                    fields.push(Field { name, key, value, times: 1 });
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Taking)
    }
}

impl Fields<'_> {
    /// Says of each field what of it was changed. `text` is the text that the fields lie in.
    fn tell_changes(&self, text: &str, changes: &[Change], told: &mut Told) {
        if changes.is_empty() {
            return;
        }
        let place = |part: &RawValue| (part.get().as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        for field in &self.0 {
            let (start, value) = (place(field.key), place(field.value));
            let end = value.wrapping_add(field.value.get().len());
            let first = changes.partition_point(|change| change.at < start);
            let behind = changes.partition_point(|change| change.at < end);
            if let Some((first, others)) = changes.get(first..behind).and_then(<[Change]>::split_first) {
                told.say(remark(&field.name, first, others.len(), first.at == value));
            }
        }
    }

    /// For a remark about the whole text: the fields that hold a replacement character.
    fn with_replacements(&self) -> String {
        let holds = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
        let fields = self.0.iter().filter(|field| holds(&field.name) || holds(field.value.get()));
        let names: Vec<String> = fields.map(|field| shown(&field.name)).take(8).collect();
        if names.is_empty() { String::new() } else { format!(", in {}", names.join(", ")) }
    }

    /// The object as text, each field once, without white space.
    fn compact(&self) -> String {
        let mut out = vec![b'{'];
        for (place, field) in self.0.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(field.key.get().as_bytes());
            out.push(b':');
            see_text(field.value.get().as_bytes(), &mut |byte, _| out.push(byte));
        }
        out.push(b'}');
        // Nothing but ASCII white space was left out.
        String::from_utf8(out).unwrap_or_default()
    }
}

/// What is said of a field that had to be changed; `whole`: the first change is all of its value.
fn remark(name: &str, first: &Change, others: usize, whole: bool) -> String {
    let name = shown(name);
    let verb = if whole { "is" } else { "holds" };
    let more = match others {
        0 => String::new(),
        others => format!(" (and {others} more such places)"),
    };
    match &first.what {
        Changed::NotANumber(what) => {
            format!("{name} {verb} {what}, which is no number; null stands there{more}")
        }
        Changed::TooLarge(digits) => {
            format!("{name} {verb} {}, too large for a 64-bit float; null stands there{more}", shown(digits))
        }
        Changed::LoneSurrogate => {
            format!("{name} holds a surrogate without its other half; U+FFFD stands there{more}")
        }
    }
}

/// Shows `see` every byte of a JSON text that is not white space between tokens, and how deep it is nested.
fn see_text(text: &[u8], see: &mut dyn FnMut(u8, usize)) {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in text {
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
        } else {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => continue,
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        see(byte, depth);
    }
}
