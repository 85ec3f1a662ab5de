//! Decoding against what Pillow makes of the same files, and against files that are broken on purpose.

use std::path::{Path, PathBuf};

use super::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn format_of(path: &Path) -> Format {
    match path.extension().unwrap().to_str().unwrap() {
        "jpg" => Format::Jpeg,
        "png" => Format::Png,
        "webp" => Format::WebP,
        "gif" => Format::Gif,
        "bmp" => Format::Bmp,
        "tiff" => Format::Tiff,
        other => panic!("{other}"),
    }
}

/// Path, name of its references, EXIF orientation.
fn pictures() -> Vec<(PathBuf, String, u8)> {
    let mut found: Vec<_> =
        std::fs::read_dir(fixtures().join("pictures")).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    let named = |path: PathBuf| {
        let (stem, format) = (path.file_stem().unwrap().to_str().unwrap().to_string(), format_of(&path));
        let name = if ["animated", "plain"].contains(&&*stem) {
            format!("{stem}_{format:?}").to_lowercase()
        } else {
            stem.clone()
        };
        let orientation = stem.strip_prefix("exif_").map_or(1, |digit| digit.parse().unwrap());
        (path, name, orientation)
    };
    found.into_iter().map(named).collect()
}

/// Largest and mean difference of two pictures' bytes.
fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let all = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (all().max().unwrap(), all().map(f64::from).sum::<f64>() / a.len() as f64)
}

#[test]
fn every_kind_of_picture_decodes_as_pillow_decodes_it() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (path, name, orientation) in pictures() {
        let (bytes, format) = (std::fs::read(&path).unwrap(), format_of(&path));
        let decoded = decode(&bytes, format, orientation, Purpose::Full).unwrap();
        let reference = std::fs::read(fixtures().join(format!("decoded/{name}.png"))).unwrap();
        let reference = image::load_from_memory(&reference).unwrap().into_rgb8();
        assert_eq!((decoded.width, decoded.height), reference.dimensions(), "{name}");
        let (most, mean) = difference(&decoded.pixels, reference.as_raw());
        println!("{name}: most {most} mean {mean:.3}");
        if most > 0 {
            wrong.push(format!("{name}: most {most}, mean {mean}"));
        }
        assert!(
            decoded_bytes(decoded.width, decoded.height, format, Purpose::Full) > decoded.pixels.len() as u64
        );
        seen += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen >= 28, "{seen} pictures");
}

#[test]
fn jpegs_of_the_usual_samplings_decode_to_pillows_very_bits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/jpeg/small");
    for kind in ["baseline", "progressive"] {
        for sampling in ["grey", "444", "422", "440", "420", "411"] {
            if (kind, sampling) == ("progressive", "411") {
                continue;
            }
            let name = format!("{kind}_{sampling}");
            let bytes = std::fs::read(folder.join(format!("{name}.jpg"))).unwrap();
            let reference = std::fs::read(folder.join(format!("{name}.png"))).unwrap();
            let reference = decode(&reference, Format::Png, 1, Purpose::Full).unwrap();
            let decoded = decode(&bytes, Format::Jpeg, 1, Purpose::Full).unwrap();
            let (most, mean) = difference(&decoded.pixels, &reference.pixels);
            println!("{name}: most {most} mean {mean:.3}");
            assert!(most == 0, "{name}: most {most} mean {mean}");
        }
    }
}

