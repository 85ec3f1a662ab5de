//! Choices: which object, which pair, which operations an edit is about. Each is a keyed hash of a seed and of what the
//! picture shows, never of a row's place, so that every rerun and every other row's fate leaves it as it is.
//!
//! Among candidates the one with the lowest [`rank`] is chosen (rendezvous hashing): a candidate that leaves changes only
//! the choices that fell on it, and one that comes only takes over those that fall on it.

use threshflow::row::{ContentHash, RegionKind};

use crate::plan::edit_plan::{EditType, Operation, Telling};

/// Fills the hash's key up behind the seed. Raise its number when the code changes what is chosen.
const VERSION: &[u8; 24] = b"threshflow choice/1     ";

/// How far apart the boxes of a pair must be, in pixels, where nobody says otherwise: ImgEdit's distance.
pub const PIXELS_APART: f32 = 100.0;

/// A region that an edit may be about.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Of what the region is: the picture's content, the noun and the box.
    pub content: ContentHash,
    /// Its number in the picture.
    pub number: u16,
    /// Its noun's number in the picture's list.
    pub noun: u16,
    /// Left, top, right, bottom, in pixels.
    pub bbox: [f32; 4],
    pub kind: RegionKind,
}

/// A number from the whole range, for one question about a picture: as good as random, and the same in every run.
///
/// ```
/// use operators::plan::choice::pick;
/// use threshflow::row::ContentHash;
/// let picture = ContentHash::of(b"a picture");
/// assert_eq!(pick(7, &picture, "style"), pick(7, &picture, "style"));
/// assert_ne!(pick(7, &picture, "style"), pick(8, &picture, "style"));
/// assert_ne!(pick(7, &picture, "style"), pick(7, &picture, "wording"));
/// ```
pub fn pick(seed: u64, content: &ContentHash, what: &str) -> u64 {
    keyed(seed, &[b"pick", &content.0, what.as_bytes()])
}

/// A number for one slot of something that has a pick already: slots don't hang together.
///
/// ```
/// use operators::plan::choice::slot;
/// assert_eq!(slot(7, "colour"), slot(7, "colour"));
/// assert_ne!(slot(7, "colour"), slot(7, "style"));
/// ```
pub fn slot(pick: u64, what: &str) -> u64 {
    keyed(pick, &[b"slot", what.as_bytes()])
}

/// The one of `choices` that `number` falls on; `None` where there are none.
///
/// ```
/// use operators::plan::choice::of;
/// assert_eq!(of(5, &["a", "b"]), Some(&"b"));
/// assert_eq!(of::<u8>(5, &[]), None);
/// ```
pub fn of<T>(number: u64, choices: &[T]) -> Option<&T> {
    choices.get(number.checked_rem(choices.len() as u64)? as usize)
}

/// A region's rank among the candidates of a picture for one type: the lowest is chosen.
pub fn rank(seed: u64, picture: &ContentHash, edit_type: EditType, region_content: &ContentHash) -> u64 {
    keyed(seed, &[b"rank", &picture.0, edit_type.name().as_bytes(), &region_content.0])
}

/// The candidate that an edit of this type is about: of the [right kind](EditType::kind), the one with the lowest [`rank`]; of two
/// with one content the one with the lower number.
///
/// ```
/// use operators::plan::choice::{Candidate, choose_one};
/// use operators::plan::edit_plan::EditType;
/// use threshflow::row::{ContentHash, RegionKind};
/// let picture = ContentHash::of(b"a picture");
/// let regions: Vec<Candidate> = (0..9)
///     .map(|number: u16| Candidate {
///         content: ContentHash::of(&number.to_le_bytes()),
///         number,
///         noun: number,
///         bbox: [0.0; 4],
///         kind: RegionKind::Object,
///     })
///     .collect();
/// let chosen = choose_one(7, &picture, EditType::Remove, &regions).unwrap();
/// for gone in regions.iter().filter(|gone| *gone != chosen) {
///     let left = regions.iter().filter(|left| *left != gone);
///     assert_eq!(choose_one(7, &picture, EditType::Remove, left), Some(chosen));
/// }
/// ```
pub fn choose_one<'a>(
    seed: u64,
    picture: &ContentHash,
    edit_type: EditType,
    candidates: impl IntoIterator<Item = &'a Candidate>,
) -> Option<&'a Candidate> {
    let kind = edit_type.kind();
    candidates
        .into_iter()
        .filter(|candidate| candidate.kind == kind)
        .min_by_key(|one| (rank(seed, picture, edit_type, &one.content), one.content, one.number))
}

