//! Pixels: from a file's bytes to pictures that are decoded, cropped, resized and masked. This layer knows no model and no edit.

pub mod clip_crop;
pub mod decode;
pub mod decoded;
pub mod fit;
pub mod full;
pub mod letterbox;
pub mod light;
pub mod mask;
pub mod pair;
mod pillow;
pub mod region_crop;
pub mod resize;
pub mod rle;
pub mod ssim;
mod widest;

/// A word on the command line that is none of those that mean something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{found}` is unknown: {allowed}")]
pub struct UnknownName {
    /// The flag: `--letterbox`.
    pub what: &'static str,
    pub found: String,
    /// What may stand there: `mmyolo or ultralytics`.
    pub allowed: &'static str,
}
