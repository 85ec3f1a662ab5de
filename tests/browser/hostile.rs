//! What comes from outside stays text; and the browser's logs, by which every test is judged, tell what they have to tell.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tests::program::Desk;
use tests::shards::Sample;

use crate::chrome::Chrome;
use crate::page::foreign;
use crate::{desk, pictures, visit};

/// Each would run if it were read as HTML; without a point or a stroke, which part a key.
const KEY: &str = "\"><img src=x onerror=window['pwned']=1>";
const CAPTION: &str = "</p><script>window.pwned = 2</script> \"it's\" <b>bold</b> &amp; \u{202e}";
const WORD: &str = "o<svg onload='window.pwned=3'>";

fn hostile() -> Desk {
    let desk = desk();
    let json = serde_json::json!({ "tags": [WORD], "caption": CAPTION }).to_string();
    let sample = Sample { key: KEY.to_owned(), picture: pictures::png(900), json: Some(json) };
    desk.shard("c", &[sample]);
    desk
}

#[test]
fn keys_captions_and_words_are_shown_as_text() {
    // All of its regions are kept, so that their words are drawn.
    let open = "--set sure=0 --set object_area=0 --set object_large=0 --set quality=0 --set short_side=10";
    let last = pictures::side(900);
    visit(hostile, open, |_, page| {
        page.session.apply();
        page.session.turn("short_side", &(f64::from(last) - 0.5).to_string());
        page.until_true();
        let keys = || {
            page.read(
                "return [...document.querySelectorAll('.tile-key')].map(it => it.textContent).join('\\n')",
            )
        };
        page.until("tile of the key", || keys().as_str()?.contains(KEY).then_some(()));
        page.read_of("[...document.querySelectorAll('.tile')].find(it => it.textContent.includes(arguments[0])).click()", &[KEY]);
        let title = page.until("story of the row", || page.text("#row-dialog h2"));
        assert_eq!(title, format!("c/{KEY}"));
        let caption = page.text("#row-dialog .caption").expect("the caption");
        assert_eq!(caption, CAPTION.replace('\u{202e}', "\u{fffd}"));
        let marks = page.until("marked picture", || {
            let marks = page.read("return [...document.querySelectorAll('#row-dialog .over text')].map(it => it.textContent).join('\\n')");
            marks.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        });
        assert!(marks.contains("o<svg"), "{marks}");
        // As soon as one of them were an element, it would have run by now.
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(page.read("return typeof window.pwned"), "undefined");
        assert_eq!(
            page.read(
                "return document.querySelectorAll('img[src=x], svg[onload], b > script, main script').length"
            ),
            0
        );
    });
}

#[test]
fn the_logs_tell_of_requests_to_elsewhere_and_of_what_the_console_says() {
    let Some(chrome) = Chrome::start() else { return };
    let elsewhere = "http://elsewhere.invalid/picture.png";
    chrome.wait(chrome.client().goto(&format!("data:text/html,<img src='{elsewhere}'>")));
    let begin = Instant::now();
    let mut asked = Vec::new();
    while !asked.iter().any(|address| address == elsewhere) {
        assert!(begin.elapsed() < Duration::from_secs(10), "only {asked:?} were noticed");
        asked.extend(chrome.asked_for());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(foreign(&asked, "http://127.0.0.1:7317").contains(&elsewhere), "{asked:?}");
    let alike =
        ["http://127.0.0.1:73170/x", "http://127.0.0.1:7317.invalid/", "http://127.0.0.1:7317/api/state"];
    let alike = alike.map(str::to_owned);
    assert_eq!(foreign(&alike, "http://127.0.0.1:7317"), alike[..2]);
    // In another tab, too.
    let tab = chrome.wait(chrome.client().new_window(true));
    chrome.wait(chrome.client().switch_to_window(tab.handle));
    chrome.complaints();
    chrome.wait(chrome.client().execute("console.warn('a warning'); console.error('an error'); console.log('a word'); fetch(arguments[0]).catch(() => {})", vec![elsewhere.into()]));
    let (mut asked, mut said) = (Vec::new(), Vec::new());
    while asked.is_empty() || said.len() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(20), "only {asked:?} and {said:?} were noticed");
        asked.extend(chrome.asked_for().into_iter().filter(|address| address == elsewhere));
        said.extend(chrome.complaints());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(said[0].contains("a warning") && said[1].contains("an error"), "{said:?}");
    assert!(!said.iter().any(|line| line.contains("a word")), "{said:?}");
}

#[test]
fn a_test_that_panics_leaves_no_browser_behind() {
    let mut processes = Vec::new();
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let Some(chrome) = Chrome::start() else { return };
        processes = chrome.processes();
        std::panic::resume_unwind(Box::new("a test fails"));
    }));
    if panics.is_ok() {
        return;
    }
    assert!(processes.len() > 2, "Chromium is more than a process: {processes:?}");
    let begin = Instant::now();
    let runs = |id: &&u32| {
        // One that ended and waits for a parent that does not ask for it does nothing more.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !matches!(stat.rsplit(") ").next().and_then(|rest| rest.chars().next()), None | Some('Z'))
    };
    while processes.iter().filter(runs).count() > 0 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{processes:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
