//! Released records as an input: tars of records, one JSON for each picture, joined to pictures by their `path`.
//!
//! Every member whose name ends in `.json` is a record, in any folder. All other members are ignored. Opening reads the headers and, of
//! each record, as far as its `path`, and keeps its name and place. This takes 24 bytes and the length of its path, whatever the length of
//! the record. The record itself is read when its picture asks. `join` (in this folder) has the rule by which a picture finds its record;
//! extensions do not count in it.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserializer as _;
use serde_json::Deserializer;
use threshflow::row::Refusal;
use threshflow::shard::{
    Holding, ReadOptions, ShardError, ShardSource, TarFile, TarFiles, TarStamp, Unreadable, decode, find,
    strict_json, undivided,
};

use super::join::{Joined, Names};
use super::read::Entries;
use super::values::Text;
use super::{MOST_BYTES, Record};

/// How far into a record its `path` is looked for at first: it is the first key of every one that upstream wrote.
const HEAD: u64 = 4096;
/// Most bytes of a `path` (Linux's own limit).
const MOST_PATH: usize = 4096;
/// At most this many files stay open between two records.
const MOST_OPEN_FILES: usize = 64;

/// Tars of records, indexed by the records' paths. May be asked from several threads.
pub struct JsonsTars {
    tars: Vec<Tar>,
    names: Names,
    /// Of each name, in the order of `names`.
    places: Vec<TarEntry>,
    unusable: Vec<Unusable>,
    options: ReadOptions,
    /// Those used last, the last one at the end.
    open: Mutex<Vec<(u32, Arc<TarFiles>)>>,
}

struct Tar {
    source: ShardSource,
    stamp: TarStamp,
}

#[derive(Clone, Copy)]
struct TarEntry {
    offset: u64,
    /// At most [`MOST_BYTES`].
    len: u32,
    tar: u32,
}

/// A record, or why it is none.
pub type Looked = Result<Record, Refusal>;

/// Something in the tars that no picture can get.
#[derive(Clone, Debug, PartialEq)]
pub struct Unusable {
    /// The tar's name, as [`find`] gives it.
    pub tar: String,
    /// The member's path, `@` and a byte offset where the tar is damaged, or a record's name.
    pub what: String,
    /// Why, with one of the classes `bad_record`, `no_record_path`, `too_many_bytes`, `duplicate_record`, or one of those
    /// that a walk over a shard gives.
    pub refusal: Refusal,
}

impl JsonsTars {
    /// Opens the tars that `patterns` name (as [`find`] takes them) and indexes their records.
    ///
    /// What can't be used is listed in [`JsonsTars::unusable`]; a tar that can't be opened is an error. Records are only
    /// read as far as their `path`: what is wrong behind it is said when the record is asked for.
    pub fn open(patterns: &[String], options: &ReadOptions) -> Result<Self, ShardError> {
        let mut index = JsonsTars {
            tars: Vec::new(),
            names: Names::default(),
            places: Vec::new(),
            unusable: Vec::new(),
            options: options.clone(),
            open: Mutex::new(Vec::new()),
        };
        for source in find(patterns)? {
            index.add(source)?;
        }
        let order = index.names.sort();
        index.places = order.iter().map(|&place| index.places[place as usize]).collect();
        index.places.shrink_to_fit();
        for same in index.names.repeated().collect::<Vec<_>>() {
            let refusal = index.duplicate(same.clone());
            let tar = index.tar_name(same.start).to_owned();
            index.unusable.push(Unusable { tar, what: index.names.shown(same.start), refusal });
        }
        Ok(index)
    }

    /// The record of a picture, by its shard's name and its key.
    ///
    /// `None`: no record agrees with the picture. A refusal: the record can't be told or is none, with one of the classes
    /// `ambiguous_record`, `duplicate_record`, `short_record_path`, `bad_record`, `too_many_bytes`. An error: it cannot be
    /// read at this moment, so that nobody knows what it says.
    pub fn record_of(&self, shard: &str, key: &str) -> Result<Option<Looked>, Unreadable> {
        match self.place_of(shard, key) {
            None => Ok(None),
            Some(Ok(at)) => self.read(at).map(Some),
            Some(Err(refusal)) => Ok(Some(Err(refusal))),
        }
    }

    /// Every record that has a `path`, by its name (the path without extension), in the order of their names from the
    /// last part on. Each is read when the iterator comes to it.
    pub fn records(&self) -> impl Iterator<Item = (String, Result<Looked, Unreadable>)> {
        (0..self.len()).map(|at| (self.names.shown(at), self.read(at)))
    }

