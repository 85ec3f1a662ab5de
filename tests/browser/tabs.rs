//! Two tabs at one session: what one of them does, the other shows, without a reload.

use fantoccini::key::Key;
use tests::program::Desk;

use crate::{desk, visit};

fn asked() -> Desk {
    let desk = desk();
    desk.done("");
    desk
}

#[test]
fn what_one_tab_turns_the_other_shows() {
    visit(asked, "", |_, page| {
        let first = page.this_tab();
        let second = page.in_new_tab();
        let mark = |tab| {
            page.switch_to(tab);
            page.read("window.marked = true");
        };
        [&first, &second].into_iter().for_each(mark);
        let mut seen = vec![page.kept()];
        for (here, there) in [(&first, &second), (&second, &first), (&first, &second)] {
            page.switch_to(here);
            let before = page.value_of("short_side");
            page.drag("short_side", &[15.0, 30.0]);
            page.until("turned dial", || (page.value_of("short_side") != before).then_some(()));
            page.until_true();
            let value = page.value_of("short_side");
            let kept = page.kept();
            page.switch_to(there);
            page.until(&format!("dial at {value} in the other tab"), || {
                (page.value_of("short_side") == value).then_some(())
            });
            page.until_true();
            assert_eq!((page.kept(), page.read("return window.marked")), (kept, true.into()));
            seen.push(kept);
        }
        assert!(seen.windows(2).all(|two| two[0] > two[1]), "{seen:?}");
        // A step back in one is one in the other.
        page.switch_to(&second);
        page.press(&[Key::Control.into(), 'z']);
        page.switch_to(&first);
        page.until("step back in the other tab", || (page.number("#kept") == Some(seen[2])).then_some(()));
        assert_eq!(page.read("return window.marked"), true);
    });
}
