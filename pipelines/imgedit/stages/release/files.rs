//! The files of a sample as they are released: the shard's own if they show what they must show, otherwise drawn anew.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use image::{ImageFormat, RgbImage};
use operators::edit_source::REFERENCE_SIDE;
use operators::editors::paint;
use operators::pixels::decode::{Purpose, Rgb, decode_beside, decode_frame_beside};
use threshflow::row::{ContentHash, Refusal};
use threshflow::shard::{
    EndFrame, Picture, ReadOptions, Sample, Shard, content_of, format_of, orientation_of,
};

use kit::edit_record::EditRecord;
use kit::released::PictureFile;

/// An open shard and where in it each picture lies.
pub(crate) struct OpenShard {
    shard: Arc<Shard>,
    /// The samples that have a picture, by key.
    places: HashMap<String, u32>,
}

impl OpenShard {
    pub(crate) fn new(shard: Arc<Shard>) -> Self {
        let samples = shard.index.samples.iter().zip(0..).filter(|(sample, _)| sample.picture.is_ok());
        let places = samples.map(|(sample, place)| (sample.key.clone(), place)).collect();
        OpenShard { shard, places }
    }

    pub(crate) fn picture(&self, key: &str) -> Result<&Picture, String> {
        Ok(self.sample(key)?.2)
    }

    /// The sample's own file where everybody sees it as the edit was made; else its picture as PNG: turned upright, or, where the
    /// run was told not to follow EXIF's orientation, as it lies.
    pub(crate) fn original(&self, key: &str) -> Result<PictureFile, String> {
        let picture = self.picture(key)?;
        let (bytes, _) = self.files(key)?;
        if picture.orientation == 1 && lies_upright(&bytes) {
            return picture_file(bytes).map_err(|why| format!("the source picture: {why}"));
        }
        let shown = decode_beside(&bytes, picture, Purpose::Full);
        let shown = shown.map_err(|refusal| format!("the source picture: {refusal}"))?;
        as_png(&pixels(shown).map_err(|why| format!("the source picture: {why}"))?)
    }

    /// The sample's second frame, as the original is: its own file, or its picture as PNG. `as_stored` where the run was told not to
    /// follow EXIF's orientation.
    pub(crate) fn end_frame(&self, key: &str, as_stored: bool) -> Result<PictureFile, String> {
        let failed = |why: String| format!("the sample's second frame: {why}");
        let (_, end) = self.files(key)?;
        let end = end.ok_or("the sample has no second frame (KEY.end.jpg) any more")?;
        let options =
            ReadOptions { exif_orientation: !as_stored, max_pixels: u64::MAX, ..ReadOptions::default() };
        let frame = EndFrame::of(&end, &options);
        let looked = frame.looked.clone().map_err(|refusal| failed(refusal.to_string()))?;
        if looked.orientation == 1 && lies_upright(&end) {
            return picture_file(end).map_err(failed);
        }
        let shown = decode_frame_beside(&frame, Purpose::Full);
        as_png(&pixels(shown.map_err(|refusal| failed(refusal.to_string()))?).map_err(failed)?)
    }

    /// The picture and its second frame, if these are the bytes that were published.
    fn files(&self, key: &str) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
        let (place, sample, picture) = self.sample(key)?;
        let refused = |refusal: Refusal| format!("the source picture cannot be read: {refusal}");
        let bytes = self.shard.picture_bytes(place).map_err(refused)?.into_owned();
        let end = sample.end_frame().map(|member| self.shard.member_bytes(member));
        let end = end.transpose().map_err(refused)?;
        let found = content_of(ContentHash::of(&bytes), end.as_deref().map(ContentHash::of));
        if found != picture.content {
            let content = picture.content;
            return Err(format!("the source picture's bytes hash to {found}, and {content} was recorded"));
        }
        Ok((bytes, end.map(Cow::into_owned)))
    }

    fn sample(&self, key: &str) -> Result<(u32, &Sample, &Picture), String> {
        let found = self.places.get(key).and_then(|&place| {
            let sample = self.shard.index.samples.get(place as usize)?;
            Some((place, sample, sample.picture.as_ref().ok()?))
        });
        found.ok_or_else(|| "the shard has no such sample any more".to_owned())
    }
}

/// What the editor was shown for a `visual`, drawn again.
pub(crate) fn drawn_reference(record: &EditRecord) -> Result<PictureFile, String> {
    let name = record.reference.as_deref().ok_or("its record names no reference")?;
    as_png(&paint::reference(name, REFERENCE_SIDE).map_err(|refusal| refusal.to_string())?)
}

/// Whether its header has no orientation that readers may turn it by.
fn lies_upright(bytes: &[u8]) -> bool {
    format_of(bytes).is_ok_and(|format| orientation_of(bytes, format) == 1)
}

fn pixels(shown: Rgb) -> Result<RgbImage, String> {
    let pixels = RgbImage::from_raw(shown.width, shown.height, shown.pixels);
    pixels.ok_or_else(|| "it has other pixels than its size says".to_owned())
}

fn as_png(picture: &RgbImage) -> Result<PictureFile, String> {
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).map_err(|error| format!("as PNG: {error}"))?;
    Ok(PictureFile { bytes: png.into_inner(), extension: "png" })
}

/// A file whose first bytes say what it is.
pub(crate) fn picture_file(bytes: Vec<u8>) -> Result<PictureFile, String> {
    let extension = match image::guess_format(&bytes) {
        Ok(ImageFormat::Jpeg) => "jpg",
        Ok(ImageFormat::Png) => "png",
        Ok(ImageFormat::WebP) => "webp",
        Ok(ImageFormat::Gif) => "gif",
        Ok(ImageFormat::Bmp) => "bmp",
        Ok(ImageFormat::Tiff) => "tiff",
        _ => {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(12)]).into_owned();
            return Err(format!("{} bytes that begin with {start:?} are no picture", bytes.len()));
        }
    };
    Ok(PictureFile { bytes, extension })
}
