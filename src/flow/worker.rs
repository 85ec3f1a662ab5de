//! One worker: builds the dataflow, takes commands, steps.

use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use differential_dataflow::input::InputSession;
use timely::dataflow::Scope;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use super::gate::{Dial, DialBy, DialEvent, DialSpec, GroupEvent, Position, SharedPictures};
use super::{Ended, Epoch, Finished, Flow, Histograms, KeptPiece, NamedDials, Why, Wired};
use crate::row::{Group, Image, Of, Place, Refused, RowId, Unit};

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
    Feed { epoch: Epoch, rows: Arc<Vec<Fed>>, diff: isize },
    /// Dials are told something, all at once.
    Tell { epoch: Epoch, told: Arc<Vec<(usize, DialEvent)>> },
    /// What is held back about these pictures is asked; each worker takes its own.
    Release { epoch: Epoch, pictures: Arc<Vec<RowId>> },
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
    Ended(Vec<(Ended, isize)>),
    /// Everything before this epoch is complete, on all workers.
    Frontier(Epoch),
    /// Another process reached or said something.
    News,
}

/// Makes the dials of a dataflow, in the order of their declaration.
pub struct DialMaker<'s> {
    scope: Scope<'s, Epoch>,
    /// Where the dials stand first, group by group.
    stand: Vec<Position>,
    histograms: Histograms,
    inputs: DialInputs,
    pictures: SharedPictures,
}

/// What dials are told on one worker.
#[derive(Default)]
struct DialInputs {
    inputs: Vec<InputSession<Epoch, GroupEvent, isize>>,
    /// The input and the group of every dial.
    places: Vec<(usize, u16)>,
    /// Where every dial stands.
    stand: Vec<Position>,
}

impl DialInputs {
    /// Of turns at one epoch, the last one counts: each takes away where the dial stood.
    fn tell(&mut self, dial: usize, told: DialEvent) {
        let (input, group) = self.places[dial];
        let input = &mut self.inputs[input];
        if let DialEvent::Turn(to) = told {
            let stood = std::mem::replace(&mut self.stand[dial], to);
            input.update((group, DialEvent::Turn(stood)), -1);
        }
        input.update((group, told), 1);
    }

