//! Control tokens: what models write for their templates and not for people. Servers take most of them away, as far as they know
//! them; here are those of the common families, told by their form where families share one.
//!
//! | form | family |
//! |---|---|
//! | `<\|im_end\|>`, `<\|vision_start\|>`, `<\|eot_id\|>`, `<\|channel\|>`, `<\|begin_of_box\|>`, `<\|END_RESPONSE\|>` | Qwen, Llama, harmony, GLM, Phi, Cohere, Apertus |
//! | `<｜end▁of▁sentence｜>` | DeepSeek |
//! | `<\|turn>`, `<turn\|>`, `<\|channel>` | Gemma from 4 on |
//! | `<start_of_turn>`, `<eos>`, `</s>`, `<image>`, `<loc_12>`, `<think>`, `<seed:think>`, `<answer>`, `<tool_call>` | Gemma, Llama, InternVL, PaliGemma, Seed, most that think |
//! | `[INST]`, `[THINK]`, `[IMG]`, `[BEGIN FINAL RESPONSE]` | Mistral, Apriel |
//! | `◁think▷`, `<<SYS>>` | Kimi, Llama 2 |

use crate::plan::edit_plan::words::stands_alone;

/// What a token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Thinking begins, or ends.
    Think(Edge),
    /// The answer begins, or ends.
    Answer(Edge),
    /// GLM's box, which is around the answer, or around a few words of it.
    Box(Edge),
    /// A call of a tool.
    Call(Edge),
    /// Coordinates follow, or have ended.
    Place(Edge),
    /// A channel begins; its name follows, up to the message or, in Gemma's form, on a line of its own.
    Channel,
    /// The channel's name has ended and its text begins.
    Message,
    /// Somebody's turn begins; whose is said by the token, or by the word behind it.
    Turn(Option<Who>),
    /// The turn has ended.
    TurnEnd,
    /// A fold has ended, which is thinking where its beginning said so.
    FoldEnd,
    /// Harmony's and Phi's `<|end|>`: the turn, or its thinking.
    MessageEnd,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Open,
    Close,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Model,
    Others,
}

/// A token in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ControlMatch {
    pub start: usize,
    pub end: usize,
    pub token: Token,
}

/// Names of tokens have so many letters, at most.
const LONGEST: usize = 48;

const THINKING: [&str; 12] = [
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "reason_step",
    "analysis",
    "reflection",
    "scratchpad",
    "inner_monologue",
    "cot",
    "seed:cot_budget_reflect",
];
const ANSWERS: [&str; 9] = [
    "answer",
    "final_answer",
    "final",
    "response",
    "final_response",
    "solution",
    "conclusion",
    "content",
    "output",
];
const CALLS: [&str; 6] =
    ["tool_call", "tool_calls", "function_call", "action", "tools", "tool_calls_section"];
const PLACES: [&str; 8] = ["box", "quad", "point", "points", "poly", "line", "ref_box", "bbox"];
/// Between `<` and `>`, besides those above; what other words stand there is text.
const BARE: [&str; 32] = [
    "s",
    "bos",
    "eos",
    "pad",
    "unk",
    "mask",
    "cls",
    "sep",
    "start_of_turn",
    "end_of_turn",
    "start_of_image",
    "end_of_image",
    "image_soft_token",
    "image",
    "images",
    "img",
    "img_context",
    "im_start",
    "im_end",
    "im_patch",
    "image_pad",
    "video",
    "audio",
    "ref",
    "obj",
    "tool_response",
    "seed:bos",
    "seed:eos",
    "sop",
    "eop",
    "end_of_text",
    "endoftext",
];
/// Between `[` and `]`, in capitals.
const SQUARE: [&str; 25] = [
    "INST",
    "SYSTEM_PROMPT",
    "AVAILABLE_TOOLS",
    "TOOL_CALLS",
    "TOOL_RESULTS",
    "TOOL_CONTENT",
    "CALL_ID",
    "ARGS",
    "IMG",
    "IMG_BREAK",
    "IMG_END",
    "THINK",
    "PREFIX",
    "SUFFIX",
    "MIDDLE",
    "MODEL_SETTINGS",
    "BEGIN FINAL RESPONSE",
    "END FINAL RESPONSE",
    "AUDIO",
    "BEGIN_AUDIO",
    "CLS",
    "SEP",
    "MASK",
    "PAD",
    "UNK",
];

