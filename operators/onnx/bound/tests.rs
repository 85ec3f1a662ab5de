//! Bound runs beside plain ones, in the CPU's own memory, on every kind of graph and with shapes that come and go.

use std::path::Path;

use super::super::backend::{Backend, Runtime};
use super::super::contract::check_feeds;
use super::super::device::SessionDevice;
use super::super::folder::{Model, ModelFolder};
use super::super::graph::Port;
use super::super::memory::ran_out;
use super::super::ort::{Library, OrtRunner};
use super::super::session::{Runner, TensorData};
use super::super::tests::backends;
use super::*;

fn model(path: &str) -> Model {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let (folder, name) = (file.parent().unwrap(), file.file_name().unwrap());
    ModelFolder::open(folder).unwrap().model(name.to_str().unwrap()).unwrap()
}

/// ONNX Runtime, where there is one.
fn library() -> Option<&'static Library> {
    let of = |backend: &Backend| match backend.runtime {
        Runtime::OnnxRuntime(library) => Some(library),
        Runtime::Embedded => None,
    };
    backends().iter().find_map(of)
}

/// The model's session as it runs on a CPU, and one that is bound as on a GPU, to the CPU's memory.
fn plain_and_bound(library: &Library, model: &Model) -> (OrtRunner, OrtRunner) {
    let open = || OrtRunner::open(library, model, SessionDevice::Cpu, 1).unwrap();
    let (plain, mut bound) = (open(), open());
    assert!(plain.bound().is_none());
    bound.bind_to(Allocator::default()).unwrap();
    (plain, bound)
}

