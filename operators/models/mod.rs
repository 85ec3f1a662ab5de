//! The arithmetic around each model: what goes in, what comes out, and what that means. Tested without an engine.

pub mod aesthetic_model;
pub mod clip_model;
pub mod clip_tower;
pub mod detect_model;
pub mod embedding;
pub mod labels;
pub mod nms;
pub mod region_clip;
mod row_graph;
pub mod score_model;
pub mod segment_model;
pub mod texts;
pub mod tokens;
pub mod vision_model;
