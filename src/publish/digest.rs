//! The hash of all that a part is a function of: the shard, its rows, and their regions and verdicts, in one fixed form.

use super::export::TAR_FORMAT;
use super::manifest::PartKind;
use super::parquet::canonical;
use super::wanted::{Reason, format_name, threshold};
use super::{FORMAT, PublishedPiece, Wanted, WantedPieces};
use crate::row::{ContentHash, Refusal};
use crate::shard::Sample;

/// The hash of what a part is a function of: every text after its length, every choice after a number.
pub(super) struct Digest(blake3::Hasher);

impl Digest {
    pub(super) fn of_part(kind: PartKind, shard: &str, fingerprint: ContentHash) -> Self {
        let mut digest = Digest(blake3::Hasher::new());
        let format = if kind.extension() == "tar" { TAR_FORMAT } else { FORMAT };
        digest.number(format.into());
        digest.number(kind as u64);
        digest.text(shard);
        digest.0.update(&fingerprint.0);
        digest
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    pub(super) fn score(&mut self, score: f32) {
        self.0.update(&canonical(score).to_le_bytes());
    }

    /// What the index says of a row: other read options may say other things of the same bytes.
    pub(super) fn sample(&mut self, sample: &Sample) {
        self.text(&sample.key);
        self.number(sample.members.len() as u64);
        for member in &sample.members {
            self.text(&member.extension);
            self.number(member.offset);
            self.number(member.len);
        }
        self.number(sample.picture.is_ok().into());
        if let Ok(picture) = &sample.picture {
            self.0.update(&picture.content.0);
            self.text(format_name(picture.format));
            for number in [picture.member, picture.width.into(), picture.height.into()] {
                self.number(number.into());
            }
        }
        let sidecar = sample.sidecar_refusal.as_deref().map_or(String::new(), Refusal::to_string);
        self.text(&sidecar);
    }

    pub(super) fn reason(&mut self, wanted: &Wanted<'_>, reason: &Reason<'_>) {
        match reason {
            Reason::Gated { dial, score } => {
                self.number(1);
                self.text(dial);
                self.score(*score);
                self.score(threshold(wanted, dial).unwrap_or(f32::NAN));
            }
            Reason::Refused(refused) => {
                self.number(2);
                self.text(&refused.stage);
                self.text(&refused.refusal.class);
                self.text(&refused.refusal.message);
            }
        }
    }

    /// What a record is a function of, beside its row and the shard: for the head of a part.
    pub(super) fn recorder(&mut self, pieces: &WantedPieces<'_>) {
        self.text(&pieces.recorder.stamp().to_string());
        for (name, holds) in pieces.recorder.columns().into_iter().chain(pieces.recorder.edit_columns()) {
            self.text(name);
            self.text(&holds.to_string());
        }
        for (_, score_columns) in pieces.sorts {
            self.number(score_columns.len() as u64);
            score_columns.iter().for_each(|name| self.text(name));
        }
    }

    /// The regions, or the edits, that are published with a row.
    pub(super) fn pieces(&mut self, pieces: &[PublishedPiece<'_>]) {
        self.number(pieces.len() as u64);
        for piece in pieces {
            self.number(piece.number.into());
            self.text(&piece.content.to_string());
            piece.scores.iter().for_each(|&score| self.score(score));
        }
    }

    pub(super) fn finish(&self) -> ContentHash {
        ContentHash::from_hasher(&self.0)
    }
}
