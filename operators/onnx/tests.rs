//! Folders, graphs, devices and both back-ends on tiny models.

use std::path::{Path, PathBuf};

use super::backend::{EMBEDDED_NUMERICS, ONNXRUNTIME_NUMERICS};
use super::*;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models")
}

/// Both back-ends where ONNX Runtime is found; it must be found where THRESHFLOW_REQUIRE_ORT=1 says so.
pub(crate) fn backends() -> Vec<Backend> {
    let mut found = vec![Backend::find(BackendChoice::Embedded, Device::Cpu).unwrap()];
    match Backend::find(BackendChoice::OnnxRuntime, Device::Cpu) {
        Ok(backend) => found.push(backend),
        Err(error) if std::env::var_os("THRESHFLOW_REQUIRE_ORT").is_some_and(|v| v == "1") => {
            panic!("{error}")
        }
        Err(error) => println!("SKIPPED the part with ONNX Runtime: {error}"),
    }
    found
}

fn model(folder: &str, file: &str) -> Result<Model, OnnxError> {
    ModelFolder::open(&models().join(folder)).unwrap().model(file)
}

#[test]
fn a_signature_tells_names_types_and_shapes() {
    let signature = model("fused", "model.onnx").unwrap().signature;
    assert_eq!(signature.to_string(), "pixel_values f32 [?,3,32,32] -> aesthetic_score f32 [?,1]");
    let fixed = model("fixed_batch", "model.onnx").unwrap().signature;
    assert_eq!(fixed.to_string(), "pixel_values f32 [4,3,32,32] -> aesthetic_score f32 [4]");
}

#[test]
fn the_content_covers_external_data() {
    let inside = model("fused", "model.onnx").unwrap();
    let external = model("external", "model.onnx").unwrap();
    assert_ne!(inside.content, external.content);
    assert!(external.bytes > std::fs::metadata(&external.path).unwrap().len());
    let copy = tempfile::tempdir().unwrap();
    for name in ["model.onnx", "model.onnx_data"] {
        std::fs::copy(models().join("external").join(name), copy.path().join(name)).unwrap();
    }
    let folder = ModelFolder::open(copy.path()).unwrap();
    assert_eq!(folder.model("model.onnx").unwrap().content, external.content);
    let weights = copy.path().join("model.onnx_data");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    assert_ne!(folder.model("model.onnx").unwrap().content, external.content);
}

#[test]
fn external_data_elsewhere_is_refused() {
    let error = model("outside", "model.onnx").unwrap_err().to_string();
    assert!(error.contains("`../weights.bin`: only a file beside the graph"), "{error}");
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(models().join("external/model.onnx"), copy.path().join("model.onnx")).unwrap();
    let folder = ModelFolder::open(copy.path()).unwrap();
    let error = folder.model("model.onnx").unwrap_err().to_string();
    assert!(error.contains("`model.onnx_data` can't be read"), "{error}");
    let target = models().join("external/model.onnx_data");
    std::os::unix::fs::symlink(target, copy.path().join("model.onnx_data")).unwrap();
    let error = folder.model("model.onnx").unwrap_err().to_string();
    assert!(error.contains("is a link or no file"), "{error}");
}

#[test]
fn what_is_no_model_is_refused() {
    let copy = tempfile::tempdir().unwrap();
    let whole = std::fs::read(models().join("fused/model.onnx")).unwrap();
    let folder = ModelFolder::open(copy.path()).unwrap();
    for (content, at) in [(&b""[..], 0), (b"hello", 1), (&[0xFF; 200], 2), (&whole[..whole.len() / 2], 3)] {
        let name = format!("{at}.onnx");
        std::fs::write(copy.path().join(&name), content).unwrap();
        assert!(folder.model(&name).is_err(), "{at}");
    }
    assert!(ModelFolder::open(Path::new("/nowhere/at/all")).is_err());
    assert!(ModelFolder::open(&models().join("expected.json")).is_err());
}

#[test]
fn graphs_within_graphs_do_not_overflow_the_stack() {
    // GraphProto.node, NodeProto.attribute, AttributeProto.g, again and again, then ModelProto.graph around all of it.
    let within = |number: u8, message: &[u8]| {
        let mut outer = vec![number << 3 | 2];
        let mut rest = message.len();
        while rest >= 0x80 {
            outer.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        outer.push(rest as u8);
        outer.extend_from_slice(message);
        outer
    };
    let deep = (0..3000).fold(Vec::new(), |message, step| within([6, 5, 1][step % 3], &message));
    let file = within(7, &deep);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("deep.onnx"), file).unwrap();
    let error = ModelFolder::open(folder.path()).unwrap().model("deep.onnx").unwrap_err().to_string();
    assert!(error.contains("nested more than 32 deep"), "{error}");
}

