//! Workflows and their bindings: read from a folder and checked once, and filled in for every pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use threshflow::row::Stamp;

use super::binding::{Binding, Input, MaskTo, Words, fill, hint};
use super::client::SUBFOLDER;
use crate::editors::Pass;
use crate::plan::choice::slot;
use crate::plan::edit_plan::Operation;

const ENDING: &str = ".binding.json";

/// A workflow, ready to be filled in.
#[derive(Debug)]
pub(super) struct Workflow {
    pub(super) name: String,
    pub(super) binding: Binding,
    /// The nodes as they are sent, but for what every pass fills in.
    graph: Map<String, Value>,
    /// Of both files as they lie.
    pub(super) stamp: Stamp,
}

/// What a server calls the pictures that were uploaded for a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uploaded {
    pub(super) picture: String,
    pub(super) mask: Option<String>,
    pub(super) reference: Option<String>,
}

/// All workflows of a folder, by name; the errors are all that is wrong with any.
pub(super) fn read_folder(folder: &Path) -> Result<Vec<Workflow>, Vec<String>> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let files =
        list().map_err(|error| vec![format!("{}: {error}; name a folder of workflows", folder.display())])?;
    let named = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    let names: BTreeSet<String> = files.iter().filter_map(named).collect();
    let bound: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(ENDING)).collect();
    let (mut workflows, mut wrong) = (Vec::new(), Vec::new());
    if bound.is_empty() {
        wrong.push(format!(
            "{}: no binding file in it; beside NAME.json there must be a NAME{ENDING}",
            folder.display()
        ));
    }
    for name in bound {
        let read = |ending: &str| {
            let path = folder.join(format!("{name}{ending}"));
            std::fs::read(&path).map_err(|error| {
                format!(
                    "{}: {error}; a workflow and its binding lie side by side, or neither",
                    path.display()
                )
            })
        };
        match (read(".json"), read(ENDING)) {
            (Ok(workflow), Ok(binding)) => match Workflow::new(name, workflow, binding) {
                Ok(workflow) => workflows.push(workflow),
                Err(faults) => wrong.extend(faults),
            },
            (workflow, binding) => wrong.extend([workflow.err(), binding.err()].into_iter().flatten()),
        }
    }
    if wrong.is_empty() { Ok(workflows) } else { Err(wrong) }
}

impl Workflow {
    /// A workflow in API format and its binding file.
    pub(super) fn new(
        name: &str,
        workflow_bytes: Vec<u8>,
        binding_bytes: Vec<u8>,
    ) -> Result<Self, Vec<String>> {
        let of_workflow = |why: String| format!("{name}.json: {why}");
        let of_binding = |why: String| format!("{name}{ENDING}: {why}");
        let graph = parse_graph(&workflow_bytes).map_err(|why| vec![of_workflow(why)]);
        let binding =
            Binding::parse(&binding_bytes).map_err(|wrong| wrong.into_iter().map(of_binding).collect());
        let (graph, binding) = match (graph, binding) {
            (Ok(graph), Ok(binding)) => (graph, binding),
            (graph, binding) => {
                let of_both: [Option<Vec<String>>; 2] = [graph.err(), binding.err()];
                return Err(of_both.into_iter().flatten().flatten().collect());
            }
        };
        let mut wrong = Vec::new();
        let graph = changed(graph, &binding, &mut wrong);
        check(&graph, &binding, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong.into_iter().map(of_binding).collect());
        }
        let stamp = Stamp::of(&[("workflow", &workflow_bytes), ("binding", &binding_bytes)]);
        Ok(Workflow { name: name.to_owned(), binding, graph, stamp })
    }

    /// How well it serves a pass: not at all, as any workflow, or as one made for its result.
    pub(super) fn fit(&self, operation: Operation, result: &str) -> Option<Fit> {
        if !self.binding.operations.contains(&operation) {
            return None;
        }
        if self.binding.only_for.is_empty() {
            return Some(Fit::Any);
        }
        holds_one(&self.binding.only_for, result).then_some(Fit::MadeForIt)
    }

    /// The graph of a pass.
    pub(super) fn filled(&self, pass: &Pass<'_>, uploaded: &Uploaded) -> Value {
        let mut graph = self.graph.clone();
        let mut put = |to: &Input, value: Value| {
            if let Some(input) = graph.get_mut(&to.node).and_then(|node| node["inputs"].get_mut(&to.name)) {
                *input = value;
            }
        };
        for words in [&self.binding.prompt, &self.binding.negative].into_iter().flatten() {
            let text = worded(words, pass);
            words.to.iter().for_each(|to| put(to, json!(text)));
        }
        put(&self.binding.picture, json!(uploaded.picture));
        if let (Some(MaskTo::Picture(to)), Some(mask)) = (&self.binding.mask, &uploaded.mask) {
            put(to, json!(mask));
        }
        if let (Some(to), Some(reference)) = (&self.binding.reference, &uploaded.reference) {
            put(to, json!(reference));
        }
        self.binding.seeds.iter().for_each(|to| put(to, json!(pass.seed & MOST_SEED)));
        Value::Object(graph)
    }

    /// The types of its nodes.
    pub(super) fn node_types(&self) -> impl Iterator<Item = &str> {
        self.graph.values().filter_map(|node| node["class_type"].as_str())
    }

    /// Whether a template of it has a place for the instruction.
    pub(super) fn reads_the_instruction(&self) -> bool {
        let words = [&self.binding.prompt, &self.binding.negative];
        let texts = words.into_iter().flatten().flat_map(|words| words.text_of.values().chain([&words.text]));
        texts.into_iter().any(|text| text.contains("{instruction}"))
    }
}

