//! What the `ask` operator holds: rows that wait for an answer, and rows that ended here and may be asked about again.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use super::{Emit, Updates};
use crate::flow::{Epoch, Unasked, Why};
use crate::lane::{Completion, Mailbox, Operator, Question, Stage, Together, decode_answer};
use crate::memo::{Reader, Remembered};
use crate::row::{ContentHash, Refusal, Refused, Row, RowId};

/// The operator's own state.
pub(super) struct Asking<R: Row, O: Operator> {
    stage: Arc<Stage<O>>,
    mailbox: Arc<Mailbox>,
    name: &'static str,
    /// The rows that wait for one answer, with the times and the counts that they came with.
    waiting: HashMap<ContentHash, Updates<R>>,
    /// Questions that the lane had no room for yet.
    to_ask: VecDeque<Question>,
    /// Not waited for any more, unless they came back since. The lane is told when the memo is let go: it takes its
    /// own lock first and the memo's second, and whoever takes them the other way round may stall both for ever.
    withdrawn: Vec<ContentHash>,
    /// Rows that ended here and may be asked about again, by picture. Each leaves with what it was told, whatever the memo says by then.
    standing: HashMap<RowId, Vec<(R, Standing)>>,
    /// Rows that were refused because of where they lie. The memo knows nothing of them: they come back with this.
    unreadable: HashMap<(ContentHash, RowId), Remembered>,
}

/// How a row ended here for now.
enum Standing {
    HeldBack,
    /// By what may go well the next time.
    Refused(Refusal),
}

impl<R: Row, O: Operator> Asking<R, O> {
    pub(super) fn new(stage: Arc<Stage<O>>, mailbox: Arc<Mailbox>, name: &'static str) -> Self {
        Asking {
            stage,
            mailbox,
            name,
            waiting: HashMap::new(),
            to_ask: VecDeque::new(),
            withdrawn: Vec::new(),
            standing: HashMap::new(),
            unreadable: HashMap::new(),
        }
    }

    pub(super) fn take_completions(
        &mut self,
        emit: &mut Emit<R, O::Answer>,
        waits: &mut impl FnMut(Epoch, isize),
    ) {
        for Completion { content, said, only } in self.mailbox.take() {
            // Nobody waits: the rows left after the answer was on its way. The memo has it.
            let Some(waiting) = self.waiting.remove(&content) else { continue };
            let is_told = |row: &R| only.is_none_or(|id| row.image().id == id);
            let (told, others): (Updates<R>, Updates<R>) =
                waiting.into_iter().partition(|(row, ..)| is_told(row));
            for (row, time, diff) in told {
                waits(time, -1);
                self.remembered(row, &said, (time, diff), emit);
            }
            if let Some(id) = only {
                self.unreadable.insert((content, id), said);
            }
            if let Some((row, ..)) = others.first() {
                self.to_ask.push_back(Question::about(row, O::KEY));
                self.waiting.insert(content, others);
            }
        }
    }

    pub(super) fn take_in(
        &mut self,
        mut come: Updates<R>,
        emit: &mut Emit<R, O::Answer>,
        waits: &mut impl FnMut(Epoch, isize),
    ) {
        if O::TOGETHER == Together::ByPicture {
            // A turned gate lets rows through by their scores. What one row does stays in its order.
            come.sort_by_key(|(row, ..)| row.image().id);
        }
        let stage = self.stage.clone();
        let memo = stage.memo().reader();
        let (mut remembered, mut given) = (0, 0);
        for (row, time, diff) in come {
            if let Some(answer) = stage.given(row.image().id) {
                given += u64::from(diff > 0);
                emit.answered(row, answer, time, diff);
                continue;
            }
            if diff < 0 && self.leaves(&row, time, emit) {
                continue;
            }
            let question = Question::about(&row, O::KEY);
            let there = (question.content, row.image().id);
            if let Some(said) = self.unreadable.get(&there).cloned() {
                self.remembered(row, &said, (time, diff), emit);
                continue;
            }
            match self.known(&memo, &question.content) {
                Some(said) => {
                    remembered += u64::from(diff > 0);
                    self.remembered(row, &said, (time, diff), emit);
                }
                None if diff > 0 && stage.holds_back() => self.stands(row, Standing::HeldBack, time, emit),
                None => self.wait(question, (row, time, diff), waits),
            }
        }
        drop(memo);
        stage.count_unasked(remembered, given);
    }

    /// What the memo says. Rows of one content leave together, in the order they came, or a row could leave before it came: so
    /// nothing, while others wait for the same.
    fn known(&self, memo: &Reader<'_>, content: &ContentHash) -> Option<Remembered> {
        if self.waiting.contains_key(content) { None } else { memo.get(content) }
    }

