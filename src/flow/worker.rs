//! One worker: builds the dataflow, takes commands, steps.

use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use differential_dataflow::input::InputSession;
use timely::dataflow::Scope;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use super::gate::{Dial, DialSpec, SharedPictures};
use super::{Ended, Epoch, Finished, Flow, Histograms, KeptPiece, Told, Unasked, Why, Wired};
use crate::row::{Image, Of, Place, Refused, RowId, Score, Unit, Verdict};

/// A row as the source hands it in: a picture, or what had to be refused before it became one.
#[derive(Clone, Debug)]
pub enum Fed {
    Image(Image),
    Refused(RowId, Box<Refused>),
}

impl Fed {
    pub(super) fn id(&self) -> RowId {
        match self {
            Fed::Image(image) => image.id,
            Fed::Refused(id, _) => *id,
        }
    }
}

/// What all workers are told, in the same order.
#[derive(Clone)]
pub(super) enum Command {
    /// Rows that come (`diff` 1) or leave (-1) at this epoch; each worker takes its own.
    Feed {
        epoch: Epoch,
        rows: Arc<Vec<Fed>>,
        diff: isize,
    },
    Turn {
        epoch: Epoch,
        dial: usize,
        value: f32,
    },
}

/// What workers tell the engine.
pub(super) enum Event {
    Wired {
        wired: Vec<Wired>,
        score_names: Vec<&'static str>,
        /// Of the pieces that are published, by their sort; none where the pipeline has none.
        piece_score_names: Vec<(Of, Vec<&'static str>)>,
    },
    /// Rows that passed everything, and their scores one behind the other: as many for each.
    Kept {
        rows: Vec<(RowId, isize)>,
        scores: Vec<f32>,
    },
    KeptPieces(Vec<(KeptPiece, isize)>),
    Ended(Vec<(Place, Settled, Option<Box<Told>>, isize)>),
    /// Everything before this epoch is complete, on all workers.
    Frontier(Epoch),
}

/// A verdict, or in plan mode that there is none before the stage of this name is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Settled {
    Verdict(Verdict),
    Unasked(Box<Unasked>),
    /// So many pieces of that sort were found in the picture.
    Found(Of, u16),
}

/// Makes the dials of a dataflow, in the order of their declaration.
pub struct DialMaker<'s> {
    scope: Scope<'s, Epoch>,
    values: Vec<f32>,
    histograms: Histograms,
    inputs: Vec<DialInput>,
    pictures: SharedPictures,
}

type DialInput = Box<dyn FnMut(DialChange)>;

enum DialChange {
    Turn(f32),
    Advance(Epoch),
}

impl<'s> DialMaker<'s> {
    /// The next dial: `spec` must stand in the declaration where it is made.
    ///
    /// ```
    /// use threshflow::flow::example::{DIALS, Side, side};
    /// use threshflow::flow::{Engine, EngineOptions};
    ///
    /// let engine = Engine::start(EngineOptions::default(), &DIALS, &[10.0], |images, maker| {
    ///     let at = maker.dial::<Side>(&DIALS[0]);
    ///     images.each(side).gate(&at).finish()
    /// })?;
    /// assert_eq!(engine.wired().len(), 1);
    /// # Ok::<(), String>(())
    /// ```
    pub fn dial<U: Unit>(&mut self, spec: &'static DialSpec) -> Dial<'s, U> {
        let index = self.inputs.len();
        let mut input = InputSession::<Epoch, Score<U>, isize>::new();
        let at = input.to_collection(self.scope);
        let mut standing = Score::<U>::of(self.values.get(index).copied().unwrap_or(spec.default));
        input.update(standing, 1);
        self.inputs.push(Box::new(move |change| match change {
            DialChange::Turn(value) => {
                input.update(standing, -1);
                standing = Score::of(value);
                input.update(standing, 1);
            }
            DialChange::Advance(epoch) => {
                input.advance_to(epoch);
                input.flush();
            }
        }));
        let histogram = self.histograms.get(index).cloned().unwrap_or_default();
        Dial { at, index: index as u16, spec, histogram, pictures: self.pictures.clone() }
    }
}

/// So many rows of a shard live on one worker, one behind the other: neighbours share a shard's pages.
pub(super) const NEIGHBOURS: usize = 64;

/// Which worker a row lives on, for as long as it lives.
pub(super) fn home(id: RowId, workers: usize) -> usize {
    (id.shard as usize).wrapping_add(id.member as usize / NEIGHBOURS) % workers
}

/// Runs a worker until the engine hangs up.
pub(super) fn run(
    worker: &mut Worker,
    dial_names: &[&'static str],
    (values, histograms): (&[f32], &Histograms),
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    wire: &(dyn for<'s> Fn(Flow<'s, Image>, &mut DialMaker<'s>) -> Finished<'s> + Send + Sync),
) {
    let mut images = InputSession::<Epoch, Image, isize>::new();
    let mut refused = InputSession::<Epoch, Ended, isize>::new();
    let probe = Handle::new();
    let mut dials = worker.dataflow::<Epoch, _, _>(|scope| {
        let histograms = histograms.clone();
        let (inputs, pictures) = (Vec::new(), SharedPictures::default());
        let mut maker = DialMaker { scope, values: values.to_vec(), histograms, inputs, pictures };
        let source = Flow::source(images.to_collection(scope), refused.to_collection(scope));
        let finished = wire(source, &mut maker);
        if scope.index() == 0 {
            let _ = events.send(finished.as_wired());
        }
        finished.collect(dial_names.to_vec(), events, &probe);
        maker.inputs
    });
    let (index, peers) = (worker.index(), worker.peers());
    let mut frontier = 0;
    loop {
        match commands.try_recv() {
            Ok(command) => {
                let epoch = match command {
                    Command::Feed { epoch, rows, diff } => {
                        for row in rows.iter().filter(|row| home(row.id(), peers) == index) {
                            match row.clone() {
                                Fed::Image(image) => images.update(image, diff),
                                Fed::Refused(id, why) => {
                                    refused.update(Ended::of(Place::picture(id), Why::Refused(why)), diff)
                                }
                            }
                        }
                        epoch
                    }
                    Command::Turn { epoch, dial, value } => {
                        dials[dial](DialChange::Turn(value));
                        epoch
                    }
                };
                // Every input moves with every epoch, or what lags behind would keep the traces from compacting.
                images.advance_to(epoch + 1);
                images.flush();
                refused.advance_to(epoch + 1);
                refused.flush();
                dials.iter_mut().for_each(|dial| dial(DialChange::Advance(epoch + 1)));
                worker.step();
            }
            Err(TryRecvError::Empty) => {
                worker.step_or_park(None);
            }
            Err(TryRecvError::Disconnected) => break,
        }
        let reached = probe.with_frontier(|frontier| frontier.first().copied().unwrap_or(Epoch::MAX));
        if index == 0 && reached > frontier {
            frontier = reached;
            let _ = events.send(Event::Frontier(frontier));
        }
    }
    // The engine hung up: rows may still wait for answers that nobody will use.
    drop((images, refused, dials));
    for dataflow in worker.installed_dataflows() {
        worker.drop_dataflow(dataflow);
    }
}
