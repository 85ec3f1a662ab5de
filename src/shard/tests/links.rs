//! What a folder or a glob names and what cannot be looked at: an error that names it, never a shard less.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;
use crate::shard::{ShardError, find};

/// A folder `data` with two shards, one of them below `a`.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("data/00000.tar", &[0; 1024]);
    desk.put("data/a/00001.tar", &[0; 1024]);
    desk
}

/// The names that a pattern finds, or the error.
fn found(desk: &Desk, pattern: &str) -> Result<Vec<String>, String> {
    let pattern = desk.folder.path().join(pattern).to_string_lossy().into_owned();
    match find(&[pattern]) {
        Ok(shards) => Ok(shards.into_iter().map(|shard| shard.name).collect()),
        Err(error @ ShardError::Io { .. }) => Err(error.to_string()),
        Err(error @ ShardError::Usage(_)) => Err(format!("usage: {error}")),
    }
}

const NAMED_BY: [&str; 6] =
    ["data", "data/*.tar", "data/**/*.tar", "d*/*.tar", "data/[x]*.tar", "data/x.tar"];

/// Lays `make`'s thing at `data/x.tar`: every pattern that names it must say its name, and one that does not must not mind.
#[track_caller]
fn refused_by_all(make: impl Fn(&Path), words: &str) {
    let desk = desk();
    make(&desk.folder.path().join("data/x.tar"));
    for pattern in NAMED_BY {
        let error = found(&desk, pattern).unwrap_err();
        assert!(error.contains("data/x.tar: ") && error.contains(words), "{pattern}: {error}");
    }
    assert_eq!(found(&desk, "data/0*.tar").unwrap(), ["00000"]);
    assert_eq!(found(&desk, "data/a").unwrap(), ["00001"]);
}

#[test]
fn a_link_that_leads_nowhere_is_an_error_that_says_where_to() {
    refused_by_all(|path| symlink("/mnt/disk7/x.tar", path).unwrap(), "a link to /mnt/disk7/x.tar");
}

#[test]
fn links_in_a_circle_and_links_through_a_file_are_errors() {
    refused_by_all(|path| symlink("x.tar", path).unwrap(), "a link to x.tar");
    refused_by_all(|path| symlink("00000.tar/x.tar", path).unwrap(), "a link to 00000.tar/x.tar");
}

#[test]
fn what_is_called_as_a_shard_and_is_no_file_is_an_error() {
    let desk = desk();
    let path = desk.folder.path().join("data/x.tar");
    let _socket = UnixListener::bind(&path).unwrap();
    for pattern in NAMED_BY.iter().filter(|pattern| **pattern != "data/x.tar") {
        let error = found(&desk, pattern).unwrap_err();
        assert!(error.contains("data/x.tar: ") && error.contains("a socket"), "{pattern}: {error}");
    }
    // A path that is named is taken whatever it is called, and refused when it is opened.
    let source = find(&[path.to_string_lossy().into_owned()]).unwrap().remove(0);
    let error = desk.catalogue().load(&source).err().unwrap().to_string();
    assert!(error.contains("data/x.tar: is not a file"), "{error}");
}

#[test]
fn a_folder_behind_a_link_that_leads_nowhere_is_an_error() {
    let desk = desk();
    symlink("/mnt/disk7/laion", desk.folder.path().join("data/b")).unwrap();
    for pattern in ["data", "data/*/*.tar", "data/**/*.tar", "data/b/*.tar", "data/[b]/00002.tar", "data/b"] {
        let error = found(&desk, pattern).unwrap_err();
        assert!(error.contains("data/b: it is a link to /mnt/disk7/laion"), "{pattern}: {error}");
    }
    // It may be anything where a pattern does not go on below it, but no shard by its name.
    assert_eq!(found(&desk, "data/*").unwrap(), ["00000"]);
    assert_eq!(found(&desk, "data/a/*.tar").unwrap(), ["00001"]);
}

#[test]
fn links_to_folders_are_followed_once_and_real_ways_give_the_names() {
    let desk = desk();
    desk.put("elsewhere/deep/00002.tar", &[0; 1024]);
    let data = desk.folder.path().join("data");
    symlink("../elsewhere", data.join("0_first")).unwrap();
    symlink("a", data.join("0_again")).unwrap();
    symlink("..", data.join("a/up")).unwrap();
    symlink(".", data.join("self")).unwrap();
    symlink("../data", desk.folder.path().join("elsewhere/back")).unwrap();
    assert_eq!(found(&desk, "data").unwrap(), ["00000", "0_first/deep/00002", "a/00001"]);
    let deep = found(&desk, "data/**/*.tar").unwrap();
    assert_eq!(deep.len(), 3, "{deep:?}");
    assert_eq!(found(&desk, "data/*/*.tar").unwrap().len(), 2);
}

