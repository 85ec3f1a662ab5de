//! The binding file beside a workflow: which edits it serves, and where prompt, picture, mask and seed go.
//!
//! ```json
//! {
//!   "operations": ["remove", "replace"],
//!   "prompt": { "to": ["25.text"], "text": "{result}", "for": { "remove": "empty" } },
//!   "picture": "16.image",
//!   "mask": "alpha",
//!   "seeds": ["8.seed"],
//!   "output": "27"
//! }
//! ```
//!
//! `25.text` is the input `text` of node `25`. All keys:
//!
//! | key | |
//! |---|---|
//! | `operations` | `remove`, `replace`, `adjust`, `style`, `extract`, `visual`, `background`: those that it serves |
//! | `only_for` | words; it serves only results that hold one of them, and there goes before workflows without |
//! | `prompt`, `negative` | `to`: inputs; `text`: what they are given, with `{result}`, `{object}`, `{instruction}` filled in; `for`: another text for some operations. Where it is left out, the workflow's own words stay |
//! | `picture` | the input of a node that loads pictures |
//! | `mask` | `alpha`: the picture is uploaded with an alpha of `(1 - mask) * 255`, as ComfyUI's `LoadImage` reads it; or an input, which is given a grey picture of its own, white inside |
//! | `reference` | the input that is given the reference picture |
//! | `seeds` | inputs that are given the pass's seed, below 2^53 |
//! | `output` | the node whose first picture is the answer |
//! | `leave_out` | nodes of the file that are not sent |
//! | `add` | nodes that the file lacks, in API format |
//! | `set` | inputs and the values that they are given instead of the file's: a model's name, or a link `["node", 0]` |

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::plan::edit_plan::{MadeBy, Operation};

/// An input of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Input {
    pub(super) node: String,
    pub(super) name: String,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.name)
    }
}

/// How the mask is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MaskTo {
    /// As the alpha of the picture, inverted.
    Alpha,
    /// As a picture of its own.
    Picture(Input),
}

/// A text and the inputs that it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) to: Vec<Input>,
    pub(super) text: String,
    pub(super) text_of: BTreeMap<Operation, String>,
}

impl Words {
    pub(super) fn text(&self, operation: Operation) -> &str {
        self.text_of.get(&operation).unwrap_or(&self.text)
    }
}

/// A binding file, parsed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binding {
    pub(super) operations: Vec<Operation>,
    /// In lower case.
    pub(super) only_for: Vec<String>,
    pub(super) prompt: Option<Words>,
    pub(super) negative: Option<Words>,
    pub(super) picture: Input,
    pub(super) mask: Option<MaskTo>,
    pub(super) reference: Option<Input>,
    pub(super) seeds: Vec<Input>,
    pub(super) output: String,
    pub(super) leave_out: Vec<String>,
    pub(super) add: Map<String, Value>,
    pub(super) set: Vec<(Input, Value)>,
}

#[derive(Deserialize)]
struct File {
    operations: Vec<String>,
    #[serde(default)]
    only_for: Vec<String>,
    prompt: Option<FileWords>,
    negative: Option<FileWords>,
    picture: String,
    mask: Option<String>,
    reference: Option<String>,
    #[serde(default)]
    seeds: Vec<String>,
    output: String,
    #[serde(default)]
    leave_out: Vec<String>,
    #[serde(default)]
    add: Map<String, Value>,
    #[serde(default)]
    set: Map<String, Value>,
}

const KEYS: [&str; 12] = [
    "operations",
    "only_for",
    "prompt",
    "negative",
    "picture",
    "mask",
    "reference",
    "seeds",
    "output",
    "leave_out",
    "add",
    "set",
];

#[derive(Deserialize)]
struct FileWords {
    to: Vec<String>,
    text: String,
    #[serde(default, rename = "for")]
    text_of: BTreeMap<String, String>,
}

const KEYS_OF_WORDS: [&str; 3] = ["to", "text", "for"];

/// What editors are asked for: an addition is a removal seen backwards, an action two frames of a video.
fn operations() -> impl Iterator<Item = Operation> {
    Operation::ALL.into_iter().filter(|operation| operation.made() == MadeBy::ByEditor)
}

/// What a template may hold between braces.
const PLACES: [&str; 3] = ["result", "object", "instruction"];

