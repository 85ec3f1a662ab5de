//! The editors of a run, each with its answer cache, and the key of a pass.

use std::sync::Arc;

use threshflow::lane::{AnswerCache, Lanes};
use threshflow::memo::MemoError;
use threshflow::row::{ContentHash, Refusal, Stamp};

use super::PASS_VERSION;
use crate::edit_source::reference_stamp;
use crate::editors::{Editor, Pass};
use crate::pixels::decode::{Purpose, decoder_stamp};
use crate::plan::edit_plan::Operation;
use crate::plan::edit_plan::passes::{PlannedPass, Shown};

/// An editor and the cache of what it made.
pub(super) struct EditorAndCache {
    pub(super) editor: Arc<dyn Editor>,
    pub(super) cache: Arc<AnswerCache>,
    /// The cache's.
    pub(super) stamp: Stamp,
    /// Of all that its passes may be made by, too.
    pub(super) whole: Stamp,
}

/// Editors in the order in which they are asked whether they can do a pass.
pub struct Editors {
    pub(super) kept: Vec<EditorAndCache>,
    seed: u64,
}

impl Editors {
    pub fn open(
        editors: Vec<Arc<dyn Editor>>,
        seed: u64,
        lanes: &Arc<Lanes>,
    ) -> Result<Arc<Self>, MemoError> {
        let kept = |editor: Arc<dyn Editor>| {
            let stamp = pass_stamp(editor.common_stamp(), seed, lanes);
            let whole = pass_stamp(editor.stamp(), seed, lanes);
            let cache = AnswerCache::open(editor.name(), stamp, editor.description(), lanes)?;
            Ok(EditorAndCache { editor, cache, stamp, whole })
        };
        crate::pixels::decode::bound_beside(lanes.budget().capacity());
        let kept: Vec<EditorAndCache> = editors.into_iter().map(kept).collect::<Result<_, MemoError>>()?;
        Ok(Arc::new(Editors { kept, seed }))
    }

    pub(super) fn who_can(&self, operation: Operation) -> Result<&EditorAndCache, Refusal> {
        Ok(&self.kept[self.place_of(operation)?])
    }

    /// Which of the editors makes passes of this operation.
    pub(super) fn place_of(&self, operation: Operation) -> Result<usize, Refusal> {
        self.kept.iter().position(|kept| kept.editor.can(operation)).ok_or_else(|| {
            let message = format!("none of the editors can {}", operation.name());
            Refusal::permanent("no_editor", message)
        })
    }

