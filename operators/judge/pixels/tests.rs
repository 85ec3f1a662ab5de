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
        let whole = Measured::of([&before, &after], None, &[], Made::After).unwrap();
        assert!((whole.ssim - number("ssim")).abs() < 1e-5, "{name}: {} not {}", whole.ssim, number("ssim"));
        assert!((whole.psnr - number("psnr")).abs() < 1e-3, "{name}: {} not {}", whole.psnr, number("psnr"));
        let half = Measured::of([&before, &after], Some(&left), &[], Made::After).unwrap();
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
    assert!(good.follows == 3.0 && good.natural > 4.5 && good.matches, "pixels alone: {good:?}");
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
    assert!(adjusted.natural > 3.5, "{adjusted:?}");
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
    assert!(extracted.follows == 3.0 && extracted.natural == 5.0 && extracted.matches, "{extracted:?}");
    let left = said(Operation::Extract, &before, &before, Some(&mask));
    assert!(left.follows < 2.3, "the ground is not clean: {left:?}");
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
    assert!(half.follows == 1.0 && half.natural > 4.5 && !half.matches, "{half:?}");
    after
        .pixels_mut()
        .zip(&corner.bits)
        .filter(|(_, bit)| **bit != 0)
        .for_each(|(p, _)| *p = Rgb([0, 0, 200]));
    let both = judge(&before, &after, &steps).unwrap();
    assert!(both.follows == 3.0 && both.matches, "{both:?}");
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
    for operation in [Operation::Replace, Operation::Add, Operation::Visual] {
        let natural = |soft: u32| {
            let (made, mask) = pasted(&slope, soft);
            // What is added was there; an editor made the picture before.
            let pair = if operation == Operation::Add { [&made, &slope] } else { [&slope, &made] };
            said(operation, pair[0], pair[1], Some(&mask)).natural
        };
        let [hard, softer, soft] = [natural(0), natural(3), natural(9)];
        assert!(hard < softer && softer < soft, "{operation:?}: {hard}, {softer}, {soft}");
        assert!(soft > hard + 1.5 && soft > 3.0 && hard < 2.0, "{operation:?}: {hard}, {soft}");
    }
    // A ground that ends in the middle of another looks like none in a photograph, however softly; a drawing is of such surfaces.
    let cut = |picture: &RgbImage| {
        let (made, mask) = pasted(picture, 9);
        Measured::of([picture, &made], Some(&mask), &[], Made::After).unwrap().cut
    };
    let mut grain = fastrand::Rng::with_seed(3);
    let mut photograph = slope.clone();
    photograph
        .pixels_mut()
        .for_each(|pixel| pixel.0 = pixel.0.map(|ink| ink.saturating_add_signed(grain.i8(-4..5))));
    assert!(cut(&photograph) > 0.25 && cut(&slope) == 0.0, "{}, {}", cut(&photograph), cut(&slope));
    // Among edges as hard it is none.
    let stripes = RgbImage::from_fn(96, 80, |x, _| Rgb(if x / 2 % 2 == 0 { [30; 3] } else { [200; 3] }));
    let (after, mask) = pasted(&stripes, 0);
    let seam = Measured::of([&stripes, &after], Some(&mask), &[], Made::After).unwrap().seam;
    assert!(seam > 0.8, "{seam}");
    // Where the object ends as the one before it did, its own outline is no seam.
    let (with_disc, mask, _) = disc();
    let mut other = with_disc.clone();
    let inside = other.pixels_mut().zip(&mask.bits).filter(|(_, bit)| **bit != 0);
    inside.for_each(|(pixel, _)| pixel.0 = pixel.0.map(|ink| ink.saturating_sub(20)));
    let wide = crate::editors::paint::widened(&mask, 3);
    let seam = Measured::of([&other, &with_disc], Some(&wide), &[], Made::After).unwrap().seam;
    assert!(seam > 0.8, "{seam}");
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
    let seam = |before, after| Measured::of([before, after], Some(&mask), &[], Made::After).unwrap().seam;
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
    let even = |(picture, mask): (RgbImage, Mask)| {
        Measured::of([&picture, &picture], Some(&mask), &[], Made::After).unwrap().even
    };
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
        Measured::of([&picture, &picture], Some(&mask), &[], Made::After).unwrap().clean
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
        Measured::of([&before, &after], None, &[], Made::After).unwrap().ssim
    };
    let wanted = (2.0 * 100.0 * 150.0 + 6.5025) / (100.0 * 100.0 + 150.0 * 150.0 + 6.5025);
    for (width, height) in [(WINDOW, WINDOW), (WINDOW, 20), (20, WINDOW), (8, 9)] {
        assert!((ssim(width, height) - wanted).abs() < 1e-6, "{width} x {height}: {}", ssim(width, height));
    }
    assert_eq!([ssim(WINDOW - 1, 20), ssim(20, WINDOW - 1)], [1.0; 2], "smaller than a window");
}