/// The two candidates that an edit of this type is about: of the [right kind](EditType::kind), with different nouns, and
/// [more than](gap) `pixels_apart` apart. Among all such pairs the one with the lowest rank of a pair, which is a hash of
/// both ranks. The one with the lower rank comes first.
pub(crate) fn choose_pair<'a>(
    seed: u64,
    picture: &ContentHash,
    edit_type: EditType,
    candidates: impl IntoIterator<Item = &'a Candidate>,
    pixels_apart: f32,
) -> Option<(&'a Candidate, &'a Candidate)> {
    let kind = edit_type.kind();
    let mut ranked: Vec<_> = candidates
        .into_iter()
        .filter(|candidate| candidate.kind == kind)
        .map(|one| ((rank(seed, picture, edit_type, &one.content), one.content, one.number), one))
        .collect();
    ranked.sort_unstable_by_key(|(order, _)| *order);
    let mut lowest = None;
    for (at, (first_order, first)) in ranked.iter().enumerate() {
        for (second_order, second) in &ranked[at + 1..] {
            let apart = gap(first.bbox, second.bbox) > pixels_apart;
            if first.noun == second.noun || !apart {
                continue;
            }
            let order = (mixed(first_order.0, second_order.0), *first_order, *second_order);
            if lowest.as_ref().is_none_or(|(before, _)| order < *before) {
                lowest = Some((order, (*first, *second)));
            }
        }
    }
    lowest.map(|(_, pair)| pair)
}

/// How far apart two boxes are, in pixels: along x the gap is `max(left_b - right_a, left_a - right_b)`, along y likewise with
/// tops and bottoms, and the distance is the greater of the two gaps. Negative where they overlap; NaN where a side is not a
/// finite number.
///
/// ```
/// use operators::plan::choice::gap;
/// assert_eq!(gap([0.0, 0.0, 10.0, 10.0], [110.0, 5.0, 120.0, 9.0]), 100.0);
/// assert_eq!(gap([0.0, 30.0, 10.0, 40.0], [5.0, 0.0, 20.0, 10.0]), 20.0);
/// assert!(gap([0.0, 0.0, 10.0, 10.0], [5.0, 5.0, 20.0, 20.0]) < 0.0);
/// ```
pub fn gap(a: [f32; 4], b: [f32; 4]) -> f32 {
    if a.iter().chain(&b).any(|side| !side.is_finite()) {
        return f32::NAN;
    }
    let along_x = (b[0] - a[2]).max(a[0] - b[2]);
    let along_y = (b[1] - a[3]).max(a[1] - b[3]);
    along_x.max(along_y)
}

/// What the steps of an edit of this type do: of each step's [operations](EditType::steps) one; of a type whose steps are
/// [joined](Telling::Joined) each another one. The digits of the pick choose, in the mixed base of how many there are to choose from.
///
/// ```
/// use operators::plan::choice::operations;
/// use operators::plan::edit_plan::{EditType, Operation::*};
/// assert_eq!(operations(EditType::Style, 3), [Style]);
/// assert_eq!(operations(EditType::VersionBacktracking, 3), [Add, Replace, Adjust]);
/// let two = operations(EditType::Hybrid, 3);
/// assert!(two.len() == 2 && two[0] != two[1]);
/// ```
pub fn operations(edit_type: EditType, pick: u64) -> Vec<Operation> {
    let mut left = slot(pick, "operations");
    let mut chosen: Vec<Operation> = Vec::new();
    for &step in edit_type.steps() {
        let again = |operation: &Operation| edit_type.told() == Telling::Joined && chosen.contains(operation);
        let free: Vec<Operation> = step.iter().copied().filter(|operation| !again(operation)).collect();
        chosen.extend(of(left, &free).copied());
        left /= (free.len() as u64).max(1);
    }
    chosen
}

/// Whether a picture takes part in a type that a `share` of all pictures (0 to 1) shall take part in. A greater share only
/// adds pictures. What is no number is a share of nothing.
///
/// ```
/// use operators::plan::choice::takes_part;
/// use operators::plan::edit_plan::EditType;
/// use threshflow::row::ContentHash;
/// let picture = ContentHash::of(b"a picture");
/// assert!(takes_part(7, &picture, EditType::Add, 1.0));
/// assert!(!takes_part(7, &picture, EditType::Add, 0.0));
/// ```
pub fn takes_part(seed: u64, picture: &ContentHash, edit_type: EditType, share: f32) -> bool {
    let number = keyed(seed, &[b"part", &picture.0, edit_type.name().as_bytes()]) >> 32;
    // Exact: a float of 32 bits times a power of two. The cast takes what lies outside to the ends, and NaN to 0.
    number < (f64::from(share) * 4_294_967_296.0) as u64
}

/// The parts' lengths are hashed with them, so that no two lists of parts read alike.
fn keyed(seed: u64, parts: &[&[u8]]) -> u64 {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..].copy_from_slice(VERSION);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut number = [0; 8];
    number.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(number)
}

/// SplitMix64's finalizer over two ranks, which are hashes already: a hundred candidates make 4,950 pairs.
fn mixed(first: u64, second: u64) -> u64 {
    let finalized = |mut number: u64| {
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    };
    finalized(finalized(first.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ second)
}

#[cfg(test)]
mod tests;
