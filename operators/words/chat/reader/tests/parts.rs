//! The parts of the reader, each by itself.

use serde_json::{Map, Value, json};

use super::super::objects::{Shape, object_in, opens_an_object};
use super::super::scores::number;
use super::super::{Silence, said, without_control_tokens};

fn object(text: &str) -> Result<Map<String, Value>, String> {
    object_in(text, Shape { wanted: &[&["a"]] })
}

#[test]
fn objects_are_found_wherever_models_put_them() {
    let odd = [
        "{\"a\": 1}",
        "  \n{\"a\": 1}\n",
        "```json\n{\"a\": 1}\n```",
        "``` {\"a\": 1} ```",
        "Sure! Here is the answer:\n```JSON\n{\"a\": 1}\n```\nI hope this helps {really}.",
        "The answer is {\"a\": 1}.",
        "Not {this}, but {\"a\": 2} and {\"a\": 1}",
        "A lone { brace, then {\"a\": 1}",
        "{ {\"a\": 1} }",
        "\u{1F600} {\"a\": 1} \u{1F600}",
        "{\"b\": {\"a\": 1}, \"c\": 2}",
        "{\"a\": 1,}",
        "{'a': 1}",
        "{a: 1}",
        "{\"a\": 1 /* one */}",
        "{\"A\": 1}",
    ];
    for text in odd {
        let found = object(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(found.values().next(), Some(&json!(1)), "{text:?}");
    }
    let nested = "x {\"a\": {\"b\": \"} \\\" {\"}, \"c\": []} y";
    assert_eq!(object(nested).map(|object| object.len()), Ok(2));
    assert_eq!(
        object("{\"a\": True, 'b': \"True None\", \"c\": None}").map(Value::Object),
        Ok(json!({"a": true, "b": "True None", "c": null}))
    );
    assert_eq!(object("{\"a\": \"it\\'s\\nhere\"}").map(Value::Object), Ok(json!({"a": "it's\nhere"})));
    assert_eq!(object("{\"b\": 2} {\"a\": 1} {\"c\": 3}").map(Value::Object), Ok(json!({"a": 1})));
}

#[test]
fn nothing_is_guessed() {
    let broken = [
        ("", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ("\"text\"", "no JSON object"),
        ("{\"a\": \"the \"red\" car\"}", "not valid JSON"),
        ("{\"a\": \"b\" \"c\": 1}", "not valid JSON"),
        ("{\"a\": [\"the \"\"red\"\" car\"]}", "not valid JSON"),
        ("{\"a\": 1", "not valid JSON"),
        ("{\"a\": NaN}", "not valid JSON"),
        ("{\"a\": maybe}", "not valid JSON"),
        ("{\"a\": 1, \"a\": 1}", "twice"),
        ("{a: 1, a: 2}", "not valid JSON"),
        ("{\"b\": {\"a\": 1}, \"c\": {\"a\": 2}}", "they differ"),
        ("{\"a\": 1} then {\"a\": 2", "not valid JSON"),
    ];
    for (text, why) in broken {
        let told = object(text).expect_err(text);
        assert!(told.contains(why), "{text:?}: {told}");
    }
    assert!(object(&"{".repeat(100_000)).expect_err("braces").contains("opening braces"));
    assert!(opens_an_object("{ \"a") && opens_an_object("{a: 1}") && !opens_an_object("Score: {5}"));
}

#[test]
fn a_score_is_a_number_on_a_scale_of_five() {
    let scores = [
        ("4", 4.0),
        ("4.5", 4.5),
        ("4.", 4.0),
        (" **4** ", 4.0),
        ("4/5", 4.0),
        ("4 / 5", 4.0),
        ("(4/5)", 4.0),
        ("4 out of 5.", 4.0),
        ("4 of 5", 4.0),
        ("{5}", 5.0),
        ("[3]", 3.0),
        ("\"4\"", 4.0),
        ("3 (acceptable)", 3.0),
        ("4 - good", 4.0),
        ("4 — good", 4.0),
        ("4, since a seam shows", 4.0),
        ("4: good", 4.0),
        ("4. The dog is gone", 4.0),
        ("4 because it fits", 4.0),
        ("4 points", 4.0),
        ("4 stars out of 5", 4.0),
        ("４／５", 4.0),
        ("4分", 4.0),
        ("4分（良い）", 4.0),
        ("5 ⭐", 5.0),
        ("4.0", 4.0),
        ("4，很好", 4.0),
    ];
    for (text, score) in scores {
        assert_eq!(number(text), Some(score), "{text}");
    }
    let none = [
        "",
        "0",
        "6",
        "7",
        "0.5",
        "5.5",
        "-3",
        "4-5",
        "4–5",
        "4 - 5",
        "4 to 5",
        "4 or 5",
        "4~5",
        "4,5",
        "4:5",
        "4/10",
        "4/50",
        "4/5.5",
        "4 out of 10",
        "4 stars out of 10",
        "4 (out of 10)",
        "4 points (8/10)",
        "3.2.1",
        "four",
        "about 4",
        "★★★★",
        "4 dogs",
        "4.The",
        "45",
        "4e0",
        "NaN",
        "4%",
        "4/5/5",
    ];
    for text in none {
        assert_eq!(number(text), None, "{text}");
    }
}

#[test]
fn control_tokens_are_told_from_text() {
    let tokens = [
        "<|im_end|>",
        "<|reserved_special_token_0|>",
        "<｜tool▁calls▁begin｜>",
        "<|turn>",
        "<turn|>",
        "</s>",
        "<s>",
        "<pad>",
        "[INST]",
        "[/INST]",
        "[IMG_BREAK]",
        "<<SYS>>",
        "<</SYS>>",
        "◁/think▷",
        "<image>",
        "<IMG_CONTEXT>",
        "<loc0123>",
        "<unused12>",
        "<|\"|>",
        "</tool_call>",
        "<details type=\"reasoning\">",
        "[gMASK]",
        "<|/thinking|>",
        "<bos>",
    ];
    for token in tokens {
        assert_eq!(without_control_tokens(&format!("a {token} b")), "a  b", "{token}");
        assert_eq!(without_control_tokens(&format!("ab{token}cd")), "ab cd", "{token}");
        assert_eq!(without_control_tokens(&format!("猫{token}狗")), "猫狗", "{token}");
    }
    let texts = [
        "a < b and b > c",
        "1 <2> 3",
        "<b>bold</b>",
        "[1, 2]",
        "[INSTALL]",
        "x | y",
        "<br/>",
        "5 < 6 | 7 > 6",
        "[think]",
        "a<|",
        "|>",
        "<>",
        "[]",
        "◁▷",
        "<|a b|>",
        "<sun>",
        "<a|b>",
        "[\"INST\"]",
        "#<3",
    ];
    for text in texts {
        assert_eq!(without_control_tokens(text), text);
    }
    // What is left on both sides of a token may make one.
    assert_eq!(without_control_tokens("a <|im_<|pad|>end|> b"), "a  b");
}

#[test]
fn silence_is_told_by_its_kind() {
    let silences = [
        ("", Silence::Empty),
        (" \n", Silence::Empty),
        ("<|im_end|>", Silence::Empty),
        ("<think></think>", Silence::Empty),
        ("<think>", Silence::Empty),
        ("<think>hm", Silence::OnlyThought),
        ("hm</think>", Silence::OnlyThought),
        ("<tool_call>{}</tool_call>", Silence::OnlyCalled),
        ("<think>hm</think><tool_call>{}", Silence::OnlyCalled),
    ];
    for (text, silence) in silences {
        assert_eq!(said(text), Err(silence), "{text}");
    }
    // An opening mark at the very end opens nothing.
    assert_eq!(said("An answer.<think>\n").as_deref(), Ok("An answer."));
    assert_eq!(said("<answer>One.</answer> or <answer>two.</answer>").as_deref(), Ok("two."));
    assert_eq!(said("<answer>One.").as_deref(), Ok("One."));
}
