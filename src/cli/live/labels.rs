//! Labels over HTTP: rows are drawn around a dial's cut, people call them good or bad, and the session says what that means for every
//! threshold. The labels lie in the store; the statistics are those of the room `label`.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::{Arc, Mutex};

use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listed::WithRows;
use super::rows::{Id, MOST_ROWS};
use super::session::Session;
use super::{Problem, exact};
use crate::cli::labelled::{self, Seen};
use crate::cli::run::{stopped, until_a_signal};
use crate::flow::Standing;
use crate::label::{
    At, By, Candidate, Draw, Drawn, Estimate, Estimates, Label, LabelError, Labels, Population, rank,
};
use crate::lane::lock;
use crate::row::{ContentHash, Of, Place, RowId};

/// Labels that a draw plans for where nobody says how many.
pub(super) const PLANNED: usize = 100;

/// What is said of a row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    dial: String,
    row: String,
    /// Absent, or null: what was said is taken back.
    good: Option<bool>,
}

impl From<LabelError> for Problem {
    fn from(error: LabelError) -> Self {
        match error {
            LabelError::Wrong(text) => Problem::bad(text),
            error => Problem::failed(error.to_string()),
        }
    }
}

/// A row that was drawn to be labelled.
#[derive(Clone)]
pub(super) struct DrawnRow {
    content: ContentHash,
    score: f32,
    draw: usize,
    rank: u64,
    drawn: Option<Drawn>,
}

/// The session's labels, and the rows that were drawn last of each dial.
pub(super) struct Labelling {
    labels: Labels,
    drawn: HashMap<(usize, Place), DrawnRow>,
}

impl Labelling {
    pub(super) fn open(store: &std::path::Path) -> Result<Self, LabelError> {
        let labels = Labels::open(store)?;
        labelled::tell_damage(&labels);
        Ok(Labelling { labels, drawn: HashMap::new() })
    }
}

/// A place as the labels know it: a shard and a member, and the piece.
fn as_opaque(place: Place) -> (u64, u16) {
    (u64::from(place.id.shard) << 32 | u64::from(place.id.member), place.number)
}

fn as_place(of: Of, (row, number): (u64, u16)) -> Place {
    Place { id: RowId { shard: (row >> 32) as u32, member: row as u32 }, of, number }
}

/// The candidates of the lowest ranks of one stratum.
#[derive(Default)]
struct Lowest {
    heap: BinaryHeap<(u64, ContentHash, (u64, u16), u32)>,
}

impl Lowest {
    fn see(&mut self, most: usize, rank: u64, row: &Standing) {
        if self.heap.len() < most || self.heap.peek().is_some_and(|(highest, ..)| rank < *highest) {
            self.heap.push((rank, row.content, as_opaque(row.place), row.score.to_bits()));
        }
        if self.heap.len() > most {
            self.heap.pop();
        }
    }

    fn take(&mut self) -> Vec<Candidate> {
        let rows = std::mem::take(&mut self.heap).into_iter();
        rows.map(|(rank, content, place, score)| Candidate {
            content,
            place,
            score: f32::from_bits(score),
            rank,
        })
        .collect()
    }
}

