//! `--watch`: shards that appear, change or vanish under the given patterns come and leave while the session runs.
//!
//! A thread looks at the files, when the system says that something changed there, and every few seconds in any case: not every file system
//! says so. A shard that is being written is left alone until its files look the same at two looks in a row and, of a tar, its end is there.
//! The thread loads what is new; the session only hands in the rows. Of several processes, that of process 0 looks, and each loads its own:
//! a shard stays with the process that had it, and a new one goes to the first choice by its name.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use notify::{RecursiveMode, Watcher as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Problem;
use super::looks::{Looks, has_its_end, look, look_from_anywhere};
use super::order::Order;
use super::session::{Desk, Ended, Session};
use super::together::Beside;
use crate::cli::{Failure, SourceOptions};
use crate::cluster::{Place, choices};
use crate::lane::lock;
use crate::limits::no_thread;
use crate::object::is_url;
use crate::row::ContentHash;
use crate::shard::{Catalogue, Shard, ShardSource, sorted_by_name};

/// How often files are looked at where nobody says that they changed.
const EVERY: Duration = Duration::from_secs(5);
/// Files that look the same for so long are not being written.
const REST: Duration = Duration::from_secs(1);

/// Looks at the files until it is dropped.
pub(super) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// `looks` are those of before the shards were loaded.
    pub(super) fn start(source: SourceOptions, looks: Looks, desk: Desk) -> Result<Self, Failure> {
        let (stop, stopped) = bounded(0);
        let mut watcher = Watcher { source, looks, desk, seen: HashMap::new(), told: None };
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
    /// Of the shards that are in.
    looks: Looks,
    desk: Desk,
    /// Since when shards that are to come, or to change, look as they do.
    seen: HashMap<String, (Option<ContentHash>, Instant)>,
    /// The trouble that was told last.
    told: Option<String>,
}

/// What changed, by the names of the shards.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reshard {
    gone: Vec<String>,
    /// New, or other ones than before; all were loaded.
    come: Vec<String>,
}

/// Which process has which shard, and what was loaded and is not in yet.
#[derive(Default)]
pub(super) struct Homes {
    /// Those that left, too: what was asked about them is remembered there.
    of: HashMap<String, usize>,
    loaded: Arc<Mutex<HashMap<String, Loaded>>>,
}

/// A shard as it was found; loaded, where it is this process's.
#[derive(Clone)]
struct Loaded {
    /// Of the order that it was loaded for: an earlier one may end later.
    order: u64,
    source: ShardSource,
    shard: Option<Arc<Shard>>,
}

/// A shard that is to be loaded, and how its files look to process 0.
pub(super) type Ready = (String, Option<ContentHash>);

/// Shards that are to be loaded, beside the session.
pub(super) struct Loading {
    order: u64,
    ready: Vec<Ready>,
    own: HashSet<String>,
    source: SourceOptions,
    catalogue: Arc<Catalogue>,
    loaded: Arc<Mutex<HashMap<String, Loaded>>>,
    others: Option<Beside>,
}

impl Homes {
    /// The shards that each process has, or had.
    fn see(&mut self, names: Vec<Vec<String>>) {
        for (process, names) in names.into_iter().enumerate() {
            self.of.extend(names.into_iter().map(|name| (name, process)));
        }
    }
}

