//! Answers to the other benchmarks' asks.

use super::super::{Parser, read};
use crate::by_name;

fn both(benchmark: &str, ask: &str, answer: &str) -> [Option<Vec<f64>>; 2] {
    let benchmark = by_name(benchmark).expect(benchmark);
    let ask = benchmark.ask(ask).expect(ask);
    [Parser::Default, Parser::Upstream].map(|parser| {
        let read = read(benchmark, ask, answer, parser);
        assert_eq!(read.unread.is_some(), read.scores.is_empty(), "{answer:?}: {read:?}");
        read.unread.is_none().then_some(read.scores)
    })
}

fn some(scores: &[f64]) -> Option<Vec<f64>> {
    Some(scores.to_vec())
}

#[test]
fn gedits_scores_are_a_list() {
    let cases = [
        ("{\"score\": [8, 9], \"reasoning\": \"x\"}", some(&[8.0, 9.0]), some(&[8.0, 9.0])),
        (
            "```json\n{\n\"score\" : [0, 10],\n\"reasoning\" : \"x\"\n}\n```",
            some(&[0.0, 10.0]),
            some(&[0.0, 10.0]),
        ),
        (
            "||V^=^V||\n{\"score\": [7, 6], \"reasoning\": \"{\"}\n||V^=^V||",
            some(&[7.0, 6.0]),
            some(&[7.0, 6.0]),
        ),
        ("{\"score\": [7.5, 6], \"reasoning\": \"x\"}", some(&[7.5, 6.0]), some(&[7.5, 6.0])),
        ("{\"score\": [\"7\", \"6/10\"], \"reasoning\": \"x\"}", some(&[7.0, 6.0]), None),
        ("[6, 0]", some(&[6.0, 0.0]), some(&[6.0, 0.0])),
        ("Output: [6, 0]", some(&[6.0, 0.0]), some(&[6.0, 0.0])),
        ("{\"score\": 8, \"reasoning\": \"x\"}", None, some(&[8.0])),
        ("{\"score\": [8], \"reasoning\": \"x\"}", None, some(&[8.0])),
        ("{\"score\": [8, 11], \"reasoning\": \"x\"}", None, some(&[8.0, 11.0])),
        ("{\"score\": [], \"reasoning\": \"x\"}", None, None),
        ("7", None, some(&[7.0])),
        ("I can't assist with that.", None, None),
        ("score: eight", None, None),
        ("{\"score\": [8, 9], \"reasoning\": \"a \"b\" c\"}", None, None),
        ("{\"score\": [1, 2]} {\"score\": [3, 4]}", some(&[3.0, 4.0]), None),
        ("<think>[1, 1]</think>{\"score\": [3, 4]}", some(&[3.0, 4.0]), some(&[3.0, 4.0])),
    ];
    for (answer, ours, upstream) in cases {
        assert_eq!(both("gedit", "sc", answer), [ours, upstream], "{answer}");
    }
}

#[test]
fn kris_scores_are_under_keys_and_null_is_none() {
    let cases = [
        ("consistency", "{\"consistency_score\": 4, \"reasoning\": \"x\"}", some(&[4.0]), some(&[4.0])),
        ("consistency", "{\"consistency_score\": null, \"reasoning\": \"x\"}", None, None),
        ("consistency", "{\"consistency_score\": 9, \"reasoning\": \"x\"}", None, some(&[9.0])),
        ("consistency", "Consistency Score: 3", some(&[3.0]), some(&[3.0])),
        ("consistency", "I would give it 4/5 for that.", None, some(&[4.0])),
        ("quality", "quality is fine: 2 hands, 1 head", None, some(&[2.0])),
        (
            "knowledge",
            "{\"instruction_score\": 5, \"knowledge_score\": 2, \"instruction_reasoning\": \"x\"}",
            some(&[5.0, 2.0]),
            some(&[5.0, 2.0]),
        ),
        ("knowledge", "{\"instruction_score\": 5, \"knowledge_score\": null}", None, None),
        ("knowledge", "instruction_score: 5\nknowledge_score：1", some(&[5.0, 1.0]), some(&[5.0, 1.0])),
    ];
    for (ask, answer, ours, upstream) in cases {
        assert_eq!(both("kris", ask, answer), [ours, upstream], "{answer}");
    }
}

#[test]
fn rises_scores_are_final_and_logic_is_one_or_nought() {
    let cases = [
        ("reasoning", "It is so.\n**Final Score**: **4**", some(&[4.0]), some(&[4.0])),
        ("reasoning", "Final Score: 4, 5", None, some(&[4.0, 5.0])),
        ("reasoning", "The final score is 3", some(&[3.0]), None),
        ("reasoning", "Final Score: none yet\nFinal Score: 2", some(&[2.0]), some(&[2.0])),
        ("plausibility", "5", some(&[5.0]), None),
        ("logic_reasoning", "**Final Score: 1**", some(&[1.0]), some(&[1.0])),
        ("logic_reasoning", "Final Score: 0", some(&[0.0]), some(&[0.0])),
        ("logic_reasoning", "Final Score: 5", None, some(&[5.0])),
    ];
    for (ask, answer, ours, upstream) in cases {
        assert_eq!(both("rise", ask, answer), [ours, upstream], "{answer}");
    }
}

