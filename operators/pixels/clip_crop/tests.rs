//! Crops against Pillow's, the crop-only resize against resizing everything, and the config's fields.

use std::path::{Path, PathBuf};

use super::*;
use crate::pixels::decode::{Purpose, decode};
use threshflow::shard::Format;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn small(family: Family) -> Preprocess {
    Preprocess { size: 48, crop: 48, family, ..Preprocess::default() }
}

/// Largest and mean difference of a crop from the recorded one.
fn difference(crop: &[u8], reference: &str) -> (u8, f64) {
    let reference = std::fs::read(fixtures().join("crops").join(reference)).unwrap();
    assert_eq!(crop.len(), reference.len());
    let all = || crop.iter().zip(&reference).map(|(a, b)| a.abs_diff(*b));
    (all().max().unwrap(), all().map(f64::from).sum::<f64>() / crop.len() as f64)
}

/// The pictures as Pillow decoded them: so that only the crop is compared.
fn decoded() -> Vec<(String, Rgb)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fixtures().join("decoded")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        found.push((name, decode(&bytes, Format::Png, 1, Purpose::Full).unwrap()));
    }
    found
}

#[test]
fn crops_are_pillows_to_the_last_bit_or_next_to_it() {
    for (name, picture) in decoded() {
        let (most, mean) =
            difference(&small(Family::OpenAi).crop_u8(&picture).unwrap(), &format!("{name}.rgb"));
        println!("{name}: most {most} mean {mean:.4}");
        assert!(most <= 1, "{name}: {most}");
    }
}

#[test]
fn the_two_families_cut_at_different_places() {
    for name in ["colour_444", "rgba"] {
        let bytes = std::fs::read(fixtures().join(format!("decoded/{name}.png"))).unwrap();
        let picture = decode(&bytes, Format::Png, 1, Purpose::Full).unwrap();
        let crop = small(Family::HuggingFace).crop_u8(&picture).unwrap();
        assert!(difference(&crop, &format!("{name}.hf.rgb")).0 <= 1, "{name}");
        assert!(difference(&crop, &format!("{name}.rgb")).0 > 1, "{name}");
    }
}

#[test]
fn a_wide_and_a_tall_picture_are_squashed_as_pillow_does() {
    for name in ["panorama", "colour_444"] {
        let bytes = std::fs::read(fixtures().join(format!("decoded/{name}.png"))).unwrap();
        let picture = decode(&bytes, Format::Png, 1, Purpose::Full).unwrap();
        let squashed = small(Family::Squash).crop_u8(&picture).unwrap();
        let (most, mean) = difference(&squashed, &format!("{name}.squash.rgb"));
        println!("{name} {} x {}: most {most} mean {mean:.4}", picture.width, picture.height);
        assert!(most <= 1, "{name}: {most}");
        assert!(difference(&squashed, &format!("{name}.rgb")).0 > 20, "{name}: a crop shows something else");
    }
}

#[test]
fn a_jpeg_from_file_to_crop_is_near_pillows() {
    for name in ["grey", "colour_420", "colour_444", "colour_422_restarts", "progressive", "cmyk", "panorama"]
    {
        let bytes = std::fs::read(fixtures().join(format!("pictures/{name}.jpg"))).unwrap();
        let picture = decode(&bytes, Format::Jpeg, 1, Purpose::Full).unwrap();
        let crop = small(Family::OpenAi).crop_u8(&picture).unwrap();
        let (most, mean) = difference(&crop, &format!("{name}.rgb"));
        println!("{name}: most {most} mean {mean:.3}");
        assert!(most <= 1 && mean < 0.1, "{name}: most {most} mean {mean}");
    }
}

/// Full colours on slopes, 4:2:0: chroma that is rounded twice, or rounded up where it should be in turns, shows as 5 levels here.
#[test]
fn every_value_of_a_crop_is_within_two_levels_of_pillows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/jpeg/large");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let reference = decode(&read("420.crop.png"), Format::Png, 1, Purpose::Full).unwrap();
    for name in ["progressive_420.jpg", "baseline_420.jpg"] {
        let picture = decode(&read(name), Format::Jpeg, 1, Purpose::Full).unwrap();
        let crop = Preprocess::default().crop_u8(&picture).unwrap();
        assert_eq!(crop.len(), reference.pixels.len());
        let most = crop.iter().zip(&reference.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        println!("{name}: most {most}");
        assert!(most <= 2, "{name}: {most}");
    }
}

