//! Labels over HTTP: rows are drawn around a dial's cut, people call them good or bad, and the session says what that means for every
//! threshold. The labels lie in the store; the statistics are those of the room `label`.
//!
//! Of several processes, the first has the labels, and all say what stands at the gates.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::listed::{List, WithRows};
use super::order::Order;
use super::rows::{Id, MOST_ROWS};
use super::session::Session;
use super::{Problem, exact};
use crate::cli::labelled::{self, Seen};
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

/// A row that may be drawn: its rank, its content, its place, and the bits of its score.
type Ranked = (u64, ContentHash, (u64, u16), u32);

/// The candidates of the lowest ranks of one stratum.
#[derive(Default)]
struct Lowest {
    heap: BinaryHeap<Ranked>,
}

impl Lowest {
    fn see(&mut self, most: usize, row: Ranked) {
        if self.heap.len() < most || self.heap.peek().is_some_and(|(highest, ..)| row.0 < *highest) {
            self.heap.push(row);
        }
        if self.heap.len() > most {
            self.heap.pop();
        }
    }

    fn take(&mut self) -> Vec<Ranked> {
        std::mem::take(&mut self.heap).into_vec()
    }
}

fn candidate((rank, content, place, score): Ranked) -> Candidate {
    Candidate { content, place, score: f32::from_bits(score), rank }
}

/// A draw, and what is wanted of each of its strata.
#[derive(Serialize, Deserialize)]
struct Planned {
    number: usize,
    draw: Draw,
    takes: Vec<usize>,
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

    /// The rows that reach the gate of a dial.
    fn population(&mut self, dial: usize) -> Result<Population, Problem> {
        let buckets = self.opened.engine.histograms()[dial].buckets();
        let buckets = self.sum(buckets)?;
        Ok(labelled::population(&self.pipeline.dials[dial], &buckets)?)
    }

    fn scan(&mut self, dial: usize, see: impl Fn(Standing) + Send + Sync + 'static) -> Result<(), Problem> {
        self.standing_still(|session| {
            let mut tick = session.ticking();
            let scanned = session.opened.engine.scan(dial, (0, u16::MAX), Arc::new(see), &mut tick);
            Ok(session.waited(scanned)?)
        })
    }

    /// What the first process says of its labels.
    fn of_labels<T: Serialize + serde::de::DeserializeOwned + Default>(
        &mut self,
        say: impl FnOnce(&Labels) -> T,
    ) -> Result<T, Problem> {
        let said = self.labelling.as_ref().map(|labelling| say(&labelling.labels));
        self.of_the_first(said.unwrap_or_default())
    }

    /// Of the labelled contents of a dial those that stand at its gate.
    fn seen(&mut self, dial: usize, picture: Option<RowId>) -> Result<Seen, Problem> {
        let name = self.pipeline.dials[dial].name;
        let contents = |labels: &Labels| -> Vec<ContentHash> {
            labels.labels(name).map(|label| label.content).collect()
        };
        let labelled: HashSet<ContentHash> = self.of_labels(contents)?.into_iter().collect();
        self.standing_still(|session| {
            let mut tick = session.ticking();
            let seen = labelled::see(&mut session.opened.engine, dial, labelled, picture, &mut tick);
            let seen = session.waited(seen)?;
            Ok(Seen::of_all(session.gather(seen)?))
        })
    }

    /// The labels of a dial, and the rows that are to be labelled next.
    pub(super) fn labels(&mut self, dial: usize, most: usize, seed: u64) -> Result<WithRows, Problem> {
        let most = most.min(MOST_ROWS);
        self.together(&Order::Labels { dial, most, seed }, |session| session.labels_here(dial, most, seed))
    }

    pub(super) fn labels_here(&mut self, dial: usize, most: usize, seed: u64) -> Result<WithRows, Problem> {
        let population = self.population(dial)?;
        let planned = self.planned(dial, &population, (most, seed));
        let Some(planned) = self.agree_on(planned)?.swap_remove(0) else {
            return Err(Problem::failed("process 0 has no labels".to_owned()));
        };
        let found = self.found(dial, &planned, *population.scale())?;
        let next = self.next(dial, &population, (planned, found), most);
        let next: Vec<(Place, f32)> = self.of_the_first(next)?;
        let has = |(_, (place, _)): &(usize, &(Place, f32))| self.has(*place);
        let rows = next
            .iter()
            .enumerate()
            .filter(has)
            .map(|(number, (place, score))| Ok((number as f32, self.listed(*place, Some(*score))?)));
        let rows = rows.collect::<Result<Vec<_>, Problem>>();
        let Seen { present, .. } = self.seen(dial, None)?;
        let name = self.pipeline.dials[dial].name;
        let labelled = |label: &Label| {
            let place = present.get(&label.content).map(|present| Id(present.place).to_string());
            json!({
                "row": place, "content": label.content.to_string(), "score": exact(&label.score), "good": label.good,
                "drawn": label.drawn.is_some(),
            })
        };
        let labels = self.labelling.iter().flat_map(|labelling| labelling.labels.labels(name));
        let answer = json!({
            "dial": name, "version": self.version, "labels": labels.map(labelled).collect::<Vec<_>>(), "next": null,
        });
        Ok(self.with_rows(answer, vec![List { at: "/next", rows: rows?, most, is_spread: false }]))
    }

