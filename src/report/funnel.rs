//! The funnels as tables, each step with a bar: what went on, what was held back, what was refused.

use std::fmt::Write;

use super::html::{count, escape, percent};
use crate::publish::FunnelStep;

/// Widths of bars are in thousandths of the table's cell.
const WIDE: u64 = 1000;

/// `what` is `pictures` or `regions`.
pub(super) fn funnel(what: &str, steps: &[FunnelStep]) -> String {
    let entered = steps.first().map_or(0, |step| step.entered);
    let mut table = format!(
        "<p class=\"soft\"><span class=\"key-of\" style=\"background:#12806a;margin-left:0\"></span>{what} that went on\
         <span class=\"key-of\" style=\"background:#d9822b\"></span>held back by a dial\
         <span class=\"key-of\" style=\"background:#b3261e\"></span>refused</p>\n\
         <table class=\"funnel\">\n<thead><tr><th>stage</th><th class=\"n\">in</th><th class=\"n\">held back</th>\
         <th class=\"n\">refused</th><th class=\"n\">out</th><th class=\"n\">of all</th><th></th></tr></thead>\n<tbody>\n"
    );
    for step in steps {
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "<tr><td>{}</td>{}{}{}{}<td class=\"n soft\">{}</td><td class=\"bar\">{}</td></tr>",
            escape(&step.stage),
            cell(step.entered),
            cell(step.gated),
            cell(step.refused),
            cell(step.left),
            percent(step.left, entered),
            bar(step, entered)
        );
    }
    table + "</tbody>\n</table>\n"
}

fn cell(rows: u64) -> String {
    let class = if rows == 0 { "n none" } else { "n" };
    format!("<td class=\"{class}\">{}</td>", count(rows))
}

fn bar(step: &FunnelStep, entered: u64) -> String {
    let mut bar =
        format!("<svg viewBox=\"0 0 {WIDE} 14\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let mut left = 0;
    for (rows, colour) in [(step.left, "#12806a"), (step.gated, "#d9822b"), (step.refused, "#b3261e")] {
        // What is there is seen, however little it is.
        let wide = (rows * WIDE).checked_div(entered).unwrap_or(0).max(if rows > 0 { 4 } else { 0 });
        if wide > 0 {
            let _ =
                write!(bar, "<rect x=\"{left}\" y=\"1\" width=\"{wide}\" height=\"12\" fill=\"{colour}\"/>");
        }
        left += wide;
    }
    bar + "</svg>"
}
