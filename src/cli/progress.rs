//! Progress while a run goes on: bars on a terminal, plain lines when piped. Always on stderr.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::flow::{Progress, Verdicts};
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
}

const PLAIN_EVERY: Duration = Duration::from_secs(10);

impl Display {
    pub(super) fn start(lanes: Arc<Lanes>, shards: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Display { lanes, bar, begin: now, said: now, sample: (now, 0), rate: 0.0, last_waits: (0, 0), shards }
    }

    pub(super) fn update(&mut self, progress: &Progress, verdicts: &Verdicts) {
        let due = match &self.bar {
            Some(_) => true,
            None => self.said.elapsed() >= PLAIN_EVERY,
        };
        if !due {
            return;
        }
        let line = self.line(progress, verdicts);
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            None => eprintln!("{:>6.0} s  {line}", self.begin.elapsed().as_secs_f64()),
        }
        self.said = Instant::now();
    }

    fn line(&mut self, progress: &Progress, verdicts: &Verdicts) -> String {
        let (_, kept) = verdicts.counts();
        let stages = self.lanes.status();
        let answered: u64 = stages.iter().map(|s| s.asked.asked.saturating_sub(s.in_flight as u64)).sum();
        if self.sample.0.elapsed() >= Duration::from_secs(1) {
            self.rate =
                (answered - self.sample.1.min(answered)) as f64 / self.sample.0.elapsed().as_secs_f64();
            self.sample = (Instant::now(), answered);
        }
        let asks = stages.iter().map(|stage| {
            let asked = stage.asked;
            format!(
                "{}: {} asked, {} remembered, {} in flight, {} to batch",
                stage.name, asked.asked, asked.remembered, stage.in_flight, stage.waiting_for_a_batch
            )
        });
        let asks: Vec<_> = asks.collect();
        let held_back = self.held_back_by(progress);
        format!(
            "{} rows of {} shards, {kept} kept | {} | {:.0} images/s, {} queued | {held_back}",
            progress.rows_fed,
            self.shards,
            asks.join("; "),
            self.rate,
            self.lanes.queued(),
        )
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
            _ => format!("{} MB decoded", megabytes.0),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
