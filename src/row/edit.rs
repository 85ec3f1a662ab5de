//! Edits: what may be made of a picture, each a row of its own.

use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::{ColumnName, ContentHash, Image, Of, Refusal, Region, Row, RowId, sealed};

/// What was chosen for an edit: regions of the picture by their numbers, and what is to be done to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// One or two regions; [`Choice::NONE`] stands for none.
    pub regions: [u16; 2],
    /// What is to be done, in the words of whoever chose: operations by number.
    pub operations: [u8; Choice::MOST_OPERATIONS],
}

impl Choice {
    /// Operations of a choice, at most.
    pub const MOST_OPERATIONS: usize = 3;

    /// No region.
    pub const NONE: u16 = u16::MAX;

    /// The numbers of the chosen regions.
    pub fn regions(&self) -> impl Iterator<Item = u16> {
        self.regions.into_iter().filter(|number| *number != Choice::NONE)
    }
}

/// An edit that was chosen for a picture: its instruction, pictures and judgements lie in memos.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edit<I = Image> {
    pub image: I,
    /// Which of the edits that are tried for every picture: its type, in the words of whoever chose.
    pub number: u16,
    pub choice: Choice,
    /// The [`Row::content`] of the picture's row when the choice was made: what tells of its regions is remembered under it.
    pub picture: ContentHash,
    content: ContentHash,
}

impl Edit {
    /// Edit `number` of a picture, as it was chosen among `candidates`; `picture` is the [`Row::content`] of the picture's row. The
    /// contents of the chosen regions, in their order, shape questions about the edit; their numbers only lead to them.
    ///
    /// # Errors
    /// `foreign_choice` where a chosen region is none of the candidates: without it the edit would be taken for another.
    pub(crate) fn chosen(
        image: &Image,
        picture: ContentHash,
        (number, choice): (u16, Choice),
        candidates: &[Region],
    ) -> Result<Self, Refusal> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&picture.0).update(&number.to_le_bytes()).update(&choice.operations);
        for chosen in choice.regions() {
            let region = candidates.iter().find(|region| region.number == chosen);
            let foreign = || {
                let message = format!(
                    "edit {number} was chosen for region {chosen}, which is none of its {} candidates; a chooser \
                     chooses among the regions that it is given",
                    candidates.len()
                );
                Refusal::transient("foreign_choice", message)
            };
            hasher.update(&region.ok_or_else(foreign)?.content().0);
        }
        let content = ContentHash::from_hasher(&hasher);
        Ok(Edit { image: image.clone(), number, choice, picture, content })
    }
}

impl<I> Edit<I> {
    fn about<J>(&self, image: J) -> Edit<J> {
        let Edit { number, choice, picture, content, .. } = *self;
        Edit { image, number, choice, picture, content }
    }
}

impl sealed::Sealed for Edit {}
impl Row for Edit {
    const OF: Of = Of::Edits;
    type WithoutImage = Edit<RowId>;

    fn image(&self) -> &Image {
        &self.image
    }
    fn edit(&self) -> Option<&Edit> {
        Some(self)
    }
    fn content(&self) -> ContentHash {
        self.content
    }
    fn see_scores(&self, _see: &mut dyn FnMut(f32)) {}
    fn columns() -> Vec<ColumnName> {
        Vec::new()
    }
    fn without_image(&self) -> Self::WithoutImage {
        self.about(self.image.id)
    }
    fn with_image(without: &Self::WithoutImage, image: Image) -> Self {
        without.about(image)
    }
}
