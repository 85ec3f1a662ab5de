//! What a run refuses once its dataflow is wired and before a shard is read: settings that would do nothing or mean nothing, and names that
//! stand for two things.

use super::Failure;
use super::run::Unopened;
use crate::flow::{DialSpec, Engine, Setting, Wired};
use crate::pipeline::OpenedPipeline;
use crate::publish::{self, Wanted, WantedPieces};

/// The name of a scorer that a flag names is a column, a dial and a stage. Nothing else may have it.
pub(super) fn refuse_taken_names(
    engine: &Engine,
    unopened: &Unopened<'_>,
    pipeline: &dyn OpenedPipeline,
) -> Result<(), Failure> {
    let asked = |name: &str| {
        engine
            .wired()
            .iter()
            .filter(|step| matches!(step, Wired::Ask { stage, .. } if *stage == name))
            .count()
    };
    let named = &unopened.dials[unopened.own..];
    if let Some(spec) = named.iter().find(|spec| asked(spec.name) > 1) {
        return Err(Failure::Usage(format!(
            "{}: a stage of {} has this name; give the scorer another, such as my_{0}",
            spec.name, unopened.name
        )));
    }
    let pieces = pipeline.its_recorder().map(|recorder| WantedPieces {
        verdicts: engine.verdicts(),
        sorts: engine.piece_score_names(),
        recorder,
    });
    let nothing_yet = Wanted {
        pipeline: unopened.name,
        stages: &[],
        dials: &[],
        score_columns: engine.score_names(),
        shards: Vec::new(),
        pieces,
        demonstration: &[],
    };
    publish::check_columns(&nothing_yet).map_err(|error| Failure::Usage(error.to_string()))
}

/// A share is of the rows that reach a gate: a dial that several gates have names no such rows.
pub(super) fn refuse_unclear_shares(
    engine: &Engine,
    dials: &[DialSpec],
    wanted: &[Setting],
) -> Result<(), Failure> {
    let gates = |name: &str| {
        engine.wired().iter().filter(|step| matches!(step, Wired::Gate { dial, .. } if *dial == name)).count()
    };
    let shared = dials.iter().zip(wanted).filter(|(_, setting)| matches!(setting, Setting::Top(_)));
    match shared.map(|(spec, setting)| (spec, setting, gates(spec.name))).find(|(.., gates)| *gates > 1) {
        None => Ok(()),
        Some((spec, setting, gates)) => Err(Failure::Usage(format!(
            "--set {}={setting}: {gates} gates of this pipeline have this dial, and a share is of the rows that reach one gate; set \
             it to a value",
            spec.name
        ))),
    }
}

/// A dial that was turned, and whose gates are all open in this run, would hold back nothing in silence.
pub(super) fn refuse_open_dials(
    engine: &Engine,
    dials: &[DialSpec],
    wanted: &[Setting],
) -> Result<(), Failure> {
    let open = |name: &str| {
        let opens = engine.wired().iter().filter_map(|step| match step {
            Wired::Gate { dial, open, .. } if *dial == name => Some(*open),
            _ => None,
        });
        opens.reduce(|all, open| all && open) == Some(true)
    };
    let turned = dials.iter().zip(wanted).filter(|(spec, wanted)| **wanted != Setting::At(spec.default));
    let turned: Vec<String> = turned
        .filter(|(spec, _)| open(spec.name))
        .map(|(spec, wanted)| format!("--set {}={wanted}", spec.name))
        .collect();
    match turned.is_empty() {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "{}: nobody is asked for a score that its gate needs in this run, so the gate is open and the dial would hold back \
             nothing; leave the setting out, or name who scores",
            turned.join(", ")
        ))),
    }
}
