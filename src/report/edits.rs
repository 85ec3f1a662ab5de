//! The edits of kept pictures on the page: some of every sort, evenly spread over the shards, each with its pictures and words.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::choose::{self, Chosen};
use super::gather::on_threads;
use super::html::{count, escape, number, shortened};
use super::{DrawnEdit, Illustrator, Panel, Report, ReportError, ShownEdit, gallery};
use crate::publish::{PublishError, edits_of_row, edits_published};
use crate::row::Refusal;
use crate::shard::{Catalogue, EndFrame};

/// The most edits of a sort that a page shows.
const MOST_OF_A_SORT: usize = 6;
/// From so many pictures on an edit has a line of its own.
const WIDE: usize = 5;

/// An edit of the page.
pub(super) struct EditShown {
    pub shard: String,
    pub key: String,
    pub drawn: Result<DrawnEdit, Refusal>,
}

/// The edits of one sort.
pub(super) struct SortOfEdits {
    /// The number of the sort: the edits' own.
    number: u16,
    /// All that were published, shown or not.
    all: u64,
    pub edits: Vec<EditShown>,
}

/// Chooses edits and has them drawn; nothing where the pipeline draws none.
pub(super) fn gather(report: &Report<'_>, catalogue: &Catalogue) -> Result<Vec<SortOfEdits>, ReportError> {
    let Some(illustrator) = report.illustrator.filter(|illustrator| illustrator.shows_edits()) else {
        return Ok(Vec::new());
    };
    let mut published: BTreeMap<u16, Vec<Chosen>> = BTreeMap::new();
    for row in choose::kept(report.wanted, usize::MAX) {
        for number in edits_published(report.wanted, &report.wanted.shards[row.shard], row.member) {
            published.entry(number).or_default().push(row);
        }
    }
    let mut all: Vec<(u16, Chosen)> = Vec::new();
    for (number, rows) in &published {
        let most = rows.len().min(MOST_OF_A_SORT);
        all.extend((0..most).map(|place| (*number, rows[place * rows.len() / most])));
    }
    let drawn = on_threads(report.threads, &all, |(number, row)| {
        draw(report, illustrator, catalogue, (*number, *row))
    })?;
    let mut shown = all.iter().map(|(number, _)| *number).zip(drawn).peekable();
    let mut sorts = Vec::new();
    for (number, rows) in &published {
        let mut edits = Vec::new();
        while let Some((_, edit)) = shown.next_if(|(of, _)| of == number) {
            edits.push(edit);
        }
        sorts.push(SortOfEdits { number: *number, all: rows.len() as u64, edits });
    }
    Ok(sorts)
}

fn draw(
    report: &Report<'_>,
    illustrator: &dyn Illustrator,
    catalogue: &Catalogue,
    (number, row): (u16, Chosen),
) -> Result<EditShown, PublishError> {
    let in_shard = &report.wanted.shards[row.shard];
    let shard = catalogue.shard(in_shard.seq)?;
    let lost = || PublishError::Verdicts(format!("shard {} has no row {}", shard.name, row.member));
    let sample = shard.index.samples.get(row.member as usize).ok_or_else(lost)?;
    let rows = edits_of_row(report.wanted, in_shard, &shard, row.member)?;
    let edit = rows.iter().find(|(known, _)| *known == number).map(|(_, edit)| edit).ok_or_else(lost)?;
    let drawn = || {
        let picture = sample.picture.as_ref().map_err(Clone::clone)?;
        let bytes = shard.picture_bytes(row.member)?;
        let end_frame = sample.end_frame().map(|member| shard.member_bytes(member)).transpose()?;
        let end_frame = end_frame.as_deref().map(|bytes| EndFrame::of(bytes, catalogue.options()));
        illustrator.edit(&ShownEdit { picture, bytes: &bytes, end_frame: end_frame.as_ref(), row: edit })
    };
    let gave_up = |_| Err(Refusal::permanent("not_drawn", "what draws it gave up on this edit"));
    let drawn = catch_unwind(AssertUnwindSafe(drawn)).unwrap_or_else(gave_up);
    Ok(EditShown { shard: in_shard.name.to_owned(), key: sample.key.clone(), drawn })
}

/// The section of the page.
pub(super) fn section(sorts: &[SortOfEdits]) -> String {
    let mut text = "<h2 id=\"edit-pairs\">Edits, type by type</h2>\n\
                    <p class=\"soft\">Of every type at most six of those that are published in kept pictures, evenly spread \
                    over the shards.</p>\n<nav class=\"sorts\">"
        .to_owned();
    let name = |sort: &SortOfEdits| {
        let known = sort.edits.iter().find_map(|edit| Some(edit.drawn.as_ref().ok()?.sort.clone()));
        known.unwrap_or_else(|| format!("edits number {}", sort.number))
    };
    for sort in sorts {
        let _ = write!(text, "<a href=\"#edits-{}\">{}</a>", sort.number, escape(&name(sort)));
    }
    text.push_str("</nav>\n");
    for sort in sorts {
        let _ = write!(
            text,
            "<h3 id=\"edits-{}\" class=\"sort\">{} <span class=\"soft\">({} of {})</span></h3>\n<div class=\"edits\">\n",
            sort.number,
            escape(&name(sort)),
            count(sort.edits.len() as u64),
            count(sort.all)
        );
        sort.edits.iter().for_each(|edit| text.push_str(&figure(edit)));
        text.push_str("</div>\n");
    }
    text
}

fn figure(edit: &EditShown) -> String {
    let key = escape(&format!("{}/{}", edit.shard, shortened(&edit.key, 120)));
    let drawn = match &edit.drawn {
        Ok(drawn) => drawn,
        Err(refusal) => {
            let words = escape(&format!("cannot be shown: {}", shortened(&refusal.message, 100)));
            return format!(
                "<figure class=\"edit\"><div class=\"nothing\">{words}</div><figcaption><span class=\"key\">{key}</span>\
                 </figcaption></figure>\n"
            );
        }
    };
    let class = if drawn.panels.len() >= WIDE { "edit wide" } else { "edit" };
    let mut text = format!("<figure class=\"{class}\">\n<div class=\"panels\">\n");
    for Panel { caption, illustration } in &drawn.panels {
        let caption = escape(caption);
        let picture = gallery::drawing(illustration, &caption);
        let _ = writeln!(text, "<div class=\"panel\">{picture}<span class=\"soft\">{caption}</span></div>");
    }
    text.push_str("</div>\n<figcaption>");
    for (label, words) in &drawn.words {
        let label = if label.is_empty() {
            String::new()
        } else {
            format!("<span class=\"soft\">{}</span> ", escape(label))
        };
        let _ = write!(text, "<span class=\"said\">{label}{}</span>", escape(&shortened(words, 400)));
    }
    let scores = drawn.scores.iter().map(|(name, score)| format!("{name}\u{a0}{}", number(*score)));
    let scores = scores.collect::<Vec<_>>().join(" · ");
    let _ = write!(text, "<span class=\"scores\">{}</span>", escape(&scores));
    for note in &drawn.notes {
        let _ = write!(text, "<span class=\"scores\">{}</span>", escape(&shortened(note, 300)));
    }
    let _ = write!(text, "<span class=\"key soft\">{key}</span></figcaption>\n</figure>\n");
    text
}