#[test]
fn complex_edits_and_turns_are_read() {
    let json = "{\"reasoning\": \"x\", \"instruction_following\": \"10\", \"identity_preservation\": \"7\"}";
    assert_eq!(both("complex-edit", "alignment", json), [some(&[10.0, 7.0]), some(&[10.0, 7.0])]);
    let lines = "Brief reasoning: x\nInstruction following: 10\nIdentity preservation: 7/10";
    assert_eq!(both("complex-edit", "alignment", lines), [some(&[10.0, 7.0]), None]);
    for (answer, score) in
        [("Fulfilled: yes", 1.0), ("Fulfilled: No, the hat is gone.", 0.0), ("**Fulfilled:** 1", 1.0)]
    {
        assert_eq!(both("imgedit-multiturn", "turn2", answer)[0], some(&[score]), "{answer}");
    }
    assert_eq!(both("imgedit-multiturn", "turn1", "Fulfilled: perhaps")[0], None);
}

#[test]
fn no_answer_whatever_makes_the_reader_fail() {
    let pieces = [
        "Prompt Compliance",
        ": ",
        "4",
        "{",
        "}",
        "\"score\"",
        "[",
        "]",
        "|",
        "\n",
        "é",
        "４",
        "<think>",
        "/5",
        "(",
        "& ",
        "Final Score",
        "**",
    ];
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..1_500 {
        let answer: String =
            (0..random.usize(0..14)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
        for benchmark in crate::all() {
            for ask in benchmark.asks {
                for parser in [Parser::Default, Parser::Upstream] {
                    let read = read(benchmark, ask, &answer, parser);
                    assert_eq!(read.unread.is_some(), read.scores.is_empty(), "{answer:?}: {read:?}");
                    if parser == Parser::Default && read.unread.is_none() {
                        assert_eq!(read.scores.len(), ask.scores.len(), "{answer:?}");
                        let [lowest, highest] = ask.range;
                        assert!(read.scores.iter().all(|it| (lowest..=highest).contains(it)), "{answer:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn prose_that_speaks_of_a_score_is_no_score() {
    let cases = [
        ("The score 2 people gave is unknown. Score: 4", some(&[4.0])),
        ("Overall, 2 hats were added. Score: 3/5", some(&[3.0])),
        ("Scoring by the rubric: 1 (Poor) would be harsh. Score - 3", some(&[3.0])),
        ("I give it a score of 3.", some(&[3.0])),
        ("Score: 4, 5", None),
        ("Score: 4 \u{2192} 3", None),
        ("Score: 3 to 4", None),
        ("Overall: 4\nScore: 3", None),
        ("Overall: 4\nScore: 4", some(&[4.0])),
        ("{\"score\": 4}", some(&[4.0])),
        ("{\"Score\": \"4/5\", \"reason\": \"x\"}", some(&[4.0])),
        ("{\"score\": true}", None),
        ("4/5", some(&[4.0])),
        ("45", None),
        ("评分：4", some(&[4.0])),
    ];
    for (answer, ours) in cases {
        assert_eq!(both("imgedit-uge", "score", answer)[0], ours, "{answer}");
    }
    let basic = [
        (
            "Prompt Compliance (1-5): 4\nVisual Naturalness (out of 5): 3\nPhysical & Detail Integrity [1-5]: 2",
            some(&[4.0, 3.0, 2.0]),
        ),
        (
            "1) Prompt Compliance = 4, 2) Visual Naturalness = 3, 3) Physical & Detail Integrity = 2",
            some(&[4.0, 3.0, 2.0]),
        ),
        (
            "PROMPT COMPLIANCE: 4\nvisual_naturalness: 3\nPhysical and Detail Integrity score: 2",
            some(&[4.0, 3.0, 2.0]),
        ),
        (
            "{\"Prompt Compliance\": {\"score\": 4, \"reason\": \"x\"}, \"Visual Naturalness\": {\"score\": 3}, \"Physical & Detail Integrity\": {\"score\": 2}}",
            some(&[4.0, 3.0, 2.0]),
        ),
        (
            "Prompt Compliance: 4\nVisual Naturalness: 3\nPhysical & Detail Integrity: 2\n\nThe prompt compliance of 4 reflects the hat.",
            some(&[4.0, 3.0, 2.0]),
        ),
    ];
    for (answer, ours) in basic {
        assert_eq!(both("imgedit-basic", "score", answer)[0], ours, "{answer}");
    }
}
