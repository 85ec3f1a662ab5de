//! `result.json` as a checker reads it: as much of it as there is, whoever wrote it.

use operators::pixels::rle;
use serde_json::Value;

/// The task of a sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Task {
    /// Width and height of the source picture.
    pub size: Option<[u32; 2]>,
    /// One a step.
    pub operations: Vec<String>,
    /// With the step, from 0.
    pub objects: Vec<(usize, Object)>,
    pub prompts: Vec<String>,
    pub premise: Option<String>,
    pub original_hash: Option<String>,
}

/// A region.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object {
    pub noun: String,
    pub bbox: Option<[f64; 4]>,
    pub mask: Option<String>,
}

impl Task {
    /// `None` where it is no JSON object.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        value.as_object()?;
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let side = |name: &str| u32::try_from(value["resolution"][name].as_u64()?).ok();
        let mut task = Task {
            size: side("width").zip(side("height")).map(<[u32; 2]>::from),
            operations: match &value["edit_type"] {
                Value::String(one) => vec![one.clone()],
                several => several
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            },
            premise: text("premise"),
            original_hash: text("original_hash"),
            ..Task::default()
        };
        let rounds = (1..).map_while(|round| text(&format!("round{round}_prompt")));
        task.prompts = text("edit_prompt").into_iter().chain(rounds).collect();
        let several = task.operations.len() > 1;
        for step in 0..task.operations.len().max(1) {
            let (object, result) = match several {
                true => (&value[format!("edit_obj{}", step + 1)], &value["edit_result"][step]),
                false => (&value["edit_obj"], &value["edit_result"]),
            };
            let object = Object::of(object).or_else(|| Object::of(result));
            task.objects.extend(object.map(|object| (step, object)));
        }
        Some(task)
    }
}

impl Object {
    /// The region of `{class_name, bbox, mask}`; `None` where there is no name.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let noun = value["class_name"].as_str().or(value["noun"].as_str())?.to_owned();
        let edges: Vec<f64> =
            value["bbox"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        Some(Object { noun, bbox: edges.try_into().ok(), mask: value["mask"].as_str().map(str::to_owned) })
    }

    /// What does not fit a picture of that size: a class and why.
    pub(crate) fn misfits(&self, [width, height]: [u32; 2]) -> Vec<(&'static str, String)> {
        // Detectors' boxes may end half a pixel beyond the edge.
        const SLACK: f64 = 1.0;
        let mut misfits = Vec::new();
        let noun = &self.noun;
        if let Some(bbox @ [left, top, right, bottom]) = self.bbox {
            let (most_x, most_y) = (f64::from(width) + SLACK, f64::from(height) + SLACK);
            let inside = left >= -SLACK && top >= -SLACK && right <= most_x && bottom <= most_y;
            if !inside || left >= right || top >= bottom {
                let message = format!(
                    "the box {bbox:?} of {noun:?} (left, top, right, bottom) is not within its picture of {width} x {height}"
                );
                misfits.push(("box_outside", message));
            }
        }
        if let Some(Err(error)) = self.mask.as_ref().map(|mask| rle::decode(mask, width, height)) {
            misfits.push(("mask_misfit", format!("the mask of {noun:?}: {error}")));
        }
        misfits
    }
}
