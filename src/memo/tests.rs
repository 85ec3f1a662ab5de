//! The memo against a plain map, and against torn files.

use super::*;

fn content(n: u64) -> ContentHash {
    ContentHash::of(&n.to_le_bytes())
}

fn stamp() -> Stamp {
    Stamp::of(&[("operator", b"test/1")])
}

fn open(folder: &Path, generation: u32) -> Memo {
    Memo::open(folder, stamp(), generation, Access::ReadWrite).expect("opens")
}

fn put(memo: &Memo, n: u64, answer: Result<&[u8], &str>) -> Remembered {
    put_body(memo, n, answer, None)
}

fn put_body(memo: &Memo, n: u64, head: Result<&[u8], &str>, blob: Option<&[u8]>) -> Remembered {
    let answer = head.map(|head| Written { inline: Inline::new(head), blob: blob.map(<[u8]>::to_vec) });
    let answer = answer.map_err(|message| Refusal::permanent("tested", message));
    memo.put(&[(content(n), answer)]).expect("puts").remove(0)
}

#[test]
fn the_first_answer_wins_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    assert_eq!(put(&memo, 1, Ok(b"one")), Remembered::Answer(Inline::new(b"one")));
    assert_eq!(put(&memo, 1, Ok(b"two")), Remembered::Answer(Inline::new(b"one")));
    drop(memo);
    let memo = open(folder.path(), 0);
    assert_eq!(memo.get(&content(1)), Some(Remembered::Answer(Inline::new(b"one"))));
    assert_eq!(put(&memo, 1, Ok(b"two")), Remembered::Answer(Inline::new(b"one")));
    assert_eq!(memo.len(), 1);
}

#[test]
fn an_inline_part_of_any_length_comes_back_as_it_was_put() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    let part = |length: u64| -> Vec<u8> { (0..length).map(|n| (n * 7 + length) as u8).collect() };
    let lengths = 0..=INLINE as u64;
    for length in lengths.clone() {
        // Every other one has a blob beside it.
        let blob = (length % 2 == 0).then_some(b"blob".as_slice());
        put_body(&memo, length, Ok(&part(length)), blob);
    }
    memo.forget(&content(20)).unwrap();
    put(&memo, 20, Ok(&part(30)));
    for memo in [memo, open(folder.path(), 0)] {
        for length in lengths.clone().filter(|length| *length != 20) {
            assert_eq!(memo.get(&content(length)), Some(Remembered::Answer(Inline::new(&part(length)))));
            let blob = if length % 2 == 0 { b"blob".to_vec() } else { Vec::new() };
            assert_eq!(memo.read(&content(length)).unwrap(), Some(Ok(blob)));
        }
        let again = Some(Remembered::Answer(Inline::new(&part(30))));
        assert_eq!(memo.get(&content(20)), again, "forgotten, and answered anew");
    }
}

#[test]
fn bodies_are_read_from_disk_compressed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    let flat = vec![7u8; 100_000];
    let noise: Vec<u8> = (0..1000u64).flat_map(|n| content(n).0).collect();
    put(&memo, 0, Ok(b"no blob"));
    for (n, bytes) in [(1, flat.as_slice()), (2, &noise), (3, &[])] {
        let said = put_body(&memo, n, Ok(&[n as u8; INLINE]), Some(bytes));
        assert_eq!(said, Remembered::Answer(Inline::of([n as u8; INLINE])));
    }
    assert_eq!(put_body(&memo, 2, Ok(b"later"), Some(b"later")), Remembered::Answer(Inline::of([2; INLINE])));
    put(&memo, 4, Err("broken"));
    assert!(fs::metadata(&memo.paths[0]).unwrap().len() < 17_000, "the flat one was not compressed");
    for memo in [memo, open(folder.path(), 0)] {
        let blob = |n| memo.read(&content(n)).unwrap().map(|blob| blob.map_err(|r| r.message.clone()));
        assert_eq!(
            [blob(0), blob(1), blob(2)],
            [Some(Ok(vec![])), Some(Ok(flat.clone())), Some(Ok(noise.clone()))]
        );
        assert_eq!([blob(3), blob(4), blob(5)], [Some(Ok(vec![])), Some(Err("broken".into())), None]);
        assert_eq!(memo.get(&content(2)), Some(Remembered::Answer(Inline::of([2; INLINE]))));
    }
}

