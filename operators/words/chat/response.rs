//! Reading what `chat/completions` answered: its text, or why there is none.
//!
//! Refusal classes. Of the question: `content_filter` (a filter stopped it), `model_declined` (the model said that it won't),
//! `answer_cut` (it needed more tokens than it may have). Of the server, which may be set up better tomorrow: `empty_answer`,
//! `only_thought` (thinking and no answer), `only_called` (a tool was called instead), `cut_early` (the server stopped before the
//! bound on tokens), `bad_response` (not in the protocol's form).

use serde_json::Value;
use threshflow::row::Refusal;

use super::reader::{Silence, said};
use crate::http::{self, Tokens};

/// The text of the first choice, as the model wrote it: as one string, or in parts of text. There is something said in it.
/// `most_tokens` is the bound that was asked for.
pub fn read(response: &Value, most_tokens: u32) -> Result<String, Refusal> {
    let Some(choice) = response.pointer("/choices/0") else {
        // Azure answers a filtered question so, where it doesn't answer 400.
        let filtered = response.get("prompt_filter_results").is_some();
        let beginning = beginning(&response.to_string());
        let why = format!("the answer has no choices: {beginning}");
        return Err(match filtered {
            true => Refusal::permanent("content_filter", why),
            false => Refusal::transient("bad_response", why),
        });
    };
    let reason = choice.get("finish_reason").and_then(Value::as_str).unwrap_or_default();
    let message = choice.get("message").unwrap_or(&Value::Null);
    let ended = Ended::of(reason);
    let reason = &*http::shortened(reason);
    if ended == Ended::Filtered {
        let message = format!("the server's content filter stopped the answer, finish reason {reason:?}");
        return Err(Refusal::permanent("content_filter", message));
    }
    let declined = [message.get("refusal"), message.pointer("/provider_specific_fields/refusal")];
    if let Some(words) =
        declined.into_iter().flatten().filter_map(Value::as_str).find(|words| !words.is_empty())
    {
        return Err(Refusal::permanent(
            "model_declined",
            format!("the model declined: {}", beginning(words)),
        ));
    }
    let text = text(message.get("content"))?;
    match ended {
        Ended::Cut => return Err(cut(&text, message, tokens(response), most_tokens)),
        Ended::BrokenOff => {
            let begins = beginning(&text);
            let message = format!(
                "the server broke the answer off, finish reason {reason:?}; look into its log: {begins}"
            );
            return Err(Refusal::transient("cut_early", message));
        }
        Ended::Well | Ended::Filtered => {}
    }
    match said(&text) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(silence) => Err(silent(silence, message, reason)),
    }
}

/// How an answer ended, by its finish reason: OpenAI's words, and those of servers that have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Well,
    /// At a bound on tokens.
    Cut,
    /// The server stopped in the middle.
    BrokenOff,
    Filtered,
}

impl Ended {
    fn of(reason: &str) -> Self {
        match reason.to_lowercase().replace('-', "_").as_str() {
            "length" | "max_tokens" | "model_length" | "max_output_tokens" | "max_length" => Ended::Cut,
            "abort"
            | "aborted"
            | "error"
            | "cancelled"
            | "canceled"
            | "insufficient_system_resource"
            | "max_time"
            | "timeout"
            | "network_error"
            | "server_error"
            | "malformed_function_call" => Ended::BrokenOff,
            "content_filter" | "content_filtered" | "safety" | "recitation" | "prohibited_content"
            | "blocklist" | "spii" | "sensitive" | "refusal" => Ended::Filtered,
            _ => Ended::Well,
        }
    }
}

fn cut(text: &str, message: &Value, used: Option<Tokens>, most_tokens: u32) -> Refusal {
    let begins = match (text.trim(), thought(message)) {
        ("", Some((field, letters))) => format!("all of it went into {letters} characters of `{field}`"),
        (text, _) => beginning(text),
    };
    match used.filter(|used| used.completion > 0 && used.completion < u64::from(most_tokens)) {
        Some(used) => {
            let message = format!(
                "the server cut the answer at {} tokens, of {most_tokens} that it may have; raise the server's own bound (the length \
                 of its context, or of an answer): {begins}",
                used.completion
            );
            Refusal::transient("cut_early", message)
        }
        None => {
            let message = format!(
                "the answer was cut at the most tokens that it may have, allow more or shorten what is asked for: {begins}"
            );
            Refusal::permanent("answer_cut", message)
        }
    }
}

/// Why nothing was said, and what to set.
fn silent(silence: Silence, message: &Value, reason: &str) -> Refusal {
    let in_its_text = || (silence == Silence::OnlyCalled).then(|| "in its text".to_owned());
    if let Some(name) = called(message).or_else(in_its_text) {
        let message = format!(
            "the answer is a call of a tool ({name}) and has no content, though no tool was offered; have the server answer in text \
             (vLLM: without --enable-auto-tool-choice)"
        );
        return Refusal::transient("only_called", message);
    }
    let thought = thought(message).or((silence == Silence::OnlyThought).then_some(("content", 0)));
    if let Some((field, letters)) = thought {
        let told = if letters > 0 {
            format!("{letters} characters of `{field}`")
        } else {
            format!("thinking in `{field}`")
        };
        let message = format!(
            "the answer is {told} and no answer to the question, finish reason {reason:?}; turn the model's thinking off, or serve it \
             with the parser that tells its thinking from its answer (vLLM, SGLang: --reasoning-parser)"
        );
        return Refusal::transient("only_thought", message);
    }
    let message = format!(
        "the answer is empty, finish reason {reason:?}; check the model's chat template at the server"
    );
    Refusal::transient("empty_answer", message)
}

