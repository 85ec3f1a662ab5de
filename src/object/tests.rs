//! Of what is kept and tried again; who reads from a real server is in `tests/objects/`.

use std::fs::{self, File};
use std::ops::Range;
use std::time::Duration;

use super::tries::{Trouble, tried};
use super::*;

/// Numbers that follow from a seed.
struct Rng(blake3::OutputReader);

impl Rng {
    fn of(seed: u8) -> Self {
        Rng(blake3::Hasher::new().update(&[seed]).finalize_xof())
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        self.0.fill(&mut bytes);
        bytes
    }

    fn of_range(&mut self, range: Range<u64>) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        range.start + u64::from_le_bytes(bytes) % (range.end - range.start)
    }
}

fn stored(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object");
    fs::write(&path, bytes).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    blocks::close(&file, bytes.len() as u64, &blocks::sums(bytes)).unwrap();
    (folder, path)
}

#[test]
fn what_is_read_of_a_kept_object_is_what_was_written() {
    let mut rng = Rng::of(1);
    for len in [1, 5, blocks::BLOCK - 1, blocks::BLOCK, blocks::BLOCK + 1, blocks::BLOCK * 3 + 17] {
        let bytes = rng.bytes(len);
        let (_folder, path) = stored(&bytes);
        let file = File::open(&path).unwrap();
        assert_eq!(file.metadata().unwrap().len(), blocks::file_len(len));
        assert!(blocks::is_whole(&file, len).unwrap() && blocks::has_sound_table(&file, len).unwrap());
        assert!(!blocks::is_whole(&file, len + 1).unwrap());
        for _ in 0..50 {
            let at = rng.of_range(0..len);
            let count = rng.of_range(0..len - at + 1);
            let read = blocks::read(&file, len, at, count).unwrap().unwrap();
            assert_eq!(read, bytes[at as usize..(at + count) as usize]);
        }
        assert!(blocks::read(&file, len, len, 1).is_err(), "beyond its end");
    }
}

/// Every byte of a file, flipped: none goes unnoticed, and only the blocks that have it are lost.
#[test]
fn a_flipped_bit_is_noticed_by_who_reads_it() {
    let mut rng = Rng::of(2);
    let len = blocks::BLOCK * 2 + 100;
    let bytes = rng.bytes(len);
    let (_folder, path) = stored(&bytes);
    let sound = fs::read(&path).unwrap();
    let far = [0, blocks::BLOCK, len - 1, len, len + 5, blocks::file_len(len) - 1];
    let places: Vec<u64> = (0..200).map(|_| rng.of_range(0..blocks::file_len(len))).chain(far).collect();
    for at in places {
        let mut harmed = sound.clone();
        harmed[at as usize] ^= 1 << rng.of_range(0..8);
        fs::write(&path, &harmed).unwrap();
        let file = File::open(&path).unwrap();
        let is_seen = !blocks::is_whole(&file, len).unwrap() || !blocks::has_sound_table(&file, len).unwrap();
        for block in 0..3 {
            let (from, count) = (block * blocks::BLOCK, blocks::BLOCK.min(len - block * blocks::BLOCK));
            match blocks::read(&file, len, from, count).unwrap() {
                Some(read) => assert_eq!(read, bytes[from as usize..(from + count) as usize], "byte {at}"),
                None => assert!(at / blocks::BLOCK == block || is_seen, "byte {at}"),
            }
        }
        let whole = blocks::read(&file, len, 0, len).unwrap();
        assert!(is_seen || at < len && whole.is_none(), "byte {at}");
    }
}

#[test]
fn what_may_pass_is_tried_again_and_nothing_else() {
    let run = |retries, passes: bool, succeeds_at: usize| {
        let (mut told, mut times) = (0, 0);
        let done = tried(
            retries,
            || false,
            |_, pause, number| {
                told += 1;
                assert!(number == told && pause <= Duration::from_secs(1), "{pause:?}");
            },
            || {
                times += 1;
                if times > succeeds_at {
                    return Ok(times);
                }
                let passing = Trouble::passing("busy");
                Err(if passes { passing } else { Trouble::lasting(ObjectFailure::Gone, "gone") })
            },
        );
        (done.map_err(|trouble| trouble.why), told)
    };
    assert_eq!(run(0, true, 0), (Ok(1), 0));
    assert_eq!(run(1, true, 1), (Ok(2), 1));
    assert_eq!(run(1, true, 9), (Err("busy (2 tries)".to_owned()), 1));
    assert_eq!(run(5, false, 9), (Err("gone".to_owned()), 0));
    let stopped = tried(9, || true, |_, _, _| {}, || Err::<(), _>(Trouble::passing("busy")));
    assert_eq!(stopped.unwrap_err().failure, ObjectFailure::Stopped);
}

#[test]
fn versions_are_told_apart_by_etag_else_by_time() {
    let version = |len, etag: Option<&str>, modified| {
        Version { len, etag: etag.map(str::to_owned), modified, pin: None }.identity()
    };
    assert_eq!(
        version(5, Some("\"a\""), 1),
        version(5, Some("a"), 2_000),
        "quoted or not, whatever the time"
    );
    assert_ne!(version(5, Some("a"), 1), version(5, Some("b"), 1));
    assert_ne!(version(5, Some("a"), 1), version(6, Some("a"), 1));
    assert_eq!(version(5, None, 1_001), version(5, None, 1_999), "a look tells seconds");
    assert_ne!(version(5, None, 1_001), version(5, None, 2_001));
    assert_ne!(version(5, None, 0), version(5, Some(""), 0));
}

#[test]
fn nothing_secret_of_a_url_is_shown() {
    for (url, wanted) in [
        ("https://me:canary@host/a.tar", "https://host/a.tar"),
        ("https://host/a.tar?X-Amz-Signature=canary", "https://host/a.tar"),
        ("ftp://me:canary@host/a", "ftp://host/a"),
    ] {
        let error = ObjectUrl::parse(url).unwrap_err();
        assert_eq!(error.url, wanted);
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
