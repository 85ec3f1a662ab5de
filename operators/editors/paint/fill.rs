//! Fills a hole in a picture from its surroundings.
//!
//! It works from coarse to fine. At each size of the picture, every small square that touches the hole looks for the most similar square
//! outside of the hole, and each pixel in the hole becomes the mean of what these squares say (Wexler, Shechtman and Irani, "Space-time
//! completion of video", 2007; the search is that of Barnes et al., "PatchMatch", 2009). At the coarsest size it starts from a fill from
//! the outside inwards, lines first (see `peel`), or from a smooth fill. If only a smooth ground is around the hole, the smooth fill is the
//! result. If the hole is big, the finest sizes do not search: they copy from where the coarser size found it, so that the time hardly
//! grows with the picture.
//!
//! A square that shows colours which do not occur right around the hole is not copied: it would be another thing.
//!
//! This is our own code, since no crate that the project may use does it: `inpaint` (Telea's method, which also smears across big holes) is
//! under the EUPL, and nothing else on crates.io fills holes. Whole numbers decide all comparisons, and the seed decides all random
//! choices, so that the bytes are the same everywhere.

use image::RgbImage;

use super::dice::Dice;
use crate::pixels::mask::Mask;

mod level;
mod peel;
mod search;

use level::Level;
use search::Matches;

/// A level whose hole touches more squares than this only copies.
const MOST_SEARCHED: usize = 30_000;
/// A hole that is nowhere deeper than this, in pixels, is the coarsest level.
const SHALLOW: u32 = 6;
/// With fewer squares outside of the hole there is nothing to choose from.
const LEAST_SOURCES: usize = 64;

/// Fills the hole in place. Gives the picture back unchanged where nothing is outside of the hole.
pub fn fill(picture: &mut RgbImage, hole: &Mask, seed: u64) {
    debug_assert_eq!(picture.dimensions(), (hole.width, hole.height));
    let area = hole.area();
    if area == 0 || area == u64::from(hole.width) * u64::from(hole.height) {
        return;
    }
    let mut levels = vec![Level::new(picture, hole)];
    while let Some(last) = levels.last()
        && last.depth() > SHALLOW
        && let Some(half) = last.halved()
    {
        levels.push(half);
    }
    level::fill_smoothly(&mut levels);
    if levels[0].is_calm_around() {
        levels[0].write(picture);
        return;
    }
    let mut dice = Dice::of(seed);
    let mut found: Option<Matches> = None;
    for (n, level) in levels.iter_mut().rev().enumerate() {
        if level.sources() < LEAST_SOURCES {
            found = None;
            continue;
        }
        let searches = level.targets() <= MOST_SEARCHED;
        let mut matches = match found.take() {
            Some(coarse) => {
                let matches = coarse.doubled(level, &mut dice);
                matches.vote(level);
                matches
            }
            None => {
                peel::fill_inwards(level);
                Matches::at_random(level, &mut dice)
            }
        };
        let rounds = if !searches {
            0
        } else if n == 0 {
            12
        } else {
            3
        };
        for _ in 0..rounds {
            matches.improve(level, &mut dice);
            matches.vote(level);
        }
        if !searches {
            matches.settle(level);
            matches.vote(level);
        }
        found = Some(matches);
    }
    levels[0].write(picture);
}
