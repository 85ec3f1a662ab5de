//! Every operation, held to something that is known of its result.

use image::{Rgb, RgbImage};

use super::recolour::lab;
use super::*;
use crate::judge::pixels::Measured;
use crate::pixels::pair::Made;

const WIDTH: u32 = 150;
const HEIGHT: u32 = 110;

/// A slope of soft colours.
fn slope() -> RgbImage {
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        Rgb([(70 + x * 2 / 3) as u8, (90 + x / 3 + y / 2) as u8, (220 - y) as u8])
    })
}

/// Upright stripes, eleven pixels each.
fn stripes() -> RgbImage {
    RgbImage::from_fn(
        WIDTH,
        HEIGHT,
        |x, _| if x / 11 % 2 == 0 { Rgb([60, 90, 140]) } else { Rgb([220, 190, 120]) },
    )
}

/// An apple-like thing on a ground, and its mask: a ball with light and shade.
fn with_ball(ground: &RgbImage) -> (RgbImage, Mask) {
    let mut picture = ground.clone();
    let mut mask = Mask::empty(WIDTH, HEIGHT);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (across, down) = (x as f32 - 74.0, y as f32 - 56.0);
        if across * across + down * down < 24.0 * 24.0 {
            let shade = 0.75 - 0.012 * (across + down);
            *pixel = Rgb([190.0, 60.0, 50.0].map(|ink: f32| (ink * shade) as u8));
            mask.bits[(y * WIDTH + x) as usize] = 1;
        }
    }
    (picture, mask)
}

fn pass<'a>(
    operation: Operation,
    picture: &'a RgbImage,
    mask: Option<&'a Mask>,
    result: &'a str,
) -> Pass<'a> {
    Pass { operation, picture, mask, reference: None, object: "red ball", instruction: "", result, seed: 5 }
}

fn made(pass: &Pass<'_>) -> RgbImage {
    let bytes = Paint.edit(pass).unwrap().bytes;
    let picture = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).unwrap();
    assert_eq!(picture.color(), image::ColorType::Rgb8);
    picture.to_rgb8()
}

/// A blue square on white.
fn reference() -> RgbImage {
    RgbImage::from_fn(60, 50, |x, y| {
        if (10..50).contains(&x) && (8..44).contains(&y) { Rgb([20, 40, 200]) } else { Rgb([255; 3]) }
    })
}

fn mean_error(one: &RgbImage, other: &RgbImage, mask: &Mask) -> f32 {
    Measured::of([one, other], Some(mask), &[], Made::After).unwrap().change * 255.0
}

#[test]
fn nothing_changes_outside_and_much_inside_and_always_the_same() {
    let (picture, mask) = with_ball(&stripes());
    let wide = widened(&mask, reach(mask.area()));
    let reference = reference();
    let asked = [
        (Operation::Remove, "", 0.8),
        (Operation::Replace, "a blue star", 0.8),
        (Operation::Visual, "", 0.8),
        (Operation::Add, "a blue heart", 0.3),
        (Operation::Adjust, "a green ball", 0.8),
        (Operation::Background, "a sunset sky", 0.8),
    ];
    for (operation, result, least) in asked {
        let mut pass = pass(operation, &picture, Some(&mask), result);
        pass.reference = (operation == Operation::Visual).then_some(&reference);
        let after = made(&pass);
        let pairs = picture.pixels().zip(after.pixels()).zip(&wide.bits);
        let outside = pairs.filter(|((old, new), bit)| **bit == 0 && old != new).count();
        assert_eq!(outside, 0, "{operation:?} changed pixels outside");
        let changed = Measured::of([&picture, &after], Some(&mask), &[], Made::After).unwrap().changed;
        assert!(changed >= least, "{operation:?} changed {changed} of the region");
        assert_eq!(Paint.edit(&pass), Paint.edit(&pass), "{operation:?}");
    }
}

#[test]
fn a_ball_on_a_slope_is_gone() {
    let (picture, mask) = with_ball(&slope());
    let after = made(&pass(Operation::Remove, &picture, Some(&mask), ""));
    let error = mean_error(&after, &slope(), &widened(&mask, 3));
    assert!(error < 1.5, "off by {error} levels on average");
}

#[test]
fn a_ball_on_stripes_is_gone_and_the_stripes_go_on() {
    let (picture, mask) = with_ball(&stripes());
    let after = made(&pass(Operation::Remove, &picture, Some(&mask), ""));
    let error = mean_error(&after, &stripes(), &widened(&mask, 3));
    // The stripes' mean would be off by 56.
    assert!(error < 4.0, "off by {error} levels on average");
}

