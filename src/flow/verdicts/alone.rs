//! One picture by itself, as if it were kept with its pieces: what its record would be made of, so that it can be shown wherever it stands.

use super::{PieceVerdict, Verdicts};
use crate::flow::KeptPiece;
use crate::row::{ContentHash, Of, Place, RowId, Score, Verdict};

impl Verdicts {
    /// The verdicts of a shard of so many rows in which this picture alone stands, kept. It has `columns` scores, and `of_pieces` says how
    /// many a piece of each sort has; a score that is not known is no number. `undecided` is the content of a piece that is undecided.
    ///
    /// Of a picture those pieces are shown that passed everything; of a region that region alone; of an edit that edit, and all regions.
    pub(crate) fn as_if_kept(
        &self,
        place: Place,
        rows: usize,
        (columns, of_pieces): (usize, impl Fn(Of) -> usize),
        undecided: Option<ContentHash>,
    ) -> Verdicts {
        let id = place.id;
        let mut alone = Verdicts::default();
        alone.expect(id.shard, rows);
        let scores = match self.of(id) {
            Some(Verdict::Kept(scores)) => scores.to_vec(),
            _ => vec![f32::NAN; columns],
        };
        alone.add_kept(id, &scores, 1);
        let mut add = |piece: Place, content: ContentHash, mut scores: Vec<f32>| {
            scores.resize(of_pieces(piece.of), f32::NAN);
            let scores = scores.into_iter().map(Score::of).collect();
            alone.add_kept_piece(KeptPiece { place: piece, content, scores }, 1);
            alone.add_found(id, (piece.of, 1), 1);
        };
        for of in Of::PIECES {
            for (number, verdict, told) in self.pieces_told(of, id) {
                let piece = Place { id, of, number };
                let shown = match place.of {
                    Of::Pictures => matches!(verdict, PieceVerdict::Kept { .. }),
                    Of::Regions => piece == place,
                    Of::Edits => of == Of::Regions || piece == place,
                };
                match (verdict, told) {
                    (PieceVerdict::Kept { content, scores }, _) if shown => {
                        add(piece, *content, scores.to_vec())
                    }
                    (_, Some(told)) if shown => {
                        add(piece, told.content, told.scores.iter().map(|score| score.get()).collect());
                    }
                    _ => {}
                }
            }
        }
        if let Some(content) = undecided {
            add(place, content, Vec::new());
        }
        alone.complete();
        alone
    }

    /// Every row of the shard of `id` as held back, but for that one, which is kept.
    pub(crate) fn of_its_shard(&self, id: RowId, rows: usize) -> Vec<Verdict> {
        let held_back = Verdict::Gated { dial: "", score: f32::NAN };
        let mut verdicts = vec![held_back; rows];
        if let (Some(slot), Some(verdict)) = (verdicts.get_mut(id.member as usize), self.of(id)) {
            *slot = verdict;
        }
        verdicts
    }
}
