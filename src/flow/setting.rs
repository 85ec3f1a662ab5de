//! Where a dial is to stand: at a value, or by share.

use std::fmt;
use std::str::FromStr;

/// Where a dial is to stand.
///
/// ```
/// use threshflow::flow::Setting;
///
/// let share: Setting = "top:12.5%".parse()?;
/// assert_eq!(share.to_string(), "top:12.5%");
/// assert_eq!("4.75".parse(), Ok(Setting::At(4.75)));
/// assert!("top:0%".parse::<Setting>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    At(f32),
    /// Where the best of the rows that reach the gate pass, this share of them; and whatever scores the same as the last of these.
    Top(Share),
}

impl Setting {
    /// As it is written, if it is by share: `top:30%`.
    pub(crate) fn share_text(self) -> Option<String> {
        matches!(self, Setting::Top(_)).then(|| self.to_string())
    }
}

/// A share of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(Of);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// In millionths of a percent: 1 to 10^8.
    Part(u64),
    Rows(u64),
}

/// 1 %.
const PERCENT: u64 = 1_000_000;
/// Decimals of a percentage.
const DECIMALS: usize = 6;

impl Share {
    /// A percentage, above 0 and up to 100, to six decimals; `None` for others.
    ///
    /// ```
    /// use threshflow::flow::Share;
    ///
    /// // What is begun counts: a share of some rows is one row at least.
    /// assert_eq!(Share::percent(30.0).map(|share| share.of(11)), Some(4));
    /// assert_eq!(Share::percent(120.0), None);
    /// ```
    pub fn percent(percent: f64) -> Option<Self> {
        let part = (percent * PERCENT as f64).round();
        (part >= 1.0 && part <= (100 * PERCENT) as f64).then_some(Share(Of::Part(part as u64)))
    }

    /// So many rows, 1 at least; `None` for 0.
    ///
    /// ```
    /// use threshflow::flow::Share;
    ///
    /// assert_eq!(Share::rows(10).map(|share| share.of(3)), Some(3));
    /// assert_eq!(Share::rows(0), None);
    /// ```
    pub fn rows(rows: u64) -> Option<Self> {
        (rows > 0).then_some(Share(Of::Rows(rows)))
    }

    /// How many of `rows` rows it is: a part is rounded up.
    ///
    /// ```
    /// use threshflow::flow::Share;
    ///
    /// assert_eq!(Share::percent(0.1).map(|share| share.of(1000)), Some(1));
    /// ```
    pub fn of(self, rows: u64) -> u64 {
        match self.0 {
            Of::Part(part) => {
                (u128::from(part) * u128::from(rows)).div_ceil(u128::from(100 * PERCENT)) as u64
            }
            Of::Rows(most) => most.min(rows),
        }
    }
}

impl From<f32> for Setting {
    fn from(value: f32) -> Self {
        Setting::At(value)
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(share) = text.strip_prefix("top:") else {
            return text.parse().map(Setting::At).map_err(|_| "not a number".to_owned());
        };
        share.parse().map(Setting::Top)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "a share is written top:30% (above 0 %, up to 100 %) or top:100000 (rows, 1 or more)";
        let share = match text.strip_suffix('%') {
            Some(percent) => part(percent).map(|part| Share(Of::Part(part))),
            None => text.parse().ok().and_then(Share::rows),
        };
        share.ok_or_else(|| wanted.to_owned())
    }
}

/// A percentage as it is written, in millionths of a percent. It is read as decimals, not as a float: 0.1 % of 1,000 rows is one row.
fn part(percent: &str) -> Option<u64> {
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || decimals.len() > DECIMALS || !digits(whole) || !digits(decimals)
    {
        return None;
    }
    let part: u64 = format!("{whole}{decimals:0<DECIMALS$}").parse().ok()?;
    (1..=100 * PERCENT).contains(&part).then_some(part)
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::At(value) => write!(f, "{value}"),
            Setting::Top(share) => write!(f, "top:{share}"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Of::Part(part) => {
                let decimals = format!("{:0DECIMALS$}", part % PERCENT);
                let decimals = decimals.trim_end_matches('0');
                let point = if decimals.is_empty() { "" } else { "." };
                write!(f, "{}{point}{decimals}%", part / PERCENT)
            }
            Of::Rows(rows) => write!(f, "{rows}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_decimals_and_written_as_they_were_read() {
        for text in ["top:30%", "top:0.1%", "top:12.345678%", "top:100%", "top:1", "top:100000", "4.75"] {
            assert_eq!(text.parse::<Setting>().map(|setting| setting.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "top:",
            "top:0",
            "top:0%",
            "top:100.1%",
            "top:-1",
            "top:1e3",
            "top:.5%",
            "top:1.1234567%",
            "top:5 %",
            "top:30.5",
            "high",
        ] {
            assert!(text.parse::<Setting>().is_err(), "{text}");
        }
    }

    /// Of every number of rows up to 2,000, against the definition in whole numbers.
    #[test]
    fn a_part_of_rows_is_rounded_up() {
        for (text, parts) in [("0.1%", 1_u64), ("12.3%", 123), ("30%", 300), ("99.9%", 999), ("100%", 1000)] {
            let share: Share = text.parse().unwrap();
            for rows in 0..2000_u64 {
                let least = (0..=rows).find(|passing| passing * 1000 >= parts * rows).unwrap();
                assert_eq!(share.of(rows), least, "{text} of {rows}");
            }
        }
    }
}
