//! The summary of a run, for people and as the JSON object that `--json` prints.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::errors::{Counting, Errors};
use super::input::InputRemarks;
use super::rate::rate;
use crate::flow::{PieceVerdict, Verdicts};
use crate::lane::{Endpoint, StageStatus};
use crate::object::Counts;
use crate::publish::{Demonstration, DialSetting, Lost, Mended, PieceSummary, Removed, StageDescription};
use crate::row::{Of, Refused, Verdict};

/// How the questions of a stage were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    pub asked: u64,
    pub remembered: u64,
    /// Answered by the sidecar.
    pub given: u64,
}

/// How many processes ran the dataflow, and what crossed the wire between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Processes {
    pub count: usize,
    /// By the dataflow.
    pub bytes_sent: u64,
}

/// `rows` = `kept` + all of `gated` + all of `refused`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub pipeline: &'static str,
    pub dials: BTreeMap<&'static str, f32>,
    pub rows: u64,
    pub kept: u64,
    /// By dial.
    pub gated: BTreeMap<&'static str, u64>,
    /// By stage, by class.
    pub refused: BTreeMap<String, BTreeMap<String, u64>>,
    /// Of the regions of pictures, where the pipeline finds some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<PieceSummary>,
    /// Of the edits, where it makes some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<PieceSummary>,
    /// What was published before and is not any more, because the shards do not hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removed>,
    /// Published files that were damaged or missing, and were written again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mended: Vec<Mended>,
    /// What of the store was found damaged: what is lost was asked again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub store_damage: Vec<String>,
    /// What is published and lost to failures, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// Files in folders of pictures that are neither pictures nor beside one of the same key.
    pub left_aside: u64,
    /// Files in the shards that are no rows, because systems leave them beside a user's files (`._*`, `.DS_Store`).
    pub passed_over: u64,
    /// Samples of whose sidecars something was lost or mended: the column `sidecar_error` says what.
    pub sidecar_errors: u64,
    /// Samples whose sidecar has the field that the score is taken from, but no number in it.
    pub scores_not_numbers: u64,
    /// What failed, by sort of row and stage: what `--max-error-rate` is held against.
    pub errors: Errors,
    /// Columns that are NaN, since this run does without the stages that give them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<&'static str>,
    /// Dials at which a gate is open, since a column that it needs is absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<&'static str>,
    /// By stage.
    pub asks: BTreeMap<&'static str, Asks>,
    /// Stages that are there to demonstrate, if pictures came that are not the demo's: what they make is not for training.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub demonstration: Vec<Demonstration>,
    /// What answered, by stage.
    pub models: BTreeMap<&'static str, String>,
    /// What the endpoints outside did: calls, retries, tokens, cost, latency.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<serde_json::Value>,
    pub seconds: f64,
    pub images_per_second: f64,
    pub peak_rss_bytes: u64,
    /// What was asked of object stores, if anything.
    #[serde(skip_serializing_if = "Counts::is_empty")]
    pub objects: Counts,
    /// Where several processes ran it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<Processes>,
    /// What failed, as it was counted.
    #[serde(skip)]
    pub(super) failures: Counting,
    /// How the stages stood at the end.
    #[serde(skip)]
    pub(super) statuses: Vec<StageStatus>,
    /// Dials that rows meet, in the order of their declaration, for people.
    #[serde(skip)]
    pub dial_order: Vec<&'static str>,
    /// What is to be said of the shards, for people.
    #[serde(skip)]
    pub input_lines: Vec<String>,
    /// The endpoints, for people.
    #[serde(skip)]
    pub endpoint_lines: Vec<String>,
    /// The first message of each class, for people.
    #[serde(skip)]
    pub examples: BTreeMap<(String, String), String>,
}

/// Whether the pipeline's flow has a step about pictures, or about pieces of that sort, that `is` this one.
fn any(wiring: &[StageDescription], wanted: Of, is: impl Fn(&StageDescription) -> bool) -> bool {
    wiring.iter().any(|stage| stage.of() == wanted && is(stage))
}

