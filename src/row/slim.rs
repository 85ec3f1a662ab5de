//! Slim rows: a row with its picture's id in the place of the picture. Who keeps many rows in many places keeps them so, and
//! their pictures once.

use std::hash::Hash;

use super::{Edit, Hashed, Region, RowId, Scored, Told, Topic, Unit};

/// A row without its picture: see [`Row::slim`](super::Row::slim).
pub trait Slim: Clone + Eq + Hash + 'static {
    /// The picture that is missing.
    fn id(&self) -> RowId;
}

impl Slim for RowId {
    fn id(&self) -> RowId {
        *self
    }
}

impl Slim for Region<RowId> {
    fn id(&self) -> RowId {
        self.image
    }
}

impl Slim for Edit<RowId> {
    fn id(&self) -> RowId {
        self.image
    }
}

impl<S: Slim, U: Unit> Slim for Scored<S, U> {
    fn id(&self) -> RowId {
        self.row.id()
    }
}

impl<S: Slim, T: Topic> Slim for Told<S, T> {
    fn id(&self) -> RowId {
        self.row.id()
    }
}

impl<S: Slim> Slim for Hashed<S> {
    fn id(&self) -> RowId {
        self.row.id()
    }
}
