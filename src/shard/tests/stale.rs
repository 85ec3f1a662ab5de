//! Files that changed and look as they did: by their times, by their lengths, by both, and by all that a store tells of them.

use std::fs::FileTimes;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use super::*;
use crate::row::ContentHash;
use crate::shard::index_file::{Origin, encode, path_of, write};

/// Two tars of the same length, of which one picture differs by its last bytes.
fn twins(samples: u32) -> [Vec<u8>; 2] {
    let [one, mut other] = [0, 1].map(|_| good_tar(samples));
    let first = walked(&other).samples[0].members[0].clone();
    let last = (first.offset + first.len) as usize - 1;
    other[last] ^= 0xff;
    [one, other]
}

fn sample_of(tar: &[u8]) -> ContentHash {
    let desk = Desk::new();
    opened(&source_of(&desk.put("x.tar", tar)), &ReadOptions::default()).sample().unwrap()
}

/// Two tars of the same length and of the same sample, of which one picture differs by a byte.
fn twins_that_sample_alike() -> [Vec<u8>; 2] {
    let one = tar_of(&[file("a.png", [png(4, 4, 1), vec![0; 300_000]].concat())]);
    let (mut other, mut at) = (one.clone(), 30_000);
    loop {
        other[at] = 1;
        if sample_of(&other) == sample_of(&one) {
            return [one, other];
        }
        other[at] = 0;
        at += 1_000;
    }
}

fn long_ago() -> FileTimes {
    FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
}

/// Gives a file the time of writing that others have, as `cp -p`, `rsync -t` and stores with fixed times do.
fn set_times(path: &Path) {
    std::fs::File::options().write(true).open(path).unwrap().set_times(long_ago()).unwrap();
}

/// What is published of a picture, and what is read of it, hold together.
fn assert_whole(shard: &Shard) {
    let content = shard.index.samples[0].picture.as_ref().unwrap().content;
    assert_eq!(ContentHash::of(&shard.picture_bytes(0).unwrap()), content);
}

#[test]
fn a_file_with_the_length_and_the_time_of_the_one_before_is_another_shard() {
    // Where a sample of the bytes tells nothing, too.
    for ([one, other], in_place) in [twins(3), twins_that_sample_alike()]
        .into_iter()
        // Written over in place; and another file put in its place.
        .flat_map(|twins| [(twins.clone(), true), (twins, false)])
    {
        let desk = Desk::new();
        let path = desk.put("x.tar", &one);
        set_times(&path);
        let before = desk.catalogue().load(&source_of(&path)).unwrap();
        if in_place {
            std::fs::write(&path, &other).unwrap();
            set_times(&path);
        } else {
            let beside = desk.put("y.tar", &other);
            set_times(&beside);
            std::fs::rename(&beside, &path).unwrap();
        }
        let looks = std::fs::metadata(&path).unwrap();
        assert_eq!((looks.len(), looks.mtime()), (one.len() as u64, 1_000_000_000));
        let catalogue = desk.catalogue();
        let after = catalogue.load(&source_of(&path)).unwrap();
        assert_eq!((before.seq, after.seq, catalogue.walks()), (0, 1, 1), "in place: {in_place}");
        assert_whole(&after);
    }
}

#[test]
fn looks_that_change_with_the_bytes_the_same_walk_and_change_nothing() {
    let desk = Desk::new();
    let path = desk.put("x.tar", &good_tar(3));
    let before = desk.catalogue().load(&source_of(&path)).unwrap();
    let copy = desk.put("y.tar", &good_tar(3));
    std::fs::rename(&copy, &path).unwrap();
    let catalogue = desk.catalogue();
    let after = catalogue.load(&source_of(&path)).unwrap();
    assert_eq!((after.seq, &after.index, catalogue.walks()), (before.seq, &before.index, 1));
    let catalogue = desk.catalogue();
    assert_eq!((catalogue.load(&source_of(&path)).unwrap().seq, catalogue.walks()), (0, 0));
}

/// An index of other bytes under the looks of the file that is there: what a store comes to that tells the same of both.
fn forge(desk: &Desk, path: &Path, of: &[u8], sampled: &[u8]) {
    let sample = sample_of(sampled);
    let bytes = opened(&source_of(path), &ReadOptions::default());
    let options = ReadOptions::default();
    let origin = Origin { options: &options, missing: None, stamps: bytes.stamps() };
    let file = encode(&origin, sample, &walked(of)).unwrap();
    write(&path_of(&desk.store(), &source_of(path)), &file).unwrap();
}

