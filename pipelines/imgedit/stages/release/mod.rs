//! Makes a released set from a published one: the edits of `out/edits/`, with their pictures from the shards and the store. It asks nothing
//! and runs no model.
//!
//! The `N` of a released part is the place of its source shard, from 1, among all shards that `out/manifest.json` names, by name. A shard
//! of which everything was held back is one of them, so that no dial moves a number. A shard that is added or taken away moves the numbers
//! of those after it.

mod files;
mod provenance;
mod recent;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use operators::editors::made::without_metadata;
use operators::plan::edit_plan::EditType;
use operators::plan::edit_plan::passes::Shown;
use serde::Deserialize;
use threshflow::memo::{Access, Memo, Places, Segment};
use threshflow::publish::{
    Demonstration, Manifest, Part, PartKind, PublishError, Table, TableError, check_part, read_manifest,
};
use threshflow::row::{ContentHash, Stamp};
use threshflow::shard::{Catalogue, ReadOptions, ShardError};

use files::{OpenShard, drawn_reference, picture_file};
use kit::edit_record::{EditRecord, RecordedObject, RecordedTurn};
use kit::released::{
    EditedObject, Judged, ListedEdit, PictureFile, PictureRef, Provenance, Release, ReleasedEdit,
    ReleasedShard, StageStamp, Turn,
};
use provenance::provenance;
use recent::Recent;

/// Most bytes of a part's records that are held at once; what does not fit is read again.
const MOST_HELD: usize = 16 << 20;
/// Most parts and shards that are held, at least as many as threads ask; and most memos, of which there is one an editor.
const MOST_PARTS: usize = 8;
const MOST_MEMOS: usize = 16;

/// What keeps a published set from being read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no store at {path}; --store names the one that was published with", path = .0.display())]
    NoStore(PathBuf),
    #[error("the store {path} cannot be read: {1}; check its disk", path = .0.display())]
    Store(PathBuf, std::io::Error),
    #[error("{path} holds no published set; run the pipeline first, or name its folder with --out", path = .0.display())]
    NothingPublished(PathBuf),
    #[error("what {path} holds was published by {pipeline}, which makes no edits; name another folder with --out", path = out.display())]
    NoEdits { out: PathBuf, pipeline: String },
    #[error("{path} is in use by a run: wait until that ends", path = .0.display())]
    Busy(PathBuf),
    #[error("{path} holds no sound edit in row {row} ({why}); run the pipeline again", path = path.display())]
    Record { path: PathBuf, row: u64, why: String },
    #[error("{path}: {source}; delete the file and run the pipeline again", path = path.display())]
    Table { path: PathBuf, source: TableError },
    #[error(
        "shard {shard}: the fingerprint {found:?} in manifest.json is not 32 hex digits; run the pipeline again"
    )]
    Fingerprint { shard: String, found: String },
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Shard(#[from] ShardError),
}

/// The edits that a folder publishes, as they are to be released.
pub struct PublishedEdits {
    out: PathBuf,
    memos: Places,
    catalogue: Catalogue,
    remark: Option<String>,
    provenance: Provenance,
    listed: Vec<ReleasedShard>,
    sources: HashMap<String, Source>,
    records: Recent<(String, EditType), Mutex<Records>>,
    shards: Recent<String, OpenShard>,
    opened: Recent<Stamp, Memo>,
    /// No run publishes into the folder as long as this lives.
    _lock: Option<File>,
    /// The store is not merged or cleaned meanwhile.
    _kept: Option<threshflow::limits::Locked>,
}

/// Where the edits of a shard are published, and which shard it is.
struct Source {
    edits: PathBuf,
    fingerprint: ContentHash,
}

/// Records of one type from one shard, as they were read last and as far as they fit.
#[derive(Default)]
struct Records {
    by_key: HashMap<String, String>,
    /// That of the edit which was asked for last, whose pictures are asked for next.
    last: Option<Arc<EditRecord>>,
}