/// What the server took for thinking, and the length of it: where it is kept beside the content.
fn thought(message: &Value) -> Option<(&'static str, usize)> {
    let letters = |value: &Value| match value {
        Value::Null => 0,
        Value::String(text) => text.trim().chars().count(),
        Value::Array(parts) if parts.is_empty() => 0,
        other => other.to_string().chars().count(),
    };
    let fields = ["reasoning_content", "reasoning", "reasoning_details", "thinking_blocks"];
    let kept = fields.into_iter().map(|field| (field, message.get(field).map_or(0, letters)));
    let parts = message.get("content").and_then(Value::as_array).map_or(0, |parts| {
        let thinks = |part: &&Value| {
            part.get("type").and_then(Value::as_str).is_some_and(|kind| kind.contains("think"))
        };
        parts.iter().filter(thinks).map(letters).sum()
    });
    kept.chain([("content", parts)]).find(|(_, letters)| *letters > 0)
}

/// The name of the tool that was called.
fn called(message: &Value) -> Option<String> {
    let call =
        message.pointer("/tool_calls/0").or(message.get("function_call")).filter(|call| !call.is_null())?;
    let name = call.pointer("/function/name").or(call.get("name"));
    Some(name.and_then(Value::as_str).map_or("without a name".to_owned(), http::shortened))
}

fn text(content: Option<&Value>) -> Result<String, Refusal> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| match part {
                Value::String(text) => Some(text.as_str()),
                // Of several kinds, such as `thinking`, only what is said counts.
                part if part.get("type").is_none_or(|kind| kind == "text" || kind == "output_text") => {
                    part.get("text").and_then(Value::as_str)
                }
                _ => None,
            });
            Ok(texts.collect())
        }
        Some(other) => {
            let message =
                format!("the answer's content is neither text nor parts: {}", beginning(&other.to_string()));
            Err(Refusal::transient("bad_response", message))
        }
    }
}

/// What it came to by its own `usage`; `None` where it doesn't say.
pub fn tokens(response: &Value) -> Option<Tokens> {
    let count = |name: &str| response.pointer(&format!("/usage/{name}")).and_then(Value::as_u64);
    Some(Tokens { prompt: count("prompt_tokens")?, completion: count("completion_tokens").unwrap_or(0) })
}

/// Whether a text is nothing but the model's word that it won't: short, no JSON in it, opening with one of the usual phrases.
/// Anything else counts as an answer.
pub fn declines(text: &str) -> bool {
    const LONGEST: usize = 400;
    const APOLOGIES: [&str; 8] = [
        "i'm sorry, but ",
        "i'm sorry, ",
        "i am sorry, but ",
        "i am sorry, ",
        "sorry, but ",
        "sorry, ",
        "i apologize, but ",
        "unfortunately, ",
    ];
    const UNABLE: [&str; 6] =
        ["i can't ", "i cannot ", "i can not ", "i'm unable to ", "i am unable to ", "i'm not able to "];
    const TO: [&str; 16] = [
        "assist",
        "help",
        "comply",
        "fulfill",
        "fulfil",
        "process this",
        "process that",
        "provide",
        "identify",
        "do that",
        "discuss",
        "continue",
        "engage",
        "analyze",
        "describe",
        "create",
    ];
    // In Chinese, Japanese, Korean and Thai: an apology, and that it can't be done.
    const ELSEWHERE: [(&[&str], &[&str]); 4] = [
        (
            &["抱歉", "很抱歉", "非常抱歉", "对不起", "對不起", "我无法", "我不能", "我無法"],
            &["无法", "無法", "不能"],
        ),
        (
            &["申し訳", "すみません", "ごめんなさい", "恐れ入りますが"],
            &["できません", "できかねます", "いたしかねます"],
        ),
        (&["죄송", "미안"], &["없습니다", "어렵습니다"]),
        (&["ขออภัย", "ขอโทษ"], &["ไม่สามารถ"]),
    ];
    let text = text.trim().replace('\u{2019}', "'").to_lowercase();
    if text.len() > LONGEST || text.contains('{') {
        return false;
    }
    let in_another_language = |(apologies, unable): &(&[&str], &[&str])| {
        apologies.iter().any(|opening| text.starts_with(opening))
            && unable.iter().any(|unable| text.contains(unable))
    };
    if ELSEWHERE.iter().any(in_another_language) {
        return true;
    }
    let rest = APOLOGIES.iter().find_map(|opening| text.strip_prefix(opening)).unwrap_or(&text);
    let Some(rest) = UNABLE.iter().find_map(|unable| rest.strip_prefix(unable)) else { return false };
    TO.iter().any(|verb| rest.starts_with(verb))
}

/// As much of an answer as a refusal quotes, on one line.
pub(super) fn beginning(text: &str) -> String {
    const MOST: usize = 160;
    let line = http::shortened(text);
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