    /// Emits what the memo says of a row: the same for the row that comes and for the row that leaves.
    fn remembered(
        &mut self,
        row: R,
        said: &Remembered,
        (time, diff): (Epoch, isize),
        emit: &mut Emit<R, O::Answer>,
    ) {
        match decode_answer::<O::Answer>(said) {
            Ok(answer) => emit.answered(row, answer, time, diff),
            Err(refusal) if diff > 0 && !refusal.is_permanent() => {
                self.stands(row, Standing::Refused(refusal), time, emit);
            }
            Err(refusal) => {
                let why = Why::Refused(Box::new(Refused { stage: self.name.into(), refusal }));
                emit.why(&row, why, time, diff);
            }
        }
    }

    fn why(&self, row: &R, standing: &Standing) -> Why {
        match standing {
            Standing::HeldBack => {
                let question = Question::about(row, O::KEY);
                Why::Unasked(Box::new(Unasked { stage: self.name, question }))
            }
            Standing::Refused(refusal) => {
                Why::Refused(Box::new(Refused { stage: self.name.into(), refusal: refusal.clone() }))
            }
        }
    }

    /// A row ends here for now.
    fn stands(&mut self, row: R, standing: Standing, time: Epoch, emit: &mut Emit<R, O::Answer>) {
        emit.why(&row, self.why(&row, &standing), time, 1);
        self.standing.entry(row.image().id).or_default().push((row, standing));
    }

    /// Whether a row that leaves had ended here for now: it leaves with what it was told.
    fn leaves(&mut self, row: &R, time: Epoch, emit: &mut Emit<R, O::Answer>) -> bool {
        let Entry::Occupied(mut rows) = self.standing.entry(row.image().id) else { return false };
        let Some(place) = rows.get().iter().position(|(other, _)| other == row) else { return false };
        let (_, standing) = rows.get_mut().swap_remove(place);
        if rows.get().is_empty() {
            rows.remove();
        }
        emit.why(row, self.why(row, &standing), time, -1);
        true
    }

    /// Rows of these pictures that ended here for now come anew: by now the memo may know, and else it is asked, unless questions are
    /// held back.
    pub(super) fn release(
        &mut self,
        pictures: &[RowId],
        time: Epoch,
        emit: &mut Emit<R, O::Answer>,
        waits: &mut impl FnMut(Epoch, isize),
    ) {
        if !self.unreadable.is_empty() {
            let released: HashSet<&RowId> = pictures.iter().collect();
            self.unreadable.retain(|(_, id), _| !released.contains(id));
        }
        let stage = self.stage.clone();
        let memo = stage.memo().reader();
        for id in pictures {
            let mut stays = Vec::new();
            for (row, standing) in self.standing.remove(id).unwrap_or_default() {
                let question = Question::about(&row, O::KEY);
                let known = self.known(&memo, &question.content);
                if known.is_none() && stage.holds_back() {
                    stays.push((row, standing));
                    continue;
                }
                emit.why(&row, self.why(&row, &standing), time, -1);
                match known {
                    Some(said) => self.remembered(row, &said, (time, 1), emit),
                    None => self.wait(question, (row, time, 1), waits),
                }
            }
            if !stays.is_empty() {
                self.standing.entry(*id).or_default().append(&mut stays);
            }
        }
    }

    /// Where questions are held back by now, rows that wait end here for now, each at the time that it came at.
    pub(super) fn hold_back(&mut self, emit: &mut Emit<R, O::Answer>, waits: &mut impl FnMut(Epoch, isize)) {
        if self.waiting.is_empty() || !self.stage.holds_back() {
            return;
        }
        for (content, rows) in std::mem::take(&mut self.waiting) {
            for (row, time, diff) in rows {
                waits(time, -1);
                debug_assert!(diff > 0, "a row that left took the one that came along");
                self.stands(row, Standing::HeldBack, time, emit);
            }
            self.withdrawn.push(content);
        }
    }

    /// Lets a row wait for its answer; where it cancels the rows that wait, the question is withdrawn.
    fn wait(
        &mut self,
        question: Question,
        (row, time, diff): (R, Epoch, isize),
        waits: &mut impl FnMut(Epoch, isize),
    ) {
        let content = question.content;
        let entry = self.waiting.entry(content);
        if let Entry::Vacant(_) = entry {
            self.to_ask.push_back(question);
        }
        let waiting = entry.or_default();
        waiting.push((row.clone(), time, diff));
        waits(time, 1);
        if diff > 0 {
            return;
        }
        let net: isize = waiting.iter().filter(|(other, ..)| *other == row).map(|(.., diff)| diff).sum();
        if net == 0 {
            waiting.retain(|(other, time, _)| *other != row || (waits(*time, -1), false).1);
        }
        if waiting.is_empty() {
            self.waiting.remove(&content);
            self.withdrawn.push(content);
        }
    }

    pub(super) fn ask(&mut self) {
        if !self.withdrawn.is_empty() {
            self.to_ask.retain(|question| self.waiting.contains_key(&question.content));
        }
        for content in self.withdrawn.drain(..).filter(|content| !self.waiting.contains_key(content)) {
            self.stage.cancel(&content, &self.mailbox);
        }
        if !self.to_ask.is_empty() {
            self.stage.try_ask(&mut self.to_ask, &self.mailbox);
        }
    }
}