impl Binding {
    /// Parses a binding file; the errors are all that is wrong with it by itself.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Vec<String>> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| vec![format!("it is no JSON: {error}")])?;
        let mut wrong = unknown_keys(&value, "", &KEYS);
        for key in ["prompt", "negative"] {
            wrong.extend(unknown_keys(&value[key], &format!("{key}."), &KEYS_OF_WORDS));
        }
        let file: File = match serde_json::from_value(value) {
            Ok(file) => file,
            Err(error) => {
                wrong.push(format!("{error}; the keys are {}", KEYS.join(", ")));
                return Err(wrong);
            }
        };
        let binding = decide(file, &mut wrong);
        match binding {
            Some(binding) if wrong.is_empty() => Ok(binding),
            _ => Err(wrong),
        }
    }
}

fn decide(file: File, wrong: &mut Vec<String>) -> Option<Binding> {
    if file.operations.is_empty() {
        wrong.push(format!("`operations` is empty; name one at least of {}", names_of_operations()));
    }
    let operations: Vec<_> = file.operations.iter().filter_map(|name| operation(name, wrong)).collect();
    let prompt = file.prompt.map(|words| decide_words(words, "prompt", &operations, wrong));
    let negative = file.negative.map(|words| decide_words(words, "negative", &operations, wrong));
    let seeds = file.seeds.iter().filter_map(|seed| input(seed, "seeds", wrong)).collect();
    let mask = match file.mask.as_deref() {
        None => None,
        Some("alpha") => Some(MaskTo::Alpha),
        Some(other) => input(other, "mask", wrong).map(MaskTo::Picture),
    };
    let reference = file.reference.and_then(|reference| input(&reference, "reference", wrong));
    let set =
        file.set.into_iter().filter_map(|(at, value)| Some((input(&at, "set", wrong)?, value))).collect();
    Some(Binding {
        operations,
        only_for: file.only_for.iter().map(|word| word.to_lowercase()).collect(),
        prompt,
        negative,
        picture: input(&file.picture, "picture", wrong)?,
        mask,
        reference,
        seeds,
        output: file.output,
        leave_out: file.leave_out,
        add: file.add,
        set,
    })
}

fn decide_words(words: FileWords, key: &str, operations: &[Operation], wrong: &mut Vec<String>) -> Words {
    if words.to.is_empty() {
        wrong.push(format!(
            "`{key}.to` is empty; name the inputs that the text goes to, or leave `{key}` out"
        ));
    }
    let mut text_of = BTreeMap::new();
    for (name, text) in words.text_of {
        let Some(operation) = operation(&name, wrong) else { continue };
        if !operations.contains(&operation) {
            wrong.push(format!("`{key}.for` has a text for {name}, which is not among the `operations`"));
        }
        text_of.insert(operation, text);
    }
    let to = words.to.iter().filter_map(|to| input(to, &format!("{key}.to"), wrong)).collect();
    let words = Words { to, text: words.text, text_of };
    for &operation in operations {
        check_template(words.text(operation), key, operation, wrong);
    }
    words
}

fn check_template(text: &str, key: &str, operation: Operation, wrong: &mut Vec<String>) {
    let places = match places(text) {
        Ok(places) => places,
        Err(why) => return wrong.push(format!("`{key}`: {why}")),
    };
    if places == ["result"] && !operation.has_result() {
        wrong.push(format!(
            "`{key}`: {operation} has no result to be put for {{result}}; give it a text of its own: \
             \"for\": {{ \"{operation}\": \"...\" }}",
            operation = operation.name()
        ));
    }
}

/// The names between braces.
fn places(text: &str) -> Result<Vec<&str>, String> {
    let mut places = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let name = rest[at..].strip_prefix('{').and_then(|inside| Some(&inside[..inside.find('}')?]));
        let Some(name) = name else { return Err(format!("a brace stands alone in {text:?}")) };
        if !PLACES.contains(&name) {
            let hint = hint(name, PLACES.into_iter());
            return Err(format!(
                "{{{name}}} in {text:?} is no place to fill.{hint} The places are {{result}}, {{object}} and {{instruction}}"
            ));
        }
        places.push(name);
        rest = &rest[at + name.len() + 2..];
    }
    Ok(places)
}

