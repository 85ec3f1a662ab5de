//! The edits of kept pictures on the page: of every sort the best and the worst, each with its pictures and words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::choose::{self, Chosen};
use super::gather::on_threads;
use super::html::{count, escape, number, shortened};
use super::{DrawnEdit, Illustrator, Panel, Report, ReportError, ShownEdit, gallery};
use crate::flow::PieceVerdict;
use crate::publish::{PublishError, edits_of_row, edits_published};
use crate::row::{Of, Refusal};
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
    /// What they are called, where the illustrator says.
    name: Option<&'static str>,
    /// All that no stage refused.
    made: u64,
    /// All that were published, shown or not.
    all: u64,
    /// The best first, from the best down; then the worst, from the worst up.
    pub edits: Vec<EditShown>,
    /// How many of them are the best.
    best: usize,
}

/// A published edit of a sort.
struct Published<'a> {
    row: Chosen,
    scores: &'a [f32],
}

/// Which of the edits of a sort are shown, and how many of them as the best. `ranks`: the places of the scores that say so.
fn shown(edits: &[Published<'_>], ranks: &[usize]) -> (Vec<Chosen>, usize) {
    let most = edits.len().min(MOST_OF_A_SORT);
    if ranks.is_empty() {
        return ((0..most).map(|place| edits[place * edits.len() / most].row).collect(), most);
    }
    let merit = |edit: &Published<'_>| {
        let scores = ranks.iter().map(|place| edit.scores.get(*place).copied().unwrap_or(f32::NAN));
        // What is no number is the worst.
        let scores: Vec<f32> = scores.map(|score| if score.is_nan() { f32::MIN } else { score }).collect();
        (scores.iter().copied().fold(f32::MAX, f32::min), scores.iter().sum::<f32>())
    };
    let mut order: Vec<(usize, (f32, f32))> = edits.iter().map(merit).enumerate().collect();
    order.sort_by(|(_, a), (_, b)| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let best = most.div_ceil(2);
    let (first, last) = (order[..best].iter(), order[order.len() - (most - best)..].iter().rev());
    (first.chain(last).map(|(place, _)| edits[*place].row).collect(), best)
}

/// Chooses edits and has them drawn; nothing where the pipeline draws none.
pub(super) fn gather(report: &Report<'_>, catalogue: &Catalogue) -> Result<Vec<SortOfEdits>, ReportError> {
    let Some(illustrator) = report.illustrator.filter(|illustrator| illustrator.shows_edits()) else {
        return Ok(Vec::new());
    };
    let mut published: BTreeMap<u16, Vec<Published<'_>>> = BTreeMap::new();
    for row in choose::kept(report.wanted, usize::MAX) {
        for edit in edits_published(report.wanted, &report.wanted.shards[row.shard], row.member) {
            published.entry(edit.number).or_default().push(Published { row, scores: edit.scores });
        }
    }
    let pieces = report.wanted.pieces.as_ref();
    let columns = pieces.and_then(|pieces| pieces.score_columns(Of::Edits)).unwrap_or_default();
    let place = |name: &&str| columns.iter().position(|known| known == name);
    let ranks: Vec<usize> = illustrator.edits_rank_by().iter().filter_map(place).collect();
    let (mut all, mut best): (Vec<(u16, Chosen)>, BTreeMap<u16, usize>) = Default::default();
    for (number, edits) in &published {
        let (rows, of_these) = shown(edits, &ranks);
        all.extend(rows.into_iter().map(|row| (*number, row)));
        best.insert(*number, of_these);
    }
    let drawn = on_threads(report.threads, &all, |(number, row)| {
        draw(report, illustrator, catalogue, (*number, *row))
    })?;
    let mut shown = all.iter().map(|(number, _)| *number).zip(drawn).peekable();
    let mut sorts = Vec::new();
    let made = made(report);
    for number in made.keys().chain(published.keys()).collect::<BTreeSet<_>>() {
        let rows = published.get(number).map_or(0, Vec::len) as u64;
        let name = illustrator.edit_sorts().get(usize::from(*number)).copied();
        if rows == 0 && name.is_none() {
            continue;
        }
        let mut edits = Vec::new();
        while let Some((_, edit)) = shown.next_if(|(of, _)| of == number) {
            edits.push(edit);
        }
        let best = best.get(number).copied().unwrap_or_default();
        let made = made.get(number).copied().unwrap_or(rows);
        sorts.push(SortOfEdits { number: *number, name, made, all: rows, edits, best });
    }
    Ok(sorts)
}

/// Of every sort, how many edits no stage refused.
fn made(report: &Report<'_>) -> BTreeMap<u16, u64> {
    let mut made = BTreeMap::new();
    let Some(pieces) = &report.wanted.pieces else { return made };
    for shard in &report.wanted.shards {
        let ids = (0..shard.verdicts.len()).map(|member| shard.row_id(member));
        for (number, verdict) in ids.flat_map(|id| pieces.verdicts.pieces_of(Of::Edits, id)) {
            let refused = matches!(verdict, PieceVerdict::Refused(_));
            *made.entry(number).or_default() += u64::from(!refused);
        }
    }
    made.retain(|_, count| *count > 0);
    made
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
pub(super) fn section(sorts: &[SortOfEdits], rank_by: &[&str]) -> String {
    let which = match rank_by {
        [] => "at most six of those that are published in kept pictures, evenly spread over the shards"
            .to_owned(),
        [one] => format!("the best and the worst of those that are published in kept pictures, by {one}"),
        several => format!(
            "the best and the worst of those that are published in kept pictures, by the lowest of {}",
            several.join(", ")
        ),
    };
    let mut text = format!(
        "<h2 id=\"edit-pairs\">Edits, type by type</h2>\n<p class=\"soft\">Of every type {}.</p>\n<nav class=\"sorts\">",
        escape(&which)
    );
    let name = |sort: &SortOfEdits| {
        let known = sort.edits.iter().find_map(|edit| Some(edit.drawn.as_ref().ok()?.sort.clone()));
        let named = || sort.name.map(str::to_owned);
        known.or_else(named).unwrap_or_else(|| format!("edits number {}", sort.number))
    };
    for sort in sorts {
        let _ = write!(text, "<a href=\"#edits-{}\">{}</a>", sort.number, escape(&name(sort)));
    }
    text.push_str("</nav>\n");
    for sort in sorts {
        let _ = writeln!(
            text,
            "<h3 id=\"edits-{}\" class=\"sort\">{} <span class=\"soft\">({} of {} that were made are published, {} are shown)</span></h3>",
            sort.number,
            escape(&name(sort)),
            count(sort.all),
            count(sort.made),
            count(sort.edits.len() as u64)
        );
        let (best, worst) = sort.edits.split_at(sort.best.min(sort.edits.len()));
        let figures = |edits: &[EditShown]| edits.iter().map(figure).collect::<String>();
        let _ = match worst {
            [] => write!(text, "<div class=\"edits\">\n{}</div>\n", figures(best)),
            _ => write!(
                text,
                "<div class=\"sides\">\n<div><h4>Best</h4>\n{}</div>\n<div><h4>Worst</h4>\n{}</div>\n</div>\n",
                figures(best),
                figures(worst)
            ),
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The scores of the edits that are shown, and how many are the best.
    fn shown_of(scores: &[[f32; 3]], ranks: &[usize]) -> (Vec<[f32; 3]>, usize) {
        let edit = |(member, scores): (usize, &'_ [f32; 3])| (member as u32, *scores);
        let edits: Vec<(u32, [f32; 3])> = scores.iter().enumerate().map(edit).collect();
        let published = edits.iter().map(|(member, scores)| Published {
            row: Chosen { shard: 0, member: *member },
            scores: scores.as_slice(),
        });
        let (rows, best) = shown(&published.collect::<Vec<_>>(), ranks);
        (rows.into_iter().map(|row| scores[row.member as usize]).collect(), best)
    }

    #[test]
    fn the_best_come_first_and_the_worst_last() {
        // The first score does not count.
        let scores: Vec<[f32; 3]> =
            (0..40u16).map(|n| [f32::from(n), f32::from(n * 7 % 40), f32::from(n * 11 % 40)]).collect();
        let (rows, best) = shown_of(&scores, &[1, 2]);
        let merit = |row: &[f32; 3]| row[1].min(row[2]);
        let mut sorted: Vec<f32> = scores.iter().map(merit).collect();
        sorted.sort_by(f32::total_cmp);
        let merits: Vec<f32> = rows.iter().map(merit).collect();
        assert_eq!((best, merits.len()), (3, 6));
        assert_eq!(merits[..3], [sorted[39], sorted[38], sorted[37]]);
        assert_eq!(merits[3..], sorted[..3]);
    }

    #[test]
    fn few_edits_are_shown_once_and_what_is_no_number_is_the_worst() {
        let (good, bad, none) = ([0.0, 4.0, 4.0], [0.0, 4.0, 2.0], [0.0, f32::NAN, 5.0]);
        let (rows, best) = shown_of(&[bad, none, good], &[1, 2]);
        assert_eq!((best, rows[0], rows[1]), (2, good, bad));
        assert!(rows.len() == 3 && rows[2][1].is_nan());
        assert_eq!(shown_of(&[bad], &[1, 2]), (vec![bad], 1));
        // Without such scores they are some, evenly spread.
        let many: Vec<[f32; 3]> = (0..12u8).map(|n| [f32::from(n), 0.0, 0.0]).collect();
        let (rows, best) = shown_of(&many, &[]);
        assert_eq!(
            (best, rows.iter().map(|row| row[0]).collect::<Vec<_>>()),
            (6, vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
        );
    }
}
