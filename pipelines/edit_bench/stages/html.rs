//! What the pages share: their head, and how a picture is shown.

use std::path::Path;

use threshflow::report::escape;

use crate::thumbs::Thumbs;

/// The head of a page that asks for nothing from elsewhere, up to the end of `</head>`.
pub(crate) fn head(title: &str, style: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n<title>{}</title>\n<style>\n{style}</style>\n</head>\n",
        escape(title)
    )
}

/// A picture, or why there is none.
pub(crate) fn picture(thumbs: &Thumbs, path: Option<&Path>) -> String {
    match path.map(|path| thumbs.get(path)) {
        Some(Ok(data)) => format!("<img alt=\"\" src=\"{data}\">"),
        Some(Err(why)) => format!("<div class=\"none\">{}</div>", escape(why)),
        None => "<div class=\"none\">there is no picture</div>".to_owned(),
    }
}
