//! RISEBench: 360 edits that need reasoning (or 64 in the repository's smaller set): temporal, causal, spatial, logical.
//!
//! Scores of 1 to 5 from lines `Final Score: 4`: consistency of appearance, reasoning, and plausibility of the picture. An item's score
//! is 0.3, 0.5 and 0.2 of them; where consistency is not judged, 0.8 of reasoning and 0.2 of plausibility. Logical items are judged by 0 or
//! 1 for consistency and reasoning, taken as 1 and 5, and weigh 0.3 and 0.7. A reasoning of 1 halves the score, which stays 1 at the
//! least. An item is right where all its scores are 5; the share of these is the accuracy, which the benchmark's own table gives. (After
//! `gpt_eval.py` of the repository.)
//!
//! Items are read from `data_total.json`, `datav2_total.json` or `datav2_total_w_subtask.json`, a list of rows with `index`, `category`,
//! `instruction`, `image`, and `reference`, `reference_txt` or `reference_img`; `consistency_free`, `reasoning_img` and `subtask` where a
//! row has them. Paths of pictures are from the file on. The edited picture is `INDEX.*` or `images/CATEGORY/INDEX.*`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{Ask, Benchmark, Item, Items, ItemsError, Part, Script, files};

pub(crate) static RISE: Benchmark = Benchmark {
    name: "rise",
    about: "RISEBench: 360 edits that need reasoning, weighted scores of 1 to 5, and the share that is right in all",
    items,
    asks: &[
        CONSISTENCY,
        Ask {
            name: "consistency_reference",
            parts: &[Part::Rubric, Part::Reference, Part::After],
            upstream: &[("spatial", "prompt_spatial_cons"), ("", "prompt_consist")],
            ..CONSISTENCY
        },
        Ask {
            name: "logic_consistency",
            range: [0.0, 1.0],
            upstream: &[("", "prompt_logical_cons_ans")],
            ..CONSISTENCY
        },
        Ask {
            name: "logic_consistency_reference",
            parts: &[Part::Rubric, Part::Reference, Part::After],
            range: [0.0, 1.0],
            upstream: &[("", "prompt_logical_cons")],
            ..CONSISTENCY
        },
        REASONING,
        Ask {
            name: "reasoning_before",
            parts: &[Part::Rubric, Part::Before, Part::After],
            upstream: &[("spatial", "prompt_spatial_ref_w_input"), ("", "prompt_reasoning_w_input")],
            ..REASONING
        },
        Ask {
            name: "reasoning_reference",
            parts: &[Part::Rubric, Part::Reference, Part::After],
            upstream: &[("", "prompt_spatial_ref_img")],
            ..REASONING
        },
        Ask {
            name: "logic_reasoning",
            range: [0.0, 1.0],
            upstream: &[("", "prompt_logical_txt")],
            ..REASONING
        },
        Ask {
            name: "logic_reasoning_reference",
            parts: &[Part::Rubric, Part::Reference, Part::After],
            range: [0.0, 1.0],
            upstream: &[("unasked", "prompt_logical_img_wo_q"), ("", "prompt_logical_img")],
            ..REASONING
        },
        Ask {
            name: "plausibility",
            parts: &[Part::Rubric, Part::After],
            scores: &["plausibility"],
            upstream: &[("spatial", "prompt_spatial_qual"), ("", "prompt_generation")],
            ..Ask::ONE_SCORE
        },
    ],
    formula: |_, scores| {
        let Scores { consistency, reasoning, plausibility } = Scores::of(scores)?;
        let score = match (consistency, plausibility) {
            (Some(consistency), Some(plausibility)) => {
                0.3 * consistency + 0.5 * reasoning + 0.2 * plausibility
            }
            (None, Some(plausibility)) => 0.8 * reasoning + 0.2 * plausibility,
            (Some(consistency), None) => 0.3 * consistency + 0.7 * reasoning,
            (None, None) => return None,
        };
        Some(if reasoning == 1.0 { (score * 0.5).max(1.0) } else { score })
    },
    perfect: Some(|_, scores| {
        Scores::of(scores).is_some_and(|it| {
            it.reasoning == 5.0
                && it.consistency.is_none_or(|it| it == 5.0)
                && it.plausibility.is_none_or(|it| it == 5.0)
        })
    }),
    script: Script::Rise,
    dimension: "category",
    subsets: &[],
    own: &[
        ("consistency", include_str!("prompts/rise/consistency.md")),
        ("consistency_reference", include_str!("prompts/rise/consistency.md")),
        ("logic_consistency", include_str!("prompts/rise/logic_consistency.md")),
        ("logic_consistency_reference", include_str!("prompts/rise/logic_consistency.md")),
        ("reasoning", include_str!("prompts/rise/reasoning.md")),
        ("reasoning_before", include_str!("prompts/rise/reasoning_before.md")),
        ("reasoning_reference", include_str!("prompts/rise/reasoning_reference.md")),
        ("logic_reasoning", include_str!("prompts/rise/logic_reasoning.md")),
        ("logic_reasoning_reference", include_str!("prompts/rise/logic_reasoning_reference.md")),
        ("plausibility", include_str!("prompts/rise/plausibility.md")),
    ],
};