#[test]
fn a_cut_picture_is_refused_wherever_it_is_cut() {
    for (path, name, _) in pictures() {
        let (bytes, format) = (std::fs::read(&path).unwrap(), format_of(&path));
        // Formats with all that the first frame needs before the end, or with padding there, may lose a little.
        let spare = match format {
            Format::Jpeg => 2,
            Format::Gif | Format::WebP if name.starts_with("animated") => bytes.len() * 3 / 4,
            _ => 16,
        };
        for cut in (0..bytes.len() - spare).step_by(bytes.len() / 97 + 1) {
            let decoded = decode(&bytes[..cut], format, 1, Purpose::Full);
            assert!(decoded.is_err(), "{name} cut to {cut} of {}", bytes.len());
        }
    }
    let jpeg = std::fs::read(fixtures().join("pictures/colour_420.jpg")).unwrap();
    for end in [jpeg.len() / 2, jpeg.len() - 1, jpeg.len() - 2] {
        assert_eq!(decode(&jpeg[..end], Format::Jpeg, 1, Purpose::Full).unwrap_err().class, "cut_picture");
    }
}

#[test]
fn damaged_bytes_never_panic() {
    for (path, _, orientation) in pictures() {
        let (bytes, format) = (std::fs::read(&path).unwrap(), format_of(&path));
        for round in 0..40_usize {
            let mut damaged = bytes.clone();
            for step in 0..=round % 4 {
                let at = (round * 7919 + step * 104_729) % damaged.len();
                damaged[at] = damaged[at].wrapping_add(((round * 31 + step) % 255 + 1) as u8);
            }
            for purpose in [Purpose::Full, Purpose::ShortSideAtLeast(16)] {
                let _ = decode(&damaged, format, orientation, purpose);
            }
        }
    }
}

#[test]
fn a_picture_of_another_format_is_refused_by_class() {
    for format in [Format::Jpeg, Format::Png, Format::WebP, Format::Gif, Format::Bmp, Format::Tiff] {
        for junk in [&b""[..], b"<!doctype html><html>", &[0; 64], &[0xFF; 300]] {
            let refusal = decode(junk, format, 1, Purpose::Full).unwrap_err();
            assert!(["bad_picture", "cut_picture"].contains(&&*refusal.class), "{format:?}: {refusal}");
        }
    }
}

