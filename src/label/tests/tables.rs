//! Labels as tables: out, back, and what is wrong with a table.

use super::super::{Drawn, Imported, Label, Labels};
use crate::row::ContentHash;

const DIALS: [&str; 2] = ["sharp", "follows[remove]"];
const HEAD: &str = "dial,content,good,score,chance,stratum,labelled_at,shard,key\r\n";
const CONTENT: &str = "000102030405060708090a0b0c0d0e0f";

fn at(text: &str) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn label(number: u8, good: bool) -> Label {
    Label {
        dial: DIALS[usize::from(number % 2)].to_owned(),
        content: ContentHash([number; 16]),
        good,
        score: 0.1 * f32::from(number) - 1.0,
        draw: None,
        rank: None,
        drawn: (number > 3).then_some(Drawn { stratum: 5..2048, chance: 0.1 / f64::from(number) }),
        at: at("2026-01-31T12:00:00Z"),
    }
}

fn opened() -> (tempfile::TempDir, Labels) {
    let folder = tempfile::tempdir().unwrap();
    let labels = Labels::open(folder.path()).unwrap();
    (folder, labels)
}

fn all(labels: &Labels) -> Vec<Label> {
    DIALS.iter().flat_map(|dial| labels.labels(dial).cloned()).collect()
}

fn nowhere(_: ContentHash) -> Option<(String, String)> {
    None
}

#[test]
fn a_table_is_as_rfc_4180_says_and_a_formula_stays_text() {
    let (_folder, mut labels) = opened();
    labels.put(Label { content: ContentHash([0xab; 16]), ..label(4, true) }).unwrap();
    labels.put(Label { score: 1e-7, ..label(1, false) }).unwrap();
    let keys = |content: ContentHash| {
        (content.0[0] == 0xab)
            .then(|| ("=cmd|' /C calc'!A0".to_owned(), "a \"key\", of\ntwo lines".to_owned()))
    };
    let wanted = format!(
        "{HEAD}follows[remove],{},false,0.0000001,,,2026-01-31T12:00:00Z,,\r\nsharp,{},true,-0.6,0.025,5..2048,2026-01-31T12:00:00Z,\
         '=cmd|' /C calc'!A0,\"a \"\"key\"\", of\ntwo lines\"\r\n",
        "01".repeat(16),
        "ab".repeat(16),
    );
    assert_eq!(labels.export(None, keys).unwrap(), wanted);
    let one = labels.export(Some("sharp"), nowhere).unwrap();
    assert_eq!(one.lines().count(), 2);
}

#[test]
fn what_goes_out_comes_back_and_a_second_time_changes_nothing() {
    let (_folder, mut labels) = opened();
    labels.put_all((0..20).map(|number| label(number, number % 3 == 0)).collect()).unwrap();
    labels.take_back("sharp", ContentHash([2; 16]), Label::now()).unwrap();
    let table = labels.export(None, |_| Some(("=1+1".to_owned(), "-2".to_owned()))).unwrap();
    let (folder, mut other) = opened();
    assert_eq!(other.import(&table, &DIALS).unwrap(), Imported { changed: 19, same: 0, older: 0 });
    assert_eq!(all(&other), all(&labels));
    let before = std::fs::read(folder.path().join("labels.log")).unwrap();
    assert_eq!(other.import(&table, &DIALS).unwrap(), Imported { changed: 0, same: 19, older: 0 });
    assert_eq!(std::fs::read(folder.path().join("labels.log")).unwrap(), before);
    assert_eq!(other.export(None, nowhere).unwrap(), labels.export(None, nowhere).unwrap());
    // A label that keeps its draw here is not replaced by the same one without it.
    let (_folder, mut mine) = opened();
    let drawn = Label { draw: Some(3), rank: Some(5), ..label(4, true) };
    mine.put(drawn.clone()).unwrap();
    let table = mine.export(None, nowhere).unwrap();
    assert_eq!(mine.import(&table, &DIALS).unwrap().same, 1);
    assert_eq!(all(&mine), [drawn]);
}

