//! Scorers whose every number is known, on both back-ends; and files that are wrong.

use std::path::{Path, PathBuf};

use super::number::{Numbers, number};
use super::spec::{Activation, OutputSpec, Reduce};
use super::*;
use crate::onnx::tests::backends;

/// A folder with that model of `fixtures/scorers`, and this `score.json` beside it.
fn folder(model: &str, file: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/scorers/{model}.onnx"));
    std::fs::copy(fixture, folder.path().join(format!("{model}.onnx"))).unwrap();
    if let Some(file) = file {
        std::fs::write(folder.path().join(FILE), file).unwrap();
    }
    folder
}

/// A whole file about bytes as they are, with these words in its `input` and `output`.
fn file(input: &str, output: &str) -> String {
    format!(
        r#"{{"input": {{{input}}}, "output": {{{output}}}, "unit": "levels", "range": [-255, 255], "direction": "higher_is_better"}}"#
    )
}

fn embedded() -> Backend {
    backends().swap_remove(0)
}

/// A picture of which pixel (x, y) is (x, 10 y, 200).
fn picture(width: u32, height: u32) -> Rgb {
    let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, 10 * y as u8, 200]));
    Rgb::full(width, height, pixels.collect()).unwrap()
}

/// What the scorer says of the pictures, on every back-end.
#[track_caller]
fn scores(model: &str, file: &str, pictures: &[Rgb]) -> Vec<f32> {
    let folder = folder(model, Some(file));
    let of = |backend: Backend| {
        let model = ScoreModel::open(folder.path(), &backend).unwrap();
        let mut session = model.open_tried(SessionDevice::Cpu, 1).unwrap();
        let fitted: Vec<Fitted> = pictures.iter().map(|it| model.prepare(it).unwrap()).collect();
        session.run(&fitted.iter().collect::<Vec<_>>()).unwrap()
    };
    let all: Vec<Vec<f32>> = backends().into_iter().map(of).collect();
    for other in &all {
        assert!(other.iter().zip(&all[0]).all(|(a, b)| (a - b).abs() < 1e-3), "{all:?}");
    }
    all[0].clone()
}

#[track_caller]
fn score(model: &str, input: &str, output: &str) -> f32 {
    scores(model, &file(input, output), &[picture(6, 8)])[0]
}

#[track_caller]
fn near(found: f32, wanted: f32) {
    assert!((found - wanted).abs() < 1e-3, "{found} instead of {wanted}");
}

const LAST: &str = r#""layout": "nhwc", "channels": "rgb", "fit": "squash""#;
const LAST_BGR: &str = r#""layout": "nhwc", "channels": "bgr", "fit": "squash""#;
const FIRST: &str = r#""layout": "nchw", "channels": "rgb", "fit": "squash", "size": [6, 8]"#;
const FIRST_BGR: &str = r#""layout": "nchw", "channels": "bgr", "fit": "squash", "size": [6, 8]"#;

