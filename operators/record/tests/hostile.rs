//! Text that means harm, or none at all: refused, never a panic, never more memory than a few times its own.

use super::*;

#[test]
fn depth_and_length_are_bounded() {
    let nested = |deep: usize| format!("{{\"x\":{}{}}}", "[".repeat(deep), "]".repeat(deep));
    assert!(Record::parse(nested(MOST_DEEP - 1).as_bytes()).is_ok());
    assert!(fault(&nested(MOST_DEEP)).contains("nested 129 deep, at most 128"));
    assert!(fault(&nested(1_000_000)).contains("deep"));
    assert!(fault(&"[".repeat(1_000_000)).contains("deep"));
    let most = MOST_BYTES as usize;
    let of_length = |length: usize| format!("{{\"x\":\"{}\"}}", "a".repeat(length - 8));
    assert_eq!(Record::parse(of_length(most).as_bytes()).unwrap().to_json().len(), most);
    assert_eq!(Record::parse(of_length(most + 1).as_bytes()), Err(RecordError::TooLong(MOST_BYTES + 1)));
}

#[test]
fn lists_and_keys_are_bounded() {
    let nouns = |count: usize| format!("{{\"cap\":[{}\"\"]}}", "\"\",".repeat(count - 1));
    assert!(Record::parse(nouns(MOST_ITEMS).as_bytes()).is_ok());
    assert!(
        fault(&nouns(MOST_ITEMS + 1)).contains("`cap`")
            && fault(&nouns(MOST_ITEMS + 1)).contains("65,536 items")
    );
    let keys = |count: usize| {
        let keys: Vec<String> = (0..count).map(|at| format!("\"k{at}\":{at}")).collect();
        format!("{{{}}}", keys.join(","))
    };
    assert_eq!(Record::parse(keys(MOST_ITEMS).as_bytes()).unwrap().to_json(), keys(MOST_ITEMS));
    assert!(fault(&keys(MOST_ITEMS + 1)).contains("65,536 keys"));
    // What nobody looks into may be as long as it likes.
    assert!(Record::parse(format!("{{\"x\":[{}0]}}", "0,".repeat(200_000)).as_bytes()).is_ok());
}

#[test]
fn what_is_no_json_object_is_refused() {
    let texts: [&[u8]; 19] = [
        b"",
        b" ",
        b"null",
        b"1",
        b"\"a\"",
        b"[]",
        b"{",
        b"}",
        b"{}{}",
        b"{} x",
        b"{\"a\":1,}",
        b"{\"a\":01}",
        b"{\"a\":1 2}",
        b"{\"a\":.5}",
        b"{\"a\":+1}",
        b"{'a':1}",
        b"{\"a\":\"\\x\"}",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
    ];
    for text in texts {
        assert!(Record::parse(text).is_err(), "{:?}", String::from_utf8_lossy(text));
    }
    // The refusal has one class, and no control character of the text reaches a terminal.
    let refusal = Refusal::from(Record::parse(b"{\"aes\":\"\x7f\xc2\x9b\"}").unwrap_err());
    assert!(refusal.class == "bad_record" && !refusal.message.contains(char::is_control), "{refusal}");
}

#[test]
fn numbers_that_are_too_large_are_kept_where_nobody_counts_with_them_and_others_read_them() {
    let json = format!("{{\"x\":{},\"y\":-1e-999999,\"z\":1E+300}}", "9".repeat(300));
    assert_eq!(Record::parse(json.as_bytes()).unwrap().to_json(), json);
    assert!(fault("{\"aes\":-3.5e38}").contains("`aes`"));
    // No reader of JSON holds these.
    let digits = "9".repeat(10_000);
    for json in [format!("{{\"aes\":{digits}}}"), "{\"aes\":1e999}".into()] {
        let record = Record::parse(json.as_bytes()).unwrap();
        assert_eq!((record.to_json().as_str(), record.not_numbers), (r#"{"aes":null}"#, 1));
    }
    assert!(fault(&format!("{{\"bg_count\":{{\"a\":{digits}}}}}")).contains("`bg_count.a`"));
    assert!(fault("{\"resolution\":{\"height\":4294967296,\"width\":1}}").contains("4294967296"));
}

#[test]
fn broken_bytes_never_panic() {
    let whole = fixture("pretty_odd.json");
    for end in 0..whole.len() - 2 {
        assert!(Record::parse(&whole[..end]).is_err(), "cut at {end}");
    }
    let mut random = super::random::Random(11);
    for _ in 0..20_000 {
        let mut broken = whole.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(broken.len());
            match random.below(4) {
                0 => broken[at] = random.next() as u8,
                1 => broken[at] = b"{}[]:,\"\\-0N"[random.below(11)],
                2 => drop(broken.remove(at)),
                _ => broken.insert(at, b"{}[]:,\"\\-0N"[random.below(11)]),
            }
        }
        if let Ok(record) = Record::parse(&broken) {
            let json = record.to_json();
            assert_eq!(Record::parse(json.as_bytes()).unwrap().to_json(), json);
        }
    }
}
