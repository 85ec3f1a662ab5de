//! Tars made byte by byte, however hostile, and pictures that are larger than they look.

/// One member of a tar to be made; the name is written as it is.
#[derive(Clone)]
pub struct Member {
    name: Vec<u8>,
    kind: u8,
    payload: Vec<u8>,
}

impl Member {
    pub fn payload_len(&self) -> usize {
        self.payload.len()
    }
}

pub fn file(name: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Member {
    Member { name: name.as_ref().to_vec(), kind: b'0', payload: payload.as_ref().to_vec() }
}

/// A link, a device: whatever tar calls `kind`.
pub fn special(name: &str, kind: u8) -> Member {
    Member { name: name.as_bytes().to_vec(), kind, payload: Vec::new() }
}

/// Header and payload, in whole blocks.
pub fn blocks(member: &Member) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..member.name.len()].copy_from_slice(&member.name);
    header.set_size(member.payload.len() as u64);
    header.set_mode(0o644);
    header.as_mut_bytes()[156] = member.kind;
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(&member.payload);
    out.resize(out.len().div_ceil(512) * 512, 0);
    out
}

/// The header of a file that claims this size, in GNU's binary form.
pub fn claim(name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).expect("a short name");
    header.as_old_mut().size = [0; 12];
    header.as_old_mut().size[0] = 0x80;
    header.as_old_mut().size[4..].copy_from_slice(&size.to_be_bytes());
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A tar of these members, with the mark of its end.
pub fn tar_of(members: &[Member]) -> Vec<u8> {
    let mut out: Vec<u8> = members.iter().flat_map(blocks).collect();
    out.resize(out.len() + 1024, 0);
    out
}

/// A black grey PNG of any size, in 13 bits for every 258 bytes of pixels: a real picture, and a bomb when large.
pub fn black_png(width: u32, height: u32) -> Vec<u8> {
    let bytes = (u64::from(width) + 1) * u64::from(height); // a filter byte a row
    png_of(width, height, &zeros_deflated(bytes))
}

/// A grey PNG with these bytes for its pixels, whatever its header claims.
pub fn png_of(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 0, 0, 0, 0]); // 8 bits of grey
    chunk(&mut png, b"IHDR", &header);
    chunk(&mut png, b"IDAT", data);
    chunk(&mut png, b"IEND", &[]);
    png
}

/// The PNG with an EXIF orientation, 1 to 8, that shows it turned.
pub fn turned_png(png: &[u8], orientation: u8) -> Vec<u8> {
    // Behind the signature and the header.
    let (head, rest) = png.split_at(33);
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let mut out = head.to_vec();
    chunk(&mut out, b"eXIf", &exif);
    [out.as_slice(), rest].concat()
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    let checked = [kind, data].concat();
    png.extend_from_slice(&checked);
    png.extend(crc32(&checked).to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (n, slot) in table.iter_mut().enumerate() {
        *slot = (0..8).fold(n as u32, |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 });
    }
    !bytes.iter().fold(!0, |crc, byte| table[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8))
}

/// So many zeros as a zlib stream of one block with fixed codes: zeros, then repetitions of them.
fn zeros_deflated(count: u64) -> Vec<u8> {
    let mut bits = Bits { out: vec![0x78, 0x01], filled: 0 };
    bits.push(&[true]); // the last block
    bits.push(&[true, false]); // with fixed codes
    const LITERAL_0: [bool; 8] = [false, false, true, true, false, false, false, false];
    const REPEAT_258: [bool; 8] = [true, true, false, false, false, true, false, true];
    const ONE_BACK: [bool; 5] = [false; 5];
    let repeats = (count - 1) / 258;
    (0..count - repeats * 258).for_each(|_| bits.push(&LITERAL_0));
    for _ in 0..repeats {
        bits.push(&REPEAT_258);
        bits.push(&ONE_BACK);
    }
    bits.push(&[false; 7]); // the end of the block
    // Adler-32 of zeros: the first sum stays 1, the second counts them.
    let adler = ((count % 65521) as u32) << 16 | 1;
    bits.out.extend(adler.to_be_bytes());
    bits.out
}

struct Bits {
    out: Vec<u8>,
    /// How many bits of the last byte are taken; 0: a new byte begins.
    filled: u32,
}

impl Bits {
    fn push(&mut self, bits: &[bool]) {
        for bit in bits {
            if self.filled == 0 {
                self.out.push(0);
            }
            if let Some(last) = self.out.last_mut() {
                *last |= u8::from(*bit) << self.filled;
            }
            self.filled = (self.filled + 1) % 8;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_black_png_is_a_picture() {
        for (width, height) in [(1, 1), (300, 200), (257, 3)] {
            let picture = image::load_from_memory(&super::black_png(width, height)).expect("decodes");
            assert_eq!((picture.width(), picture.height()), (width, height));
            assert!(picture.into_luma8().into_raw().iter().all(|value| *value == 0));
        }
        assert!(super::black_png(12_000, 12_000).len() < 1 << 20);
    }
}
