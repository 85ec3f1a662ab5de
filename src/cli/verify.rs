//! `verify`: reads everything that was published, exported or remembered, and says what is damaged. It writes nothing.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::segments::found;
use super::store::{StampRecord, Store};
use super::{Failure, Output, print_json};
use crate::memo::{Memo, MemoError};
use crate::object::is_url;
use crate::publish::{self, Damaged, Verified};
use crate::row::{ContentHash, Stamp};
use crate::shard::check_store;

/// So many foreign files are named one by one.
const MOST_NAMED: usize = 8;

#[derive(Serialize)]
struct Folder {
    folder: PathBuf,
    #[serde(flatten)]
    verified: Verified,
}

#[derive(Default, Serialize)]
struct StoreVerified {
    store: PathBuf,
    memos: u64,
    /// Answers, refusals and marks that hold.
    records: u64,
    bytes: u64,
    /// Bytes of memos that an earlier run found damaged, told of and marked.
    marked: u64,
    damaged: Vec<Damaged>,
    foreign: Vec<String>,
}

/// Reads a folder that a pipeline alone writes: [`App::verify`](super::App::verify).
type VerifyOwn = fn(&Path) -> Result<Option<Verified>, Failure>;

/// `own` is how the pipeline `name` reads what it alone writes.
pub(super) fn verify(
    folders: &[PathBuf],
    store: Option<&Path>,
    output: Output,
    (name, own): (&str, VerifyOwn),
) -> Result<(), Failure> {
    if folders.is_empty() && store.is_none() {
        return Err(Failure::Usage(
            "name what is to be verified: a folder that was published, exported or released to, or --store"
                .to_owned(),
        ));
    }
    let folders: Vec<Folder> =
        folders.iter().map(|folder| verify_folder(folder, name, own)).collect::<Result<_, _>>()?;
    let store = store.map(verify_store).transpose()?;
    let damaged = folders.iter().map(|folder| folder.verified.damaged.len()).sum::<usize>()
        + store.as_ref().map_or(0, |store| store.damaged.len());
    match output {
        Output::Json => {
            print_json(&serde_json::json!({ "damaged": damaged, "folders": folders, "store": store }))?
        }
        Output::Text => {
            folders.iter().for_each(say_folder);
            store.iter().for_each(say_store);
        }
    }
    match damaged {
        0 => Ok(()),
        1 => Err(Failure::Failed("1 file is damaged; its line says what to do".to_owned())),
        more => Err(Failure::Failed(format!("{more} files are damaged; each line says what to do"))),
    }
}

fn verify_folder(folder: &Path, name: &str, own: VerifyOwn) -> Result<Folder, Failure> {
    if folder.to_str().is_some_and(is_url) {
        return Err(Failure::Usage(format!(
            "{}: verify reads folders. A run that publishes there compares what the bucket holds with what was sent, and sends anew what differs; \
             to have every byte read, copy it to a folder, and verify that",
            folder.display()
        )));
    }
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("there is no folder {}", folder.display())));
    }
    let verified = match publish::verify(folder)? {
        Some(verified) => Some(verified),
        None => own(folder)?,
    };
    let verified = verified.ok_or_else(|| {
        Failure::Usage(format!(
            "{} holds nothing that {} writes; name a folder that was published, exported or released to",
            folder.display(),
            name
        ))
    })?;
    Ok(Folder { folder: folder.to_owned(), verified })
}

fn say_folder(Folder { folder, verified }: &Folder) {
    let folder = folder.display();
    for Damaged { file, why, next } in &verified.damaged {
        crate::say!("{folder}/{file}: {why}; {next}");
    }
    let size = verified.bytes as f64 / 1e6;
    let state = if verified.damaged.is_empty() {
        "all as they were written".to_owned()
    } else {
        format!("{} damaged", verified.damaged.len())
    };
    crate::say!("{folder}: {}, {} files, {size:.1} MB: {state}", verified.format, verified.files);
    if verified.without_hash > 0 {
        crate::say!(
            "{folder}: {} files were written before there were hashes, so that only their lengths were compared; the next run writes them \
             anew, with hashes",
            verified.without_hash
        );
    }
    say_foreign(&folder.to_string(), &verified.foreign);
}

fn say_foreign(folder: &str, foreign: &[String]) {
    if !foreign.is_empty() {
        let named = foreign.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = if foreign.len() > MOST_NAMED { ", ..." } else { "" };
        crate::say!("{folder}: {} files that are none of ours, left alone: {named}{more}", foreign.len());
    }
}

/// Everything that a store holds, by itself: whether answers rest on others that are lost, a run finds out.
fn verify_store(folder: &Path) -> Result<StoreVerified, Failure> {
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("there is no store at {}; --store names one", folder.display())));
    }
    let mut verified = StoreVerified { store: folder.to_owned(), ..StoreVerified::default() };
    for segment in found(folder)? {
        let below = segment.folder.strip_prefix(folder).unwrap_or(&segment.folder);
        let mut of_it = verify_segment(&segment.folder)?;
        for file in of_it.damaged.iter_mut().map(|found| &mut found.file).chain(&mut of_it.foreign) {
            *file = below.join(&*file).to_string_lossy().into_owned();
        }
        verified.add(of_it);
    }
    Ok(verified)
}