/// The columns that absent stages would give.
fn absent(wiring: &[StageDescription]) -> Vec<&'static str> {
    let columns = wiring.iter().filter_map(|stage| match stage {
        StageDescription::Absent { columns, .. } => Some(columns),
        _ => None,
    });
    columns.flatten().copied().collect()
}

/// The dials of open gates.
fn open(wiring: &[StageDescription]) -> Vec<&'static str> {
    let mut dials = Vec::new();
    for stage in wiring {
        if let StageDescription::Gate { dial, open: true, .. } = stage
            && !dials.contains(dial)
        {
            dials.push(*dial);
        }
    }
    dials
}

impl Summary {
    /// `wiring` is the pipeline's flow, step by step; `stages` say what was asked.
    pub fn of(
        pipeline: &'static str,
        dials: &[DialSetting],
        verdicts: &Verdicts,
        wiring: &[StageDescription],
        stages: &[StageStatus],
    ) -> Self {
        let gates = |of: Of, name: &str| {
            any(wiring, of, |stage| matches!(stage, StageDescription::Gate { dial, .. } if *dial == name))
        };
        // A dial that only pieces meet is told of with them.
        let of_pieces = |name| Of::PIECES.into_iter().any(|of| gates(of, name));
        let meets_rows = |dial: &&DialSetting| gates(Of::Pictures, dial.name) || !of_pieces(dial.name);
        let of_rows = || dials.iter().filter(meets_rows);
        let mut summary = Summary {
            pipeline,
            dials: dials.iter().map(|dial| (dial.name, dial.value)).collect(),
            rows: 0,
            kept: 0,
            gated: of_rows().map(|dial| (dial.name, 0)).collect(),
            refused: BTreeMap::new(),
            regions: any(wiring, Of::Regions, |_| true).then(|| PieceSummary::of(wiring, Of::Regions)),
            edits: any(wiring, Of::Edits, |_| true).then(|| PieceSummary::of(wiring, Of::Edits)),
            removed: None,
            mended: Vec::new(),
            store_damage: Vec::new(),
            lost: None,
            left_aside: 0,
            passed_over: 0,
            sidecar_errors: 0,
            scores_not_numbers: 0,
            errors: Errors::new(),
            absent: absent(wiring),
            open: open(wiring),
            asks: BTreeMap::new(),
            demonstration: Vec::new(),
            models: stages.iter().map(|stage| (stage.name, stage.model.clone())).collect(),
            endpoints: Vec::new(),
            seconds: 0.0,
            images_per_second: 0.0,
            peak_rss_bytes: 0,
            objects: Counts::default(),
            processes: None,
            failures: Counting::default(),
            statuses: stages.to_vec(),
            dial_order: of_rows().map(|dial| dial.name).collect(),
            input_lines: Vec::new(),
            endpoint_lines: Vec::new(),
            examples: BTreeMap::new(),
        };
        let mut failures = Counting::default();
        for (id, verdict) in verdicts.iter() {
            summary.rows += 1;
            let sorts = [(Of::Regions, &mut summary.regions), (Of::Edits, &mut summary.edits)];
            for (of, counts) in sorts.into_iter().filter_map(|(of, counts)| Some((of, counts.as_mut()?))) {
                for (_, piece) in verdicts.pieces_of(of, id) {
                    counts.count(piece, &verdict);
                    if let PieceVerdict::Refused(refused) = piece {
                        failures.count(of, refused);
                        summary.examples.entry(class_of(refused)).or_insert_with(|| message_of(refused));
                    }
                }
            }
            match verdict {
                Verdict::Kept(_) => summary.kept += 1,
                Verdict::Gated { dial, .. } => *summary.gated.entry(dial).or_default() += 1,
                Verdict::Refused(refused) => {
                    failures.count(Of::Pictures, &refused);
                    let (stage, class) = class_of(&refused);
                    let example = || message_of(&refused);
                    summary.examples.entry((stage.clone(), class.clone())).or_insert_with(example);
                    *summary.refused.entry(stage).or_default().entry(class).or_default() += 1;
                }
            }
        }
        summary.errors = failures.errors(&summary, wiring);
        summary.failures = failures;
        for stage in stages {
            let asked = stage.asked;
            let asks = Asks { asked: asked.asked, remembered: asked.remembered, given: asked.given };
            summary.asks.insert(stage.name, asks);
        }
        summary
    }

