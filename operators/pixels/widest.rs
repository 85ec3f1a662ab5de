//! Loops over rows of numbers, run with the widest vectors that the processor at hand has. The compiler makes the vectors.

use rten_simd::{Isa, SimdOp};

/// Runs a loop that is compiled once for each set of instructions that we know of, with the best one that is here. The answer is the
/// same with all of them.
///
/// What is run must be inlined to the last function, or it is compiled for the oldest processor: `widest(#[inline(always)] || ...)`, and
/// `#[inline(always)]` above what the closure calls.
pub(crate) fn widest<T>(run: impl FnOnce() -> T) -> T {
    Widest(run).dispatch()
}

struct Widest<F>(F);

impl<T, F: FnOnce() -> T> SimdOp for Widest<F> {
    type Output = T;

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) -> T {
        (self.0)()
    }
}

/// The channels of a row of pixels, apart: strides of three are read once, and the loops that follow read bytes in a row.
#[derive(Default)]
pub(crate) struct Inks {
    pub(crate) red: Vec<u8>,
    pub(crate) green: Vec<u8>,
    pub(crate) blue: Vec<u8>,
}

impl Inks {
    pub(crate) fn of_width(width: usize) -> Self {
        let row = || vec![0; width];
        Inks { red: row(), green: row(), blue: row() }
    }

    /// Takes a row of as many pixels as this has.
    #[inline(always)]
    pub(crate) fn take(&mut self, row: &[u8]) {
        let (pixels, _) = row.as_chunks::<3>();
        let inks = self.red.iter_mut().zip(&mut self.green).zip(&mut self.blue);
        for (((red, green), blue), pixel) in inks.zip(pixels) {
            (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
        }
    }
}
