//! `nouns`: the words by which a picture's objects and backgrounds are looked for, taken from its sidecar.
//!
//! Two forms are taken: ImgEdit's, `"tags": {"object": [...], "background": [...]}`, and a plain list, which names objects. A language
//! model that finds nouns in captions would give the same kind of answer: a handle, and the list as its blob.

use serde_json::Value;
use threshflow::lane::{Key, Known, Limits, Looks, Operator, Question, Reply, Stage, Subject};
use threshflow::row::{Handle, Refusal, Stamp, Topic};
use threshflow::shard::{Catalogue, Picture};

use crate::plan::noun_list::{NounList, NounSource};
use crate::record::records::Records;

/// The nouns of a picture.
pub struct Nouns;
impl Topic for Nouns {
    const NAME: &'static str = "nouns";
}

/// Raise this when the code changes what a list is.
const VERSION: &[u8] = b"nouns/1";

impl NounSource for Stage<NounsFromSidecar> {
    fn stamp(&self) -> Stamp {
        self.memo().stamp()
    }
    fn nouns(&self, question: &Question) -> Result<NounList, Refusal> {
        NounList::from_bytes(&self.blob(question)?)
    }
}

/// Reads the nouns out of the sidecar, or out of a released record where there is one.
pub struct NounsFromSidecar {
    field: String,
    records: Records,
}

impl NounsFromSidecar {
    /// `field` is the sidecar's, at its top level: `tags`.
    pub fn new(field: &str, records: Records) -> Self {
        NounsFromSidecar { field: field.to_owned(), records }
    }

    /// What a sidecar lists; `None` where there is none, or where it has no such field.
    pub fn listed(&self, json: Option<&str>) -> Result<Option<NounList>, Refusal> {
        let Some(json) = json else { return Ok(None) };
        let sidecar: Value = serde_json::from_str(json).map_err(|error| {
            Refusal::permanent("bad_tags", format!("the sidecar cannot be read: {error}"))
        })?;
        sidecar.get(&self.field).map(|tags| self.read(tags)).transpose()
    }

    fn read(&self, value: &Value) -> Result<NounList, Refusal> {
        let wrong = |found: &Value, at: &str| {
            let found: String = found.to_string().chars().take(80).collect();
            let message = format!(
                "{}{at} of the sidecar is {found}; a list of strings is allowed, or {{\"object\": [...], \"background\": [...]}}",
                self.field
            );
            Refusal::permanent("bad_tags", message)
        };
        let strings = |value: &'_ Value, at: &str| -> Result<Vec<String>, Refusal> {
            match value {
                Value::Null => Ok(Vec::new()),
                Value::Array(list) => {
                    let text = |one: &Value| one.as_str().map(str::to_owned).ok_or_else(|| wrong(one, at));
                    list.iter().map(text).collect()
                }
                other => Err(wrong(other, at)),
            }
        };
        let (objects, backgrounds) = match value {
            Value::Object(tags) => {
                let of = |key: &str| {
                    tags.get(key).map_or(Ok(Vec::new()), |list| strings(list, &format!(".{key}")))
                };
                (of("object")?, of("background")?)
            }
            other => (strings(other, "")?, Vec::new()),
        };
        NounList::of(objects.iter().map(String::as_str), backgrounds.iter().map(String::as_str))
    }
}

pub(crate) fn reply(nouns: &NounList) -> Reply<Handle<Nouns>> {
    let blob = nouns.to_bytes();
    Reply::with_blob(Handle::of(&blob), blob)
}

impl Operator for NounsFromSidecar {
    type Answer = Handle<Nouns>;
    type Prepared = NounList;
    type Session = ();

    const LOOKS: Looks = Looks::AtTheSidecar;
    const KEY: Key = Key::Sample;
    const QUESTIONS_A_JOB: usize = 16;

    fn name(&self) -> &'static str {
        "nouns"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[
            ("operator", VERSION),
            ("field", self.field.as_bytes()),
            ("records", &self.records.stamp()),
        ])
    }
    fn model(&self) -> String {
        match self.records.is_some() {
            true => format!("released records, else the sidecar's `{}`", self.field),
            false => format!("the sidecar's `{}`", self.field),
        }
    }
    fn known(&self, question: &Question, shards: &Catalogue) -> Known<Handle<Nouns>> {
        let Some(record) = self.records.of(question, shards)? else { return Ok(None) };
        Ok(Some(record.and_then(|record| record.nouns()).map(|nouns| reply(&nouns))))
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        0
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        0
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<NounList, Refusal> {
        let json = subject.sidecar.and_then(|sidecar| sidecar.json.as_deref());
        Ok(self.listed(json)?.unwrap_or_default())
    }
    fn limits(&self) -> Limits {
        Limits::of_functions(256)
    }
    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }
    fn answer(&self, _session: &mut (), batch: &[NounList]) -> Vec<Result<Reply<Handle<Nouns>>, Refusal>> {
        batch.iter().map(|nouns| Ok(reply(nouns))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<NounList, String> {
        let operator = NounsFromSidecar::new("tags", Records::none());
        let sidecar = threshflow::shard::Sidecar { json: Some(json.to_owned()), caption: None };
        let subject = Subject { questions: &[], picture: None, end_frame: None, sidecar: Some(&sidecar) };
        operator.prepare(&subject).map_err(|refusal| refusal.to_string())
    }

    fn list(objects: &[&str], backgrounds: &[&str]) -> NounList {
        NounList::of(objects.iter().copied(), backgrounds.iter().copied()).unwrap()
    }

    #[test]
    fn nouns_of_every_kind_have_a_defined_list() {
        let both = r#"{"tags": {"background": ["sky", "cat", " sea "], "object": ["cat", "", "cat", "猫"], "summary": "x"}}"#;
        assert_eq!(read(both), Ok(list(&["cat", "猫"], &["sky", "sea"])));
        assert_eq!(read(r#"{"tags": ["a boat"]}"#), Ok(list(&["a boat"], &[])));
        for none in [r#"{}"#, r#"{"tags": null}"#, r#"{"tags": {}}"#, r#"{"tags": {"object": null}}"#] {
            assert_eq!(read(none), Ok(NounList::default()), "{none}");
        }
        let long = "n".repeat(500);
        assert_eq!(read(&format!(r#"{{"tags": ["{long}"]}}"#)), Ok(list(&[&long], &[])));
    }

    #[test]
    fn what_is_no_list_of_strings_is_refused_with_its_place() {
        let error = read(r#"{"tags": {"object": ["cat", 7]}}"#).unwrap_err();
        assert!(
            error.contains("bad_tags") && error.contains("tags.object") && error.contains('7'),
            "{error}"
        );
        assert!(read(r#"{"tags": "cat"}"#).unwrap_err().contains("\"cat\""));
        let many: Vec<String> = (0..1001).map(|n| format!("\"noun {n}\"")).collect();
        let error = read(&format!(r#"{{"tags": [{}]}}"#, many.join(","))).unwrap_err();
        assert!(
            error.contains("too_many_nouns") && error.contains("1001") && error.contains("1000"),
            "{error}"
        );
    }
}