#[test]
fn a_refusal_is_remembered_until_a_higher_generation_asks_again() {
    let folder = tempfile::tempdir().unwrap();
    put(&open(folder.path(), 0), 1, Err("broken"));
    let memo = open(folder.path(), 0);
    assert!(matches!(memo.get(&content(1)), Some(Remembered::Refused(r)) if r.message == "broken"));
    assert!(open(folder.path(), 1).get(&content(1)).is_none(), "a retry forgets refusals");
    put(&open(folder.path(), 1), 1, Err("broken again"));
    assert!(
        matches!(open(folder.path(), 1).get(&content(1)), Some(Remembered::Refused(r)) if r.message == "broken again")
    );
    put(&open(folder.path(), 2), 1, Ok(b"fine"));
    assert_eq!(open(folder.path(), 0).get(&content(1)), Some(Remembered::Answer(Inline::new(b"fine"))));
}

#[test]
fn a_late_answer_counts_from_the_next_run_on() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    put(&memo, 1, Err("took too long"));
    assert!(matches!(put(&memo, 1, Ok(b"late")), Remembered::Refused(_)), "a run sees one answer only");
    drop(memo);
    assert_eq!(open(folder.path(), 0).get(&content(1)), Some(Remembered::Answer(Inline::new(b"late"))));
}

#[test]
fn cut_anywhere_it_keeps_every_record_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    let mut ends = vec![];
    for n in 0..20u64 {
        put(&memo, n, if n % 5 == 4 { Err("no") } else { Ok(b"yes") });
        ends.push(fs::metadata(&memo.paths[0]).unwrap().len());
    }
    let (path, whole) = (memo.paths[0].clone(), fs::read(&memo.paths[0]).unwrap());
    drop(memo);
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let memo = open(folder.path(), 0);
        let sound = ends.iter().filter(|end| **end <= cut as u64).count();
        assert_eq!(memo.len(), sound, "cut at {cut}");
        // And it goes on from there.
        put(&memo, 100, Ok(b"more"));
        assert_eq!(open(folder.path(), 0).len(), sound + 1, "cut at {cut}");
    }
}

#[test]
fn a_rotten_record_costs_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    let mut ends = vec![];
    for n in 0..3 {
        put(&memo, n, Ok(b"yes"));
        ends.push(fs::metadata(&memo.paths[0]).unwrap().len() as usize);
    }
    let (path, mut bytes) = (memo.paths[0].clone(), fs::read(&memo.paths[0]).unwrap());
    drop(memo);
    bytes[ends[1] - 6] ^= 1; // inside the second record's payload
    fs::write(&path, &bytes).unwrap();
    let memo = open(folder.path(), 0);
    assert_eq!((0..3).map(|n| memo.get(&content(n)).is_some()).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn rot_of_any_place_and_length_costs_the_records_that_it_lies_in() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    let ends: Vec<u64> = (0..40)
        .map(|n| {
            put(&memo, n, Ok(b"yes"));
            fs::metadata(&memo.paths[0]).unwrap().len()
        })
        .collect();
    let (path, whole) = (memo.paths[0].clone(), fs::read(&memo.paths[0]).unwrap());
    drop(memo);
    for (from, to) in [(28, 29), (30, 100), (61, 62), (200, 700), (28, 1000)] {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0);
        fs::write(&path, &bytes).unwrap();
        let memo = open(folder.path(), 0);
        for (n, end) in ends.iter().enumerate() {
            // Before a record there may be a mark.
            let start = *end as usize - (log::HEAD + 3 + log::CRC);
            let hit = start < to
                && from < *end as usize
                && bytes[start..*end as usize] != whole[start..*end as usize];
            assert_eq!(
                memo.get(&content(n as u64)).is_some(),
                !hit,
                "record {n}, zeroes from {from} to {to}"
            );
        }
    }
}

