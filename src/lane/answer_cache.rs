//! An answer cache: answers that operators look up while they answer, such as the embeddings of nouns. Each is asked once and remembered.
//! The questions of a stage come from the flow; the questions of an answer cache come from inside other questions.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::{AskLog, Asked, Lanes, Question, StageStatus, Watched, lock};
use crate::memo::{Inline, Memo, MemoError, NARROW, Remembered, Written};
use crate::row::{ContentHash, Refusal, Stamp};

/// Bytes of answers that are kept in memory beside the memo; what does not fit is read from disk each time.
const MOST_KEPT: usize = 64 << 20;

#[derive(Default)]
struct InMemory {
    answers: HashMap<ContentHash, Arc<[u8]>>,
    bytes: usize,
}

/// Answers by content, under one stamp.
pub struct AnswerCache {
    name: &'static str,
    model: String,
    memo: Arc<Memo>,
    log: Option<AskLog>,
    /// Held while questions are asked: whoever comes meanwhile with the same one finds it answered.
    asking: Mutex<()>,
    /// Questions that are asked one by one, and the sign that one of them was answered.
    under_way: Mutex<HashSet<ContentHash>>,
    answered: Condvar,
    kept: Mutex<InMemory>,
    /// In USD; `None` where nothing is paid for.
    cost: Mutex<Option<f64>>,
    asked: AtomicU64,
    remembered: AtomicU64,
    nanos: AtomicU64,
}

