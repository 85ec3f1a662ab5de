//! Numbers against scikit-image's, and scores of edits that are known to be good or bad.

use std::path::PathBuf;

use image::{Rgb, RgbImage};

use super::*;
use crate::pixels::ssim::WINDOW;

fn fixture(name: &str) -> RgbImage {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/ssim").join(name);
    image::open(path).unwrap().to_rgb8()
}

#[test]
fn ssim_and_psnr_are_those_of_scikit_image() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/ssim/expected.json");
    let expected: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let before = fixture("before.png");
    let mut left = Mask::empty(before.width(), before.height());
    let is_right = |n: usize| n % before.width() as usize >= 30;
    left.bits.iter_mut().enumerate().for_each(|(n, bit)| *bit = u8::from(is_right(n)));
    for (name, numbers) in expected.as_object().unwrap() {
        let after = fixture(&format!("{name}.png"));
        let number = |key: &str| numbers[key].as_f64().unwrap() as f32;
        let whole = Measured::of(&before, &after, None, &[]).unwrap();
        assert!((whole.ssim - number("ssim")).abs() < 1e-5, "{name}: {} not {}", whole.ssim, number("ssim"));
        assert!((whole.psnr - number("psnr")).abs() < 1e-3, "{name}: {} not {}", whole.psnr, number("psnr"));
        let half = Measured::of(&before, &after, Some(&left), &[]).unwrap();
        assert!((half.ssim_outside - number("ssim_left")).abs() < 1e-5, "{name}: {}", half.ssim_outside);
    }
}

/// A red disc on a slope of greys, its mask, and the slope.
fn disc() -> (RgbImage, Mask, RgbImage) {
    let slope =
        RgbImage::from_fn(96, 80, |x, y| Rgb([(90 + x) as u8, (90 + x / 2 + y / 2) as u8, (100 + y) as u8]));
    let mut mask = Mask::empty(96, 80);
    let mut picture = slope.clone();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if (x as i32 - 48).pow(2) + (y as i32 - 40).pow(2) < 400 {
            *pixel = Rgb([210, (40 + x / 3) as u8, 30]);
            mask.bits[(y * 96 + x) as usize] = 1;
        }
    }
    (picture, mask, slope)
}

fn said(operation: Operation, before: &RgbImage, after: &RgbImage, mask: Option<&Mask>) -> Judgement {
    let judgement = judge(before, after, &[Step { operation, mask }]).unwrap();
    assert!((1.0..=5.0).contains(&judgement.follows) && (1.0..=5.0).contains(&judgement.natural));
    assert!(judgement.reason.split_whitespace().count() <= 20, "{}", judgement.reason);
    judgement
}

#[test]
fn good_removals_score_high_and_bad_ones_low() {
    let (before, mask, gone) = disc();
    let good = said(Operation::Remove, &before, &gone, Some(&mask));
    assert!(good.follows > 4.9 && good.natural > 4.9 && good.matches, "{good:?}");
    let nothing = said(Operation::Remove, &before, &before, Some(&mask));
    assert!(nothing.follows == 1.0 && !nothing.matches, "{nothing:?}");
    let mut blot = before.clone();
    blot.pixels_mut()
        .zip(&mask.bits)
        .filter(|(_, bit)| **bit != 0)
        .for_each(|(p, _)| *p = Rgb([255, 0, 255]));
    let blot = said(Operation::Remove, &before, &blot, Some(&mask));
    assert!(blot.natural < 3.0, "a colour from nowhere: {blot:?}");
    let mut elsewhere = gone.clone();
    image::imageops::invert(&mut elsewhere);
    let elsewhere = said(Operation::Remove, &before, &elsewhere, Some(&mask));
    assert!(elsewhere.natural < 1.5 && !elsewhere.matches, "all else changed too: {elsewhere:?}");
}

