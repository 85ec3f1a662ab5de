//! From text to a record: every value is checked in place, and every error has its path inside the record.
//!
//! Objects and lists are read as streams of raw texts, one level at a time, so that the memory which a hostile record takes is bounded by
//! its own length and by [`MOST_ITEMS`]. Values that this layer does not know are never looked into.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use threshflow::shard::{Change, Changed, Decoded, Holding, MOST_CHANGES, StrictJson, decode, strict_json};

use super::values::{Form, Json, Measure, Number, Text, compact, see_tokens};
use super::{
    Captions, Counts, Keys, MOST_BYTES, MOST_DEEP, MOST_ITEMS, Record, RecordError, Region, Resolution,
    Segmentation, Tags,
};

type Read<T> = Result<T, RecordError>;

impl Record {
    /// Reads a record: one JSON object, at most [`MOST_BYTES`] long and [`MOST_DEEP`] deep, in what Python's `json` reads and writes.
    ///
    /// ```
    /// use operators::record::Record;
    /// let record = Record::parse(br#"{ "path": "00095/00019/000197953.jpg", "aes": 6.132755279541016, "x": 1.0 }"#)?;
    /// assert_eq!(record.aes.as_ref().unwrap().as_f32(), 6.1327553);
    /// assert_eq!(record.to_json(), r#"{"path":"00095/00019/000197953.jpg","aes":6.132755279541016,"x":1.0}"#);
    /// # Ok::<(), operators::record::RecordError>(())
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() as u64 > MOST_BYTES {
            return Err(RecordError::TooLong(bytes.len() as u64));
        }
        let decoded = decode(bytes, Holding::Json);
        let StrictJson { text, changes } = strict_json(&decoded.text);
        if changes.len() > MOST_CHANGES {
            let why = format!("more than {MOST_CHANGES} of its values are none that JSON has, such as NaN");
            return Err(RecordError::NotJson(why));
        }
        let mut deepest = 0;
        see_tokens(text.as_bytes(), |_, _, depth| deepest = deepest.max(depth.unwrap_or_default()));
        if deepest > MOST_DEEP {
            return Err(RecordError::NotJson(format!(
                "it is nested {deepest} deep, at most {MOST_DEEP} is read"
            )));
        }
        let whole: &RawValue =
            serde_json::from_str(&text).map_err(|error| RecordError::NotJson(error.to_string()))?;
        let record = record(Here { at: &Path::Record, json: whole.get() })?;
        Ok(Record {
            not_numbers: changes.iter().filter(|change| is_no_number(change)).count(),
            told: told(&decoded, &changes),
            ..record
        })
    }
}

fn is_no_number(change: &Change) -> bool {
    matches!(change.what, Changed::NotANumber(_) | Changed::TooLarge(_))
}

/// What the record read is not to the letter.
fn told(decoded: &Decoded<'_>, changes: &[Change]) -> Option<String> {
    let count = |what: &str, is: fn(&Change) -> bool| {
        let count = changes.iter().filter(|change| is(change)).count();
        (count > 0).then(|| format!("{count} {what}"))
    };
    let numbers = count("values are no numbers (NaN, infinities) and count as missing", is_no_number);
    let surrogates =
        count("surrogates have no other half, and U+FFFD stands there", |change| !is_no_number(change));
    let all: Vec<String> = decoded.told.clone().into_iter().chain(numbers).chain(surrogates).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The way to a value inside a record.
enum Path<'a> {
    Record,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Record => Ok(()),
            Path::Key(Path::Record, key) => f.write_str(&shown(key)),
            Path::Key(parent, key) => write!(f, "{parent}.{}", shown(key)),
            Path::Item(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}

/// Text from a record for a message: no control characters reach a terminal, and it is not too long.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let escaped = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    let start: String = text.chars().take(MOST).map(escaped).collect();
    if text.chars().nth(MOST).is_some() { format!("{start}...") } else { start }
}

