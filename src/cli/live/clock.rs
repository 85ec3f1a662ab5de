//! Publishing by the clock: a session that follows a growing folder applies and publishes by itself.

use std::time::{Duration, Instant};

use super::session::Session;
use crate::cli::Failure;

/// When it is next due, and what is under way.
pub(super) struct Clock {
    every: Duration,
    due: Instant,
    /// It began to ask, and publishes when all is asked.
    asks: bool,
}

impl Clock {
    pub(super) fn every(every: Duration) -> Self {
        // What is there when the session begins is published at once.
        Clock { every, due: Instant::now(), asks: false }
    }
}

/// Reads a time: `90s`, `10m`, `2h`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no time: it takes a whole number and a unit, from 1s to 1000h: 90s, 10m, 2h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - 1];
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.then(|| number.parse().ok()).flatten().ok_or_else(wrong)?;
    let seconds = number.checked_mul(seconds).filter(|seconds| (1..=3_600_000).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

impl Session<'_> {
    /// Applies, and publishes what came of it, where that is due and something changed. What fails is told, and tried again the next time.
    pub(super) fn by_the_clock(&mut self) -> Result<(), Failure> {
        let busy = self.apply.is_some();
        let changed = self.changed;
        let Some(clock) = &mut self.clock else { return Ok(()) };
        if busy || (!clock.asks && (clock.due > Instant::now() || !changed)) {
            return Ok(());
        }
        let begins = !std::mem::take(&mut clock.asks);
        if begins {
            clock.due = Instant::now() + clock.every;
            if !self.all().decided {
                self.clock.iter_mut().for_each(|clock| clock.asks = true);
                if let Err(problem) = self.apply() {
                    self.tell_trouble(&problem.text);
                }
                return Ok(());
            }
        }
        self.changed = false;
        match self.publish() {
            Ok(done) => crate::note!("published {} rows", done["published"]["rows"]),
            Err(problem) => {
                self.changed = true;
                self.tell_trouble(&format!("not published: {}", problem.text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("10m", 600), ("2h", 7200), ("1000h", 3_600_000)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "s", "10", "0s", "-1m", "1.5h", "10 m", "10d", "1001h", "99999999999999999999h", "1µ"]
        {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
