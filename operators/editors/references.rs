//! Reference pictures of the user. A `visual` edit shows them to the editor instead of a drawn pictogram.
//!
//! They are a folder of PNG, JPEG and WebP files, each named for what it shows: `blue_teapot.png` is a "blue teapot". Transparent parts
//! become white, as in the drawn pictograms. A chosen picture is kept in the store under the hash of the file. So the editor, the judge and
//! a release see the picture that the instruction names, whatever happens to the folder.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, ImageReader, Rgb, RgbImage};
use serde::{Deserialize, Serialize};
use threshflow::lane::{AnswerCache, Lanes};
use threshflow::memo::MemoError;
use threshflow::row::{ContentHash, Refusal, Stamp};
use threshflow::shard::{Format, format_of, orientation_of};

use crate::editors::made::pixels_of_file;
use crate::plan::edit_plan::words::{count, words};

/// Raise this when the code changes what a picture becomes.
const VERSION: &[u8] = b"references/2";

/// The longer side of a picture as it is kept, at most.
const MOST_SIDE: u32 = 1024;

/// The most words that a name may have: they stand in an instruction of thirty.
const MOST_WORDS: usize = 6;

/// The class of refusals of a picture that went away while it was needed: of the folder, not of the question.
pub(crate) const LOST_REFERENCE: &str = "lost_reference";

/// What an instruction remembers of the reference picture of a `visual`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReference {
    /// What it shows: a colour and a thing that can be drawn, or the name of a user's picture.
    #[serde(rename = "reference", default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<String>,
    /// The hash of the user's file, 32 hex digits; `None` for one that is drawn.
    #[serde(rename = "reference_content", default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

impl StoredReference {
    /// What tells it from others: empty where there is none.
    pub fn key(&self) -> String {
        [self.shows.as_deref(), self.content.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("\0")
    }
}

/// Why a folder's pictures cannot be references.
#[derive(Debug, thiserror::Error)]
pub enum ReferencesError {
    #[error("--references {path}: {source}; name a folder of pictures", path = path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("--references {path} holds no picture: put .png, .jpg or .webp files into it, each named for what it shows, or leave the flag out", path = .0.display())]
    Empty(PathBuf),
    #[error("--references: {path} cannot be read as a picture ({why}); mend it, or take it out of the folder", path = path.display())]
    Picture { path: PathBuf, why: String },
    #[error("--references: {path} is named by {words} words; its name must say what it shows in 1 to {MOST_WORDS}, such as blue_teapot.png", path = path.display())]
    Name { path: PathBuf, words: usize },
    #[error(transparent)]
    Memo(#[from] MemoError),
}

/// A picture of the folder, by what an instruction remembers of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// What it shows, as its file is named: `blue teapot`.
    pub name: String,
    /// Of the file, byte by byte, as 32 hex digits.
    pub content: String,
}

struct Listed {
    reference: Reference,
    hash: ContentHash,
    path: PathBuf,
}

/// A folder's pictures.
pub struct References {
    /// By name, then by content: an order that no file system has a say in.
    listed: Vec<Listed>,
    cache: Arc<AnswerCache>,
}

impl References {
    /// Reads every picture of the folder once. Files that are not named as pictures are left alone.
    pub fn open(folder: &Path, lanes: &Arc<Lanes>) -> Result<Arc<Self>, ReferencesError> {
        let listed = list(folder)?;
        let model = format!("{} pictures of the user's", listed.len());
        let cache = AnswerCache::open("references", cache_stamp(), model, lanes)?;
        Ok(Arc::new(References { listed, cache }))
    }

    /// Of all names and pictures.
    pub(crate) fn content_hash(&self) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        for Listed { reference, hash, .. } in &self.listed {
            hasher.update(&(reference.name.len() as u64).to_le_bytes());
            hasher.update(reference.name.as_bytes());
            hasher.update(&hash.0);
        }
        ContentHash::from_hasher(&hasher)
    }

    /// The picture that `number` falls on, kept from now on.
    pub fn choose(&self, number: u64) -> Result<Reference, Refusal> {
        let lost = || Refusal::transient(LOST_REFERENCE, "the folder of references is empty");
        let listed = crate::plan::choice::of(number, &self.listed).ok_or_else(lost)?;
        self.cache.look_up_one(listed.hash, || listed.png())?;
        Ok(listed.reference.clone())
    }