#[test]
fn a_size_that_nobody_can_hold_is_refused_before_it_is_allocated() {
    // A PNG header that promises 2^31 - 1 squared.
    let mut png = std::fs::read(fixtures().join("pictures/rgba.png")).unwrap();
    png[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    assert!(decode(&png, Format::Png, 1, Purpose::Full).is_err());
    // A JPEG header that promises 65,500 squared over a few KB of data.
    let mut jpeg = std::fs::read(fixtures().join("pictures/colour_420.jpg")).unwrap();
    let at = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap() + 5;
    jpeg[at..at + 4].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    assert_eq!(decode(&jpeg, Format::Jpeg, 1, Purpose::Full).unwrap_err().class, "too_many_pixels");
}

#[test]
fn junk_between_jpeg_headers_is_stepped_over() {
    let jpeg = std::fs::read(fixtures().join("pictures/colour_420.jpg")).unwrap();
    let at = jpeg.windows(2).position(|pair| pair == [0xFF, 0xDB]).unwrap();
    let with_junk = [&jpeg[..at], &[0x20; 9], &jpeg[at..]].concat();
    let with_tail = [&jpeg[..], b"\r\nand more"].concat();
    let clean = decode(&jpeg, Format::Jpeg, 1, Purpose::Full).unwrap();
    let stepped_over = decode(&with_junk, Format::Jpeg, 1, Purpose::Full).unwrap();
    assert_eq!(stepped_over, clean);
    assert_eq!(decode(&with_tail, Format::Jpeg, 1, Purpose::Full).unwrap(), clean);
}

#[test]
fn a_scaled_picture_keeps_its_shorter_side_and_its_place() {
    for orientation in 1..=8 {
        let bytes = std::fs::read(fixtures().join("pictures/colour_420.jpg")).unwrap();
        let picture = decode(&bytes, Format::Jpeg, orientation, Purpose::ShortSideAtLeast(30)).unwrap();
        let full = decode(&bytes, Format::Jpeg, orientation, Purpose::Full).unwrap();
        assert!(picture.width.min(picture.height) >= 30);
        assert_eq!((picture.full_width, picture.full_height), (full.width, full.height));
        let scale = picture.window.width / f64::from(picture.full_width);
        assert!([0.25, 0.5, 1.0].contains(&scale), "{scale}");
        assert!(scale < 1.0);
        assert!((picture.window.height / f64::from(picture.full_height) - scale).abs() < 1e-9);
        assert!(picture.window.left + picture.window.width <= f64::from(picture.width));
        assert!(picture.window.top + picture.window.height <= f64::from(picture.height));
    }
}

#[test]
fn the_sharper_bound_is_for_baseline_jpegs_only() {
    let bound = |name: &str| {
        let bytes = std::fs::read(fixtures().join("pictures").join(name)).unwrap();
        decoded_bytes_of(&bytes, 2000, 1333, Format::Jpeg, Purpose::Full)
    };
    let at_most = decoded_bytes(2000, 1333, Format::Jpeg, Purpose::Full);
    assert!(bound("colour_420.jpg") < at_most / 2);
    assert_eq!(bound("progressive.jpg"), at_most);
    assert_eq!(bound("cmyk.jpg"), at_most);
}

/// `tests/pictures/few.py` says which kinds, and makes them.
#[test]
fn rare_kinds_are_pillows_pictures_and_what_is_not_whole_is_refused() {
    let folder = fixtures().join("kinds");
    let (mut kept, mut refused, mut wrong) = (0, 0, Vec::new());
    for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".pillow.png") {
            continue;
        }
        let found = decode_file(&std::fs::read(&path).unwrap());
        match (name.split_once("__"), found) {
            (Some((class, _)), Err(refusal)) if refusal.class == class => refused += 1,
            (None, Ok(rgb)) => {
                let pillow = image::open(folder.join(format!("{name}.pillow.png"))).unwrap().into_rgb8();
                assert_eq!((rgb.width, rgb.height), pillow.dimensions(), "{name}");
                let (most, _) = difference(&rgb.pixels, pillow.as_raw());
                kept += 1;
                wrong.extend((most > 0).then(|| format!("{name}: {most} levels from Pillow's")));
            }
            (_, found) => wrong.push(format!("{name}: {:?}", found.map(|rgb| (rgb.width, rgb.height)))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(kept >= 15 && refused >= 11, "{kept} kept, {refused} refused");
}

#[test]
fn a_picture_for_which_there_is_no_memory_is_refused_and_says_how_much_it_takes() {
    for bytes in [1 << 46, u64::MAX / 2, u64::MAX] {
        for refusal in [room::ask_for(bytes).unwrap_err(), room::zeros(bytes).map(drop).unwrap_err()] {
            assert_eq!(refusal.class, Refusal::OUT_OF_MEMORY);
            assert!(refusal.message.contains(&format!("{bytes} bytes")), "{refusal}");
        }
    }
    assert_eq!(room::ask_for(1 << 20), Ok(()));
}

#[test]
fn what_is_decoded_beside_the_lanes_keeps_within_its_bytes() {
    let bytes = std::fs::read(fixtures().join("pictures/colour_420.jpg")).unwrap();
    let one = decode_file(&bytes).unwrap();
    let takes = decoded_bytes_of(&bytes, one.width, one.height, Format::Jpeg, Purpose::Full);
    let room = Budget::new(takes * 2 + takes / 2);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(decode_file_within(&room, &bytes).as_ref(), Ok(&one));
                }
            });
        }
    });
    // Two at once, and never a third: what one takes is known before it is decoded.
    assert!((takes..=takes * 2).contains(&room.peak()), "{} of {takes} each", room.peak());
    assert_eq!(room.used(), 0);
    // What is larger than all of it goes alone.
    let small = Budget::new(1);
    assert_eq!(decode_file_within(&small, &bytes).as_ref(), Ok(&one));
    assert_eq!(small.peak(), takes);
}
