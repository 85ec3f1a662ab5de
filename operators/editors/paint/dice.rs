//! Random numbers that a seed determines: splitmix64, whose numbers do not change with a crate's version.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Dice(seed)
    }

    /// Any 64 bits.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: i32, high: i32) -> i32 {
        let span = (i64::from(high) - i64::from(low) + 1).max(1) as u64;
        low + (((self.roll() >> 32) * span) >> 32) as i32
    }
}

/// A number from 0 to 1 that (`seed`, `x`, `y`) decides.
pub(crate) fn at(seed: u64, x: i32, y: i32) -> f32 {
    let place = (u64::from(x as u32) << 32) | u64::from(y as u32);
    (mixed(mixed(place ^ 0xA5A5_5A5A) ^ seed) >> 40) as f32 / (1u64 << 24) as f32
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
