//! The only room that imports timely and differential: flows, and the steps from one to the next.
//!
//! Nothing on a worker thread waits: no blocking receive, no sleep, no file or network I/O in this room.

mod ask;
mod complete;
mod edits;
mod either;
mod engine;
pub mod example;
mod finish;
mod gate;
mod histogram;
mod named;
mod near;
mod only;
mod part;
mod peers;
mod progress;
mod regions;
mod scan;
mod session;
mod setting;
mod shares;
mod start;
mod unasked;
mod verdicts;
mod worker;

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::VecCollection;

pub use ask::Askable;
pub use edits::{Candidates, Chooser, Chosen, EditCount};
pub use either::Condition;
pub use engine::Engine;
pub use finish::Finished;
pub(crate) use gate::dial_name;
pub use gate::{Comparison, Dial, DialBy, DialSpec, touched_records};
pub use histogram::{Histogram, Histograms};
pub use named::NamedDials;
pub use near::NearestBetter;
pub use only::Only;
pub use peers::{LastWord, Link, Peers};
pub use progress::{EngineOptions, Progress, Stopped, Tick};
pub use regions::{Finds, Found, MOST_REGIONS, RegionCount, too_many_regions};
pub use scan::{See, Standing};
pub use setting::{Setting, Share};
pub use verdicts::{Counts, Moves, PieceCounts, PieceVerdict, Verdicts, VerdictsError};
pub use worker::{DialMaker, Fed};

use crate::lane::Question;
use crate::row::{AnyUnit, ColumnKind, ContentHash, Image, Of, Place, Refused, Row, RowId, Score, Stamp};
use named::Named;

/// One totally ordered clock for all inputs: the source cuts small epochs, each dial turn takes one of its own.
pub type Epoch = u64;

/// A row that ended before the end of the pipeline, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ended {
    pub(crate) place: Place,
    pub(crate) why: Why,
}

impl Ended {
    /// What ended is no row, or nothing is remembered of what it was told.
    pub(crate) fn of(place: Place, why: Why) -> Self {
        Ended { place, why }
    }

    /// A row ended. What pieces were told is published with them.
    pub(crate) fn of_row<R: Row>(row: &R, why: Why) -> Self {
        let is_told = R::OF != Of::Pictures && matches!(why, Why::Gated { .. } | Why::Refused(_));
        let place = row.place();
        if !is_told {
            return Ended { place, why };
        }
        let told = Told { content: row.content(), scores: scores_of(row) };
        Ended { place, why: Why::Told(Box::new((why, told))) }
    }
}

/// What a region or an edit had been told when it ended: its row there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) content: ContentHash,
    /// The first of the scores that a kept one has, in the same order.
    pub(crate) scores: Box<[Score<AnyUnit>]>,
}

fn scores_of<R: Row>(row: &R) -> Box<[Score<AnyUnit>]> {
    let mut scores = Vec::new();
    row.see_scores(&mut |score| scores.push(Score::of(score)));
    scores.into()
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Held back by the dial of this number.
    Gated {
        dial: u16,
        score: Score<AnyUnit>,
    },
    Refused(Box<Refused>),
    /// One of these, of a piece, and what it had been told by then. (Ends of pictures are many, and small.)
    Told(Box<(Why, Told)>),
    /// This question is held back: the row waits to be asked about.
    Unasked(Box<Unasked>),
    /// Not an end: this question would be asked about the row next, when the one that is held back is answered.
    Foretold(Box<Unasked>),
    /// Not an end: so many pieces of that sort were found in the picture, and each of them ends somewhere.
    Found(Of, u16),
}

/// A question that would have to be asked, and the stage that it is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Unasked {
    pub stage: &'static str,
    pub question: Question,
}

/// A region or an edit that passed everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeptPiece {
    pub(crate) place: Place,
    pub(crate) content: ContentHash,
    pub(crate) scores: Box<[Score<AnyUnit>]>,
}

/// A step of the pipeline, in the order of the wiring: what the funnel is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum Wired {
    Ask {
        stage: &'static str,
        of: Of,
        stamp: Stamp,
        model: String,
    },
    /// A stage that this run does without: rows have these columns, and each of them is NaN.
    Absent {
        columns: Vec<&'static str>,
        of: Of,
    },
    /// `open`: it holds nothing back, since a column that it needs comes from a stage that is [absent](Wired::Absent). Dials that one
    /// gate holds rows against, conditions or groups, have one step each, and the gate's number in common.
    Gate {
        dial: &'static str,
        of: Of,
        open: bool,
        gate: u16,
    },
    Choose {
        stage: &'static str,
    },
}

/// Pictures about which what was held back is to be asked, each at the time of its release.
pub(crate) type Released<'s> = Collection<'s, RowId>;

type Collection<'s, D> = VecCollection<'s, Epoch, D, isize>;

