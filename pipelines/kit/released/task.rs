//! `result.json`: an edit's task, in the fields that ImgEdit's own tools store.
//!
//! | field | of | what |
//! |---|---|---|
//! | `original_path` | all | the source picture's path |
//! | `original_hash` | all that show the source picture | ours: BLAKE3 of its bytes, the first 16, as 32 hex digits |
//! | `resolution` | all | `{height, width}` of the source picture, as shown |
//! | `edit_type` | all | the type's name; a list of operations where there are several |
//! | `edit_obj` | one step | the region: `{class_name, bbox, mask, <scores>}`; null where there is none, and of an add |
//! | `edit_obj1`, `edit_obj2` ... | several steps | likewise, step by step |
//! | `edit_prompt` | one turn | the instruction |
//! | `round1_prompt` ... | several turns | the instructions |
//! | `edit_result` | all | what must come of it, of an add the region; null where there is none; a list where there are several steps |
//! | `premise` | content_memory | what all turns obey |

use serde_json::{Map, Value, json};

use operators::plan::edit_plan::MadeBy;

use super::edit::{EditedObject, ReleasedEdit};

/// The fields of `result.json`, in order.
pub(crate) fn task(edit: &ReleasedEdit, original_hash: Option<&str>) -> Value {
    let mut task = Map::new();
    let mut put = |name: String, value: Value| drop(task.insert(name, value));
    put("original_path".into(), edit.original_path.as_str().into());
    if let Some(hash) = original_hash {
        put("original_hash".into(), hash.into());
    }
    put("resolution".into(), json!({ "height": edit.height, "width": edit.width }));
    let steps: Vec<Step> = (0..edit.operations.len()).map(|step| Step::of(edit, step)).collect();
    match &steps[..] {
        [step] => {
            put("edit_type".into(), edit.edit_type.name().into());
            put("edit_obj".into(), step.object.clone());
        }
        _ => {
            put("edit_type".into(), edit.operations.iter().map(|operation| operation.name()).collect());
            for (number, step) in (1..).zip(&steps) {
                put(format!("edit_obj{number}"), step.object.clone());
            }
        }
    }
    match &edit.turns[..] {
        [turn] => put("edit_prompt".into(), turn.prompt.as_str().into()),
        turns => {
            for (number, turn) in (1..).zip(turns) {
                put(format!("round{number}_prompt"), turn.prompt.as_str().into());
            }
        }
    }
    let mut results = steps.into_iter().map(|step| step.result);
    let result = if results.len() == 1 { results.next() } else { Some(results.collect()) };
    put("edit_result".into(), result.unwrap_or(Value::Null));
    if let Some(premise) = &edit.premise {
        put("premise".into(), premise.as_str().into());
    }
    Value::Object(task)
}

/// `edit_obj` and `edit_result` of a step.
struct Step {
    object: Value,
    result: Value,
}

impl Step {
    fn of(edit: &ReleasedEdit, step: usize) -> Self {
        let object = edit.objects.iter().find(|object| object.step == step).map_or(Value::Null, region);
        if edit.operations.get(step).is_some_and(|operation| operation.made() == MadeBy::ByRemoval) {
            // Before the edit there is no such object: the region is what comes of it.
            return Step { object: Value::Null, result: object };
        }
        let result = edit.results.get(step).filter(|result| !result.is_empty());
        Step { object, result: result.map_or(Value::Null, |result| result.as_str().into()) }
    }
}

fn region(object: &EditedObject) -> Value {
    let mut region = Map::new();
    region.insert("class_name".to_owned(), object.noun.as_str().into());
    region.insert("bbox".to_owned(), object.bbox.iter().map(|&edge| Value::from(edge)).collect());
    region.insert("mask".to_owned(), object.mask.as_str().into());
    for (name, score) in &object.scores {
        region.insert(name.clone(), Value::from(*score));
    }
    Value::Object(region)
}
