//! The file of labels: what is read back, and what a kill or a damaged disk leaves.

use std::fs;
use std::path::Path;

use super::super::{Draw, Drawn, Label, LabelError, Labels, Passing};
use super::population;
use crate::row::ContentHash;

fn content(number: u64) -> ContentHash {
    ContentHash::of(&number.to_le_bytes())
}

fn label(number: u64, good: bool) -> Label {
    Label {
        dial: "follows[remove]".to_owned(),
        content: content(number),
        good,
        score: 0.1 + number as f32 / 3.0,
        draw: Some(0),
        rank: Some(u64::MAX - number),
        drawn: Some(Drawn { stratum: 0..17, chance: 1.0 / 3.0 }),
        at: Label::now(),
    }
}

fn draw() -> Draw {
    Draw::new("follows[remove]", &population(Passing::Above, &[(0..4096, 3)]), 2000.1, u64::MAX, 30)
}

fn log(folder: &Path) -> std::path::PathBuf {
    folder.join("labels.log")
}

fn said(labels: &Labels) -> Vec<Label> {
    labels.labels("follows[remove]").cloned().collect()
}

#[test]
fn what_is_kept_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = Labels::open(folder.path()).unwrap();
    assert!(!log(folder.path()).exists(), "a store without labels has no file");
    assert_eq!(labels.add_draw(draw()).unwrap(), 0);
    labels.put_all((0..5).map(|number| label(number, number % 2 == 0)).collect()).unwrap();
    labels.put(label(3, true)).unwrap();
    assert!(labels.take_back("follows[remove]", content(2), Label::now()).unwrap());
    assert!(!labels.take_back("follows[remove]", content(2), Label::now()).unwrap());
    assert!(!labels.take_back("other", content(3), Label::now()).unwrap());
    let again = Labels::open(folder.path()).unwrap();
    let read = Labels::read(folder.path()).unwrap();
    for labels in [&again, &read] {
        assert_eq!(said(labels), said(&again));
        assert_eq!(labels.draws("follows[remove]").collect::<Vec<_>>(), [(0, &draw())]);
        assert_eq!(labels.label("follows[remove]", content(3)), Some(&label(3, true)));
        assert_eq!((said(labels).len(), labels.damaged().len()), (4, 0));
    }
    let present = |it: ContentHash| (it != content(0)).then_some((0.5, 2));
    assert_eq!(read.labelled("follows[remove]", present).len(), 3);
    assert!(read.labelled("other", present).is_empty());
}

#[test]
fn a_reader_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    Labels::open(folder.path()).unwrap().put(label(1, true)).unwrap();
    fs::write(log(folder.path()), [fs::read(log(folder.path())).unwrap(), b"00 torn".to_vec()].concat())
        .unwrap();
    let before = fs::read(log(folder.path())).unwrap();
    let mut read = Labels::read(folder.path()).unwrap();
    assert!(matches!(read.put(label(2, true)), Err(LabelError::Wrong(_))));
    assert_eq!((said(&read).len(), read.damaged().len()), (1, 0));
    assert_eq!(fs::read(log(folder.path())).unwrap(), before);
}

#[test]
fn after_a_kill_at_any_byte_what_was_whole_is_there_and_more_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = Labels::open(folder.path()).unwrap();
    labels.put(label(1, true)).unwrap();
    labels.put(label(2, false)).unwrap();
    let whole = fs::read(log(folder.path())).unwrap();
    for length in 0..=whole.len() {
        fs::write(log(folder.path()), &whole[..length]).unwrap();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
        let mut labels = Labels::open(folder.path()).unwrap();
        assert_eq!((said(&labels).len(), labels.damaged().len()), (lines.saturating_sub(1), 0), "{length}");
        labels.put(label(3, true)).unwrap();
        let read = Labels::read(folder.path()).unwrap();
        assert_eq!((said(&read).len(), read.damaged().len()), (lines.saturating_sub(1) + 1, 0), "{length}");
    }
}

#[test]
fn a_damaged_byte_costs_its_line_and_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = Labels::open(folder.path()).unwrap();
    (1..=3).for_each(|number| labels.put(label(number, true)).unwrap());
    let whole = fs::read(log(folder.path())).unwrap();
    let last = whole.len() - 1;
    for at in 0..last {
        for flip in [1, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            fs::write(log(folder.path()), &damaged).unwrap();
            let read = Labels::read(folder.path()).unwrap();
            let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            // Two lines that lost the line feed between them are one; the version's line holds no label.
            let lost = if line == 1 {
                usize::from(whole[at] == b'\n')
            } else if whole[at] == b'\n' {
                2
            } else {
                1
            };
            assert_eq!(said(&read).len(), 3 - lost, "byte {at}");
            assert_eq!(read.damaged()[0].line, line, "byte {at}");
        }
    }
}

