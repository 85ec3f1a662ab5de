//! The files of one sample: puts them into the tar, or holds them for its row, and returns their paths.

use std::io::{Cursor, Write};

use image::{GrayImage, ImageFormat};
use operators::pixels::rle;
use operators::plan::edit_plan::passes::Shown;
use threshflow::publish::{MOST_PICTURE_BYTES, Pictures, PlainTar};
use threshflow::row::ContentHash;

use super::edit::{PictureRef, Release, ReleasedEdit};
use super::task::task;

/// Where a sample's files lie in the tar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SamplePaths {
    /// Input and output of every turn.
    pub turns: Vec<(String, String)>,
    pub reference: Option<String>,
    pub mask: Option<String>,
    /// Of the source picture's bytes, where a turn shows it.
    pub original_hash: Option<String>,
}

/// Where a sample's files go.
pub(crate) trait SampleFiles {
    /// Takes a file in, and gives the hash of its bytes.
    fn put(&mut self, path: &str, bytes: Vec<u8>) -> Result<ContentHash, String>;
}

impl<W: Write> SampleFiles for PlainTar<W> {
    fn put(&mut self, path: &str, bytes: Vec<u8>) -> Result<ContentHash, String> {
        self.append(path, &bytes).map_err(|error| format!("cannot write {path}: {error}"))
    }
}

/// The files of one sample, for its row.
#[derive(Default)]
pub(crate) struct HeldFiles {
    pub pictures: Pictures,
    /// The text of `result.json`.
    pub task: Option<String>,
}

impl SampleFiles for HeldFiles {
    fn put(&mut self, path: &str, bytes: Vec<u8>) -> Result<ContentHash, String> {
        let hash = ContentHash::of(&bytes);
        if path.ends_with(".json") {
            self.task = Some(String::from_utf8(bytes).map_err(|error| format!("{path}: {error}"))?);
            return Ok(hash);
        }
        self.pictures.insert(path.to_owned(), bytes);
        let held: usize = self.pictures.values().map(Vec::len).sum();
        if held > MOST_PICTURE_BYTES {
            return Err(format!(
                "its pictures have {held} bytes, and a row holds at most {MOST_PICTURE_BYTES}: release without --embed"
            ));
        }
        Ok(hash)
    }
}

/// Puts a sample's files into `files`, below `folder`. Holds one picture at a time. The error says why in words.
pub(crate) fn write_sample(
    files: &mut impl SampleFiles,
    folder: &str,
    edit: &ReleasedEdit,
    release: &impl Release,
) -> Result<SamplePaths, String> {
    check_shape(edit)?;
    let mut paths = SamplePaths::default();
    let mut put = |stem: &str, extension: &str, bytes: Vec<u8>| {
        let path = format!("{folder}/{stem}.{extension}");
        let hash = files.put(&path, bytes)?;
        Ok::<_, String>((path, hash))
    };
    for (number, turn) in edit.turns.iter().enumerate() {
        let names = match edit.edit_type.is_multi_turn() {
            true => [format!("origin_{number}"), format!("result_{number}")],
            false => ["original".to_owned(), "result".to_owned()],
        };
        let mut written = Vec::with_capacity(2);
        for (name, picture) in names.iter().zip([&turn.input, &turn.output]) {
            let file = release.picture(edit, picture)?;
            let (path, hash): (String, ContentHash) = put(name, file.extension, file.bytes)?;
            if *picture == PictureRef::Shown(Shown::Original) {
                paths.original_hash = Some(hash.to_string());
            }
            written.push(path);
        }
        if let Ok([input, output]) = <[String; 2]>::try_from(written) {
            paths.turns.push((input, output));
        }
    }
    if let Some(reference) = &edit.reference {
        let file = release.picture(edit, reference)?;
        paths.reference = Some(put("reference", file.extension, file.bytes)?.0);
    }
    if let Some(mask) = mask_png(edit)? {
        paths.mask = Some(put("mask", "png", mask)?.0);
    }
    let task = serde_json::to_vec_pretty(&task(edit, paths.original_hash.as_deref()));
    put("result", "json", task.map_err(|error| error.to_string())?)?;
    Ok(paths)
}

fn check_shape(edit: &ReleasedEdit) -> Result<(), String> {
    let (turns, wanted) = (edit.turns.len(), edit.edit_type.turns());
    if turns != wanted {
        return Err(format!("it has {turns} turns, and a {} has {wanted}", edit.edit_type));
    }
    if edit.operations.is_empty() || edit.operations.len() != edit.results.len() {
        let (operations, results) = (edit.operations.len(), edit.results.len());
        return Err(format!("it has {operations} operations and {results} results: one of each a step"));
    }
    match edit.objects.iter().find(|object| object.step >= edit.operations.len()) {
        Some(object) => Err(format!(
            "{:?} is the object of step {}, and there are {} steps",
            object.noun,
            object.step,
            edit.operations.len()
        )),
        None => Ok(()),
    }
}

/// All that any edited object covers, white on black; none where the edit is about no object.
fn mask_png(edit: &ReleasedEdit) -> Result<Option<Vec<u8>>, String> {
    let mut union: Option<Vec<u8>> = None;
    for object in &edit.objects {
        let mask = rle::decode(&object.mask, edit.width, edit.height)
            .map_err(|error| format!("the mask of {:?}: {error}", object.noun))?;
        let union = union.get_or_insert_with(|| vec![0; mask.bits.len()]);
        for (covered, bit) in union.iter_mut().zip(&mask.bits) {
            *covered |= bit * 255;
        }
    }
    let Some(pixels) = union else { return Ok(None) };
    let picture = GrayImage::from_raw(edit.width, edit.height, pixels).ok_or("its mask has no size")?;
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).map_err(|error| format!("its mask as PNG: {error}"))?;
    Ok(Some(png.into_inner()))
}
