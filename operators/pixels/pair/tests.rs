//! Numbers against scikit-image's on pairs that are made here, and shifts, zooms and casts that are known.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::*;

/// A picture with structure at all sizes, like a photo's: sums of waves, blobs and noise.
pub(crate) fn textured(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut small =
        RgbImage::from_fn(width / 3 + 2, height / 3 + 2, |_, _| Rgb([0; 3].map(|_: u8| random.u8(40..215))));
    let blobs: Vec<(f32, f32, f32, [u8; 3])> = (0..14)
        .map(|_| {
            let place = |side: u32, random: &mut fastrand::Rng| random.f32() * side as f32 / 3.0;
            let at = (place(width, &mut random), place(height, &mut random));
            (at.0, at.1, 3.0 + random.f32() * width as f32 / 20.0, [0; 3].map(|_: u8| random.u8(..)))
        })
        .collect();
    for (x, y, pixel) in small.enumerate_pixels_mut() {
        for (u, v, radius, ink) in &blobs {
            if (x as f32 - u).hypot(y as f32 - v) < *radius {
                pixel.0 =
                    std::array::from_fn(|c| ((u16::from(pixel.0[c]) + 3 * u16::from(ink[c])) / 4) as u8);
            }
        }
    }
    imageops::resize(&small, width, height, FilterType::CatmullRom)
}

/// The disc of a mask.
pub(crate) fn disc(width: u32, height: u32, (x, y): (u32, u32), radius: u32) -> Mask {
    let mut mask = Mask::empty(width, height);
    for (at, bit) in (0..).zip(mask.bits.iter_mut()) {
        let (u, v): (u32, u32) = (at % width, at / width);
        *bit = u8::from(u.abs_diff(x).pow(2) + v.abs_diff(y).pow(2) <= radius * radius);
    }
    mask
}

fn paint(picture: &mut RgbImage, mask: &Mask, ink: [u8; 3]) {
    let inside = picture.pixels_mut().zip(&mask.bits).filter(|(_, bit)| **bit != 0);
    inside.for_each(|(pixel, _)| pixel.0 = ink);
}

fn measured(before: &RgbImage, after: &RgbImage, mask: &Mask, reach: u8) -> Compared {
    let (inside, seams) = ([(mask, reach)], [(mask, reach, Made::After)]);
    compare(before, after, &Wanted { inside: Inside::Masks(&inside), seams: &seams, undo: true }).unwrap()
}

/// What `reference.py` says of pairs in a folder.
fn said(folder: &Path) -> Option<serde_json::Value> {
    let mut python = ::tests::python::python_with(&["skimage", "numpy"])?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pixels/pair/reference.py");
    let output = python.arg(script).arg(folder).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn numbers_are_those_of_scikit_image() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut ours = Vec::new();
    for number in 0..12u64 {
        let (width, height) = (60 + random.u32(..90), 50 + random.u32(..70));
        let before = textured(width, height, number);
        let mut after = before.clone();
        let mask = disc(width, height, (random.u32(..width), random.u32(..height)), 8 + random.u32(..12));
        let reach = random.u8(..5);
        paint(&mut after, &mask, [200, 30, 90]);
        // Noise in some, patches in others, both in the rest.
        if number % 3 != 0 {
            for _ in 0..random.u32(1..9) {
                let patch = disc(width, height, (random.u32(..width), random.u32(..height)), random.u32(..9));
                paint(&mut after, &patch, [0; 3].map(|_: u8| random.u8(..)));
            }
        }
        if number % 3 != 1 {
            for ink in after.pixels_mut().flat_map(|pixel| pixel.0.iter_mut()) {
                *ink = (i32::from(*ink) + random.i32(-14..15)).clamp(0, 255) as u8;
            }
        }
        ours.push(measured(&before, &after, &mask, reach));
        let wide =
            Mask { bits: near(&mask, reach).iter().map(|far| u8::from(*far <= reach)).collect(), ..mask };
        let save = |name: &str, picture: &RgbImage| {
            picture.save(folder.path().join(format!("{number}.{name}.png"))).unwrap()
        };
        save("before", &before);
        save("after", &after);
        save("mask", &RgbImage::from_fn(width, height, |x, y| Rgb([255 * u8::from(wide.holds(x, y)); 3])));
    }
    let Some(theirs) = said(folder.path()) else { return };
    for (number, ours) in ours.iter().enumerate() {
        let theirs = &theirs[number.to_string()];
        assert_eq!([ours.shift, ours.colour_cast, ours.zoom], [0.0, 0.0, 1.0], "{number}: nothing is undone");
        let numbers = [
            ("changed_inside", ours.changed_inside, 1e-6),
            ("changed_outside", ours.changed_outside, 1e-6),
            ("difference_inside", ours.difference_inside, 1e-6),
            ("difference_outside", ours.difference_outside, 1e-6),
            ("psnr_outside", ours.psnr_outside, 1e-3),
            ("ssim_outside", ours.ssim_outside, 1e-5),
            ("largest_change", ours.largest_change, 1e-7),
        ];
        for (name, ours, within) in numbers {
            let theirs = theirs[name].as_f64().unwrap() as f32;
            assert!((ours - theirs).abs() <= within, "{number}: {name} {ours}, scikit-image {theirs}");
        }
    }
}

