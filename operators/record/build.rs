//! Records of our own, made from plain values.

use std::collections::BTreeMap;

use threshflow::row::RegionKind;

use super::values::{Form, Measure, Number, Text};
use super::{Captions, Counts, Keys, Record, RecordError, Region, Resolution, Segmentation, Tags};

/// All that a record of our own holds. Empty lists are written as empty lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordParts {
    /// The picture's path in its set: `00095/00019/000197953.jpg`.
    pub path: String,
    /// Dense captions.
    pub captions: Vec<String>,
    /// In pixels, at least 1.
    pub height: u32,
    /// In pixels, at least 1.
    pub width: u32,
    /// The picture's aesthetic score, 0 to 10.
    pub aes: Option<f32>,
    pub background_nouns: Vec<String>,
    pub object_nouns: Vec<String>,
    /// The short caption.
    pub summary: Option<String>,
    /// Every region, in the order in which each list shall have its own.
    pub regions: Vec<RegionParts>,
}

/// All that a region of our own holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegionParts {
    /// The noun that it was found by.
    pub class_name: String,
    /// What it was found as; where that isn't told, an object if its noun is one of the record's objects.
    pub kind: Option<RegionKind>,
    /// x1, y1, x2, y2 in source pixels.
    pub bbox: [f32; 4],
    /// The `counts` of a COCO compressed mask.
    pub mask: Option<String>,
    /// The detector's, 0 to 1.
    pub score: Option<f32>,
    /// How well the masked crop fits its noun, 0 to 1.
    pub clip_score: Option<f32>,
    /// The crop's aesthetic score, 0 to 10.
    pub aes_score: Option<f32>,
    /// The segmenter's own estimate of the mask, 0 to 1.
    pub mask_score: Option<f32>,
    /// The region's place in the detector's list, counted from 0.
    pub number: Option<u64>,
}

impl RecordParts {
    /// Makes the record: each region under `object` if its noun is an object noun, else under `background`, as upstream
    /// lists them; `bg_count` and `obj_count` count the regions, nouns in the order of their letters. An error where a
    /// number is not finite or a side is 0.
    ///
    /// ```
    /// use operators::record::{RecordParts, RegionParts};
    /// let bow_tie = RegionParts { class_name: "bow tie".into(), bbox: [0.1, 2.0, 3.5, 4.0], ..RegionParts::default() };
    /// let parts = RecordParts {
    ///     path: "00095/00019/000197953.jpg".into(),
    ///     object_nouns: vec!["bow tie".into()],
    ///     regions: vec![bow_tie],
    ///     height: 1333,
    ///     width: 2000,
    ///     ..RecordParts::default()
    /// };
    /// let json = parts.build()?.to_json();
    /// assert!(json.contains(r#""object":[{"class_name":"bow tie","bbox":[0.1,2.0,3.5,4.0]}]"#), "{json}");
    /// assert!(json.ends_with(r#""bg_count":{},"obj_count":{"bow tie":1}}"#), "{json}");
    /// # Ok::<(), operators::record::RecordError>(())
    /// ```
    pub fn build(self) -> Result<Record, RecordError> {
        for (at, side) in [("resolution.height", self.height), ("resolution.width", self.width)] {
            if side == 0 {
                return Err(refuse(at.to_owned(), "0", "a whole number of pixels from 1 on"));
            }
        }
        let aes = self.aes.map(|aes| finite(aes, || "aes".to_owned())).transpose()?;
        let (mut background, mut object) = (Vec::new(), Vec::new());
        for region in self.regions {
            let listed = self.object_nouns.contains(&region.class_name);
            let is_object = region.kind.map_or(listed, |kind| kind == RegionKind::Object);
            let (name, list) =
                if is_object { ("object", &mut object) } else { ("background", &mut background) };
            let place = list.len();
            list.push(region.build(|key| format!("segmentation.{name}[{place}].{key}"))?);
        }
        let texts = |list: Vec<String>| list.into_iter().map(Text::from).collect();
        let (bg_count, obj_count) = (counted(&background), counted(&object));
        Ok(Record {
            path: Some(self.path.into()),
            cap: Some(Captions::List(texts(self.captions))),
            resolution: Some(Resolution { height: self.height, width: self.width, keys: Keys::default() }),
            aes,
            tags: Some(Tags {
                background: Some(texts(self.background_nouns)),
                object: Some(texts(self.object_nouns)),
                summary: self.summary.map(Text::from),
                keys: Keys::default(),
            }),
            segmentation: Some(Segmentation {
                background: Some(background),
                object: Some(object),
                box_format: Some("xyxy".into()),
                keys: Keys::default(),
            }),
            bg_count: Some(bg_count),
            obj_count: Some(obj_count),
            ..Record::default()
        })
    }
}

impl RegionParts {
    fn build(self, at: impl Fn(&str) -> String) -> Result<Region, RecordError> {
        let measure = |key: &str, value: Option<f32>| {
            let measure = |value| Ok(Measure { value: finite(value, || at(key))?, form: Form::Alone });
            value.map(measure).transpose()
        };
        let [x1, y1, x2, y2] = self.bbox.map(|side| finite(side, || at("bbox")));
        Ok(Region {
            class_name: self.class_name.into(),
            bbox: [x1?, y1?, x2?, y2?],
            mask: self.mask.map(Text::from),
            score: measure("score", self.score)?,
            clip_score: measure("clip_score", self.clip_score)?,
            aes_score: measure("aes_score", self.aes_score)?,
            mask_score: measure("mask_score", self.mask_score)?,
            number: self.number,
            keys: Keys::default(),
        })
    }
}

fn counted(regions: &[Region]) -> Counts {
    let mut counts = BTreeMap::new();
    for region in regions {
        *counts.entry(region.class_name.as_str()).or_insert(0) += 1;
    }
    Counts(counts.into_iter().map(|(noun, count)| (Text::from(noun), count)).collect())
}

fn finite(value: f32, at: impl Fn() -> String) -> Result<Number, RecordError> {
    Number::of(value).ok_or_else(|| refuse(at(), &value.to_string(), "a finite number"))
}

fn refuse(at: String, found: &str, allowed: &'static str) -> RecordError {
    RecordError::Value { at, found: found.to_owned(), allowed }
}
