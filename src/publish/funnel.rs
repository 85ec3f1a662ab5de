//! The funnel: how many rows each stage received, held back, refused and passed on; and the check that these numbers add up. If pictures
//! have regions, the regions have a funnel of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Demonstration, PublishError, StageDescription, Wanted, WantedPieces};
use crate::flow::PieceVerdict;
use crate::row::{Of, Verdict};

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
    /// Rows held back, by dial (each dial is named, even where it held back none, but those that regions alone meet).
    pub gated: BTreeMap<String, u64>,
    /// Rows refused, by stage and by class.
    pub refused: BTreeMap<String, BTreeMap<String, u64>>,
    /// Of the regions, where the pipeline has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<PieceSummary>,
    /// Of the edits, where the pipeline makes some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits: Option<PieceSummary>,
    /// The stages that were there to demonstrate: what they made of these pictures is not for training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demonstration: Vec<Demonstration>,
}

impl Summary {
    /// What is said of the pieces of that sort.
    pub fn pieces(&self, of: Of) -> Option<&PieceSummary> {
        match of {
            Of::Pictures => None,
            Of::Regions => self.regions.as_ref(),
            Of::Edits => self.edits.as_ref(),
        }
    }

    /// Adds the counts of other rows of the same set.
    pub(super) fn add(&mut self, other: &Summary) {
        self.rows += other.rows;
        self.kept += other.kept;
        add_counts(&mut self.gated, &other.gated);
        add_classes(&mut self.refused, &other.refused);
        add_pieces(&mut self.regions, other.regions.as_ref());
        add_pieces(&mut self.edits, other.edits.as_ref());
    }
}

/// Counts by name.
fn add_counts<K: Clone + Ord>(to: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    more.iter().for_each(|(name, count)| *to.entry(name.clone()).or_default() += count);
}

/// Counts by stage and by class.
pub(crate) fn add_classes(
    to: &mut BTreeMap<String, BTreeMap<String, u64>>,
    more: &BTreeMap<String, BTreeMap<String, u64>>,
) {
    more.iter().for_each(|(stage, classes)| add_counts(to.entry(stage.clone()).or_default(), classes));
}

/// Counts of pieces, where there are some.
pub(crate) fn add_pieces(to: &mut Option<PieceSummary>, more: Option<&PieceSummary>) {
    let Some(more) = more else { return };
    let to = to.get_or_insert_default();
    to.found += more.found;
    to.kept += more.kept;
    to.published += more.published;
    add_counts(&mut to.gated, &more.gated);
    add_classes(&mut to.refused, &more.refused);
}

/// The regions, or the edits, of all pictures: found = kept + gated + refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceSummary {
    /// Regions that were found, or edits that were tried.
    pub found: u64,
    /// Those that passed everything.
    pub kept: u64,
    /// Those of them whose picture is kept: they are published.
    pub published: u64,
    /// Those held back, by dial (each dial that they meet is named).
    pub gated: BTreeMap<String, u64>,
    /// Those refused, by stage and by class.
    pub refused: BTreeMap<String, BTreeMap<String, u64>>,
}

impl PieceSummary {
    /// Before any piece of that sort is counted.
    pub fn of(stages: &[StageDescription], wanted: Of) -> Self {
        let dials = stages.iter().filter_map(|stage| match stage {
            StageDescription::Gate { dial, of, .. } if *of == wanted => Some(((*dial).to_owned(), 0)),
            _ => None,
        });
        PieceSummary { gated: dials.collect(), ..PieceSummary::default() }
    }

