//! Where the released pictures come from, counted for the card: licences, authors and sources, as the details of the edits have them.

use serde_json::Value;
use threshflow::publish::Tally;

/// The columns of `Details/` that [`Origins::push`] takes.
pub(crate) const ORIGIN_COLUMNS: [&str; 4] = threshflow::shard::Origin::COLUMNS;

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
        let tables: String =
            tables.iter().map(|(name, tally)| format!("\n{}", tally.table(name, "edits"))).collect();
        format!(
            "\n## Origins\n\nWhat the sidecars of the source pictures say of them, to the letter. Nobody has checked it. The columns \
             `source_url`, `source`, `license` and `author` of each edit have it.\n{tables}"
        )
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
}
