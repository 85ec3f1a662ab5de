//! `judge`: two pictures and an instruction; how well it was followed, and how natural the result is.
//!
//! Of a conversation each turn is judged by itself, by the rubric of its operation.

use serde_json::{Map, Value, json};

use super::json_text::object_in;
use super::prompt::{fill, version};
use super::{ChatRequest, Part};
use crate::edit_plan::{EditType, Operation};
use crate::judgement::Judgement;

const PROMPT: &str = include_str!("../prompts/judge.md");
/// Raise this when the code changes what is asked or taken.
const VERSION: &[u8] = b"chat judge/1";
/// Words of a reason, at most; what is more is cut off.
pub const MOST_OF_REASON: usize = 20;

/// What an edit is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rubric {
    Of(Operation),
    Hybrid,
}

impl Rubric {
    pub const ALL: [Rubric; 10] = [
        Rubric::Of(Operation::Add),
        Rubric::Of(Operation::Remove),
        Rubric::Of(Operation::Replace),
        Rubric::Of(Operation::Adjust),
        Rubric::Of(Operation::Action),
        Rubric::Of(Operation::Style),
        Rubric::Of(Operation::Extract),
        Rubric::Of(Operation::Visual),
        Rubric::Of(Operation::Background),
        Rubric::Hybrid,
    ];

    /// Of an edit, or of that turn of a conversation whose step is `operation`.
    pub fn of(edit_type: EditType, operation: Operation) -> Rubric {
        if edit_type == EditType::Hybrid { Rubric::Hybrid } else { Rubric::Of(operation) }
    }

    fn text(self) -> &'static str {
        match self {
            Rubric::Of(Operation::Add) => include_str!("../prompts/judge/add.md"),
            Rubric::Of(Operation::Remove) => include_str!("../prompts/judge/remove.md"),
            Rubric::Of(Operation::Replace) => include_str!("../prompts/judge/replace.md"),
            Rubric::Of(Operation::Adjust) => include_str!("../prompts/judge/adjust.md"),
            Rubric::Of(Operation::Action) => include_str!("../prompts/judge/action.md"),
            Rubric::Of(Operation::Style) => include_str!("../prompts/judge/style.md"),
            Rubric::Of(Operation::Extract) => include_str!("../prompts/judge/extract.md"),
            Rubric::Of(Operation::Visual) => include_str!("../prompts/judge/visual.md"),
            Rubric::Of(Operation::Background) => include_str!("../prompts/judge/background.md"),
            Rubric::Hybrid => include_str!("../prompts/judge/hybrid.md"),
        }
    }
}

/// The pictures of an edit, or of one turn, each as [`encode`](super::encode) made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub before: Part,
    pub after: Part,
    /// Of `visual`: what was to be put in.
    pub reference: Option<Part>,
}

/// Asks about a pair. `earlier` is what was said before this turn of a conversation, its premise first: without it nobody knows
/// what `it` is.
pub fn request(pair: Pair, instruction: &str, earlier: &[&str], rubric: Rubric) -> ChatRequest {
    let earlier = match earlier {
        [] => String::new(),
        said => format!("Said earlier in this conversation:\n- {}\n\n", said.join("\n- ")),
    };
    let gaps =
        [("earlier", earlier.as_str()), ("instruction", instruction), ("rubric", rubric.text().trim_end())];
    let mut parts = vec![
        Part::Text("The picture before the edit:".into()),
        pair.before,
        Part::Text("The picture after the edit:".into()),
        pair.after,
    ];
    if let Some(reference) = pair.reference {
        parts.extend([Part::Text("The reference picture:".into()), reference]);
    }
    parts.push(Part::Text(fill(PROMPT, &gaps)));
    ChatRequest { system: String::new(), parts, schema: Some(("judgement", schema())), again: None }
}

/// The reason comes first: a model that has said why scores better.
fn schema() -> Value {
    let score = json!({"type": "integer", "enum": [1, 2, 3, 4, 5]});
    json!({
        "type": "object",
        "properties": {
            "reason": {"type": "string"}, "follows": score, "natural": score, "match": {"type": "boolean"}
        },
        "required": ["reason", "follows", "natural", "match"],
        "additionalProperties": false
    })
}