    /// Counts a piece of a picture that ended so.
    pub fn count(&mut self, piece: &PieceVerdict, picture: &Verdict) {
        self.found += 1;
        match piece {
            PieceVerdict::Kept { .. } => {
                self.kept += 1;
                self.published += u64::from(matches!(picture, Verdict::Kept(_)));
            }
            PieceVerdict::Gated { dial, .. } => match self.gated.get_mut(*dial) {
                Some(gated) => *gated += 1,
                None => drop(self.gated.insert((*dial).to_owned(), 1)),
            },
            PieceVerdict::Refused(refused) => {
                let classes = self.refused.entry(refused.stage.to_string()).or_default();
                *classes.entry(refused.refusal.class.to_string()).or_default() += 1;
            }
        }
    }
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
/// let refused = Refused { stage: "probe".into(), refusal: Refusal::permanent("cut_picture", "it ends after 12 bytes") };
/// let verdicts = [Verdict::Kept(Box::new([])), Verdict::Refused(Box::new(refused))];
/// let shards = vec![WantedShard { seq: 7, name: "00012", verdicts: &verdicts }];
/// let stages = [StageDescription::Probe];
/// let wanted = Wanted {
///     pipeline: "prepare", stages: &stages, dials: &[], score_columns: &[], shards, pieces: None, demonstration: &[],
/// };
/// let summary = summarise(&wanted)?;
/// let gated: u64 = summary.gated.values().sum();
/// let refused: u64 = summary.refused.values().flat_map(|classes| classes.values()).sum();
/// assert_eq!(summary.rows, summary.kept + gated + refused);
/// # Ok::<(), threshflow::publish::PublishError>(())
/// ```
pub fn summarise(wanted: &Wanted<'_>) -> Result<Summary, PublishError> {
    let demonstration = wanted.demonstration.to_vec();
    let mut summary = Summary { pipeline: wanted.pipeline.to_owned(), demonstration, ..Summary::default() };
    for dial in wanted.dials {
        if !dial.value.is_finite() {
            return Err(PublishError::Verdicts(format!(
                "the dial {} stands at {}, which is no number",
                dial.name, dial.value
            )));
        }
        summary.dials.insert(dial.name.to_owned(), dial.value);
        let of_pieces = |of: Of| place_of_gate(wanted.stages, of, dial.name).is_some();
        if of_pieces(Of::Pictures) || !Of::PIECES.into_iter().any(of_pieces) {
            summary.gated.insert(dial.name.to_owned(), 0);
        }
    }
    for shard in &wanted.shards {
        summary.rows += shard.verdicts.len() as u64;
        for (row, verdict) in shard.verdicts.iter().enumerate() {
            count(&mut summary, wanted, verdict)
                .map_err(|why| PublishError::Verdicts(format!("shard {}, row {row}: {why}", shard.name)))?;
        }
    }
    if let Some(pieces) = &wanted.pieces {
        summary.regions = summarise_pieces(wanted, pieces, Of::Regions)?;
        summary.edits = summarise_pieces(wanted, pieces, Of::Edits)?;
    }
    Ok(summary)
}

fn summarise_pieces(
    wanted: &Wanted<'_>,
    pieces: &WantedPieces<'_>,
    of: Of,
) -> Result<Option<PieceSummary>, PublishError> {
    let Some(score_columns) = pieces.score_columns(of) else { return Ok(None) };
    let (mut summary, what) = (PieceSummary::of(wanted.stages, of), of.singular());
    let mut found = 0;
    for shard in &wanted.shards {
        for (row, picture) in shard.verdicts.iter().enumerate() {
            let id = shard.row_id(row);
            found += pieces.verdicts.found_in(of, id);
            for (number, piece) in pieces.verdicts.pieces_of(of, id) {
                check_piece(wanted, (of, score_columns), piece).map_err(|why| {
                    PublishError::Verdicts(format!("shard {}, row {row}, {what} {number}: {why}", shard.name))
                })?;
                summary.count(piece, picture);
            }
        }
    }
    let everywhere = pieces.verdicts.pieces(of).count() as u64;
    if summary.found != found || everywhere != found {
        return Err(PublishError::Verdicts(format!(
            "{found} {} were found in the rows, {} of them ended, and {everywhere} anywhere",
            of.plural(),
            summary.found
        )));
    }
    Ok(Some(summary))
}

fn check_piece(
    wanted: &Wanted<'_>,
    (of, score_columns): (Of, &[&'static str]),
    piece: &PieceVerdict,
) -> Result<(), String> {
    let what = of.plural();
    match piece {
        PieceVerdict::Kept { scores, .. } if scores.len() != score_columns.len() => {
            Err(format!("kept with {} scores for the columns {score_columns:?}", scores.len()))
        }
        PieceVerdict::Gated { dial, .. } if place_of_gate(wanted.stages, of, dial).is_none() => {
            Err(format!("gated by {dial}, which no stage of {what} has"))
        }
        PieceVerdict::Refused(refused) if place_of_refusal(wanted.stages, of, &refused.stage).is_none() => {
            Err(format!("refused at {}, which is none of the stages of {what}", refused.stage))
        }
        _ => Ok(()),
    }
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
            if place_of_refusal(wanted.stages, Of::Pictures, &refused.stage).is_none() {
                return Err(format!("refused at {}, which is none of the stages", refused.stage));
            }
            let classes = summary.refused.entry(refused.stage.to_string()).or_default();
            *classes.entry(refused.refusal.class.to_string()).or_default() += 1;
        }
    }
    Ok(())
}

/// The stage that refusals of this name belong to: an ask or the probe, else the gate of a dial of that name.
pub(super) fn place_of_refusal(stages: &[StageDescription], of: Of, name: &str) -> Option<usize> {
    let refuses = |stage: &StageDescription| match stage {
        StageDescription::Probe => name == "probe",
        StageDescription::Ask { name: ask, .. } | StageDescription::Choose { name: ask } => *ask == name,
        StageDescription::Gate { .. } | StageDescription::Absent { .. } => false,
    };
    let place = stages.iter().position(|stage| stage.of() == of && refuses(stage));
    place.or_else(|| place_of_gate(stages, of, name))
}

/// The first gate of that dial that may hold back: where branches of a flow have one each, it stands for all of them.
pub(super) fn place_of_gate(stages: &[StageDescription], wanted: Of, name: &str) -> Option<usize> {
    let is_gate = |may_be_open: bool| {
        move |stage: &StageDescription| {
            matches!(stage, StageDescription::Gate { dial, of, open }
                if *dial == name && *of == wanted && (may_be_open || !open))
        }
    };
    stages.iter().position(is_gate(false)).or_else(|| stages.iter().position(is_gate(true)))
}

/// The pictures' funnel in the order of the stages; an error where rows were held back by a dial that no stage has.
pub fn funnel(wanted: &Wanted<'_>, summary: &Summary) -> Result<Vec<FunnelStep>, PublishError> {
    let ends = Ends {
        what: "rows",
        of: Of::Pictures,
        entered: summary.rows,
        gated: &summary.gated,
        refused: &summary.refused,
        kept: summary.kept,
    };
    steps(wanted.stages, &ends).map(one_a_dial)
}

/// The funnel of the regions or of the edits; empty where the pipeline has none. Where their flow is split, a stage of one
/// branch counts the pieces of the others among those that it passed on.
pub(crate) fn piece_funnel(
    wanted: &Wanted<'_>,
    summary: &Summary,
    of: Of,
) -> Result<Vec<FunnelStep>, PublishError> {
    let Some(pieces) = summary.pieces(of) else { return Ok(Vec::new()) };
    let ends = Ends {
        what: of.plural(),
        of,
        entered: pieces.found,
        gated: &pieces.gated,
        refused: &pieces.refused,
        kept: pieces.kept,
    };
    steps(wanted.stages, &ends).map(one_a_dial)
}

/// The groups of a dial as one step, whose gates are one.
fn one_a_dial(steps: Vec<FunnelStep>) -> Vec<FunnelStep> {
    fn of_group(step: &FunnelStep) -> Option<&str> {
        step.stage.split_once('[').map(|(dial, _)| dial).filter(|dial| dial.starts_with("gate "))
    }
    let mut shown: Vec<FunnelStep> = Vec::new();
    for step in steps {
        let dial = of_group(&step).map(|dial| format!("{dial}, by group"));
        match (dial, shown.last_mut()) {
            (Some(dial), Some(last)) if last.stage == dial => {
                last.gated += step.gated;
                last.refused += step.refused;
                last.left = step.left;
            }
            (Some(stage), _) => shown.push(FunnelStep { stage, ..step }),
            (None, _) => shown.push(step),
        }
    }
    shown
}

/// Rows of one sort that came to each stage, by the name that refusals of the stage bear: of stages of one name, to the first.
/// `found` came in; `gated` (by dial) and `refused` (by stage and class) ended on the way.
pub fn entered(
    stages: &[StageDescription],
    of: Of,
    found: u64,
    gated: &BTreeMap<String, u64>,
    refused: &BTreeMap<String, BTreeMap<String, u64>>,
) -> Result<BTreeMap<String, u64>, PublishError> {
    let ended = gated.values().sum::<u64>() + refused.values().flat_map(BTreeMap::values).sum::<u64>();
    let kept = found.saturating_sub(ended);
    let steps = steps(stages, &Ends { what: of.plural(), of, entered: found, gated, refused, kept })?;
    let mut came = BTreeMap::new();
    for (stage, step) in stages.iter().filter(|stage| stage.of() == of).zip(steps) {
        let name = match stage {
            StageDescription::Probe => "probe",
            StageDescription::Ask { name, .. } | StageDescription::Choose { name } => name,
            StageDescription::Gate { dial, .. } => dial,
            StageDescription::Absent { .. } => continue,
        };
        came.entry(name.to_owned()).or_insert(step.entered);
    }
    Ok(came)
}

/// Where all rows of one sort ended.
struct Ends<'a> {
    what: &'static str,
    of: Of,
    entered: u64,
    gated: &'a BTreeMap<String, u64>,
    refused: &'a BTreeMap<String, BTreeMap<String, u64>>,
    kept: u64,
}

