//! Where published pictures come from, counted: by licence, and how many name an author or a source. Each part of pictures has its counts in
//! the manifest, so that a card needs no part to be read.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::manifest::{Part, PartKind};
use crate::row::ContentHash;
use crate::shard::Origin;

/// Most licences that a part has counts of; the most frequent count, and the others are counted together.
const MOST_OF_PART: usize = 16;
/// Most different values that are counted one by one. Those that come after them are counted together.
const MOST_VALUES: usize = 10_000;
/// Of a longer text, so many letters and its hash count: a sidecar may have megabytes of it.
const MOST_LETTERS: usize = 120;
/// Most values that a table shows.
const SHOWN: usize = 20;

/// How many rows of a part say where their pictures come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginCounts {
    /// Rows by licence, of the 16 most frequent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub licenses: BTreeMap<String, u64>,
    /// Rows with another licence.
    #[serde(default)]
    pub other_licenses: u64,
    /// Rows that name an author.
    pub authors: u64,
    /// Rows with a URL or a source.
    pub sources: u64,
}

/// Counts the rows of a part while they are written.
#[derive(Default)]
pub(super) struct Counting {
    licenses: Tally,
    authors: u64,
    sources: u64,
}

impl Counting {
    pub(super) fn add(&mut self, origin: &Origin) {
        self.licenses.add(origin.license.as_deref());
        self.authors += u64::from(origin.author.is_some());
        self.sources += u64::from(origin.source.is_some() || origin.source_url.is_some());
    }

    /// `None` where no row says anything.
    pub(super) fn counts(self) -> Option<OriginCounts> {
        let (licenses, other_licenses) = self.licenses.most_frequent(MOST_OF_PART);
        let licenses = licenses.into_iter().map(|(license, count)| (license.to_owned(), count)).collect();
        let counts = OriginCounts { licenses, other_licenses, authors: self.authors, sources: self.sources };
        Some(counts).filter(|counts| *counts != OriginCounts::default())
    }
}

/// What the card says of the origins of all kept pictures; nothing where no sidecar says anything.
pub(super) fn origins_on_card(parts: &[Part]) -> String {
    let data = || parts.iter().filter(|part| part.kind == PartKind::Data);
    let rows: u64 = data().map(|part| part.rows).sum();
    let (mut licenses, mut authors, mut sources) = (Tally::default(), 0, 0);
    for counts in data().filter_map(|part| part.origins.as_ref()) {
        counts.licenses.iter().for_each(|(license, count)| licenses.add_rows(license, *count));
        licenses.others += counts.other_licenses;
        authors += counts.authors;
        sources += counts.sources;
    }
    licenses.none = rows - licenses.known().min(rows);
    if licenses.known() + authors + sources == 0 {
        return String::new();
    }
    format!(
        "## Origins\n\nWhat the sidecars say of the kept pictures, to the letter. Nobody has checked it. Of {rows} pictures {authors} have an \
         author, and {sources} a source or its URL. A licence that is not among the {MOST_OF_PART} most frequent of its shard is one of \
         the others.\n\n{}\n",
        licenses.table("licence", "pictures")
    )
}

/// How often each text stands in a column.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    values: HashMap<String, u64>,
    /// Rows with a text that came when there was no more room.
    others: u64,
    /// Rows that say nothing.
    none: u64,
}

