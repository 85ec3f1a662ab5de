//! The vision tower of a CLIP, for all stages of a pipeline that look at regions through it: scores of regions, the judge, the direction of
//! edits. It is in memory once.

use std::path::Path;
use std::sync::Arc;

use threshflow::lane::Limits;
use threshflow::row::Refusal;

use crate::models::clip_model::{ClipModel, VisionTower};
use crate::models::vision_model::embed;
use crate::onnx::{Backend, OnnxError, SessionPlan, SessionPool, SharedPool};

/// A CLIP, and sessions of its vision tower.
pub struct ClipTower {
    model: ClipModel,
    sessions: SharedPool<VisionTower>,
}

impl ClipTower {
    /// The CLIP in `folder` (its vision tower), on `cores` cores.
    pub fn open(folder: &Path, backend: &Backend, cores: usize) -> Result<Arc<Self>, OnnxError> {
        let model = ClipModel::open(folder, backend)?;
        let mut plan = SessionPlan::new(backend, model.bytes(), cores);
        // Crops, of one region or of several.
        plan.most_a_batch = if backend.on_gpu() { 8 } else { 1 };
        let opened = model.clone();
        let opens = move |place, threads| opened.open_vision(place, threads);
        let sessions = SharedPool::new(SessionPool::open(plan, opens, |_, _| Ok(()))?);
        Ok(Arc::new(ClipTower { model, sessions }))
    }

    pub fn model(&self) -> &ClipModel {
        &self.model
    }

    /// Of a stage that asks nothing else.
    pub fn limits(&self) -> Limits {
        self.sessions.limits()
    }

    /// The embedding of each crop, in order; one for each, whatever became of the others. Waits while other stages have all sessions.
    pub fn embed(&self, crops: &[&[u8]]) -> Vec<Result<Vec<f32>, Refusal>> {
        let embedded = self.sessions.with(|pool, session| embed(pool, session, crops));
        embedded.unwrap_or_else(|error| {
            let refusal =
                Refusal::transient("model_failed", format!("no session of the CLIP opens: {error}"));
            vec![Err(refusal); crops.len()]
        })
    }
}
