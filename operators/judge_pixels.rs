//! The embedded judge: looks at pixels only, needs no model and no server.
//!
//! It is plain: it sees whether something changed where it should, and nothing where it shouldn't. It cannot tell a cat from a dog.
//! Numbers are of [`Measured`], cut to 0 to 1 where a fraction is meant; `up(x, at)` is `min(1, x / at)`.
//!
//! | operation | follows | natural |
//! |---|---|---|
//! | remove | `1 + 4 sqrt(up(change, 0.05) up(changed, 0.5))` | `1 + 4 stayed (0.3 + 0.5 familiar + 0.2 even)` |
//! | add, replace, visual, background | the same | `1 + 4 stayed` |
//! | adjust | `1 + 4 sqrt(up(change, 0.05) up(changed, 0.5)) (0.7 + 0.3 kept)` | `1 + 4 stayed` |
//! | style | `1 + 4 sqrt(up(change, 0.05) up(changed, 0.5))` | `1 + 4 kept` |
//! | action | `1 + 4 up(changed, 0.02)` | `1 + 4 ssim` |
//! | extract | `1 + 4 clean intact` | `1 + 4 intact`, with `intact = up(1 - changed, 0.8)` |
//!
//! with `stayed = up(psnr - 20 dB, 20 dB) * ssim` outside of all masks (1 where nothing is outside). Of an edit of several
//! steps the least counts.

use image::RgbImage;
use threshflow::row::Refusal;

use crate::edit_plan::Operation;
use crate::judgement::Judgement;
use crate::mask::Mask;

/// Raise this when the code changes what a score is.
pub const VERSION: &[u8] = b"judge_pixels/1";

mod measure;
mod ssim;

pub use measure::Measured;
pub use ssim::{WINDOW, light, windows};

/// What was done, and where: the mask as an editor may widen it ([`widened`](crate::paint::widened)); `None` for the whole
/// picture.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub operation: Operation,
    pub mask: Option<&'a Mask>,
}

/// The embedded judge's word on a pair.
///
/// Refusals: `foreign_picture` where sizes differ, `foreign_mask` where a mask is not of the pictures' size, `no_step` where
/// nothing was to be done.
pub fn judge(before: &RgbImage, after: &RgbImage, steps: &[Step<'_>]) -> Result<Judgement, Refusal> {
    if steps.is_empty() {
        return Err(Refusal::new("no_step", "an edit of no steps cannot be judged: at least one is needed"));
    }
    let mut worst: Option<Judgement> = None;
    for (n, step) in steps.iter().enumerate() {
        let others: Vec<&Mask> =
            steps.iter().enumerate().filter(|(m, _)| *m != n).filter_map(|(_, step)| step.mask).collect();
        let measured = Measured::of(before, after, step.mask, &others)?;
        let said = of_step(step.operation, &measured);
        worst = Some(match worst {
            None => said,
            Some(other) => Judgement {
                follows: other.follows.min(said.follows),
                natural: other.natural.min(said.natural),
                matches: other.matches && said.matches,
                reason: if said.follows < other.follows { said.reason } else { other.reason },
            },
        });
    }
    worst.ok_or_else(|| {
        Refusal::new("no_step", "an edit of no steps cannot be judged: at least one is needed")
    })
}

/// From numbers to scores, by the table above.
pub fn of_step(operation: Operation, measured: &Measured) -> Judgement {
    let up = |value: f32, at: f32| (value / at).clamp(0.0, 1.0);
    let one = |value: f32| value.clamp(0.0, 1.0);
    let changed = (up(measured.change, 0.05) * up(measured.changed, 0.5)).sqrt();
    let stayed = up(measured.psnr_outside - 20.0, 20.0) * one(measured.ssim_outside);
    let (follows, natural, matches) = match operation {
        Operation::Remove => {
            let fits = 0.3 + 0.5 * one(measured.familiar) + 0.2 * one(measured.even);
            (changed, stayed * fits, measured.focus >= 0.8)
        }
        Operation::Add | Operation::Replace | Operation::Visual | Operation::Background => {
            (changed, stayed, measured.focus >= 0.8)
        }
        Operation::Adjust => (changed * (0.7 + 0.3 * one(measured.kept)), stayed, measured.focus >= 0.8),
        Operation::Style => (changed, one(measured.kept), measured.changed >= 0.3),
        Operation::Action => (up(measured.changed, 0.02), one(measured.ssim), measured.kept >= 0.3),
        Operation::Extract => {
            let intact = up(1.0 - measured.changed, 0.8);
            (one(measured.clean) * intact, intact, intact >= 0.8)
        }
    };
    let follows = 1.0 + 4.0 * follows;
    Judgement {
        follows,
        natural: 1.0 + 4.0 * natural,
        matches: matches && follows >= 3.0,
        reason: reason(operation, measured),
    }
}

/// At most 20 words.
fn reason(operation: Operation, measured: &Measured) -> String {
    let share = |part: f32| (part * 100.0).round();
    match operation {
        Operation::Style | Operation::Action => {
            format!(
                "{} % of the picture changed; its structure agrees by {} %.",
                share(measured.changed),
                share(measured.kept.max(0.0))
            )
        }
        Operation::Extract => format!(
            "{} % of the ground is clean; {} % of the object's pixels changed.",
            share(measured.clean),
            share(measured.changed)
        ),
        _ => format!(
            "{} % of the region changed, by {} levels on average; outside PSNR is {:.0} dB.",
            share(measured.changed),
            (measured.change * 255.0).round(),
            measured.psnr_outside
        ),
    }
}

#[cfg(test)]
mod tests;
