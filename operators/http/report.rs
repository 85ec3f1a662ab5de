//! What an endpoint was asked, and what came of it: the counters of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{CallClass, Tokens};

/// The longest latency told apart: an hour, in ms.
const LONGEST: u64 = 3_600_000;

/// Counters of one endpoint. `requests` is `answers` and all `failures` together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HostReport {
    pub name: String,
    pub base_url: String,
    /// Requests that were sent, those tried again included.
    pub requests: u64,
    /// Requests that were answered with what was asked for.
    pub answers: u64,
    /// Requests that were sent because the one before failed.
    pub retries: u64,
    /// Requests that failed, by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// Calls that were given up, by class: after their requests failed, or without any.
    pub given_up: BTreeMap<&'static str, u64>,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// USD, of the models that have a price.
    pub cost: f64,
    /// Models that were paid for with tokens and have no price: they count as free.
    pub models_without_price: BTreeSet<String>,
    /// The most requests that were under way at once.
    pub most_in_flight: usize,
    /// Of requests that were answered, from sending to the last byte.
    pub latency_ms: Latency,
}

/// `http://localhost:8000/v1: 120 calls, 3 retries, 45000 + 6100 tokens, 0.17 USD, 0.8 s (p50) to 2.1 s (p99)`.
impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} requests", self.base_url, self.requests)?;
        if self.retries > 0 {
            write!(f, ", {} of them again", self.retries)?;
        }
        for (class, count) in &self.failures {
            write!(f, ", {count} {class}")?;
        }
        write!(f, ", {} + {} tokens", self.prompt_tokens, self.completion_tokens)?;
        write!(f, ", {:.4} USD", self.cost)?;
        if !self.models_without_price.is_empty() {
            let models: Vec<&str> = self.models_without_price.iter().map(String::as_str).collect();
            write!(f, " (no price is known of {})", models.join(", "))?;
        }
        let seconds = |ms: u64| ms as f64 / 1000.0;
        let Latency { p50, p99, .. } = self.latency_ms;
        write!(f, ", {:.1} s (p50) to {:.1} s (p99) each", seconds(p50), seconds(p99))
    }
}

/// Quantiles in milliseconds, to two digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
}

/// The counters while they count.
pub(super) struct Counters(Mutex<Counted>);

struct Counted {
    report: HostReport,
    latency: Option<Histogram<u64>>,
}

impl Counters {
    pub(crate) fn new(name: &str, base_url: &str) -> Self {
        let report =
            HostReport { name: name.to_owned(), base_url: base_url.to_owned(), ..HostReport::default() };
        // These bounds are sound ones.
        let latency = Histogram::new_with_bounds(1, LONGEST, 2).ok();
        Counters(Mutex::new(Counted { report, latency }))
    }

    pub(crate) fn sent(&self, attempt: u32) {
        let report = &mut self.lock().report;
        report.requests += 1;
        report.retries += u64::from(attempt > 1);
    }

    pub(crate) fn answered(&self, took: Duration) {
        let mut counted = self.lock();
        counted.report.answers += 1;
        if let Some(latency) = &mut counted.latency {
            latency.saturating_record(u64::try_from(took.as_millis()).unwrap_or(LONGEST));
        }
    }

    pub(crate) fn failed(&self, class: CallClass) {
        *self.lock().report.failures.entry(class.name()).or_default() += 1;
    }

    pub(crate) fn gave_up(&self, class: CallClass) {
        *self.lock().report.given_up.entry(class.name()).or_default() += 1;
    }

    pub(crate) fn spent(&self, model: &str, tokens: Tokens, cost: Option<f64>) {
        let report = &mut self.lock().report;
        report.prompt_tokens += tokens.prompt;
        report.completion_tokens += tokens.completion;
        report.cost += cost.unwrap_or(0.0);
        if cost.is_none() && !report.models_without_price.contains(model) {
            report.models_without_price.insert(model.to_owned());
        }
    }

    /// A request whose answer was lost may have been paid for.
    pub(crate) fn lost(&self, estimate: f64) {
        self.lock().report.cost += estimate;
    }

    pub(crate) fn report(&self) -> HostReport {
        let counted = self.lock();
        let mut report = counted.report.clone();
        if let Some(latency) = &counted.latency {
            let at = |quantile| latency.value_at_quantile(quantile);
            report.latency_ms = Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
        }
        report
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
