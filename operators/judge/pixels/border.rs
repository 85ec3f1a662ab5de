//! Whether a mask's border cuts through what was one surface: a painted ground that ends in the middle of a sky.

use image::RgbImage;

use crate::pixels::mask::Mask;

/// Two pixels on both sides of a border are of one surface where no channel differs by more than this, in levels of 255 ...
const ONE_SURFACE: u8 = 16;
/// ... and of two, which an eye tells apart at once, from this on.
const TWO_SURFACES: u8 = 48;
/// Fewer pairs of pixels tell nothing.
const LEAST_PAIRS: u32 = 30;
/// How far outside of the border a pair's other pixel lies.
const BEYOND: i64 = 2;

/// Which part of the border parts in `made` what was one surface in `other`, 0 to 1; 0 where the mask has no border. Pairs lie across the
/// border, to all four sides: one `depth` pixels inside, and one 2 pixels outside, of all masks. `owners` is 1 in the region and 0 outside.
pub(super) fn cut_through([other, made]: [&RgbImage; 2], mask: &Mask, owners: &[u8], depth: u32) -> f32 {
    let (width, height) = (i64::from(mask.width), i64::from(mask.height));
    let at = |x: i64, y: i64| {
        let within = (0..width).contains(&x) && (0..height).contains(&y);
        within.then(|| (y * width + x) as usize)
    };
    let is = |place: Option<usize>, owner: u8| place.filter(|at| owners[*at] == owner);
    let far = |picture: &RgbImage, one: usize, two: usize| {
        let ink = picture.as_raw();
        (0..3).map(|c| ink[3 * one + c].abs_diff(ink[3 * two + c])).fold(0, u8::max)
    };
    let (mut pairs, mut cut) = (0u32, 0u32);
    let Some(bounds) = mask.bounds() else { return 0.0 };
    let [left, top, right, bottom] = bounds.map(i64::from);
    for (x, y) in (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))) {
        if is(at(x, y), 1).is_none() {
            continue;
        }
        for (across, down) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
            if is(at(x + across, y + down), 0).is_none() {
                continue;
            }
            let depth = i64::from(depth);
            let inside = is(at(x - across * depth, y - down * depth), 1);
            let outside = is(at(x + across * BEYOND, y + down * BEYOND), 0);
            if let (Some(inside), Some(outside)) = (inside, outside) {
                pairs += 1;
                let was_one = far(other, inside, outside) <= ONE_SURFACE;
                cut += u32::from(was_one && far(made, inside, outside) >= TWO_SURFACES);
            }
        }
    }
    if pairs < LEAST_PAIRS { 0.0 } else { cut as f32 / pairs as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    const SKY: [u8; 3] = [120, 150, 200];

    fn picture(ink: impl Fn(u32, u32) -> [u8; 3]) -> RgbImage {
        RgbImage::from_fn(80, 60, |x, y| Rgb(ink(x, y)))
    }

    fn mask(inside: impl Fn(u32, u32) -> bool) -> Mask {
        let bits = (0..80 * 60).map(|at| u8::from(inside(at % 80, at / 80))).collect();
        Mask { width: 80, height: 60, bits }
    }

    #[test]
    fn a_ground_that_ends_in_the_sky_cuts_it_and_one_that_ends_at_things_does_not() {
        // Sky above, trees below; a sea is painted over the sky, or over its upper part.
        let before = picture(|_, y| if y < 30 { SKY } else { [30, 60, 20] });
        let cut = |edge: u32| {
            let after = picture(|x, y| if y < edge { [10, 40, 90] } else { before.get_pixel(x, y).0 });
            let mask = mask(|_, y| y < edge);
            cut_through([&before, &after], &mask, &mask.bits, 6)
        };
        assert_eq!((cut(30), cut(18)), (0.0, 1.0));
        // Half of the border follows the trees.
        let steps = |x: u32| if x < 40 { 30 } else { 18 };
        let after = picture(|x, y| if y < steps(x) { [10, 40, 90] } else { before.get_pixel(x, y).0 });
        let mask = mask(|x, y| y < steps(x));
        let half = cut_through([&before, &after], &mask, &mask.bits, 6);
        assert!((0.4..0.7).contains(&half), "{half}");
    }

    #[test]
    fn what_is_taken_out_or_put_in_cuts_nothing() {
        let inside = |x: u32, y: u32| (20..50).contains(&x) && (10..40).contains(&y);
        let thing = |ink: [u8; 3]| picture(move |x, y| if inside(x, y) { ink } else { SKY });
        let (mask, sky) = (mask(inside), picture(|_, _| SKY));
        let (red, dark) = (thing([200, 30, 30]), thing([20, 20, 20]));
        let cut = |pair: [&RgbImage; 2]| cut_through(pair, &mask, &mask.bits, 6);
        assert_eq!(cut([&red, &sky]), 0.0, "removed");
        assert_eq!(cut([&red, &dark]), 0.0, "replaced");
        assert_eq!(cut([&sky, &dark]), 1.0, "painted into the sky");
        let all = Mask { bits: vec![1; 80 * 60], ..mask.clone() };
        assert_eq!(cut_through([&sky, &sky], &all, &all.bits, 6), 0.0, "no border");
    }
}
