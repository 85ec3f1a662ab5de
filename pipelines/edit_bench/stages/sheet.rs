//! The sheet for people: one page with the pictures of every case and a yes or no for each turn, and the same as CSV. What a rater answers
//! is saved as CSV by the page, and read back by `agreement`.

use std::fmt::Write;
use std::path::Path;

use threshflow::report::escape;

use crate::bench::Loaded;
use crate::{html, thumbs};

const STYLE: &str = include_str!("sheet/style.css");
const SCRIPT: &str = include_str!("sheet/script.js");
/// The longer side of the pictures, in pixels.
const SIDE: u32 = 640;

/// The page.
pub(crate) fn page(run: &Loaded) -> String {
    let title = format!("{}, {}", run.about.benchmark, run.about.name);
    let mut html = html::head(&title, STYLE);
    let _ = write!(
        html,
        "<body data-sheet=\"{0} {1}\">\n<h1>{0}</h1>\n\
         <p>For each turn: does the picture do what the words ask, given the picture before it? <kbd>Y</kbd> is yes, <kbd>N</kbd> is no; \
         the arrow keys go on and back. Save the CSV at the end, and give it back.</p>\n",
        escape(&title),
        escape(&run.about.items),
    );
    let paths: Vec<&Path> = run
        .judged
        .iter()
        .flat_map(|judged| {
            let key = &judged.item.key;
            run.pictures.get(key).into_iter().chain(run.edited.get(key).into_iter().flatten())
        })
        .map(|path| path.as_path())
        .collect();
    let thumbs = thumbs::of(&paths, SIDE);
    let picture = |path: Option<&Path>| html::picture(&thumbs, path);
    for judged in &run.judged {
        let (key, item) = (&judged.item.key, &judged.item);
        let before = run.pictures.get(key).map(|path| path.as_path());
        let edited = run.edited.get(key).map_or(&[][..], Vec::as_slice);
        let _ = write!(
            html,
            "<section><h2>{}</h2><div class=\"case\"><figure>{}<figcaption>the picture</figcaption></figure>",
            escape(key),
            picture(before)
        );
        for (turn, prompt) in item.prompts.iter().enumerate() {
            let _ = write!(
                html,
                "<figure class=\"turn\" tabindex=\"0\" data-key=\"{}\" data-turn=\"{}\">{}<figcaption>{}. {}</figcaption>\
                 <button type=\"button\" value=\"yes\" aria-pressed=\"false\">yes</button>\
                 <button type=\"button\" value=\"no\" aria-pressed=\"false\">no</button></figure>",
                escape(key),
                turn + 1,
                picture(edited.get(turn).map(|path| path.as_path())),
                turn + 1,
                escape(prompt)
            );
        }
        html.push_str("</div></section>\n");
    }
    let _ = write!(
        html,
        "<footer><label>You are <input id=\"rater\" autocomplete=\"name\"></label><button type=\"button\" id=\"save\">Save as CSV</button>\
         <output></output></footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    );
    html
}