fn run(
    runner: &mut OrtRunner,
    model: &Model,
    feeds: &[(&str, TensorIn<'_>)],
) -> Result<Vec<TensorOut>, String> {
    runner.run(&check_feeds(&model.signature, feeds)?)
}

/// Numbers for every input of a graph, others for each run.
struct Made {
    name: String,
    shape: Vec<usize>,
    floats: Vec<f32>,
    integers: Vec<i64>,
}

impl Made {
    fn tensor(&self) -> TensorIn<'_> {
        match self.integers.is_empty() {
            true => TensorIn::F32 { shape: &self.shape, data: &self.floats },
            false => TensorIn::I64 { shape: &self.shape, data: &self.integers },
        }
    }
}

/// Of `batch` rows, and all other lengths that the graph leaves open at `length`.
fn made(model: &Model, batch: usize, length: usize, run: usize) -> Vec<Made> {
    let open = |at: usize| if at == 0 { batch } else { length };
    let one = |port: &Port| {
        let axes = port.shape.as_ref().unwrap().iter().enumerate();
        let shape: Vec<usize> = axes.map(|(at, axis)| axis.unwrap_or(open(at))).collect();
        let numbers = (0..shape.iter().product()).map(|at| (at * 37 + run * 13) % 101);
        let is_integer = matches!(port.element, Element::I32 | Element::I64);
        let (integers, floats) = match is_integer {
            true => (numbers.map(|number| number as i64 % 3).collect(), vec![]),
            false => (vec![], numbers.map(|number| number as f32 / 50.0 - 1.0).collect()),
        };
        Made { name: port.name.clone(), shape, floats, integers }
    };
    model.signature.inputs.iter().map(one).collect()
}

/// Batches and lengths that grow, stay, shrink and come back.
const SHAPES: [(usize, usize); 9] = [(2, 2), (2, 2), (7, 3), (1, 1), (7, 3), (7, 5), (3, 1), (3, 8), (8, 8)];

#[test]
fn bound_runs_answer_as_plain_ones_whatever_came_before() {
    let Some(library) = library() else { return };
    let fixtures = ["fused", "external", "half", "kinds", "some"]
        .map(|name| format!("fixtures/models/{name}/model.onnx"));
    let others = [
        "detect/models/asked/model.onnx",
        "clip/split/text_model.onnx",
        "segment/boxes.onnx",
        "segment/points.onnx",
    ]
    .map(|name| format!("../tests/fixtures/{name}"));
    for path in fixtures.iter().chain(&others) {
        let model = model(path);
        let (mut plain, mut bound) = plain_and_bound(library, &model);
        for (at, (batch, length)) in SHAPES.into_iter().enumerate() {
            let made = made(&model, batch, length, at);
            let feeds: Vec<(&str, TensorIn<'_>)> =
                made.iter().map(|made| (made.name.as_str(), made.tensor())).collect();
            let wanted = run(&mut plain, &model, &feeds).unwrap();
            assert_eq!(run(&mut bound, &model, &feeds).unwrap(), wanted, "{path}, run {at}");
            // What the buffers held before is gone, and nothing else than that is: the same again.
            assert_eq!(run(&mut bound, &model, &feeds).unwrap(), wanted, "{path}, run {at} again");
        }
    }
}

fn floats<'a>(shape: &'a [usize], data: &'a [f32]) -> TensorIn<'a> {
    TensorIn::F32 { shape, data }
}

#[test]
fn outputs_are_as_large_as_the_numbers_make_them() {
    let Some(library) = library() else { return };
    let model = model("fixtures/models/some/model.onnx");
    let (_, mut bound) = plain_and_bound(library, &model);
    let [yes, no] = [1.0, -1.0];
    // Of one shape each, so that only the numbers say how much comes out: nothing, all, one.
    let cases: [([f32; 3], &[i64]); 4] =
        [([no; 3], &[]), ([yes; 3], &[0, 0, 0, 0, 1, 2]), ([no, no, yes], &[0, 2]), ([no; 3], &[])];
    for (data, wanted) in cases {
        let outputs = run(&mut bound, &model, &[("x", floats(&[1, 3], &data))]).unwrap();
        assert_eq!(outputs[0].shape, [2, wanted.len() / 2]);
        assert_eq!(outputs[0].data, TensorData::I64(wanted.to_vec()));
    }
    let outputs = run(&mut bound, &model, &[("x", floats(&[0, 3], &[]))]).unwrap();
    assert_eq!(outputs[0].shape, [2, 0]);
}

#[test]
fn a_buffer_is_kept_while_its_input_keeps_its_shape() {
    let Some(library) = library() else { return };
    let model = model("fixtures/models/half/model.onnx");
    let (_, mut runner) = plain_and_bound(library, &model);
    let mut start = |batch: usize| {
        let made = made(&model, batch, 0, batch);
        run(&mut runner, &model, &[("pixel_values", made[0].tensor())]).unwrap();
        let kept = &runner.bound().unwrap().buffers.kept;
        let buffer = kept[0].as_ref().unwrap();
        assert_eq!((kept.len(), *buffer.data_type()), (1, TensorElementType::Float16));
        assert_eq!(buffer.shape()[0], batch as i64);
        buffer.data_ptr()
    };
    let first = start(4);
    assert_eq!(start(4), first);
    start(5);
    start(4);
}

#[test]
fn a_run_that_fails_says_why_and_the_next_one_answers() {
    let Some(library) = library() else { return };
    let kinds = model("fixtures/models/kinds/model.onnx");
    let (mut plain, mut bound) = plain_and_bound(library, &kinds);
    let ids = |data| [("ids", TensorIn::I64 { shape: &[1, 2], data })];
    let error = run(&mut bound, &kinds, &ids(&[1 << 40, 0])).unwrap_err();
    assert!(error.contains("beyond the 32 bits"), "{error}");
    let wanted = run(&mut plain, &kinds, &ids(&[2, 7]));
    assert_eq!(run(&mut bound, &kinds, &ids(&[2, 7])), wanted);
    // Runs out of memory on two rows, and in the words that memory is halved by.
    let memory = model("fixtures/models/memory/model.onnx");
    let (_, mut bound) = plain_and_bound(library, &memory);
    let error = run(&mut bound, &memory, &[("x", floats(&[2], &[1.5, 2.5]))]).unwrap_err();
    assert!(ran_out(&error), "{error}");
    let outputs = run(&mut bound, &memory, &[("x", floats(&[1], &[1.5]))]).unwrap();
    assert_eq!(outputs[0].as_f32(), Some(&[1.5][..]));
}

#[test]
fn page_locked_memory_that_is_not_there_is_told() {
    let Some(library) = library() else { return };
    // A session on a CPU has none.
    let model = model("fixtures/models/fused/model.onnx");
    let runner = OrtRunner::open(library, &model, SessionDevice::Cpu, 1).unwrap();
    for gpu in [0, 3, u32::MAX] {
        let error = page_locked(runner.session(), gpu).unwrap_err();
        assert!(error.starts_with("no page-locked memory for its inputs: "), "{error}");
    }
}
