//! The columns that `compare` gives an edit, as one table.

use threshflow::lane::{Answer, Scores};
use threshflow::memo::Inline;
use threshflow::row::{Row, Score, With};

use crate::pixels::pair::Compared;
use crate::scores::{Worse, scored, units};

/// A score rides in so many steps of its scale: 255 x 256, so that 0, 1, whole levels and whole pixels are exact.
const STEPS: f32 = 65_280.0;

/// Of each column: its unit as a type, its name, its unit for people, the ends of its scale, and which end is the worse.
macro_rules! columns {
    ($($(#[$about:meta])+ $unit:ident $name:literal $in:literal $low:literal $high:literal $worse:ident;)+) => {
        units! { $($(#[$about])+ $unit $name $in $low $high;)+ }

        const COUNT: usize = [$($name),+].len();
        /// The names of the columns, in their order.
        pub const COLUMNS: [&str; COUNT] = [$($name),+];
        const SCALES: [(f32, f32, Worse); COUNT] = [$(($low, $high, Worse::$worse)),+];

        impl Scores for Measures {
            fn without_answer<R: Row>(row: R) -> Self::Row<R> {
                $(let row = With::new(row, Score::<$unit>::NAN);)+
                row
            }
        }

        impl Answer for Measures {
            type Row<R: Row> = scored!(R; $($unit)+);

            fn attach<R: Row>(self, row: R) -> Self::Row<R> {
                let mut scores = self.scores().into_iter();
                let mut next = || scores.next().unwrap_or(f32::NAN);
                $(let row = With::new(row, Score::<$unit>::of(next()));)+
                row
            }
            fn to_inline(self) -> Inline {
                let mut bytes = [0; 2 * COUNT];
                bytes.chunks_exact_mut(2).zip(self.0).for_each(|(to, steps)| to.copy_from_slice(&steps.to_le_bytes()));
                Inline::of(bytes)
            }
            fn from_inline(bytes: &[u8]) -> Option<Self> {
                let bytes: &[u8; 2 * COUNT] = bytes.try_into().ok()?;
                let steps = std::array::from_fn(|n| u16::from_le_bytes([bytes[2 * n], bytes[2 * n + 1]]));
                Some(Measures(steps)).filter(|measures| measures.0.iter().all(|steps| f32::from(*steps) <= STEPS))
            }
        }
    };
}

columns! {
    /// See [`Compared::changed_inside`].
    ChangedInside "changed_inside" "share of the pixels" 0.0 1.0 Less;
    /// See [`Compared::changed_outside`].
    ChangedOutside "changed_outside" "share of the pixels" 0.0 1.0 More;
    /// See [`Compared::difference_inside`].
    DifferenceInside "difference_inside" "0 to 1" 0.0 1.0 Less;
    /// See [`Compared::difference_outside`].
    DifferenceOutside "difference_outside" "0 to 1" 0.0 1.0 More;
    /// See [`Compared::psnr_outside`].
    PsnrOutside "psnr_outside" "dB" 0.0 99.0 Less;
    /// See [`Compared::ssim_outside`].
    SsimOutside "ssim_outside" "-1 to 1" -1.0 1.0 Less;
    /// See [`Compared::largest_change`].
    LargestChange "largest_change" "share of the picture" 0.0 1.0 More;
    /// See [`Compared::seam`].
    Seam "seam" "times as harsh" 0.0 40.0 More;
    /// See [`Compared::shift`].
    Shift "shift" "px" 0.0 4080.0 More;
    /// See [`Compared::zoom`].
    Zoom "zoom" "factor" 1.0 1.25 More;
    /// How long the sides of a picture were as an editor gave it, as a factor of the original's (the root of the ratio of pixels): below 1
    /// it was made larger again, and is blurred.
    Resized "resized" "factor" 0.0 8.0 Less;
    /// See [`Compared::colour_cast`].
    ColourCast "colour_cast" "levels of 255" 0.0 255.0 More;
    /// See [`Compared::no_op`].
    NoOp "no_op" "0 or 1" 0.0 1.0 More;
}

/// What was measured of an edit, as it rides: for each column a number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures([u16; COUNT]);

impl Measures {
    pub(super) fn of(compared: &Compared, resized: f32) -> Self {
        let scores: [f32; COUNT] = [
            compared.changed_inside,
            compared.changed_outside,
            compared.difference_inside,
            compared.difference_outside,
            compared.psnr_outside,
            compared.ssim_outside,
            compared.largest_change,
            compared.seam,
            compared.shift,
            compared.zoom,
            resized,
            compared.colour_cast,
            f32::from(u8::from(compared.no_op)),
        ];
        let steps = |n: usize| {
            let (low, high, _) = SCALES[n];
            ((scores[n].clamp(low, high) - low) / (high - low) * STEPS).round() as u16
        };
        Measures(std::array::from_fn(steps))
    }

    /// Of each column the worse of both.
    pub(super) fn weaker(self, other: Self) -> Self {
        Measures(std::array::from_fn(|n| SCALES[n].2.of(self.0[n], other.0[n])))
    }

    /// The numbers, in the order of [`COLUMNS`].
    pub fn scores(self) -> [f32; COUNT] {
        std::array::from_fn(|n| {
            let (low, high, _) = SCALES[n];
            low + (high - low) * (f32::from(self.0[n]) / STEPS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared() -> Compared {
        Compared {
            changed_inside: 0.75,
            changed_outside: 0.0,
            difference_inside: 0.25,
            difference_outside: 1.0,
            psnr_outside: 99.0,
            ssim_outside: 1.0,
            largest_change: 0.001,
            seam: 1.0,
            shift: 3.0,
            zoom: 1.0,
            colour_cast: 12.0,
            no_op: false,
        }
    }

    #[test]
    fn scores_ride_exactly_where_it_matters_and_to_a_step_elsewhere() {
        let measures = Measures::of(&compared(), 1.0);
        assert_eq!(Measures::from_inline(measures.to_inline().bytes()), Some(measures));
        let wanted = [0.75, 0.0, 0.25, 1.0, 99.0, 1.0, 0.001, 1.0, 3.0, 1.0, 1.0, 12.0, 0.0];
        for ((name, found), wanted) in COLUMNS.iter().zip(measures.scores()).zip(wanted) {
            let within = if *name == "largest_change" { 1.0 / STEPS } else { 0.0 };
            assert!((found - wanted).abs() <= within, "{name}: {found} and not {wanted}");
        }
        assert_eq!(Measures::from_inline(&[255; 2 * COUNT]), None, "beyond the scale");
        assert_eq!(Measures::from_inline(&[0; 7]), None);
    }

    #[test]
    fn each_column_takes_the_turn_that_is_worst_by_it() {
        let second = Compared {
            changed_inside: 0.5,
            changed_outside: 0.25,
            psnr_outside: 40.0,
            shift: 0.0,
            no_op: true,
            ..compared()
        };
        let both = [Measures::of(&compared(), 1.0), Measures::of(&second, 0.5)];
        let weakest = both[0].weaker(both[1]);
        assert_eq!(weakest, both[1].weaker(both[0]));
        let of = |name: &str| weakest.scores()[COLUMNS.iter().position(|known| *known == name).unwrap()];
        let worst = ["changed_inside", "changed_outside", "shift", "resized", "no_op", "seam"].map(of);
        assert_eq!(worst, [0.5, 0.25, 3.0, 0.5, 1.0, 1.0]);
        assert!((of("psnr_outside") - 40.0).abs() < 99.0 / STEPS);
    }
}