impl PublishedEdits {
    /// Lists what `out` publishes; `options` say how pictures are read. Writes nothing to `out` or `store`, and takes no lock of the store.
    pub fn open(out: &Path, store: &Path, options: ReadOptions) -> Result<Self, OpenError> {
        if !store.is_dir() {
            return Err(OpenError::NoStore(store.to_owned()));
        }
        let kept = Segment::keep_all(store).map_err(|error| OpenError::Store(store.to_owned(), error))?;
        let lock = lock(out)?;
        let manifest = read_manifest(out)?.ok_or_else(|| OpenError::NothingPublished(out.to_owned()))?;
        if manifest.edits.is_none() {
            return Err(OpenError::NoEdits { out: out.to_owned(), pipeline: manifest.pipeline });
        }
        let segments = Segment::all(store).map_err(|error| OpenError::Store(store.to_owned(), error))?;
        let others: Vec<PathBuf> = segments
            .into_iter()
            .filter(|segment| segment.number != 0)
            .map(|segment| segment.folder)
            .collect();
        let catalogue = Catalogue::open_segment(store, (0, &others), options, true)?;
        let (listed, sources) = list(out, &manifest)?;
        Ok(PublishedEdits {
            out: out.to_owned(),
            memos: Places::of_store(store).map_err(|error| OpenError::Store(store.to_owned(), error))?,
            catalogue,
            remark: Demonstration::sentence(&manifest.demonstration),
            provenance: provenance(&manifest),
            listed,
            sources,
            records: Recent::new(MOST_PARTS),
            shards: Recent::new(MOST_PARTS),
            opened: Recent::new(MOST_MEMOS),
            _lock: lock,
            _kept: kept,
        })
    }

    fn source(&self, shard: &str) -> Result<&Source, String> {
        self.sources
            .get(shard)
            .ok_or_else(|| format!("{} publishes no edits of the shard", self.out.display()))
    }

    /// An edit's record and its text, of the ones that are held or out of its table.
    fn record(
        &self,
        shard: &str,
        edit_type: EditType,
        key: &str,
    ) -> Result<(Arc<EditRecord>, String), String> {
        let records =
            self.records.get((shard.to_owned(), edit_type), || Ok::<_, String>(Mutex::default()))?;
        let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
        if !records.by_key.contains_key(key) {
            records.by_key = self.read_from(shard, edit_type, key)?;
        }
        let text = records.by_key.get(key).ok_or("what is published has no such edit any more")?.clone();
        let record: EditRecord =
            serde_json::from_str(&text).map_err(|error| format!("its record cannot be read: {error}"))?;
        let record = Arc::new(record);
        records.last = Some(record.clone());
        Ok((record, text))
    }

