//! Operators: one model or method a file, and the rooms that they share.
//!
//! | operator | asks | answers |
//! |---|---|---|
//! | [`short_side`](mod@short_side) | nothing: the header knows | the shorter side, px |
//! | [`aesthetic`] | an ONNX scorer, or the sidecar | 0 to 10 |
//! | [`dedup`] | the decoded picture | a perceptual hash of 56 bits |

pub mod aesthetic;
pub mod aesthetic_model;
pub mod clip_crop;
pub mod decode;
pub mod dedup;
pub mod detect_model;
pub mod letterbox;
pub mod nms;
pub mod onnx;
pub mod record;
pub mod short_side;

pub use aesthetic::{Aesthetic, AestheticScorer};
pub use dedup::PictureHasher;
pub use short_side::{ShortSide, short_side};
