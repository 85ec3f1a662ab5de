//! Rows without pictures: made from a number, the same ones always.

use threshflow::flow::{Comparison, DialSpec, Engine, Fed};
use threshflow::row::{ContentHash, Image, RowId, Score, Scored, Unit, With};

/// A score that rows bring along, from 0 to 10.
pub struct Taste;
impl Unit for Taste {
    const NAME: &'static str = "taste";
    const UNIT: &'static str = "0 to 10";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 10.0;
}

/// A score that is asked for, from 0 to 10.
pub struct Charm;
impl Unit for Charm {
    const NAME: &'static str = "charm";
    const UNIT: &'static str = "0 to 10";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 10.0;
}

const fn dial(name: &'static str) -> DialSpec {
    DialSpec {
        name,
        group: None,
        unit: "0 to 10",
        comparison: Comparison::Above,
        default: 5.0,
        low: 0.0,
        high: 10.0,
        about: "",
    }
}

/// One dial of each unit, in this order.
pub static DIALS: [DialSpec; 2] = [dial(Taste::NAME), dial(Charm::NAME)];

/// Scores in 0..10, spread evenly and without order.
pub fn score(n: u32) -> f32 {
    (n.wrapping_mul(2_654_435_761) >> 8) as f32 / (1u32 << 24) as f32 * 10.0
}

/// Contents that no two numbers share, spread as hashes are (two rounds of SplitMix64).
pub fn content(n: u32) -> ContentHash {
    let mut bytes = [0; 16];
    for (half, salt) in bytes.chunks_exact_mut(8).zip([1_u64, 2]) {
        let mut z = (u64::from(n) << 2 | salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        half.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    ContentHash(bytes)
}

/// The picture of this number.
pub fn image(n: u32) -> Image {
    let id = RowId { shard: 0, member: n };
    Image { id, content: content(n), width: 1600, height: 1200 }
}

/// Scores a picture by its number.
pub fn taste(image: Image) -> Scored<Image, Taste> {
    let taste = Score::of(score(image.id.member));
    With::new(image, taste)
}

/// Hands in so many rows as one shard, and waits for their verdicts.
pub fn insert(engine: &mut Engine, rows: u32) {
    let fed = (0..rows as usize).map(|n| Fed::Image(image(n as u32)));
    engine.insert(0, fed, &mut crate::live::go_on).expect("rows go in");
    engine.settle(&mut crate::live::go_on).expect("every row has its verdict");
}
