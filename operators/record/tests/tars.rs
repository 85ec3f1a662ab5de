//! Tars of records, Python's and our own: written twice alike, read back, and nothing lost in silence.

use std::path::Path;

use threshflow::publish::PlainTar;
use threshflow::shard::{ReadOptions, Unreadable};

use super::*;
use crate::record::tars::JsonsTars;

fn record(path: &str) -> Record {
    RecordParts { path: path.to_owned(), height: 1, width: 1, ..RecordParts::default() }.build().unwrap()
}

fn tar_of(path: &Path, members: &[(&str, &[u8])]) {
    let mut tar = PlainTar::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        tar.append(name, bytes).unwrap();
    }
    tar.finish().unwrap();
}

fn open(folder: &Path) -> JsonsTars {
    JsonsTars::open(&[folder.display().to_string()], &ReadOptions::default()).unwrap()
}

fn class_of(found: Result<Option<Result<Record, Refusal>>, Unreadable>) -> String {
    found.unwrap().map_or("none".to_owned(), |it| {
        it.map_or_else(|refusal| refusal.class.into(), |_| "record".to_owned())
    })
}

#[test]
fn python_s_tar_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("part0.tar"), fixture("jsons.tar")).unwrap();
    let tars = open(folder.path());
    assert_eq!((tars.len(), tars.unusable()), (2, &[][..]));
    for (key, compact) in [("00003/000030041", "compact_plain.json"), ("00003/000030042", "compact_odd.json")]
    {
        let record = tars.record_of("00007", key).unwrap().unwrap().unwrap();
        assert_eq!(record.to_json().into_bytes(), fixture(compact), "{key}");
    }
    assert_eq!(class_of(tars.record_of("00007", "00003/000030043")), "none");
    // A large folder is in parts, of which records know nothing.
    for (shard, class) in [("00007/3-of-16", "record"), ("00008/3-of-16", "none"), ("00007/3-of", "none")] {
        assert_eq!(class_of(tars.record_of(shard, "00003/000030041")), class, "{shard}");
    }
    let names: Vec<String> =
        tars.records().map(|(name, record)| record.unwrap().map(|_| name).unwrap()).collect();
    assert_eq!(names, ["00007/00003/000030041", "00007/00003/000030042"]);
}

#[test]
fn a_tar_of_ours_reads_back_in_pieces() {
    let records =
        || (0..50).map(|at| (format!("00095/00019/{at:09}"), record(&format!("00095/00019/{at:09}.jpg"))));
    let folder = tempfile::tempdir().unwrap();
    let members: Vec<(String, String)> =
        records().map(|(name, record)| (format!("jsons/{name}.json"), record.to_json())).collect();
    let members: Vec<(&str, &[u8])> =
        members.iter().map(|(name, json)| (name.as_str(), json.as_bytes())).collect();
    tar_of(&folder.path().join("whole"), &members);
    let bytes = std::fs::read(folder.path().join("whole")).unwrap();
    // In pieces, as upstream's are.
    for (at, piece) in bytes.chunks(20_000).enumerate() {
        std::fs::write(folder.path().join(format!("j.tar.split.{at:03}")), piece).unwrap();
    }
    let tars = open(folder.path());
    assert_eq!((tars.len(), tars.unusable()), (50, &[][..]));
    for (name, written) in records() {
        let (_, key) = name.split_once('/').unwrap();
        assert_eq!(tars.record_of("00095", key).unwrap().unwrap().unwrap().to_json(), written.to_json());
    }
    // 16 bytes a place, 8 a name's end, and the name.
    assert_eq!(tars.state_bytes(), 50 * (16 + 8 + "00095/00019/000000000".len()));
}

