//! The largest connected patch of a map of marked pixels.

/// How many pixels the largest patch has whose pixels touch by side or corner. `marked` is row by row, not 0 where a pixel is marked.
pub(super) fn largest(marked: &[u8], width: usize) -> u64 {
    let mut patches = Patches::default();
    /// First column, one behind the last, patch.
    type Run = (usize, usize, u32);
    // Runs of the row above, and of this one.
    let (mut above, mut runs): (Vec<Run>, Vec<Run>) = Default::default();
    for row in marked.chunks_exact(width.max(1)) {
        runs.clear();
        let mut x = 0;
        let mut first = 0;
        while let Some(start) = row[x..].iter().position(|mark| *mark != 0).map(|far| x + far) {
            let end = row[start..].iter().position(|mark| *mark == 0).map_or(width, |far| start + far);
            let patch = patches.add((end - start) as u64);
            // Those that end before this run begins, corners counted, touch none of the later ones either.
            while above.get(first).is_some_and(|(_, end, _)| *end < start) {
                first += 1;
            }
            let touching = above[first..].iter().take_while(|(left, ..)| *left <= end);
            touching.for_each(|(.., other)| patches.join(patch, *other));
            runs.push((start, end, patch));
            x = end;
        }
        std::mem::swap(&mut above, &mut runs);
    }
    patches.sizes.iter().copied().max().unwrap_or(0)
}

#[derive(Default)]
struct Patches {
    parents: Vec<u32>,
    sizes: Vec<u64>,
}

impl Patches {
    fn add(&mut self, pixels: u64) -> u32 {
        self.parents.push(self.parents.len() as u32);
        self.sizes.push(pixels);
        self.parents.len() as u32 - 1
    }

    fn root(&mut self, mut patch: u32) -> u32 {
        while self.parents[patch as usize] != patch {
            let parent = self.parents[patch as usize];
            self.parents[patch as usize] = self.parents[parent as usize];
            patch = self.parents[patch as usize];
        }
        patch
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            let (small, large) = if self.sizes[one as usize] < self.sizes[other as usize] {
                (one, other)
            } else {
                (other, one)
            };
            self.parents[small as usize] = large;
            self.sizes[large as usize] += self.sizes[small as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(drawn: &[&str]) -> u64 {
        let marked: Vec<u8> =
            drawn.iter().flat_map(|row| row.bytes()).map(|byte| u8::from(byte == b'#')).collect();
        largest(&marked, drawn[0].len())
    }

    #[test]
    fn patches_touch_by_side_or_corner() {
        assert_eq!(of(&["....", "...."]), 0);
        assert_eq!(of(&["#..#", ".##.", "...."]), 4);
        assert_eq!(of(&["##..##", "##..##", "......", "#####."]), 5);
        assert_eq!(of(&["#.#.#", "#.#.#", "#####", ".....", "#####"]), 11, "joined below");
        assert_eq!(of(&["#...#", "..#.."]), 1);
        assert_eq!(of(&["###", "#.#", "###"]), 8);
    }
}
