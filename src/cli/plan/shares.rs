//! Dials by share in a plan: what they come to, while rows before their gates are not asked about yet.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

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

/// What is known of the rows before the gate of a dial by share.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct BeforeGate {
    dial: usize,
    known: u64,
    unasked: u64,
}

/// Of the dials of `settings` that are by share.
pub(super) fn before_gates(opened: &Opened, specs: &[DialSpec], settings: &[Setting]) -> Vec<BeforeGate> {
    let before = |(dial, spec): (usize, &DialSpec)| {
        let Setting::Top(_) = settings[dial] else { return None };
        let known = opened.engine.histograms()[dial].buckets().iter().sum();
        Some(BeforeGate { dial, known, unasked: unasked_before(opened, spec.name) })
    };
    specs.iter().enumerate().filter_map(before).collect()
}

/// Adds the rows of another process.
pub(super) fn add(sum: &mut Vec<BeforeGate>, other: Vec<BeforeGate>) {
    for BeforeGate { dial, known, unasked } in other {
        match sum.iter_mut().find(|before| before.dial == dial) {
            Some(before) => (before.known, before.unasked) = (before.known + known, before.unasked + unasked),
            None => sum.push(BeforeGate { dial, known, unasked }),
        }
    }
}

/// Those of them that are not decided yet.
pub(super) fn open_of(
    before: &[BeforeGate],
    values: &[f32],
    specs: &[DialSpec],
    settings: &[Setting],
) -> Vec<OpenShare> {
    let open = |BeforeGate { dial, known, unasked }: &BeforeGate| {
        let Setting::Top(share) = settings[*dial] else { return None };
        // If all that are unasked come, and are the best; and if none of them passes.
        let most = share.of(known + unasked);
        let (surely, maybe) = (most.saturating_sub(*unasked), most.min(*known));
        (*unasked > 0).then(|| OpenShare {
            dial: specs[*dial].name,
            share: settings[*dial].to_string(),
            at: values[*dial],
            known: *known,
            unasked: *unasked,
            undecided: maybe.saturating_sub(surely),
        })
    };
    before.iter().filter_map(open).collect()
}

/// The dials of `settings` that are by share and not decided yet.
pub(super) fn open(opened: &Opened, specs: &[DialSpec], settings: &[Setting]) -> Vec<OpenShare> {
    open_of(&before_gates(opened, specs, settings), &opened.engine.values(), specs, settings)
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