#[test]
fn another_thing_is_not_copied_into_the_hole() {
    // Two red balls on dark feet that their masks leave out, on stripes that lie level: the foot of one looks like the other's.
    let ground =
        RgbImage::from_fn(
            WIDTH,
            HEIGHT,
            |_, y| if y < 60 { Rgb([120, 160, 110]) } else { Rgb([170, 130, 80]) },
        );
    let mut picture = ground.clone();
    let mut mask = Mask::empty(WIDTH, HEIGHT);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        for middle in [38.0, 108.0] {
            let far = |x: f32, y: f32| x * x + y * y;
            let (across, down) = (x as f32 - middle, y as f32);
            if far(across, down - 62.0) < 18.0 * 18.0 {
                *pixel = Rgb([210, 40, 40]);
                mask.bits[(y * WIDTH + x) as usize] = u8::from(middle < 50.0);
            } else if far(across / 22.0, (down - 80.0) / 5.0) < 1.0 {
                *pixel = Rgb([90, 70, 50]);
            }
        }
    }
    let after = made(&pass(Operation::Remove, &picture, Some(&mask), ""));
    let red = |picture: &RgbImage| {
        let inside = picture.pixels().zip(&mask.bits).filter(|(_, bit)| **bit != 0);
        inside.filter(|(pixel, _)| pixel.0[0] > pixel.0[1] + 90).count()
    };
    assert!(red(&picture) > 900);
    assert_eq!(red(&after), 0);
}

#[test]
fn a_region_at_the_edge_and_a_tiny_picture_are_filled() {
    for (width, height) in [(40, 30), (7, 9), (3, 2), (2, 1)] {
        let picture = RgbImage::from_fn(width, height, |x, _| Rgb([(100 + x) as u8, 80, 60]));
        let mut mask = Mask::empty(width, height);
        mask.bits[0] = 1;
        let mut blot = picture.clone();
        blot.put_pixel(0, 0, Rgb([255, 0, 255]));
        let after = made(&pass(Operation::Remove, &blot, Some(&mask), ""));
        assert_eq!(after.dimensions(), (width, height));
    }
}

#[test]
fn colours_are_what_they_are_called() {
    let (picture, mask) = with_ball(&slope());
    for (name, rgb) in COLOURS {
        let result = format!("a {name} ball");
        let after = made(&pass(Operation::Adjust, &picture, Some(&mask), &result));
        let inside =
            || after.pixels().zip(&mask.bits).filter(|(_, bit)| **bit != 0).map(|(pixel, _)| lab(pixel.0));
        let count = mask.area() as f32;
        let (a, b) = (inside().map(|c| c.a).sum::<f32>() / count, inside().map(|c| c.b).sum::<f32>() / count);
        let to = lab(rgb);
        let (strong, wanted) = ((a * a + b * b).sqrt(), (to.a * to.a + to.b * to.b).sqrt());
        if wanted > 0.04 {
            let cosine = (a * to.a + b * to.b) / (strong * wanted);
            assert!(cosine > 0.97, "{name}: the hue is off, cosine {cosine}");
            assert!(strong > 0.5 * wanted, "{name} is pale: {strong} of {wanted}");
        } else {
            assert!(strong < 0.05, "{name} has a colour: {strong}");
        }
        let kept = Measured::of([&picture, &after], Some(&mask), &[], Made::After).unwrap().kept;
        assert!(kept > 0.8, "{name}: light and shade agree by {kept} only");
    }
}

#[test]
fn looks_do_what_they_say() {
    let (picture, mask) = with_ball(&slope());
    let lightness = |picture: &RgbImage| {
        let inside = picture.pixels().zip(&mask.bits).filter(|(_, bit)| **bit != 0);
        let all: Vec<f32> = inside.map(|(pixel, _)| lab(pixel.0).l).collect();
        let mean = all.iter().sum::<f32>() / all.len() as f32;
        (mean, all.iter().map(|l| (l - mean) * (l - mean)).sum::<f32>() / all.len() as f32)
    };
    let (before, spread) = lightness(&picture);
    for &look in looks() {
        let after = made(&pass(Operation::Adjust, &picture, Some(&mask), look));
        let (mean, varied) = lightness(&after);
        match look {
            "darker" => assert!(mean < before * 0.7, "{mean} was {before}"),
            "brighter" => assert!(mean > before + 0.15, "{mean} was {before}"),
            _ => assert!(varied > 1.5 * spread, "{look}: {varied} was {spread}"),
        }
    }
}

#[test]
fn a_pictogram_and_a_reference_stand_in_the_region() {
    let (picture, mask) = with_ball(&slope());
    let blue = |picture: &RgbImage| {
        let inside = picture.pixels().zip(&mask.bits).filter(|(_, bit)| **bit != 0);
        inside
            .filter(|(pixel, _)| pixel.0[2] > 100 && pixel.0[0] < 90 && pixel.0[2] > pixel.0[1] + 60)
            .count() as f32
            / mask.area() as f32
    };
    for &name in drawable() {
        let result = format!("a blue {name}");
        let after = made(&pass(Operation::Replace, &picture, Some(&mask), &result));
        assert!(blue(&after) > 0.1, "{name}: {} of the region is blue", blue(&after));
    }
    let reference = reference();
    let mut pass = pass(Operation::Visual, &picture, Some(&mask), "");
    pass.reference = Some(&reference);
    let after = made(&pass);
    // The biggest square in a circle covers 64 % of it; the mask is widened by an eighth, and a little is cut off.
    assert!((0.64..0.95).contains(&blue(&after)), "{} of the region is blue", blue(&after));
    let white = after.pixels().filter(|pixel| pixel.0.iter().all(|&ink| ink > 250)).count();
    assert_eq!(white, 0, "the reference's ground came along");
}

