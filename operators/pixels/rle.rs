//! COCO's run lengths: a mask as one short string, and back.
//!
//! The pixels are walked column by column, top to bottom. Runs of outside and inside alternate; the first is outside (and empty if the walk
//! starts inside). From the fourth run on, the difference to the run two before is written. Each number is cut into groups of 5 bits, the
//! lowest first, as few as hold it with its sign. A group becomes the character 48 + group, + 32 if another follows. Format:
//! cocodataset/cocoapi, `common/maskApi.c`.

mod encode;

use crate::pixels::decode::MAX_PIXELS;
use crate::pixels::mask::Mask;

pub use encode::{RunWriter, encode};

/// What is wrong with a `counts` string. `at` counts its characters from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    #[error(
        "counts: byte {byte:#04x} at {at} is no run-length character; allowed are `0` to `o` (0x30 to 0x6f): is it \
         uncompressed, or not RLE at all?"
    )]
    Character { at: usize, byte: u8 },
    #[error("counts: it ends in the middle of a number, after {length} characters: it was cut")]
    Cut { length: usize },
    #[error("counts: the number that ends at {at} makes a run of {run} pixels; allowed are 0 to {most}", most = u32::MAX)]
    Run { at: usize, run: i64 },
    #[error("counts: the number at {at} has more than {MOST_GROUPS} characters: no run is that long")]
    Long { at: usize },
    #[error(
        "counts: its runs add up to {found} pixels, and {width} x {height} has {wanted}: is the size another picture's?"
    )]
    Sum { found: u64, wanted: u64, width: u32, height: u32 },
    #[error("a mask of {width} x {height} pixels: at most {MAX_PIXELS} pixels are decoded")]
    Pixels { width: u32, height: u32 },
}

/// A difference of two 32-bit runs has 33 bits and a sign.
const MOST_GROUPS: usize = 7;

/// The mask of `width` x `height` pixels that `counts` tells.
///
/// Takes what [`encode`] and pycocotools write; nothing is allocated before the runs are known to add up to `width * height`.
///
/// ```
/// use operators::{pixels::mask::Mask, pixels::rle::{decode, encode}};
/// let mask = Mask { width: 3, height: 2, bits: vec![0, 1, 1, 0, 0, 1] };
/// assert_eq!(encode(&mask), "2111");
/// assert_eq!(decode("2111", 3, 2), Ok(mask));
/// assert!(decode("2111", 3, 3).is_err());
/// ```
pub fn decode(counts: &str, width: u32, height: u32) -> Result<Mask, RleError> {
    let wanted = u64::from(width) * u64::from(height);
    if wanted > MAX_PIXELS {
        return Err(RleError::Pixels { width, height });
    }
    let mut found = 0;
    for run in runs(counts) {
        found += u64::from(run?);
    }
    if found != wanted {
        return Err(RleError::Sum { found, wanted, width, height });
    }
    let mut mask = Mask::empty(width, height);
    let (mut x, mut y) = (0, 0);
    for (at, run) in runs(counts).enumerate() {
        let mut left = run?;
        while left > 0 {
            let here = left.min(height - y);
            if at % 2 == 1 {
                let first = y as usize * width as usize + x as usize;
                let column = mask.bits[first..].iter_mut().step_by(width as usize);
                column.take(here as usize).for_each(|bit| *bit = 1);
            }
            (left, y) = (left - here, y + here);
            if y == height {
                (x, y) = (x + 1, 0);
            }
        }
    }
    Ok(mask)
}

/// How many pixels are inside, by the string alone.
///
/// ```
/// assert_eq!(operators::pixels::rle::area("2111"), Ok(3));
/// ```
pub fn area(counts: &str) -> Result<u64, RleError> {
    let mut inside = 0;
    for (at, run) in runs(counts).enumerate() {
        inside += u64::from(run?) * (at as u64 % 2);
    }
    Ok(inside)
}

/// The run lengths, in pixels, outside and inside by turns. Ends behind the first error.
pub fn runs(counts: &str) -> Runs<'_> {
    Runs { bytes: counts.as_bytes(), at: 0, index: 0, before: [0; 2] }
}

/// Gives the runs of a `counts` string one by one, see [`runs`].
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    bytes: &'a [u8],
    at: usize,
    index: usize,
    /// The last run but one, and the last.
    before: [i64; 2],
}

impl Iterator for Runs<'_> {
    type Item = Result<u32, RleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let run = self.run();
        if run.is_err() {
            self.at = self.bytes.len();
        }
        Some(run)
    }
}

impl Runs<'_> {
    fn run(&mut self) -> Result<u32, RleError> {
        let start = self.at;
        let mut run = self.number()?;
        if self.index > 2 {
            run += self.before[0];
        }
        let length = u32::try_from(run).map_err(|_| RleError::Run { at: self.at - 1, run })?;
        debug_assert!(self.at > start, "every run takes a character");
        self.before = [self.before[1], run];
        self.index += 1;
        Ok(length)
    }

    /// The next signed number: groups of 5 bits, the lowest first, the sign in the uppermost bit of the last.
    fn number(&mut self) -> Result<i64, RleError> {
        let mut number = 0;
        for group in 0..MOST_GROUPS {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(RleError::Cut { length: self.bytes.len() });
            };
            let bits = byte.wrapping_sub(48);
            if bits >= 64 {
                return Err(RleError::Character { at: self.at, byte });
            }
            self.at += 1;
            let shift = 5 * group;
            number |= i64::from(bits & 0x1F) << shift;
            if bits & 0x20 == 0 {
                let sign = if bits & 0x10 != 0 { -1i64 << (shift + 5) } else { 0 };
                return Ok(number | sign);
            }
        }
        Err(RleError::Long { at: self.at - MOST_GROUPS })
    }
}

#[cfg(test)]
mod tests;