/// A template with the words put in; what is put in is not looked at for places.
pub(super) fn fill(template: &str, words: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, inside)) = rest.split_once('{') {
        let (name, after) = inside.split_once('}').unwrap_or((inside, ""));
        filled.push_str(before);
        filled.push_str(&words(name));
        rest = after;
    }
    filled + rest
}

fn operation(name: &str, wrong: &mut Vec<String>) -> Option<Operation> {
    let found = operations().find(|known| known.name() == name);
    if found.is_none() {
        let hint = hint(name, operations().map(Operation::name));
        wrong.push(format!("{name:?} is no operation.{hint} They are {}", names_of_operations()));
    }
    found
}

fn names_of_operations() -> String {
    operations().map(Operation::name).collect::<Vec<_>>().join(", ")
}

fn input(written: &str, key: &str, wrong: &mut Vec<String>) -> Option<Input> {
    match written.split_once('.') {
        Some((node, name)) if !node.is_empty() && !name.is_empty() => {
            Some(Input { node: node.to_owned(), name: name.to_owned() })
        }
        _ => {
            wrong.push(format!(
                "`{key}`: {written:?} is no input; one is written node.input, as in \"25.text\""
            ));
            None
        }
    }
}

fn unknown_keys(value: &Value, at: &str, known: &[&str]) -> Vec<String> {
    let Some(object) = value.as_object() else { return Vec::new() };
    let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
    unknown
        .map(|key| {
            let hint = hint(key, known.iter().copied());
            format!("`{at}{key}` is no key of a binding.{hint} The keys are {}", known.join(", "))
        })
        .collect()
}

/// ` Did you mean x?`, or nothing.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let likeness = known.map(|known| (strsim::jaro_winkler(known, name), known));
    let nearest = likeness.filter(|(likeness, _)| *likeness > 0.7).max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.map(|(_, nearest)| format!(" Did you mean {nearest}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(value: Value) -> String {
        Binding::parse(value.to_string().as_bytes()).unwrap_err().join("\n")
    }

    fn good() -> Value {
        json!({"operations": ["remove", "replace"], "picture": "16.image", "output": "27",
            "prompt": {"to": ["25.text"], "text": "a {result}", "for": {"remove": "empty"}}})
    }

    #[test]
    fn texts_go_by_operation() {
        let binding = Binding::parse(good().to_string().as_bytes()).unwrap();
        let prompt = binding.prompt.unwrap();
        assert_eq!(prompt.text(Operation::Remove), "empty");
        assert_eq!(fill(prompt.text(Operation::Replace), |_| "cup {object}".into()), "a cup {object}");
        assert_eq!(fill("{object} as {result}.", |name| name.to_uppercase()), "OBJECT as RESULT.");
    }

    #[test]
    fn what_is_wrong_is_told_at_once_with_near_names() {
        let told =
            wrong(json!({"operations": ["remvoe", "add"], "pictures": "a", "picture": "16", "output": "2",
            "promt": 1, "prompt": {"to": ["x."], "txt": "", "text": "{results}"}}));
        for words in [
            "`pictures` is no key of a binding. Did you mean picture?",
            "`promt` is no key of a binding. Did you mean prompt?",
            "`prompt.txt` is no key of a binding. Did you mean text?",
            "\"remvoe\" is no operation. Did you mean remove?",
            "\"add\" is no operation.",
            "`picture`: \"16\" is no input",
            "`prompt.to`: \"x.\" is no input",
        ] {
            assert!(told.contains(words), "{words} is missing in\n{told}");
        }
        assert!(wrong(json!({"operations": []})).contains("missing field `picture`"));
        assert!(Binding::parse(b"{").unwrap_err()[0].starts_with("it is no JSON"));
    }

    #[test]
    fn templates_are_checked() {
        let told = |text: &str| {
            let mut file = good();
            file["prompt"] = json!({"to": ["25.text"], "text": text});
            Binding::parse(file.to_string().as_bytes()).err().unwrap_or_default().join("\n")
        };
        assert!(told("{results}").contains("Did you mean result?"));
        assert!(told("{result").contains("stands alone"));
        assert!(told("{result}").contains("remove has no result"));
        assert_eq!(told("{object}"), "");
    }
}
