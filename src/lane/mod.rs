//! The only room that may block: a bounded queue in front of a pool. It knows nothing of timely. Whoever asks gives it a callback, which
//! wakes the asker.
//!
//! A question goes from `try_ask` to the shared decode pool (`pool`), to the stage's own batches (`batch`), to the memo, and to the
//! mailboxes of all that asked. If an operator prepares a question when it takes it up, questions first wait in a `line`, where they hold
//! nothing, and the operator's sessions do both halves. One [`Budget`] of bytes for each process bounds the decoded pictures. A permit is
//! taken before decoding and returned when the answer is there.

mod answer_cache;
mod answering;
mod asking;
mod batch;
mod budget;
mod endpoint;
mod in_flight;
mod limits;
mod line;
mod operator;
mod pool;
mod preparing;
mod recall;
mod stage;
mod status;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use answer_cache::AnswerCache;
pub(crate) use asking::Asking;
pub use budget::{Budget, Permit};
pub use endpoint::Endpoint;
pub use in_flight::{Completion, Mailbox, Question};
pub use limits::Limits;
pub use operator::{Answer, Key, Known, Looks, Operator, Prepares, Reply, Scores, Subject, Together};
pub use pool::Pool;
pub(crate) use recall::Recalled;
pub use stage::Stage;
pub(crate) use stage::decode_answer;
pub use status::{Asked, LineStatus, PoolStatus, StageStatus};

use crate::memo::{Access, Damage, Memo, MemoError, Places};
use crate::row::{ContentHash, Stamp};
use crate::shard::{Catalogue, ShardNames};

/// Called from any thread to say: look again.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Locks, whatever a panicking thread left behind: every value under a lock here is whole between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether stages answer questions or only count what they would be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Ask,
    /// Nothing is asked and nothing is written: what `plan` runs in.
    Plan,
    /// Questions are held back until the session [asks](Lanes::ask_now), and again when it [holds them back](Lanes::hold_back).
    Live,
}

/// A record of every question that was really asked: stage and content, in the order the lanes took them.
pub type AskLog = Arc<Mutex<Vec<(&'static str, ContentHash)>>>;

/// What the lanes of a process are made with.
pub struct LaneOptions {
    pub mode: Mode,
    /// Threads of the decode pool.
    pub pool_threads: usize,
    /// Questions that may wait for the pool.
    pub pool_queue: usize,
    /// The budget for decoded pictures, in bytes.
    pub decoded_bytes: u64,
    /// How long an answer may take from when its question is taken up.
    pub deadline: Duration,
    /// Where memos lie. Refusals of earlier generations are asked again.
    pub memos: Places,
    pub log: Option<AskLog>,
}

/// What all lanes of a process share, and the register of its stages.
pub struct Lanes {
    pub(crate) mode: Mode,
    pub(crate) pool: Pool,
    pub(crate) budget: Arc<Budget>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) deadline: Duration,
    pub(crate) memos: Places,
    pub(crate) log: Option<AskLog>,
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) asking: Arc<Asking>,
    stages: Mutex<Vec<Arc<dyn Watched>>>,
    endpoints: Mutex<Vec<Arc<dyn Endpoint>>>,
    open_memos: Mutex<HashMap<ContentHash, Arc<Memo>>>,
    damages: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

/// A stage seen without its types: for progress, summaries and the watch over deadlines.
pub trait Watched: Send + Sync {
    fn status(&self) -> StageStatus;
    /// See [`Operator::demonstration`].
    fn demonstration(&self) -> Option<String> {
        None
    }
    /// Gives up on what has been in the lane for longer than its deadline.
    fn give_up_the_late(&self, now: Instant);
    /// The questions that would really be asked: the samples of the others bring their answers along.
    fn without_the_known(&self, questions: Vec<Question>) -> Vec<Question>;
    /// What else answering these questions would ask, by stage.
    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)>;
    fn sync(&self) -> Result<(), MemoError>;
    /// What was refused and may go well the next time is forgotten.
    fn forget_failures(&self);
    fn stop(&self);
    /// Nothing more is remembered.
    fn close(&self);
}

