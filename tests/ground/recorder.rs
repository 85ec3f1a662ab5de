//! The records of the ground pipeline: words, and what is left of the regions, with their masks.

use std::sync::Arc;

use threshflow::flow::Finds;
use threshflow::lane::{Key, Question, Stage};
use threshflow::publish::{KeptPicture, Nested, PublishedPiece, Recorder};
use threshflow::row::{Handle, Image, Stamp, With};

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
        let found = self.find.operator().found(&found).map_err(said)?;
        let region = |region: &PublishedPiece<'_>| {
            let mask = match self.mask.memo().read(&region.content) {
                Ok(Some(Ok(mask))) => String::from_utf8(mask).map_err(|error| error.to_string())?,
                other => return Err(format!("the mask of region {}: {other:?}", region.number)),
            };
            Ok((region.number, found[usize::from(region.number)].noun_text.as_str(), mask))
        };
        let regions = picture.regions.iter().map(region).collect::<Result<Vec<_>, String>>()?;
        Ok(plainly::record(&words, &regions))
    }
}
