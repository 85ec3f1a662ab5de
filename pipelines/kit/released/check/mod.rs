//! The validator of released folders: ours, or what was fetched from a hub, whole or in part.
//!
//! Tars are read where they lie, pieces joined; nothing is unpacked. Pictures in rows are checked as those in tars are. In memory are the
//! paths of all members, and a few samples at a time.
//!
//! | class | what it says |
//! |---|---|
//! | `no_tars`, `no_parquet` | there is nothing to check |
//! | `missing_piece` | a piece of a split tar is not there, by name |
//! | `damaged_tar`, `bad_member`, `duplicate_member` | a tar breaks off, holds what is no plain file, or a path twice |
//! | `missing_file`, `changed_file` | the manifest names a file that is not there, or is another |
//! | `damaged_parquet`, `wrong_schema`, `bad_row`, `duplicate_row` | of a parquet file |
//! | `missing_picture` | a parquet file names what neither its rows nor a tar have |
//! | `broken_picture`, `unreadable` | a picture does not decode, or cannot be read |
//! | `same_pictures`, `unchanged_object` | output is input, or is input inside the mask |
//! | `missing_mask`, `empty_mask`, `mask_misfit`, `box_outside` | masks and boxes are not of their picture |
//! | `empty_instruction`, `unnamed_object`, `prompt_differs` | the instruction does not fit the task |
//! | `swapped`, `not_the_original` | the source picture is on the wrong side, or nowhere |
//! | `broken_chain` | a later turn starts from what no earlier turn came to (of others' folders a note) |
//! | `bad_task`, `bad_scores`, `details_differ` | `result.json`, the scores and `Details/` do not fit the rest |
//! | `bad_croissant`, `stale_croissant` | `croissant.json` cannot be read, or has not the hashes of the manifest |
//! | notes: `not_in_parquet`, `more_columns`, `no_rows` | nobody is hurt by these |

mod extras;
mod finding;
mod pixels;
mod rows;
mod sample;
mod tars;
mod task;
mod words;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use operators::plan::edit_plan::{MadeBy, Telling};
use threshflow::limits::side_by_side;
use threshflow::row::ContentHash;

pub use finding::{Finding, Severity, report};

use rows::Row;
use sample::{Checked, check_sample};
use tars::{Tars, folder_of};

/// Who wrote a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Us,
    Others,
}

/// Most missing pictures of a parquet file that are told one by one.
const MOST_MISSING: usize = 5;

/// Everything that is wrong with a released folder, ours or a download; faults first, in an order that does not depend on
/// threads. See the head of this file for the classes.
pub fn check(folder: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let maker = extras::check_manifest(folder, &mut findings);
    let tars = Tars::open(folder, &mut findings);
    let found = rows::find_tables(folder, &mut findings);
    if found.tables.is_empty() {
        let message = "holds no parquet files: fetch the folder Parquet, too, or name the folder above it";
        findings.push(Finding::fault("no_parquet", folder.display().to_string(), message));
    }
    let mut all = Across::default();
    let (mut embedded, mut with_paths) = (0, 0);
    for path in &found.tables {
        let Some((table, schema)) = rows::open(folder, path, &mut findings) else {
            with_paths += 1;
            continue;
        };
        *if schema.is_embedded() { &mut embedded } else { &mut with_paths } += 1;
        let mut missing = Vec::new();
        rows::read(path, &table, schema, &mut findings, |rows, findings| {
            for (row, mut checked) in rows.iter().zip(check_rows(&tars, &rows, maker)) {
                findings.append(&mut checked.findings);
                missing.extend(checked.missing.into_iter().map(|path| (path, row.place.clone())));
                all.add(row, checked.hashes, findings);
            }
        });
        tell_missing(&path.display().to_string(), missing, &tars, &mut findings);
    }
    if embedded > 0 && with_paths == 0 {
        // Their rows have the pictures.
        findings.retain(|finding| finding.class != "no_tars");
    }
    all.compare(&mut findings);
    tars.note_strays(|sample| all.samples.contains(sample), &mut findings);
    if maker == Maker::Us {
        let has = |path: &str| all.embedded.contains(path) || tars.has(path);
        extras::check_details(folder, &found.details, has, &all.outputs, &mut findings);
        extras::check_scores(folder, &all.outputs, &mut findings);
    }
    findings.sort();
    findings.dedup();
    findings
}