#[test]
fn the_later_word_counts() {
    let (_folder, mut labels) = opened();
    labels.put(label(4, true)).unwrap();
    let line = |good: bool, time: &str| {
        format!("{HEAD}sharp,{},{good},-0.6,0.025,5..2048,{time},,\r\n", "04".repeat(16))
    };
    let older = labels.import(&line(false, "2026-01-31T11:59:59Z"), &DIALS).unwrap();
    assert_eq!((older, all(&labels)[0].good), (Imported { older: 1, ..Imported::default() }, true));
    // At the same time: somebody corrected the table. The zone of a time does not matter.
    let same = labels.import(&line(false, "2026-01-31T14:00:00+02:00"), &DIALS).unwrap();
    assert_eq!((same.changed, all(&labels)[0].good), (1, false));
    // What was taken back since then stays so.
    labels.take_back("sharp", ContentHash([4; 16]), at("2026-02-01T00:00:00Z")).unwrap();
    assert_eq!(labels.import(&line(true, "2026-01-31T18:00:00Z"), &DIALS).unwrap().older, 1);
    assert_eq!(labels.import(&line(true, "2026-02-01T18:00:00Z"), &DIALS).unwrap().changed, 1);
}

#[test]
fn tables_of_other_programs_are_read_too() {
    let (_folder, mut labels) = opened();
    let table = format!(
        "\u{feff}Content,note,Good,DIAL,score\n{CONTENT},\"a,\nb\",GOOD,sharp,1\n{},x,0,sharp, 2.5e-1\n\n,,,,\n",
        CONTENT.to_uppercase().replace("0F", "AF")
    );
    assert_eq!(labels.import(&table, &DIALS).unwrap().changed, 2);
    assert_eq!(labels.import(&table, &DIALS).unwrap(), Imported { same: 2, ..Imported::default() });
    let found = all(&labels);
    assert_eq!(found.iter().map(|it| (it.good, it.score)).collect::<Vec<_>>(), [(true, 1.0), (false, 0.25)]);
    assert!(found.iter().all(|it| it.drawn.is_none()));
}

#[test]
fn a_wrong_line_is_named_and_nothing_is_imported() {
    let good = format!("sharp,{},true,1,,,2026-01-31T12:00:00Z,,\r\n", "ff".repeat(16));
    for (line, words) in [
        (
            format!("blunt,{CONTENT},true,1,,,,,"),
            "dial \"blunt\" is none of this pipeline's: sharp, follows[remove]",
        ),
        (format!("sharp,{}é,true,1,,,,,", &CONTENT[..30]), "32 hex digits"),
        ("sharp,abc,true,1,,,,,".to_owned(), "content \"abc\": 32 hex digits are wanted"),
        (format!("sharp,{CONTENT},maybe,1,,,,,"), "good \"maybe\""),
        (format!("sharp,{CONTENT},true,NaN,,,,,"), "score \"NaN\": a finite number"),
        (format!("sharp,{CONTENT},true,\"1,5\",,,,,"), "score \"1,5\""),
        (format!("sharp,{CONTENT},true,1,0,5..6,,,"), "chance \"0\""),
        (format!("sharp,{CONTENT},true,1,2,5..6,,,"), "chance \"2\""),
        (format!("sharp,{CONTENT},true,1,0.5,,,,"), "stratum \"\""),
        (format!("sharp,{CONTENT},true,1,0.5,6..5,,,"), "stratum \"6..5\""),
        (format!("sharp,{CONTENT},true,1,0.5,1..4097,,,"), "stratum \"1..4097\""),
        (format!("sharp,{CONTENT},true,1,,,yesterday,,"), "labelled_at \"yesterday\""),
        (format!("sharp,{CONTENT},true,1,,,,,,more"), "it has 10 cells, and the head has 9"),
        (format!("sharp,{},false,1,,,,,", "ff".repeat(16)), "line 2 is about the same dial and content"),
        (format!("sharp,{CONTENT}"), "good \"\""),
    ] {
        let (_folder, mut labels) = opened();
        let said = labels.import(&format!("{HEAD}{good}{line}\r\n"), &DIALS).unwrap_err().to_string();
        assert!(said.starts_with("line 3 of the table: ") && said.contains(words), "{said}");
        assert!(said.contains("Nothing was imported"), "{said}");
        assert!(all(&labels).is_empty());
    }
    let (_folder, mut labels) = opened();
    for (table, words) in [("", "it is empty"), ("dial,content,score\n", "the column good is missing")] {
        let said = labels.import(table, &DIALS).unwrap_err().to_string();
        assert!(said.starts_with("line 1 of the table: ") && said.contains(words), "{said}");
    }
}
