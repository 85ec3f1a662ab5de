//! Rows without images: a row with its picture's id in the place of the picture. A place that keeps many rows keeps them in this form, and
//! their pictures once.

use std::hash::Hash;

use super::{Edit, Region, RowId};

/// A row without its picture: see [`Row::without_image`](super::Row::without_image).
pub trait WithoutImage: Clone + Eq + Hash + 'static {
    /// The picture that is missing.
    fn id(&self) -> RowId;
}

impl WithoutImage for RowId {
    fn id(&self) -> RowId {
        *self
    }
}

impl WithoutImage for Region<RowId> {
    fn id(&self) -> RowId {
        self.image
    }
}

impl WithoutImage for Edit<RowId> {
    fn id(&self) -> RowId {
        self.image
    }
}
