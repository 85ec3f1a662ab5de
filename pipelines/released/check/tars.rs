//! The tars of a released folder, pieces joined, and where every member lies.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use threshflow::row::Refusal;
use threshflow::shard::{ReadOptions, ShardSource, TarFiles, find};

use super::Finding;

/// All tars of a folder. Holds every member's path and place, and no bytes.
pub struct Tars {
    tars: Vec<(String, TarFiles)>,
    places: HashMap<String, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    tar: u32,
    offset: u64,
    len: u64,
}

impl Tars {
    /// Walks the headers of every `*.tar` and `*.tar.split.NNN` at any depth.
    pub fn open(folder: &Path, findings: &mut Vec<Finding>) -> Self {
        let mut all = Tars { tars: Vec::new(), places: HashMap::new() };
        match find(&[folder.to_string_lossy().into_owned()]) {
            Ok(sources) => {
                for source in sources.iter().filter(|source| !is_hidden(&source.name)) {
                    all.add(source, findings);
                }
            }
            Err(error) => {
                findings.push(Finding::fault("no_tars", folder.display().to_string(), error.to_string()))
            }
        }
        all
    }

    fn add(&mut self, source: &ShardSource, findings: &mut Vec<Finding>) {
        let name = &source.name;
        let tar = match TarFiles::open(source, &ReadOptions::default()) {
            Ok(tar) => tar,
            Err(error) => return findings.push(Finding::fault("unreadable", name, error.to_string())),
        };
        let listing = tar.list();
        for (place, refusal) in listing.refused {
            findings.push(refused(name, &place, &refusal));
        }
        let number = self.tars.len() as u32;
        for mut file in listing.files {
            // As `tar cf all.tar ./results` writes them.
            if let Some(plain) = file.path.strip_prefix("./") {
                file.path = plain.to_owned();
            }
            let place = Place { tar: number, offset: file.offset, len: file.len };
            if let Some(first) = self.places.get(&file.path).copied() {
                let other = self.tars.get(first.tar as usize).map_or(name.as_str(), |(name, _)| name);
                let message =
                    format!("stands in {other} and in {name}; which one is meant cannot be told: keep one");
                findings.push(Finding::fault("duplicate_member", file.path, message));
                continue;
            }
            self.places.insert(file.path, place);
        }
        self.tars.push((name.clone(), tar));
    }

    pub fn has(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// A member of the same folder and name, that lies elsewhere.
    pub fn like(&self, path: &str) -> Option<&str> {
        let (folder, file) = path.rsplit_once('/')?;
        let end = format!("/{}/{file}", folder.rsplit('/').next()?);
        self.places.keys().filter(|path| path.ends_with(&end)).min().map(String::as_str)
    }

    /// The bytes of a member; `None` where no tar has it.
    pub fn bytes(&self, path: &str) -> Option<Result<Cow<'_, [u8]>, Refusal>> {
        let place = self.places.get(path)?;
        let (_, tar) = self.tars.get(place.tar as usize)?;
        Some(tar.bytes(place.offset, place.len))
    }

    /// A note a tar that has members in folders which `is_named` denies.
    pub fn note_strays(&self, is_named: impl Fn(&str) -> bool, findings: &mut Vec<Finding>) {
        let mut strays: HashMap<u32, (u64, &str)> = HashMap::new();
        for (path, place) in &self.places {
            if !is_named(folder_of(path)) {
                let (count, first) = strays.entry(place.tar).or_insert((0, path));
                *count += 1;
                *first = (*first).min(path);
            }
        }
        for (tar, (count, first)) in strays {
            let name = self.tars.get(tar as usize).map_or("", |(name, _)| name);
            let message = format!(
                "{count} of its files are of samples that no parquet file names, the first is {first}"
            );
            findings.push(Finding::note("not_in_parquet", name, message));
        }
    }
}

/// What stands before the last `/`.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.'))
}

fn refused(tar: &str, place: &str, refusal: &Refusal) -> Finding {
    let message = format!("{place}: {}", refusal.message);
    match &refusal.class[..] {
        "missing_piece" => Finding::fault("missing_piece", tar, message),
        // The last piece: nobody knows of it but the tar, which breaks off.
        "damaged_tar" if message.contains("may be missing") => Finding::fault("missing_piece", tar, message),
        "damaged_tar" => Finding::fault("damaged_tar", tar, format!("{message}; fetch or export it again")),
        _ => Finding::fault("bad_member", tar, message),
    }
}
