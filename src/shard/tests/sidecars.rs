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
    let expected = [("z", 1.0), ("aes", 5.25), ("neg", -2000.0)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(sample.numbers, expected);
    let sample = &walked(&with_json(r#"{"a": 1, "b": 2, "a": 3, "b": "x"}"#)).samples[0];
    assert_eq!(sample.numbers, [("a".to_owned(), 3.0)], "of a name that stands twice, the last counts");
    let many: Vec<String> = (0..100).map(|i| format!("\"n{i}\":{i}")).collect();
    let sample = &walked(&with_json(format!("{{{}}}", many.join(",")))).samples[0];
    assert_eq!(sample.numbers.len(), 32);
    assert_eq!(sample.numbers[31], ("n31".to_owned(), 31.0));
}

#[test]
fn a_bad_sidecar_is_a_refusal_of_its_fields_not_a_lost_picture() {
    let deep = "[".repeat(100_000);
    let deeper = format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128));
    let cases: [&[u8]; 9] = [
        deeper.as_bytes(),
        b"",
        b"{",
        b"[1]",
        b"7",
        b"{\"a\":\"\xff\"}",
        b"{} x",
        deep.as_bytes(),
        b"{\"a\":NaN}",
    ];
    for json in cases {
        let (_desk, shard) = Desk::load(&with_json(json));
        let sample = &shard.index.samples[0];
        assert!(sample.picture.is_ok());
        assert_eq!(sample.sidecar_refusal.as_ref().unwrap().class, "bad_sidecar");
        assert_eq!(shard.sidecar(0), crate::shard::Sidecar::default());
    }
    let mut long = vec![b' '; (16 << 20) + 1];
    long[..2].copy_from_slice(b"{}");
    let sample = &walked(&with_json(long)).samples[0];
    assert!(sample.picture.is_ok());
    assert!(sample.sidecar_refusal.as_ref().unwrap().message.contains("16777217 bytes"));
}

#[test]
fn json_comes_back_compact_with_its_keys_in_order() {
    let (_desk, shard) =
        Desk::load(&with_json("\u{feff}{ \"b\" : 1,\n \"a\": [1, 2.50, \"\u{e9} \\\" x\"] }"));
    assert_eq!(shard.sidecar(0).json.as_deref(), Some("{\"b\":1,\"a\":[1,2.50,\"\u{e9} \\\" x\"]}"));
    assert_eq!(shard.sidecar(99), crate::shard::Sidecar::default());
}

#[test]
fn a_caption_is_the_text_file_else_caption_else_the_first_cap() {
    let caption = |json: &str, text: Option<&[u8]>| {
        let mut members = vec![file("a.png", png(4, 4, 0)), file("a.json", json)];
        members.extend(text.map(|text| file("a.txt", text)));
        let (_desk, shard) = Desk::load(&tar_of(&members));
        shard.sidecar(0).caption
    };
    assert_eq!(caption("{\"caption\":\"json\"}", Some(b" a dog\n")).as_deref(), Some("a dog"));
    assert_eq!(caption("{}", Some(b"caf\xe9")).as_deref(), Some("caf\u{fffd}"));
    assert_eq!(
        caption("{\"cap\":[\"first\",\"second\"],\"caption\":\"json\"}", None).as_deref(),
        Some("json")
    );
    assert_eq!(caption("{\"cap\":[1,\"first\",\"second\"]}", None).as_deref(), Some("first"));
    assert_eq!(caption("{\"cap\":\"alone\"}", None).as_deref(), Some("alone"));
    assert_eq!(caption("{\"caption\":7}", None), None);
}