const CONSISTENCY: Ask = Ask {
    name: "consistency",
    scores: &["consistency"],
    labels: FINAL,
    upstream: &[("spatial", "prompt_spatial_cons"), ("", "prompt_consist")],
    ..Ask::ONE_SCORE
};
const REASONING: Ask = Ask {
    name: "reasoning",
    parts: &[Part::Rubric, Part::After],
    scores: &["reasoning"],
    labels: FINAL,
    upstream: &[("spatial", "prompt_spatial_ref"), ("", "prompt_reasoning")],
    ..Ask::ONE_SCORE
};
const FINAL: &[&[&str]] = Ask::ONE_SCORE.labels;

/// The scores of an item, each from 1 to 5. Of each at most one ask applies, and that an item's score comes of those that do is seen to
/// where answers are counted.
struct Scores {
    consistency: Option<f64>,
    reasoning: f64,
    plausibility: Option<f64>,
}

impl Scores {
    fn of(scores: &[Option<&[f64]>]) -> Option<Scores> {
        let one = |at: usize| scores[at].and_then(|scores| scores.first().copied());
        let logic = |at: usize| one(at).map(|score| 4.0 * score.min(1.0) + 1.0);
        Some(Scores {
            consistency: one(0).or(one(1)).or(logic(2)).or(logic(3)),
            reasoning: one(4).or(one(5)).or(one(6)).or(logic(7)).or(logic(8))?,
            plausibility: one(9),
        })
    }
}

const NAMES: [&str; 5] = [
    "datav2_total_w_subtask.json",
    "datav2_total.json",
    "data_total.json",
    "data/datav2_total_w_subtask.json",
    "data/data_total.json",
];

fn items(path: &Path) -> Result<Items, ItemsError> {
    let file = files::find(path, &NAMES)?;
    let rows = files::rows(&file)?.into_iter().enumerate();
    let items = rows.map(|(at, (key, row))| item(&file, at, key, &row));
    files::items(&file, items.collect::<Result<_, _>>()?, BTreeMap::new())
}

type Read = (Item, (PathBuf, Option<PathBuf>));

fn item(file: &Path, at: usize, key: Option<String>, row: &Map<String, Value>) -> Result<Read, ItemsError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let key = match key {
        Some(key) => key,
        None => files::said(file, &format!("row {}", at + 1), row, "index")?,
    };
    let key = files::key(file, &key)?;
    let category = files::said(file, &key, row, "category")?;
    let picture = files::inside(file, &key, folder, &files::said(file, &key, row, "image")?)?;
    let text = |name: &str| files::maybe(file, &key, row, name);
    let reference_picture = match text("reference_img")? {
        Some(id) => Some(files::inside(file, &key, folder, &id)?),
        None => None,
    };
    // What has to be there and is not false.
    let marked = |name: &str| !matches!(row.get(name), None | Some(Value::Null | Value::Bool(false)));
    let reference = text("reference")?.or(text("reference_txt")?);
    let logical = category == "logical_reasoning";
    let by_picture = reference_picture.is_some() && !(logical && reference.is_some());
    if !by_picture && reference.is_none() {
        let wanted = "a `reference`, `reference_txt` or `reference_img` is wanted";
        return Err(files::error(file, format!("item {key:?} has nothing to be judged by; {wanted}")));
    }
    let before = marked("reasoning_img") && !logical;
    let (consistency, reasoning) = match (category.as_str(), by_picture) {
        ("logical_reasoning", true) => ("logic_consistency_reference", "logic_reasoning_reference"),
        ("logical_reasoning", false) => ("logic_consistency", "logic_reasoning"),
        ("spatial_reasoning", true) => ("consistency_reference", "reasoning_reference"),
        ("temporal_reasoning" | "causal_reasoning" | "spatial_reasoning", _) if before => {
            ("consistency", "reasoning_before")
        }
        ("temporal_reasoning" | "causal_reasoning" | "spatial_reasoning", _) => ("consistency", "reasoning"),
        (other, _) => {
            let known =
                "temporal_reasoning, causal_reasoning, spatial_reasoning and logical_reasoning are known";
            return Err(files::error(file, format!("item {key:?} is of the category {other:?}; {known}")));
        }
    };
    let free = marked("consistency_free");
    if free && logical {
        return Err(files::error(file, format!("item {key:?} is logical, and then its consistency counts")));
    }
    let asks = [(!free).then_some(consistency), Some(reasoning), (!logical).then_some("plausibility")];
    let rubric = match category.as_str() {
        "spatial_reasoning" => "spatial",
        "logical_reasoning" if marked("reasoning_wo_ins") => "unasked",
        _ => "rise",
    };
    let mut groups = BTreeMap::from([("category".to_owned(), category.clone())]);
    groups.extend(text("subtask")?.map(|subtask| ("subtask".to_owned(), subtask)));
    let item = Item {
        prompts: vec![files::said(file, &key, row, "instruction")?],
        rubric: rubric.into(),
        groups,
        facts: reference.into_iter().map(|reference| ("reference".to_owned(), reference)).collect(),
        asks: asks.into_iter().flatten().map(str::to_owned).collect(),
        places: vec![format!("images/{category}/{key}")],
        plan: None,
        key,
    };
    Ok((item, (picture, reference_picture.filter(|_| by_picture))))
}
