//! What moved between two frames, and where to.
//!
//! Both frames are shrunk to a grid of grey cells. For every known thing of the first frame, the patch of cells in its box is looked for in
//! the second frame, moved and scaled (block matching by the mean absolute difference). The thing whose patch gains most by moving is the
//! one that moved. All numbers are whole, so that the result is the same everywhere.

use image::RgbImage;

/// The cells along a frame's longer side.
const CELLS: u32 = 96;
/// How far a patch is looked for, in cells along each axis.
const REACH: i32 = 24;
/// A move of fewer cells is none.
const LEAST_MOVE: i32 = 3;
/// A known thing at its new place must fit so many times better than where it was ...
const BETTER: u64 = 2;
/// ... and any other patch so many times: of so many places one fits by chance.
const BETTER_IF_UNKNOWN: u64 = 4;
/// A part says nothing of how its thing grew.
const NO_ZOOM: [i32; 1] = [4];
/// A mean difference of the patch, in grey levels, below which nothing happened where it was.
const LEAST_CHANGE: u64 = 8;
/// About so many cells of a patch are compared, on a grid.
const COMPARED: i32 = 576;
/// By which a patch may grow, in quarters.
const ZOOMS: [i32; 3] = [4, 5, 3];

/// A motion: of a known thing, or of something.
#[derive(Clone, Debug, PartialEq)]
pub struct Motion {
    /// To the right, as a share of the frame's width: -1 to 1.
    pub dx: f32,
    /// Down, as a share of the frame's height: -1 to 1.
    pub dy: f32,
    /// How many times larger it became: 1 where it kept its size.
    pub zoom: f32,
    /// The noun of what moved.
    pub of: Option<String>,
}

/// The motion between two frames of one size. `things` are what the first frame shows: noun and box (left, top, right, bottom,
/// in pixels); where none of them is found again, the area that changed is looked for, and what stands there is the thing. `None` where the sizes differ, nothing changed, or
/// nothing that is seen in the first frame is found again at another place.
pub(crate) fn motion_of(first: &RgbImage, second: &RgbImage, things: &[(&str, [f32; 4])]) -> Option<Motion> {
    if first.dimensions() != second.dimensions() || first.width() == 0 || first.height() == 0 {
        return None;
    }
    let (before, after) = (Grid::of(first), Grid::of(second));
    let boxed: Vec<(&str, [i32; 4])> = things
        .iter()
        .filter_map(|(noun, bbox)| Some((*noun, before.cells(*bbox, first.width(), first.height())?)))
        .collect();
    let best = |patches: Vec<(Option<&'_ str>, [i32; 4])>, how: (&[i32], u64)| {
        let found = patches
            .into_iter()
            .filter_map(|(noun, patch)| Some((noun.map(str::to_owned), find(&before, &after, patch, how)?)));
        found.max_by(|(a_noun, a), (b_noun, b)| (a.gain, b_noun).cmp(&(b.gain, a_noun)))
    };
    let known = best(boxed.iter().map(|(noun, patch)| (Some(*noun), *patch)).collect(), (&ZOOMS, BETTER));
    // A box that shows more ground than thing fits nowhere; a part of the thing does.
    let changed = || blocks(&before, &after).map(|block| (holder(&boxed, block), block)).collect();
    let (noun, found) = known.or_else(|| best(changed(), (&NO_ZOOM, BETTER_IF_UNKNOWN)))?;
    Some(Motion {
        dx: found.dx as f32 / before.width as f32,
        dy: found.dy as f32 / before.height as f32,
        zoom: found.quarters as f32 / 4.0,
        of: noun,
    })
}

/// The noun of the smallest box that holds a block's middle.
fn holder<'a>(boxed: &[(&'a str, [i32; 4])], [left, top, right, bottom]: [i32; 4]) -> Option<&'a str> {
    let (x, y) = ((left + right) / 2, (top + bottom) / 2);
    let holds =
        |[left, top, right, bottom]: [i32; 4]| (left..right).contains(&x) && (top..bottom).contains(&y);
    let cells = |[left, top, right, bottom]: [i32; 4]| (right - left) * (bottom - top);
    let holders = boxed.iter().filter(|(_, bbox)| holds(*bbox));
    holders.min_by_key(|(noun, bbox)| (cells(*bbox), *noun)).map(|(noun, _)| *noun)
}

/// A frame in grey, shrunk.
struct Grid {
    width: i32,
    height: i32,
    grey: Vec<u8>,
}

