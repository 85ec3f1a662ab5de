//! Where a row ended, and why: read from what is published, without the store.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use super::manifest::{Manifest, Part, PartKind, PublishedDial, PublishedStage, read_manifest};
use super::parquet::{self, Cell, Rows};
use super::pieces::pieces_kept_column;
use super::rejected::{REJECTED, SCORES, reasons_of_pieces};
use super::{PublishError, check_part, wanted};
use crate::row::Of;
use crate::shard::undivided;

/// Where a row ended, and all that its story needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The shard's name.
    pub shard: String,
    /// The row's key in it.
    pub key: String,
    /// Where it ended.
    pub ended: Ended,
    /// Where its regions ended, in the order of their numbers. What was published before such regions were rows does not tell of
    /// those that passed everything and whose picture is rejected.
    pub regions: Vec<ExplainedPiece>,
    /// Where its edits ended, likewise.
    pub edits: Vec<ExplainedPiece>,
    /// Where other rows of the same key ended: a key that comes back later in its shard is refused there.
    pub also: Vec<Ended>,
    /// What of the sidecars could not be used as it stands, and why.
    pub sidecar_error: Option<String>,
    /// Where the dials stood.
    pub dials: Vec<PublishedDial>,
    /// The stages, in the order of their wiring.
    pub stages: Vec<PublishedStage>,
}

/// A region or an edit of a row's picture.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedPiece {
    /// Its place among the regions that were found in the picture; the number of the edit.
    pub number: i64,
    /// Where it ended.
    pub ended: PieceEnded,
    /// Its scores by name, in order; of one that was held back or refused those that it had by then.
    pub scores: Vec<(String, f32)>,
}

/// The end of a region or an edit.
#[derive(Clone, Debug, PartialEq)]
pub enum PieceEnded {
    /// It is published with its picture.
    Kept,
    /// It passed everything, and its picture is not published.
    WithPicture,
    /// It was held back or refused, as a row would be.
    Rejected(Ended),
}

/// The end of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It is published.
    Kept(Kept),
    /// A gate held it back.
    Gated {
        /// The gate's dial.
        dial: String,
        /// The row's score there.
        score: f32,
        /// Where the dial stood.
        threshold: f32,
    },
    /// It ended without an answer.
    Refused {
        /// The stage's name.
        stage: String,
        /// The word that counts are kept by.
        class: String,
        /// What failed, for a person.
        message: String,
    },
}

/// A published row.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The picture's file name.
    pub picture: String,
    /// Where its bytes begin in the shard.
    pub offset: i64,
    /// How many they are.
    pub length: i64,
    /// In pixels, as shown.
    pub width: i32,
    /// In pixels, as shown.
    pub height: i32,
    /// `jpeg`, `png`.
    pub format: String,
    /// The content hash, in hex.
    pub content: String,
    /// By column, in order.
    pub scores: Vec<(String, f32)>,
    /// The sample's caption.
    pub caption: Option<String>,
}

/// A row as it is published: the shard's name and its key there. Both may hold slashes, so that the two glued by one may be those of
/// another row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The shard's name.
    pub shard: String,
    /// The row's key in it.
    pub key: String,
}

/// As it is shown to people: `shard/key`.
impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shard, self.key)
    }
}

