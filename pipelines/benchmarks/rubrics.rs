//! Rubrics: what a judge is told, of which only the item's own words differ from item to item. A user's own prompt file is taken as it
//! is; ours, in `prompts/`, are for those who have none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use operators::words::chat::reader::once::Once;

use crate::{Ask, Benchmark, Item, Items};

mod python;

/// Texts with gaps, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rubrics {
    /// For people and tables: the file's name, or `threshflow's own`.
    pub name: String,
    texts: BTreeMap<String, String>,
    /// Gaps are those of Python's `str.format`, and doubled braces are single ones.
    python: bool,
}

/// Why there is no rubric, or no question of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RubricsError(pub String);

/// The only text of a file that is not JSON.
const WHOLE: &str = "";
/// Names of gaps, and of the facts that fill them: `prompt` is what the editor is told.
const GAPS: [(&str, &str); 8] = [
    ("edit_prompt", "prompt"),
    ("instruction", "prompt"),
    ("instruct", "prompt"),
    ("prompt", "prompt"),
    ("explanation", "explain"),
    ("explain", "explain"),
    ("reference", "reference"),
    ("earlier", "earlier"),
];

impl Rubrics {
    /// A user's own prompt file, in the shape that its benchmark has it:
    ///
    /// - JSON, an object of texts by name: `prompts.json` and `judge_prompt.json` of ImgEdit, by edit type.
    /// - Python (`.py`), whose assignments of triple-quoted texts are taken: `vie_prompts.py` of GEdit, `prompts.py` of KRIS, `utils.py` of
    ///   RISE. Nothing of it is run.
    /// - A folder of Python files, whose texts are `FILE.NAME`: `complex_edit/eval` of Complex-Edit has two of one name.
    /// - Any other text is one rubric for all.
    ///
    /// An error is a file that can't be read or holds none of these.
    pub fn read(path: &Path) -> Result<Rubrics, RubricsError> {
        let error = |what: String| RubricsError(format!("no rubrics from {}: {what}", path.display()));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = path.is_dir();
        let texts = if folder { of_folder(path) } else { of_file(path) }.map_err(error)?;
        match texts.values().all(|text| text.trim().is_empty()) {
            true => Err(error("there is no text in it".into())),
            false => Ok(Rubrics { python: folder || name.ends_with(".py"), name, texts }),
        }
    }

    /// Ours, for a benchmark.
    pub fn own(benchmark: &Benchmark) -> Rubrics {
        let texts = benchmark.own.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Rubrics { name: "threshflow's own".into(), texts: texts.collect(), python: false }
    }

    /// What a judge is told about an item: the rubric with its gaps filled. The error says which rubric is missing, or what a gap wants
    /// and the item has not.
    pub fn text(&self, ask: &Ask, item: &Item) -> Result<String, RubricsError> {
        let raw = self.raw(ask, item)?;
        self.filled(&raw, ask, item)
    }

    /// The hash of the rubric that an item is judged by, without the item's own words: 64 hexadecimal digits.
    pub fn hash_of(&self, ask: &Ask, item: &Item) -> Result<String, RubricsError> {
        Ok(blake3::hash(self.raw(ask, item)?.as_bytes()).to_hex().to_string())
    }

    /// The hash of one text by its name.
    pub fn hash(&self, name: &str) -> Option<String> {
        self.texts.get(name).map(|text| blake3::hash(text.as_bytes()).to_hex().to_string())
    }

    /// The hash of all texts, with their names.
    pub fn whole_hash(&self) -> String {
        let texts = serde_json::json!([self.python, self.texts]).to_string();
        blake3::hash(texts.as_bytes()).to_hex().to_string()
    }

    /// The names of texts that there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// Which rubrics the items want and this has not, each with the number of items; an error for the first item whose gaps can't be
    /// filled; an error for a rubric of ImgEdit's that doesn't tell the instruction, and for one text where the asks are several and
    /// differ. `Ok` where every item can be asked about.
    pub fn missing(&self, benchmark: &Benchmark, items: &Items) -> Result<(), RubricsError> {
        let first = &benchmark.asks[0];
        let differ = benchmark.asks.iter().any(|ask| ask.parts != first.parts || ask.scores != first.scores);
        if differ && self.texts.contains_key(WHOLE) {
            let asks: Vec<&str> = benchmark.asks.iter().map(|ask| ask.name).collect();
            return Err(RubricsError(format!(
                "{} is one text, and {} asks {}: give JSON, an object of texts by these names",
                self.name,
                benchmark.name,
                asks.join(", ")
            )));
        }
        let mut missing: BTreeMap<String, usize> = BTreeMap::new();
        let mut unfilled = None;
        for item in &items.items {
            for ask in benchmark.asks_of(item) {
                match self.raw(ask, item) {
                    Err(_) => *missing.entry(wanted(ask, item)).or_default() += 1,
                    Ok(raw) if ask.name == Ask::ONE_SCORE.name && !tells_the_prompt(&raw) => {
                        unfilled.get_or_insert(RubricsError(format!(
                            "the rubric of {:?} in {} has no <edit_prompt>: a judge would not be told what was asked for",
                            item.rubric, self.name
                        )));
                    }
                    Ok(raw) => unfilled = unfilled.or(self.filled(&raw, ask, item).err()),
                }
            }
        }
        if missing.is_empty() {
            return unfilled.map_or(Ok(()), Err);
        }
        let of = |(name, n): (&String, &usize)| format!("{name} ({n} items)");
        let missing: Vec<String> = missing.iter().map(of).collect();
        let names: Vec<&str> = self.names().filter(|name| !name.is_empty()).collect();
        Err(RubricsError(format!(
            "{} has no rubric for {}; it has {}. Give a prompt file of the same release as the items, or add these to it.",
            self.name,
            missing.join(", "),
            names.join(", ")
        )))
    }

