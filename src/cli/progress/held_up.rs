//! Finds the stage that holds the others up: the stage for which questions waited, most of the time, while all of its threads were at work.
//! This is looked at many times a second, and the result since the last report is reported.
//!
//! A slow stage holds nobody up while one of its threads is free. A busy stage holds nobody up while nothing waits for it. The decode pool
//! counts as a stage of its own here. When its threads wait because a line is full, the stage of that line holds the others up.

use std::collections::BTreeMap;

use crate::lane::{LineStatus, PoolStatus, StageStatus};

/// What was seen since the last word.
#[derive(Default)]
pub(in crate::cli) struct HeldUp {
    looks: u32,
    places: BTreeMap<Queue, Seen>,
}

/// Where questions wait: a line of a stage; or the decode pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    Line(&'static str, usize),
    Pool,
}

#[derive(Default)]
struct Seen {
    /// Looks at which all threads were at work and something waited.
    held: u32,
    /// Threads at work, and what waited for one, added up over the looks.
    busy: usize,
    waiting: usize,
    threads: usize,
}

/// What holds the others up, and how many were at work and waited on average.
#[derive(Debug, PartialEq)]
pub(super) struct Holder {
    /// The stage's name; `None` where pictures wait to be read and decoded.
    pub(super) stage: Option<&'static str>,
    pub(super) busy: usize,
    pub(super) waiting: usize,
}

/// A place holds others up if it did for this share of the time.
const MOST_OF_THE_TIME: f64 = 0.5;

impl HeldUp {
    pub(in crate::cli) fn see(&mut self, stages: &[StageStatus], pool: PoolStatus) {
        self.looks += 1;
        let lines = stages.iter().flat_map(|stage| stage.lines.iter().map(|line| (stage.name, *line)));
        let is_full = lines.clone().any(|(_, line)| line.waiting >= line.capacity.max(1));
        let answering: usize = lines.map(|(_, line)| line.busy).sum();
        for stage in stages {
            for (number, line) in stage.lines.iter().enumerate() {
                self.note(
                    Queue::Line(stage.name, number),
                    *line,
                    line.busy >= line.sessions && line.waiting > 0,
                );
            }
        }
        let preparing = stages.iter().map(|stage| stage.at_work).sum::<usize>().saturating_sub(answering);
        let PoolStatus { threads, queued } = pool;
        let pool =
            LineStatus { sessions: threads, busy: preparing.min(threads), waiting: queued, capacity: 0 };
        self.note(Queue::Pool, pool, preparing >= threads && queued > 0 && !is_full);
    }

    fn note(&mut self, place: Queue, line: LineStatus, holds: bool) {
        let seen = self.places.entry(place).or_default();
        seen.held += u32::from(holds);
        seen.busy += line.busy;
        seen.waiting += line.waiting;
        seen.threads = line.sessions;
    }

    /// Where questions waited longest; of two that held others up as long, the one before which more waited.
    pub(super) fn holder(&self) -> Option<Holder> {
        let (place, seen) = self.places.iter().max_by(|(_, one), (_, other)| {
            let a_thread = |seen: &Seen| seen.waiting as f64 / seen.threads.max(1) as f64;
            one.held.cmp(&other.held).then(a_thread(one).total_cmp(&a_thread(other)))
        })?;
        if f64::from(seen.held) < MOST_OF_THE_TIME * f64::from(self.looks.max(1)) {
            return None;
        }
        let stage = match place {
            Queue::Line(stage, _) => Some(*stage),
            Queue::Pool => None,
        };
        let average = |sum: usize| (sum as f64 / f64::from(self.looks.max(1))).round() as usize;
        // What held others up is never told to have had nothing before it.
        Some(Holder { stage, busy: average(seen.busy).max(1), waiting: average(seen.waiting).max(1) })
    }

    /// The same by name.
    pub(in crate::cli) fn holder_name(&self) -> Option<&'static str> {
        self.holder().map(|holder| holder.stage.unwrap_or("reading pictures"))
    }

    /// After a word was said.
    pub(super) fn forget(&mut self) {
        *self = HeldUp::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Asked;
    use crate::row::Stamp;

    fn stage(name: &'static str, preparing: usize, lines: &[LineStatus]) -> StageStatus {
        StageStatus {
            name,
            asks_servers: false,
            stamp: Stamp::of(&[("tested", b"")]),
            model: String::new(),
            asked: Asked::default(),
            in_flight: 0,
            at_work: preparing + lines.iter().map(|line| line.busy).sum::<usize>(),
            waiting_for_a_batch: 0,
            lines: lines.to_vec(),
            prepare_seconds: 0.0,
            answer_seconds: 0.0,
            cost: None,
            wall_seconds: 0.0,
        }
    }

    fn line(busy: usize, sessions: usize, waiting: usize) -> LineStatus {
        LineStatus { sessions, busy, waiting, capacity: 2 * sessions }
    }

    fn holder(stages: &[StageStatus], queued: usize) -> Option<Option<&'static str>> {
        let mut held_up = HeldUp::default();
        held_up.see(stages, PoolStatus { threads: 4, queued });
        held_up.holder().map(|holder| holder.stage)
    }

    #[test]
    fn who_is_busy_while_others_wait_holds_them_up() {
        // A slow server with a free session, and a quick model before which much waits.
        let server = |busy, waiting| stage("edit", 0, &[line(busy, 8, waiting)]);
        let model = |waiting| stage("segment", 0, &[line(1, 1, waiting)]);
        assert_eq!(holder(&[server(7, 0), model(2)], 0), Some(Some("segment")));
        assert_eq!(holder(&[server(8, 60), model(0)], 0), Some(Some("edit")));
        assert_eq!(
            holder(&[server(8, 60), model(2)], 0),
            Some(Some("edit")),
            "more wait for each of its threads"
        );
        assert_eq!(holder(&[server(8, 0), model(0)], 0), None, "nothing waits");
        // A second line of the same stage.
        let editors = stage("edit", 0, &[line(1, 2, 0), line(1, 1, 9)]);
        assert_eq!(holder(&[editors, model(0)], 0), Some(Some("edit")));
    }

    #[test]
    fn the_pool_holds_up_what_waits_for_it_unless_it_waits_itself() {
        let preparing = stage("detect", 4, &[line(1, 2, 0)]);
        assert_eq!(holder(std::slice::from_ref(&preparing), 50), Some(None));
        assert_eq!(holder(&[preparing], 0), None);
        // Its threads stand before a full line.
        let blocked = stage("detect", 4, &[line(2, 2, 4)]);
        assert_eq!(holder(&[blocked], 50), Some(Some("detect")));
        let some_free = stage("detect", 3, &[line(1, 2, 0)]);
        assert_eq!(holder(&[some_free], 50), None);
    }

    #[test]
    fn a_moment_is_not_most_of_the_time() {
        let mut held_up = HeldUp::default();
        let look = |held_up: &mut HeldUp, waiting| {
            held_up.see(&[stage("judge", 0, &[line(1, 1, waiting)])], PoolStatus { threads: 4, queued: 0 });
        };
        look(&mut held_up, 3);
        (0..9).for_each(|_| look(&mut held_up, 0));
        assert_eq!(held_up.holder(), None);
        (0..20).for_each(|_| look(&mut held_up, 1));
        assert_eq!(held_up.holder(), Some(Holder { stage: Some("judge"), busy: 1, waiting: 1 }));
        held_up.forget();
        assert_eq!(held_up.holder(), None);
    }
}
