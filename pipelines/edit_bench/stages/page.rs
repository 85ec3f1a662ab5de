//! The page of `table` and `compare`: one HTML file with sortable tables and the items with their pictures. It asks for nothing from
//! elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use benchmarks::{Answer, Benchmark, Counting, Item, Judged, Said};
use threshflow::cli::Failure;
use threshflow::report::escape;

use crate::bench::Loaded;
use crate::{html, thumbs};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");
/// The longer side of the pictures, in pixels.
const SIDE: u32 = 288;

/// A table of the page.
pub struct Shown {
    pub title: String,
    /// What is said above it.
    pub said: Vec<String>,
    /// What the reader must know before she compares.
    pub warnings: Vec<String>,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// A cell: its text, a second line, and what it is sorted by.
pub struct Cell {
    pub text: String,
    pub small: String,
    /// `None` sorts by the text.
    pub value: Option<f64>,
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Cell { text: text.into(), small: String::new(), value: None }
    }

    pub fn number(text: impl Into<String>, value: f64) -> Self {
        Cell { text: text.into(), small: String::new(), value: Some(value) }
    }

    pub fn with(self, small: impl Into<String>) -> Self {
        Cell { small: small.into(), ..self }
    }
}

/// Runs of one benchmark, side by side.
pub(crate) struct Items<'a> {
    pub benchmark: &'static Benchmark,
    pub counting: Counting,
    pub runs: &'a [&'a Loaded],
    /// At most so many items are shown.
    pub most: usize,
}

/// The page as text.
pub(crate) fn page(title: &str, tables: &[Shown], items: &[Items<'_>]) -> Result<String, Failure> {
    let mut html = html::head(title, STYLE);
    let _ = write!(html, "<body>\n<h1>{}</h1>\n", escape(title));
    for table in tables {
        write_table(&mut html, table);
    }
    for items in items {
        write_items(&mut html, items)?;
    }
    let _ = write!(html, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    Ok(html)
}

fn write_table(html: &mut String, table: &Shown) {
    let _ = writeln!(html, "<h2>{}</h2>", escape(&table.title));
    for warning in &table.warnings {
        let _ = writeln!(html, "<p class=\"warning\">{}</p>", escape(warning));
    }
    for said in &table.said {
        let _ = writeln!(html, "<p class=\"soft\">{}</p>", escape(said));
    }
    html.push_str("<div class=\"scroll\"><table class=\"sortable\"><thead><tr>");
    let is_number =
        |column: usize| table.rows.iter().any(|row| row.get(column).is_some_and(|it| it.value.is_some()));
    for (place, column) in table.columns.iter().enumerate() {
        let class = if is_number(place) { " class=\"n\"" } else { "" };
        let _ =
            write!(html, "<th scope=\"col\"{class}><button type=\"button\">{}</button></th>", escape(column));
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        html.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            let sort = match (cell.value, is_number(place)) {
                (Some(value), _) if value.is_finite() => format!(" class=\"n\" data-v=\"{value}\""),
                (_, true) => " class=\"n\" data-v=\"\"".to_owned(),
                _ => String::new(),
            };
            let small = match cell.small.as_str() {
                "" => String::new(),
                small => format!("<small>{}</small>", escape(small)),
            };
            let _ = write!(html, "<td{sort}>{}{small}</td>", escape(&cell.text));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

/// An item in all runs.
struct InRuns<'a> {
    item: &'a Item,
    judged: Vec<Option<&'a Judged>>,
    scores: Vec<Option<f64>>,
}

fn write_items(html: &mut String, items: &Items<'_>) -> Result<(), Failure> {
    let all = in_runs(items);
    let shown = chosen(&all, items.most);
    let _ = writeln!(html, "<h2>Items of {}</h2>", escape(items.benchmark.name));
    if shown.len() < all.len() {
        let (n, all) = (shown.len(), all.len());
        let _ = writeln!(
            html,
            "<p class=\"soft\">{n} of {all} items are on this page: those with the lowest scores, with the largest differences, and those \
             that could not be scored. --page-items takes more.</p>"
        );
    }
    write_form(html, items, &shown);
    let thumbs = thumbs::of(&paths_of(items, &shown), SIDE);
    html.push_str("<div class=\"items\">\n");
    for item in &shown {
        write_item(html, items, item, &thumbs);
    }
    html.push_str("</div>\n");
    Ok(())
}

fn in_runs<'a>(items: &Items<'a>) -> Vec<InRuns<'a>> {
    let mut all: BTreeMap<&str, InRuns<'a>> = BTreeMap::new();
    for (place, run) in items.runs.iter().enumerate() {
        for judged in &run.judged {
            let entry = all.entry(judged.item.key.as_str()).or_insert_with(|| InRuns {
                item: &judged.item,
                judged: vec![None; items.runs.len()],
                scores: vec![None; items.runs.len()],
            });
            entry.judged[place] = Some(judged);
            entry.scores[place] = benchmarks::score(items.benchmark, judged, items.counting).score;
        }
    }
    all.into_values().collect()
}

/// The items that say most, where not all are shown: those without a score, then by turns the lowest and those that runs differ in.
fn chosen<'a, 'b>(all: &'b [InRuns<'a>], most: usize) -> Vec<&'b InRuns<'a>> {
    if all.len() <= most {
        return all.iter().collect();
    }
    let lowest = |item: &InRuns<'_>| item.scores.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let spread = |item: &InRuns<'_>| {
        let highest = item.scores.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        highest - lowest(item)
    };
    let unscored = |item: &InRuns<'_>| item.scores.iter().any(Option::is_none);
    let mut by_lowest: Vec<usize> = (0..all.len()).collect();
    by_lowest.sort_by(|a, b| lowest(&all[*a]).total_cmp(&lowest(&all[*b])));
    let mut by_spread: Vec<usize> = (0..all.len()).collect();
    by_spread.sort_by(|a, b| spread(&all[*b]).total_cmp(&spread(&all[*a])));
    let first = (0..all.len()).filter(|place| unscored(&all[*place]));
    let turns = by_lowest.iter().zip(&by_spread).flat_map(|(a, b)| [*a, *b]);
    let mut places = Vec::new();
    let mut seen = vec![false; all.len()];
    for place in first.chain(turns) {
        if places.len() < most && !std::mem::replace(&mut seen[place], true) {
            places.push(place);
        }
    }
    places.sort_unstable();
    places.into_iter().map(|place| &all[place]).collect()
}

