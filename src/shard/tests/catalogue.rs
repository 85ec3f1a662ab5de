//! The catalogue and the index files: what is walked, what is not, and which number a shard has.

use std::fs::FileTimes;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::row::{ContentHash, RowId};
use crate::shard::{ShardError, check_store};

fn named(name: &str, path: &Path) -> ShardSource {
    ShardSource::of_tar(name, vec![Ok(path.to_path_buf())])
}

fn touch(path: &Path, seconds: u64) {
    let later = SystemTime::now() + Duration::from_secs(seconds);
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(FileTimes::new().set_modified(later))
        .unwrap();
}

/// Every file under a folder with its bytes.
fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all.sort();
    all
}

#[test]
fn a_second_run_reads_the_index_and_does_not_walk() {
    let desk = Desk::new();
    let source = source_of(&desk.put("x.tar", &good_tar(5)));
    let first = desk.catalogue();
    let walked_index = first.load(&source).unwrap().index.clone();
    assert_eq!(first.walks(), 1);
    assert_eq!(first.load(&source).unwrap().index, walked_index);
    assert_eq!(first.walks(), 1);
    let second = desk.catalogue();
    let shard = second.load(&source).unwrap();
    assert_eq!((second.walks(), shard.seq), (0, 0));
    assert_eq!(shard.index, walked_index);
    for (number, sample) in shard.index.samples.iter().enumerate() {
        let bytes = shard.picture_bytes(number as u32).unwrap();
        assert_eq!(ContentHash::of(&bytes), sample.picture.as_ref().unwrap().content);
    }
}

/// Within a tick of the clock that stamps files, a file that is written again may look as it did: so none is read that is not
/// older than that. (Clocks of new kernels are too fine to show what comes of it otherwise.)
#[test]
fn a_shard_that_is_written_again_at_once_is_another() {
    let desk = Desk::new();
    let catalogue = desk.catalogue();
    let tar = good_tar(1);
    for round in 0..10u8 {
        // A byte of the picture, past its header.
        let mut other = tar.clone();
        let at = other.windows(4).position(|bytes| bytes == b"IEND").expect("a PNG") - 20;
        other[at] = round;
        let path = desk.put("x.tar", &other);
        let shard = catalogue.load(&source_of(&path)).unwrap();
        let age = std::fs::metadata(&path).unwrap().modified().unwrap().elapsed().unwrap();
        assert!(age >= Duration::from_millis(10), "read {age:?} after it was written");
        let bytes = shard.picture_bytes(0).unwrap();
        let indexed = shard.index.samples[0].picture.as_ref().unwrap().content;
        assert_eq!(indexed, ContentHash::of(&bytes), "round {round}");
    }
}

#[test]
fn the_number_of_threads_changes_no_index() {
    let desk = Desk::new();
    let path = desk.put("x.tar", &good_tar(60));
    let bytes = opened(&source_of(&path), &ReadOptions::default());
    let alone = index::build_on(1, &bytes, &ReadOptions::default());
    assert_eq!(alone.samples.len(), 60);
    for threads in [2, 7, 200] {
        assert_eq!(index::build_on(threads, &bytes, &ReadOptions::default()), alone);
    }
}

#[test]
fn a_number_that_was_given_twice_means_the_first_shard_only() {
    let desk = Desk::new();
    let [a, b] = ["a", "b"].map(|name| named(name, &desk.put(&format!("{name}.tar"), &good_tar(1))));
    assert_eq!(desk.catalogue().load(&a).unwrap().seq, 0);
    let log = desk.store().join("shards.log");
    let first = std::fs::read(&log).unwrap();
    // Two runs at once on a file system without locks: none knows of the other.
    std::fs::remove_file(&log).unwrap();
    std::fs::remove_file(desk.store().join("sources.log")).unwrap();
    assert_eq!(desk.catalogue().load(&b).unwrap().seq, 0);
    std::fs::remove_file(desk.store().join("sources.log")).unwrap();
    let second = std::fs::read(&log).unwrap();
    std::fs::write(&log, [first, second].concat()).unwrap();
    let catalogue = desk.catalogue();
    assert_eq!([catalogue.load(&a).unwrap().seq, catalogue.load(&b).unwrap().seq], [0, 1]);
}

#[test]
fn a_touched_shard_is_walked_and_keeps_its_number_a_changed_one_gets_a_new_number() {
    let desk = Desk::new();
    let path = desk.put("x.tar", &good_tar(5));
    assert_eq!(desk.catalogue().load(&source_of(&path)).unwrap().seq, 0);
    touch(&path, 5);
    let catalogue = desk.catalogue();
    assert_eq!((catalogue.load(&source_of(&path)).unwrap().seq, catalogue.walks()), (0, 1));
    let mut changed = good_tar(5);
    let offset = walked(&changed).samples[2].members[1].offset as usize;
    changed[offset + 8] = b'9';
    std::fs::write(&path, &changed).unwrap();
    touch(&path, 10);
    let catalogue = desk.catalogue();
    assert_eq!((catalogue.load(&source_of(&path)).unwrap().seq, catalogue.walks()), (1, 1));
    std::fs::write(&path, good_tar(5)).unwrap();
    touch(&path, 15);
    assert_eq!(
        desk.catalogue().load(&source_of(&path)).unwrap().seq,
        0,
        "the old content has its old number"
    );
}