/// A value: its text, which is valid JSON, and where it stands.
#[derive(Clone, Copy)]
struct Here<'a> {
    at: &'a Path<'a>,
    json: &'a str,
}

impl Here<'_> {
    fn refuse(&self, allowed: &'static str) -> RecordError {
        let at = match self.at {
            Path::Record => "the whole".to_owned(),
            at => at.to_string(),
        };
        // Enough of it for a message, whatever its length.
        let start: String = self.json.chars().take(400).collect();
        RecordError::Value { at, found: shown(&compact(&start)), allowed }
    }

    fn missing(&self, key: &str) -> RecordError {
        RecordError::Missing(Path::Key(self.at, key).to_string())
    }

    /// Calls `item` with every item of a list.
    fn items(&self, allowed: &'static str, mut item: impl FnMut(usize, Here<'_>) -> Read<()>) -> Read<()> {
        if !self.json.starts_with('[') {
            return Err(self.refuse(allowed));
        }
        let mut each = |at: usize, json: &str| {
            if at >= MOST_ITEMS {
                return Err(self.refuse("a list of at most 65,536 items"));
            }
            item(at, Here { at: &Path::Item(self.at, at), json })
        };
        let mut failed = None;
        let walked = serde_json::Deserializer::from_str(self.json)
            .deserialize_seq(Items(|at, json: &str| each(at, json).map_err(|error| failed = Some(error))));
        self.ended(failed, walked)
    }

    /// Calls `entry` with every key of an object and what stands under it; no key may come twice.
    fn entries(&self, allowed: &'static str, mut entry: impl FnMut(Text, Here<'_>) -> Read<()>) -> Read<()> {
        if !self.json.starts_with('{') {
            return Err(self.refuse(allowed));
        }
        let mut seen = Vec::new();
        let mut each = |key: &str, json: &str| {
            let Some(text) = Text::of_json(key) else {
                return Err(Here { at: self.at, json: key }.refuse("a key that Unicode can hold"));
            };
            if seen.len() >= MOST_ITEMS {
                return Err(self.refuse("an object of at most 65,536 keys"));
            }
            seen.push(text.as_str().to_owned());
            let name = text.as_str().to_owned();
            entry(text, Here { at: &Path::Key(self.at, &name), json })
        };
        let mut failed = None;
        let walked = serde_json::Deserializer::from_str(self.json).deserialize_map(Entries(
            |key: &str, json: &str| each(key, json).map_err(|error| failed = Some(error)),
        ));
        self.ended(failed, walked)?;
        seen.sort_unstable();
        match seen.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(RecordError::Twice(Path::Key(self.at, &pair[0]).to_string())),
            None => Ok(()),
        }
    }

    fn ended(&self, failed: Option<RecordError>, walked: serde_json::Result<()>) -> Read<()> {
        match (failed, walked) {
            (Some(error), _) => Err(error),
            (None, walked) => walked.map_err(|error| RecordError::NotJson(format!("{}: {error}", self.at))),
        }
    }
}

/// Hands on the raw items of a list; an `Err` ends the walk.
struct Items<F>(F);

impl<'de, F: FnMut(usize, &str) -> Result<(), ()>> Visitor<'de> for Items<F> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(item) = list.next_element::<&RawValue>()? {
            (self.0)(at, item.get()).map_err(|()| A::Error::custom("refused"))?;
            at += 1;
        }
        Ok(())
    }
}

/// Hands on the raw keys and values of an object; an `Err` ends the walk.
pub(super) struct Entries<F>(pub(super) F);

impl<'de, F: FnMut(&str, &str) -> Result<(), ()>> Visitor<'de> for Entries<F> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&RawValue>()? {
            let value = map.next_value::<&RawValue>()?;
            (self.0)(key.get(), value.get()).map_err(|()| A::Error::custom("refused"))?;
        }
        Ok(())
    }
}

