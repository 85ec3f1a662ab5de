//! How the session stands, as JSON. Everything here is made of counts that are kept up to date, never of a scan of the rows; the one exception
//! is the plan that is asked for by itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Problem;
use super::order::Order;
use super::page::{DialAtStart, Start};
use super::session::{Session, seconds_since};
use super::share::{DialShare, EndedAt, Share, StageShare};
use crate::cli::plan::{self, Effect};
use crate::flow::{DialSpec, Setting, Wired};
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
    pub stage: String,
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
    pub held_up_by: Option<String>,
    /// Nothing more is asked: what is under way is waited for.
    pub stopping: bool,
    pub stages: Vec<StageProgress>,
}

#[derive(Serialize)]
pub(super) struct StageProgress {
    pub name: String,
    pub queue: u64,
    pub at_work: u64,
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
    /// That run the session's dataflow together.
    pub processes: usize,
}

fn state(session: &Session<'_>, ended_at: &EndedAt) -> State {
    State {
        counts: counts(session),
        stages: stages(session, ended_at),
        output: session.options.out_shown(),
        store: session.options.store.display().to_string(),
        waiting_shards: session.waiting_shards.clone(),
        processes: session.opened.cluster.as_ref().map_or(1, |cluster| cluster.place().of),
    }
}

pub(super) fn counts(session: &Session<'_>) -> Counts {
    let all = session.all();
    let is_published = session.published_at.is_some();
    let sorts = session.opened.engine.piece_score_names().iter();
    let pieces = sorts.zip(&all.pieces).map(|((of, _), counts)| Pieces {
        of: of.plural(),
        found: counts.found,
        kept: counts.kept,
        gated: counts.gated,
        refused: counts.refused,
        undecided: counts.undecided,
    });
    let (undo, redo) = session.history.steps();
    let asks = all.asks.iter();
    Counts {
        pipeline: session.pipeline.name,
        version: session.version,
        rows: all.rows,
        kept: all.kept,
        gated: all.gated,
        refused: all.refused,
        failed: all.failed,
        undecided: all.undecided,
        decided: all.decided,
        enter: all.enter,
        leave: all.leave + session.before.gone,
        published: is_published.then(|| PublishedSet {
            rows: all.published + session.before.gone,
            at: session.published_at.map(super::rfc3339),
        }),
        pieces: pieces.collect(),
        dials: dials(session, &all),
        asks: asks
            .map(|(stage, questions)| StageAsks { stage: stage.clone(), questions: *questions })
            .collect(),
        applying: progress(session, &all),
        undo,
        redo,
        flags: flags(session.pipeline.dials, &session.settings),
    }
}

/// What the page says before its scripts run.
pub(super) fn start<'a>(session: &'a Session<'_>) -> Start<'a> {
    let all = session.all();
    let dial = |(spec, dial): (&'a DialSpec, DialView)| DialAtStart {
        name: spec.name,
        comparison: spec.comparison,
        value: dial.value,
        reach: dial.reach,
        pass: dial.pass,
    };
    Start {
        pipeline: session.pipeline.name,
        rows: all.rows,
        kept: all.kept,
        dials: session.pipeline.dials.iter().zip(dials(session, &all)).map(dial).collect(),
    }
}