/// Rows over time: a collection, and beside it what ended on the way here.
///
/// Every step takes the flow and gives the next one. What a step holds back goes on in the flow's rejected stream, so
/// that every row of the input ends somewhere exactly once.
pub struct Flow<'s, R: Row> {
    pub(crate) rows: Collection<'s, R>,
    pub(crate) ended: Collection<'s, Ended>,
    /// Where questions may be held back: rows that would be here but for an answer that no gate has looked at yet.
    pub(crate) unanswered: Option<Collection<'s, Question>>,
    /// Pictures whose questions are let go.
    pub(crate) released: Released<'s>,
    pub(crate) pieces: Vec<Pieces<'s>>,
    pub(crate) wired: Rc<RefCell<Vec<Wired>>>,
    pub(crate) named: Named<'s>,
}

/// The regions, or the edits, that are published with the pictures of a flow, and their scores' names.
#[derive(Clone)]
pub(crate) struct Pieces<'s> {
    pub(crate) of: Of,
    pub(crate) kept: Collection<'s, KeptPiece>,
    pub(crate) score_names: Vec<&'static str>,
}

impl<'s> Flow<'s, Image> {
    pub(crate) fn source(
        rows: Collection<'s, Image>,
        ended: Collection<'s, Ended>,
        released: Released<'s>,
    ) -> Self {
        let named = Named::of(NamedDials(Rc::default()));
        Flow { rows, ended, unanswered: None, released, pieces: Vec::new(), wired: Rc::default(), named }
    }

    /// With the dials of scorers that flags name: see [`Flow::named_scores`].
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::flow::{Engine, EngineOptions};
    ///
    /// let dials = named_dials(&["salt"], 3.0);
    /// let engine = Engine::start(EngineOptions::default(), dials, &[3.0], |images, maker| {
    ///     images.with_named_dials(maker.named(dials)).finish()
    /// })?;
    /// assert!(engine.wired().is_empty(), "no scorer is asked");
    /// # Ok::<(), String>(())
    /// ```
    pub fn with_named_dials(self, dials: NamedDials<'s>) -> Self {
        Flow { named: Named::of(dials), ..self }
    }
}

impl<'s, R: Row> Flow<'s, R> {
    /// Whether the stage of this column is absent.
    fn lacks(&self, column: &'static str) -> bool {
        let lacks = |step: &Wired| matches!(step, Wired::Absent { columns, of } if *of == R::OF && columns.contains(&column));
        self.wired.borrow().iter().any(lacks)
    }

    /// The names of the scores that rows have, in their order.
    fn score_names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for column in R::columns() {
            match column.kind {
                ColumnKind::Score => names.push(column.name),
                ColumnKind::NamedScores => names.extend(self.named.names()),
                ColumnKind::Other => {}
            }
        }
        names
    }

    /// The number of the gate that is laid next.
    fn next_gate(&self) -> u16 {
        let number = |step: &Wired| if let Wired::Gate { gate, .. } = step { Some(*gate + 1) } else { None };
        self.wired.borrow().iter().filter_map(number).max().unwrap_or(0)
    }

    /// Notes that rows meet this dial, with all its groups, at the gate of this number.
    fn meets(&self, gate: u16, dials: &'static [DialSpec], open: bool) {
        let gates = dials.iter().map(|spec| Wired::Gate { dial: spec.name, of: R::OF, open, gate });
        self.wired.borrow_mut().extend(gates);
    }

    /// A cheap, pure step on the worker thread: one row in, one row out, the same one for the same row always.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20]), |images, _| images.each(side).finish());
    /// assert_eq!(engine.score_names(), ["side"]);
    /// assert_eq!(kept(&engine), [0, 1]);
    /// ```
    pub fn each<S: Row>(self, step: impl Fn(R) -> S + 'static) -> Flow<'s, S> {
        let rows = self.rows.clone().map(step);
        self.of_rows(rows)
    }

    /// A flow of pieces of these pictures.
    fn beside<Q: Row>(&self, rows: Collection<'s, Q>, ended: Collection<'s, Ended>) -> Flow<'s, Q> {
        let (wired, named, released) = (self.wired.clone(), self.named.anew(), self.released.clone());
        Flow { rows, ended, unanswered: None, released, pieces: Vec::new(), wired, named }
    }

    /// The flow behind a step that looks at where rows stand: what rows come to is not known before they are answered.
    fn of_rows_and_ends<S: Row>(self, rows: Collection<'s, S>, ended: Collection<'s, Ended>) -> Flow<'s, S> {
        Flow { ended, unanswered: None, ..self.of_rows(rows) }
    }

    /// The flow with its rows made into others, one for one. What else rides it goes on.
    fn of_rows<S: Row>(self, rows: Collection<'s, S>) -> Flow<'s, S> {
        Flow {
            rows,
            ended: self.ended,
            unanswered: self.unanswered,
            released: self.released,
            pieces: self.pieces,
            wired: self.wired,
            named: self.named,
        }
    }
}
