//! Dials by share in a plan: what they come to, while rows before their gates are not asked about yet.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::Opened;
use crate::flow::{DialSpec, Setting, Wired};
use crate::row::Place;

/// A dial by share, before whose gate rows wait to be asked about. Where it will stand is not known before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenShare {
    pub dial: &'static str,
    /// `top:30%`
    pub share: String,
    /// What it comes to by the rows that are known.
    pub at: f32,
    /// Rows whose score is known.
    pub known: u64,
    /// Rows that may still come to the gate.
    pub unasked: u64,
    /// Of the known rows, those that may change sides when the others have come.
    pub undecided: u64,
}

impl fmt::Display for OpenShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OpenShare { dial, share, at, known, unasked, undecided } = self;
        write!(
            f,
            "{dial}={share} comes to {at} by the {known} rows that are known; up to {unasked} more are asked about first, which may \
             move it and change the side of {undecided}"
        )
    }
}

/// The dials of `settings` that are by share and not decided yet.
pub(super) fn open(opened: &Opened, specs: &[DialSpec], settings: &[Setting]) -> Vec<OpenShare> {
    let values = opened.engine.values();
    let open = |(dial, spec): (usize, &DialSpec)| {
        let Setting::Top(share) = settings[dial] else { return None };
        let unasked = unasked_before(opened, spec.name);
        let known: u64 = opened.engine.histograms()[dial].buckets().iter().sum();
        // If all that are unasked come, and are the best; and if none of them passes.
        let most = share.of(known + unasked);
        let (surely, maybe) = (most.saturating_sub(unasked), most.min(known));
        (unasked > 0).then(|| OpenShare {
            dial: spec.name,
            share: settings[dial].to_string(),
            at: values[dial],
            known,
            unasked,
            undecided: maybe.saturating_sub(surely),
        })
    };
    specs.iter().enumerate().filter_map(open).collect()
}

/// How many rows wait for an answer of a stage that stands before the gate of this dial. A row that waits for several counts once.
fn unasked_before(opened: &Opened, dial: &str) -> u64 {
    let wired = opened.engine.wired();
    let gate =
        wired.iter().position(|step| matches!(step, Wired::Gate { dial: known, .. } if *known == dial));
    let before = &wired[..gate.unwrap_or(0)];
    let asks =
        |name: &str| before.iter().any(|step| matches!(step, Wired::Ask { stage, .. } if *stage == name));
    let waiting = opened.engine.unasked().filter(|(stage, _)| asks(stage));
    waiting.map(|(_, question)| question.place()).collect::<BTreeSet<Place>>().len() as u64
}