fn dials(session: &Session<'_>, all: &Share) -> Vec<DialView> {
    let engine = &session.opened.engine;
    let values = engine.values();
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
        let DialShare { reach, held, not_numbers } = all.dials[number];
        let held = held.max(0) as u64;
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
fn stages(session: &Session<'_>, ended_at: &EndedAt) -> Vec<StageView> {
    let (engine, all) = (&session.opened.engine, session.all());
    let dials: BTreeMap<&str, DialView> =
        dials(session, &all).into_iter().map(|dial| (dial.name, dial)).collect();
    let refused_at = |name: &str| ended_at.refused.get(name).copied().unwrap_or(0);
    let mut views = vec![StageView {
        kind: "probe",
        name: "probe".to_owned(),
        of: Of::Pictures.plural(),
        reach: Some(all.rows),
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
            undecided: ended_at.undecided.get(stage).copied().unwrap_or(0),
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
pub(super) fn progress(session: &Session<'_>, all: &Share) -> Option<Progress> {
    let apply = session.apply.as_ref()?;
    let seconds = seconds_since(apply.begin);
    let mut stages = Vec::new();
    let (mut asked, mut answered, mut failed) = (0, 0, 0);
    for stage in &all.stages {
        let since =
            |of: fn(&StageShare) -> u64| of(stage).saturating_sub(apply.before_of(&stage.name).map_or(0, of));
        let view = StageProgress {
            name: stage.name.clone(),
            queue: stage.in_flight.saturating_sub(stage.at_work),
            at_work: stage.at_work,
            answered: since(|stage| stage.answered),
            failed: since(|stage| stage.failed),
            per_second: since(|stage| stage.answered) as f64 / seconds.max(1e-3),
        };
        asked += since(|stage| stage.asked);
        (answered, failed) = (answered + view.answered, failed + view.failed);
        stages.push(view);
    }
    let to_go = all.asks.values().sum::<u64>() + all.in_flight();
    let spent = all.cost().map(|now| now - apply.before.cost().unwrap_or(0.0));
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
        held_up_by: all.holds_up.clone(),
        stopping: apply.stopping,
        stages,
    })
}

impl Session<'_> {
    /// How everything stands.
    pub(super) fn state(&mut self) -> Result<State, Problem> {
        let ended_at = self.together(&Order::EndedAt, |session| session.ended_at_here())?;
        Ok(state(self, &ended_at))
    }

    pub(super) fn ended_at_here(&mut self) -> Result<EndedAt, Problem> {
        let own = EndedAt::of(self);
        Ok(EndedAt::of_all(self.gather(own)?))
    }

    /// What an apply would do, exactly: the plan that the command `plan` makes. It looks at every row.
    pub(super) fn plan(&mut self) -> Result<Effect, Problem> {
        self.together(&Order::Plan, |session| session.plan_here())
    }

    pub(super) fn plan_here(&mut self) -> Result<Effect, Problem> {
        let settings = self.settings.clone();
        let dials = (self.pipeline.dials, settings.as_slice());
        let own = plan::effect_share(&self.before, &self.opened, dials);
        let all = self.gather(own)?;
        Ok(plan::effect_of_all(all, &self.opened, dials))
    }

    /// The lanes of all processes: what waits, what is at work, what failed; endpoints, budgets, and what all of it cost so far.
    pub(super) fn lanes_view(&self) -> serde_json::Value {
        let all = self.all();
        let stages = all.stages.iter().map(|stage| {
            let since = self.apply.as_ref().map(|apply| {
                let before = apply.before_of(&stage.name).map_or(0, |before| before.answered);
                stage.answered.saturating_sub(before) as f64 / seconds_since(apply.begin).max(1e-3)
            });
            serde_json::json!({
                "name": stage.name, "model": stage.model, "queue": stage.in_flight.saturating_sub(stage.at_work),
                "at_work": stage.at_work, "asked": stage.asked, "answered": stage.answered,
                "failed": stage.failed, "remembered": stage.remembered, "per_second": since,
                "seconds": stage.seconds, "cost": stage.cost,
            })
        });
        let endpoints = all.endpoints.iter().map(
            |(name, state, trouble)| serde_json::json!({ "name": name, "state": state, "trouble": trouble }),
        );
        serde_json::json!({
            "stages": stages.collect::<Vec<_>>(), "endpoints": endpoints.collect::<Vec<_>>(),
            "pool": { "threads": all.pool_threads, "queued": all.pool_queued },
            "decoded_bytes": { "held": all.decoded_held, "of": all.decoded_of },
            "window": { "epochs": all.window_epochs, "rows": all.window_rows },
            "holds_up": all.holds_up, "cost": all.cost(),
        })
    }
}