    /// Which of the editors that make these operations are there to demonstrate; of one that makes some of them, which.
    pub(super) fn demonstration(&self, operations: &[Operation]) -> Option<String> {
        let mut all: Vec<String> = Vec::new();
        for (place, kept) in self.kept.iter().enumerate() {
            let is_its = |operation: &&Operation| self.place_of(**operation).is_ok_and(|it| it == place);
            let its: Vec<&str> = operations.iter().filter(is_its).map(|operation| operation.name()).collect();
            let Some(what) = kept.editor.demonstration().filter(|_| !its.is_empty()) else { continue };
            all.push(if its.len() == operations.len() {
                what
            } else {
                format!("{what} (for {})", its.join(", "))
            });
        }
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// What a pass is remembered under, and its seed.
    ///
    /// Where an editor has several means, the seed picks one of them: it is of all but the means and what that alone reads.
    pub(super) fn key(&self, pass: &Asked<'_>) -> Result<(ContentHash, u64), Refusal> {
        let editor = &self.who_can(pass.planned.operation)?.editor;
        let mut hasher = blake3::Hasher::new();
        let mut feed = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        feed(&pass.from.0);
        feed(pass.planned.operation.name().as_bytes());
        feed(pass.mask.as_bytes());
        feed(pass.object.as_bytes());
        feed(pass.result.as_bytes());
        feed(pass.reference.as_bytes());
        // Where there is nothing else to say, the instruction is what every editor is told.
        let bare = pass.object.is_empty() && pass.result.is_empty();
        let key = |reads: bool, means: &[u8]| {
            let mut hasher = hasher.clone();
            if reads || bare {
                hasher.update(&(pass.instruction.len() as u64).to_le_bytes());
                hasher.update(pass.instruction.as_bytes());
            }
            ContentHash::from_hasher(hasher.update(means))
        };
        let seed = seed_of(self.seed, &key(false, &[]));
        if let Some(means) = editor.means(pass.planned.operation, pass.result, seed) {
            return Ok((key(means.reads_the_instruction, &means.stamp.0.0), seed));
        }
        let key = key(editor.reads_the_instruction(), &[]);
        Ok((key, seed_of(self.seed, &key)))
    }

    /// Makes a pass that stands by itself, or finds it made: the key that it is remembered under, and the picture's file. `from` is the
    /// content of the picture, and `mask` the region's run lengths, empty where there is none. The pass's own seed does not count.
    pub fn make_one(
        &self,
        from: ContentHash,
        mask: &str,
        pass: &Pass<'_>,
    ) -> Result<(ContentHash, Arc<[u8]>), Refusal> {
        let (key, seed) = self.key(&asked_alone(from, mask, pass))?;
        let kept = self.who_can(pass.operation)?;
        let made = kept.cache.look_up_one(key, || Ok(kept.editor.edit(&Pass { seed, ..*pass })?.bytes))?;
        Ok((key, made))
    }

    /// Whether one of the editors makes passes of this operation.
    pub fn can(&self, operation: Operation) -> bool {
        self.place_of(operation).is_ok()
    }

    /// Whether the picture that [`Editors::make_one`] made is still kept.
    pub fn keeps(&self, operation: Operation, key: &ContentHash, picture: ContentHash) -> bool {
        self.who_can(operation).is_ok_and(|kept| kept.cache.keeps(key, picture))
    }

    /// The name of the cache that the pass's picture is kept in, and its key: what [`Editors::make_one`] would ask. Nothing where it is kept.
    pub fn unmade_one(
        &self,
        from: ContentHash,
        mask: &str,
        pass: &Pass<'_>,
    ) -> Option<(&'static str, ContentHash)> {
        let (key, _) = self.key(&asked_alone(from, mask, pass)).ok()?;
        let kept = self.who_can(pass.operation).ok()?;
        (!kept.cache.knows(&key)).then(|| (kept.editor.name(), key))
    }

    /// The names of the caches, and of what makes their passes, for people.
    pub fn described(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.kept.iter().map(|kept| (kept.editor.name(), kept.editor.description()))
    }

    /// Of all that may shape a picture, one stamp for each editor.
    pub fn all_stamps(&self) -> Vec<(&'static str, ContentHash)> {
        self.stamps(|kept| kept.whole)
    }

    /// How many passes the editors make side by side.
    pub fn at_once(&self) -> usize {
        self.kept.iter().map(|kept| kept.editor.at_once()).sum()
    }

    /// How long a pass may take at most, where that is bounded for all editors.
    pub fn deadline(&self) -> Option<std::time::Duration> {
        let all: Option<Vec<_>> = self.kept.iter().map(|kept| kept.editor.deadline()).collect();
        all?.into_iter().max()
    }

    /// A picture that a pass made.
    pub fn made(&self, operation: Operation, key: &ContentHash) -> Result<Arc<[u8]>, Refusal> {
        self.who_can(operation)?.cache.read(key)
    }

    pub(super) fn stamps(&self, of: impl Fn(&EditorAndCache) -> Stamp) -> Vec<(&'static str, ContentHash)> {
        self.kept.iter().map(|kept| (kept.editor.name(), of(kept).0)).collect()
    }
}

/// Of all that shapes what a pass makes, beside its key: the editor, and how it is shown pictures. A key names the original by its
/// bytes alone.
fn pass_stamp(editor: Stamp, seed: u64, lanes: &Lanes) -> Stamp {
    let (decode, references) = (decoder_stamp(Purpose::Full), reference_stamp());
    Stamp::of(&[
        ("pass", PASS_VERSION),
        ("editor", &editor.0.0),
        ("seed", &seed.to_le_bytes()),
        ("decode", decode.as_bytes()),
        ("references", &references.0.0),
        ("orientation", lanes.shown().unwrap_or(b"upright")),
    ])
}

/// A pass by what shapes it, without a pixel.
pub(super) struct Asked<'a> {
    pub(super) planned: PlannedPass,
    /// Of the picture that it works on.
    pub(super) from: ContentHash,
    /// The region's mask as it is remembered; empty where there is none.
    pub(super) mask: &'a str,
    pub(super) object: &'a str,
    pub(super) result: &'a str,
    /// Its [key](crate::editors::references::StoredReference::key).
    pub(super) reference: &'a str,
    pub(super) instruction: &'a str,
}

/// A pass that is no part of a planned edit.
fn asked_alone<'a>(from: ContentHash, mask: &'a str, pass: &Pass<'a>) -> Asked<'a> {
    Asked {
        planned: PlannedPass { operation: pass.operation, step: 0, from: Shown::Original },
        from,
        mask,
        object: pass.object,
        result: pass.result,
        reference: "",
        instruction: pass.instruction,
    }
}

/// Within 2^53, so that JSON carries it.
pub(super) fn seed_of(seed: u64, key: &ContentHash) -> u64 {
    crate::plan::choice::pick(seed, key, "pass") >> 11
}
