//! Asking: what was held back is let go, while the dials may turn and answers come in. It can be stopped.
//!
//! Questions are asked in rounds. A round lets go what is held back, as far as the engine has room. When all of it is worked off, questions
//! are held back again and the dataflow settles: shares are resolved then, and rows that pass may have more to be asked. When nothing is
//! held back any more, all is asked. A turn in the middle holds questions back at once, so that it shows at the cost of a turn; the round
//! goes on when the dials have rested for a moment.
//!
//! Of several processes, each lets go what its own rows wait for, and process 0 says when a round is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::order::Order;
use super::session::{Session, seconds_since};
use super::share::{Share, StageShare};
use super::view;
use super::{Problem, exact};
use crate::cli::Failure;
use crate::cli::progress::HeldUp;
use crate::lane::Question;
use crate::row::{ContentHash, RowId};

/// After a turn, questions rest for so long.
const REST: Duration = Duration::from_millis(300);
/// How often progress is told.
const TOLD: Duration = Duration::from_millis(200);

/// What is being asked.
pub(super) struct Apply {
    pub(super) begin: Instant,
    /// How all stood when it began.
    pub(super) before: Share,
    /// Let go next: pictures that something was held back about.
    waiting: VecDeque<RowId>,
    /// Questions are held back for a moment.
    paused: Option<Instant>,
    /// Nothing more is asked: what is under way is waited for.
    pub(super) stopping: bool,
    told: Instant,
    pub(super) held_up: HeldUp,
}

/// How far the asking is, in one process.
#[derive(Serialize, Deserialize)]
pub(super) struct Look {
    /// Nothing more can be let go before all is settled.
    is_done: bool,
    /// Something is being answered.
    is_at_work: bool,
    /// Why nothing more should be asked.
    trouble: Option<String>,
}

impl Apply {
    /// How a stage stood when it began.
    pub(super) fn before_of(&self, stage: &str) -> Option<&StageShare> {
        self.before.stages.iter().find(|known| known.name == stage)
    }

    /// Questions are held back, for a moment or for good.
    fn rests(&self) -> bool {
        self.stopping || self.paused.is_some()
    }
}

