//! The engine's handle: feeds epochs to the workers within the window, turns dials, waits for verdicts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use timely::WorkerConfig;
use timely::communication::WorkerGuards;
use timely::worker::Worker;

use super::gate::{DialEvent, Position};
use super::peers::communication;
use super::progress::{EngineOptions, Progress, Stopped, Tick};
use super::shares::Stands;
use super::start::{end_the_process_if_a_worker_panics, start_workers};
use super::unasked::UnaskedQuestions;
use super::worker::{self, Command, Event};
use super::{DialMaker, DialSpec, Epoch, Fed, Finished, Flow, Histograms, Setting, Verdicts, Wired};
use crate::row::{Image, Of};

/// Wires a worker's dataflow.
type Wire = dyn for<'s> Fn(Flow<'s, Image>, &mut DialMaker<'s>) -> Finished<'s> + Send + Sync;

/// A running dataflow. Dropping it ends its workers.
pub struct Engine {
    commands: Vec<Sender<Command>>,
    workers: Vec<Thread>,
    /// Waits for the workers when it is dropped.
    guards: Option<WorkerGuards<()>>,
    pub(super) events: Receiver<Event>,
    pub(super) options: EngineOptions,
    pub(super) next: Epoch,
    pub(super) in_flight: VecDeque<(Epoch, usize, Instant)>,
    pub(super) rows_an_epoch: usize,
    progress: Progress,
    pub(super) verdicts: Verdicts,
    pub(super) unasked: UnaskedQuestions,
    leaving: Vec<u32>,
    wired: Vec<Wired>,
    score_names: Vec<&'static str>,
    piece_score_names: Vec<(Of, Vec<&'static str>)>,
    histograms: Histograms,
    pub(super) dials: &'static [DialSpec],
    pub(super) stands: Vec<Stands>,
    /// Rows came or left, or dials were turned, since shares were last resolved.
    pub(super) moved: bool,
    /// How often gates were asked to show rows.
    pub(super) scans: u32,
    /// Whether it came to its end, and was not just dropped.
    ended: bool,
}

impl Engine {
    /// Starts the workers on the dataflow that `wire` builds, with every dial where `settings` says: at a value, or by share.
    ///
    /// ```
    /// use threshflow::flow::example::{DIALS, Side, go_on, kept, pictures, side};
    /// use threshflow::flow::{Engine, EngineOptions, Fed};
    ///
    /// let mut engine = Engine::start(EngineOptions::default(), &DIALS, &[10.0], |images, maker| {
    ///     let at = maker.dial::<Side>(&DIALS[0]);
    ///     images.each(side).gate(&at).finish()
    /// })?;
    /// engine.insert(0, pictures([5, 20]).into_iter().map(Fed::Image), &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(kept(&engine), [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start(
        options: EngineOptions,
        dials: &'static [DialSpec],
        settings: &[impl Into<Setting> + Copy],
        wire: impl for<'s> Fn(Flow<'s, Image>, &mut DialMaker<'s>) -> Finished<'s> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let settings: Vec<Setting> = settings.iter().map(|setting| (*setting).into()).collect();
        Self::start_wired(options, dials, &settings, Box::new(wire))
    }

