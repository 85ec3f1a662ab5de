//! Inpainting with graphs that fill the hole with the mean of what is around it, against the same arithmetic written plainly.

use std::path::PathBuf;

use image::Rgb;

use super::*;
use crate::onnx::tests::backends;

fn graph(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/inpaint").join(name)
}

fn open(name: &str, backend: &Backend) -> Result<OnnxInpaint, OnnxError> {
    OnnxInpaint::open(&graph(name), backend, InpaintSettings::default(), 2)
}

/// Colours that change everywhere, so that a shifted or mirrored pixel shows.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7 + y) as u8, (y * 5 + 3 * x) as u8, (x ^ y) as u8]))
}

/// The pixels from `from` up to `to`, column and row.
fn mask(width: u32, height: u32, from: (u32, u32), to: (u32, u32)) -> Mask {
    let mut mask = Mask::empty(width, height);
    for (x, y) in (from.1..to.1).flat_map(|y| (from.0..to.0).map(move |x| (x, y))) {
        mask.bits[(y * width + x) as usize] = 1;
    }
    mask
}

/// How much of the filling each pixel takes, by looking at every pixel of the mask.
fn weights(mask: &Mask, margin: f64, feather: f64) -> impl Fn(u32, u32) -> f64 {
    let pixels = || (0..mask.height).flat_map(|y| (0..mask.width).map(move |x| (x, y)));
    let inside: Vec<(u32, u32)> = pixels().filter(|&(x, y)| mask.holds(x, y)).collect();
    let weight = |(x, y): (u32, u32)| {
        let apart = |&(a, b): &(u32, u32)| a.abs_diff(x).pow(2) + b.abs_diff(y).pow(2);
        match f64::from(inside.iter().map(apart).min().unwrap()).sqrt() {
            distance if distance > margin => 0.0,
            distance => 1.0 - (distance - (margin - feather)).max(0.0) / (feather + 1.0),
        }
    };
    let weights: Vec<f64> = pixels().map(weight).collect();
    let width = mask.width;
    move |x, y| weights[(y * width + x) as usize]
}

/// What must come of it, where nothing is made smaller: `part` is left, top, width and height of what the model sees, `canvas` its
/// width and height.
fn expected(picture: &RgbImage, mask: &Mask, part: [u32; 4], canvas: (u32, u32)) -> RgbImage {
    let weight = weights(mask, 3.0, 2.0);
    let [left, top, width, height] = part;
    let back = |at: u32, length: u32| match (at / length) % 2 {
        0 => at % length,
        _ => length - 1 - at % length,
    };
    let (mut sums, mut count) = ([0.0; 3], 0.0);
    for (x, y) in (0..canvas.1).flat_map(|y| (0..canvas.0).map(move |x| (x, y))) {
        let (x, y) = (left + back(x, width), top + back(y, height));
        if weight(x, y) == 0.0 {
            let pixel = picture.get_pixel(x, y).0;
            (0..3).for_each(|channel| sums[channel] += f64::from(pixel[channel]));
            count += 1.0;
        }
    }
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let weight = weight(x, y);
        let pixel = picture.get_pixel(x, y).0;
        let mix =
            |channel: usize| sums[channel] / count * weight + f64::from(pixel[channel]) * (1.0 - weight);
        Rgb([0, 1, 2].map(|channel| mix(channel).round() as u8))
    })
}

/// Alike but for roundings of the mean.
#[track_caller]
fn alike(made: &RgbImage, wanted: &RgbImage, most: u8) {
    assert_eq!(made.dimensions(), wanted.dimensions());
    for ((x, y, made), (.., wanted)) in made.enumerate_pixels().zip(wanted.enumerate_pixels()) {
        let apart = (0..3).map(|channel| made.0[channel].abs_diff(wanted.0[channel])).max();
        assert!(apart <= Some(most), "at {x}, {y}: {made:?} and not {wanted:?}");
    }
}

#[track_caller]
fn untouched_outside(made: &RgbImage, picture: &RgbImage, mask: &Mask) {
    let weight = weights(mask, 3.0, 2.0);
    for (x, y, pixel) in picture.enumerate_pixels() {
        if weight(x, y) == 0.0 {
            assert_eq!(made.get_pixel(x, y), pixel, "at {x}, {y}, outside of the hole");
        }
    }
}