/// Where the row of that key in the shard of that name ended, by what `out` publishes; `None` where there is none.
pub(crate) fn find_verdict_in(out: &Path, shard: &str, key: &str) -> Result<Option<Explained>, PublishError> {
    with_manifest(out, |manifest| {
        for shard in parts_called(manifest, shard) {
            let found = find_in_shard(out, manifest, shard, key)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    })
}

/// Where the row of `key` ended, by what `out` publishes; `None` where no row has that key (see `near_keys`).
///
/// `key` is `shard/key`, where both may hold slashes, or a key alone. An error where that may be several rows:
/// `find_verdict_in` takes the two apart.
pub fn find_verdict(out: &Path, key: &str) -> Result<Option<Explained>, PublishError> {
    with_manifest(out, |manifest| {
        let mut read = Vec::new();
        for (shard, rest) in splits(manifest, key) {
            read.extend(find_in_shard(out, manifest, shard, rest)?);
        }
        if let [one, _, ..] = &read[..] {
            let apart = |row: &Explained| format!("--shard {:?} {:?}", row.shard, row.key);
            return Err(PublishError::AmbiguousKey {
                key: format!("{}/{}", one.shard, one.key),
                count: read.len(),
                candidates: read.iter().take(5).map(apart).collect(),
            });
        }
        if let Some(found) = read.pop() {
            return Ok(Some(found));
        }
        let mut holders = BTreeSet::new();
        for part in manifest.parts.iter().filter(|part| holds_rows(part)) {
            if !rows_of_key(out, part, key)?.is_empty() {
                holders.insert(part.shard.as_str());
            }
        }
        match holders.iter().collect::<Vec<_>>()[..] {
            [] => Ok(None),
            [shard] => find_in_shard(out, manifest, shard, key),
            _ => Err(PublishError::AmbiguousKey {
                key: key.to_owned(),
                count: holders.len(),
                candidates: holders.iter().take(5).map(|shard| format!("{shard}/{key}")).collect(),
            }),
        }
    })
}

/// Up to three keys, as `shard/key`, that are spelled nearly like `key`, the nearest first.
pub(crate) fn near_keys(out: &Path, key: &str) -> Result<Vec<String>, PublishError> {
    const MOST: usize = 3;
    let furthest = (key.chars().count() / 4).max(2);
    with_manifest(out, |manifest| {
        let mut near: BTreeSet<(usize, String)> = BTreeSet::new();
        for part in manifest.parts.iter().filter(|part| holds_rows(part)) {
            let path = out.join(&part.file);
            let seen = parquet::read(&path, &["key"], Rows::All, |_, cells| {
                if let Cell::Text(row) = cells[0] {
                    let full = format!("{}/{row}", part.shard);
                    let distance =
                        [row, &full].into_iter().filter_map(|it| distance(key, it, furthest)).min();
                    near.extend(distance.map(|distance| (distance, full)));
                    if near.len() > MOST {
                        near.pop_last();
                    }
                }
                ControlFlow::<()>::Continue(())
            });
            seen.map_err(|error| parquet::failure("read", &path, error))?;
        }
        Ok(near.into_iter().map(|(_, full)| full).collect())
    })
}

/// Every row of the input is in one of these parts.
fn holds_rows(part: &Part) -> bool {
    matches!(part.kind, PartKind::Data | PartKind::Rejected)
}

/// How many edits lie between two texts, if not more than `furthest`.
fn distance(one: &str, other: &str, furthest: usize) -> Option<usize> {
    // Four bytes a character at most: lengths that differ more cannot be that near, and most keys end here.
    if one.len().abs_diff(other.len()) > 4 * furthest {
        return None;
    }
    Some(strsim::osa_distance(one, other)).filter(|distance| *distance <= furthest)
}

/// Runs `look` on the manifest, and again where a commit swept a part between the two reads.
pub(super) fn with_manifest<T>(
    out: &Path,
    look: impl Fn(&Manifest) -> Result<T, PublishError>,
) -> Result<T, PublishError> {
    let read = || read_manifest(out)?.ok_or_else(|| PublishError::NothingPublished { path: out.to_owned() });
    let mut manifest = read()?;
    loop {
        match look(&manifest) {
            Err(PublishError::Io { source, doing, path })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                let now = read()?;
                if now == manifest {
                    return Err(PublishError::Io { source, doing, path });
                }
                manifest = now;
            }
            looked => return looked,
        }
    }
}

/// Every way in which `key` is the name of a shard, a slash and something more, the longest name first.
fn splits<'a>(manifest: &'a Manifest, key: &'a str) -> Vec<(&'a str, &'a str)> {
    let slashes = key.char_indices().rev().filter(|(_, letter)| *letter == '/');
    let of_slash = |(at, _): (usize, char)| {
        parts_called(manifest, &key[..at]).into_iter().map(move |shard| (shard, &key[at + 1..]))
    };
    slashes.flat_map(of_slash).collect()
}

/// The shard of that name; the parts of the folder of pictures of that name, if it is in parts: who asks knows nothing of them.
fn parts_called<'a>(manifest: &'a Manifest, name: &str) -> BTreeSet<&'a str> {
    let is_folder = manifest.folders.iter().any(|folder| folder.shard == name);
    let shards = manifest.parts.iter().map(|part| part.shard.as_str());
    shards.filter(|shard| *shard == name || is_folder && undivided(shard) == name).collect()
}

