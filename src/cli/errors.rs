//! Counts what failed in a run, stage by stage. `--max-error-rate` is compared with these counts.
//!
//! A refused picture counts as failed. A region or an edit may be refused for good reasons (no object of that kind, words that nobody can
//! carry out). So of regions and edits, only those count that a server, a device or a disk failed, and those of a stage that refused all of
//! them, because such a stage does not work. What a budget did not pay for, what a chooser does not choose, and a second frame that a
//! sample does not have are no failures.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Summary;
use crate::publish::{StageDescription, entered};
use crate::row::{Lasts, Of, Refusal, Refused};

/// A stage that refused everything is taken for dead from so many pieces on.
const DEAD_FROM: u64 = 10;

/// What failed at one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageErrors {
    /// Rows that failed here.
    pub errors: u64,
    /// Rows that came here.
    pub of: u64,
    /// Their share, 0 to 1.
    pub rate: f64,
    /// Whether some of them are remembered as refused: only `--retry` asks these again.
    #[serde(skip)]
    pub remembered: bool,
    /// What the first of them said.
    #[serde(skip)]
    pub example: String,
}

/// By sort of row, by stage; stages at which nothing failed are left out.
pub type Errors = BTreeMap<&'static str, BTreeMap<String, StageErrors>>;

/// Refusals of one sort of rows at one stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tally {
    /// That last as long as the process.
    process: u64,
    /// That are remembered.
    content: u64,
    first: [Option<String>; 2],
}

/// Counts refusals as the verdicts are looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Counted", into = "Counted")]
pub(super) struct Counting {
    seen: BTreeMap<(Of, String), Tally>,
}

/// As a list, which JSON has, too.
type Counted = Vec<((Of, String), Tally)>;

impl From<Counted> for Counting {
    fn from(all: Counted) -> Self {
        Counting { seen: all.into_iter().collect() }
    }
}

impl From<Counting> for Counted {
    fn from(counting: Counting) -> Self {
        counting.seen.into_iter().collect()
    }
}

impl Counting {
    /// What was counted elsewhere, too.
    pub(super) fn add(&mut self, other: Counting) {
        for (at, more) in other.seen {
            let tally = self.seen.entry(at).or_default();
            tally.process += more.process;
            tally.content += more.content;
            for (first, other) in tally.first.iter_mut().zip(more.first) {
                *first = first.take().or(other);
            }
        }
    }

    pub(super) fn count(&mut self, of: Of, refused: &Refused) {
        let lasts = refused.refusal.lasts;
        if refused.refusal.class == Refusal::NO_END_FRAME {
            return;
        }
        let tally = self.seen.entry((of, refused.stage.to_string())).or_default();
        let place = match lasts {
            Lasts::Budget => return,
            Lasts::Process => {
                tally.process += 1;
                0
            }
            Lasts::Content => {
                tally.content += 1;
                1
            }
        };
        tally.first[place].get_or_insert_with(|| refused.refusal.to_string());
    }

    /// What of it is an error, held against the rows that came to each stage.
    pub(super) fn errors(&self, summary: &Summary, wiring: &[StageDescription]) -> Errors {
        let mut errors = Errors::new();
        for of in [Of::Pictures, Of::Regions, Of::Edits] {
            let came = came(summary, wiring, of);
            for ((_, stage), tally) in self.seen.iter().filter(|((sort, _), _)| *sort == of) {
                let asks = |one: &StageDescription| matches!(one, StageDescription::Ask { name, .. } if name == stage);
                let came = came.get(stage).copied().unwrap_or(0);
                let all = tally.process + tally.content == came;
                let is_dead = all && came >= DEAD_FROM && wiring.iter().any(asks);
                let content = if of == Of::Pictures || is_dead { tally.content } else { 0 };
                let failed = tally.process + content;
                if failed == 0 {
                    continue;
                }
                let one = StageErrors {
                    errors: failed,
                    of: came,
                    rate: failed as f64 / (came as f64).max(1.0),
                    remembered: content > 0,
                    example: tally.first.iter().flatten().next().cloned().unwrap_or_default(),
                };
                errors.entry(of.plural()).or_default().insert(stage.clone(), one);
            }
        }
        errors
    }
}

/// Rows of that sort that came to each stage, by its name.
fn came(summary: &Summary, wiring: &[StageDescription], of: Of) -> BTreeMap<String, u64> {
    let came = match of {
        Of::Pictures => {
            let gated = summary.gated.iter().map(|(dial, rows)| ((*dial).to_owned(), *rows)).collect();
            entered(wiring, of, summary.rows, &gated, &summary.refused)
        }
        Of::Regions | Of::Edits => match summary.pieces(of) {
            Some(pieces) => entered(wiring, of, pieces.found, &pieces.gated, &pieces.refused),
            None => return BTreeMap::new(),
        },
    };
    // Counts that don't add up are told when they are published.
    came.unwrap_or_default()
}