#[test]
fn a_file_by_a_newer_program_and_a_file_of_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"threshflow_labels":2}"#;
    fs::write(log(folder.path()), format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))).unwrap();
    let error = Labels::open(folder.path()).unwrap_err();
    assert!(matches!(error, LabelError::Newer { version: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("use the newer program"), "{error}");
    for other in ["my own notes\nof things\n", "notes without an end"] {
        fs::write(log(folder.path()), other).unwrap();
        let error = Labels::open(folder.path()).unwrap_err();
        assert!(matches!(error, LabelError::NotLabels(_)), "{error}");
        assert_eq!(fs::read_to_string(log(folder.path())).unwrap(), other);
    }
}

#[test]
fn lines_of_this_version_are_read_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let label = r#"{"label":{"dial":"sharp","content":"000102030405060708090a0b0c0d0e0f","said":"good","score":0.7,"draw":0,"rank":18446744073709551615,"drawn":{"stratum":{"start":0,"end":2048},"chance":0.01},"at":"2026-01-31T12:00:00Z"}}"#;
    let draw = r#"{"draw":{"dial":"sharp","at":0.5,"seed":7,"cut":2048,"planned":30,"strata":[{"buckets":{"start":0,"end":2048},"rows":100,"turns":3},{"buckets":{"start":2048,"end":4096},"rows":50,"turns":3}]}}"#;
    let back = r#"{"label":{"dial":"sharp","content":"ff0102030405060708090a0b0c0d0e0f","said":"taken_back","at":"2026-01-31T12:00:00Z"}}"#;
    let text: String = [r#"{"threshflow_labels":1}"#, draw, label, back]
        .map(|json| format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())))
        .concat();
    fs::write(log(folder.path()), &text).unwrap();
    let mut labels = Labels::open(folder.path()).unwrap();
    assert_eq!(
        (labels.labels("sharp").count(), labels.draws("sharp").count(), labels.damaged().len()),
        (1, 1, 0)
    );
    let kept: Vec<Label> = labels.labels("sharp").cloned().collect();
    assert_eq!((kept[0].rank, kept[0].score), (Some(u64::MAX), 0.7));
    // Written today, the same label is the same line.
    labels.put_all(kept).unwrap();
    let now = fs::read_to_string(log(folder.path())).unwrap();
    assert_eq!(now.lines().nth(2), now.lines().nth(4));
}

#[test]
fn a_label_that_would_be_useless_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = Labels::open(folder.path()).unwrap();
    let wrong = [
        Label { score: f32::NAN, ..label(1, true) },
        Label { score: f32::INFINITY, ..label(1, true) },
        Label { dial: String::new(), ..label(1, true) },
        Label { drawn: Some(Drawn { stratum: 0..1, chance: 0.0 }), ..label(1, true) },
        Label { drawn: Some(Drawn { stratum: 0..1, chance: f64::NAN }), ..label(1, true) },
        Label { drawn: Some(Drawn { stratum: 7..7, chance: 0.5 }), ..label(1, true) },
        Label { drawn: Some(Drawn { stratum: 7..4097, chance: 0.5 }), ..label(1, true) },
    ];
    for wrong in wrong {
        assert!(matches!(labels.put_all(vec![label(2, true), wrong]), Err(LabelError::Wrong(_))));
    }
    assert!(labels.add_draw(Draw { at: f32::NAN, ..draw() }).is_err());
    assert_eq!(said(&labels).len(), 0);
    assert!(!log(folder.path()).exists());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_nothing_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = Labels::open(&folder.path().join("none")).unwrap();
    let error = labels.put(label(1, true)).unwrap_err().to_string();
    assert!(error.contains("labels.log") && error.contains("cannot write"), "{error}");
    assert_eq!(said(&labels).len(), 0);
}

#[test]
fn a_summary_says_the_precision_and_by_how_many_labels() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = Labels::open(folder.path()).unwrap();
    let drawn = Some(Drawn { stratum: 0..4096, chance: 1e-9 });
    for number in 0..60 {
        labels.put(Label { drawn: drawn.clone(), ..label(number, number > 2) }).unwrap();
    }
    let rows = population(Passing::AtLeast, &[(0..4096, 1 << 40)]);
    let present = |_| Some((7.0, 1));
    let summary = labels.summary("follows[remove]", 0.0, rows.clone(), present);
    assert_eq!(summary.as_deref(), Some("precision 0.95 [0.86, 0.99] by 60 labels"));
    assert_eq!(labels.summary("other", 0.0, rows, present), None);
}