/// Larger integers are rounded by whatever reads JSON numbers as doubles, ComfyUI's page among them.
const MOST_SEED: u64 = (1 << 53) - 1;

/// How a workflow serves a pass; what is made for it goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Any,
    MadeForIt,
}

fn worded(words: &Words, pass: &Pass<'_>) -> String {
    fill(words.text(pass.operation), |place| {
        match place {
            "result" => pass.result,
            "object" => pass.object,
            _ => pass.instruction,
        }
        .to_owned()
    })
}

fn parse_graph(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(graph) = value else { return Err("it is no JSON object of nodes".to_owned()) };
    if graph.get("nodes").is_some_and(Value::is_array) {
        return Err("it is a workflow as ComfyUI's page saves it; export it in API format".to_owned());
    }
    let odd = graph.iter().find(|(_, node)| !is_node(node));
    match odd {
        Some((id, _)) => Err(format!(
            "node {id} has no `class_type` and `inputs`; export the workflow from ComfyUI in API format"
        )),
        None => Ok(graph),
    }
}

fn is_node(node: &Value) -> bool {
    node["class_type"].is_string() && node["inputs"].is_object()
}

/// The graph with what the binding leaves out, adds and sets; what it saves lies in our folder, unless the binding sets another.
fn changed(mut graph: Map<String, Value>, binding: &Binding, wrong: &mut Vec<String>) -> Map<String, Value> {
    for id in &binding.leave_out {
        if graph.shift_remove(id).is_none() {
            wrong.push(format!("`leave_out`: {}", no_node(&graph, id)));
        }
    }
    for (id, node) in &binding.add {
        if !is_node(node) {
            wrong.push(format!("`add`: node {id} has no `class_type` and `inputs`"));
        } else if graph.insert(id.clone(), node.clone()).is_some() {
            wrong.push(format!("`add`: node {id} is in the workflow already; give it another number"));
        }
    }
    for (_, node) in &mut graph {
        if let Some(Value::String(prefix)) = node["inputs"].get_mut("filename_prefix") {
            *prefix = format!("{SUBFOLDER}/{}", prefix.trim_start_matches(['/', '\\']));
        }
    }
    for (to, value) in &binding.set {
        match found(&mut graph, to) {
            Ok(input) => *input = value.clone(),
            Err(why) => wrong.push(format!("`set`: {why}")),
        }
    }
    graph
}

fn found<'a>(graph: &'a mut Map<String, Value>, input: &Input) -> Result<&'a mut Value, String> {
    if !graph.contains_key(&input.node) {
        return Err(no_node(graph, &input.node));
    }
    let node = &mut graph[&input.node];
    let class = node["class_type"].to_string();
    let names: Vec<String> =
        node["inputs"].as_object().map(|inputs| inputs.keys().cloned().collect()).unwrap_or_default();
    node["inputs"].get_mut(&input.name).ok_or_else(|| {
        let hint = hint(&input.name, names.iter().map(String::as_str));
        format!(
            "node {} ({class}) has no input `{}`.{hint} It has {}",
            input.node,
            input.name,
            names.join(", ")
        )
    })
}

fn no_node(graph: &Map<String, Value>, id: &str) -> String {
    let ids: Vec<&str> = graph.keys().map(String::as_str).collect();
    format!("there is no node {id}; the workflow has {}", ids.join(", "))
}

