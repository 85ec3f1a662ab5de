//! How the ground pipeline's pictures are shown: as they lie in the shard, with a mark for each region of the record.

use serde_json::Value;
use threshflow::report::{Illustration, Illustrator, Mark, Shown};
use threshflow::row::{Refusal, RegionKind};

pub struct Show;

impl Illustrator for Show {
    fn illustrate(&self, shown: &Shown<'_>) -> Result<Illustration, Refusal> {
        let record: Value = shown.record.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let regions = record["segments"].as_array().map_or(&[][..], Vec::as_slice);
        let marks = regions.iter().enumerate().map(|(place, region)| mark(place, region)).collect();
        Ok(Illustration {
            media_type: "image/png",
            bytes: shown.bytes.to_vec(),
            width: u32::from(shown.picture.width),
            height: u32::from(shown.picture.height),
            marks,
        })
    }
}

/// The record has no boxes: one stands beside the other.
fn mark(place: usize, region: &Value) -> Mark {
    let noun = region["word"].as_str().unwrap_or_default().to_owned();
    let left = place as f32 / 16.0;
    let kind = if noun.starts_with('b') { RegionKind::Background } else { RegionKind::Object };
    Mark {
        noun,
        kind,
        scores: Vec::new(),
        bbox: [left, left, (left + 0.5).min(1.0), (left + 0.5).min(1.0)],
        colour: [11, 87, 184],
    }
}