    fn advance(&mut self, epoch: Epoch) {
        for input in &mut self.inputs {
            input.advance_to(epoch);
            input.flush();
        }
    }
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
        self.dials(std::slice::from_ref(spec))
    }

    /// The next dial, which is by group: `specs` has one for every group, in their order, and must stand in the declaration where it
    /// is made.
    ///
    /// ```
    /// use threshflow::flow::example::{DIALS, Parity, Side, dial_named, parity, side};
    /// use threshflow::flow::{Engine, EngineOptions};
    ///
    /// let first = dial_named("side_by_parity[even]");
    /// let specs = &DIALS[first..first + 2];
    /// let engine = Engine::start(EngineOptions::default(), specs, &[10.0, 10.0], |images, maker| {
    ///     let at = maker.dial_by::<Side, Parity>(specs);
    ///     images.each(side).each(parity).gate_by(&at).finish()
    /// })?;
    /// assert_eq!(engine.wired().len(), 2);
    /// # Ok::<(), String>(())
    /// ```
    pub fn dial_by<U: Unit, G: Group>(&mut self, specs: &'static [DialSpec]) -> DialBy<'s, U, G> {
        assert_eq!(specs.len(), G::NAMES.len(), "one for every group");
        DialBy(self.dials(specs), PhantomData)
    }

    /// The next dials, those of scorers that flags name: see [`Flow::named_scores`].
    ///
    /// ```
    /// use threshflow::flow::example::{DIALS, Side, named_dials, side};
    /// use threshflow::flow::{Engine, EngineOptions};
    ///
    /// let specs = named_dials(&["salt"], 3.0);
    /// let engine = Engine::start(EngineOptions::default(), specs, &[3.0], |images, maker| {
    ///     images.with_named_dials(maker.named(specs)).finish()
    /// })?;
    /// # Ok::<(), String>(())
    /// ```
    pub fn named(&mut self, specs: &'static [DialSpec]) -> NamedDials<'s> {
        let dials = specs.iter().map(|spec| self.dials(std::slice::from_ref(spec)));
        NamedDials(Rc::new(dials.collect()))
    }

    fn dials<U>(&mut self, specs: &'static [DialSpec]) -> Dial<'s, U> {
        let (index, input) = (self.inputs.places.len(), self.inputs.inputs.len());
        let mut session = InputSession::new();
        let told = session.to_collection(self.scope);
        self.inputs.inputs.push(session);
        let mut histograms = Vec::new();
        for (group, spec) in specs.iter().enumerate() {
            let dial = index + group;
            let stands = self.stand.get(dial).copied().unwrap_or(Position::at(spec.default));
            self.inputs.places.push((input, group as u16));
            self.inputs.stand.push(stands);
            self.inputs.inputs[input].update((group as u16, DialEvent::Turn(stands)), 1);
            histograms.push(self.histograms.get(dial).cloned().unwrap_or_default());
        }
        let (pictures, index) = (self.pictures.clone(), index as u16);
        Dial { told, index, specs, histograms, pictures, unit: PhantomData }
    }
}

/// So many rows of a shard live on one worker, one behind the other: neighbours share a shard's pages.
pub(super) const NEIGHBOURS: usize = 64;

/// Which worker of its process a row lives on, for as long as it lives.
pub(super) fn home(id: RowId, workers: usize) -> usize {
    (id.shard as usize).wrapping_add(id.member as usize / NEIGHBOURS) % workers
}

/// Runs a worker until the engine hangs up. `of_process` are the workers of this process, among all.
pub(super) fn run(
    worker: &mut Worker,
    of_process: Range<usize>,
    (stand, histograms): (&[Position], &Histograms),
    commands: &Receiver<Command>,
    events: &Sender<Event>,
    wire: &(dyn for<'s> Fn(Flow<'s, Image>, &mut DialMaker<'s>) -> Finished<'s> + Send + Sync),
) {
    let mut images = InputSession::<Epoch, Image, isize>::new();
    let mut refused = InputSession::<Epoch, Ended, isize>::new();
    let mut released = InputSession::<Epoch, RowId, isize>::new();
    let probe = Handle::new();
    let mut dials = worker.dataflow::<Epoch, _, _>(|scope| {
        let histograms = histograms.clone();
        let (inputs, pictures) = (DialInputs::default(), SharedPictures::default());
        let mut maker = DialMaker { scope, stand: stand.to_vec(), histograms, inputs, pictures };
        let released = released.to_collection(scope);
        let source = Flow::source(images.to_collection(scope), refused.to_collection(scope), released);
        let finished = wire(source, &mut maker);
        if scope.index() == of_process.start {
            let _ = events.send(finished.as_wired());
        }
        finished.collect(events, &probe);
        maker.inputs
    });
    let (index, workers) = (worker.index() - of_process.start, of_process.len());
    let mut frontier = 0;
    loop {
        match commands.try_recv() {
            Ok(command) => {
                let epoch = match command {
                    Command::Feed { epoch, rows, diff } => {
                        for row in rows.iter().filter(|row| home(row.id(), workers) == index) {
                            match row.clone() {
                                Fed::Image(image) => images.update(image, diff),
                                Fed::Refused(id, why) => {
                                    refused.update(Ended::of(Place::picture(id), Why::Refused(why)), diff)
                                }
                            }
                        }
                        epoch
                    }
                    Command::Tell { epoch, told } => {
                        told.iter().for_each(|(dial, told)| dials.tell(*dial, *told));
                        epoch
                    }
                    Command::Release { epoch, pictures } => {
                        let own = pictures.iter().filter(|id| home(**id, workers) == index);
                        own.for_each(|id| released.update(*id, 1));
                        epoch
                    }
                };
                // Every input moves with every epoch, or what lags behind would keep the traces from compacting.
                images.advance_to(epoch + 1);
                images.flush();
                refused.advance_to(epoch + 1);
                refused.flush();
                released.advance_to(epoch + 1);
                released.flush();
                dials.advance(epoch + 1);
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
    drop((images, refused, released, dials));
    for dataflow in worker.installed_dataflows() {
        worker.drop_dataflow(dataflow);
    }
}
