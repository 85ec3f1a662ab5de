//! Records against what Python's json and numpy wrote, against hostile text, and against random records.

use super::*;

mod hostile;
mod joining;
mod random;
mod tars;

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/record");
    std::fs::read(std::path::Path::new(folder).join(name)).unwrap()
}

/// What is said of this text as a record.
fn fault(json: &str) -> String {
    Record::parse(json.as_bytes()).unwrap_err().to_string()
}

fn objects(record: &Record) -> &[Region] {
    record.segmentation.as_ref().and_then(|it| it.object.as_deref()).unwrap_or_default()
}

#[test]
fn what_python_indented_comes_back_as_python_compacts_it() {
    for name in ["plain", "odd", "unescaped"] {
        let pretty = fixture(&format!("pretty_{name}.json"));
        let compact = String::from_utf8(fixture(&format!("compact_{name}.json"))).unwrap();
        let record = Record::parse(&pretty).unwrap();
        assert_eq!(record.to_json(), compact);
        assert_eq!(Record::parse(compact.as_bytes()).unwrap(), record);
        let marked = [b"\xef\xbb\xbf", pretty.as_slice()].concat();
        assert_eq!(Record::parse(&marked).unwrap(), record, "behind a byte order mark");
    }
}

#[test]
fn every_known_key_is_read() {
    let record = Record::parse(&fixture("pretty_plain.json")).unwrap();
    assert_eq!(record.path.as_deref(), Some("00007/00003/000030041.jpg"));
    let captions = record.cap.as_ref().unwrap().all();
    assert!(captions.len() == 1 && captions[0].contains("café table under a “closed” sign 🐐"));
    let size = record.resolution.as_ref().unwrap();
    assert_eq!((size.height, size.width), (1440, 2160));
    assert_eq!(record.aes.as_ref().unwrap().as_f64(), 5.873291015625);
    assert_eq!(record.border.as_ref().unwrap().text(), "[176]");
    let tags = record.tags.as_ref().unwrap();
    assert_eq!(tags.background.as_ref().unwrap(), &["sign", "table"]);
    assert_eq!(tags.object.as_ref().unwrap(), &["goats", "lantern"]);
    assert_eq!(tags.summary.as_ref().unwrap(), &"Two goats on a café table.");
    let table = &record.segmentation.as_ref().unwrap().background.as_ref().unwrap()[0];
    assert_eq!(table.bbox_f32(), [0.1, 700.7, 2160.0, 1439.3]);
    assert_eq!(table.mask.as_deref(), Some("Q\\1oR`1000mJX\\\\2"));
    let scores = [&table.score, &table.clip_score, &table.aes_score];
    assert_eq!(scores.map(|it| it.as_ref().unwrap().value.as_f32()), [0.9921875, 0.95976203, 4.34375]);
    let forms: Vec<Form> = objects(&record).iter().map(|it| it.score.as_ref().unwrap().form).collect();
    assert_eq!(forms, [Form::Listed, Form::Alone, Form::Listed]);
    assert_eq!(record.bg_count.as_ref().unwrap().of("table"), Some(1));
    assert_eq!(record.obj_count.as_ref().unwrap().of("goats"), Some(2));
    assert_eq!((record.keys.unknown().count(), record.not_numbers), (0, 0));
}

#[test]
fn unknown_keys_are_kept_at_every_level() {
    let record = Record::parse(&fixture("pretty_odd.json")).unwrap();
    let unknown = |keys: &Keys| keys.unknown().map(|(key, _)| key.to_owned()).collect::<Vec<_>>();
    assert_eq!(unknown(&record.keys), ["schema", "big", "e", "nested"]);
    assert_eq!(unknown(&record.tags.as_ref().unwrap().keys), ["language"]);
    assert_eq!(unknown(&record.resolution.as_ref().unwrap().keys), ["dpi", "unit"]);
    assert_eq!(unknown(&record.segmentation.as_ref().unwrap().keys), ["model"]);
    assert_eq!(unknown(&objects(&record)[0].keys), ["id", "", "über"]);
    assert!(matches!(record.cap, Some(Captions::One(_))));
    assert_eq!(record.keys.unknown().nth(1).unwrap().1.text(), "123456789012345678901234567890");
}