/// The rows, checked on as many threads as the machine has, in their order.
fn check_rows(tars: &Tars, rows: &[Row], maker: Maker) -> Vec<Checked> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(rows.len().max(1));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(rows.len())));
    let work = || {
        while let Some((number, row)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            rows.get(number).map(|row| (number, row))
        } {
            let checked = check_sample(tars, row, maker);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, checked));
        }
    };
    side_by_side(threads, work);
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, checked)| checked).collect()
}

/// One by one where they are few; else in a sentence, for a tar that was not fetched is missing with all of its pictures.
fn tell_missing(parquet: &str, missing: Vec<(String, String)>, tars: &Tars, findings: &mut Vec<Finding>) {
    let next = |path: &str| match tars.like(path) {
        Some(other) => format!("a tar has {other}, so the paths of one of the two must change"),
        None => "fetch the tar that has it, or export again".to_owned(),
    };
    if missing.len() > MOST_MISSING {
        let (count, first) = (missing.len(), &missing[0].0);
        let next = next(first);
        let message = format!("{count} pictures that it names are in no tar, the first is {first}: {next}");
        return findings.push(Finding::fault("missing_picture", parquet, message));
    }
    for (path, place) in missing {
        let message = format!("is in no tar, and {place} names it: {}", next(&path));
        findings.push(Finding::fault("missing_picture", path, message));
    }
}

/// What is compared across samples.
#[derive(Default)]
struct Across {
    /// The folders of samples that a parquet file names.
    samples: HashSet<String>,
    /// The files that rows have themselves.
    embedded: HashSet<String>,
    /// Output pictures, and the row that names each.
    outputs: HashMap<String, String>,
    /// What edits start from that start from the source picture.
    originals: HashSet<ContentHash>,
    /// Of adds: input, output, and the output's path.
    adds: Vec<([ContentHash; 2], String)>,
}

impl Across {
    fn add(&mut self, row: &Row, hashes: Option<[ContentHash; 2]>, findings: &mut Vec<Finding>) {
        for path in row.turns.iter().flat_map(|turn| turn.inputs.iter().chain(&turn.outputs)) {
            self.samples.insert(folder_of(path).to_owned());
        }
        self.embedded.extend(row.files.keys().cloned());
        for output in row.turns.iter().flat_map(|turn| &turn.outputs) {
            if let Some(first) = self.outputs.insert(output.clone(), row.place.clone()) {
                let message = format!("is the output of {first} and of {}: drop one of the rows", row.place);
                findings.push(Finding::fault("duplicate_row", output, message));
            }
        }
        let (Some(edit_type), Some([input, output])) = (row.edit_type, hashes) else { return };
        let may_be_emptied = edit_type.may(|operation| operation.made() == MadeBy::ByRemoval);
        match (may_be_emptied, edit_type.told()) {
            (true, Telling::Single) => self.adds.push(([input, output], row.turns[0].outputs[0].clone())),
            // It may start from an emptied picture, too.
            (true, _) => {}
            (false, _) => drop(self.originals.insert(input)),
        }
    }

    /// An add that starts from what other edits start from, and does not end with such a picture.
    fn compare(&self, findings: &mut Vec<Finding>) {
        for ([input, output], path) in &self.adds {
            if self.originals.contains(input) && !self.originals.contains(output) {
                let message = "the add starts from the source picture, as other edits of it do, and must end with it: its \
                               pictures are swapped";
                findings.push(Finding::fault("swapped", path, message));
            }
        }
    }
}
