//! What a plan says of regions and edits: which enter and leave for certain, and which depend on answers that are not there yet.
//!
//! A published piece is known by its number and its content. It stays for certain if three things hold: its picture's verdict is certain;
//! no question about the piece is open; and, for an edit, no question about any region of its picture is open, because among other regions
//! another one may be chosen.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::Settled;
use crate::flow::{PieceVerdict, Verdicts, Wired};
use crate::publish::PublishedPlace;
use crate::row::{ContentHash, Of, Place, RowId};

/// What would become of the regions, or of the edits. A run brings at least `enter` and at most `may_enter` more; of those that are
/// published it takes at least `leave` and at most `may_leave` more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceEffect {
    /// Those that would be published and are not now.
    pub enter: u64,
    /// How many more may enter, by what is answered. `None` where nobody knows: there are pictures that were not looked into.
    pub may_enter: Option<u64>,
    /// Those that are published and would be no more.
    pub leave: u64,
    /// Those that are published and may stay or leave, by what is answered.
    pub may_leave: u64,
    /// Those that would have to be asked about before their verdict is known.
    pub undecided: u64,
    /// Pictures that would have to be asked about before it is known what pieces they have.
    pub unseen: u64,
}

/// What is published of pieces.
#[derive(Default)]
pub(super) struct PublishedPieces {
    /// By picture and number.
    pieces: Vec<(RowId, Of, u16, ContentHash)>,
    /// Of pictures that are not in the shards any more: regions, edits.
    gone: [u64; 2],
}

impl PublishedPieces {
    pub(super) fn add(&mut self, id: RowId, pieces: Vec<PublishedPlace>) {
        self.pieces.extend(pieces.into_iter().map(|(of, number, content)| (id, of, number, content)));
    }

    pub(super) fn add_gone(&mut self, pieces: &[PublishedPlace]) {
        for (count, of) in self.gone.iter_mut().zip(Of::PIECES) {
            *count += pieces.iter().filter(|piece| piece.0 == of).count() as u64;
        }
    }

    /// Regions and edits, of pictures that are not in the shards any more.
    pub(super) fn gone_by_sort(&self) -> [u64; 2] {
        self.gone
    }

    pub(super) fn set_gone(&mut self, gone: [u64; 2]) {
        self.gone = gone;
    }

    /// Regions and edits, of pictures that are in the shards.
    pub(super) fn found_by_sort(&self) -> [u64; 2] {
        Of::PIECES.map(|of| self.pieces.iter().filter(|piece| piece.1 == of).count() as u64)
    }

    /// After the last was added.
    pub(super) fn sort(&mut self) {
        self.pieces.sort_unstable();
    }

    /// Those of a picture.
    fn of(&self, of: Of, id: RowId) -> &[(RowId, Of, u16, ContentHash)] {
        let begin = self.pieces.partition_point(|piece| (piece.0, piece.1) < (id, of));
        let length = self.pieces[begin..].partition_point(|piece| (piece.0, piece.1) == (id, of));
        &self.pieces[begin..begin + length]
    }

    fn pictures(&self) -> BTreeSet<RowId> {
        self.pieces.iter().map(|piece| piece.0).collect()
    }

    fn gone(&self, of: Of) -> u64 {
        Of::PIECES.iter().zip(self.gone).find(|(known, _)| **known == of).map_or(0, |(_, gone)| gone)
    }
}

/// Pieces that would have to be asked about, and pictures whose pieces nobody knows.
#[derive(Default)]
pub(super) struct OpenPieces {
    open: HashMap<(RowId, Of), BTreeSet<u16>>,
    /// Pictures that would have to be asked about before their regions are known.
    pub(super) unseen: HashSet<RowId>,
}

impl OpenPieces {
    pub(super) fn add(&mut self, place: Place) {
        self.open.entry((place.id, place.of)).or_default().insert(place.number);
    }

    /// The numbers of a picture's.
    pub(super) fn of(&self, of: Of, id: RowId) -> &BTreeSet<u16> {
        static NONE: BTreeSet<u16> = BTreeSet::new();
        self.open.get(&(id, of)).unwrap_or(&NONE)
    }
}

