//! How a session stands, as numbers that add up: what each process says of its own rows, and the sum of all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::flow::PieceCounts;
use crate::lane::StageStatus;

/// Of one process, or of all.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Share {
    pub rows: u64,
    pub kept: u64,
    pub gated: u64,
    pub refused: u64,
    /// Of those that are refused: by what may go well the next time.
    pub failed: u64,
    pub undecided: u64,
    /// Nothing waits to be asked, of rows, regions and edits.
    pub decided: bool,
    pub published: u64,
    pub enter: u64,
    pub leave: u64,
    /// By the sorts of pieces, in the order of the wiring.
    pub pieces: Vec<PieceCounts>,
    /// In the order of the dials.
    pub dials: Vec<DialShare>,
    /// Questions that would be asked, by stage.
    pub asks: BTreeMap<String, u64>,
    /// In the order in which they were opened.
    pub stages: Vec<StageShare>,
    /// Each with its state, and what ails it.
    pub endpoints: Vec<(String, String, Option<String>)>,
    pub pool_threads: u64,
    pub pool_queued: u64,
    pub decoded_held: u64,
    pub decoded_of: u64,
    pub window_epochs: u64,
    pub window_rows: u64,
    pub shards: u64,
    pub holds_up: Option<String>,
}

/// The rows at a dial's gate.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct DialShare {
    pub reach: u64,
    pub held: i64,
    pub not_numbers: u64,
}

/// Rows and pieces that ended at each stage, for good or for now.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct EndedAt {
    pub refused: BTreeMap<String, u64>,
    pub undecided: BTreeMap<String, u64>,
}

impl EndedAt {
    /// In this process. It looks at everything that is refused.
    pub(super) fn of(session: &Session<'_>) -> Self {
        let verdicts = session.opened.engine.verdicts();
        EndedAt {
            refused: named(verdicts.refused_by_stage()),
            undecided: named(verdicts.undecided_by_stage()),
        }
    }

    pub(super) fn of_all(all: Vec<EndedAt>) -> Self {
        let mut sum = EndedAt::default();
        for EndedAt { refused, undecided } in &all {
            add(&mut sum.refused, refused);
            add(&mut sum.undecided, undecided);
        }
        sum
    }
}

fn named(stages: BTreeMap<&str, u64>) -> BTreeMap<String, u64> {
    stages.into_iter().map(|(stage, count)| (stage.to_owned(), count)).collect()
}

fn add(sum: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    more.iter().for_each(|(stage, count)| *sum.entry(stage.clone()).or_default() += count);
}

/// What a stage did.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct StageShare {
    pub name: String,
    pub model: String,
    pub in_flight: u64,
    pub at_work: u64,
    pub asked: u64,
    pub answered: u64,
    pub failed: u64,
    pub remembered: u64,
    pub seconds: f64,
    pub cost: Option<f64>,
}

impl StageShare {
    fn of(stage: &StageStatus) -> Self {
        StageShare {
            name: stage.name.to_owned(),
            model: stage.model.clone(),
            in_flight: stage.in_flight as u64,
            at_work: stage.at_work as u64,
            asked: stage.asked.asked,
            answered: stage.asked.answered,
            failed: stage.asked.failed,
            remembered: stage.asked.remembered,
            seconds: stage.wall_seconds,
            cost: stage.cost,
        }
    }

    fn add(&mut self, other: &StageShare) {
        self.in_flight += other.in_flight;
        self.at_work += other.at_work;
        self.asked += other.asked;
        self.answered += other.answered;
        self.failed += other.failed;
        self.remembered += other.remembered;
        self.seconds += other.seconds;
        self.cost = sum([self.cost, other.cost]);
    }
}

/// Of what is paid for; nothing where nothing is.
fn sum(costs: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    costs.into_iter().flatten().reduce(|sum, cost| sum + cost)
}