#[test]
fn a_damaged_file_with_cubic_resizes_is_told_and_ends_nothing() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/segment/cubics.onnx");
    let whole = std::fs::read(file).unwrap();
    let fold = |bytes: &[u8]| super::fold::fold_cubic_resizes(bytes, &Default::default());
    let folded = fold(&whole).unwrap();
    assert!(super::graph::look_at(&whole).unwrap().resizes_cubically);
    let seen = super::graph::look_at(&folded).unwrap();
    assert!(!seen.resizes_cubically);
    assert_eq!(seen.signature, super::graph::look_at(&whole).unwrap().signature);
    let mut refused = 0;
    for at in 0..whole.len() {
        refused += usize::from(fold(&whole[..at]).is_err());
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        refused += usize::from(fold(&damaged).is_err());
    }
    assert!(refused > whole.len(), "{refused} of {}", 2 * whole.len());
}

#[test]
fn both_backends_run_external_data_and_agree() {
    let data: Vec<f32> = (0..2 * 3 * 32 * 32).map(|i| ((i * 37 % 101) as f32 - 50.0) / 40.0).collect();
    let shape = [2, 3, 32, 32];
    let feeds = [("pixel_values", TensorIn::F32 { shape: &shape, data: &data })];
    let mut answers: Vec<Vec<f32>> = Vec::new();
    for backend in backends() {
        let external = model("external", "model.onnx").unwrap();
        let mut session = Session::open(&external, &backend, SessionDevice::Cpu, 1).unwrap();
        let outputs = session.run(&feeds).unwrap();
        assert_eq!((outputs[0].name.as_str(), &outputs[0].shape[..]), ("aesthetic_score", &[2, 1][..]));
        answers.push(outputs[0].as_f32().unwrap().to_vec());
    }
    for answer in &answers {
        assert!(answer.iter().zip(&answers[0]).all(|(a, b)| (a - b).abs() < 1e-5), "{answers:?}");
    }
}

#[test]
fn wrong_feeds_are_told_before_they_run() {
    let shape = [1, 3, 32, 32];
    let data = vec![0.0; 3 * 32 * 32];
    let right = TensorIn::F32 { shape: &shape, data: &data };
    for backend in backends() {
        let mut session =
            Session::open(&model("fused", "model.onnx").unwrap(), &backend, SessionDevice::Cpu, 1).unwrap();
        assert!(session.run(&[("pixel_values", right)]).is_ok());
        assert!(session.run(&[]).unwrap_err().to_string().contains("was not given"));
        assert!(session.run(&[("pixel_values", right), ("other", right)]).is_err());
        let short = TensorIn::F32 { shape: &shape, data: &data[1..] };
        assert!(session.run(&[("pixel_values", short)]).is_err());
        let wide = TensorIn::F32 { shape: &[1, 3, 16, 64], data: &data };
        assert!(session.run(&[("pixel_values", wide)]).is_err());
    }
}

#[test]
fn halves_are_fed_and_read_as_floats() {
    let half = model("half", "model.onnx").unwrap();
    assert_eq!(half.signature.to_string(), "pixel_values f16 [?,3,32,32] -> aesthetic_score f16 [?,1]");
    let axes = [Axis::Any("N"), Axis::Is(3), Axis::Any("H"), Axis::Any("W")];
    assert!(half.fit(&[Wanted::f32("pixel_values", &[&axes])], &[]).is_ok());
    let error = half.fit(&[Wanted::i64("pixel_values", &[&axes])], &[]).unwrap_err().to_string();
    assert!(error.contains("wanted pixel_values i64") && error.contains("found pixel_values f16"), "{error}");
    let full = model("fused", "model.onnx").unwrap();
    let (shape, data) = ([2, 3, 32, 32], vec![0.3; 2 * 3 * 32 * 32]);
    let feeds = [("pixel_values", TensorIn::F32 { shape: &shape, data: &data })];
    for backend in backends() {
        let run = |model| Session::open(model, &backend, SessionDevice::Cpu, 1).unwrap().run(&feeds).unwrap();
        let (narrow, wide) = (run(&half), run(&full));
        let (narrow, wide) = (narrow[0].as_f32().unwrap(), wide[0].as_f32().unwrap());
        assert!(narrow.len() == 2 && narrow.iter().zip(wide).all(|(a, b)| (a - b).abs() < 2e-3));
        assert_ne!(narrow, wide);
    }
}

