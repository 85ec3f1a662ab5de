//! Dials: how they are declared, and as they are in a dataflow.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{GroupEvent, SharedPictures};
use crate::flow::Collection;
use crate::flow::histogram::Histogram;
use crate::row::Score;

/// How a score is held against its dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Comparison {
    /// Whether `score` passes a dial that stands at `at`. A NaN passes nothing.
    ///
    /// ```
    /// use threshflow::flow::Comparison;
    /// use threshflow::flow::example::Side;
    /// use threshflow::row::Score;
    ///
    /// let (ten, nan) = (Score::<Side>::of(10.0), Score::<Side>::NAN);
    /// assert!(Comparison::AtLeast.passes(ten, ten) && !Comparison::Above.passes(ten, ten));
    /// assert!(!Comparison::AtMost.passes(nan, ten));
    /// ```
    pub fn passes<U>(self, score: Score<U>, at: Score<U>) -> bool {
        !score.is_nan()
            && match self {
                Comparison::Above => score > at,
                Comparison::AtLeast => score >= at,
                Comparison::Below => score < at,
                Comparison::AtMost => score <= at,
            }
    }

    /// ```
    /// use threshflow::flow::Comparison;
    ///
    /// assert_eq!(Comparison::AtLeast.sign(), ">=");
    /// ```
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sign())
    }
}

/// What a dial is: declared by [`dials!`](crate::dials), never changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DialSpec {
    /// As `--set` takes it: `aesthetic`, and `follows[remove]` of a group.
    pub name: &'static str,
    /// The group that it is for, where the dial is by group: `remove`.
    pub group: Option<&'static str>,
    pub unit: &'static str,
    pub comparison: Comparison,
    pub default: f32,
    /// The least and the greatest value that it may be set to.
    pub low: f32,
    pub high: f32,
    pub about: &'static str,
}

impl DialSpec {
    /// The name of the dial: what its groups have in common.
    ///
    /// ```
    /// use threshflow::flow::example::DIALS;
    ///
    /// assert_eq!(DIALS[0].dial(), "side");
    /// ```
    pub fn dial(&self) -> &'static str {
        dial_name(self.name, self.group)
    }
}

/// What the name of a dial of this group has in common with those of the others: `follows` of `follows[remove]`.
pub(crate) fn dial_name(name: &'static str, group: Option<&str>) -> &'static str {
    let group = group.map_or(0, |group| group.len() + "[]".len());
    &name[..name.len() - group]
}

/// A dial of a running dataflow: where it stands, over time. Made by [`DialMaker`](crate::flow::DialMaker).
pub struct Dial<'s, U: 'static> {
    /// What its gates are told, group by group.
    pub(in crate::flow) told: Collection<'s, GroupEvent>,
    /// Of the first group.
    pub(in crate::flow) index: u16,
    /// Of every group: one, where it has none.
    pub(in crate::flow) specs: &'static [DialSpec],
    /// Likewise.
    pub(in crate::flow) histograms: Vec<Arc<Histogram>>,
    /// Of the rows that stand in this worker's gates.
    pub(in crate::flow) pictures: SharedPictures,
    pub(in crate::flow) unit: PhantomData<fn() -> U>,
}

/// A dial that stands elsewhere for each group of `G`: declared as `follows: Follows >= 1 by EditType`. Its rows have a column
/// [`In<G>`](crate::row::In).
pub struct DialBy<'s, U: 'static, G>(
    pub(in crate::flow) Dial<'s, U>,
    pub(in crate::flow) PhantomData<fn() -> G>,
);
