//! A histogram as an SVG drawing: the distribution of the scores, with the dial and the side that passes.
//!
//! A unit's scale may be far wider than the scores (pictures of 500 to 3,000 pixels on a scale to 65,535). The drawing shows the part of
//! the scale that is used, and the dial if it is near enough.

use std::fmt::Write;
use std::ops::Range;

use super::html::{escape, number};
use crate::flow::{Comparison, DialSpec};

/// Of the drawing, in its own units.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 170.0;
/// Of the bars' field.
const LEFT: f64 = 8.0;
const RIGHT: f64 = WIDTH - 8.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = HEIGHT - 22.0;
/// More bars than this would be too thin.
const MOST_BARS: usize = 64;
/// A dial that would leave less than this share of the field to the scores is not in it.
const LEAST_USED: f64 = 0.3;
const PASSING: &str = "#12806a";
const HELD_BACK: &str = "#e3b27a";

/// The part of the scale that is drawn, in buckets, and how many of them one bar stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub buckets: Range<usize>,
    pub a_bar: usize,
}

impl View {
    /// `dial` is the place of the dial on the scale, in buckets. `None` where there are no scores.
    pub(super) fn of(buckets: &[u64], dial: f64) -> Option<Self> {
        let first = buckets.iter().position(|&rows| rows > 0)?;
        let last = buckets.iter().rposition(|&rows| rows > 0)? + 1;
        let with_dial = (dial.floor().max(0.0) as usize).min(first)..(dial.ceil() as usize).max(last);
        let used = (last - first).max(MOST_BARS / 8) as f64;
        let mut shown = if used >= LEAST_USED * with_dial.len() as f64 { with_dial } else { first..last };
        // Few buckets make broad bars, and a single score a bar as broad as the field: some room on both sides.
        let a_bar = shown.len().div_ceil(MOST_BARS).max(1);
        let room = a_bar * if shown.len() < MOST_BARS / 4 { MOST_BARS / 8 } else { 1 };
        shown = shown.start.saturating_sub(room)..(shown.end + room).min(buckets.len());
        // Bars begin where they would in any other drawing of the same width.
        let start = shown.start / a_bar * a_bar;
        Some(View { buckets: start..shown.end, a_bar })
    }
}

/// A scale: where a bucket begins, as a score.
struct Scale<'a> {
    spec: &'a DialSpec,
    buckets: f64,
}

impl Scale<'_> {
    fn bucket_of(&self, score: f64) -> f64 {
        let (low, high) = (f64::from(self.spec.low), f64::from(self.spec.high));
        (score - low) / (high - low) * self.buckets
    }

    fn score_of(&self, bucket: f64) -> f64 {
        let (low, high) = (f64::from(self.spec.low), f64::from(self.spec.high));
        low + bucket / self.buckets * (high - low)
    }
}