#[test]
fn grounds_differ_and_have_their_colours() {
    let picture = slope();
    let mut mask = Mask::empty(WIDTH, HEIGHT);
    mask.bits[..(WIDTH * 80) as usize].fill(1);
    for &name in grounds() {
        let after = made(&pass(Operation::Background, &picture, Some(&mask), name));
        let sum = |c: usize| -> u64 {
            let inside = after.pixels().zip(&mask.bits).filter(|(_, bit)| **bit != 0);
            inside.map(|(pixel, _)| u64::from(pixel.0[c])).sum::<u64>() / mask.area()
        };
        let [r, g, b] = [sum(0), sum(1), sum(2)];
        let fits = match name {
            "a starry night sky" => r + g + b < 250 && b > r,
            "a sunset sky" => r > b && r > g,
            "a clear blue sky" | "a calm blue sea" => b > r + 25,
            "a plain grey studio backdrop" => r.abs_diff(b) < 12 && (90..200).contains(&g),
            "a plain white wall" | "a snowy field" => r.min(g).min(b) > 190,
            "a green meadow" => g > r + 15 && g > b + 40,
            "a sandy desert" => r > b + 50 && g > b + 20,
            "a brick wall" => r > b + 50 && r > g + 40,
            _ => false,
        };
        assert!(fits, "{name}: {r} {g} {b} on average");
    }
}

#[test]
fn styles_change_the_picture_and_leave_what_is_in_it() {
    let (picture, _) = with_ball(&stripes());
    let mut seen = Vec::new();
    for &name in styles() {
        let after = made(&pass(Operation::Style, &picture, None, name));
        assert_eq!(after.dimensions(), picture.dimensions());
        let measured = Measured::of([&picture, &after], None, &[], Made::After).unwrap();
        assert!(measured.change > 0.01, "{name} changed {}", measured.change);
        // Lines are thick on so small a picture.
        let least = if ["pencil sketch", "comic"].contains(&name) { 0.2 } else { 0.6 };
        assert!(measured.kept > least, "{name} kept {}", measured.kept);
        match name {
            "black and white photograph" => {
                assert!(after.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]));
            }
            "sepia photograph" => assert!(after.pixels().all(|pixel| pixel.0[0] > pixel.0[2])),
            "pixel art" => {
                let blocks =
                    (0..WIDTH / 2).all(|x| after.get_pixel(2 * x, 10) == after.get_pixel(2 * x + 1, 11));
                assert!(blocks, "pixels of two by two are of one colour");
            }
            _ => {}
        }
        assert!(!seen.contains(&after), "{name} is like another style");
        seen.push(after);
    }
}

#[test]
fn a_cut_out_is_exact() {
    let (picture, mask) = with_ball(&slope());
    let after = made(&pass(Operation::Extract, &picture, Some(&mask), ""));
    for ((old, new), bit) in picture.pixels().zip(after.pixels()).zip(&mask.bits) {
        assert_eq!(new, if *bit == 0 { &Rgb([255; 3]) } else { old });
    }
}

#[test]
fn what_cannot_be_painted_is_refused_with_what_can() {
    let (picture, mask) = with_ball(&slope());
    fn refusal_of(picture: &RgbImage, operation: Operation, mask: Option<&Mask>, result: &str) -> Refusal {
        Paint.edit(&pass(operation, picture, mask, result)).unwrap_err()
    }
    let refusal =
        |operation, mask: Option<&Mask>, result: &str| refusal_of(&picture, operation, mask, result);
    for (operation, known) in [
        (Operation::Replace, "umbrella"),
        (Operation::Adjust, "teal"),
        (Operation::Background, "a brick wall"),
        (Operation::Style, "pop art"),
    ] {
        let refused = refusal(operation, Some(&mask), "a quarrelsome ghost");
        assert_eq!(refused.class, "cannot_paint");
        assert!(refused.message.contains(known) && refused.message.contains("quarrelsome"), "{refused}");
    }
    assert_eq!(refusal(Operation::Visual, Some(&mask), "").class, "no_reference");
    assert_eq!(refusal(Operation::Remove, None, "").class, "no_region");
    assert_eq!(refusal(Operation::Remove, Some(&Mask::empty(WIDTH, HEIGHT)), "").class, "no_region");
    assert_eq!(refusal(Operation::Remove, Some(&Mask::full(WIDTH, HEIGHT)), "").class, "no_region");
    assert_eq!(refusal(Operation::Extract, Some(&Mask::empty(HEIGHT, WIDTH)), "").class, "foreign_mask");
    assert_eq!(refusal(Operation::Action, None, "").class, "cannot_paint");
    for operation in Operation::ALL {
        assert_eq!(Paint.can(operation), operation != Operation::Action);
    }
}
