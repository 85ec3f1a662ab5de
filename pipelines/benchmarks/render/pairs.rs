//! Comparisons of two models, the agreement of a judge, and totals of conversations, for people, spreadsheets and programs.

use std::collections::BTreeMap;

use serde_json::json;

use super::markdown::escaped;
use super::{estimate, two};
use crate::bootstrap::RESAMPLES;
use crate::sheets::row;
use crate::turns::{Chain, RatersAgree, Share, TurnTotals};
use crate::{Agreement, Comparison, Measures, Paired};

impl Comparison {
    /// For people: by group what got better or worse, the mean difference with its interval, and how likely chance alone gives one as
    /// large. Above 0 the second model is the better. `most` items of either end are listed.
    pub fn markdown(&self, a: &str, b: &str, most: usize) -> String {
        let mut text = format!("# {}: {} and {}\n\n", escaped(&self.benchmark), escaped(a), escaped(b));
        if let Some(warning) = self.differ.warning() {
            text += &format!("> **Warning:** {}\n\n", escaped(&warning));
        }
        text += &format!(
            "| items | pairs | {0} better | {0} worse | same | mean difference | p |\n|---|---:|---:|---:|---:|---:|---:|\n",
            escaped(b)
        );
        let line = |name: &str, it: &Paired| {
            let p = it.p.map_or_else(|| "-".to_owned(), probability);
            let [n, better, worse, same] = [it.n, it.better, it.worse, it.same];
            format!(
                "| {} | {n} | {better} | {worse} | {same} | {} | {p} |\n",
                escaped(name),
                estimate(it.difference)
            )
        };
        text += &line("all", &self.all);
        text.extend(self.groups.iter().map(|(group, it)| line(group, it)));
        text += &format!(
            "\nA difference is the score of {} less that of {}, item by item. p is two-sided, by {RESAMPLES} resamples of the centred differences; of many groups one in twenty is below 0.05 by chance.\n\n",
            escaped(b),
            escaped(a)
        );
        text += &format!(
            "Not paired: {} items with a score of {} alone, {} of {} alone, {} without any, {} that differ.\n",
            self.scored_only_a.len(),
            escaped(a),
            self.scored_only_b.len(),
            escaped(b),
            self.scored_in_neither,
            self.differ.count()
        );
        let worst = self.pairs.iter().filter(|it| it.difference() < 0.0).take(most);
        let best = self.pairs.iter().rev().filter(|it| it.difference() > 0.0).take(most);
        let lists: [(&str, Vec<_>); 2] = [("worse", worst.collect()), ("better", best.collect())];
        for (what, pairs) in lists {
            if pairs.is_empty() {
                continue;
            }
            text += &format!(
                "\n| {what} | {} | {} | difference |\n|---|---:|---:|---:|\n",
                escaped(a),
                escaped(b)
            );
            for it in pairs {
                let (key, a, b) = (escaped(&it.key), two(it.a), two(it.b));
                text += &format!("| {key} | {a} | {b} | {} |\n", two(it.difference()));
            }
        }
        text
    }

    /// For spreadsheets: a row a pair, by the difference.
    pub fn csv(&self, a: &str, b: &str) -> String {
        let head = row(&["key", a, b, "difference"]);
        let pair = |it: &crate::Pair| row(&[it.key.as_str(), &two(it.a), &two(it.b), &two(it.difference())]);
        head + &self.pairs.iter().map(pair).collect::<String>()
    }

    /// For programs: `format` (`threshflow benchmark comparison/1`), the models' names as `a` and `b`, `warning`, and `comparison`.
    pub fn json(&self, a: &str, b: &str) -> String {
        let format = "threshflow benchmark comparison/1";
        pretty(
            &json!({"format": format, "a": a, "b": b, "warning": self.differ.warning(), "comparison": self}),
        )
    }
}

impl Agreement {
    /// For people: the measures over all items and by type.
    pub fn markdown(&self, judge: &str) -> String {
        let mut text = format!("# {} and people\n\n", escaped(judge));
        text += "| items | n | Spearman | Kendall (tau-b) | Pearson | pairs seen alike |\n|---|---:|---:|---:|---:|---:|\n";
        let line = |name: &str, it: &Measures| {
            let [spearman, kendall, pearson, pairwise] =
                [it.spearman, it.kendall, it.pearson, it.pairwise].map(estimate);
            format!("| {} | {} | {spearman} | {kendall} | {pearson} | {pairwise} |\n", escaped(name), it.n)
        };
        text += &line("all", &self.all);
        text.extend(self.types.iter().map(|(name, it)| line(name, it)));
        text += &format!(
            "\nPairs seen alike are those that both order the same way or hold for equal; a tie of one alone is a disagreement. In brackets are 95 % intervals by {RESAMPLES} resamples of the items. People gave {} scores; {} of the items that they graded have no score of the judge, and {} that the judge graded none of theirs.\n",
            self.rows,
            self.only_people.len(),
            self.only_judge
        );
        text
    }

    /// For programs: `format` (`threshflow benchmark agreement/1`), `judge` and `agreement`.
    pub fn json(&self, judge: &str) -> String {
        pretty(&json!({"format": "threshflow benchmark agreement/1", "judge": judge, "agreement": self}))
    }
}

impl TurnTotals {
    /// For people: shares of yes by category and turn. `who` is whose verdicts they are.
    pub fn markdown(&self, who: &str) -> String {
        let turns: Vec<usize> = self.by_turn.keys().copied().collect();
        let counted = match self.chain {
            Chain::Each => "each turn by itself",
            Chain::Unbroken => "a turn counts as a yes only where all before it are",
        };
        let mut text = format!("# Verdicts of {} ({counted})\n\n| category | all |", escaped(who));
        text.extend(turns.iter().map(|turn| format!(" turn {turn} |")));
        text += &format!("\n|---|---:|{}\n", "---:|".repeat(turns.len()));
        let line = |name: &str, all: &Share, by_turn: &BTreeMap<usize, Share>| {
            let cells: String = turns
                .iter()
                .map(|turn| format!(" {} |", by_turn.get(turn).map_or("-".into(), share)))
                .collect();
            format!("| {} | {} |{cells}\n", escaped(name), share(all))
        };
        text += &line("all", &self.all, &self.by_turn);
        let none = BTreeMap::new();
        for (category, all) in &self.by_category {
            text += &line(category, all, self.by_category_and_turn.get(category).unwrap_or(&none));
        }
        text += &format!("\n{} turns have no verdict.\n", self.without);
        text
    }
}

impl RatersAgree {
    /// For people: kappas.
    pub fn markdown(&self) -> String {
        let kappa = |it: Option<f64>| it.map_or_else(|| "not defined".to_owned(), two);
        let mut text = format!("Fleiss' kappa: {} over {} turns.\n", kappa(self.fleiss), self.turns);
        for (one, other, n, cohen) in &self.cohen {
            let (one, other) = (escaped(one), escaped(other));
            text += &format!("Cohen's kappa of {one} and {other}: {} over {n} turns.\n", kappa(*cohen));
        }
        text
    }
}

/// `75 % (3 turns, 6 votes)`.
fn share(it: &Share) -> String {
    match it.yes {
        Some(yes) => format!("{:.0} % ({} turns, {} votes)", yes * 100.0, it.turns, it.votes),
        None => "-".to_owned(),
    }
}

fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

fn pretty(value: &serde_json::Value) -> String {
    // Texts and finite numbers: nothing in it can fail.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
