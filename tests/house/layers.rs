//! Layers: which room a file is of, which rooms it may import, and that no modules of a room go in a circle.
//!
//! A crate's rooms stand in one list, and a room may import all before it. What nobody listed is an error, not an exception:
//! a new file falls under the rules by where it lies.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Named, Source};

/// A crate's rooms, from the lowest up.
struct Tower {
    krate: &'static str,
    rooms: &'static [&'static str],
    /// Where a module that is no room belongs: above all rooms. A crate without one has nothing but rooms.
    top: Option<&'static str>,
    /// Pairs of rooms of which neither knows the other, whatever their order.
    strangers: &'static [(&'static str, &'static str)],
    /// Rooms that are one thing in several files, which may know each other. In all others modules go in no circle.
    whole: &'static [&'static str],
}

const ENGINE: &[&str] = &[
    "say", "limits", "web", "row", "label", "object", "shard", "memo", "lane", "flow", "cluster", "dial",
    "publish", "report", "pipeline", "cli",
];

/// A crate of or around pipelines. It has no rooms.
const fn pipeline(krate: &'static str) -> Tower {
    Tower { krate, rooms: &[], top: Some(krate), strangers: &[], whole: &[] }
}

const TOWERS: [Tower; 12] = [
    Tower {
        krate: "src",
        rooms: ENGINE,
        top: None,
        // `publish` stands beside the dataflow, not on top of it.
        // `web` carries what it is given: it knows none of the engine, and none of the engine knows it.
        strangers: &[
            ("label", "object"),
            ("label", "shard"),
            ("label", "memo"),
            ("memo", "object"),
            ("memo", "shard"),
            ("publish", "lane"),
            ("publish", "memo"),
            ("publish", "dial"),
            ("web", "row"),
            ("web", "label"),
            ("web", "object"),
            ("web", "shard"),
            ("web", "memo"),
            ("web", "lane"),
            ("web", "flow"),
            ("web", "dial"),
            ("web", "publish"),
            ("web", "report"),
            ("web", "pipeline"),
        ],
        // Each of the engine's rooms is one thing.
        whole: ENGINE,
    },
    Tower {
        krate: "operators",
        rooms: &["pixels", "plan", "http", "record", "onnx", "models", "editors", "words"],
        top: Some("the questions"),
        strangers: &[],
        whole: &["onnx"],
    },
    // Which of these crates may know which is said in their manifests.
    pipeline("pipelines"),
    pipeline("pipelines/benchmarks"),
    pipeline("pipelines/distinct"),
    pipeline("pipelines/edit_bench"),
    pipeline("pipelines/edit_bench/stages"),
    pipeline("pipelines/imgedit"),
    pipeline("pipelines/imgedit/stages"),
    pipeline("pipelines/kit"),
    pipeline("pipelines/prepare"),
    pipeline("pipelines/recap_mask"),
];

impl Tower {
    fn of(source: &Source) -> Option<&'static Tower> {
        TOWERS.iter().find(|tower| tower.krate == source.krate())
    }

    /// The room of what is named so, and its height; none for a name at the crate's root that is no module of a room.
    fn room(&self, named: &[String]) -> Option<(usize, &str)> {
        let first = named.first()?;
        let listed = self.rooms.iter().position(|room| room == first);
        listed.map(|at| (at, self.rooms[at])).or(self.top.map(|top| (self.rooms.len(), top)))
    }

    /// The module that a circle would be of: `editors::paint`; at the top, `detect`.
    fn module(&self, named: &[String], modules: &BTreeSet<Named>) -> Option<Named> {
        let deep = if self.rooms.contains(&named.first()?.as_str()) { 2 } else { 1 };
        (1..=deep.min(named.len())).rev().map(|deep| named[..deep].to_vec()).find(|it| modules.contains(it))
    }
}

/// What is wrong with where the file lies, and with what it imports.
pub fn wrong(source: &Source) -> Vec<String> {
    let Some(tower) = Tower::of(source) else { return Vec::new() };
    let module = source.module();
    let Some(first) = module.first() else { return Vec::new() };
    let listed = tower.rooms.contains(&first.as_str());
    // A folder with a `mod.rs` is a room; one beside a file of its name is that file's.
    let is_a_room =
        tower.top.is_none() || !tower.rooms.is_empty() && source.path.ends_with(&format!("/{first}/mod.rs"));
    if is_a_room && !listed {
        return vec![format!("{first} is no room of {}: give it its height in `TOWERS`", tower.krate)];
    }
    let Some((height, room)) = tower.room(&module) else { return Vec::new() };
    let mut wrong = BTreeMap::new();
    for named in source.named() {
        let Some((other_height, other)) = tower.room(&named) else { continue };
        let strangers =
            tower.strangers.iter().any(|&(a, b)| (room, other) == (a, b) || (room, other) == (b, a));
        if other_height > height || strangers {
            wrong
                .entry(other)
                .or_insert_with(|| format!("{room} may not import {other}: {}", named.join("::")));
        }
    }
    wrong.into_values().collect()
}

/// The circles that modules of one room go in, each as `a -> b -> a`.
pub fn circles(sources: &[Source]) -> Vec<String> {
    TOWERS.iter().filter_map(|tower| circle(tower, sources)).collect()
}

fn circle(tower: &Tower, sources: &[Source]) -> Option<String> {
    let of_it = || sources.iter().filter(|source| source.krate() == tower.krate && !source.is_test());
    let modules: BTreeSet<Named> = of_it().map(Source::module).collect();
    let mut imports: BTreeMap<Named, BTreeSet<Named>> = BTreeMap::new();
    for source in of_it() {
        let Some(from) = tower.module(&source.module(), &modules) else { continue };
        let to = source.named().into_iter().filter_map(|named| tower.module(&named, &modules));
        // Between rooms the list says what may be.
        let to = to.filter(|to| *to != from && tower.room(to) == tower.room(&from));
        if tower.whole.contains(&from[0].as_str()) {
            continue;
        }
        imports.entry(from.clone()).or_default().extend(to.collect::<Vec<_>>());
    }
    // Whoever imports nothing that is left is in no circle.
    while let Some(free) = imports.keys().find(|from| imports[*from].is_empty()).cloned() {
        imports.remove(&free);
        imports.values_mut().for_each(|to| {
            to.remove(&free);
        });
        let left: BTreeSet<Named> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|to| to.retain(|it| left.contains(it)));
    }
    let mut way = vec![imports.keys().next()?.clone()];
    loop {
        let next = imports[way.last()?].first()?.clone();
        let start = way.iter().position(|it| *it == next);
        way.push(next);
        if let Some(start) = start {
            let names: Vec<String> = way[start..].iter().map(|it| it.join("::")).collect();
            return Some(format!("{}: {} is a circle", tower.krate, names.join(" -> ")));
        }
    }
}

/// Rooms that no file is in.
pub fn empty_rooms(sources: &[Source]) -> Vec<String> {
    let is_in = |tower: &Tower, room: &str| {
        sources.iter().any(|it| it.krate() == tower.krate && it.module().first().is_some_and(|it| it == room))
    };
    let rooms = TOWERS.iter().flat_map(|tower| tower.rooms.iter().map(move |room| (tower, *room)));
    rooms.filter(|(tower, room)| !is_in(tower, room)).map(|(_, room)| format!("where is {room}?")).collect()
}
