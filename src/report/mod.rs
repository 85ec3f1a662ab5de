//! The report of a run: one HTML page that needs no other file, and a contact sheet beside it.
//!
//! The page shows the funnels, a histogram of every dial's scores with the dial drawn in, and pictures that were kept or not kept, each
//! with the reason. Like the published set, it is a function of what is wanted: it contains no time, no host and no path. This room decodes
//! nothing. A pipeline gives it an [`Illustrator`] that decodes.

mod chart;
mod choose;
mod edits;
mod funnel;
mod gallery;
mod gather;
mod html;
mod labels;
mod page;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use html::escape;
pub use labels::{Placed, label_texts, place_labels};

use crate::flow::{DialSpec, Histogram};
use crate::publish::{PublishError, Wanted, writable};
use crate::row::{Refusal, RegionKind};
use crate::shard::{Catalogue, EndFrame, Picture};

/// The most pictures that a page shows of those that were kept, and as many of those that were not.
const MOST_PICTURES: usize = 60;

/// How a pipeline shows its pictures.
pub trait Illustrator: Send + Sync {
    /// The picture made small; of a kept one with what its record says of it. A refusal where it cannot be decoded.
    fn illustrate(&self, shown: &Shown<'_>) -> Result<Illustration, Refusal>;

    /// The kept pictures side by side, marks and all, as the bytes of a PNG; `None` where the pipeline makes no sheet.
    fn sheet(&self, _pictures: &[OnSheet<'_>]) -> Option<Result<Vec<u8>, String>> {
        None
    }

    /// Whether [`Illustrator::edit`] draws edits.
    fn shows_edits(&self) -> bool {
        false
    }

    /// Scores of edits on one scale: an edit is as good as the lowest of them. The page shows the best and the worst edits of every type;
    /// where there are no such scores, it shows some.
    fn edits_rank_by(&self) -> &'static [&'static str] {
        &[]
    }

    /// What the edits of each number are called, so that the page tells of those of which none is published, too.
    fn edit_sorts(&self) -> &'static [&'static str] {
        &[]
    }

    /// An edit of a kept picture, drawn.
    fn edit(&self, _edit: &ShownEdit<'_>) -> Result<DrawnEdit, Refusal> {
        Err(Refusal::permanent("not_drawn", "this pipeline draws no edits"))
    }

    /// Edits one below the other, as the bytes of a PNG: where there are edits, the sheet beside the page.
    fn edit_sheet(&self, _edits: &[&DrawnEdit]) -> Option<Result<Vec<u8>, String>> {
        None
    }
}

/// An edit that is to be shown.
pub struct ShownEdit<'a> {
    /// The picture that was edited.
    pub picture: &'a Picture,
    /// Of that picture, as they lie in the shard.
    pub bytes: &'a [u8],
    /// The sample's second frame, where it has one.
    pub end_frame: Option<&'a EndFrame<'a>>,
    /// The edit's row as it is published: see [`Recorder::edit_columns`](crate::publish::Recorder::edit_columns).
    pub row: &'a serde_json::Map<String, serde_json::Value>,
}

/// An edit in pictures and words.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnEdit {
    /// What all edits of this number are called: a heading of the page.
    pub sort: String,
    /// From left to right.
    pub panels: Vec<Panel>,
    /// What was said, in order: a label, which may be empty, and the words.
    pub words: Vec<(String, String)>,
    pub scores: Vec<(String, f32)>,
    /// What else is to be known: a judge's reasons.
    pub notes: Vec<String>,
}

/// A picture of an edit.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub caption: String,
    pub illustration: Illustration,
}

/// A picture that is to be shown.
pub struct Shown<'a> {
    pub picture: &'a Picture,
    /// As they lie in the shard.
    pub bytes: &'a [u8],
    /// The text that is published as the picture's record, where there is one.
    pub record: Option<&'a str>,
}

/// A picture of a sheet.
pub struct OnSheet<'a> {
    /// A short line to stand under it.
    pub caption: String,
    pub illustration: &'a Illustration,
}

/// A small picture, and what is marked in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Illustration {
    /// `image/jpeg`, `image/png`.
    pub media_type: &'static str,
    /// Of the encoded picture.
    pub bytes: Vec<u8>,
    /// In pixels, of the small picture.
    pub width: u32,
    /// In pixels, of the small picture.
    pub height: u32,
    pub marks: Vec<Mark>,
}

