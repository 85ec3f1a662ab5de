//! Labels beside where the rows stand that they are of: for the page, for what is published, and for stories of rows.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::Failure;
use super::run::stopped;
use crate::flow::{DialSpec, Engine, Standing, Stopped, Tick};
use crate::label::{Estimates, LabelError, Labels, Passing, Population, Scale};
use crate::lane::lock;
use crate::row::{ContentHash, Place};

/// A labelled content that stands at a gate.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Present {
    /// Of its rows, which have the same.
    pub(super) score: f32,
    pub(super) rows: u64,
    /// The first of its rows.
    pub(super) place: Place,
}

/// What stands at a dial's gate of what is labelled there.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) present: HashMap<ContentHash, Present>,
    /// All rows that pass.
    pub(super) passing: u64,
    /// Of the picture that was asked for, the places that are labelled.
    pub(super) of_picture: Vec<(Place, ContentHash)>,
}

impl Seen {
    /// What stands there in all processes, each of which has seen its own rows.
    pub(super) fn of_all(seen: impl IntoIterator<Item = Seen>) -> Self {
        let mut all = Seen::default();
        for Seen { present, passing, of_picture } in seen {
            all.passing += passing;
            all.of_picture.extend(of_picture);
            for (content, present) in present {
                let known = all.present.entry(content).or_insert(Present { rows: 0, ..present });
                known.rows += present.rows;
                known.place = known.place.min(present.place);
            }
        }
        all
    }

    /// Of a content, its score now and how many rows have it.
    fn is_there(&self) -> impl Fn(ContentHash) -> Option<(f32, u64)> {
        |content| self.present.get(&content).map(|present| (present.score, present.rows))
    }
}

/// Says which lines of the labels are damaged, and passed over.
pub(super) fn tell_damage(labels: &Labels) {
    for damaged in labels.damaged() {
        crate::note!(
            "warning: line {} of the labels is damaged, and passed over: {}",
            damaged.line,
            damaged.why
        );
    }
}

/// The rows that reach a dial's gate, by their scores.
pub(super) fn population(spec: &DialSpec, buckets: &[u64]) -> Result<Population, LabelError> {
    let sign = spec.comparison.sign();
    let passing = Passing::of_sign(sign).expect("every comparison has its passing");
    let scale = Scale::new(spec.low, spec.high, passing)?;
    Population::new(scale, buckets)
}

/// Scans the gate of a dial for what is labelled there; and for the labelled places of one picture, if one is named.
pub(super) fn see(
    engine: &mut Engine,
    dial: usize,
    labelled: HashSet<ContentHash>,
    picture: Option<crate::row::RowId>,
    tick: Tick<'_>,
) -> Result<Seen, Stopped> {
    let found: Arc<Mutex<Seen>> = Arc::default();
    let look = {
        let found = found.clone();
        move |row: Standing| {
            let is_labelled = labelled.contains(&row.content);
            if !is_labelled && !row.passes {
                return;
            }
            let seen = &mut *lock(&found);
            seen.passing += u64::from(row.passes);
            if is_labelled {
                let known = Present { score: row.score, rows: 0, place: row.place };
                let known = seen.present.entry(row.content).or_insert(known);
                known.rows += 1;
                known.place = known.place.min(row.place);
                if picture == Some(row.place.id) {
                    seen.of_picture.push((row.place, row.content));
                }
            }
        }
    };
    engine.scan(dial, (0, u16::MAX), Arc::new(look), tick)?;
    let mut found = lock(&found);
    Ok(std::mem::take(&mut *found))
}

/// What the labels of a dial say of its thresholds. `population` are the rows that reach its gate, and `at` is where it stands.
pub(super) fn estimates(
    population: Population,
    (name, at): (&str, f32),
    labels: &Labels,
    seen: &Seen,
) -> Estimates {
    Estimates::new(population.counted(at, seen.passing), labels.labelled(name, seen.is_there()))
}

/// What the labels say of a dial where it stands, as [`Labels::summary`] writes it.
pub(super) fn summary(
    population: Population,
    (name, at): (&str, f32),
    labels: &Labels,
    seen: &Seen,
) -> Option<String> {
    labels.summary(name, at, population.counted(at, seen.passing), seen.is_there())
}

/// What the labels say of each dial where it stands, as cards and reports write it: `precision 0.97 [0.93, 0.99] by 84 labels`. Nothing of those
/// that no label speaks of.
pub(super) fn precisions(
    engine: &mut Engine,
    dials: &[DialSpec],
    labels: &Labels,
    tick: Tick<'_>,
) -> Result<HashMap<&'static str, String>, Failure> {
    let failed = |error: postcard::Error| Failure::Failed(error.to_string());
    let mut said = HashMap::new();
    for (number, spec) in dials.iter().enumerate() {
        let labelled: HashSet<ContentHash> = labels.labels(spec.name).map(|label| label.content).collect();
        if labelled.is_empty() {
            continue;
        }
        let seen = see(engine, number, labelled, None, tick).map_err(stopped)?;
        let seen = engine.meet(postcard::to_stdvec(&seen).map_err(failed)?, tick).map_err(stopped)?;
        let seen = seen.iter().map(|said| postcard::from_bytes::<Seen>(said)).collect::<Result<Vec<_>, _>>();
        let seen = Seen::of_all(seen.map_err(failed)?);
        let buckets = engine.sum(engine.histograms()[number].buckets(), tick).map_err(stopped)?;
        let at = engine.values()[number];
        let population = population(spec, &buckets).map_err(|error| Failure::Failed(error.to_string()))?;
        said.extend(summary(population, (spec.name, at), labels, &seen).map(|said| (spec.name, said)));
    }
    Ok(said)
}
