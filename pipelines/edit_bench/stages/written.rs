//! What a run writes beside its published set: `run.json`, the pictures that an editor made, and the files of ImgEdit's own scripts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use benchmarks::{Benchmark, Counting, Items, Judged, Lacks, Tables, UpstreamFiles};
use threshflow::cli::Failure;
use threshflow::lane::Stage;
use threshflow::publish;
use threshflow::shard::{Format, format_of};

use crate::args::MOST_PASSES;
use crate::bench::{About, PICTURES, RUN, RunFile, failed, load, read_run, records_of, write};
use crate::edit::{EditItems, Lies};
use crate::record::BenchRecord;
use crate::tables;

/// A run, as it is going on.
pub struct Run {
    pub about: About,
    pub benchmark: &'static Benchmark,
    pub counting: Counting,
    pub read: Items,
    /// The folder of results, by key and turn, from 0.
    pub results: BTreeMap<(String, usize), PathBuf>,
    pub edits: Arc<Stage<EditItems>>,
}

impl Run {
    /// Writes what stands beside the published set `set`, and gives back the table of the run.
    pub fn published(&self, set: &Path) -> Result<String, Failure> {
        let folder = set.parent().ok_or_else(|| failed("cannot write beside", set, "it has no folder"))?;
        let records = records_of(set)?;
        let before = read_run(folder).map(|run| run.edited).unwrap_or_default();
        let edited = self.write_pictures(folder, &records)?;
        let left_out = self.left_out(set, &records)?;
        let pictures = self.read.items.iter().zip(&self.read.pictures);
        let file = RunFile {
            about: self.about.clone(),
            pictures: pictures.map(|(item, (path, _))| (item.key.clone(), whole(path))).collect(),
            edited,
            left_out,
        };
        let json = serde_json::to_vec_pretty(&file).map_err(|error| failed("cannot write", folder, error))?;
        write(&folder.join(RUN), &json)?;
        self.sweep(folder, &before, &file.edited)?;
        let loaded = load(folder)?;
        for (pass, folder) in (1..=self.about.passes).map(|pass| (pass, folder_of(folder, pass))) {
            let files = UpstreamFiles::of(self.benchmark, &loaded.judged, pass, self.counting);
            for (name, text) in UPSTREAMS.iter().zip([files.result, files.average_score, files.typescore]) {
                write(&folder.join(name), text.as_bytes())?;
            }
        }
        let entries = vec![tables::entry(&loaded, self.counting)?];
        Ok(Tables { entries }.markdown())
    }

    /// The items that no record is of, and why: they count in the table.
    fn left_out(&self, set: &Path, records: &[BenchRecord]) -> Result<Vec<Judged>, Failure> {
        let there: HashSet<&str> = records.iter().map(|record| record.item.key.as_str()).collect();
        let mut left_out = Vec::new();
        for item in self.read.items.iter().filter(|item| !there.contains(item.key.as_str())) {
            let key = format!("{}/{}", self.about.benchmark, crate::source::encoded(&item.key));
            let known = self.read.lacks.get(&item.key).cloned();
            let lacks = match (known, publish::find_verdict(set, &key)?.map(|row| row.ended)) {
                (Some(lacks), _) => lacks,
                (None, Some(publish::Ended::Refused { class, message, .. })) => Lacks { class, message },
                (None, Some(publish::Ended::Gated { dial, .. })) => {
                    Lacks { class: "gated".to_owned(), message: format!("the dial {dial} holds it back") }
                }
                (None, _) => Lacks {
                    class: "not_published".to_owned(),
                    message: "it is in no part of the set".to_owned(),
                },
            };
            left_out.push(Judged { item: item.clone(), lacks: Some(lacks), answers: Vec::new() });
        }
        Ok(left_out)
    }

    /// Takes out what the run before wrote and this one has not: pictures that its `run.json` names, and files of passes. Nothing else
    /// is touched: what lies there may be somebody's.
    fn sweep(
        &self,
        folder: &Path,
        before: &BTreeMap<String, Vec<PathBuf>>,
        now: &BTreeMap<String, Vec<PathBuf>>,
    ) -> Result<(), Failure> {
        let remove = |path: &Path| match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("cannot remove", path, error)),
            _ => Ok(()),
        };
        let kept: HashSet<PathBuf> = now.values().flatten().map(|path| whole(&folder.join(path))).collect();
        for path in before.values().flatten().filter(|path| path.is_relative()) {
            let path = whole(&folder.join(path));
            if !kept.contains(&path) {
                remove(&path)?;
            }
        }
        for pass in self.about.passes + 1..=MOST_PASSES {
            let of_pass = folder_of(folder, pass);
            UPSTREAMS.iter().try_for_each(|name| remove(&of_pass.join(name)))?;
            // It may hold what somebody put there.
            let _ = fs::remove_dir(&of_pass);
        }
        Ok(())
    }

    /// Where the edited pictures lie; those that an editor made are written as a folder of results.
    fn write_pictures(
        &self,
        folder: &Path,
        records: &[BenchRecord],
    ) -> Result<BTreeMap<String, Vec<PathBuf>>, Failure> {
        let pictures: HashMap<&str, &PathBuf> = self
            .read
            .items
            .iter()
            .zip(&self.read.pictures)
            .map(|(item, (path, _))| (item.key.as_str(), path))
            .collect();
        let mut all = BTreeMap::new();
        for record in records {
            let item = &record.item;
            let mut paths = Vec::new();
            for (turn, made) in record.made.iter().enumerate() {
                let path = match made.lies {
                    Lies::Original => pictures.get(item.key.as_str()).map(|path| whole(path)),
                    Lies::Result(_) => self.results.get(&(item.key.clone(), turn)).map(|path| whole(path)),
                    Lies::Film => {
                        pictures.get(item.key.as_str()).map(|path| whole(&crate::source::film(path)))
                    }
                    Lies::Cache { operation, key } => {
                        let file = self.edits.operator().cached(operation, &key);
                        let file = file.map_err(|refusal| failed("cannot write", folder, refusal))?;
                        let name = result_name(item, turn, &file);
                        write(&folder.join(PICTURES).join(&name), &file)?;
                        Some(Path::new(PICTURES).join(name))
                    }
                };
                paths.extend(path);
            }
            all.insert(item.key.clone(), paths);
        }
        Ok(all)
    }
}

/// The files that ImgEdit's scripts write.
const UPSTREAMS: [&str; 3] = ["result.json", "average_score.json", "typescore.json"];

/// Where these are written of a pass: of the first beside `run.json`, of the others in `pass_2` and so on.
fn folder_of(folder: &Path, pass: u32) -> PathBuf {
    if pass == 1 { folder.to_owned() } else { folder.join(format!("pass_{pass}")) }
}

/// A path that means the same wherever it is read.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What an edited picture is called in a folder of results.
fn result_name(item: &benchmarks::Item, turn: usize, file: &[u8]) -> String {
    let extension = match format_of(file) {
        Ok(Format::Jpeg) => "jpg",
        Ok(Format::WebP) => "webp",
        _ => "png",
    };
    match item.prompts.len() {
        1 => format!("{}.{extension}", item.key),
        _ => format!("{}_turn{}.{extension}", item.key, turn + 1),
    }
}
