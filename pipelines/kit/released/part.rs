//! One part: its pictures, in a tar or in its rows, its table, and the rows that its type's details will have of it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use operators::plan::edit_plan::EditType;
use serde_json::Value;
use threshflow::publish::{Chunk, HashedFile, Nested, PlainTar, SplitFile, TableWriter};
use threshflow::row::ContentHash;

use super::edit::{ListedEdit, PicturesIn, Release, ReleasedEdit};
use super::error::ReleaseError;
use super::features;
use super::folder::{Folder, NamedFile, Part, StagedFile};
use super::names::{DETAILS, PARQUET, tar_folder};
use super::sample::{HeldFiles, SamplePaths, write_sample};
use super::tables;

/// A part that is wanted.
pub(crate) struct PlannedPart<'a> {
    pub part: String,
    pub edit_type: EditType,
    pub shard: &'a str,
    pub digest: String,
    /// The edits, each with the folder of its files.
    pub edits: Vec<(&'a ListedEdit, String)>,
}

/// With its place, which messages name.
pub(crate) type StagedTable = (TableWriter<HashedFile>, PathBuf);

/// Where a part's pictures go: into its tar, or, without one, into the rows of its table.
struct Pictures {
    tar: Option<PlainTar<SplitFile>>,
}

impl Pictures {
    /// Of `layout`, in pieces of a tar that begin with `tar_path`.
    fn of(layout: PicturesIn, folder: &Folder, tar_path: &str) -> Result<Self, ReleaseError> {
        let PicturesIn::Tars { piece_bytes } = layout else { return Ok(Pictures { tar: None }) };
        let staged = folder.staged(tar_path)?;
        Ok(Pictures { tar: Some(PlainTar::new(SplitFile::create(staged, piece_bytes))) })
    }

    /// Puts the files of an edit into the tar, or gives what is to go into its row.
    fn take_in(
        &mut self,
        folder: &str,
        edit: &ReleasedEdit,
        release: &impl Release,
    ) -> Result<(SamplePaths, Option<HeldFiles>), String> {
        if let Some(tar) = &mut self.tar {
            return Ok((write_sample(tar, folder, edit, release)?, None));
        }
        let mut held = HeldFiles::default();
        let paths = write_sample(&mut held, folder, edit, release)?;
        Ok((paths, Some(held)))
    }

    /// The pieces of the tar, where there is one.
    fn finish(self, folder: &Folder, tar_path: &str) -> Result<Vec<StagedFile>, ReleaseError> {
        let Some(tar) = self.tar else { return Ok(Vec::new()) };
        let pieces = tar.finish().and_then(SplitFile::finish);
        let pieces = pieces.map_err(ReleaseError::io("write", &folder.root.join(tar_path)))?;
        let piece = |(number, piece)| staged_file(format!("{tar_path}.{number:03}"), piece);
        Ok((0..).zip(pieces).map(|it: (u32, Chunk)| piece(it)).collect())
    }
}

/// Writes a part's pictures, its table, and the rows that its type's details will have of it.
pub(crate) fn write_part(
    folder: &Folder,
    release: &impl Release,
    layout: PicturesIn,
    part: &PlannedPart<'_>,
) -> Result<(Part, Vec<StagedFile>), ReleaseError> {
    let tar_path = format!("{}/{}.tar.split", tar_folder(part.edit_type), part.part);
    let mut pictures = Pictures::of(layout, folder, &tar_path)?;
    let columns = tables::columns(part.edit_type.is_multi_turn(), layout == PicturesIn::Rows);
    let table_path = format!("{PARQUET}/{}.parquet", part.part);
    let mut table = new_table(folder, &table_path, &columns)?;
    let rows_path = rows_path(folder, &part.part)?;
    let details = folder.root.join(format!("{DETAILS}/{}.parquet", part.edit_type));
    let rows_failed = |error| ReleaseError::io("write", &details)(error);
    let mut rows = BufWriter::new(File::create(&rows_path).map_err(rows_failed)?);
    for (listed, files) in &part.edits {
        let refused = |why: String| ReleaseError::Edit {
            shard: part.shard.to_owned(),
            key: listed.key.clone(),
            edit_type: part.edit_type.name(),
            why,
        };
        let edit = release.edit(part.shard, listed).map_err(refused)?;
        is_listed(&edit, part.shard, listed).map_err(refused)?;
        let (paths, held) = pictures.take_in(files, &edit, release).map_err(refused)?;
        let held = held.unwrap_or_default();
        let row = tables::row(&edit, &paths, held.task.as_deref());
        table.0.push_pictures(&row, &held.pictures).map_err(|error| ReleaseError::table(&table.1)(error))?;
        let row = Value::Array(tables::details_row(&part.part, &edit, &paths));
        writeln!(rows, "{row}").map_err(rows_failed)?;
    }
    rows.flush().map_err(rows_failed)?;
    let mut staged = pictures.finish(folder, &tar_path)?;
    staged.push(finish_table(table, table_path)?);
    let part = Part {
        part: part.part.clone(),
        edit_type: part.edit_type.name().to_owned(),
        shard: part.shard.to_owned(),
        edits: part.edits.len(),
        digest: part.digest.clone(),
        files: staged.iter().map(|staged| staged.file.clone()).collect(),
    };
    Ok((part, staged))
}

/// Where a part's writing leaves the rows for its type's details.
pub(crate) fn rows_path(folder: &Folder, part: &str) -> Result<PathBuf, ReleaseError> {
    folder.staged(&format!("rows/{part}.jsonl"))
}

/// A table that is to lie at `path`. Where it has pictures, its footer says so.
pub(crate) fn new_table(
    folder: &Folder,
    path: &str,
    columns: &[(&'static str, Nested)],
) -> Result<StagedTable, ReleaseError> {
    let wanted = folder.root.join(path);
    let file = HashedFile::create(folder.staged(path)?).map_err(ReleaseError::io("make", &wanted))?;
    let notes = match tables::has_pictures(columns) {
        true => vec![(features::NOTE, features::note(columns))],
        false => Vec::new(),
    };
    Ok((TableWriter::noting(file, columns, &notes).map_err(ReleaseError::table(&wanted))?, wanted))
}

pub(crate) fn finish_table((table, wanted): StagedTable, path: String) -> Result<StagedFile, ReleaseError> {
    let file = table.finish().map_err(ReleaseError::table(&wanted))?;
    let piece = file.finish().map_err(ReleaseError::io("write", &wanted))?;
    Ok(staged_file(path, piece))
}

pub(crate) fn staged_file(path: String, piece: Chunk) -> StagedFile {
    let file = NamedFile { path, bytes: piece.bytes, hash: piece.hash.to_string(), sha256: piece.sha256 };
    StagedFile { staged: piece.path, file }
}

/// Whether what was asked for is what came.
fn is_listed(edit: &ReleasedEdit, shard: &str, listed: &ListedEdit) -> Result<(), String> {
    let of = |edit_type: EditType, shard: &str, key: &str, digest: ContentHash| {
        format!("{shard}, {key}, {edit_type}, {digest}")
    };
    let came = of(edit.edit_type, &edit.shard, &edit.key, edit.digest);
    let asked = of(listed.edit_type, shard, &listed.key, listed.digest);
    if came == asked { Ok(()) } else { Err(format!("what was listed is not what came: {came}")) }
}