    /// Keeps the picture of a reference that was chosen in an earlier run, if the store lost it and the folder still has it.
    pub fn keep(&self, reference: &StoredReference) {
        let content = reference.content.as_ref();
        let listed = self.listed.iter().find(|listed| Some(&listed.reference.content) == content);
        if let Some(listed) = listed.filter(|listed| !self.cache.knows(&listed.hash)) {
            // Where that fails, a release says what it lacks.
            let _ = self.cache.look_up_one(listed.hash, || listed.png());
        }
    }

    /// The picture of a reference that was chosen in this run or an earlier one.
    pub fn picture(&self, reference: &Reference) -> Result<RgbImage, Refusal> {
        let listed = self.listed.iter().find(|listed| listed.reference.content == reference.content);
        let lost = || {
            let message = format!(
                "the reference picture {:?} ({}) is not in the folder any more",
                reference.name, reference.content
            );
            Refusal::transient(LOST_REFERENCE, message)
        };
        let listed = listed.ok_or_else(lost)?;
        pixels_of_file(&self.cache.look_up_one(listed.hash, || listed.png())?)
    }
}

/// The stamp under which the pictures lie in the store, as PNG by the hash of their files.
pub fn cache_stamp() -> Stamp {
    Stamp::of(&[("references", VERSION)])
}

impl Listed {
    fn png(&self) -> Result<Vec<u8>, Refusal> {
        let failed =
            |why: String| Refusal::transient(LOST_REFERENCE, format!("{}: {why}", self.path.display()));
        let bytes = std::fs::read(&self.path).map_err(|error| failed(error.to_string()))?;
        if ContentHash::of(&bytes) != self.hash {
            return Err(failed("the file has changed since the run began; start again".to_owned()));
        }
        let mut png = Cursor::new(Vec::new());
        let picture = on_white(decoded(&bytes).map_err(failed)?);
        picture.write_to(&mut png, ImageFormat::Png).map_err(|error| failed(error.to_string()))?;
        Ok(png.into_inner())
    }
}

fn list(folder: &Path) -> Result<Vec<Listed>, ReferencesError> {
    let failed = |source| ReferencesError::Folder { path: folder.to_path_buf(), source };
    let mut listed = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
        let is_picture = matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg" | "webp"));
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if is_picture && !stem.starts_with('.') && path.is_file() {
            listed.push(one(path, &stem)?);
        }
    }
    if listed.is_empty() {
        return Err(ReferencesError::Empty(folder.to_path_buf()));
    }
    listed.sort_unstable_by(|a, b| (&a.reference.name, a.hash).cmp(&(&b.reference.name, b.hash)));
    Ok(listed)
}

fn one(path: PathBuf, stem: &str) -> Result<Listed, ReferencesError> {
    let name = stem.replace('_', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if words(&name).is_empty() { 0 } else { count(&name) };
    if !(1..=MOST_WORDS).contains(&said) {
        return Err(ReferencesError::Name { path, words: said });
    }
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    let hash = match read.and_then(|bytes| decoded(&bytes).map(|_| ContentHash::of(&bytes))) {
        Ok(hash) => hash,
        Err(why) => return Err(ReferencesError::Picture { path, why }),
    };
    let reference = Reference { name, content: hash.to_string() };
    Ok(Listed { reference, hash, path })
}

/// Upright, by what the file's EXIF says.
fn decoded(bytes: &[u8]) -> Result<DynamicImage, String> {
    let format = format_of(bytes).map_err(|refusal| refusal.message)?;
    if format == Format::Jpeg {
        // No alpha: as every other JPEG is decoded.
        return pixels_of_file(bytes).map(DynamicImage::from).map_err(|refusal| refusal.message);
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let decoder =
        reader.map_err(|error| error.to_string())?.into_decoder().map_err(|error| error.to_string())?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    let turned = Orientation::from_exif(orientation_of(bytes, format));
    picture.apply_orientation(turned.unwrap_or(Orientation::NoTransforms));
    match (picture.width(), picture.height()) {
        (0, _) | (_, 0) => Err("it has no pixels".to_owned()),
        _ => Ok(picture),
    }
}

/// What is transparent becomes white; a picture that is larger than it need be is made smaller.
fn on_white(picture: DynamicImage) -> RgbImage {
    let large = picture.width().max(picture.height()) > MOST_SIDE;
    let picture = match large {
        true => picture.resize(MOST_SIDE, MOST_SIDE, image::imageops::FilterType::CatmullRom),
        false => picture,
    };
    let picture = picture.to_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, alpha] = picture.get_pixel(x, y).0.map(u32::from);
        Rgb([r, g, b].map(|ink| ((ink * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
    })
}

#[cfg(test)]
mod tests;
