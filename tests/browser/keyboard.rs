//! The keyboard alone: from the opened page to what is published, without a mouse.

use fantoccini::key::Key;
use tests::resident::assert_published;

use crate::pictures::{ALL, number_of, side};
use crate::{desk, visit};

#[test]
fn dials_rows_apply_and_publish_are_reached_by_keys_alone() {
    visit(desk, "", |desk, page| {
        // To the needle of the first dial, and up and down: by 1/4096 and by 5 % of the scale.
        page.tab_to(".strip[aria-label=short_side] .handle");
        page.keys(&[Key::Right, Key::Right, Key::PageUp, Key::Up, Key::PageUp, Key::PageDown, Key::Left]);
        page.until("dial 5 % and two buckets up", || {
            let shown: f64 = page.value_of("short_side").parse().ok()?;
            ((shown - 15.0 - 2.0 * 100.0 / 4096.0).abs() < 1e-3).then_some(())
        });
        let state = page.until_true();
        assert_eq!(state["undo"], 1, "keys in a row are one step: {state}");
        let passing = (0..ALL).filter(|n| side(*n) > 15).count() as u64;
        assert_eq!(page.passing("short_side"), passing);
        // The next dial.
        page.press(&['j']);
        page.until("focus at the next dial", || {
            page.is_focused(".strip[aria-label=sure] .handle").then_some(())
        });
        page.press(&['k']);
        page.until("focus back", || page.is_focused(".strip[aria-label=short_side] .handle").then_some(()));
        // To a picture at the cut, its story, and back.
        page.press(&['p']);
        page.until("focus at the tabs", || page.is_focused("#tabs").then_some(()));
        page.until("pictures at the cut", || {
            (page.tiles("pass").iter().filter(|tile| tile.is_loaded).count() > 3).then_some(())
        });
        page.tab_to(".cut-side.pass .tile");
        page.key(Key::Enter);
        let story = page.until("story of a row", || page.text("#row-dialog .story"));
        let title = page.text("#row-dialog h2").expect("the row's name");
        assert!(
            story.len() > 10 && side(number_of(&title)) == 16,
            "the nearest that passes 15: {title}: {story}"
        );
        page.key(Key::Right);
        page.until("next row of the list", || page.text("#row-dialog h2").filter(|next| *next != title));
        page.key(Key::Escape);
        page.until("closed story", || page.text("#row-dialog").is_none().then_some(()));
        assert!(page.is_focused(".cut-side.pass .tile"), "the focus is back where it was");
        // Apply and publish.
        page.tab_to("#apply");
        page.key(Key::Enter);
        page.until("decided rows", || {
            let state = page.session.get("/api/state");
            (state["applying"].is_null() && state["decided"] == true).then_some(())
        });
        page.until_true();
        page.until("button that publishes", || page.is_enabled("#publish").then_some(()));
        page.tab_to("#publish");
        page.key(Key::Enter);
        page.until("word of what was published", || {
            page.text(".banner.note").filter(|text| text.starts_with("Published"))
        });
        let flags = page.session.get("/api/state")["flags"].as_str().unwrap().replace('\'', "");
        assert_published(desk, &flags, &flags);
    });
}
