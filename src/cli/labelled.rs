//! Labels beside where the rows stand that they are of: for the page, for what is published, and for stories of rows.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::Failure;
use super::run::stopped;
use crate::flow::{DialSpec, Engine, Standing, Tick};
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
#[derive(Default)]
pub(super) struct Seen {
    pub(super) present: HashMap<ContentHash, Present>,
    /// All rows that pass.
    pub(super) passing: u64,
    /// Of the picture that was asked for, the places that are labelled.
    pub(super) of_picture: Vec<(Place, ContentHash)>,
}

impl Seen {
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

/// The rows of this process that reach a dial's gate.
pub(super) fn here(engine: &Engine, dial: usize, spec: &DialSpec) -> Result<Population, LabelError> {
    population(spec, &engine.histograms()[dial].buckets())
}

/// Scans the gate of a dial for what is labelled there; and for the labelled places of one picture, if one is named.
pub(super) fn see(
    engine: &mut Engine,
    (dial, name): (usize, &str),
    labels: &Labels,
    picture: Option<crate::row::RowId>,
    tick: Tick<'_>,
) -> Result<Seen, Failure> {
    let labelled: HashSet<ContentHash> = labels.labels(name).map(|label| label.content).collect();
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
    engine.scan(dial, (0, u16::MAX), Arc::new(look), tick).map_err(stopped)?;
    let mut found = lock(&found);
    Ok(std::mem::take(&mut *found))
}

/// What the labels of a dial say of its thresholds.
pub(super) fn estimates(
    engine: &Engine,
    (dial, spec): (usize, &DialSpec),
    labels: &Labels,
    seen: &Seen,
) -> Result<Estimates, LabelError> {
    let population = here(engine, dial, spec)?.counted(engine.values()[dial], seen.passing);
    Ok(Estimates::new(population, labels.labelled(spec.name, seen.is_there())))
}

/// What the labels say of a dial where it stands, as [`Labels::summary`] writes it.
pub(super) fn summary(
    engine: &Engine,
    (dial, spec): (usize, &DialSpec),
    labels: &Labels,
    seen: &Seen,
) -> Result<Option<String>, LabelError> {
    let at = engine.values()[dial];
    let population = here(engine, dial, spec)?.counted(at, seen.passing);
    Ok(labels.summary(spec.name, at, population, seen.is_there()))
}

/// What stands at the gate in all processes. All of them see it at the same point of their work.
fn seen_by_all(engine: &mut Engine, own: Seen, tick: Tick<'_>) -> Result<Seen, Failure> {
    let failed = |error: postcard::Error| Failure::Failed(error.to_string());
    let there: Vec<(ContentHash, Present)> = own.present.into_iter().collect();
    let said = postcard::to_stdvec(&(there, own.passing)).map_err(failed)?;
    let mut all = Seen::default();
    for said in engine.meet(said, tick).map_err(stopped)? {
        let (there, passing): (Vec<(ContentHash, Present)>, u64) =
            postcard::from_bytes(&said).map_err(failed)?;
        all.passing += passing;
        for (content, present) in there {
            match all.present.get_mut(&content) {
                Some(known) => known.rows += present.rows,
                None => drop(all.present.insert(content, present)),
            }
        }
    }
    Ok(all)
}

/// What the labels say of each dial where it stands, as cards and reports write it: `precision 0.97 [0.93, 0.99] by 84 labels`. Nothing of those
/// that no label speaks of.
pub(super) fn precisions(
    engine: &mut Engine,
    dials: &[DialSpec],
    labels: &Labels,
    tick: Tick<'_>,
) -> Result<HashMap<&'static str, String>, Failure> {
    let mut said = HashMap::new();
    for (number, spec) in dials.iter().enumerate() {
        if labels.labels(spec.name).next().is_none() {
            continue;
        }
        let seen = see(engine, (number, spec.name), labels, None, tick)?;
        let seen = seen_by_all(engine, seen, tick)?;
        let buckets = engine.sum(engine.histograms()[number].buckets(), tick).map_err(stopped)?;
        let at = engine.values()[number];
        let population = population(spec, &buckets).map(|all| all.counted(at, seen.passing));
        let summary = population.map(|all| labels.summary(spec.name, at, all, seen.is_there()));
        said.extend(
            summary.map_err(|error| Failure::Failed(error.to_string()))?.map(|said| (spec.name, said)),
        );
    }
    Ok(said)
}
