//! A folder of benchmark runs. Each run has a folder `BENCHMARK/NAME` with the published set in `set/`, and beside it what people and
//! scripts look for: `run.json`, the pictures that an editor made, and the files that ImgEdit's own scripts write.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use benchmarks::{Benchmark, Judged};
use serde::{Deserialize, Serialize};
use threshflow::cli::Failure;
use threshflow::publish::{self, PartKind};
use threshflow::shard::{ReadOptions, TarFiles, find};

use crate::args::Args;
use crate::record::BenchRecord;

pub const FORMAT: &str = "threshflow benchmark run";
/// Of `run.json`: raised where it changes.
pub const VERSION: u32 = 1;
/// The published set of a run, below its folder.
pub const SET: &str = "set";
/// The pictures that an editor made, below the folder of its run: named as a folder of results is.
pub const PICTURES: &str = "pictures";
pub(crate) const RUN: &str = "run.json";

/// What a run was: `run.json`. All of it comes from the command line and the files that it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub format: String,
    pub version: u32,
    pub benchmark: String,
    /// What tables call the editor.
    pub name: String,
    /// The hash of the items.
    pub items: String,
    /// Where the rubrics are from, for people.
    pub rubrics: String,
    pub rubrics_hash: String,
    pub judge: String,
    pub passes: u32,
    pub parser: String,
    pub clamp: bool,
    /// Who edited, for people.
    pub editor: String,
}

/// What `run.json` holds beside it: the items that have no record, with what they lack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    #[serde(flatten)]
    pub(crate) about: About,
    /// Where the item's own picture lies, by key.
    pub(crate) pictures: BTreeMap<String, PathBuf>,
    /// Where its edited pictures lie, by key, below the folder of the run or elsewhere.
    pub(crate) edited: BTreeMap<String, Vec<PathBuf>>,
    /// Items that were never asked about.
    pub(crate) left_out: Vec<Judged>,
}

/// A run that was read back.
pub struct Loaded {
    pub about: About,
    /// All items, those that were left out among them, in the order of their keys.
    pub judged: Vec<Judged>,
    /// The days on which answers came, the first and the last; `None` where no answer has one.
    pub days: Option<[String; 2]>,
    /// The folder of the run.
    pub folder: PathBuf,
    /// Where the item's own picture lies, by key.
    pub pictures: BTreeMap<String, PathBuf>,
    /// Where its edited pictures lie, by key, one a turn.
    pub edited: BTreeMap<String, Vec<PathBuf>>,
}

impl Loaded {
    /// The benchmark that it is a run of.
    pub fn benchmark(&self) -> Result<&'static Benchmark, Failure> {
        benchmarks::by_name(&self.about.benchmark).ok_or_else(|| {
            let (run, name) = (self.folder.display(), &self.about.benchmark);
            Failure::Failed(format!(
                "{run} is a run of {name:?}, which this program does not know; use a newer one"
            ))
        })
    }
}

pub(crate) fn failed(what: &str, path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("{what} {}: {error}", path.display()))
}

/// The records of a published set, by key.
pub(crate) fn records_of(set: &Path) -> Result<Vec<BenchRecord>, Failure> {
    let manifest = publish::read_manifest(set)?.ok_or_else(|| {
        let set = set.display();
        Failure::Failed(format!("{set} holds no published set; run `edit_bench run` again"))
    })?;
    let mut records = Vec::new();
    for part in manifest.parts.iter().filter(|part| part.kind == PartKind::Records) {
        let path = set.join(&part.file);
        for source in find(&[path.display().to_string()])? {
            let tar = TarFiles::open(&source, &ReadOptions::default())?;
            let listing = tar.list();
            if let Some((at, refusal)) = listing.refused.first() {
                return Err(failed("cannot read", &path, format!("{at}: {refusal}")));
            }
            for file in listing.files {
                let bytes =
                    tar.bytes(file.offset, file.len).map_err(|error| failed("cannot read", &path, error))?;
                records.push(BenchRecord::read(&bytes).map_err(|error| failed("cannot read", &path, error))?);
            }
        }
    }
    records.sort_by(|a, b| a.item.key.cmp(&b.item.key));
    Ok(records)
}