    fn start_wired(
        options: EngineOptions,
        dials: &'static [DialSpec],
        settings: &[Setting],
        wire: Box<Wire>,
    ) -> Result<Self, String> {
        end_the_process_if_a_worker_panics();
        let workers = options.workers.max(1);
        let first = options.peers.as_ref().map_or(0, |peers| peers.place().0 * workers);
        let (event_sender, events) = unbounded();
        let (commands, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| unbounded::<Command>()).unzip();
        if let Some(peers) = &options.peers {
            let events = event_sender.clone();
            peers.wake_by(Box::new(move || drop(events.send(Event::News))));
        }
        let stands = Stands::first(dials, settings);
        let positions: Vec<Position> = stands.iter().map(|stands| stands.position).collect();
        let histograms: Histograms = dials.iter().map(|_| Arc::default()).collect();
        let shared = histograms.clone();
        // An idle worker would else spin for a while before it parks, on cores that pictures are decoded on.
        let config = WorkerConfig::default().idle_spin(Duration::ZERO);
        let run = move |timely_worker: &mut Worker| {
            let commands = &receivers[timely_worker.index() - first];
            let standing = (positions.as_slice(), &shared);
            worker::run(timely_worker, first..first + workers, standing, commands, &event_sender, &*wire);
        };
        let communication = communication(workers, options.peers.as_ref())?;
        let guards = start_workers(communication, config, workers, run)?;
        let mut engine = Engine {
            commands,
            workers: guards.guards().iter().map(|worker| worker.thread().clone()).collect(),
            guards: Some(guards),
            events,
            rows_an_epoch: options.most_rows_an_epoch.min(64),
            options,
            next: 0,
            in_flight: VecDeque::new(),
            progress: Progress::default(),
            verdicts: Verdicts::of_dials(dials.iter().map(|dial| dial.name)),
            unasked: UnaskedQuestions::default(),
            leaving: Vec::new(),
            wired: Vec::new(),
            score_names: Vec::new(),
            piece_score_names: Vec::new(),
            histograms,
            dials,
            stands,
            moved: true,
            scans: 0,
            ended: false,
        };
        let mut wired = false;
        while !wired {
            #[expect(clippy::disallowed_methods, reason = "the engine's handle is not a worker")]
            let event = engine.events.recv().map_err(|_| Stopped::WorkerEnded.to_string())?;
            wired = matches!(event, Event::Wired { .. });
            engine.take_in(event);
        }
        Ok(engine)
    }

    /// The steps of the pipeline, in the order of the wiring.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::flow::Wired;
    /// use threshflow::row::Of;
    ///
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// assert_eq!(engine.wired(), [Wired::Gate { dial: "side", of: Of::Pictures, open: false, gate: 0 }]);
    /// ```
    pub fn wired(&self) -> &[Wired] {
        &self.wired
    }

    /// The columns of a kept row's scores.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// assert_eq!(engine.score_names(), ["side"]);
    /// ```
    pub fn score_names(&self) -> &[&'static str] {
        &self.score_names
    }

    /// The sorts of pieces that the pipeline publishes, and the columns of a kept one's scores.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// assert!(engine.piece_score_names().is_empty(), "it has neither regions nor edits");
    /// ```
    pub fn piece_score_names(&self) -> &[(Of, Vec<&'static str>)] {
        &self.piece_score_names
    }

    /// How the scores that came to each dial are spread, in the order of the dials.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let rows: u64 = engine.histograms()[0].buckets().iter().sum();
    /// assert_eq!(rows, 3);
    /// ```
    pub fn histograms(&self) -> &Histograms {
        &self.histograms
    }

    /// ```
    /// use threshflow::flow::example::*;
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let progress = engine.progress();
    /// assert_eq!((progress.rows_fed, progress.rows_in_flight), (3, 0));
    /// ```
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// ```
    /// use threshflow::flow::example::*;
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// assert_eq!(engine.verdicts().counts().kept, 2);
    /// ```
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// Ends the dataflow; what it said remains.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let verdicts = engine.into_verdicts();
    /// assert_eq!(verdicts.counts().kept, 2);
    /// ```
    pub fn into_verdicts(mut self) -> Verdicts {
        self.end()
    }

    /// As [`Engine::into_verdicts`], but what is known of the wiring remains.
    pub(crate) fn end(&mut self) -> Verdicts {
        self.ended = true;
        self.stop();
        std::mem::take(&mut self.verdicts)
    }

    fn stop(&mut self) {
        self.commands.clear();
        self.workers.iter().for_each(Thread::unpark);
        let guards = self.guards.take();
        if self.options.peers.is_some() && !self.ended {
            // Workers of several processes end together. Where one does not come to its end, the others would be waited for: its process ends.
            std::mem::forget(guards);
        }
    }

    /// Hands in the rows of a shard, an epoch at a time, waiting while the window is full.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::flow::Fed;
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let mut more = pictures([40]);
    /// more[0].id.shard = 1;
    /// engine.insert(1, more.into_iter().map(Fed::Image), &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(engine.verdicts().counts().kept, 3);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn insert(
        &mut self,
        shard: u32,
        rows: impl ExactSizeIterator<Item = Fed>,
        tick: Tick<'_>,
    ) -> Result<(), Stopped> {
        if self.leaving.contains(&shard) {
            // The rows that leave must be gone before their places are given out again.
            self.settle(tick)?;
        }
        self.verdicts.expect(shard, rows.len());
        self.feed(rows, 1, tick)
    }

