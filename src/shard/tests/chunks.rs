//! Tars in chunks: cut anywhere, they are the same shard; a missing chunk is named.

use super::*;
use crate::shard::find;

fn put_chunks(desk: &Desk, tar: &[u8], cuts: &[usize]) {
    let mut start = 0;
    for (number, &cut) in cuts.iter().chain([&tar.len()]).enumerate() {
        desk.put(&format!("in/x.tar.split.{number:03}"), &tar[start..cut]);
        start = cut;
    }
}

fn found(desk: &Desk) -> ShardSource {
    let pattern = desk.folder.path().join("in").to_string_lossy().into_owned();
    find(&[pattern]).unwrap().remove(0)
}

fn built(source: &ShardSource, mmap: bool) -> ShardIndex {
    let options = ReadOptions { mmap, ..ReadOptions::default() };
    index::build(&opened(source, &options), &options)
}

#[test]
fn a_tar_split_at_any_byte_gives_the_index_of_the_whole_tar() {
    let tar = good_tar(1);
    let whole = walked(&tar);
    let desk = Desk::new();
    for cut in 0..=tar.len() {
        put_chunks(&desk, &tar, &[cut]);
        assert_eq!(built(&found(&desk), cut % 2 == 0), whole, "cut at {cut}");
    }
}

#[test]
fn a_tar_in_many_small_chunks_hands_out_the_same_bytes() {
    let tar = good_tar(3);
    let desk = Desk::new();
    let cuts: Vec<usize> = (1..tar.len() / 37).map(|i| i * 37).collect();
    put_chunks(&desk, &tar, &cuts);
    let shard = desk.catalogue().load(&found(&desk)).unwrap();
    assert_eq!(shard.index, walked(&tar));
    for (number, sample) in shard.index.samples.iter().enumerate() {
        let member = &sample.members[0];
        let expected = &tar[member.offset as usize..(member.offset + member.len) as usize];
        assert_eq!(shard.picture_bytes(number as u32).unwrap(), expected);
    }
}

#[test]
fn a_missing_chunk_is_named_and_what_stands_before_it_is_read() {
    let tar = good_tar(4);
    let second = walked(&tar).samples[1].members[1].clone();
    let cut = (second.offset + second.len) as usize + 700;
    let desk = Desk::new();
    put_chunks(&desk, &tar, &[1000, cut, cut + 100]);
    std::fs::remove_file(desk.folder.path().join("in/x.tar.split.002")).unwrap();
    let source = found(&desk);
    let chunks = chunks_of(&source);
    assert_eq!(chunks.len(), 4);
    assert!(chunks[2].as_ref().is_err_and(|path| path.ends_with("x.tar.split.002")));
    let index = built(&source, true);
    assert_eq!(&outcome(&index)[..2], ["00000", "00001"]);
    assert_eq!(index.samples.len(), 3, "{:?}", outcome(&index));
    assert!(outcome(&index)[2].ends_with("=missing_piece"));
    assert!(last_message(&index).contains("x.tar.split.002"));
    std::fs::remove_file(desk.folder.path().join("in/x.tar.split.000")).unwrap();
    let index = built(&found(&desk), true);
    assert_eq!(outcome(&index), ["@0=missing_piece"]);
    assert!(last_message(&index).contains("x.tar.split.000"));
}

#[test]
fn a_tar_in_chunks_that_ends_early_says_which_chunk_may_be_missing() {
    let tar = good_tar(4);
    let boundary = walked(&tar).samples[2].members[0].offset as usize - 512;
    for cut in [boundary, boundary + 100, boundary + 520] {
        let desk = Desk::new();
        put_chunks(&desk, &tar, &[cut]);
        std::fs::remove_file(desk.folder.path().join("in/x.tar.split.001")).unwrap();
        let index = built(&found(&desk), true);
        assert_eq!(index.samples.len(), 3, "{:?}", outcome(&index));
        assert!(last_message(&index).contains("x.tar.split.001, may be missing"), "{}", last_message(&index));
    }
}
