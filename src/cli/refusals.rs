//! What a run refuses once its dataflow is wired and before a shard is read: settings that would do nothing or mean nothing, and names that
//! stand for two things.

use super::Failure;
use super::run::Unopened;
use crate::flow::{DialSpec, Engine, Setting, Wired};
use crate::pipeline::OpenedPipeline;
use crate::publish::{self, PublishError, Wanted, WantedPieces};

/// The name of a scorer that a flag names is a column, a dial and a stage. Nothing else may have it.
pub(super) fn refuse_taken_names(
    engine: &Engine,
    unopened: &Unopened<'_>,
    pipeline: &dyn OpenedPipeline,
) -> Result<(), Failure> {
    let stages = |name: &str| {
        let is_it = |step: &&Wired| matches!(step, Wired::Ask { stage, .. } | Wired::Choose { stage } if *stage == name);
        // `probe` is before all of them.
        engine.wired().iter().filter(is_it).count() + usize::from(name == "probe")
    };
    let named = &unopened.dials[unopened.own..];
    let another = |name: &str| {
        format!("give the scorer of --score or --score-from-sidecar another name, such as my_{name}")
    };
    if let Some(spec) = named.iter().find(|spec| stages(spec.name) > 1) {
        let (name, of) = (spec.name, unopened.name);
        return Err(Failure::Usage(format!("{name}: a stage of {of} has this name; {}", another(name))));
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
    publish::check_columns(&nothing_yet).map_err(|error| match &error {
        PublishError::SameName(name) if named.iter().any(|spec| spec.name == name) => {
            Failure::Usage(format!("{name}: a column of {} has this name; {}", unopened.name, another(name)))
        }
        _ => Failure::Usage(error.to_string()),
    })
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
