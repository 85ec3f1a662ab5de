//! Shards of loose files: they are grouped as the same files in a tar are, their files are opened when they are read, and a file that is not
//! what it was is never taken for what it was.

use std::fs::{FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use super::*;
use crate::row::{ContentHash, Refusal};
use crate::shard::{FileBytes, FileMember, check_store, content_of, find_pictures};

const JSON: &str = "{\"caption\":\"a cat\",\"aes\":5.5}";

pub(super) fn found(desk: &Desk, folder: &str) -> Vec<ShardSource> {
    let folder = desk.folder.path().join(folder).to_string_lossy().into_owned();
    find_pictures(&[folder]).unwrap().shards
}

pub(super) fn one(desk: &Desk) -> ShardSource {
    let mut found = found(desk, "photos");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

pub(super) fn members(source: &ShardSource) -> &[FileMember] {
    match &source.holds {
        Holds::Files(files) => &files.members,
        Holds::Tar(_) | Holds::Objects(_) => panic!("{source:?} is a tar"),
    }
}

pub(super) fn names(source: &ShardSource) -> Vec<String> {
    members(source).iter().map(|member| String::from_utf8_lossy(member.path()).into_owned()).collect()
}

/// Two samples, the first with sidecars and an end frame.
pub(super) fn small() -> Desk {
    let desk = Desk::new();
    desk.put("photos/a/cat.png", &png(4, 3, 1));
    desk.put("photos/a/cat.json", JSON.as_bytes());
    desk.put("photos/a/cat.end.png", &png(4, 3, 2));
    desk.put("photos/dog.JPG", &png(5, 5, 3));
    desk
}

#[expect(clippy::disallowed_methods, reason = "a test may wait for the clock of the file system")]
fn let_the_clock_tick() {
    std::thread::sleep(Duration::from_millis(30));
}

#[test]
fn a_folder_comes_to_what_a_tar_of_its_files_comes_to() {
    let desk = Desk::new();
    let mut dice = Dice(0x5eed_f01d);
    let extensions = [
        "png",
        "JPG",
        "json",
        "txt",
        "end.png",
        "mask.png",
        "input.jpg",
        "webp",
        "cls",
        "",
        "0.png",
        "1.png",
    ];
    for number in 0..400_u32 {
        let folders = ["", "a/", "a.b/", "a/b/", "a-b/", "._c/"];
        let key = ["x", "x y", "x-1", "é", "X", ".hidden", "._x", "x!"][dice.below(8)];
        let extension = extensions[dice.below(extensions.len())];
        let name = format!("photos/{}{key}{}.{extension}", folders[dice.below(6)], dice.below(9));
        let bytes = match dice.below(6) {
            0 => Vec::new(),
            1 => b"{\"caption\":\"c\",\"aes\":\"7\",\"x\":NaN}".to_vec(),
            2 => b"no picture".to_vec(),
            _ => png(1 + dice.below(9) as u32, 2, number as u8),
        };
        desk.put(&name, &bytes);
    }
    let source = one(&desk);
    let tar: Vec<Made> = members(&source)
        .iter()
        .map(|member| {
            file(
                member.path(),
                std::fs::read(
                    desk.folder.path().join("photos").join(String::from_utf8_lossy(member.path()).as_ref()),
                )
                .unwrap(),
            )
        })
        .collect();
    let catalogue = desk.catalogue();
    let of_folder = catalogue.load(&source).unwrap();
    let of_tar = catalogue.load(&source_of(&desk.put("x.tar", &tar_of(&tar)))).unwrap();
    assert!(of_tar.index.samples.len() > 100);
    assert_eq!(outcome(&of_folder.index), outcome(&of_tar.index));
    assert_eq!(of_folder.index.passed_over, of_tar.index.passed_over);
    for (place, (loose, packed)) in of_folder.index.samples.iter().zip(&of_tar.index.samples).enumerate() {
        let place = place as u32;
        assert_eq!(loose.picture, packed.picture, "{}", loose.key);
        assert_eq!((&loose.numbers, &loose.sidecar_refusal), (&packed.numbers, &packed.sidecar_refusal));
        assert_eq!(of_folder.sidecar(place).unwrap(), of_tar.sidecar(place).unwrap());
        for (member, other) in loose.members.iter().zip(&packed.members) {
            assert_eq!((&member.extension, member.len), (&other.extension, other.len));
            assert_eq!(of_folder.member_bytes(member).unwrap(), of_tar.member_bytes(other).unwrap());
        }
        if loose.picture.is_ok() {
            assert_eq!(of_folder.picture_bytes(place).unwrap(), of_tar.picture_bytes(place).unwrap());
        }
    }
}

#[test]
fn texts_have_no_files_and_samples_may_share_one() {
    let desk = small();
    let root = desk.folder.path().join("photos");
    let of_captions = |captions: [&str; 2]| {
        let members = captions.into_iter().enumerate().flat_map(|(number, caption)| {
            let text = format!("{{\"caption\":\"{caption}\"}}").into_bytes();
            [
                FileMember::new(format!("items/{number}.jpg"), FileBytes::File(root.join("a/cat.png"))),
                FileMember::new(format!("items/{number}.json"), FileBytes::Text(text.into())),
            ]
        });
        ShardSource::of_files("bench", &root, members.collect())
    };
    let catalogue = desk.catalogue();
    let shard = catalogue.load(&of_captions(["one", "two"])).unwrap();
    assert_eq!(outcome(&shard.index), ["items/0", "items/1"]);
    assert_eq!(shard.sidecar(1).unwrap().caption.as_deref(), Some("two"));
    assert_eq!(shard.picture_bytes(1).unwrap(), png(4, 3, 1));
    assert_eq!(shard.file_of(&shard.index.samples[1].members[0]).as_deref(), Some("a/cat.png"));
    assert_eq!(shard.folder(), Some(&*root));
    // The same again is the same; a text of the same length is another shard.
    assert_eq!(catalogue.load(&of_captions(["one", "two"])).unwrap().seq, shard.seq);
    assert_eq!(catalogue.walks(), 1);
    let other = catalogue.load(&of_captions(["one", "TWO"])).unwrap();
    assert_eq!((catalogue.walks(), other.sidecar(1).unwrap().caption.as_deref()), (2, Some("TWO")));
    assert_ne!(other.seq, shard.seq);
    // Found again by what the store knows of it, texts and all.
    let again = desk.catalogue().by_name("bench", shard.index.fingerprint).unwrap();
    assert_eq!(again.sidecar(1).unwrap().caption.as_deref(), Some("two"));
}

#[test]
fn a_text_among_large_files_counts() {
    let desk = Desk::new();
    let large = desk.put("photos/large.png", &[png(4, 4, 1), vec![7; 4 << 20]].concat());
    let source = |caption: &str| {
        let text = FileBytes::Text(format!("{{\"caption\":\"{caption}\"}}").into_bytes().into());
        let large = || FileBytes::File(large.clone());
        let members = [("a.png", large()), ("b.json", text), ("b.png", large()), ("c.png", large())];
        let members = members.map(|(name, bytes)| FileMember::new(name, bytes)).to_vec();
        ShardSource::of_files("x", desk.folder.path(), members)
    };
    let catalogue = desk.catalogue();
    for caption in ["one", "two"] {
        let shard = catalogue.load(&source(caption)).unwrap();
        assert_eq!(shard.sidecar(1).unwrap().caption.as_deref(), Some(caption));
    }
    assert_eq!(catalogue.walks(), 2);
}

#[test]
fn a_second_run_reads_the_index_and_a_renamed_file_is_another_shard() {
    let desk = small();
    let shard = desk.catalogue().load(&one(&desk)).unwrap();
    let catalogue = desk.catalogue();
    assert_eq!((catalogue.load(&one(&desk)).unwrap().seq, catalogue.walks()), (shard.seq, 0));
    // By another path it is another place, and the same shard.
    let link = desk.folder.path().join("elsewhere");
    std::os::unix::fs::symlink(desk.folder.path(), &link).unwrap();
    let by_link = find_pictures(&[link.join("photos").to_string_lossy().into_owned()]).unwrap().shards;
    assert_eq!(desk.catalogue().load(&by_link[0]).unwrap().seq, shard.seq);
    let root = desk.folder.path().join("photos");
    std::fs::rename(root.join("dog.JPG"), root.join("dog.jpg")).unwrap();
    let renamed = desk.catalogue().load(&one(&desk)).unwrap();
    assert_ne!(renamed.seq, shard.seq, "published rows name the file");
    assert_eq!(renamed.file_of(&renamed.index.samples[1].members[0]).as_deref(), Some("dog.jpg"));
    assert_eq!(outcome(&renamed.index), outcome(&shard.index));
}

#[test]
fn a_file_of_the_same_length_and_time_is_another() {
    let desk = small();
    let path = desk.folder.path().join("photos/a/cat.png");
    let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let set_times =
        |path: &Path| std::fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    set_times(&path);
    let catalogue = desk.catalogue();
    let shard = catalogue.load(&one(&desk)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let_the_clock_tick();
    std::fs::write(&path, &bytes).unwrap();
    set_times(&path);
    assert_eq!(std::fs::metadata(&path).unwrap().mtime(), 1_000_000_000);
    // In the run that listed it, it is not handed out; the next run finds another picture.
    let member = shard.index.samples[0].members.iter().find(|member| member.extension == "png").unwrap();
    assert_eq!(shard.picture_bytes(0).unwrap_err().class, "changed_while_read");
    assert_eq!(shard.member_bytes(member).unwrap_err().class, "changed_while_read");
    let catalogue = desk.catalogue();
    let after = catalogue.load(&one(&desk)).unwrap();
    let content = after.index.samples[0].picture.as_ref().unwrap().content;
    assert_eq!(content, content_of(ContentHash::of(&bytes), Some(ContentHash::of(&png(4, 3, 2)))));
    assert_eq!((catalogue.walks(), after.seq), (1, 1));
}

#[test]
fn what_only_looks_otherwise_is_read_on() {
    let desk = small();
    let shard = desk.catalogue().load(&one(&desk)).unwrap();
    let root = desk.folder.path().join("photos/a");
    let_the_clock_tick();
    for name in ["cat.png", "cat.json", "cat.end.png"] {
        std::fs::hard_link(root.join(name), desk.folder.path().join(name)).unwrap();
    }
    let sample = &shard.index.samples[0];
    assert_eq!(shard.picture_bytes(0).unwrap(), png(4, 3, 1));
    assert_eq!(shard.sidecar(0).unwrap().caption.as_deref(), Some("a cat"));
    assert_eq!(shard.member_bytes(sample.end_frame().unwrap()).unwrap(), png(4, 3, 2));
}

#[test]
fn a_sidecar_that_changed_is_not_read_as_what_it_was() {
    for change in ["{\"caption\":\"a dog\",\"aes\":5.5}", "{}"] {
        let desk = small();
        let shard = desk.catalogue().load(&one(&desk)).unwrap();
        let_the_clock_tick();
        desk.put("photos/a/cat.json", change.as_bytes());
        for _ in 0..2 {
            let refusal = shard.sidecar(0).unwrap_err().0;
            assert_eq!(refusal.class, "changed_while_read");
            assert!(!refusal.is_permanent() && refusal.message.contains("\"a/cat.json\""), "{refusal}");
        }
        // Others of the shard are read on.
        shard.check_unchanged().unwrap();
        assert_eq!(shard.picture_bytes(1).unwrap(), png(5, 5, 3));
        assert_ne!(desk.catalogue().load(&one(&desk)).unwrap().seq, shard.seq);
    }
}

#[test]
fn files_that_cannot_be_read_cost_their_samples_alone() {
    let desk = small();
    let root = desk.folder.path().join("photos");
    std::os::unix::fs::symlink("nowhere", root.join("gone.png")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("dog.json")).unwrap();
    let pipe = std::ffi::CString::new(root.join("pipe.png").to_string_lossy().as_bytes()).unwrap();
    // SAFETY: a plain system call with a string that ends in a NUL.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let catalogue = desk.catalogue();
    let shard = catalogue.load(&one(&desk)).unwrap();
    assert_eq!(outcome(&shard.index), ["a/cat", "dog=unreadable", "gone=unreadable", "pipe=unreadable"]);
    let refusal = |place: usize| shard.index.samples[place].picture.clone().unwrap_err();
    assert!(!refusal(1).is_permanent() && refusal(1).message.contains("\"dog.json\""), "{}", refusal(1));
    assert!(refusal(3).message.contains("is a folder, a pipe"), "{}", refusal(3));
    assert_eq!(shard.sidecar(0).unwrap().caption.as_deref(), Some("a cat"));
    // As long as they are gone, nobody reads the others for it; the next run looks at them again.
    let catalogue = desk.catalogue();
    assert_eq!((&catalogue.load(&one(&desk)).unwrap().index, catalogue.walks()), (&shard.index, 0));
    std::fs::remove_file(root.join("gone.png")).unwrap();
    std::os::unix::fs::symlink(desk.put("there.png", &png(3, 3, 3)), root.join("gone.png")).unwrap();
    assert_eq!(outcome(&desk.catalogue().load(&one(&desk)).unwrap().index)[2], "gone");
    std::fs::remove_file(root.join("dog.json")).unwrap();
    let catalogue = desk.catalogue();
    let shard = catalogue.load(&one(&desk)).unwrap();
    assert_eq!((outcome(&shard.index)[1].as_str(), catalogue.walks()), ("dog", 1));
}

#[test]
fn a_file_that_goes_is_told_and_the_shard_is_opened_all_the_same() {
    let desk = small();
    let catalogue = desk.catalogue();
    let shard = catalogue.load(&one(&desk)).unwrap();
    std::fs::remove_file(desk.folder.path().join("photos/dog.JPG")).unwrap();
    std::fs::set_permissions(desk.folder.path().join("photos/a/cat.json"), Permissions::from_mode(0o604))
        .unwrap();
    // So many others that it is closed, and has to be opened again.
    for number in 0..70_u8 {
        let path = desk.put(&format!("more/{number}.tar"), &tar_of(&[file("a.png", png(2, 2, number))]));
        catalogue.load(&ShardSource::of_tar(number.to_string(), vec![Ok(path)])).unwrap();
    }
    let walks = catalogue.walks();
    let again = catalogue.shard(shard.seq).unwrap();
    assert!(!Arc::ptr_eq(&shard, &again));
    assert_eq!(catalogue.walks(), walks);
    let gone = |refusal: Refusal| (refusal.class.to_string(), refusal.is_permanent());
    assert_eq!(gone(again.picture_bytes(1).unwrap_err()), ("unreadable".to_owned(), false));
    assert_eq!(again.picture_bytes(0).unwrap(), png(4, 3, 1));
}

#[test]
fn names_that_no_tar_could_have_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let desk = small();
    let odd = desk.folder.path().join("photos").join(std::ffi::OsStr::from_bytes(b"caf\xe9.jpg"));
    std::fs::write(odd, png(2, 2, 2)).unwrap();
    desk.put("photos/.secret.png", &png(2, 2, 2));
    let shard = desk.catalogue().load(&one(&desk)).unwrap();
    assert_eq!(
        outcome(&shard.index),
        [".secret.png=hostile_name", "a/cat", "caf\\xe9.jpg=hostile_name", "dog"]
    );
    assert!(shard.index.samples[2].picture.as_ref().unwrap_err().message.contains("rename the file"));
    let text = |name: &str| FileMember::new(name, FileBytes::Text(png(2, 2, 2).into()));
    let members = ["../a.jpg", "/a.jpg", "a\0.jpg"].map(text).to_vec();
    let shard = desk.catalogue().load(&ShardSource::of_files("x", desk.folder.path(), members)).unwrap();
    assert!(
        outcome(&shard.index).iter().all(|row| row.ends_with("=hostile_name")),
        "{:?}",
        outcome(&shard.index)
    );
}

#[test]
fn lists_in_the_store_are_checked_and_written_again() {
    let desk = small();
    let shard = desk.catalogue().load(&one(&desk)).unwrap();
    let lists = || -> Vec<PathBuf> {
        std::fs::read_dir(desk.store().join("files")).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let list = lists().remove(0);
    let fingerprint = shard.index.fingerprint;
    assert_eq!(
        desk.catalogue().by_name("photos", fingerprint).unwrap().picture_bytes(1).unwrap(),
        png(5, 5, 3)
    );
    assert_eq!(check_store(&desk.store()).unwrap(), []);
    let whole = std::fs::read(&list).unwrap();
    for at in [0, 5, 9, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&list, &bytes).unwrap();
        let damage = check_store(&desk.store()).unwrap();
        // One of a later version may be whole.
        assert_eq!(damage.len(), usize::from(at != 5), "byte {at}: {damage:?}");
        let error = desk.catalogue().by_name("photos", fingerprint).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("run again with its shards first")), "byte {at}");
    }
    desk.catalogue().load(&one(&desk)).unwrap();
    assert_eq!((std::fs::read(&list).unwrap(), lists().len()), (whole, 1));
    // A picture more: its own list; the one before is of nothing that is there.
    desk.put("photos/e.png", &png(2, 2, 2));
    desk.catalogue().load(&one(&desk)).unwrap();
    let stale = crate::shard::stale_lists(&desk.store()).unwrap();
    assert_eq!((stale.len(), &stale[0].path, lists().len()), (1, &list, 2));
    let error = desk
        .catalogue()
        .by_name("photos", fingerprint)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert_eq!(error, "", "it is still what was published, beside one more");
}

#[test]
fn a_pair_is_known_by_both_frames() {
    let desk = small();
    let shard = desk.catalogue().load(&one(&desk)).unwrap();
    let content = shard.index.samples[0].picture.as_ref().unwrap().content;
    let [picture, end] = [1, 2].map(|shade| ContentHash::of(&png(4, 3, shade)));
    assert_eq!(content, content_of(picture, Some(end)));
    let_the_clock_tick();
    desk.put("photos/a/cat.end.png", &png(4, 3, 9));
    assert_eq!(shard.picture_bytes(0).unwrap_err().class, "changed_while_read");
}