fn find_in_shard(
    out: &Path,
    manifest: &Manifest,
    shard: &str,
    key: &str,
) -> Result<Option<Explained>, PublishError> {
    let mut rows = Vec::new();
    let mut pieces = Of::PIECES.map(|of| (of, Vec::new()));
    // Kept before rejected: a row that is kept is the one that its key means.
    for kind in [PartKind::Data, PartKind::Rejected] {
        for part in manifest.parts.iter().filter(|part| part.shard == shard && part.kind == kind) {
            for row in rows_of_key(out, part, key)? {
                rows.push(read_row(out, manifest, part, row)?);
                if kind == PartKind::Data {
                    for (of, pieces) in &mut pieces {
                        pieces.extend(kept_pieces(out, manifest, part, (*of, row))?);
                    }
                }
            }
        }
    }
    for (of, pieces) in &mut pieces {
        let kind = if *of == Of::Edits { PartKind::EditsRejected } else { PartKind::RegionsRejected };
        for part in manifest.parts.iter().filter(|part| part.shard == shard && part.kind == kind) {
            pieces.extend(rejected_pieces(out, manifest, part, (*of, key))?);
        }
        pieces.sort_by_key(|piece: &ExplainedPiece| piece.number);
    }
    let [(_, regions), (_, edits)] = pieces;
    let mut rows = rows.into_iter();
    let Some((ended, sidecar_error)) = rows.next() else { return Ok(None) };
    Ok(Some(Explained {
        shard: shard.to_owned(),
        key: key.to_owned(),
        ended,
        regions,
        edits,
        also: rows.map(|(ended, _)| ended).collect(),
        sidecar_error,
        dials: manifest.dials.clone(),
        stages: manifest.stages.clone(),
    }))
}

/// The numbers of the rows of `part` that have this key. Keys alone are read: the rest of a row may be long.
fn rows_of_key(out: &Path, part: &Part, key: &str) -> Result<Vec<usize>, PublishError> {
    check_part(out, part)?;
    let path = out.join(&part.file);
    let mut rows = Vec::new();
    let seen = parquet::read(&path, &["key"], Rows::All, |number, cells| {
        if cells[0] == Cell::Text(key) {
            rows.push(number);
        }
        ControlFlow::<()>::Continue(())
    });
    seen.map_err(|error| parquet::failure("read", &path, error))?;
    Ok(rows)
}

fn read_row(
    out: &Path,
    manifest: &Manifest,
    part: &Part,
    row: usize,
) -> Result<(Ended, Option<String>), PublishError> {
    let path = out.join(&part.file);
    let scores: Vec<&str> = manifest.score_columns.iter().map(String::as_str).collect();
    let columns = match part.kind {
        PartKind::Data => wanted::data_columns(&scores)?,
        _ => wanted::rejected_columns(),
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let found = parquet::read(&path, &names, Rows::Only(row), |_, cells| {
        let cells = Cells { names: &names, cells };
        let ended = match part.kind {
            PartKind::Data => cells.kept(&scores),
            _ => cells.rejected(),
        };
        ControlFlow::Break(ended.map(|ended| (ended, cells.maybe_text("sidecar_error"))))
    });
    let found = found.map_err(|error| parquet::failure("read", &path, error))?.flatten();
    found.ok_or_else(|| not_ours(path, row))
}

/// The pieces of that sort that are published with a row of a data part.
fn kept_pieces(
    out: &Path,
    manifest: &Manifest,
    part: &Part,
    (of, row): (Of, usize),
) -> Result<Vec<ExplainedPiece>, PublishError> {
    let published = if of == Of::Edits { &manifest.edits } else { &manifest.regions };
    let Some(published) = published else { return Ok(Vec::new()) };
    let kept = |piece: &serde_json::Value| {
        // No number: JSON has none for it.
        let score = |name: &String| (name.clone(), piece[name].as_f64().map_or(f32::NAN, |it| it as f32));
        let scores = published.score_columns.iter().map(score).collect();
        Some(ExplainedPiece { number: piece["number"].as_i64()?, ended: PieceEnded::Kept, scores })
    };
    let path = out.join(&part.file);
    let found = parquet::read(&path, &[pieces_kept_column(of)], Rows::Only(row), |_, cells| {
        let pieces = if let Cell::Json(pieces) = &cells[0] { pieces.as_array() } else { None };
        ControlFlow::Break(pieces.and_then(|pieces| pieces.iter().map(kept).collect()))
    });
    let found = found.map_err(|error| parquet::failure("read", &path, error))?.flatten();
    found.ok_or_else(|| not_ours(path, row))
}

/// The pieces of the picture of this key that are not published with it.
fn rejected_pieces(
    out: &Path,
    manifest: &Manifest,
    part: &Part,
    (of, key): (Of, &str),
) -> Result<Vec<ExplainedPiece>, PublishError> {
    let path = out.join(&part.file);
    let failed = |error| parquet::failure("read", &path, error);
    let published = if of == Of::Edits { &manifest.edits } else { &manifest.regions };
    let score_names = published.as_ref().map(|it| it.score_columns.as_slice()).unwrap_or_default();
    let columns = reasons_of_pieces(of);
    // What was published by an earlier version lacks the others.
    let there = parquet::columns_of(&path).map_err(failed)?;
    let told = [REJECTED, SCORES].into_iter().filter(|name| there.iter().any(|known| known == name));
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).chain(told).collect();
    let mut pieces = Vec::new();
    let broken = parquet::read(&path, &names, Rows::All, |row, cells| {
        let cells = Cells { names: &names, cells };
        if cells.get("key") != Some(Cell::Text(key)) {
            return ControlFlow::Continue(());
        }
        match cells.rejected_piece(of, score_names) {
            None => ControlFlow::Break(row),
            Some(piece) => {
                pieces.push(piece);
                ControlFlow::Continue(())
            }
        }
    });
    match broken.map_err(failed)? {
        Some(row) => Err(not_ours(path, row)),
        None => Ok(pieces),
    }
}