/// All of the region changed by 0.36 of 0.05, so that changed = sqrt(0.36) = 0.6; nothing else did; structure kept by half.
fn measures() -> Measured {
    Measured {
        cut: 0.0,
        change: 0.018,
        changed: 1.0,
        ssim: 0.5,
        psnr: 30.0,
        kept: 0.5,
        familiar: 1.0,
        even: 1.0,
        seam: 0.5,
        grain: 0.8,
        sharp: 1.0,
        smooth: 0.5,
        focus: 1.0,
        psnr_outside: 99.0,
        ssim_outside: 1.0,
        clean: 1.0,
    }
}

fn near(found: [f32; 2], wanted: [f32; 2]) {
    let far = |n: usize| (found[n] - wanted[n]).abs();
    assert!(far(0) < 1e-4 && far(1) < 1e-4, "{found:?} instead of {wanted:?}");
}

#[test]
fn the_table_is_what_is_computed() {
    let scores = |operation, agreement: Option<&Agreement>| {
        let said = of_step(operation, &measures(), agreement);
        [said.follows, said.natural]
    };
    // Pixels alone: 1 + 2 did. Seam and grain: 0.5 x 0.8 = 0.4.
    near(scores(Operation::Remove, None), [2.2, 1.0 + 4.0 * 0.4]);
    near(scores(Operation::Replace, None), [2.2, 2.6]);
    near(scores(Operation::Adjust, None), [1.0 + 2.0 * 0.6 * 0.85, 2.6]);
    near(scores(Operation::Style, None), [2.2, 3.0]);
    near(scores(Operation::Action, None), [3.0, 3.0]);
    near(scores(Operation::Extract, None), [1.0, 1.0]);
    // Half of a cut-out object changed: up(0.5, 0.8) = 0.625 of it is intact, on a ground that is clean by a half, with a ragged outline.
    let cut_out = Measured { changed: 0.5, clean: 0.5, ..measures() };
    let said = of_step(Operation::Extract, &cut_out, None);
    near([said.follows, said.natural], [1.0 + 2.0 * 0.5 * 0.625, 1.0 + 4.0 * 0.625 * 0.5]);
    assert!(!said.matches, "{said:?}");
    // A noun that fell: of the two crops the one after is it by 0.3, and 1 - 2 x 0.3 = 0.4. It is no longer shown: 0.2 is left, where 0.5
    // were enough: is = 0.75 + 0.25 x 0.4.
    let told = |after: f32| Told { cosines: [0.3, 0.29], after };
    let fell =
        Agreement { noun: told(0.3), target: None, shows: [0.9, 0.2], replaced: None, likeliest: [true; 2] };
    near(scores(Operation::Remove, Some(&fell)), [1.0 + 2.0 * 0.6 * 1.4, 2.6]);
    near(scores(Operation::Add, Some(&fell)), [1.0 + 0.6 * 0.6, 2.6]);
    near(scores(Operation::Adjust, Some(&fell)), [1.0 + 1.5 * 0.6 * 0.85, 1.0 + 4.0 * 0.4 * 0.85]);
    near(scores(Operation::Style, Some(&fell)), [2.2, 1.0 + 4.0 * 0.5 * 0.85]);
    let reason = of_step(Operation::Remove, &measures(), Some(&fell)).reason;
    assert_eq!(reason, "100 % of the region changed; outside PSNR 99 dB; CLIP: noun 0.30 to 0.29.");
    assert!(of_step(Operation::Remove, &measures(), Some(&fell)).matches);
    assert!(!of_step(Operation::Add, &measures(), Some(&fell)).matches, "nothing rose");
    let alone = of_step(Operation::Remove, &measures(), None);
    assert!(!alone.matches && !alone.reason.contains("CLIP"), "2.2 of 5: {alone:?}");
}

