//! The first directory of a TIFF, or of EXIF, which is one.

use std::ops::ControlFlow;

/// The first directory of a TIFF, read as Pillow reads it.
pub struct TiffDirectory<'a> {
    tiff: &'a [u8],
    is_little: bool,
    at: usize,
}

/// A field of a directory.
pub struct TiffField<'a> {
    /// TIFF's number of its type.
    pub kind: u16,
    pub data: &'a [u8],
}

impl<'a> TiffDirectory<'a> {
    /// `None` where the bytes don't begin as a TIFF does. (One of more than 4 gigabytes, a BigTIFF, begins otherwise.)
    pub fn first(tiff: &'a [u8]) -> Option<Self> {
        let is_little = match tiff.get(..4)? {
            b"II\x2a\0" | b"II\0\x2a" => true,
            b"MM\0\x2a" | b"MM\x2a\0" => false,
            _ => return None,
        };
        let directory = TiffDirectory { tiff, is_little, at: 0 };
        let at = directory.number(tiff.get(4..8)?) as usize;
        Some(TiffDirectory { at, ..directory })
    }

    /// An unsigned number of up to 8 bytes, in the file's order of bytes.
    pub fn number(&self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    }

    /// The numbers of a field of bytes, shorts or longs; `None` where it isn't there, or of another type.
    pub fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let field = self.field(tag)?;
        let size = match field.kind {
            1 => 1,
            3 => 2,
            4 | 13 => 4,
            16 => 8,
            _ => return None,
        };
        Some(field.data.chunks_exact(size).map(|bytes| self.number(bytes)).collect())
    }

    /// Where the directory itself lies in the file.
    pub fn place(&self) -> std::ops::Range<u64> {
        let entries = self.tiff.get(self.at..self.at + 2).map_or(0, |count| self.number(count));
        let start = self.at as u64;
        start..start + 2 + 12 * entries
    }

    /// The first field with this tag that can be read. What lies behind one that points out of the file is lost, as in Pillow.
    pub fn field(&self, tag: u16) -> Option<TiffField<'a>> {
        let entries = self.tiff.get(self.at..)?;
        let (count, entries) = entries.split_at_checked(2)?;
        let mut far = 0;
        let found =
            entries.chunks_exact(12).take(self.number(count) as usize).try_for_each(|entry| {
                match self.data(entry, &mut far) {
                    Err(()) => ControlFlow::Break(None),
                    Ok(Some(data)) if self.number(&entry[..2]) == u64::from(tag) && !data.is_empty() => {
                        ControlFlow::Break(Some(TiffField { kind: self.number(&entry[2..4]) as u16, data }))
                    }
                    Ok(_) => ControlFlow::Continue(()),
                }
            });
        found.break_value().flatten()
    }

    /// The data of an entry; `None` where its type isn't known, or more lies elsewhere than the file has bytes; an error where it lies
    /// outside. `far` counts the bytes that lie elsewhere.
    fn data(&self, entry: &'a [u8], far: &mut u64) -> Result<Option<&'a [u8]>, ()> {
        let unit = match self.number(&entry[2..4]) {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16 => 8,
            _ => return Ok(None),
        };
        let size = self.number(&entry[4..8]) * unit;
        if size <= 4 {
            return Ok(entry.get(8..8 + size as usize));
        }
        *far += size;
        if *far > self.tiff.len() as u64 {
            return Ok(None);
        }
        let at = self.number(&entry[8..12]) as usize;
        self.tiff.get(at..at + size as usize).ok_or(()).map(Some)
    }
}
