//! The writer. It computes what every part should hold, as a digest. It writes the parts that differ, and leaves the others alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use operators::plan::edit_plan::EditType;
use serde_json::Value;
use threshflow::limits::side_by_side;
use threshflow::publish::{HashedFile, Mended, Seen, Table, writable};
use threshflow::row::Stamp;

use super::card::{CARD, TypeOnCard, card};
use super::croissant::{CROISSANT, Told, croissant};
use super::edit::{ListedEdit, PicturesIn, Release, ReleasedShard};
use super::error::ReleaseError;
use super::folder::{Details, Folder, Manifest, NamedFile, Part, StagedFile, VERSION, check_ours};
use super::names::{DETAILS, FOLDERS, SCORES, folders, part_name};
use super::origins::{ORIGIN_COLUMNS, Origins};
use super::part::{PlannedPart, finish_table, new_table, rows_path, staged_file, write_part};
use super::scores::{SCORE_COLUMNS, ScoresWriter};
use super::tables;

/// Of the rows that have pictures: raised where their bytes change.
const EMBEDDED_VERSION: u64 = 1;

/// What an export did. A part is one type's edits from one source shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    pub parts_written: usize,
    pub parts_removed: usize,
    pub parts_unchanged: usize,
    /// Of tars, tables and scores.
    pub bytes_written: u64,
    /// Files that stay released and were damaged or missing: written again.
    pub mended: Vec<Mended>,
}

/// Whether [`release`] may and can write to `to`, as far as can be told without changing it.
pub fn check_release(to: &Path) -> Result<(), ReleaseError> {
    writable(to).map_err(ReleaseError::io("write to", to))?;
    check_ours(to)?;
    for folder in FOLDERS.iter().map(|folder| to.join(folder)).filter(|it| it.symlink_metadata().is_ok()) {
        writable(&folder).map_err(ReleaseError::io("write to", &folder))?;
    }
    Ok(())
}

/// Makes `to` hold exactly the edits that `release` lists, with their pictures where `layout` says.
///
/// Only parts are written whose edits changed since the last time, or whose files are missing or cut, and with them the details
/// of their types and the scores. Needs room for these beside what they replace. The bytes are a function of the edits and
/// `layout`; with another one, every part is written anew. An error leaves what was there before; see `folder` for crashes.
pub fn release(to: &Path, release: &impl Release, layout: PicturesIn) -> Result<Released, ReleaseError> {
    let shards = release.shards();
    let planned = plan(&shards, layout)?;
    let folder = Folder::open(to)?;
    let mut writer = Writer { folder: &folder, release, layout, staged: Vec::new() };
    let done = writer.write(&planned);
    if done.is_err() {
        // Half a part on a full disk is in the way.
        let _ = folder.remove_writing();
    }
    done
}

/// The parts in the order of types and numbers.
fn plan(shards: &[ReleasedShard], layout: PicturesIn) -> Result<Vec<PlannedPart<'_>>, ReleaseError> {
    let mut order: Vec<&ReleasedShard> = shards.iter().collect();
    order.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = order.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(ReleaseError::Listing(format!("two shards are named {}", pair[0].name)));
    }
    let shard_folders = folders(order.iter().map(|shard| shard.name.as_str()));
    let mut planned = Vec::new();
    for edit_type in EditType::ALL {
        for (place, (shard, shard_folder)) in order.iter().zip(&shard_folders).enumerate() {
            let edits: Vec<&ListedEdit> =
                shard.edits.iter().filter(|edit| edit.edit_type == edit_type).collect();
            if edits.is_empty() {
                continue;
            }
            let mut keys = HashSet::new();
            if let Some(twice) = edits.iter().find(|edit| !keys.insert(edit.key.as_str())) {
                let (name, key) = (&shard.name, &twice.key);
                return Err(ReleaseError::Listing(format!(
                    "shard {name}, {key}: there are two {edit_type} edits"
                )));
            }
            let keys = folders(edits.iter().map(|edit| edit.key.as_str()));
            let folder = |key: String| format!("results_{edit_type}_{shard_folder}/{key}");
            let edits: Vec<_> = edits.into_iter().zip(keys.into_iter().map(folder)).collect();
            let part = part_name(edit_type, place + 1);
            let digest = digest(&part, &edits, layout);
            planned.push(PlannedPart { part, edit_type, shard: &shard.name, digest, edits });
        }
    }
    Ok(planned)
}

