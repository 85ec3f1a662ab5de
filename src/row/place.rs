//! Which picture, or which piece of a picture, a verdict is about.

use serde::{Deserialize, Serialize};

use super::RowId;

/// What rows stand for: pictures, or pieces of them, which are their regions and their edits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    #[default]
    Pictures,
    Regions,
    Edits,
}

impl Of {
    /// What a picture has several of.
    pub const PIECES: [Of; 2] = [Of::Regions, Of::Edits];

    /// As people and files call them: `regions`.
    pub fn plural(self) -> &'static str {
        match self {
            Of::Pictures => "pictures",
            Of::Regions => "regions",
            Of::Edits => "edits",
        }
    }

    /// One of them: `region`.
    pub fn singular(self) -> &'static str {
        self.plural().trim_end_matches('s')
    }
}

/// A picture, or one of its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub id: RowId,
    pub of: Of,
    /// The piece's number among its picture's; 0 for the picture itself.
    pub number: u16,
}

impl Place {
    /// The picture as a whole.
    pub fn picture(id: RowId) -> Self {
        Place { id, of: Of::Pictures, number: 0 }
    }

    pub fn region(id: RowId, number: u16) -> Self {
        Place { id, of: Of::Regions, number }
    }

    pub fn edit(id: RowId, number: u16) -> Self {
        Place { id, of: Of::Edits, number }
    }
}
