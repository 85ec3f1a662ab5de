//! Answers of all kinds, by both parsers; upstream's rule also against Python.

mod answers;
mod others;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::*;
use crate::by_name;
use answers::{ANSWERS, Of};

fn basic() -> &'static Benchmark {
    by_name("imgedit-basic").expect("basic")
}

fn of(kind: Of) -> &'static Benchmark {
    match kind {
        Of::Basic => basic(),
        Of::Uge => by_name("imgedit-uge").expect("uge"),
    }
}

fn mean(scores: &[f64]) -> Option<f64> {
    (!scores.is_empty()).then(|| python_round(scores.iter().sum::<f64>() / scores.len() as f64, 2))
}

#[test]
fn sixty_answers_are_read_as_it_was_worked_out_by_hand() {
    assert_eq!(ANSWERS.len(), 60);
    let mut wrong = Vec::new();
    for (at, (kind, answer, upstream, ours)) in ANSWERS.iter().enumerate() {
        let benchmark = of(*kind);
        let by = |parser| read(benchmark, &benchmark.asks[0], answer, parser);
        let read = by(Parser::Upstream);
        if mean(&read.scores) != *upstream || read.unread.is_some() != upstream.is_none() {
            wrong.push(format!("{at} upstream: {read:?}, and {upstream:?} was worked out: {answer:?}"));
        }
        let read = by(Parser::Default);
        if read.scores != *ours || read.unread.is_some() != ours.is_empty() {
            wrong.push(format!("{at} default: {read:?}, and {ours:?} was worked out: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_upstream_drops_or_takes_wrongly_is_told() {
    let told = |answer: &str| read(basic(), &basic().asks[0], answer, Parser::Upstream).dropped.join("; ");
    let cases = [
        ("Prompt Compliance: 3.5\nVisual Naturalness: 4", "\"Prompt Compliance: 3.5\" is dropped"),
        ("Prompt Compliance: 7", "is taken, out of range"),
        ("Seats: 4", "none of the rubric's"),
        ("Prompt Compliance: 4\nPrompt Compliance: 5", "a second time"),
        ("Prompt Compliance: 4\nVisual Naturalness: 4", "2 scores are averaged, and 3 were asked for"),
        ("Prompt Compliance: ²", "is dropped"),
    ];
    for (answer, why) in cases {
        assert!(told(answer).contains(why), "{answer:?}: {}", told(answer));
    }
    let clean = "Brief reasoning: it fits.\nPrompt Compliance: 4\nVisual Naturalness: 4\nPhysical & Detail Integrity: 3";
    assert_eq!(told(clean), "");
}

#[test]
fn a_later_score_above_the_first_breaks_the_rule_and_changes_nothing() {
    let answer = "Prompt Compliance: 1\nVisual Seamlessness: 4\nPhysical & Detail Fidelity: 4";
    for parser in [Parser::Default, Parser::Upstream] {
        let read = read(basic(), &basic().asks[0], answer, parser);
        assert!(read.breaks_rule && read.scores == [1.0, 4.0, 4.0], "{read:?}");
    }
    let kept = answer.replace(": 1", ": 4");
    assert!(!read(basic(), &basic().asks[0], &kept, Parser::Default).breaks_rule);
    let uge = by_name("imgedit-uge").expect("uge");
    assert!(
        !read(uge, &uge.asks[0], "Score: 1\nScore: 4", Parser::Upstream).breaks_rule,
        "one score has no rule"
    );
}

/// Upstream's rule in Python: `null` where it drops the answer, `"ends"` where its script ends.
const RULE: &str = r#"
import json, sys
def score(entry):
    scores = []
    for line in entry.splitlines():
        parts = line.strip().split(': ')
        if len(parts) == 2 and parts[1].isdigit():
            try:
                scores.append(int(parts[1]))
            except ValueError:
                return 'ends'
    return round(sum(scores) / len(scores), 2) if scores else None
print(json.dumps([score(entry) for entry in json.load(sys.stdin)]))
"#;

/// The answers, and as many with a few signs taken out, put in or exchanged.
fn mutations() -> Vec<String> {
    let signs: Vec<char> =
        ": \n\r\t0123456789./*²٣５①\u{a0}\u{85}\u{2028}\u{1c}\u{1f}\u{3000}\u{200b}：".chars().collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut all: Vec<String> = ANSWERS.iter().map(|(_, answer, ..)| (*answer).to_owned()).collect();
    for at in 0..3_000 {
        let mut letters: Vec<char> = ANSWERS[at % ANSWERS.len()].1.chars().collect();
        for _ in 0..random.usize(1..5) {
            let place = random.usize(0..=letters.len());
            let sign = signs[random.usize(0..signs.len())];
            match random.u8(0..3) {
                0 => letters.insert(place, sign),
                1 if place < letters.len() => letters[place] = sign,
                _ if place < letters.len() => {
                    letters.remove(place);
                }
                _ => letters.push(sign),
            }
        }
        all.push(letters.into_iter().collect());
    }
    all
}

fn python(script: &str, input: &str) -> Option<Value> {
    let started =
        Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = started else {
        let required = std::env::var_os("THRESHFLOW_REQUIRE_PYTHON").is_some_and(|it| it == "1");
        assert!(!required, "python3 is required and does not start");
        eprintln!("passed over: python3 does not start");
        return None;
    };
    python.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    let output = python.wait_with_output().expect("ends");
    assert!(output.status.success(), "{output:?}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn pythons_reading_of_the_rule_is_ours() {
    let answers = mutations();
    let input = serde_json::to_string(&answers).expect("JSON");
    let Some(means) = python(RULE, &input) else { return };
    let means = means.as_array().expect("a list");
    assert_eq!(means.len(), answers.len());
    let mut scored = 0;
    for (answer, theirs) in answers.iter().zip(means) {
        let read = read(basic(), &basic().asks[0], answer, Parser::Upstream);
        match theirs {
            Value::String(_) => {
                let told = read.dropped.iter().any(|it| it.contains("upstream's script ends there"));
                assert!(told, "{answer:?}: {read:?}");
            }
            theirs => assert_eq!(mean(&read.scores), theirs.as_f64(), "{answer:?}"),
        }
        scored += usize::from(theirs.is_number());
    }
    assert!(scored > 1_000, "{scored} answers had a score");
}

#[test]
fn digits_are_those_of_python() {
    let script = "import json, unicodedata as u\nprint(json.dumps([[[i, int(chr(i)) if chr(i).isdecimal() else -1] for i in range(0x110000) if chr(i).isdigit()], [i for i in range(0x110000) if u.category(chr(i)) == 'Cn']]))";
    let Some(said) = python(script, "") else { return };
    let pairs: Vec<(u32, i64)> = serde_json::from_value(said[0].clone()).expect("pairs");
    let unassigned: std::collections::BTreeSet<u32> = serde_json::from_value(said[1].clone()).expect("list");
    let theirs: std::collections::BTreeMap<u32, i64> = pairs.into_iter().collect();
    for it in (0..0x11_0000).filter_map(char::from_u32) {
        let code = u32::from(it);
        let ours = upstream::digit_value(it);
        // Scripts that are younger than the Python at hand are no digits there yet.
        if !unassigned.contains(&code) {
            assert_eq!(ours, theirs.get(&code).copied(), "{code:x}");
        }
    }
}

#[test]
fn rounding_is_pythons() {
    for (value, rounded) in
        [(2.675, 2.67), (0.125, 0.12), (0.375, 0.38), (3.3333333333333335, 3.33), (2.665, 2.67), (1.005, 1.0)]
    {
        assert_eq!(python_round(value, 2), rounded);
    }
}
