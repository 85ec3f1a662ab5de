//! `short_side`: the length of a picture's shorter side. The header states it; nothing is asked.

use threshflow::row::{Image, Score, Scored, Unit, With};

/// The shorter side of a picture, as shown, in pixels.
pub struct ShortSide;

impl Unit for ShortSide {
    const NAME: &'static str = "short_side";
    const UNIT: &'static str = "px";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 65_535.0;
}

/// Scores a picture by its shorter side.
pub fn short_side(image: Image) -> Scored<Image, ShortSide> {
    let score = Score::of(image.short_side().into());
    With::new(image, score)
}
