//! What an apply of several processes would do: each says what it would do with its own rows, and that adds up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::published::Published;
use super::shares::{self, BeforeGate};
use super::{Effect, Opened, PieceEffect, Price, effect, price, standing};
use crate::flow::{DialSpec, Setting};

/// What several processes of a session would do, each with its own rows.
#[derive(Serialize, Deserialize)]
pub(in crate::cli) struct EffectShare {
    enter: u64,
    leave: u64,
    undecided: u64,
    pieces: [Option<PieceEffect>; 2],
    asks: BTreeMap<String, u64>,
    before_shares: Vec<BeforeGate>,
}

/// What a session's apply would do, in one process.
pub(in crate::cli) fn effect_share(
    before: &Published,
    opened: &Opened,
    (specs, settings): (&[DialSpec], &[Setting]),
) -> EffectShare {
    let standing = standing(opened, specs, &opened.engine.values());
    let Effect { enter, leave, undecided, regions, edits, asks, .. } = effect(before, &standing, opened);
    let asks = asks.into_iter().map(|(stage, asks)| (stage.to_owned(), asks)).collect();
    let before_shares = shares::before_gates(opened, specs, settings);
    EffectShare { enter, leave, undecided, pieces: [regions, edits], asks, before_shares }
}

/// The same of all processes: this one, and others.
pub(in crate::cli) fn effect_of_all(
    all: Vec<EffectShare>,
    opened: &Opened,
    (specs, settings): (&[DialSpec], &[Setting]),
) -> Effect {
    let mut sum = Effect::default();
    let mut before: Vec<BeforeGate> = Vec::new();
    let mut asked: BTreeMap<String, u64> = BTreeMap::new();
    let mut longest = Some(0.0_f64);
    let stages = opened.lanes.status();
    let named = |mut asked: BTreeMap<String, u64>| -> BTreeMap<&'static str, u64> {
        stages.iter().filter_map(|stage| Some((stage.name, asked.remove(stage.name)?))).collect()
    };
    for EffectShare { enter, leave, undecided, pieces: [regions, edits], asks, before_shares } in all {
        sum.enter += enter;
        sum.leave += leave;
        sum.undecided += undecided;
        PieceEffect::add_to(&mut sum.regions, regions);
        PieceEffect::add_to(&mut sum.edits, edits);
        asks.iter().for_each(|(stage, asks)| *asked.entry(stage.clone()).or_default() += asks);
        // They ask side by side.
        let seconds = price(&named(asks), opened).seconds;
        longest = longest.zip(seconds).map(|(longest, seconds)| longest.max(seconds));
        shares::add(&mut before, before_shares);
    }
    sum.asks = named(asked);
    let Price { calls, cost, .. } = price(&sum.asks, opened);
    let open_shares = shares::open_of(&before, &opened.engine.values(), specs, settings);
    Effect { calls, cost, seconds: longest, open_shares, ..sum }
}
