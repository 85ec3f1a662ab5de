//! The parquet files of a released folder: found, their schemas checked, their rows read.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use operators::plan::edit_plan::EditType;
use serde_json::Value;
use threshflow::publish::{Pictures, Table};
use threshflow::shard::Origin;

use super::Finding;
use super::tars::folder_of;
use crate::released::names::{DETAILS, type_of_part};
use crate::released::tables;

/// One instruction of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TurnPaths {
    /// The picture, and for `visual` the reference after it.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub prompt: String,
}

/// A row of a parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// `Parquet/add_part1.parquet row 3`, from 0.
    pub place: String,
    /// As the file's name has it, where it is named as ImgEdit's are.
    pub edit_type: Option<EditType>,
    pub turns: Vec<TurnPaths>,
    /// The files that the row has itself, by path: pictures, the mask, and `result.json`.
    pub files: Pictures,
}

impl Row {
    /// The folder of its files.
    pub(crate) fn folder(&self) -> &str {
        self.turns.first().and_then(|turn| turn.inputs.first()).map_or("", |path| folder_of(path))
    }

    /// Takes the task in, where the row has one, as the file that it would be in a tar.
    fn take_task(&mut self, names: &[&str], values: &[Value]) {
        let task = names.iter().position(|name| *name == "task").and_then(|at| values[at].as_str());
        if let Some(task) = task {
            self.files.insert(format!("{}/result.json", self.folder()), task.as_bytes().to_vec());
        }
    }
}

/// The parquet files at any depth, those of [`DETAILS`] apart, sorted; paths below `folder`.
pub(crate) struct FoundTables {
    pub tables: Vec<PathBuf>,
    pub details: Vec<PathBuf>,
}