    fn raw(&self, ask: &Ask, item: &Item) -> Result<String, RubricsError> {
        if let Some(text) = self.texts.get(WHOLE) {
            return Ok(text.clone());
        }
        // The benchmark's own names; those of an item's kind go before those for all.
        let upstream =
            ask.upstream.iter().filter(|(of, _)| of.is_empty() || *of == item.rubric).map(|(_, name)| *name);
        let joined = upstream.filter_map(|names| {
            let texts: Option<Vec<&str>> =
                names.split('+').map(|it| self.texts.get(it).map(String::as_str)).collect();
            texts.map(|texts| texts.join("\n"))
        });
        let names = [format!("{}/{}", item.rubric, ask.name), ask.name.to_owned(), item.rubric.clone()];
        let named = names.iter().filter_map(|name| self.texts.get(name).cloned());
        named.chain(joined).next().ok_or_else(|| {
            let names: BTreeSet<&str> = self.names().collect();
            let names: Vec<&str> = names.into_iter().collect();
            RubricsError(format!(
                "{} has no rubric for {}; it has {}",
                self.name,
                wanted(ask, item),
                names.join(", ")
            ))
        })
    }

    /// Fills each gap once: what an item's words hold is no gap.
    fn filled(&self, raw: &str, ask: &Ask, item: &Item) -> Result<String, RubricsError> {
        let (mut text, mut rest) = (String::with_capacity(raw.len()), raw);
        while let Some(at) = rest.find(['<', '{', '}']) {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let brace = ["{{", "}}"].into_iter().find(|brace| self.python && rest.starts_with(brace));
            if let Some(brace) = brace {
                text.push_str(&brace[..1]);
                rest = &rest[2..];
                continue;
            }
            match gap(rest) {
                Some((length, fact)) => {
                    text.push_str(&self.fact(fact, ask, item)?);
                    rest = &rest[length..];
                }
                None => {
                    text.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    fn fact(&self, fact: &str, ask: &Ask, item: &Item) -> Result<String, RubricsError> {
        let turn = ask.turn.max(1);
        match fact {
            "prompt" => item.prompts.get(turn - 1).cloned().ok_or_else(|| {
                RubricsError(format!(
                    "item {:?} has no prompt of turn {turn}, which {} asks about",
                    item.key, ask.name
                ))
            }),
            "earlier" => match item.prompts.get(..turn - 1).unwrap_or_default() {
                [] => Ok("nothing".into()),
                earlier => Ok(earlier.join(" / ")),
            },
            fact => item.facts.get(fact).cloned().ok_or_else(|| {
                let told = format!("the rubric of {} in {} wants {fact:?}", ask.name, self.name);
                RubricsError(format!("{told}, and item {:?} has none; complete the file of items", item.key))
            }),
        }
    }
}

fn wanted(ask: &Ask, item: &Item) -> String {
    if ask.name == Ask::ONE_SCORE.name { format!("{:?}", item.rubric) } else { format!("{:?}", ask.name) }
}

/// Whether one of a text's gaps is the prompt.
fn tells_the_prompt(text: &str) -> bool {
    text.match_indices(['<', '{']).any(|(at, _)| gap(&text[at..]).is_some_and(|(_, fact)| fact == "prompt"))
}

/// The gap that a text opens with: its length, and the fact that fills it.
fn gap(text: &str) -> Option<(usize, &'static str)> {
    GAPS.iter().find_map(|(name, fact)| {
        let gap = [format!("<{name}>"), format!("{{{name}}}")]
            .into_iter()
            .find(|gap| text.starts_with(gap.as_str()))?;
        Some((gap.len(), *fact))
    })
}

fn of_file(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let bytes = std::fs::read(path).map_err(|why| format!("it can't be read: {why}"))?;
    let text = String::from_utf8(bytes).map_err(|why| format!("it is not UTF-8 ({why})"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("py") => python::texts(text),
        Some("json") => of_json(text),
        _ => Ok(BTreeMap::from([(WHOLE.to_owned(), text.to_owned())])),
    }
}

/// The texts of a folder's Python files, each under `FILE.NAME`.
fn of_folder(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(path).map_err(|why| format!("it can't be listed: {why}"))? {
        let file = entry.map_err(|why| format!("it can't be listed: {why}"))?.path();
        if file.extension().is_some_and(|ending| ending == "py") {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let of = of_file(&file).map_err(|why| format!("{}: {why}", file.display()))?;
            texts.extend(of.into_iter().map(|(name, text)| (format!("{stem}.{name}"), text)));
        }
    }
    Ok(texts)
}

fn of_json(text: &str) -> Result<BTreeMap<String, String>, String> {
    let Once(value) = serde_json::from_str(text)
        .map_err(|why| format!("it is not JSON that says each thing once: {why}; correct the file"))?;
    let wanted = "an object of texts by edit type or ask is wanted";
    let object = value.as_object().ok_or(wanted)?;
    let text = |(name, text): (&String, &serde_json::Value)| match text.as_str() {
        Some(text) if !name.is_empty() => Ok((name.clone(), text.to_owned())),
        _ => Err(format!("{name:?} is {text}; {wanted}")),
    };
    object.iter().map(text).collect()
}

#[cfg(test)]
mod tests;
