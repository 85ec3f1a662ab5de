//! The page as a whole.

use std::fmt::Write;

use super::choose::Reason;
use super::edits::{self, SortOfEdits};
use super::gather::{Dropped, Pictures};
use super::html::{count, escape, frame, number, percent};
use super::{Report, ReportError, chart, funnel, gallery};
use crate::flow::DialSpec;
use crate::publish::{self, Demonstration, DialSetting, FunnelStep, PieceSummary, StageDescription, Summary};
use crate::row::Of;

/// The counts that the page tells.
pub(super) struct Facts {
    summary: Summary,
    pictures: Vec<FunnelStep>,
    regions: Vec<FunnelStep>,
    edits: Vec<FunnelStep>,
}

impl Facts {
    pub(super) fn of(report: &Report<'_>) -> Result<Self, ReportError> {
        let summary = publish::summarise(report.wanted)?;
        let pictures = publish::funnel(report.wanted, &summary)?;
        let regions = publish::piece_funnel(report.wanted, &summary, Of::Regions)?;
        let edits = publish::piece_funnel(report.wanted, &summary, Of::Edits)?;
        Ok(Facts { summary, pictures, regions, edits })
    }

    /// How many rows and pieces a dial held back; `None` where it has no gate.
    fn held_back_by(&self, dial: &str) -> u64 {
        let rows = self.summary.gated.get(dial).copied().unwrap_or(0);
        let pieces = Of::PIECES.into_iter().filter_map(|of| self.summary.pieces(of)?.gated.get(dial));
        rows + pieces.sum::<u64>()
    }
}

/// The page's text.
pub(super) fn page(
    report: &Report<'_>,
    facts: &Facts,
    pictures: &Pictures,
    of_edits: &[SortOfEdits],
) -> String {
    let Summary { rows, kept, regions, edits, .. } = &facts.summary;
    let pipeline = report.wanted.pipeline;
    let title = format!("{pipeline}: {} of {} pictures kept", count(*kept), count(*rows));
    let dropped = rows - kept;
    let mut body = format!("<h1>{}</h1>\n", escape(&title));
    if let Some(sentence) = Demonstration::sentence(report.wanted.demonstration) {
        let _ = writeln!(body, "<p class=\"demonstration\"><strong>{}</strong></p>", escape(&sentence));
    }
    let with_pieces = Of::PIECES.into_iter().filter_map(|of| Some(piece_line(of, facts.summary.pieces(of)?)));
    let with_pieces: String = with_pieces.collect();
    let _ = write!(
        body,
        "<p>{} of the pictures passed every dial.{with_pieces}</p>\n\
         <nav><a href=\"#funnel\">Funnel</a>{}{}{}<a href=\"#dials\">Dials</a>\
         <a href=\"#kept\">Kept pictures</a><a href=\"#dropped\">Dropped pictures</a>\
         <a href=\"#models\">Models</a></nav>\n",
        percent(*kept, *rows),
        if regions.is_some() { "<a href=\"#regions\">Regions</a>" } else { "" },
        if edits.is_some() { "<a href=\"#edits\">Edits</a>" } else { "" },
        if of_edits.is_empty() { "" } else { "<a href=\"#edit-pairs\">Edits, type by type</a>" },
    );
    body.push_str("<h2 id=\"funnel\">The funnel of pictures</h2>\n");
    body.push_str(&funnel::funnel("pictures", &facts.pictures));
    if regions.is_some() {
        body.push_str("<h2 id=\"regions\">The funnel of regions</h2>\n");
        body.push_str(&funnel::funnel("regions", &facts.regions));
    }
    if edits.is_some() {
        body.push_str("<h2 id=\"edits\">The funnel of edits</h2>\n");
        body.push_str(&funnel::funnel("edits", &facts.edits));
    }
    if !of_edits.is_empty() {
        let rank_by = report.illustrator.map(|illustrator| illustrator.edits_rank_by()).unwrap_or_default();
        body.push_str(&edits::section(of_edits, rank_by));
    }
    body.push_str(&dials(report, facts));
    let _ = write!(
        body,
        "<h2 id=\"kept\">Kept pictures</h2>\n<p class=\"soft\">{} of {}, evenly spread over the shards.{}</p>\n{}",
        count(pictures.kept.len() as u64),
        count(*kept),
        if regions.is_some() { " Objects have a solid box, backgrounds a dashed one." } else { "" },
        gallery::gallery(report.wanted, &pictures.kept)
    );
    body.push_str(&dropped_section(report, pictures, dropped));
    body.push_str(&models(report));
    frame(&title, &body)
}

