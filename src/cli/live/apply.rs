//! Asking: what was held back is let go, while the dials may turn and answers come in. It can be stopped.
//!
//! Questions are asked in rounds. A round lets go what is held back, as far as the engine has room. When all of it is worked off, questions
//! are held back again and the dataflow settles: shares are resolved then, and rows that pass may have more to be asked. When nothing is
//! held back any more, all is asked. A turn in the middle holds questions back at once, so that it shows at the cost of a turn; the round
//! goes on when the dials have rested for a moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::session::{Session, seconds_since};
use super::view;
use super::{Problem, exact};
use crate::cli::Failure;
use crate::cli::progress::HeldUp;
use crate::lane::{Question, StageStatus};
use crate::row::{ContentHash, RowId};

/// After a turn, questions rest for so long.
const REST: Duration = Duration::from_millis(300);
/// How often progress is told.
const TOLD: Duration = Duration::from_millis(200);

/// What is being asked.
pub(super) struct Apply {
    pub(super) begin: Instant,
    /// How the stages stood when it began.
    pub(super) before: BTreeMap<&'static str, StageStatus>,
    /// Let go next: pictures that something was held back about.
    waiting: VecDeque<RowId>,
    /// Questions are held back for a moment.
    paused: Option<Instant>,
    /// Nothing more is asked: what is under way is waited for.
    pub(super) stopping: bool,
    told: Instant,
    pub(super) held_up: HeldUp,
}

