//! Progress during a run: a bar on a terminal, or plain lines in a pipe, which come less often with time. It always goes to stderr.

mod held_up;
mod left;

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::rate::rate;
use crate::flow::{Counts, Progress, Verdicts};
use crate::lane::{Lanes, StageStatus};
pub(super) use held_up::HeldUp;
use held_up::Holder;
use left::{OfLate, left};

/// What a person sees of a run.
pub(super) struct Display {
    lanes: Arc<Lanes>,
    bar: Option<ProgressBar>,
    /// Whether every stage is told of.
    verbose: bool,
    begin: Instant,
    said: Instant,
    words: u32,
    held_up: HeldUp,
    /// At the beginning and at each of the last words: the rows that had ended, the questions that each stage had answered.
    samples: VecDeque<Sample>,
    last_waits: (u64, u64),
    shards: usize,
    looked: Instant,
    /// By endpoint: when its trouble was told of last, and how long the next word waits.
    troubles: BTreeMap<String, (Instant, Duration)>,
}

/// How things stood.
struct Sample {
    at: Instant,
    rows: usize,
    answered: BTreeMap<&'static str, u64>,
    /// In USD; `None` where nothing is paid for.
    cost: Option<f64>,
}

/// What all stages cost so far.
pub(super) fn cost(stages: &[StageStatus]) -> Option<f64> {
    stages.iter().filter_map(|stage| stage.cost).reduce(|sum, cost| sum + cost)
}

/// The first words come so often, ...
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// ... so many of them; then the pause doubles, ...
const OFTEN: u32 = 6;
/// ... up to this.
const SELDOM: Duration = Duration::from_secs(60);

/// Of so many words: rates of rows are over the time since the first of them.
const WORDS_OF_A_RATE: usize = 6;

/// How long after `words` of them the next is due.
fn pause(words: u32) -> Duration {
    let doubled = PLAIN_EVERY * 2u32.pow(words.saturating_sub(OFTEN - 1).min(3));
    doubled.min(SELDOM)
}

/// How often endpoints are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Trouble that goes on is told again after so long, and each time after twice as long.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