fn piece_line(of: Of, pieces: &PieceSummary) -> String {
    format!(
        " {} {} were {}; {} were kept, {} of these in kept pictures.",
        count(pieces.found),
        of.plural(),
        if of == Of::Edits { "tried on them" } else { "found in them" },
        count(pieces.kept),
        count(pieces.published)
    )
}

/// One drawing a dial.
fn dials(report: &Report<'_>, facts: &Facts) -> String {
    let mut text = "<h2 id=\"dials\">The dials</h2>\n\
                    <p class=\"soft\">How the scores that came to each dial are spread. \
                    <span class=\"key-of\" style=\"background:#12806a;margin-left:4px\"></span>on the passing side\
                    <span class=\"key-of\" style=\"background:#e3b27a\"></span>on the other. \
                    Where several dials are alternatives, what fails one may pass by another.</p>\n\
                    <div class=\"charts\">\n"
        .to_owned();
    for ((spec, histogram), setting) in report.dials.iter().zip(report.histograms).zip(report.wanted.dials) {
        let buckets = histogram.buckets();
        let is_met = histogram.not_numbers() > 0 || buckets.iter().any(|rows| *rows > 0);
        if spec.group.is_some() && !is_met {
            // Of the groups of a dial, those that rows are in.
            continue;
        }
        let _ = write!(
            text,
            "<figure class=\"chart\" id=\"dial-{}\">\n<h3>{}</h3>\n<p>{}</p>\n{}</figure>\n",
            escape(spec.name),
            heading(spec, setting),
            caption(facts, spec, [buckets.iter().sum(), histogram.not_numbers()]),
            chart::histogram(spec, setting.value, &buckets)
        );
    }
    text + "</div>\n"
}

fn heading(spec: &DialSpec, setting: &DialSetting) -> String {
    let share = setting.share.as_ref().map_or_else(String::new, |share| format!(", {share}"));
    let turned = match setting.value == setting.default {
        true => share,
        false => format!("{share}, default {}", number(setting.default)),
    };
    let labels = setting.labels.as_ref().map_or_else(String::new, |said| format!("; {}", escape(said)));
    format!(
        "<code>{}</code> {} {} <span class=\"soft\">({}{turned}{labels})</span>",
        escape(spec.name),
        escape(setting.comparison),
        number(setting.value),
        escape(spec.unit)
    )
}

fn caption(facts: &Facts, spec: &DialSpec, [scores, not_numbers]: [u64; 2]) -> String {
    let no_numbers = match not_numbers {
        0 => String::new(),
        some => format!(", {} more were no number", count(some)),
    };
    format!(
        "{} {} scores came to it{no_numbers}; it was the first to hold back {}.",
        escape(spec.about),
        count(scores),
        count(facts.held_back_by(spec.name))
    )
}

fn dropped_section(report: &Report<'_>, pictures: &Pictures, dropped: u64) -> String {
    let shown: usize = pictures.dropped.iter().map(|group| group.pictures.len()).sum();
    let mut text = format!(
        "<h2 id=\"dropped\">Dropped pictures</h2>\n<p class=\"soft\">{} of {}, for each reason evenly spread over the \
         shards.</p>\n",
        count(shown as u64),
        count(dropped)
    );
    for (place, group) in pictures.dropped.iter().enumerate() {
        let Dropped { reason, rows, pictures } = group;
        let heading = match reason {
            Reason::Gated { dial } => format!("Held back by {dial}"),
            Reason::Refused { stage, class } => format!("Refused by {stage}: {class}"),
        };
        let _ = write!(
            text,
            "<h3 id=\"dropped-{}\">{} <span class=\"soft\">({} of {})</span></h3>\n{}",
            place + 1,
            escape(&heading),
            count(pictures.len() as u64),
            count(*rows),
            gallery::gallery(report.wanted, pictures)
        );
    }
    text
}

fn models(report: &Report<'_>) -> String {
    let mut text = "<h2 id=\"models\">Models</h2>\n<table>\n<thead><tr><th>stage</th><th>answered by</th><th>stamp</th></tr>\
                    </thead>\n<tbody>\n"
        .to_owned();
    for stage in report.wanted.stages {
        if let StageDescription::Ask { name, stamp, model, .. } = stage {
            let _ = writeln!(
                text,
                "<tr><td>{}</td><td>{}</td><td><code>{stamp}</code></td></tr>",
                escape(name),
                escape(model)
            );
        }
    }
    text + "</tbody>\n</table>\n"
}