/// Why a run of which this much failed is not done, where `most` is the share of the rows of any sort that may fail, at one
/// stage or, of `pictures` pictures, anywhere; `None` where it is.
pub(super) fn too_many(errors: &Errors, pictures: u64, most: f64) -> Option<String> {
    let stages =
        errors.iter().flat_map(|(of, stages)| stages.iter().map(move |(stage, one)| (*of, stage, one)));
    let mut worst = stages.clone().map(|(.., one)| one.rate).fold(0.0, f64::max);
    let mut over: Vec<_> = stages.clone().filter(|(.., one)| one.rate > most).collect();
    let refused: u64 =
        errors.get(Of::Pictures.plural()).into_iter().flat_map(BTreeMap::values).map(|one| one.errors).sum();
    let rate = refused as f64 / (pictures as f64).max(1.0);
    let mut message = String::new();
    if rate > most {
        worst = worst.max(rate);
        over = stages.filter(|(of, _, one)| *of == Of::Pictures.plural() || one.rate > most).collect();
        let _ = writeln!(message, "{refused} of {pictures} rows were refused ({:.1} %)", rate * 100.0);
    }
    if over.is_empty() {
        return None;
    }
    for (of, stage, StageErrors { errors, of: came, rate, example, .. }) in &over {
        let share = rate * 100.0;
        let _ = writeln!(
            message,
            "{errors} of {came} {of} failed at {stage} ({share:.1} %), for example: {example}"
        );
    }
    let again = if over.iter().any(|(.., one)| one.remembered) {
        "Repair it and run again, with --retry for what is remembered as refused"
    } else {
        "Repair it and run again: what failed is asked again"
    };
    let allow = (worst * 100.0).ceil() / 100.0;
    let _ = write!(
        message,
        "this is more than --max-error-rate {most} allows; answers are kept, and what was published before stands as it was. \
         {again}, or run with --max-error-rate {allow:.2} to publish all the same"
    );
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Stamp;

    fn wiring() -> Vec<StageDescription> {
        let stamp = Stamp::of(&[("tested", b"")]);
        let ask = |name| StageDescription::Ask { name, of: Of::Edits, stamp, model: String::new() };
        vec![StageDescription::Choose { name: "choose" }, ask("instruct"), ask("judge")]
    }

    /// Edits of which so many ended at a stage with refusals that last so.
    fn errors(found: u64, ends: &[(&'static str, &'static str, Lasts, u64)]) -> Errors {
        let mut counting = Counting::default();
        let mut summary = Summary::of("tested", &[], &Default::default(), &wiring(), &[]);
        let edits = summary.edits.as_mut().expect("edits are wired");
        edits.found = found;
        for (stage, class, lasts, rows) in ends {
            *edits.refused.entry((*stage).to_owned()).or_default().entry((*class).to_owned()).or_default() +=
                rows;
            for _ in 0..*rows {
                let refusal = Refusal { lasts: *lasts, ..Refusal::transient(class, "as told") };
                counting.count(Of::Edits, &Refused { stage: (*stage).into(), refusal });
            }
        }
        counting.errors(&summary, &wiring())
    }

    #[test]
    fn a_rate_is_held_against_what_came_to_the_stage() {
        let ends = [
            ("choose", "too_few_candidates", Lasts::Content, 900),
            ("instruct", "cannot_paint", Lasts::Content, 60),
            ("judge", "unreachable", Lasts::Process, 4),
            ("judge", "over_budget", Lasts::Budget, 7),
        ];
        let errors = errors(1000, &ends);
        assert_eq!(errors["edits"].keys().collect::<Vec<_>>(), ["judge"], "{errors:?}");
        let judge = &errors["edits"]["judge"];
        assert_eq!((judge.errors, judge.of, judge.rate), (4, 40, 0.1));
        assert_eq!(too_many(&errors, 1000, 0.1), None);
        let failure = too_many(&errors, 1000, 0.05).expect("a tenth failed");
        assert!(
            failure.contains("4 of 40 edits failed at judge (10.0 %), for example: unreachable: as told"),
            "{failure}"
        );
        assert!(failure.contains("asked again") && !failure.contains("--retry"), "{failure}");
    }

    #[test]
    fn a_stage_that_refuses_everything_is_dead_and_a_few_rows_prove_nothing() {
        let all = |rows, class| errors(rows, &[("instruct", class, Lasts::Content, rows)]);
        assert!(all(DEAD_FROM - 1, "unparsable_answer").is_empty());
        let dead = all(DEAD_FROM, "unparsable_answer");
        assert_eq!(dead["edits"]["instruct"].errors, DEAD_FROM);
        assert!(too_many(&dead, 1000, 0.99).expect("all failed").contains("--retry"));
        assert!(all(100, Refusal::NO_END_FRAME).is_empty(), "no sample has a second frame");
        assert!(errors(100, &[("choose", "too_few_candidates", Lasts::Content, 100)]).is_empty());
    }
}