/// Whether all that the binding names is there, of the kind that it should be, and named once.
fn check(graph: &Map<String, Value>, binding: &Binding, wrong: &mut Vec<String>) {
    let mut graph = graph.clone();
    let mut bound = BTreeSet::new();
    let mut check = |key: &str, to: &Input, kind: Kind, wrong: &mut Vec<String>| {
        match found(&mut graph, to) {
            Err(why) => wrong.push(format!("`{key}`: {why}")),
            Ok(value) if !kind.fits(value) => {
                wrong.push(format!("`{key}`: {to} is {value} in the workflow, and must be {kind}"));
            }
            // Whatever it was, it is filled in: no link any more.
            Ok(value) => *value = Value::Null,
        }
        if !bound.insert(to.clone()) {
            wrong.push(format!("`{key}`: {to} is bound twice"));
        }
    };
    for (key, words) in [("prompt.to", &binding.prompt), ("negative.to", &binding.negative)] {
        let to = words.iter().flat_map(|words| &words.to);
        to.for_each(|to| check(key, to, Kind::Text, wrong));
    }
    check("picture", &binding.picture, Kind::Name, wrong);
    if let Some(MaskTo::Picture(to)) = &binding.mask {
        check("mask", to, Kind::Name, wrong);
    }
    binding.reference.iter().for_each(|to| check("reference", to, Kind::Name, wrong));
    binding.seeds.iter().for_each(|to| check("seeds", to, Kind::Number, wrong));
    if !graph.contains_key(&binding.output) {
        wrong.push(format!("`output`: {}", no_node(&graph, &binding.output)));
    }
    wrong.extend(dangling(&graph));
}

#[derive(Clone, Copy)]
enum Kind {
    /// Of a file.
    Name,
    /// Or a link to a node that gives one.
    Text,
    Number,
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Kind::Name => value.is_string(),
            Kind::Text => value.is_string() || link(value).is_some(),
            Kind::Number => value.is_number() || link(value).is_some(),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Name => "a file's name: bind the node that loads the picture, LoadImage",
            Kind::Text => "a text",
            Kind::Number => "a number",
        })
    }
}

/// The node that an input's value comes from.
fn link(value: &Value) -> Option<&str> {
    match value.as_array().map(Vec::as_slice) {
        Some([node, output]) if output.is_u64() => node.as_str(),
        _ => None,
    }
}

/// Links to nodes that aren't there.
fn dangling(graph: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, node) in graph {
        for (name, value) in node["inputs"].as_object().into_iter().flatten() {
            if let Some(from) = link(value).filter(|from| !graph.contains_key(*from)) {
                wrong.push(format!(
                    "{id}.{name} comes from node {from}, which is not there; bind it, `set` it, or don't leave {from} out"
                ));
            }
        }
    }
    wrong
}

/// The workflow for a pass: made for its result before any, and of several the one whose name ranks lowest by the seed. One that
/// comes or goes moves only the passes that fall on it.
pub(super) fn choose<'a>(
    workflows: &'a [Workflow],
    operation: Operation,
    result: &str,
    seed: u64,
) -> Option<&'a Workflow> {
    let fit = |workflow: &Workflow| workflow.fit(operation, result);
    let best = workflows.iter().filter_map(fit).max()?;
    let fitting = workflows.iter().filter(|workflow| fit(workflow) == Some(best));
    fitting.min_by_key(|workflow| slot(seed, &workflow.name))
}

/// Whether a result holds one of these words.
pub(super) fn holds_one(words: &[String], result: &str) -> bool {
    let result = result.to_lowercase();
    words.iter().any(|word| result.contains(word))
}

/// The words of which a result must hold one, where every workflow of the operation is for some results only.
pub(super) fn words_of(workflows: &[Workflow], operation: Operation) -> Option<Vec<String>> {
    let of = workflows.iter().map(|workflow| &workflow.binding);
    let of: Vec<_> = of.filter(|binding| binding.operations.contains(&operation)).collect();
    let all_are_bound = !of.is_empty() && of.iter().all(|binding| !binding.only_for.is_empty());
    let words: BTreeSet<String> = of.iter().flat_map(|binding| binding.only_for.iter().cloned()).collect();
    all_are_bound.then(|| words.into_iter().collect())
}

/// Whether any of them serves the operation, be it only for some results.
pub(super) fn serves(workflows: &[Workflow], operation: Operation) -> bool {
    workflows.iter().any(|workflow| workflow.binding.operations.contains(&operation))
}
