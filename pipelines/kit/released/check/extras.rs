//! What only our own folders have: the manifest, the details, scores whose shape is known.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use threshflow::publish::hash_of_file;

use super::rows;
use super::task::Object;
use super::{Finding, Maker};
use crate::released::croissant::CROISSANT;
use crate::released::folder::{MANIFEST, Manifest, NamedFile, read_manifest};
use crate::released::names::SCORES;

/// Says who wrote the folder; holds its files against the manifest, if that is ours.
pub(crate) fn check_manifest(folder: &Path, findings: &mut Vec<Finding>) -> Maker {
    let manifest = match read_manifest(folder) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Maker::Others,
        Err(error) => {
            findings.push(Finding::fault("missing_file", MANIFEST, error.to_string()));
            return Maker::Us;
        }
    };
    for file in manifest.files() {
        let path = folder.join(&file.path);
        let found = std::fs::metadata(&path).map(|found| found.len());
        let lost = if file.path.contains(".tar.split.") { "missing_piece" } else { "missing_file" };
        let (class, message) = match found {
            Err(error) => (lost, format!("is not there ({error}), and the manifest names it")),
            Ok(bytes) if bytes != file.bytes => {
                ("changed_file", format!("has {bytes} bytes, and {} were written", file.bytes))
            }
            Ok(_) => match hash_of_file(&path) {
                Ok(hash) if hash.to_string() == file.hash => continue,
                Ok(hash) => ("changed_file", format!("hashes to {hash}, and {} was written", file.hash)),
                Err(error) => ("unreadable", format!("cannot be read ({error})")),
            },
        };
        findings.push(Finding::fault(class, &file.path, message + ": fetch or export it again"));
    }
    check_croissant(folder, &manifest, findings);
    Maker::Us
}

/// Holds the files of `croissant.json` against the manifest: what else is in it is the user's to change.
fn check_croissant(folder: &Path, manifest: &Manifest, findings: &mut Vec<Finding>) {
    let Ok(text) = std::fs::read_to_string(folder.join(CROISSANT)) else { return };
    let mut fault = |class: &'static str, why: String| {
        findings.push(Finding::fault(class, CROISSANT, format!("{why}: release it again")));
    };
    let told: Value = match serde_json::from_str(&text) {
        Ok(told) => told,
        Err(error) => return fault("bad_croissant", format!("cannot be read ({error})")),
    };
    let files = told["distribution"].as_array().into_iter().flatten();
    let told: HashMap<&str, &str> =
        files.filter_map(|file| Some((file["contentUrl"].as_str()?, file["sha256"].as_str()?))).collect();
    let is_told = |file: &&NamedFile| told.get(file.path.as_str()).is_some_and(|hash| *hash == file.sha256);
    if let Some(file) = manifest.files().find(|file| !is_told(file)) {
        fault("stale_croissant", format!("does not tell of {} as the manifest does", file.path));
    }
}

/// Holds the details against the pictures that there are, which `has` knows, and the other tables.
pub(crate) fn check_details(
    folder: &Path,
    details: &[PathBuf],
    has: impl Fn(&str) -> bool,
    outputs: &HashMap<String, String>,
    findings: &mut Vec<Finding>,
) {
    const COLUMNS: [&str; 7] =
        ["width", "height", "input_images", "output_images", "reference_image", "mask_image", "objects"];
    let mut told: HashSet<String> = HashSet::new();
    for path in details {
        let shown = path.display().to_string();
        let Some((table, _)) = rows::open(folder, path, findings) else { continue };
        let done = table.read(&COLUMNS, |number, row| {
            let place = format!("{shown} row {number}");
            let [width, height, inputs, images, reference, mask, objects] = row else {
                return ControlFlow::<()>::Continue(());
            };
            let lists = inputs.as_array().into_iter().chain(images.as_array()).flatten();
            for path in lists.chain([reference, mask]).filter_map(|path| path.as_str()) {
                if !has(path) {
                    let message = format!(
                        "is in no tar and in no row, and {place} names it: fetch the tar, or export again"
                    );
                    findings.push(Finding::fault("missing_picture", path, message));
                }
            }
            for path in images.as_array().into_iter().flatten().filter_map(|path| path.as_str()) {
                if !outputs.contains_key(path) {
                    let message = format!("{place} tells of it, and no file in Parquet does: export again");
                    findings.push(Finding::fault("details_differ", path, message));
                }
                told.insert(path.to_owned());
            }
            let side = |value: &serde_json::Value| u32::try_from(value.as_u64()?).ok();
            for object in objects.as_array().into_iter().flatten().filter_map(Object::of) {
                let size = side(width).zip(side(height)).map(<[u32; 2]>::from);
                for (class, message) in size.map_or(Vec::new(), |size| object.misfits(size)) {
                    findings.push(Finding::fault(class, &place, message));
                }
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = done {
            let message = format!("cannot be read to its end: {error}; export it again");
            findings.push(Finding::fault("damaged_parquet", shown, message));
        }
    }
    let untold = outputs.iter().filter(|(output, _)| !told.contains(*output));
    if let Some((output, place)) = untold.clone().min() {
        let message = format!(
            "{place} names it, and Details does not ({} such pictures): export again",
            untold.count()
        );
        findings.push(Finding::fault("details_differ", output, message));
    }
}

/// Whether the scores are a JSON object whose keys are output pictures.
pub(crate) fn check_scores(folder: &Path, outputs: &HashMap<String, String>, findings: &mut Vec<Finding>) {
    struct Keys<'a> {
        outputs: &'a HashMap<String, String>,
        unknown: Option<String>,
    }
    impl<'de> Visitor<'de> for Keys<'_> {
        type Value = Option<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of scores by path")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
            while let Some((path, _)) = map.next_entry::<String, IgnoredAny>()? {
                if self.unknown.is_none() && !self.outputs.contains_key(&path) {
                    self.unknown = Some(path);
                }
            }
            Ok(self.unknown)
        }
    }
    let Ok(file) = File::open(folder.join(SCORES)) else { return };
    let mut reader = serde_json::Deserializer::from_reader(BufReader::new(file));
    let message = match reader.deserialize_map(Keys { outputs, unknown: None }) {
        Ok(None) => return,
        Ok(Some(path)) => format!("has scores of {path}, which no parquet file names: export again"),
        Err(error) => format!("cannot be read: {error}; export it again"),
    };
    findings.push(Finding::fault("bad_scores", SCORES, message));
}