fn steps(stages: &[StageDescription], ends: &Ends<'_>) -> Result<Vec<FunnelStep>, PublishError> {
    let wrong = |why: String| Err(PublishError::Verdicts(why));
    let (what, mut rows) = (ends.what, ends.entered);
    let mut gated = vec![0; stages.len()];
    let mut refused = vec![0; stages.len()];
    for (dial, &rows) in ends.gated {
        match place_of_gate(stages, ends.of, dial) {
            Some(place) => gated[place] += rows,
            None if rows == 0 => {}
            None => return wrong(format!("{rows} {what} gated by {dial}, which no stage has")),
        }
    }
    for (stage, classes) in ends.refused {
        if let Some(place) = place_of_refusal(stages, ends.of, stage) {
            refused[place] += classes.values().sum::<u64>();
        }
    }
    let mut steps = Vec::new();
    for (place, stage) in stages.iter().enumerate().filter(|(_, stage)| stage.of() == ends.of) {
        let (gated, refused) = (gated[place], refused[place]);
        let Some(left) = rows.checked_sub(gated + refused) else {
            return wrong(format!("more {what} ended at {} than came in", title(stage)));
        };
        steps.push(FunnelStep { stage: title(stage), entered: rows, gated, refused, left });
        rows = left;
    }
    if rows == ends.kept {
        return Ok(steps);
    }
    wrong(format!("{rows} {what} left the last stage, and {} are kept", ends.kept))
}

fn title(stage: &StageDescription) -> String {
    match stage {
        StageDescription::Probe => "probe".to_owned(),
        StageDescription::Ask { name, .. } => format!("ask {name}"),
        StageDescription::Choose { name } => (*name).to_owned(),
        StageDescription::Gate { dial, open: false, .. } => format!("gate {dial}"),
        StageDescription::Gate { dial, open: true, .. } => format!("gate {dial} (open: a score is absent)"),
        StageDescription::Absent { columns, .. } => format!("nobody is asked for {}", columns.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_a_dial_are_one_step() {
        let step = |stage: &str, entered, gated| FunnelStep {
            stage: stage.to_owned(),
            entered,
            gated,
            refused: 0,
            left: entered - gated,
        };
        let steps = vec![
            step("ask judge", 9, 0),
            step("gate follows[add]", 9, 2),
            step("gate follows[remove]", 7, 3),
            step("gate natural[add]", 4, 1),
            step("gate edits", 3, 0),
        ];
        let shown = [
            step("ask judge", 9, 0),
            step("gate follows, by group", 9, 5),
            step("gate natural, by group", 4, 1),
            step("gate edits", 3, 0),
        ];
        assert_eq!(one_a_dial(steps), shown);
    }
}