#[test]
fn holes_are_filled_as_the_graph_says() {
    for backend in backends() {
        let fixed = open("fixed_255.onnx", &backend).unwrap();
        let free = open("free_1.onnx", &backend).unwrap();
        assert_eq!((fixed.range, free.range), (Range::Bytes, Range::One), "by the look at grey");
        // Smaller than the canvas: its mirror image beside and below.
        let (small, hole) = (picture(50, 23), mask(50, 23, (10, 5), (20, 12)));
        let wanted = expected(&small, &hole, [0, 0, 50, 23], (64, 64));
        alike(&fixed.remove(&small, &hole).unwrap(), &wanted, 1);
        let wanted = expected(&small, &hole, [0, 0, 50, 23], (56, 24));
        alike(&free.remove(&small, &hole).unwrap(), &wanted, 1);
        // Larger: a part around the hole, pushed in from the edge. The hole reaches from 137 to 160 and from 27 to 47.
        let (large, hole) = (picture(160, 90), mask(160, 90, (140, 30), (158, 44)));
        let wanted = expected(&large, &hole, [96, 5, 64, 64], (64, 64));
        let made = fixed.remove(&large, &hole).unwrap();
        alike(&made, &wanted, 1);
        untouched_outside(&made, &large, &hole);
        assert_ne!(made, large);
        for same in ["renamed.onnx", "joined.onnx"] {
            assert_eq!(open(same, &backend).unwrap().remove(&large, &hole).unwrap(), made, "{same}");
        }
        let wanted = expected(&large, &hole, [0, 0, 160, 90], (160, 96));
        alike(&free.remove(&large, &hole).unwrap(), &wanted, 1);
    }
}

#[test]
fn large_holes_are_seen_smaller_and_nothing_of_what_goes_is_seen() {
    for backend in backends() {
        let fixed = open("fixed_255.onnx", &backend).unwrap();
        // 100 pixels of hole: 200 x 150 are seen as 64 x 48. What is in the hole is white, all else is one colour.
        let hole = mask(240, 150, (70, 20), (164, 114));
        let ground = Rgb([200, 30, 90]);
        let drawn = |x: u32, y: u32| if hole.holds(x, y) { Rgb([255, 255, 255]) } else { ground };
        let picture = RgbImage::from_fn(240, 150, drawn);
        let made = fixed.remove(&picture, &hole).unwrap();
        alike(&made, &RgbImage::from_pixel(240, 150, ground), 1);
        untouched_outside(&made, &picture, &hole);
        // Without a rim, too: no pixel of the canvas that took a little white is taken for ground.
        let settings = InpaintSettings { widening: 0.0, ..InpaintSettings::default() };
        let bare = OnnxInpaint::open(&graph("fixed_255.onnx"), &backend, settings, 2).unwrap();
        alike(&bare.remove(&picture, &hole).unwrap(), &RgbImage::from_pixel(240, 150, ground), 0);
    }
}

#[test]
fn an_edit_is_a_png_and_only_removes() {
    for backend in backends() {
        let editor = open("fixed_255.onnx", &backend).unwrap();
        let (picture, hole) = (picture(70, 80), mask(70, 80, (30, 30), (40, 50)));
        let mut pass = Pass {
            operation: Operation::Remove,
            picture: &picture,
            mask: Some(&hole),
            reference: None,
            object: "car",
            instruction: "Remove the car.",
            result: "",
            seed: 1,
        };
        let made = editor.edit(&pass).unwrap();
        let read = image::load_from_memory_with_format(&made.bytes, ImageFormat::Png).unwrap().to_rgb8();
        assert_eq!(read, editor.remove(&picture, &hole).unwrap());
        assert_eq!(made, editor.edit(&pass).unwrap(), "twice the same");
        let able: Vec<_> = Operation::ALL.into_iter().filter(|&operation| editor.can(operation)).collect();
        assert_eq!(able, [Operation::Remove]);
        pass.mask = None;
        assert_eq!(editor.edit(&pass).unwrap_err().class, "no_mask");
        pass.operation = Operation::Replace;
        assert_eq!(editor.edit(&pass).unwrap_err().class, "unsupported_operation");
    }
}

#[test]
fn threads_share_the_editor() {
    for backend in backends() {
        let editor = open("free_1.onnx", &backend).unwrap();
        let (picture, hole) = (picture(70, 80), mask(70, 80, (30, 30), (40, 50)));
        let wanted = editor.remove(&picture, &hole).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(editor.remove(&picture, &hole).unwrap(), wanted));
            }
        });
        assert!(editor.idle.lock().unwrap().len() <= 4);
    }
}

