//! The published set is a function of what is wanted, and a commit writes what differs, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;

/// Which file is which, to see what was written anew.
fn inodes(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let inode = |path: &PathBuf| fs::metadata(folder.join(path)).unwrap().ino();
    tree(folder).keys().map(|path| (path.clone(), inode(path))).collect()
}

fn in_folder<'a>(files: &'a BTreeMap<PathBuf, u64>, name: &str) -> BTreeMap<&'a PathBuf, u64> {
    files.iter().filter(|(path, _)| path.starts_with(name)).map(|(path, inode)| (path, *inode)).collect()
}

#[test]
fn random_histories_end_in_the_bytes_of_a_fresh_run() {
    let mut random = Random::of("histories");
    let names = [
        "00000",
        "00001",
        "a/b",
        "a__b",
        "a_/b",
        "ünïcode ✓",
        "long/".repeat(60).leak(),
        "longer/".repeat(60).leak(),
    ];
    for _ in 0..12 {
        let folder = scratch();
        let mut world = World::new(&[], 0);
        let mut next_seq = random.below(1000) as u32;
        for _ in 0..8 {
            match random.below(8) {
                5 => world.regions = random_regions(&mut random),
                6 | 7 => {
                    if let Some(regions) = &mut world.regions {
                        regions.detection = random.below(90) as f32 / 100.0;
                    }
                }
                0 => world.short_side = 1000.0 + random.below(900) as f32,
                1 => world.aesthetic = random.below(1100) as f32 / 100.0,
                2 => world.shards.retain(|_| random.below(3) > 0),
                _ => {
                    let name = names[random.below(names.len() as u64) as usize];
                    next_seq += 1;
                    let shard =
                        made_up_shard(name, random.below(3) as u32, random.below(40) as u32, next_seq);
                    world.shards.retain(|other| other.name != name);
                    world.shards.push(shard);
                }
            }
            world.commit(folder.path()).unwrap();
            assert_same(&tree(folder.path()), &world.fresh_bytes());
        }
    }
}

/// None, or some that are told in either order.
fn random_regions(random: &mut Random) -> Option<made_up::Regions> {
    let backwards = random.below(2) == 0;
    (random.below(4) > 0).then(|| made_up::Regions { backwards, ..made_up::Regions::default() })
}

#[test]
fn the_number_and_order_of_shards_leave_no_trace() {
    let world = World::new(&["one", "two", "three"], 30);
    for world in [world.clone(), world.with_regions()] {
        let mut other = world.clone();
        other.shards.reverse();
        other.shards.iter_mut().for_each(|shard| shard.seq = 4_000_000_000 - shard.seq);
        other.regions.iter_mut().for_each(|regions| regions.backwards = true);
        assert_same(&other.fresh_bytes(), &world.fresh_bytes());
    }
}

#[test]
fn the_same_set_again_writes_nothing() {
    let (folder, world) = (scratch(), World::new(&["one", "two"], 30));
    let first = world.commit(folder.path()).unwrap();
    assert_eq!((first.parts_written, first.parts_unchanged, first.parts_removed), (4, 0, 0));
    let bytes: u64 = tree(folder.path())
        .iter()
        .filter(|(path, _)| path.extension() == Some("parquet".as_ref()))
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    assert_eq!(first.bytes_written, bytes);
    let before = inodes(folder.path());
    let again = world.commit(folder.path()).unwrap();
    assert_eq!(again, Committed { parts_unchanged: 4, ..Committed::default() });
    assert_eq!(inodes(folder.path()), before);
}

#[test]
fn a_turn_rewrites_the_parts_whose_rows_changed() {
    let (folder, mut world) = (scratch(), World::new(&["one", "two", "three"], 30));
    // Only in `one` does a score lie between the two places of the dial.
    for shard in &mut world.shards {
        for (number, fate) in shard.fates.iter_mut().enumerate() {
            if let Ok(score) = &mut fate.aesthetic {
                *score = if shard.name == "one" && number % 2 == 0 { 4.8 } else { score.floor() + 0.2 };
            }
        }
    }
    world.commit(folder.path()).unwrap();
    let before = inodes(folder.path());
    world.aesthetic = 4.9;
    let turned = world.commit(folder.path()).unwrap();
    let after = inodes(folder.path());
    // Each rejected part tells the threshold of its rows; of the data parts only that of `one` has other rows.
    assert_eq!((turned.parts_written, turned.parts_unchanged, turned.parts_removed), (4, 2, 0));
    let untouched =
        in_folder(&before, "data").into_iter().filter(|(path, inode)| after.get(*path) == Some(inode));
    let untouched: Vec<_> = untouched.map(|(path, _)| path.to_str().unwrap()).collect();
    assert!(
        matches!(untouched[..], [three, two] if three.contains("three-") && two.contains("two-")),
        "{untouched:?}"
    );
    assert_same(&tree(folder.path()), &world.fresh_bytes());
}

