//! ImgEdit's released layout: a writer, and a validator for any such folder, ours or a download.
//!
//! ```text
//! Singleturn/<type>_part<N>.tar.split.000 …   pictures of single edits, `cat` joins the pieces of a tar
//! Multiturn/<type>_part<N>.tar.split.000 …    pictures of conversations
//! Parquet/<type>_part<N>.parquet              paths and prompts, in ImgEdit's two schemas
//! Details/<type>.parquet                      all that is known of each edit, see `tables`
//! all_dataset_gpt_score.json                  the judge's scores by output picture, see `scores`
//! manifest.json                               ours: what is released, by part, with digests
//! README.md                                   ours: the card by which Hugging Face `datasets` loads the tables, see `card`
//! croissant.json                              ours: the same for tools that know Croissant, see `croissant`
//! ```
//!
//! Where the pictures are in the rows of `Parquet/` ([`PicturesIn::Rows`]), there are no tars.
//!
//! `N` is the place of the source shard among the shards by name, from 1. A member of a tar is
//! `results_<type>_<shard>/<key>/<file>`, `/` in shard and key written as `_`, with these files:
//!
//! | file | of | what |
//! |---|---|---|
//! | `original.<ext>`, `result.<ext>` | single edits | the input and the output |
//! | `origin_K.<ext>`, `result_K.<ext>` | conversations | those of turn K, from 0 |
//! | `reference.<ext>` | visual | the object that is to be shown; the second of the row's `input_images` |
//! | `mask.png` | edits of objects | 255 where any edited object is, else 0; of the source picture's size |
//! | `result.json` | all | the task, see `task` |

mod card;
pub mod check;
mod croissant;
mod edit;
mod error;
mod features;
mod folder;
mod names;
mod origins;
mod part;
mod remote;
mod sample;
mod scores;
mod tables;
mod task;
#[cfg(test)]
mod tests;
mod write;

pub use check::{Finding, Severity, check, report};
pub use edit::{
    DEFAULT_PIECE_BYTES, EditedObject, Judged, ListedEdit, PictureFile, PictureRef, PicturesIn, Provenance,
    Release, ReleasedEdit, ReleasedShard, StageStamp, Turn,
};
pub use error::ReleaseError;
pub use folder::verify;
pub use remote::REMOTE;
pub use write::{Released, check_release, release};