impl Lanes {
    pub fn open(options: LaneOptions, catalogue: Arc<Catalogue>) -> Arc<Self> {
        let trouble = Arc::new(Trouble::default());
        let lanes = Arc::new(Lanes {
            mode: options.mode,
            pool: Pool::open(options.pool_threads, options.pool_queue),
            budget: Budget::new(options.decoded_bytes),
            catalogue,
            deadline: options.deadline,
            memos: options.memos,
            log: options.log,
            trouble,
            asking: Arc::new(Asking::in_mode(options.mode)),
            stages: Mutex::default(),
            endpoints: Mutex::default(),
            open_memos: Mutex::default(),
            damages: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        match &lanes.pool.failed {
            Some(why) if lanes.pool.threads() == 0 => lanes.trouble.report(why),
            Some(why) => {
                crate::note!("warning: {} threads decode, and not more: {why}", lanes.pool.threads())
            }
            None => {}
        }
        watch_deadlines(&lanes);
        lanes
    }

    pub(crate) fn access(&self) -> Access {
        match self.mode {
            Mode::Ask | Mode::Live => Access::ReadWrite,
            Mode::Plan => Access::ReadOnly,
        }
    }

    /// How pictures are shown to who looks at pixels, where that is not the usual way, upright: a part of the stamp of every answer
    /// that rests on them.
    pub fn shown(&self) -> Option<&'static [u8]> {
        (!self.catalogue.options().exif_orientation).then_some(b"as stored")
    }

    /// The memo of a stamp: one for all stages and caches of that stamp, since a log has one writer.
    pub(crate) fn memo(&self, stamp: Stamp) -> Result<Arc<Memo>, MemoError> {
        let mut open = lock(&self.open_memos);
        if let Some(known) = open.get(&stamp.0) {
            return Ok(known.clone());
        }
        let memo = Arc::new(Memo::open_among(&self.memos, stamp, self.access())?);
        open.insert(stamp.0, memo.clone());
        let damage = memo.damage();
        // The tail that a reader sees beside a run may be one that is being written.
        let is_worse = |damage: &Damage| damage.header || damage.places > 0;
        let path = Memo::path(&self.memos.own.folder, stamp);
        let own =
            (damage.is_new() && (self.mode != Mode::Plan || is_worse(damage))).then_some((&*path, damage));
        for (path, damage) in own.into_iter().chain(memo.damage_of_others().filter(|(_, it)| is_worse(it))) {
            self.tell_damage(format!(
                "the memo {}: {damage}; all other answers hold, and what is lost is asked again",
                path.display()
            ));
        }
        Ok(memo)
    }

    /// Says on stderr, and in the summary, what of the store is damaged.
    pub fn tell_damage(&self, what: String) {
        crate::note!("warning: {what}");
        lock(&self.damages).push(what);
    }

    /// What was told of the store's damage.
    pub fn damages(&self) -> Vec<String> {
        lock(&self.damages).clone()
    }

    /// How long the files of the open memos are, by stamp; nothing once they are closed.
    pub fn memo_lengths(&self) -> Vec<(Stamp, u64)> {
        lock(&self.open_memos).values().map(|memo| (memo.stamp(), memo.length())).collect()
    }

    pub(crate) fn register(&self, stage: Arc<dyn Watched>) {
        lock(&self.stages).push(stage);
    }

    /// Ends this endpoint's waiting when the lanes stop, tells of it while it goes on and in summaries. Once is enough.
    pub fn watch(&self, endpoint: Arc<dyn Endpoint>) {
        let mut endpoints = lock(&self.endpoints);
        // Two of one address may have a key each.
        if !endpoints.iter().any(|known| Arc::ptr_eq(known, &endpoint)) {
            endpoints.push(endpoint);
        }
    }

    /// The endpoints that stages ask.
    pub fn endpoints(&self) -> Vec<Arc<dyn Endpoint>> {
        lock(&self.endpoints).clone()
    }

    /// How every stage stands, in the order they were opened.
    pub fn status(&self) -> Vec<StageStatus> {
        lock(&self.stages).iter().map(|stage| stage.status()).collect()
    }

    /// The stages that are there to demonstrate, by name, and what of each: see [`Operator::demonstration`].
    pub fn demonstrations(&self) -> Vec<(&'static str, String)> {
        let stages = lock(&self.stages);
        stages.iter().filter_map(|stage| Some((stage.status().name, stage.demonstration()?))).collect()
    }

    /// The questions among these that the stage of this name would really ask. Not for a worker thread.
    pub fn without_the_known(&self, stage: &str, questions: Vec<Question>) -> Vec<Question> {
        let stages = lock(&self.stages).clone();
        let asked = stages.iter().find(|known| known.status().name == stage);
        asked.map(|known| known.without_the_known(questions)).unwrap_or_default()
    }

    /// What else the stage of this name would ask if it were asked these questions, by stage.
    pub fn asks_in_turn(&self, stage: &str, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        let stages = lock(&self.stages).clone();
        let asked = stages.iter().filter(|known| known.status().name == stage);
        asked.flat_map(|known| known.asks_in_turn(questions)).collect()
    }

    /// The names of the shards that were loaded, by number.
    pub fn shard_names(&self) -> ShardNames {
        self.catalogue.names()
    }

    /// The shards of the run, for operators that read other files of a sample than its picture.
    pub fn shards(&self) -> Arc<Catalogue> {
        self.catalogue.clone()
    }

    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub fn trouble(&self) -> &Arc<Trouble> {
        &self.trouble
    }

    /// Questions waiting for the decode pool.
    pub fn queued(&self) -> usize {
        self.pool.queued()
    }

    /// How the decode pool stands.
    pub fn pool_status(&self) -> PoolStatus {
        PoolStatus { threads: self.pool.threads(), queued: self.pool.queued() }
    }

    /// Makes every memo survive a power cut.
    pub fn sync(&self) -> Result<(), MemoError> {
        let stages = lock(&self.stages).clone();
        stages.iter().try_for_each(|stage| stage.sync())
    }

    /// What is being answered and worth waiting for, stage by stage, for people. What servers were asked that have ceased to answer
    /// is not: nothing comes of it. An answer that has come is under way until it is remembered, which may take a while: pictures
    /// are decoded.
    pub fn under_way(&self) -> Vec<String> {
        let stages: Vec<_> = self.status().into_iter().filter(|stage| stage.at_work > 0).collect();
        let ask: usize = stages.iter().filter(|stage| stage.asks_servers).map(|stage| stage.at_work).sum();
        let in_vain: usize = self.endpoints().iter().map(|endpoint| endpoint.in_vain()).sum();
        let worth = stages.into_iter().filter(|stage| ask > in_vain || !stage.asks_servers);
        worth.map(|stage| format!("{} of {}", stage.at_work, stage.name)).collect()
    }

    /// After [`Lanes::stop`]: waits until what is [under way](Lanes::under_way) is answered and remembered, but not for ever.
    pub fn wait_for_answers(&self, most: Duration) {
        let begin = Instant::now();
        while !self.under_way().is_empty() && begin.elapsed() < most {
            #[expect(clippy::disallowed_methods, reason = "the thread that ends the run, which may wait")]
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends all writing to the store: what is still at work after this is remembered no more.
    pub fn close(&self) {
        let stages = lock(&self.stages).clone();
        stages.iter().for_each(|stage| stage.close());
    }

    /// Drops what waits; what is being answered is still answered and remembered.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.pool.stop();
        self.budget.open_wide();
        let stages = lock(&self.stages).clone();
        stages.iter().for_each(|stage| stage.stop());
        self.endpoints().iter().for_each(|endpoint| endpoint.stop());
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What ends a run: a disk that is full, a model that no longer opens. The first is kept, and looked at by the run's loop.
#[derive(Default)]
pub struct Trouble {
    seen: AtomicBool,
    first: Mutex<Option<String>>,
}

impl Trouble {
    pub fn report(&self, what: impl fmt::Display) {
        let mut first = lock(&self.first);
        first.get_or_insert_with(|| what.to_string());
        self.seen.store(true, Ordering::Release);
    }

    fn forget(&self) {
        let mut first = lock(&self.first);
        self.seen.store(false, Ordering::Release);
        *first = None;
    }

    pub fn seen(&self) -> Option<String> {
        if self.seen.load(Ordering::Acquire) { lock(&self.first).clone() } else { None }
    }
}

/// One thread a process looks twice a second for questions past their deadline.
fn watch_deadlines(lanes: &Arc<Lanes>) {
    let watched = Arc::downgrade(lanes);
    let watch = move || {
        loop {
            #[expect(clippy::disallowed_methods, reason = "a thread of the lane, which may wait")]
            std::thread::sleep(Duration::from_millis(500));
            let Some(lanes) = watched.upgrade().filter(|lanes| !lanes.stopped.load(Ordering::Acquire)) else {
                return;
            };
            let stages = lock(&lanes.stages).clone();
            stages.iter().for_each(|stage| stage.give_up_the_late(Instant::now()));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("deadlines".into()).spawn(watch) {
        // A question that nobody gives up on could hold the run up for ever.
        lanes.trouble.report(crate::limits::no_thread("to watch deadlines", &error));
    }
}