/// The judgement: from the JSON object, or from lines `follows: 4`, as judges write that don't know JSON. A score may have
/// something behind its number, `4.`, `3 (acceptable)`, `4/5`; one outside 1 to 5 is none.
pub fn parse(answer: &str) -> Result<Judgement, String> {
    let object = match object_in(answer) {
        Ok(object) => object,
        // Broken JSON is complained about, not picked to pieces.
        Err(why) if answer.contains('{') => return Err(why),
        Err(why) => lines(answer).ok_or(why)?,
    };
    let reason = match object.get("reason") {
        Some(Value::String(reason)) => shortened(reason),
        None | Some(Value::Null) => String::new(),
        Some(other) => return Err(format!("the key \"reason\" must hold a string, not {other}")),
    };
    let (follows, natural) = (score(&object, "follows")?, score(&object, "natural")?);
    Ok(Judgement { follows, natural, matches: matches(&object)?, reason })
}

fn score(object: &Map<String, Value>, key: &str) -> Result<f32, String> {
    let given = object.get(key).ok_or_else(|| format!("the key {key:?} is missing"))?;
    let number = match given {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => leading_number(text),
        _ => None,
    };
    match number {
        Some(number) if (1.0..=5.0).contains(&number) => Ok(number as f32),
        _ => Err(format!("{key:?} must be a number from 1 to 5, not {given}")),
    }
}

/// The number that a text opens with, and that nothing makes another: `4.`, `3 (acceptable)`, `4/5`, `4 out of 5`. Not `4-5`,
/// nor `4/10`.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim().trim_matches(['*', '_', '`', '"']).trim_start();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let rest = rest.trim_start().trim_start_matches('*').trim_start().to_lowercase();
    let of_five = |from: &str| {
        rest.strip_prefix(from).is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.starts_with('5') && !rest[1..].starts_with(|letter: char| letter.is_ascii_digit())
        })
    };
    let sound =
        rest.is_empty() || rest.starts_with(['(', ',', ';', ':', '[']) || of_five("/") || of_five("out of");
    let dash = rest.strip_prefix(['-', '\u{2013}', '\u{2014}']);
    // A remark after a dash is one, a range is none.
    let remark = dash.is_some_and(|rest| rest.trim_start().starts_with(char::is_alphabetic));
    if sound || remark { digits.trim_end_matches('.').parse().ok() } else { None }
}

fn matches(object: &Map<String, Value>) -> Result<bool, String> {
    match object.get("match") {
        Some(Value::Bool(matches)) => Ok(*matches),
        Some(Value::String(text)) => match text.trim().trim_end_matches('.').to_lowercase().as_str() {
            "true" | "yes" => Ok(true),
            "false" | "no" => Ok(false),
            _ => Err(format!("\"match\" must be true or false, not {text:?}")),
        },
        Some(other) => Err(format!("\"match\" must be true or false, not {other}")),
        None => Err("the key \"match\" is missing".to_owned()),
    }
}

/// The answer's lines of the form `name: value`, with whatever marks of lists and of bold letters; `None` where no line has one
/// of the names. A name that stands there twice with different values is as good as missing.
fn lines(answer: &str) -> Option<Map<String, Value>> {
    const NAMES: [&str; 4] = ["follows", "natural", "match", "reason"];
    let mut found: Map<String, Value> = Map::new();
    let mut torn = Vec::new();
    for line in answer.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = name.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase();
        let Some(name) = NAMES.into_iter().find(|known| *known == name) else { continue };
        let value = value.trim_start_matches(['*', '_', '`', ' ']).trim_end().trim_end_matches(['*', '`']);
        let value = Value::String(value.to_owned());
        if found.insert(name.to_owned(), value.clone()).is_some_and(|before| before != value) {
            torn.push(name);
        }
    }
    torn.into_iter().for_each(|name| drop(found.remove(name)));
    (!found.is_empty()).then_some(found)
}

fn shortened(reason: &str) -> String {
    reason.split_whitespace().take(MOST_OF_REASON).collect::<Vec<_>>().join(" ")
}

/// What of this task shapes an answer by one rubric: another's text doesn't.
pub fn stamp_parts(rubric: Rubric) -> Vec<(&'static str, Vec<u8>)> {
    vec![("task", VERSION.to_vec()), ("prompts", version([PROMPT, rubric.text()]))]
}

#[cfg(test)]
mod tests;
