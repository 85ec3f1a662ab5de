//! Looks at the header of a file: what the file is, and how it is to be shown. A walk says the same of a sample's picture; this is for a
//! second frame.

use super::{Probed, ReadOptions, probe};
use crate::row::Refusal;

/// The second frame of a sample's picture, as its file lies in the shard. It is shown as the picture is: by its own orientation, or
/// as it is stored where [`ReadOptions::exif_orientation`] is off.
#[derive(Clone, Debug, PartialEq)]
pub struct EndFrame<'a> {
    pub bytes: &'a [u8],
    /// What it is; or why it cannot be shown, with a class of a sample's picture.
    pub looked: Result<Probed, Refusal>,
}

impl<'a> EndFrame<'a> {
    /// Looks at the file.
    pub fn of(bytes: &'a [u8], options: &ReadOptions) -> Self {
        EndFrame { bytes, looked: probe(bytes, options) }
    }
}