impl Share {
    /// Of this process.
    pub(super) fn of(session: &Session<'_>) -> Self {
        let (engine, lanes) = (&session.opened.engine, session.lanes());
        let verdicts = engine.verdicts();
        let (counts, moves, refused) = (verdicts.counts(), verdicts.moves(), verdicts.refused());
        let dial = |(histogram, held): (&std::sync::Arc<crate::flow::Histogram>, &i64)| {
            let not_numbers = histogram.not_numbers();
            let reach = histogram.buckets().iter().sum::<u64>() + not_numbers;
            DialShare { reach, held: *held, not_numbers }
        };
        let endpoints = lanes.endpoints();
        let endpoints = endpoints
            .iter()
            .map(|endpoint| (endpoint.name().to_owned(), endpoint.line(), endpoint.trouble()));
        let (pool, budget, window) = (lanes.pool_status(), lanes.budget(), engine.progress());
        Share {
            rows: counts.expected as u64,
            kept: counts.kept as u64,
            gated: ((counts.decided - counts.kept) as u64).saturating_sub(refused.0),
            refused: refused.0,
            failed: refused.1,
            undecided: counts.undecided as u64,
            decided: !engine.is_anything_unasked(),
            published: moves.published as u64,
            enter: moves.enter as u64,
            leave: moves.leave as u64,
            pieces: engine.piece_score_names().iter().map(|(of, _)| verdicts.piece_counts(*of)).collect(),
            dials: engine.histograms().iter().zip(verdicts.held_back()).map(dial).collect(),
            asks: named(session.unasked()),
            stages: lanes.status().iter().map(StageShare::of).collect(),
            endpoints: endpoints.collect(),
            pool_threads: pool.threads as u64,
            pool_queued: pool.queued as u64,
            decoded_held: budget.used(),
            decoded_of: budget.capacity(),
            window_epochs: window.epochs_in_flight as u64,
            window_rows: window.rows_in_flight as u64,
            shards: session.opened.shards.len() as u64,
            holds_up: session.held_up_by().map(str::to_owned),
        }
    }

    /// That of another process, of which it is told by its number.
    pub(super) fn add(&mut self, other: &Share, process: usize) {
        for (sum, more) in [
            (&mut self.rows, other.rows),
            (&mut self.kept, other.kept),
            (&mut self.gated, other.gated),
            (&mut self.refused, other.refused),
            (&mut self.failed, other.failed),
            (&mut self.undecided, other.undecided),
            (&mut self.published, other.published),
            (&mut self.enter, other.enter),
            (&mut self.leave, other.leave),
            (&mut self.decoded_held, other.decoded_held),
            (&mut self.decoded_of, other.decoded_of),
            (&mut self.shards, other.shards),
            (&mut self.pool_threads, other.pool_threads),
            (&mut self.pool_queued, other.pool_queued),
            (&mut self.window_epochs, other.window_epochs),
            (&mut self.window_rows, other.window_rows),
        ] {
            *sum += more;
        }
        self.decided &= other.decided;
        self.pieces.iter_mut().zip(&other.pieces).for_each(|(sum, more)| sum.add(*more));
        for (sum, more) in self.dials.iter_mut().zip(&other.dials) {
            sum.reach += more.reach;
            sum.held += more.held;
            sum.not_numbers += more.not_numbers;
        }
        add(&mut self.asks, &other.asks);
        self.stages.iter_mut().zip(&other.stages).for_each(|(sum, more)| sum.add(more));
        let named = |(name, state, trouble): &(String, String, Option<String>)| {
            (format!("process {process}: {name}"), state.clone(), trouble.clone())
        };
        self.endpoints.extend(other.endpoints.iter().map(named));
        if self.holds_up.is_none() {
            self.holds_up.clone_from(&other.holds_up);
        }
    }

    /// What all stages cost so far, in USD; nothing where none is paid for.
    pub(super) fn cost(&self) -> Option<f64> {
        sum(self.stages.iter().map(|stage| stage.cost))
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.stages.iter().map(|stage| stage.in_flight).sum()
    }
}
