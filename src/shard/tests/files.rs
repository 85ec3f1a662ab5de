//! The plain files of a tar: in the order of the tar, wherever its chunks are cut, and what is no file is refused.

use super::*;
use crate::shard::TarFiles;

#[test]
fn files_are_listed_and_read_across_chunks() {
    let folder = folder();
    let bytes = tar_of(&[
        file("jsons/a.json", "{\"path\":1}"),
        special("link", b'2'),
        file("../up.json", "{}"),
        file(b"\xff.json", "{}"),
        file("b.c.json", "x".repeat(2000)),
    ]);
    let cuts: Vec<PathBuf> = bytes
        .chunks(1000)
        .enumerate()
        .map(|(at, chunk)| {
            let path = folder.path().join(format!("x.tar.split.{at:03}"));
            std::fs::write(&path, chunk).unwrap();
            path
        })
        .collect();
    let source = ShardSource::of_tar("x", cuts.iter().cloned().map(Ok).collect());
    for mmap in [true, false] {
        let tar = TarFiles::open(&source, &ReadOptions { mmap, ..ReadOptions::default() }).unwrap();
        let listing = tar.list();
        let read =
            |at: usize| tar.bytes(listing.files[at].offset, listing.files[at].len).unwrap().into_owned();
        assert_eq!((listing.files[0].path.as_str(), read(0)), ("jsons/a.json", b"{\"path\":1}".to_vec()));
        assert_eq!((listing.files[1].path.as_str(), read(1)), ("b.c.json", vec![b'x'; 2000]));
        let refused: Vec<&str> = listing.refused.iter().map(|(_, refusal)| refusal.class.as_ref()).collect();
        assert_eq!((listing.files.len(), refused), (2, vec!["not_a_file", "hostile_name", "hostile_name"]));
        assert_eq!(
            (tar.open_files(), tar.bytes(0, 1 << 40).unwrap_err().class.as_ref()),
            (cuts.len(), "damaged_tar")
        );
        assert_eq!(tar.stamp(), TarFiles::open(&source, &ReadOptions::default()).unwrap().stamp());
    }
    std::fs::write(&cuts[0], "shorter").unwrap();
    let changed = TarFiles::open(&source, &ReadOptions::default()).unwrap();
    assert_eq!(changed.list().refused[0].1.class, "damaged_tar");
}
