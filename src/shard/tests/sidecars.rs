//! Sidecars: their numbers, their captions, and that a bad one costs no picture.

use super::*;

fn with_json(json: impl AsRef<[u8]>) -> Vec<u8> {
    tar_of(&[file("a.png", png(4, 4, 0)), file("a.json", json)])
}

#[test]
fn top_level_numbers_are_kept_in_the_order_of_the_file() {
    let json =
        r#"{"z": 1, "aes": 5.25, "text": "7", "deep": {"x": 3}, "neg": -2e3, "huge": 1e300, "no": null}"#;
    let sample = &walked(&with_json(json)).samples[0];
    let expected =
        [("z", 1.0), ("aes", 5.25), ("text", 7.0), ("neg", -2000.0)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(sample.numbers, expected);
    let sample = &walked(&with_json(r#"{"a": 1, "b": 2, "a": 3, "b": "x"}"#)).samples[0];
    assert_eq!(sample.numbers, [("a".to_owned(), 3.0)], "of a name that stands twice, the last counts");
    let many: Vec<String> = (0..10_000).map(|i| format!("\"n{i}\":{i}")).collect();
    let sample = &walked(&with_json(format!("{{{}}}", many.join(",")))).samples[0];
    assert_eq!(sample.numbers.len(), 10_000);
    assert_eq!(sample.numbers[9_999], ("n9999".to_owned(), 9_999.0));
}

#[test]
fn a_bad_sidecar_is_a_refusal_of_its_fields_not_a_lost_picture() {
    let deep = "[".repeat(100_000);
    let deeper = format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128));
    let cases: [&[u8]; 9] =
        [deeper.as_bytes(), b"", b"{", b"[1]", b"7", b"{\"a\":NaNa}", b"{} x", deep.as_bytes(), b"{'a': 1}"];
    for json in cases {
        let (_desk, shard) = Desk::load(&with_json(json));
        let sample = &shard.index.samples[0];
        assert!(sample.picture.is_ok());
        assert_eq!(sample.sidecar_refusal.as_deref().unwrap().class, "bad_sidecar");
        assert_eq!(shard.sidecar(0), Ok(crate::shard::Sidecar::default()));
    }
    let mut long = vec![b' '; (16 << 20) + 1];
    long[..2].copy_from_slice(b"{}");
    let sample = &walked(&with_json(long)).samples[0];
    assert!(sample.picture.is_ok());
    assert!(sample.sidecar_refusal.as_deref().unwrap().message.contains("16777217 bytes"));
}

#[test]
fn json_comes_back_compact_with_its_keys_in_order() {
    let (_desk, shard) =
        Desk::load(&with_json("\u{feff}{ \"b\" : 1,\n \"a\": [1, 2.50, \"\u{e9} \\\" x\"] }"));
    assert_eq!(shard.sidecar(0).unwrap().json.as_deref(), Some("{\"b\":1,\"a\":[1,2.50,\"\u{e9} \\\" x\"]}"));
    assert_eq!(shard.sidecar(99).unwrap_err().0.class, "no_such_sample");
}

#[test]
fn a_caption_is_the_text_file_else_caption_else_the_first_cap() {
    let caption = |json: &str, text: Option<&[u8]>| {
        let mut members = vec![file("a.png", png(4, 4, 0)), file("a.json", json)];
        members.extend(text.map(|text| file("a.txt", text)));
        let (_desk, shard) = Desk::load(&tar_of(&members));
        shard.sidecar(0).unwrap().caption
    };
    assert_eq!(caption("{\"caption\":\"json\"}", Some(b" a dog\n")).as_deref(), Some("a dog"));
    assert_eq!(caption("{}", Some(b"caf\xe9")).as_deref(), Some("caf\u{e9}"));
    // What is empty hides nothing.
    for empty in [&b""[..], b" \r\n", b"\xef\xbb\xbf", b"\xff\xfe\n\0"] {
        assert_eq!(caption("{\"caption\":\"json\"}", Some(empty)).as_deref(), Some("json"));
    }
    assert_eq!(caption("{\"caption\":\" \",\"cap\":\"cap\"}", None).as_deref(), Some("cap"));
    assert_eq!(caption("{\"caption\":[\"\",\" one \",\"two\"]}", None).as_deref(), Some("one"));
    assert_eq!(caption("{\"caption\":null,\"cap\":[\"cap\"]}", None).as_deref(), Some("cap"));
    assert_eq!(caption("{\"caption\":[]}", None), None);
    assert_eq!(
        caption("{\"cap\":[\"first\",\"second\"],\"caption\":\"json\"}", None).as_deref(),
        Some("json")
    );
    assert_eq!(caption("{\"cap\":[1,\"first\",\"second\"]}", None).as_deref(), Some("first"));
    assert_eq!(caption("{\"cap\":\"alone\"}", None).as_deref(), Some("alone"));
    assert_eq!(caption("{\"caption\":7}", None), None);
}

/// What is read of a sample with this `.json`, or this `.txt`: JSON, caption, and what is told.
fn read(json: Option<&[u8]>, text: Option<&[u8]>) -> (Option<String>, Option<String>, String) {
    let mut members = vec![file("a.png", png(4, 4, 0))];
    members.extend(json.map(|json| file("a.json", json)));
    members.extend(text.map(|text| file("a.txt", text)));
    let (_desk, shard) = Desk::load(&tar_of(&members));
    let sample = &shard.index.samples[0];
    assert!(sample.picture.is_ok());
    let sidecar = shard.sidecar(0).unwrap();
    if let Some(json) = &sidecar.json {
        serde_json::from_str::<serde_json::Value>(json).expect("what is handed on is JSON");
    }
    (
        sidecar.json,
        sidecar.caption,
        sample.sidecar_refusal.as_deref().map_or(String::new(), |it| it.to_string()),
    )
}

#[test]
fn one_bad_field_costs_that_field_and_is_told_with_its_value() {
    let json = br#"{"aes": 6.5, "punsafe": NaN, "scores": [1, -Infinity, Infinity], "far": 1e999, "caption": "a dog"}"#;
    let (json, caption, told) = read(Some(json), None);
    assert_eq!(caption.as_deref(), Some("a dog"));
    let expected = r#"{"aes":6.5,"punsafe":null,"scores":[1,null,null],"far":null,"caption":"a dog"}"#;
    assert_eq!(json.as_deref(), Some(expected));
    assert_eq!(
        told,
        "bad_fields: \"punsafe\" is NaN, which is no number; null stands there; \"scores\" holds -Infinity, which is no \
         number; null stands there (and 1 more such places); \"far\" is \"1e999\", too large for a 64-bit float; null stands \
         there"
    );
    let index = walked(&with_json(r#"{"aes":6.5,"punsafe":NaN,"x":2}"#));
    assert_eq!(index.samples[0].numbers, [("aes".to_owned(), 6.5), ("x".to_owned(), 2.0)]);

    let (json, caption, told) =
        read(Some(br#"{"caption": "half \ud83d of \ud83d\ude00", "\udc00": 1}"#), None);
    assert_eq!(caption.as_deref(), Some("half \u{fffd} of \u{1f600}"));
    assert_eq!(json.as_deref(), Some("{\"caption\":\"half \u{fffd} of \\ud83d\\ude00\",\"\u{fffd}\":1}"));
    assert_eq!(told.matches("surrogate without its other half").count(), 2, "{told}");
    assert!(told.contains("\"caption\" holds a surrogate"), "{told}");

    // A value that another of the same name takes the place of is not read, and what was wrong with it is nobody's fault.
    let (json, _, told) = read(Some(br#"{"a": NaN, "b": 1, "a": 2}"#), None);
    assert_eq!(json.as_deref(), Some(r#"{"a":2,"b":1}"#));
    assert_eq!(told, "bad_fields: \"a\" stands 2 times in the .json, and the last counts");
    for (json, told_of) in [
        (r#"{"caption": 7}"#, "\"caption\" is \"7\", which is no caption"),
        (r#"{"caption": [1, 2]}"#, "\"caption\" is \"[1, 2]\""),
        (r#"{"cap": {"a": 1}}"#, "\"cap\" is"),
        (r#"{"id": 1e300}"#, "\"id\" is 1e300, too large for a score"),
    ] {
        let (_, caption, told) = read(Some(json.as_bytes()), None);
        assert!(caption.is_none() && told.contains(told_of), "{json}: {told}");
    }
    // Nothing is said of what is as it should be.
    for json in [
        r#"{"caption": null, "a": [true], "s": "NaN", "b": "\u00e9\n"}"#,
        "{\"a\":\"raw\nnewline\ttab\"}",
        "{}",
    ] {
        assert_eq!(read(Some(json.as_bytes()), None).2, "", "{json}");
    }
    let many: Vec<String> = (0..100).map(|n| format!("\"n{n}\": NaN")).collect();
    let (_, _, told) = read(Some(format!("{{{}}}", many.join(",")).as_bytes()), None);
    assert!(told.contains("\"n15\"") && told.ends_with("and 84 more remarks"), "{told}");
}

#[test]
fn numbers_that_stand_as_strings_are_numbers() {
    let json = r#"{"a":"6.5","b":" -2e1 ","c":"6.5 stars","d":"","e":"nan","f":"1e999","g":"+3","h":"0x10","caption":"7"}"#;
    let sample = &walked(&with_json(json)).samples[0];
    assert_eq!(sample.numbers, [("a", 6.5), ("b", -20.0), ("g", 3.0)].map(|(name, n)| (name.to_owned(), n)));
}

/// A text in an encoding, by its name.
fn encoded_as(text: &str, encoding: &str) -> Vec<u8> {
    let marked = format!("\u{feff}{text}");
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    let utf32 = |text: &str, big: bool| -> Vec<u8> {
        let letter = |letter: char| {
            if big { u32::from(letter).to_be_bytes() } else { u32::from(letter).to_le_bytes() }
        };
        text.chars().flat_map(letter).collect()
    };
    match encoding {
        "utf-8" => text.as_bytes().to_vec(),
        "utf-8-sig" => marked.into_bytes(),
        "utf-16-le" => utf16(text, false),
        "utf-16-be" => utf16(text, true),
        "utf-16-le marked" => utf16(&marked, false),
        "utf-16-be marked" => utf16(&marked, true),
        "utf-32-le" => utf32(text, false),
        "utf-32-be" => utf32(text, true),
        "utf-32-le marked" => utf32(&marked, false),
        _ => utf32(&marked, true),
    }
}

#[test]
fn text_is_decoded_whatever_encoding_of_unicode_it_is_in() {
    let encodings = [
        "utf-8",
        "utf-8-sig",
        "utf-16-le",
        "utf-16-be",
        "utf-16-le marked",
        "utf-16-be marked",
        "utf-32-le",
        "utf-32-be",
        "utf-32-le marked",
        "utf-32-be marked",
    ];
    for caption in
        ["a dog", "x", "caf\u{e9} \u{201c}\u{4e2d}\u{1f600}\u{201d} and more", "\u{4e2d}\u{6587}\n and words"]
    {
        for encoding in encodings {
            let (_, read_text, told) = read(None, Some(&encoded_as(caption, encoding)));
            assert_eq!((read_text.as_deref(), &*told), (Some(caption), ""), "{encoding} {caption:?}");
            let json = format!("{{\"caption\": {}}}", serde_json::Value::from(caption));
            let (_, read_json, told) = read(Some(&encoded_as(&json, encoding)), None);
            assert_eq!((read_json.as_deref(), &*told), (Some(caption), ""), "{encoding} {json}");
        }
    }
}

#[test]
fn what_is_no_unicode_is_read_as_well_as_it_can_be_and_told() {
    // Windows-1252: nothing in it speaks for UTF-8.
    let (_, caption, told) = read(None, Some(b"\x93caf\xe9\x94 \x80 5 \x81"));
    assert_eq!(caption.as_deref(), Some("\u{201c}caf\u{e9}\u{201d} \u{20ac} 5 \u{fffd}"));
    assert_eq!(told, "bad_fields: the .txt member: it is not UTF-8, and was read as Windows-1252");
    let (json, caption, told) = read(Some(b"{\"caption\":\"caf\xe9\"}"), None);
    assert_eq!(
        (json.as_deref(), caption.as_deref()),
        (Some("{\"caption\":\"caf\u{e9}\"}"), Some("caf\u{e9}"))
    );
    assert!(told.contains("the .json member: it is not UTF-8, and was read as Windows-1252"), "{told}");
    // UTF-8 that was cut within a letter, and one with a surrogate as Python's `surrogatepass` writes it.
    let (_, caption, told) = read(None, Some(b"caf\xc3\xa9 \xe4\xb8"));
    assert_eq!(caption.as_deref(), Some("caf\u{e9} \u{fffd}"));
    assert!(told.contains("1 place of it is not UTF-8"), "{told}");
    let (_, caption, told) = read(Some(b"{\"caption\":\"a \xed\xa0\xbd\"}"), None);
    assert_eq!(caption.as_deref(), Some("a \u{fffd}"));
    assert!(told.contains("in \"caption\""), "{told}");
    // UTF-16 with half a pair, and with half a unit.
    for odd in [&b"\xff\xfea\0\x00\xd8b\0"[..], b"\xff\xfea\0b"] {
        let (_, caption, told) = read(None, Some(odd));
        assert!(caption.unwrap().contains('\u{fffd}') && told.contains("not UTF-16"), "{told}");
    }
    let (_, caption, told) = read(None, Some(b"\xff\xfe\0\0a\0\0\0\0\0\x11\0"));
    assert!(caption.unwrap().contains('\u{fffd}') && told.contains("not UTF-32"), "{told}");
}

#[test]
fn a_sidecar_too_long_or_with_too_many_fields_is_told() {
    let long = vec![b'x'; (16 << 20) + 1];
    let (_, caption, told) = read(Some(b"{\"caption\":\"json\"}"), Some(&long));
    assert_eq!(caption.as_deref(), Some("json"));
    assert!(told.contains(".txt member is not usable: it has 16777217 bytes, at most 16777216"), "{told}");
    let many = format!("{{\"a\":[{}0]}}", "NaN,".repeat(65_537));
    let (json, _, told) = read(Some(many.as_bytes()), None);
    assert!(json.is_none() && told.contains("more than 65536 of its values"), "{told}");
    let many: Vec<String> = (0..65_537).map(|n| format!("\"{n}\":0")).collect();
    let (json, _, told) = read(Some(format!("{{{}}}", many.join(",")).as_bytes()), None);
    assert!(json.is_none() && told.contains("more than 65536 fields"), "{told}");
}

#[test]
fn a_sidecar_that_cannot_be_read_is_no_sidecar_that_is_not_there() {
    let tar = tar_of(&[
        file("a.png", png(4, 4, 0)),
        file("a.json", r#"{"caption":"c","aes":7}"#),
        file("b.png", png(4, 4, 1)),
    ]);
    let changes: [fn(&Path, &[u8]); 3] = [
        // Cut under the run.
        |path, _| std::fs::File::options().write(true).open(path).unwrap().set_len(1024).unwrap(),
        // Written over with as many bytes.
        |path, tar| std::fs::write(path, vec![0; tar.len()]).unwrap(),
        // Emptied.
        |path, _| std::fs::write(path, b"").unwrap(),
    ];
    for mmap in [true, false] {
        for change in changes {
            let desk = Desk::new();
            let path = desk.put("x.tar", &tar);
            let options = ReadOptions { mmap, ..ReadOptions::default() };
            let catalogue = Catalogue::open(&desk.store(), options, false).unwrap();
            let shard = catalogue.load(&source_of(&path)).unwrap();
            assert_eq!(shard.sidecar(0).unwrap().caption.as_deref(), Some("c"));
            change(&path, &tar);
            let refusal = shard.sidecar(0).unwrap_err().0;
            assert!(matches!(&*refusal.class, "cut_while_read" | "changed_while_read"), "{refusal}");
            // Of a sample without sidecars it is known that there are none.
            assert_eq!(shard.sidecar(1), Ok(crate::shard::Sidecar::default()));
        }
    }
}
