//! How near pixels lie to a mask.

use crate::pixels::mask::Mask;
use crate::pixels::widest::widest;

/// Of every pixel, the chessboard distance to the nearest pixel of the mask, in pixels; `most + 1` where that is beyond `most`.
/// `most` is at most 254.
pub(crate) fn near(mask: &Mask, most: u8) -> Vec<u8> {
    let beyond = most.saturating_add(1);
    let (width, height) = (mask.width as usize, mask.height as usize);
    let mut far = vec![beyond; width * height];
    // Further out, all is beyond.
    let Some([left, top, right, bottom]) = mask.bounds().map(|bounds| bounds.map(|edge| edge as usize))
    else {
        return far;
    };
    let reach = usize::from(most);
    let (left, right) = (left.saturating_sub(reach), (right + reach).min(width));
    let (top, bottom) = (top.saturating_sub(reach), (bottom + reach).min(height));
    let range = |y: usize| y * width + left..y * width + right;
    widest(
        #[inline(always)]
        || {
            let mut row = Row::of_width(right - left);
            for y in top..bottom {
                row.across(&mask.bits[range(y)], most, &mut far[range(y)]);
            }
            // A king who first goes along the row and then on slanted lines, or straight, comes to every place in as few moves.
            for y in top + 1..bottom {
                let (above, here) = far.split_at_mut(y * width);
                row.over(&above[range(y - 1)], &mut here[left..right]);
            }
            for y in (top + 1..bottom).rev() {
                let (above, here) = far.split_at_mut(y * width);
                row.over(&here[left..right], &mut above[range(y - 1)]);
            }
        },
    );
    far
}

/// A row with room at both ends, so that its neighbours are there at every place.
struct Row(Vec<u8>);

/// The room: no step is longer.
const ROOM: usize = 128;

impl Row {
    fn of_width(width: usize) -> Self {
        Row(vec![u8::MAX; width + 2 * ROOM])
    }

    /// The distances within a row of the mask. After steps of 1, 2, 4, ... pixels from either side the nearest within 1, 3, 7, ... pixels
    /// is known.
    #[inline(always)]
    fn across(&mut self, bits: &[u8], most: u8, far: &mut [u8]) {
        let beyond = most.saturating_add(1);
        if bits.iter().fold(0, |all, bit| all | bit) == 0 {
            far.fill(beyond);
            return;
        }
        far.iter_mut().zip(bits).for_each(|(far, bit)| *far = if *bit != 0 { 0 } else { beyond });
        let mut known = 0;
        while known < most {
            let step = (known + 1).min(most - known).min(ROOM as u8);
            let at = usize::from(step);
            self.0[ROOM..][..far.len()].copy_from_slice(far);
            for ((far, before), behind) in far.iter_mut().zip(&self.0[ROOM - at..]).zip(&self.0[ROOM + at..])
            {
                *far = (*far).min((*before).min(*behind).saturating_add(step));
            }
            known += step;
        }
    }

    /// What `here` is no further than, by a move from the row beside.
    #[inline(always)]
    fn over(&mut self, beside: &[u8], here: &mut [u8]) {
        self.0[ROOM..][..beside.len()].copy_from_slice(beside);
        let three = self.0[ROOM - 1..].iter().zip(&self.0[ROOM..]).zip(&self.0[ROOM + 1..]);
        for (here, ((before, beside), behind)) in here.iter_mut().zip(three) {
            *here = (*here).min((*before).min(*beside).min(*behind).saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(mask: &Mask, most: u8) {
        let width = mask.width as usize;
        let marked: Vec<(usize, usize)> = (0..mask.bits.len())
            .filter(|at| mask.bits[*at] != 0)
            .map(|at| (at % width, at / width))
            .collect();
        for (at, far) in near(mask, most).iter().enumerate() {
            let (x, y) = (at % width, at / width);
            let moves = |(a, b): &(usize, usize)| a.abs_diff(x).max(b.abs_diff(y));
            let beyond = usize::from(most) + 1;
            let wanted = marked.iter().map(moves).min().unwrap_or(beyond).min(beyond);
            assert_eq!(usize::from(*far), wanted, "at {x}, {y} within {most}, {} wide", mask.width);
        }
    }

    #[test]
    fn distances_are_a_kings_moves() {
        let mut mask = Mask::empty(23, 17);
        let marked = [(3usize, 2usize), (17, 9), (18, 9), (22, 16), (9, 15)];
        marked.iter().for_each(|(x, y)| mask.bits[y * 23 + x] = 1);
        [0u8, 1, 4, 14].iter().for_each(|most| compared(&mask, *most));
        assert!(near(&Mask::empty(5, 4), 3).iter().all(|far| *far == 4), "of nothing");
        assert!(near(&Mask::empty(0, 0), 3).is_empty());
    }

    #[test]
    fn distances_are_a_kings_moves_on_all_sorts_of_boards() {
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..150 {
            let mut mask = Mask::empty(random.u32(1..70), random.u32(1..40));
            let pixels = mask.bits.len();
            (0..random.usize(0..6)).for_each(|_| mask.bits[random.usize(..pixels)] = 1);
            compared(&mask, random.u8(..30));
        }
        // As far as it goes: one pixel at each end, and none between.
        for (width, height) in [(600, 3), (3, 600)] {
            let mut mask = Mask::empty(width, height);
            let last = mask.bits.len() - 1;
            (mask.bits[0], mask.bits[last]) = (1, 1);
            [7, 127, 128, 129, 200, 253, 254].iter().for_each(|most| compared(&mask, *most));
        }
    }
}
