//! The page of a session, in a browser: Chromium without a window, driven by real keys and a real mouse. What the page shows is
//! compared with the session, with commands beside it, with the pipeline's log of asks, and with arithmetic of the test's own.
//!
//! Every test ends with a look at the browser's logs: nothing on the console, no request to elsewhere.

mod asks;
mod chrome;
mod hostile;
mod keyboard;
mod labels;
mod page;
mod pictures;
mod tabs;
mod turns;

use serde_json::Value;
use tests::program::{Desk, ended};
use tests::resident::Resident;

use chrome::Chrome;
use page::Page;

/// Shards of the pictures of [`pictures`].
fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    for (n, name) in ["a", "b"].iter().enumerate() {
        let from = n as u64 * pictures::EACH;
        desk.shard(name, &pictures::samples(from..from + pictures::EACH));
    }
    desk
}

/// Opens the page of a session with these flags, on this desk. Where there is no browser, nothing happens.
fn visit(desk: impl FnOnce() -> Desk, flags: &str, work: impl FnOnce(&Desk, &Page<'_>)) {
    let Some(chrome) = Chrome::start() else { return };
    let desk = desk();
    let session = Resident::start(&desk, flags);
    let page = Page::open(&chrome, &session);
    work(&desk, &page);
    page.assert_clean();
}

/// What the command `plan` says beside the session, with these flags of the pipeline and the dials where the session says they stand.
fn plan(desk: &Desk, flags: &str, dials: &Value) -> Value {
    let dials = dials.as_str().expect("flags are a text").replace('\'', "");
    let ended = ended(&mut desk.command("plan", &format!("--json {flags} {dials}")));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.json()
}