impl Session<'_> {
    /// Begins to ask what is held back, and again what failed.
    pub(super) fn apply(&mut self) -> Result<(), Problem> {
        if self.apply.is_some() {
            return Err(Problem::not_now(
                "questions are being asked; stop that first, or wait for it".into(),
            ));
        }
        let stages = self.lanes().status();
        self.lanes().ask_now(true);
        let now = Instant::now();
        self.answered_since.clear();
        self.apply = Some(Apply {
            begin: now,
            before: stages.into_iter().map(|stage| (stage.name, stage)).collect(),
            waiting: VecDeque::new(),
            paused: None,
            stopping: false,
            told: now,
            held_up: HeldUp::default(),
        });
        let failed = self.opened.engine.verdicts().refused_for_now();
        self.begin_round(failed);
        Ok(())
    }

    fn begin_round(&mut self, mut pictures: BTreeSet<RowId>) {
        pictures.append(&mut self.opened.engine.undecided_pictures());
        let Some(apply) = &mut self.apply else { return };
        apply.waiting = pictures.into_iter().collect();
    }

    /// Nothing more is asked. What is under way is answered and remembered.
    pub(super) fn stop_asking(&mut self) -> Result<(), Problem> {
        match &mut self.apply {
            Some(apply) if !apply.stopping => apply.stopping = true,
            _ => return Err(Problem::not_now("nothing is being asked".into())),
        }
        self.lanes().hold_back();
        self.settle()?;
        self.tell();
        Ok(())
    }

    /// Where questions are asked: holds them back, so that the dataflow stands still at once.
    pub(super) fn pause(&mut self) -> Result<(), Failure> {
        let Some(apply) = &mut self.apply else { return Ok(()) };
        let paused = apply.stopping || apply.paused.is_some();
        apply.paused = Some(Instant::now());
        if !paused {
            self.lanes().hold_back();
            self.settle()?;
        }
        Ok(())
    }

    /// Does what needs a dataflow that stands still. Where questions are asked, they are held back for no longer than that takes.
    pub(super) fn standing_still<T>(
        &mut self,
        look: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let rests = self.apply.as_ref().is_none_or(|apply| apply.stopping || apply.paused.is_some());
        if rests {
            return look(self);
        }
        self.lanes().hold_back();
        self.settle()?;
        let seen = look(self);
        self.lanes().ask_now(false);
        self.begin_round(BTreeSet::new());
        seen
    }

    /// Looks at one row. While a row is being asked about, it stands nowhere, as if there were none: for such a one, questions are held back
    /// for a moment.
    pub(super) fn looking<T>(
        &mut self,
        look: impl Fn(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        match look(self) {
            Err(problem) if problem.status == 404 && self.apply.is_some() => self.standing_still(look),
            seen => seen,
        }
    }

    /// What goes on by itself: called many times a second while something is under way.
    pub(super) fn go_on(&mut self) -> Result<(), Failure> {
        let Some(apply) = &mut self.apply else { return Ok(()) };
        if apply.stopping {
            return self.gather();
        }
        if let Some(since) = apply.paused {
            if since.elapsed() < REST {
                return Ok(());
            }
            apply.paused = None;
            self.lanes().ask_now(false);
            self.begin_round(BTreeSet::new());
        }
        if let Some(why) = self.why_it_stops() {
            return self.give_up(&why);
        }
        let Some(apply) = &mut self.apply else { return Ok(()) };
        apply.held_up.see(&self.opened.lanes.status(), self.opened.lanes.pool_status());
        apply.waiting.make_contiguous();
        let let_go = self.opened.engine.release(apply.waiting.as_slices().0);
        apply.waiting.drain(..let_go);
        let tells = apply.told.elapsed() >= TOLD;
        if tells {
            apply.told = Instant::now();
        }
        if apply.waiting.is_empty() && self.opened.engine.is_at_rest() {
            return self.end_round();
        }
        if tells {
            (self.version, self.answers) = (self.version + 1, self.answers + 1);
            self.tell();
            self.events.tell("progress", &exact(&view::progress(self)));
        }
        Ok(())
    }

    fn end_round(&mut self) -> Result<(), Failure> {
        self.answers += 1;
        self.lanes().hold_back();
        self.settle()?;
        if self.opened.engine.undecided_pictures().is_empty() {
            self.apply = None;
            self.note()?;
            self.events.tell("progress", &serde_json::Value::Null);
            self.tell();
            return Ok(());
        }
        self.lanes().ask_now(false);
        self.begin_round(BTreeSet::new());
        Ok(())
    }

    fn why_it_stops(&self) -> Option<String> {
        let hopeless = || self.lanes().endpoints().iter().find_map(|endpoint| endpoint.hopeless());
        self.lanes().trouble().seen().or_else(hopeless)
    }

    /// Stops asking since something failed that would fail all: the session goes on, and says so.
    fn give_up(&mut self, why: &str) -> Result<(), Failure> {
        let Some(apply) = &mut self.apply else { return Ok(()) };
        apply.stopping = true;
        let seconds = seconds_since(apply.begin);
        self.tell_trouble(&format!(
            "asking stopped after {seconds:.0} s: {why}; apply asks again what failed"
        ));
        self.lanes().hold_back();
        self.settle()?;
        self.tell();
        Ok(())
    }

    /// When what was under way has been answered: tells what came of it.
    fn gather(&mut self) -> Result<(), Failure> {
        if !self.lanes().under_way().is_empty() {
            return Ok(());
        }
        self.apply = None;
        self.answers += 1;
        let undecided: Vec<RowId> = self.opened.engine.undecided_pictures().into_iter().collect();
        let mut told = 0;
        while told < undecided.len() {
            told += self.opened.engine.release(&undecided[told..]);
            self.opened.engine.listen::<()>(&crossbeam::channel::never(), Duration::from_millis(1));
        }
        self.settle()?;
        self.see_what_was_answered();
        // A disk that is full refuses the notes as well; what stopped the asking was told first.
        if let Err(failure) = self.note() {
            self.tell_trouble(&failure.to_string());
        }
        self.events.tell("progress", &serde_json::Value::Null);
        self.tell();
        Ok(())
    }

    /// Finds the questions that are still held back though they were answered meanwhile.
    pub(super) fn see_what_was_answered(&mut self) {
        let mut questions: BTreeMap<&'static str, Vec<Question>> = BTreeMap::new();
        for (stage, question) in self.opened.engine.unasked() {
            questions.entry(stage).or_default().push(question.clone());
        }
        self.answered_since.clear();
        for (stage, asked) in questions {
            let all: BTreeSet<ContentHash> = asked.iter().map(|question| question.content).collect();
            let open = self.lanes().without_the_known(stage, asked);
            let open: BTreeSet<ContentHash> = open.into_iter().map(|question| question.content).collect();
            self.answered_since.extend(all.difference(&open).map(|content| (stage, *content)));
        }
    }

    /// Which stage holds the others up, of late.
    pub(super) fn holds_up(&self) -> Option<&'static str> {
        self.apply.as_ref().and_then(|apply| apply.held_up.holder_name())
    }
}