impl AnswerCache {
    /// Opens the memo of `stamp`; the cache stands among the stages in summaries, under `name`. A refusal that is not
    /// [permanent](Refusal::is_permanent) lasts as long as the process.
    pub fn open(
        name: &'static str,
        stamp: Stamp,
        model: String,
        lanes: &Arc<Lanes>,
    ) -> Result<Arc<Self>, MemoError> {
        let memo = lanes.memo(stamp)?;
        let cache = Arc::new(AnswerCache {
            name,
            model,
            memo,
            log: lanes.log.clone(),
            asking: Mutex::default(),
            under_way: Mutex::default(),
            answered: Condvar::new(),
            kept: Mutex::default(),
            cost: Mutex::default(),
            asked: AtomicU64::new(0),
            remembered: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
        });
        lanes.register(cache.clone());
        Ok(cache)
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Notes what an answer cost, in USD. With 0, that answers are paid for.
    pub fn charge(&self, cost: f64) {
        *lock(&self.cost).get_or_insert(0.0) += cost;
    }

    /// Whether this was answered or refused before.
    pub fn knows(&self, content: &ContentHash) -> bool {
        self.memo.get(content).is_some()
    }

    /// The first bytes of the hash of the answer to a question, 0 to 7 of them: none where it was kept before there were such. `None`
    /// where there is no answer.
    pub fn hash_of(&self, content: &ContentHash) -> Option<Inline> {
        match self.memo.get(content)? {
            Remembered::Answer(hash) => Some(hash),
            Remembered::Refused(_) => None,
        }
    }

    /// Whether this is the answer to the question, as far as [`AnswerCache::hash_of`] tells.
    pub fn keeps(&self, content: &ContentHash, answer: ContentHash) -> bool {
        self.hash_of(content).is_some_and(|hash| answer.0.starts_with(hash.bytes()))
    }

    /// The answer counts no more: whoever needs it asks again.
    pub fn forget(&self, content: &ContentHash) -> Result<(), MemoError> {
        self.memo.forget(content)?;
        let mut kept = lock(&self.kept);
        if let Some(blob) = kept.answers.remove(content) {
            kept.bytes -= blob.len();
        }
        Ok(())
    }

    /// The answer to a question that was asked before; refused as `not_remembered` where it was not.
    pub fn read(&self, content: &ContentHash) -> Result<Arc<[u8]>, Refusal> {
        match self.knows(content) {
            true => self.answer(content),
            false => Err(Refusal::transient("not_remembered", format!("{} was never asked this", self.name))),
        }
    }

    /// The answers to `questions`, in order. Those that were never asked are handed to `ask` together (as places in
    /// `questions`, each content once), which answers as many in their order; its answers are remembered.
    pub fn look_up(
        &self,
        questions: &[ContentHash],
        ask: impl FnOnce(&[usize]) -> Vec<Result<Vec<u8>, Refusal>>,
    ) -> Vec<Result<Arc<[u8]>, Refusal>> {
        let missing = || -> Vec<usize> {
            let mut seen = HashSet::new();
            let unknown = |place: &usize| !self.knows(&questions[*place]) && seen.insert(questions[*place]);
            (0..questions.len()).filter(unknown).collect()
        };
        let mut asked = 0;
        if !missing().is_empty() {
            let _asking = lock(&self.asking);
            let missing = missing();
            asked = missing.len();
            if let Err(refusal) = self.ask(questions, &missing, ask) {
                return vec![Err(refusal); questions.len()];
            }
        }
        self.remembered.fetch_add((questions.len() - asked) as u64, Relaxed);
        questions.iter().map(|content| self.answer(content)).collect()
    }

    /// The answer to one question: `ask` is called only if nobody ever answered it. Who comes while it is being asked
    /// waits for that answer; other questions are asked side by side.
    pub fn look_up_one(
        &self,
        question: ContentHash,
        ask: impl FnOnce() -> Result<Vec<u8>, Refusal>,
    ) -> Result<Arc<[u8]>, Refusal> {
        let mut under_way = lock(&self.under_way);
        loop {
            if self.knows(&question) {
                drop(under_way);
                self.remembered.fetch_add(1, Relaxed);
                return self.answer(&question);
            }
            if under_way.insert(question) {
                break;
            }
            under_way = self.answered.wait(under_way).unwrap_or_else(PoisonError::into_inner);
        }
        drop(under_way);
        // Also when `ask` panics: who waits asks for itself then.
        let _done = UnderWay { cache: self, question };
        self.ask(&[question], &[0], |_| vec![ask()])?;
        self.answer(&question)
    }

    fn ask(
        &self,
        questions: &[ContentHash],
        missing: &[usize],
        ask: impl FnOnce(&[usize]) -> Vec<Result<Vec<u8>, Refusal>>,
    ) -> Result<(), Refusal> {
        if missing.is_empty() {
            return Ok(());
        }
        let contents = missing.iter().map(|place| questions[*place]);
        if let Some(log) = &self.log {
            lock(log).extend(contents.clone().map(|content| (self.name, content)));
        }
        self.asked.fetch_add(missing.len() as u64, Relaxed);
        let begin = Instant::now();
        let answers = ask(missing);
        self.nanos.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
        if answers.len() != missing.len() {
            let message =
                format!("{} answers to {} questions of {}", answers.len(), missing.len(), self.name);
            return Err(Refusal::transient("wrong_count", message));
        }
        let written = |blob: Vec<u8>| {
            let mut hash = [0; NARROW];
            hash.copy_from_slice(&ContentHash::of(&blob).0[..NARROW]);
            Written { inline: Inline::of(hash), blob: Some(blob) }
        };
        let mut batch = Vec::with_capacity(missing.len());
        for (content, answer) in contents.zip(answers) {
            match answer {
                Err(refusal) if !refusal.is_permanent() => {
                    self.memo.refuse_for_now(content, refusal);
                }
                answer => batch.push((content, answer.map(written))),
            }
        }
        match self.memo.put(&batch) {
            Ok(_) => Ok(()),
            Err(error) => Err(Refusal::transient("unwritable_memo", error.to_string())),
        }
    }

    fn answer(&self, content: &ContentHash) -> Result<Arc<[u8]>, Refusal> {
        if let Some(known) = lock(&self.kept).answers.get(content) {
            return Ok(known.clone());
        }
        let blob: Arc<[u8]> = match self.memo.read(content) {
            Ok(Some(blob)) => blob.map_err(|refusal| (*refusal).clone())?.into(),
            Ok(None) => {
                return Err(Refusal::transient("not_remembered", format!("{} lost an answer", self.name)));
            }
            Err(error) => return Err(Refusal::transient("unreadable_memo", error.to_string())),
        };
        let mut kept = lock(&self.kept);
        if kept.bytes + blob.len() <= MOST_KEPT && kept.answers.insert(*content, blob.clone()).is_none() {
            kept.bytes += blob.len();
        }
        Ok(blob)
    }
}

/// A question that is being asked by [`AnswerCache::look_up_one`].
struct UnderWay<'a> {
    cache: &'a AnswerCache,
    question: ContentHash,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.cache.under_way).remove(&self.question);
        self.cache.answered.notify_all();
    }
}

