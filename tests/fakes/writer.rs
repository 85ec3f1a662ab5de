//! What the fake chat model writes about the demo's scenes: captions, nouns, and instructions that keep the rules they were given.

use serde_json::{Map, Value, json};

const OBJECTS: [&str; 13] = [
    "house",
    "tree",
    "boat",
    "ball",
    "cup",
    "apple",
    "vase",
    "lamp",
    "car",
    "lighthouse",
    "kite",
    "sun",
    "moon",
];
const BACKGROUNDS: [&str; 9] =
    ["sky", "mountains", "hills", "meadow", "sea", "beach", "wall", "table", "street"];
const COLOURS: [&str; 5] = ["purple", "silver", "orange", "turquoise", "golden"];
const THINGS: [&str; 5] = ["a wooden crate", "a snowman", "a bicycle", "a barrel", "a cactus"];
const GROUNDS: [&str; 3] = ["a starry night", "a dense fog", "a frozen desert"];
const STYLES: [&str; 3] = ["watercolour painting", "pencil drawing", "pixel art"];

/// All nouns of the demo, in words of which some follow from the request.
pub fn caption(hash: u64) -> String {
    let colour = of(&COLOURS, hash);
    let list = |nouns: &[&str]| nouns.iter().map(|noun| format!("a {noun}")).collect::<Vec<_>>().join(", ");
    format!(
        "A {colour} drawing that may show {}. Around them there may be {}. Number {}.",
        list(&OBJECTS),
        list(&BACKGROUNDS),
        hash % 1000
    )
}

/// The nouns that stand in a question's caption.
pub fn nouns(question: &str) -> Value {
    let caption = question.split("\"\"\"").nth(1).unwrap_or_default();
    let stands =
        |noun: &&&str| caption.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == **noun);
    let of = |nouns: &'static [&'static str]| nouns.iter().filter(stands).collect::<Vec<_>>();
    json!({"objects": of(&OBJECTS), "background": of(&BACKGROUNDS), "summary": "A drawn scene."})
}

/// A step as the question tells it.
#[derive(Default)]
struct Step {
    operation: String,
    noun: String,
    place: String,
    size: String,
}

fn steps(question: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in question.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let value = value.to_owned();
        match (name, steps.last_mut()) {
            (name, _) if name.strip_prefix("Step ").is_some_and(|number| number.parse::<u8>().is_ok()) => {
                steps.push(Step { operation: value, ..Step::default() });
            }
            ("object" | "background", Some(step)) => step.noun = value,
            ("place", Some(step)) => step.place = value,
            ("size", Some(step)) => step.size = format!("{value} "),
            _ => {}
        }
    }
    steps
}

fn of(list: &[&'static str], hash: u64) -> &'static str {
    list[(hash % list.len() as u64) as usize]
}

/// The result of a step; empty where it has none.
fn result(step: &Step, hash: u64) -> String {
    match step.operation.as_str() {
        "replace" | "visual" => of(&THINGS, hash).to_owned(),
        "adjust" => format!("a {} {}", of(&COLOURS, hash), step.noun),
        "background" => of(&GROUNDS, hash).to_owned(),
        "style" => of(&STYLES, hash).to_owned(),
        _ => String::new(),
    }
}

/// A step in words, the object by its name.
fn named(step: &Step, result: &str) -> String {
    let Step { operation, noun, place, size } = step;
    match operation.as_str() {
        "add" => format!("Add a {size}{noun} {place}."),
        "remove" => format!("Remove the {size}{noun} {place}."),
        "replace" => format!("Replace the {size}{noun} {place} with {result}."),
        "adjust" => format!("Recolour the {noun} {place}, so that it looks new."),
        "extract" => format!("Cut out the {noun} {place}, and show nothing else."),
        "visual" => format!("Replace the {noun} {place} with what the reference shows."),
        "background" => format!("Change the {noun} into {result}."),
        "style" => format!("Show this as a {result}."),
        _ => "Let the one in the middle move on a little.".to_owned(),
    }
}

/// The same of an object that was named before.
fn referring(step: &Step, result: &str) -> String {
    match step.operation.as_str() {
        "remove" => "Undo that, and remove it.".to_owned(),
        "replace" => format!("Undo that, and replace it with {result}."),
        _ => "Undo that, and give it another colour.".to_owned(),
    }
}

/// An answer to the question about an edit's words, in the keys that it asks for.
pub fn instruction(question: &str, hash: u64) -> Value {
    let steps = steps(question);
    let results: Vec<String> =
        steps.iter().zip(0..).map(|(step, number)| result(step, hash.rotate_left(number))).collect();
    let words = |number: usize, later: bool| match later {
        true => referring(&steps[number], &results[number]),
        false => named(&steps[number], &results[number]),
    };
    let keys = question.rsplit_once('{').map_or("", |(_, keys)| keys);
    let premise = keys.contains("\"premise\"");
    let mut answer = Map::new();
    for key in keys.split('"').skip(1).step_by(4) {
        let number = key.rsplit_once('_').and_then(|(_, number)| number.parse::<usize>().ok());
        let value = match (key, number) {
            ("premise", _) => "All that comes new must be striped.".to_owned(),
            ("instruction", _) if steps.len() == 2 => {
                let [first, second] =
                    [0, 1].map(|number| words(number, false).trim_end_matches('.').to_lowercase());
                format!("{first} and {second}.")
            }
            ("instruction", _) => words(0, false),
            ("result", _) => results[0].clone(),
            (key, Some(number)) if key.starts_with("turn_") => words(number - 1, number > 1 && !premise),
            (_, Some(number)) => results[number - 1].clone(),
            _ => String::new(),
        };
        answer.insert(key.to_owned(), Value::String(value));
    }
    Value::Object(answer)
}