    /// What is said of the pieces of that sort.
    pub(super) fn pieces(&self, of: Of) -> Option<&PieceSummary> {
        match of {
            Of::Pictures => None,
            Of::Regions => self.regions.as_ref(),
            Of::Edits => self.edits.as_ref(),
        }
    }

    /// Fills in what the endpoints outside did.
    pub(crate) fn tell_of(&mut self, endpoints: &[Arc<dyn Endpoint>]) {
        self.endpoints = endpoints.iter().map(|endpoint| endpoint.report()).collect();
        let asked = |endpoint: &&Arc<dyn Endpoint>| counts_something(&endpoint.report());
        self.endpoint_lines = endpoints.iter().filter(asked).map(|endpoint| endpoint.line()).collect();
    }

    /// Fills in what is to be said of the shards; `score` is the field of the sidecar that a score is taken from.
    pub fn remark(&mut self, remarks: InputRemarks, fields: &[String]) {
        let InputRemarks { left_aside, passed_over, sidecars, sidecar, no_numbers, no_number } = remarks;
        self.left_aside = left_aside;
        (self.passed_over, self.sidecar_errors, self.scores_not_numbers) =
            (passed_over, sidecars, no_numbers);
        let fields: Vec<String> = fields.iter().map(|field| format!("{field:?}")).collect();
        let lines = [
            (
                left_aside,
                "files left aside: neither pictures nor of the key of one in their folder".to_owned(),
                None,
            ),
            (
                passed_over,
                "files passed over, which systems leave beside a user's (._*, .DS_Store)".to_owned(),
                None,
            ),
            (sidecars, "sidecars not usable to the letter: see the column sidecar_error".to_owned(), sidecar),
            (
                no_numbers,
                format!("sidecars without a number in their field {}", fields.join(" or ")),
                no_number,
            ),
        ];
        for (count, what, example) in lines {
            if count > 0 {
                self.input_lines.push(format!("{count:>10} {what}"));
                self.input_lines.extend(example.map(|example| format!("{:>10} for example: {example}", "")));
            }
        }
    }

    /// Fills in what the clock and the operating system say.
    pub fn measure(&mut self, elapsed: Duration) {
        self.seconds = elapsed.as_secs_f64();
        self.images_per_second = self.rows as f64 / self.seconds.max(1e-9);
        self.peak_rss_bytes = self.peak_rss_bytes.max(peak_rss_bytes());
    }
}

/// Whether a report has a number that is not 0: of an endpoint that was not asked there is nothing to tell.
fn counts_something(report: &serde_json::Value) -> bool {
    match report {
        serde_json::Value::Number(number) => number.as_f64() != Some(0.0),
        serde_json::Value::Array(items) => items.iter().any(counts_something),
        serde_json::Value::Object(fields) => fields.values().any(counts_something),
        _ => false,
    }
}

fn class_of(refused: &Refused) -> (String, String) {
    (refused.stage.to_string(), refused.refusal.class.to_string())
}

fn message_of(refused: &Refused) -> String {
    refused.refusal.message.clone()
}

/// The most memory that this process had resident, in bytes; 0 where the system does not say.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn share_of(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / (whole as f64).max(1.0)
}

impl Summary {
    fn fmt_refused(
        &self,
        f: &mut fmt::Formatter<'_>,
        what: &str,
        refused: &BTreeMap<String, BTreeMap<String, u64>>,
        all: u64,
    ) -> fmt::Result {
        for (stage, classes) in refused {
            for (class, refused) in classes {
                writeln!(f, "{refused:>10} {what} by {stage}: {class} ({:.1} %)", share_of(*refused, all))?;
                if let Some(example) = self.examples.get(&(stage.clone(), class.clone())) {
                    writeln!(f, "{:>10} for example: {example}", "")?;
                }
            }
        }
        Ok(())
    }

