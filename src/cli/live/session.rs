//! The session: an opened run that stays. One thread owns it; who serves requests asks that thread by a [`Desk`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use super::apply::Apply;
use super::clock::Clock;
use super::history::History;
use super::labels::Labelling;
use super::listed::WithRows;
use super::looks::{Looks, looks};
use super::noted::Noted;
use super::order::Order;
use super::together::Together;
use super::{Events, LiveOptions, Problem, exact, view};
use crate::cli::plan::{self, Published};
use crate::cli::run::{Opened, Unopened, check_places, open, settings_wanted, stopped};
use crate::cli::{Failure, RunOptions, cluster, removed, signals};
use crate::flow::{Progress, Setting, Verdicts};
use crate::lane::{Lanes, Mode};
use crate::limits;
use crate::publish;
use crate::row::ContentHash;

/// What is done on the session's thread.
type Job = Box<dyn for<'s, 'a> FnOnce(&'s mut Session<'a>) + Send>;

/// How long the session waits for a request while nothing is under way.
const IDLE: Duration = Duration::from_millis(250);
/// And while questions are asked.
const BUSY: Duration = Duration::from_millis(20);
/// Rows of shards that stay open: the pictures at the cut lie in as many shards, and others with every step of a drag. Some 280 bytes a row.
const LOOKED_AT: usize = 1 << 20;
/// After a failure, the dataflow comes to rest in this time, or never.
const STUCK: Duration = Duration::from_secs(20);

/// A run that stays: its shards, memos and dataflow.
pub(in crate::cli) struct Session<'a> {
    pub(super) options: &'a RunOptions,
    pub(super) pipeline: &'a Unopened<'a>,
    pub(super) opened: Opened,
    /// Where the dials were put.
    pub(super) settings: Vec<Setting>,
    pub(super) history: History,
    /// Rises with every change of the dataflow.
    pub(super) version: u64,
    /// Questions that were held back when they were answered: for another row, or while the asking was stopped.
    pub(super) answered_since: Vec<(&'static str, ContentHash)>,
    /// Rises when questions were answered.
    pub(super) answers: u64,
    /// What is published.
    pub(super) before: Published,
    pub(super) published_at: Option<SystemTime>,
    /// Where the dials stood then.
    pub(super) published_dials: HashMap<String, f32>,
    pub(super) apply: Option<Apply>,
    /// The rows at cuts that were looked up while questions were asked.
    pub(super) seen_cuts: HashMap<(usize, usize), (Instant, WithRows)>,
    pub(super) noted: Noted,
    pub(super) events: Arc<dyn Events>,
    /// Shards that are there, and are not in: they are being written.
    pub(super) waiting_shards: Vec<String>,
    /// Something changed since the last publishing by the clock.
    pub(super) changed: bool,
    /// Of process 0.
    pub(super) labelling: Option<Labelling>,
    /// When it publishes by itself.
    pub(super) clock: Option<Clock>,
    pub(super) together: Together,
}

/// Where a session is asked for something. Its thread does one thing after the other.
#[derive(Clone)]
pub(in crate::cli) struct Desk {
    jobs: Sender<Job>,
}

/// The session ended before it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the session has ended; start it again: answers and labels are kept")]
pub(in crate::cli) struct Ended;

impl Desk {
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (jobs, receiver) = unbounded();
        (Desk { jobs }, receiver)
    }

    /// What `work` comes to on the session's thread. Waits for it.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl for<'s, 'a> FnOnce(&'s mut Session<'a>) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (sender, receiver) = bounded(1);
        let job: Job = Box::new(move |session| drop(sender.send(work(session))));
        self.jobs.send(job).map_err(|_| Ended)?;
        #[expect(clippy::disallowed_methods, reason = "a thread that serves a request, which may wait")]
        receiver.recv().map_err(|_| Ended)
    }
}

