//! ImgEdit-Bench, its basic part: 737 items of nine edit types, three scores of 1 to 5 each.
//!
//! Items are read from an object of keys, `{"1082": {"id": "animal/000342021.jpg", "prompt": "…", "edit_type": "adjust"}}`:
//! `basic_edit.json` of the repository with its pictures beside it, or `singleturn.json` of the archive's `Benchmark/singleturn`. `id` is
//! the picture's path from the file on.
//!
//! The file has forked: there are copies with reworded prompts, and with `alter` in the place of `adjust`. Types are taken as they are
//! spelled; one that the rubrics lack is an error of [`Rubrics::missing`](crate::Rubrics::missing), and the hash tells the copies apart.

use std::collections::BTreeMap;
use std::path::Path;

use crate::definition::mean;
use crate::{Ask, Benchmark, Item, Items, ItemsError, Script, files};

pub(crate) static IMGEDIT_BASIC: Benchmark = Benchmark {
    name: "imgedit-basic",
    about: "ImgEdit-Bench, basic: 737 instructions of nine edit types, three scores of 1 to 5",
    items,
    asks: &[Ask {
        scores: &["compliance", "naturalness", "detail"],
        labels: &[FIRST, SECOND, THIRD],
        first_bounds: true,
        ..Ask::ONE_SCORE
    }],
    formula: |_, scores| mean(scores[0]?.iter().copied()),
    perfect: None,
    script: Script::ImgEdit,
    dimension: "type",
    subsets: &[],
    own: &[
        ("add", include_str!("prompts/imgedit-basic/add.md")),
        ("adjust", include_str!("prompts/imgedit-basic/adjust.md")),
        ("extract", include_str!("prompts/imgedit-basic/extract.md")),
        ("replace", include_str!("prompts/imgedit-basic/replace.md")),
        ("remove", include_str!("prompts/imgedit-basic/remove.md")),
        ("background", include_str!("prompts/imgedit-basic/background.md")),
        ("style", include_str!("prompts/imgedit-basic/style.md")),
        ("compose", include_str!("prompts/imgedit-basic/compose.md")),
        ("action", include_str!("prompts/imgedit-basic/action.md")),
    ],
};

/// What the types call their first score, and what judges make of it. No name is one of two scores.
const FIRST: &[&str] = &[
    "prompt compliance",
    "instruction compliance",
    "style fidelity",
    "action fidelity",
    "action / expression fidelity",
    "action/expression fidelity",
    "object identity",
    "object selection and identity",
    "提示遵循",
    "指令遵循",
    "提示词遵循",
    "指令遵从",
    "风格保真度",
    "动作保真度",
    "对象身份",
];
const SECOND: &[&str] = &[
    "visual naturalness",
    "visual seamlessness",
    "content preservation",
    "identity preservation",
    "mask precision",
    "mask precision and background purity",
    "视觉自然度",
    "视觉自然性",
    "视觉无缝性",
    "内容保留",
    "身份保留",
    "掩码精度",
];
const THIRD: &[&str] = &[
    "physical and detail integrity",
    "physical and detail coherence",
    "physical and detail fidelity",
    "physical integrity",
    "physical coherence",
    "rendering quality",
    "visual and anatomical coherence",
    "visual quality",
    "object integrity and visual quality",
    "physical consistency",
    "physical consistency and fine detail",
    "物理与细节完整性",
    "物理和细节完整性",
    "物理与细节一致性",
    "物理与细节保真度",
    "物理一致性",
    "渲染质量",
    "视觉质量",
];

const NAMES: [&str; 6] = [
    "singleturn.json",
    "basic_edit.json",
    "Benchmark/singleturn/singleturn.json",
    "singleturn/singleturn.json",
    "Benchmark/Basic/basic_edit.json",
    "Basic/basic_edit.json",
];

fn items(path: &Path) -> Result<Items, ItemsError> {
    let file = files::find(path, &NAMES)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut read = Vec::new();
    for (key, row) in files::rows(&file)? {
        let key = files::key(&file, &key.unwrap_or_default())?;
        let picture = files::inside(&file, &key, folder, &files::said(&file, &key, &row, "id")?)?;
        let edit_type = files::said(&file, &key, &row, "edit_type")?;
        let item = Item {
            prompts: vec![files::said(&file, &key, &row, "prompt")?],
            rubric: edit_type.clone(),
            groups: BTreeMap::from([("type".to_owned(), edit_type)]),
            plan: row.get("plan").cloned(),
            key,
            ..Item::default()
        };
        read.push((item, (picture, None)));
    }
    files::items(&file, read, BTreeMap::new())
}
