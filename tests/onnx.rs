//! The embedded back-end against ONNX Runtime, operator by operator: right, or refused when it is opened.
//!
//! The graphs are made by `onnx_corpus.py` when the test runs, with what ONNX Runtime gives for them. CI takes a sample; the whole:
//! `python tests/onnx_corpus.py /tmp/corpus && THRESHFLOW_ONNX_CORPUS=/tmp/corpus cargo test -p tests --test onnx -- --nocapture`.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use operators::onnx::{
    Backend, BackendChoice, Device, ModelFolder, Session, SessionDevice, TensorData, TensorIn,
};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use tests::python::python_with;

/// One graph in so many is taken where the whole corpus isn't given.
const EVERY: &str = "37";

/// Operators that may fail when they are run, with a message: by lengths, pads or sums that only what is fed decides. Never otherwise.
const LATE: [&str; 4] = ["Resize", "Pad", "Slice", "Mul"];

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
    let opened = folder.model(&file).and_then(|model| Session::open(&model, backend, SessionDevice::Cpu, 1));
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
    let (mut wrong, mut late) = (Vec::new(), 0);
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
        match end {
            End::Equal | End::Refused => {}
            End::Failed if LATE.contains(&case["operator"].as_str().unwrap_or_default()) => late += 1,
            _ => wrong.push(told),
        }
    }
    std::panic::set_hook(hook);
    println!("{} operators", operators.len());
    for (end, count) in &ends {
        println!("{count} {end}");
    }
    println!("{late} of those that failed depend on what is fed");
    assert!(ends.get(&End::Equal).is_some_and(|equal| *equal > 200), "{ends:?}");
    assert!(wrong.is_empty(), "{} of {:?}:\n{}", wrong.len(), ends, wrong[..wrong.len().min(30)].join("\n"));
}

/// Small sound models of the repository, from which damaged ones are made.
const SOUND: [&str; 9] = [
    "models/demo/aesthetic/model.onnx",
    "tests/fixtures/detect/models/asked_masked/model.onnx",
    "tests/fixtures/detect/models/baked_output0/model.onnx",
    "tests/fixtures/clip/split/text_model.onnx",
    "tests/fixtures/segment/cubics.onnx",
    "tests/fixtures/segment/points.onnx",
    "tests/fixtures/odd_detectors/no_area/model.onnx",
    "operators/fixtures/models/kinds/model.onnx",
    "operators/fixtures/models/fused/model.onnx",
];

/// Opens a damaged model and runs it on zeros of the least size; whatever it says is well.
fn open_and_run(folder: &Path, backend: &Backend) {
    let Ok(model) = ModelFolder::open(folder).and_then(|folder| folder.model("model.onnx")) else { return };
    let Ok(mut session) = Session::open(&model, backend, SessionDevice::Cpu, 1) else { return };
    let of = |port: &operators::onnx::Port| -> Vec<usize> {
        port.shape.iter().flatten().map(|length| length.unwrap_or(1)).collect()
    };
    let shapes: Vec<Vec<usize>> = model.signature.inputs.iter().map(of).collect();
    let count = |shape: &Vec<usize>| shape.iter().try_fold(1_usize, |all, length| all.checked_mul(*length));
    if shapes.iter().any(|shape| count(shape).is_none_or(|count| count > 1 << 24)) {
        return;
    }
    let zeros: Vec<(Vec<f32>, Vec<i64>)> = shapes
        .iter()
        .map(|shape| shape.iter().product::<usize>())
        .map(|count| (vec![0.0; count], vec![0; count]))
        .collect();
    let feeds: Vec<(&str, TensorIn<'_>)> = model
        .signature
        .inputs
        .iter()
        .zip(&shapes)
        .zip(&zeros)
        .map(|((port, shape), (floats, integers))| {
            let tensor = match port.element {
                operators::onnx::Element::I32 | operators::onnx::Element::I64 => {
                    TensorIn::I64 { shape, data: integers }
                }
                _ => TensorIn::F32 { shape, data: floats },
            };
            (port.name.as_str(), tensor)
        })
        .collect();
    let _ = session.run(&feeds);
}

/// A number of a seed's own row.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The child of the test below, and nothing without it: opens damaged models until one ends the process.
#[test]
fn damaged_models_are_opened_one_after_another() {
    let Some(plan) = std::env::var_os("THRESHFLOW_DAMAGED") else { return };
    let plan = plan.to_string_lossy().into_owned();
    let (first, last) = plan.split_once("..").expect("FIRST..LAST");
    let (first, last): (u64, u64) = (first.parse().expect("a number"), last.parse().expect("a number"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sound = SOUND.map(|file| std::fs::read(root.join(file)).expect("a model"));
    let backend = Backend::find(BackendChoice::Embedded, Device::Cpu).expect("the embedded back-end");
    let folder = tempfile::tempdir().expect("a folder");
    std::panic::set_hook(Box::new(|_| {}));
    for number in first..last {
        let mut state = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let at = (next(&mut state) % SOUND.len() as u64) as usize;
        let mut bytes = sound[at].clone();
        for _ in 0..1 + next(&mut state) % 3 {
            let place = (next(&mut state) % bytes.len() as u64) as usize;
            bytes[place] ^= 1 << (next(&mut state) % 8);
        }
        // Told before it is opened, so that what ends the process is known.
        eprintln!("damaged {number} of {}", SOUND[at]);
        std::fs::write(folder.path().join("model.onnx"), bytes).expect("writes");
        let _ = catch_unwind(AssertUnwindSafe(|| open_and_run(folder.path(), &backend)));
    }
}

/// `THRESHFLOW_DAMAGED_MODELS=5000` tries so many.
#[test]
fn damaged_models_end_no_process_in_bounded_memory() {
    let count = std::env::var("THRESHFLOW_DAMAGED_MODELS").ok().and_then(|count| count.parse().ok());
    let count: u64 = count.unwrap_or(200);
    let mut first = 0;
    let mut ended = Vec::new();
    while first < count {
        let mut child = std::process::Command::new(std::env::current_exe().expect("a test"));
        child.args(["--exact", "damaged_models_are_opened_one_after_another", "--nocapture"]);
        child.env("THRESHFLOW_DAMAGED", format!("{first}..{count}"));
        // SAFETY: setrlimit is async-signal-safe, and reads the struct that it is given.
        unsafe {
            child.pre_exec(|| {
                let most = libc::rlimit { rlim_cur: 6 << 30, rlim_max: 6 << 30 };
                libc::setrlimit(libc::RLIMIT_AS, &raw const most);
                Ok(())
            });
        }
        let output = child.output().expect("runs");
        if output.status.success() {
            break;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = said.lines().rfind(|line| line.starts_with("damaged ")).expect("one").to_owned();
        let number: u64 = last.split(' ').nth(1).and_then(|number| number.parse().ok()).expect("a number");
        let why = said.lines().next_back().unwrap_or_default().to_owned();
        println!("{last}: {} {why}", output.status);
        ended.push(last);
        first = number + 1;
    }
    assert!(ended.is_empty(), "{} of {count} ended the process: {ended:?}", ended.len());
}