#[test]
fn reading_only_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let memo = Memo::open(folder.path(), stamp(), 0, Access::ReadOnly).unwrap();
    put(&memo, 1, Ok(b"kept"));
    assert!(memo.get(&content(1)).is_some());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_refusal_for_now_ends_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    assert!(matches!(
        memo.refuse_for_now(content(1), Refusal::transient("unreadable", "")),
        Remembered::Refused(_)
    ));
    assert!(matches!(put(&memo, 1, Ok(b"late")), Remembered::Refused(_)), "a run sees one answer only");
    put(&memo, 2, Ok(b"yes"));
    assert_eq!(
        memo.refuse_for_now(content(2), Refusal::transient("unreadable", "")),
        Remembered::Answer(Inline::new(b"yes"))
    );
    memo.refuse_for_now(content(3), Refusal::transient("unreadable", ""));
    drop(memo);
    let memo = open(folder.path(), 0);
    assert_eq!([1, 2, 3].map(|n| memo.get(&content(n)).is_some()), [true, true, false]);
}

#[test]
fn another_stamps_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), 0));
    let other = Stamp::of(&[("operator", b"other")]);
    fs::rename(Memo::path(folder.path(), stamp()), Memo::path(folder.path(), other)).unwrap();
    assert!(matches!(Memo::open(folder.path(), other, 0, Access::ReadWrite), Err(MemoError::Foreign { .. })));
}

/// Answers with blobs of `bytes` bytes of noise that do not compress; where the log of them ends, one by one.
fn noisy(folder: &Path, answers: u64, bytes: usize) -> (PathBuf, Vec<u64>) {
    let memo = open(folder, 0);
    let ends = (0..answers).map(|n| {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut noise);
        put_body(&memo, n, Ok(b"one"), Some(&noise));
        fs::metadata(&memo.paths[0]).unwrap().len()
    });
    let ends = ends.collect();
    (memo.paths[0].clone(), ends)
}

fn scanned(path: &Path) -> scan::Scanned {
    scan::scan(&fs::read(path).unwrap(), log::HEADER, &mut |_, _| ())
}

fn flip(path: &Path, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn large_rotten_records_are_passed_over_in_one_look_and_mended_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ends) = noisy(folder.path(), 48, 256 << 10);
    let length = *ends.last().unwrap();
    // In the blob, and in the length of a record.
    flip(&path, ends[6] + 100_000);
    flip(&path, ends[20] + 2);
    let found = scanned(&path);
    assert_eq!((found.records, found.rotten.len()), (46, 2));
    assert!(found.looked < length * 2, "{} bytes were looked at, of {length}", found.looked);
    for (n, told) in [true, false].into_iter().enumerate() {
        let memo = open(folder.path(), 0);
        assert_eq!((memo.damage().is_new(), memo.len()), (told, 46), "opening {n}");
        assert_eq!(memo.damage().places, if told { 2 } else { 0 });
        assert!((0..48).all(|n| memo.get(&content(n)).is_some() == (n != 7 && n != 21)));
    }
    let mended = scanned(&path);
    assert_eq!((mended.looked, mended.marked), (length - 28, ends[7] - ends[6] + ends[21] - ends[20]));
}

#[test]
fn many_damaged_lengths_stay_linear() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ends) = noisy(folder.path(), 600, 4 << 10);
    let mut bytes = fs::read(&path).unwrap();
    for end in ends.iter().step_by(3).take(199) {
        // As long as the rest of the file, nearly.
        let rest = (bytes.len() as u64 - end - 200) as u32;
        bytes[*end as usize..*end as usize + 4].copy_from_slice(&rest.to_le_bytes());
    }
    fs::write(&path, &bytes).unwrap();
    let found = scanned(&path);
    assert_eq!(found.records, 600 - 199);
    assert!(found.looked < bytes.len() as u64 * 5, "{} of {}", found.looked, bytes.len());
}

#[test]
fn what_was_zeroed_or_is_one_byte_is_passed_over_in_one_look() {
    for fill in [0_u8, 1, 2, 0xff] {
        let folder = tempfile::tempdir().unwrap();
        let (path, ends) = noisy(folder.path(), 12, 64 << 10);
        let mut bytes = fs::read(&path).unwrap();
        bytes[ends[2] as usize + 7..ends[7] as usize + 9].fill(fill);
        fs::write(&path, &bytes).unwrap();
        let found = scanned(&path);
        assert_eq!(found.records, 6, "{fill}");
        assert!(found.looked < bytes.len() as u64 * 2, "{fill}: {} of {}", found.looked, bytes.len());
    }
}