impl Watched for AnswerCache {
    fn status(&self) -> StageStatus {
        let seconds = self.nanos.load(Relaxed) as f64 / 1e9;
        let asked = self.asked.load(Relaxed);
        let remembered = self.remembered.load(Relaxed);
        let asked = Asked { asked, answered: asked, remembered, ..Asked::default() };
        StageStatus {
            name: self.name,
            asks_servers: false,
            stamp: self.memo.stamp(),
            model: self.model.clone(),
            asked,
            in_flight: 0,
            at_work: 0,
            waiting_for_a_batch: 0,
            lines: Vec::new(),
            prepare_seconds: 0.0,
            answer_seconds: seconds,
            cost: *lock(&self.cost),
            wall_seconds: seconds,
        }
    }
    fn give_up_the_late(&self, _now: Instant) {}
    fn without_the_known(&self, questions: Vec<Question>) -> Vec<Question> {
        questions
    }
    fn asks_in_turn(&self, _questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        Vec::new()
    }
    fn sync(&self) -> Result<(), MemoError> {
        self.memo.sync()
    }
    fn forget_failures(&self) {
        self.memo.forget_refusals_for_now();
    }
    fn stop(&self) {}
    fn close(&self) {
        self.memo.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{LaneOptions, Mode};
    use crate::shard::{Catalogue, ReadOptions};

    fn lanes(folder: &std::path::Path) -> Arc<Lanes> {
        let catalogue = Catalogue::open(folder, ReadOptions::default(), false).unwrap();
        let options = LaneOptions {
            mode: Mode::Ask,
            pool_threads: 1,
            pool_queue: 1,
            decoded_bytes: 1 << 20,
            deadline: std::time::Duration::from_secs(60),
            memos: crate::memo::Places::alone(&folder.join("memo"), 0),
            log: None,
        };
        Lanes::open(options, Arc::new(catalogue))
    }

    fn open(lanes: &Arc<Lanes>) -> Arc<AnswerCache> {
        let stamp = Stamp::of(&[("operator", b"words/1")]);
        AnswerCache::open("words", stamp, "none".into(), lanes).unwrap()
    }

    #[test]
    fn each_question_is_asked_once_in_this_run_and_in_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let questions = [1_u8, 2, 1, 3].map(|n| ContentHash::of(&[n]));
        for (run, expected) in [(0, vec![0, 1, 3]), (1, vec![])] {
            let lanes = lanes(folder.path());
            let cache = open(&lanes);
            let mut asked = Vec::new();
            let said = cache.look_up(&questions, |missing| {
                asked = missing.to_vec();
                let answer = |place: &usize| match place {
                    3 => Err(Refusal::permanent("tested", "no")),
                    place => Ok(vec![*place as u8; 300]),
                };
                missing.iter().map(answer).collect()
            });
            assert_eq!(asked, expected, "run {run}");
            let said: Vec<_> =
                said.into_iter().map(|said| said.map(|blob| blob[0]).map_err(|r| r.class)).collect();
            assert_eq!(said, [Ok(0), Ok(1), Ok(0), Err("tested".into())]);
            cache.look_up(&questions, |_| panic!("all of it is known"));
            assert_eq!(cache.status().asked.asked, expected.len() as u64);
        }
    }

