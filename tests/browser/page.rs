//! The session's page, as somebody sees and uses it: what stands there, the mouse, the keys, and tabs.

use std::time::{Duration, Instant};

use fantoccini::actions::{
    InputSource, KeyAction, KeyActions, MOUSE_BUTTON_LEFT, MouseActions, PointerAction,
};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Locator, wd::WindowHandle};
use serde_json::{Value, json};
use tests::resident::Resident;

use crate::chrome::Chrome;

/// What the page may take for anything; under load too.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of the dials that can be seen: their names, and where they stand.
const SHOWN_VALUES: &str = "return [...document.querySelectorAll('.strip')].filter(strip => {\
      const { top, bottom } = strip.getBoundingClientRect();\
      return bottom > 0 && top < innerHeight;\
    }).map(strip => [strip.getAttribute('aria-label'), strip.querySelector('.field.value').value])";
/// Of a page, in a message.
const MOST_SAID: usize = 3000;

/// A tab that shows the page.
pub struct Page<'a> {
    pub chrome: &'a Chrome,
    pub session: &'a Resident,
}

/// A picture that is shown at the cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// Of the row, from the address of its picture.
    pub id: String,
    /// As it is written under the picture.
    pub key: String,
    /// Whether the browser has decoded the picture.
    pub is_loaded: bool,
}

impl<'a> Page<'a> {
    /// Opens the address that the session printed, in the tab that is there.
    pub fn open(chrome: &'a Chrome, session: &'a Resident) -> Self {
        let page = Page { chrome, session };
        page.reopen();
        page
    }

    /// Waits until the counts came and the histograms are drawn.
    pub fn until_ready(&self) {
        self.until("drawn dials", || {
            let drawn =
                self.read("return document.querySelectorAll('.strip .handle[style*=transform]').length");
            (drawn.as_u64()? > 0).then_some(())
        });
    }

    /// What a script says.
    pub fn read(&self, script: &str) -> Value {
        self.read_of(script, &[])
    }

    /// The same with `arguments[0]` and so on.
    pub fn read_of(&self, script: &str, arguments: &[&str]) -> Value {
        let arguments = arguments.iter().map(|text| json!(text)).collect();
        self.chrome.wait(self.chrome.client().execute(script, arguments))
    }

    /// Waits until `found` finds something; panics with what the page shows where it does not in time.
    pub fn until<T>(&self, what: &str, found: impl FnMut() -> Option<T>) -> T {
        self.until_within(PATIENCE, what, found)
    }