#[test]
fn where_looks_tell_nothing_a_sample_of_the_bytes_does() {
    let [one, other] = twins(3);
    let desk = Desk::new();
    let path = desk.put("x.tar", &other);
    forge(&desk, &path, &one, &one);
    let catalogue = desk.catalogue();
    let shard = catalogue.load(&source_of(&path)).unwrap();
    assert_eq!(catalogue.walks(), 1);
    assert_eq!(shard.index, walked(&other));
    // And that it is the sample: the same with the sample of what is there is believed.
    forge(&desk, &path, &one, &other);
    let catalogue = desk.catalogue();
    assert_eq!(
        (catalogue.load(&source_of(&path)).unwrap().index.fingerprint, catalogue.walks()),
        (walked(&one).fingerprint, 0)
    );
}

#[test]
fn where_nothing_tells_no_picture_is_handed_out_for_another() {
    let [one, other] = twins(3);
    for mmap in [true, false] {
        let desk = Desk::new();
        let path = desk.put("x.tar", &other);
        forge(&desk, &path, &one, &other);
        let options = ReadOptions { mmap, ..ReadOptions::default() };
        let shard = Catalogue::open(&desk.store(), options, false).unwrap().load(&source_of(&path)).unwrap();
        assert_eq!(shard.picture_bytes(0).unwrap_err().class, "changed_while_read");
        assert_eq!(shard.picture_bytes(1).unwrap(), png(5, 3, 1));
    }
}

#[test]
fn an_end_frame_that_is_another_is_told_as_well() {
    let tar = |shade| tar_of(&[file("a.png", png(4, 4, 1)), file("a.end.png", png(4, 4, shade))]);
    let (one, other) = (tar(2), tar(3));
    assert_eq!(one.len(), other.len());
    let (desk, shard) = Desk::load(&one);
    assert_eq!(shard.picture_bytes(0).unwrap(), png(4, 4, 1));
    let path = desk.put("y.tar", &other);
    forge(&desk, &path, &one, &other);
    let shard = desk.catalogue().load(&source_of(&path)).unwrap();
    assert_eq!(shard.picture_bytes(0).unwrap_err().class, "changed_while_read");
}

#[test]
fn a_shard_that_is_written_over_while_it_is_open_is_told_whatever_its_times_say() {
    let [one, other] = twins(3);
    let desk = Desk::new();
    let path = desk.put("x.tar", &one);
    set_times(&path);
    let shard = desk.catalogue().load(&source_of(&path)).unwrap();
    shard.check_unchanged().unwrap();
    std::fs::write(&path, &other).unwrap();
    set_times(&path);
    for _ in 0..2 {
        assert_eq!(shard.check_unchanged().unwrap_err().class, "changed_while_read");
    }
}

#[test]
fn a_shard_that_only_looks_different_while_it_is_open_is_read_on() {
    let desk = Desk::new();
    let path = desk.put("x.tar", &good_tar(3));
    let shard = desk.catalogue().load(&source_of(&path)).unwrap();
    // A hard link, as backups make; other times; another file in its place, where this one stays open.
    std::fs::hard_link(&path, desk.folder.path().join("backup")).unwrap();
    shard.check_unchanged().unwrap();
    set_times(&path);
    shard.check_unchanged().unwrap();
    let beside = desk.put("y.tar", &good_tar(4));
    std::fs::rename(&beside, &path).unwrap();
    std::fs::remove_file(desk.folder.path().join("backup")).unwrap();
    shard.check_unchanged().unwrap();
    assert_whole(&shard);
}

#[test]
fn a_shard_that_grows_while_it_is_open_is_told() {
    let desk = Desk::new();
    let path = desk.put("x.tar", &good_tar(3));
    let shard = desk.catalogue().load(&source_of(&path)).unwrap();
    std::fs::write(&path, [good_tar(3), vec![0; 512]].concat()).unwrap();
    assert_eq!(shard.check_unchanged().unwrap_err().class, "changed_while_read");
}

#[test]
fn a_sample_tells_what_is_put_before_and_after_and_between() {
    let sample = sample_of;
    let mut dice = Dice(7);
    let long: Vec<u8> = (0..1 << 20).map(|_| dice.below(256) as u8).collect();
    assert_eq!(sample(&long), sample(&long));
    for at in [0, (1 << 20) - 1] {
        let mut other = long.clone();
        other[at] ^= 1;
        assert_ne!(sample(&long), sample(&other), "byte {at}");
    }
    // All that follows a member of another length is moved.
    let mut moved = long.clone();
    moved[100_000..].rotate_left(512);
    assert_ne!(sample(&long), sample(&moved));
    // Short files are read whole.
    for len in [0_usize, 1, 512, 128 << 10] {
        for at in [0, len / 2, len.saturating_sub(1)].into_iter().filter(|at| *at < len) {
            let mut other = long[..len].to_vec();
            other[at] ^= 1;
            assert_ne!(sample(&long[..len]), sample(&other), "byte {at} of {len}");
        }
    }
    sample(&long[..(128 << 10) + 1]);
}
