//! Operators: one model or method a file, and the rooms that they share.
//!
//! | operator | asks | answers |
//! |---|---|---|
//! | [`short_side`](mod@short_side) | nothing: the header knows | the shorter side, px |
//! | [`aesthetic`] | an ONNX scorer, or the sidecar | 0 to 10 |

pub mod aesthetic;
pub mod aesthetic_model;
pub mod clip_crop;
pub mod clip_model;
pub mod decode;
pub mod detect;
pub mod detect_model;
pub mod embedding;
pub mod letterbox;
pub mod mask;
pub mod nms;
pub mod nouns;
pub mod onnx;
pub mod record;
pub mod records;
pub mod region_crop;
pub mod region_score;
pub mod rle;
pub mod segment;
pub mod segment_model;
pub mod short_side;
pub mod texts;
pub mod tokens;
mod row_graph;
mod passing;

pub use aesthetic::{Aesthetic, AestheticScorer};
pub use short_side::{ShortSide, short_side};