#[test]
fn a_turn_that_changes_no_kept_row_leaves_the_data_alone() {
    let (folder, mut world) = (scratch(), World::new(&["one", "two"], 30));
    world.aesthetic = 4.7501;
    world.commit(folder.path()).unwrap();
    let before = inodes(folder.path());
    world.aesthetic = 4.7502;
    let turned = world.commit(folder.path()).unwrap();
    let after = inodes(folder.path());
    assert_eq!((turned.parts_written, turned.parts_unchanged, turned.parts_removed), (2, 2, 0));
    assert_eq!(in_folder(&after, "data"), in_folder(&before, "data"));
}

#[test]
fn new_scores_of_the_same_rows_are_published() {
    let (folder, mut world) = (scratch(), World::new(&["one", "two"], 30));
    world.commit(folder.path()).unwrap();
    for fate in &mut world.shards[0].fates {
        fate.aesthetic = fate.aesthetic.clone().map(|score| if score > 4.75 { score + 0.125 } else { score });
    }
    let rescored = world.commit(folder.path()).unwrap();
    assert_eq!((rescored.parts_written, rescored.parts_unchanged, rescored.parts_removed), (1, 3, 0));
    assert_same(&tree(folder.path()), &world.fresh_bytes());
    world.columns = ["short_side", "beauty"];
    let renamed = world.commit(folder.path()).unwrap();
    assert_eq!((renamed.parts_written, renamed.parts_unchanged, renamed.parts_removed), (2, 2, 0));
    assert_same(&tree(folder.path()), &world.fresh_bytes());
}

#[test]
fn zero_rows_are_a_set_too() {
    let (folder, mut world) = (scratch(), World::new(&["one", "empty"], 10));
    world.shards[1] = made_up_shard("empty", 0, 0, 2);
    world.commit(folder.path()).unwrap();
    world.shards.remove(0);
    let emptied = world.commit(folder.path()).unwrap();
    assert_eq!(emptied, Committed { parts_removed: 2, ..Committed::default() });
    assert_eq!(tree(folder.path()).len(), 3);
    assert_same(&tree(folder.path()), &world.fresh_bytes());
    assert_eq!(read_manifest(folder.path()).unwrap().unwrap().parts, []);
}

#[test]
fn what_was_deleted_or_cut_by_hand_is_written_anew() {
    let (folder, world) = (scratch(), World::new(&["one", "two"], 30));
    world.commit(folder.path()).unwrap();
    let whole = tree(folder.path());
    for (path, bytes) in &whole {
        fs::remove_file(folder.path().join(path)).unwrap();
        world.commit(folder.path()).unwrap();
        assert_same(&tree(folder.path()), &whole);
        if path.file_name() != Some("manifest.json".as_ref()) {
            fs::write(folder.path().join(path), &bytes[..bytes.len() / 2]).unwrap();
            world.commit(folder.path()).unwrap();
            assert_same(&tree(folder.path()), &whole);
        }
    }
}

#[test]
fn files_that_are_not_ours_stay() {
    let (folder, mut world) = (scratch(), World::new(&["one"], 30));
    world.commit(folder.path()).unwrap();
    let notes = [
        "notes.txt",
        "data/notes.parquet",
        "rejected/one-0123.parquet",
        "one-00000000000000000000000000000000.parquet",
    ];
    notes.iter().for_each(|path| fs::write(folder.path().join(path), path).unwrap());
    let orphan = "data/one-00000000000000000000000000000000.parquet";
    fs::write(folder.path().join(orphan), "left by a crash").unwrap();
    world.shards.clear();
    world.commit(folder.path()).unwrap();
    let left = tree(folder.path());
    assert_eq!(left.len(), 3 + notes.len(), "{left:?}");
    assert!(notes.iter().all(|&path| left[Path::new(path)] == path.as_bytes()));
}