impl<'a> Session<'a> {
    /// Opens everything, hands in the shards, and plans: nothing is asked yet.
    pub(super) fn open(
        options: &'a RunOptions,
        pipeline: &'a Unopened<'a>,
        live: &LiveOptions,
        events: Arc<dyn Events>,
    ) -> Result<(Self, Looks), Failure> {
        let settings = settings_wanted(pipeline.dials, options)?;
        check_places(options, true)?;
        let mut opened = open(options, pipeline, Mode::Live, &settings, None)?;
        let tick = &mut cluster::until_it_ends(opened.cluster.as_ref());
        let looks = if live.watch { looks(&opened.sources) } else { Looks::default() };
        opened.catalogue.keep_open(LOOKED_AT);
        opened.rows_in = live.watch.then(HashMap::new);
        opened.insert_all(tick)?;
        opened.engine.settle(tick).map_err(stopped)?;
        let leads = opened.cluster.as_ref().is_none_or(|cluster| cluster.leads());
        if leads && opened.cluster.is_some() {
            // Labels have one writer.
            opened.store.hold_the_first()?;
        }
        let labelling = leads.then(|| Labelling::open(opened.store.folder())).transpose();
        let labelling = labelling.map_err(|error| Failure::Failed(error.to_string()))?;
        let noted = Noted::default();
        let mut session = Session {
            options,
            pipeline,
            opened,
            history: History::new(settings.clone()),
            settings,
            version: 0,
            answered_since: Vec::new(),
            answers: 0,
            before: Published::default(),
            published_at: None,
            published_dials: HashMap::new(),
            apply: None,
            seen_cuts: HashMap::new(),
            noted,
            events,
            waiting_shards: Vec::new(),
            changed: true,
            labelling,
            clock: live.publish_every.filter(|_| leads).map(Clock::every),
            together: Together::default(),
        };
        session.see_what_was_answered();
        session.look_at_what_is_published()?;
        session.see_the_others()?;
        Ok((session, looks))
    }

    /// Says how things stand when all shards are in.
    pub(super) fn say(&self, took: Duration) {
        let all = self.all();
        let asks: Vec<String> =
            all.asks.iter().map(|(stage, questions)| format!("{questions} of {stage}")).collect();
        let asks = if asks.is_empty() {
            "nothing is to be asked".to_owned()
        } else {
            format!("to be asked: {}", asks.join(", "))
        };
        crate::note!(
            "{} rows in {:.1} s: {} kept, {} undecided; {asks}",
            all.rows,
            took.as_secs_f64(),
            all.kept,
            all.undecided
        );
    }

    /// Works off requests until the session is told to end.
    pub(super) fn serve(mut self, jobs: &Receiver<Job>) -> Result<(), Failure> {
        let ended = loop {
            if let Some(job) = self.opened.engine.listen(jobs, self.pause_between()) {
                job(&mut self);
            }
            if let Err(failure) = self.is_broken() {
                break Err(failure);
            }
            if signals::stopped() {
                break self.together(&Order::End, |_| Ok(())).map_err(Problem::into_failure);
            }
            if let Some(why) = limits::stops() {
                break Err(Failure::Failed(why));
            }
            if let Some(lost) = self.cluster().and_then(|cluster| cluster.lost()) {
                break Err(Failure::Failed(lost.to_string()));
            }
            if let Err(failure) = self.go_on().and_then(|()| self.by_the_clock()) {
                break Err(failure);
            }
        };
        self.tell_of_a_failure(&ended);
        self.end(ended.is_ok());
        ended
    }

    /// How long it may listen before it looks at what is going on.
    pub(super) fn pause_between(&self) -> Duration {
        if self.apply.is_some() { BUSY } else { IDLE }
    }

    /// What was answered stays answered. Several processes end together, where it went well in all.
    pub(super) fn end(&mut self, in_order: bool) {
        let lanes = self.opened.lanes.clone();
        lanes.hold_back();
        lanes.stop();
        let waits = lanes.under_way();
        if !waits.is_empty() {
            crate::note!("waits for what is under way, up to 60 s: {}", waits.join(", "));
            lanes.wait_for_answers(Duration::from_secs(60));
        }
        if let Err(failure) = self.note_here() {
            crate::note!("error: {failure}");
        }
        lanes.close();
        if let (Some(cluster), true) = (self.cluster().cloned(), in_order) {
            drop(self.opened.engine.end());
            // Whoever is not there any more has nothing left to do.
            let _ = cluster.finish();
        }
    }

