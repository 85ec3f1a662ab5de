//! Groups: small closed sets that rows fall into, such as the types of edits. A dial may stand elsewhere for each group.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::marked::marked;
use super::{Column, sealed::Sealed};

/// A closed set of groups, each with a name.
///
/// ```
/// use threshflow::row::{Group, In};
/// struct Light;
/// impl Group for Light {
///     const NAME: &'static str = "light";
///     const NAMES: &'static [&'static str] = &["day", "night"];
/// }
/// assert_eq!(In::<Light>::number(1).name(), "night");
/// ```
pub trait Group: 'static {
    /// The column's name: `edit_type`.
    const NAME: &'static str;
    /// The groups' names, in the order of their numbers: 1 to 256 of them, of letters, digits and `_`.
    const NAMES: &'static [&'static str];
}

/// The group of `G` that a row is in: a column, which dials [by group](crate::flow::DialBy) look at.
pub struct In<G>(u8, PhantomData<fn() -> G>);

impl<G: Group> In<G> {
    /// The group of this number. Panics where there is none: a fault of the pipeline's file.
    pub fn number(number: usize) -> Self {
        assert!(number < G::NAMES.len(), "{} has {} groups, and no number {number}", G::NAME, G::NAMES.len());
        In(number as u8, PhantomData)
    }

    pub fn name(self) -> &'static str {
        G::NAMES[usize::from(self.0)]
    }
}

impl<G> In<G> {
    pub(crate) fn place(self) -> u16 {
        u16::from(self.0)
    }
}

marked!(In<G>: u8);

impl<G: Group> fmt::Debug for In<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<G: Group> Sealed for In<G> {}
impl<G: Group> Column for In<G> {
    const NAME: &'static str = G::NAME;
}