    pub fn until_within<T>(&self, patience: Duration, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            if begin.elapsed() > patience {
                let shown = self.read("return document.body.innerText");
                let shown: String = shown.as_str().unwrap_or_default().chars().take(MOST_SAID).collect();
                let state = self.session.get("/api/state");
                let counts =
                    ["version", "kept", "enter", "leave", "undecided", "applying", "undo", "redo", "flags"];
                let counts: Vec<String> =
                    counts.iter().map(|name| format!("{name}: {}", state[*name])).collect();
                panic!(
                    "in {patience:?}, there was no {what}. The page shows:\n{shown}\nThe session says: {}\nThe console says: {:?}",
                    counts.join(", "),
                    self.chrome.complaints(),
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The text of an element as it is seen; `None` where there is none, or nobody sees it.
    pub fn text(&self, css: &str) -> Option<String> {
        let script = "const at = document.querySelector(arguments[0]);\
                      return at && at.checkVisibility() ? at.innerText : null";
        self.read_of(script, &[css]).as_str().map(str::to_owned)
    }

    /// The number that stands in an element.
    pub fn number(&self, css: &str) -> Option<u64> {
        let text = self.text(css)?;
        text.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()
    }

    /// Rows that are kept, as the head says it.
    pub fn kept(&self) -> u64 {
        self.number("#kept").expect("a number")
    }

    /// Waits until the page says what the session says: rows that are kept, entering, leaving and undecided, and where each dial stands, which
    /// it says of a needle before the session knows. The session's state then.
    pub fn until_true(&self) -> Value {
        self.until("page that says what the session says", || {
            let shown: Vec<(String, String)> = serde_json::from_value(self.read(SHOWN_VALUES)).ok()?;
            let state = self.session.get("/api/state");
            let dials = state["dials"].as_array()?;
            // They are shown with four digits behind the point.
            let stands = |(name, value): &(String, String)| {
                let dial = dials.iter().find(|dial| dial["name"] == **name)?;
                let apart = value.parse::<f64>().ok()? - dial["value"].as_f64()?;
                (apart.abs() < 0.000_051).then_some(())
            };
            let stand = !shown.is_empty() && shown.iter().all(|dial| stands(dial).is_some());
            let said = [
                ("kept", "#kept"),
                ("enter", ".fact.enter b"),
                ("leave", ".fact.leave b"),
                ("undecided", ".fact.undecided b"),
            ];
            let counted = said.iter().all(|(name, css)| self.number(css) == state[*name].as_u64());
            (stand && counted).then_some(state)
        })
    }

    /// The dials whose strips are drawn, in order.
    pub fn strips(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('#strips .strip')].map(it => it.getAttribute('aria-label'))";
        serde_json::from_value(self.read(script)).expect("names")
    }

    /// Where the needle of a dial says that it stands, in the field beside its name.
    pub fn value_of(&self, dial: &str) -> String {
        let script =
            "return document.querySelector(`.strip[aria-label=\"${arguments[0]}\"] .field.value`).value";
        self.read_of(script, &[dial]).as_str().expect("a text").to_owned()
    }

    /// The rows that pass a dial, as its strip says it. A strip says what is true as soon as somebody sees it.
    pub fn passing(&self, dial: &str) -> u64 {
        let css = format!(".strip[aria-label=\"{dial}\"]");
        self.read_of("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", &[&css]);
        let script = "return document.querySelector(arguments[0] + ' .field.rows').value";
        let number = || {
            let text = self.read_of(script, &[&css]).as_str()?.to_owned();
            text.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()
        };
        // What is scrolled to is drawn a frame later.
        let (mut last, mut times) = (number(), 0);
        self.until(&format!("number of rows that pass {dial}"), || {
            let now = number();
            times = if now == last { times + 1 } else { 0 };
            last = now;
            last.filter(|_| times > 3)
        })
    }

    /// The tiles at the cut, nearest first: of the side `held` or `pass`.
    pub fn tiles(&self, side: &str) -> Vec<Tile> {
        let script = "return [...document.querySelectorAll(`#panel-at-the-cut .cut-side.${arguments[0]} .tile`)].map(tile => {\
                        const img = tile.querySelector('img');\
                        const isLoaded = Boolean(img?.complete && img.naturalWidth > 0);\
                        return [img?.getAttribute('src') ?? '', tile.querySelector('.tile-key').textContent, isLoaded];\
                      })";
        let all: Vec<(String, String, bool)> =
            serde_json::from_value(self.read_of(script, &[side])).expect("addresses and keys");
        let id = |address: String| {
            address.strip_prefix("/api/image/").and_then(|rest| Some(rest.split_once('/')?.0.to_owned()))
        };
        let tile = |(address, key, is_loaded)| Tile { id: id(address).unwrap_or_default(), key, is_loaded };
        all.into_iter().map(tile).collect()
    }

    pub fn find(&self, css: &str) -> Element {
        self.chrome.wait(self.chrome.client().find(Locator::Css(css)))
    }

    pub fn is_enabled(&self, css: &str) -> bool {
        self.read_of("return document.querySelector(arguments[0])?.disabled === false", &[css]) == true
    }

    /// What stands in the address bar.
    pub fn address(&self) -> String {
        self.chrome.wait(self.chrome.client().current_url()).to_string()
    }

    /// Clicks in the middle of an element, as soon as it can be.
    pub fn click(&self, css: &str) {
        self.until(&format!("{css} that can be clicked"), || self.is_enabled(css).then_some(()));
        self.chrome.wait(self.find(css).click());
    }

    /// The needle of a dial, scrolled to.
    pub fn needle(&self, dial: &str) -> Element {
        let css = format!(".strip[aria-label=\"{dial}\"] .handle");
        self.read_of("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", &[&css]);
        self.until(&format!("drawn needle of {dial}"), || {
            let drawn =
                self.read_of("return document.querySelector(arguments[0]).style.transform !== ''", &[&css]);
            drawn.as_bool()?.then_some(())
        });
        self.find(&css)
    }

    /// Takes the needle and moves it by these steps in pixels, one after the other; the button stays down.
    pub fn pull(&self, dial: &str, steps: &[f64]) {
        let needle = self.needle(dial);
        let mut mouse = mouse()
            .then(PointerAction::MoveToElement { element: needle, duration: None, x: 0.0, y: 0.0 })
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT });
        for step in steps {
            let duration = Some(Duration::from_millis(30));
            mouse = mouse.then(PointerAction::MoveBy { duration, x: *step, y: 0.0 });
        }
        self.chrome.wait(self.chrome.client().perform_actions(mouse));
    }

