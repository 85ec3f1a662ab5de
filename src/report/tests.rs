//! The page as a whole, on a set that lies in a tar.

use std::io::Cursor;
use std::sync::Arc;

use super::*;
use crate::flow::{Comparison, Histogram};
use crate::publish::{DialSetting, StageDescription, WantedShard};
use crate::row::{Of, Refused, Verdict};
use crate::shard::{ReadOptions, find};

const SPEC: DialSpec = DialSpec {
    name: "aesthetic",
    group: None,
    unit: "0 to 10",
    comparison: Comparison::Above,
    default: 4.75,
    low: 0.0,
    high: 10.0,
    about: "How pleasing a <picture> must be.",
};
const DIAL: DialSetting = DialSetting {
    name: "aesthetic",
    group: None,
    unit: "0 to 10",
    comparison: ">",
    value: 5.25,
    share: None,
    default: 4.75,
    labels: None,
    about: SPEC.about,
};
const STAGES: [StageDescription; 2] =
    [StageDescription::Probe, StageDescription::Gate { dial: "aesthetic", of: Of::Pictures, open: false }];
const HOSTILE: &str = "<script>alert('1')&\"";

/// Marks one region with a hostile noun; panics at pictures of 13 pixels' width, refuses those of 14.
struct Stub;

impl Illustrator for Stub {
    fn illustrate(&self, shown: &Shown<'_>) -> Result<Illustration, Refusal> {
        assert_ne!(shown.picture.width, 13, "cannot bear this");
        if shown.picture.width == 14 {
            return Err(Refusal::permanent("bad_picture", "<b>cut</b>"));
        }
        let mark = Mark {
            noun: "</svg><script>".to_owned(),
            kind: RegionKind::Object,
            scores: vec![("score".to_owned(), 0.5)],
            bbox: [0.1, 0.2, 2.0, f32::NAN],
            colour: [1, 2, 255],
        };
        Ok(Illustration {
            media_type: "image/png",
            bytes: shown.bytes.to_vec(),
            width: shown.picture.width.into(),
            height: shown.picture.height.into(),
            marks: vec![mark],
        })
    }