    #[test]
    fn what_a_device_refused_is_asked_again_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let questions = [1_u8, 2].map(|n| ContentHash::of(&[n]));
        for said in ["device_lost", "device_lost", "too_long"] {
            let lanes = lanes(folder.path());
            let cache = open(&lanes);
            let refuse = if said == "too_long" { Refusal::permanent } else { Refusal::transient };
            let mut asked = 0;
            for _ in 0..2 {
                let answers = cache.look_up(&questions, |missing| {
                    asked += missing.len();
                    missing.iter().map(|_| Err(refuse(said, "no"))).collect()
                });
                assert!(answers.iter().all(|answer| answer.as_ref().unwrap_err().class == said));
            }
            assert_eq!(asked, 2, "once a run");
        }
        let lanes = lanes(folder.path());
        assert!(open(&lanes).knows(&questions[0]), "what is of the content stays");
    }

    #[test]
    fn one_question_at_once_is_asked_once_while_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let lanes = lanes(folder.path());
        let cache = open(&lanes);
        let asked = std::sync::atomic::AtomicUsize::new(0);
        // Four threads a question, and every question waits until each of the eight was taken up: none may hold another up.
        let all = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for n in 0..32_u8 {
                let (cache, asked, all) = (&cache, &asked, &all);
                scope.spawn(move || {
                    let answer = cache.look_up_one(ContentHash::of(&[n % 8]), || {
                        asked.fetch_add(1, Relaxed);
                        all.wait();
                        Ok(vec![n % 8; 3])
                    });
                    assert_eq!(*answer.unwrap(), [n % 8; 3]);
                });
            }
        });
        assert_eq!(asked.load(Relaxed), 8);
        assert_eq!((cache.status().asked.asked, cache.status().asked.remembered), (8, 24));
    }

    #[test]
    fn a_panic_while_asking_leaves_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let lanes = lanes(folder.path());
        let cache = open(&lanes);
        let question = ContentHash::of(b"1");
        let ask = || cache.look_up_one(question, || panic!("tested"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)).is_err());
        assert_eq!(*cache.look_up_one(question, || Ok(vec![7])).unwrap(), [7]);
    }

    #[test]
    fn books_of_one_stamp_keep_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let answer = |n: u8| vec![n; 500 + 70 * usize::from(n)];
        for run in 0..2 {
            let lanes = lanes(folder.path());
            let caches = [open(&lanes), open(&lanes)];
            for n in 0..40_u8 {
                let cache = &caches[usize::from(n % 2)];
                let said = cache.look_up_one(ContentHash::of(&[n]), || {
                    assert_eq!(run, 0, "{n} was lost");
                    Ok(answer(n))
                });
                assert_eq!(*said.unwrap(), answer(n));
            }
            // What one was told the other knows.
            let said = caches[1].look_up_one(ContentHash::of(&[0]), || panic!("it is known"));
            assert_eq!(*said.unwrap(), answer(0));
        }
    }

    #[test]
    fn what_is_forgotten_is_asked_again_and_another_answer_is_told_from_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let question = ContentHash::of(b"1");
        let said = |cache: &AnswerCache, text: &str| {
            cache.look_up_one(question, || Ok(text.into())).unwrap().to_vec()
        };
        {
            let lanes = lanes(folder.path());
            let cache = open(&lanes);
            assert_eq!((said(&cache, "one"), said(&cache, "two")), (b"one".into(), b"one".into()));
            assert!(cache.keeps(&question, ContentHash::of(b"one")));
            cache.forget(&question).unwrap();
            assert!(!cache.knows(&question) && !cache.keeps(&question, ContentHash::of(b"one")));
            assert_eq!(said(&cache, "two"), b"two");
        }
        let lanes = lanes(folder.path());
        let cache = open(&lanes);
        assert_eq!(said(&cache, "three"), b"two", "what took its place is remembered");
        assert!(
            cache.keeps(&question, ContentHash::of(b"two"))
                && !cache.keeps(&question, ContentHash::of(b"one"))
        );
    }

    #[test]
    fn too_few_answers_are_refused_and_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let lanes = lanes(folder.path());
        let cache = open(&lanes);
        let question = [ContentHash::of(b"1")];
        assert_eq!(cache.look_up(&question, |_| vec![])[0].as_ref().unwrap_err().class, "wrong_count");
        assert!(!cache.knows(&question[0]));
    }
}
