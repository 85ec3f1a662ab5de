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
        file("./s/a.b/000.MASK.PNG", small()),
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
    assert!(index.samples[0].picture.as_ref().unwrap_err().message.contains("\"mask.png\""));
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
fn the_only_picture_of_a_sample_is_its_picture_whatever_stands_before_its_extension() {
    let one = |names: &[&str]| {
        let members: Vec<Made> = names.iter().map(|name| file(name, small())).collect();
        let index = walked(&tar_of(&members));
        assert_eq!(index.samples.len(), 1, "{names:?}");
        match &index.samples[0].picture {
            Ok(picture) => index.samples[0].members[picture.member as usize].extension.clone(),
            Err(refusal) => refusal.to_string(),
        }
    };
    assert_eq!(one(&["a.json", "a.input.jpg"]), "input.jpg");
    assert_eq!(one(&["a.0.jpg", "a.txt"]), "0.jpg");
    assert_eq!(one(&["IMG.2020.01.JPEG"]), "2020.01.jpeg");
    assert_eq!(one(&["a.mask.png", "a.input.png", "a.end.png"]), "input.png");
    assert_eq!(one(&["a.png", "a.0.png", "a.1.png"]), "png");
    for several in [&["a.input.jpg", "a.output.jpg"][..], &["a.0.jpg", "a.1.jpg", "a.json"]] {
        let said = one(several);
        assert!(said.starts_with("several_pictures"), "{said}");
        assert!(said.contains(&several[0][2..]) && said.contains(&several[1][2..]), "{said}");
    }
    // What says that it shows something else is not taken for the picture.
    for other in ["a.seg.png", "a.mask.png", "a.depth_map.png", "a.end.jpg", "a.thumbnail.jpg", "a.jpg.json"]
    {
        assert!(one(&[other, "a.txt"]).starts_with("no_picture"), "{other}");
    }
}

#[test]
fn what_systems_leave_beside_files_is_passed_over_and_counted() {
    let litter = [
        "._a.jpg",
        "s/._a.json",
        "./._a.png",
        ".DS_Store",
        "s/.DS_Store",
        "__MACOSX/s/a.png",
        "__MACOSX/._a.png",
        "s/Thumbs.db",
        "THUMBS.DB",
        "desktop.ini",
        "Icon\r",
        ".AppleDouble/a.png",
        "PaxHeader/a.png",
        "PaxHeaders/a.png",
        "./s/PaxHeaders.1234/a.png",
        "pax_global_header",
        "@eaDir/a.png/SYNO.jpg",
        "s/.localized",
    ];
    let mut members = vec![file("a.png", small())];
    members.extend(litter.iter().map(|name| file(name, "Mac OS X        ")));
    members.extend([file("a.json", r#"{"aes":1}"#), special("._l.jpg", b'2'), file("b.png", small())]);
    let index = walked(&tar_of(&members));
    assert_eq!(outcome(&index), ["a", "b"]);
    assert_eq!((index.samples[0].members.len(), index.passed_over), (2, litter.len() as u64 + 1));
    // What only looks like it is a row.
    let others = ["thumbs.db.png", "my__MACOSX/a.png", "PaxHeaders.x/b.png", "DS_Store.png"];
    let index = walked(&tar_of(&others.map(|name| file(name, small()))));
    assert_eq!((index.samples.len(), index.passed_over), (4, 0));
}

#[test]
fn folders_of_old_tars_are_no_rows() {
    // Of V7: a file whose name ends with a slash, of type NUL or `0`; of GNU's incremental backups: `D`, with a list of files.
    let folder = |kind: u8, payload: &[u8]| Made { name: b"s/".to_vec(), kind, payload: payload.to_vec() };
    for made in
        [folder(0, b""), folder(b'0', b""), folder(b'7', b""), folder(b'5', b""), folder(b'D', b"Ya.png\0\0")]
    {
        let index = walked(&tar_of(&[made, file("s/a.png", small()), file("s/a.txt", "a dog")]));
        assert_eq!((outcome(&index), index.passed_over), (vec!["s/a".to_owned()], 0));
    }
}

#[test]
fn names_that_are_not_utf_8_are_refused_by_one_rule_and_told_apart() {
    let index = walked(&tar_of(&[
        file(b"caf\xe9.png", small()),
        file(b"caf\xe8.png", small()),
        file(b"caf\xe8.txt", "x"),
    ]));
    let rows = ["caf\\xe9.png=hostile_name", "caf\\xe8.png=hostile_name", "caf\\xe8.txt=hostile_name"];
    assert_eq!(outcome(&index), rows);
    let message = &index.samples[0].picture.as_ref().unwrap_err().message;
    assert!(message.starts_with("\"caf\\xe9.png\" is not UTF-8"), "{message}");
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
