//! Writes run lengths: down the columns of a mask that is stored in rows.
//!
//! A walk down a column touches another cache line with every pixel. So 64 columns are taken at once: 64 rows of them become a square of
//! bits, the square is transposed, and each column is a few words. The changes in these words are counted bit by bit, and everything that
//! stays the same is skipped.

use crate::pixels::mask::Mask;

/// The `counts` string of `mask`, byte for byte as pycocotools writes it.
///
/// Panics where `mask.bits` has not one byte a pixel.
pub fn encode(mask: &Mask) -> String {
    mask.assert_whole();
    let (width, height) = (mask.width as usize, mask.height as usize);
    let words = height.div_ceil(64);
    let mut writer = RunWriter::default();
    // Of one strip: the words of its first column, of its second, and so on.
    let mut strip = vec![0u64; 64 * words];
    for left in (0..width).step_by(64) {
        let columns = (width - left).min(64);
        for word in 0..words {
            let mut square = [0u64; 64];
            for (y, row) in (64 * word..height).zip(&mut square) {
                *row = packed(&mask.bits[y * width + left..y * width + left + columns]);
            }
            transpose(&mut square);
            square.iter().enumerate().for_each(|(column, bits)| strip[column * words + word] = *bits);
        }
        for column in strip.chunks_exact(words.max(1)).take(columns) {
            writer.column(column, height);
        }
    }
    writer.finish()
}

/// Up to 64 pixels as bits, the first the lowest.
fn packed(pixels: &[u8]) -> u64 {
    let eight = |bytes: [u8; 8]| {
        let mut bytes = u64::from_le_bytes(bytes);
        // Whatever is not 0 counts as 1: every bit of a byte is brought to its lowest.
        bytes |= bytes >> 4;
        bytes |= bytes >> 2;
        bytes |= bytes >> 1;
        // Bit 0 of byte i is moved to bit 56 + i.
        (bytes & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    let (whole, rest) = pixels.as_chunks::<8>();
    let mut bits = whole.iter().zip(0..).fold(0, |bits, (bytes, at)| bits | eight(*bytes) << (8 * at));
    for (pixel, at) in rest.iter().zip(8 * whole.len()..) {
        bits |= u64::from(*pixel != 0) << at;
    }
    bits
}

/// Turns a square of 64 x 64 bits on its diagonal: bit c of word r and bit r of word c change places.
/// By halves: blocks of 32, of 16, down to single bits (Warren, Hacker's Delight, 7-3).
fn transpose(square: &mut [u64; 64]) {
    let mut size = 32;
    let mut mask = u64::MAX >> 32;
    while size > 0 {
        for row in (0..64).filter(|row| row & size == 0) {
            let swapped = ((square[row] >> size) ^ square[row + size]) & mask;
            square[row] ^= swapped << size;
            square[row + size] ^= swapped;
        }
        size /= 2;
        mask ^= mask << size;
    }
}

/// Takes runs of pixels, column by column, and writes their `counts` string.
///
/// ```
/// use operators::pixels::rle::RunWriter;
/// let mut writer = RunWriter::default();
/// for (inside, pixels) in [(false, 1), (false, 1), (true, 3), (true, 0), (false, 1)] {
///     writer.push(u8::from(inside), pixels);
/// }
/// assert_eq!((writer.area(), writer.finish()), (3, "231".to_string()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct RunWriter {
    text: String,
    /// What the run under way consists of, 0 or 1, and how long it is.
    pixel: u8,
    length: u32,
    /// How many runs are written, and the last two of them, the older first.
    index: usize,
    before: [u32; 2],
    area: u64,
}

impl RunWriter {
    /// Adds `length` pixels, outside (0) or inside (1). No run may come to 2^32 pixels.
    pub fn push(&mut self, pixel: u8, length: u32) {
        if length == 0 {
            return;
        }
        let pixel = u8::from(pixel != 0);
        self.area += u64::from(pixel) * u64::from(length);
        if pixel == self.pixel {
            self.length += length;
        } else {
            self.write();
            (self.pixel, self.length) = (pixel, length);
        }
    }

    /// How many pixels were inside so far.
    pub fn area(&self) -> u64 {
        self.area
    }

    /// The string of all that was added.
    pub fn finish(mut self) -> String {
        self.write();
        self.text
    }

    /// One column of `height` pixels, the first the lowest bit of the first word.
    fn column(&mut self, words: &[u64], height: usize) {
        let mut start = 0;
        let mut pixel = words.first().map_or(0, |word| word & 1);
        for (at, word) in words.iter().enumerate() {
            // A bit is set where a pixel differs from the one above it; beyond the last row nothing does.
            let mut changes = word ^ (word << 1 | pixel_above(words, at, pixel));
            let rows = height - 64 * at;
            if rows < 64 {
                changes &= (1 << rows) - 1;
            }
            while changes != 0 {
                let row = 64 * at + changes.trailing_zeros() as usize;
                self.push(pixel as u8, (row - start) as u32);
                (start, pixel) = (row, pixel ^ 1);
                changes &= changes - 1;
            }
        }
        self.push(pixel as u8, (height - start) as u32);
    }

    fn write(&mut self) {
        let mut number = i64::from(self.length);
        if self.index > 2 {
            number -= i64::from(self.before[0]);
        }
        loop {
            let group = (number & 0x1F) as u8;
            number >>= 5;
            // As long as what is left isn't just the sign of this group.
            let more = number != if group & 0x10 != 0 { -1 } else { 0 };
            self.text.push(char::from(48 + group + if more { 0x20 } else { 0 }));
            if !more {
                break;
            }
        }
        self.before = [self.before[1], self.length];
        self.index += 1;
    }
}

/// The pixel above the first of word `at`; above the first of all there is none, and it differs from nothing.
fn pixel_above(words: &[u64], at: usize, first: u64) -> u64 {
    if at == 0 { first } else { words[at - 1] >> 63 }
}
