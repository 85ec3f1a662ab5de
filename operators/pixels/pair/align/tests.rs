//! The search where little counts or a picture is thin, and what is left by an alignment against the sum of every place alone.

use image::imageops;

use super::*;
use crate::pixels::light::lights;
use crate::pixels::pair::textured;

/// Brightness of a picture, and of the same one moved.
fn moved(width: u32, height: u32, (dx, dy): (i32, i32)) -> [Vec<u8>; 2] {
    let large = textured(width + 40, height + 40, 6);
    let cut = |x: i32, y: i32| {
        lights(&imageops::crop_imm(&large, (20 - x) as u32, (20 - y) as u32, width, height).to_image())
    };
    [cut(0, 0), cut(dx, dy)]
}

#[test]
fn a_small_thing_is_found_in_a_large_picture() {
    let [before, after] = moved(900, 700, (8, -4));
    // All that stays is a square of 200 x 200 pixels.
    let within = |at: usize| (400..600).contains(&(at % 900)) && (300..500).contains(&(at / 900));
    let owners: Vec<u8> = (0..before.len()).map(|at| if within(at) { OUTSIDE } else { INSIDE }).collect();
    assert_eq!(find([&before, &after], 900, &owners), Alignment { dx: 8.0, dy: -4.0, zoom: 1.0 });
}

#[test]
fn what_is_spread_thinly_takes_no_longer() {
    let [before, after] = moved(900, 700, (8, -4));
    // Lines of one pixel: none of them is there in a smaller picture. All shifts of this one, over all of its pixels, would take an hour.
    let owners: Vec<u8> =
        (0..before.len()).map(|at| if at % 900 % 2 == 0 { OUTSIDE } else { INSIDE }).collect();
    let started = std::time::Instant::now();
    let found = find([&before, &after], 900, &owners);
    assert!(found.shift() < 9.0, "{found:?}");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn thin_and_flat_pictures_do_not_move() {
    for (width, height) in [(1, 1), (1, 300), (300, 1), (2, 2), (7, 1)] {
        let [before, after] = moved(width, height, (2, 1));
        let owners = vec![OUTSIDE; before.len()];
        let found = find([&before, &after], width as usize, &owners);
        assert_eq!(found, Alignment::default(), "{width} x {height}");
    }
    for (width, height) in [(2, 300), (300, 2), (3, 50), (40, 40)] {
        let [before, after] = moved(width, height, (1, 1));
        for owner in [INSIDE, OUTSIDE] {
            let found = find([&before, &after], width as usize, &vec![owner; before.len()]);
            assert!(found.shift() <= MOST_SHIFT * 300.0, "{width} x {height}: {found:?}");
        }
        let flat = vec![90; before.len()];
        let owners = vec![OUTSIDE; before.len()];
        assert_eq!(find([&before, &flat], width as usize, &owners), Alignment::default());
    }
}

#[test]
fn what_is_left_is_the_sum_of_every_place_alone() {
    let mut random = fastrand::Rng::with_seed(61);
    for number in 0..60 {
        let (width, height) = (random.usize(12..90), random.usize(12..60));
        let [before, after] = moved(width as u32, height as u32, (1, 2));
        let counts: Vec<u8> = (0..before.len()).map(|_| u8::from(random.u8(..4) > 0)).collect();
        let planes = [Cow::Borrowed(before.as_slice()), Cow::Borrowed(after.as_slice())];
        let level = Level::of(0, (width, height), planes, counts.clone());
        let even = level.evened().unwrap();
        let by = |most: usize, random: &mut fastrand::Rng| (random.f32() - 0.5) * 0.4 * most as f32;
        let (dx, dy) = (by(width, &mut random), by(height, &mut random));
        let alignment = match number % 3 {
            0 => Alignment { dx: dx.round(), dy: dy.round(), zoom: 1.0 },
            _ => Alignment { dx, dy, zoom: 0.8 + random.f32() * 0.45 },
        };
        let every = random.usize(1..4);
        let mean_and_spread = |plane: &[u8]| {
            let counting = || {
                plane
                    .iter()
                    .zip(&counts)
                    .filter(|(_, counts)| **counts > 0)
                    .map(|(light, _)| f64::from(*light))
            };
            let pixels = counting().count() as f64;
            let mean = counting().sum::<f64>() / pixels;
            (mean, (counting().map(|light| (light - mean).powi(2)).sum::<f64>() / pixels).sqrt())
        };
        let (evened_before, evened_after) = (mean_and_spread(&before), mean_and_spread(&after));
        let (mut sum, mut seen) = (0.0, 0);
        for (at, _) in counts.iter().enumerate().filter(|(_, counts)| **counts > 0) {
            let (x, y) = (at % width, at / width);
            if y % every != 0 {
                continue;
            }
            let place = |at: usize, of: usize, by: f32| {
                let middle = (of as f32 - 1.0) / 2.0;
                f64::from(middle + alignment.zoom * (at as f32 - middle) + by)
            };
            let (u, v) = (place(x, width, alignment.dx), place(y, height, alignment.dy));
            if !(u >= 0.0 && v >= 0.0 && u <= (width - 1) as f64 && v <= (height - 1) as f64) {
                continue;
            }
            let light = |x: f64, y: f64| f64::from(after[y as usize * width + x as usize]);
            let weigh = |one: f64, other: f64, part: f64| one + (other - one) * part;
            let across = |y: f64| weigh(light(u.floor(), y), light(u.ceil(), y), u.fract());
            let shown = weigh(across(v.floor()), across(v.ceil()), v.fract());
            let evened = |light: f64, (mean, spread): (f64, f64)| (light - mean) / spread;
            sum += (evened(shown, evened_after) - evened(f64::from(before[at]), evened_before)).powi(2);
            seen += 1;
        }
        let wanted = sum / f64::from(seen);
        let mut placed = Placed::default();
        let left = level.left_by(&mut placed, &alignment, &even, every, f64::MAX).unwrap();
        assert!((left - wanted).abs() < 1e-4 * wanted.max(0.1), "{alignment:?}: {left}, not {wanted}");
        // What could still be the best is never given up.
        assert_eq!(level.left_by(&mut placed, &alignment, &even, every, left * 1.0001), Some(left));
        assert_eq!(level.left_by(&mut placed, &alignment, &even, every, left / 3.0), None);
    }
}