#[test]
fn every_kind_of_number_that_an_export_may_use_goes_in_and_comes_out() {
    let kinds = model("kinds", "model.onnx").unwrap();
    assert!(kinds.fit(&[Wanted::i64("ids", &[&[Axis::Any("N"), Axis::Is(2)]])], &[]).is_ok());
    for backend in backends() {
        let mut session = Session::open(&kinds, &backend, SessionDevice::Cpu, 1).unwrap();
        let mut feed = |data: &[i64]| session.run(&[("ids", TensorIn::I64 { shape: &[1, 2], data })]);
        let outputs = feed(&[2, 7]).unwrap();
        let got: Vec<(&str, TensorData)> =
            outputs.iter().map(|out| (out.name.as_str(), out.data.clone())).collect();
        let wanted = [
            ("wide", TensorData::I64(vec![2, 7])),
            ("half", TensorData::F32(vec![2.0, 7.0])),
            ("byte", TensorData::I64(vec![2, 7])),
            ("twice", TensorData::I64(vec![4, 14])),
            ("small", TensorData::I64(vec![1, 0])),
        ];
        assert_eq!(got, wanted);
        let error = feed(&[1 << 40, 0]).unwrap_err().to_string();
        assert!(error.contains("1099511627776, which is beyond the 32 bits"), "{error}");
    }
}

#[test]
fn the_precision_is_in_the_class_of_the_stamp() {
    let (half, full) = (model("half", "model.onnx").unwrap(), model("fused", "model.onnx").unwrap());
    assert_eq!((half.precision(), full.precision()), (Precision::F16, Precision::F32));
    for backend in backends() {
        assert_eq!(backend.precision_class([&full, &full]), backend.stamp_class());
        // What the embedded back-end widens is computed in f32.
        let wanted = match backend.stamp_class() {
            "onnxruntime/f32" => "onnxruntime/f16",
            other => other,
        };
        assert_eq!(backend.precision_class([&full, &half]), wanted);
        // The class that a kernel's mending raises, of either back-end.
        let numerics = if wanted.starts_with("rten") { EMBEDDED_NUMERICS } else { ONNXRUNTIME_NUMERICS };
        assert_eq!(backend.stamp_class_for([&full, &half]), format!("{wanted}; numerics={numerics}"));
    }
}

#[test]
fn a_device_is_parsed_or_told() {
    assert_eq!("cpu".parse::<Device>().unwrap(), Device::Cpu);
    assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(vec![0]));
    assert_eq!(
        "cuda:0,3".parse::<Device>().unwrap().places(),
        [SessionDevice::Cuda(0), SessionDevice::Cuda(3)]
    );
    assert_eq!("tensorrt:1".parse::<Device>().unwrap().to_string(), "tensorrt:1");
    for wrong in ["gpu", "cpu:0", "cuda:", "cuda:0,0", "cuda:-1", ""] {
        let error = wrong.parse::<Device>().unwrap_err().to_string();
        assert!(error.contains("cuda:0,1"), "{error}");
    }
}

#[test]
fn a_gpu_is_never_replaced_by_the_cpu() {
    let error = Backend::find(BackendChoice::Embedded, Device::Cuda(vec![0])).unwrap_err();
    assert!(error.to_string().contains("runs on the CPU only"), "{error}");
    // No machine has this one; without ONNX Runtime the error comes earlier.
    if let Ok(backend) = Backend::find(BackendChoice::Auto, Device::Cuda(vec![250])) {
        let opened =
            Session::open(&model("fused", "model.onnx").unwrap(), &backend, SessionDevice::Cuda(250), 1);
        let error = opened.err().expect("GPU 250").to_string();
        assert!(error.contains("cuda:250"), "{error}");
    }
}

#[test]
fn backends_tell_what_they_are() {
    for backend in backends() {
        let (description, class) = (backend.description(), backend.stamp_class());
        println!("{description}; {class}");
        match class {
            "rten/f32" => assert!(description.starts_with("embedded (rten")),
            "onnxruntime/f32" => assert!(description.starts_with("ONNX Runtime 1.")),
            other => panic!("{other}"),
        }
    }
    assert!("tract".parse::<BackendChoice>().is_err());
}

