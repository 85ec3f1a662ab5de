//! `run --report`: the page is a function of the set, whoever writes it and how often.

use crate::desk;

#[test]
fn the_page_is_written_and_is_the_same_each_time() {
    let (desk, _) = desk();
    let first = desk.run("--report page.html").expect(0, &[]);
    assert!(first.stdout.contains("report: page.html ("), "{}", first.stdout);
    let page = std::fs::read_to_string(desk.path("page.html")).expect("the page is there");
    let summary = std::fs::read_to_string(desk.path("out/summary.json")).expect("the summary is there");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("is JSON");
    let title = format!("curate: {} of {} pictures kept", summary["kept"], summary["rows"]);
    for words in [title.as_str(), "<code>short_side</code> &gt; 12", "<code>taste</code> &gt;= 4.5"] {
        assert!(page.contains(words), "{words} is not in the page");
    }
    // Nobody shows pictures here, and there is no sheet of them.
    assert!(!page.contains("<image") && !desk.path("page.png").exists());
    assert!(!page.contains(&desk.folder.path().display().to_string()), "no path of the machine");

    // From the memo, after a turn there and back.
    desk.run("--set taste=7 --report turned.html").expect(0, &[]);
    desk.run("--report again.html").expect(0, &[]);
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).expect("the page is there");
    assert_ne!(page, read("turned.html"));
    assert_eq!(page, read("again.html"));
    // From nothing, with more workers.
    std::fs::remove_dir_all(desk.path("store")).expect("is removed");
    std::fs::remove_dir_all(desk.path("out")).expect("is removed");
    desk.run("--workers 3 --report fresh.html").expect(0, &[]);
    assert_eq!(page, read("fresh.html"));
}

#[test]
fn a_page_that_cannot_be_written_is_said_before_anything_is_asked() {
    let (desk, _) = desk();
    desk.run("--report no/page.html").expect(2, &["--report no/page.html", "its folder is not there"]);
    desk.run("--report page.png").expect(2, &["contact sheet"]);
    assert!(!desk.path("out").exists());
}
