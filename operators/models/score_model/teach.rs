//! What a refusal of a `score.json` shows: what the model takes and gives, and a whole file that would do for it.

use serde_json::{Map, Value, json};

use super::spec::Layout;
use crate::models::row_graph::axis;
use crate::onnx::{Element, Model, Port};

/// Where all fields are described.
const PAGE: &str = "docs/your-own-scorer.md";

/// The words after what is wrong: the model as it was found, and a whole `score.json` for it. `named`: the folder has other models.
pub(super) fn how_to_write_it(model: &Model, named: bool) -> String {
    format!(
        "The model {} takes and gives: {}\nA whole score.json for it, where fit, scale, channels, unit, range and direction are yours to say:\n{}\n\
         {PAGE} describes every field.",
        file_name(model),
        model.signature,
        example(model, named)
    )
}

pub(super) fn file_name(model: &Model) -> String {
    model.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The layout that the shape of the input tells.
pub(super) fn layout_of(input: &Port) -> Option<Layout> {
    match (axis(input, 1), axis(input, 3)) {
        (Some(3), _) => Some(Layout::Nchw),
        (_, Some(3)) => Some(Layout::Nhwc),
        _ => None,
    }
}

fn example(model: &Model, named: bool) -> String {
    let signature = &model.signature;
    let input = signature.inputs.first();
    let layout = input.and_then(layout_of).unwrap_or(Layout::Nchw);
    let mut file = Map::new();
    if named {
        file.insert("model".into(), file_name(model).into());
    }
    let mut of_input = Map::new();
    of_input.insert("layout".into(), if layout == Layout::Nchw { "nchw" } else { "nhwc" }.into());
    of_input.insert("channels".into(), "rgb".into());
    of_input.insert("fit".into(), "squash".into());
    if let Some(input) = input {
        let [width, height] = fixed_size(input, layout);
        if width.is_none() || height.is_none() {
            of_input.insert("size".into(), json!([width.unwrap_or(224), height.unwrap_or(224)]));
        }
        if input.element != Element::U8 {
            of_input.insert("scale".into(), json!([{ "divide": 255 }]));
        }
    }
    file.insert("input".into(), of_input.into());
    file.insert("output".into(), output(model));
    file.insert("unit".into(), "probability".into());
    file.insert("range".into(), json!([0, 1]));
    file.insert("direction".into(), "higher_is_better".into());
    written(&Value::Object(file))
}

fn output(model: &Model) -> Value {
    let outputs = &model.signature.outputs;
    let mut output = Map::new();
    let Some(first) = outputs.first() else { return output.into() };
    if outputs.len() > 1 {
        output.insert("name".into(), first.name.clone().into());
    }
    let axes = first.shape.as_deref().unwrap_or_default();
    match axes {
        [_] | [_, Some(1)] => {}
        [_, _] => {
            output.insert("index".into(), json!([1]));
        }
        _ => {
            output.insert("reduce".into(), json!({ "share_above": 0.5 }));
        }
    }
    output.into()
}

/// Width and height, where the graph fixes them.
pub(super) fn fixed_size(input: &Port, layout: Layout) -> [Option<u32>; 2] {
    let (height, width) = match layout {
        Layout::Nchw => (2, 3),
        Layout::Nhwc => (1, 2),
    };
    [width, height].map(|at| axis(input, at).and_then(|length| u32::try_from(length).ok()))
}

/// A field a line, two levels deep; what is deeper stands on its line.
fn written(file: &Value) -> String {
    let line = |indent: &str, (key, value): (&String, &Value)| match value {
        Value::Object(fields) if indent.len() == 2 && !fields.is_empty() => {
            let inner: Vec<String> =
                fields.iter().map(|(key, value)| format!("    \"{key}\": {value}")).collect();
            format!("{indent}\"{key}\": {{\n{}\n  }}", inner.join(",\n"))
        }
        _ => format!("{indent}\"{key}\": {value}"),
    };
    let lines = file.as_object().into_iter().flatten().map(|field| line("  ", field));
    format!("{{\n{}\n}}", lines.collect::<Vec<_>>().join(",\n"))
}