#[test]
fn what_cannot_be_filled_is_refused() {
    for backend in backends() {
        let editor = open("fixed_255.onnx", &backend).unwrap();
        let picture = picture(60, 40);
        let refused = |mask: &Mask| {
            let refusal = editor.remove(&picture, mask).unwrap_err();
            assert!(refusal.is_permanent(), "{refusal}");
            refusal.class
        };
        assert_eq!(refused(&Mask::empty(60, 40)), "empty_mask");
        assert_eq!(refused(&mask(61, 40, (1, 1), (3, 3))), "bad_mask");
        assert_eq!(refused(&Mask { width: 60, height: 40, bits: vec![1; 7] }), "bad_mask");
        assert_eq!(refused(&mask(60, 40, (0, 0), (60, 40))), "nothing_to_fill_from");
        assert_eq!(refused(&mask(60, 40, (2, 2), (58, 38))), "nothing_to_fill_from");
    }
}

#[test]
fn answers_that_are_no_numbers_are_refused() {
    for backend in backends() {
        let editor = open("not_a_number.onnx", &backend).unwrap();
        let hole = mask(60, 40, (20, 10), (30, 20));
        let bright = RgbImage::from_pixel(60, 40, Rgb([200, 180, 190]));
        assert_eq!(editor.remove(&bright, &hole).unwrap(), bright);
        let refusal = editor.remove(&RgbImage::new(60, 40), &hole).unwrap_err();
        assert_eq!(refusal.class, "not_a_number");
        assert!(refusal.is_permanent());
    }
}

#[test]
fn graphs_that_do_not_fit_are_refused_with_what_was_found() {
    for backend in backends() {
        for (name, words) in [
            (
                "nameless.onnx",
                "wanted image f32 [1,3,H,W], mask f32 [1,1,H,W] -> any name f32 [1,3,H,W]; found x f32 [1,?,64,64], y",
            ),
            ("oblong.onnx", "S from 8 to 4096, or both of any size; found image f32 [1,3,32,64]"),
            ("doubled.onnx", "an even grey of 0.5 came back as 1 outside the hole"),
            ("no_number.onnx", "an even grey of 0.5 came back as NaN outside the hole"),
            ("../segment/boxes.onnx", "wanted "),
        ] {
            let Err(error) = open(name, &backend) else { panic!("{name} was opened") };
            assert!(matches!(error, OnnxError::Contract { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        let Err(error) = open("", &backend) else { panic!("a folder of many graphs was opened") };
        assert!(error.to_string().contains("wanted model.onnx, or a single graph"), "{error}");
    }
}

#[test]
fn inpaint_json_decides_the_range() {
    let backend = &backends()[0];
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(graph("doubled.onnx"), folder.path().join("model.onnx")).unwrap();
    let open = |config: &str| {
        std::fs::write(folder.path().join("inpaint.json"), config).unwrap();
        OnnxInpaint::open(folder.path(), backend, InpaintSettings::default(), 1)
    };
    let one = open(r#"{"output": "0..1"}"#).unwrap();
    let bytes = open(r#"{"output": "0..255"}"#).unwrap();
    assert_eq!((one.range, bytes.range), (Range::One, Range::Bytes));
    assert_ne!(one.stamp(), bytes.stamp());
    for config in
        [r#"{"output": "0..2"}"#, r#"{"outputs": "0..1"}"#, r#"{"multiple": 0}"#, "[", r#"{"multiple": 257}"#]
    {
        let Err(error) = open(config) else { panic!("{config} was taken") };
        assert!(error.to_string().contains("allowed are \"output\": \"0..1\""), "{error}");
    }
}

#[test]
fn the_stamp_knows_all_that_shapes_a_picture_and_nothing_else() {
    for backend in backends() {
        let settings = InpaintSettings::default();
        let stamp = |name, settings, cores| {
            OnnxInpaint::open(&graph(name), &backend, settings, cores).unwrap().stamp()
        };
        let usual = stamp("free_1.onnx", settings, 1);
        assert_eq!(usual, stamp("free_1.onnx", settings, 4));
        let others = [
            stamp("fixed_255.onnx", settings, 1),
            stamp("free_1.onnx", InpaintSettings { widening: 0.02, ..settings }, 1),
            stamp("free_1.onnx", InpaintSettings { feather: 0.0, ..settings }, 1),
            stamp("free_1.onnx", InpaintSettings { largest: 512, ..settings }, 1),
        ];
        assert!(!others.contains(&usual));
        for wrong in [
            InpaintSettings { widening: f64::NAN, ..settings },
            InpaintSettings { feather: 1.5, ..settings },
            InpaintSettings { largest: 10, ..settings },
        ] {
            assert!(matches!(
                OnnxInpaint::open(&graph("free_1.onnx"), &backend, wrong, 1),
                Err(OnnxError::Usage(_))
            ));
        }
    }
}