fn write_form(html: &mut String, items: &Items<'_>, shown: &[&InRuns<'_>]) {
    let option =
        |value: &str, text: &str| format!("<option value=\"{}\">{}</option>", escape(value), escape(text));
    let mut types: Vec<&str> = shown.iter().map(|item| item.item.rubric.as_str()).collect();
    types.sort_unstable();
    types.dedup();
    let types: String = types.iter().map(|name| option(name, name)).collect();
    let names: Vec<&str> = items.runs.iter().map(|run| run.about.name.as_str()).collect();
    let mut by: String = names.iter().enumerate().map(|(n, name)| option(&n.to_string(), name)).collect();
    for (a, one) in names.iter().enumerate() {
        for (b, other) in names.iter().enumerate().skip(a + 1) {
            by.push_str(&option(&format!("{a}-{b}"), &format!("{other} above {one}")));
        }
    }
    let _ = writeln!(
        html,
        "<form><label>Type <select name=\"type\"><option value=\"\">all</option>{types}</select></label>\
         <label>Show <select name=\"what\"><option value=\"\">all</option><option value=\"refused\">refused by the judge</option>\
         <option value=\"unread\">answers that could not be read</option><option value=\"lacks\">without a picture</option>\
         <option value=\"rule\">breaks the judge's rule</option></select></label>\
         <label>By <select name=\"by\">{by}</select></label>\
         <label>Order <select name=\"order\"><option value=\"file\">by key</option><option value=\"low\">lowest first</option>\
         <option value=\"high\">highest first</option></select></label><output></output></form>"
    );
}

fn before<'a>(items: &Items<'a>, key: &str) -> Option<&'a Path> {
    items.runs.iter().find_map(|run| run.pictures.get(key).map(|path| path.as_path()))
}

