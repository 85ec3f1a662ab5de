//! Recalling: the decode pool reads blobs of answers from memos, for operators that need them on a worker thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::pool::Job;
use super::stage::panicked;
use super::{Mailbox, Operator, Question, Stage};
use crate::row::{ContentHash, Refusal};

/// What was recalled, and the content of the question that it answers.
pub(crate) type Recalled<T> = (ContentHash, Result<T, Refusal>);

/// Questions whose blobs one job reads.
const A_JOB: usize = 16;

impl<O: Operator> Stage<O> {
    /// Takes questions from the front of `questions` without waiting; what `read` makes of the blobs of their answers
    /// goes to `mailbox`. What is left found no room, and the mailbox is woken when there is some.
    pub(crate) fn try_recall<T: Send + 'static>(
        self: &Arc<Self>,
        questions: &mut VecDeque<Question>,
        mailbox: &Arc<Mailbox<Recalled<T>>>,
        read: fn(&O, &[u8]) -> Result<T, Refusal>,
    ) {
        let Some(lanes) = self.lanes.upgrade() else { return };
        let most = lanes.pool.room().max(A_JOB);
        let taken: Vec<Question> = questions.drain(..questions.len().min(most)).collect();
        let mut jobs: VecDeque<(usize, Job)> = VecDeque::new();
        for chunk in taken.chunks(A_JOB) {
            let (stage, mailbox, count) = (self.clone(), mailbox.clone(), chunk.len());
            let chunk = chunk.to_vec();
            let job = move || {
                let recall = |question: Question| {
                    let read = || stage.blob(&question).and_then(|blob| read(stage.operator(), &blob));
                    let recalled = catch_unwind(AssertUnwindSafe(read))
                        .unwrap_or_else(|panic| Err(panicked("reading an answer", &*panic)));
                    (question.content, recalled)
                };
                mailbox.deliver(chunk.into_iter().map(recall).collect::<Vec<_>>());
            };
            jobs.push_back((count, Box::new(job)));
        }
        let mut submitted = 0;
        lanes.pool.try_submit(&mut jobs, |questions| submitted += questions, mailbox.wake());
        for refused in taken.into_iter().skip(submitted).rev() {
            questions.push_front(refused);
        }
    }
}
