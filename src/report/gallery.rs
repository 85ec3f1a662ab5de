//! Pictures on the page: each with its marks, its key, and the reason why it was kept or dropped.

use std::fmt::Write;

use super::gather::Pictured;
use super::html::{colour, data_uri, escape, number, number_beside, shortened};
use super::labels::{Placed, label_texts, place_labels};
use super::{Illustration, Mark};
use crate::publish::{DialSetting, Wanted};
use crate::row::{Refused, RegionKind, Verdict};

/// Of a label, in parts of a picture that is 320 wide.
const LETTERS: f32 = 12.0;
/// A letter of a monospaced font is so wide, as a share of its height; letters of East Asia are twice that.
const LETTER_WIDTH: f32 = 0.602;

/// Pictures in rows.
pub(super) fn gallery(wanted: &Wanted<'_>, pictures: &[Pictured]) -> String {
    let figures = pictures.iter().map(|pictured| figure(wanted, pictured));
    format!("<div class=\"pictures\">\n{}</div>\n", figures.collect::<String>())
}

fn figure(wanted: &Wanted<'_>, pictured: &Pictured) -> String {
    let mut figure = "<figure class=\"picture\">\n".to_owned();
    let mut marks: &[Mark] = &[];
    match &pictured.drawn {
        Some(Ok(illustration)) => {
            marks = &illustration.marks;
            figure.push_str(&drawing(illustration, &pictured.key));
        }
        Some(Err(refusal)) => {
            let words = format!("cannot be shown: {}", shortened(&refusal.message, 100));
            let _ = writeln!(figure, "<div class=\"nothing\">{}</div>", escape(&words));
        }
        None => {}
    }
    let _ = write!(
        figure,
        "<figcaption><span class=\"key\">{}/{}</span>",
        escape(&pictured.shard),
        escape(&shortened(&pictured.key, 120))
    );
    if let Some([width, height]) = pictured.size {
        let _ = write!(figure, "<span class=\"soft\">{width} × {height} px</span>");
    }
    figure.push_str(&why(wanted, &pictured.verdict));
    if !pictured.scores.is_empty() {
        let scores = pictured.scores.iter().map(|(name, score)| format!("{name}\u{a0}{}", number(*score)));
        let scores = scores.collect::<Vec<_>>().join(" · ");
        let _ = write!(figure, "<span class=\"scores\">{}</span>", escape(&scores));
    }
    figure.push_str(&legend(marks));
    figure + "</figcaption>\n</figure>\n"
}

/// Why a picture was not kept; nothing for one that was.
fn why(wanted: &Wanted<'_>, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Kept(_) => String::new(),
        Verdict::Gated { dial, score } => {
            let dial = wanted.dials.iter().find(|known| known.name == *dial);
            let words = dial.map_or_else(String::new, |dial| gated(dial, *score));
            format!("<span class=\"why\">{}</span>", escape(&words))
        }
        Verdict::Refused(refused) => {
            let Refused { stage, refusal } = &**refused;
            let words = format!("{stage}: {}: {}", refusal.class, shortened(&refusal.message, 300));
            format!("<span class=\"why refused\">{}</span>", escape(&words))
        }
    }
}

fn gated(dial: &DialSetting, score: f32) -> String {
    let DialSetting { name, comparison, value, .. } = dial;
    format!("{name} {} is not {comparison} {}", number_beside(score, *value), number(*value))
}