    /// As [`note_here`](Session::note_here), in all processes.
    pub(super) fn note(&mut self) -> Result<(), Failure> {
        let noted = self.note_here();
        self.agree(noted).map(drop)
    }

    /// Makes answers survive a power cut, and notes what they took.
    fn note_here(&mut self) -> Result<(), Failure> {
        let lanes = &self.opened.lanes;
        lanes.sync()?;
        let stages = self.noted.since(lanes.status());
        self.opened.store.note_run(self.pipeline.name, &stages, &lanes.memo_lengths())?;
        self.noted.note(lanes.status());
        Ok(())
    }

    pub(super) fn lanes(&self) -> &Arc<Lanes> {
        &self.opened.lanes
    }

    /// Waits until all stands, while questions are held back: that is the dataflow's own time.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        // Of several processes, one may have handed in much more than another.
        self.gather(()).map_err(Problem::into_failure)?;
        let (lanes, begin) = (self.lanes().clone(), Instant::now());
        // With questions held back, only what failed for good keeps the dataflow from coming to rest.
        let mut ticking = self.ticking();
        let mut tick = |progress: &Progress, verdicts: &Verdicts| match lanes.trouble().seen() {
            Some(why) if begin.elapsed() > STUCK => Err(why),
            _ => ticking(progress, verdicts),
        };
        let settled = self.opened.engine.settle(&mut tick);
        self.waited(settled)?;
        self.version += 1;
        Ok(())
    }

    /// Reads what is published, and counts against it.
    pub(super) fn look_at_what_is_published(&mut self) -> Result<(), Failure> {
        let read = || {
            let dials = publish::dials_of(&self.options.out)?;
            let before = dials.is_some().then(|| plan::published_rows(&self.options.out, &self.opened));
            Ok((dials, before.transpose()?.unwrap_or_default()))
        };
        let read: Result<(_, Published), Failure> = read();
        let found = read.as_ref().map(|(_, before)| before.found()).map_err(Failure::clone);
        let found = self.agree(found)?;
        let (dials, before) = read?;
        self.published_dials = dials.into_iter().flatten().map(|dial| (dial.name, dial.value)).collect();
        self.before = before.beside(&found, self.cluster().map(|cluster| cluster.place().index));
        let manifest = self.options.out.join("manifest.json");
        self.published_at = std::fs::metadata(manifest).and_then(|meta| meta.modified()).ok();
        let published: Vec<_> = self.before.kept.iter().copied().collect();
        self.opened.engine.mark_published(published);
        self.version += 1;
        Ok(())
    }

    /// Tells everybody who looks at the session how things stand, in all processes.
    pub(super) fn tell(&mut self) -> Result<(), Failure> {
        self.see_the_others()?;
        if self.leads() {
            self.events.tell("counts", &exact(&view::counts(self)));
        }
        Ok(())
    }

    /// Tells everybody, and stderr, of what failed and does not end the session.
    pub(super) fn tell_trouble(&self, what: &str) {
        if !self.leads() {
            return;
        }
        crate::note!("warning: {what}");
        self.events.tell("trouble", &serde_json::json!({ "what": what }));
    }

    /// What the shards do not hold any more of what is published.
    pub(super) fn gone(&mut self) -> Result<publish::Removed, Failure> {
        let failed = |error: serde_json::Error| Failure::Failed(error.to_string());
        let own = removed::of(self.options, &self.opened);
        let own = own.and_then(|gone| serde_json::to_string(&gone).map_err(failed));
        let all = self.agree(own)?.into_iter().map(|gone| serde_json::from_str(&gone).map_err(failed));
        let gone = publish::Removed::of_all(all.collect::<Result<Vec<_>, _>>()?);
        removed::check(self.options, &gone)?;
        Ok(gone)
    }
}

/// Since when something lasts.
pub(super) fn seconds_since(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64()
}
