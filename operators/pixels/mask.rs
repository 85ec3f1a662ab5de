//! Masks: which pixels of a picture belong to a region, one byte a pixel.

/// A mask of `width * height` pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    pub width: u32,
    pub height: u32,
    /// Row by row from the top, 1 inside the region and 0 outside: `width * height` bytes.
    pub bits: Vec<u8>,
}

impl Mask {
    /// A mask of nothing.
    ///
    /// ```
    /// use operators::pixels::mask::Mask;
    /// let mut mask = Mask::empty(4, 3);
    /// assert_eq!((mask.area(), mask.bounds()), (0, None));
    /// mask.bits[4 + 2] = 1;
    /// assert_eq!((mask.area(), mask.bounds()), (1, Some([2, 1, 3, 2])));
    /// ```
    pub fn empty(width: u32, height: u32) -> Self {
        Mask { width, height, bits: vec![0; width as usize * height as usize] }
    }

    /// Whether the pixel in column `x`, row `y` is inside; what lies beyond the picture isn't.
    pub fn holds(&self, x: u32, y: u32) -> bool {
        x < self.width
            && y < self.height
            && self.bits.get(y as usize * self.width as usize + x as usize).is_some_and(|&bit| bit != 0)
    }

    /// How many pixels are inside.
    pub fn area(&self) -> u64 {
        self.bits.iter().map(|&bit| u64::from(bit != 0)).sum()
    }

    /// The smallest rectangle around all that is inside: left, top, right, bottom in pixels, the latter two one behind the last
    /// column and row. `None` where nothing is inside.
    pub fn bounds(&self) -> Option<[u32; 4]> {
        let mut bounds: Option<[u32; 4]> = None;
        for (y, row) in (0..).zip(self.bits.chunks_exact(self.width.max(1) as usize)) {
            // Most rows of most masks are empty: many bytes are looked at at once.
            if row.iter().fold(0, |all, bit| all | bit) == 0 {
                continue;
            }
            let Some(first) = row.iter().position(|&bit| bit != 0) else { continue };
            let last = row.iter().rposition(|&bit| bit != 0).unwrap_or(first);
            let (left, right) = (first as u32, last as u32 + 1);
            let [old_left, top, old_right, _] = bounds.unwrap_or([left, y, right, y]);
            bounds = Some([old_left.min(left), top, old_right.max(right), y + 1]);
        }
        bounds
    }

    /// A mask of everything.
    pub(crate) fn full(width: u32, height: u32) -> Self {
        Mask { width, height, bits: vec![1; width as usize * height as usize] }
    }

    /// Panics where `bits` has not one byte a pixel: masks are made by this crate, not read from anywhere.
    pub(crate) fn assert_whole(&self) {
        let pixels = self.width as usize * self.height as usize;
        assert_eq!(self.bits.len(), pixels, "a mask of {} x {} pixels", self.width, self.height);
    }
}
