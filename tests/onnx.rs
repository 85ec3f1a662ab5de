//! The embedded back-end against ONNX Runtime, operator by operator: right, or refused when it is opened.
//!
//! The graphs are made by `onnx_corpus.py` when the test runs, with what ONNX Runtime gives for them. CI takes a sample; the whole:
//! `python tests/onnx_corpus.py /tmp/corpus && THRESHFLOW_ONNX_CORPUS=/tmp/corpus cargo test -p tests --test onnx -- --nocapture`.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use operators::onnx::{Backend, BackendChoice, Device, ModelFolder, Place, Session, TensorData, TensorIn};
use serde_json::Value;
use tests::python::python_with;

/// One graph in so many is taken where the whole corpus isn't given.
const EVERY: &str = "37";

/// What became of a graph on the embedded back-end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Equal,
    /// When it was opened.
    Refused,
    /// An error of the run: told, but late.
    Failed,
    Differs,
    Panicked,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Equal => "equal",
            End::Refused => "refused at the start",
            End::Failed => "failed while running",
            End::Differs => "differ",
            End::Panicked => "panicked",
        })
    }
}

/// A tensor as it stands in the corpus.
struct Listed {
    name: String,
    shape: Vec<usize>,
    float: bool,
    data: Vec<f64>,
}

fn listed(value: &Value) -> Listed {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().expect("inf, -inf or nan"),
        other => other.as_f64().expect("a number"),
    };
    let list = |key: &str| value[key].as_array().expect("a list");
    Listed {
        name: value["name"].as_str().expect("a name").to_owned(),
        shape: list("shape").iter().map(|length| length.as_u64().expect("a length") as usize).collect(),
        float: value["float"] == true,
        data: list("data").iter().map(number).collect(),
    }
}

/// Within `loose` of the larger of 1 and the largest that was wanted; what is no number must be so in both.
fn near(found: &[f64], wanted: &[f64], loose: f64) -> bool {
    let finite = wanted.iter().filter(|value| value.is_finite());
    let scale = finite.fold(1.0_f64, |most, value| most.max(value.abs().min(1e6)));
    let same = |a: f64, b: f64| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= loose * scale.min(1.0 + b.abs() * 10.0)
    };
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| same(*a, *b))
}

/// Runs a graph, and holds what it gives against what was wanted.
fn outcome(folder: &ModelFolder, backend: &Backend, case: &Value) -> (End, String) {
    let file = format!("{}.onnx", case["name"].as_str().expect("a name"));
    let opened = folder.model(&file).and_then(|model| Session::open(&model, backend, Place::Cpu, 1));
    let mut session = match opened {
        Ok(session) => session,
        Err(error) => return (End::Refused, error.to_string()),
    };
    let inputs: Vec<Listed> = case["inputs"].as_array().expect("inputs").iter().map(listed).collect();
    let floats: Vec<Vec<f32>> =
        inputs.iter().map(|it| it.data.iter().map(|value| *value as f32).collect()).collect();
    let integers: Vec<Vec<i64>> =
        inputs.iter().map(|it| it.data.iter().map(|value| *value as i64).collect()).collect();
    let feeds: Vec<(&str, TensorIn<'_>)> = inputs
        .iter()
        .enumerate()
        .map(|(at, input)| {
            let shape = &input.shape[..];
            let tensor = match input.float {
                true => TensorIn::F32 { shape, data: &floats[at] },
                false => TensorIn::I64 { shape, data: &integers[at] },
            };
            (input.name.as_str(), tensor)
        })
        .collect();
    let outputs = match session.run(&feeds) {
        Ok(outputs) => outputs,
        Err(error) => return (End::Failed, error.to_string()),
    };
    let loose = case["loose"].as_f64().expect("a tolerance");
    for (found, wanted) in outputs.iter().zip(case["outputs"].as_array().expect("outputs").iter().map(listed))
    {
        let (float, data): (bool, Vec<f64>) = match &found.data {
            TensorData::F32(data) => (true, data.iter().map(|value| f64::from(*value)).collect()),
            TensorData::I64(data) => (false, data.iter().map(|value| *value as f64).collect()),
        };
        // What is halfway between two levels may be either.
        let levels = case["levels"].as_f64().unwrap_or(0.0);
        let close = match wanted.float {
            true => near(&data, &wanted.data, loose),
            false => {
                data.len() == wanted.data.len()
                    && data.iter().zip(&wanted.data).all(|(a, b)| (a - b).abs() <= levels)
            }
        };
        if found.shape != wanted.shape || float != wanted.float || !close {
            let start = |data: &[f64]| format!("{:?}", &data[..data.len().min(8)]);
            return (
                End::Differs,
                format!(
                    "{}: {:?} {} for {:?} {}",
                    wanted.name,
                    found.shape,
                    start(&data),
                    wanted.shape,
                    start(&wanted.data)
                ),
            );
        }
    }
    (End::Equal, String::new())
}

#[test]
fn the_embedded_back_end_is_right_or_refuses_at_the_start() {
    let sample = tempfile::tempdir().expect("a folder");
    let given = std::env::var_os("THRESHFLOW_ONNX_CORPUS").map(std::path::PathBuf::from);
    let corpus = given.clone().unwrap_or_else(|| sample.path().to_path_buf());
    if given.is_none() {
        let Some(mut python) = python_with(&["numpy", "onnx", "onnxruntime"]) else { return };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx_corpus.py");
        let made = python.arg(script).arg(&corpus).args(["--every", EVERY]).output().expect("python3");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let backend = Backend::find(BackendChoice::Embedded, Device::Cpu).expect("the embedded back-end");
    let folder = ModelFolder::open(&corpus).expect("the corpus");
    let cases = std::fs::read_to_string(corpus.join("cases.jsonl")).expect("cases.jsonl");
    let (mut ends, mut operators) = (BTreeMap::new(), BTreeMap::<String, BTreeMap<End, usize>>::new());
    let mut wrong = Vec::new();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let (end, why) = catch_unwind(AssertUnwindSafe(|| outcome(&folder, &backend, &case)))
            .unwrap_or((End::Panicked, "panicked".to_owned()));
        *ends.entry(end).or_insert(0) += 1;
        let operator = case["operator"].as_str().expect("an operator").to_owned();
        *operators.entry(operator).or_default().entry(end).or_insert(0) += 1;
        let told = format!("{end}: {} [{}]: {why}", case["case"].as_str().unwrap_or_default(), case["name"]);
        if given.is_some() && end != End::Equal {
            println!("{}", told.replace('\n', " "));
        }
        if !matches!(end, End::Equal | End::Refused) {
            wrong.push(told);
        }
    }
    std::panic::set_hook(hook);
    println!("{} operators", operators.len());
    for (end, count) in &ends {
        println!("{count} {end}");
    }
    assert!(ends.get(&End::Equal).is_some_and(|equal| *equal > 200), "{ends:?}");
    assert!(wrong.is_empty(), "{} of {:?}:\n{}", wrong.len(), ends, wrong[..wrong.len().min(30)].join("\n"));
}
