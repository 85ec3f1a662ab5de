//! The end of a flow: the sink that tells the engine what every row's verdict becomes.

use crossbeam::channel::Sender;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::{Operator as _, Probe};

use super::worker::Event;
use super::{Collection, Ended, Epoch, Flow, Pieces, Wired};
use crate::row::Row;

/// Sends the engine the rows that are kept.
type TellKept<'s> = Box<dyn FnOnce(&Sender<Event>, &Handle<Epoch>) + 's>;

/// A flow that is wired to its end: what rows it is of matters no more. Made by [`Flow::finish`].
pub struct Finished<'s> {
    kept: TellKept<'s>,
    score_names: Vec<&'static str>,
    ended: Collection<'s, Ended>,
    pieces: Vec<Pieces<'s>>,
    wired: Vec<Wired>,
}

impl<'s, R: Row> Flow<'s, R> {
    /// Ends the flow: what is still in it is kept, and published.
    ///
    /// Panics where two columns of the rows bear one name: a fault of the pipeline's file that its first start shows.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20]), |images, _| images.finish());
    /// assert_eq!(kept(&engine), [0, 1], "what comes to the end is kept");
    /// ```
    pub fn finish(self) -> Finished<'s> {
        assert_one_of_each::<R>();
        let score_names = self.score_names();
        let rows = self.rows;
        let columns = score_names.len();
        let kept = move |events: &Sender<Event>, probe: &Handle<Epoch>| {
            tell_kept(rows, columns, events.clone(), probe)
        };
        let wired = self.wired.borrow().clone();
        Finished { kept: Box::new(kept), score_names, ended: self.ended, pieces: self.pieces, wired }
    }
}

/// Panics where two columns of such rows bear one name: nothing could tell which of them is meant.
pub(super) fn assert_one_of_each<R: Row>() {
    let mut names: Vec<&str> = R::columns().iter().map(|column| column.name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        panic!("a row is given the column `{}` twice; every column has a name of its own", twice[0]);
    }
}

impl Finished<'_> {
    pub(super) fn as_wired(&self) -> Event {
        Event::Wired {
            wired: self.wired.clone(),
            score_names: self.score_names.clone(),
            piece_score_names: self.pieces.iter().map(|it| (it.of, it.score_names.clone())).collect(),
        }
    }

    /// Sends the engine what ends, from now on.
    pub(super) fn collect(self, events: &Sender<Event>, probe: &Handle<Epoch>) {
        // All sends are unbounded, but the engine issues no epoch before it has taken in what the last ones said.
        for pieces in self.pieces {
            let told = events.clone();
            let kept =
                pieces.kept.inner.unary::<Nothing, _, _, _>(Pipeline, "Verdicts: pieces", move |_, _| {
                    move |input, _output| {
                        input.for_each(|_capability, batch| {
                            let pieces = batch.drain(..).map(|(piece, _time, diff)| (piece, diff));
                            let _ = told.send(Event::KeptPieces(pieces.collect()));
                        });
                    }
                });
            kept.probe_with(probe);
        }
        (self.kept)(events, probe);
        let told = events.clone();
        let ended = self.ended.inner.unary::<Nothing, _, _, _>(Pipeline, "Verdicts: ended", move |_, _| {
            move |input, _output| {
                input.for_each(|_capability, batch| {
                    // A copy: the batch itself is used again by this thread.
                    let ended = batch.drain(..).map(|(ended, _time, diff)| (ended, diff));
                    let _ = told.send(Event::Ended(ended.collect()));
                });
            }
        });
        ended.probe_with(probe);
    }
}

fn tell_kept<R: Row>(rows: Collection<'_, R>, columns: usize, events: Sender<Event>, probe: &Handle<Epoch>) {
    let kept = rows.inner.unary::<Nothing, _, _, _>(Pipeline, "Verdicts: kept", move |_, _| {
        move |input, _output| {
            input.for_each(|_capability, batch| {
                let mut scores = Vec::with_capacity(batch.len() * columns);
                let kept = batch.drain(..).map(|(row, _time, diff)| {
                    row.see_scores(&mut |score| scores.push(score));
                    (row.image().id, diff)
                });
                let rows = kept.collect();
                let _ = events.send(Event::Kept { rows, scores });
            });
        }
    });
    kept.probe_with(probe);
}

/// A stream that nothing is sent on: only its frontier is looked at.
type Nothing = timely::container::CapacityContainerBuilder<Vec<()>>;
