//! Operators: one model or method in each file, and the layers that they share.
//!
//! | operator | asks | answers |
//! |---|---|---|
//! | [`short_side`](mod@short_side) | nothing: the header states it | the shorter side, px |
//! | [`aesthetic`] | an ONNX scorer, or the sidecar | 0 to 10 |
//! | [`clip`] | a CLIP's vision tower | that the embedding is remembered |
//! | [`aesthetic_head`] | an ONNX head, about the CLIP embedding | 0 to 10 |
//! | [`caption`] | a chat model, a detector with a fixed vocabulary, or the sidecar | a caption; its handle is on the row |
//! | [`noun_finder`] | a chat model or a vocabulary, about the caption | a list of nouns; its handle is on the row |
//! | [`nouns`] | the sidecar, or a released record | a list of nouns; its handle is on the row |
//! | [`detect`] | an open-vocabulary ONNX detector | the number of regions; the regions themselves, by `Flow::regions` |
//! | [`area`](mod@area) | nothing: the box states it | a region's share of the picture, 0 to 1 |
//! | [`segment`] | SAM 2, with the regions' boxes | the predicted quality of the mask; the mask is remembered |
//! | [`region_score`] | a CLIP and an aesthetic scorer, about the cut-out region | clip_score, aes_score |
//! | [`instruct`] | a chat model, or a small grammar | the words of an edit; their handle is on the row |
//! | [`edit`] | an editor, pass by pass | the pictures of an edit; their handle is on the row |
//! | [`compare`](mod@compare) | nothing: pixels before and after | thirteen measures of what changed, and of what should not have |
//! | [`similarity`] | a vision tower, about both pictures of an edit | how alike they are: as a whole, inside, outside |
//! | [`clip_direction`] | a CLIP, about both pictures and the words | whether the picture changed as the words did |
//! | [`redetect`] | the detector, about what an editor made | what is gone, what has come, what is still there |
//! | [`judge`] | a chat model, or pixels and a CLIP | the scores of an edit |
//! | [`score`] | any ONNX model with a `score.json` beside it | one number of the user's own |
//! | [`dedup`] | the decoded picture | a perceptual hash of 56 bits |

pub mod aesthetic;
pub mod aesthetic_head;
pub mod area;
pub mod caption;
pub mod clip;
pub mod clip_direction;
pub mod compare;
pub mod dedup;
pub mod detect;
pub mod edit;
pub mod edit_source;
pub mod editors;
pub mod http;
pub mod instruct;
pub mod judge;
pub mod models;
pub mod noun_finder;
pub mod nouns;
pub mod onnx;
pub mod pixels;
pub mod plan;
pub mod record;
pub mod redetect;
pub mod region_score;
pub mod score;
mod scores;
pub mod segment;
pub mod short_side;
pub mod similarity;
pub mod words;

pub use aesthetic::{Aesthetic, AestheticScorer};
pub use aesthetic_head::HeadOnClip;
pub use area::{Area, area};
pub use clip::Clip;
pub use dedup::PictureHasher;
pub use detect::{Detect, Detection, FoundRegions};
pub use models::texts::Texts;
pub use nouns::{Nouns, NounsFromSidecar};
pub use record::records::Records;
pub use region_score::{ClipScore, RegionAesthetic, RegionScore};
pub use score::{ScoreSpec, UserScorer};
pub use segment::{MaskScore, Segment};
pub use short_side::{ShortSide, short_side};