/// The drawing. `buckets` cut the dial's scale into parts of equal width; `at` is where the dial stands.
pub(super) fn histogram(spec: &DialSpec, at: f32, buckets: &[u64]) -> String {
    let scale = Scale { spec, buckets: buckets.len() as f64 };
    let dial = scale.bucket_of(f64::from(at));
    let title = format!("The scores that came to {}, and the dial at {}", spec.name, number(at));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"11\">\
         <title>{}</title>\n",
        escape(&title)
    );
    let Some(view) = View::of(buckets, dial) else {
        return svg
            + &text(WIDTH / 2.0, HEIGHT / 2.0, "middle", "#57606a", "no scores came here")
            + "</svg>\n";
    };
    let x_of = |bucket: f64| {
        let share = (bucket - view.buckets.start as f64) / view.buckets.len() as f64;
        LEFT + share * (RIGHT - LEFT)
    };
    let above_passes = matches!(spec.comparison, Comparison::Above | Comparison::AtLeast);
    let dial_x = x_of(dial);
    // A score at the dial passes some dials; then the bucket that it is in does: counts stand at the dial exactly.
    let cut_x = x_of(match spec.comparison {
        Comparison::AtLeast => dial.floor(),
        Comparison::AtMost => dial.floor() + 1.0,
        Comparison::Above | Comparison::Below => dial,
    });
    let shade =
        if above_passes { (dial_x.clamp(LEFT, RIGHT), RIGHT) } else { (LEFT, dial_x.clamp(LEFT, RIGHT)) };
    svg.push_str(&rect(shade.0, TOP, shade.1 - shade.0, BOTTOM - TOP, "#e8f4f1"));
    let bars = |(place, bar): (usize, &[u64])| (view.buckets.start + place * view.a_bar, bar.iter().sum());
    let bars: Vec<(usize, u64)> =
        buckets[view.buckets.clone()].chunks(view.a_bar).enumerate().map(bars).collect();
    let most = bars.iter().map(|(_, rows)| *rows).max().unwrap_or(1).max(1);
    let colours = if above_passes { [HELD_BACK, PASSING] } else { [PASSING, HELD_BACK] };
    for (start, rows) in bars.into_iter().filter(|(_, rows)| *rows > 0) {
        // What is there is seen, however little it is.
        let high = ((BOTTOM - TOP) * rows as f64 / most as f64).max(1.5);
        let end = (start + view.a_bar).min(view.buckets.end);
        let left = x_of(start as f64);
        // The last bar may be of one bucket, and narrower than the gap.
        let right = (x_of(end as f64) - 0.7).max(left);
        // A bar that the dial cuts is of two colours.
        let cut = cut_x.clamp(left, right);
        for ((from, to), fill) in [(left, cut), (cut, right)].into_iter().zip(colours) {
            if to - from > 0.01 {
                svg.push_str(&rect(from, BOTTOM - high, to - from, high, fill));
            }
        }
    }
    svg.push_str(&axis(&scale, &view, &x_of));
    svg.push_str(&needle(spec, at, dial_x));
    // On the side where the dial is not.
    let (x, anchor) = if dial_x > WIDTH / 2.0 { (LEFT, "start") } else { (RIGHT, "end") };
    svg + &text(x, TOP - 14.0, anchor, "#57606a", &format!("highest bar: {most}")) + "</svg>\n"
}

/// The dial and its value; at the edge, and with an arrow, where it is beyond it.
fn needle(spec: &DialSpec, at: f32, x: f64) -> String {
    let label = format!("{} {}", spec.comparison.sign(), number(at));
    if !(LEFT - 0.5..=RIGHT + 0.5).contains(&x) {
        let (x, anchor, label) = match x < LEFT {
            true => (LEFT, "start", format!("← {label}")),
            false => (RIGHT, "end", format!("{label} →")),
        };
        return text(x, TOP - 14.0, anchor, "#1b1f24", &label)
            .replace("<text ", "<text font-weight=\"700\" ");
    }
    let anchor = match x {
        x if x < LEFT + 40.0 => "start",
        x if x > RIGHT - 40.0 => "end",
        _ => "middle",
    };
    let line = format!(
        "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{BOTTOM:.1}\" stroke=\"#1b1f24\" stroke-width=\"1.6\"/>\n",
        TOP - 9.0
    );
    let label = text(x, TOP - 13.0, anchor, "#1b1f24", &label);
    line + &label.replace("<text ", "<text font-weight=\"700\" ")
}

/// The line under the bars, with scores at round numbers.
fn axis(scale: &Scale<'_>, view: &View, x_of: &impl Fn(f64) -> f64) -> String {
    let mut svg =
        format!("<line x1=\"{LEFT}\" y1=\"{BOTTOM}\" x2=\"{RIGHT}\" y2=\"{BOTTOM}\" stroke=\"#8c959f\"/>\n");
    let (low, high) = (scale.score_of(view.buckets.start as f64), scale.score_of(view.buckets.end as f64));
    let step = round_step((high - low) / 7.0);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    for place in (low / step).ceil() as i64..=(high / step).floor() as i64 {
        let score = place as f64 * step;
        let x = x_of(scale.bucket_of(score));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{BOTTOM}\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#8c959f\"/>",
            BOTTOM + 4.0
        );
        let anchor = match x {
            x if x < LEFT + 12.0 => "start",
            x if x > RIGHT - 12.0 => "end",
            _ => "middle",
        };
        svg.push_str(&text(x, BOTTOM + 16.0, anchor, "#57606a", &format!("{score:.digits$}")));
    }
    svg
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= least).unwrap_or(least)
}

