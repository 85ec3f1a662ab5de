//! The demo's source of random numbers: splitmix64, ten lines whose numbers do not change with a crate's version.

/// A stream of random numbers that its seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of scene `n` under `seed`. Streams of neighbouring scenes have nothing in common.
    pub(crate) fn of(seed: u64, n: u64) -> Self {
        let mut dice = Dice(seed);
        Dice(dice.next().wrapping_add(n.wrapping_mul(0xD1B5_4A32_D192_ED03)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number from `0` to `below - 1`.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        (((self.next() >> 32) * below as u64) >> 32) as usize
    }

    /// A number from `low` to `high`, `high` left out.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next() >> 40) as f32 / (1u64 << 24) as f32)
    }

    /// True with this chance, 0 to 1.
    pub(crate) fn chance(&mut self, of: f32) -> bool {
        self.between(0.0, 1.0) < of
    }

    /// One of `choices`.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
