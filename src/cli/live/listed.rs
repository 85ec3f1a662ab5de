//! Lists of rows: the session says which and how they stand, and the thread that serves the request looks into their shards for the rest. A shard that is
//! opened again takes longer than all else, and the session has other work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde_json::Value;

use super::rows::{Failed, Id};
use super::session::Session;
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

/// An answer in which lists of rows are still to be put, each at its place (RFC 6901).
#[derive(Clone)]
pub(super) struct WithRows {
    catalogue: Arc<Catalogue>,
    answer: Value,
    lists: Vec<(&'static str, Vec<Listed>)>,
}

impl Session<'_> {
    pub(super) fn listed(&self, place: Place, score: Option<f32>) -> Result<Listed, Problem> {
        let verdict = self.verdict(place)?;
        let shard = self.shard_name(place.id)?.to_owned();
        let published = self.opened.engine.verdicts().is_published(place.id);
        Ok(Listed { place, shard, score, verdict, published })
    }

    /// The answer with these lists in it, each at a place where null stands.
    pub(super) fn with_rows(&self, answer: Value, lists: Vec<(&'static str, Vec<Listed>)>) -> WithRows {
        WithRows { catalogue: self.opened.catalogue.clone(), answer, lists }
    }
}

impl WithRows {
    /// Looks into the shards, on so many threads.
    pub(super) fn look_up(mut self, threads: usize) -> Value {
        for (place, rows) in &self.lists {
            let views = exact(&looked_up(&self.catalogue, rows, threads));
            let hole = self.answer.pointer_mut(place).expect("a list has its place in the answer");
            *hole = views;
        }
        self.answer
    }
}

fn looked_up(catalogue: &Catalogue, rows: &[Listed], threads: usize) -> Vec<RowView> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut views = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(row) = rows.get(place) else { return views };
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
