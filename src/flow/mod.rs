//! The only room that imports timely and differential: flows, and the steps from one to the next.
//!
//! Nothing on a worker thread waits: no blocking receive, no sleep, no file or network I/O in this room.

mod ask;
mod engine;
mod gate;
mod verdicts;
mod worker;

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::VecCollection;

pub use engine::{Engine, EngineOptions, Progress, Stopped, Tick};
pub use gate::{Comparison, Dial, DialSpec, touched_records};
pub use verdicts::{Counts, Verdicts, VerdictsError};
pub use worker::{DialMaker, Fed};

use crate::row::{Given, Image, Refused, Row, RowId, Score, Stamp};

/// One totally ordered clock for all inputs: the source cuts small epochs, each dial turn takes one of its own.
pub type Epoch = u64;

/// A row that ended before the end of the pipeline, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ended {
    pub(crate) id: RowId,
    pub(crate) why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Held back by the dial of this number.
    Gated {
        dial: u16,
        score: Score<Given>,
    },
    Refused(Box<Refused>),
    /// In plan mode: the stage of this name would have to be asked.
    Unasked {
        stage: &'static str,
    },
}

/// A step of the pipeline, in the order of the wiring: what the funnel is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum Wired {
    Ask { stage: &'static str, stamp: Stamp, model: String },
    Gate { dial: &'static str },
}

/// Rows over time: a collection, and beside it what ended on the way here.
///
/// Every verb takes the flow and gives the next one; what a verb holds back goes on in the same flow's twin, so
/// that every row of the input ends somewhere exactly once.
pub struct Flow<'s, R: Row> {
    pub(crate) rows: VecCollection<'s, Epoch, R, isize>,
    pub(crate) ended: VecCollection<'s, Epoch, Ended, isize>,
    pub(crate) wired: Rc<RefCell<Vec<Wired>>>,
}

impl<'s> Flow<'s, Image> {
    pub(crate) fn source(
        rows: VecCollection<'s, Epoch, Image, isize>,
        ended: VecCollection<'s, Epoch, Ended, isize>,
    ) -> Self {
        Flow { rows, ended, wired: Rc::default() }
    }
}

impl<'s, R: Row> Flow<'s, R> {
    /// A cheap, pure step on the worker thread: one row in, one row out, the same one for the same row always.
    pub fn each<S: Row>(self, step: impl Fn(R) -> S + 'static) -> Flow<'s, S> {
        Flow { rows: self.rows.map(step), ended: self.ended, wired: self.wired }
    }
}