/// A copy of a fixture, to be written over.
fn copied(folder: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(models().join(folder)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn replace(file: &Path, bytes: &[u8]) {
    let fresh = file.with_extension("fresh");
    std::fs::write(&fresh, bytes).unwrap();
    std::fs::rename(fresh, file).unwrap();
}

#[test]
fn a_model_that_is_replaced_answers_nothing_under_the_old_stamp() {
    for (folder, file) in
        [("fused", "model.onnx"), ("external", "model.onnx"), ("external", "model.onnx_data")]
    {
        for backend in backends() {
            let copy = copied(folder);
            let model = ModelFolder::open(copy.path()).unwrap().model("model.onnx").unwrap();
            let open = || Session::open(&model, &backend, SessionDevice::Cpu, 1);
            let path = copy.path().join(file);
            let before = std::fs::read(&path).unwrap();
            let mut other = before.clone();
            *other.last_mut().unwrap() ^= 1;
            let mut session = open().unwrap();
            // The same bytes again, with another time and in another file: the same model.
            std::fs::File::options()
                .append(true)
                .open(&path)
                .unwrap()
                .set_modified(std::time::SystemTime::now())
                .unwrap();
            assert!(open().is_ok());
            replace(&path, &before);
            assert!(open().is_ok());
            // Another file of the same length: sessions that are open hold what they read, and no more of them open.
            replace(&path, &other);
            let error = open().err().expect("another model").to_string();
            assert!(error.contains("was replaced or written over") && error.contains(file), "{error}");
            let (shape, data) = ([1, 3, 32, 32], vec![0.1; 3 * 32 * 32]);
            let feeds = [("pixel_values", TensorIn::F32 { shape: &shape, data: &data })];
            assert!(session.run(&feeds).is_ok());
            replace(&path, &before);
            assert!(open().is_ok());
        }
    }
}

#[test]
fn a_model_that_is_written_over_in_place_answers_nothing() {
    for backend in backends() {
        let copy = copied("external");
        let model = ModelFolder::open(copy.path()).unwrap().model("model.onnx").unwrap();
        let mut session = Session::open(&model, &backend, SessionDevice::Cpu, 1).unwrap();
        let (shape, data) = ([1, 3, 32, 32], vec![0.1; 3 * 32 * 32]);
        let feeds = [("pixel_values", TensorIn::F32 { shape: &shape, data: &data })];
        assert!(session.run(&feeds).is_ok());
        let weights = copy.path().join("model.onnx_data");
        let mut bytes = std::fs::read(&weights).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&weights, bytes).unwrap();
        let error = session.run(&feeds).unwrap_err();
        assert!(matches!(error, OnnxError::Changed { .. }), "{error}");
    }
}

#[test]
fn sizes_that_no_machine_has_are_refused_before_anything_is_allocated() {
    use super::screen::screen_within;
    use super::wire::{put_message, put_number};
    let message = |parts: &[(u64, &[u8])]| {
        let mut out = Vec::new();
        parts.iter().for_each(|(number, bytes)| put_message(&mut out, *number, bytes));
        out
    };
    let lengths = |name: &str, values: &[i64]| {
        let mut tensor = Vec::new();
        put_number(&mut tensor, 1, values.len() as u64);
        put_number(&mut tensor, 2, 7);
        values.iter().for_each(|value| put_number(&mut tensor, 7, *value as u64));
        put_message(&mut tensor, 8, name.as_bytes());
        tensor
    };
    let model = |kind: &str, inputs: &[&str], weights: &[Vec<u8>]| {
        let mut node: Vec<(u64, &[u8])> = inputs.iter().map(|name| (1, name.as_bytes())).collect();
        node.extend([(2, b"y".as_slice()), (4, kind.as_bytes())]);
        let node = message(&node);
        let output = message(&[(1, b"y")]);
        let mut graph: Vec<(u64, &[u8])> = vec![(1, &node)];
        graph.extend(weights.iter().map(|weight| (5, weight.as_slice())));
        graph.push((12, &output));
        let graph = message(&graph);
        let mut opset = Vec::new();
        put_number(&mut opset, 2, 17);
        message(&[(7, &graph), (8, &opset)])
    };
    let shape = |values: &[i64]| lengths("s", values);
    let wide = [lengths("a", &[1, 1, 1]), lengths("b", &[1 << 30, 3])];
    for (graph, told) in [
        (model("ConstantOfShape", &["s"], &[shape(&[1 << 30])]), "operator ConstantOfShape"),
        (model("ConstantOfShape", &["s"], &[shape(&[1 << 30, 1 << 30, 1 << 30])]), "ConstantOfShape"),
        (model("Expand", &["a", "b"], &wide), "operator Expand"),
        (model("Tile", &["a", "b"], &[lengths("a", &[7]), lengths("b", &[1 << 30])]), "operator Tile"),
    ] {
        let error = screen_within(&graph, &Default::default(), 1 << 30).unwrap_err();
        assert!(error.contains(told) && error.contains("1073741824"), "{error}");
    }
    let graph = model("ConstantOfShape", &["s"], &[shape(&[1 << 46])]);
    let error = screen_within(&graph, &Default::default(), 1 << 30).unwrap_err();
    assert!(error.contains("a constant beyond 32 bits"), "{error}");
    for few in [&[4, 4][..], &[1 << 20], &[]] {
        let graph = model("ConstantOfShape", &["s"], &[shape(few)]);
        assert_eq!(screen_within(&graph, &Default::default(), 1 << 30), Ok(()));
    }
    let error = screen_within(&model("Mish", &["a"], &wide), &Default::default(), 1 << 30).unwrap_err();
    assert!(error.contains("operator Mish (`y`)") && error.contains("--backend onnxruntime"), "{error}");
}
