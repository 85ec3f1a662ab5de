//! From raw answers to the score of an item.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::definition::mean;
use crate::{Answer, Ask, Benchmark, Judged, Parser, Read, Said, Script, python_round, read};

/// How answers are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counting {
    pub parser: Parser,
    /// Takes a later score that is above the first, where the rubric forbids it, as the first. Upstream never does.
    pub clamp: bool,
}

/// What came of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemScore {
    pub key: String,
    /// The mean over the passes that have a score.
    pub score: Option<f64>,
    /// Of each pass that was asked, its score where all of its answers were read.
    pub passes: BTreeMap<u32, Option<f64>>,
    /// Of benchmarks that have an accuracy: the share of the passes with a score in which all was right.
    pub accuracy: Option<f64>,
    /// The mean over the passes of each score by its name: `compliance`, `sc/success`.
    pub scores: BTreeMap<String, f64>,
    /// Why it has no score, where it has none.
    pub without: Option<Without>,
    /// Answers, of all passes.
    pub answers: usize,
    /// Answers that are refusals, by class.
    pub refusals: BTreeMap<String, usize>,
    /// Answers that could not be read, each with the ask, the pass and why.
    pub unread: Vec<(String, u32, String)>,
    /// Of these, those that are not there though nobody refused, by class: `answer_cut`.
    pub missing: BTreeMap<String, usize>,
    /// Lines that upstream's rule drops or takes wrongly, of all answers.
    pub dropped: Vec<String>,
    /// Answers whose later scores are above the first.
    pub rule_breaking: usize,
}

/// Why an item has no score. Of several reasons the first that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Without {
    /// A picture is missing, or the editor refused: by class.
    Lacks(String),
    /// The judge refused in every pass.
    Refused,
    /// No pass could be read in full.
    Unread,
    /// It was not asked about, or not in full.
    Unasked,
}

/// What was read of the answers to an item in one pass: by ask, in the benchmark's order.
type Pass = Vec<Option<Vec<f64>>>;

/// Counts the answers to one item.
pub fn score(benchmark: &Benchmark, judged: &Judged, counting: Counting) -> ItemScore {
    let mut it = ItemScore {
        key: judged.item.key.clone(),
        score: None,
        passes: BTreeMap::new(),
        accuracy: None,
        scores: BTreeMap::new(),
        without: None,
        answers: judged.answers.len(),
        refusals: BTreeMap::new(),
        unread: Vec::new(),
        missing: BTreeMap::new(),
        dropped: Vec::new(),
        rule_breaking: 0,
    };
    let mut passes: BTreeMap<u32, Pass> = BTreeMap::new();
    for answer in &judged.answers {
        let pass = passes.entry(answer.pass).or_insert_with(|| vec![None; benchmark.asks.len()]);
        let place = benchmark.asks.iter().position(|ask| ask.name == answer.ask);
        if let Some((ask, place)) = place.map(|place| (&benchmark.asks[place], place)) {
            pass[place] = it.take(benchmark, ask, answer, counting);
        }
    }
    let mut perfect = Vec::new();
    for (number, pass) in &passes {
        let scores: Vec<Option<&[f64]>> = pass.iter().map(|scores| scores.as_deref()).collect();
        let complete = benchmark.asks.iter().zip(&scores).all(|(ask, scores)| {
            scores.is_some() || !benchmark.asks_of(&judged.item).any(|applies| applies.name == ask.name)
        });
        let score = complete.then(|| (benchmark.formula)(&judged.item, &scores)).flatten();
        let score = score.map(|score| as_upstream(benchmark, counting, score));
        it.passes.insert(*number, score);
        if score.is_some() {
            perfect
                .extend(benchmark.perfect.map(|perfect| f64::from(u8::from(perfect(&judged.item, &scores)))));
        }
    }
    it.score = mean(it.passes.values().flatten().copied());
    it.accuracy = mean(perfect);
    it.scores = by_name(benchmark, &passes);
    it.without = it.score.is_none().then(|| it.why(judged));
    it
}

impl ItemScore {
    fn take(
        &mut self,
        benchmark: &Benchmark,
        ask: &Ask,
        answer: &Answer,
        counting: Counting,
    ) -> Option<Vec<f64>> {
        if let Some(class) = answer.said.refusal() {
            *self.refusals.entry(class.to_owned()).or_default() += 1;
            return None;
        }
        let text = match &answer.said {
            Said::Refused { class, message } => {
                *self.missing.entry(class.clone()).or_default() += 1;
                self.unread.push((answer.ask.clone(), answer.pass, format!("{class}: {message}")));
                return None;
            }
            Said::Text(text) => text,
        };
        let Read { mut scores, dropped, unread, breaks_rule } = read(benchmark, ask, text, counting.parser);
        self.dropped.extend(dropped);
        self.rule_breaking += usize::from(breaks_rule);
        if let Some(why) = unread {
            self.unread.push((answer.ask.clone(), answer.pass, why));
            return None;
        }
        if counting.clamp && ask.first_bounds {
            let first = scores[0];
            scores.iter_mut().for_each(|score| *score = score.min(first));
        }
        Some(scores)
    }

    fn why(&self, judged: &Judged) -> Without {
        match &judged.lacks {
            Some(lacks) => Without::Lacks(lacks.class.clone()),
            None if !self.unread.is_empty() => Without::Unread,
            None if !self.refusals.is_empty() => Without::Refused,
            None => Without::Unasked,
        }
    }
}

/// ImgEdit's scripts round the mean of each answer before anything else is done with it.
fn as_upstream(benchmark: &Benchmark, counting: Counting, score: f64) -> f64 {
    let rounds = counting.parser == Parser::Upstream && benchmark.script == Script::ImgEdit;
    if rounds { python_round(score, 2) } else { score }
}

/// Each score by its name. Where asks share the names of their scores, as variants of one do, they share them here.
fn by_name(benchmark: &Benchmark, passes: &BTreeMap<u32, Pass>) -> BTreeMap<String, f64> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for pass in passes.values() {
        for (ask, scores) in benchmark.asks.iter().zip(pass) {
            let scores = scores.iter().filter(|scores| scores.len() == ask.scores.len());
            for (name, score) in scores.flat_map(|scores| ask.scores.iter().zip(scores)) {
                // Of nought and one on a benchmark of one to five: as its formula takes them.
                let logic = benchmark.name == "rise" && ask.range == [0.0, 1.0];
                values.entry(name).or_default().push(if logic { 4.0 * score.min(1.0) + 1.0 } else { *score });
            }
        }
    }
    values.into_iter().filter_map(|(name, values)| Some((name.to_owned(), mean(values)?))).collect()
}