#[test]
fn what_is_changed_is_written_in_its_place_and_the_rest_stays() {
    let json = r#"{"x":1.0,"aes":6.132755279541016,"y":{"a":0.10},"cap":["\u0061"]}"#;
    let mut record = Record::parse(json.as_bytes()).unwrap();
    record.aes = Number::of(5.1);
    record.path = Some("a.jpg".into());
    assert_eq!(record.to_json(), r#"{"x":1.0,"aes":5.1,"y":{"a":0.10},"cap":["\u0061"],"path":"a.jpg"}"#);
    record.aes = None;
    assert!(record.to_json().contains(r#""aes":null"#));
}

#[test]
fn python_s_not_numbers_are_missing_values() {
    let json = r#"{"aes": NaN, "cap": "NaN, -Infinity", "x": [Infinity,-Infinity, 1 ]}"#;
    let record = Record::parse(json.as_bytes()).unwrap();
    assert_eq!((record.aes.is_none(), record.not_numbers), (true, 3));
    assert_eq!(record.to_json(), r#"{"aes":null,"cap":"NaN, -Infinity","x":[null,null,1]}"#);
    let boxed = r#"{"segmentation":{"object":[{"class_name":"a","bbox":[0,NaN,1,1]}]}}"#;
    assert!(
        fault(boxed).contains("`segmentation.object[0].bbox[1]` of the record is null"),
        "{}",
        fault(boxed)
    );
    for broken in ["{\"a\":NaNa}", "{\"a\":--Infinity}", "{\"a\":1NaN}", "{NaN:1}", "{\"a\":+Infinity}"] {
        assert!(fault(broken).contains("not one JSON object"), "{broken}");
    }
}

#[test]
fn errors_name_the_place_the_value_and_what_is_allowed() {
    let region = |fields: &str| format!(r#"{{"segmentation":{{"object":[{{"class_name":"a",{fields}}}]}}}}"#);
    let long = format!(r#"{{"path":[{}]}}"#, "1,".repeat(5000) + "1");
    let cases = [
        (
            region(r#""bbox":[1,2,3]"#),
            "`segmentation.object[0].bbox` of the record is [1,2,3], and only a list of four",
        ),
        (region(r#""bbox":[1,2,3,4,5]"#), "`segmentation.object[0].bbox`"),
        (region(r#""bbox":[1,2,3,"4"]"#), r#"`segmentation.object[0].bbox[3]` of the record is "4""#),
        (region(r#""bbox":[1,2,3,1e39]"#), "1e39, and only a number that a 32-bit float can hold"),
        (region(r#""bbox":[1,2,3,4],"mask":7"#), "`segmentation.object[0].mask` of the record is 7"),
        (
            region(r#""bbox":[1,2,3,4],"score":[]"#),
            "object[0].score` of the record is [], and only a number, or a list",
        ),
        (region(r#""bbox":[1,2,3,4],"score":[1,2]"#), "object[0].score` of the record is [1,2]"),
        (region(r#""bbox":[1,2,3,4],"number":-1"#), "object[0].number` of the record is -1"),
        (region(r#""mask":"""#), "`segmentation.object[0].bbox` is missing"),
        (
            r#"{"segmentation":{"background":[{}]}}"#.into(),
            "`segmentation.background[0].class_name` is missing",
        ),
        (r#"{"segmentation":{"box_format":"xywh"}}"#.into(), r#"is "xywh", and only "xyxy""#),
        (
            r#"{"resolution":{"height":-4,"width":4}}"#.into(),
            "`resolution.height` of the record is -4, and only a whole",
        ),
        (r#"{"resolution":{"height":4.0,"width":4}}"#.into(), "`resolution.height` of the record is 4.0"),
        (r#"{"resolution":{"height":0,"width":4}}"#.into(), "`resolution.height` of the record is 0"),
        (r#"{"resolution":{"height":5}}"#.into(), "`resolution.width` is missing"),
        (r#"{"obj_count":{"bow tie":1.5}}"#.into(), "`obj_count.bow tie` of the record is 1.5"),
        (r#"{"cap":{}}"#.into(), "`cap` of the record is {}, and only a list of captions"),
        (r#"{"tags":{"object":["a",null]}}"#.into(), "`tags.object[1]` of the record is null"),
        (r#"{"aes":"6"}"#.into(), r#"`aes` of the record is "6""#),
        (r#"{"path":"\ud83d"}"#.into(), "whole Unicode"),
        (r#"{"aes":1,"\u0061es":2}"#.into(), "the key `aes` of the record stands twice"),
        (r#"{"x":1,"x":1}"#.into(), "the key `x` of the record stands twice"),
        (r#"{"tags":{"x":1,"x":1}}"#.into(), "the key `tags.x` of the record stands twice"),
        (r#"{"bg_count":{"a":1,"a":1}}"#.into(), "the key `bg_count.a` of the record stands twice"),
        ("[]".into(), "`the whole` of the record is [], and only one JSON object"),
        (long, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1..., and only a string"),
    ];
    for (json, words) in cases {
        assert!(fault(&json).contains(words), "{}\n  lacks {words}", fault(&json));
    }
}

/// A decimal text as its digits, without zeros around them, and the exponent of the first.
fn digits_of(text: &str) -> (bool, String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let bare = mantissa.trim_start_matches('-');
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0').to_owned();
    let exponent = exponent.parse::<i32>().unwrap() + whole.len() as i32 - leading as i32;
    (mantissa.starts_with('-'), digits.clone(), if digits.is_empty() { 0 } else { exponent })
}

#[test]
fn floats_are_written_as_short_as_numpy_writes_them() {
    let pairs: Vec<(u32, String)> = serde_json::from_slice(&fixture("floats.json")).unwrap();
    assert!(pairs.len() > 250);
    for (bits, shortest) in pairs {
        let number = Number::of(f32::from_bits(bits)).unwrap();
        assert_eq!(number.as_f32().to_bits(), bits, "{}", number.text());
        assert_eq!(digits_of(number.text()), digits_of(&shortest), "{} and {shortest}", number.text());
        assert_eq!(Number::of_text(number.text()), Some(number));
    }
}

#[test]
fn a_record_of_ours_has_upstream_s_keys_in_upstream_s_order() {
    let region = |noun: &str, number: u64| RegionParts {
        class_name: noun.to_owned(),
        kind: None,
        bbox: [0.1, 2.0, 3.5, 1e-7],
        mask: Some("kf\\0X2".to_owned()),
        score: Some(0.3),
        clip_score: Some(0.25),
        aes_score: Some(4.5),
        mask_score: Some(0.9),
        number: Some(number),
    };
    let parts = RecordParts {
        path: "a/b.jpg".to_owned(),
        captions: vec!["Goats, \"two\".".to_owned()],
        height: 2,
        width: 3,
        aes: Some(6.1),
        background_nouns: vec!["sky".to_owned()],
        object_nouns: vec!["goat".to_owned(), "bell".to_owned()],
        summary: Some("Goats.".to_owned()),
        regions: vec![region("goat", 0), region("sky", 1), region("goat", 2), region("bell", 3)],
    };
    let written = |noun: &str, number: u64| {
        format!(
            r#"{{"class_name":"{noun}","bbox":[0.1,2.0,3.5,1e-7],"mask":"kf\\0X2","score":0.3,"clip_score":0.25,"aes_score":4.5,"mask_score":0.9,"number":{number}}}"#
        )
    };
    let expected = format!(
        r#"{{"path":"a/b.jpg","cap":["Goats, \"two\"."],"resolution":{{"height":2,"width":3}},"aes":6.1,"tags":{{"background":["sky"],"object":["goat","bell"],"summary":"Goats."}},"segmentation":{{"background":[{}],"object":[{},{},{}],"box_format":"xyxy"}},"bg_count":{{"sky":1}},"obj_count":{{"bell":1,"goat":2}}}}"#,
        written("sky", 1),
        written("goat", 0),
        written("goat", 2),
        written("bell", 3)
    );
    let record = parts.clone().build().unwrap();
    assert_eq!(record.to_json(), expected);
    assert_eq!(Record::parse(expected.as_bytes()).unwrap().to_json(), expected);

    let mut broken = parts.clone();
    broken.regions[2].bbox[1] = f32::NAN;
    let said = broken.build().unwrap_err().to_string();
    assert!(said.contains("`segmentation.object[1].bbox` of the record is NaN"), "{said}");
    let said = RecordParts { aes: Some(f32::INFINITY), ..parts.clone() }.build().unwrap_err().to_string();
    assert!(said.contains("`aes` of the record is inf, and only a finite number"), "{said}");
    assert!(RecordParts { width: 0, ..parts }.build().is_err());
}
