//! The summary of a run, for people and as the JSON object that `--json` prints.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::flow::Verdicts;
use crate::lane::StageStatus;
use crate::publish::DialSetting;
use crate::row::Verdict;

/// How the questions of a stage were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asks {
    pub asked: u64,
    pub remembered: u64,
    /// Answered by the sidecar.
    pub given: u64,
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
    /// By stage.
    pub asks: BTreeMap<&'static str, Asks>,
    /// What answered, by stage.
    pub models: BTreeMap<&'static str, String>,
    pub seconds: f64,
    pub images_per_second: f64,
    pub peak_rss_bytes: u64,
    /// Dials in the order of their declaration, for people.
    #[serde(skip)]
    pub dial_order: Vec<&'static str>,
    /// The first message of each class, for people.
    #[serde(skip)]
    pub examples: BTreeMap<(String, String), String>,
}

/// All refusals, counted.
pub fn count(refused: &BTreeMap<String, BTreeMap<String, u64>>) -> u64 {
    refused.values().flat_map(BTreeMap::values).sum()
}

impl Summary {
    pub fn of(
        pipeline: &'static str,
        dials: &[DialSetting],
        verdicts: &Verdicts,
        stages: &[StageStatus],
    ) -> Self {
        let mut summary = Summary {
            pipeline,
            dials: dials.iter().map(|dial| (dial.name, dial.value)).collect(),
            rows: 0,
            kept: 0,
            gated: dials.iter().map(|dial| (dial.name, 0)).collect(),
            refused: BTreeMap::new(),
            asks: BTreeMap::new(),
            models: stages.iter().map(|stage| (stage.name, stage.model.clone())).collect(),
            seconds: 0.0,
            images_per_second: 0.0,
            peak_rss_bytes: 0,
            dial_order: dials.iter().map(|dial| dial.name).collect(),
            examples: BTreeMap::new(),
        };
        for (_, verdict) in verdicts.iter() {
            summary.rows += 1;
            match verdict {
                Verdict::Kept(_) => summary.kept += 1,
                Verdict::Gated { dial, .. } => *summary.gated.entry(dial).or_default() += 1,
                Verdict::Refused(refused) => {
                    let (stage, class) = (refused.stage.to_string(), refused.refusal.class.to_string());
                    let example = || refused.refusal.message.clone();
                    summary.examples.entry((stage.clone(), class.clone())).or_insert_with(example);
                    *summary.refused.entry(stage).or_default().entry(class).or_default() += 1;
                }
            }
        }
        for stage in stages {
            let asked = stage.asked;
            let asks = Asks { asked: asked.asked, remembered: asked.remembered, given: asked.given };
            summary.asks.insert(stage.name, asks);
        }
        summary
    }

    /// Fills in what the clock and the operating system say.
    pub fn measure(&mut self, elapsed: Duration) {
        self.seconds = elapsed.as_secs_f64();
        self.images_per_second = self.rows as f64 / self.seconds.max(1e-9);
        self.peak_rss_bytes = peak_rss_bytes();
    }
}

/// The most memory that this process had resident, in bytes; 0 where the system does not say.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: u64| 100.0 * part as f64 / (self.rows as f64).max(1.0);
        writeln!(f, "{:>10} rows", self.rows)?;
        for dial in &self.dial_order {
            let gated = self.gated.get(dial).copied().unwrap_or(0);
            let at = self.dials.get(dial).copied().unwrap_or(f32::NAN);
            writeln!(f, "{:>10} held back by {dial} at {at} ({:.1} %)", gated, share(gated))?;
        }
        for (stage, classes) in &self.refused {
            for (class, refused) in classes {
                writeln!(f, "{refused:>10} refused by {stage}: {class} ({:.1} %)", share(*refused))?;
                if let Some(example) = self.examples.get(&(stage.clone(), class.clone())) {
                    writeln!(f, "{:>10} for example: {example}", "")?;
                }
            }
        }
        writeln!(f, "{:>10} kept ({:.1} %)", self.kept, share(self.kept))?;
        for (stage, asks) in &self.asks {
            let given =
                if asks.given > 0 { format!(", {} given by sidecars", asks.given) } else { String::new() };
            writeln!(f, "{:>10} asked of {stage}, {} remembered{given}", asks.asked, asks.remembered)?;
            if let Some(model) = self.models.get(stage) {
                writeln!(f, "{:>10} by {model}", "")?;
            }
        }
        write!(
            f,
            "{:>10.1} s, {:.0} images/s, at most {:.0} MB of memory",
            self.seconds,
            self.images_per_second,
            self.peak_rss_bytes as f64 / 1e6
        )
    }
}