impl StoreVerified {
    fn add(&mut self, other: StoreVerified) {
        self.memos += other.memos;
        self.records += other.records;
        self.bytes += other.bytes;
        self.marked += other.marked;
        self.damaged.extend(other.damaged);
        self.foreign.extend(other.foreign);
    }
}

fn verify_segment(folder: &Path) -> Result<StoreVerified, Failure> {
    let _no_run = no_run(folder)?;
    let (store, record_is_damaged) = Store::peek(folder)?;
    let mut verified = StoreVerified::default();
    if record_is_damaged {
        verified.damaged.push(damaged(
            "store.json",
            "it is damaged",
            "the next run writes it anew: names and rates of stages are lost, no answer is",
        ));
    }
    let shards = check_store(folder).map_err(|error| {
        Failure::Failed(format!("the store {} cannot be read: {error}; check its disk", folder.display()))
    })?;
    verified.damaged.extend(shards.iter().map(|found| damaged(&found.file, &found.why, found.next)));
    let mut records: BTreeMap<String, StampRecord> = store.record().stamps.clone();
    for name in names(&store.memos())? {
        match name.strip_suffix(".memo").and_then(hash_of_hex) {
            Some(stamp) => {
                let record = records.remove(&stamp.to_string()).unwrap_or_default();
                verify_memo(&store, Stamp(stamp), &record, &mut verified);
            }
            None => verified.foreign.push(format!("memo/{name}")),
        }
    }
    for (stamp, record) in records.iter().filter(|(_, record)| record.bytes > 0) {
        let why =
            format!("the memo of {} is missing: {} bytes of answers were in it", record.stage, record.bytes);
        verified.damaged.push(damaged(&format!("memo/{stamp}.memo"), &why, ASKED_AGAIN));
    }
    Ok(verified)
}

const ASKED_AGAIN: &str = "the next run asks again what was lost, as far as it needs it (`plan` counts it)";

fn verify_memo(store: &Store, stamp: Stamp, record: &StampRecord, verified: &mut StoreVerified) {
    let file = format!("memo/{stamp}.memo");
    let length = fs::metadata(Memo::path(&store.memos(), stamp)).map_or(0, |meta| meta.len());
    verified.memos += 1;
    verified.bytes += length;
    let stage = if record.stage.is_empty() { "a stage that never finished a run" } else { &record.stage };
    match Memo::check(&store.memos(), stamp) {
        Ok((unreadable, damage)) => {
            verified.records += damage.records;
            verified.marked += damage.marked;
            if damage.is_new() {
                verified.damaged.push(damaged(&file, &format!("{stage}: {damage}"), ASKED_AGAIN));
            } else if length < record.bytes {
                let why = format!(
                    "{stage}: it is {length} bytes long, and was {} when the last run ended",
                    record.bytes
                );
                verified.damaged.push(damaged(&file, &why, ASKED_AGAIN));
            }
            if unreadable > 0 {
                let why = format!("{stage}: {unreadable} answers cannot be unpacked");
                let next = "whoever reads one forgets it, and the next run asks it again";
                verified.damaged.push(damaged(&file, &why, next));
            }
        }
        Err(error @ MemoError::Foreign { .. }) => {
            verified.damaged.push(damaged(&file, &error.to_string(), "what was in it is then asked again"));
        }
        Err(error) => {
            verified.damaged.push(damaged(&file, &error.to_string(), "nothing is forgotten for that"))
        }
    }
}

fn damaged(file: &str, why: &str, next: &str) -> Damaged {
    Damaged { file: file.to_owned(), why: why.to_owned(), next: next.to_owned() }
}

fn say_store(verified: &StoreVerified) {
    let folder = verified.store.display();
    for Damaged { file, why, next } in &verified.damaged {
        crate::say!("{folder}/{file}: {why}; {next}");
    }
    let state = if verified.damaged.is_empty() {
        "all as they were written".to_owned()
    } else {
        format!("{} damaged", verified.damaged.len())
    };
    crate::say!(
        "{folder}: {} memos, {} answers and refusals, {:.1} MB: {state}",
        verified.memos,
        verified.records,
        verified.bytes as f64 / 1e6
    );
    if verified.marked > 0 {
        crate::say!(
            "{folder}: {} bytes were found damaged by an earlier run, which forgot what they held",
            verified.marked
        );
    }
    say_foreign(&folder.to_string(), &verified.foreign);
}

/// Keeps runs away while the store is read, where that can be had.
fn no_run(folder: &Path) -> Result<Option<File>, Failure> {
    let Ok(file) = File::open(folder.join(".lock")) else { return Ok(None) };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(Failure::Failed(format!(
            "the store {} is in use by a run: wait for it to end",
            folder.display()
        ))),
        // A file system that knows no locks.
        _ => Ok(Some(file)),
    }
}

fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let failed =
        |error: std::io::Error| Failure::Failed(format!("{} cannot be listed: {error}", folder.display()));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The stamps of the memos that lie in a folder.
pub(super) fn stamps_in(memos: &Path) -> Result<Vec<Stamp>, Failure> {
    let stamp = |name: String| name.strip_suffix(".memo").and_then(hash_of_hex).map(Stamp);
    Ok(names(memos)?.into_iter().filter_map(stamp).collect())
}

fn hash_of_hex(text: &str) -> Option<ContentHash> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = digits.then(|| u128::from_str_radix(text, 16).ok())?;
    hash.map(|hash| ContentHash(hash.to_be_bytes()))
}
