//! The EXIF orientation: turning a decoded picture upright.

use threshflow::row::Refusal;

use super::{Rgb, Window, room};

/// How an upright pixel finds its source, after EXIF 2.3, tag 0x0112: first mirrored, then sides swapped.
struct Turn {
    from_right: bool,
    from_bottom: bool,
    swaps_sides: bool,
}

fn turn(orientation: u8) -> Option<Turn> {
    let (from_right, from_bottom, swaps_sides) = match orientation {
        2 => (true, false, false),
        3 => (true, true, false),
        4 => (false, true, false),
        5 => (false, false, true),
        6 => (false, true, true),
        7 => (true, true, true),
        8 => (true, false, true),
        _ => return None,
    };
    Some(Turn { from_right, from_bottom, swaps_sides })
}

/// Turns `picture`, stored with this EXIF orientation, upright.
pub(super) fn upright(picture: Rgb, orientation: u8) -> Result<Rgb, Refusal> {
    let Some(turn) = turn(orientation) else { return Ok(picture) };
    let (width, height) = (picture.width as usize, picture.height as usize);
    let (out_width, out_height) = if turn.swaps_sides { (height, width) } else { (width, height) };
    let mut pixels = room::reserved(picture.pixels.len() as u64)?;
    for y in 0..out_height {
        for x in 0..out_width {
            let (sx, sy) = if turn.swaps_sides { (y, x) } else { (x, y) };
            let sx = if turn.from_right { width - 1 - sx } else { sx };
            let sy = if turn.from_bottom { height - 1 - sy } else { sy };
            let at = 3 * (sy * width + sx);
            pixels.extend_from_slice(&picture.pixels[at..at + 3]);
        }
    }
    let (full_width, full_height) = (picture.full_width, picture.full_height);
    let (full_width, full_height) =
        if turn.swaps_sides { (full_height, full_width) } else { (full_width, full_height) };
    let window = turn_window(&turn, &picture);
    Ok(Rgb { width: out_width as u32, height: out_height as u32, pixels, full_width, full_height, window })
}

/// The picture's place on the turned grid: what was cut off at the right may now be at the left, or at the top.
fn turn_window(turn: &Turn, picture: &Rgb) -> Window {
    let Window { mut left, mut top, width, height } = picture.window;
    if turn.from_right {
        left = f64::from(picture.width) - width - left;
    }
    if turn.from_bottom {
        top = f64::from(picture.height) - height - top;
    }
    if turn.swaps_sides {
        Window { left: top, top: left, width: height, height: width }
    } else {
        Window { left, top, width, height }
    }
}