impl Loading {
    /// Loads this process's shards of these that were found, or of what it finds itself: those that cannot be read, and why.
    pub(super) fn load(&self, found: Option<&[ShardSource]>) -> Result<Vec<(String, String)>, Problem> {
        let is_here = found.is_some();
        let found = found.map_or_else(|| self.source.find_for_a_session(), |found| Ok(found.to_vec()))?;
        let by_name: HashMap<&str, &ShardSource> =
            found.iter().map(|source| (source.name.as_str(), source)).collect();
        let mut failed = Vec::new();
        for (name, looks) in &self.ready {
            let there = by_name.get(name.as_str()).copied();
            // What one machine sees, another one may see later.
            let is_it = |source: &ShardSource| is_here || look_from_anywhere(source) == *looks;
            let Some(source) = there.filter(|source| is_it(source)) else {
                failed.push((name.clone(), "another process does not see its files as process 0 does; it is looked at again by itself".to_owned()));
                continue;
            };
            let shard = self.own.contains(name).then(|| self.catalogue.load(source)).transpose();
            match shard {
                Ok(_) if !is_it(source) => {
                    failed.push((
                        name.clone(),
                        "it changed while it was read; it is looked at again by itself".to_owned(),
                    ));
                }
                Ok(shard) => self.keep(Loaded { order: self.order, source: source.clone(), shard }),
                Err(error) => failed.push((name.clone(), error.to_string())),
            }
        }
        Ok(failed)
    }

    fn keep(&self, now: Loaded) {
        let mut loaded = lock(&self.loaded);
        if loaded.get(&now.source.name).is_none_or(|known| known.order <= now.order) {
            loaded.insert(now.source.name.clone(), now);
        }
    }

