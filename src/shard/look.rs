//! A look at a file by its header: what it is, and how it is to be shown. What a walk says of a sample's picture, said of a second
//! frame.

use super::{Format, ReadOptions, probe};
use crate::row::Refusal;

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    pub format: Format,
    /// In pixels, as shown.
    pub width: u16,
    pub height: u16,
    /// 1 to 8 as EXIF counts them; 1 where there is none, or where it is not to be followed.
    pub orientation: u8,
}

/// The second frame of a sample's picture, as its file lies in the shard. It is shown as the picture is: by its own orientation, or
/// as it is stored where [`ReadOptions::exif_orientation`] is off.
#[derive(Clone, Debug, PartialEq)]
pub struct EndFrame<'a> {
    pub bytes: &'a [u8],
    /// What it is; or why it cannot be shown, with a class of a sample's picture.
    pub looked: Result<Looked, Refusal>,
}

impl<'a> EndFrame<'a> {
    /// Looks at the file.
    pub fn of(bytes: &'a [u8], options: &ReadOptions) -> Self {
        let looked = probe::probe(bytes, options).map(|probed| Looked {
            format: probed.format,
            width: probed.width,
            height: probed.height,
            orientation: probed.orientation,
        });
        EndFrame { bytes, looked }
    }
}
