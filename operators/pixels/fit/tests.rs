//! Fitted pictures against those of Pillow and OpenCV.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::pixels::decode::decode_file;

fn whole(case: &Value, field: &str) -> Option<u32> {
    case[field].as_u64().map(|value| u32::try_from(value).unwrap())
}

fn pair(case: &Value, field: &str) -> Size {
    let edges: [u32; 2] = serde_json::from_value(case[field].clone()).unwrap();
    (edges[0], edges[1])
}

fn fitting(case: &Value) -> Fitting {
    let size = pair(case, "size");
    let fit = match case["fit"].as_str().unwrap() {
        "squash" => Fit::Squash { size },
        "squash_then_crop" => Fit::SquashThenCrop { resize: pair(case, "resize"), size },
        "shortest_side_then_crop" => {
            Fit::ShortestSideThenCrop { shortest_side: whole(case, "shortest_side").unwrap(), size }
        }
        "letterbox" => {
            let place = if case["place"] == "centre" { Place::Centre } else { Place::TopLeft };
            Fit::Letterbox { size, pad: 114, place }
        }
        "keep_aspect" => Fit::KeepAspect(Bounds {
            shortest_side: whole(case, "shortest_side").unwrap(),
            longest_side: whole(case, "longest_side").unwrap(),
            multiple_of: whole(case, "multiple_of").unwrap(),
        }),
        other => panic!("{other}"),
    };
    let filter = match case["filter"].as_str().unwrap() {
        "bilinear" => Filter::Pillow(Resample::Bilinear),
        "bicubic" => Filter::Pillow(Resample::Bicubic),
        "lanczos" => Filter::Pillow(Resample::Lanczos),
        "opencv_linear" => Filter::OpenCvLinear,
        other => panic!("{other}"),
    };
    let jpeg_quality = whole(case, "jpeg_quality").map(|quality| u8::try_from(quality).unwrap());
    Fitting { fit, filter, jpeg_quality }
}

#[test]
fn fitted_pictures_are_pillows_and_opencvs() {
    let Some(mut python) = ::tests::python::python_with(&["cv2", "PIL", "numpy"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fits.py");
    let output = python.arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cases: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(cases.len(), 5 * (4 * 6 + 4));
    let read = |name: &Value| std::fs::read(folder.path().join(name.as_str().unwrap())).unwrap();
    for case in &cases {
        let picture = decode_file(&read(&case["picture"])).unwrap();
        let fitting = fitting(case);
        let fitted = fitting.apply(&picture).unwrap();
        let wanted = pair(case, "size");
        assert_eq!((fitted.width, fitted.height), wanted, "{case}");
        assert_eq!(fitting.size_of((picture.width, picture.height)), wanted, "{case}");
        let theirs = read(&case["bytes"]);
        assert_eq!(fitted.pixels.len(), theirs.len());
        let apart = fitted.pixels.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert_eq!(apart, 0, "levels: {case}");
    }
}

#[test]
fn a_thread_of_a_picture_has_no_letterbox() {
    let thread = Rgb::full(1, 400, vec![9; 1200]).unwrap();
    let fit = Fit::Letterbox { size: (64, 64), pad: 0, place: Place::Centre };
    let fitting = Fitting { fit, filter: Filter::Pillow(Resample::Bilinear), jpeg_quality: None };
    assert_eq!(fitting.apply(&thread).unwrap_err().class, "too_narrow");
    let keeps = Fit::KeepAspect(Bounds { shortest_side: 32, longest_side: 128, multiple_of: 32 });
    let kept = Fitting { fit: keeps, ..fitting }.apply(&thread).unwrap();
    assert_eq!((kept.width, kept.height), (32, 128), "the longest side has the last word, and no edge is 0");
}

#[test]
fn only_what_is_cut_out_of_a_thread_is_resized() {
    // Resized as a whole, it would be 224 x 14,680,064 pixels.
    let thread = Rgb::full(1, 65_536, vec![77; 3 * 65_536]).unwrap();
    let fit = Fit::ShortestSideThenCrop { shortest_side: 224, size: (224, 224) };
    for filter in [Filter::OpenCvLinear, Filter::Pillow(Resample::Bicubic)] {
        let fitted = Fitting { fit, filter, jpeg_quality: None }.apply(&thread).unwrap();
        assert!(fitted.pixels.iter().all(|level| *level == 77));
    }
}

#[test]
fn what_was_decoded_small_is_refused() {
    let mut small = Rgb::full(4, 4, vec![0; 48]).unwrap();
    small.full_width = 8;
    let fitting =
        Fitting { fit: Fit::Squash { size: (2, 2) }, filter: Filter::OpenCvLinear, jpeg_quality: None };
    assert_eq!(fitting.apply(&small).unwrap_err().class, "scaled_picture");
}
