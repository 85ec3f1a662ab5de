//! Lists of rows: the session says which and how they stand, and the thread that serves the request looks into their shards for the rest. A shard that is
//! opened again takes longer than all else, and the session has other work.
//!
//! Of several processes each looks into its own shards, and the lists are put together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde_json::Value;

use super::rows::{Failed, Id};
use super::session::Session;
use super::together::Beside;
use super::{Problem, exact};
use crate::limits::side_by_side;
use crate::row::Place;
use crate::shard::{Catalogue, Sample};

/// A row in a list.
#[derive(Serialize)]
struct RowView {
    id: String,
    of: &'static str,
    shard: String,
    /// Absent where the shard cannot be read any more, as when it is just being replaced: who draws the row is told why.
    key: Option<String>,
    score: Option<f32>,
    verdict: Value,
    published: bool,
    /// Of the picture, in pixels; absent where it could not be read.
    width: Option<u16>,
    height: Option<u16>,
}

/// A row in a list, before its shard is looked into.
#[derive(Clone)]
pub(super) struct Listed {
    place: Place,
    shard: String,
    score: Option<f32>,
    verdict: Value,
    published: bool,
}

/// Rows that are to be listed, with where each stands in the list: by its order, and of one order by its place.
#[derive(Clone)]
pub(super) struct List {
    /// Where it is put in the answer (RFC 6901); null stands there.
    pub(super) at: &'static str,
    pub(super) rows: Vec<(f32, Listed)>,
    /// Rows that are shown, of those of all processes.
    pub(super) most: usize,
    /// Where there are more, they are evenly spread; else the first ones are shown.
    pub(super) is_spread: bool,
}

/// An answer in which lists of rows are still to be put.
#[derive(Clone)]
pub(super) struct WithRows {
    catalogue: Arc<Catalogue>,
    answer: Value,
    lists: Vec<List>,
    /// What the other processes list.
    others: Option<Beside>,
}

/// A row of a list as another process says it: its order, its place, and the row as JSON.
pub(super) type Told = (f32, Place, String);

/// What a process lists: in the order of the lists.
pub(super) type Part = Vec<Vec<Told>>;

impl Session<'_> {
    pub(super) fn listed(&self, place: Place, score: Option<f32>) -> Result<Listed, Problem> {
        let verdict = self.verdict(place)?;
        let shard = self.shard_name(place.id)?.to_owned();
        let published = self.opened.engine.verdicts().is_published(place.id);
        Ok(Listed { place, shard, score, verdict, published })
    }

    /// The answer with these lists in it; and with those of the other processes, which do the same.
    pub(super) fn with_rows(&self, answer: Value, lists: Vec<List>) -> WithRows {
        WithRows { catalogue: self.opened.catalogue.clone(), answer, lists, others: self.beside() }
    }

    /// Whether the shard of the row is this process's.
    pub(super) fn has(&self, place: Place) -> bool {
        self.opened.shards.iter().any(|(_, seq)| *seq == place.id.shard)
    }
}

impl WithRows {
    /// Looks into the shards, on so many threads.
    pub(super) fn look_up(mut self, threads: usize) -> Result<Value, Problem> {
        let parts: Vec<Part> = self.others.as_ref().map_or(Ok(Vec::new()), Beside::all)?;
        for (number, list) in self.lists.iter().enumerate() {
            let views = looked_up(&self.catalogue, &list.rows, threads);
            let own = list.rows.iter().zip(views);
            let mut rows: Vec<(f32, Place, Value)> =
                own.map(|((order, row), view)| (*order, row.place, exact(&view))).collect();
            for (order, place, row) in parts.iter().flat_map(|part| part.get(number)).flatten() {
                rows.push((*order, *place, serde_json::from_str(row).map_err(Failed::from)?));
            }
            if !parts.is_empty() {
                rows.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            }
            let every = if list.is_spread { rows.len().div_ceil(list.most.max(1)).max(1) } else { 1 };
            let shown = rows.into_iter().step_by(every).take(list.most).map(|(.., row)| row);
            let hole = self.answer.pointer_mut(list.at).expect("a list has its place in the answer");
            *hole = shown.collect();
        }
        Ok(self.answer)
    }

    /// What this process lists, for the one that puts the lists together. It looks into the shards on so many threads.
    pub(super) fn part(&self, threads: usize) -> Result<Part, Problem> {
        let told = |list: &List| {
            let views = looked_up(&self.catalogue, &list.rows, threads);
            let rows = list.rows.iter().zip(views);
            rows.map(|((order, row), view)| {
                Ok((*order, row.place, serde_json::to_string(&view).map_err(Failed::from)?))
            })
            .collect()
        };
        self.lists.iter().map(told).collect()
    }
}

fn looked_up(catalogue: &Catalogue, rows: &[(f32, Listed)], threads: usize) -> Vec<RowView> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut views = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some((_, row)) = rows.get(place) else { return views };
            views.push((place, row.view(sample(catalogue, row.place).ok())));
        }
    };
    let parts = side_by_side(threads.min(rows.len()).max(1), some);
    let mut views: Vec<(usize, RowView)> = parts.into_iter().flatten().collect();
    views.sort_by_key(|(place, _)| *place);
    views.into_iter().map(|(_, view)| view).collect()
}

/// What the shard's index says of a row's sample.
pub(super) fn sample(catalogue: &Catalogue, place: Place) -> Result<Sample, Problem> {
    let shard = catalogue.shard(place.id.shard).map_err(Failed::from)?;
    let sample = shard.index.samples.get(place.id.member as usize).cloned();
    sample.ok_or_else(|| Problem::unknown(format!("there is no row {}", Id(Place::picture(place.id)))))
}

impl Listed {
    fn view(&self, sample: Option<Sample>) -> RowView {
        let picture = sample.as_ref().and_then(|sample| sample.picture.as_ref().ok());
        let size = picture.map(|picture| (picture.width, picture.height));
        RowView {
            id: Id(self.place).to_string(),
            of: self.place.of.plural(),
            shard: self.shard.clone(),
            key: sample.map(|sample| sample.key),
            score: self.score,
            verdict: self.verdict.clone(),
            published: self.published,
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
        }
    }
}