/// Reads a run back.
pub fn load(folder: &Path) -> Result<Loaded, Failure> {
    let file = read_run(folder)?;
    let records = records_of(&folder.join(SET))?;
    let days = || records.iter().flat_map(|record| &record.answers).filter_map(|answer| answer.day.clone());
    let days = days().min().zip(days().max()).map(|(first, last)| [first, last]);
    let mut judged: Vec<Judged> = records.into_iter().map(BenchRecord::judged).collect();
    // A run that ended between the set and `run.json` has an item in both.
    let there: HashSet<String> = judged.iter().map(|judged| judged.item.key.clone()).collect();
    judged.extend(file.left_out.into_iter().filter(|judged| !there.contains(&judged.item.key)));
    judged.sort_by(|a, b| a.item.key.cmp(&b.item.key));
    let whole = |path: PathBuf| if path.is_absolute() { path } else { folder.join(path) };
    let edited = file.edited.into_iter();
    Ok(Loaded {
        about: file.about,
        judged,
        days,
        folder: folder.to_owned(),
        pictures: file.pictures,
        edited: edited.map(|(key, paths)| (key, paths.into_iter().map(whole).collect())).collect(),
    })
}

/// All runs below a folder, by benchmark and name.
pub fn load_all(root: &Path) -> Result<Vec<Loaded>, Failure> {
    let entries = |folder: &Path| -> Result<Vec<PathBuf>, Failure> {
        let listed = fs::read_dir(folder).map_err(|error| failed("cannot list", folder, error))?;
        let mut paths = Vec::new();
        for entry in listed {
            paths.push(entry.map_err(|error| failed("cannot list", folder, error))?.path());
        }
        paths.retain(|path| path.is_dir());
        paths.sort();
        Ok(paths)
    };
    let mut runs = Vec::new();
    for benchmark in entries(root)? {
        for run in entries(&benchmark)? {
            if run.join(RUN).is_file() {
                runs.push(load(&run)?);
            }
        }
    }
    if runs.is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds no run of a benchmark; give the folder that `edit_bench run --out` wrote to",
            root.display()
        )));
    }
    Ok(runs)
}

/// Refuses to put a run by one judge in the place of a run by another.
pub fn check_judge(folder: &Path, args: &Args) -> Result<(), Failure> {
    let Ok(before) = read_run(folder) else { return Ok(()) };
    let (judged, judge, name) = (&before.about.judge, args.judge_name(), args.name());
    if *judged == judge {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} was judged by {judged:?}, and now {judge:?} is to judge: one would take the place of the other. To keep both, name this run \
         another, --name '{name} by {judge}'; to replace it, remove the folder. What is asked does not depend on it",
        folder.display()
    )))
}

pub(crate) fn read_run(folder: &Path) -> Result<RunFile, Failure> {
    let path = folder.join(RUN);
    let text = fs::read(&path).map_err(|error| failed("cannot read", &path, error))?;
    let file: RunFile = serde_json::from_slice(&text).map_err(|error| failed("cannot read", &path, error))?;
    if file.about.format != FORMAT || file.about.version > VERSION {
        return Err(failed("cannot read", &path, "it is no run, or one of a newer program"));
    }
    Ok(file)
}

/// A name as that of a folder.
pub fn folder_name(name: &str) -> String {
    let one = |letter: char| {
        if letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.') { letter } else { '_' }
    };
    let name: String = name.chars().map(one).collect();
    if name.trim_matches('.').is_empty() { "_".to_owned() } else { name }
}

/// Puts a file in its place, whole or not at all; one that holds this already stays as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    let written = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // As open as the user's umask says, not private as temporary files are.
        let shared = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let mut file = tempfile::Builder::new().prefix(".bench-").permissions(shared).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(|error| failed("cannot write", path, error))
}
