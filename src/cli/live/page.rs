//! The page of the live session: its files, which lie in the program, and its first text, which shows something before a script runs.

use std::fmt::Write;

use crate::flow::Comparison;
use crate::report::escape;

const TEMPLATE: &str = include_str!("page/index.html");
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// By name under `/page/`: its media type and its text. A browser takes no script of another media type.
const FILES: [(&str, &str, &str); 22] = [
    ("api.js", SCRIPT, include_str!("page/api.js")),
    ("banner.js", SCRIPT, include_str!("page/banner.js")),
    ("dials.js", SCRIPT, include_str!("page/dials.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("drawing.js", SCRIPT, include_str!("page/drawing.js")),
    ("format.js", SCRIPT, include_str!("page/format.js")),
    ("funnel.js", SCRIPT, include_str!("page/funnel.js")),
    ("head.js", SCRIPT, include_str!("page/head.js")),
    ("histogram.js", SCRIPT, include_str!("page/histogram.js")),
    ("labels.js", SCRIPT, include_str!("page/labels.js")),
    ("link.js", SCRIPT, include_str!("page/link.js")),
    ("main.js", SCRIPT, include_str!("page/main.js")),
    ("pictures.js", SCRIPT, include_str!("page/pictures.js")),
    ("plot.js", SCRIPT, include_str!("page/plot.js")),
    ("pointer.js", SCRIPT, include_str!("page/pointer.js")),
    ("row.js", SCRIPT, include_str!("page/row.js")),
    ("state.js", SCRIPT, include_str!("page/state.js")),
    ("strip.js", SCRIPT, include_str!("page/strip.js")),
    ("style.css", STYLE, include_str!("page/style.css")),
    ("tabs.js", SCRIPT, include_str!("page/tabs.js")),
    ("tiles.js", SCRIPT, include_str!("page/tiles.js")),
    ("turns.js", SCRIPT, include_str!("page/turns.js")),
];

/// What the session is at the moment that the page is asked for.
pub(super) struct Start<'a> {
    pub pipeline: &'a str,
    pub rows: u64,
    pub kept: u64,
    pub dials: Vec<DialAtStart<'a>>,
}

/// One dial of it.
pub(super) struct DialAtStart<'a> {
    pub name: &'a str,
    pub comparison: Comparison,
    pub value: f32,
    /// Rows that reach its gate, and those of them that it lets pass.
    pub reach: u64,
    pub pass: u64,
}

/// A file of the page, `api.js`: its media type and its text. `None` where there is none of that name.
pub(super) fn file(name: &str) -> Option<(&'static str, &'static str)> {
    FILES.iter().find(|(known, ..)| *known == name).map(|(_, media_type, text)| (*media_type, *text))
}

/// The page. Without a start, which a request without the token is not given, it says nothing of the session; its scripts ask for the token.
pub(super) fn html(start: Option<&Start<'_>>) -> String {
    let (mut page, mut rest) = (String::with_capacity(2 * TEMPLATE.len()), TEMPLATE);
    // Place by place, and never over what was filled in: a pipeline may be named `{{rows}}`.
    while let Some((before, place, after)) = next_place(rest) {
        page.push_str(before);
        match (place, start) {
            ("title", None) => page.push_str("live session"),
            (_, None) => {}
            ("title", Some(start)) => page.push_str(&escape(&format!("{}: live session", start.pipeline))),
            ("pipeline", Some(start)) => page.push_str(&escape(start.pipeline)),
            ("rows", Some(start)) => page.push_str(&start.rows.to_string()),
            ("kept", Some(start)) => page.push_str(&start.kept.to_string()),
            ("dials", Some(start)) => start.dials.iter().for_each(|dial| strip(&mut page, dial)),
            (_, Some(_)) => {}
        }
        rest = after;
    }
    page + rest
}

fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, from_place) = text.split_once("{{")?;
    let (place, after) = from_place.split_once("}}")?;
    Some((before, place, after))
}

/// As dials.js makes it, less what can be turned.
fn strip(page: &mut String, dial: &DialAtStart<'_>) {
    let DialAtStart { name, comparison, value, reach, pass } = dial;
    // Writing to a string cannot fail.
    let _ = writeln!(
        page,
        "<section class=\"strip\"><div class=\"strip-head\"><h3 class=\"strip-name\">{}</h3>\
         <span class=\"strip-value\"><span class=\"strip-sign\">{}</span> <b>{value}</b></span>\
         <span class=\"strip-passes\">{pass} of {reach} pass</span></div></section>",
        escape(name),
        escape(comparison.sign()),
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn start<'a>(pipeline: &'a str, dial: &'a str) -> Start<'a> {
        let dial =
            DialAtStart { name: dial, comparison: Comparison::AtLeast, value: 4.75, reach: 900, pass: 420 };
        Start { pipeline, rows: 1000, kept: 420, dials: vec![dial] }
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_program_and_every_import_is_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/live/page");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "index.html")
            .collect();
        assert_eq!(there, FILES.iter().map(|(name, ..)| (*name).to_owned()).collect());
        for (name, _, text) in FILES {
            for line in text.lines().filter(|line| line.contains(" from \"") || line.starts_with("import \""))
            {
                let imported = line.split('"').nth(1).unwrap().strip_prefix("./").unwrap();
                assert!(file(imported).is_some(), "{name}: {line}");
            }
        }
        assert_eq!(file("../page.rs"), None);
    }

    #[test]
    fn the_policy_of_the_page_is_kept() {
        // The server's headers allow no script, style or handler in the page itself, and no other host.
        for (name, text) in
            FILES.iter().map(|(name, _, text)| (*name, *text)).chain([("index.html", TEMPLATE)])
        {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacent",
                "document.write",
                "eval(",
                "new Function",
                "https:",
                " style: ",
            ] {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
            let hosts = text
                .match_indices("http:")
                .filter(|(at, _)| !text[*at..].starts_with("http://www.w3.org/2000/svg"));
            assert_eq!(hosts.count(), 0, "{name}");
        }
        for forbidden in [" style=", " onclick", " onload", "<style", "javascript:"] {
            assert!(!TEMPLATE.contains(forbidden), "{forbidden}");
        }
        assert_eq!(
            TEMPLATE.matches("<script").count(),
            TEMPLATE.matches("<script type=\"module\" src=\"/page/").count()
        );
    }

    #[test]
    fn what_is_filled_in_stays_text() {
        let page = html(Some(&start("{{rows}}<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>")));
        assert!(page.contains("{{rows}}&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
        assert!(page.contains("&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"), "{page}");
        assert!(page.contains("&gt;=</span> <b>4.75</b>") && page.contains("420 of 900 pass"), "{page}");
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn without_the_token_it_says_nothing_of_the_session() {
        let page = html(None);
        assert!(!page.contains("{{") && page.contains("<title>live session</title>"), "{page}");
        assert_eq!(html(Some(&start("imgedit", "aesthetic"))).matches("{{").count(), 0);
        assert!(!page.contains("class=\"strip\""), "{page}");
    }
}