#[test]
fn a_header_is_written_anew_where_answers_hold() {
    for (n, damage) in [
        (|bytes: &mut [u8]| bytes[3] ^= 1) as fn(&mut [u8]),
        |bytes| bytes[12] ^= 0x80,
        |bytes| bytes[27] ^= 1,
        |bytes| bytes[..28].fill(0),
        |bytes| bytes[..20].fill(0xff),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = noisy(folder.path(), 5, 600);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let read_only = Memo::open(folder.path(), stamp(), 0, Access::ReadOnly).unwrap();
        assert_eq!((read_only.len(), read_only.damage().header), (5, true), "{n}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "reading only writes nothing");
        let memo = open(folder.path(), 0);
        assert_eq!((memo.len(), memo.damage().header), (5, true), "{n}");
        assert_eq!(fs::read(&path).unwrap(), whole, "{n}");
        assert!(!open(folder.path(), 0).damage().is_new(), "told once");
    }
    // Nothing in it says that it is ours.
    let folder = tempfile::tempdir().unwrap();
    fs::write(Memo::path(folder.path(), stamp()), [b'x'; 500]).unwrap();
    assert!(matches!(
        Memo::open(folder.path(), stamp(), 0, Access::ReadWrite),
        Err(MemoError::Foreign { .. })
    ));
}

#[test]
fn mending_that_is_cut_short_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ends) = noisy(folder.path(), 6, 3000);
    flip(&path, ends[1] + 40);
    let damaged = fs::read(&path).unwrap();
    drop(open(folder.path(), 0));
    let mended = fs::read(&path).unwrap();
    let places: Vec<usize> = (0..mended.len()).filter(|at| mended[*at] != damaged[*at]).collect();
    assert!(
        places.iter().all(|at| (ends[1] as usize..ends[2] as usize).contains(at)),
        "only what is damaged is written"
    );
    // In whatever order the disk had it: some of what is written is there, some is not.
    for seed in 0..40_u64 {
        let mut bytes = damaged.clone();
        for at in places.iter().filter(|at| content(seed * 1000 + **at as u64).0[0] & 1 == 0) {
            bytes[*at] = mended[*at];
        }
        fs::write(&path, &bytes).unwrap();
        assert_eq!(open(folder.path(), 0).len(), 5, "{seed}");
        assert_eq!(fs::read(&path).unwrap(), mended, "{seed}");
    }
}

#[test]
fn what_is_forgotten_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    put_body(&memo, 1, Ok(b"old"), Some(b"the old blob"));
    put(&memo, 2, Ok(b"kept"));
    memo.forget(&content(1)).unwrap();
    assert_eq!((memo.get(&content(1)), memo.read(&content(1)).unwrap(), memo.len()), (None, None, 1));
    assert!(memo.with_blobs().is_empty());
    assert_eq!(memo.reader().get(&content(1)), None);
    // For good, though nothing took its place yet.
    drop(memo);
    let memo = open(folder.path(), 0);
    assert_eq!((memo.get(&content(1)), memo.len()), (None, 1));
    assert!(memo.get(&content(2)).is_some());
    assert_eq!(put(&memo, 1, Ok(b"new")), Remembered::Answer(Inline::new(b"new")));
    assert_eq!(memo.read(&content(1)).unwrap(), Some(Ok(vec![])), "the old blob is no part of it");
    drop(memo);
    let memo = open(folder.path(), 0);
    assert_eq!((memo.get(&content(1)), memo.len()), (Some(Remembered::Answer(Inline::new(b"new"))), 2));
}

#[test]
fn a_body_that_rots_while_the_memo_is_open_is_told_of_and_forgotten_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ends) = noisy(folder.path(), 3, 2000);
    for at in [ends[0] + 1, ends[0] + 3, ends[0] + 500] {
        let whole = fs::read(&path).unwrap();
        let memo = open(folder.path(), 0);
        flip(&path, at);
        assert!(matches!(memo.read(&content(1)), Err(MemoError::Damaged { .. })), "{at}");
        assert!(memo.read(&content(2)).unwrap().is_some());
        assert_eq!(Memo::check(folder.path(), stamp()).unwrap().1.places, 1);
        drop(memo);
        assert_eq!(open(folder.path(), 0).get(&content(1)), None);
        fs::write(&path, whole).unwrap();
    }
}
