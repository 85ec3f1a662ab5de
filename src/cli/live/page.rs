//! The page: files that are part of the program, and the dials as HTML, so that something stands there before a script runs.

use std::fmt::Write;

use super::view::{Counts, DialView};
use crate::report::escape;
use crate::web::Response;

const INDEX: &str = include_str!("page/index.html");

/// A file of the page: its name, its media type, and its text.
type File = (&'static str, &'static str, &'static str);

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, media_type($name), include_str!(concat!("page/", $name)))),+]
    };
}

const FILES: &[File] = files![
    "api.js",
    "banner.js",
    "dials.js",
    "dom.js",
    "drawing.js",
    "format.js",
    "funnel.js",
    "head.js",
    "histogram.js",
    "labels.js",
    "link.js",
    "main.js",
    "pictures.js",
    "plot.js",
    "pointer.js",
    "row.js",
    "state.js",
    "strip.js",
    "style.css",
    "tabs.js",
    "tiles.js",
    "turns.js",
];

const fn media_type(name: &str) -> &'static str {
    match name.as_bytes() {
        [.., b'.', b'c', b's', b's'] => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    }
}

/// A file of the page.
pub(super) fn file(name: &str) -> Option<Response> {
    let (_, media_type, text) = FILES.iter().find(|(known, ..)| *known == name)?;
    Some(Response::bytes(*media_type, text.as_bytes().to_vec()))
}

/// The page itself; with how things stand, for those who have the token.
pub(super) fn index(counts: Option<&Counts>) -> Response {
    let of = |text: &dyn Fn(&Counts) -> String| counts.map_or_else(String::new, text);
    let pipeline = of(&|counts| escape(counts.pipeline));
    let title = if pipeline.is_empty() { "Threshflow".to_owned() } else { format!("{pipeline}, live") };
    let places = [
        ("{{title}}", title),
        ("{{pipeline}}", pipeline),
        ("{{kept}}", of(&|counts| counts.kept.to_string())),
        ("{{rows}}", of(&|counts| counts.rows.to_string())),
        ("{{dials}}", of(&|counts| counts.dials.iter().map(dial).collect())),
    ];
    let mut page = String::with_capacity(INDEX.len());
    let mut rest = INDEX;
    // One pass: what is filled in is not looked at again.
    while let Some((at, place, text)) = places
        .iter()
        .filter_map(|(place, text)| Some((rest.find(place)?, *place, text)))
        .min_by_key(|(at, ..)| *at)
    {
        page.push_str(&rest[..at]);
        page.push_str(text);
        rest = &rest[at + place.len()..];
    }
    page.push_str(rest);
    Response::html(page)
}

fn dial(dial: &DialView) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "<p>{} {} {} ({}): {} of {} rows pass</p>",
        escape(dial.name),
        escape(dial.comparison),
        dial.value,
        escape(dial.unit),
        dial.pass,
        dial.reach
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every module that the page loads is one of its files, and every file is loaded by some other.
    #[test]
    fn the_page_is_whole() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/live/page");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy())
            .filter(|name| name != "index.html")
            .collect();
        there.sort();
        let known: Vec<&str> = FILES.iter().map(|(name, ..)| *name).collect();
        assert_eq!(there, known);
        for name in known {
            let loads = |text: &str| {
                text.contains(&format!("./{name}\"")) || text.contains(&format!("/page/{name}\""))
            };
            assert!(
                loads(INDEX) || FILES.iter().any(|(.., text)| loads(text)),
                "{name} is loaded by nothing"
            );
        }
        assert!(
            !INDEX.contains("style=\"") && !INDEX.contains("onclick"),
            "the page binds itself to no inline code"
        );
    }
}
