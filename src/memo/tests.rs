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

fn put_body(memo: &Memo, n: u64, head: Result<&[u8], &str>, body: Option<&[u8]>) -> Remembered {
    let answer = head.map(|head| Written { head: Inline::new(head), body: body.map(<[u8]>::to_vec) });
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
fn bodies_are_read_from_disk_compressed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let memo = open(folder.path(), 0);
    let flat = vec![7u8; 100_000];
    let noise: Vec<u8> = (0..1000u64).flat_map(|n| content(n).0).collect();
    put(&memo, 0, Ok(b"no body"));
    for (n, bytes) in [(1, flat.as_slice()), (2, &noise), (3, &[])] {
        let said = put_body(&memo, n, Ok(&[n as u8; INLINE]), Some(bytes));
        assert_eq!(said, Remembered::Answer(Inline::of([n as u8; INLINE])));
    }
    assert_eq!(put_body(&memo, 2, Ok(b"later"), Some(b"later")), Remembered::Answer(Inline::of([2; INLINE])));
    put(&memo, 4, Err("broken"));
    assert!(fs::metadata(&memo.path).unwrap().len() < 17_000, "the flat one was not compressed");
    for memo in [memo, open(folder.path(), 0)] {
        let body = |n| memo.read(&content(n)).unwrap().map(|body| body.map_err(|r| r.message.clone()));
        assert_eq!(
            [body(0), body(1), body(2)],
            [Some(Ok(vec![])), Some(Ok(flat.clone())), Some(Ok(noise.clone()))]
        );
        assert_eq!([body(3), body(4), body(5)], [Some(Ok(vec![])), Some(Err("broken".into())), None]);
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
        ends.push(fs::metadata(&memo.path).unwrap().len());
    }
    let (path, whole) = (memo.path.clone(), fs::read(&memo.path).unwrap());
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
    for n in 0..3 {
        put(&memo, n, Ok(b"yes"));
    }
    let (path, mut bytes) = (memo.path.clone(), fs::read(&memo.path).unwrap());
    drop(memo);
    bytes[28 + 32 + 26] ^= 1; // inside the second record's payload
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
            fs::metadata(&memo.path).unwrap().len()
        })
        .collect();
    let (path, whole) = (memo.path.clone(), fs::read(&memo.path).unwrap());
    drop(memo);
    for (from, to) in [(28, 29), (30, 100), (61, 62), (200, 700), (28, 1000)] {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0);
        fs::write(&path, &bytes).unwrap();
        let memo = open(folder.path(), 0);
        for (n, end) in ends.iter().enumerate() {
            let start = if n == 0 { 28 } else { ends[n - 1] } as usize;
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
