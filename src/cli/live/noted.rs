//! What the store was told of the stages: a session tells it several times, and each time only what is new.

use std::collections::HashMap;

use crate::lane::StageStatus;
use crate::row::Stamp;

/// How the stages stood when the store was last told.
#[derive(Default)]
pub(super) struct Noted {
    stages: HashMap<(Stamp, &'static str), (u64, f64, Option<f64>)>,
}

impl Noted {
    pub(super) fn note(&mut self, stages: Vec<StageStatus>) {
        self.stages = stages
            .into_iter()
            .map(|stage| ((stage.stamp, stage.name), (stage.asked.asked, stage.wall_seconds, stage.cost)))
            .collect();
    }

    /// The stages with what they did since.
    pub(super) fn since(&self, mut stages: Vec<StageStatus>) -> Vec<StageStatus> {
        for stage in &mut stages {
            if let Some((asked, seconds, cost)) = self.stages.get(&(stage.stamp, stage.name)) {
                stage.asked.asked -= asked;
                stage.wall_seconds -= seconds;
                stage.cost = stage.cost.map(|now| now - cost.unwrap_or(0.0));
            }
        }
        stages
    }
}