/// The picture with boxes and labels over it.
pub(super) fn drawing(illustration: &Illustration, alt: &str) -> String {
    let Illustration { media_type, bytes, width, height, marks } = illustration;
    let (wide, high) = (*width as f32, *height as f32);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"ui-monospace, DejaVu Sans Mono, Menlo, Consolas, Noto Sans CJK SC, monospace\" \
         font-weight=\"600\">\
         <title>{}</title><image href=\"{}\" width=\"{width}\" height=\"{height}\"/>\n",
        escape(alt),
        data_uri(media_type, bytes)
    );
    // Labels are as large on a tall picture as on a wide one: the page shows both in columns of one width.
    let letters = LETTERS * wide / 320.0;
    let labels = label_texts(marks, |_| true);
    let boxes: Vec<[f32; 4]> = marks.iter().map(|mark| in_pixels(mark.bbox, [wide, high])).collect();
    let placed: Vec<Placed> = boxes
        .iter()
        .zip(&labels)
        .map(|(bbox, label)| Placed { bbox: *bbox, size: [label_width(label, letters), letters * 1.3] })
        .collect();
    for (mark, bbox) in marks.iter().zip(&boxes) {
        svg.push_str(&outline(mark, *bbox));
    }
    let places = place_labels(&placed, [wide, high]);
    for (((mark, label), placed), [x, y]) in marks.iter().zip(&labels).zip(&placed).zip(places) {
        let [label_wide, label_high] = placed.size;
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{label_wide:.1}\" height=\"{label_high:.1}\" rx=\"2\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#fff\" font-size=\"{letters:.1}\" textLength=\"{:.1}\">{}</text>",
            colour(mark.colour),
            x + letters * 0.3,
            y + letters * 0.99,
            label_wide - letters * 0.6,
            escape(label)
        );
    }
    svg + "</svg>\n"
}

fn label_width(label: &str, letters: f32) -> f32 {
    let columns: f32 = label.chars().map(|letter| if letter < '\u{1100}' { 1.0 } else { 1.7 }).sum();
    (columns * LETTER_WIDTH + 0.6) * letters
}

fn in_pixels(bbox: [f32; 4], [wide, high]: [f32; 2]) -> [f32; 4] {
    let [left, top, right, bottom] = bbox.map(|edge| edge.clamp(0.0, 1.0));
    [left * wide, top * high, right * wide, bottom * high]
}

/// A box in its colour on a white one, so that it is seen on any picture.
fn outline(mark: &Mark, [left, top, right, bottom]: [f32; 4]) -> String {
    let rect = format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"none\"",
        left + 1.0,
        top + 1.0,
        (right - left - 2.0).max(1.0),
        (bottom - top - 2.0).max(1.0)
    );
    let dashes = if mark.kind == RegionKind::Background { " stroke-dasharray=\"7 5\"" } else { "" };
    format!(
        "{rect} stroke=\"#fff\" stroke-width=\"3.4\" stroke-opacity=\"0.75\"/>\
         {rect} stroke=\"{}\" stroke-width=\"2\"{dashes}/>\n",
        colour(mark.colour)
    )
}

/// A line a mark: its number, its noun, its scores.
fn legend(marks: &[Mark]) -> String {
    let Some(first) = marks.first() else { return String::new() };
    let names: Vec<&str> = first.scores.iter().map(|(name, _)| name.as_str()).collect();
    let mut legend = "<table class=\"marks\"><thead><tr><th>region</th>".to_owned();
    for name in &names {
        let _ = write!(legend, "<th class=\"n\">{}</th>", escape(name));
    }
    legend.push_str("</tr></thead>\n<tbody>\n");
    for (place, mark) in marks.iter().enumerate() {
        let swatch = if mark.kind == RegionKind::Background { "swatch background" } else { "swatch" };
        let _ = write!(
            legend,
            "<tr><td><span class=\"{swatch}\" style=\"border-color:{0};background-color:{0}\"></span>{1} {2}</td>",
            colour(mark.colour),
            place + 1,
            escape(&shortened(&mark.noun, 80)),
        );
        for name in &names {
            let score = mark.scores.iter().find(|(known, _)| known == name);
            let score = score.map_or("–".to_owned(), |(_, score)| format!("{score:.2}"));
            let _ = write!(legend, "<td class=\"n\">{score}</td>");
        }
        legend.push_str("</tr>\n");
    }
    legend + "</tbody></table>"
}
