//! Damaged tars: every complete sample before the damage, and one refusal that says where it is.

use super::*;

/// How many samples of `good_tar` are complete within the first `cut` bytes.
fn complete(tar: &[u8], cut: usize) -> usize {
    walked(tar).samples.iter().filter(|s| s.members.iter().all(|m| m.offset + m.len <= cut as u64)).count()
}

#[test]
fn a_truncated_tar_keeps_every_complete_sample_wherever_it_is_cut() {
    let tar = good_tar(6);
    let whole = walked(&tar);
    let content_end = tar.len() - 1024;
    let mut dice = Dice(7);
    let near_blocks = (1..tar.len() / 512).flat_map(|block| [block * 512 - 1, block * 512, block * 512 + 1]);
    let cuts: Vec<usize> = near_blocks.chain((0..200).map(|_| 1 + dice.below(tar.len() - 1))).collect();
    for cut in cuts {
        let index = walked(&tar[..cut]);
        let refused: Vec<&Sample> = index.samples.iter().filter(|s| s.picture.is_err()).collect();
        let good = complete(&tar, cut);
        // Inside the second block of the end mark, the first has already said that nothing follows.
        let at_boundary = cut >= content_end + 512 || cut == content_end || starts_header(&whole, cut);
        assert_eq!(refused.len(), usize::from(!at_boundary), "cut at {cut}: {:?}", outcome(&index));
        if let Some(refusal) = refused.first() {
            let refusal = refusal.picture.as_ref().unwrap_err();
            assert_eq!(refusal.class, "damaged_tar");
            assert!(refusal.message.contains("byte "), "{}", refusal.message);
        }
        // Between a picture and its sidecar, nothing tells that a sidecar was to come.
        let kept = index.samples.len() - refused.len();
        assert!(kept == good || kept == good + 1, "cut at {cut}: {kept} kept, {good} complete");
        for (sample, original) in index.samples.iter().zip(&whole.samples).take(good) {
            assert_eq!(sample, original, "cut at {cut}");
        }
    }
}

fn starts_header(index: &ShardIndex, at: usize) -> bool {
    at == 0 || index.samples.iter().flat_map(|s| &s.members).any(|m| m.offset as usize == at + 512)
}

#[test]
fn a_cut_sidecar_takes_its_sample_with_it_and_says_so() {
    let tar = tar_of(&[file("a.png", png(4, 4, 0)), file("a.json", [b' '; 2000])]);
    let index = walked(&tar[..tar.len() - 1024 - 1000]);
    assert_eq!(outcome(&index), ["a.json=damaged_tar"]);
    assert!(last_message(&index).contains("the sample \"a\" is lost with it"), "{}", last_message(&index));
}

#[test]
fn a_bad_checksum_ends_the_walk_there() {
    let mut tar = good_tar(3);
    let at = walked(&tar).samples[1].members[0].offset as usize - 512;
    tar[at + 3] ^= 1;
    let index = walked(&tar);
    assert_eq!(outcome(&index), ["00000".to_owned(), format!("@{at}=damaged_tar")]);
    assert!(last_message(&index).contains(&format!("byte {at}: the header's checksum says")));
}

#[test]
fn absurd_sizes_are_damage_and_allocate_nothing() {
    for size in [1 << 33, 1 << 40, u64::MAX, u64::MAX - 511, u64::MAX / 2] {
        for kind in [b'0', b'x', b'L', b'K', b'g', b'S', b'Z'] {
            let mut header = tar::Header::new_gnu();
            header.set_path("b.png").unwrap();
            header.as_mut_bytes()[156] = kind;
            header.as_old_mut().size = [0; 12];
            header.as_old_mut().size[0] = 0x80;
            header.as_old_mut().size[4..].copy_from_slice(&size.to_be_bytes());
            header.set_cksum();
            let mut tar = blocks(&file("a.png", png(4, 4, 0)));
            tar.extend_from_slice(header.as_bytes());
            tar.extend_from_slice(&[0; 2048]);
            let index = walked(&tar);
            let at = tar.len() - 2048 - 512;
            let place =
                if matches!(kind, b'0' | b'S' | b'Z') { "b.png".to_owned() } else { format!("@{at}") };
            assert_eq!(
                outcome(&index),
                ["a".to_owned(), format!("{place}=damaged_tar")],
                "kind {}",
                kind as char
            );
            assert!(last_message(&index).contains(&format!("claims {size} bytes")));
        }
    }
}

#[test]
fn what_is_no_tar_is_one_refusal_that_says_what_it_is() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "empty (0 bytes)"),
        (b"\x1f\x8b\x08 and so on", "gzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd, 0], "zstd"),
        (&[b'j'; 5000], "not a tar"),
        (&[0; 100], "not a tar"),
        (b"short", "not a tar"),
    ];
    for (bytes, words) in cases {
        let index = walked(bytes);
        assert_eq!(outcome(&index), ["@0=damaged_tar"]);
        assert!(last_message(&index).contains(words), "{}", last_message(&index));
    }
}

#[test]
fn an_empty_tar_has_no_rows() {
    for len in [512, 1024, 10_240] {
        assert!(walked(&vec![0; len]).samples.is_empty(), "{len} zeros");
    }
}

#[test]
fn a_tar_without_its_end_mark_is_whole_where_it_ends_at_a_member() {
    let tar = good_tar(2);
    assert_eq!(walked(&tar[..tar.len() - 1024]), walked(&tar));
}

#[test]
fn a_hole_of_zeros_and_a_second_tar_behind_the_first_are_not_passed_over_in_silence() {
    let mut tar = good_tar(2);
    let end = tar.len() - 1024;
    tar.extend_from_slice(&good_tar(1));
    let index = walked(&tar);
    assert_eq!(outcome(&index), ["00000".to_owned(), "00001".to_owned(), format!("@{end}=damaged_tar")]);
    assert!(last_message(&index).contains(&format!("from byte {}", end + 1024)));
}

#[test]
fn a_file_that_is_cut_while_it_is_open_is_refused() {
    for mmap in [true, false] {
        let desk = Desk::new();
        let noise: Vec<u8> = (0..200_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let path = desk.put("x.tar", &tar_of(&[file("a.png", png(4, 4, 0)), file("a.bin", noise)]));
        let options = ReadOptions { mmap, ..ReadOptions::default() };
        let catalogue = Catalogue::open(&desk.store(), options, false).unwrap();
        let shard = catalogue.load(&source_of(&path)).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(100_000).unwrap();
        assert!(shard.picture_bytes(0).is_ok());
        let refusal = shard.member_bytes(&shard.index.samples[0].members[1]).unwrap_err();
        assert_eq!(refusal.class, "cut_while_read", "{refusal}");
    }
}