    fn fmt_pieces(&self, f: &mut fmt::Formatter<'_>, of: Of, pieces: &PieceSummary) -> fmt::Result {
        let (what, share) = (of.plural(), |part: u64| share_of(part, pieces.found));
        let found = if of == Of::Edits { "tried" } else { "found" };
        writeln!(f, "{:>10} {what} {found}", pieces.found)?;
        if pieces.found == 0 {
            return Ok(());
        }
        for (dial, gated) in pieces.gated.iter().filter(|(_, gated)| **gated > 0) {
            let at = self.dials.get(dial.as_str()).copied().unwrap_or(f32::NAN);
            writeln!(f, "{gated:>10} {what} held back by {dial} at {at} ({:.1} %)", share(*gated))?;
        }
        self.fmt_refused(f, &format!("{what} refused"), &pieces.refused, pieces.found)?;
        let (kept, published) = (pieces.kept, pieces.published);
        writeln!(f, "{kept:>10} {what} kept ({:.1} %), {published} of them in kept pictures", share(kept))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: u64| share_of(part, self.rows);
        writeln!(f, "{:>10} rows", self.rows)?;
        for dial in &self.dial_order {
            let gated = self.gated.get(dial).copied().unwrap_or(0);
            if gated == 0 {
                continue;
            }
            let at = self.dials.get(dial).copied().unwrap_or(f32::NAN);
            writeln!(f, "{:>10} held back by {dial} at {at} ({:.1} %)", gated, share(gated))?;
        }
        self.fmt_refused(f, "refused", &self.refused, self.rows)?;
        writeln!(f, "{:>10} kept ({:.1} %)", self.kept, share(self.kept))?;
        for (of, pieces) in [(Of::Regions, &self.regions), (Of::Edits, &self.edits)] {
            if let Some(pieces) = pieces {
                self.fmt_pieces(f, of, pieces)?;
            }
        }
        if let Some(removed) = &self.removed {
            writeln!(f, "{:>10} gone from the shards: {removed}", "")?;
        }
        if let Some(lost) = &self.lost {
            writeln!(f, "{:>10} lost to failures: {lost}", "")?;
        }
        for line in &self.input_lines {
            writeln!(f, "{line}")?;
        }
        if !self.absent.is_empty() {
            write!(f, "{:>10} nobody is asked for {}", "", self.absent.join(", "))?;
            match &self.open {
                none if none.is_empty() => writeln!(f)?,
                same if *same == self.absent => writeln!(f, "; gates at these are open")?,
                open => writeln!(f, "; gates at {} are open", open.join(", "))?,
            }
        }
        if !self.demonstration.is_empty() {
            let list = Demonstration::list(&self.demonstration);
            writeln!(f, "{:>10} made with demonstration models, not for training: {list}", "")?;
        }
        for (stage, asks) in &self.asks {
            let Asks { asked, remembered, given } = *asks;
            let mut answers = vec![format!("{asked:>10} asked of {stage}")];
            if remembered > 0 {
                answers.push(format!("{remembered} remembered"));
            }
            if given > 0 {
                answers.push(format!("{given} given by sidecars"));
            }
            if asked > 0 || answers.len() > 1 {
                writeln!(f, "{}", answers.join(", "))?;
            }
            if asked > 0
                && let Some(model) = self.models.get(stage)
            {
                writeln!(f, "{:>10} by {model}", "")?;
            }
        }
        for line in &self.endpoint_lines {
            writeln!(f, "{:>10} {line}", "")?;
        }
        if !self.objects.is_empty() {
            writeln!(f, "{:>10} {}", "", self.objects)?;
        }
        if let Some(Processes { count, bytes_sent }) = self.processes {
            let a_row = bytes_sent as f64 / (self.rows as f64).max(1.0);
            writeln!(f, "{count:>10} processes; {bytes_sent} bytes crossed between them ({a_row:.1} a row)")?;
        }
        write!(
            f,
            "{:>10.1} s, {}, at most {:.0} MB of memory",
            self.seconds,
            rate(self.rows, self.seconds, "pictures"),
            self.peak_rss_bytes as f64 / 1e6
        )
    }
}
