//! How near pixels lie to a mask.

use crate::pixels::mask::Mask;

/// Of every pixel, the chessboard distance to the nearest pixel of the mask, in pixels; `most + 1` where that is beyond `most`.
/// `most` is at most 254.
pub(crate) fn near(mask: &Mask, most: u8) -> Vec<u8> {
    let beyond = most.saturating_add(1);
    let (width, height) = (mask.width as usize, mask.height as usize);
    let mut far: Vec<u8> = mask.bits.iter().map(|bit| if *bit != 0 { 0 } else { beyond }).collect();
    if most == 0 || width == 0 {
        return far;
    }
    // Along rows, then along columns: the chessboard's distance is the greater of the two, so each is widened on its own.
    let step = |least: &mut u8, here: &mut u8| {
        *least = (*least).saturating_add(1).min(*here).min(beyond);
        *here = *least;
    };
    let mut rows = vec![beyond; width * height];
    for (to, row) in rows.chunks_exact_mut(width).zip(far.chunks_exact_mut(width)) {
        let mut least = beyond;
        row.iter_mut().for_each(|here| step(&mut least, here));
        least = beyond;
        row.iter_mut().rev().for_each(|here| step(&mut least, here));
        to.copy_from_slice(row);
    }
    // max(across, down) is at most n where a row within n holds a pixel within n across: the least over rows of that maximum.
    for reach in 1..=usize::from(most) {
        let level = reach as u8;
        for y in 0..height {
            let (above, below) = (y.checked_sub(reach), (y + reach < height).then_some(y + reach));
            let (start, end) = (y * width, (y + 1) * width);
            for other in [above, below].into_iter().flatten() {
                let row = &rows[other * width..(other + 1) * width];
                far[start..end]
                    .iter_mut()
                    .zip(row)
                    .for_each(|(here, across)| *here = (*here).min(level.max(*across)));
            }
        }
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_a_kings_moves() {
        let mut mask = Mask::empty(23, 17);
        let marked = [(3usize, 2usize), (17, 9), (18, 9), (22, 16), (9, 15)];
        marked.iter().for_each(|(x, y)| mask.bits[y * 23 + x] = 1);
        for most in [0u8, 1, 4, 14] {
            let far = near(&mask, most);
            for (at, far) in far.iter().enumerate() {
                let (x, y) = (at % 23, at / 23);
                let moves = |(a, b): &(usize, usize)| a.abs_diff(x).max(b.abs_diff(y));
                let wanted = marked.iter().map(moves).min().unwrap().min(usize::from(most) + 1);
                assert_eq!(usize::from(*far), wanted, "at {x}, {y} within {most}");
            }
        }
        assert!(near(&Mask::empty(5, 4), 3).iter().all(|far| *far == 4), "of nothing");
    }
}
