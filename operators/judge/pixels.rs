//! The embedded judge. It looks at pixels and, if there is a CLIP, at what the CLIP says of the edited region. It asks no server.
//!
//! It is plain, and says no more than it can know. In the pixels it sees whether something changed where it should, and nothing where it
//! should not; whether that has a seam, and the grain and the sharpness of what surrounds it; whether a new ground ends where things do.
//! Only a CLIP can tell a cat from a dog.
//!
//! `follows` starts from what was done, `did` of 0 to 1, and ends by what a CLIP says of the words ([`Evidence`]):
//!
//! | evidence | follows |
//! |---|---|
//! | none: there is no CLIP, or the words are of no region | `1 + 2 did`, at most 3 |
//! | a CLIP looked, and does not tell | `1 + 1.5 did`, at most 2.5 |
//! | it confirms, by `c` of 0 to 1 | `1 + 2 did (1 + c)`, at most 5 |
//! | it contradicts, by `c` | `1 + did (1 - c)`, at most 2 |
//!
//! | operation | did | natural |
//! |---|---|---|
//! | remove | `changed` | `1 + 4 stayed seam alike (0.3 + 0.5 familiar + 0.2 even)` |
//! | add, replace, visual | `changed` | `1 + 4 stayed seam alike` |
//! | background | `changed` | `1 + 4 stayed seam alike whole`, with `whole = 1 - up(cut - 0.05, 0.2)` |
//! | adjust | `changed (0.7 + 0.3 kept)` | `1 + 4 stayed seam alike is` |
//! | style | `changed` | `1 + 4 kept is` |
//! | action | `up(changed pixels, 0.02)` | `1 + 4 ssim` |
//! | extract | `clean intact` | `1 + 4 intact smooth is`, with `intact = up(1 - changed pixels, 0.8)` |
//!
//! The numbers are those of [`Measured`], cut to 0 to 1 where a fraction is meant; `up(x, at)` is `min(1, x / at)`. `changed =
//! sqrt(up(change, 0.05) up(changed pixels, 0.5))`, `stayed = up(psnr - 20 dB, 20 dB) * ssim` outside of all masks (1 where nothing is
//! outside), `alike = grain sharp`, and `is = 0.75 + 0.25 kept` of
//! [`Agreement::kept`], 1 without a CLIP.
//!
//! An edit matches if three things hold. The change is in the region (for a style: all over; for an action: the structure holds; for an
//! extract: the object is intact). It follows by 2.5 or more. No CLIP contradicts, or says that what must stay is lost. For an edit of several steps, the lowest counts.

use image::RgbImage;
use threshflow::row::Refusal;

use crate::pixels::mask::Mask;
use crate::pixels::pair::Made;
use crate::plan::edit_plan::{Changes, MadeBy, Operation};
use crate::plan::judgement::Judgement;

/// Raise this when the code changes what a score is.
pub const VERSION: &[u8] = b"judge_pixels/4";

/// How far what must stay what it is has to do so for an edit to match.
const STAYS: f32 = 0.1;

mod agreement;
mod border;
mod measure;
mod texture;

pub use agreement::{Agreement, Evidence, Seen, Told};
pub use measure::Measured;

/// What was done, and where: the mask as an editor may widen it ([`widened`](crate::editors::paint::widened)); `None` for the whole
/// picture.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub operation: Operation,
    pub mask: Option<&'a Mask>,
}

