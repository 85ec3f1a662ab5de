//! Which BMPs are decoded: those that `image` is known to decode as Pillow does. What the format leaves open (pixels that a run of lengths
//! skips, colours that the palette does not have) is refused.

use threshflow::row::Refusal;

const RAW: u32 = 0;
const RLE8: u32 = 1;
const RLE4: u32 = 2;
const BITFIELDS: u32 = 3;

/// Masks that are read: of red, green and blue, and where there are 32 bits, of alpha.
const MASKS_OF_16: [[u32; 3]; 2] = [[0xF800, 0x7E0, 0x1F], [0x7C00, 0x3E0, 0x1F]];
const MASKS_OF_32: [[u32; 4]; 5] = [
    [0xFF_0000, 0xFF00, 0xFF, 0],
    [0xFF_0000, 0xFF00, 0xFF, 0xFF00_0000],
    [0xFF, 0xFF00, 0xFF_0000, 0xFF00_0000],
    [0xFF00_0000, 0xFF_0000, 0xFF00, 0],
    [0xFF00_0000, 0xFF_0000, 0xFF00, 0xFF],
];

/// What a BMP's header says.
struct Header {
    width: usize,
    height: usize,
    bits: u16,
    compression: u32,
    /// Entries of the palette.
    colours: usize,
    /// Where the pixels lie.
    at: usize,
}

/// Refused as `unsupported_picture` where the kind isn't known to come out right, as `bad_picture` where pixels are missing.
pub(super) fn check(file: &[u8]) -> Result<(), Refusal> {
    let header = header(file)?;
    let pixels = file.get(header.at..).ok_or_else(|| cut(file.len()))?;
    match header.compression {
        RLE8 | RLE4 => check_runs(pixels, &header),
        _ if header.bits <= 8 => check_indices(pixels, &header),
        _ => Ok(()),
    }
}

fn cut(bytes: usize) -> Refusal {
    Refusal::permanent("cut_picture", format!("BMP: {bytes} bytes end before the pixels do"))
}

fn header(file: &[u8]) -> Result<Header, Refusal> {
    let short = |at: usize| {
        file.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]])).ok_or_else(|| cut(file.len()))
    };
    let long =
        |at: usize| -> Result<u32, Refusal> { Ok(u32::from(short(at)?) | u32::from(short(at + 2)?) << 16) };
    let size = long(14)?;
    let is_old = size == 12;
    let (width, height, bits, compression) = if is_old {
        (u32::from(short(18)?), u32::from(short(20)?), short(24)?, RAW)
    } else {
        (long(18)?, (long(22)? as i32).unsigned_abs(), short(28)?, long(30)?)
    };
    let unsupported = |what: String| Err(Refusal::permanent("unsupported_picture", format!("BMP: {what}")));
    if ![12, 40, 52, 56, 64, 108, 124].contains(&size) {
        return unsupported(format!("a header of {size} bytes is not read"));
    }
    let is_known = match compression {
        RAW => [1, 4, 8, 16, 24, 32].contains(&bits),
        RLE8 => bits == 8,
        RLE4 => bits == 4,
        BITFIELDS if bits == 16 || bits == 32 => {
            let [red, green, blue] = [long(54)?, long(58)?, long(62)?];
            let alpha = if size < 56 { 0 } else { long(66)? };
            match bits {
                16 => MASKS_OF_16.contains(&[red, green, blue]),
                _ => MASKS_OF_32.contains(&[red, green, blue, alpha]),
            }
        }
        _ => false,
    };
    if !is_known {
        return unsupported(format!(
            "{bits} bits a pixel, compression {compression}, are not read, or not with these masks"
        ));
    }
    let colours = if is_old { 0 } else { long(46)? as usize };
    let colours = if colours == 0 && bits <= 8 { 1 << bits } else { colours };
    let at = long(10)? as usize;
    Ok(Header { width: width as usize, height: height as usize, bits, compression, colours, at })
}

fn check_index(index: u8, header: &Header) -> Result<(), Refusal> {
    let colours = header.colours;
    if usize::from(index) < colours {
        return Ok(());
    }
    Err(Refusal::permanent("bad_picture", format!("BMP: colour {index} of a palette of {colours}")))
}

fn check_indices(pixels: &[u8], header: &Header) -> Result<(), Refusal> {
    let bits = usize::from(header.bits);
    if header.colours >= 1 << bits {
        return Ok(());
    }
    let stride = (header.width * bits).div_ceil(32) * 4;
    let (mask, a_byte) = (((1_u16 << bits) - 1) as u8, 8 / bits);
    for row in pixels.chunks(stride.max(1)).take(header.height) {
        for x in 0..header.width {
            let Some(byte) = row.get(x / a_byte) else { return Err(cut(header.at + pixels.len())) };
            check_index(byte >> (8 - bits - x % a_byte * bits) & mask, header)?;
        }
    }
    Ok(())
}

/// Follows the runs: every pixel of every row is set once, and no run goes beyond its row.
fn check_runs(pixels: &[u8], header: &Header) -> Result<(), Refusal> {
    let broken = |why: &str| Refusal::permanent("bad_picture", format!("BMP: {why}"));
    let ended = || cut(header.at + pixels.len());
    let nibbles = header.compression == RLE4;
    let (mut rest, mut x, mut y) = (pixels, 0, 0);
    let of_run = |byte: u8| if nibbles { [byte >> 4, byte & 15] } else { [byte; 2] };
    loop {
        let (&[count, value], after) = rest.split_first_chunk::<2>().ok_or_else(ended)?;
        rest = after;
        let set = match (count, value) {
            (0, 0) if x == header.width => {
                (x, y) = (0, y + 1);
                continue;
            }
            (0, 1) if y + 1 >= header.height && (x == header.width || y == header.height) => return Ok(()),
            (0, 0..=2) => return Err(broken("runs of lengths that leave pixels out")),
            (0, count) => {
                let bytes = usize::from(count).div_ceil(if nibbles { 2 } else { 1 });
                let (data, after) = rest.split_at_checked(bytes.next_multiple_of(2)).ok_or_else(ended)?;
                rest = after;
                let indices = data
                    .iter()
                    .flat_map(|byte| if nibbles { vec![byte >> 4, byte & 15] } else { vec![*byte] });
                indices.take(count.into()).try_for_each(|index| check_index(index, header))?;
                count
            }
            (count, value) => {
                let [first, second] = of_run(value);
                check_index(first, header)?;
                check_index(if count > 1 { second } else { first }, header)?;
                count
            }
        };
        x += usize::from(set);
        if x > header.width || y >= header.height {
            return Err(broken("runs of lengths that go beyond their row"));
        }
    }
}
