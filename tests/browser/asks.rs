//! What an apply would ask, applying, and publishing, by the buttons; and a tab that is closed in the middle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tests::program::{Desk, asks, wait_for_asks};
use tests::resident::assert_published;

use crate::page::Page;
use crate::pictures::{ALL, side};
use crate::{desk, plan, visit};

/// Without a judge, whom a refused mask keeps from being asked: what is foretold of masks is asked exactly.
const FLAGS: &str = "--no-judge --log-asks asks.log";

/// Holds the answer to an apply back for longer than this one takes.
const LATE_ANSWER: &str = "const now = window.fetch;\
     window.fetch = async (path, options) => {\
       const answer = await now(path, options);\
       if (path === '/api/apply') {\
         await new Promise(resolve => setTimeout(resolve, 1500));\
         setTimeout(() => { window.late = true; }, 100);\
       }\
       return answer;\
     };";

fn asked_before() -> Desk {
    let desk = desk();
    desk.done(&format!("{FLAGS} --set short_side=30 --set sure=0.5"));
    desk
}

/// Lines of the log of asks, by stage.
fn by_stage(desk: &Desk) -> BTreeMap<String, u64> {
    let mut stages = BTreeMap::new();
    for line in asks(&desk.path("asks.log")) {
        *stages.entry(line.split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    stages
}

/// What the page says that an apply would ask, by stage.
fn foretold(page: &Page<'_>) -> BTreeMap<String, u64> {
    let script = "return [...document.querySelectorAll('#plan bdi')].map(name => [name.textContent, name.previousElementSibling.textContent])";
    let pairs: Vec<(String, String)> = serde_json::from_value(page.read(script)).expect("names and numbers");
    let number = |text: String| {
        text.chars().filter(char::is_ascii_digit).collect::<String>().parse().expect("a number")
    };
    pairs.into_iter().map(|(stage, count)| (stage, number(count))).collect()
}

/// Waits until the page foretells what `is_it` takes.
fn until_foretold(
    page: &Page<'_>,
    what: &str,
    is_it: impl Fn(&BTreeMap<String, u64>) -> bool,
) -> BTreeMap<String, u64> {
    page.until(what, || Some(foretold(page)).filter(|stages| is_it(stages)))
}

/// Presses Apply, and waits for the end of it.
fn apply(page: &Page<'_>) {
    page.click("#apply");
    page.until("end of the asking", || {
        let state = page.session.get("/api/state");
        (state["applying"].is_null() && state["undecided"] == 0 && page.text("#progress").is_none())
            .then_some(())
    });
    let state = page.until_true();
    assert_eq!(
        (&state["decided"], page.number(".fact.undecided b")),
        (&Value::Bool(true), Some(0)),
        "{state}"
    );
    page.until("word that nothing is left to ask", || {
        page.text("#plan").filter(|text| text.contains("An apply would ask nothing"))
    });
}

fn grown(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>, stage: &str) -> u64 {
    after.get(stage).copied().unwrap_or(0) - before.get(stage).copied().unwrap_or(0)
}

#[test]
fn what_the_page_foretells_is_asked_and_what_it_publishes_is_what_a_run_publishes() {
    visit(asked_before, &format!("{FLAGS} --set short_side=30 --set sure=0.5"), |desk, page| {
        let before = by_stage(desk);
        page.until("word that nothing is left to ask", || {
            page.text("#plan").filter(|text| text.contains("An apply would ask nothing"))
        });
        // More pictures: as many as their sizes say. What is asked after their words depends on these.
        page.drag("short_side", &[-15.0, -20.0, -25.0]);
        page.until("turned dial", || (page.value_of("short_side") != "30").then_some(()));
        page.until_true();
        let value: f64 = page.value_of("short_side").parse().unwrap();
        let waiting = (0..ALL).filter(|n| f64::from(side(*n)) > value && side(*n) <= 30).count() as u64;
        assert!(waiting > 3, "above {value}");
        assert_eq!(page.number(".fact.undecided b"), Some(waiting), "above {value}");
        let said = BTreeMap::from([("words".to_owned(), waiting)]);
        until_foretold(page, &format!("word that {said:?} would be asked"), |stages| *stages == said);
        assert_eq!(by_stage(desk), before, "nothing is asked by a turn");
        assert!(!page.is_enabled("#publish"), "rows are undecided");
        apply(page);
        let after = by_stage(desk);
        // Each has words: regions are looked for in each.
        for stage in ["words", "find"] {
            assert_eq!(grown(&before, &after, stage), waiting, "{stage}: {before:?} {after:?}");
        }
        // More regions: masks of them, and nothing else that is logged.
        page.drag("sure", &[-40.0, -60.0]);
        page.until("turned dial", || (page.value_of("sure") != "0.5").then_some(()));
        page.until_true();
        let said =
            until_foretold(page, "word that masks would be asked", |stages| stages.contains_key("mask"));
        let masks = said["mask"];
        assert!(masks > 3, "{said:?}");
        // This time, the answer to the click comes after the events that tell the end.
        page.read(LATE_ANSWER);
        apply(page);
        page.until("late answer", || (page.read("return window.late") == true).then_some(()));
        assert_eq!(page.text("#progress"), None, "nothing is asked any more");
        let last = by_stage(desk);
        let all = ["words", "find", "mask", "judge"].map(|stage| grown(&after, &last, stage));
        assert_eq!(all, [0, 0, masks, 0], "{said:?}");
        let asked = asks(&desk.path("asks.log"));
        assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len(), "something was asked twice");

        page.click("#publish");
        let kept = page.until("word of what was published", || {
            page.text(".banner.note").filter(|text| text.starts_with("Published"))
        });
        assert!(kept.starts_with(&format!("Published {} row", page.kept())), "{kept}");
        let state = page.until_true();
        assert_eq!((&state["enter"], &state["leave"]), (&0.into(), &0.into()), "{state}");
        let flags = state["flags"].as_str().unwrap().replace('\'', "");
        assert_published(desk, &format!("--no-judge {flags}"), &flags);
    });
}

/// A tab more, so that the browser stays when the first is closed.
fn with_another_tab(page: &Page<'_>) -> fantoccini::wd::WindowHandle {
    page.chrome.wait(page.chrome.client().new_window(true)).handle
}

#[test]
fn a_tab_that_is_closed_in_the_middle_of_a_drag_leaves_the_dial_where_it_came_to() {
    visit(asked_before, &format!("{FLAGS} --set short_side=30 --set sure=0.5"), |desk, page| {
        let other = with_another_tab(page);
        page.pull("short_side", &[-10.0, -15.0, -10.0, -5.0]);
        page.until("turned dial", || (page.value_of("short_side") != "30").then_some(()));
        page.close_tab();
        page.switch_to(&other);
        // A turn that was on its way may come yet.
        let mut state = page.session.get("/api/state");
        page.until("state that stands still", || {
            std::thread::sleep(Duration::from_millis(300));
            let before = std::mem::replace(&mut state, page.session.get("/api/state"));
            (before["version"] == state["version"]).then_some(())
        });
        assert_eq!(state["undo"], 1, "what came of the drag is one step: {state}");
        let value = state["dials"][0]["value"].as_f64().unwrap();
        assert!(value > 20.0 && value < 30.0, "{state}");
        let planned = plan(desk, "--no-judge", &state["flags"]);
        assert_eq!(state["undecided"], planned["total"]["undecided"], "{state} {planned}");
        // A new tab shows it, and can take it back.
        page.reopen();
        page.until_true();
        assert_eq!(page.value_of("short_side").parse::<f32>().unwrap(), value as f32);
        page.click("#undo");
        page.until("dial where it stood", || (page.value_of("short_side") == "30").then_some(()));
        assert_eq!(page.session.get("/api/state")["flags"], "--set short_side=30 --set sure=0.5");
    });
}

#[test]
fn a_tab_that_is_closed_in_the_middle_of_an_apply_stops_nothing() {
    visit(desk, "--cores 2 --slow 20 --log-asks asks.log", |desk, page| {
        let log = desk.path("asks.log");
        let other = with_another_tab(page);
        page.click("#apply");
        wait_for_asks(&log, 30);
        page.close_tab();
        let asked = asks(&log).len();
        page.switch_to(&other);
        let state = page.session.rest();
        assert!(asks(&log).len() > asked + 30, "the tab was closed too late: {asked} were asked");
        assert_eq!((&state["undecided"], &state["decided"]), (&0.into(), &true.into()), "{state}");
        let lines = asks(&log);
        assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len(), "something was asked twice");
        page.reopen();
        page.until_true();
        assert_eq!(page.kept(), state["kept"].as_u64().unwrap());
        page.click("#publish");
        page.until("word of what was published", || {
            page.text(".banner.note").filter(|text| text.starts_with("Published"))
        });
        assert_published(desk, "", "after a tab was closed");
    });
}
