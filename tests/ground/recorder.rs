//! The records of the ground pipeline: words, and what is left of the regions, with their masks.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use threshflow::flow::{Finds, Found};
use threshflow::lane::{Key, Question, Stage};
use threshflow::publish::{KeptPicture, Nested, PublishedPiece, Recorder, RejectedPiece};
use threshflow::row::{ContentHash, Handle, Image, Of, Stamp, With};

use super::operators::{Find, Mask, ReadWords, Words};
use super::plainly;

/// Writes records out of what the stages remember.
pub struct GroundRecorder {
    words: Arc<Stage<ReadWords>>,
    find: Arc<Stage<Find>>,
    mask: Arc<Stage<Mask>>,
}

impl GroundRecorder {
    pub fn new(words: Arc<Stage<ReadWords>>, find: Arc<Stage<Find>>, mask: Arc<Stage<Mask>>) -> Self {
        GroundRecorder { words, find, mask }
    }

    fn found(&self, picture: &KeptPicture<'_>) -> Result<(Vec<String>, Vec<Found>), String> {
        let image = Image {
            id: picture.id,
            content: picture.picture.content,
            width: picture.picture.width,
            height: picture.picture.height,
        };
        let said = |refusal: threshflow::row::Refusal| refusal.to_string();
        let blob = self.words.blob(&Question::about(&image, Key::Sample)).map_err(said)?;
        let words: Vec<String> = serde_json::from_slice(&blob).map_err(|error| error.to_string())?;
        let told = With::new(image, Handle::<Words>::of(&blob));
        let found = self.find.blob(&Question::about(&told, Key::Row)).map_err(said)?;
        Ok((words, self.find.operator().found(&found).map_err(said)?))
    }

    fn mask_of(&self, number: u16, region: &ContentHash) -> Result<String, String> {
        match self.mask.memo().read(region) {
            Ok(Some(Ok(mask))) => String::from_utf8(mask).map_err(|error| error.to_string()),
            other => Err(format!("the mask of region {number}: {other:?}")),
        }
    }
}

impl Recorder for GroundRecorder {
    fn stamp(&self) -> Stamp {
        let stamps = [self.words.memo().stamp(), self.find.memo().stamp(), self.mask.memo().stamp()];
        let mut parts: Vec<(&str, &[u8])> = vec![("recorder", b"ground/1")];
        parts.extend(stamps.iter().map(|stamp| ("stage", stamp.0.0.as_slice())));
        Stamp::of(&parts)
    }

    fn columns(&self) -> Vec<(&'static str, Nested)> {
        let region =
            Nested::Struct(vec![("number", Nested::Int64), ("word", Nested::Text), ("mask", Nested::Text)]);
        vec![("words", Nested::List(Box::new(Nested::Text))), ("segments", Nested::List(Box::new(region)))]
    }

    fn record(&self, picture: &KeptPicture<'_>) -> Result<String, String> {
        let (words, found) = self.found(picture)?;
        let region = |region: &PublishedPiece<'_>| {
            let mask = self.mask_of(region.number, &region.content)?;
            Ok((region.number, found[usize::from(region.number)].noun_text.as_str(), mask))
        };
        let regions = picture.regions.iter().map(region).collect::<Result<Vec<_>, String>>()?;
        Ok(plainly::record(&words, &regions))
    }

    fn rejected_columns(&self, of: Of) -> Vec<(&'static str, Nested)> {
        match of {
            Of::Regions => vec![("word", Nested::Text), ("mask", Nested::Text)],
            Of::Edits | Of::Pictures => Vec::new(),
        }
    }

    fn rejected(
        &self,
        of: Of,
        picture: &KeptPicture<'_>,
        rejected: &[RejectedPiece<'_>],
    ) -> Result<Vec<Map<String, Value>>, String> {
        if of != Of::Regions {
            return Ok(vec![Map::new(); rejected.len()]);
        }
        let (_, found) = self.found(picture)?;
        let row = |region: &RejectedPiece<'_>| {
            let masked = region.content.filter(|_| region.is_answered("mask"));
            let mask = masked.map(|content| self.mask_of(region.number, &content)).transpose()?;
            let word = found[usize::from(region.number)].noun_text.as_str();
            Ok([("word", json!(word)), ("mask", json!(mask))]
                .map(|(name, it)| (name.to_owned(), it))
                .into_iter()
                .collect())
        };
        rejected.iter().map(row).collect()
    }
}
