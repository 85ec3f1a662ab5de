//! Published files that a disk or a hand damaged: seen by `verify`, and written again by the next commit.

use std::path::Path;

use super::*;

/// What is done to a file, of whose bytes there are some.
type Harm = fn(&Path, &[u8]);

const HARMS: [(&str, Harm); 6] = [
    ("a flipped bit", |path, bytes| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        // Times as they were: what a restored backup or a copying tool leaves.
        let times = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, bytes).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(times).unwrap();
    }),
    ("a zeroed block", |path, bytes| {
        let mut bytes = bytes.to_vec();
        let length = bytes.len();
        bytes[length / 3..length / 2].fill(0);
        fs::write(path, bytes).unwrap();
    }),
    ("cut", |path, bytes| fs::write(path, &bytes[..bytes.len() - 1]).unwrap()),
    ("garbage behind it", |path, bytes| fs::write(path, [bytes, b"x"].concat()).unwrap()),
    ("emptied", |path, _| fs::write(path, b"").unwrap()),
    ("deleted", |path, _| fs::remove_file(path).unwrap()),
];

fn damaged(folder: &Path) -> Vec<String> {
    let verified = verify(folder).unwrap().expect("it is ours");
    verified.damaged.into_iter().map(|damaged| damaged.file).collect()
}

fn mended(committed: &Committed) -> Vec<&str> {
    committed.mended.iter().map(|mended| mended.file.as_str()).collect()
}

/// A set with all sorts of parts, published.
fn published() -> (tempfile::TempDir, World, BTreeMap<PathBuf, Vec<u8>>) {
    let (folder, world) = (scratch(), World::new(&["one", "b/c"], 30).with_regions());
    world.commit(folder.path()).unwrap();
    let whole = tree(folder.path());
    (folder, world, whole)
}

#[test]
fn what_is_damaged_is_seen_and_written_again() {
    let (folder, world, whole) = published();
    assert_eq!(damaged(folder.path()), [""; 0]);
    for (harm, damage) in HARMS {
        for (file, bytes) in &whole {
            let name = file.to_str().unwrap();
            if name == "manifest.json" {
                continue;
            }
            damage(&folder.path().join(file), bytes);
            assert_eq!(damaged(folder.path()), [name], "{harm}");
            let committed = world.commit(folder.path()).unwrap();
            assert_eq!(mended(&committed), [name], "{harm}");
            let parts = usize::from(name.contains('/'));
            assert_eq!(committed.parts_written, parts, "{harm}: {name}");
            assert_same(&tree(folder.path()), &whole);
            assert_eq!(damaged(folder.path()), [""; 0]);
        }
    }
}

#[test]
fn a_damaged_manifest_is_refused_and_what_the_message_says_helps() {
    let (folder, world, whole) = published();
    let path = folder.path().join("manifest.json");
    let bytes = &whole[Path::new("manifest.json")];
    for bit in (0..bytes.len() * 8).step_by(61) {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        let error = world.commit(folder.path()).unwrap_err().to_string();
        assert!(
            ["damaged", "version", "not of a"].iter().any(|why| error.contains(why)),
            "bit {bit}: {error}"
        );
        assert!(
            !matches!(verify(folder.path()), Ok(Some(verified)) if verified.damaged.is_empty()),
            "bit {bit}"
        );
    }
    fs::remove_file(&path).unwrap();
    world.commit(folder.path()).unwrap();
    assert_same(&tree(folder.path()), &whole);
}

#[test]
fn swapped_parts_and_parts_too_many_are_seen() {
    let (folder, world, whole) = published();
    let data: Vec<&PathBuf> = whole.keys().filter(|path| path.starts_with("data")).collect();
    fs::write(folder.path().join(data[0]), &whole[data[1]]).unwrap();
    fs::write(folder.path().join(data[1]), &whole[data[0]]).unwrap();
    let stray = format!("data/one-{}.parquet", "0".repeat(32));
    fs::write(folder.path().join(&stray), "x").unwrap();
    fs::write(folder.path().join("data/mine.txt"), "x").unwrap();
    let verified = verify(folder.path()).unwrap().unwrap();
    assert_eq!(verified.damaged.len(), 3, "{verified:?}");
    assert_eq!(verified.foreign, ["data/mine.txt"]);
    let committed = world.commit(folder.path()).unwrap();
    assert_eq!(committed.mended.len(), 2);
    fs::remove_file(folder.path().join("data/mine.txt")).unwrap();
    assert_same(&tree(folder.path()), &whole);
}

#[test]
fn what_was_published_before_there_were_hashes_is_written_anew_once() {
    let (folder, world, whole) = published();
    let path = folder.path().join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for field in ["sealed", "check", "notes"] {
        manifest.as_object_mut().unwrap().remove(field).unwrap();
    }
    let parts = manifest["parts"].as_array_mut().unwrap();
    let count = parts.len();
    parts.iter_mut().for_each(|part| drop(part.as_object_mut().unwrap().remove("hash").unwrap()));
    fs::write(&path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
    let verified = verify(folder.path()).unwrap().unwrap();
    assert_eq!((verified.damaged.len(), verified.without_hash, verified.foreign.len()), (0, count as u64, 0));
    let committed = world.commit(folder.path()).unwrap();
    assert_eq!((committed.parts_written, committed.mended.len()), (count, 0));
    assert_same(&tree(folder.path()), &whole);
    assert_eq!(world.commit(folder.path()).unwrap().parts_unchanged, count);
}

#[test]
fn nobody_is_told_what_a_damaged_part_says() {
    let (folder, _, whole) = published();
    let (file, bytes) = whole.iter().find(|(path, _)| path.starts_with("rejected")).unwrap();
    let mut bytes = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(folder.path().join(file), bytes).unwrap();
    let keys: Vec<String> = (0..30).map(|n| format!("one/{n:04}")).collect();
    let told = find_verdict(folder.path(), "one/none");
    assert!(matches!(&told, Err(PublishError::Part { .. })), "{told:?}, {keys:?}");
}
