//! Things by bucket, in chunks of one size. Buckets that grow each by a part of itself leave that part of the memory of
//! millions of rows unused, and the allocator with pieces of all sizes.

/// Things of a chunk. More of them waste more of the last chunk of every bucket, fewer cost more allocations.
const CHUNK: usize = 64;

pub(super) struct Buckets<T>(Vec<Bucket<T>>);

/// The chunks of a bucket: all are full but the last, and none is empty.
struct Bucket<T>(Vec<Vec<T>>);

impl<T> Buckets<T> {
    pub(super) fn new(buckets: usize) -> Self {
        Buckets((0..buckets).map(|_| Bucket(Vec::new())).collect())
    }

    pub(super) fn push(&mut self, bucket: usize, thing: T) {
        let chunks = &mut self.0[bucket].0;
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(thing),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(thing);
                chunks.push(chunk);
            }
        }
    }

    /// All that is in these buckets, chunk by chunk.
    pub(super) fn chunks(&self, low: usize, high: usize) -> impl Iterator<Item = &[T]> {
        self.0[low..=high].iter().flat_map(|bucket| &bucket.0).map(Vec::as_slice)
    }

    /// Takes out what `leaves`; the others don't keep their order.
    pub(super) fn take_out(&mut self, bucket: usize, mut leaves: impl FnMut(&T) -> bool) {
        let bucket = &mut self.0[bucket];
        for chunk in (0..bucket.0.len()).rev() {
            for place in (0..bucket.0[chunk].len()).rev() {
                if leaves(&bucket.0[chunk][place]) {
                    bucket.swap_remove(chunk, place);
                }
            }
        }
    }
}

impl<T> Bucket<T> {
    /// Removes a thing and puts the bucket's last one in its place.
    fn swap_remove(&mut self, chunk: usize, place: usize) {
        let Some(end) = self.0.last_mut() else { return };
        let last = end.pop();
        if end.is_empty() {
            self.0.pop();
        }
        if let (Some(last), Some(hole)) = (last, self.0.get_mut(chunk).and_then(|chunk| chunk.get_mut(place)))
        {
            *hole = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(buckets: &Buckets<u32>, bucket: usize) -> Vec<u32> {
        let mut all: Vec<u32> = buckets.chunks(bucket, bucket).flatten().copied().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn what_leaves_leaves_no_hole() {
        let counts = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7].map(|count| count as u32);
        let leaving: [fn(u32, u32) -> bool; 6] = [
            |_, _| true,
            |_, _| false,
            |n, _| n % 2 == 0,
            |n, _| n % 7 != 0,
            |n, count| n + 1 == count,
            |n, count| n >= count / 2,
        ];
        for (count, leaves) in counts.iter().flat_map(|count| leaving.map(|leaves| (*count, leaves))) {
            let mut buckets = Buckets::new(3);
            (0..count).for_each(|n| buckets.push(1, n));
            buckets.push(2, 99);
            let mut shown = Vec::new();
            buckets.take_out(1, |n| {
                shown.push(*n);
                leaves(*n, count)
            });
            shown.sort_unstable();
            assert_eq!(shown, (0..count).collect::<Vec<_>>(), "each is shown once");
            let stay: Vec<u32> = (0..count).filter(|n| !leaves(*n, count)).collect();
            assert_eq!(all(&buckets, 1), stay, "of {count}");
            assert_eq!(buckets.chunks(1, 1).count(), stay.len().div_ceil(CHUNK), "of {count}");
            assert_eq!((all(&buckets, 0), all(&buckets, 2)), (vec![], vec![99]));
        }
    }
}