#[test]
fn other_operations_are_looked_at_in_their_own_way() {
    let (before, mask, _) = disc();
    let mut green = before.clone();
    for (pixel, _) in green.pixels_mut().zip(&mask.bits).filter(|(_, bit)| **bit != 0) {
        pixel.0.swap(0, 1);
    }
    let adjusted = said(Operation::Adjust, &before, &green, Some(&mask));
    assert!(adjusted.natural > 4.9, "{adjusted:?}");
    let styled = said(Operation::Style, &before, &image::imageops::huerotate(&before, 90), None);
    let noise = RgbImage::from_fn(96, 80, |x, y| Rgb([(x * 67 + y * 129) as u8; 3]));
    let noise = said(Operation::Style, &before, &noise, None);
    assert!(styled.natural > noise.natural + 0.5, "{styled:?} {noise:?}");
    let mut cut = RgbImage::from_pixel(96, 80, Rgb([255; 3]));
    for ((to, from), _) in cut.pixels_mut().zip(before.pixels()).zip(&mask.bits).filter(|(_, bit)| **bit != 0)
    {
        *to = *from;
    }
    let extracted = said(Operation::Extract, &before, &cut, Some(&mask));
    assert!(extracted.follows == 5.0 && extracted.natural == 5.0 && extracted.matches, "{extracted:?}");
    let left = said(Operation::Extract, &before, &before, Some(&mask));
    assert!(left.follows < 3.5, "the ground is not clean: {left:?}");
}

#[test]
fn of_two_steps_the_least_counts_and_neither_sees_the_other() {
    let (before, mask, mut after) = disc();
    let mut corner = Mask::empty(96, 80);
    for y in 0..10 {
        corner.bits[y * 96..y * 96 + 10].fill(1);
    }
    let steps = [
        Step { operation: Operation::Remove, mask: Some(&mask) },
        Step { operation: Operation::Replace, mask: Some(&corner) },
    ];
    let half = judge(&before, &after, &steps).unwrap();
    assert!(half.follows == 1.0 && half.natural > 4.9 && !half.matches, "{half:?}");
    after
        .pixels_mut()
        .zip(&corner.bits)
        .filter(|(_, bit)| **bit != 0)
        .for_each(|(p, _)| *p = Rgb([0, 0, 200]));
    let both = judge(&before, &after, &steps).unwrap();
    assert!(both.follows > 4.9 && both.natural > 4.0 && both.matches, "{both:?}");
}

/// A patch laid over a ground: the more of it, the further inside its rectangle; fully from `soft` pixels on.
fn pasted(ground: &RgbImage, soft: u32) -> (RgbImage, Mask) {
    let (mut picture, mut mask) = (ground.clone(), Mask::empty(96, 80));
    for y in 20..60 {
        for x in 28..72 {
            let deep = 1 + (x - 28).min(71 - x).min(y - 20).min(59 - y);
            let share = (deep as f32 / (soft + 1) as f32).min(1.0);
            let mix = |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * share) as u8;
            let Rgb([r, g, b]) = *picture.get_pixel(x, y);
            picture.put_pixel(x, y, Rgb([mix(r, 60), mix(g, 170), mix(b, 90)]));
            mask.bits[(y * 96 + x) as usize] = 1;
        }
    }
    (picture, mask)
}

#[test]
fn a_patch_with_a_hard_edge_looks_less_natural_than_one_with_a_soft_edge() {
    let (_, _, slope) = disc();
    for operation in [Operation::Replace, Operation::Add, Operation::Visual, Operation::Background] {
        let natural = |soft: u32| {
            let (after, mask) = pasted(&slope, soft);
            said(operation, &slope, &after, Some(&mask)).natural
        };
        let [hard, softer, soft] = [natural(0), natural(3), natural(9)];
        assert!(hard < softer && softer < soft, "{operation:?}: {hard}, {softer}, {soft}");
        assert!(soft > hard + 0.4 && soft > 4.5 && hard > 4.0, "{operation:?}: {hard}, {soft}");
    }
    // Among edges as hard it is none.
    let stripes = RgbImage::from_fn(96, 80, |x, _| Rgb(if x / 2 % 2 == 0 { [30; 3] } else { [200; 3] }));
    let (after, mask) = pasted(&stripes, 0);
    assert!(said(Operation::Replace, &stripes, &after, Some(&mask)).natural > 4.9);
    // Where the object ends inside of the widened mask, its own outline is no seam.
    let (with_disc, mask, slope) = disc();
    let wide = crate::editors::paint::widened(&mask, 3);
    assert!(said(Operation::Replace, &slope, &with_disc, Some(&wide)).natural > 4.9);
}

