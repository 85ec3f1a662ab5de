//! An export holds the original bytes, follows the published set, and survives crashes as that does.

use std::io::Read;

use super::super::export::export_from;
use super::super::steps::injected::{Ended, Mishap, mishap_at};
use super::*;

/// A published set and its export, in one temporary folder.
struct Exported {
    folder: tempfile::TempDir,
}

impl Exported {
    fn new(world: &World) -> Self {
        let this = Exported { folder: scratch() };
        this.publish(world);
        this
    }
    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }
    fn to(&self) -> PathBuf {
        self.folder.path().join("to")
    }
    fn publish(&self, world: &World) {
        world.commit(&self.out()).unwrap();
    }
    fn export(&self, world: &World) -> Result<Committed, PublishError> {
        export_from(&self.out(), &self.to(), world)
    }
}

fn fresh_export(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let fresh = Exported::new(world);
    fresh.export(world).unwrap();
    tree(&fresh.to())
}

/// The files in a tar, by name, in order.
fn files_of(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let facts =
            (header.mode().unwrap(), header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        assert_eq!(facts, (0o644, 0, 0, 0));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    entries.collect()
}

#[test]
fn tars_hold_the_original_bytes_of_kept_samples_in_order() {
    let mut world = World::new(&["00000", "deep/00001"], 40);
    let mut shard = (*world.shards[0].open).clone();
    shard
        .index
        .samples
        .iter_mut()
        .for_each(|sample| sample.key = format!("{}/{}", "folder".repeat(50), sample.key));
    world.shards[0].open = Arc::new(shard);
    let exported = Exported::new(&world);
    let committed = exported.export(&world).unwrap();
    assert_eq!((committed.parts_written, committed.parts_unchanged), (2, 0));
    for shard in &world.shards {
        let mut wanted = Vec::new();
        for (sample, verdict) in shard.open.index.samples.iter().zip(world.verdicts(shard)) {
            if matches!(verdict, Verdict::Kept(_)) {
                wanted.extend(sample.members.iter().map(|member| {
                    let bytes = shard.open.member_bytes(member).unwrap().into_owned();
                    (format!("{}.{}", sample.key, member.extension), bytes)
                }));
            }
        }
        let stem = shard.name.replace('/', "__") + "-";
        let tars = tree(&exported.to());
        let tar = tars.iter().find(|(path, _)| path.to_str().unwrap().starts_with(&stem)).unwrap();
        assert!(wanted.len() > 20);
        assert!(files_of(tar.1) == wanted);
    }
}

#[test]
fn bytes_are_those_of_this_format() {
    // If this fails after an upgrade of `tar` (and not of the shards made up for tests), raise TAR_FORMAT.
    let world = World::new(&["one"], 9);
    assert_eq!(fresh_export(&world).len(), 2);
    let bytes: Vec<u8> = fresh_export(&world)
        .into_iter()
        .filter(|(path, _)| path.extension() == Some("tar".as_ref()))
        .flat_map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(
        (super::super::export::TAR_FORMAT, ContentHash::of(&bytes).to_string().as_str()),
        (2, "807e25fc535d219cace77b8ec471e580")
    );
}

/// Makes an export look like one of a version before this one: other bytes of the same lengths, other digests.
fn age(to: &Path) {
    let path = to.join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["version"] = (super::super::export::TAR_FORMAT - 1).into();
    for field in ["sealed", "check"] {
        manifest.as_object_mut().unwrap().remove(field).unwrap();
    }
    for part in manifest["parts"].as_array_mut().unwrap() {
        let [digest, file] = ["digest", "file"].map(|field| part[field].as_str().unwrap().to_owned());
        let earlier = ContentHash::of(digest.as_bytes()).to_string();
        part["digest"] = earlier.as_str().into();
        part["file"] = file.replace(&digest, &earlier).into();
        let bytes = vec![1; fs::read(to.join(&file)).unwrap().len()];
        fs::remove_file(to.join(&file)).unwrap();
        fs::write(to.join(part["file"].as_str().unwrap()), bytes).unwrap();
    }
    fs::write(&path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
}

#[test]
fn an_export_of_an_earlier_format_is_written_anew() {
    let world = World::new(&["one", "two"], 9);
    let exported = Exported::new(&world);
    exported.export(&world).unwrap();
    age(&exported.to());
    let again = exported.export(&world).unwrap();
    assert_eq!((again.parts_written, again.parts_unchanged, again.parts_removed), (2, 0, 0));
    assert!(tree(&exported.to()) == fresh_export(&world));
}

#[test]
fn an_export_follows_the_published_set() {
    let mut world = World::new(&["one", "two", "three"], 30);
    let exported = Exported::new(&world);
    exported.export(&world).unwrap();
    let again = exported.export(&world).unwrap();
    assert_eq!(again, Committed { parts_unchanged: 3, ..Committed::default() });

    let kept_by_two = |world: &World| world.verdicts(&world.shards[1]);
    let before = kept_by_two(&world);
    let best =
        world.shards[0].fates.iter().filter_map(|fate| fate.aesthetic.clone().ok()).fold(0.0, f32::max);
    world.shards[0].fates.iter_mut().for_each(|fate| fate.aesthetic = Ok(best));
    world.shards.remove(2);
    exported.publish(&world);
    let turned = exported.export(&world).unwrap();
    assert_eq!(kept_by_two(&world), before);
    assert_eq!((turned.parts_written, turned.parts_unchanged, turned.parts_removed), (1, 1, 1));
    assert_same(&tree(&exported.to()), &fresh_export(&world));
}

#[test]
fn other_scores_of_the_same_samples_copy_nothing() {
    let mut world = World::new(&["one", "two"], 30);
    let exported = Exported::new(&world);
    exported.export(&world).unwrap();
    for fate in world.shards.iter_mut().flat_map(|shard| &mut shard.fates) {
        fate.aesthetic = fate.aesthetic.clone().map(|score| if score > 4.75 { score + 0.125 } else { score });
    }
    exported.publish(&world);
    let rescored = exported.export(&world).unwrap();
    assert_eq!(rescored, Committed { parts_unchanged: 2, ..Committed::default() });
    assert_same(&tree(&exported.to()), &fresh_export(&world));
}

#[test]
fn a_changed_picture_is_an_error_and_the_old_export_stays() {
    let mut world = World::new(&["one"], 30);
    let exported = Exported::new(&world);
    world.aesthetic = 6.0;
    exported.publish(&world);
    exported.export(&world).unwrap();
    let before = tree(&exported.to());
    world.aesthetic = 5.0;
    exported.publish(&world);
    let whole = world.shards[0].open.clone();
    let kept = world.verdicts(&world.shards[0]).iter().position(|it| matches!(it, Verdict::Kept(_))).unwrap();
    let mut damaged = (*whole).clone();
    let place = damaged.index.samples[kept].members[1].offset as usize;
    damaged.bytes[place] ^= 1;
    for damaged in [damaged, FakeShard { bytes: Vec::new(), ..(*whole).clone() }] {
        world.shards[0].open = Arc::new(damaged);
        let error = exported.export(&world).unwrap_err();
        let key = &whole.index.samples[kept].key;
        assert!(matches!(error, PublishError::Changed { .. }) && error.to_string().contains(key), "{error}");
        assert_same(&tree(&exported.to()), &before);
        assert!(!exported.to().join(".writing").exists());
    }
    world.shards[0].open = whole;
    exported.export(&world).unwrap();
    assert_same(&tree(&exported.to()), &fresh_export(&world));
}

#[test]
fn crashes_of_an_export_are_repaired_by_the_next() {
    let before = World::new(&["gone", "same", "turned"], 20);
    let mut after = World::new(&["came", "same", "turned"], 20);
    after.shards[2] = made_up_shard("turned", 1, 25, 7);
    let wanted = fresh_export(&after);
    for number in 0.. {
        let exported = Exported::new(&before);
        exported.export(&before).unwrap();
        exported.publish(&after);
        let (ended, passed) = mishap_at(number, Mishap::Crash, || exported.export(&after));
        if passed.len() <= number {
            assert!(matches!(ended, Ended::Returned(Ok(_))) && number > 10, "only {passed:?} were steps");
            return;
        }
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(exported.to().join("manifest.json")).unwrap()).unwrap();
        for part in manifest["parts"].as_array().unwrap() {
            let path = exported.to().join(part["file"].as_str().unwrap());
            assert_eq!(fs::metadata(path).unwrap().len(), part["bytes"].as_u64().unwrap());
        }
        exported.export(&after).unwrap();
        assert_same(&tree(&exported.to()), &wanted);
    }
}

#[test]
fn folders_that_do_not_fit_are_refused() {
    let world = World::new(&["one"], 10);
    let exported = Exported::new(&world);
    let nothing = export_from(&exported.to(), &exported.out(), &world).unwrap_err();
    assert!(matches!(nothing, PublishError::NothingPublished { .. }), "{nothing}");
    let itself = export_from(&exported.out(), &exported.out(), &world).unwrap_err();
    assert!(matches!(itself, PublishError::NotOurs { .. }), "{itself}");
    fs::create_dir(exported.to()).unwrap();
    fs::write(exported.to().join("theirs.tar"), "x").unwrap();
    assert!(matches!(exported.export(&world), Err(PublishError::NotOurs { .. })));
    fs::remove_file(exported.to().join("theirs.tar")).unwrap();
    exported.export(&world).unwrap();
    fs::write(exported.to().join("theirs.tar"), "x").unwrap();
    exported.export(&world).unwrap();
    assert!(exported.to().join("theirs.tar").exists());
    let committer = fs::File::open(exported.out().join(".lock")).unwrap();
    committer.try_lock().unwrap();
    assert!(matches!(exported.export(&world), Err(PublishError::Busy { .. })));
    // A copy of the set without its dot-files can be exported, too.
    fs::remove_file(exported.out().join(".lock")).unwrap();
    exported.export(&world).unwrap();
}