    /// How many records have a `path`.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no record has a `path`.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What no picture can get: members that are no records, damage, and records with the same name, tar by tar and
    /// then name by name.
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
    }

    /// The bytes of memory that the index holds, but for what is unusable.
    #[cfg(test)]
    pub(crate) fn state_bytes(&self) -> usize {
        self.names.state_bytes() + self.places.capacity() * size_of::<TarEntry>()
    }

    fn add(&mut self, source: ShardSource) -> Result<(), ShardError> {
        let files = TarFiles::open(&source, &self.options)?;
        let tar = u32::try_from(self.tars.len()).unwrap_or(u32::MAX);
        let listing = files.list();
        for file in listing.files.iter().filter(|file| is_json(&file.path)) {
            match path_of(&files, file) {
                Ok(path) if self.names.push(&path) => {
                    self.places.push(TarEntry { offset: file.offset, len: file.len as u32, tar });
                }
                Ok(path) => {
                    let why =
                        format!("`path` is {path:?}, which names no file; write the path of the picture");
                    self.refuse(&source, &file.path, Refusal::permanent("no_record_path", why));
                }
                Err(refusal) => self.refuse(&source, &file.path, lasting(&source, refusal)?),
            }
        }
        for (what, refusal) in listing.refused {
            self.refuse(&source, &what, lasting(&source, refusal)?);
        }
        if !files.unchanged() {
            let message = "it changed while its records were listed; leave tars alone while they are read";
            lasting(&source, Refusal::transient("cut_while_read", message))?;
        }
        self.tars.push(Tar { source, stamp: files.stamp() });
        Ok(())
    }

    fn refuse(&mut self, source: &ShardSource, what: &str, refusal: Refusal) {
        self.unusable.push(Unusable { tar: source.name.clone(), what: what.to_owned(), refusal });
    }

    /// The place of a picture's record among the names.
    fn place_of(&self, shard: &str, key: &str) -> Option<Result<usize, Refusal>> {
        let listed = |mut places: std::ops::Range<usize>| {
            let all = places.len();
            let shown: Vec<String> = places.by_ref().take(3).map(|at| self.named(at)).collect();
            format!("{}{}", shown.join(", "), if all > 3 { ", ..." } else { "" })
        };
        // Records know nothing of the parts that a large folder of pictures is in.
        let found = match self.names.find(shard, key) {
            Joined::None => self.names.find(undivided(shard), key),
            found => found,
        };
        Some(match found {
            Joined::None => return None,
            Joined::One(at) => Ok(at),
            Joined::Twice(same) => Err(self.duplicate(same)),
            Joined::Ambiguous(places) => Err(Refusal::permanent(
                "ambiguous_record",
                format!(
                    "{} records agree with the picture {key:?} of {shard:?}: {}; name the shards through the folder \
                     above them, so that the shard's name tells them apart",
                    places.len(),
                    listed(places)
                ),
            )),
            Joined::Short(at) => Err(Refusal::permanent(
                "short_record_path",
                format!(
                    "the record {} is named by a file name only, and the picture {key:?} of {shard:?} may not be the only \
                     one of that name; write at least the picture's folder into the record's `path`",
                    self.named(at)
                ),
            )),
        })
    }

    fn duplicate(&self, same: std::ops::Range<usize>) -> Refusal {
        let (count, first) = (same.len(), same.start);
        let mut tars: Vec<&str> = same.take(3).map(|at| self.tar_name(at)).collect();
        tars.dedup();
        let message = format!(
            "{count} records are of the picture {:?} (extensions don't count), in {}; keep one of them",
            self.names.shown(first),
            tars.join(", ")
        );
        Refusal::permanent("duplicate_record", message)
    }

    fn named(&self, at: usize) -> String {
        format!("{:?} of {}", self.names.shown(at), self.tar_name(at))
    }

    fn tar_name(&self, at: usize) -> &str {
        &self.tars[self.places[at].tar as usize].source.name
    }

    fn read(&self, at: usize) -> Result<Looked, Unreadable> {
        match self.text(at) {
            Ok(text) => self.record_in(at, &text),
            Err(refusal) => Unreadable::split(refusal).map(Err),
        }
    }

    fn record_in(&self, at: usize, text: &[u8]) -> Result<Looked, Unreadable> {
        let about = |refusal: Refusal| {
            let message = format!("the record {}: {}", self.named(at), refusal.message);
            Refusal { message, ..refusal }
        };
        let record = match Record::parse(text) {
            Ok(record) => record,
            Err(error) => return Ok(Err(about(error.into()))),
        };
        match &record.path {
            Some(path) if self.names.is_named(at, path) => Ok(Ok(record)),
            path => Err(Unreadable(about(Refusal::permanent(
                "record_changed",
                format!(
                    "its `path` is now {path:?}; leave the tars alone while they are read, and run again"
                ),
            )))),
        }
    }

    fn text(&self, at: usize) -> Result<Vec<u8>, Refusal> {
        let TarEntry { offset, len, tar } = self.places[at];
        let files = self.tar(tar)?;
        let text = files.bytes(offset, u64::from(len)).map(|bytes| bytes.into_owned())?;
        if files.unchanged() { Ok(text) } else { Err(self.changed(tar)) }
    }

    /// The refusal of a record whose tar is another by now. It says nothing of the record.
    fn changed(&self, tar: u32) -> Refusal {
        let message = format!(
            "the tar {} is not what it was when its records were listed; leave tars alone while they are read, and run again",
            self.tars[tar as usize].source.name
        );
        Refusal::transient("cut_while_read", message)
    }

    /// A tar, opened again where it was closed.
    fn tar(&self, tar: u32) -> Result<Arc<TarFiles>, Refusal> {
        // A panic elsewhere leaves the list whole: each change of it is one insertion or removal.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = open.iter().position(|(known, _)| *known == tar) {
            let entry = open.remove(place);
            open.push(entry);
        } else {
            let Tar { source, stamp } = &self.tars[tar as usize];
            let files = TarFiles::open(source, &self.options)
                .map_err(|error| Refusal::transient("unreadable", error.to_string()))?;
            if files.stamp() != *stamp {
                return Err(self.changed(tar));
            }
            open.push((tar, Arc::new(files)));
        }
        while open.len() > 1
            && open.iter().map(|(_, files)| files.open_files()).sum::<usize>() > MOST_OPEN_FILES
        {
            open.remove(0);
        }
        // It was just put at the end.
        let last = open.last().map(|(_, files)| Arc::clone(files));
        last.ok_or_else(|| Refusal::transient("unreadable", "no tar is open"))
    }
}

