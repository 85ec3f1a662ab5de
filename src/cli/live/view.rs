//! How the session stands, as JSON. Everything here is made of counts that are kept up to date, never of a scan of the rows; the one exception
//! is the plan that is asked for by itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::page::{DialAtStart, Start};
use super::session::{Session, seconds_since};
use crate::cli::plan::{self, Effect};
use crate::cli::progress::cost;
use crate::flow::{DialSpec, Moves, Setting, Wired};
use crate::lane::StageStatus;
use crate::row::Of;

/// How many rows stand where. Rows are kept + gated + refused + undecided.
#[derive(Serialize)]
pub(super) struct Counts {
    pub pipeline: &'static str,
    pub version: u64,
    pub rows: u64,
    pub kept: u64,
    pub gated: u64,
    pub refused: u64,
    /// Of those that are refused: by what may go well the next time.
    pub failed: u64,
    pub undecided: u64,
    /// Nothing waits to be asked, of rows, regions and edits: it can be published.
    pub decided: bool,
    pub enter: u64,
    pub leave: u64,
    pub published: Option<PublishedSet>,
    pub pieces: Vec<Pieces>,
    pub dials: Vec<DialView>,
    /// What these questions ask in turn (texts, calls to chat models) is in the plan, and so is what they cost.
    pub asks: Vec<StageAsks>,
    pub applying: Option<Progress>,
    pub undo: usize,
    pub redo: usize,
    pub flags: String,
}