/// The embedded judge's word on a pair, by pixels alone.
///
/// Refusals: `foreign_picture` where sizes differ, `foreign_mask` where a mask is not of the pictures' size, `no_step` where
/// nothing was to be done.
pub fn judge(before: &RgbImage, after: &RgbImage, steps: &[Step<'_>]) -> Result<Judgement, Refusal> {
    let measured = measure(before, after, steps)?;
    worst(steps.iter().zip(&measured).map(|(step, measured)| of_step(step.operation, measured, None)))
}

/// What pixels say of each step. Refusals: as of [`judge`], but for `no_step`.
pub fn measure(before: &RgbImage, after: &RgbImage, steps: &[Step<'_>]) -> Result<Vec<Measured>, Refusal> {
    let of_one = |(n, step): (usize, &Step<'_>)| {
        let others = steps.iter().enumerate().filter(|(m, _)| *m != n);
        let others: Vec<&Mask> = others.filter_map(|(_, step)| step.mask).collect();
        Measured::of([before, after], step.mask, &others, made(step.operation))
    };
    steps.iter().enumerate().map(of_one).collect()
}

/// In which picture what an editor made of the operation stands.
fn made(operation: Operation) -> Made {
    match operation.made() {
        MadeBy::ByRemoval => Made::Before,
        MadeBy::ByEditor | MadeBy::OnFilm => Made::After,
    }
}

/// Of what is said of each step, the least; the reason is that of the step which was followed least.
pub fn worst(said: impl IntoIterator<Item = Judgement>) -> Result<Judgement, Refusal> {
    let least = |other: Judgement, said: Judgement| Judgement {
        follows: other.follows.min(said.follows),
        natural: other.natural.min(said.natural),
        matches: other.matches && said.matches,
        reason: if said.follows < other.follows { said.reason } else { other.reason },
    };
    said.into_iter().reduce(least).ok_or_else(|| {
        Refusal::permanent("no_step", "an edit of no steps cannot be judged: at least one is needed")
    })
}

/// From numbers to scores, by the table above.
pub(crate) fn of_step(operation: Operation, measured: &Measured, agreement: Option<&Agreement>) -> Judgement {
    let up = |value: f32, at: f32| (value / at).clamp(0.0, 1.0);
    let one = |value: f32| value.clamp(0.0, 1.0);
    let changed = (up(measured.change, 0.05) * up(measured.changed, 0.5)).sqrt();
    let stayed = up(measured.psnr_outside - 20.0, 20.0) * one(measured.ssim_outside);
    let seamless = stayed * one(measured.seam) * one(measured.grain) * one(measured.sharp);
    let kept = agreement.map_or(1.0, |agreement| agreement.kept(operation));
    let is = 0.75 + 0.25 * kept;
    let (did, natural, matches) = match operation {
        Operation::Remove => {
            let fits = 0.3 + 0.5 * one(measured.familiar) + 0.2 * one(measured.even);
            (changed, seamless * fits, measured.focus >= 0.8)
        }
        Operation::Add | Operation::Replace | Operation::Visual => (changed, seamless, measured.focus >= 0.8),
        Operation::Background => {
            let whole = 1.0 - one((measured.cut - 0.05) / 0.2);
            (changed, seamless * whole, measured.focus >= 0.8)
        }
        Operation::Adjust => {
            (changed * (0.7 + 0.3 * one(measured.kept)), seamless * is, measured.focus >= 0.8)
        }
        Operation::Style => (changed, one(measured.kept) * is, measured.changed >= 0.3),
        Operation::Action => (up(measured.changed, 0.02), one(measured.ssim), measured.kept >= 0.3),
        Operation::Extract => {
            let intact = up(1.0 - measured.changed, 0.8);
            (one(measured.clean) * intact, intact * one(measured.smooth) * is, intact >= 0.8)
        }
    };
    let evidence = agreement.map_or(Evidence::Unseen, |agreement| agreement.evidence(operation));
    let follows = 1.0
        + match evidence {
            Evidence::Unseen => 2.0 * did,
            Evidence::Undecided => 1.5 * did,
            Evidence::Confirms(surely) => 2.0 * did * (1.0 + surely),
            Evidence::Contradicts(surely) => did * (1.0 - surely),
        };
    Judgement {
        follows,
        natural: 1.0 + 4.0 * natural,
        matches: matches && follows >= 2.5 && kept >= STAYS && !matches!(evidence, Evidence::Contradicts(_)),
        reason: reason(operation, measured, agreement),
    }
}

/// At most 20 words.
fn reason(operation: Operation, measured: &Measured, agreement: Option<&Agreement>) -> String {
    let share = |part: f32| (part * 100.0).round();
    let (changed, kept) = (share(measured.changed), share(measured.kept.max(0.0)));
    let seen = match operation.changes() {
        Changes::Picture | Changes::Motion => format!("{changed} % changed, structure agrees by {kept} %"),
        Changes::Surroundings => {
            format!("{} % of the ground clean, {changed} % of the object changed", share(measured.clean))
        }
        Changes::Object | Changes::Background => {
            format!("{changed} % of the region changed; outside PSNR {:.0} dB", measured.psnr_outside)
        }
    };
    match agreement.and_then(|agreement| agreement.in_words(operation)) {
        Some(told) => format!("{seen}; CLIP: {told}."),
        None => format!("{seen}."),
    }
}

#[cfg(test)]
mod tests;