impl Session<'_> {
    /// Of what sort the rows are that reach the gate of a dial.
    fn of_dial(&self, dial: usize) -> Of {
        let name = self.pipeline.dials[dial].name;
        let gate = self.opened.engine.wired().iter().find_map(|step| match step {
            crate::flow::Wired::Gate { dial, of, .. } if *dial == name => Some(*of),
            _ => None,
        });
        gate.unwrap_or_default()
    }

    fn population(&self, dial: usize) -> Result<Population, Problem> {
        Ok(labelled::here(&self.opened.engine, dial, &self.pipeline.dials[dial])?)
    }

    fn scan(&mut self, dial: usize, see: impl Fn(Standing) + Send + Sync + 'static) -> Result<(), Problem> {
        self.standing_still(|session| {
            let tick = &mut until_a_signal;
            Ok(session.opened.engine.scan(dial, (0, u16::MAX), Arc::new(see), tick).map_err(stopped)?)
        })
    }

    /// Of the labelled contents of a dial those that stand at its gate.
    fn seen(&mut self, dial: usize, picture: Option<RowId>) -> Result<Seen, Problem> {
        let named = (dial, self.pipeline.dials[dial].name);
        self.standing_still(|session| {
            let tick = &mut until_a_signal;
            Ok(labelled::see(&mut session.opened.engine, named, &session.labelling.labels, picture, tick)?)
        })
    }

    /// The labels of a dial, and the rows that are to be labelled next.
    pub(super) fn labels(&mut self, dial: usize, most: usize, seed: u64) -> Result<WithRows, Problem> {
        let spec = &self.pipeline.dials[dial];
        let (value, population) = (self.opened.engine.values()[dial], self.population(dial)?);
        let labelled = self.labelling.labels.labels(spec.name).count();
        let same = |draw: &Draw| draw.seed == seed && draw.at == value;
        let known = self.labelling.labels.draws(spec.name).filter(|(_, draw)| same(draw)).last();
        let (number, draw) = match known {
            Some((number, draw)) => (number, draw.clone()),
            None => {
                let draw = Draw::new(spec.name, &population, value, seed, PLANNED);
                (self.labelling.labels.add_draw(draw.clone())?, draw)
            }
        };
        let most = most.min(MOST_ROWS);
        let takes = draw.takes(labelled + most);
        let found: Arc<Mutex<Vec<Lowest>>> =
            Arc::new(Mutex::new(takes.iter().map(|_| Lowest::default()).collect()));
        let see = {
            let (found, draw, scale) = (found.clone(), draw.clone(), *population.scale());
            // Those that are labelled stand in the way of no other.
            let takes: Vec<usize> = takes.iter().map(|take| take + labelled).collect();
            move |row: Standing| {
                let Some(bucket) = scale.bucket(row.score) else { return };
                let stratum = draw.strata.iter().position(|stratum| stratum.buckets.contains(&bucket));
                let Some(stratum) = stratum else { return };
                let rank = rank(seed, &draw.dial, row.content);
                lock(&found)[stratum].see(takes[stratum], rank, &row);
            }
        };
        self.scan(dial, see)?;
        let found = lock(&found).iter_mut().map(Lowest::take).collect();
        let is_labelled = |content| self.labelling.labels.label(spec.name, content).is_some();
        let next = draw.order(found, is_labelled);
        let of = self.of_dial(dial);
        let mut rows = Vec::new();
        for candidate in next.into_iter().take(most) {
            let Candidate { content, place, score, rank } = candidate;
            let place = as_place(of, place);
            let drawn = draw.drawn(&population, score);
            self.labelling
                .drawn
                .insert((dial, place), DrawnRow { content, score, draw: number, rank, drawn });
            rows.push(self.listed(place, Some(score))?);
        }
        let Seen { present, .. } = self.seen(dial, None)?;
        let labels = self.labelling.labels.labels(spec.name).map(|label| {
            let place = present.get(&label.content).map(|present| Id(present.place).to_string());
            json!({
                "row": place, "content": label.content.to_string(), "score": exact(&label.score), "good": label.good,
                "drawn": label.drawn.is_some(),
            })
        });
        let answer = json!({
            "dial": spec.name, "version": self.version, "labels": labels.collect::<Vec<_>>(), "next": null,
        });
        Ok(self.with_rows(answer, vec![("/next", rows)]))
    }

    /// A person called a row good or bad, or takes that back.
    pub(super) fn label(&mut self, said: &Said) -> Result<Value, Problem> {
        let dial = self.dial(&said.dial)?;
        let Id(place) = said.row.parse()?;
        let name = self.pipeline.dials[dial].name;
        let row = match self.labelling.drawn.get(&(dial, place)) {
            Some(row) => (row.content, row.score, Some(row.clone())),
            None => {
                let found: Arc<Mutex<Option<Standing>>> = Arc::default();
                let see = {
                    let found = found.clone();
                    move |row: Standing| {
                        if row.place == place {
                            *lock(&found) = Some(row)
                        }
                    }
                };
                self.scan(dial, see)?;
                let found = *lock(&found);
                let found = found.ok_or_else(|| {
                    Problem::bad(format!(
                        "{} does not reach the gate of {name}; label a row that does",
                        said.row
                    ))
                })?;
                (found.content, found.score, None)
            }
        };
        let (content, score, drawn) = row;
        match said.good {
            None => drop(self.labelling.labels.take_back(name, content, Label::now())?),
            Some(good) => self.labelling.labels.put(Label {
                dial: name.to_owned(),
                content,
                good,
                score,
                draw: drawn.as_ref().map(|row| row.draw),
                rank: drawn.as_ref().map(|row| row.rank),
                drawn: drawn.and_then(|row| row.drawn),
                at: Label::now(),
            })?,
        }
        Ok(json!({ "dial": name, "labelled": self.labelling.labels.labels(name).count() }))
    }

    fn estimates(&mut self, dial: usize) -> Result<Estimates, Problem> {
        let seen = self.seen(dial, None)?;
        let spec = (dial, &self.pipeline.dials[dial]);
        Ok(labelled::estimates(&self.opened.engine, spec, &self.labelling.labels, &seen)?)
    }

    /// What people said of a row, at any dial; and what all labels say of each dial where it stands.
    pub(super) fn said_of(
        &mut self,
        place: Place,
    ) -> Result<(Vec<Value>, HashMap<&'static str, String>), Problem> {
        let (mut said, mut precisions) = (Vec::new(), HashMap::new());
        for (dial, spec) in self.pipeline.dials.iter().enumerate() {
            if self.labelling.labels.labels(spec.name).next().is_none() {
                continue;
            }
            let seen = self.seen(dial, Some(place.id))?;
            let labels = &self.labelling.labels;
            let of_row = seen.of_picture.iter().filter(|(labelled, _)| *labelled == place);
            let of_row = of_row.filter_map(|(_, content)| labels.label(spec.name, *content));
            said.extend(of_row.map(|label| {
                json!({ "dial": spec.name, "good": label.good, "score": exact(&label.score), "at": label.at.to_rfc3339_opts(SecondsFormat::Secs, true) })
            }));
            let summary = labelled::summary(&self.opened.engine, (dial, spec), labels, &seen)?;
            precisions.extend(summary.map(|said| (spec.name, said)));
        }
        Ok((said, precisions))
    }

    /// Precision and recall of a dial at every threshold where they change.
    pub(super) fn precision(&mut self, dial: usize) -> Result<Value, Problem> {
        let estimates = self.estimates(dial)?;
        let value = self.opened.engine.values()[dial];
        let thresholds: Vec<Value> = estimates.curve().iter().map(estimated).collect();
        Ok(json!({
            "dial": self.pipeline.dials[dial].name, "version": self.version, "labelled": estimates.labels(),
            "thresholds": thresholds, "at": estimated(&estimates.at(value)),
        }))
    }

    /// The loosest threshold of such a precision.
    pub(super) fn loosest(&mut self, dial: usize, precision: f64, by: By) -> Result<Value, Problem> {
        let estimates = self.estimates(dial)?;
        match estimates.loosest(precision, by)? {
            Some(at) => Ok(estimated(&at)),
            None => Err(Problem::not_now(format!(
                "no threshold of {} has a precision of {precision} by the {} labels there are; label more rows, or ask for less",
                self.pipeline.dials[dial].name,
                estimates.labels()
            ))),
        }
    }

    /// The labels as a table: of one dial, or of all.
    pub(super) fn labels_table(&mut self, dial: Option<usize>) -> Result<String, Problem> {
        let names: BTreeMap<&str, usize> =
            self.pipeline.dials.iter().enumerate().map(|(number, spec)| (spec.name, number)).collect();
        let labelled: Vec<String> = self.labelling.labels.dials().map(str::to_owned).collect();
        let mut places: HashMap<ContentHash, Place> = HashMap::new();
        for number in labelled.iter().filter_map(|name| names.get(name.as_str()).copied()) {
            if dial.is_none_or(|dial| dial == number) {
                let Seen { present, .. } = self.seen(number, None)?;
                places.extend(present.into_iter().map(|(content, present)| (content, present.place)));
            }
        }
        let where_is = |content| {
            let (shard, sample) = self.sample(places.get(&content)?.id).ok()?;
            Some((shard, sample.key))
        };
        let name = dial.map(|dial| self.pipeline.dials[dial].name);
        Ok(self.labelling.labels.export(name, where_is)?)
    }

    /// Takes in a table of labels.
    pub(super) fn import_labels(&mut self, table: &str) -> Result<Value, Problem> {
        let dials: Vec<&str> = self.pipeline.dials.iter().map(|spec| spec.name).collect();
        let imported = self.labelling.labels.import(table, &dials)?;
        Ok(json!({
            "imported": imported.changed, "same": imported.same, "older": imported.older,
        }))
    }
}

