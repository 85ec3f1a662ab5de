//! How reports show pictures: made small, with their regions' masks over them, and boxes and nouns marked.
//!
//! This needs only the picture's bytes and its record, the text that is published as ImgEdit's original-data JSON.

mod colours;
mod edit_sheet;
mod edits;
mod masks;
mod sheet;
mod writing;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};
use operators::pixels::decode::{Purpose, Rgb, decode_beside};
use operators::pixels::resize::{FilterType, RgbBytes, resize};
use operators::record::{Measure, Record, Region, Segmentation};
use threshflow::report::{Illustration, Illustrator, Mark, OnSheet, Shown};
use threshflow::row::{Refusal, RegionKind};

pub use edits::IllustrateEdits;
pub use sheet::annotated_sheet;

/// The longer side of a small picture, in pixels.
const SIDE: u32 = 384;
const JPEG_QUALITY: u8 = 84;
/// The pictures of a contact sheet, and how many of them stand side by side.
const MOST_ON_SHEET: usize = 24;
const COLUMNS: usize = 4;

/// Shows pictures, and their records where they have some.
#[derive(Clone, Copy, Debug, Default)]
pub struct Illustrate;

impl Illustrator for Illustrate {
    fn illustrate(&self, shown: &Shown<'_>) -> Result<Illustration, Refusal> {
        let picture = shown.picture;
        let purpose = Purpose::ShortSideAtLeast(SIDE);
        let decoded = decode_beside(shown.bytes, picture, purpose)?;
        let full = [decoded.full_width, decoded.full_height];
        let mut small = make_small(&decoded, SIDE)?;
        drop(decoded);
        let regions = shown.record.map_or_else(Vec::new, regions_of);
        for (place, (_, region)) in regions.iter().enumerate() {
            if let Some(counts) = &region.mask {
                masks::lay_over(&mut small, counts.as_str(), full, colours::of(place));
            }
        }
        let mark = |(place, (kind, region)): (usize, &(RegionKind, Region))| mark(place, *kind, region, full);
        Ok(Illustration {
            media_type: "image/jpeg",
            bytes: as_jpeg(&small)?,
            width: small.width(),
            height: small.height(),
            marks: regions.iter().enumerate().map(mark).collect(),
        })
    }

    fn sheet(&self, pictures: &[OnSheet<'_>]) -> Option<Result<Vec<u8>, String>> {
        let mut worth_it: Vec<&OnSheet<'_>> =
            pictures.iter().filter(|it| !it.illustration.marks.is_empty()).collect();
        if worth_it.is_empty() {
            worth_it = pictures.iter().collect();
        }
        // Evenly spread, as the page's own are.
        let shown = worth_it.len().min(MOST_ON_SHEET);
        let chosen: Vec<&OnSheet<'_>> =
            (0..shown).map(|place| worth_it[place * worth_it.len() / shown]).collect();
        Some(annotated_sheet(&chosen, COLUMNS).and_then(|sheet| as_png(&sheet)))
    }
}

/// The picture with its longer side `longest` pixels long, or as it is where that is longer.
fn make_small(decoded: &Rgb, longest: u32) -> Result<RgbImage, Refusal> {
    let failed =
        |error: String| Refusal::permanent("not_drawn", format!("it could not be made small: {error}"));
    let longer = decoded.full_width.max(decoded.full_height).max(1);
    let shrunk = |side: u32| match longer > longest {
        true => {
            ((u64::from(side) * u64::from(longest) + u64::from(longer) / 2) / u64::from(longer)).max(1) as u32
        }
        false => side,
    };
    let (width, height) = (shrunk(decoded.full_width), shrunk(decoded.full_height));
    let source = RgbBytes { width: decoded.width, height: decoded.height, pixels: &decoded.pixels };
    let small = resize(source, decoded.window, (width, height), FilterType::CatmullRom).map_err(failed)?;
    RgbImage::from_raw(width, height, small).ok_or_else(|| failed("pixels are missing".to_owned()))
}

/// Objects and backgrounds, in the order of the record; none where it cannot be read.
fn regions_of(record: &str) -> Vec<(RegionKind, Region)> {
    let Ok(Record { segmentation: Some(Segmentation { object, background, .. }), .. }) =
        Record::parse(record.as_bytes())
    else {
        return Vec::new();
    };
    let of_kind = |kind, regions: Option<Vec<Region>>| {
        regions.unwrap_or_default().into_iter().map(move |region| (kind, region))
    };
    // Backgrounds first: the masks of objects lie on top of them.
    of_kind(RegionKind::Background, background).chain(of_kind(RegionKind::Object, object)).collect()
}

fn mark(place: usize, kind: RegionKind, region: &Region, [width, height]: [u32; 2]) -> Mark {
    let [x1, y1, x2, y2] = region.bbox_f32();
    let (wide, high) = (width.max(1) as f32, height.max(1) as f32);
    let share = |edge: f32, whole: f32| (edge / whole).clamp(0.0, 1.0);
    let measures = [
        ("score", &region.score),
        ("clip", &region.clip_score),
        ("mask", &region.mask_score),
        ("aes", &region.aes_score),
    ];
    let known =
        |(name, measure): (&str, &Option<Measure>)| Some((name.to_owned(), measure.as_ref()?.value.as_f32()));
    Mark {
        noun: region.class_name.as_str().to_owned(),
        kind,
        scores: measures.into_iter().filter_map(known).collect(),
        bbox: [
            share(x1.min(x2), wide),
            share(y1.min(y2), high),
            share(x1.max(x2), wide),
            share(y1.max(y2), high),
        ],
        colour: colours::of(place),
    }
}

fn as_jpeg(picture: &RgbImage) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .map_err(|error| Refusal::permanent("not_drawn", format!("it could not be encoded: {error}")))?;
    Ok(bytes)
}

fn as_png(picture: &RgbImage) -> Result<Vec<u8>, String> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests;
