//! Finding pictures that lie loose: which files of a folder make samples, what the shards are called, and how a large folder is cut.

use std::collections::{BTreeMap, HashMap};

use super::loose::{members, names, one, small};
use super::*;
use crate::shard::{FileBytes, FileMember, ShardError, find_pictures, undivided};

fn usage_of(folders: &[&Path]) -> String {
    let folders: Vec<String> = folders.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    match find_pictures(&folders) {
        Err(ShardError::Usage(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_of_a_key_are_a_sample_and_others_are_left_aside() {
    let desk = Desk::new();
    for name in [
        "b.jpg",
        "b.txt",
        "b/c.jpg",
        "b.d/e.png",
        "b-1.jpg",
        "B.json",
        "z/._x.jpg",
        ".DS_Store",
        "notes.md",
        "f.end.JPG",
        "f.mask.png",
        "f.png",
        "g.json",
        "b!.webp",
        "h.MASK.PNG",
    ] {
        desk.put(&format!("photos/{name}"), b"x");
    }
    let pictures =
        find_pictures(&[desk.folder.path().join("photos").to_string_lossy().into_owned()]).unwrap();
    assert_eq!((pictures.left_aside, pictures.passed_over), (3, 2), "notes.md, g.json, B.json");
    // A sort of whole paths would put `b!.webp` and `b-1.jpg` between `b.jpg` and `b.txt`.
    let expected = [
        "b.jpg",
        "b.txt",
        "b!.webp",
        "b-1.jpg",
        "b.d/e.png",
        "b/c.jpg",
        "f.end.JPG",
        "f.mask.png",
        "f.png",
        "h.MASK.PNG",
    ];
    assert_eq!(names(&pictures.shards[0]), expected);
    assert_eq!(pictures.shards[0].name, "photos");
}

#[test]
fn a_changed_picture_changes_one_part() {
    let folder = Path::new("photos");
    let of = |count: usize| {
        let member = |n: usize| {
            FileMember::new(format!("d/{n:05}.png"), FileBytes::Text(n.to_le_bytes().to_vec().into()))
        };
        ShardSource::in_parts("photos", folder, (0..count).map(member).collect())
    };
    let sizes = |parts: &[ShardSource]| parts.iter().map(|part| members(part).len()).collect::<Vec<_>>();
    assert_eq!(of(4096).iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["photos"]);
    assert_eq!(
        of(4097).iter().map(|part| part.name.as_str()).collect::<Vec<_>>(),
        ["photos/1-of-2", "photos/2-of-2"]
    );
    let parts = of(20_000);
    assert_eq!(parts.len(), 8);
    assert!(sizes(&parts).iter().all(|size| (2200..2800).contains(size)), "{:?}", sizes(&parts));
    // A key is in the same part as long as there are as many, and the parts of twice as many are halves of these.
    let place = |parts: &[ShardSource]| -> HashMap<String, usize> {
        let of_part = |(at, part): (usize, &ShardSource)| {
            names(part).into_iter().map(move |name| (name, at)).collect::<Vec<_>>()
        };
        parts.iter().enumerate().flat_map(of_part).collect()
    };
    let (before, more) = (place(&parts), place(&of(32_769)));
    assert_eq!(place(&of(19_999)).iter().find(|(name, at)| before[*name] != **at), None);
    assert_eq!(before.iter().find(|(name, at)| more[*name] % 8 != **at), None);
    assert!(parts.iter().all(|part| undivided(&part.name) == "photos"));
    for whole in ["photos", "a/b-of-2", "a/1-of-", "1-of-2", "a/1-of-2/b"] {
        assert_eq!(undivided(whole), whole);
    }
}

#[test]
fn folders_that_cannot_be_meant_are_told_with_what_to_do() {
    let desk = small();
    desk.put("tars/x.tar", &good_tar(1));
    desk.put("texts/x.txt", b"x");
    desk.put("other/photos/x.png", &png(2, 2, 2));
    let path = |name: &str| desk.folder.path().join(name);
    let told: BTreeMap<&str, String> = [
        ("a tar", usage_of(&[&path("tars/x.tar")])),
        ("a file", usage_of(&[&path("photos/dog.JPG")])),
        ("tars", usage_of(&[&path("tars")])),
        ("texts", usage_of(&[&path("texts")])),
        ("nothing", usage_of(&[&path("nowhere")])),
        ("two", usage_of(&[&path("photos"), &path("other/photos")])),
        ("one in another", usage_of(&[&path("photos/a"), &path("photos")])),
    ]
    .into();
    for (of, words) in [
        ("a tar", "for a tar use --shards"),
        ("a file", "name the folder that it lies in"),
        ("tars", "it holds 1 tars, which --shards takes: --shards "),
        ("texts", "it must hold files called *.jpg"),
        ("nothing", "does not exist"),
        ("two", "two shards have the same name \"photos\""),
        ("one in another", "name the outer one alone"),
    ] {
        assert!(told[of].contains(words), "{of}: {}", told[of]);
    }
    let twice: Vec<String> = ["photos", "photos/", "other/../photos"]
        .map(|name| path(name).to_string_lossy().into_owned())
        .to_vec();
    assert_eq!(find_pictures(&twice).unwrap().shards.len(), 1, "by whatever path it is one folder");
    // A folder that is not mounted is not one without pictures.
    std::os::unix::fs::symlink("/not/mounted", path("photos/disk")).unwrap();
    let error = find_pictures(&twice).unwrap_err().to_string();
    assert!(error.contains("/not/mounted") && error.contains("mount the disk"), "{error}");
}

#[test]
fn links_to_folders_are_followed_once() {
    let desk = small();
    let root = desk.folder.path().join("photos");
    desk.put("far/x.png", &png(2, 2, 2));
    std::os::unix::fs::symlink(desk.folder.path().join("far"), root.join("near")).unwrap();
    std::os::unix::fs::symlink(&root, root.join("a/loop")).unwrap();
    std::os::unix::fs::symlink(root.join("dog.JPG"), root.join("a/link.jpg")).unwrap();
    let shard = desk.catalogue().load(&one(&desk)).unwrap();
    assert_eq!(outcome(&shard.index), ["a/cat", "a/link", "dog", "near/x"]);
}