    /// Takes back the rows of a shard: exactly those that were handed in.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::flow::Fed;
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.retract(0, pictures([5, 20, 80]).into_iter().map(Fed::Image), &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(engine.verdicts().counts().expected, 0);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn retract(
        &mut self,
        shard: u32,
        rows: impl ExactSizeIterator<Item = Fed>,
        tick: Tick<'_>,
    ) -> Result<(), Stopped> {
        self.leaving.push(shard);
        self.feed(rows, -1, tick)
    }

    pub(super) fn feed(
        &mut self,
        mut rows: impl Iterator<Item = Fed>,
        diff: isize,
        tick: Tick<'_>,
    ) -> Result<(), Stopped> {
        loop {
            let batch: Vec<Fed> = rows.by_ref().take(self.rows_an_epoch).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.wait_for_room(batch.len(), tick)?;
            self.moved = true;
            let (epoch, count) = (self.next_epoch(batch.len()), batch.len());
            self.progress.rows_fed += count as u64;
            self.tell(&Command::Feed { epoch, rows: Arc::new(batch), diff });
        }
    }

    /// Turns a dial, at an epoch of its own. A share is resolved when the engine [settles](Engine::settle): until then, rows wait at the
    /// dial's gate.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::flow::{Setting, Share};
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.turn(0, 50.0, &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(kept(&engine), [2]);
    ///
    /// engine.turn(0, Setting::Top(Share::rows(2).expect("is above 0")), &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(kept(&engine), [1, 2]);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn turn(&mut self, dial: usize, to: impl Into<Setting>, tick: Tick<'_>) -> Result<(), Stopped> {
        assert!(dial < self.dials.len(), "there are {} dials", self.dials.len());
        self.turn_to(dial, to.into(), tick)
    }

    /// Tells dials something, at an epoch of its own.
    pub(super) fn tell_dials(
        &mut self,
        told: Vec<(usize, DialEvent)>,
        tick: Tick<'_>,
    ) -> Result<(), Stopped> {
        self.wait_for_room(0, tick)?;
        let epoch = self.next_epoch(0);
        self.tell(&Command::Tell { epoch, told: Arc::new(told) });
        Ok(())
    }

    /// Waits until every row has its verdict, or is undecided, and checks that it is so. Dials by share are resolved.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.turn(0, 0.0, &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(engine.verdicts().counts().decided, 3);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn settle(&mut self, tick: Tick<'_>) -> Result<(), Stopped> {
        self.resolve_shares(tick)?;
        for shard in std::mem::take(&mut self.leaving) {
            self.verdicts.forget(shard)?;
        }
        Ok(self.verdicts.settle()?)
    }

    /// Waits until all that was handed in is worked off.
    pub(super) fn wait_for_all(&mut self, tick: Tick<'_>) -> Result<(), Stopped> {
        self.wait_while(tick, |engine| !engine.in_flight.is_empty())
    }

    pub(super) fn next_epoch(&mut self, rows: usize) -> Epoch {
        let epoch = self.next;
        self.next += 1;
        if let Some(peers) = &self.options.peers {
            peers.reach(self.next);
        }
        self.in_flight.push_back((epoch, rows, Instant::now()));
        self.count_in_flight();
        epoch
    }

    fn count_in_flight(&mut self) {
        self.progress.epochs_in_flight = self.in_flight.len();
        self.progress.rows_in_flight = self.in_flight.iter().map(|(_, rows, _)| rows).sum();
        let progress = &mut self.progress;
        progress.peak_epochs_in_flight = progress.peak_epochs_in_flight.max(progress.epochs_in_flight);
        progress.peak_rows_in_flight = progress.peak_rows_in_flight.max(progress.rows_in_flight);
    }