#[test]
fn axes_and_channels_come_in_the_models_order() {
    // The mean of 0..6, of 0, 10 .. 70, and 200.
    for (model, rgb, bgr) in [("nhwc", LAST, LAST_BGR), ("free", FIRST, FIRST_BGR)] {
        for (index, wanted) in [(0, 2.5), (1, 35.0), (2, 200.0)] {
            near(score(model, rgb, &format!(r#""name": "means", "index": [{index}]"#)), wanted);
            near(score(model, bgr, &format!(r#""name": "means", "index": [{}]"#, 2 - index)), wanted);
        }
    }
    // Row 3, column 4, counted from either end.
    near(score("nhwc", LAST, r#""name": "same", "index": [3, 4, 1]"#), 30.0);
    near(score("nhwc", LAST, r#""name": "same", "index": [-5, -2, 0]"#), 4.0);
    near(score("free", FIRST, r#""name": "same", "index": [1, 3, 4]"#), 30.0);
    near(score("free", FIRST_BGR, r#""name": "same", "index": [0, 3, 4]"#), 200.0);
}

#[test]
fn the_scale_is_done_step_by_step() {
    let of = |scale: &str, index: u8| {
        score(
            "nhwc",
            &format!(r#"{LAST_BGR}, "scale": {scale}"#),
            &format!(r#""name": "means", "index": [{index}]"#),
        )
    };
    near(of(r#"[{"subtract": 100}, {"divide": 4}]"#, 0), 25.0);
    near(of(r#"[{"divide": 4}, {"subtract": 100}]"#, 0), -50.0);
    // In the order that the model takes: blue first.
    near(of(r#"[{"subtract": [1, 2, 3]}, {"divide": [1, 1, 0.5]}]"#, 0), 199.0);
    near(of(r#"[{"subtract": [1, 2, 3]}, {"divide": [1, 1, 0.5]}]"#, 2), -1.0);
}

#[test]
fn bytes_are_fed_as_bytes_and_batches_are_filled() {
    let file = |model: &str| {
        assert!(["bytes", "pairs"].contains(&model));
        file(r#""layout": "nchw", "channels": "rgb", "fit": "squash""#, r#""index": [1]"#)
    };
    let flat = |level: u8| Rgb::full(5, 5, vec![level; 75]).unwrap();
    let pictures: Vec<Rgb> = [3, 250, 17].map(flat).to_vec();
    for model in ["bytes", "pairs"] {
        assert_eq!(scores(model, &file(model), &pictures), [3.0, 250.0, 17.0], "{model}");
        assert!(scores(model, &file(model), &[]).is_empty());
    }
}

#[test]
fn pictures_of_many_sizes_are_scored_one_by_one() {
    let input =
        r#""layout": "nchw", "channels": "rgb", "fit": "keep_aspect", "longest_side": 64, "multiple_of": 4"#;
    let pictures = [picture(8, 4), picture(8, 8), picture(8, 8), picture(4, 8)];
    let found = scores("free", &file(input, r#""name": "means", "index": [0]"#), &pictures);
    assert_eq!(found, [3.5, 3.5, 3.5, 1.5]);
    // Of the map of means, (x + 10 y + 200) / 3, what is above 76: x + 10 y > 28.
    let shares = scores("map", &file(input, r#""reduce": {"share_above": 76}"#), &[picture(8, 8)]);
    assert_eq!(shares, [40.0 / 64.0]);
}

fn numbers(shape: &[usize], data: &[f32]) -> Numbers {
    Numbers { shape: shape.to_vec(), data: data.to_vec() }
}

#[track_caller]
fn reduced(reduce: Reduce, index: &[Option<i64>], shape: &[usize], data: &[f32]) -> f32 {
    let output = OutputSpec { reduce: Some(reduce), index: index.to_vec(), ..OutputSpec::default() };
    number(&output, numbers(shape, data)).unwrap()
}

#[test]
fn many_numbers_become_one() {
    let data = [1.0, 5.0, 2.0, 6.0, 3.0, 7.0];
    assert_eq!(reduced(Reduce::Mean, &[], &[3, 2], &data), 4.0);
    assert_eq!(reduced(Reduce::Max, &[], &[3, 2], &data), 7.0);
    // The second column alone.
    assert_eq!(reduced(Reduce::Mean, &[None, Some(1)], &[3, 2], &data), 6.0);
    assert_eq!(reduced(Reduce::Mean, &[Some(-1)], &[3, 2], &data), 5.0);
    // Above, and not at.
    assert_eq!(reduced(Reduce::CountAbove(5.0), &[], &[3, 2], &data), 2.0);
    assert_eq!(reduced(Reduce::ShareAbove(5.0), &[], &[3, 2], &data), 2.0 / 6.0);
    assert_eq!(reduced(Reduce::WeightedSum(vec![1.0, 2.0, 3.0]), &[None, Some(0)], &[3, 2], &data), 14.0);
    // Nothing was found: none is above, and there is no mean.
    assert_eq!(reduced(Reduce::CountAbove(0.5), &[None, Some(1)], &[0, 2], &[]), 0.0);
    assert!(reduced(Reduce::Mean, &[], &[0, 2], &[]).is_nan());
    for reduce in [Reduce::Max, Reduce::Mean, Reduce::ShareAbove(0.0), Reduce::CountAbove(0.0)] {
        assert!(reduced(reduce, &[], &[2], &[f32::NAN, 1.0]).is_nan());
    }
}

#[test]
fn activations_are_those_of_the_books() {
    let of = |activation: Activation, index: &[i64], shape: &[usize], data: &[f32]| {
        let index = index.iter().map(|at| Some(*at)).collect();
        let output = OutputSpec { activation: Some(activation), index, ..OutputSpec::default() };
        number(&output, numbers(shape, data)).unwrap()
    };
    near(of(Activation::Sigmoid, &[], &[1], &[0.0]), 0.5);
    near(of(Activation::Sigmoid, &[], &[1], &[2.0]), 0.880_797);
    near(of(Activation::Softmax(-1), &[1], &[2], &[0.0, 3f32.ln()]), 0.75);
    // Over the first of two axes: columns add up to 1. Large numbers do not overflow.
    near(of(Activation::Softmax(0), &[1, 0], &[2, 2], &[1000.0, 0.0, 1000.0, 0.0]), 0.5);
    near(of(Activation::Softmax(-1), &[0, 0], &[2, 2], &[1000.0, 0.0, 1000.0, 0.0]), 1.0);
}

#[track_caller]
fn refused(model: &str, file: &str, words: &[&str]) -> String {
    let folder = folder(model, Some(file));
    let opened = ScoreModel::open(folder.path(), &embedded())
        .and_then(|model| model.open_tried(SessionDevice::Cpu, 1).map(|_| ()));
    let error = opened.expect_err("it is wrong").to_string();
    for words in words {
        assert!(error.contains(words), "{words:?} is not in: {error}");
    }
    error
}

#[test]
fn a_wrong_file_is_told_what_is_wrong_and_shown_a_right_one() {
    let right = file(LAST, r#""name": "means", "index": [0]"#);
    for (from, to, words) in [
        (r#""nhwc""#, r#""nhcw""#, "unknown variant `nhcw`, expected `nchw` or `nhwc` at line 1"),
        (r#""unit""#, r#""units""#, "unknown field `units`"),
        (r#""unit": "levels","#, "", "missing field `unit`"),
        (r#""levels""#, "3", "invalid type: integer `3`, expected a string"),
        (r#""levels""#, r#"" ""#, "`unit` is to be words on one line"),
        ("[-255, 255]", "[1, 1]", "`range` is [1, 1]; it is the least and the greatest score"),
        ("[-255, 255]", "[0, 1, 2]", "trailing"),
        (r#""unit""#, r#""default": 256, "unit""#, "`default` is 256, outside of `range` [-255, 255]"),
        (
            r#""nhwc""#,
            r#""nchw""#,
            "`input.layout` is \"nchw\", and the model's input is `image f32 [?,8,6,3]`; write \"nhwc\"",
        ),
        (
            r#""squash""#,
            r#""squash", "size": [8, 6]"#,
            "`input.size` is [8, 6], and the model takes pictures 6 wide and 8 high",
        ),
        (
            r#""squash""#,
            r#""squash", "pad": 0"#,
            "`input.pad` belongs to the fit \"letterbox\", and `input.fit` is \"squash\"",
        ),
        (r#""squash""#, r#""letterbox""#, "`input.pad` is missing; the fit \"letterbox\" needs it"),
        (r#""squash""#, r#""letterbox", "pad": 256"#, "invalid value: integer `256`, expected u8"),
        (
            r#""squash""#,
            r#""squash_then_crop", "resize": [8, 7]"#,
            "`input.resize` is smaller than the 6 x 8 pixels",
        ),
        (
            r#""squash""#,
            r#""shortest_side_then_crop", "shortest_side": 7"#,
            "`input.shortest_side` is smaller",
        ),
        (
            r#""squash""#,
            r#""keep_aspect", "longest_side": 8"#,
            "`input.fit` is \"keep_aspect\", which gives pictures of many sizes",
        ),
        (r#""squash""#, r#""squash", "jpeg_quality": 0"#, "`input.jpeg_quality` is 0; it is from 1 to 100"),
        (
            r#""squash""#,
            r#""squash", "filter": "area""#,
            "unknown variant `area`, expected one of `bilinear`",
        ),
        (
            r#""squash""#,
            r#""squash", "scale": [{"mean": 1}]"#,
            "unknown variant `mean`, expected `subtract` or `divide`",
        ),
        (
            r#""squash""#,
            r#""squash", "scale": [{"divide": [1, 2]}]"#,
            "a number, or three numbers in the order of `channels`",
        ),
        (r#""squash""#, r#""squash", "scale": [{"divide": 0}]"#, "none divides by 0"),
        (
            r#""means""#,
            r#""mean""#,
            "`output.name` is \"mean\", and the model's outputs are [\"means\", \"same\"]",
        ),
        (
            r#""name": "means", "#,
            "",
            "`output.name` is missing, and the model's outputs are [\"means\", \"same\"]",
        ),
        (
            "[0]",
            "[3]",
            "`output.index` is [3] and its entry 1 is 3, and the output is [N,3]; that axis goes from 0 to 2",
        ),
        ("[0]", "[0, 0]", "`output.index` has 2 entries, and the output is [N,3]; give at most 1"),
        ("[0]", "[null]", "`output` leaves 3 numbers; give an `index`"),
        (
            "[0]",
            r#"[null], "reduce": "sum""#,
            "unknown variant `sum`, expected one of `mean`, `max`, `share_above`",
        ),
        ("[0]", r#"[null], "reduce": {"weighted_sum": [1, 2]}"#, "has 2 weights for 3 numbers"),
        (
            "[0]",
            r#"[0], "activation": {"softmax": 1}"#,
            "is a softmax over axis 1 of those behind N, and the output is [N,3]",
        ),
    ] {
        assert!(right.contains(from), "{from}");
        let error = refused("nhwc", &right.replacen(from, to, 1), &["score.json: ", words]);
        assert!(
            error.contains("A whole score.json for it") && error.contains("docs/your-own-scorer.md"),
            "{error}"
        );
    }
    // All at once, and a file that is no JSON.
    let error = refused(
        "nhwc",
        &right.replace("[-255, 255]", "[1, 0]").replace("means", "no"),
        &["`range`", "`output.name`"],
    );
    assert_eq!(error.matches("score.json: ").count(), 2, "{error}");
    refused("nhwc", "layout: nhwc", &["score.json: expected value at line 1"]);
    refused(
        "bytes",
        &file(
            r#""layout": "nchw", "channels": "rgb", "fit": "squash", "scale": [{"divide": 255}]"#,
            r#""index": [0]"#,
        ),
        &["leave out `input.scale`"],
    );
    refused(
        "free",
        &file(r#""layout": "nchw", "channels": "rgb", "fit": "squash""#, r#""name": "means", "index": [0]"#),
        &["`input.size` is missing: the model takes pictures any wide and any high"],
    );
    refused(
        "scalar",
        &file(r#""layout": "nchw", "channels": "rgb", "fit": "squash""#, ""),
        &["a grey picture was tried", "its first axis is to be the pictures"],
    );
}

#[test]
fn the_file_that_is_shown_is_taken() {
    for model in ["nhwc", "free", "map", "bytes", "pairs"] {
        let folder = folder(model, None);
        let error = ScoreModel::open(folder.path(), &embedded()).unwrap_err().to_string();
        assert!(
            error.contains("it has no score.json")
                && error.contains(&format!("The model {model}.onnx takes and gives")),
            "{error}"
        );
        let (start, end) = (error.find("\n{").unwrap(), error.rfind("\n}").unwrap());
        std::fs::write(folder.path().join(FILE), &error[start..end + 2]).unwrap();
        for backend in backends() {
            let opened = ScoreModel::open(folder.path(), &backend).unwrap();
            opened.open_tried(SessionDevice::Cpu, 1).unwrap();
        }
    }
}

#[test]
fn a_folder_of_several_models_says_which_one_scores() {
    let input = r#""layout": "nhwc", "channels": "rgb", "fit": "squash""#;
    let right = file(input, r#""name": "means", "index": [0]"#);
    let folder = folder("nhwc", Some(&right));
    std::fs::copy(folder.path().join("nhwc.onnx"), folder.path().join("a.onnx")).unwrap();
    let open = |path: &Path| ScoreModel::open(path, &embedded()).map_err(|error| error.to_string());
    let error = open(folder.path()).unwrap_err();
    assert!(
        error.contains(
            r#"["a.onnx", "nhwc.onnx"]; say in its score.json which one scores: "model": "a.onnx""#
        ),
        "{error}"
    );
    assert!(open(&folder.path().join("nhwc.onnx")).is_ok(), "named on the command line");
    let with = |name: &str| {
        std::fs::write(folder.path().join(FILE), right.replacen('{', &format!(r#"{{"model": "{name}", "#), 1))
    };
    with("nhwc.onnx").unwrap();
    assert!(open(folder.path()).is_ok());
    let error = open(&folder.path().join("a.onnx")).unwrap_err();
    assert!(error.contains("score.json is about `model` \"nhwc.onnx\", and a.onnx was named"), "{error}");
    for other in ["b.onnx", "../a.onnx", "score.json"] {
        with(other).unwrap();
        assert!(open(folder.path()).unwrap_err().contains("name one of them"), "{other}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(open(empty.path()).unwrap_err().contains("it has no .onnx file"));
    assert!(open(Path::new("/nowhere/at/all")).unwrap_err().contains("/nowhere/at/all"));
}

#[test]
fn a_stamp_covers_what_shapes_a_score_and_no_dial() {
    let right = file(LAST, r#""name": "means", "index": [0]"#);
    let stamp =
        |file: &str| ScoreModel::open(folder("nhwc", Some(file)).path(), &embedded()).unwrap().stamp_parts();
    let usual = stamp(&right);
    for (from, to, is_shaped) in [
        (r#""levels""#, r#""points""#, false),
        (
            r#""higher_is_better""#,
            r#""lower_is_better", "default": 7, "about": "Light.", "looks_at": "both""#,
            false,
        ),
        (r#""squash""#, r#""squash", "filter": "bilinear""#, false),
        (r#""squash""#, r#""squash", "filter": "lanczos""#, true),
        (r#""rgb""#, r#""bgr""#, true),
        ("[0]", "[1]", true),
        ("255]", "254]", true),
    ] {
        assert!(right.contains(from), "{from}");
        assert_eq!(stamp(&right.replacen(from, to, 1)) != usual, is_shaped, "{to}");
    }
}

#[test]
fn a_number_outside_of_the_range_is_no_score() {
    let spec = ScoreSpec::parse(&file(LAST, "").replace("[-255, 255]", "[0, 1]")).unwrap();
    let class = |number: f32| spec.score(number).map_err(|refusal| refusal.class.into_owned());
    assert_eq!((class(0.0), class(0.25), class(1.0)), (Ok(0.0), Ok(0.25), Ok(1.0)));
    // A softmax of single precision.
    assert_eq!((class(1.000_000_1), class(-1e-7)), (Ok(1.0), Ok(0.0)));
    for number in [1.001, -0.001, 255.0] {
        assert_eq!(class(number), Err("out_of_range".to_owned()));
    }
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(class(number), Err("not_a_number".to_owned()));
    }
}

#[test]
fn a_dial_is_open_where_nothing_else_is_said() {
    let of = |rest: &str| {
        let text = file(LAST, "").replace(r#""higher_is_better""#, rest);
        let spec = ScoreSpec::parse(&text).unwrap();
        (spec.comparison().sign(), spec.default_dial(), spec.is_open())
    };
    assert_eq!(of(r#""higher_is_better""#), (">=", -255.0, true));
    assert_eq!(of(r#""lower_is_better""#), ("<=", 255.0, true));
    assert_eq!(of(r#""lower_is_better", "default": 3"#), ("<=", 3.0, false));
    assert_eq!(of(r#""higher_is_better", "default": -255"#), (">=", -255.0, true));
}

/// Whoever copies a file from the page is not to meet an error.
#[test]
fn the_files_on_the_page_are_whole() {
    let page: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/your-own-scorer.md");
    let page = std::fs::read_to_string(page).unwrap();
    let files: Vec<&str> =
        page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(files.len() >= 2);
    for file in files {
        assert_eq!(ScoreSpec::parse(file).unwrap().wrong(), Vec::<String>::new());
    }
}
