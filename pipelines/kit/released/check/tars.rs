//! The tars of a released folder, chunks joined, and the place of every member.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use threshflow::row::Refusal;
use threshflow::shard::{ReadOptions, ShardSource, TarFiles, find};

use super::Finding;

/// All tars of a folder. Holds every member's path and place, and no bytes.
pub(crate) struct Tars {
    sources: Vec<ShardSource>,
    places: HashMap<String, TarEntry>,
    /// The tars that were used last, by number, the latest behind: a set has more pieces than a process may open files.
    open: Mutex<VecDeque<(u32, Arc<TarFiles>)>>,
}

/// Most files that are open at once, but for a tar that has more pieces by itself.
const MOST_OPEN_FILES: usize = 128;

#[derive(Clone, Copy)]
struct TarEntry {
    tar: u32,
    offset: u64,
    len: u64,
}

impl Tars {
    /// Walks the headers of every `*.tar` and `*.tar.split.NNN` at any depth.
    pub(crate) fn open(folder: &Path, findings: &mut Vec<Finding>) -> Self {
        let mut all = Tars { sources: Vec::new(), places: HashMap::new(), open: Mutex::default() };
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
        let number = self.sources.len() as u32;
        for mut file in listing.files {
            // As `tar cf all.tar ./results` writes them.
            if let Some(plain) = file.path.strip_prefix("./") {
                file.path = plain.to_owned();
            }
            let place = TarEntry { tar: number, offset: file.offset, len: file.len };
            if let Some(first) = self.places.get(&file.path).copied() {
                let other = self.sources.get(first.tar as usize).map_or(name, |source| &source.name);
                let message =
                    format!("stands in {other} and in {name}; which one is meant cannot be told: keep one");
                findings.push(Finding::fault("duplicate_member", file.path, message));
                continue;
            }
            self.places.insert(file.path, place);
        }
        self.sources.push(source.clone());
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// A member of the same folder and name, that lies elsewhere.
    pub(crate) fn like(&self, path: &str) -> Option<&str> {
        let (folder, file) = path.rsplit_once('/')?;
        let end = format!("/{}/{file}", folder.rsplit('/').next()?);
        self.places.keys().filter(|path| path.ends_with(&end)).min().map(String::as_str)
    }

    /// The bytes of a member; `None` where no tar has it.
    pub(crate) fn bytes(&self, path: &str) -> Option<Result<Vec<u8>, Refusal>> {
        let place = self.places.get(path)?;
        let bytes =
            self.tar(place.tar).and_then(|tar| tar.bytes(place.offset, place.len).map(Cow::into_owned));
        Some(bytes)
    }

    fn tar(&self, number: u32) -> Result<Arc<TarFiles>, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(known, _)| *known == number)
            && let Some(used) = open.remove(at)
        {
            open.push_back(used.clone());
            return Ok(used.1);
        }
        let unreadable = |why: String| Refusal::transient("unreadable", why);
        let source = self.sources.get(number as usize).ok_or_else(|| unreadable("no such tar".to_owned()))?;
        let tar =
            TarFiles::open(source, &ReadOptions::default()).map_err(|error| unreadable(error.to_string()))?;
        let tar = Arc::new(tar);
        open.push_back((number, Arc::clone(&tar)));
        while open.len() > 1 && open.iter().map(|(_, tar)| tar.open_files()).sum::<usize>() > MOST_OPEN_FILES
        {
            open.pop_front();
        }
        Ok(tar)
    }

    /// A note a tar that has members in folders which `is_named` denies.
    pub(crate) fn note_strays(&self, is_named: impl Fn(&str) -> bool, findings: &mut Vec<Finding>) {
        let mut strays: HashMap<u32, (u64, &str)> = HashMap::new();
        for (path, place) in &self.places {
            if !is_named(folder_of(path)) {
                let (count, first) = strays.entry(place.tar).or_insert((0, path));
                *count += 1;
                *first = (*first).min(path);
            }
        }
        for (tar, (count, first)) in strays {
            let name = self.sources.get(tar as usize).map_or("", |source| source.name.as_str());
            let message = format!(
                "{count} of its files are of samples that no parquet file names, the first is {first}"
            );
            findings.push(Finding::note("not_in_parquet", name, message));
        }
    }
}

/// What stands before the last `/`.
pub(crate) fn folder_of(path: &str) -> &str {
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

#[cfg(test)]
mod tests {
    use threshflow::publish::{PlainTar, SplitFile};

    use super::*;

    #[test]
    fn a_set_of_many_pieces_needs_few_open_files() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..30 {
            let pieces = SplitFile::create(folder.path().join(format!("{number}.tar.split")), 128);
            let mut tar = PlainTar::new(pieces);
            tar.append(&format!("{number}/a.txt"), format!("this is {number}").as_bytes()).unwrap();
            tar.finish().and_then(SplitFile::finish).unwrap();
        }
        let mut findings = Vec::new();
        let tars = Tars::open(folder.path(), &mut findings);
        assert_eq!((findings, tars.sources.len()), (vec![], 30));
        for number in (0..30).chain([3, 29, 0]) {
            let bytes = tars.bytes(&format!("{number}/a.txt")).unwrap().unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), format!("this is {number}"));
            let open: usize = tars.open.lock().unwrap().iter().map(|(_, tar)| tar.open_files()).sum();
            // Each has 16 pieces.
            assert!((16..=MOST_OPEN_FILES).contains(&open), "{open}");
        }
        assert!(tars.bytes("30/a.txt").is_none());
    }
}
