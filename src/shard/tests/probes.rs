//! Picture headers: what they say, and what is refused.

use image::DynamicImage;

use super::*;
use crate::row::Refusal;
use crate::shard::Format;
use crate::shard::probe::{Probed, probe};

fn probed(bytes: &[u8]) -> Result<Probed, Refusal> {
    probe(bytes, &ReadOptions::default())
}

fn class(bytes: &[u8]) -> String {
    probed(bytes).map_or_else(|refusal| refusal.class.into_owned(), |probed| format!("good: {probed:?}"))
}

#[test]
fn every_colour_and_format_that_can_be_written_is_probed() {
    let rgb = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(9, 5, image::Rgb([200, 30, 60])));
    let kinds = [
        rgb.clone(),
        rgb.to_luma8().into(),
        rgb.to_rgba8().into(),
        rgb.to_luma_alpha8().into(),
        rgb.to_rgb16().into(),
        rgb.to_luma16().into(),
        rgb.to_rgba16().into(),
    ];
    for picture in &kinds {
        let bytes = encoded(picture, "png");
        let expected = Probed { format: Format::Png, width: 9, height: 5, orientation: 1 };
        assert_eq!(probed(&bytes).unwrap(), expected);
    }
    let formats = [
        ("jpg", Format::Jpeg),
        ("png", Format::Png),
        ("webp", Format::WebP),
        ("gif", Format::Gif),
        ("bmp", Format::Bmp),
        ("tiff", Format::Tiff),
    ];
    for (extension, format) in formats {
        let expected = Probed { format, width: 9, height: 5, orientation: 1 };
        assert_eq!(probed(&encoded(&rgb, extension)).unwrap(), expected);
    }
    let grey = encoded(&rgb.to_luma8().into(), "jpg");
    assert_eq!(probed(&grey).unwrap().format, Format::Jpeg);
}

const FIXTURES: [(&[u8], Format, u8); 10] = [
    (include_bytes!("../fixtures/cmyk.jpg"), Format::Jpeg, 1),
    (include_bytes!("../fixtures/progressive.jpg"), Format::Jpeg, 1),
    (include_bytes!("../fixtures/palette.png"), Format::Png, 1),
    (include_bytes!("../fixtures/animated.gif"), Format::Gif, 1),
    (include_bytes!("../fixtures/animated.png"), Format::Png, 1),
    (include_bytes!("../fixtures/animated.webp"), Format::WebP, 1),
    (include_bytes!("../fixtures/orientation6.jpg"), Format::Jpeg, 6),
    (include_bytes!("../fixtures/orientation8.png"), Format::Png, 8),
    (include_bytes!("../fixtures/orientation5.webp"), Format::WebP, 5),
    (include_bytes!("../fixtures/orientation3.tif"), Format::Tiff, 3),
];

#[test]
fn pictures_from_another_writer_are_probed_upright_or_as_they_lie() {
    for (bytes, format, orientation) in FIXTURES {
        let (width, height) = if orientation >= 5 { (6, 8) } else { (8, 6) };
        assert_eq!(probed(bytes).unwrap(), Probed { format, width, height, orientation });
        let as_it_lies = ReadOptions { exif_orientation: false, ..ReadOptions::default() };
        let expected = Probed { format, width: 8, height: 6, orientation: 1 };
        assert_eq!(probe(bytes, &as_it_lies).unwrap(), expected);
    }
}

#[test]
fn what_is_no_picture_is_told_by_its_bytes_not_its_name() {
    for bytes in
        [&b""[..], b"hello, this is text", b"\xff", b"\xff\xd8", b"<html>", b"RIFF\0\0\0\0WAVE", b"%PDF-1.4"]
    {
        assert_eq!(class(bytes), "not_a_picture");
    }
    let tar = tar_of(&[file("a.jpg", "text"), file("b.jpg", ""), file("c.jpg", png(4, 4, 0))]);
    let index = walked(&tar);
    assert_eq!(outcome(&index), ["a=not_a_picture", "b=not_a_picture", "c"]);
    assert_eq!(index.samples[2].picture.as_ref().unwrap().format, Format::Png);
}

#[test]
fn a_header_cut_anywhere_is_a_refusal_or_the_same_size_never_a_panic() {
    for (bytes, _, _) in FIXTURES {
        let whole = probed(bytes).unwrap();
        for cut in 0..bytes.len() {
            match probed(&bytes[..cut]) {
                Ok(probed) => {
                    assert_eq!(probed.format, whole.format);
                    let mut sides = [(probed.width, probed.height), (whole.width, whole.height)];
                    sides.iter_mut().for_each(|(w, h)| (*w, *h) = (*w.min(h), *w.max(h)));
                    assert_eq!(sides[0], sides[1], "cut at {cut}");
                }
                Err(refusal) => {
                    let classes = ["not_a_picture", "broken_picture"];
                    assert!(classes.contains(&refusal.class.as_ref()), "{refusal}");
                }
            }
        }
    }
    let jpeg = include_bytes!("../fixtures/cmyk.jpg");
    assert_eq!(class(&jpeg[..100]), "broken_picture");
}

#[test]
fn bombs_and_impossible_sizes_are_refused_by_the_header_alone() {
    let claims = |width: u32, height: u32| {
        let mut bytes = png(8, 6, 0);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32fast::hash(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        bytes
    };
    assert_eq!(class(&claims(60_000, 60_000)), "too_many_pixels");
    for (width, height) in [(70_000, 1), (1, 65_536), (u32::MAX, u32::MAX), (0, 10), (10, 0)] {
        assert_eq!(class(&claims(width, height)), "no_size", "{width} x {height}");
    }
    let mut jpeg = include_bytes!("../fixtures/progressive.jpg").to_vec();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc2]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    assert_eq!(class(&jpeg), "too_many_pixels");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0, 0, 0, 8]);
    assert_eq!(class(&jpeg), "no_size");
    let mut gif = include_bytes!("../fixtures/animated.gif").to_vec();
    gif[6..10].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert_eq!(class(&gif), "too_many_pixels");
}

#[test]
fn mutated_headers_never_panic_through_and_always_give_the_same_answer() {
    let mut dice = Dice(11);
    for (bytes, _, _) in FIXTURES {
        for _ in 0..400 {
            let mut mutant = bytes.to_vec();
            for _ in 0..=dice.below(4) {
                let at = dice.below(mutant.len());
                mutant[at] = dice.below(256) as u8;
            }
            assert_eq!(probed(&mutant), probed(&mutant));
        }
    }
}
