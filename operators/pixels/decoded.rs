//! Decoded pictures that several questions about them share: the comparison and the judge of an edit, and the edits of one picture.
//!
//! A picture is found by the hash of its file's bytes as they lie there now, not by what a row says of them: a file that changed while it
//! was read never stands in for another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use image::RgbImage;
use threshflow::row::{ContentHash, Refusal};

type Outcome = Result<Arc<RgbImage>, Refusal>;

/// Keeps decoded pictures, the last that were looked at, up to so many bytes of pixels.
pub struct Decoded {
    most_bytes: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    pictures: HashMap<ContentHash, Entry>,
    bytes: u64,
    /// Counts looks.
    now: u64,
    decoded: u64,
}

struct Entry {
    picture: Arc<OnceLock<Outcome>>,
    /// Of its pixels; 0 until they are there.
    bytes: u64,
    looked: u64,
}

impl Decoded {
    /// Keeps at most so many bytes of pixels. What is lent out beyond them is its user's to account for.
    pub fn new(most_bytes: u64) -> Arc<Self> {
        Arc::new(Decoded { most_bytes, kept: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pixels of a file, decoded by `decode` if nobody did so lately; whoever asks meanwhile for the same waits for it. `shown` is all
    /// that shapes the pixels beside the bytes: an orientation. A refusal is not kept.
    pub(crate) fn look(
        &self,
        bytes: &[u8],
        shown: u8,
        decode: impl FnOnce() -> Result<RgbImage, Refusal>,
    ) -> Outcome {
        let mut hasher = blake3::Hasher::new();
        let key = ContentHash::from_hasher(hasher.update(&[shown]).update(bytes));
        let picture = {
            let mut kept = self.lock();
            kept.now += 1;
            let now = kept.now;
            let entry = kept.pictures.entry(key).or_insert_with(|| Entry {
                picture: Arc::default(),
                bytes: 0,
                looked: now,
            });
            entry.looked = now;
            entry.picture.clone()
        };
        let mut fresh = false;
        let outcome = picture.get_or_init(|| {
            fresh = true;
            decode().map(Arc::new)
        });
        if fresh {
            self.settle(&key, outcome);
        }
        outcome.clone()
    }

    /// Counts what was decoded, and lets go of what was looked at longest ago.
    fn settle(&self, key: &ContentHash, outcome: &Outcome) {
        let mut kept = self.lock();
        kept.decoded += 1;
        let Ok(picture) = outcome else {
            kept.pictures.remove(key);
            return;
        };
        let bytes = picture.as_raw().len() as u64;
        if let Some(entry) = kept.pictures.get_mut(key) {
            entry.bytes = bytes;
            kept.bytes += bytes;
        }
        while kept.bytes > self.most_bytes {
            let there = kept.pictures.iter().filter(|(_, entry)| entry.bytes > 0);
            let Some(oldest) = there.min_by_key(|(_, entry)| entry.looked).map(|(key, _)| *key) else {
                break;
            };
            let gone = kept.pictures.remove(&oldest).map_or(0, |entry| entry.bytes);
            kept.bytes -= gone;
        }
    }

    /// The bytes of pixels that are kept, and how many pictures were decoded in all.
    pub fn counts(&self) -> (u64, u64) {
        let kept = self.lock();
        (kept.bytes, kept.decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(decoded: &Decoded, bytes: &[u8], side: u32) -> Arc<RgbImage> {
        decoded.look(bytes, 1, || Ok(RgbImage::new(side, side))).unwrap()
    }

    #[test]
    fn a_file_is_decoded_once_as_long_as_it_is_kept() {
        let decoded = Decoded::new(3 * 100 * 3);
        let first = look(&decoded, b"one", 10);
        assert!(Arc::ptr_eq(&first, &look(&decoded, b"one", 10)));
        assert_eq!(decoded.counts(), (300, 1));
        look(&decoded, b"two", 10);
        look(&decoded, b"three", 10);
        look(&decoded, b"one", 10);
        assert_eq!(decoded.counts(), (900, 3));
        look(&decoded, b"four", 10);
        assert_eq!(decoded.counts(), (900, 4), "never more than was said");
        look(&decoded, b"one", 10);
        look(&decoded, b"two", 10);
        assert_eq!(decoded.counts(), (900, 5), "the one that was looked at longest ago went");
        look(&decoded, b"large", 100);
        assert_eq!(decoded.counts().0, 0, "what is larger than all that is kept is not kept");
        let turned = decoded.look(b"one", 6, || Ok(RgbImage::new(10, 10))).unwrap();
        assert!(!Arc::ptr_eq(&turned, &first), "shown otherwise");
    }

    #[test]
    fn a_refusal_is_asked_for_again() {
        let decoded = Decoded::new(1000);
        let refused = decoded.look(b"bad", 1, || Err(Refusal::permanent("bad_picture", "it is none")));
        assert_eq!(refused.unwrap_err().class, "bad_picture");
        assert_eq!(look(&decoded, b"bad", 2).width(), 2);
        assert_eq!(decoded.counts(), (12, 2));
    }

    #[test]
    fn threads_that_want_the_same_wait_for_one_decoding() {
        let decoded = Decoded::new(1 << 20);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50u8).for_each(|n| drop(look(&decoded, &[n], 8))));
            }
        });
        assert_eq!(decoded.counts(), (50 * 192, 50));
    }
}
