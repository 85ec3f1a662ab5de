//! Memos of several segments: what counts of them, against a plain model; whose answers are read; and merging them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;

fn content(n: u64) -> ContentHash {
    ContentHash::of(&n.to_le_bytes())
}

fn stamp() -> Stamp {
    Stamp::of(&[("operator", b"among")])
}

fn folders(folder: &Path, count: usize) -> Vec<PathBuf> {
    (0..count).map(|n| folder.join(n.to_string())).collect()
}

/// Where the process of segment `own` reads and writes.
fn places(folders: &[PathBuf], own: usize) -> Places {
    let place = |folder: &PathBuf| Place { folder: folder.clone(), generation: 0 };
    let others = folders.iter().enumerate().filter(|(n, _)| *n != own).map(|(_, folder)| place(folder));
    Places { own: place(&folders[own]), others: others.collect(), only_from: None }
}

fn open(places: &Places) -> Memo {
    Memo::open_among(places, stamp(), Access::ReadWrite).expect("opens")
}

fn answer(text: &str) -> Result<Written, Refusal> {
    let blob = (text.len() > NARROW).then(|| text.as_bytes().to_vec());
    let head = &text.as_bytes()[..text.len().min(NARROW)];
    Ok(Written { inline: Inline::new(head), blob })
}

fn said(memo: &Memo, n: u64) -> Option<String> {
    match memo.get(&content(n))? {
        Remembered::Refused(refusal) => Some(format!("refused: {}", refusal.message)),
        Remembered::Answer(inline) => {
            let blob = memo.read(&content(n)).expect("is read")?.expect("no refusal");
            let text = if blob.is_empty() { inline.bytes().to_vec() } else { blob };
            Some(String::from_utf8(text).expect("a text"))
        }
    }
}

/// So that no two processes write in one millisecond.
fn later() {
    #[expect(clippy::disallowed_methods, reason = "a test may wait")]
    std::thread::sleep(Duration::from_millis(2));
}

/// Processes one after the other, each with a segment of its own and all others to read: what they say is what one log would say.
#[test]
fn several_segments_say_what_one_log_would_say() {
    for seed in 0..30_u64 {
        let folder = tempfile::tempdir().unwrap();
        let folders = folders(folder.path(), 4);
        let mut model: BTreeMap<u64, String> = BTreeMap::new();
        let mut mixed = seed;
        let mut draw = |end: u64| {
            mixed = u64::from_le_bytes(*content(mixed).0.first_chunk().unwrap());
            mixed % end
        };
        for process in 0..12 {
            let own = draw(4) as usize;
            let memo = open(&places(&folders, own));
            for step in 0..draw(20) {
                let n = draw(12);
                let text = format!("{process}/{step} {}", "long ".repeat(draw(3) as usize * 60));
                match draw(8) {
                    0 => {
                        memo.forget(&content(n)).unwrap();
                        model.remove(&n);
                    }
                    1 => {
                        memo.put(&[(content(n), Err(Refusal::permanent("no", text.clone())))]).unwrap();
                        model.entry(n).or_insert(format!("refused: {text}"));
                    }
                    _ => {
                        memo.put(&[(content(n), answer(&text))]).unwrap();
                        // One that comes after a refusal counts from the next process on.
                        let known = model.entry(n).or_insert(text.clone());
                        if known.starts_with("refused") {
                            *known = text;
                        }
                    }
                }
            }
            drop(memo);
            later();
            for reader in 0..4 {
                let memo = Memo::open_among(&places(&folders, reader), stamp(), Access::ReadOnly).unwrap();
                for n in 0..12 {
                    assert_eq!(
                        said(&memo, n),
                        model.get(&n).cloned(),
                        "seed {seed}, process {process}, {n} read by {reader}"
                    );
                }
            }
        }
        // Merged into one, it says the same, and so it does to who reads one that a killed merging left beside the others.
        let kept: Vec<(PathBuf, Vec<u8>)> = folders[1..]
            .iter()
            .map(|folder| Memo::path(folder, stamp()))
            .filter_map(|path| fs::read(&path).ok().map(|bytes| (path, bytes)))
            .collect();
        assert_eq!(compact(&places(&folders, 0), stamp()).unwrap().answers, model.len() as u64);
        for killed in [false, true] {
            if killed {
                kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
            }
            let memo = Memo::open_among(&places(&folders, 0), stamp(), Access::ReadOnly).unwrap();
            assert_eq!(memo.len(), model.len(), "seed {seed}");
            for n in 0..12 {
                // What was forgotten stands in the logs that the kill left: their own marks of it do, too.
                assert_eq!(
                    said(&memo, n),
                    model.get(&n).cloned(),
                    "seed {seed}, merged, killed: {killed}, {n}"
                );
            }
        }
    }
}

#[test]
fn of_two_answers_that_nobody_saw_the_first_wins_whoever_reads() {
    let folder = tempfile::tempdir().unwrap();
    let folders = folders(folder.path(), 3);
    let both = [open(&places(&folders, 2)), open(&places(&folders, 1))];
    both[0].put(&[(content(1), answer("of 2"))]).unwrap();
    later();
    both[1].put(&[(content(1), answer("of 1"))]).unwrap();
    drop(both);
    for reader in 0..3 {
        assert_eq!(said(&open(&places(&folders, reader)), 1).as_deref(), Some("of 2"), "read by {reader}");
    }
}