#[test]
fn no_edit_is_followed_beyond_what_is_known() {
    let done = Measured { change: 1.0, kept: 1.0, ..measures() };
    let done =
        |operation| Measured { changed: if operation == Operation::Extract { 0.0 } else { 1.0 }, ..done };
    let told = |after: f32| Told { cosines: [0.3, 0.3], after };
    for operation in Operation::ALL {
        let follows =
            |agreement: Option<Agreement>| of_step(operation, &done(operation), agreement.as_ref()).follows;
        assert_eq!(follows(None), 3.0, "{operation:?}: pixels alone");
        // A target that is less likely than before is not followed, whatever the pixels say; and no other CLIP makes it more than 5.
        for (noun, target, shows, replaced) in (0..256)
            .map(|n| [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6].map(|n| n as f32 / 3.0))
            .map(|[a, b, c, d]| (a, b, c, d))
        {
            let agreement = Agreement {
                noun: told(noun),
                target: Some(told(target)),
                shows: [0.9, shows],
                replaced: Some(replaced),
                likeliest: [true; 2],
            };
            let follows = follows(Some(agreement));
            let most = match agreement.evidence(operation) {
                Evidence::Unseen => 3.0,
                Evidence::Undecided => 2.5,
                Evidence::Confirms(_) => 5.0,
                Evidence::Contradicts(_) => 2.0,
            };
            assert!((1.0..=most).contains(&follows), "{operation:?} {agreement:?}: {follows}");
            let puts_in = operation.has_result() && operation != Operation::Style;
            assert!(!puts_in || target > 0.4 || follows <= 2.0, "{operation:?} {agreement:?}: {follows}");
        }
    }
}

#[test]
fn a_painted_ground_in_a_photograph_is_not_natural() {
    let photograph = crate::pixels::pair::textured(160, 120, 4);
    let mut mask = Mask::empty(160, 120);
    mask.bits[..160 * 60].fill(1);
    // A slope of colour, as a painter of grounds makes it; and another part of the same photograph.
    let mut painted = photograph.clone();
    let mut other = photograph.clone();
    for y in 0..60 {
        for x in 0..160 {
            painted.put_pixel(x, y, Rgb([120, 150, (160 + y / 2) as u8]));
            let light = image::Pixel::to_luma(photograph.get_pixel(x, 119 - y)).0[0];
            other.put_pixel(x, y, Rgb([light / 2 + 40, light / 2 + 70, light]));
        }
    }
    let measured =
        |after: &RgbImage| Measured::of([&photograph, after], Some(&mask), &[], Made::After).unwrap();
    let [painted, other] = [measured(&painted), measured(&other)];
    assert!(painted.grain < 0.2 && other.grain > 0.9, "{} and {}", painted.grain, other.grain);
    assert!(of_step(Operation::Background, &painted, None).natural < 2.0, "{painted:?}");
    // Sharper than all around it: hard stripes in a photograph that was blurred.
    let soft = image::imageops::blur(&photograph, 3.0);
    let mut striped = soft.clone();
    (0..60).flat_map(|y| (0..160).map(move |x| (x, y))).for_each(|(x, y)| {
        striped.put_pixel(x, y, Rgb(if x / 3 % 2 == 0 { [30; 3] } else { [220; 3] }));
    });
    let striped = Measured::of([&soft, &striped], Some(&mask), &[], Made::After).unwrap();
    assert!(striped.sharp < 0.2 && other.sharp > 0.8, "{} and {}", striped.sharp, other.sharp);
    // Where the editor made the picture before, that one is looked at.
    let mut hole = photograph.clone();
    (0..60)
        .flat_map(|y| (0..160).map(move |x| (x, y)))
        .for_each(|(x, y)| hole.put_pixel(x, y, Rgb([128; 3])));
    let added = Measured::of([&hole, &photograph], Some(&mask), &[], Made::Before).unwrap();
    assert!(added.grain < 0.2, "{added:?}");
}

#[test]
fn an_outline_is_smooth_or_ragged() {
    let (_, disc, _) = disc();
    assert_eq!(super::texture::smooth(&disc), 1.0);
    // Single pixels, each by itself: the outline is as long as the area is large.
    let bits = (0..96 * 80).map(|at| u8::from(at % 96 % 3 == 0 && at / 96 % 3 == 0)).collect();
    let ragged = super::texture::smooth(&Mask { width: 96, height: 80, bits });
    assert!(ragged < 0.1, "{ragged}");
    assert_eq!(super::texture::smooth(&Mask::empty(4, 4)), 1.0, "of nothing");
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