    /// The draw of this seed where the dial stands, new if need be. Nothing in another process than the first.
    fn planned(
        &mut self,
        dial: usize,
        population: &Population,
        (most, seed): (usize, u64),
    ) -> Result<Option<Planned>, Problem> {
        let (name, value) = (self.pipeline.dials[dial].name, self.opened.engine.values()[dial]);
        let Some(Labelling { labels, .. }) = &mut self.labelling else { return Ok(None) };
        let labelled = labels.labels(name).count();
        let same = |draw: &Draw| draw.seed == seed && draw.at == value;
        let known = labels.draws(name).filter(|(_, draw)| same(draw)).last();
        let (number, draw) = match known {
            Some((number, draw)) => (number, draw.clone()),
            None => {
                let draw = Draw::new(name, population, value, seed, PLANNED);
                (labels.add_draw(draw.clone())?, draw)
            }
        };
        // Those that are labelled stand in the way of no other.
        let takes = draw.takes(labelled + most).iter().map(|take| take + labelled).collect();
        Ok(Some(Planned { number, draw, takes }))
    }

    /// The rows of the lowest ranks of each stratum, of all processes.
    fn found(
        &mut self,
        dial: usize,
        planned: &Planned,
        scale: crate::label::Scale,
    ) -> Result<Vec<Vec<Candidate>>, Problem> {
        let none = || planned.takes.iter().map(|_| Lowest::default()).collect::<Vec<_>>();
        let found: Arc<Mutex<Vec<Lowest>>> = Arc::new(Mutex::new(none()));
        let see = {
            let (found, draw, takes) = (found.clone(), planned.draw.clone(), planned.takes.clone());
            move |row: Standing| {
                let Some(bucket) = scale.bucket(row.score) else { return };
                let stratum = draw.strata.iter().position(|stratum| stratum.buckets.contains(&bucket));
                let Some(stratum) = stratum else { return };
                let rank = rank(draw.seed, &draw.dial, row.content);
                let row = (rank, row.content, as_opaque(row.place), row.score.to_bits());
                lock(&found)[stratum].see(takes[stratum], row);
            }
        };
        self.scan(dial, see)?;
        let own: Vec<Vec<Ranked>> = lock(&found).iter_mut().map(Lowest::take).collect();
        let mut all = none();
        for rows in self.gather(own)? {
            for ((all, rows), most) in all.iter_mut().zip(rows).zip(&planned.takes) {
                rows.into_iter().for_each(|row| all.see(*most, row));
            }
        }
        Ok(all.iter_mut().map(|rows| rows.take().into_iter().map(candidate).collect()).collect())
    }

    /// The rows that are to be labelled next, in the order of the draw. Nothing in another process than the first.
    fn next(
        &mut self,
        dial: usize,
        population: &Population,
        (planned, found): (Planned, Vec<Vec<Candidate>>),
        most: usize,
    ) -> Vec<(Place, f32)> {
        let (name, of) = (self.pipeline.dials[dial].name, self.of_dial(dial));
        let Some(Labelling { labels, drawn: known }) = &mut self.labelling else { return Vec::new() };
        let Planned { number, draw, .. } = planned;
        let next = draw.order(found, |content| labels.label(name, content).is_some());
        let mut rows = Vec::new();
        for Candidate { content, place, score, rank } in next.into_iter().take(most) {
            let (place, drawn) = (as_place(of, place), draw.drawn(population, score));
            known.insert((dial, place), DrawnRow { content, score, draw: number, rank, drawn });
            rows.push((place, score));
        }
        rows
    }

