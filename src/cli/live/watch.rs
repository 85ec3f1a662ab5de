//! `--watch`: shards that appear, change or vanish under the given patterns come and leave while the session runs.
//!
//! A thread looks at the files, when the system says that something changed there, and every few seconds in any case: not every file system
//! says so. A shard that is being written is left alone until its files look the same at two looks in a row and, of a tar, its end is there.
//! The thread loads what is new; the session only hands in the rows.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use notify::{RecursiveMode, Watcher as _};
use serde_json::json;

use super::session::{Desk, Ended, Session};
use crate::cli::run::stopped;
use crate::cli::{Failure, SourceOptions};
use crate::limits::no_thread;
use crate::row::ContentHash;
use crate::shard::{Catalogue, Holds, Shard, ShardSource, sorted_by_name};

/// How often files are looked at where nobody says that they changed.
const EVERY: Duration = Duration::from_secs(5);
/// Files that look the same for so long are not being written.
const REST: Duration = Duration::from_secs(1);

/// How the files of each shard look, by its name.
pub(super) type Looks = HashMap<String, Option<ContentHash>>;

/// The files of a shard, by what the system says of them; `None` where one of them is not there.
fn look(source: &ShardSource) -> Option<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    let mut see = |path: &Path| -> Option<()> {
        let meta = std::fs::metadata(path).ok()?;
        hasher.update(path.as_os_str().as_encoded_bytes());
        for number in [meta.len(), meta.ino(), meta.mtime() as u64, meta.mtime_nsec() as u64] {
            hasher.update(&number.to_le_bytes());
        }
        Some(())
    };
    match &source.holds {
        Holds::Tar(chunks) => chunks.iter().try_for_each(|chunk| see(chunk.as_ref().ok()?))?,
        Holds::Files(files) => {
            for member in &files.members {
                if let Some(path) = files.file_of(member) {
                    see(&path)?;
                }
            }
        }
    }
    Some(ContentHash::from_hasher(&hasher))
}

pub(super) fn looks(sources: &[ShardSource]) -> Looks {
    sources.iter().map(|source| (source.name.clone(), look(source))).collect()
}

/// Whether a tar ends as tars end: in two blocks of zeros. A folder has no end that it could lack.
fn has_its_end(source: &ShardSource) -> bool {
    const END: i64 = 1024;
    let Holds::Tar(chunks) = &source.holds else { return true };
    let Some(Ok(last)) = chunks.last() else { return false };
    let ends = || -> std::io::Result<bool> {
        let mut file = File::open(last)?;
        let length = file.metadata()?.len();
        // A tar is made of blocks of 512 bytes.
        if length < END as u64 || length % 512 != 0 {
            return Ok(false);
        }
        file.seek(SeekFrom::End(-END))?;
        let mut end = [1; END as usize];
        file.read_exact(&mut end)?;
        Ok(end.iter().all(|byte| *byte == 0))
    };
    ends().unwrap_or(false)
}

