//! What Python reads of the same bytes. `THRESHFLOW_SIDECARS=COUNT` and `THRESHFLOW_SEED=SEED` make it another and a larger sample.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tests::python::python_with;
use threshflow::shard::{Catalogue, ReadOptions, Shard, find};

/// A number from the environment.
fn told(name: &str, or: usize) -> usize {
    std::env::var(name).ok().map_or(or, |value| value.parse().expect("a whole number"))
}

/// Runs one of the scripts beside this file, and reads what it expects.
fn expected<T: for<'a> Deserialize<'a>>(
    mut python: Command,
    script: &str,
    count: usize,
    folder: &Path,
) -> Vec<T> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sidecars").join(script);
    python.arg(script).arg(told("THRESHFLOW_SEED", 1).to_string()).arg(count.to_string()).arg(folder);
    let output = python.output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read(folder.join("expected.json")).expect("is written");
    serde_json::from_slice(&text).expect("is as expected")
}

fn loaded(folder: &Path, name: &str) -> Arc<Shard> {
    let source = find(&[folder.join(name).to_string_lossy().into_owned()]).expect("is there").remove(0);
    let catalogue = Catalogue::open(&folder.join("store"), ReadOptions::default(), false).expect("opens");
    catalogue.load(&source).expect("loads")
}

#[derive(Deserialize)]
struct Expected {
    /// As Python shows it.
    bytes: String,
    #[serde(default)]
    refused: Option<String>,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    twice: bool,
    caption: Option<String>,
    #[serde(default)]
    guessed: bool,
}

/// Whether two values are the same, numbers by their value: Python writes `1.50e3` as `1500.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|it| same(value, it)))
        }
        _ => a == b,
    }
}

#[test]
fn sidecars_say_what_python_reads_in_them_and_tell_what_json_cannot_hold() {
    let Some(python) = python_with(&["json"]) else { return };
    let folder = tests::scratch();
    let count = told("THRESHFLOW_SIDECARS", 4000);
    let expected: Vec<Expected> = expected(python, "corpus.py", count, folder.path());
    let shard = loaded(folder.path(), "corpus.tar");
    assert_eq!((shard.index.samples.len(), expected.len()), (count, count));
    let mut lost = 0;
    for (number, expected) in expected.iter().enumerate() {
        let sample = &shard.index.samples[number];
        assert!(sample.picture.is_ok());
        let sidecar = shard.sidecar(number as u32).expect("can be read");
        let told = sample.sidecar_refusal.as_deref().map(ToString::to_string).unwrap_or_default();
        let about = format!("{}: {told}\n{:?}", expected.bytes, sidecar.json);
        if let Some(caption) = &expected.caption {
            assert_eq!(sidecar.caption.as_ref(), Some(caption), "{about}");
            assert_eq!(told.contains("read as Windows-1252"), expected.guessed, "{about}");
            assert_eq!(told.is_empty(), !expected.guessed, "{about}");
            continue;
        }
        match expected.refused.as_deref() {
            // What Python does not decode is read as well as it can be, or not; told it is either way.
            Some("text") => assert!(!told.is_empty(), "{about}"),
            Some(_) => {
                assert!(sidecar.json.is_none() && told.starts_with("bad_sidecar"), "{about}");
            }
            None => {
                let json = sidecar.json.as_deref().unwrap_or_else(|| panic!("{about}"));
                let value: Value = serde_json::from_str(json).expect("what is handed on is strict JSON");
                assert!(same(&value, &expected.value), "{}\n{about}", expected.value);
                lost += expected.fields.len();
                for field in &expected.fields {
                    assert!(
                        told.contains(&format!("{field:?}")) || told.contains("U+FFFD"),
                        "{field:?}: {about}"
                    );
                }
                assert!(!told.is_empty() || expected.fields.is_empty(), "{about}");
                if expected.fields.is_empty() && !expected.twice {
                    assert_eq!(told, "", "{about}");
                }
                let top = value.as_object().expect("is an object");
                for (name, number) in &sample.numbers {
                    let found = top[name].as_f64().or_else(|| top[name].as_str()?.trim().parse().ok());
                    assert_eq!(found.map(|found| found as f32), Some(*number), "{name:?}: {about}");
                }
            }
        }
    }
    assert!(lost * 10 > count, "{lost} fields were lost and told: the corpus is too tame");
}

#[derive(Deserialize)]
struct Grouped {
    samples: Vec<(String, Vec<String>)>,
    litter: u64,
}

#[test]
fn samples_are_those_of_webdataset_with_and_without_what_systems_leave_beside_them() {
    let Some(python) = python_with(&["webdataset"]) else { return };
    let folder = tests::scratch();
    let count = told("THRESHFLOW_TARS", 60);
    let expected: Vec<Grouped> = expected(python, "grouping.py", count, folder.path());
    let mut litter = 0;
    for (number, expected) in expected.iter().enumerate() {
        for (name, passed_over) in
            [(format!("{number}.tar"), 0), (format!("{number}-litter.tar"), expected.litter)]
        {
            let shard = loaded(folder.path(), &name);
            let found: Vec<(String, Vec<String>)> = shard
                .index
                .samples
                .iter()
                .map(|sample| {
                    let mut extensions: Vec<String> =
                        sample.members.iter().map(|member| member.extension.clone()).collect();
                    extensions.sort();
                    (sample.key.clone(), extensions)
                })
                .collect();
            assert_eq!(found, expected.samples, "{name}");
            assert_eq!(shard.index.passed_over, passed_over, "{name}");
            litter += passed_over;
        }
    }
    assert!(litter as usize > count, "{litter} files of systems: the corpus is too tame");
}
