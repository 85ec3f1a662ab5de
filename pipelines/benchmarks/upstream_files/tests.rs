//! The files against Python's own.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::table::tests::item;
use crate::{Answer, Lacks, Parser, by_name};

fn judged(key: &str, group: &str, said: Option<Said>) -> Judged {
    let answers = said.map(|said| Answer { ask: "score".into(), pass: 1, said }).into_iter().collect();
    Judged { item: item(key, group), lacks: None, answers }
}

fn text(text: &str) -> Option<Said> {
    Some(Said::Text(text.into()))
}

fn all() -> Vec<Judged> {
    let mut lacking = judged("5", "style", None);
    lacking.lacks = Some(Lacks { class: "missing_result".into(), message: "no 5.png".into() });
    vec![
        judged(
            "7",
            "add",
            text(
                "Brief reasoning: café \"x\" \\ \u{7f}\u{1f600}\t/\nPrompt Compliance: 4\nVisual Naturalness: 4\nPhysical & Detail Coherence: 3",
            ),
        ),
        judged("3", "style", text("Style Fidelity: 1\nContent Preservation: 5\nRendering Quality: 5")),
        judged(
            "é",
            "add",
            text("Prompt Compliance: 1\nVisual Naturalness: 1\nPhysical & Detail Coherence: 1"),
        ),
        judged("9", "add", text("**Prompt Compliance:** 4")),
        judged("1", "style", Some(Said::Refused { class: "content_filter".into(), message: "no".into() })),
        lacking,
    ]
}

/// Upstream's two scripts on its own file, as rules: entries that are no text are passed over, at which its own ends.
const SCRIPT: &str = r#"
import functools, json, operator, sys
given = json.load(sys.stdin)
def average(entry):
    scores = []
    for line in entry.splitlines():
        parts = line.strip().split(': ')
        if len(parts) == 2 and parts[1].isdigit():
            scores.append(int(parts[1]))
    return round(sum(scores) / len(scores), 2) if scores else None
averages = {k: average(v) for k, v in given['result'].items() if isinstance(v, str)}
averages = {k: v for k, v in averages.items() if v is not None}
types = {}
for key, score in averages.items():
    types.setdefault(given['types'][key], []).append(score)
types = {k: round(functools.reduce(operator.add, v, 0) / len(v), 2) for k, v in types.items()}
print(json.dumps([json.dumps(given['result'], indent=4), json.dumps(averages, indent=2), json.dumps(types, indent=2)]))
"#;

#[test]
fn the_files_are_pythons_byte_for_byte() {
    let benchmark = by_name("imgedit-basic").expect("basic");
    let files = UpstreamFiles::of(benchmark, &all(), 1, Counting { parser: Parser::Upstream, clamp: false });
    assert_eq!(files.average_score, "{\n  \"7\": 3.67,\n  \"3\": 3.67,\n  \"\\u00e9\": 1.0\n}");
    assert_eq!(files.typescore, "{\n  \"add\": 2.33,\n  \"style\": 3.67\n}");
    assert!(
        files.result.contains("\"5\": {\n        \"error\": \"missing_result: no 5.png\"\n    }"),
        "{}",
        files.result
    );

    agree_with_python(&all(), files);

    // Means of every kind, and types of every size.
    let mut random = fastrand::Rng::with_seed(5);
    let mut many = Vec::new();
    for group in 0..60 {
        for at in 0..random.usize(1..25) {
            let [one, two, three] = [0; 3].map(|_: u8| random.u8(1..=5));
            let lines = format!(
                "Prompt Compliance: {one}\nVisual Naturalness: {two}\nPhysical & Detail Coherence: {three}"
            );
            many.push(judged(&format!("{group} {at}"), &group.to_string(), text(&lines)));
        }
    }
    let files = UpstreamFiles::of(benchmark, &many, 1, Counting { parser: Parser::Upstream, clamp: false });
    agree_with_python(&many, files);
}

fn agree_with_python(judged: &[Judged], files: UpstreamFiles) {
    let result: serde_json::Value = serde_json::from_str(&files.result).expect("JSON");
    let types: serde_json::Map<String, serde_json::Value> =
        judged.iter().map(|it| (it.item.key.clone(), it.item.groups["type"].clone().into())).collect();
    let input = serde_json::json!({"result": result, "types": types}).to_string();
    let started =
        Command::new("python3").args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = started else {
        assert!(
            std::env::var_os("THRESHFLOW_REQUIRE_PYTHON").is_none_or(|it| it != "1"),
            "python3 does not start"
        );
        return;
    };
    python.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    let said = python.wait_with_output().expect("ends");
    let [result, averages, types]: [String; 3] = serde_json::from_slice(&said.stdout).expect("three texts");
    assert_eq!((files.result, files.average_score, files.typescore), (result, averages, types));
}

#[test]
fn another_pass_is_another_file_and_our_parser_reads_more() {
    let benchmark = by_name("imgedit-basic").expect("basic");
    let second = UpstreamFiles::of(benchmark, &all(), 2, Counting::default());
    assert_eq!((second.average_score.as_str(), second.typescore.as_str()), ("{}", "{}"));
    assert!(second.result.contains("not asked about in pass 2"));
    let bold = "**Prompt Compliance:** 4\n**Visual Naturalness:** 4\n**Physical & Detail Coherence:** 4";
    let ours = UpstreamFiles::of(benchmark, &[judged("9", "add", text(bold))], 1, Counting::default());
    assert_eq!(ours.average_score, "{\n  \"9\": 4.0\n}");
}
