//! Refusals and verdicts: how a row ends.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a row ended without an answer. Data, not a crash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Refusal {
    /// A short fixed word that counts are kept by, in snake_case: `cut_picture`, `too_many_pixels`.
    pub class: Cow<'static, str>,
    /// What failed, the value, and what is allowed, for a person.
    pub message: String,
    /// How long it stands. What was remembered is of the content.
    #[serde(skip, default = "remembered")]
    pub lasts: Lasts,
}

fn remembered() -> Lasts {
    Lasts::Content
}

/// How long a refusal stands: decided where it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lasts {
    /// It says something of the content: it is remembered, until `--retry` asks again.
    Content,
    /// A server, a device or a disk failed, or nobody knows what: the next run asks again.
    #[default]
    Process,
    /// The budget of this run does not pay for it: no failure, and the next run asks.
    Budget,
}

impl Refusal {
    /// The class of what the user's budget does not pay for: it ends the row for this run, and counts as no failure.
    pub const OVER_BUDGET: &'static str = "over_budget";
    /// The class of what this machine had no memory for at that moment: it says nothing of the content.
    pub const OUT_OF_MEMORY: &'static str = "out_of_memory";
    /// The class of an edit that needs a second frame, of a sample that has none: a fact about the sample, and no failure.
    pub const NO_END_FRAME: &'static str = "no_end_frame";

    /// The most letters of a message: what a server said stands in some, and all are remembered and published.
    pub const MOST_LETTERS: usize = 4_000;

    /// A refusal that says something of the content, and would come again for the same content: it is remembered.
    pub fn permanent(class: &'static str, message: impl Into<String>) -> Self {
        Refusal::lasting(Lasts::Content, class, message.into())
    }

    /// A refusal that says nothing of the content: of a server, a device, a disk. The next run asks again. Where it is not known
    /// what failed, it is this.
    pub fn transient(class: &'static str, message: impl Into<String>) -> Self {
        Refusal::lasting(Lasts::Process, class, message.into())
    }

    /// With this message, or its start where it has more than [`Refusal::MOST_LETTERS`].
    fn lasting(lasts: Lasts, class: &'static str, mut message: String) -> Self {
        if let Some((end, _)) = message.char_indices().nth(Self::MOST_LETTERS) {
            message.truncate(end);
            message.push('…');
        }
        Refusal { class: Cow::Borrowed(class), message, lasts }
    }

    /// Whether it is remembered.
    pub fn is_permanent(&self) -> bool {
        self.lasts == Lasts::Content
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

/// Where a row ended. Every row of the input ends in exactly one.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Published, with its scores in the order of the output row's (for a region, of its last flow's)
    /// [`Row::score_names`].
    Kept(Box<[f32]>),
    /// Held back by the dial of this name, at this score.
    Gated { dial: &'static str, score: f32 },
    /// Ended without an answer at the stage of this name.
    Refused(Box<Refused>),
}

/// Bit by bit: a verdict at a score of NaN equals itself, or it could never be taken back.
impl PartialEq for Verdict {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Verdict::Kept(one), Verdict::Kept(other)) => {
                one.iter().map(|score| score.to_bits()).eq(other.iter().map(|score| score.to_bits()))
            }
            (Verdict::Gated { dial, score }, Verdict::Gated { dial: other, score: at }) => {
                dial == other && score.to_bits() == at.to_bits()
            }
            (Verdict::Refused(one), Verdict::Refused(other)) => one == other,
            _ => false,
        }
    }
}

/// A refusal and the stage that it happened at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Refused {
    pub stage: Cow<'static, str>,
    pub refusal: Refusal,
}
