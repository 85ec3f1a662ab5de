//! Scores in a list under one label: `{"score": [8, 9], "reasoning": "…"}`, or the list alone.

use serde_json::{Map, Value};

use operators::words::chat::reader::objects::{Shape, object_in, opens_an_object};
use operators::words::chat::reader::scores::number_on;

use super::{plain, scale};
use crate::Ask;

pub(super) fn scores(ask: &Ask, said: &str) -> Result<Vec<f64>, String> {
    let names = ask.labels[0];
    match object_in(said, Shape { wanted: &[names] }) {
        Ok(object) => match under(&object, names) {
            Some(value) => of_value(ask, value),
            None => Err(format!("the key {:?} is missing", names[0])),
        },
        Err(why) if opens_an_object(said) => Err(why),
        Err(_) => of_text(ask, said),
    }
}

fn under<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    object.iter().find(|(key, _)| names.contains(&plain(key).as_str())).map(|(_, value)| value)
}

fn of_value(ask: &Ask, value: &Value) -> Result<Vec<f64>, String> {
    let Value::Array(items) = value else {
        let text = value.as_str().map(str::to_owned);
        return text.map_or_else(
            || Err(format!("{} scores are wanted in a list, not {value}", ask.scores.len())),
            |text| of_text(ask, &text),
        );
    };
    let text = |item: &Value| match item {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    let texts: Option<Vec<String>> = items.iter().map(text).collect();
    let texts = texts.ok_or_else(|| format!("scores must be numbers, not {value}"))?;
    numbers(ask, &texts)
}

/// A list alone: `[6, 0]`, also behind a label.
fn of_text(ask: &Ask, text: &str) -> Result<Vec<f64>, String> {
    let none = || format!("there is no list of {} scores in it", ask.scores.len());
    let lists: Vec<&str> = text
        .match_indices('[')
        .filter_map(|(at, _)| text[at + 1..].split_once(']').map(|(list, _)| list))
        .filter(|list| list.starts_with(|it: char| it.is_ascii_digit() || it == ' ') && list.contains(','))
        .collect();
    let read = |list: &&str| list.split(',').map(|it| it.trim().to_owned()).collect::<Vec<_>>();
    let mut lists: Vec<Vec<String>> = lists.iter().map(read).collect();
    lists.dedup();
    match lists.as_slice() {
        [] => Err(none()),
        [only] => numbers(ask, only),
        _ => Err("it has several lists, and they differ".into()),
    }
}

fn numbers(ask: &Ask, texts: &[String]) -> Result<Vec<f64>, String> {
    if texts.len() != ask.scores.len() {
        return Err(format!("{} scores are wanted, and it has {}", ask.scores.len(), texts.len()));
    }
    let [lowest, highest] = ask.range;
    let number = |text: &String| {
        number_on(scale(ask), text).ok_or_else(|| format!("{text:?} is no score of {lowest} to {highest}"))
    };
    texts.iter().map(number).collect()
}