fn is_json(path: &str) -> bool {
    let end = path.len().saturating_sub(".json".len());
    path.as_bytes()[end..].eq_ignore_ascii_case(b".json")
}

/// A refusal that says something of a tar's content, or else the error that it could not be read.
fn lasting(source: &ShardSource, refusal: Refusal) -> Result<Refusal, ShardError> {
    Unreadable::split(refusal).map_err(|Unreadable(refusal)| ShardError::Io {
        path: source.place(),
        source: std::io::Error::other(refusal.message),
        next: "check the disk, and run again",
    })
}

/// The `path` of a record: from its first bytes, or from all of it where it comes later.
fn path_of(files: &TarFiles, file: &TarFile) -> Result<String, Refusal> {
    if file.len > MOST_BYTES {
        let message = format!("the record has {} bytes, at most {MOST_BYTES} are read", file.len);
        return Err(Refusal::permanent("too_many_bytes", message));
    }
    let no_path = |why: String| {
        let message =
            format!("the record can't be joined to a picture: {why}; write the picture's path into it");
        Refusal::permanent("no_record_path", message)
    };
    let head = files.bytes(file.offset, file.len.min(HEAD))?;
    let path = match path_in(whole_letters(&head)) {
        Ok(Some(path)) => path,
        _ => {
            let whole = files.bytes(file.offset, file.len)?;
            let decoded = decode(&whole, Holding::Json);
            match path_in(&strict_json(&decoded.text).text) {
                Ok(Some(path)) => path,
                Ok(None) => return Err(no_path("it has no `path`".to_owned())),
                Err(error) => {
                    return Err(Record::parse(&whole)
                        .err()
                        .map_or_else(|| no_path(error.to_string()), Refusal::from));
                }
            }
        }
    };
    match Text::of_json(&path) {
        Some(path) if path.len() <= MOST_PATH => Ok(path.as_str().to_owned()),
        Some(path) => {
            Err(no_path(format!("its `path` has {} bytes, at most {MOST_PATH} are read", path.len())))
        }
        None => Err(no_path(format!(
            "its `path` is {}, which is no string",
            path.chars().take(60).collect::<String>()
        ))),
    }
}

/// The text up to the first byte that is not UTF-8, such as a letter that is cut off.
fn whole_letters(head: &[u8]) -> &str {
    let valid = std::str::from_utf8(head).map_or_else(|error| error.valid_up_to(), str::len);
    std::str::from_utf8(&head[..valid]).unwrap_or_default()
}

/// The raw text under the first `path` of an object, though the object may be cut off after it.
fn path_in(json: &str) -> Result<Option<String>, serde_json::Error> {
    let mut found = None;
    let walked = Deserializer::from_str(json.trim_start_matches('\u{feff}')).deserialize_map(Entries(
        |key: &str, value: &str| {
            let is_path = Text::of_json(key).is_some_and(|key| key == "path");
            if is_path {
                found = Some(value.to_owned());
            }
            if is_path { Err(()) } else { Ok(()) }
        },
    ));
    match found {
        Some(found) => Ok(Some(found)),
        None => walked.map(|()| None),
    }
}