#[test]
fn what_can_t_be_used_is_listed_and_what_is_broken_is_refused_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let late = format!("{{\"cap\":\"{}\",\"aes\":NaN,\"path\":\"a/late.jpg\"}}", "é".repeat(5000));
    let long = format!("{{\"path\":\"{}\"}}", "a".repeat(5000));
    tar_of(
        &folder.path().join("one.tar"),
        &[
            ("readme.txt", b"no record"),
            ("jsons/good.JSON", br#"{"path":"a/good.jpg"}"#),
            ("jsons/late.json", late.as_bytes()),
            ("jsons/marked.json", b"\xef\xbb\xbf{\"p\\u0061th\":\"a/marked.jpg\"}"),
            (
                "jsons/bad_box.json",
                br#"{"path":"a/bad.jpg","segmentation":{"object":[{"class_name":"x","bbox":[1,2,3]}]}}"#,
            ),
            ("jsons/cut.json", br#"{"path":"a/cut.jpg","cap":["#),
            ("jsons/twice.json", br#"{"path":"a/two.jpg","path":"a/three.jpg"}"#),
            ("jsons/none.json", br#"{"cap":[]}"#),
            ("jsons/null.json", br#"{"path":null}"#),
            ("jsons/nothing.json", br#"{"path":"a/.jpg"}"#),
            ("jsons/long.json", long.as_bytes()),
            ("jsons/list.json", br#"[{"path":"a/list.jpg"}]"#),
            ("jsons/empty.json", b""),
            ("jsons/bytes.json", b"{\"path\":\"a/\xff.jpg\"}"), // Windows-1252
            ("jsons/same.json", br#"{"path":"a/same.jpg"}"#),
        ],
    );
    tar_of(&folder.path().join("two.tar"), &[("same.json", br#"{"path":"a/same.png"}"#)]);
    let whole = std::fs::read(folder.path().join("one.tar")).unwrap();
    std::fs::write(folder.path().join("zcut.tar"), &whole[..700]).unwrap();
    let tars = open(folder.path());
    let listed: Vec<String> =
        tars.unusable().iter().map(|it| format!("{} {} {}", it.tar, it.what, it.refusal.class)).collect();
    assert_eq!(
        listed,
        [
            "one jsons/none.json no_record_path",
            "one jsons/null.json no_record_path",
            "one jsons/nothing.json no_record_path",
            "one jsons/long.json no_record_path",
            "one jsons/list.json bad_record",
            "one jsons/empty.json bad_record",
            "zcut @521 damaged_tar",
            "one a/same duplicate_record",
        ]
    );
    let outcomes = [
        ("good", "record"),
        ("late", "record"),
        ("ÿ", "record"),
        ("marked", "record"),
        ("bad", "bad_record"),
        ("cut", "bad_record"),
        ("two", "bad_record"),
        ("three", "none"),
        ("same", "duplicate_record"),
        ("list", "none"),
    ];
    for (key, outcome) in outcomes {
        assert_eq!(class_of(tars.record_of("a", key)), outcome, "{key}");
    }
    let said = tars.record_of("a", "bad").unwrap().unwrap().unwrap_err().message;
    assert!(said.contains("\"a/bad\" of one") && said.contains("segmentation.object[0].bbox"), "{said}");
    let said = tars.record_of("a", "same").unwrap().unwrap().unwrap_err().message;
    assert!(said.contains("2 records") && said.contains("one, two"), "{said}");
}

#[test]
fn many_tars_are_read_with_few_open_and_a_changed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..150 {
        let json = format!("{{\"path\":\"x/{at}.jpg\",\"at\":{at}}}");
        tar_of(&folder.path().join(format!("{at:03}.tar")), &[("a.json", json.as_bytes())]);
    }
    let tars = open(folder.path());
    for at in (0..150).chain((0..150).rev()) {
        let record = tars.record_of("x", &at.to_string()).unwrap().unwrap().unwrap();
        assert_eq!(record.keys.unknown().next().unwrap().1.text(), at.to_string());
    }
    let here = std::fs::read_dir("/proc/self/fd").unwrap();
    let own = folder.path().to_owned();
    let still_open =
        here.flatten().filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|it| it.starts_with(&own)));
    assert!(still_open.count() <= 64);
    tar_of(&folder.path().join("149.tar"), &[("a.json", br#"{"path":"x/other.jpg"}"#), ("b.json", b"{}")]);
    assert_eq!(tars.record_of("x", "149").unwrap_err().0.class, "cut_while_read");
    assert!(JsonsTars::open(&["/no/such/*.tar".to_owned()], &ReadOptions::default()).is_err());
}