impl Grid {
    fn of(frame: &RgbImage) -> Self {
        let (width, height) = frame.dimensions();
        let longest = width.max(height);
        let cells =
            |side: u32| (u64::from(side) * u64::from(CELLS.min(longest)) / u64::from(longest)).max(1) as u32;
        let (columns, rows) = (cells(width), cells(height));
        let edge =
            |cell: u32, cells: u32, side: u32| (u64::from(cell) * u64::from(side) / u64::from(cells)) as u32;
        let mut grey = Vec::with_capacity(columns as usize * rows as usize);
        for row in 0..rows {
            let (top, bottom) = (edge(row, rows, height), edge(row + 1, rows, height));
            for column in 0..columns {
                let (left, right) = (edge(column, columns, width), edge(column + 1, columns, width));
                let mut sum = 0u64;
                for y in top..bottom {
                    for x in left..right {
                        let [red, green, blue] = frame.get_pixel(x, y).0.map(u64::from);
                        // Luma of BT.601.
                        sum += 299 * red + 587 * green + 114 * blue;
                    }
                }
                let pixels = u64::from(right - left) * u64::from(bottom - top);
                grey.push((sum / (1000 * pixels.max(1))) as u8);
            }
        }
        Grid { width: columns as i32, height: rows as i32, grey }
    }

    fn at(&self, x: i32, y: i32) -> Option<u8> {
        let inside = (0..self.width).contains(&x) && (0..self.height).contains(&y);
        if inside { self.grey.get((y * self.width + x) as usize).copied() } else { None }
    }

    /// A box in cells; `None` for what has no area or no number.
    fn cells(&self, bbox: [f32; 4], width: u32, height: u32) -> Option<[i32; 4]> {
        let across =
            |side: f32| (side * self.width as f32 / width as f32).clamp(0.0, self.width as f32) as i32;
        let down =
            |side: f32| (side * self.height as f32 / height as f32).clamp(0.0, self.height as f32) as i32;
        let [left, top, right, bottom] = [across(bbox[0]), down(bbox[1]), across(bbox[2]), down(bbox[3])];
        (bbox.iter().all(|side| side.is_finite()) && right > left && bottom > top)
            .then_some([left, top, right, bottom])
    }
}

/// The blocks of eighths of a frame in which most changed, so many that one shows what moved and not what it uncovered.
fn blocks(before: &Grid, after: &Grid) -> impl Iterator<Item = [i32; 4]> + use<> {
    const SIDE: i32 = 12;
    let mut changed = Vec::new();
    for top in (0..before.height).step_by(SIDE as usize / 2) {
        for left in (0..before.width).step_by(SIDE as usize / 2) {
            let block = [left, top, (left + SIDE).min(before.width), (top + SIDE).min(before.height)];
            let change = difference(before, after, block, (0, 0), 4).unwrap_or(0);
            if change >= LEAST_CHANGE {
                changed.push((std::cmp::Reverse(change), block));
            }
        }
    }
    changed.sort();
    changed.into_iter().take(12).map(|(_, block)| block)
}

struct MotionFound {
    dx: i32,
    dy: i32,
    quarters: i32,
    /// How much better the patch fits there, times its cells: what is large and clear comes first.
    gain: u64,
}

/// Where a patch went: the best fit, and of equal ones the nearest without a zoom.
fn find(before: &Grid, after: &Grid, patch: [i32; 4], (zooms, better): (&[i32], u64)) -> Option<MotionFound> {
    let still = difference(before, after, patch, (0, 0), 4)?;
    if still < LEAST_CHANGE {
        return None;
    }
    let mut best = None;
    for &quarters in zooms {
        for dy in -REACH..=REACH {
            for dx in -REACH..=REACH {
                let Some(fit) = difference(before, after, patch, (dx, dy), quarters) else { continue };
                let order = (fit, (quarters - 4).abs(), dx * dx + dy * dy);
                let here = (order, (dx, dy, quarters));
                best = Some(best.map_or(here, |known| here.min(known)));
            }
        }
    }
    let ((fit, ..), (dx, dy, quarters)) = best?;
    let moved = dx.abs().max(dy.abs()) >= LEAST_MOVE || quarters != 4;
    let cells = (patch[2] - patch[0]) as u64 * (patch[3] - patch[1]) as u64;
    (moved && fit * better <= still).then(|| MotionFound { dx, dy, quarters, gain: (still - fit) * cells })
}