/// The stages that are asked about pictures before it is known which regions they have.
pub(super) fn asked_before_regions(wired: &[Wired]) -> HashSet<&'static str> {
    let of_regions =
        |step: &Wired| matches!(step, Wired::Ask { of, .. } | Wired::Gate { of, .. } if *of == Of::Regions);
    let first = wired.iter().position(of_regions).unwrap_or(wired.len());
    let asked = |step: &Wired| match step {
        Wired::Ask { stage, of: Of::Pictures, .. } => Some(*stage),
        _ => None,
    };
    wired[..first].iter().filter_map(asked).collect()
}

/// What becomes of the pieces of that sort.
pub(super) fn effect(of: Of, before: &PublishedPieces, after: &Settled, verdicts: &Verdicts) -> PieceEffect {
    let mut effect = PieceEffect {
        enter: 0,
        may_enter: Some(0),
        leave: before.gone(of),
        may_leave: 0,
        undecided: after
            .pieces
            .open
            .iter()
            .filter(|((_, sort), _)| *sort == of)
            .map(|(_, open)| open.len() as u64)
            .sum(),
        unseen: 0,
    };
    for id in after.kept.union(&after.undecided) {
        effect.add(of, *id, before, after, verdicts);
    }
    let ends =
        before.pictures().into_iter().filter(|id| !after.kept.contains(id) && !after.undecided.contains(id));
    effect.leave += ends.map(|id| before.of(of, id).len() as u64).sum::<u64>();
    if effect.unseen > 0 {
        effect.may_enter = None;
    }
    effect
}

impl PieceEffect {
    /// Adds what becomes of other pictures' pieces.
    pub(super) fn add_to(sum: &mut Option<PieceEffect>, other: Option<PieceEffect>) {
        let (Some(sum), Some(other)) = (sum.as_mut(), other.as_ref()) else {
            *sum = sum.take().or(other);
            return;
        };
        sum.enter += other.enter;
        sum.may_enter = sum.may_enter.zip(other.may_enter).map(|(one, more)| one + more);
        sum.leave += other.leave;
        sum.may_leave += other.may_leave;
        sum.undecided += other.undecided;
        sum.unseen += other.unseen;
    }

    /// Adds the pieces of a picture that is published, or may be.
    fn add(&mut self, of: Of, id: RowId, before: &PublishedPieces, after: &Settled, verdicts: &Verdicts) {
        let published = before.of(of, id);
        let tried = verdicts.found_in(of, id);
        // Edits are tried of a picture that has passed everything before them.
        let unseen = match of {
            Of::Edits => after.undecided.contains(&id) && tried == 0,
            Of::Regions | Of::Pictures => after.pieces.unseen.contains(&id),
        };
        if unseen {
            self.unseen += 1;
            self.may_leave += published.len() as u64;
            return;
        }
        if of == Of::Edits && !after.pieces.of(Of::Regions, id).is_empty() {
            self.more_may_enter(tried);
            self.may_leave += published.len() as u64;
            return;
        }
        let certain = !after.undecided.contains(&id);
        let open = after.pieces.of(of, id);
        self.more_may_enter(open.len() as u64);
        let mut kept = HashSet::new();
        for (number, verdict) in verdicts.pieces_of(of, id) {
            let PieceVerdict::Kept { content, .. } = verdict else { continue };
            if published.contains(&(id, of, number, *content)) {
                kept.insert(number);
            } else if certain {
                self.enter += 1;
            } else {
                self.more_may_enter(1);
            }
        }
        for (.., number, _) in published {
            match (open.contains(number), kept.contains(number)) {
                (true, _) => self.may_leave += 1,
                (false, true) => self.may_leave += u64::from(!certain),
                (false, false) => self.leave += 1,
            }
        }
    }

    fn more_may_enter(&mut self, more: u64) {
        self.may_enter = self.may_enter.map(|may_enter| may_enter + more);
    }

    /// For people.
    pub(super) fn words(&self, of: Of) -> String {
        let what = of.plural();
        let pictures = self.unseen;
        let enter = match (self.enter, self.may_enter) {
            (enter, Some(0)) => format!("{enter} {what} enter"),
            (enter, Some(more)) => format!("{enter} {what} enter and {more} more may"),
            (0, None) => {
                format!("how many {what} enter is unknown until {pictures} pictures are asked about")
            }
            (enter, None) => {
                format!(
                    "{enter} {what} enter, how many more is unknown until {pictures} pictures are asked about"
                )
            }
        };
        match self.may_leave {
            0 => format!("{enter}, {} leave", self.leave),
            more => format!("{enter}, {} leave and {more} more may", self.leave),
        }
    }
}