impl Tally {
    /// Counts a row.
    pub fn add(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.add_rows(text, 1),
            None => self.none += 1,
        }
    }

    fn add_rows(&mut self, text: &str, rows: u64) {
        let text = counted(text);
        if let Some(count) = self.values.get_mut(&*text) {
            *count += rows;
        } else if self.values.len() < MOST_VALUES {
            self.values.insert(text.into_owned(), rows);
        } else {
            self.others += rows;
        }
    }

    /// Rows that say something.
    pub fn known(&self) -> u64 {
        self.values.values().sum::<u64>() + self.others
    }

    /// Rows that say nothing.
    pub fn none(&self) -> u64 {
        self.none
    }

    /// The most frequent texts with their rows, and how many rows have another one.
    fn most_frequent(&self, most: usize) -> (Vec<(&str, u64)>, u64) {
        let mut texts: Vec<(&str, u64)> =
            self.values.iter().map(|(text, count)| (text.as_str(), *count)).collect();
        texts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        let rest = texts.iter().skip(most).map(|(_, count)| count).sum::<u64>() + self.others;
        texts.truncate(most);
        (texts, rest)
    }

    /// A table in Markdown of the twenty most frequent texts, the rows with others, and those with none.
    pub fn table(&self, what: &str, rows: &str) -> String {
        let mut table = format!("| {what} | {rows} |\n|---|--:|\n");
        let (texts, rest) = self.most_frequent(SHOWN);
        for (text, count) in texts {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "| {} | {count} |", cell(text));
        }
        for (what, count) in [("*others*", rest), ("*none*", self.none)] {
            if count > 0 {
                let _ = writeln!(table, "| {what} | {count} |");
            }
        }
        table
    }
}

/// What a text is counted by: itself, or its start and its hash.
fn counted(text: &str) -> Cow<'_, str> {
    // Letters, and 9 for the hash of one that was cut before.
    match text.char_indices().nth(MOST_LETTERS + 9) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let start: String = text.chars().take(MOST_LETTERS).collect();
            let hash = ContentHash::of(text.as_bytes()).to_string();
            Cow::Owned(format!("{start}…{}", &hash[..8]))
        }
    }
}

/// Text of others that cannot end its cell or become markup: at most 129 letters of it.
fn cell(text: &str) -> String {
    const MOST: usize = MOST_LETTERS + 9;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = words.chars().take(MOST).collect();
    if shown.len() < words.len() {
        shown.push('…');
    }
    format!("`{}`", shown.replace('`', "'").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_texts_are_shown_and_the_others_counted() {
        let mut tally = Tally::default();
        for number in 0..30 {
            tally.add(Some(&format!("{number:02}|`")));
        }
        [Some("a"), Some("a"), None].into_iter().for_each(|text| tally.add(text));
        assert_eq!((tally.known(), tally.none()), (32, 1));
        let table = tally.table("licence", "edits");
        assert!(
            table.starts_with("| licence | edits |\n|---|--:|\n| `a` | 2 |\n| `00\\|'` | 1 |\n"),
            "{table}"
        );
        assert!(table.ends_with("| `18\\|'` | 1 |\n| *others* | 11 |\n| *none* | 1 |\n"), "{table}");
    }

    #[test]
    fn long_texts_are_told_apart_and_take_little_room() {
        let mut tally = Tally::default();
        let long = |last: char| format!("{}{last}", "ä".repeat(1 << 20));
        ['a', 'a', 'b'].into_iter().for_each(|last| tally.add(Some(&long(last))));
        let (texts, rest) = tally.most_frequent(9);
        assert_eq!((texts.iter().map(|(_, count)| *count).collect::<Vec<_>>(), rest), (vec![2, 1], 0));
        assert!(texts.iter().all(|(text, _)| text.chars().count() == MOST_LETTERS + 9));
        // Counted once more, as those of parts are on a card, they are what they were.
        let mut again = Tally::default();
        texts.iter().for_each(|(text, count)| again.add_rows(text, *count));
        assert_eq!(again.values, tally.values);
    }

    #[test]
    fn a_part_has_counts_of_its_most_frequent_licences() {
        let mut counting = Counting::default();
        for number in 0..40 {
            let license = Some(format!("{}", number % 20)).filter(|_| number < 39);
            counting.add(&Origin { license, ..Origin::default() });
        }
        let counts = counting.counts().unwrap();
        assert_eq!((counts.licenses.len(), counts.licenses["0"], counts.other_licenses), (16, 2, 7));
        assert_eq!(counts.licenses.values().sum::<u64>(), 32);
        assert_eq!(Counting::default().counts(), None);
    }
}