fn digest(part: &str, edits: &[(&ListedEdit, String)], layout: PicturesIn) -> String {
    let version = VERSION.to_le_bytes();
    let pictures: (&str, [u8; 8]) = match layout {
        PicturesIn::Tars { piece_bytes } => ("piece_bytes", piece_bytes.to_le_bytes()),
        PicturesIn::Rows => ("pictures in rows", EMBEDDED_VERSION.to_le_bytes()),
    };
    let mut parts: Vec<(&str, &[u8])> =
        vec![("part", part.as_bytes()), ("version", &version), (pictures.0, &pictures.1)];
    for (edit, folder) in edits {
        parts.extend([("folder", folder.as_bytes()), ("edit", &edit.digest.0)]);
    }
    Stamp::of(&parts).0.to_string()
}

/// What the card tells of: the types that have edits.
fn types_of(planned: &[PlannedPart<'_>]) -> Vec<TypeOnCard> {
    let of_type = |edit_type| {
        let parts = planned.iter().filter(|part| part.edit_type == edit_type);
        TypeOnCard {
            edit_type,
            edits: parts.clone().map(|part| part.edits.len()).sum(),
            parts: parts.count(),
        }
    };
    EditType::ALL.into_iter().map(of_type).filter(|it| it.parts > 0).collect()
}

/// Each holds a sample, and its files are on one disk.
const MOST_WRITERS: usize = 8;

struct Writer<'a, R> {
    folder: &'a Folder,
    release: &'a R,
    layout: PicturesIn,
    staged: Vec<StagedFile>,
}