    /// A person called a row good or bad, or takes that back.
    pub(super) fn label(&mut self, said: &Said) -> Result<Value, Problem> {
        let dial = self.dial(&said.dial)?;
        let Id(place) = said.row.parse()?;
        let name = self.pipeline.dials[dial].name;
        let drawn = self.labelling.as_ref().and_then(|it| it.drawn.get(&(dial, place)).cloned());
        let (content, score) = match &drawn {
            Some(row) => (row.content, row.score),
            None => {
                let found =
                    self.together(&Order::Find { dial, place }, |session| session.find_here(dial, place))?;
                found.ok_or_else(|| {
                    Problem::bad(format!(
                        "{} does not reach the gate of {name}; label a row that does",
                        said.row
                    ))
                })?
            }
        };
        let labels = self.first_labels()?;
        match said.good {
            None => drop(labels.take_back(name, content, Label::now())?),
            Some(good) => labels.put(Label {
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
        Ok(json!({ "dial": name, "labelled": labels.labels(name).count() }))
    }

    /// The content and the score of a row at a dial's gate.
    pub(super) fn find_here(
        &mut self,
        dial: usize,
        place: Place,
    ) -> Result<Option<(ContentHash, f32)>, Problem> {
        let found: Arc<Mutex<Option<(ContentHash, f32)>>> = Arc::default();
        let see = {
            let found = found.clone();
            move |row: Standing| {
                if row.place == place {
                    *lock(&found) = Some((row.content, row.score));
                }
            }
        };
        self.scan(dial, see)?;
        let own = *lock(&found);
        Ok(self.gather(own)?.into_iter().flatten().next())
    }

    fn estimates(&mut self, dial: usize) -> Result<Estimates, Problem> {
        let estimates = self.together(&Order::Estimates(dial), |session| session.estimates_here(dial))?;
        estimates.ok_or_else(|| Problem::failed("process 0 has the labels".to_owned()))
    }

    /// Nothing in another process than the first.
    pub(super) fn estimates_here(&mut self, dial: usize) -> Result<Option<Estimates>, Problem> {
        let seen = self.seen(dial, None)?;
        let population = self.population(dial)?;
        let (name, at) = (self.pipeline.dials[dial].name, self.opened.engine.values()[dial]);
        let labels = self.labelling.as_ref().map(|labelling| &labelling.labels);
        Ok(labels.map(|labels| labelled::estimates(population, (name, at), labels, &seen)))
    }

    /// What people said of a row, at any dial; and what all labels say of each dial where it stands.
    pub(super) fn said_of(
        &mut self,
        place: Place,
    ) -> Result<(Vec<Value>, HashMap<&'static str, String>), Problem> {
        let names: Vec<&'static str> = self.pipeline.dials.iter().map(|spec| spec.name).collect();
        let has_labels = |labels: &Labels| -> Vec<usize> {
            (0..names.len()).filter(|dial| labels.labels(names[*dial]).next().is_some()).collect()
        };
        let (mut said, mut precisions) = (Vec::new(), Vec::new());
        for dial in self.of_labels(has_labels)? {
            let seen = self.seen(dial, Some(place.id))?;
            let population = self.population(dial)?;
            let (name, at) = (names[dial], self.opened.engine.values()[dial]);
            let Some(Labelling { labels, .. }) = &self.labelling else { continue };
            let of_row = seen.of_picture.iter().filter(|(labelled, _)| *labelled == place);
            let of_row = of_row.filter_map(|(_, content)| labels.label(name, *content));
            said.extend(of_row.map(|label| {
                json!({ "dial": name, "good": label.good, "score": exact(&label.score), "at": label.at.to_rfc3339_opts(SecondsFormat::Secs, true) }).to_string()
            }));
            let summary = labelled::summary(population, (name, at), labels, &seen);
            precisions.extend(summary.map(|said| (dial, said)));
        }
        let (said, precisions) = self.of_the_first((said, precisions))?;
        let said = said.iter().map(|said| serde_json::from_str(said).map_err(super::rows::Failed::from));
        let named = precisions.into_iter().filter_map(|(dial, said)| Some((*names.get(dial)?, said)));
        Ok((said.collect::<Result<_, _>>()?, named.collect()))
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
        let there = self.together(&Order::Labelled(dial), |session| session.labelled_here(dial))?;
        let name = dial.map(|dial| self.pipeline.dials[dial].name);
        Ok(self.first_labels()?.export(name, |content| there.get(&content).cloned())?)
    }

    /// The shards and the keys of the labelled contents that are there: of one dial, or of all.
    pub(super) fn labelled_here(
        &mut self,
        dial: Option<usize>,
    ) -> Result<HashMap<ContentHash, (String, String)>, Problem> {
        let names: BTreeMap<&str, usize> =
            self.pipeline.dials.iter().enumerate().map(|(number, spec)| (spec.name, number)).collect();
        let numbers = |labels: &Labels| -> Vec<usize> {
            labels.dials().filter_map(|name| names.get(name).copied()).collect()
        };
        let mut places: HashMap<ContentHash, Place> = HashMap::new();
        for number in self.of_labels(numbers)? {
            if dial.is_none_or(|dial| dial == number) {
                let Seen { present, .. } = self.seen(number, None)?;
                places.extend(present.into_iter().map(|(content, present)| (content, present.place)));
            }
        }
        let own = places.into_iter().filter_map(|(content, place)| {
            let (shard, sample) = self.sample(place.id).ok()?;
            Some((content, (shard, sample.key)))
        });
        let own: Vec<(ContentHash, (String, String))> = own.collect();
        Ok(self.gather(own)?.into_iter().flatten().collect())
    }

    /// The labels, in the first process.
    fn first_labels(&mut self) -> Result<&mut Labels, Problem> {
        let labelling = self.labelling.as_mut().map(|labelling| &mut labelling.labels);
        labelling.ok_or_else(|| Problem::failed("process 0 has the labels".to_owned()))
    }

    /// Takes in a table of labels.
    pub(super) fn import_labels(&mut self, table: &str) -> Result<Value, Problem> {
        let dials: Vec<&str> = self.pipeline.dials.iter().map(|spec| spec.name).collect();
        let imported = self.first_labels()?.import(table, &dials)?;
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
