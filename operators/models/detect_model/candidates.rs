//! From the output of a detector's graph to what is found: the stages of [`DetectSettings`].

use std::cmp::Ordering;

use threshflow::row::Refusal;

use super::{DetectSettings, Detection};
use crate::models::nms::{Among, Candidate, suppress};
use crate::pixels::letterbox::Placement;

/// What one run says of one picture: boxes of A anchors, and K scores each, wherever they lie in the output.
pub(super) struct Seen<'a> {
    pub(super) boxes: &'a [f32],
    /// Steps from an anchor to the next, and from one of a box's four numbers to the next.
    pub(super) box_steps: (usize, usize),
    pub(super) form: BoxForm,
    pub(super) scores: &'a [f32],
    /// Steps from an anchor to the next, and from a class to the next.
    pub(super) score_steps: (usize, usize),
    pub(super) anchors: usize,
}

/// What a box's four numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BoxForm {
    /// x1, y1, x2, y2.
    Corners,
    /// The centre's x and y, width, height.
    CentreAndSize,
}

impl Seen<'_> {
    fn bbox(&self, anchor: usize) -> [f32; 4] {
        let at = |n: usize| self.boxes[anchor * self.box_steps.0 + n * self.box_steps.1];
        match self.form {
            BoxForm::Corners => [at(0), at(1), at(2), at(3)],
            BoxForm::CentreAndSize => {
                let (x, y, half_width, half_height) = (at(0), at(1), at(2) / 2.0, at(3) / 2.0);
                [x - half_width, y - half_height, x + half_width, y + half_height]
            }
        }
    }
}

/// The candidates of one picture, gathered from one run or, where the graph takes fewer nouns than there are, from several.
pub(super) struct Gathered {
    best: Vec<Ranked>,
    /// Nouns of the question, or labels.
    classes: usize,
}

struct Ranked {
    candidate: Candidate,
    /// Place among equal scores: by anchor, then by class.
    rank: u64,
}

impl Gathered {
    pub(super) fn new(classes: usize) -> Self {
        Gathered { best: Vec::new(), classes }
    }

    /// Takes in the scores of the classes from `first` on, of which there are `count`; columns behind them are padding.
    pub(super) fn add(
        &mut self,
        seen: &Seen<'_>,
        (first, count): (usize, usize),
        settings: &DetectSettings,
    ) -> Result<(), Refusal> {
        let mut above: Vec<(f32, u32, u32)> = Vec::new();
        let mut look = |anchor: usize, class: usize| -> Result<(), Refusal> {
            let score = seen.scores[anchor * seen.score_steps.0 + class * seen.score_steps.1];
            if score > settings.candidate_score {
                above.push((score, anchor as u32, class as u32));
            } else if score.is_nan() {
                return Err(not_a_number("score", anchor));
            }
            Ok(())
        };
        // In the order in which they lie in memory.
        if seen.score_steps.0 >= seen.score_steps.1 {
            (0..seen.anchors).try_for_each(|anchor| (0..count).try_for_each(|class| look(anchor, class)))?;
        } else {
            (0..count).try_for_each(|class| (0..seen.anchors).try_for_each(|anchor| look(anchor, class)))?;
        }
        if let Some(anchor) = (0..seen.anchors).find(|&anchor| seen.bbox(anchor).iter().any(|v| v.is_nan())) {
            return Err(not_a_number("box", anchor));
        }
        // A vocabulary of hundreds gives millions: the best are picked before they get their boxes.
        keep_best(&mut above, settings.most_candidates, |a, b| {
            descending(a.0, b.0).then((a.1, a.2).cmp(&(b.1, b.2)))
        });
        self.best.extend(above.into_iter().map(|(score, anchor, class)| {
            let class = first + class as usize;
            let candidate = Candidate { bbox: seen.bbox(anchor as usize), score, class: class as u32 };
            Ranked { candidate, rank: u64::from(anchor) * self.classes as u64 + class as u64 }
        }));
        keep_best(&mut self.best, settings.most_candidates, |a, b| {
            descending(a.candidate.score, b.candidate.score).then(a.rank.cmp(&b.rank))
        });
        Ok(())
    }

    /// The stages after the first, best first.
    pub(super) fn found(mut self, placement: &Placement, settings: &DetectSettings) -> Vec<Detection> {
        self.best.sort_unstable_by(|a, b| {
            descending(a.candidate.score, b.candidate.score).then(a.rank.cmp(&b.rank))
        });
        let candidates: Vec<Candidate> = self.best.into_iter().map(|ranked| ranked.candidate).collect();
        let stayed = suppress(&candidates, Among::EachClass, settings.class_iou, settings.most_after_classes);
        let in_source: Vec<Candidate> = stayed
            .into_iter()
            .map(|at| Candidate { bbox: placement.box_in_source(candidates[at].bbox), ..candidates[at] })
            .filter(|candidate| {
                let [x1, y1, x2, y2] = candidate.bbox;
                x2 > x1 && y2 > y1
            })
            .collect();
        suppress(&in_source, Among::All, settings.iou, settings.most)
            .into_iter()
            .map(|at| in_source[at])
            .filter(|candidate| candidate.score > settings.score)
            .map(|Candidate { bbox, score, class }| Detection { class, bbox, score })
            .collect()
    }
}

fn not_a_number(what: &str, anchor: usize) -> Refusal {
    let message = format!("the detector's {what} at anchor {anchor} is no number; look at the model");
    Refusal::permanent("not_a_number", message)
}

/// Higher scores first. No NaN comes this far.
fn descending(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

/// Leaves the first `most` by `order`, themselves in any order.
fn keep_best<T>(all: &mut Vec<T>, most: usize, order: impl FnMut(&T, &T) -> Ordering) {
    if all.len() > most {
        all.select_nth_unstable_by(most - 1, order);
        all.truncate(most);
    }
}
