//! Pixels: from a file's bytes to what is looked at, cut out, resized and masked. Knows no model and no edit.

pub mod clip_crop;
pub mod decode;
pub mod letterbox;
pub mod mask;
pub mod region_crop;
pub mod resize;
pub mod rle;
