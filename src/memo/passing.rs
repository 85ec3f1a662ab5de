//! Refusals that pass: they last until they are forgotten, or until the process ends, and are written nowhere.

use std::sync::Arc;

use super::{Memo, NO_BLOB, Remembered, Slot};
use crate::row::{ContentHash, Refusal};

impl Memo {
    /// Remembers a refusal for as long as this process runs: one that says nothing of the content, such as a disk
    /// that could not be read. An answer that is there already stands.
    pub(crate) fn refuse_for_now(&self, content: ContentHash, refusal: Refusal) -> Remembered {
        let mut index = self.index.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(first) = index.get(&content) {
            return first;
        }
        let refusal = Arc::new(refusal);
        index.refusals.insert(content, refusal.clone());
        index.insert(content, Slot::REFUSED, NO_BLOB);
        Remembered::Refused(refusal)
    }

    /// Forgets what was [refused for now](Memo::refuse_for_now), so that it is asked again.
    pub(crate) fn forget_refusals_for_now(&self) {
        let mut index = self.index.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let passing = index.refusals.iter().filter(|(_, refusal)| !refusal.is_permanent());
        let passing: Vec<ContentHash> = passing.map(|(content, _)| *content).collect();
        for content in passing {
            index.forget(&content);
            if let Some((inline, blob)) = index.late.remove(&content) {
                index.insert_answer(content, inline.bytes(), blob);
            }
        }
    }
}
