//! Operators: one model or method a file, and the rooms that they share.
//!
//! | operator | asks | answers |
//! |---|---|---|
//! | [`short_side`](mod@short_side) | nothing: the header knows | the shorter side, px |
//! | [`aesthetic`] | an ONNX scorer, or the sidecar | 0 to 10 |
//! | [`clip`] | a CLIP's vision tower | that the embedding is remembered |
//! | [`aesthetic_head`] | an ONNX head, of the CLIP embedding | 0 to 10 |
//! | [`nouns`] | the sidecar, or a released record | a list of nouns; its handle rides |
//! | [`detect`] | an open-vocabulary ONNX detector | how many regions were found; the regions, by `Flow::regions` |
//! | [`area`](mod@area) | nothing: the box knows | a region's share of the picture, 0 to 1 |
//! | [`segment`] | SAM 2, by the regions' boxes | the mask's foretold quality; the mask is remembered |
//! | [`region_score`] | a CLIP and an aesthetic scorer, of the cut-out | clip_score, aes_score |
//! | [`dedup`] | the decoded picture | a perceptual hash of 56 bits |

pub mod aesthetic;
pub mod aesthetic_head;
pub mod area;
pub mod caption;
pub mod clip;
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
pub mod region_score;
pub mod segment;
pub mod short_side;
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
pub use segment::{MaskScore, Segment};
pub use short_side::{ShortSide, short_side};
