//! What is left of a run: its time and its money, by what the rows of late took and cost.

use std::time::Duration;

/// What rows took of late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OfLate {
    pub(super) rows: u64,
    pub(super) time: Duration,
    /// In USD.
    pub(super) cost: f64,
}

/// `about 12 min left`, with `4.20 USD so far, about 1.30 to come` where something is paid for. Nothing where no row came of late, or none
/// is to come.
pub(super) fn left(rows: u64, of_late: OfLate, spent: Option<f64>) -> Option<String> {
    if rows == 0 || of_late.rows == 0 {
        return None;
    }
    let times = rows as f64 / of_late.rows as f64;
    let time = format!("about {} left", span(of_late.time.as_secs_f64() * times));
    let money = spent.filter(|spent| *spent > 0.0).map(|spent| {
        format!("; {} USD so far, about {} to come", dollars(spent), dollars(of_late.cost * times))
    });
    Some(time + &money.unwrap_or_default())
}

/// In the unit that fits: `40 s`, `12 min`, `3.5 h`.
fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("{:.0} s", seconds.max(1.0)),
        seconds if seconds < 5400.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

/// To the cent; below one cent with as many digits as say something.
fn dollars(amount: f64) -> String {
    if amount >= 0.01 || amount == 0.0 { format!("{amount:.2}") } else { format!("{amount:.5}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_by_what_came_of_late() {
        let of_late = |rows, seconds, cost| OfLate { rows, time: Duration::from_secs(seconds), cost };
        for (rows, of, spent, words) in [
            (30, of_late(10, 10, 0.0), None, Some("about 30 s left")),
            (1200, of_late(10, 10, 0.0), Some(0.0), Some("about 20 min left")),
            (
                600,
                of_late(60, 600, 0.42),
                Some(3.0),
                Some("about 1.7 h left; 3.00 USD so far, about 4.20 to come"),
            ),
            (
                1,
                of_late(10, 10, 0.001),
                Some(0.001),
                Some("about 1 s left; 0.00100 USD so far, about 0.00010 to come"),
            ),
            (0, of_late(10, 10, 0.0), None, None),
            (9, of_late(0, 10, 0.0), Some(1.0), None),
        ] {
            assert_eq!(left(rows, of, spent).as_deref(), words, "{rows} {of:?}");
        }
    }
}
