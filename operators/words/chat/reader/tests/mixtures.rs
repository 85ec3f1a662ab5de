//! Random mixtures of tokens, JSON and words: the reader answers or complains, and nothing that it gives holds a control token.

use ::tests::Rng;

use super::super::control::next;
use super::super::{said, without_control_tokens};
use crate::words::chat::{caption, judge, noun_finder};

const WHOLE: [&str; 3] = [
    "{\"follows\": 4, \"natural\": 5, \"match\": true, \"reason\": \"a<|pad|> seam \\u003c|im_end|\\u003e\"}",
    "{\"objects\": [\"cat<|pad|>\", \"mat\\u003c/s\\u003e\"], \"background\": [], \"summary\": \"a <image> cat\"}",
    "Prompt Compliance: 5\nVisual Naturalness: 4\nPhysical Consistency: 4\nReason: a <image> seam\n",
];

const PIECES: [&str; 62] = [
    "<think>",
    "</think>",
    "<thinking>",
    "</thinking>",
    "◁think▷",
    "◁/think▷",
    "[THINK]",
    "[/THINK]",
    "<|channel|>",
    "analysis",
    "final",
    "commentary",
    "<|message|>",
    "<|end|>",
    "<|start|>",
    "assistant",
    "<|channel>thought\n",
    "<channel|>",
    "<|begin_of_box|>",
    "<|end_of_box|>",
    "<|im_start|>",
    "<|im_end|>",
    "user\n",
    "<|eot_id|>",
    "[INST]",
    "[/INST]",
    "</s>",
    "<answer>",
    "</answer>",
    "<tool_call>",
    "</tool_call>",
    "<|box_start|>",
    "(1,2)",
    "<|box_end|>",
    "<",
    "|",
    ">",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "\\u003c|pad|\\u003e",
    "\"follows\": 4,",
    "\"natural\": 5,",
    "\"match\": true",
    "follows: 4\n",
    "Prompt Compliance: 5\n",
    "\"objects\": [\"cat\"],",
    "\"background\": [],",
    "\"summary\": \"a cat\"",
    "A cat sits on a mat. ",
    "猫",
    "ว่า",
    "\u{301}",
    "\n",
    "｜",
    "▁",
    "Thinking...\n",
    "assistantfinal",
];

#[test]
fn no_mixture_panics_or_lets_a_token_through() {
    let mut answered = [0; 4];
    for seed in 0..20_000 {
        let mut rng = Rng(seed * 7919 + 1);
        rng.next();
        let mut pieces: Vec<&str> = (0..rng.below(30)).map(|_| PIECES[rng.below(PIECES.len())]).collect();
        // In every second one something that can be read.
        if rng.below(2) == 0 {
            pieces.insert(rng.below(pieces.len() + 1), WHOLE[rng.below(WHOLE.len())]);
        }
        let text = pieces.concat();
        let clean = |kind: &str, said: &str| {
            assert_eq!(next(said, 0), None, "{kind} {said:?} of {text:?}");
            assert_eq!(without_control_tokens(said), said, "{kind} of {text:?}");
        };
        if let Ok(said) = said(&text) {
            assert!(!said.trim().is_empty());
            clean("said", &said);
            answered[0] += 1;
        }
        if let Ok(caption) = caption::parse(&text) {
            clean("caption", &caption);
            answered[1] += 1;
        }
        if let Ok(judged) = judge::parse(&text) {
            clean("reason", &judged.reason);
            assert!((1.0..=5.0).contains(&judged.follows) && (1.0..=5.0).contains(&judged.natural));
            answered[2] += 1;
        }
        if let Ok(found) = noun_finder::parse(&text, "A cat sits on a mat.") {
            clean("summary", &found.summary);
            found.nouns.iter().for_each(|noun| clean("noun", noun));
            answered[3] += 1;
        }
    }
    println!("of 20000 mixtures: said, captions, judgements, nouns {answered:?}");
    assert!(answered.iter().all(|count| *count > 100), "{answered:?}");
}

#[test]
fn answers_in_pieces_of_themselves_are_read_or_complained_about() {
    // What is cut anywhere never gives other scores than the whole.
    let whole = "<think>{\"follows\": 1, \"natural\": 1, \"match\": false}</think>\n```json\n{\"reason\": \"a \\\"red\\\" dog\", \"follows\": 5, \
                 \"natural\": 4, \"match\": true}\n```<|im_end|>";
    let judged = judge::parse(whole).expect("whole");
    assert_eq!((judged.follows, judged.natural, judged.matches), (5.0, 4.0, true));
    for (end, _) in whole.char_indices() {
        if let Ok(cut) = judge::parse(&whole[..end]) {
            assert_eq!(cut, judged, "{:?}", &whole[..end]);
        }
    }
}