#[test]
fn a_folder_of_something_else_is_refused_and_left_alone() {
    let world = World::new(&["one"], 5);
    for (path, text) in [("thesis.tex", "x"), ("manifest.json", "{}"), (".lock", "theirs"), (".hidden", "")] {
        let folder = scratch();
        fs::write(folder.path().join(path), text).unwrap();
        let error = world.commit(folder.path()).unwrap_err();
        assert!(matches!(error, PublishError::NotOurs { .. }), "{error}");
        assert!(
            error.to_string().contains(path) && error.to_string().contains("choose an empty folder"),
            "{error}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(world.commit(file.path()), Err(PublishError::Io { .. })));
}

#[test]
fn a_manifest_that_cannot_be_read_is_said_not_overwritten() {
    let (folder, world) = (scratch(), World::new(&["one"], 5));
    world.commit(folder.path()).unwrap();
    let path = folder.path().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"version\": 1", "\"version\": 99")).unwrap();
    assert!(matches!(world.commit(folder.path()), Err(PublishError::NewerFormat { version: 99, .. })));
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(matches!(world.commit(folder.path()), Err(PublishError::DamagedManifest { .. })));
    // As the message says: delete it and run again.
    fs::remove_file(&path).unwrap();
    world.commit(folder.path()).unwrap();
    assert_same(&tree(folder.path()), &world.fresh_bytes());
}

#[test]
fn one_committer_at_a_time() {
    let (folder, world) = (scratch(), World::new(&["one"], 5));
    world.commit(folder.path()).unwrap();
    let lock = File::open(folder.path().join(".lock")).unwrap();
    lock.try_lock().unwrap();
    let error = world.commit(folder.path()).unwrap_err();
    assert!(matches!(error, PublishError::Busy { .. }), "{error}");
    lock.unlock().unwrap();
    world.commit(folder.path()).unwrap();
}

#[test]
fn verdicts_that_do_not_add_up_publish_nothing() {
    let kept = |scores: &[f32]| Verdict::Kept(scores.into());
    let refused = |stage: &'static str| {
        Verdict::Refused(Box::new(Refused {
            stage: stage.into(),
            refusal: Refusal::transient("timeout", "30 s"),
        }))
    };
    let wrong: [(&str, Vec<Verdict>); 6] = [
        ("0 verdicts for 2 rows", vec![]),
        ("3 verdicts for 2 rows", vec![refused("probe"), refused("probe"), refused("probe")]),
        ("kept with 1 scores", vec![refused("probe"), kept(&[1.0])]),
        ("gated by sharpness", vec![refused("probe"), Verdict::Gated { dial: "sharpness", score: 1.0 }]),
        ("refused at judge", vec![refused("probe"), refused("judge")]),
        ("its picture was refused", vec![kept(&[1.0, 2.0]), refused("probe")]),
    ];
    let mut world = World::new(&["one"], 2);
    let mut shard = (*world.shards[0].open).clone();
    shard.index.samples[0].picture = Err(Refusal::permanent("cut_picture", "cut"));
    world.shards[0].open = Arc::new(shard);
    for (why, verdicts) in wrong {
        let folder = scratch();
        let error = world.commit_as(folder.path(), |all| all[0] = verdicts).unwrap_err();
        assert!(matches!(error, PublishError::Verdicts(_)) && error.to_string().contains(why), "{error}");
        assert!(tree(folder.path()).is_empty());
    }
    let twice = World::new(&["one", "one"], 2);
    assert!(matches!(twice.commit(scratch().path()), Err(PublishError::Verdicts(_))));
}

#[test]
fn a_pipeline_without_regions_has_the_bytes_it_always_had() {
    // Of every file: parts, manifest, summary and card.
    let (mut hasher, mut of_manifest) = (blake3::Hasher::new(), ContentHash::default());
    for (path, bytes) in World::new(&["one", "b/c"], 60).fresh_bytes() {
        match path.to_str().unwrap() {
            "manifest.json" => of_manifest = ContentHash::of(&bytes),
            path => drop(hasher.update(path.as_bytes()).update(&bytes)),
        }
    }
    let told = [ContentHash::from_hasher(&hasher), of_manifest].map(|hash| hash.to_string());
    assert_eq!(told, ["3cd3dcf7655e105b1ac7ddbb7aff93c3", "b42e8b061116dcf8b9ee6c0de238a45c"]);
}
