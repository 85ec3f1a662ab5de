//! What a run may spend over all of its endpoints: requests and money. It is charged before a request is sent, and corrected by the cost
//! that the answer states.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Nano-dollars: no price is so small that it is lost, and sums are exact.
const NANOS: f64 = 1e9;

/// The budget of a run, shared by its endpoints.
///
/// No more than `max_calls` requests are sent, those that are tried again included. Of money, each request reserves its
/// estimate before it is sent; a request whose estimate does not fit any more is not sent. So what is spent goes above
/// `max_cost` by no more than the requests then under way cost above their estimates: by nothing where the estimates are
/// upper bounds.
#[derive(Debug)]
pub struct Spending {
    max_calls: Option<u64>,
    max_cost: Option<u64>,
    so_far: Mutex<SoFar>,
}

#[derive(Clone, Copy, Debug, Default)]
struct SoFar {
    calls: u64,
    spent: u64,
    reserved: u64,
}

/// Why a request was not sent.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OverBudget {
    #[error(
        "{max} requests were sent, as many as --max-calls allows; raise it and run again: what was answered is kept"
    )]
    Calls { max: u64 },
    #[error(
        "{spent:.4} USD are spent and {reserved:.4} reserved for requests under way, and one for about {estimate:.4} \
         more would pass the {max:.4} of --max-cost; raise it and run again: what was answered is kept"
    )]
    Cost { spent: f64, reserved: f64, estimate: f64, max: f64 },
}

impl Spending {
    /// `max_calls` requests and `max_cost` USD; `None` sets no bound. A negative or undefined cost counts as 0.
    pub fn new(max_calls: Option<u64>, max_cost: Option<f64>) -> Arc<Self> {
        Arc::new(Spending { max_calls, max_cost: max_cost.map(nanos_below), so_far: Mutex::default() })
    }

    /// Counts and adds up, and stops nothing.
    pub fn unlimited() -> Arc<Self> {
        Spending::new(None, None)
    }

    /// Requests sent so far.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// USD spent so far, by what the answers said; reservations of requests under way not included.
    pub fn cost(&self) -> f64 {
        self.lock().spent as f64 / NANOS
    }

    /// Takes one request of about `estimate` USD.
    pub(super) fn reserve(self: &Arc<Self>, estimate: f64) -> Result<Reservation, OverBudget> {
        let wanted = nanos_above(estimate);
        let mut so_far = self.lock();
        if let Some(max) = self.max_calls
            && so_far.calls >= max
        {
            return Err(OverBudget::Calls { max });
        }
        if let Some(max) = self.max_cost {
            let taken = so_far.spent.saturating_add(so_far.reserved);
            if taken.saturating_add(wanted) > max {
                return Err(OverBudget::Cost {
                    spent: so_far.spent as f64 / NANOS,
                    reserved: so_far.reserved as f64 / NANOS,
                    estimate,
                    max: max as f64 / NANOS,
                });
            }
        }
        so_far.calls += 1;
        so_far.reserved = so_far.reserved.saturating_add(wanted);
        Ok(Reservation { spending: Arc::clone(self), nanos: wanted, open: true })
    }

    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Money set aside for a request under way. Dropped without a word it counts as spent: who doesn't know what a request
/// cost takes it for its estimate.
#[derive(Debug)]
pub struct Reservation {
    spending: Arc<Spending>,
    nanos: u64,
    open: bool,
}

impl Reservation {
    /// It cost this many USD.
    pub(super) fn settle(mut self, cost: f64) {
        self.close(nanos_above(cost));
    }

    /// It cost nothing: nobody answered, or with a refusal.
    pub(super) fn release(mut self) {
        self.close(0);
    }

    /// The estimate, in USD.
    pub(super) fn estimate(&self) -> f64 {
        self.nanos as f64 / NANOS
    }

    fn close(&mut self, cost: u64) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let mut so_far = self.spending.lock();
        so_far.reserved -= self.nanos;
        so_far.spent = so_far.spent.saturating_add(cost);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.close(self.nanos);
    }
}

/// A cast saturates, and takes what is negative or undefined for 0.
fn nanos_above(usd: f64) -> u64 {
    (usd * NANOS).ceil() as u64
}

fn nanos_below(usd: f64) -> u64 {
    (usd * NANOS).floor() as u64
}
