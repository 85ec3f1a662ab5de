//! Brings the shards in: indexes them beside the dataflow, and hands in their rows.

mod next;

use std::sync::Arc;
use std::time::Duration;

use next::Next;

use super::Failure;
use super::run::{Opened, stopped};
use crate::flow::{Fed, Progress, Tick, Verdicts};
use crate::limits::no_thread;
use crate::publish::Demonstration;
use crate::row::{Image, Refused, RowId};
use crate::shard::Shard;

/// How long is waited for the next shard before the dataflow is looked at again: alone, and where others wait for this process, too.
const LOOK_EVERY: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(5)];

/// The rows that a shard brings, in the order of its samples.
pub fn rows_of(shard: &Shard) -> impl ExactSizeIterator<Item = Fed> + '_ {
    let seq = shard.seq;
    shard.index.samples.iter().enumerate().map(move |(member, sample)| {
        let id = RowId { shard: seq, member: member as u32 };
        match &sample.picture {
            Ok(picture) => Fed::Image(Image {
                id,
                content: picture.content,
                width: picture.width,
                height: picture.height,
            }),
            Err(refusal) => {
                Fed::Refused(id, Box::new(Refused { stage: "probe".into(), refusal: refusal.clone() }))
            }
        }
    })
}

impl Opened {
    /// Indexes the shards on threads of their own and hands in their rows as they come.
    pub(super) fn insert_all(
        &mut self,
        tick: &mut dyn FnMut(&Progress, &Verdicts) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let (sender, receiver) = crossbeam::channel::bounded::<Result<(String, Arc<Shard>), Failure>>(2);
        let next = Next::of(self.cluster.as_ref());
        let look_every = LOOK_EVERY[usize::from(self.cluster.is_some())];
        let (sources, catalogue) = (self.sources.clone(), self.catalogue.clone());
        let (sources, catalogue, objects) = (&sources, &catalogue, self.objects.clone());
        std::thread::scope(|threads| {
            let mut started = 0;
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(4) {
                let (sender, next) = (sender.clone(), &next);
                let index = move || {
                    loop {
                        let loaded = match next.next(sources) {
                            Ok(Some(source)) => {
                                let shard = catalogue.load(source).map_err(Failure::from);
                                shard.map(|shard| (source.name.clone(), shard))
                            }
                            Ok(None) => return,
                            Err(failure) => Err(failure),
                        };
                        let failed = loaded.is_err();
                        if sender.send(loaded).is_err() || failed {
                            return;
                        }
                    }
                };
                match std::thread::Builder::new().name("index".into()).spawn_scoped(threads, index) {
                    Ok(_) => started += 1,
                    // One that could be started does the work of all.
                    Err(_) if started > 0 => break,
                    Err(error) => return Err(Failure::Failed(no_thread("to index shards", &error))),
                }
            }
            drop(sender);
            // Moved in here, so that leaving early drops it and lets the threads go.
            let receiver = receiver;
            let _ends = next.ends();
            let mut take_all = || -> Result<(), Failure> {
                loop {
                    next.look(self.engine.verdicts(), &self.lanes);
                    let loaded: Result<_, Failure> = match receiver.recv_timeout(look_every) {
                        Ok(loaded) => loaded,
                        Err(crossbeam::channel::RecvTimeoutError::Disconnected) => return Ok(()),
                        Err(crossbeam::channel::RecvTimeoutError::Timeout) => {
                            self.engine.keep_up();
                            tick(&self.engine.progress(), self.engine.verdicts()).map_err(Failure::Failed)?;
                            continue;
                        }
                    };
                    let (name, shard) = loaded?;
                    self.take_in(&name, &shard, tick)?;
                    next.is_in();
                }
            };
            let taken = take_all();
            if taken.is_err() {
                // The threads are waited for: none of them goes on fetching for a run that has failed.
                objects.end();
            }
            taken
        })?;
        self.shards.sort();
        Ok(())
    }

    /// Hands in the rows of a shard.
    pub(super) fn take_in(&mut self, name: &str, shard: &Arc<Shard>, tick: Tick<'_>) -> Result<(), Failure> {
        self.remarks.see(shard, &self.catalogue.sidecar_fields());
        if !self.is_foreign && is_foreign(shard) {
            self.is_foreign = true;
            warn_of(&self.demonstration);
        }
        if let Some(rows) = &mut self.rows_in {
            rows.insert(shard.seq, rows_of(shard).collect());
        }
        match self.part.as_ref().and_then(|part| part.only.as_ref()) {
            None => self.engine.insert(shard.seq, rows_of(shard), tick).map_err(stopped)?,
            Some(only) => {
                let keys = only.keys(name);
                let is_meant = |key: &str| keys.is_some_and(|keys| keys.contains(key));
                let rows = rows_of(shard).zip(&shard.index.samples);
                let rows: Vec<Fed> =
                    rows.filter(|(_, sample)| is_meant(&sample.key)).map(|(row, _)| row).collect();
                let all = shard.index.samples.len();
                self.engine.insert_some(shard.seq, all, rows.into_iter(), tick).map_err(stopped)?;
            }
        }
        self.shards.push((name.to_owned(), shard.seq));
        Ok(())
    }
}

/// Whether a picture of the shard is none of a demo's.
fn is_foreign(shard: &Shard) -> bool {
    shard.index.samples.iter().any(|sample| sample.picture.is_ok() && !sample.is_demonstration())
}

/// Models that were made for a demo know nothing of other pictures, and answer all the same.
fn warn_of(demonstration: &[Demonstration]) {
    if !demonstration.is_empty() {
        crate::note!(
            "warning: demonstration models answer here, and not all pictures are the demo's: what they make is not for training. \
             They are {}. Name your own by their flags; card, report and manifest say it, too",
            Demonstration::list(demonstration)
        );
    }
}