/// Notes a known key and reads what stands under it; `null` is a value that is missing.
fn known<T>(
    keys: &mut Keys,
    name: &'static str,
    here: Here<'_>,
    read: fn(Here<'_>) -> Read<T>,
) -> Read<Option<T>> {
    keys.push_known(name);
    if here.json == "null" { Ok(None) } else { read(here).map(Some) }
}

fn unknown(keys: &mut Keys, key: Text, here: Here<'_>) -> Read<()> {
    let value = Json::of_text(here.json).ok_or_else(|| here.refuse("JSON"))?;
    keys.push_unknown(key, value);
    Ok(())
}

fn record(here: Here<'_>) -> Read<Record> {
    let mut read = Record::default();
    here.entries("one JSON object", |key, here| {
        let keys = &mut read.keys;
        match key.as_str() {
            "path" => read.path = known(keys, "path", here, text)?,
            "cap" => read.cap = known(keys, "cap", here, captions)?,
            "resolution" => read.resolution = known(keys, "resolution", here, resolution)?,
            "aes" => read.aes = known(keys, "aes", here, number)?,
            "border" => read.border = known(keys, "border", here, json)?,
            "tags" => read.tags = known(keys, "tags", here, tags)?,
            "segmentation" => read.segmentation = known(keys, "segmentation", here, segmentation)?,
            "bg_count" => read.bg_count = known(keys, "bg_count", here, counts)?,
            "obj_count" => read.obj_count = known(keys, "obj_count", here, counts)?,
            _ => unknown(keys, key, here)?,
        }
        Ok(())
    })?;
    Ok(read)
}

fn resolution(here: Here<'_>) -> Read<Resolution> {
    let (mut height, mut width, mut keys) = (None, None, Keys::default());
    here.entries("an object with height and width", |key, here| {
        match key.as_str() {
            "height" => height = known(&mut keys, "height", here, side)?,
            "width" => width = known(&mut keys, "width", here, side)?,
            _ => unknown(&mut keys, key, here)?,
        }
        Ok(())
    })?;
    let height = height.ok_or_else(|| here.missing("height"))?;
    let width = width.ok_or_else(|| here.missing("width"))?;
    Ok(Resolution { height, width, keys })
}

fn tags(here: Here<'_>) -> Read<Tags> {
    let mut read = Tags::default();
    here.entries("an object with background, object and summary", |key, here| {
        let keys = &mut read.keys;
        match key.as_str() {
            "background" => read.background = known(keys, "background", here, texts)?,
            "object" => read.object = known(keys, "object", here, texts)?,
            "summary" => read.summary = known(keys, "summary", here, text)?,
            _ => unknown(keys, key, here)?,
        }
        Ok(())
    })?;
    Ok(read)
}

fn segmentation(here: Here<'_>) -> Read<Segmentation> {
    let mut read = Segmentation::default();
    here.entries("an object with background, object and box_format", |key, here| {
        let keys = &mut read.keys;
        match key.as_str() {
            "background" => read.background = known(keys, "background", here, regions)?,
            "object" => read.object = known(keys, "object", here, regions)?,
            "box_format" => read.box_format = known(keys, "box_format", here, box_format)?,
            _ => unknown(keys, key, here)?,
        }
        Ok(())
    })?;
    Ok(read)
}

fn regions(here: Here<'_>) -> Read<Vec<Region>> {
    let mut read = Vec::new();
    here.items("a list of regions", |_, here| {
        read.push(region(here)?);
        Ok(())
    })?;
    Ok(read)
}

fn region(here: Here<'_>) -> Read<Region> {
    let (mut class_name, mut bbox, mut mask, mut keys) = (None, None, None, Keys::default());
    let (mut score, mut clip_score, mut aes_score, mut mask_score) = (None, None, None, None);
    let mut number = None;
    here.entries("an object: a region", |key, here| {
        let keys = &mut keys;
        match key.as_str() {
            "class_name" => class_name = known(keys, "class_name", here, text)?,
            "bbox" => bbox = known(keys, "bbox", here, corners)?,
            "mask" => mask = known(keys, "mask", here, mask_counts)?,
            "score" => score = known(keys, "score", here, measure)?,
            "clip_score" => clip_score = known(keys, "clip_score", here, measure)?,
            "aes_score" => aes_score = known(keys, "aes_score", here, measure)?,
            "mask_score" => mask_score = known(keys, "mask_score", here, measure)?,
            "number" => number = known(keys, "number", here, count)?,
            _ => unknown(keys, key, here)?,
        }
        Ok(())
    })?;
    let class_name = class_name.ok_or_else(|| here.missing("class_name"))?;
    let bbox = bbox.ok_or_else(|| here.missing("bbox"))?;
    Ok(Region { class_name, bbox, mask, score, clip_score, aes_score, mask_score, number, keys })
}

fn corners(here: Here<'_>) -> Read<[Number; 4]> {
    const ALLOWED: &str = "a list of four numbers: x1, y1, x2, y2 in pixels";
    let mut read = Vec::new();
    here.items(ALLOWED, |at, item| {
        if at == 4 {
            return Err(here.refuse(ALLOWED));
        }
        read.push(number(item)?);
        Ok(())
    })?;
    read.try_into().map_err(|_| here.refuse(ALLOWED))
}

fn measure(here: Here<'_>) -> Read<Measure> {
    const ALLOWED: &str = "a number, or a list of one number,";
    if !here.json.starts_with('[') {
        let value = Number::of_text(here.json).ok_or_else(|| here.refuse(ALLOWED))?;
        return Ok(Measure { value, form: Form::Alone });
    }
    let mut read = None;
    here.items(ALLOWED, |at, item| {
        if at > 0 {
            return Err(here.refuse(ALLOWED));
        }
        read = Some(number(item)?);
        Ok(())
    })?;
    read.map(|value| Measure { value, form: Form::Listed }).ok_or_else(|| here.refuse(ALLOWED))
}

fn captions(here: Here<'_>) -> Read<Captions> {
    match here.json.starts_with('[') {
        true => texts(here).map(Captions::List),
        false => Text::of_json(here.json)
            .map(Captions::One)
            .ok_or_else(|| here.refuse("a list of captions, or one caption,")),
    }
}

fn texts(here: Here<'_>) -> Read<Vec<Text>> {
    let mut read = Vec::new();
    here.items("a list of strings", |_, item| {
        read.push(text(item)?);
        Ok(())
    })?;
    Ok(read)
}

fn counts(here: Here<'_>) -> Read<Counts> {
    let mut read = Vec::new();
    here.entries("an object of nouns and their counts", |noun, here| {
        read.push((noun, count(here)?));
        Ok(())
    })?;
    Ok(Counts(read))
}

fn json(here: Here<'_>) -> Read<Json> {
    Json::of_text(here.json).ok_or_else(|| here.refuse("JSON"))
}

fn text(here: Here<'_>) -> Read<Text> {
    Text::of_json(here.json).ok_or_else(|| here.refuse("a string of whole Unicode characters"))
}

fn mask_counts(here: Here<'_>) -> Read<Text> {
    Text::of_json(here.json).ok_or_else(|| here.refuse("a string: the counts of a COCO compressed mask"))
}

fn box_format(here: Here<'_>) -> Read<Text> {
    Text::of_json(here.json).filter(|it| it == "xyxy").ok_or_else(|| here.refuse("\"xyxy\""))
}

fn number(here: Here<'_>) -> Read<Number> {
    Number::of_text(here.json).ok_or_else(|| here.refuse("a number that a 32-bit float can hold"))
}

fn count(here: Here<'_>) -> Read<u64> {
    let digits = Some(here.json).filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| here.refuse("a whole number from 0 on, without a point,"))
}

fn side(here: Here<'_>) -> Read<u32> {
    let pixels = count(here).ok().and_then(|pixels| u32::try_from(pixels).ok());
    pixels.filter(|&pixels| pixels > 0).ok_or_else(|| here.refuse("a whole number of pixels from 1 on"))
}
