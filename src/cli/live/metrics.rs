//! `/metrics`: how the session stands, as Prometheus reads it.
//!
//! Names, units and suffixes follow <https://prometheus.io/docs/practices/naming/>; the text is the exposition format 0.0.4 of
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;

use super::session::Session;
use super::share::StageShare;
use super::view;

/// A family of metrics: its name, its type, what it says, and its samples, each with its labels.
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    help: &'a str,
    samples: Vec<(Vec<(&'a str, String)>, f64)>,
}

/// A label's value: a backslash, a quote and the end of a line are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn write_family(text: &mut String, family: &Family<'_>) {
    let Family { name, kind, help, samples } = family;
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

/// All of them.
pub(super) fn text(session: &Session<'_>) -> String {
    let counts = view::counts(session);
    let all = session.all();
    let no_labels = |value: f64| vec![(Vec::new(), value)];
    let of_stages = |value: &dyn Fn(&StageShare) -> Option<f64>| {
        let sample = |stage: &StageShare| Some((vec![("stage", stage.name.clone())], value(stage)?));
        all.stages.iter().filter_map(sample).collect::<Vec<_>>()
    };
    let verdicts = [
        ("kept", counts.kept),
        ("gated", counts.gated),
        ("refused", counts.refused),
        ("undecided", counts.undecided),
    ];
    let verdicts =
        verdicts.map(|(verdict, rows)| (vec![("verdict", verdict.to_owned())], rows as f64)).to_vec();
    let dials = |value: &dyn Fn(&view::DialView) -> f64| {
        let sample = |dial: &view::DialView| (vec![("dial", dial.name.to_owned())], value(dial));
        counts.dials.iter().map(sample).collect::<Vec<_>>()
    };
    let questions =
        counts.asks.iter().map(|asks| (vec![("stage", asks.stage.clone())], asks.questions as f64));
    let families = [
        ("threshflow_rows", "gauge", "Rows by where they stand.", verdicts),
        (
            "threshflow_published_rows",
            "gauge",
            "Rows of the published set.",
            no_labels(counts.published.as_ref().map_or(0.0, |set| set.rows as f64)),
        ),
        (
            "threshflow_entering_rows",
            "gauge",
            "Rows that publishing would add.",
            no_labels(counts.enter as f64),
        ),
        (
            "threshflow_leaving_rows",
            "gauge",
            "Rows that publishing would take away.",
            no_labels(counts.leave as f64),
        ),
        (
            "threshflow_dial_value",
            "gauge",
            "Where each dial stands, in its unit.",
            dials(&|dial| f64::from(dial.value)),
        ),
        (
            "threshflow_dial_held_back_rows",
            "gauge",
            "Rows that each dial holds back.",
            dials(&|dial| dial.held as f64),
        ),
        ("threshflow_unasked_questions", "gauge", "Questions that an apply would ask.", questions.collect()),
        (
            "threshflow_asking",
            "gauge",
            "1 while questions are asked.",
            no_labels(f64::from(u8::from(counts.applying.is_some()))),
        ),
        (
            "threshflow_questions_total",
            "counter",
            "Questions that were asked, by this session.",
            of_stages(&|stage| Some(stage.asked as f64)),
        ),
        (
            "threshflow_answers_total",
            "counter",
            "Questions that were answered, refused or given up on.",
            of_stages(&|stage| Some(stage.answered as f64)),
        ),
        (
            "threshflow_failures_total",
            "counter",
            "Questions that a server, a device or a disk failed.",
            of_stages(&|stage| Some(stage.failed as f64)),
        ),
        (
            "threshflow_questions_in_flight",
            "gauge",
            "Questions that wait or are being answered.",
            of_stages(&|stage| Some(stage.in_flight as f64)),
        ),
        (
            "threshflow_stage_seconds_total",
            "counter",
            "Seconds that a stage was at work, at most.",
            of_stages(&|stage| Some(stage.seconds)),
        ),
        (
            "threshflow_cost_usd_total",
            "counter",
            "What a stage cost in USD, by what the servers say.",
            of_stages(&|stage| stage.cost),
        ),
        (
            "threshflow_decoded_bytes",
            "gauge",
            "Bytes of decoded pictures that are held.",
            no_labels(all.decoded_held as f64),
        ),
        (
            "threshflow_decoded_bytes_limit",
            "gauge",
            "Bytes of decoded pictures that may be held.",
            no_labels(all.decoded_of as f64),
        ),
        ("threshflow_shards", "gauge", "Shards that are in.", no_labels(all.shards as f64)),
        (
            "threshflow_waiting_shards",
            "gauge",
            "Shards that are being written, and are not in.",
            no_labels(session.waiting_shards.len() as f64),
        ),
    ];
    let mut text = String::new();
    for (name, kind, help, samples) in families {
        write_family(&mut text, &Family { name, kind, help, samples });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_families_are_whole() {
        let samples = vec![
            (vec![("dial", "a\"b\\c\nd".to_owned()), ("of", String::new())], 1.5),
            (Vec::new(), f64::NAN),
        ];
        let mut text = String::new();
        write_family(&mut text, &Family { name: "x_total", kind: "counter", help: "What it is.", samples });
        let wanted = "# HELP x_total What it is.\n# TYPE x_total counter\nx_total{dial=\"a\\\"b\\\\c\\nd\",of=\"\"} 1.5\nx_total NaN\n";
        assert_eq!(text, wanted);
    }
}