pub(super) fn not_ours(path: std::path::PathBuf, row: usize) -> PublishError {
    PublishError::Part {
        path,
        why: format!("row {row} has not the cells that it should have"),
        next: "run the pipeline again with another --out: this part was not written by it",
    }
}

/// A row by its columns' names. `None` where a cell is missing that never is.
struct Cells<'a> {
    names: &'a [&'a str],
    cells: &'a [Cell<'a>],
}

impl Cells<'_> {
    fn get(&self, name: &str) -> Option<Cell<'_>> {
        self.names.iter().position(|it| *it == name).map(|place| self.cells[place].clone())
    }
    fn maybe_text(&self, name: &str) -> Option<String> {
        if let Cell::Text(text) = self.get(name)? { Some(text.to_owned()) } else { None }
    }
    fn int32(&self, name: &str) -> Option<i32> {
        if let Cell::Int32(value) = self.get(name)? { Some(value) } else { None }
    }
    fn int64(&self, name: &str) -> Option<i64> {
        if let Cell::Int64(value) = self.get(name)? { Some(value) } else { None }
    }
    fn float32(&self, name: &str) -> Option<f32> {
        if let Cell::Float32(value) = self.get(name)? { Some(value) } else { None }
    }

    fn kept(&self, scores: &[&str]) -> Option<Ended> {
        let score = |name: &&str| Some(((*name).to_owned(), self.float32(name)?));
        Some(Ended::Kept(Kept {
            picture: self.maybe_text("picture")?,
            offset: self.int64("offset")?,
            length: self.int64("length")?,
            width: self.int32("width")?,
            height: self.int32("height")?,
            format: self.maybe_text("format")?,
            content: self.maybe_text("content")?,
            scores: scores.iter().map(score).collect::<Option<_>>()?,
            caption: self.maybe_text("caption"),
        }))
    }

    fn rejected_piece(&self, of: Of, score_names: &[String]) -> Option<ExplainedPiece> {
        let with_picture = match self.get(REJECTED) {
            Some(Cell::Json(whose)) => whose.as_str() == Some(Of::Pictures.singular()),
            Some(Cell::Text(whose)) => whose == Of::Pictures.singular(),
            _ => false,
        };
        let told = self.get(SCORES);
        let score = |name: &String| {
            let Some(Cell::Json(told)) = &told else { return None };
            Some((name.clone(), told[name].as_f64()? as f32))
        };
        Some(ExplainedPiece {
            number: self.int32(of.singular())?.into(),
            ended: if with_picture {
                PieceEnded::WithPicture
            } else {
                PieceEnded::Rejected(self.rejected()?)
            },
            scores: score_names.iter().filter_map(score).collect(),
        })
    }

    fn rejected(&self) -> Option<Ended> {
        Some(match self.maybe_text("dial") {
            Some(dial) => {
                Ended::Gated { dial, score: self.float32("score")?, threshold: self.float32("threshold")? }
            }
            None => Ended::Refused {
                stage: self.maybe_text("stage")?,
                class: self.maybe_text("class")?,
                message: self.maybe_text("message")?,
            },
        })
    }
}

/// Every row that `out` publishes, part by part.
pub fn published_keys(out: &Path) -> Result<Vec<RowKey>, PublishError> {
    with_manifest(out, |manifest| {
        let mut keys = Vec::new();
        for part in manifest.parts.iter().filter(|part| part.kind == PartKind::Data) {
            let path = out.join(&part.file);
            let seen = parquet::read(&path, &["key"], Rows::All, |_, cells| {
                if let Cell::Text(key) = cells[0] {
                    keys.push(RowKey { shard: part.shard.clone(), key: key.to_owned() });
                }
                ControlFlow::<()>::Continue(())
            });
            seen.map_err(|error| parquet::failure("read", &path, error))?;
        }
        Ok(keys)
    })
}
