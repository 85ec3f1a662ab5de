//! Compares a region with words by a CLIP: which part of the picture the vision tower sees, and which texts stand for a noun.
//! `region_score` asks about a region in the same way as the embedded judge asks about an edited one.

use std::sync::Arc;

use image::RgbImage;
use threshflow::row::{ContentHash, Refusal, Stamp};

use crate::models::clip_model::ClipModel;
use crate::models::clip_tower::ClipTower;
use crate::models::texts::Texts;
use crate::pixels::decode::Rgb;
use crate::pixels::mask::Mask;
use crate::pixels::region_crop::{Channels, crop_by_mask, crop_image_by_mask};

/// A CLIP's vision tower, and what its text tower said of nouns.
pub struct RegionClip {
    tower: Arc<ClipTower>,
    /// By the text tower that belongs to the CLIP.
    texts: Arc<Texts>,
    channels: Channels,
}

/// A noun as embeddings of length 1: of "X" and of "not X".
#[derive(Clone, Debug, PartialEq)]
pub struct NounTexts {
    pub noun: Vec<f32>,
    pub not: Vec<f32>,
}

impl RegionClip {
    pub fn new(tower: Arc<ClipTower>, texts: Arc<Texts>, channels: Channels) -> Self {
        RegionClip { tower, texts, channels }
    }

    pub fn model(&self) -> &ClipModel {
        self.tower.model()
    }

    pub(crate) fn tower(&self) -> &ClipTower {
        &self.tower
    }

    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Of all that shapes an embedding of a text.
    pub(crate) fn texts_stamp(&self) -> Stamp {
        self.texts.stamp()
    }

    /// See [`Operator::demonstration`](threshflow::lane::Operator::demonstration).
    pub(crate) fn demonstration(&self) -> Option<String> {
        self.model().demonstration().or_else(|| self.texts.demonstration())
    }

    /// The region cut out, white around it.
    pub(crate) fn cut_out(&self, picture: &Rgb, mask: &Mask) -> Result<Rgb, Refusal> {
        crop_by_mask(picture, &mask.bits, self.channels)
    }

    /// What the vision tower takes of a region: a crop of `3 * crop * crop` bytes.
    pub fn crop(&self, picture: &RgbImage, mask: &Mask) -> Result<Vec<u8>, Refusal> {
        self.model().preprocess().crop_u8(&crop_image_by_mask(picture, mask, self.channels)?)
    }

    /// The embeddings of a noun; what was never asked is asked now. Not for a worker thread.
    pub fn noun(&self, noun: &str) -> Result<NounTexts, Refusal> {
        let phrases = phrases(noun);
        let texts = self.texts.embed(&phrases.each_ref().map(String::as_str));
        let texts: Vec<Vec<f32>> = texts.into_iter().collect::<Result<_, _>>()?;
        let [noun, not] = <[Vec<f32>; 2]>::try_from(texts)
            .map_err(|_| Refusal::transient("wrong_count", "two texts have two embeddings"))?;
        Ok(NounTexts { noun, not })
    }

    /// The embedding of a text as it stands.
    pub fn text(&self, text: &str) -> Result<Vec<f32>, Refusal> {
        let lost = || Err(Refusal::transient("wrong_count", "a text has an embedding"));
        self.texts.embed(&[text]).pop().unwrap_or_else(lost)
    }

    /// The texts of these nouns that were never asked: what looking them up would ask.
    pub(crate) fn unknown_nouns<'a>(
        &self,
        nouns: impl IntoIterator<Item = &'a str>,
    ) -> Vec<(&'static str, ContentHash)> {
        let texts: Vec<String> = nouns.into_iter().flat_map(phrases).collect();
        self.unknown_texts(texts.iter().map(String::as_str))
    }

    /// Those of these texts that were never asked.
    pub(crate) fn unknown_texts<'a>(
        &self,
        texts: impl Iterator<Item = &'a str>,
    ) -> Vec<(&'static str, ContentHash)> {
        self.texts.unknown(texts)
    }
}

/// The two texts that a region is held against. Whoever changes them raises [`TEMPLATE`].
fn phrases(noun: &str) -> [String; 2] {
    [noun.to_owned(), format!("not {noun}")]
}

/// What nouns are made texts by, for the stamps of answers.
pub(crate) const TEMPLATE: &str = "X, not X";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_is_told_by_two_texts() {
        assert_eq!(phrases("red car").join(", "), TEMPLATE.replace('X', "red car"));
    }
}