/// Looks at the files until it is dropped.
pub(super) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// `looks` are those of before the shards were loaded.
    pub(super) fn start(
        source: SourceOptions,
        catalogue: Arc<Catalogue>,
        looks: Looks,
        desk: Desk,
    ) -> Result<Self, Failure> {
        let (stop, stopped) = bounded(0);
        let mut watcher = Watcher { source, catalogue, looks, desk, seen: HashMap::new(), told: None };
        let watch = move || watcher.run(&stopped);
        let thread = std::thread::Builder::new().name("watch".into()).spawn(watch);
        let thread = thread.map_err(|error| Failure::Failed(no_thread("to watch shards", &error)))?;
        Ok(Watch { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watcher {
    source: SourceOptions,
    catalogue: Arc<Catalogue>,
    /// Of the shards that are in.
    looks: Looks,
    desk: Desk,
    /// Since when shards that are to come, or to change, look as they do.
    seen: HashMap<String, (Option<ContentHash>, Instant)>,
    /// The trouble that was told last.
    told: Option<String>,
}

/// What changed.
#[derive(Default)]
pub(super) struct Reshard {
    pub(super) gone: Vec<String>,
    pub(super) come: Vec<(ShardSource, Arc<Shard>)>,
    /// All shards that are there now, as they were found.
    pub(super) sources: Vec<ShardSource>,
}

impl Watcher {
    fn run(&mut self, stop: &Receiver<()>) {
        let (wake, woken) = bounded::<()>(1);
        let mut system = notify::recommended_watcher(move |_| {
            // One that waits already says as much.
            let _ = wake.try_send(());
        })
        .ok();
        let mut watched: Vec<PathBuf> = Vec::new();
        loop {
            if let Some(system) = &mut system {
                for folder in self.folders() {
                    if !watched.contains(&folder) && system.watch(&folder, RecursiveMode::Recursive).is_ok() {
                        watched.push(folder);
                    }
                }
            }
            let waits = match self.look_again() {
                Ok(waits) => waits,
                Err(Ended) => return,
            };
            // What is being written is looked at again soon.
            let most = if waits { REST / 2 } else { EVERY };
            crossbeam::select! {
                recv(stop) -> _ => return,
                recv(woken) -> _ => {
                    // Several files change at once.
                    if let Err(RecvTimeoutError::Disconnected) = stop.recv_timeout(Duration::from_millis(50)) {
                        return;
                    }
                }
                default(most) => {}
            }
        }
    }

    /// The fixed parts of what is watched.
    fn folders(&self) -> Vec<PathBuf> {
        let fixed = |pattern: &String| {
            let plain = pattern.split(['*', '?', '[', '{']).next().unwrap_or_default();
            let path = Path::new(plain);
            if path.is_dir() { Some(path.to_owned()) } else { path.parent().map(Path::to_owned) }
        };
        let shards = self.source.shards.iter().filter_map(fixed);
        shards.chain(self.source.pictures.iter().map(PathBuf::from)).collect()
    }

    /// Whether something waits until it rests.
    fn look_again(&mut self) -> Result<bool, Ended> {
        let found = match self.source.find_for_a_session() {
            Ok(found) => found,
            Err(failure) => {
                self.tell(format!("the shards cannot be looked at, and those that are in stay: {failure}"))?;
                return Ok(false);
            }
        };
        let now = Instant::now();
        let there: BTreeMap<&str, &ShardSource> =
            found.iter().map(|source| (source.name.as_str(), source)).collect();
        let mut change = Reshard { sources: found.clone(), ..Reshard::default() };
        change.gone.extend(self.looks.keys().filter(|name| !there.contains_key(name.as_str())).cloned());
        let mut waiting = Vec::new();
        for source in &found {
            let is = look(source);
            if self.looks.get(&source.name) == Some(&is) {
                self.seen.remove(&source.name);
                continue;
            }
            let seen = self.seen.entry(source.name.clone()).or_insert((is, now));
            if seen.0 != is {
                *seen = (is, now);
            }
            let rests = is.is_some() && now.duration_since(seen.1) >= REST;
            if !rests || !has_its_end(source) {
                waiting.push(source.name.clone());
                continue;
            }
            match self.catalogue.load(source) {
                Ok(shard) => {
                    // What changed while it was read is looked at again.
                    self.looks.insert(source.name.clone(), is);
                    change.come.push((source.clone(), shard));
                }
                Err(error) => self.tell(format!("the shard {:?} cannot be read: {error}", source.name))?,
            }
        }
        self.looks.retain(|name, _| !change.gone.contains(name));
        let waits = !waiting.is_empty();
        if !change.gone.is_empty() || !change.come.is_empty() || waits {
            let failed = self.desk.ask(move |session| session.reshard(change, waiting))?;
            if let Err(failure) = failed {
                self.tell(failure.to_string())?;
            }
        }
        Ok(waits)
    }

    fn tell(&mut self, what: String) -> Result<(), Ended> {
        if self.told.as_ref() != Some(&what) {
            self.told = Some(what.clone());
            self.desk.ask(move |session| session.tell_trouble(&what))?;
        }
        Ok(())
    }
}

impl SourceOptions {
    /// As [`SourceOptions::find`]; where nothing is there, there are no shards.
    fn find_for_a_session(&self) -> Result<Vec<ShardSource>, Failure> {
        match self.find() {
            Ok(found) => Ok(found.shards),
            // A pattern that matches nothing is an error of who starts a run. Here, the last shard may just have left.
            Err(Failure::Usage(why))
                if self.shards.iter().chain(&self.pictures).all(|named| !Path::new(named).exists()) =>
            {
                let _ = why;
                sorted_by_name(Vec::new()).map_err(Failure::from)
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Session<'_> {
    /// Lets rows come and leave with their shards. Where questions are asked, they are held back meanwhile.
    fn reshard(&mut self, change: Reshard, waiting: Vec<String>) -> Result<(), Failure> {
        let Reshard { gone, come, sources } = change;
        self.waiting_shards = waiting;
        if gone.is_empty() && come.is_empty() {
            return Ok(());
        }
        self.pause()?;
        let mut tick = self.ticking();
        let seq_of = |shards: &[(String, u32)], name: &str| {
            shards.iter().find(|(known, _)| known == name).map(|(_, seq)| *seq)
        };
        let (mut came, mut left) = (Vec::new(), Vec::new());
        let replaced = come.iter().map(|(source, shard)| (source.name.clone(), Some(shard.seq)));
        for (name, next) in gone.iter().map(|name| (name.clone(), None)).chain(replaced) {
            let Some(seq) = seq_of(&self.opened.shards, &name).filter(|seq| Some(*seq) != next) else {
                continue;
            };
            let rows = self.opened.rows_in.as_mut().and_then(|rows| rows.remove(&seq)).unwrap_or_default();
            self.opened.engine.retract(seq, rows.into_iter(), &mut tick).map_err(stopped)?;
            self.opened.shards.retain(|(known, _)| *known != name);
            left.push(name);
        }
        self.opened.engine.settle(&mut tick).map_err(stopped)?;
        for (source, shard) in come {
            if seq_of(&self.opened.shards, &source.name).is_some() {
                continue;
            }
            self.opened.take_in(&source.name, &shard, &mut tick)?;
            came.push(source.name);
        }
        self.opened.shards.sort();
        let is_in = |name: &str| self.opened.shards.iter().any(|(known, _)| known == name);
        self.opened.sources = sources.into_iter().filter(|source| is_in(&source.name)).collect();
        self.settle()?;
        self.see_what_was_answered();
        self.look_at_what_is_published()?;
        if !came.is_empty() || !left.is_empty() {
            self.changed = true;
            self.events.tell("shards", &json!({ "come": came, "left": left }));
            self.tell()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_that_is_being_written_has_no_end_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let source = || ShardSource { name: "a".into(), holds: Holds::Tar(vec![Ok(path.clone())]) };
        assert_eq!((look(&source()), has_its_end(&source())), (None, false), "it is not there");
        let mut header = tar::Header::new_gnu();
        header.set_size(700);
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_data(&mut header, "a.txt", [7; 700].as_slice()).unwrap();
        let whole = tar.into_inner().unwrap();
        let mut seen = std::collections::HashSet::new();
        for length in [0, 512, 1024, whole.len() - 1024, whole.len() - 1, whole.len()] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(has_its_end(&source()), length == whole.len(), "{length} of {} bytes", whole.len());
            assert!(seen.insert(look(&source())), "{length} bytes look as others did");
        }
    }
}