#[test]
fn a_link_to_a_shard_is_the_shard() {
    let desk = desk();
    desk.put("elsewhere/far.tar", &[0; 1024]);
    symlink("../elsewhere/far.tar", desk.folder.path().join("data/near.tar")).unwrap();
    assert_eq!(found(&desk, "data").unwrap(), ["00000", "a/00001", "near"]);
    assert_eq!(found(&desk, "data/n*.tar").unwrap(), ["near"]);
}

#[test]
fn a_folder_called_as_a_shard_is_a_folder() {
    let desk = desk();
    desk.put("data/x.tar/00003.tar", &[0; 1024]);
    assert_eq!(found(&desk, "data").unwrap(), ["00000", "a/00001", "x.tar/00003"]);
    assert_eq!(found(&desk, "data/*.tar").unwrap(), ["00000"]);
    assert_eq!(found(&desk, "data/x.tar").unwrap(), ["00003"]);
}

#[test]
fn a_folder_that_may_not_be_read_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let desk = desk();
    let locked = desk.folder.path().join("data/a");
    let rights = |mode| std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(mode)).unwrap();
    rights(0);
    if std::fs::read_dir(&locked).is_ok() {
        eprintln!("passed over: this user may read every folder");
        return rights(0o755);
    }
    for pattern in ["data", "data/*/*.tar", "data/**/*.tar", "data/a"] {
        let error = found(&desk, pattern).unwrap_err();
        assert!(error.contains("data/a: "), "{pattern}: {error}");
    }
    rights(0o755);
}

#[test]
fn chunks_that_lead_nowhere_stop_the_shard_from_being_opened() {
    let desk = Desk::new();
    desk.put("data/s.tar.split.000", &[0; 1024]);
    symlink("/mnt/disk7/1", desk.folder.path().join("data/s.tar.split.001")).unwrap();
    for pattern in ["data", "data/*", "data/s.tar.split.001"] {
        let error = found(&desk, pattern).unwrap_err();
        assert!(error.contains("s.tar.split.001: it is a link to /mnt/disk7/1"), "{pattern}: {error}");
    }
    let first = desk.folder.path().join("data/s.tar.split.000").to_string_lossy().into_owned();
    let source = find(&[first]).unwrap().remove(0);
    assert!(desk.catalogue().load(&source).err().unwrap().to_string().contains("s.tar.split.001"));
}

#[test]
fn globs_give_what_they_always_gave() {
    let desk = Desk::new();
    for name in ["d/a.tar", "d/.b.tar", "d/e/c.tar", "d/e/f/g.tar", "d/[h].tar", "d/\u{e9}.tar"] {
        desk.put(name, &[0; 1024]);
    }
    for (pattern, wanted) in [
        ("d/*.tar", &[".b", "[h]", "a", "\u{e9}"][..]),
        ("d/?.tar", &["a", "\u{e9}"]),
        ("d/[a-c].tar", &["a"]),
        ("d/[!a].tar", &["\u{e9}"]),
        ("d/[[]h].tar", &["[h]"]),
        ("d/**/*.tar", &[".b", "[h]", "a", "e/c", "e/f/g", "\u{e9}"]),
        ("d/**/**/g.tar", &["e/f/g"]),
        ("d/**/f/*.tar", &["e/f/g"]),
        ("d/e/../a*.tar", &["a"]),
        ("?/e/c.tar", &["d/e/c"]),
        ("d/./*a.tar", &["a"]),
    ] {
        let mut wanted: Vec<&str> = wanted.to_vec();
        wanted.sort_unstable();
        assert_eq!(found(&desk, pattern).unwrap(), wanted, "{pattern}");
    }
    for (pattern, words) in [
        ("d/*/", "none is called"),
        ("d/**", "none is called"),
        ("d/x*", "nothing matches"),
        ("d/a**", "not a glob"),
    ] {
        let error = found(&desk, pattern).unwrap_err();
        assert!(error.starts_with("usage: ") && error.contains(words), "{error}");
    }
}
