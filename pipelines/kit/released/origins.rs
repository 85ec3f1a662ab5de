//! Where the released pictures come from, counted for the card: licences, authors and sources, as the details of the edits have them.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::Value;

/// The columns of `Details/` that [`Origins::push`] takes.
pub(crate) const ORIGIN_COLUMNS: [&str; 4] = ["source_url", "source", "license", "author"];
/// Most values that a table of the card names, the most frequent first.
const SHOWN: usize = 20;
/// Most different values of a column that are counted one by one. Those that come after them are counted together.
const MOST_VALUES: usize = 100_000;

/// How often each value of a column stands there.
#[derive(Default)]
pub(crate) struct Tally {
    values: HashMap<String, u64>,
    /// Rows with a value that came when there was no more room.
    others: u64,
    /// Rows that say nothing.
    pub none: u64,
}

impl Tally {
    fn add(&mut self, value: Option<&str>) {
        let Some(value) = value else { return self.none += 1 };
        if let Some(count) = self.values.get_mut(value) {
            *count += 1;
        } else if self.values.len() < MOST_VALUES {
            self.values.insert(value.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }

    /// Rows that say something.
    pub(crate) fn known(&self) -> u64 {
        self.values.values().sum::<u64>() + self.others
    }

    /// The most frequent values with their rows, and in how many rows others stand.
    fn most_frequent(&self) -> (Vec<(&str, u64)>, u64) {
        let mut values: Vec<(&str, u64)> =
            self.values.iter().map(|(value, count)| (value.as_str(), *count)).collect();
        values.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        let rest = values.iter().skip(SHOWN).map(|(_, count)| count).sum::<u64>() + self.others;
        values.truncate(SHOWN);
        (values, rest)
    }
}

/// What is known of the origins of all released edits.
#[derive(Default)]
pub(crate) struct Origins {
    pub licenses: Tally,
    pub authors: Tally,
    /// By `source`; where there is none, by the host of the URL.
    pub sources: Tally,
}

impl Origins {
    /// Adds the [`ORIGIN_COLUMNS`] of an edit.
    pub(crate) fn push(&mut self, row: &[Value]) {
        let [url, source, license, author] = row else { return };
        self.licenses.add(license.as_str());
        self.authors.add(author.as_str());
        self.sources.add(source.as_str().or_else(|| host(url.as_str()?)));
    }

    /// The tables of the card; nothing where no edit says anything.
    pub(crate) fn tables(&self) -> String {
        let tables = [("licence", &self.licenses), ("author", &self.authors), ("source", &self.sources)];
        if tables.iter().all(|(_, tally)| tally.known() == 0) {
            return String::new();
        }
        let mut text = "\n## Origins\n\nWhat the sidecars of the source pictures say of them, to the letter. Nobody has checked it. The columns \
                        `source_url`, `source`, `license` and `author` of each edit have it.\n"
            .to_owned();
        for (name, tally) in tables {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n| {name} | edits |\n|---|--:|\n");
            let (values, rest) = tally.most_frequent();
            for (value, count) in values {
                let _ = writeln!(text, "| {} | {count} |", cell(value));
            }
            for (what, count) in [("*others*", rest), ("*none*", tally.none)] {
                if count > 0 {
                    let _ = writeln!(text, "| {what} | {count} |");
                }
            }
        }
        text
    }
}

/// `x.org` of `https://user@x.org:80/a`; what is no such URL has none.
fn host(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let is_host = !host.is_empty() && scheme.chars().all(|letter| letter.is_ascii_alphanumeric());
    is_host.then_some(host)
}

/// Text of others that cannot end its table cell or become markup: at most 120 letters of it.
fn cell(text: &str) -> String {
    const MOST: usize = 120;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = words.chars().take(MOST).collect();
    if shown.len() < words.len() {
        shown.push('…');
    }
    format!("`{}`", shown.replace('`', "'").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_counted_the_most_frequent_first_and_hosts_stand_for_sources() {
        let mut origins = Origins::default();
        let rows = [
            json!(["https://a.org/1.jpg", null, "CC0", "me"]),
            json!(["https://u@a.org:8/2.jpg", null, "CC BY|4.0", null]),
            json!(["https://b.org", "Museum", "CC BY|4.0", null]),
            json!(["no url", null, null, null]),
        ];
        rows.iter().for_each(|row| origins.push(row.as_array().unwrap()));
        let text = origins.tables();
        for table in [
            "| licence | edits |\n|---|--:|\n| `CC BY\\|4.0` | 2 |\n| `CC0` | 1 |\n| *none* | 1 |\n",
            "| author | edits |\n|---|--:|\n| `me` | 1 |\n| *none* | 3 |\n",
            "| source | edits |\n|---|--:|\n| `a.org` | 2 |\n| `Museum` | 1 |\n| *none* | 1 |\n",
        ] {
            assert!(text.contains(table), "{text}");
        }
        assert_eq!(Origins::default().tables(), "");
    }

    #[test]
    fn rare_values_are_others() {
        let mut origins = Origins::default();
        for number in 0..30 {
            origins.push(&[Value::Null, Value::Null, json!(format!("{:02}", number)), json!("a")]);
        }
        let text = origins.tables();
        assert!(text.contains("| `19` | 1 |\n| *others* | 10 |\n") && !text.contains("`20`"), "{text}");
    }
}