#[test]
fn other_options_walk_again_and_rows_that_differ_are_another_shard() {
    let desk = Desk::new();
    let source = source_of(&desk.put("x.tar", &good_tar(5)));
    let with = |options: ReadOptions| {
        let catalogue = Catalogue::open(&desk.store(), options, false).unwrap();
        let shard = catalogue.load(&source).unwrap();
        (shard.seq, catalogue.walks())
    };
    assert_eq!(with(ReadOptions::default()), (0, 1));
    assert_eq!(
        with(ReadOptions { mmap: false, ..ReadOptions::default() }),
        (0, 0),
        "how it is read does not count"
    );
    assert_eq!(
        with(ReadOptions { max_pixels: 1 << 40, ..ReadOptions::default() }),
        (0, 1),
        "same rows, same number"
    );
    assert_eq!(with(ReadOptions { max_pixels: 15, ..ReadOptions::default() }), (1, 1));
}

#[test]
fn a_broken_index_file_is_walked_over_in_silence() {
    let desk = Desk::new();
    let source = source_of(&desk.put("x.tar", &good_tar(3)));
    let index = desk.catalogue().load(&source).unwrap().index.clone();
    let (path, bytes) = everything(&desk.store().join("index")).remove(0);
    let mut broken: Vec<Vec<u8>> = [0, 3, 11, 12, bytes.len() - 1].map(|cut| bytes[..cut].to_vec()).to_vec();
    for at in [0, 4, 9, 20, bytes.len() - 1] {
        broken.push(bytes.clone());
        broken.last_mut().unwrap()[at] ^= 0x10;
    }
    for bytes in broken {
        std::fs::write(&path, bytes).unwrap();
        let catalogue = desk.catalogue();
        let shard = catalogue.load(&source).unwrap();
        assert_eq!((catalogue.walks(), shard.seq), (1, 0));
        assert_eq!(shard.index, index);
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "and is put right by it");
}

#[test]
fn a_torn_tail_is_dropped_and_a_broken_line_does_not_give_its_number_away() {
    let desk = Desk::new();
    let sources: Vec<ShardSource> =
        (0..4).map(|i| named(&format!("s\t{i}"), &desk.put(&format!("{i}.tar"), &good_tar(i)))).collect();
    let numbers = |catalogue: &Catalogue| -> Vec<u32> {
        sources.iter().map(|source| catalogue.load(source).unwrap().seq).collect()
    };
    let catalogue = desk.catalogue();
    sources[..3].iter().for_each(|source| drop(catalogue.load(source).unwrap()));
    let log = desk.store().join("shards.log");
    let whole = std::fs::read(&log).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    let seen = std::fs::read(desk.store().join("sources.log")).unwrap();
    for cut in last + 1..whole.len() {
        std::fs::write(&log, &whole[..cut]).unwrap();
        // A number is written down before it is given out: of a shard whose line is torn nothing was seen yet.
        std::fs::remove_file(desk.store().join("sources.log")).unwrap();
        assert_eq!(numbers(&desk.catalogue()), [0, 1, 2, 3]);
        assert_eq!(numbers(&desk.catalogue()), [0, 1, 2, 3], "cut at {cut}");
    }
    let mut broken = whole.clone();
    broken[2] ^= 1;
    // A damaged line, lines that are gone, all of them gone: of each shard that was seen, and of those to come, the number is one that
    // was never given.
    for (damaged, kept) in [(broken.as_slice(), 1..3), (&whole[..last], 0..2), (b"", 0..0)] {
        std::fs::write(&log, damaged).unwrap();
        std::fs::write(desk.store().join("sources.log"), &seen).unwrap();
        assert_eq!(check_store(&desk.store()).unwrap()[0].file, "shards.log");
        let catalogue = desk.catalogue();
        assert!(catalogue.damage().is_some_and(|damage| damage.contains("shards.log")));
        let given = numbers(&catalogue);
        for (place, number) in given.iter().enumerate() {
            assert_eq!(
                kept.contains(&place).then_some(*number),
                kept.contains(&place).then_some(place as u32)
            );
            assert!(kept.contains(&place) || *number > 1_700_000_000, "{given:?}");
        }
        let again = desk.catalogue();
        assert_eq!((numbers(&again), again.damage()), (given, None), "told once");
        assert_eq!(check_store(&desk.store()).unwrap(), []);
    }
}