/// The first token that begins at or behind `from`.
pub(super) fn next(text: &str, from: usize) -> Option<ControlMatch> {
    let mut at = from;
    while let Some(start) = text[at..].find(['<', '[', '◁']).map(|found| at + found) {
        if let Some((length, token)) = opening(&text[start..]) {
            return Some(ControlMatch { start, end: start + length, token });
        }
        at = start + text[start..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// The token that the text opens with, and its length.
fn opening(text: &str) -> Option<(usize, Token)> {
    let barred = |letter: char| letter == '|' || letter == '\u{ff5c}';
    if text.starts_with('[') {
        let name = enclosed(text, "[", "]")?;
        let (bare, edge) = slash(name);
        let known = SQUARE.contains(&bare) || bare == "gMASK" || bare == "sop";
        return known.then(|| (name.len() + 2, of_square(bare, edge)));
    }
    if text.starts_with('◁') {
        let name = enclosed(text, "◁", "▷")?;
        return Some((name.len() + "◁▷".len(), of_bars(name)));
    }
    for wide in ["<<SYS>>", "<</SYS>>"] {
        if text.starts_with(wide) {
            return Some((wide.len(), Token::Other));
        }
    }
    let name = enclosed(text, "<", ">")?;
    let length = name.len() + 2;
    let inner = name.trim_matches(barred);
    if name.starts_with(barred) || name.ends_with(barred) {
        let short = inner.chars().count() <= LONGEST && !inner.contains(char::is_whitespace);
        let half = !(name.starts_with(barred) && name.ends_with(barred));
        let named = |letter: char| letter.is_ascii_alphanumeric() || "_\"-/:".contains(letter);
        return (short && !inner.is_empty() && (!half || inner.chars().all(named)))
            .then(|| (length, if half { of_half(name, inner) } else { of_bars(inner) }));
    }
    of_angle(name).map(|token| (length, token))
}

/// What stands between two signs at the beginning of a text, in one line and without another such sign.
fn enclosed<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(open)?;
    // Tags have attributes, tokens have none: room for one of them.
    let end = rest.char_indices().take(LONGEST * 4).map(|(at, _)| at).find(|at| {
        let rest = &rest[*at..];
        rest.starts_with(close) || rest.starts_with(open) || rest.starts_with('\n')
    })?;
    (rest[end..].starts_with(close) && end > 0).then(|| &rest[..end])
}

/// Of `/think`: `think`, and that it closes.
fn slash(name: &str) -> (&str, Edge) {
    match name.strip_prefix('/') {
        Some(name) => (name.trim(), Edge::Close),
        None => (name.trim().trim_end_matches('/').trim_end(), Edge::Open),
    }
}

fn of_square(name: &str, edge: Edge) -> Token {
    match name {
        "THINK" => Token::Think(edge),
        "BEGIN FINAL RESPONSE" => Token::Answer(Edge::Open),
        "END FINAL RESPONSE" => Token::Answer(Edge::Close),
        "TOOL_CALLS" => Token::Call(edge),
        "INST" if edge == Edge::Open => Token::Turn(Some(Who::Others)),
        "INST" => Token::Turn(Some(Who::Model)),
        _ => Token::Other,
    }
}

/// Of a tag: only what is known is one.
fn of_angle(name: &str) -> Option<Token> {
    if name.starts_with(char::is_whitespace) {
        return None;
    }
    let (inner, edge) = slash(name);
    let word = inner.split(char::is_whitespace).next().unwrap_or_default().to_lowercase();
    // A prefix such as that of `seed:think` is one of a family.
    let bare = word.rsplit_once(':').map_or(word.as_str(), |(_, bare)| bare);
    let is = |known: &[&str]| known.contains(&word.as_str()) || known.contains(&bare);
    let numbered = |stem: &str| {
        word.strip_prefix(stem).is_some_and(|rest| {
            let digits = rest.trim_start_matches('_');
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    if is(&THINKING) || word == "details" && inner.contains("reasoning") {
        Some(Token::Think(edge))
    } else if word == "details" && edge == Edge::Close {
        Some(Token::FoldEnd)
    } else if is(&ANSWERS) {
        Some(Token::Answer(edge))
    } else if is(&CALLS) {
        Some(Token::Call(edge))
    } else if is(&PLACES) {
        Some(Token::Place(edge))
    } else if word == "start_of_turn" || word == "im_start" {
        Some(Token::Turn(None))
    } else if matches!(
        word.as_str(),
        "end_of_turn" | "im_end" | "eos" | "seed:eos" | "endoftext" | "end_of_text"
    ) || word == "s" && edge == Edge::Close
    {
        Some(Token::TurnEnd)
    } else if BARE.contains(&word.as_str())
        || ["loc", "seg", "unused", "extra_id", "reserved", "special"].iter().any(|stem| numbered(stem))
    {
        Some(Token::Other)
    } else {
        None
    }
}

/// Of `<|channel>` and `<turn|>`: which side the bar is on tells the edge.
fn of_half(name: &str, inner: &str) -> Token {
    let edge = if name.starts_with(['|', '\u{ff5c}']) { Edge::Open } else { Edge::Close };
    match (inner.to_lowercase().as_str(), edge) {
        ("channel", Edge::Open) => Token::Channel,
        ("channel", Edge::Close) => Token::Think(Edge::Close),
        ("turn", Edge::Open) => Token::Turn(None),
        ("turn", Edge::Close) => Token::TurnEnd,
        (name, edge) if CALLS.contains(&name) => Token::Call(edge),
        (name, edge) if THINKING.contains(&name) => Token::Think(edge),
        _ => Token::Other,
    }
}

/// Of what stands between bars.
fn of_bars(inner: &str) -> Token {
    const ENDS: [&str; 15] = [
        "im_end",
        "eot_id",
        "eom_id",
        "eot",
        "end_of_text",
        "endoftext",
        "eos",
        "return",
        "end_of_turn",
        "end_of_sentence",
        "end_of_turn_token",
        "assistant_end",
        "end_of_msg",
        "eod",
        "call",
    ];
    let name = inner.to_lowercase().replace('\u{2581}', "_");
    let (name, edge) = slash(&name);
    match name {
        "channel" => return Token::Channel,
        "message" => return Token::Message,
        "end" => return Token::MessageEnd,
        "begin_of_box" => return Token::Box(Edge::Open),
        "end_of_box" => return Token::Box(Edge::Close),
        "inner_prefix" => return Token::Think(Edge::Open),
        "inner_suffix" => return Token::Think(Edge::Close),
        "start_text" => return Token::Answer(Edge::Open),
        "end_text" => return Token::Answer(Edge::Close),
        "python_tag" => return Token::Call(Edge::Open),
        "im_start"
        | "start"
        | "begin"
        | "start_header_id"
        | "start_of_role"
        | "start_of_turn_token"
        | "header_start" => {
            return Token::Turn(None);
        }
        "assistant" | "assistant_start" | "im_assistant" | "chatbot_token" | "bot" => {
            return Token::Turn(Some(Who::Model));
        }
        "user" | "system" | "observation" | "im_user" | "im_system" | "user_start" | "system_start"
        | "developer_start" | "user_token" | "system_token" | "tool" | "ipython" => {
            return Token::Turn(Some(Who::Others));
        }
        name if ENDS.contains(&name) => return Token::TurnEnd,
        _ => {}
    }
    let (stem, edge) = stem(name, edge);
    if THINKING.contains(&stem) {
        Token::Think(edge)
    } else if ANSWERS.contains(&stem) {
        Token::Answer(edge)
    } else if CALLS.contains(&stem) {
        Token::Call(edge)
    } else if PLACES.contains(&stem) {
        Token::Place(edge)
    } else {
        Token::Other
    }
}

/// Of `begin_of_thought`, `think_start` and `END_RESPONSE` the word itself, and which edge it is of.
fn stem(name: &str, edge: Edge) -> (&str, Edge) {
    const BEFORE: [(&str, Edge); 6] = [
        ("begin_of_", Edge::Open),
        ("start_of_", Edge::Open),
        ("end_of_", Edge::Close),
        ("start_", Edge::Open),
        ("begin_", Edge::Open),
        ("end_", Edge::Close),
    ];
    const AFTER: [(&str, Edge); 5] = [
        ("_start", Edge::Open),
        ("_begin", Edge::Open),
        ("_prefix", Edge::Open),
        ("_end", Edge::Close),
        ("_suffix", Edge::Close),
    ];
    let before = BEFORE.iter().find_map(|(affix, edge)| Some((name.strip_prefix(affix)?, *edge)));
    let after = || AFTER.iter().find_map(|(affix, edge)| Some((name.strip_suffix(affix)?, *edge)));
    before.or_else(after).unwrap_or((name, edge))
}

/// The text without any control token, and without signs that no text has. What stood on both sides of a token stays apart where
/// it would become one word.
pub(crate) fn without_control_tokens(text: &str) -> String {
    let unseen = |letter: char| letter == '\u{feff}' || letter.is_control() && !letter.is_whitespace();
    let mut clean: String = text.chars().filter(|letter| !unseen(*letter)).collect();
    // What is left on both sides of a token may make one.
    while let Some(mut found) = next(&clean, 0) {
        let (mut kept, mut from) = (String::with_capacity(clean.len()), 0);
        loop {
            kept.push_str(&clean[from..found.start]);
            from = found.end;
            if welds(&kept, &clean[from..]) {
                kept.push(' ');
            }
            match next(&clean, from) {
                Some(another) => found = another,
                None => break,
            }
        }
        kept.push_str(&clean[from..]);
        clean = kept;
    }
    clean
}

/// Whether two words become one where these texts meet.
pub(super) fn welds(before: &str, after: &str) -> bool {
    let letter =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() && !stands_alone(letter));
    letter(before.chars().next_back()) && letter(after.chars().next())
}
