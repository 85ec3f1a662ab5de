//! JSON out of a model's text: the whole text, a fenced block, or the first balanced object, each strictly. What isn't JSON is
//! complained about and asked for again; nothing is repaired by guessing.

use serde_json::{Map, Value};

/// The object that a text holds. Objects only: no task asks for anything else. What a model thought aloud before it
/// (`<think>…</think>`) is passed over. The error is a sentence for the model.
pub(super) fn object_in(text: &str) -> Result<Map<String, Value>, String> {
    let said = match text.rsplit_once("</think>") {
        Some((_, said)) => said,
        None => text,
    };
    let whole = std::iter::once(said.trim());
    let candidates = whole.chain(fenced(said)).chain(balanced(said));
    let mut wrong = None;
    for candidate in candidates {
        match serde_json::from_str::<Value>(candidate) {
            Ok(Value::Object(object)) => return Ok(object),
            Err(error) if candidate.starts_with('{') => wrong = wrong.or(Some(error.to_string())),
            _ => {}
        }
    }
    Err(match wrong {
        Some(error) => format!("it is not valid JSON: {error}"),
        None => "there is no JSON object in it".to_owned(),
    })
}

/// What stands between lines of three backticks, without the word after the opening ones.
fn fenced(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.map(|block| {
        let body = block.split_once('\n').map_or(block, |(word, body)| match word.trim().contains('{') {
            true => block,
            false => body,
        });
        body.trim()
    })
}

/// Every `{…}` that is balanced, braces in strings aside, and not inside another.
fn balanced(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(at) = text[from..].find('{').map(|at| from + at) {
            if let Some(length) = closing(&text[at..]) {
                from = at + length;
                return Some(&text[at..from]);
            }
            from = at + 1;
        }
        None
    })
}

/// Length of the balanced object that the text opens with.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The text under a key, trimmed.
pub(super) fn text(object: &Map<String, Value>, key: &str) -> Result<String, String> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(other) => Err(format!("the key {key:?} must hold a string, not {other}")),
        None => Err(format!("the key {key:?} is missing")),
    }
}

/// The texts of a list under a key, trimmed, without empty ones.
pub(super) fn texts(object: &Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let Some(Value::Array(items)) = object.get(key) else {
        return Err(format!("the key {key:?} must hold a list of strings"));
    };
    let text = |item: &Value| match item {
        Value::String(text) => Ok(text.trim().to_owned()),
        other => Err(format!("the list {key:?} must hold strings only, not {other}")),
    };
    let texts: Result<Vec<String>, String> = items.iter().map(text).collect();
    Ok(texts?.into_iter().filter(|text| !text.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_wherever_models_put_them() {
        let odd = [
            "{\"a\": 1}",
            "  \n{\"a\": 1}\n",
            "```json\n{\"a\": 1}\n```",
            "```\n{\"a\": 1}\n```",
            "``` {\"a\": 1} ```",
            "```json {\"a\": 1}```",
            "Sure! Here is the answer:\n```JSON\n{\"a\": 1}\n```\nI hope this helps {really}.",
            "The answer is {\"a\": 1}.",
            "Not {this}, but {\"a\": 1} and {\"a\": 2}",
            "A lone { brace, then {\"a\": 1}",
            "<think>maybe {\"a\": 7}?</think>{\"a\": 1}",
            "\u{1F600} {\"a\": 1}",
        ];
        for text in odd {
            assert_eq!(object_in(text).map(Value::Object), Ok(serde_json::json!({"a": 1})), "{text:?}");
        }
        let nested = "x {\"a\": {\"b\": \"} \\\" {\"}, \"c\": []} y";
        assert_eq!(object_in(nested).map(|object| object.len()), Ok(2));
    }

    #[test]
    fn nothing_is_guessed() {
        let broken = [
            ("", "no JSON object"),
            ("[1, 2]", "no JSON object"),
            ("\"text\"", "no JSON object"),
            ("{'a': 1}", "not valid JSON"),
            ("{\"a\": 1,}", "not valid JSON"),
            ("{\"a\": {\"b\": 1},}", "not valid JSON"),
            ("{\"a\": 1", "not valid JSON"),
            ("{a: 1}", "not valid JSON"),
            ("{\"a\": True}", "not valid JSON"),
        ];
        for (text, why) in broken {
            let told = object_in(text).expect_err(text);
            assert!(told.contains(why), "{text:?}: {told}");
        }
    }
}
