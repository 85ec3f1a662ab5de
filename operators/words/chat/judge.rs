//! `judge`: two pictures and an instruction; how well it was followed, and how natural the result is.
//!
//! Of a conversation each turn is judged by itself, by the rubric of its operation.

use serde_json::{Map, Value, json};

use super::prompt::{fill, version};
use super::reader::objects::{Shape, get, line, object_in, opens_an_object};
use super::reader::said;
use super::reader::scores::{Label, labelled, no_score, only_score};
use super::{ChatRequest, Part};
use crate::plan::edit_plan::words::{first, words};
use crate::plan::edit_plan::{EditType, Operation, Telling};
use crate::plan::edit_type::edit_types;
use crate::plan::judgement::Judgement;

const PROMPT: &str = include_str!("../prompts/judge.md");
/// Raise this when the code changes what is asked or taken.
const VERSION: &[u8] = b"chat judge/2";
/// Words of a reason, at most; what is more is cut off.
pub(crate) const MOST_OF_REASON: usize = 20;

/// What an edit is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rubric {
    Of(Operation),
    Hybrid,
}

/// The rubric of each operation: a file of its name.
macro_rules! rubrics {
    (
        operations {$(
            $(#[$doc:meta])*
            $operation:ident $name:literal:
                changes $changes:ident, shows $shows:ident, outcome $outcome:ident, made $made:ident;
        )+}
        types {$($of_types:tt)*}
    ) => {
        impl Rubric {
            pub const ALL: [Rubric; Operation::COUNT + 1] =
                [$(Rubric::Of(Operation::$operation),)+ Rubric::Hybrid];

            fn text(self) -> &'static str {
                match self {
                    $(Rubric::Of(Operation::$operation) => {
                        include_str!(concat!("../prompts/judge/", $name, ".md"))
                    })+
                    Rubric::Hybrid => include_str!("../prompts/judge/hybrid.md"),
                }
            }
        }
    };
}
edit_types!(rubrics);

impl Rubric {
    /// Of an edit, or of that turn of a conversation whose step is `operation`.
    pub fn of(edit_type: EditType, operation: Operation) -> Rubric {
        if edit_type.told() == Telling::Joined { Rubric::Hybrid } else { Rubric::Of(operation) }
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

/// The first scale of ImgEdit's rubrics: whether the instruction was followed.
const FIRST: [&str; 5] =
    ["prompt compliance", "instruction compliance", "style fidelity", "action fidelity", "object identity"];
/// Their second: how it looks, or whether all else stayed.
const SECOND: [&str; 5] = [
    "visual naturalness",
    "visual seamlessness",
    "content preservation",
    "identity preservation",
    "mask precision",
];
/// Their third, of details.
const THIRD: [&str; 8] = [
    "physical and detail integrity",
    "physical and detail coherence",
    "physical and detail fidelity",
    "rendering quality",
    "visual and anatomical coherence",
    "visual quality",
    "physical consistency",
    "physical consistency and fine detail",
];
const REASON: [&str; 4] = ["reason", "brief reasoning", "reasoning", "explanation"];
/// From here on ImgEdit's first scale says that what was changed is what was meant; below, that nothing was, or another thing.
const RIGHT_THING: f64 = 3.0;

/// What an answer says of each thing, as it is written.
#[derive(Default)]
struct Told {
    follows: Vec<Value>,
    natural: Vec<Value>,
    matches: Vec<Value>,
    reason: Vec<Value>,
    /// By ImgEdit's scales.
    scales: [Vec<Value>; 3],
}

/// The judgement: from the last JSON object with the two scores, or from lines `follows: 4`, as judges write them that don't know
/// JSON. ImgEdit-Judge answers by the scales that it was trained on, whatever it is asked: the first is how well the instruction was
/// followed, the lower one of the others how natural it looks, and the right thing was changed where the first is 3 or more.
///
/// A score may have something behind its number, `4.`, `3 (acceptable)`, `4/5`; one outside 1 to 5 is none, and so are two different
/// ones for one thing.
pub fn parse(answer: &str) -> Result<Judgement, String> {
    let said = said(answer).map_err(|silence| silence.told().to_owned())?;
    let told = match object_in(&said, Shape { wanted: &[&["follows"], &["natural"]] }) {
        Ok(object) if scales_of(&object).is_some() => scales_of(&object).unwrap_or_default(),
        Ok(object) => of_object(&object)?,
        // Broken JSON is complained about, not picked to pieces.
        Err(why) if opens_an_object(&said) => return Err(why),
        Err(why) => of_lines(&said).ok_or(why)?,
    };
    judgement(&told)
}

fn of_object(object: &Map<String, Value>) -> Result<Told, String> {
    let one = |key: &str| get(object, key).cloned().into_iter().collect::<Vec<_>>();
    match get(object, "reason") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(other) => return Err(format!("the key \"reason\" must hold a string, not {other}")),
    }
    Ok(Told {
        follows: one("follows"),
        natural: one("natural"),
        matches: one("match"),
        reason: one("reason"),
        ..Told::default()
    })
}

/// Where an object has ImgEdit's scales and not ours.
fn scales_of(object: &Map<String, Value>) -> Option<Told> {
    if get(object, "follows").or(get(object, "natural")).is_some() {
        return None;
    }
    let lines: Vec<String> = object
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) => format!("{}: {}", line(key), line(text)),
            other => format!("{}: {other}", line(key)),
        })
        .collect();
    of_lines(&lines.join("\n")).filter(|told| told.scales.iter().all(|scale| !scale.is_empty()))
}

