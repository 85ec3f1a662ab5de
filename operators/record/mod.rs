//! Records: the JSON of one picture as ImgEdit's original-data set has it, read without loss and written.
//!
//! A record names its picture (`path`), its captions (`cap`), size, aesthetic score, nouns (`tags`) and regions: box,
//! mask and scores of every thing that was found. The format is the one in ImgEdit's README (PKU-YuanGroup/ImgEdit,
//! "Original Data Json Format"); `border` means nothing and is only carried along. Ours are `mask_score` and `number` of
//! a region: upstream's `score` mixes up whose score it is, here `score` is the detector's and `mask_score` the
//! segmenter's.
//!
//! What is promised of reading and writing back:
//! - Nothing is lost: every number keeps its digits, every string its escapes, every object the order of its keys,
//!   and unknown keys their values. [`Record::to_json`] of a record just read is its text without white space, byte
//!   for byte; a byte order mark goes, and known keys are written plainly whatever escapes they had.
//! - What Python's `json` reads and writes is read, as of every sidecar. NaN and infinities (`NaN`, `Infinity`, `-Infinity`) are
//!   read as `null`, which is a missing value, counted in [`Record::not_numbers`], and never written; half a surrogate pair is read as
//!   U+FFFD, a number beyond a 64-bit float as `null`. [`Record::told`] says so.
//! - A key that stands twice in one object is refused: to keep one of the two would lose the other.
//!
//! Every key may be missing but a region's `class_name` and `bbox`, and the two sides of a `resolution`.

mod build;
mod join;
mod jsons_tar;
mod keys;
mod read;
pub mod records;
pub mod tars;
#[cfg(test)]
mod tests;
mod values;
mod write;

use threshflow::row::Refusal;

pub use build::{RecordParts, RegionParts};
pub use jsons_tar::{JsonsTarError, write_jsons_tar};
pub use keys::Keys;
pub use values::{Form, Json, Measure, Number, Text};

/// Most bytes of a record that are read or written: 16 MiB, as of every sidecar.
pub const MOST_BYTES: u64 = 16 << 20;
/// Deepest nesting of objects and lists in a record.
pub const MOST_DEEP: usize = 128;
/// Most items of one list, and most keys of one object, of those that this room knows.
pub const MOST_ITEMS: usize = 65_536;

/// One picture's record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The picture's path in its set: `00095/00019/000197953.jpg`.
    pub path: Option<Text>,
    /// Dense captions.
    pub cap: Option<Captions>,
    /// In pixels.
    pub resolution: Option<Resolution>,
    /// The picture's aesthetic score, 0 to 10.
    pub aes: Option<Number>,
    /// Upstream's, without a meaning.
    pub border: Option<Json>,
    /// Nouns and a short caption.
    pub tags: Option<Tags>,
    /// The regions.
    pub segmentation: Option<Segmentation>,
    /// How many regions each background noun has.
    pub bg_count: Option<Counts>,
    /// How many regions each object noun has.
    pub obj_count: Option<Counts>,
    /// The order of the keys, and the unknown ones.
    pub keys: Keys,
    /// How many `NaN`, `Infinity`, `-Infinity` and numbers beyond a 64-bit float were read as `null`, anywhere in the record.
    pub not_numbers: usize,
    /// What of the record was not read to the letter, in words.
    pub told: Option<String>,
}

/// `cap`: a list of captions, or one that stands alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Captions {
    List(Vec<Text>),
    One(Text),
}

impl Captions {
    /// All of them, in order.
    pub fn all(&self) -> &[Text] {
        match self {
            Captions::List(captions) => captions,
            Captions::One(caption) => std::slice::from_ref(caption),
        }
    }
}

/// Of the picture, in pixels, each at least 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    pub height: u32,
    pub width: u32,
    pub keys: Keys,
}

/// What the captions name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tags {
    pub background: Option<Vec<Text>>,
    pub object: Option<Vec<Text>>,
    /// The short caption.
    pub summary: Option<Text>,
    pub keys: Keys,
}

/// The regions, by whether their noun is one of the background or of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segmentation {
    pub background: Option<Vec<Region>>,
    pub object: Option<Vec<Region>>,
    /// `xyxy`, which is the only one that is read.
    pub box_format: Option<Text>,
    pub keys: Keys,
}

/// One thing that was found in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The noun that it was found by.
    pub class_name: Text,
    /// x and y of the first corner, x and y of the second, in source pixels. Neither clipped nor put in order.
    pub bbox: [Number; 4],
    /// The `counts` of a COCO compressed run-length mask of the size of the picture, column by column.
    pub mask: Option<Text>,
    /// 0 to 1. Ours: the detector's; upstream's: in fact the segmenter's.
    pub score: Option<Measure>,
    /// How well the masked crop fits its noun, 0 to 1.
    pub clip_score: Option<Measure>,
    /// The crop's aesthetic score, 0 to 10.
    pub aes_score: Option<Measure>,
    /// Ours: the segmenter's own estimate of the mask, 0 to 1.
    pub mask_score: Option<Measure>,
    /// Ours: the region's place in the detector's list, counted from 0.
    pub number: Option<u64>,
    pub keys: Keys,
}

impl Region {
    /// The box as 32-bit floats, which upstream's are: x1, y1, x2, y2.
    pub fn bbox_f32(&self) -> [f32; 4] {
        std::array::from_fn(|side| self.bbox[side].as_f32())
    }
}

/// Nouns and how many regions each has, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts(pub Vec<(Text, u64)>);

impl Counts {
    /// How many regions this noun has; `None` where it is not listed.
    pub fn of(&self, noun: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == noun).map(|(_, count)| *count)
    }
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The text as a whole.
    #[error("the record is not one JSON object: {0}; write it as JSON again")]
    NotJson(String),
    /// It is too long.
    #[error(
        "the record has {0} bytes, at most {MOST_BYTES} are read or written; split it, or shorten its masks"
    )]
    TooLong(u64),
    /// A value is not what it has to be.
    #[error(
        "`{at}` of the record is {found}, and only {allowed} is allowed; correct it, or leave the key out"
    )]
    Value {
        /// The path inside the record: `segmentation.object[3].bbox`.
        at: String,
        /// The value, shortened.
        found: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// A key stands twice, so that it is not known which value counts.
    #[error("the key `{0}` of the record stands twice; keep the one that counts")]
    Twice(String),
    /// A key has to be there.
    #[error("`{0}` is missing in the record, and has to be there; write the record again with it")]
    Missing(String),
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Refusal::permanent("bad_record", error.to_string())
    }
}