fn rect(x: f64, y: f64, width: f64, height: f64, fill: &str) -> String {
    format!("<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{fill}\"/>\n")
}

fn text(x: f64, y: f64, anchor: &str, fill: &str, words: &str) -> String {
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{}</text>\n",
        escape(words)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(occupied: &[usize]) -> Vec<u64> {
        let mut buckets = vec![0; 4096];
        occupied.iter().for_each(|&bucket| buckets[bucket] += 1);
        buckets
    }

    #[test]
    fn the_part_that_is_used_is_drawn() {
        // Pictures of 320 to 2,048 px on a scale to 65,535, the dial at 1,280.
        let view = View::of(&buckets(&[20, 60, 128]), 80.0).unwrap();
        assert!(view.buckets.start <= 20 && view.buckets.end > 128 && view.buckets.len() < 130, "{view:?}");
        assert!(view.buckets.len().div_ceil(view.a_bar) <= MOST_BARS + 3, "{view:?}");
        // A dial at the far end does not squeeze them into a corner, and a near one is drawn in.
        assert!(View::of(&buckets(&[20, 128]), 4096.0).unwrap().buckets.end < 140);
        assert!(View::of(&buckets(&[100, 128]), 140.0).unwrap().buckets.contains(&140));
        assert_eq!(View::of(&buckets(&[]), 80.0), None);
        let whole = View::of(&buckets(&[0, 4095]), 2000.0).unwrap();
        assert_eq!((whole.buckets, whole.a_bar), (0..4096, 64));
    }

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.013, 0.02), (0.9, 1.0), (1.1, 2.0), (230.0, 500.0), (7.0, 10.0)] {
            assert!((round_step(least) - step).abs() < 1e-9 * step, "{least}");
        }
    }

    #[test]
    fn the_passing_side_is_coloured() {
        let spec = DialSpec {
            name: "object_area_most",
            group: None,
            unit: "share of the picture",
            comparison: Comparison::AtMost,
            default: 0.5,
            low: 0.0,
            high: 1.0,
            about: "",
        };
        let svg = histogram(&spec, 0.5, &buckets(&[1024]));
        assert!(svg.contains(PASSING) && !svg.contains(HELD_BACK), "{svg}");
        let svg = histogram(&DialSpec { comparison: Comparison::AtLeast, ..spec }, 0.5, &buckets(&[1024]));
        assert!(!svg.contains(PASSING) && svg.contains(HELD_BACK), "{svg}");
        assert!(svg.contains("&gt;= 0.5"), "{svg}");
    }

    #[test]
    fn what_stands_at_the_dial_has_the_colour_of_its_side() {
        // 0 or 1, and counts on a scale of 13, whose dial lies within a bucket.
        for (comparison, at, high, passes) in [
            (Comparison::AtMost, 0.0, 1.0, true),
            (Comparison::AtLeast, 1.0, 13.0, true),
            (Comparison::AtLeast, 3.0, 13.0, true),
            (Comparison::Below, 0.0, 1.0, false),
        ] {
            let spec = DialSpec {
                name: "counts",
                group: None,
                unit: "",
                comparison,
                default: at,
                low: 0.0,
                high,
                about: "",
            };
            let svg = histogram(&spec, at, &buckets(&[(at / high * 4096.0) as usize]));
            let colours = [PASSING, HELD_BACK].map(|colour| svg.contains(colour));
            assert_eq!(colours, [passes, !passes], "{comparison} {at}: {svg}");
        }
    }

    #[test]
    fn a_last_bar_narrower_than_the_gap_is_drawn() {
        let spec = DialSpec {
            name: "narrow",
            group: None,
            unit: "",
            comparison: Comparison::AtLeast,
            default: 0.5,
            low: 0.0,
            high: 1.0,
            about: "",
        };
        // Up to the scale's end, where the last bar is of what is left.
        for first in (0..4096).step_by(5) {
            assert!(histogram(&spec, 0.9, &buckets(&[first, 4095])).ends_with("</svg>\n"));
        }
    }
}