#[test]
fn a_seam_is_the_ratio_of_neighbours_differences() {
    // Flat grey of 100; after, a block of 160: 60 levels across all of its border, none before, none around.
    let before = RgbImage::from_pixel(40, 40, Rgb([100; 3]));
    let (mut after, mut mask) = (before.clone(), Mask::empty(40, 40));
    for (x, y) in (15..25).flat_map(|y| (15..25).map(move |x| (x, y))) {
        after.put_pixel(x, y, Rgb([160; 3]));
        mask.bits[(y * 40 + x) as usize] = 1;
    }
    let seam = |before, after| Measured::of(before, after, Some(&mask), &[]).unwrap().seam;
    assert!((seam(&before, &after) - 8.0 / 68.0).abs() < 1e-6);
    assert_eq!([seam(&before, &before), seam(&after, &after), seam(&after, &before)], [1.0; 3]);
}

/// A grey picture of 24 x 24, and the mask of its middle 8 x 8.
fn grey(light: impl Fn(u32, u32, bool) -> u8) -> (RgbImage, Mask) {
    let inside = |x: u32, y: u32| (8..16).contains(&x) && (8..16).contains(&y);
    let picture = RgbImage::from_fn(24, 24, |x, y| Rgb([light(x, y, inside(x, y)); 3]));
    let bits = (0..24 * 24).map(|at| u8::from(inside(at % 24, at / 24))).collect();
    (picture, Mask { width: 24, height: 24, bits })
}

#[test]
fn a_region_is_even_where_it_is_as_rough_as_what_surrounds_it() {
    let even =
        |(picture, mask): (RgbImage, Mask)| Measured::of(&picture, &picture, Some(&mask), &[]).unwrap().even;
    // Outside, a step of 10 to the right of every pixel and none below; inside, of 30 both ways; a level is added to each.
    let rough = |x: u32, y: u32, inside: bool| if inside { 100 + (x + y) % 2 * 30 } else { 100 + x % 2 * 10 };
    assert_eq!(even(grey(|x, y, inside| rough(x, y, inside) as u8)), 11.0 / 61.0);
    assert_eq!(even(grey(|x, y, inside| rough(x, y, !inside) as u8)), 11.0 / 61.0);
    // Flat on both sides: the step between the two is neither's.
    assert_eq!(even(grey(|_, _, inside| if inside { 200 } else { 50 })), 1.0);
}

#[test]
fn a_ground_is_clean_where_it_is_near_its_middle_tone() {
    let clean = |light: fn(u32, u32) -> u8| {
        let (picture, mask) = grey(|x, y, _| light(x, y));
        Measured::of(&picture, &picture, Some(&mask), &[]).unwrap().clean
    };
    // 512 pixels are outside: 192 dark rows' above, 192 bright ones below, and in between 128 of the middle tone or near it.
    let sixths = |x: u32, y: u32| match y {
        0..8 => 20,
        8..16 => 100 + (x % 2 * 10) as u8,
        _ => 240,
    };
    assert_eq!(clean(sixths), 128.0 / 512.0);
    assert_eq!(clean(|x, _| if x == 0 { 0 } else { 255 }), 488.0 / 512.0);
    assert_eq!(clean(|x, _| if x % 2 == 0 { 120 } else { 131 }), 0.5, "eleven levels away");
}

#[test]
fn pictures_of_one_window_are_compared() {
    // Flat ones: of the formula only (2ab + C1) / (a2 + b2 + C1) is left.
    let flat = |width, height, light| RgbImage::from_pixel(width, height, Rgb([light; 3]));
    let ssim = |width, height| {
        let (before, after) = (flat(width, height, 100), flat(width, height, 150));
        Measured::of(&before, &after, None, &[]).unwrap().ssim
    };
    let wanted = (2.0 * 100.0 * 150.0 + 6.5025) / (100.0 * 100.0 + 150.0 * 150.0 + 6.5025);
    for (width, height) in [(WINDOW, WINDOW), (WINDOW, 20), (20, WINDOW), (8, 9)] {
        assert!((ssim(width, height) - wanted).abs() < 1e-6, "{width} x {height}: {}", ssim(width, height));
    }
    assert_eq!([ssim(WINDOW - 1, 20), ssim(20, WINDOW - 1)], [1.0; 2], "smaller than a window");
}