#[test]
fn a_picture_that_moved_is_measured_and_moved_back() {
    let large = textured(420, 340, 3);
    let cut = |x: u32, y: u32| imageops::crop_imm(&large, x, y, 360, 280).to_image();
    let before = cut(30, 30);
    let mask = disc(360, 280, (180, 140), 40);
    for (dx, dy) in [(3, 0), (0, -1), (-3, 2), (17, -9), (-29, 25)] {
        let mut after = cut((30 - dx) as u32, (30 - dy) as u32);
        paint(&mut after, &disc(360, 280, ((180 + dx) as u32, (140 + dy) as u32), 40), [220, 40, 40]);
        let found = measured(&before, &after, &mask, 0);
        assert_eq!(found.shift, (dx as f32).hypot(dy as f32), "{dx}, {dy}: {found:?}");
        assert_eq!((found.psnr_outside, found.changed_outside, found.zoom), (99.0, 0.0, 1.0), "{dx}, {dy}");
        assert!(found.changed_inside > 0.95, "{found:?}");
        // As it is: not undone.
        let inside = [(&mask, 0)];
        let as_it_is = Wanted { inside: Inside::Masks(&inside), seams: &[], undo: false };
        let as_it_is = compare(&before, &after, &as_it_is).unwrap();
        assert!(as_it_is.shift == found.shift && as_it_is.psnr_outside < 30.0, "{as_it_is:?}");
    }
}

#[test]
fn a_zoom_is_measured_and_undone() {
    let before = textured(480, 360, 5);
    let mask = disc(480, 360, (200, 150), 50);
    for zoom in [0.9f32, 0.97, 1.01, 1.04, 1.12] {
        // About the middle, and a pixel and a half to the right.
        let after = RgbImage::from_fn(480, 360, |x, y| {
            let place = |at: u32, middle: f32, by: f32| middle + (at as f32 - middle - by) / zoom;
            let (x, y) = (place(x, 239.5, 1.5), place(y, 179.5, 0.0));
            imageops::sample_bilinear(&before, (x.clamp(0.0, 479.0)) / 480.0, y.clamp(0.0, 359.0) / 360.0)
                .unwrap_or(Rgb([0; 3]))
        });
        let found = measured(&before, &after, &mask, 0);
        assert!((found.zoom - zoom.max(1.0 / zoom)).abs() < 0.004, "{zoom}: {found:?}");
        let inside = [(&mask, 0)];
        let as_it_is = Wanted { inside: Inside::Masks(&inside), seams: &[], undo: false };
        let as_it_is = compare(&before, &after, &as_it_is).unwrap();
        assert!(found.psnr_outside > as_it_is.psnr_outside + 6.0, "{zoom}: {found:?} {as_it_is:?}");
    }
}

#[test]
fn a_cast_is_measured_and_taken_off_and_is_no_shift() {
    let mut before = textured(200, 150, 9);
    before.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|ink| ink / 2 + 50));
    let mask = disc(200, 150, (60, 70), 30);
    let mut after = before.clone();
    after.pixels_mut().for_each(|pixel| pixel.0 = [pixel.0[0] + 12, pixel.0[1] - 5, pixel.0[2]]);
    let found = measured(&before, &after, &mask, 2);
    assert_eq!((found.colour_cast, found.shift, found.psnr_outside), (12.0, 0.0, 99.0), "{found:?}");
    assert!(found.no_op, "nothing but the cast: {found:?}");
}