/// A region that is marked in a picture: a box with a label on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The region's noun.
    pub noun: String,
    /// Objects are drawn with a solid line, backgrounds with a dashed one.
    pub kind: RegionKind,
    /// What is known of it, in order; the first stands on the label.
    pub scores: Vec<(String, f32)>,
    /// Left, top, right, bottom, as shares of the picture's width and height: 0 to 1.
    pub bbox: [f32; 4],
    /// Red, green, blue: dark enough for white letters.
    pub colour: [u8; 3],
}

/// All that a report is made of.
pub struct Report<'a> {
    pub wanted: &'a Wanted<'a>,
    /// Of the pipeline, in the order of [`Wanted::dials`].
    pub dials: &'a [DialSpec],
    /// One a dial, in the same order.
    pub histograms: &'a [Arc<Histogram>],
    pub illustrator: Option<&'a dyn Illustrator>,
    /// On how many threads pictures may be decoded.
    pub threads: usize,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub page: PathBuf,
    /// Beside the page, where the pipeline makes one and something was kept.
    pub sheet: Option<PathBuf>,
    /// Pictures on the page: kept, and not kept.
    pub shown: [usize; 2],
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The page cannot be written there.
    #[error("--report {path}: {why}; name a file, such as report.html, in a folder that may be written to", path = path.display())]
    Path {
        /// As it was named.
        path: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// The file system refused something.
    #[error("cannot write {path}: {source}; free some space or name another file, and run again: nothing is asked twice", path = path.display())]
    Io {
        /// Of what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is to be shown could not be read.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The sheet could not be made.
    #[error("the contact sheet could not be made: {0}; the page was written")]
    Sheet(String),
}

/// Whether [`write()`] can write there, as far as can be told without changing it.
pub fn check(path: &Path) -> Result<(), ReportError> {
    let wrong = |why: &str| Err(ReportError::Path { path: path.to_owned(), why: why.to_owned() });
    if path.is_dir() || path.file_name().is_none() {
        return wrong("that is a folder");
    }
    if path == sheet_path(path) {
        return wrong("the contact sheet goes to the .png of that name, and the page is HTML");
    }
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return wrong("its folder is not there");
    }
    writable(folder).or_else(|error| wrong(&format!("its folder cannot be written to ({error})")))
}

/// The sheet that belongs to a page: `report.png` beside `report.html`.
pub(crate) fn sheet_path(page: &Path) -> PathBuf {
    page.with_extension("png")
}

/// Writes the page, and beside it the sheet, where the pipeline makes one.
pub fn write(path: &Path, report: &Report<'_>, catalogue: &Catalogue) -> Result<Written, ReportError> {
    let facts = page::Facts::of(report)?;
    let pictures = gather::gather(report, catalogue)?;
    let edits = edits::gather(report, catalogue)?;
    replace(path, page::page(report, &facts, &pictures, &edits).as_bytes())?;
    let sheet = match sheet(report, &pictures, &edits) {
        None => None,
        Some(made) => {
            let sheet = sheet_path(path);
            replace(&sheet, &made.map_err(ReportError::Sheet)?)?;
            Some(sheet)
        }
    };
    let dropped = pictures.dropped.iter().map(|group| group.pictures.len()).sum();
    Ok(Written { page: path.to_owned(), sheet, shown: [pictures.kept.len(), dropped] })
}

/// The sheet beside the page: of edits where the pipeline makes one of them, else of kept pictures.
fn sheet(
    report: &Report<'_>,
    pictures: &gather::Pictures,
    edits: &[edits::SortOfEdits],
) -> Option<Result<Vec<u8>, String>> {
    let illustrator = report.illustrator?;
    let drawn = edits.iter().flat_map(|sort| &sort.edits).filter_map(|edit| edit.drawn.as_ref().ok());
    let drawn: Vec<&DrawnEdit> = drawn.collect();
    let of_edits = if drawn.is_empty() { None } else { illustrator.edit_sheet(&drawn) };
    let on_sheet: Vec<OnSheet<'_>> = pictures.kept.iter().filter_map(gather::Pictured::on_sheet).collect();
    of_edits.or_else(|| if on_sheet.is_empty() { None } else { illustrator.sheet(&on_sheet) })
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let refused = |source| ReportError::Io { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".report-").tempfile_in(folder).map_err(refused)?;
    io::Write::write_all(&mut file, bytes).map_err(refused)?;
    make_readable(file.path()).map_err(refused)?;
    file.persist(path).map_err(|error| refused(error.error))?;
    Ok(())
}

/// A temporary file is its owner's alone; a report is as readable as any other output.
fn make_readable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}