#[test]
fn a_damaged_sighting_is_taken_out() {
    let desk = Desk::new();
    let [a, b] = ["a", "b"].map(|name| named(name, &desk.put(&format!("{name}.tar"), &good_tar(1))));
    let catalogue = desk.catalogue();
    [&a, &b].iter().for_each(|source| drop(catalogue.load(source).unwrap()));
    let path = desk.store().join("sources.log");
    let mut text = std::fs::read(&path).unwrap();
    text[20] ^= 1;
    std::fs::write(&path, &text).unwrap();
    assert_eq!(check_store(&desk.store()).unwrap()[0].file, "sources.log");
    drop(Catalogue::open(&desk.store(), ReadOptions::default(), true).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), text, "who only reads writes nothing");
    assert_eq!([&a, &b].map(|source| desk.catalogue().load(source).unwrap().seq), [0, 1]);
    assert_eq!(check_store(&desk.store()).unwrap(), []);
}

#[test]
fn a_read_only_catalogue_writes_nothing_and_numbers_new_shards_for_itself() {
    let desk = Desk::new();
    let old = named("old", &desk.put("old.tar", &good_tar(2)));
    let new = named("new", &desk.put("new.tar", &good_tar(3)));
    let elsewhere = desk.folder.path().join("nowhere");
    let plan = Catalogue::open(&elsewhere, ReadOptions::default(), true).unwrap();
    assert_eq!(plan.load(&old).unwrap().seq, 0);
    assert!(!elsewhere.exists());
    desk.catalogue().load(&old).unwrap();
    let before = everything(&desk.store());
    let plan = Catalogue::open(&desk.store(), ReadOptions::default(), true).unwrap();
    assert_eq!((plan.load(&old).unwrap().seq, plan.walks()), (0, 0));
    assert_eq!((plan.load(&new).unwrap().seq, plan.walks()), (1, 1));
    assert_eq!(everything(&desk.store()), before);
}

#[test]
fn shards_are_closed_when_many_are_open_and_come_back_without_a_walk() {
    for read_only in [false, true] {
        let desk = Desk::new();
        let catalogue = Catalogue::open(&desk.store(), ReadOptions::default(), read_only).unwrap();
        let count = 150;
        for i in 0..count {
            let source = named(&i.to_string(), &desk.put(&format!("{i}.tar"), &good_tar(1 + i % 3)));
            assert_eq!(catalogue.load(&source).unwrap().seq, i);
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for seq in 0..count {
                        let shard = catalogue.shard(seq).unwrap();
                        assert_eq!((shard.seq, shard.name.as_str()), (seq, seq.to_string().as_str()));
                        assert!(shard.picture_bytes(0).is_ok());
                    }
                });
            }
        });
        assert_eq!(catalogue.walks(), u64::from(count));
        assert!(matches!(catalogue.shard(count), Err(ShardError::Usage(_))));
    }
}

#[test]
fn many_threads_load_at_once_and_agree_on_the_numbers() {
    let desk = Desk::new();
    let sources: Vec<ShardSource> =
        (0..20).map(|i| named(&i.to_string(), &desk.put(&format!("{i}.tar"), &good_tar(i)))).collect();
    let catalogue = desk.catalogue();
    let load_all = || sources.iter().map(|source| catalogue.load(source).unwrap().seq).collect::<Vec<_>>();
    let answers: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(load_all)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let mut sorted = answers[0].clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..20).collect::<Vec<u32>>());
}

#[test]
fn a_shard_that_changes_during_the_run_is_an_error_that_says_so() {
    let desk = Desk::new();
    let catalogue = desk.catalogue();
    let path = desk.put("x.tar", &good_tar(2));
    let seq = catalogue.load(&source_of(&path)).unwrap().seq;
    for i in 0..70 {
        catalogue.load(&named(&i.to_string(), &desk.put(&format!("{i}.tar"), &good_tar(1)))).unwrap();
    }
    std::fs::remove_file(&path).unwrap();
    desk.put("x.tar", &good_tar(3));
    let error = catalogue.shard(seq).err().unwrap().to_string();
    assert!(error.contains("changed during the run"), "{error}");
}

/// Whoever asks late for a field has the numbers of what was loaded before, and of what comes.
#[test]
fn numbers_of_sidecars_are_at_hand_whenever_they_are_asked_for() {
    let desk = Desk::new();
    let tar = |number: f32| {
        let json = format!("{{\"aes\": {number}, \"other\": 1}}");
        tar_of(&[file("a.png", png(8, 8, 1)), file("a.json", json), file("b.png", png(9, 9, 2))])
    };
    let [first, second] = [("x.tar", 2.5), ("y.tar", 6.0)].map(|(name, number)| desk.put(name, &tar(number)));
    let catalogue = desk.catalogue();
    let first = catalogue.load(&source_of(&first)).unwrap().seq;
    let numbers = catalogue.sidecar_numbers("aes").unwrap();
    let second = catalogue.load(&source_of(&second)).unwrap().seq;
    let of = |shard: u32, member: u32| numbers.of(RowId { shard, member });
    assert_eq!([of(first, 0), of(first, 1), of(first, 2)], [Some(2.5), None, None]);
    assert_eq!([of(second, 0), of(second, 1), of(second + 1, 0)], [Some(6.0), None, None]);
    assert!(Arc::ptr_eq(&numbers, &catalogue.sidecar_numbers("aes").unwrap()));
    assert_eq!(catalogue.sidecar_fields(), ["aes"]);
}
