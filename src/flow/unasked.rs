//! The questions that would have to be asked, as they stand: of rows that wait for them, and of later stages about the same rows.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Unasked;
use crate::lane::Question;
use crate::row::{ContentHash, RowId};

/// Questions by stage and content. A content is asked about once, however many rows ask.
#[derive(Default)]
pub(super) struct UnaskedQuestions {
    by_stage: BTreeMap<&'static str, HashMap<ContentHash, Asked>>,
}

/// The rows that ask, each with its count. Most contents are of one row.
type Asked = SmallVec<[(Question, isize); 1]>;

impl UnaskedQuestions {
    pub(super) fn count(&mut self, Unasked { stage, question }: Unasked, diff: isize) {
        let contents = self.by_stage.entry(stage).or_default();
        let content = question.content;
        let rows = contents.entry(content).or_default();
        match rows.iter().position(|(known, _)| *known == question) {
            Some(place) => {
                rows[place].1 += diff;
                if rows[place].1 == 0 {
                    rows.swap_remove(place);
                }
            }
            None => rows.push((question, diff)),
        }
        if rows.is_empty() {
            contents.remove(&content);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Question)> {
        self.by_stage
            .iter()
            .flat_map(|(stage, contents)| contents.values().flatten().map(|(question, _)| (*stage, question)))
    }

    pub(super) fn by_stage(&self) -> BTreeMap<&'static str, usize> {
        let stages = self.by_stage.iter().filter(|(_, contents)| !contents.is_empty());
        stages.map(|(stage, contents)| (*stage, contents.len())).collect()
    }

    pub(super) fn has(&self, stage: &str, content: &ContentHash) -> bool {
        self.by_stage.get(stage).is_some_and(|contents| contents.contains_key(content))
    }

    pub(super) fn pictures(&self) -> BTreeSet<RowId> {
        self.iter().map(|(_, question)| question.id).collect()
    }
}