    fn sheet(&self, pictures: &[OnSheet<'_>]) -> Option<Result<Vec<u8>, String>> {
        Some(Ok(pictures.iter().map(|on_sheet| on_sheet.caption.len() as u8).collect()))
    }
}

fn png(width: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::new(width, 9).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A tar of pictures; the verdicts of its rows are the caller's.
fn catalogue(folder: &Path, pictures: &[(String, u32)]) -> Catalogue {
    let mut tar = tar::Builder::new(std::fs::File::create(folder.join("a&b.tar")).unwrap());
    for (key, width) in pictures {
        let bytes = png(*width);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("{key}.png"), bytes.as_slice()).unwrap();
    }
    tar.finish().unwrap();
    let catalogue = Catalogue::open(&folder.join("store"), ReadOptions::default(), true).unwrap();
    let found = find(&[folder.join("a&b.tar").display().to_string()]).unwrap();
    catalogue.load(&found[0]).unwrap();
    catalogue
}

fn kept() -> Verdict {
    Verdict::Kept(Box::new([6.5]))
}

/// Writes a page about these rows and gives its text, and what was written.
fn page_of(pictures: &[(String, u32)], verdicts: &[Verdict], threads: usize) -> (String, Vec<u8>, Written) {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = catalogue(folder.path(), pictures);
    let wanted = Wanted {
        pipeline: "tested",
        stages: &STAGES,
        dials: &[DIAL],
        score_columns: &["aesthetic"],
        shards: vec![WantedShard { seq: 0, name: "a&b", verdicts }],
        pieces: None,
        demonstration: &[],
    };
    let histogram = Histogram::default();
    histogram.count(2000, verdicts.len() as isize);
    let report = Report {
        wanted: &wanted,
        dials: &[SPEC],
        histograms: &[Arc::new(histogram)],
        illustrator: Some(&Stub),
        threads,
    };
    let page = folder.path().join("report.html");
    check(&page).unwrap();
    let written = write(&page, &report, &catalogue).unwrap();
    let sheet = written.sheet.as_ref().map(|sheet| std::fs::read(sheet).unwrap()).unwrap_or_default();
    (std::fs::read_to_string(page).unwrap(), sheet, written)
}

fn mixed() -> (Vec<(String, u32)>, Vec<Verdict>) {
    let refused =
        Refused { stage: "probe".into(), refusal: Refusal::permanent("cut_picture", "it ends <early>") };
    let ends = [
        (HOSTILE.to_owned(), 10, kept()),
        ("gives-up".to_owned(), 13, kept()),
        ("refuses".to_owned(), 14, kept()),
        ("near".to_owned(), 11, Verdict::Gated { dial: "aesthetic", score: 5.249_99 }),
        ("far".to_owned(), 12, Verdict::Gated { dial: "aesthetic", score: 1.0 }),
        ("lost".to_owned(), 15, Verdict::Refused(Box::new(refused))),
    ];
    ends.into_iter().map(|(key, width, verdict)| ((key, width), verdict)).unzip()
}

/// Panics unless every tag that is opened is closed, in order, and none lies within another's attributes.
fn check_tags(page: &str) {
    let (mut open, mut rest) = (Vec::new(), page.strip_prefix("<!DOCTYPE html>").expect("a document"));
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a stray >: {}", &rest[..at]);
        let end = rest[at..].find('>').expect("every tag ends") + at;
        let tag = &rest[at + 1..end];
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a name");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{tag}");
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name), "{tag} closes what is open"),
            (_, true) => {}
            _ => open.push(name),
        }
        rest = &rest[end + 1..];
        if name == "style" && !tag.starts_with('/') {
            rest = &rest[rest.find("</style>").expect("styles end")..];
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

#[test]
fn the_page_is_whole_and_harmless() {
    let (pictures, verdicts) = mixed();
    let (page, sheet, written) = page_of(&pictures, &verdicts, 3);
    check_tags(&page);
    let fetches = ["http:", "https:", "src=\"/", "url("].iter().any(|what| page.contains(what));
    assert!(!page.contains("<script") && !fetches, "nothing runs, nothing is fetched");
    // A browser holds it too, whatever text finds its way into the page.
    let policy = "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"";
    assert!(page.contains(policy), "{}", &page[..400]);
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&amp;&quot;"), "the hostile key is shown");
    assert!(page.contains("&lt;/svg&gt;&lt;script&gt; 0.50"), "the hostile noun is shown");
    assert!(page.contains("a&amp;b/near"));
    assert_eq!(written.shown, [3, 3]);
    // Of three kept pictures one could be drawn: the sheet has one caption.
    assert_eq!(sheet, [format!("a&b/{HOSTILE}  aesthetic 6.50").len() as u8]);
    assert!(page.contains("cannot be shown: &lt;b&gt;cut&lt;/b&gt;"));
    assert!(page.contains("cannot be shown: what draws it gave up"));
}

#[test]
fn dials_counts_and_reasons_are_told() {
    let (pictures, verdicts) = mixed();
    let (page, ..) = page_of(&pictures, &verdicts, 1);
    for words in [
        "<h1>tested: 3 of 6 pictures kept</h1>",
        "<code>aesthetic</code> &gt; 5.25 <span class=\"soft\">(0 to 10, default 4.75)</span>",
        "6 scores came to it; it was the first to hold back 2.",
        "Held back by aesthetic <span class=\"soft\">(2 of 2)</span>",
        "Refused by probe: cut_picture <span class=\"soft\">(1 of 1)</span>",
        "aesthetic 5.24999 is not &gt; 5.25",
        "aesthetic 1 is not &gt; 5.25",
        "probe: cut_picture: it ends &lt;early&gt;",
    ] {
        assert!(page.contains(words), "{words} is not in the page");
    }
    // The funnel: 6 in, 1 refused by the probe; 5 in, 2 held back, 3 out.
    let cells: Vec<&str> = page
        .split("<td class=\"n")
        .skip(1)
        .filter_map(|cell| cell.split_once('>')?.1.split('<').next())
        .collect();
    assert_eq!(&cells[..4], ["6", "0", "1", "5"]);
    assert_eq!(&cells[5..9], ["5", "2", "0", "3"]);
}

#[test]
fn the_same_set_gives_the_same_bytes() {
    let (pictures, verdicts) = mixed();
    let first = page_of(&pictures, &verdicts, 1);
    let again = page_of(&pictures, &verdicts, 4);
    assert_eq!((&first.0, &first.1), (&again.0, &again.1), "in another folder, on other threads");
    let (mut pictures, mut verdicts) = (pictures, verdicts);
    (pictures[3].1, verdicts[3]) = (10, kept());
    assert_ne!(first.0, page_of(&pictures, &verdicts, 1).0);
}

#[test]
fn large_sets_are_shown_in_part() {
    let pictures: Vec<(String, u32)> = (0..150).map(|n| (format!("{n:03}"), 10)).collect();
    let verdict = |n| if n % 2 == 0 { kept() } else { Verdict::Gated { dial: "aesthetic", score: 1.0 } };
    let verdicts: Vec<Verdict> = (0..150).map(verdict).collect();
    let (page, _, written) = page_of(&pictures, &verdicts, 2);
    assert_eq!(written.shown, [MOST_PICTURES; 2]);
    assert!(page.contains("60 of 75, evenly spread"), "how many are shown is said");
    assert!(page.contains("(60 of 75)"));
}

#[test]
fn a_page_must_have_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (name, why) in [("", "a folder"), ("no/report.html", "not there"), ("report.png", "contact sheet")] {
        let error = check(&folder.path().join(name)).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(check(&folder.path().join("report.html")).is_ok());
    assert!(check(Path::new("report.html")).is_ok());
}
