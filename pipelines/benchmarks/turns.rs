//! Conversations judged by people: the sheet that they fill, what they said, totals, and whether they agree.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::agreement::SheetError;
use crate::sheets::{Sheet, row};
use crate::statistics::{cohen, cohens, fleiss};
use crate::{Benchmark, Counting, Item, Judged, Said, read};

/// A turn that people judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    pub key: String,
    /// From 1.
    pub turn: usize,
    pub category: String,
    pub prompt: String,
}

/// One rater's verdict on a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vote {
    pub key: String,
    pub turn: usize,
    pub rater: String,
    pub yes: bool,
}

/// Before the name of a judge that is no person.
pub const JUDGE: &str = "judge:";

/// The turns of the items, in their order.
pub fn turns(items: &[Item]) -> Vec<Turn> {
    let of = |item: &Item| {
        let category = item.groups.get("category").cloned().unwrap_or_default();
        let turn = |(at, prompt): (usize, &String)| Turn {
            key: item.key.clone(),
            turn: at + 1,
            category: category.clone(),
            prompt: prompt.clone(),
        };
        item.prompts.iter().enumerate().map(turn).collect::<Vec<_>>()
    };
    items.iter().flat_map(of).collect()
}

/// The sheet as CSV: a row a turn, of which `rater` and `verdict` (yes or no) are to be filled.
pub fn empty_sheet(turns: &[Turn]) -> String {
    let head = row(&["key", "turn", "category", "prompt", "rater", "verdict"]);
    let rows = turns
        .iter()
        .map(|it| row(&[it.key.as_str(), &it.turn.to_string(), &it.category, &it.prompt, "", ""]));
    head + &rows.collect::<String>()
}

/// Reads filled sheets, one after the other in one table or each by itself: columns `key`, `turn`, `rater` and `verdict` (or `yes/no`).
/// Rows without a verdict are turns that the rater passed over. A rater who says both yes and no of a turn is an error, as are a turn that
/// is not in the sheet and a verdict that is neither; the error names the line.
pub fn votes(text: &str, turns: &[Turn]) -> Result<Vec<Vote>, SheetError> {
    let error = |what: String| SheetError(format!("the filled sheet: {what}"));
    let sheet = Sheet::read(text, &["key", "turn"]).map_err(error)?;
    let known: BTreeSet<(&str, usize)> = turns.iter().map(|it| (it.key.as_str(), it.turn)).collect();
    let mut votes: BTreeMap<(String, usize, String), bool> = BTreeMap::new();
    for row in sheet.rows() {
        let line = row.line;
        let Some(verdict) = row.get("verdict").or(row.get("yes/no")) else { continue };
        let yes = match verdict.to_lowercase().as_str() {
            "yes" | "y" | "1" | "true" | "是" => true,
            "no" | "n" | "0" | "false" | "否" => false,
            _ => return Err(error(format!("line {line}: {verdict:?} is neither `yes` nor `no`"))),
        };
        let key = row.get("key").ok_or_else(|| error(format!("line {line} has no key")))?;
        let turn = row.get("turn").unwrap_or_default().trim_start_matches("turn");
        let turn: usize = turn
            .parse()
            .map_err(|_| error(format!("line {line}: the turn must be a number from 1, not {turn:?}")))?;
        if !known.contains(&(key, turn)) {
            return Err(error(format!("line {line}: there is no turn {turn} of {key:?} among the items")));
        }
        let rater = row
            .get("rater")
            .ok_or_else(|| error(format!("line {line} has a verdict and no rater; name one")))?;
        if rater.starts_with(JUDGE) {
            return Err(error(format!("line {line}: {rater:?} is no person; {JUDGE:?} marks judges")));
        }
        let before = votes.insert((key.to_owned(), turn, rater.to_owned()), yes);
        if before.is_some_and(|before| before != yes) {
            return Err(error(format!(
                "line {line}: {rater:?} says both yes and no of turn {turn} of {key:?}"
            )));
        }
    }
    let vote = |((key, turn, rater), yes)| Vote { key, turn, rater, yes };
    Ok(votes.into_iter().map(vote).collect())
}

/// A judge's opinion, as votes of a rater `judge:NAME`: the majority of its passes; none where they are split, or nothing was read.
pub fn opinions(name: &str, benchmark: &Benchmark, judged: &[Judged], counting: Counting) -> Vec<Vote> {
    let mut said: BTreeMap<(String, usize), (usize, usize)> = BTreeMap::new();
    for judged in judged {
        for answer in &judged.answers {
            let (Said::Text(text), Some(ask)) = (&answer.said, benchmark.ask(&answer.ask)) else { continue };
            let read = read(benchmark, ask, text, counting.parser);
            let (yes, no) = said.entry((judged.item.key.clone(), ask.turn)).or_default();
            match read.scores.first() {
                Some(score) if *score >= 1.0 => *yes += 1,
                Some(_) => *no += 1,
                None => {}
            }
        }
    }
    let vote = |((key, turn), (yes, no)): (_, (usize, usize))| {
        (yes != no).then(|| Vote { key, turn, rater: format!("{JUDGE}{name}"), yes: yes > no })
    };
    said.into_iter().filter_map(vote).collect()
}

/// A share of votes that are yes, of so many turns and so many votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// Turns with a vote.
    pub turns: usize,
    pub votes: usize,
    /// Mean over turns of the share of their votes that are yes.
    pub yes: Option<f64>,
}