/// On pictures of nothing but hard edges, shrunk to a tenth: coarser than what `Purpose::ShortSideAtLeast` promises for 224
/// pixels.
#[test]
fn a_crop_from_a_scaled_decoding_is_near_the_full_one() {
    for (name, orientation) in [("colour_420", 1), ("colour_444", 6), ("progressive", 3), ("grey", 8)] {
        let bytes = std::fs::read(fixtures().join(format!("pictures/{name}.jpg"))).unwrap();
        let preprocess = Preprocess { size: 24, crop: 24, ..Preprocess::default() };
        let crop = |purpose| {
            preprocess.crop_u8(&decode(&bytes, Format::Jpeg, orientation, purpose).unwrap()).unwrap()
        };
        let (full, scaled) = (crop(Purpose::Full), crop(Purpose::ShortSideAtLeast(24)));
        let mut differences: Vec<u8> = full.iter().zip(&scaled).map(|(a, b)| a.abs_diff(*b)).collect();
        differences.sort_unstable();
        let mean = differences.iter().map(|&d| f64::from(d)).sum::<f64>() / differences.len() as f64;
        println!("{name}: mean {mean:.2} p99 {}", differences[differences.len() * 99 / 100]);
        assert!(mean <= 1.5 && differences[differences.len() * 99 / 100] <= 15, "{name}: mean {mean}");
    }
}

#[test]
fn a_ribbon_costs_no_more_than_its_crop() {
    let ribbon = Rgb::full(65_535, 1, vec![7; 3 * 65_535]).unwrap();
    assert_eq!(Preprocess::default().crop_u8(&ribbon).unwrap(), vec![7; 3 * 224 * 224]);
}

#[test]
fn a_tensor_is_normalised_channel_by_channel() {
    let preprocess = Preprocess { size: 2, crop: 2, ..Preprocess::default() };
    let crop: Vec<u8> = (0..12).map(|i| i * 20).collect();
    let mut slot = vec![0.0; 12];
    preprocess.write_tensor(&crop, &mut slot);
    for (at, value) in slot.iter().enumerate() {
        let (channel, pixel) = (at / 4, at % 4);
        let byte = f32::from(crop[3 * pixel + channel]);
        assert_eq!(*value, (byte * (1.0 / 255.0) - preprocess.mean[channel]) / preprocess.std[channel]);
    }
}

