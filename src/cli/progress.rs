//! Progress while a run goes on: bars on a terminal, plain lines when piped. Always on stderr.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::flow::{Counts, Progress, Verdicts};
use crate::lane::Lanes;

/// What a person sees of a run.
pub(super) struct Display {
    lanes: Arc<Lanes>,
    bar: Option<ProgressBar>,
    begin: Instant,
    said: Instant,
    /// Since when, and how many questions had been answered then: for a rate of the last seconds.
    sample: (Instant, u64),
    rate: f64,
    last_waits: (u64, u64),
    shards: usize,
    looked: Instant,
    /// By endpoint: when its trouble was told of last, and how long the next word waits.
    troubles: BTreeMap<String, (Instant, Duration)>,
}

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// How often endpoints are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Trouble that goes on is told again after so long, and each time after twice as long.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

impl Display {
    pub(super) fn start(lanes: Arc<Lanes>, shards: usize) -> Self {
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
            begin: now,
            said: now,
            sample: (now, 0),
            rate: 0.0,
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
        for remote in self.lanes.remotes() {
            let name = remote.name();
            let line = match (remote.trouble(), self.troubles.get(&name)) {
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
        let due = match &self.bar {
            Some(_) => true,
            None => self.said.elapsed() >= PLAIN_EVERY,
        };
        if !due {
            return;
        }
        let counts = verdicts.counts();
        let lines = self.lines(progress, &counts);
        match &self.bar {
            Some(bar) => {
                bar.set_length(counts.expected as u64);
                bar.set_position(counts.decided as u64);
                bar.set_message(lines.join("\n"));
            }
            None => {
                let seconds = self.begin.elapsed().as_secs_f64();
                let rows = format!("{} of {} rows", counts.decided, counts.expected);
                crate::note!("{seconds:>6.0} s  {rows} | {}", lines.join(" | "));
            }
        }
        self.said = Instant::now();
    }

    fn lines(&mut self, progress: &Progress, counts: &Counts) -> Vec<String> {
        let stages = self.lanes.status();
        let answered: u64 = stages.iter().map(|stage| stage.asked.answered).sum();
        if self.sample.0.elapsed() >= Duration::from_secs(1) {
            self.rate =
                (answered - self.sample.1.min(answered)) as f64 / self.sample.0.elapsed().as_secs_f64();
            self.sample = (Instant::now(), answered);
        }
        let held_back = self.held_back_by(progress);
        let mut lines = vec![format!(
            "{} of {} shards, {} rows kept; {:.0} images/s, {} queued; {held_back}",
            counts.shards,
            self.shards,
            counts.kept,
            self.rate,
            self.lanes.queued()
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