impl Session<'_> {
    /// Begins to ask what is held back, and again what failed.
    pub(super) fn apply(&mut self) -> Result<(), Problem> {
        if self.apply.is_some() {
            return Err(Problem::not_now(
                "questions are being asked; stop that first, or wait for it".into(),
            ));
        }
        self.together(&Order::Apply, |session| session.apply_here())
    }

    pub(super) fn apply_here(&mut self) -> Result<(), Problem> {
        let before = self.all();
        self.lanes().ask_now(true);
        let now = Instant::now();
        self.answered_since.clear();
        self.apply = Some(Apply {
            begin: now,
            before,
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
        if self.apply.as_ref().is_none_or(|apply| apply.stopping) {
            return Err(Problem::not_now("nothing is being asked".into()));
        }
        self.together(&Order::Stop, |session| session.stop_here())
    }

    pub(super) fn stop_here(&mut self) -> Result<(), Problem> {
        self.apply.iter_mut().for_each(|apply| apply.stopping = true);
        self.lanes().hold_back();
        self.settle()?;
        Ok(self.tell()?)
    }

    /// Where questions are asked: holds them back, so that the dataflow stands still at once.
    pub(super) fn pause(&mut self) -> Result<(), Failure> {
        let Some(apply) = &mut self.apply else { return Ok(()) };
        let paused = apply.rests();
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
        if self.apply.as_ref().is_none_or(Apply::rests) {
            return look(self);
        }
        self.lanes().hold_back();
        self.settle()?;
        let seen = look(self);
        self.lanes().ask_now(false);
        self.begin_round(BTreeSet::new());
        seen
    }

    /// Looks at one row, in the process that has it. While a row is being asked about, it stands nowhere, as if there were none: for such a
    /// one, questions are held back for a moment. With it, which process has it: in the others there is nothing.
    pub(super) fn looking<T>(
        &mut self,
        look: impl Fn(&mut Self) -> Result<T, Problem>,
    ) -> Result<(usize, Option<T>), Problem> {
        let seen = look(self);
        match self.of_one(seen) {
            Err(problem) if problem.status == 404 && self.apply.is_some() => self.standing_still(|session| {
                let seen = look(session);
                session.of_one(seen)
            }),
            seen => seen,
        }
    }

    /// What one process says, of which the others say that there is no such thing.
    fn of_one<T>(&mut self, own: Result<T, Problem>) -> Result<(usize, Option<T>), Problem> {
        let (own, problem) = match own {
            Ok(own) => (Some(own), None),
            Err(problem) => (None, Some((problem.status, problem.text))),
        };
        let problems = self.gather(problem)?;
        if let Some(process) = problems.iter().position(Option::is_none) {
            return Ok((process, own));
        }
        let mut problems: Vec<(u16, String)> = problems.into_iter().flatten().collect();
        // What is worse than that it is not there says more.
        let place = problems.iter().position(|(status, _)| *status != 404).unwrap_or(0);
        let (status, text) = problems.swap_remove(place);
        Err(Problem { status, text })
    }

    /// Lets go what there is room for.
    pub(super) fn let_go(&mut self) {
        let Some(apply) = self.apply.as_mut().filter(|apply| !apply.rests()) else { return };
        apply.held_up.see(&self.opened.lanes.status(), self.opened.lanes.pool_status());
        apply.waiting.make_contiguous();
        let let_go = self.opened.engine.release(apply.waiting.as_slices().0);
        apply.waiting.drain(..let_go);
    }

    /// Goes on, and says how far the asking is: what all say.
    pub(super) fn look_here(&mut self) -> Result<Vec<Look>, Problem> {
        let trouble = self.why_it_stops();
        if trouble.is_none() {
            self.let_go();
        }
        let nothing_waits = self.apply.as_ref().is_none_or(|apply| apply.waiting.is_empty());
        let look = Look {
            is_done: nothing_waits && self.opened.engine.is_at_rest(),
            is_at_work: !self.lanes().under_way().is_empty(),
            trouble,
        };
        self.gather(look)
    }

    /// What goes on by itself: called many times a second while something is under way.
    pub(super) fn go_on(&mut self) -> Result<(), Failure> {
        if self.apply.is_none() {
            return Ok(());
        }
        self.go_on_asking().map_err(Problem::into_failure)
    }

    fn go_on_asking(&mut self) -> Result<(), Problem> {
        let Some(apply) = &mut self.apply else { return Ok(()) };
        if let Some(since) = apply.paused.filter(|_| !apply.stopping) {
            if since.elapsed() < REST {
                return Ok(());
            }
            self.together(&Order::Resume, |session| session.resume_here())?;
        }
        let all = self.together(&Order::Look, |session| session.look_here())?;
        let Some(apply) = &mut self.apply else { return Ok(()) };
        if apply.stopping {
            return match all.iter().any(|look| look.is_at_work) {
                true => self.tell_now_and_then(),
                false => self.together(&Order::Gather, |session| session.gather_here()),
            };
        }
        if let Some(why) = all.iter().find_map(|look| look.trouble.clone()) {
            let order = Order::GiveUp(why.clone());
            return self.together(&order, |session| session.give_up_here(&why));
        }
        if all.iter().all(|look| look.is_done) {
            return self.together(&Order::EndRound, |session| session.end_round_here());
        }
        self.tell_now_and_then()
    }

    /// Tells how far the asking is, where that was not told just now.
    fn tell_now_and_then(&mut self) -> Result<(), Problem> {
        let Some(apply) = self.apply.as_mut().filter(|apply| apply.told.elapsed() >= TOLD) else {
            return Ok(());
        };
        apply.told = Instant::now();
        (self.version, self.answers) = (self.version + 1, self.answers + 1);
        self.together(&Order::Tell, |session| Ok(session.tell()?))?;
        self.events.tell("progress", &exact(&view::progress(self, &self.all())));
        Ok(())
    }

    /// Goes on asking, after a pause.
    pub(super) fn resume_here(&mut self) -> Result<(), Problem> {
        self.apply.iter_mut().for_each(|apply| apply.paused = None);
        self.lanes().ask_now(false);
        self.begin_round(BTreeSet::new());
        Ok(())
    }

    pub(super) fn end_round_here(&mut self) -> Result<(), Problem> {
        self.answers += 1;
        self.lanes().hold_back();
        self.settle()?;
        if !self.is_anything_undecided()? {
            self.apply = None;
            self.note()?;
            self.events.tell("progress", &serde_json::Value::Null);
            return Ok(self.tell()?);
        }
        self.lanes().ask_now(false);
        self.begin_round(BTreeSet::new());
        Ok(())
    }

    /// Whether a question is held back, in any process.
    fn is_anything_undecided(&mut self) -> Result<bool, Problem> {
        let own = self.opened.engine.is_anything_unasked();
        Ok(self.gather(own)?.contains(&true))
    }

    fn why_it_stops(&self) -> Option<String> {
        let hopeless = || self.lanes().endpoints().iter().find_map(|endpoint| endpoint.hopeless());
        self.lanes().trouble().seen().or_else(hopeless)
    }

    /// Stops asking since something failed that would fail all: the session goes on, and says so.
    pub(super) fn give_up_here(&mut self, why: &str) -> Result<(), Problem> {
        let Some(apply) = &mut self.apply else { return Ok(()) };
        apply.stopping = true;
        let seconds = seconds_since(apply.begin);
        self.tell_trouble(&format!(
            "asking stopped after {seconds:.0} s: {why}; apply asks again what failed"
        ));
        self.lanes().hold_back();
        self.settle()?;
        Ok(self.tell()?)
    }

    /// When what was under way has been answered: tells what came of it.
    pub(super) fn gather_here(&mut self) -> Result<(), Problem> {
        self.apply = None;
        self.answers += 1;
        let undecided: Vec<RowId> = self.opened.engine.undecided_pictures().into_iter().collect();
        let mut told = 0;
        while told < undecided.len() {
            told += self.opened.engine.release(&undecided[told..]);
            self.opened.engine.listen::<()>(&crossbeam::channel::never(), Duration::from_millis(1));
            let goes_on = (self.ticking())(&self.opened.engine.progress(), self.opened.engine.verdicts());
            self.must(goes_on.map_err(Failure::Failed))?;
        }
        self.settle()?;
        self.see_what_was_answered();
        // A disk that is full refuses the notes as well; what stopped the asking was told first.
        if let Err(failure) = self.note() {
            self.tell_trouble(&failure.to_string());
        }
        self.events.tell("progress", &serde_json::Value::Null);
        Ok(self.tell()?)
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

    /// Which stage holds the others up here, of late.
    pub(super) fn held_up_by(&self) -> Option<&'static str> {
        self.apply.as_ref().and_then(|apply| apply.held_up.holder_name())
    }

    /// What would be asked here, by stage. What was answered since a question was held back is not asked again.
    pub(super) fn unasked(&self) -> BTreeMap<&'static str, u64> {
        let mut asks = self.opened.engine.unasked_by_stage();
        for (stage, content) in &self.answered_since {
            if self.opened.engine.is_unasked(stage, content)
                && let Some(questions) = asks.get_mut(stage)
            {
                *questions -= 1;
            }
        }
        let left = asks.into_iter().filter(|(_, questions)| *questions > 0);
        left.map(|(stage, questions)| (stage, questions as u64)).collect()
    }
}