    /// Waits until an epoch of so many rows has room.
    fn wait_for_room(&mut self, rows: usize, tick: Tick<'_>) -> Result<(), Stopped> {
        if !self.has_room(rows) {
            self.take_in_what_is_there();
        }
        if !self.has_room(rows) {
            self.progress.window_waits += 1;
        }
        self.wait_while(tick, |engine| !engine.has_room(rows))
    }

    pub(super) fn has_room(&self, rows: usize) -> bool {
        let fits = self.progress.rows_in_flight + rows <= self.options.most_rows;
        self.in_flight.is_empty() || (self.in_flight.len() < self.options.window && fits)
    }

    pub(super) fn take_in_what_is_there(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.take_in(event);
        }
    }

    fn wait_while(&mut self, tick: Tick<'_>, busy: impl Fn(&Self) -> bool) -> Result<(), Stopped> {
        self.wait_until(tick, |engine| !busy(engine))
    }

    pub(super) fn wait_until(
        &mut self,
        tick: Tick<'_>,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<(), Stopped> {
        let mut ticked = Instant::now();
        self.take_in_what_is_there();
        // Also where no news comes: another one may have been there before this one could be told.
        self.follow_the_furthest();
        while !is_so(self) {
            match self.events.recv_timeout(TICK) {
                Ok(event) => {
                    self.take_in(event);
                    self.take_in_what_is_there();
                }
                Err(crossbeam::channel::RecvTimeoutError::Timeout) => {}
                Err(crossbeam::channel::RecvTimeoutError::Disconnected) => return Err(Stopped::WorkerEnded),
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                tick(&self.progress, &self.verdicts).map_err(Stopped::Asked)?;
            }
        }
        tick(&self.progress, &self.verdicts).map_err(Stopped::Asked)
    }

    pub(super) fn tell(&self, command: &Command) {
        for (sender, worker) in self.commands.iter().zip(&self.workers) {
            let _ = sender.send(command.clone());
            worker.unpark();
        }
    }

    pub(super) fn take_in(&mut self, event: Event) {
        match event {
            Event::Wired { wired, score_names, piece_score_names } => {
                (self.wired, self.score_names) = (wired, score_names);
                self.piece_score_names = piece_score_names;
            }
            Event::Frontier(frontier) => self.advance(frontier),
            Event::News => self.follow_the_furthest(),
            Event::Kept { rows, scores } => {
                let columns = scores.len() / rows.len().max(1);
                for (place, (id, diff)) in rows.into_iter().enumerate() {
                    self.verdicts.add_kept(id, &scores[place * columns..][..columns], diff);
                }
            }
            Event::KeptPieces(pieces) => {
                pieces.into_iter().for_each(|(piece, diff)| self.verdicts.add_kept_piece(piece, diff));
            }
            Event::Ended(changes) => {
                for (ended, diff) in changes {
                    if let Some(unasked) = self.verdicts.add_ended(ended, diff) {
                        self.unasked.count(*unasked, diff);
                    }
                }
            }
        }
    }

    /// Epochs before `frontier` are complete. How long one took says how many rows the next should have: few
    /// while models are asked (so that later stages start early), many while the memo replays.
    fn advance(&mut self, frontier: Epoch) {
        self.verdicts.complete();
        while let Some((epoch, rows, since)) = self.in_flight.front().copied() {
            if epoch >= frontier {
                break;
            }
            self.in_flight.pop_front();
            let most = self.options.most_rows_an_epoch.max(1);
            if rows >= self.rows_an_epoch && since.elapsed() < Duration::from_millis(100) {
                self.rows_an_epoch = (self.rows_an_epoch * 2).min(most);
            } else if since.elapsed() > Duration::from_secs(1) {
                self.rows_an_epoch = (self.rows_an_epoch / 2).max(64).min(most);
            }
        }
        self.count_in_flight();
    }
}

const TICK: Duration = Duration::from_millis(100);

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