#[derive(Serialize)]
pub(super) struct PublishedSet {
    pub rows: u64,
    /// RFC 3339, in UTC.
    pub at: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Pieces {
    pub of: &'static str,
    pub found: i64,
    pub kept: i64,
    pub gated: i64,
    pub refused: i64,
    pub undecided: i64,
}

#[derive(Serialize)]
pub(super) struct DialView {
    pub name: &'static str,
    pub dial: &'static str,
    pub group: Option<&'static str>,
    pub unit: &'static str,
    pub comparison: &'static str,
    pub of: &'static str,
    pub about: &'static str,
    pub value: f32,
    /// Where it stood in what is published.
    pub published: Option<f32>,
    pub setting: String,
    pub default: f32,
    pub low: f32,
    pub high: f32,
    pub open: bool,
    pub reach: u64,
    pub pass: u64,
    pub held: u64,
    pub not_numbers: u64,
}

#[derive(Serialize)]
pub(super) struct StageAsks {
    pub stage: &'static str,
    pub questions: u64,
}

/// A step of the funnel.
#[derive(Serialize)]
pub(super) struct StageView {
    pub kind: &'static str,
    pub name: String,
    pub of: &'static str,
    /// Where it is known: gates know.
    #[serde(rename = "in")]
    pub reach: Option<u64>,
    pub held: u64,
    pub refused: u64,
    pub undecided: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Progress {
    pub asked: u64,
    pub answered: u64,
    pub failed: u64,
    pub to_go: u64,
    pub seconds: f64,
    pub seconds_left: Option<f64>,
    pub cost: Option<f64>,
    pub cost_left: Option<f64>,
    pub held_up_by: Option<&'static str>,
    /// Nothing more is asked: what is under way is waited for.
    pub stopping: bool,
    pub stages: Vec<StageProgress>,
}

#[derive(Serialize)]
pub(super) struct StageProgress {
    pub name: &'static str,
    pub queue: usize,
    pub at_work: usize,
    pub answered: u64,
    pub failed: u64,
    pub per_second: f64,
}

/// All that there is to say, but for histograms, rows and lanes.
#[derive(Serialize)]
pub(super) struct State {
    #[serde(flatten)]
    pub counts: Counts,
    pub stages: Vec<StageView>,
    pub output: String,
    pub store: String,
    /// Shards that are being written, and are not in.
    pub waiting_shards: Vec<String>,
}

pub(super) fn state(session: &Session<'_>) -> State {
    State {
        counts: counts(session),
        stages: stages(session),
        output: session.options.out.display().to_string(),
        store: session.options.store.display().to_string(),
        waiting_shards: session.waiting_shards.clone(),
    }
}

pub(super) fn counts(session: &Session<'_>) -> Counts {
    let verdicts = session.opened.engine.verdicts();
    let standing = verdicts.counts();
    let Moves { published, enter, leave } = verdicts.moves();
    let refused = verdicts.refused();
    let decided_otherwise = (standing.decided - standing.kept) as u64;
    let asks = asks(session);
    let is_published = session.published_at.is_some();
    let pieces = session.opened.engine.piece_score_names().iter().map(|(of, _)| {
        let counts = verdicts.piece_counts(*of);
        Pieces {
            of: of.plural(),
            found: counts.found,
            kept: counts.kept,
            gated: counts.gated,
            refused: counts.refused,
            undecided: counts.undecided,
        }
    });
    let (undo, redo) = session.history.steps();
    Counts {
        pipeline: session.pipeline.name,
        version: session.version,
        rows: standing.expected as u64,
        kept: standing.kept as u64,
        gated: decided_otherwise.saturating_sub(refused.0),
        refused: refused.0,
        failed: refused.1,
        undecided: standing.undecided as u64,
        decided: !session.opened.engine.is_anything_unasked(),
        enter: enter as u64,
        leave: leave as u64 + session.before.gone,
        published: is_published.then(|| PublishedSet {
            rows: published as u64 + session.before.gone,
            at: session.published_at.map(super::rfc3339),
        }),
        pieces: pieces.collect(),
        dials: dials(session),
        asks: asks.iter().map(|(stage, questions)| StageAsks { stage, questions: *questions }).collect(),
        applying: progress(session),
        undo,
        redo,
        flags: flags(session.pipeline.dials, &session.settings),
    }
}

/// What would be asked, by stage. What was answered since a question was held back is not asked again.
pub(super) fn asks(session: &Session<'_>) -> BTreeMap<&'static str, u64> {
    let mut asks = session.opened.engine.unasked_by_stage();
    for (stage, content) in &session.answered_since {
        if session.opened.engine.is_unasked(stage, content)
            && let Some(questions) = asks.get_mut(stage)
        {
            *questions -= 1;
        }
    }
    let left = asks.into_iter().filter(|(_, questions)| *questions > 0);
    left.map(|(stage, questions)| (stage, questions as u64)).collect()
}

/// What the page says before its scripts run.
pub(super) fn start<'a>(session: &'a Session<'_>) -> Start<'a> {
    let counts = session.opened.engine.verdicts().counts();
    let dial = |(spec, dial): (&'a DialSpec, DialView)| DialAtStart {
        name: spec.name,
        comparison: spec.comparison,
        value: dial.value,
        reach: dial.reach,
        pass: dial.pass,
    };
    Start {
        pipeline: session.pipeline.name,
        rows: counts.expected as u64,
        kept: counts.kept as u64,
        dials: session.pipeline.dials.iter().zip(dials(session)).map(dial).collect(),
    }
}

fn dials(session: &Session<'_>) -> Vec<DialView> {
    let engine = &session.opened.engine;
    let (values, held) = (engine.values(), engine.verdicts().held_back());
    let gates = |name: &str| -> Vec<(Of, bool)> {
        let gate = |step: &Wired| match step {
            Wired::Gate { dial, of, open, .. } if *dial == name => Some((*of, *open)),
            _ => None,
        };
        engine.wired().iter().filter_map(gate).collect()
    };
    let view = |(number, spec): (usize, &DialSpec)| {
        let gates = gates(spec.name);
        let of = gates.first().map(|(of, _)| *of).unwrap_or_default();
        let open = gates.iter().all(|(_, open)| *open);
        let histogram = &engine.histograms()[number];
        let not_numbers = histogram.not_numbers();
        let reach = histogram.buckets().iter().sum::<u64>() + not_numbers;
        let held = held[number].max(0) as u64;
        DialView {
            name: spec.name,
            dial: spec.dial(),
            group: spec.group,
            unit: spec.unit,
            comparison: spec.comparison.sign(),
            of: of.plural(),
            about: spec.about,
            value: values[number],
            published: session.published_dials.get(spec.name).copied(),
            setting: session.settings[number].to_string(),
            default: spec.default,
            low: spec.low,
            high: spec.high,
            open,
            reach,
            pass: reach.saturating_sub(held),
            held,
            not_numbers,
        }
    };
    session.pipeline.dials.iter().enumerate().map(view).collect()
}

/// The funnel, in the order of the wiring.
fn stages(session: &Session<'_>) -> Vec<StageView> {
    let engine = &session.opened.engine;
    let verdicts = engine.verdicts();
    let refused = verdicts.refused_by_stage();
    let undecided = verdicts.undecided_by_stage();
    let dials: BTreeMap<&str, DialView> = dials(session).into_iter().map(|dial| (dial.name, dial)).collect();
    let refused_at = |name: &str| refused.get(name).copied().unwrap_or(0);
    let mut views = vec![StageView {
        kind: "probe",
        name: "probe".to_owned(),
        of: Of::Pictures.plural(),
        reach: Some(verdicts.counts().expected as u64),
        held: 0,
        refused: refused_at("probe"),
        undecided: 0,
        model: None,
    }];
    for step in engine.wired() {
        let (kind, name, of) = match step {
            Wired::Ask { stage, of, .. } => ("ask", (*stage).to_owned(), *of),
            Wired::Absent { columns, of } => ("absent", columns.join(", "), *of),
            Wired::Gate { dial, of, .. } => ("gate", (*dial).to_owned(), *of),
            Wired::Choose { stage } => ("choose", (*stage).to_owned(), Of::Edits),
        };
        let dial = if kind == "gate" { dials.get(name.as_str()) } else { None };
        let stage = if kind == "gate" { "" } else { name.as_str() };
        views.push(StageView {
            kind,
            of: of.plural(),
            reach: dial.map(|dial| dial.reach),
            held: dial.map_or(0, |dial| dial.held),
            refused: refused_at(stage),
            undecided: undecided.get(stage).copied().unwrap_or(0),
            model: if let Wired::Ask { model, .. } = step { Some(model.clone()) } else { None },
            name,
        });
    }
    views
}

/// The dials that are not at their defaults, as `run` takes them.
pub(super) fn flags(specs: &[DialSpec], settings: &[Setting]) -> String {
    let moved = specs.iter().zip(settings).filter(|(spec, setting)| **setting != Setting::At(spec.default));
    let flag = |(spec, setting): (&DialSpec, &Setting)| {
        let text = format!("{}={setting}", spec.name);
        format!("--set {}", crate::cli::invoke::shell_word(&text))
    };
    moved.map(flag).collect::<Vec<_>>().join(" ")
}

/// What is being asked; nothing where nothing is.
pub(super) fn progress(session: &Session<'_>) -> Option<Progress> {
    let apply = session.apply.as_ref()?;
    let seconds = seconds_since(apply.begin);
    let now = session.lanes().status();
    let before = |stage: &StageStatus| apply.before.get(stage.name);
    let mut stages = Vec::new();
    let (mut asked, mut answered, mut failed) = (0, 0, 0);
    for stage in &now {
        let since = |of: fn(&StageStatus) -> u64| of(stage).saturating_sub(before(stage).map_or(0, of));
        let view = StageProgress {
            name: stage.name,
            queue: stage.in_flight.saturating_sub(stage.at_work),
            at_work: stage.at_work,
            answered: since(|stage| stage.asked.answered),
            failed: since(|stage| stage.asked.failed),
            per_second: since(|stage| stage.asked.answered) as f64 / seconds.max(1e-3),
        };
        asked += since(|stage| stage.asked.asked);
        (answered, failed) = (answered + view.answered, failed + view.failed);
        stages.push(view);
    }
    let to_go: u64 = asks(session).values().sum();
    let in_flight: u64 = now.iter().map(|stage| stage.in_flight as u64).sum();
    let to_go = to_go + in_flight;
    let spent =
        cost(&now).map(|now| now - cost(&apply.before.values().cloned().collect::<Vec<_>>()).unwrap_or(0.0));
    let times = to_go as f64 / answered.max(1) as f64;
    let by_now = |value: f64| (answered > 0).then_some(value * times);
    Some(Progress {
        asked,
        answered,
        failed,
        to_go,
        seconds,
        seconds_left: by_now(seconds),
        cost: spent,
        cost_left: spent.and_then(by_now),
        held_up_by: session.holds_up(),
        stopping: apply.stopping,
        stages,
    })
}

/// What an apply would do, exactly: the plan that the command `plan` makes. It looks at every row.
pub(super) fn plan(session: &Session<'_>) -> Effect {
    let values = session.opened.engine.values();
    let standing = plan::standing(&session.opened, session.pipeline.dials, &values);
    let shares = plan::open_shares(&session.opened, session.pipeline.dials, &session.settings);
    Effect { open_shares: shares, ..plan::effect(&session.before, &standing, &session.opened) }
}

impl Session<'_> {
    /// The lanes: what waits, what is at work, what failed; endpoints, budgets, and what all of it cost so far.
    pub(super) fn lanes_view(&self) -> serde_json::Value {
        let lanes = self.lanes();
        let all = lanes.status();
        let began = self.apply.as_ref();
        let stages = all.iter().map(|stage| {
            let since = began.map(|apply| {
                let before = apply.before.get(stage.name).map_or(0, |before| before.asked.answered);
                (stage.asked.answered - before) as f64 / seconds_since(apply.begin).max(1e-3)
            });
            serde_json::json!({
                "name": stage.name, "model": stage.model, "queue": stage.in_flight.saturating_sub(stage.at_work),
                "at_work": stage.at_work, "asked": stage.asked.asked, "answered": stage.asked.answered,
                "failed": stage.asked.failed, "remembered": stage.asked.remembered, "per_second": since,
                "seconds": stage.wall_seconds, "cost": stage.cost,
            })
        });
        let endpoints = lanes.endpoints();
        let endpoints = endpoints.iter().map(|endpoint| {
            serde_json::json!({ "name": endpoint.name(), "state": endpoint.line(), "trouble": endpoint.trouble() })
        });
        let (pool, budget) = (lanes.pool_status(), lanes.budget());
        let window = self.opened.engine.progress();
        serde_json::json!({
            "stages": stages.collect::<Vec<_>>(), "endpoints": endpoints.collect::<Vec<_>>(),
            "pool": { "threads": pool.threads, "queued": pool.queued },
            "decoded_bytes": { "held": budget.used(), "of": budget.capacity() },
            "window": { "epochs": window.epochs_in_flight, "rows": window.rows_in_flight },
            "holds_up": self.holds_up(), "cost": cost(&all),
        })
    }
}
