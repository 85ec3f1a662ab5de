//! Turning dials with the mouse: counts, pictures at the cut, and steps back.

use std::collections::BTreeSet;

use fantoccini::key::Key;
use serde_json::Value;
use tests::program::Desk;

use crate::page::{Page, Tile};
use crate::pictures::{ALL, number_of, side};
use crate::{desk, plan, visit};

/// A desk on which a run asked about the pictures above 20 pixels, and published what was kept.
fn partly_asked() -> Desk {
    let desk = desk();
    desk.done("--set short_side=20");
    desk
}

/// The counts of the page, of the session, and of the command `plan` beside it are the same. The plan.
fn assert_counts(desk: &Desk, page: &Page<'_>) -> Value {
    let state = page.until_true();
    let planned = plan(desk, "", &state["flags"]);
    let number = |name: &str| planned["total"][name].as_u64().unwrap();
    let was = state["published"]["rows"].as_u64().unwrap();
    assert_eq!(page.kept(), was + number("enter") - number("leave"), "{planned}");
    assert_eq!(page.number(".fact.undecided b"), Some(number("undecided")), "{planned}");
    for dial in state["dials"].as_array().unwrap() {
        let name = dial["name"].as_str().unwrap();
        let at = |value: &Value| value.as_f64().unwrap() as f32;
        assert_eq!(at(&dial["value"]), at(&planned["to"][name]), "{name}: {planned}");
        assert_eq!(dial["pass"].as_u64(), Some(page.passing(name)), "{name}: {dial}");
    }
    planned
}

/// The keys of the pictures at the cut of the short side, of both sides: those of the session, shown, and each decoded.
fn at_the_cut(page: &Page<'_>) -> [BTreeSet<String>; 2] {
    let cut = page.session.get("/api/cut?dial=short_side&most=12");
    let wanted = ["below", "above"].map(|side| {
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let tile = |row| Tile { id: text(row, "id"), key: text(row, "key"), is_loaded: true };
        cut[side].as_array().unwrap().iter().map(tile).collect::<Vec<_>>()
    });
    page.until(&format!("pictures at the cut {wanted:?}"), || {
        (["held", "pass"].map(|side| page.tiles(side)) == wanted).then_some(())
    });
    wanted.map(|tiles| tiles.into_iter().map(|tile| tile.key).collect())
}

#[test]
fn the_page_says_what_the_session_and_the_command_plan_say() {
    visit(partly_asked, "", |desk, page| {
        let planned = assert_counts(desk, page);
        // Of this run and of no other, with arithmetic of the test's own.
        let waiting = (0..ALL).filter(|n| side(*n) > 10 && side(*n) <= 20).count() as u64;
        assert_eq!(planned["total"]["undecided"], waiting, "{planned}");
        assert!(waiting > 5 && page.kept() > 5, "{planned}");
        assert_eq!(page.number("#rows"), Some(ALL));
        // Sides are whole numbers, and those of exactly 10 are held back: their bar is drawn so, right of the needle too.
        page.needle("short_side");
        let colours = "const strip = document.querySelector(`.strip[aria-label=\"${arguments[0]}\"]`);\n\
                       const moved = (css) => Number(/translate\\(([-0-9.]+)/.exec(strip.querySelector(css).getAttribute('transform'))[1]);\n\
                       return Number(strip.querySelector('clipPath rect').getAttribute('x')) + moved('.bars') - moved('.needle');";
        page.until("bars of 10 pixels that are held back", || {
            let beyond = page.read_of(colours, &["short_side"]).as_f64()?;
            (beyond > 1.0).then_some(())
        });
        let names: BTreeSet<&String> = planned["to"].as_object().unwrap().keys().collect();
        let strips = page.strips();
        assert_eq!((strips.len(), strips.iter().collect()), (names.len(), names));
        assert_eq!(page.passing("short_side"), (0..ALL).filter(|n| side(*n) > 10).count() as u64);
        // The token leaves the address bar at once.
        assert_eq!(page.address(), format!("{}/", page.session.base));
    });
}

#[test]
fn a_needle_that_is_dragged_turns_its_dial_and_the_pictures_at_the_cut_and_is_one_step() {
    visit(partly_asked, "--set short_side=22", |desk, page| {
        let before = assert_counts(desk, page);
        let (kept, pictures) = (page.kept(), at_the_cut(page));
        assert_eq!(page.session.get("/api/state")["undo"], 0);
        page.drag("short_side", &[10.0, 25.0, 30.0, 35.0, -5.0]);
        page.until("turned dial", || (page.value_of("short_side") != "22").then_some(()));
        let after = assert_counts(desk, page);
        // Where the needle rests, every count is that of the sizes.
        let value: f64 = page.value_of("short_side").parse().unwrap();
        assert!(value > 24.0 && value < 41.0, "{value}");
        let passing = (0..ALL).filter(|n| f64::from(side(*n)) > value).count() as u64;
        assert_eq!(page.passing("short_side"), passing, "above {value}");
        assert!(page.kept() < kept, "{before} {after}");
        let turned = at_the_cut(page);
        assert_ne!(turned, pictures, "other pictures are at another cut");
        for (passes, keys) in [false, true].into_iter().zip(&turned) {
            let is_right = |key: &String| (f64::from(side(number_of(key))) > value) == passes;
            assert!(keys.len() == 12 && keys.iter().all(is_right), "{value}: {keys:?}");
        }
        assert_eq!(page.session.get("/api/state")["undo"], 1, "a drag is one step");
        page.click("#undo");
        page.until("dial where it stood", || (page.value_of("short_side") == "22").then_some(()));
        page.until_true();
        assert_eq!((page.kept(), at_the_cut(page)), (kept, pictures));
    });
}

#[test]
fn steps_are_taken_back_and_again_by_buttons_and_by_keys() {
    visit(partly_asked, "--set short_side=20", |_, page| {
        let stands = |value: &str, undo: u64, redo: u64| {
            page.until(&format!("dial at {value}, {undo} steps back and {redo} forward"), || {
                let state = page.session.get("/api/state");
                let shown = page.value_of("short_side") == value && state["dials"][0]["setting"] == value;
                (shown && state["undo"] == undo && state["redo"] == redo).then_some(())
            });
            page.until_true();
            page.kept()
        };
        let first = stands("20", 0, 0);
        assert!(!page.is_enabled("#undo"), "there is nothing to take back");
        page.drag("short_side", &[20.0, 40.0]);
        let turned = page.until("turned dial", || Some(page.value_of("short_side")).filter(|it| it != "20"));
        let kept = stands(&turned, 1, 0);
        assert_ne!(kept, first);
        page.click("#undo");
        assert_eq!(stands("20", 0, 1), first);
        page.click("#redo");
        assert_eq!(stands(&turned, 1, 0), kept);
        page.press(&[Key::Control.into(), 'z']);
        assert_eq!(stands("20", 0, 1), first);
        page.press(&[Key::Control.into(), Key::Shift.into(), 'z']);
        assert_eq!(stands(&turned, 1, 0), kept);
        page.press(&[Key::Control.into(), 'z']);
        page.press(&[Key::Control.into(), 'y']);
        assert_eq!(stands(&turned, 1, 0), kept);
    });
}