    pub fn let_go(&self) {
        let mouse = mouse().then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        self.chrome.wait(self.chrome.client().perform_actions(mouse));
    }

    pub fn drag(&self, dial: &str, steps: &[f64]) {
        self.pull(dial, steps);
        self.let_go();
    }

    /// Presses keys together, and lets them go: `&[Key::Control.into(), 'z']`.
    pub fn press(&self, keys: &[char]) {
        let mut typed = KeyActions::new("keys".to_owned());
        for key in keys {
            typed = typed.then(KeyAction::Down { value: *key });
        }
        for key in keys.iter().rev() {
            typed = typed.then(KeyAction::Up { value: *key });
        }
        self.chrome.wait(self.chrome.client().perform_actions(typed));
    }

    pub fn key(&self, key: Key) {
        self.keys(&[key]);
    }

    /// Presses one key after the other.
    pub fn keys(&self, keys: &[Key]) {
        let mut typed = KeyActions::new("keys".to_owned());
        for key in keys {
            typed = typed.then(KeyAction::Down { value: (*key).into() });
            typed = typed.then(KeyAction::Up { value: (*key).into() });
        }
        self.chrome.wait(self.chrome.client().perform_actions(typed));
    }

    /// Whether what has the focus is, or lies in, what `css` names.
    pub fn is_focused(&self, css: &str) -> bool {
        self.read_of("return Boolean(document.activeElement.closest(arguments[0]))", &[css]) == true
    }

    /// Goes on by Tab until the focus is at `css`.
    pub fn tab_to(&self, css: &str) {
        for _ in 0..200 {
            if self.is_focused(css) {
                return;
            }
            self.key(Key::Tab);
        }
        panic!(
            "no Tab of 200 came to {css}; the focus is at {}",
            self.read("return document.activeElement.outerHTML")
        );
    }

    /// Opens the page in another tab, which is then the one that is used.
    pub fn in_new_tab(&self) -> WindowHandle {
        let made = self.chrome.wait(self.chrome.client().new_window(true));
        self.switch_to(&made.handle);
        self.reopen();
        made.handle
    }

    /// Opens the page in the tab that is used.
    pub fn reopen(&self) {
        self.chrome.wait(self.chrome.client().goto(&self.session.url()));
        self.until_ready();
    }

    pub fn this_tab(&self) -> WindowHandle {
        self.chrome.wait(self.chrome.client().window())
    }

    pub fn switch_to(&self, tab: &WindowHandle) {
        self.chrome.wait(self.chrome.client().switch_to_window(tab.clone()));
    }

    /// Closes the tab that is used, as its cross does.
    pub fn close_tab(&self) {
        self.chrome.wait(self.chrome.client().close_window());
    }

    /// Panics where the console has an error or a warning, or where a tab asked for anything that is not the session's.
    pub fn assert_clean(&self) {
        assert_eq!(self.chrome.complaints(), Vec::<String>::new(), "on the console");
        let asked = self.chrome.asked_for();
        let own = format!("{}/api/state", self.session.base);
        assert!(asked.contains(&own), "not even {own} was noticed: {asked:?}");
        let elsewhere = foreign(&asked, &self.session.base);
        assert!(elsewhere.is_empty(), "{} requests to elsewhere, such as {}", elsewhere.len(), elsewhere[0]);
    }
}

/// The addresses that are not of `base`. An icon and a new tab are written out in their own address, and ask nobody.
pub fn foreign<'a>(asked: &'a [String], base: &str) -> Vec<&'a str> {
    let own = format!("{base}/");
    let is_own =
        |address: &&str| address.starts_with(&own) || *address == "data:," || *address == "about:blank";
    asked.iter().map(String::as_str).filter(|address| !is_own(address)).collect()
}

fn mouse() -> MouseActions {
    MouseActions::new("mouse".to_owned())
}