#[test]
fn a_config_is_decided_or_refused() {
    let usual = br#"{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_convert_rgb": true,
        "do_normalize": true, "do_rescale": true, "do_resize": true, "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 224}}"#;
    let expected = Preprocess { family: Family::HuggingFace, ..Preprocess::default() };
    assert_eq!(Preprocess::from_json(usual).unwrap(), expected);
    let old_style =
        br#"{"crop_size": 256, "size": 288, "resample": 2, "do_normalize": false, "family": "openai"}"#;
    let old_style = Preprocess::from_json(old_style).unwrap();
    assert_eq!((old_style.size, old_style.crop, old_style.resample), (288, 256, Resample::Bilinear));
    assert_eq!((old_style.mean, old_style.std, old_style.family), ([0.0; 3], [1.0; 3], Family::OpenAi));
    let squashed = br#"{"do_center_crop": false, "size": {"height": 378, "width": 378}, "family": "openai",
        "crop_size": {"height": 378, "width": 378}}"#;
    let expected = Preprocess { size: 378, crop: 378, family: Family::Squash, ..Preprocess::default() };
    assert_eq!(Preprocess::from_json(squashed).unwrap(), expected);
    for (wrong, field) in [
        (&br#"{"resample": 0}"#[..], "resample"),
        (br#"{"size": {"height": 224, "width": 224}}"#, "size"),
        (br#"{"size": 0}"#, "size"),
        (br#"{"size": 200, "crop_size": 224}"#, "crop_size"),
        (br#"{"crop_size": {"height": 224, "width": 192}}"#, "crop_size"),
        (br#"{"do_center_crop": false}"#, "do_center_crop"),
        (br#"{"do_center_crop": false, "size": {"shortest_edge": 224}}"#, "do_center_crop"),
        (br#"{"do_center_crop": false, "size": 224}"#, "do_center_crop"),
        (br#"{"do_center_crop": false, "size": {"height": 224, "width": 192}}"#, "size"),
        (br#"{"image_std": [1, 0, 1]}"#, "image_std"),
        (br#"{"image_mean": [1, 2]}"#, "image_mean"),
        (br#"{"family": "other"}"#, "family"),
    ] {
        let message = Preprocess::from_json(wrong).unwrap_err().to_string();
        assert!(message.contains(&format!("`{field}`")), "{message}");
    }
    // Results that were made with a configuration are found again by these very words.
    let stamp = Preprocess::default().stamp();
    assert!(
        stamp.starts_with(
            "clip_crop/1 Preprocess { size: 224, crop: 224, resample: Bicubic, rescale: 0.003921"
        )
    );
    assert!(stamp.ends_with("0.2757771], family: OpenAi }"), "{stamp}");
    assert!(matches!(Preprocess::from_json(b"[1]"), Err(PreprocessError::NotJson(_))));
}

#[test]
fn numbers_that_cannot_be_meant_together_are_told() {
    let imagenet = r#""image_std": [0.229, 0.224, 0.225]"#;
    let of_bytes = r#""image_mean": [123.675, 116.28, 103.53], "image_std": [58.395, 57.12, 57.375]"#;
    for (config, words) in [
        (format!(r#"{{"image_mean": [123.675, 116.28, 103.53], {imagenet}}}"#), "`image_mean` is [123.675"),
        (format!("{{{of_bytes}}}"), "0 to 1 after rescaling"),
        (
            format!(r#"{{"do_rescale": false, "image_mean": [0.485, 0.456, 0.406], {imagenet}}}"#),
            "0 to 255 after rescaling",
        ),
        (r#"{"do_rescale": false}"#.to_owned(), "`image_mean`"),
        (r#"{"rescale_factor": 1.0}"#.to_owned(), "`image_mean`"),
        (r#"{"rescale_factor": 255}"#.to_owned(), "`rescale_factor` is 255"),
        (r#"{"rescale_factor": 0.0000153}"#.to_owned(), "1/127.5"),
        (r#"{"rescale_factor": 0}"#.to_owned(), "above 0"),
        (r#"{"image_mean": [-0.5, 0.5, 0.5]}"#.to_owned(), "`image_mean` is [-0.5"),
        (r#"{"image_mean": [1e39, 0.5, 0.5]}"#.to_owned(), "`image_mean` is [inf"),
        (r#"{"image_std": [0, 0.5, 0.5]}"#.to_owned(), "above 0"),
        (r#"{"image_std": [-1, 0.5, 0.5]}"#.to_owned(), "above 0"),
        (r#"{"image_std": [58.4, 57.1, 57.4]}"#.to_owned(), "`image_std` is [58.4"),
        (r#"{"image_std": [1e-9, 0.5, 0.5]}"#.to_owned(), "`image_std`"),
        (r#"{"size": {"shortest_edge": 0}}"#.to_owned(), "1 to 4096"),
        (r#"{"size": 0}"#.to_owned(), "1 to 4096"),
    ] {
        let error = Preprocess::from_json(config.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains(words) && error.contains("allowed") || error.contains(words),
            "{config}: {error}"
        );
    }
    for config in [
        "{}".to_owned(),
        format!(r#"{{"do_rescale": false, {of_bytes}}}"#),
        format!(r#"{{"rescale_factor": 1.0, {of_bytes}}}"#),
        r#"{"do_rescale": false, "do_normalize": false}"#.to_owned(),
        r#"{"do_rescale": false, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}"#.to_owned(),
        r#"{"do_rescale": false, "image_mean": [0, 0, 0], "image_std": [255, 255, 255]}"#.to_owned(),
        r#"{"do_rescale": false, "image_mean": [127.5, 127.5, 127.5], "image_std": [127.5, 127.5, 127.5]}"#
            .to_owned(),
        r#"{"rescale_factor": 0.00784313725, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]}"#.to_owned(),
        r#"{"rescale_factor": 0.00390625, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#
            .to_owned(),
        r#"{"image_mean": [0, 0, 0], "image_std": [1, 1, 1]}"#.to_owned(),
    ] {
        assert!(Preprocess::from_json(config.as_bytes()).is_ok(), "{config}");
    }
}
