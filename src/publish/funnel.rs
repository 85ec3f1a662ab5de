//! The funnel: how many rows each stage took in, held back, refused and passed on; and the check that they add up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PublishError, StageDescription, Wanted};
use crate::row::Verdict;

/// The canonical facts of a published set, as `summary.json` holds them: rows = kept + gated + refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The pipeline's name.
    pub pipeline: String,
    /// Where each dial stood.
    pub dials: BTreeMap<String, f32>,
    /// Rows of all shards.
    pub rows: u64,
    /// Rows that are published.
    pub kept: u64,
    /// Rows held back, by dial (each dial is named, even where it held back none).
    pub gated: BTreeMap<String, u64>,
    /// Rows refused, by stage and by class.
    pub refused: BTreeMap<String, BTreeMap<String, u64>>,
}

/// What one stage did to the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunnelStep {
    /// The stage, as the card shows it.
    pub stage: String,
    /// Rows that came in.
    pub entered: u64,
    /// Rows that its dial held back.
    pub gated: u64,
    /// Rows that ended here without an answer.
    pub refused: u64,
    /// Rows that went on.
    pub left: u64,
}

/// Counts the verdicts, and refuses those that cannot be: see [`PublishError::Verdicts`].
///
/// ```
/// use threshflow::publish::{StageDescription, Wanted, WantedShard, summarise};
/// use threshflow::row::{Refusal, Refused, Verdict};
/// let refused = Refused { stage: "probe".into(), refusal: Refusal::new("cut_picture", "it ends after 12 bytes") };
/// let verdicts = [Verdict::Kept(Box::new([])), Verdict::Refused(Box::new(refused))];
/// let shards = vec![WantedShard { seq: 7, name: "00012", verdicts: &verdicts }];
/// let stages = [StageDescription::Probe];
/// let wanted = Wanted { pipeline: "prepare", stages: &stages, dials: &[], score_columns: &[], shards, regions: None };
/// let summary = summarise(&wanted)?;
/// let gated: u64 = summary.gated.values().sum();
/// let refused: u64 = summary.refused.values().flat_map(|classes| classes.values()).sum();
/// assert_eq!(summary.rows, summary.kept + gated + refused);
/// # Ok::<(), threshflow::publish::PublishError>(())
/// ```
pub fn summarise(wanted: &Wanted<'_>) -> Result<Summary, PublishError> {
    let mut summary = Summary { pipeline: wanted.pipeline.to_owned(), ..Summary::default() };
    for dial in wanted.dials {
        if !dial.value.is_finite() {
            return Err(PublishError::Verdicts(format!(
                "the dial {} stands at {}, which is no number",
                dial.name, dial.value
            )));
        }
        summary.dials.insert(dial.name.to_owned(), dial.value);
        summary.gated.insert(dial.name.to_owned(), 0);
    }
    for shard in &wanted.shards {
        summary.rows += shard.verdicts.len() as u64;
        for (row, verdict) in shard.verdicts.iter().enumerate() {
            count(&mut summary, wanted, verdict)
                .map_err(|why| PublishError::Verdicts(format!("shard {}, row {row}: {why}", shard.name)))?;
        }
    }
    Ok(summary)
}

fn count(summary: &mut Summary, wanted: &Wanted<'_>, verdict: &Verdict) -> Result<(), String> {
    match verdict {
        Verdict::Kept(scores) if scores.len() == wanted.score_columns.len() => summary.kept += 1,
        Verdict::Kept(scores) => {
            return Err(format!(
                "kept with {} scores for the columns {:?}",
                scores.len(),
                wanted.score_columns
            ));
        }
        Verdict::Gated { dial, .. } => match summary.gated.get_mut(*dial) {
            Some(gated) => *gated += 1,
            None => return Err(format!("gated by {dial}, which is none of the dials")),
        },
        Verdict::Refused(refused) => {
            if place_of_refusal(wanted.stages, &refused.stage).is_none() {
                return Err(format!("refused at {}, which is none of the stages", refused.stage));
            }
            let classes = summary.refused.entry(refused.stage.to_string()).or_default();
            *classes.entry(refused.refusal.class.to_string()).or_default() += 1;
        }
    }
    Ok(())
}

/// The stage that refusals of this name belong to: an ask or the probe, else the gate of a dial of that name.
fn place_of_refusal(stages: &[StageDescription], name: &str) -> Option<usize> {
    let refuses = |stage: &StageDescription| match stage {
        StageDescription::Probe => name == "probe",
        StageDescription::Ask { name: ask, .. } => *ask == name,
        StageDescription::Gate { .. } => false,
    };
    stages.iter().position(refuses).or_else(|| place_of_gate(stages, name))
}

fn place_of_gate(stages: &[StageDescription], name: &str) -> Option<usize> {
    stages.iter().position(|stage| matches!(stage, StageDescription::Gate { dial, .. } if *dial == name))
}

/// The funnel in the order of the stages; an error where rows were held back by a dial that no stage has.
pub fn funnel(wanted: &Wanted<'_>, summary: &Summary) -> Result<Vec<FunnelStep>, PublishError> {
    let mut gated = vec![0; wanted.stages.len()];
    let mut refused = vec![0; wanted.stages.len()];
    for (dial, &rows) in &summary.gated {
        match place_of_gate(wanted.stages, dial) {
            Some(place) => gated[place] += rows,
            None if rows == 0 => {}
            None => {
                return Err(PublishError::Verdicts(format!(
                    "{rows} rows gated by {dial}, which no stage has"
                )));
            }
        }
    }
    for (stage, classes) in &summary.refused {
        if let Some(place) = place_of_refusal(wanted.stages, stage) {
            refused[place] += classes.values().sum::<u64>();
        }
    }
    let mut rows = summary.rows;
    let mut steps = Vec::new();
    for (place, stage) in wanted.stages.iter().enumerate() {
        let left = rows.checked_sub(gated[place] + refused[place]);
        let left = left.ok_or_else(|| {
            PublishError::Verdicts(format!("more rows ended at {} than came in", title(stage)))
        })?;
        let (gated, refused) = (gated[place], refused[place]);
        steps.push(FunnelStep { stage: title(stage), entered: rows, gated, refused, left });
        rows = left;
    }
    if rows == summary.kept {
        return Ok(steps);
    }
    Err(PublishError::Verdicts(format!("{rows} rows left the last stage, and {} are kept", summary.kept)))
}

fn title(stage: &StageDescription) -> String {
    match stage {
        StageDescription::Probe => "probe".to_owned(),
        StageDescription::Ask { name, .. } => format!("ask {name}"),
        StageDescription::Gate { dial, .. } => format!("gate {dial}"),
    }
}