    /// The records of the shard's edits of that type, from that key on: edits are asked for in the order of their table.
    fn read_from(
        &self,
        shard: &str,
        edit_type: EditType,
        key: &str,
    ) -> Result<HashMap<String, String>, String> {
        let path = &self.source(shard)?.edits;
        let (mut by_key, mut bytes) = (HashMap::new(), 0);
        let table = Table::open(path);
        let read = table.and_then(|table| {
            table.read(&["key", "record"], |_, row| {
                let (Some(of), Some(text)) = (row[0].as_str(), row[1].as_str()) else {
                    return ControlFlow::Continue(());
                };
                let is_one = !by_key.is_empty() || of == key;
                if is_one && type_of(text).is_ok_and(|found| found == edit_type) {
                    bytes += of.len() + text.len();
                    by_key.insert(of.to_owned(), text.to_owned());
                }
                if bytes > MOST_HELD { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
        read.map(|_| by_key).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn record_of(&self, edit: &ReleasedEdit) -> Result<Arc<EditRecord>, String> {
        let of = (edit.shard.clone(), edit.edit_type);
        let records = self.records.get(of, || Ok::<_, String>(Mutex::default()))?;
        let last = records.lock().unwrap_or_else(PoisonError::into_inner).last.clone();
        match last.filter(|last| last.key == edit.key) {
            Some(last) => Ok(last),
            None => Ok(self.record(&edit.shard, edit.edit_type, &edit.key)?.0),
        }
    }

    fn open_shard(&self, name: &str) -> Result<Arc<OpenShard>, String> {
        self.shards.get(name.to_owned(), || {
            let shard = self.catalogue.by_name(name, self.source(name)?.fingerprint);
            Ok(OpenShard::new(shard.map_err(|error| error.to_string())?))
        })
    }

    /// A picture that an editor made, out of its memo.
    fn made(&self, record: &EditRecord, number: usize) -> Result<PictureFile, String> {
        let pass = record.passes.get(number).ok_or_else(|| {
            format!("it shows what pass {number} made, and its record names {} passes", record.passes.len())
        })?;
        const RUN_AGAIN: &str =
            "run the pipeline again with this store: what is lost is made again, and only that; then release";
        match self.remembered(&pass.stamp, &pass.key)? {
            Some(bytes)
                if pass.picture.as_ref().is_some_and(|hash| *hash != ContentHash::of(&bytes).to_string()) =>
            {
                Err(format!(
                    "the store holds another picture of pass {number} than was published: {RUN_AGAIN}"
                ))
            }
            // What was kept before it was taken out when it came: a server's words are nobody else's.
            Some(bytes) => {
                let clean = without_metadata(&bytes).map(|clean| clean.into_owned());
                clean.and_then(picture_file).map_err(|why| {
                    format!(
                        "what {} made of pass {number} in {}: {why}",
                        pass.editor,
                        self.memos.own.folder.display()
                    )
                })
            }
            None => Err(format!(
                "the store remembers no picture of pass {number}, {} by {} (stamp {}, key {}, in {}): name the store that it \
                 was published with; if that lost it, {RUN_AGAIN}",
                pass.operation.name(),
                pass.editor,
                pass.stamp,
                pass.key,
                self.memos.own.folder.display()
            )),
        }
    }

    /// What the editor was shown for a `visual`: the user's picture out of the store, or one that is drawn again.
    fn reference(&self, record: &EditRecord) -> Result<PictureFile, String> {
        let Some(kept) = &record.reference_picture else { return drawn_reference(record) };
        let bytes = self.remembered(&kept.stamp, &kept.key)?.ok_or_else(|| {
            format!(
                "the store remembers no reference picture {} (stamp {}, in {}): name the store that it was published with; if that \
                 lost it, run the pipeline again with its --references, then release",
                kept.key,
                kept.stamp,
                self.memos.own.folder.display()
            )
        })?;
        picture_file(bytes).map_err(|why| format!("the reference picture {}: {why}", kept.key))
    }

    /// What lies in the store under a stamp and a key, 32 hex digits each; `None` where it doesn't.
    fn remembered(&self, stamp: &str, key: &str) -> Result<Option<Vec<u8>>, String> {
        let hash = |text: &str| {
            hash_of_hex(text).ok_or_else(|| format!("its record names {text:?}, which is not 32 hex digits"))
        };
        let (stamp, key) = (Stamp(hash(stamp)?), hash(key)?);
        let answer = self.memo(stamp)?.read(&key).map_err(|error| error.to_string())?;
        Ok(answer.and_then(Result::ok))
    }

    fn memo(&self, stamp: Stamp) -> Result<Arc<Memo>, String> {
        // Answers are of every generation.
        let open =
            || Memo::open_among(&self.memos, stamp, Access::ReadOnly).map_err(|error| error.to_string());
        self.opened.get(stamp, open)
    }
}

impl Release for PublishedEdits {
    fn shards(&self) -> Vec<ReleasedShard> {
        self.listed.clone()
    }

    fn edit(&self, shard: &str, listed: &ListedEdit) -> Result<ReleasedEdit, String> {
        let (record, text) = self.record(shard, listed.edit_type, &listed.key)?;
        let open = self.open_shard(shard)?;
        let content = open.picture(&listed.key)?.content.to_string();
        Ok(released(&record, digest(&text, &content)))
    }

    fn remark(&self) -> Option<String> {
        self.remark.clone()
    }

    fn provenance(&self) -> Provenance {
        self.provenance.clone()
    }

    fn picture(&self, edit: &ReleasedEdit, picture: &PictureRef) -> Result<PictureFile, String> {
        match picture {
            PictureRef::Shown(Shown::Original) => self.open_shard(&edit.shard)?.original(&edit.key),
            PictureRef::Shown(Shown::EndFrame) => {
                let record = self.record_of(edit)?;
                self.open_shard(&edit.shard)?.end_frame(&edit.key, record.as_stored)
            }
            PictureRef::Shown(Shown::Made(number)) => {
                let record = self.record_of(edit)?;
                self.made(&record, *number)
            }
            PictureRef::Reference => {
                let record = self.record_of(edit)?;
                self.reference(&record)
            }
        }
    }
}

/// Every shard of the manifest by name, with its edits; and where those are published.
fn list(out: &Path, manifest: &Manifest) -> Result<(Vec<ReleasedShard>, HashMap<String, Source>), OpenError> {
    let mut shards: BTreeMap<&str, [Option<&Part>; 2]> = BTreeMap::new();
    for part in &manifest.parts {
        let [data, edits] = shards.entry(&part.shard).or_default();
        match part.kind {
            PartKind::Data => *data = Some(part),
            PartKind::Edits => *edits = Some(part),
            _ => {}
        }
    }
    let (mut listed, mut sources) = (Vec::new(), HashMap::new());
    for (name, [data, edits]) in shards {
        let mut shard = ReleasedShard { name: name.to_owned(), edits: Vec::new() };
        if let (Some(data), Some(edits)) = (data, edits) {
            check_part(out, edits)?;
            check_part(out, data)?;
            let path = out.join(&edits.file);
            shard.edits = list_edits(&path, &contents(&out.join(&data.file))?)?;
            let found = edits.fingerprint.clone();
            let fingerprint = hash_of_hex(&found);
            let fingerprint =
                fingerprint.ok_or_else(|| OpenError::Fingerprint { shard: name.to_owned(), found })?;
            sources.insert(name.to_owned(), Source { edits: path, fingerprint });
        }
        listed.push(shard);
    }
    Ok((listed, sources))
}

/// The kept pictures' content hashes, by key.
fn contents(data: &Path) -> Result<HashMap<String, String>, OpenError> {
    let mut contents = HashMap::new();
    each_row(data, &["key", "content"], |_, key, content| {
        contents.insert(key.to_owned(), content.to_owned());
        Ok(())
    })?;
    Ok(contents)
}

fn list_edits(path: &Path, contents: &HashMap<String, String>) -> Result<Vec<ListedEdit>, OpenError> {
    let mut listed = Vec::new();
    each_row(path, &["key", "record"], |_, key, text| {
        let edit_type = type_of(text).map_err(|error| error.to_string())?;
        let content = contents.get(key).ok_or("its picture is not published")?;
        listed.push(ListedEdit { edit_type, key: key.to_owned(), digest: digest(text, content) });
        Ok(())
    })?;
    Ok(listed)
}

/// Shows `see` two columns of text, and says of which row it complains.
fn each_row(
    path: &Path,
    columns: &[&str; 2],
    mut see: impl FnMut(u64, &str, &str) -> Result<(), String>,
) -> Result<(), OpenError> {
    let failed = |source| OpenError::Table { path: path.to_owned(), source };
    let wrong = Table::open(path).and_then(|table| {
        table.read(columns, |number, row| {
            let seen = match (row[0].as_str(), row[1].as_str()) {
                (Some(first), Some(second)) => see(number, first, second),
                _ => Err(format!("it lacks {} or {}", columns[0], columns[1])),
            };
            seen.map_or_else(|why| ControlFlow::Break((number, why)), ControlFlow::Continue)
        })
    });
    match wrong.map_err(failed)? {
        Some((row, why)) => Err(OpenError::Record { path: path.to_owned(), row, why }),
        None => Ok(()),
    }
}

fn type_of(text: &str) -> serde_json::Result<EditType> {
    #[derive(Deserialize)]
    struct Typed {
        edit_type: EditType,
    }
    serde_json::from_str(text).map(|typed: Typed| typed.edit_type)
}

/// Of all that a sample is made of: passes are named by the record, the source's own pictures by their content.
fn digest(text: &str, content: &str) -> ContentHash {
    // Since they are released without metadata.
    const CLEAN: &[u8] = b"1";
    let record = EditRecord::digest(text);
    Stamp::of(&[("record", &record.0), ("picture", content.as_bytes()), ("clean", CLEAN)]).0
}

fn released(record: &EditRecord, digest: ContentHash) -> ReleasedEdit {
    let stamps = record.stamps.iter().map(|it| StageStamp {
        stage: it.stage.clone(),
        stamp: it.stamp.clone(),
        model: it.model.clone(),
    });
    ReleasedEdit {
        edit_type: record.edit_type,
        shard: record.shard.clone(),
        key: record.key.clone(),
        digest,
        original_path: record.original_path.clone(),
        origin: record.origin.clone(),
        width: record.width,
        height: record.height,
        turns: record.turns.iter().map(turn).collect(),
        objects: record.objects.iter().map(object).collect(),
        operations: record.operations.clone(),
        results: record.results.clone(),
        premise: record.premise.clone(),
        reference: record.reference.as_ref().map(|_| PictureRef::Reference),
        scores: record.scores.clone(),
        stamps: stamps.collect(),
        judge_model: record.judge_model.clone(),
    }
}

fn turn(turn: &RecordedTurn) -> Turn {
    Turn {
        input: PictureRef::Shown(turn.input),
        output: PictureRef::Shown(turn.output),
        prompt: turn.prompt.clone(),
        judgement: Some(Judged {
            follows: turn.judgement.follows,
            natural: turn.judgement.natural,
            matches: Some(turn.judgement.matches),
            reason: turn.judgement.reason.clone(),
        }),
    }
}

fn object(object: &RecordedObject) -> EditedObject {
    EditedObject {
        step: object.step,
        noun: object.noun.clone(),
        kind: object.kind,
        bbox: object.bbox,
        mask: object.mask.clone(),
        scores: object.scores.clone(),
    }
}

fn hash_of_hex(text: &str) -> Option<ContentHash> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = digits.then(|| u128::from_str_radix(text, 16).ok())?;
    hash.map(|hash| ContentHash(hash.to_be_bytes()))
}

/// Keeps runs from publishing into the folder while it is read.
fn lock(out: &Path) -> Result<Option<File>, OpenError> {
    let Ok(file) = File::open(out.join(".lock")) else { return Ok(None) };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(OpenError::Busy(out.to_owned())),
        // A file system that knows no locks: a part that goes meanwhile is an error of its own.
        _ => Ok(Some(file)),
    }
}

#[cfg(test)]
mod tests;
