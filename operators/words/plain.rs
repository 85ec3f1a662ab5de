//! Language without a language model: captions from a detector's finds, nouns from captions, instructions from a small grammar, colours and
//! motion from pixels. These are the defaults if nobody serves a model. They are deterministic and plain: their words are right and short,
//! and read like a form that was filled in.
//!
//! | instead of | there is | it knows |
//! |---|---|---|
//! | a captioner | [`caption()`] | boxes, counts, places, sizes, colours |
//! | a noun finder | [`nouns()`] | a [`Vocabulary`] of concrete things, as whole words |
//! | a writer of instructions | [`instruct()`] | a grammar, and the [`Lexicon`] of an editor |
//! | eyes | [`colour_of`], `motion_of` | eleven colour terms; what moved where between two frames |

pub mod caption;
pub mod colour;
pub mod instruct;
pub mod lexicon;
pub mod motion;
pub mod nouns;
mod phrase;
pub mod vocabulary;

pub use caption::{Seen, caption};
pub use colour::colour_of;
pub use instruct::{Known, instruct};
pub use lexicon::{Lexicon, LexiconError};
pub use motion::Motion;
pub(crate) use motion::motion_of;
pub use nouns::{FoundNouns, nouns};
pub use vocabulary::{Vocabulary, VocabularyError};

/// For stamps. Raise the number when the code changes what is said.
pub const VERSION: &[u8] = b"plain/1";