/// The mean absolute difference, in grey levels, between a patch and what lies in the other frame where it would be, moved and
/// scaled about its middle. `None` where less than half of it would be inside.
fn difference(before: &Grid, after: &Grid, patch: [i32; 4], by: (i32, i32), quarters: i32) -> Option<u64> {
    let [left, top, right, bottom] = patch;
    let (middle_x, middle_y) = ((left + right) / 2, (top + bottom) / 2);
    let cells = (right - left) * (bottom - top);
    let stride = (1..).find(|stride: &i32| cells / (stride * stride) <= COMPARED).unwrap_or(1) as usize;
    let (mut sum, mut inside, mut all) = (0u64, 0u64, 0u64);
    for y in (top..bottom).step_by(stride) {
        for x in (left..right).step_by(stride) {
            all += 1;
            let there_x = middle_x + (x - middle_x) * quarters / 4 + by.0;
            let there_y = middle_y + (y - middle_y) * quarters / 4 + by.1;
            if let (Some(here), Some(there)) = (before.at(x, y), after.at(there_x, there_y)) {
                sum += u64::from(here.abs_diff(there));
                inside += 1;
            }
        }
    }
    (inside * 2 >= all && inside > 0).then(|| sum / inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAR: [u32; 4] = [100, 100, 160, 150];

    /// A striped patch on a plain ground.
    fn frame(bbox: [u32; 4]) -> RgbImage {
        RgbImage::from_fn(384, 288, |x, y| {
            let [left, top, right, bottom] = bbox;
            if (left..right).contains(&x) && (top..bottom).contains(&y) {
                let (across, down) = ((x - left) * 6 / (right - left), (y - top) * 5 / (bottom - top));
                image::Rgb([(40 + 35 * across) as u8, (20 + 30 * down) as u8, 60])
            } else {
                image::Rgb([210, 215, 220])
            }
        })
    }

    fn as_box(bbox: [u32; 4]) -> [f32; 4] {
        bbox.map(|side| side as f32)
    }

    #[test]
    fn a_thing_that_moved_is_told_with_its_way() {
        let first = frame(CAR);
        let things = [("tree", [300.0, 20.0, 350.0, 250.0]), ("car", as_box(CAR))];
        for (dx, dy) in [(60, 0), (-60, 0), (0, 48), (0, -48), (40, 40)] {
            let moved = [100 + dx, 100 + dy, 160 + dx, 150 + dy].map(|side| side as u32);
            for things in [&things[..], &[]] {
                let motion = motion_of(&first, &frame(moved), things).unwrap();
                assert!((motion.dx - dx as f32 / 384.0).abs() < 0.02, "{dx} {dy} {motion:?}");
                assert!((motion.dy - dy as f32 / 288.0).abs() < 0.02, "{dx} {dy} {motion:?}");
                assert_eq!(motion.zoom, 1.0);
                assert_eq!(motion.of.as_deref(), things.first().map(|_| "car"));
            }
        }
    }

    #[test]
    fn what_stands_in_too_wide_a_box_is_named_all_the_same() {
        let (first, second) = (frame(CAR), frame([180, 100, 240, 150]));
        // Of the box, the ground is the most, and stays; the other box is where nothing moved.
        let things = [("tree", [300.0, 150.0, 350.0, 250.0]), ("car", [20.0, 10.0, 330.0, 270.0])];
        let motion = motion_of(&first, &second, &things).unwrap();
        assert!(motion.dx > 0.1 && motion.dy.abs() < 0.03, "{motion:?}");
        assert_eq!(motion.of.as_deref(), Some("car"));
    }

    #[test]
    fn what_comes_closer_is_larger() {
        let near = motion_of(&frame(CAR), &frame([88, 90, 172, 160]), &[("car", as_box(CAR))]).unwrap();
        assert_eq!((near.zoom, near.of.as_deref()), (1.25, Some("car")));
        assert!(near.dx.abs() < 0.03 && near.dy.abs() < 0.03, "{near:?}");
    }

    #[test]
    fn nothing_moved_is_nothing() {
        let first = frame(CAR);
        let things = [("car", as_box(CAR))];
        assert_eq!(motion_of(&first, &first, &things), None);
        assert_eq!(motion_of(&first, &first, &[]), None);
        // A pixel or two are no motion, nor is another picture.
        assert_eq!(motion_of(&first, &frame([102, 100, 162, 150]), &things), None);
        let noise = |seed: u32| {
            RgbImage::from_fn(384, 288, |x, y| {
                let number = crate::plan::choice::slot(u64::from(seed), &format!("{} {}", x / 8, y / 8));
                image::Rgb([number as u8; 3])
            })
        };
        assert_eq!(motion_of(&noise(1), &noise(2), &[("car", as_box(CAR))]), None);
        assert_eq!(motion_of(&first, &RgbImage::new(10, 10), &things), None);
        assert_eq!(motion_of(&RgbImage::new(0, 0), &RgbImage::new(0, 0), &things), None);
        let strange = [("a", [f32::NAN; 4]), ("b", [5.0, 5.0, 5.0, 5.0]), ("c", [-9e9, -9e9, 9e9, 9e9])];
        assert_eq!(motion_of(&first, &first, &strange), None);
        let _ =
            motion_of(&RgbImage::new(1, 700), &RgbImage::from_pixel(1, 700, image::Rgb([255; 3])), &strange);
    }
}