#[test]
fn a_clip_shifts_scores_by_a_quarter_at_most() {
    // All of the region changed by 0.36 of 0.05, so that did = sqrt(0.36) = 0.6; nothing else did; structure kept by half.
    let measured = Measured {
        change: 0.018,
        changed: 1.0,
        ssim: 0.5,
        psnr: 30.0,
        kept: 0.5,
        familiar: 1.0,
        even: 1.0,
        seam: 0.6,
        focus: 1.0,
        psnr_outside: 99.0,
        ssim_outside: 1.0,
        clean: 1.0,
    };
    // A noun that fell: of the two crops the one after is it by 0.3, and 1 - 2 x 0.3 = 0.4, so that clip = 0.85. Of what it is now
    // 0.2 is left where 0.5 were enough: 0.4 again.
    let told = Told { cosines: [0.3, 0.29], after: 0.3 };
    let agreement = Agreement { noun: told, target: None, shows: [0.9, 0.2] };
    let scores = |operation| {
        let said = of_step(operation, &measured, Some(&agreement));
        [said.follows, said.natural]
    };
    let near = |found: [f32; 2], wanted: [f32; 2]| {
        let far = |n: usize| (found[n] - wanted[n]).abs();
        assert!(far(0) < 1e-4 && far(1) < 1e-4, "{found:?} instead of {wanted:?}");
    };
    near(scores(Operation::Remove), [1.0 + 4.0 * 0.6 * 0.85, 5.0]);
    // seamless = 0.75 + 0.25 x 0.6 = 0.9; the noun did not rise, so that clip = 0.75.
    near(scores(Operation::Add), [1.0 + 4.0 * 0.6 * 0.75, 4.6]);
    near(scores(Operation::Replace), [1.0 + 4.0 * 0.6 * 0.85, 4.6]);
    near(scores(Operation::Adjust), [1.0 + 4.0 * 0.6 * 0.85, 1.0 + 4.0 * 0.9 * 0.85]);
    near(scores(Operation::Style), [1.0 + 4.0 * 0.6, 1.0 + 4.0 * 0.5 * 0.85]);
    near(scores(Operation::Action), [5.0, 3.0]);
    near(scores(Operation::Extract), [1.0, 1.0]);
    let reason = of_step(Operation::Remove, &measured, Some(&agreement)).reason;
    assert_eq!(reason, "100 % of the region changed; outside PSNR 99 dB; CLIP: noun 0.30 to 0.29.");
    // Half of a cut-out object changed: up(0.5, 0.8) = 0.625 of it is intact, on a ground that is clean by a half.
    let cut_out = Measured { changed: 0.5, clean: 0.5, ..measured };
    let said = of_step(Operation::Extract, &cut_out, None);
    near([said.follows, said.natural], [1.0 + 4.0 * 0.5 * 0.625, 1.0 + 4.0 * 0.625]);
    assert!(!said.matches, "{said:?}");
    // Without a CLIP, as before.
    let alone = of_step(Operation::Remove, &measured, None);
    assert!((alone.follows - 3.4).abs() < 1e-4 && !alone.reason.contains("CLIP"), "{alone:?}");
    assert!(alone.matches && of_step(Operation::Remove, &measured, Some(&agreement)).matches);
    assert!(!of_step(Operation::Add, &measured, Some(&agreement)).matches, "nothing rose");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (before, mask, _) = disc();
    let class = |after: &RgbImage, mask: &Mask| {
        judge(&before, after, &[Step { operation: Operation::Remove, mask: Some(mask) }]).unwrap_err().class
    };
    assert_eq!(class(&RgbImage::new(95, 80), &mask), "foreign_picture");
    assert_eq!(class(&before, &Mask::empty(80, 96)), "foreign_mask");
    assert_eq!(judge(&before, &before, &[]).unwrap_err().class, "no_step");
}
