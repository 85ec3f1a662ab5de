//! Rates in the form that people use: whole numbers in a unit of time that fits.

/// `12 a second`, `12 a minute`, or, with `what`, `12 pictures an hour`: `count` in `seconds`. One that is below 10 an hour has a
/// decimal.
pub(super) fn rate(count: u64, seconds: f64, what: &str) -> String {
    let a_second = count as f64 / seconds.max(1e-9);
    let units = [(1.0, "a second"), (60.0, "a minute"), (3600.0, "an hour")];
    let fits = units.into_iter().find(|(times, _)| a_second * times >= 10.0 || *times == 3600.0);
    let (times, unit) = fits.unwrap_or(units[2]);
    let what = if what.is_empty() { String::new() } else { format!(" {what}") };
    match a_second * times {
        value if value >= 10.0 || count == 0 => format!("{value:.0}{what} {unit}"),
        value => format!("{value:.1}{what} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn what_there_is_some_of_is_never_none() {
        for (count, seconds, words) in [
            (2450, 10.0, "245 a second"),
            (99, 10.0, "594 a minute"),
            (12, 60.0, "12 a minute"),
            (1, 10.0, "360 an hour"),
            (1, 3600.0, "1.0 an hour"),
            (1, 86_400.0, "0.0 an hour"),
            (0, 10.0, "0 an hour"),
            (104, 1500.0, "250 an hour"),
        ] {
            assert_eq!(rate(count, seconds, ""), words, "{count} in {seconds} s");
        }
        assert_eq!(rate(5, 0.01, "pictures"), "500 pictures a second");
    }
}