impl<R: Release> Writer<'_, R> {
    fn write(&mut self, planned: &[PlannedPart<'_>]) -> Result<Released, ReleaseError> {
        let mut seen = Seen::read(&self.folder.root);
        let damages = self.folder.damages(&mut seen);
        let kept = self.kept(planned, &damages);
        let kept_parts: HashMap<&str, &Part> =
            kept.parts.iter().map(|part| (part.part.as_str(), part)).collect();
        let is_new = |part: &&PlannedPart<'_>| !kept_parts.contains_key(part.part.as_str());
        let new: Vec<&PlannedPart<'_>> = planned.iter().filter(is_new).collect();
        let mut written = self.write_parts(&new)?.into_iter();
        let parts_written = new.len();
        let mut after = Manifest::empty();
        for part in planned {
            match kept_parts.get(part.part.as_str()) {
                Some(&same) => after.parts.push(same.clone()),
                None => {
                    for (part, staged) in written.by_ref().take(1) {
                        after.parts.push(part);
                        self.staged.extend(staged);
                    }
                }
            }
        }
        for edit_type in EditType::ALL {
            after.details.extend(self.details(edit_type, &kept, &after)?);
        }
        after.scores = match &kept.scores {
            Some(same) => Some(same.clone()),
            None => Some(self.write_scores(&after)?),
        };
        // A file that was missing is staged, and the manifest stays the same.
        if !self.staged.is_empty() || after != self.folder.before || self.folder.has_strays(&after)? {
            self.folder.put_in_place(&self.staged, &kept, &after)?;
        }
        self.write_notes(&types_of(planned), &after)?;
        let named: HashSet<&str> = after.files().map(|file| file.path.as_str()).collect();
        self.staged.iter().for_each(|staged| staged.file.note(&self.folder.root, &mut seen));
        seen.write(&self.folder.root, named.iter().copied());
        let mut mended: Vec<Mended> = damages.into_iter().map(|(file, why)| Mended { file, why }).collect();
        mended.retain(|mended| named.contains(mended.file.as_str()));
        mended.sort_by(|one, other| one.file.cmp(&other.file));
        let before = &self.folder.before.parts;
        let now: HashSet<&str> = after.parts.iter().map(|part| part.part.as_str()).collect();
        Ok(Released {
            parts_written,
            parts_removed: before.iter().filter(|part| !now.contains(part.part.as_str())).count(),
            parts_unchanged: kept.parts.len(),
            bytes_written: self.staged.iter().map(|staged| staged.file.bytes).sum(),
            mended,
        })
    }

    /// Writes the card and what is beside it, out of everybody's details.
    fn write_notes(&self, types: &[TypeOnCard], manifest: &Manifest) -> Result<(), ReleaseError> {
        let mut origins = Origins::default();
        for details in &manifest.details {
            let path = self.folder.root.join(&details.file.path);
            each_row(&path, &ORIGIN_COLUMNS, |row| {
                origins.push(row);
                Ok(())
            })?;
        }
        let (remark, provenance) = (self.release.remark(), self.release.provenance());
        let (layout, remark, origins) = (self.layout, remark.as_deref(), &origins);
        self.folder.write_note(CARD, &card(types, layout, remark, origins))?;
        let told = Told { types, layout, manifest, origins, provenance: &provenance, remark };
        self.folder.write_note(CROISSANT, &croissant(&told))
    }

    /// Writes parts, several at a time; gives them in their order, each with its files.
    fn write_parts(&self, parts: &[&PlannedPart<'_>]) -> Result<Vec<(Part, Vec<StagedFile>)>, ReleaseError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let mut done = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(part) = parts.get(number) else { break };
                done.push((
                    number,
                    write_part(self.folder, self.release, self.layout, part)
                        .inspect_err(|_| stop.store(true, Ordering::Relaxed))?,
                ));
            }
            Ok::<_, ReleaseError>(done)
        };
        let mut written = Vec::with_capacity(parts.len());
        for ended in side_by_side(threads.min(MOST_WRITERS).min(parts.len()), work) {
            written.extend(ended?);
        }
        written.sort_by_key(|(number, _)| *number);
        Ok(written.into_iter().map(|(_, part)| part).collect())
    }

    /// What of the folder stays as it is: the details of types of which nothing changed, and parts of the same digest
    /// whose files are there, if the rows of their details can be copied.
    fn kept(&self, planned: &[PlannedPart<'_>], damages: &HashMap<String, String>) -> Manifest {
        let before = &self.folder.before;
        let whole = |file: &NamedFile| !damages.contains_key(&file.path);
        let types: HashSet<&str> = before
            .details
            .iter()
            .filter(|details| whole(&details.file))
            .map(|details| details.edit_type.as_str())
            .collect();
        let digests: HashMap<&str, &str> =
            planned.iter().map(|part| (part.part.as_str(), part.digest.as_str())).collect();
        let mut kept = Manifest::empty();
        let same = |part: &&Part| {
            digests.get(part.part.as_str()) == Some(&part.digest.as_str())
                && types.contains(part.edit_type.as_str())
                && part.files.iter().all(whole)
        };
        kept.parts = before.parts.iter().filter(same).cloned().collect();
        let count = |parts: &mut dyn Iterator<Item = &str>| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            parts.for_each(|edit_type| *counts.entry(edit_type.to_owned()).or_default() += 1);
            counts
        };
        let was = count(&mut before.parts.iter().map(|part| part.edit_type.as_str()));
        let stays = count(&mut kept.parts.iter().map(|part| part.edit_type.as_str()));
        let wanted = count(&mut planned.iter().map(|part| part.edit_type.name()));
        let unchanged = |name: &str| {
            stays
                .get(name)
                .is_some_and(|stays| was.get(name) == Some(stays) && wanted.get(name) == Some(stays))
        };
        kept.details =
            before.details.iter().filter(|details| unchanged(&details.edit_type)).cloned().collect();
        let all = was == stays && wanted == stays && kept.details.len() == before.details.len();
        kept.scores = before.scores.clone().filter(|scores| all && whole(scores));
        kept
    }

    /// The details of a type: as they are, or of the rows of its parts, new and old.
    fn details(
        &mut self,
        edit_type: EditType,
        kept: &Manifest,
        after: &Manifest,
    ) -> Result<Option<Details>, ReleaseError> {
        let name = edit_type.name();
        if let Some(same) = kept.details.iter().find(|details| details.edit_type == name) {
            return Ok(Some(same.clone()));
        }
        let parts: Vec<&Part> = after.parts.iter().filter(|part| part.edit_type == name).collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let path = format!("{DETAILS}/{name}.parquet");
        let (columns, old) = (tables::details(), self.folder.root.join(&path));
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let mut table = new_table(self.folder, &path, &columns)?;
        let is_kept: HashSet<&str> = kept.parts.iter().map(|part| part.part.as_str()).collect();
        let mut rows = 0;
        let mut push = |row: &[Value]| {
            rows += 1;
            table.0.push(row).map_err(ReleaseError::table(&table.1))
        };
        // Old rows are in the order of the parts, too: new parts go before, between and behind them.
        let mut left = parts.iter().peekable();
        let mut write_new =
            |until: Option<&str>, push: &mut dyn FnMut(&[Value]) -> Result<(), ReleaseError>| {
                while let Some(part) = left.next_if(|part| Some(part.part.as_str()) != until) {
                    if !is_kept.contains(part.part.as_str()) {
                        each_new_row(&rows_path(self.folder, &part.part)?, &mut *push)?;
                    }
                }
                Ok::<_, ReleaseError>(())
            };
        if parts.iter().any(|part| is_kept.contains(part.part.as_str())) {
            each_row(&old, &names, |row| {
                let part = row[0].as_str().filter(|part| is_kept.contains(part));
                part.map_or(Ok(()), |part| write_new(Some(part), &mut push).and_then(|()| push(row)))
            })?;
        }
        write_new(None, &mut push)?;
        let edits: usize = parts.iter().map(|part| part.edits).sum();
        if rows != edits {
            let why = format!(
                "has other rows than were written: delete it and export again ({rows} for {edits} edits)"
            );
            return Err(ReleaseError::Manifest { path: old, why });
        }
        let staged = finish_table(table, path)?;
        let file = staged.file.clone();
        self.staged.push(staged);
        Ok(Some(Details { edit_type: name.to_owned(), file }))
    }

    /// The scores, out of everybody's details.
    fn write_scores(&mut self, after: &Manifest) -> Result<NamedFile, ReleaseError> {
        let path = self.folder.root.join(SCORES);
        let failed = |error| ReleaseError::io("write", &path)(error);
        let file = HashedFile::create(self.folder.staged(SCORES)?).map_err(failed)?;
        let mut scores = ScoresWriter::new(file).map_err(failed)?;
        for details in &after.details {
            let new = self.staged.iter().find(|staged| staged.file.path == details.file.path);
            let path =
                new.map_or_else(|| self.folder.root.join(&details.file.path), |new| new.staged.clone());
            each_row(&path, &SCORE_COLUMNS, |row| scores.push(row).map_err(failed))?;
        }
        let piece = scores.finish().and_then(HashedFile::finish).map_err(failed)?;
        let staged = staged_file(SCORES.to_owned(), piece);
        let file = staged.file.clone();
        self.staged.push(staged);
        Ok(file)
    }
}

fn each_row(
    path: &Path,
    columns: &[&str],
    mut see: impl FnMut(&[Value]) -> Result<(), ReleaseError>,
) -> Result<(), ReleaseError> {
    let table = Table::open(path).map_err(ReleaseError::table(path))?;
    let failed = table.read(columns, |_, row| match see(row) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    });
    failed.map_err(ReleaseError::table(path))?.map_or(Ok(()), Err)
}

/// The rows that a part's writing left for its type's details.
fn each_new_row(
    path: &Path,
    mut see: impl FnMut(&[Value]) -> Result<(), ReleaseError>,
) -> Result<(), ReleaseError> {
    let rows = File::open(path).map_err(ReleaseError::io("read", path))?;
    for line in BufReader::new(rows).lines() {
        let line = line.map_err(ReleaseError::io("read", path))?;
        let row: Vec<Value> =
            serde_json::from_str(&line).map_err(|error| ReleaseError::io("read", path)(error.into()))?;
        see(&row)?;
    }
    Ok(())
}