impl Display {
    pub(super) fn start(lanes: Arc<Lanes>, shards: usize, verbose: bool) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
            let template = "{elapsed_precise} [{bar:30}] {human_pos} of {human_len} rows\n{msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Display {
            lanes,
            bar,
            verbose,
            begin: now,
            said: now,
            words: 0,
            held_up: HeldUp::default(),
            samples: VecDeque::from([Sample { at: now, rows: 0, answered: BTreeMap::new(), cost: None }]),
            last_waits: (0, 0),
            shards,
            looked: now,
            troubles: BTreeMap::new(),
        }
    }

    /// Tells of endpoints that ail, once as it begins, then rarely, and when they are well again.
    fn tell_of_troubles(&mut self) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        for endpoint in self.lanes.endpoints() {
            let name = endpoint.name();
            let line = match (endpoint.trouble(), self.troubles.get(&name)) {
                (Some(trouble), None) => {
                    self.troubles.insert(name.clone(), (self.looked, AGAIN_AFTER));
                    format!("{name}: {trouble}")
                }
                (Some(trouble), Some((told, wait))) if told.elapsed() >= *wait => {
                    let wait = *wait * 2;
                    self.troubles.insert(name.clone(), (self.looked, wait));
                    format!("{name}: {trouble}")
                }
                (None, Some(_)) => {
                    self.troubles.remove(&name);
                    format!("{name} answers again")
                }
                _ => continue,
            };
            self.line(&format!("{:>6.0} s  {line}", self.begin.elapsed().as_secs_f64()));
        }
    }

    /// A line of its own, above the bars.
    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(crate::say::harmless(line)),
            None => crate::note!("{line}"),
        }
    }

    pub(super) fn update(&mut self, progress: &Progress, verdicts: &Verdicts) {
        self.tell_of_troubles();
        let stages = self.lanes.status();
        self.held_up.see(&stages, self.lanes.pool_status());
        let is_due = self.said.elapsed() >= pause(self.words);
        if self.bar.is_none() && !is_due {
            return;
        }
        let counts = verdicts.counts();
        let mut lines = vec![self.short(&counts, &stages)];
        if self.verbose {
            lines.extend(self.long(progress, &counts, &stages));
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(counts.expected as u64);
                bar.set_position(counts.ended as u64);
                bar.set_message(lines.join("\n"));
            }
            None => {
                let seconds = self.begin.elapsed().as_secs_f64();
                let rows = format!("{} of {} rows", counts.ended, counts.expected);
                crate::note!("{seconds:>6.0} s  {rows}, {}", lines.join(" | "));
            }
        }
        if is_due {
            self.said = Instant::now();
            self.words = self.words.saturating_add(1);
            self.held_up.forget();
            let answered = stages.iter().map(|stage| (stage.name, stage.asked.answered)).collect();
            let cost = cost(&stages);
            self.samples.push_back(Sample { at: self.said, rows: counts.ended, answered, cost });
            if self.samples.len() > WORDS_OF_A_RATE {
                self.samples.pop_front();
            }
        }
    }

    /// The rate, what holds the others up, and what failed: what there is to say at most times.
    fn short(&self, counts: &Counts, stages: &[StageStatus]) -> String {
        let mut words = Vec::new();
        if counts.shards < self.shards {
            words.push(format!("{} of {} shards read", counts.shards, self.shards));
        }
        let ended = |sample: &Sample| counts.ended.saturating_sub(sample.rows) as u64;
        if let Some(since) = self.samples.front().filter(|sample| ended(sample) > 0) {
            words.push(rate(ended(since), since.at.elapsed().as_secs_f64(), ""));
            let spent = cost(stages);
            let of_late = OfLate {
                rows: ended(since),
                time: since.at.elapsed(),
                cost: spent.unwrap_or(0.0) - since.cost.unwrap_or(0.0),
            };
            // How many rows there are is known when all shards are read.
            let to_come = counts.expected.saturating_sub(counts.ended) as u64;
            words.extend((counts.shards >= self.shards).then(|| left(to_come, of_late, spent)).flatten());
        }
        words.extend(self.held_up.holder().map(|holder| self.tell_of(&holder, stages)));
        let failed: u64 = stages.iter().map(|stage| stage.asked.failed).sum();
        if failed > 0 {
            words.push(format!("{failed} failed"));
        }
        if words.is_empty() {
            // A stage that is slow, and before which nothing waits.
            let under_way =
                stages.iter().filter(|stage| stage.in_flight > 0).max_by_key(|stage| stage.in_flight);
            words.push(under_way.map_or("nothing is under way".to_owned(), |stage| {
                format!("{} of {} under way", stage.in_flight, stage.name)
            }));
        }
        words.join("; ")
    }

    fn tell_of(&self, holder: &Holder, stages: &[StageStatus]) -> String {
        let Holder { stage, busy, waiting } = holder;
        let Some(name) = stage else {
            return format!("reading pictures holds the others up ({busy} at work, {waiting} wait)");
        };
        let answered =
            stages.iter().find(|stage| stage.name == *name).map_or(0, |stage| stage.asked.answered);
        let answers = self.samples.back().map(|last| {
            let since = answered.saturating_sub(last.answered.get(name).copied().unwrap_or(0));
            rate(since, last.at.elapsed().as_secs_f64(), "")
        });
        let answers = answers.unwrap_or_default();
        format!("{name} holds the others up ({busy} at work, {waiting} wait, {answers})")
    }

    /// Stage by stage.
    fn long(&mut self, progress: &Progress, counts: &Counts, stages: &[StageStatus]) -> Vec<String> {
        let held_back = self.held_back_by(progress);
        let (kept, queued) = (counts.kept, self.lanes.queued());
        let mut lines = vec![format!(
            "{} of {} shards, {kept} rows kept; {queued} queued; {held_back}",
            counts.shards, self.shards
        )];
        lines.extend(stages.iter().map(|stage| {
            format!(
                "{}: {} asked, {} remembered, {} in flight, {} waiting for a batch",
                stage.name,
                stage.asked.asked,
                stage.asked.remembered,
                stage.in_flight,
                stage.waiting_for_a_batch
            )
        }));
        lines
    }

    /// Which budget made somebody wait since the last look.
    fn held_back_by(&mut self, progress: &Progress) -> String {
        let waits = (progress.window_waits, self.lanes.budget().waits());
        let (window, bytes) = (waits.0 > self.last_waits.0, waits.1 > self.last_waits.1);
        self.last_waits = waits;
        let budget = self.lanes.budget();
        let megabytes = (budget.used() / 1_000_000, budget.capacity() / 1_000_000);
        match (window, bytes) {
            (_, true) => format!("waits for decoded bytes ({} of {} MB)", megabytes.0, megabytes.1),
            (true, false) => format!("waits for the window ({} epochs)", progress.epochs_in_flight),
            _ => format!("{} of {} MB decoded", megabytes.0, megabytes.1),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn words_grow_rare() {
        let pauses: Vec<u64> = (0..12).map(|words| pause(words).as_secs()).collect();
        assert_eq!(pauses, [10, 10, 10, 10, 10, 10, 20, 40, 60, 60, 60, 60]);
    }
}
