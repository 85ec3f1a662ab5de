//! Grouping: nothing merged, nothing lost, every bad thing one row.

use super::*;
use crate::row::ContentHash;
use crate::shard::content_of;

fn small() -> Vec<u8> {
    png(4, 4, 9)
}

#[test]
fn files_side_by_side_with_one_key_are_a_sample() {
    let index = walked(&tar_of(&[
        file("./s/a.b/000.JPG.PNG", small()),
        file("s/001.png", small()),
        file("./s/001.seg.png", small()),
        file("s/001.Json", "{}"),
        special("s/", b'5'),
        file("s/001.txt", "a dog"),
        file("s/002.PNG", small()),
    ]));
    assert_eq!(outcome(&index), ["s/a.b/000=no_picture", "s/001", "s/002"]);
    let extensions: Vec<&str> = index.samples[1].members.iter().map(|m| m.extension.as_str()).collect();
    assert_eq!(extensions, ["png", "seg.png", "json", "txt"]);
    assert!(index.samples[0].picture.as_ref().unwrap_err().message.contains("\"jpg.png\""));
}

#[test]
fn a_second_frame_is_part_of_what_a_sample_is() {
    let frames = |end: Option<(&str, u8)>| {
        let mut members = vec![file("a.png", small())];
        members.extend(end.map(|(name, shade)| file(name, png(4, 4, shade))));
        let index = walked(&tar_of(&members));
        assert_eq!(outcome(&index), ["a"]);
        let sample = &index.samples[0];
        let end = sample.end_frame().map(|member| member.extension.clone());
        (end, sample.picture.as_ref().unwrap().content)
    };
    let alone = frames(None);
    assert_eq!(alone, (None, ContentHash::of(&small())));
    let (end, content) = frames(Some(("a.END.png", 3)));
    assert_eq!(end.as_deref(), Some("end.png"));
    assert_eq!(content, content_of(alone.1, Some(ContentHash::of(&png(4, 4, 3)))));
    // Another end is another sample; what is no picture is no frame.
    assert_ne!(frames(Some(("a.end.png", 4))).1, content);
    assert_eq!(frames(Some(("a.end.txt", 3))), alone);
    assert_eq!(frames(Some(("a.seg.png", 3))), alone);
}

#[test]
fn a_key_that_comes_back_is_refused_and_the_first_stays_good() {
    let index = walked(&tar_of(&[
        file("a.png", small()),
        file("b.png", small()),
        file("a.json", "{}"),
        file("a.txt", "x"),
        file("c.png", small()),
    ]));
    assert_eq!(outcome(&index), ["a", "b", "a=key_returns", "c"]);
    let message = &index.samples[2].picture.as_ref().unwrap_err().message;
    assert!(message.contains("\"a\"") && message.contains("\"a.json\""), "{message}");
    assert_eq!(index.samples[2].members.len(), 2);
}

#[test]
fn duplicate_members_and_several_pictures_are_refused_by_name() {
    let index = walked(&tar_of(&[
        file("a.png", small()),
        file("a.PNG", small()),
        file("b.jpg", small()),
        file("b.png", small()),
        file("c.png", small()),
    ]));
    assert_eq!(outcome(&index), ["a=duplicate_member", "b=several_pictures", "c"]);
    let message = |i: usize| index.samples[i].picture.as_ref().unwrap_err().message.clone();
    assert!(message(0).contains("\"a.PNG\""), "{}", message(0));
    assert!(message(1).contains("\"jpg\", \"png\""), "{}", message(1));
}

#[test]
fn hostile_names_are_rows_of_their_own_and_leave_their_neighbours_alone() {
    let hostile: [&[u8]; 9] = [
        b"/etc/passwd.png",
        b"../a.png",
        b"s/../../a.png",
        b"s/..",
        b".png",
        b"s/.png",
        b"s/",
        b"caf\xe9.png",
        b"",
    ];
    for name in hostile {
        let index = walked(&tar_of(&[
            file("a.png", small()),
            file(name, small()),
            file(name, small()),
            file("a.json", "{\"x\":1}"),
            file("b.png", small()),
        ]));
        let outcomes = outcome(&index);
        assert_eq!(outcomes.len(), 4, "{outcomes:?}");
        assert!(
            outcomes[1].ends_with("=hostile_name") && outcomes[2].ends_with("=hostile_name"),
            "{outcomes:?}"
        );
        assert_eq!((outcomes[0].as_str(), outcomes[3].as_str()), ("a", "b"));
        assert_eq!(index.samples[0].members.len(), 2, "the sample goes on after the hostile member");
        assert!(index.samples[1].members.is_empty());
    }
}

#[test]
fn links_devices_and_fifos_are_not_files_whatever_size_they_claim() {
    for kind in [b'1', b'2', b'3', b'4', b'6', b'Z'] {
        let mut made = special("l.png", kind);
        let mut tar = blocks(&file("a.png", small()));
        if kind != b'Z' {
            // A size in a header that has no payload must not shift the walk.
            made.payload = vec![0; 700];
            tar.extend_from_slice(&blocks(&made)[..512]);
        } else {
            tar.extend_from_slice(&blocks(&made));
        }
        tar.extend_from_slice(&tar_of(&[file("b.png", small())]));
        assert_eq!(outcome(&walked(&tar)), ["a", "l.png=not_a_file", "b"], "kind {}", kind as char);
    }
}

#[test]
fn limits_say_the_value_what_is_allowed_and_the_flag() {
    let tar =
        tar_of(&[file("a.png", png(100, 50, 0)), file("b.png", png(10, 10, 0)), file("b.bin", [7; 900])]);
    let few_pixels = ReadOptions { max_pixels: 4_999, ..ReadOptions::default() };
    let index = walked_with(&tar, &few_pixels);
    assert_eq!(outcome(&index), ["a=too_many_pixels", "b"]);
    let message = &index.samples[0].picture.as_ref().unwrap_err().message;
    for word in ["100 x 50 = 5000", "4999", "--max-pixels"] {
        assert!(message.contains(word), "{message}");
    }
    let few_bytes = ReadOptions { max_bytes: 899, ..ReadOptions::default() };
    let index = walked_with(&tar, &few_bytes);
    assert_eq!(outcome(&index), ["a", "b=too_many_bytes"]);
    let message = &index.samples[1].picture.as_ref().unwrap_err().message;
    for word in ["900", "899", "--max-bytes", "\"bin\""] {
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_long_run_of_members_with_one_key_is_grouped_in_linear_time() {
    let members: Vec<Made> = (0..20_000).map(|i| file(format!("a.{i}"), "")).collect();
    let index = walked(&tar_of(&members));
    assert_eq!(outcome(&index), ["a=no_picture"]);
    assert_eq!(index.samples[0].members.len(), 20_000);
    assert!(index.samples[0].picture.as_ref().unwrap_err().message.len() < 500);
}