#[test]
fn what_is_undefined_has_the_documented_values() {
    let before = textured(90, 70, 1);
    let inverted = |picture: &RgbImage| {
        let mut picture = picture.clone();
        imageops::invert(&mut picture);
        picture
    };
    let everything = Wanted { inside: Inside::Everything, seams: &[], undo: true };
    let styled = compare(&before, &inverted(&before), &everything).unwrap();
    let outside =
        [styled.changed_outside, styled.difference_outside, styled.psnr_outside, styled.ssim_outside];
    assert_eq!(outside, [0.0, 0.0, 99.0, 1.0], "nothing is outside");
    assert_eq!((styled.largest_change, styled.seam, styled.colour_cast), (0.0, 1.0, 0.0));
    assert!(styled.changed_inside > 0.9 && !styled.no_op);
    let nothing = Mask::empty(90, 70);
    let no_inside = measured(&before, &before, &nothing, 3);
    assert_eq!((no_inside.changed_inside, no_inside.seam, no_inside.no_op), (0.0, 1.0, true));
    let flat = RgbImage::from_pixel(90, 70, Rgb([90; 3]));
    let other = RgbImage::from_pixel(90, 70, Rgb([120; 3]));
    let found = measured(&flat, &other, &disc(90, 70, (40, 30), 9), 0);
    assert_eq!((found.shift, found.zoom, found.colour_cast), (0.0, 1.0, 30.0), "flat pictures don't move");
    // A cut-out: what may change is all but the object.
    let object = disc(90, 70, (45, 35), 20);
    let mut cut_out = RgbImage::from_pixel(90, 70, Rgb([255; 3]));
    let keeps = cut_out.pixels_mut().zip(before.pixels()).zip(&object.bits).filter(|(_, bit)| **bit != 0);
    keeps.for_each(|((to, from), _)| *to = *from);
    let found =
        compare(&before, &cut_out, &Wanted { inside: Inside::AllBut(&object), seams: &[], undo: true })
            .unwrap();
    assert!(found.changed_outside == 0.0 && found.changed_inside > 0.95, "{found:?}");
    let class = |after: &RgbImage, mask: &Mask| {
        let inside = [(mask, 0)];
        compare(&before, after, &Wanted { inside: Inside::Masks(&inside), seams: &[], undo: true })
            .unwrap_err()
            .class
    };
    assert_eq!(class(&RgbImage::new(70, 90), &nothing), "foreign_picture");
    assert_eq!(class(&before, &Mask::empty(70, 90)), "foreign_mask");
}

#[test]
fn a_seam_is_the_harshest_edge_around_the_mask() {
    // Flat grey of 100; after, the mask and two pixels around it at 160: 60 levels across that edge, none before, none around.
    let before = RgbImage::from_pixel(60, 60, Rgb([100; 3]));
    let mut mask = Mask::empty(60, 60);
    for y in 20..40 {
        mask.bits[y * 60 + 20..y * 60 + 40].fill(1);
    }
    let mut after = before.clone();
    (18..42)
        .flat_map(|y| (18..42).map(move |x| (x, y)))
        .for_each(|(x, y)| after.put_pixel(x, y, Rgb([160; 3])));
    let seam = |before: &RgbImage, after: &RgbImage, reach, made| {
        let (inside, seams) = ([(&mask, reach)], [(&mask, reach, made)]);
        compare(before, after, &Wanted { inside: Inside::Masks(&inside), seams: &seams, undo: true })
            .unwrap()
            .seam
    };
    assert_eq!(seam(&before, &after, 5, Made::After), 68.0 / 8.0);
    assert_eq!(seam(&after, &before, 5, Made::Before), 68.0 / 8.0, "of what was made");
    assert!(seam(&before, &after, 1, Made::After) <= 1.0, "the edge lies further out");
    assert_eq!(seam(&after, &after, 5, Made::After), 1.0, "it was there before");
    assert!(seam(&after, &before, 5, Made::After) <= 1.0, "an edge that went");
}
