//! What a judge says of an edit: the words that every judge shares, a chat model or pixels.

use serde::{Deserialize, Serialize};

/// A pair of pictures, judged against its instruction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// How well the instruction was followed, 1 (not at all) to 5.
    pub follows: f32,
    /// How natural it looks, and whether all else stayed, 1 to 5.
    pub natural: f32,
    /// Whether the object that changed is the one that the instruction names.
    pub matches: bool,
    /// At most 20 words, for people.
    pub reason: String,
}