pub(crate) fn find_tables(folder: &Path, findings: &mut Vec<Finding>) -> FoundTables {
    let mut found = FoundTables { tables: Vec::new(), details: Vec::new() };
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let entries = match std::fs::read_dir(folder.join(&below)) {
            Ok(entries) => entries,
            Err(error) => {
                findings.push(Finding::fault("unreadable", below.display().to_string(), error.to_string()));
                continue;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = below.join(&name);
            if name.starts_with('.') {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if name.ends_with(".parquet") {
                let is_details = below.file_name().is_some_and(|folder| folder == DETAILS);
                if is_details { &mut found.details } else { &mut found.tables }.push(path);
            }
        }
    }
    found.tables.sort();
    found.details.sort();
    found
}

/// Opens a table and holds its schema against the one that is wanted; ImgEdit's own are told apart by the columns, and where
/// these are of neither, by the file's name.
pub(crate) fn open(folder: &Path, path: &Path, findings: &mut Vec<Finding>) -> Option<(Table, Schema)> {
    let shown = path.display().to_string();
    let table = match Table::open(&folder.join(path)) {
        Ok(table) => table,
        Err(error) => {
            let message = format!("cannot be read as parquet: {error}; fetch or export it again");
            findings.push(Finding::fault("damaged_parquet", shown, message));
            return None;
        }
    };
    let columns = table.columns();
    let has = |name: &str| columns.iter().any(|(column, _)| column == name);
    let is_multi = type_of(path).is_some_and(EditType::is_multi_turn);
    let embedded = columns.iter().any(|(_, holds)| holds.contains(PICTURE));
    let schema = match path.parent().and_then(Path::file_name).is_some_and(|folder| folder == DETAILS) {
        true => Schema::Details,
        false if has("data") || is_multi && !has("prompt") => Schema::Multi { embedded },
        false => Schema::Single { embedded },
    };
    let mut wanted = tables::shapes(&schema.columns());
    // What was released before there were such.
    wanted.retain(|(name, _)| has(name) || schema.is_embedded() || !Origin::COLUMNS.contains(&name.as_str()));
    let misfits =
        |(name, holds): &&(String, String)| !columns.iter().any(|it| it.0 == *name && it.1 == *holds);
    if wanted.iter().any(|column| misfits(&column)) {
        let message = format!(
            "has the columns {}, and {} are wanted: write it anew with these names and types",
            told(&columns),
            told(&wanted)
        );
        findings.push(Finding::fault("wrong_schema", shown, message));
        return None;
    }
    if schema != Schema::Details && columns.len() > wanted.len() {
        let message = format!("has more columns than ImgEdit's schema: {}", told(&columns));
        findings.push(Finding::note("more_columns", shown.clone(), message));
    }
    if table.rows() == 0 {
        findings.push(Finding::note("no_rows", shown, "has no rows"));
    }
    Some((table, schema))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// `embedded`: the rows have the pictures.
    Single {
        embedded: bool,
    },
    Multi {
        embedded: bool,
    },
    Details,
}

/// What a column of pictures is.
const PICTURE: &str = "struct<bytes: binary, path: string>";

impl Schema {
    pub(crate) fn columns(self) -> Vec<(&'static str, threshflow::publish::Nested)> {
        match self {
            Schema::Single { embedded } => tables::columns(false, embedded),
            Schema::Multi { embedded } => tables::columns(true, embedded),
            Schema::Details => tables::details(),
        }
    }

    pub(crate) fn is_embedded(self) -> bool {
        matches!(self, Schema::Single { embedded: true } | Schema::Multi { embedded: true })
    }
}

fn told(columns: &[(String, String)]) -> String {
    let column = |(name, holds): &(String, String)| format!("{name}: {holds}");
    columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn type_of(path: &Path) -> Option<EditType> {
    type_of_part(path.file_stem()?.to_str()?)
}

/// Most rows, and most bytes of pictures in them, that are handed over at once.
const MOST_ROWS: usize = 4_096;
const MOST_BYTES: usize = 64 << 20;

/// Hands over the rows of one of ImgEdit's own tables, some at a time.
pub(crate) fn read(
    path: &Path,
    table: &Table,
    schema: Schema,
    findings: &mut Vec<Finding>,
    mut see: impl FnMut(Vec<Row>, &mut Vec<Finding>),
) {
    let shown = path.display().to_string();
    let names: Vec<&str> = schema.columns().into_iter().map(|(name, _)| name).collect();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let done = table.read_pictures(&names, |number, values, pictures| {
        let place = format!("{shown} row {number}");
        match turns(schema, values) {
            Some(turns) if !turns.is_empty() => {
                let mut row = Row { place, edit_type: type_of(path), turns, files: pictures };
                row.take_task(&names, values);
                bytes += row.files.values().map(Vec::len).sum::<usize>();
                rows.push(row);
            }
            _ => findings.push(Finding::fault(
                "bad_row",
                place,
                "lacks an input, an output or an instruction: drop it, or write it anew",
            )),
        }
        if rows.len() >= MOST_ROWS || bytes >= MOST_BYTES {
            see(std::mem::take(&mut rows), findings);
            bytes = 0;
        }
        ControlFlow::<()>::Continue(())
    });
    see(rows, findings);
    if let Err(error) = done {
        let error = error.to_string();
        // The library's words for a codec that this program was built without.
        let next = match error.contains("Disabled feature") {
            true => "write it with snappy, zstd or no compression",
            false => "fetch or export it again",
        };
        let message = format!("cannot be read to its end: {error}; {next}");
        findings.push(Finding::fault("damaged_parquet", shown, message));
    }
}

fn turns(schema: Schema, values: &[Value]) -> Option<Vec<TurnPaths>> {
    match schema {
        Schema::Multi { .. } => values[0].as_array()?.iter().map(turn).collect(),
        _ => Some(vec![turn_of(&values[0], &values[1], &values[2])?]),
    }
}

fn turn(value: &Value) -> Option<TurnPaths> {
    turn_of(&value["input_images"], &value["output_images"], &value["prompt"])
}

fn turn_of(inputs: &Value, outputs: &Value, prompt: &Value) -> Option<TurnPaths> {
    let paths = |list: &Value| -> Option<Vec<String>> {
        let list: Vec<String> =
            list.as_array()?.iter().map(|path| path.as_str().map(str::to_owned)).collect::<Option<_>>()?;
        Some(list).filter(|list| !list.is_empty())
    };
    Some(TurnPaths { inputs: paths(inputs)?, outputs: paths(outputs)?, prompt: prompt.as_str()?.to_owned() })
}