#[test]
fn a_part_reads_of_others_what_is_of_its_shards() {
    let folder = tempfile::tempdir().unwrap();
    let folders = folders(folder.path(), 2);
    let other = open(&places(&folders, 1));
    for n in 0..1000 {
        let from = FromShard::named(if n % 10 == 0 { "mine" } else { "theirs" });
        other.put_from(&[(content(n), answer("yes"))], |_| from).unwrap();
    }
    other.put(&[(content(5000), answer("from nobody knows where"))]).unwrap();
    drop(other);
    let only_from = Some(Arc::new(HashSet::from([FromShard::named("mine")])));
    let part = open(&Places { only_from, ..places(&folders, 0) });
    assert_eq!(part.len(), 101);
    assert!((0..1000).all(|n| part.get(&content(n)).is_some() == (n % 10 == 0)));
    assert!(part.get(&content(5000)).is_some());
}

#[test]
fn refusals_count_by_the_generation_of_their_segment_and_of_who_reads() {
    let folder = tempfile::tempdir().unwrap();
    let folders = folders(folder.path(), 2);
    let with = |own: u32, other: u32| {
        let mut places = places(&folders, 0);
        (places.own.generation, places.others[0].generation) = (own, other);
        places
    };
    let mut part = places(&folders, 1);
    part.own.generation = 3;
    open(&part).put(&[(content(1), Err(Refusal::permanent("no", "no")))]).unwrap();
    for (own, other, counts) in [(0, 0, true), (0, 3, true), (3, 0, true), (4, 0, false), (0, 4, false)] {
        assert_eq!(open(&with(own, other)).get(&content(1)).is_some(), counts, "{own} {other}");
    }
}

#[test]
fn a_log_that_others_have_mapped_never_becomes_shorter() {
    let folder = tempfile::tempdir().unwrap();
    let memo = Memo::open(folder.path(), stamp(), 0, Access::ReadWrite).unwrap();
    for n in 0..10 {
        memo.put(&[(content(n), answer(&"noise ".repeat(9)))]).unwrap();
    }
    drop(memo);
    let path = Memo::path(folder.path(), stamp());
    let whole = fs::read(&path).unwrap();
    for cut in 1..120 {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let memo = Memo::open(folder.path(), stamp(), 0, Access::ReadWrite).unwrap();
        assert!(fs::metadata(&path).unwrap().len() >= (whole.len() - cut) as u64, "cut by {cut}");
        assert!(memo.damage().tail > 0 || (0..10).filter(|n| memo.get(&content(*n)).is_some()).count() >= 8);
        // It was told of once, and what is written after it is read.
        memo.put(&[(content(100), answer("after"))]).unwrap();
        drop(memo);
        let again = Memo::open(folder.path(), stamp(), 0, Access::ReadWrite).unwrap();
        assert!(!again.damage().is_new(), "cut by {cut}: {}", again.damage());
        assert_eq!(said(&again, 100).as_deref(), Some("after"), "cut by {cut}");
    }
}

/// A record that was written by a clock far ahead: whoever saw it writes later ones.
#[test]
fn clocks_that_go_back_change_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let folders = folders(folder.path(), 2);
    let ahead = open(&places(&folders, 0));
    {
        let mut log = ahead.lock_log();
        let log = log.as_mut().unwrap();
        log.mark_of(u64::MAX / 2, FromShard::default());
        log.stage(content(1), 0, &answer("by a clock that is ahead"));
        log.write_staged().unwrap();
    }
    drop(ahead);
    for own in [0, 1] {
        let memo = open(&places(&folders, own));
        assert!(memo.get(&content(1)).is_some(), "{own}");
        memo.forget(&content(1)).unwrap();
        drop(memo);
        let memo = open(&places(&folders, own));
        assert_eq!(memo.get(&content(1)), None, "{own}: what is forgotten is gone, whatever the clock says");
        memo.put(&[(content(1), answer("anew"))]).unwrap();
        drop(memo);
        for reader in [0, 1] {
            assert_eq!(
                said(&open(&places(&folders, reader)), 1).as_deref(),
                Some("anew"),
                "{own} read by {reader}"
            );
        }
    }
}

/// A log that was put in the place of the one that was read: its records lie where others lay.
#[test]
fn a_body_of_another_content_is_damage_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let folders = folders(folder.path(), 2);
    for (n, folder) in folders.iter().enumerate() {
        let memo = Memo::open(folder, stamp(), 0, Access::ReadWrite).unwrap();
        memo.put(&[(content(n as u64), answer(&"as long as the other ".repeat(5)))]).unwrap();
    }
    let memo = Memo::open(&folders[0], stamp(), 0, Access::ReadOnly).unwrap();
    fs::copy(Memo::path(&folders[1], stamp()), Memo::path(&folders[0], stamp())).unwrap();
    assert!(matches!(memo.read(&content(0)), Err(MemoError::Damaged { .. })));
}
