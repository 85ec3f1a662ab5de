//! The vision tower: crops in, embeddings of length 1 out.

use crate::models::row_graph::{PixelSession, unit_rows};
use crate::onnx::OnnxError;

/// A loaded vision tower.
pub struct VisionTower {
    pixels: PixelSession,
}

impl VisionTower {
    pub(crate) fn of(pixels: PixelSession) -> Self {
        VisionTower { pixels }
    }

    /// The embeddings of crops that [`Preprocess::crop_u8`](crate::pixels::clip_crop::Preprocess::crop_u8) made: one each, in order, of
    /// L2 norm 1.
    ///
    /// Any number of crops is taken, as by [`Scorer::score`](crate::models::aesthetic_model::Scorer::score). An embedding that is all zeros,
    /// or holds a NaN or an infinity, fails the whole batch, with its row told; asked alone, the others have theirs.
    pub fn embed(&mut self, crops: &[&[u8]]) -> Result<Vec<Vec<f32>>, OnnxError> {
        let numbers = self.pixels.run(crops)?;
        unit_rows(&numbers, crops.len(), &self.pixels.rows.graph.model.path)
    }
}
