//! `area`: how much of its picture a region's box covers. The box states it; nothing is asked.

use threshflow::row::{Row, Score, Scored, Unit, With};

/// The area of a region's box as a share of the picture's.
pub struct Area;

impl Unit for Area {
    const NAME: &'static str = "area";
    const UNIT: &'static str = "share of the picture, 0 to 1";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1.0;
}

/// Scores a region by its area. A row that is about no region covers all of its picture.
pub fn area<R: Row>(row: R) -> Scored<R, Area> {
    let share = row.region().map_or(1.0, |region| region.area());
    With::new(row, Score::of(share))
}