/// What labels say of a threshold; null where they say nothing.
fn estimated(at: &At) -> Value {
    let part = |estimate: &Option<Estimate>, part: fn(&Estimate) -> f64| estimate.as_ref().map(part);
    json!({
        "value": exact(&at.at),
        "precision": part(&at.precision, |it| it.value), "low": part(&at.precision, |it| it.low),
        "high": part(&at.precision, |it| it.high), "labels": at.precision.as_ref().map(|it| it.labels),
        "recall": part(&at.recall, |it| it.value), "recall_low": part(&at.recall, |it| it.low),
        "recall_high": part(&at.recall, |it| it.high),
    })
}

#[cfg(test)]
mod tests {
    use crate::flow::example::{DIALS, Side, pictures, run};
    use crate::label::{Passing, Scale};
    use crate::row::{Image, Score, With};

    /// Labels lie in the buckets of the gate's histogram.
    #[test]
    fn the_buckets_of_labels_are_those_of_gates() {
        let (low, high) = (DIALS[0].low, DIALS[0].high);
        let scale = Scale::new(low, high, Passing::of_sign(">").unwrap()).unwrap();
        let span = high - low;
        let values =
            [low - 1.0, low, low + span / 3.0, low + span / 4096.0, high - 1e-3, high, high + 1.0, 20.0, 0.1];
        for value in values {
            let engine = run(pictures([1]), move |images, dial| {
                images
                    .each(move |image: Image| With::new(image, Score::<Side>::of(value)))
                    .gate(&dial.side)
                    .finish()
            });
            let at = engine.histograms()[0].buckets().iter().position(|rows| *rows > 0);
            assert_eq!(scale.bucket(value).map(usize::from), at, "{value}");
        }
    }
}