    /// The same in all processes.
    fn load_all(&self, found: &[ShardSource]) -> Result<Vec<(String, String)>, Problem> {
        let mut failed = self.load(Some(found))?;
        let others = self.others.as_ref().map_or(Ok(Vec::new()), Beside::all::<Vec<(String, String)>>)?;
        failed.extend(others.into_iter().flatten());
        Ok(failed)
    }
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
        let shards = self.source.shards.iter().filter(|pattern| !is_url(pattern)).filter_map(fixed);
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
        let there: HashSet<&str> = found.iter().map(|source| source.name.as_str()).collect();
        let gone = self.looks.keys().filter(|name| !there.contains(name.as_str())).cloned().collect();
        let mut change = Reshard { gone, come: Vec::new() };
        let (mut waiting, mut ready) = (Vec::new(), Vec::new());
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
            ready.push((source, is));
        }
        let failed = self.load(&found, &ready)?;
        for (source, is) in ready.into_iter().filter(|(source, _)| !failed.contains(&source.name)) {
            // What changed while it was read is looked at again.
            self.looks.insert(source.name.clone(), is);
            change.come.push(source.name.clone());
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

    /// Loads shards, and tells of those that cannot be read: their names.
    fn load(
        &mut self,
        found: &[ShardSource],
        ready: &[(&ShardSource, Option<ContentHash>)],
    ) -> Result<HashSet<String>, Ended> {
        if ready.is_empty() {
            return Ok(HashSet::new());
        }
        let looks = ready.iter().map(|(source, _)| (source.name.clone(), look_from_anywhere(source)));
        let looks: Vec<Ready> = looks.collect();
        let loading = self.desk.ask(move |session| session.load(looks))?;
        match loading.and_then(|loading| loading.load_all(found)) {
            Ok(failed) => {
                for (name, why) in &failed {
                    self.tell(format!("the shard {name:?} cannot be read: {why}"))?;
                }
                Ok(failed.into_iter().map(|(name, _)| name).collect())
            }
            Err(problem) => {
                self.tell(format!("shards cannot be read: {}", problem.text))?;
                Ok(ready.iter().map(|(source, _)| source.name.clone()).collect())
            }
        }
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
            // A pattern that matches nothing is an error of who starts a run. Here, the last shard may just have left. A bucket that
            // cannot be listed is none that is empty.
            Err(Failure::Usage(why))
                if !self.shards.iter().any(|named| is_url(named))
                    && self.shards.iter().chain(&self.pictures).all(|named| !Path::new(named).exists()) =>
            {
                let _ = why;
                sorted_by_name(Vec::new()).map_err(Failure::from)
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Session<'_> {
    /// Shards that are to be loaded, in whichever processes.
    fn load(&mut self, ready: Vec<Ready>) -> Result<Loading, Problem> {
        self.together(&Order::Load(ready.clone()), |session| session.load_here(ready))
    }

    pub(super) fn load_here(&mut self, ready: Vec<Ready>) -> Result<Loading, Problem> {
        let place = self.cluster().map_or(Place::ALONE, |cluster| cluster.place());
        let own: Vec<String> = self.opened.shards.iter().map(|(name, _)| name.clone()).collect();
        let all = self.gather(own)?;
        self.together.shards.see(all);
        let home = |name: &String| {
            let known = self.together.shards.of.get(name).copied();
            known.unwrap_or_else(|| choices(name, place.of)[0])
        };
        let own = ready.iter().map(|(name, _)| name).filter(|name| home(name) == place.index);
        Ok(Loading {
            order: self.order(),
            own: own.cloned().collect(),
            ready,
            source: self.options.source.clone(),
            catalogue: self.opened.catalogue.clone(),
            loaded: self.together.shards.loaded.clone(),
            others: self.beside(),
        })
    }

    /// Lets rows come and leave with their shards. Where questions are asked, they are held back meanwhile.
    fn reshard(&mut self, change: Reshard, waiting: Vec<String>) -> Result<(), Failure> {
        self.waiting_shards = waiting;
        if change.gone.is_empty() && change.come.is_empty() {
            return Ok(());
        }
        let order = Order::Reshard(change.clone());
        self.together(&order, |session| Ok(session.reshard_here(change)?)).map_err(Problem::into_failure)
    }

    pub(super) fn reshard_here(&mut self, Reshard { gone, come }: Reshard) -> Result<(), Failure> {
        let loaded = std::mem::take(&mut *lock(&self.together.shards.loaded));
        let come: Vec<Loaded> = come.iter().filter_map(|name| loaded.get(name).cloned()).collect();
        drop(loaded);
        self.pause()?;
        let mut tick = self.ticking();
        let seq_of = |shards: &[(String, u32)], name: &str| {
            shards.iter().find(|(known, _)| known == name).map(|(_, seq)| *seq)
        };
        let (mut came, mut left) = (Vec::new(), Vec::new());
        let replaced =
            come.iter().filter_map(|come| Some((come.source.name.clone(), Some(come.shard.as_ref()?.seq))));
        for (name, next) in gone.iter().map(|name| (name.clone(), None)).chain(replaced) {
            let Some(seq) = seq_of(&self.opened.shards, &name).filter(|seq| Some(*seq) != next) else {
                continue;
            };
            let rows = self.opened.rows_in.as_mut().and_then(|rows| rows.remove(&seq)).unwrap_or_default();
            let retracted = self.opened.engine.retract(seq, rows.into_iter(), &mut tick);
            self.waited(retracted)?;
            self.opened.shards.retain(|(known, _)| *known != name);
            left.push(name);
        }
        let settled = self.opened.engine.settle(&mut tick);
        self.waited(settled)?;
        for Loaded { source, shard, .. } in &come {
            if let Some(shard) =
                shard.as_ref().filter(|_| seq_of(&self.opened.shards, &source.name).is_none())
            {
                let taken = self.opened.take_in(&source.name, shard, &mut tick);
                self.must(taken)?;
                came.push(source.name.clone());
            }
        }
        self.opened.shards.sort();
        let is_other = |source: &ShardSource| {
            !gone.contains(&source.name) && !come.iter().any(|come| come.source.name == source.name)
        };
        self.opened.sources.retain(is_other);
        self.opened.sources.extend(come.into_iter().map(|come| come.source));
        self.opened.sources.sort();
        self.settle()?;
        self.see_what_was_answered();
        let looked = self.look_at_what_is_published();
        let (came, left): (Vec<_>, Vec<_>) =
            self.gather((came, left)).map_err(Problem::into_failure)?.into_iter().unzip();
        // Where they were, if they come again.
        self.together.shards.see(left.clone());
        let [came, left] = [came, left].map(|names: Vec<Vec<String>>| names.concat());
        if !came.is_empty() || !left.is_empty() {
            self.changed = true;
            self.events.tell("shards", &json!({ "come": came, "left": left }));
            self.tell()?;
        }
        looked
    }
}
