//! What the dataflow says of a row that ended becomes a verdict.

use super::Verdicts;
use super::slots::Slot;
use crate::flow::{Ended, PieceVerdict, Told, Unasked, Why};
use crate::row::{Of, Place};

impl Verdicts {
    /// A row ended so, or did not after all. Gives back what is or would be asked about it.
    pub(in crate::flow) fn add_ended(&mut self, ended: Ended, diff: isize) -> Option<Box<Unasked>> {
        let Ended { place, why } = ended;
        match (why, place.of) {
            (Why::Gated { dial, score }, Of::Pictures) => {
                self.count_held_back(dial, diff);
                self.add_slot(place.id, Slot::gated(dial, score.get()), 0, diff);
            }
            (Why::Refused(refused), Of::Pictures) => self.add_refused(place.id, *refused, diff),
            (Why::Found(of, pieces), _) => self.add_found(place.id, (of, pieces), diff),
            (Why::Foretold(unasked), _) => return Some(unasked),
            (Why::Unasked(unasked), of) => {
                let stage = self.stage(unasked.stage);
                self.undecided_at[usize::from(stage)] += diff as i64;
                match of {
                    Of::Pictures => self.add_slot(place.id, Slot::held_back_at(stage), 0, diff),
                    _ => self.add_open_piece(place, stage, diff),
                }
                return Some(unasked);
            }
            (Why::Told(told), _) => {
                let (why, told) = *told;
                self.add_ended_piece(place, why, Some(Box::new(told)), diff);
            }
            (why, _) => self.add_ended_piece(place, why, None, diff),
        }
        None
    }

    fn count_held_back(&mut self, dial: u16, diff: isize) {
        if let Some(rows) = self.gated.get_mut(usize::from(dial)) {
            *rows += diff as i64;
        }
    }

    fn add_ended_piece(&mut self, place: Place, why: Why, told: Option<Box<Told>>, diff: isize) {
        let verdict = match why {
            Why::Gated { dial, score } => {
                self.count_held_back(dial, diff);
                PieceVerdict::Gated { dial: self.dials[usize::from(dial)], score: score.get() }
            }
            Why::Refused(refused) => PieceVerdict::Refused(refused),
            // They end no piece.
            Why::Told(_) | Why::Found(..) | Why::Unasked(_) | Why::Foretold(_) => return,
        };
        self.add_rejected_piece(place, verdict, told, diff);
    }
}
