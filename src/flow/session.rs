//! What a session that stays does with an engine: questions that are held back, let go by picture; and listening to workers and to others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;

use super::Engine;
use super::worker::Command;
use crate::lane::Question;
use crate::row::{ContentHash, RowId};

impl Engine {
    /// The questions that are held back, each with its stage and as often as rows ask it; and those that later stages would be asked
    /// about the same rows.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    ///
    /// let lab = Lab::new(Mode::Plan);
    /// let taster = lab.stage(taster());
    /// let engine = run(pictures([5, 20]), move |images, _| images.ask(&taster).finish());
    /// assert_eq!(engine.unasked().map(|(stage, _)| stage).collect::<Vec<_>>(), ["taster", "taster"]);
    /// ```
    pub fn unasked(&self) -> impl Iterator<Item = (&'static str, &Question)> {
        self.unasked.iter()
    }

    /// How many of them there are, by stage: of one content, there is one.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    ///
    /// let lab = Lab::new(Mode::Plan);
    /// let taster = lab.stage(taster());
    /// let engine = run(pictures([5, 20, 20]), move |images, _| images.ask(&taster).finish());
    /// assert_eq!(engine.unasked_by_stage()["taster"], 2);
    /// assert_eq!(engine.undecided_pictures().len(), 3);
    /// ```
    pub fn unasked_by_stage(&self) -> BTreeMap<&'static str, usize> {
        self.unasked.by_stage()
    }

    /// Whether any question is held back.
    pub(crate) fn is_anything_unasked(&self) -> bool {
        self.unasked.iter().next().is_some()
    }

    /// Whether a stage would be asked about this.
    pub(crate) fn is_unasked(&self, stage: &str, content: &ContentHash) -> bool {
        self.unasked.has(stage, content)
    }

    /// The pictures that such questions are about: about themselves, their regions or their edits.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    ///
    /// let lab = Lab::new(Mode::Plan);
    /// let taster = lab.stage(taster());
    /// let engine = run(pictures([5, 20]), move |images, _| images.ask(&taster).finish());
    /// assert_eq!(engine.undecided_pictures().len(), 2);
    /// ```
    pub fn undecided_pictures(&self) -> BTreeSet<RowId> {
        self.unasked.pictures()
    }

    /// Lets what was held back about these pictures be asked, as far as there is room for them: how many of the first. Rows that were
    /// refused by what may go well the next time come anew, too. Where [questions are held back](crate::lane::Lanes::hold_back), nothing
    /// is asked, and only what is remembered by now is told.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    ///
    /// let lab = Lab::new(Mode::Live);
    /// let taster = lab.stage(taster());
    /// let mut engine = run(pictures([20, 60]), {
    ///     let taster = taster.clone();
    ///     move |images, dial| images.ask(&taster).gate(&dial.taste).finish()
    /// });
    /// assert_eq!((engine.verdicts().counts().undecided, taster.memo().len()), (2, 0));
    ///
    /// lab.lanes().ask_now(true);
    /// let pictures: Vec<_> = engine.undecided_pictures().into_iter().collect();
    /// assert_eq!(engine.release(&pictures), 2);
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(kept(&engine), [1]);
    /// assert_eq!(taster.memo().len(), 2);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn release(&mut self, pictures: &[RowId]) -> usize {
        self.take_in_what_is_there();
        let mut released = 0;
        while released < pictures.len() {
            let batch = &pictures[released..][..self.rows_an_epoch.min(pictures.len() - released)];
            if !self.has_room(batch.len()) {
                break;
            }
            self.moved = true;
            let epoch = self.next_epoch(batch.len());
            self.tell(&Command::Release { epoch, pictures: Arc::new(batch.to_vec()) });
            released += batch.len();
        }
        released
    }

    /// Waits for a request, but no longer than this, and meanwhile takes in what the workers say. For whoever owns the engine and is
    /// asked by others.
    ///
    /// ```
    /// use std::time::Duration;
    /// use threshflow::flow::example::*;
    ///
    /// let mut engine = run(pictures([5]), |images, _| images.finish());
    /// let (asks, requests) = crossbeam::channel::unbounded();
    /// asks.send("how many rows are kept?")?;
    /// assert_eq!(engine.listen(&requests, Duration::from_secs(1)), Some("how many rows are kept?"));
    /// assert_eq!(engine.listen(&requests, Duration::ZERO), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen<T>(&mut self, requests: &Receiver<T>, most: Duration) -> Option<T> {
        let until = Instant::now() + most;
        loop {
            self.take_in_what_is_there();
            let heard = crossbeam::select! {
                recv(requests) -> request => return request.ok(),
                recv(self.events) -> event => event,
                default(until.saturating_duration_since(Instant::now())) => return None,
            };
            match heard {
                Ok(event) => self.take_in(event),
                Err(_) => return None,
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// What all processes said by now, after this one [said](super::Peers::say) its part; waits for it, but no longer than this.
    pub(crate) fn hear(&mut self, most: Duration) -> Option<Vec<Vec<u8>>> {
        let (until, peers) = (Instant::now() + most, self.peers().cloned()?);
        loop {
            self.keep_up();
            if let Some(heard) = peers.heard() {
                return Some(heard);
            }
            let heard = crossbeam::select! {
                recv(self.events) -> event => event,
                default(until.saturating_duration_since(Instant::now())) => return None,
            };
            self.take_in(heard.ok()?);
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// Whether all that was handed in is worked off.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20]), |images, _| images.finish());
    /// assert!(engine.is_at_rest());
    /// ```
    pub fn is_at_rest(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Marks the rows that are published, and no others: from now on, [`Verdicts::moves`](super::Verdicts::moves) counts against them.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::RowId;
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let published = [0, 1].map(|member| RowId { shard: 0, member });
    /// engine.mark_published(published);
    /// let moves = engine.verdicts().moves();
    /// assert_eq!((moves.published, moves.enter, moves.leave), (2, 1, 1), "80 enters, 5 leaves");
    /// ```
    pub fn mark_published(&mut self, published: impl IntoIterator<Item = RowId>) {
        self.verdicts.mark_published(published);
    }
}