/// What the lines say; nothing where no line has one of the labels.
fn of_lines(said: &str) -> Option<Told> {
    let label = |names| Label { names, prose: false };
    let values = labelled(
        said,
        &[
            label(&["follows"]),
            label(&["natural"]),
            label(&["match", "object match"]),
            Label { names: &REASON, prose: true },
            label(&FIRST),
            label(&SECOND),
            label(&THIRD),
        ],
    );
    if values.iter().enumerate().all(|(label, values)| label == 3 || values.is_empty()) {
        return None;
    }
    let values = values.into_iter().map(|values| values.into_iter().map(Value::String).collect::<Vec<_>>());
    let [follows, natural, matches, reason, first, second, third] =
        <[_; 7]>::try_from(values.collect::<Vec<_>>()).ok()?;
    Some(Told { follows, natural, matches, reason, scales: [first, second, third] })
}

fn judgement(told: &Told) -> Result<Judgement, String> {
    let reason = told.reason.first().and_then(Value::as_str).unwrap_or_default();
    let reason = first(&line(reason), MOST_OF_REASON);
    let ours = !(told.follows.is_empty() && told.natural.is_empty());
    if !ours && told.scales.iter().any(|scale| !scale.is_empty()) {
        let scale = |number: usize, name| score(name, &told.scales[number]);
        let (first, second, third) =
            (scale(0, "the first score")?, scale(1, "the second score")?, scale(2, "the third score")?);
        let matches = match told.matches.is_empty() {
            true => first >= RIGHT_THING,
            false => matches(&told.matches)?,
        };
        return Ok(Judgement { follows: first as f32, natural: second.min(third) as f32, matches, reason });
    }
    let (follows, natural) = (score("follows", &told.follows)?, score("natural", &told.natural)?);
    Ok(Judgement {
        follows: follows as f32,
        natural: natural as f32,
        matches: matches(&told.matches)?,
        reason,
    })
}

fn score(name: &str, values: &[Value]) -> Result<f64, String> {
    match values {
        [Value::Number(number)] => number
            .as_f64()
            .filter(|number| (1.0..=5.0).contains(number))
            .ok_or_else(|| no_score(name, &number.to_string())),
        [Value::String(_), ..] => {
            let texts: Vec<String> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            only_score(name, &texts)
        }
        [] => Err(format!("the key {name:?} is missing")),
        [other, ..] => Err(no_score(name, &other.to_string())),
    }
}

fn matches(values: &[Value]) -> Result<bool, String> {
    let said = |value: &Value| match value {
        Value::Bool(matches) => Some(*matches),
        Value::String(text) => {
            let words = words(text);
            let yes = words.iter().any(|word| word == "true" || word == "yes");
            let no = words.iter().any(|word| word == "false" || word == "no" || word == "not");
            // `Yes, the dog`: the first word says it, and no other says the opposite.
            let first =
                words.first().is_some_and(|word| ["true", "yes", "false", "no"].contains(&word.as_str()));
            (first && yes != no).then_some(yes)
        }
        _ => None,
    };
    let mut read = None;
    for value in values {
        let matches = said(value).ok_or_else(|| format!("\"match\" must be true or false, not {value}"))?;
        if read.replace(matches).is_some_and(|before| before != matches) {
            return Err("\"match\" is both true and false".to_owned());
        }
    }
    read.ok_or_else(|| "the key \"match\" is missing".to_owned())
}

/// What of this task shapes an answer by one rubric: another's text doesn't.
pub(crate) fn stamp_parts(rubric: Rubric) -> Vec<(&'static str, Vec<u8>)> {
    vec![("task", VERSION.to_vec()), ("prompts", version([PROMPT, rubric.text()]))]
}

#[cfg(test)]
mod tests;