fn after<'a>(run: &'a Loaded, key: &str) -> &'a [std::path::PathBuf] {
    run.edited.get(key).map_or(&[], Vec::as_slice)
}

fn paths_of<'a>(items: &Items<'a>, shown: &[&InRuns<'_>]) -> Vec<&'a Path> {
    let mut paths: Vec<&Path> = Vec::new();
    for item in shown {
        paths.extend(before(items, &item.item.key));
        for run in items.runs {
            paths.extend(after(run, &item.item.key).iter().map(|path| path.as_path()));
        }
    }
    paths.sort_unstable();
    paths.dedup();
    paths
}

fn write_item(html: &mut String, items: &Items<'_>, item: &InRuns<'_>, thumbs: &thumbs::Thumbs) {
    let key = item.item.key.as_str();
    let scores = serde_json::to_string(&item.scores).unwrap_or_default();
    let mut flags: Vec<&str> = item.judged.iter().flatten().flat_map(|judged| flags(items, judged)).collect();
    flags.sort_unstable();
    flags.dedup();
    let _ = write!(
        html,
        "<article class=\"item\" tabindex=\"-1\" data-type=\"{}\" data-flags=\"{}\" data-scores=\"{}\"><h3><span class=\"key\">{} {}</span>{}</h3>\
         <div class=\"sides\">",
        escape(&item.item.rubric),
        flags.join(" "),
        escape(&scores),
        escape(&item.item.rubric),
        escape(key),
        escape(&item.item.prompts.join(" · ")),
    );
    let picture = |path: Option<&Path>| html::picture(thumbs, path);
    let _ = write!(html, "<figure>{}<figcaption>before</figcaption></figure>", picture(before(items, key)));
    for ((run, judged), score) in items.runs.iter().zip(&item.judged).zip(&item.scores) {
        let turns = after(run, key);
        let mut pictures: String = turns.iter().map(|path| picture(Some(path))).collect();
        if turns.is_empty() {
            pictures = picture(None);
        }
        let score = score.map_or("no score".to_owned(), |score| format!("{score:.2}"));
        let _ = write!(
            html,
            "<figure>{pictures}<figcaption>{} <b>{score}</b>{}</figcaption></figure>",
            escape(&run.about.name),
            judged.map_or_else(String::new, said)
        );
    }
    html.push_str("</div></article>\n");
}

fn flags(items: &Items<'_>, judged: &Judged) -> Vec<&'static str> {
    let mut flags = Vec::new();
    if judged.lacks.is_some() {
        flags.push("lacks");
    }
    for answer in &judged.answers {
        match &answer.said {
            said @ Said::Refused { .. } => {
                flags.push(if said.refusal().is_some() { "refused" } else { "unread" })
            }
            Said::Text(text) => {
                let Some(ask) = items.benchmark.ask(&answer.ask) else { continue };
                let read = benchmarks::read(items.benchmark, ask, text, items.counting.parser);
                flags.extend(read.unread.is_some().then_some("unread"));
                flags.extend(read.breaks_rule.then_some("rule"));
            }
        }
    }
    flags
}

/// What the judge said, pass by pass.
fn said(judged: &Judged) -> String {
    if let Some(lacks) = &judged.lacks {
        return format!(
            "<span class=\"said refused\">{}: {}</span>",
            escape(&lacks.class),
            escape(&lacks.message)
        );
    }
    let several = judged.answers.iter().any(|answer| answer.pass > 1);
    let one = |answer: &Answer| {
        let pass = if several { format!("pass {}: ", answer.pass) } else { String::new() };
        match &answer.said {
            // Line breaks say something in an answer of lines.
            Said::Text(text) => {
                let lines: Vec<String> = text.lines().map(escape).collect();
                format!("<span class=\"said\">{pass}{}</span>", lines.join("\n"))
            }
            Said::Refused { class, message } => {
                format!("<span class=\"said refused\">{pass}{}: {}</span>", escape(class), escape(message))
            }
        }
    };
    judged.answers.iter().map(one).collect()
}