/// How turns are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    /// Each turn by itself, as ImgEdit's authors say it.
    #[default]
    Each,
    /// A turn is a yes only where the same rater said yes of all turns before it; without a verdict on one of these, the vote does not
    /// count.
    Unbroken,
}

/// What people, or one judge, said in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TurnTotals {
    pub chain: Chain,
    pub all: Share,
    pub by_category: BTreeMap<String, Share>,
    pub by_turn: BTreeMap<usize, Share>,
    pub by_category_and_turn: BTreeMap<String, BTreeMap<usize, Share>>,
    /// Turns without any vote.
    pub without: usize,
}

impl TurnTotals {
    /// Adds up votes: people's, or those of one judge; not both in one.
    pub fn of(turns: &[Turn], votes: &[Vote], chain: Chain) -> TurnTotals {
        let verdicts: BTreeMap<(&str, &str, usize), bool> =
            votes.iter().map(|it| ((it.rater.as_str(), it.key.as_str(), it.turn), it.yes)).collect();
        let raters: BTreeSet<&str> = votes.iter().map(|it| it.rater.as_str()).collect();
        let vote = |rater: &str, turn: &Turn| {
            let of = |turn_number: usize| verdicts.get(&(rater, turn.key.as_str(), turn_number)).copied();
            match chain {
                Chain::Each => of(turn.turn),
                Chain::Unbroken => (1..=turn.turn).map(of).try_fold(true, |all, yes| Some(all && yes?)),
            }
        };
        let shares: Vec<(&Turn, Vec<bool>)> = turns
            .iter()
            .map(|turn| (turn, raters.iter().filter_map(|rater| vote(rater, turn)).collect()))
            .collect();
        let share = |fits: &dyn Fn(&Turn) -> bool| {
            let of: Vec<&Vec<bool>> = shares
                .iter()
                .filter(|(turn, votes)| fits(turn) && !votes.is_empty())
                .map(|(_, votes)| votes)
                .collect();
            let yes =
                |votes: &&Vec<bool>| votes.iter().filter(|yes| **yes).count() as f64 / votes.len() as f64;
            Share {
                turns: of.len(),
                votes: of.iter().map(|votes| votes.len()).sum(),
                yes: crate::definition::mean(of.iter().map(yes)),
            }
        };
        let categories: BTreeSet<&String> = turns.iter().map(|it| &it.category).collect();
        let numbers: BTreeSet<usize> = turns.iter().map(|it| it.turn).collect();
        let of_category = |category: &String| {
            let of = |number: &usize| {
                (*number, share(&|it: &Turn| it.category == *category && it.turn == *number))
            };
            (category.clone(), numbers.iter().map(of).filter(|(_, share)| share.turns > 0).collect())
        };
        TurnTotals {
            chain,
            all: share(&|_| true),
            by_category: categories
                .iter()
                .map(|it| ((*it).clone(), share(&|turn: &Turn| turn.category == **it)))
                .collect(),
            by_turn: numbers.iter().map(|it| (*it, share(&|turn: &Turn| turn.turn == *it))).collect(),
            by_category_and_turn: categories.iter().map(|it| of_category(it)).collect(),
            without: shares.iter().filter(|(_, votes)| votes.is_empty()).count(),
        }
    }
}

/// Whether raters agree.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RatersAgree {
    /// Cohen's kappa of every two raters, with the number of turns that both judged.
    pub cohen: Vec<(String, String, usize, Option<f64>)>,
    /// Fleiss' kappa of all raters, over the turns of two votes or more.
    pub fleiss: Option<f64>,
    /// These turns.
    pub turns: usize,
}

impl RatersAgree {
    pub fn of(votes: &[Vote]) -> RatersAgree {
        let mut of_rater: BTreeMap<String, BTreeMap<(&str, usize), bool>> = BTreeMap::new();
        let mut counts: BTreeMap<(&str, usize), (usize, usize)> = BTreeMap::new();
        for Vote { key, turn, rater, yes } in votes {
            of_rater.entry(rater.clone()).or_default().insert((key, *turn), *yes);
            let (yeses, noes) = counts.entry((key, *turn)).or_default();
            *if *yes { yeses } else { noes } += 1;
        }
        let counts: Vec<(usize, usize)> = counts.into_values().collect();
        RatersAgree {
            cohen: cohens(&of_rater),
            fleiss: fleiss(&counts),
            turns: counts.iter().filter(|(yes, no)| yes + no > 1).count(),
        }
    }
}

/// Cohen's kappa of a judge with the majority of people, and over how many turns. Turns of which people are split don't count.
pub fn judge_agrees(people: &[Vote], judge: &[Vote]) -> (usize, Option<f64>) {
    let mut counts: BTreeMap<(&str, usize), isize> = BTreeMap::new();
    for Vote { key, turn, yes, .. } in people {
        *counts.entry((key, *turn)).or_default() += if *yes { 1 } else { -1 };
    }
    let pair = |vote: &Vote| {
        let balance = *counts.get(&(vote.key.as_str(), vote.turn))?;
        (balance != 0).then_some((balance > 0, vote.yes))
    };
    let pairs: Vec<(bool, bool)> = judge.iter().filter_map(pair).collect();
    (pairs.len(), cohen(&pairs))
}

#[cfg(test)]
mod tests;
