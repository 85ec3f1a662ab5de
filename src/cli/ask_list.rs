//! `plan --list`: the pictures that a run with these dials would ask about, as a table, so that a job array can ask. `run --part … --only` reads
//! it.
//!
//! A row is a picture: its `shard` and `key`, the `stages` that would be asked first, and where the dials stand, as they were given (`set`: the
//! flags of those that are moved) and as they were resolved (`dials`: every dial's value, what is by share included).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::run::Opened;
use super::{Failure, RunOptions};
use crate::dial;
use crate::flow::{DialSpec, Setting};
use crate::publish::{Nested, Table, TableWriter};
use crate::row::RowId;

/// A list that was read.
#[derive(Clone)]
pub(super) struct AskList {
    path: PathBuf,
    pictures: Arc<HashMap<String, HashSet<String>>>,
    set: Vec<String>,
    dials: Vec<String>,
}

/// Writes the pictures that wait for an answer: how many, and in how many shards.
pub(super) fn write(
    path: &Path,
    opened: &Opened,
    options: &RunOptions,
    specs: &[DialSpec],
) -> Result<(usize, usize), Failure> {
    let mut waiting: BTreeMap<RowId, BTreeSet<&str>> = BTreeMap::new();
    for (stage, question) in opened.engine.unasked() {
        waiting.entry(question.id).or_default().insert(stage);
    }
    let values = specs.iter().zip(opened.engine.values());
    let dials: Vec<String> = values.map(|(spec, value)| format!("{}={value}", spec.name)).collect();
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Failed(format!(
            "the list {} cannot be written: {error}; name another --list, or make room",
            path.display()
        ))
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shared = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let file = tempfile::Builder::new().prefix(".list-").permissions(shared).tempfile_in(folder);
    let mut file = file.map_err(|error| failed(&error))?;
    let texts = || Nested::List(Box::new(Nested::Text));
    let columns = [
        ("shard", Nested::Text),
        ("key", Nested::Text),
        ("stages", texts()),
        ("set", texts()),
        ("dials", texts()),
    ];
    let mut table = TableWriter::new(file.as_file_mut(), &columns).map_err(|error| failed(&error))?;
    let names: HashMap<u32, &str> = opened.shards.iter().map(|(name, seq)| (*seq, name.as_str())).collect();
    // By the names of shards: their numbers are this store's.
    let mut rows: Vec<(&str, RowId, BTreeSet<&str>)> = waiting
        .into_iter()
        .map(|(id, stages)| (names.get(&id.shard).copied().unwrap_or_default(), id, stages))
        .collect();
    rows.sort();
    let shards: BTreeSet<&str> = rows.iter().map(|(shard, ..)| *shard).collect();
    for (shard, id, stages) in &rows {
        let open = opened.catalogue.shard(id.shard)?;
        let Some(sample) = open.index.samples.get(id.member as usize) else { continue };
        let row = [json!(shard), json!(sample.key), json!(stages), json!(options.set), json!(dials)];
        table.push(&row).map_err(|error| failed(&error))?;
    }
    table.finish().map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok((rows.len(), shards.len()))
}

impl AskList {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::Usage(format!(
                "--only {}: {why}; it takes a list that `plan --list` wrote",
                path.display()
            ))
        };
        let table = Table::open(path).map_err(|error| wrong(&error))?;
        let mut list =
            AskList { path: path.to_owned(), pictures: Arc::default(), set: Vec::new(), dials: Vec::new() };
        let mut pictures: HashMap<String, HashSet<String>> = HashMap::new();
        let texts = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let broken = table.read(&["shard", "key", "set", "dials"], |number, row| {
            let (Some(shard), Some(key)) = (row[0].as_str(), row[1].as_str()) else {
                return ControlFlow::Break(number);
            };
            let (Some(set), Some(dials)) = (texts(&row[2]), texts(&row[3])) else {
                return ControlFlow::Break(number);
            };
            pictures.entry(shard.to_owned()).or_default().insert(key.to_owned());
            if number > 0 && (set != list.set || dials != list.dials) {
                return ControlFlow::Break(number);
            }
            (list.set, list.dials) = (set, dials);
            ControlFlow::Continue(())
        });
        if let Some(row) = broken.map_err(|error| wrong(&error))? {
            return Err(wrong(&format!(
                "row {row} is not of one list: its dials stand elsewhere, or something is missing"
            )));
        }
        list.pictures = Arc::new(pictures);
        Ok(list)
    }

    /// The shards that it names pictures of, with their keys.
    pub(super) fn shards(&self) -> impl Iterator<Item = (&String, &HashSet<String>)> {
        self.pictures.iter()
    }

    /// Whether it names a picture of this shard.
    pub(super) fn names(&self, shard: &str) -> bool {
        self.pictures.contains_key(shard)
    }

    /// The keys of the pictures of a shard that it names.
    pub(super) fn keys(&self, shard: &str) -> Option<&HashSet<String>> {
        self.pictures.get(shard)
    }

    /// Where the dials stand by the list: what is by share was resolved over all rows. `given` are where the flags put them, which must be the
    /// flags of the plan, or none.
    pub(super) fn settings(
        &self,
        specs: &[DialSpec],
        options: &RunOptions,
        given: &[Setting],
    ) -> Result<Vec<Setting>, Failure> {
        if self.pictures.is_empty() {
            return Ok(given.to_vec());
        }
        let read = |flags: &[String]| {
            dial::settings(specs, flags).map_err(|error| Failure::Usage(error.to_string()))
        };
        if !options.set.is_empty() && read(&self.set)? != given {
            return Err(Failure::Usage(format!(
                "--set {}: the list {} was made with {}; give the same, or leave --set out",
                options.set.join(" --set "),
                self.path.display(),
                if self.set.is_empty() {
                    "no --set".to_owned()
                } else {
                    format!("--set {}", self.set.join(" --set "))
                }
            )));
        }
        // Not as flags are read: a share may come to a value beyond the ends of the scale.
        let value = |spec: &DialSpec| {
            let of_it = self.dials.iter().filter_map(|dial| dial.split_once('='));
            let value =
                of_it.filter(|(name, _)| *name == spec.name).find_map(|(_, value)| value.parse().ok());
            value.map(Setting::At).ok_or_else(|| {
                Failure::Usage(format!(
                    "--only {}: it does not say where {} stands; write it anew by `plan --list` with the same flags",
                    self.path.display(),
                    spec.name
                ))
            })
        };
        specs.iter().map(value).collect()
    }
}
