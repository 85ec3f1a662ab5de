//! Operators: one model or method a file, and the rooms that they share.

pub mod aesthetic_model;
pub mod clip_crop;
pub mod decode;
pub mod onnx;
