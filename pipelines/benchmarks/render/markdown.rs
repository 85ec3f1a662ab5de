//! Tables as Markdown.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Tables, estimate, short, shown, two, yes};
use crate::bootstrap::{CONFIDENCE, RESAMPLES};
use crate::table::{BY_GROUPS, BY_ITEMS, Part, Row};

pub(super) fn of(tables: &Tables) -> String {
    let Some(first) = tables.entries.first() else { return "No model was run.\n".to_owned() };
    let mut text = format!("# {}\n\n", escaped(&first.table.benchmark));
    for warning in tables.warnings() {
        text += &format!("> **Warning:** {}\n\n", escaped(&warning));
    }
    text += &scores(tables);
    text += &format!(
        "\nA mean is over the items with a score; a refusal, an unread answer or a missing picture is no score. In brackets is the {:.0} % interval, by {RESAMPLES} resamples of the items.\n\n",
        CONFIDENCE * 100.0
    );
    text += &counted(tables);
    text += "\n";
    text += &made(tables);
    text
}

/// A row: its name, and its cell for a model.
type Line<'a> = (String, Box<dyn Fn(&Entry) -> String + 'a>);

/// A table, of which each row has a cell for each model.
fn grid(tables: &Tables, head: &str, rows: &[Line<'_>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = std::iter::once(head.to_owned()).chain(tables.entries.iter().map(|it| escaped(&it.model)));
    let mut text = line(head.collect());
    text += &format!("|---|{}\n", "---:|".repeat(tables.entries.len()));
    for (name, cell) in rows {
        let cells = std::iter::once(escaped(name)).chain(tables.entries.iter().map(|it| escaped(&cell(it))));
        text += &line(cells.collect());
    }
    text
}

fn scores(tables: &Tables) -> String {
    let mut rows: Vec<Line<'_>> = Vec::new();
    let accurate = tables.entries.iter().any(|it| it.table.all.row.accuracy.is_some());
    let mut parts: Vec<String> = vec!["all".to_owned()];
    for subset in tables.entries.iter().flat_map(|it| &it.table.subsets) {
        if !parts.contains(&subset.name) {
            parts.push(subset.name.clone());
        }
    }
    for name in parts {
        let named = |what: &str| if name == "all" { what.to_owned() } else { format!("{name}: {what}") };
        let (items, groups, right) = (name.clone(), name.clone(), name.clone());
        rows.push((
            named(BY_ITEMS),
            Box::new(move |it| estimate(part(it, &items).and_then(|it| it.by_items))),
        ));
        rows.push((
            named(BY_GROUPS),
            Box::new(move |it| estimate(part(it, &groups).and_then(|it| it.by_groups))),
        ));
        if accurate {
            let accuracy = move |it: &Entry| estimate(part(it, &right).and_then(|it| it.row.accuracy));
            rows.push((named("accuracy"), Box::new(accuracy)));
        }
    }
    let dimensions: BTreeSet<(&String, &String)> = tables
        .entries
        .iter()
        .flat_map(|it| {
            it.table
                .groups
                .iter()
                .flat_map(|(dimension, groups)| groups.keys().map(move |it| (dimension, it)))
        })
        .collect();
    for (dimension, group) in dimensions {
        let cell = move |it: &Entry| match row_of(it, dimension, group) {
            Some(row) => format!("{} ({}/{})", estimate(row.mean), row.scored, row.n),
            None => "-".to_owned(),
        };
        rows.push((format!("{dimension} {group}"), Box::new(cell)));
    }
    let names: BTreeSet<&String> = tables.entries.iter().flat_map(|it| it.table.scores.keys()).collect();
    for name in names {
        let cell = move |it: &Entry| match it.table.scores.get(name) {
            Some((n, mean)) => format!("{} ({n})", estimate(*mean)),
            None => "-".to_owned(),
        };
        rows.push((format!("score {name}"), Box::new(cell)));
    }
    grid(tables, "mean", &rows)
}

fn part<'a>(it: &'a Entry, name: &str) -> Option<&'a Part> {
    std::iter::once(&it.table.all).chain(&it.table.subsets).find(|part| part.name == name)
}

fn row_of<'a>(it: &'a Entry, dimension: &str, group: &str) -> Option<&'a Row> {
    it.table.groups.get(dimension)?.get(group)
}

fn counted(tables: &Tables) -> String {
    let mut rows: Vec<Line<'_>> = Vec::new();
    let mut count = |name: &str, of: fn(&Row) -> usize| {
        rows.push((name.to_owned(), Box::new(move |it| of(&it.table.all.row).to_string())));
    };
    count("items (n)", |row| row.n);
    count("scored", |row| row.scored);
    count("without a score: the judge refused", |row| row.refused);
    count("without a score: answers unread", |row| row.unread);
    count("without a score: not asked in full", |row| row.unasked);
    let classes = |of: fn(&Row) -> &BTreeMap<String, usize>| -> BTreeSet<String> {
        tables.entries.iter().flat_map(|it| of(&it.table.all.row).keys().cloned()).collect()
    };
    for class in classes(|row| &row.lacking) {
        let name = format!("without a score: {class}");
        rows.push((name, Box::new(move |it| times(&it.table.all.row.lacking, &class))));
    }
    let mut count = |name: &str, of: fn(&Row) -> usize| {
        rows.push((name.to_owned(), Box::new(move |it| of(&it.table.all.row).to_string())));
    };
    count("answers", |row| row.answers);
    count("answers unread", |row| row.unread_answers);
    count("answers that break the rubric's rule", |row| row.rule_breaking);
    count("lines that upstream's rule drops or takes wrongly", |row| row.dropped_lines);
    for class in classes(|row| &row.refusals) {
        rows.push((
            format!("answers refused: {class}"),
            Box::new(move |it| times(&it.table.all.row.refusals, &class)),
        ));
    }
    for class in classes(|row| &row.missing_answers) {
        rows.push((
            format!("answers unread: {class}"),
            Box::new(move |it| times(&it.table.all.row.missing_answers, &class)),
        ));
    }
    rows.push(("passes".to_owned(), Box::new(|it| passes(it).to_string())));
    let maybe = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), two);
    rows.push(("highest less lowest pass".to_owned(), Box::new(move |it| maybe(it.table.passes.spread))));
    rows.push(("deviation between passes".to_owned(), Box::new(move |it| maybe(it.table.passes.deviation))));
    grid(tables, "counted", &rows)
}

/// The passes in which anything was asked, whether or not there came a score.
fn passes(it: &Entry) -> usize {
    it.table.items.iter().flat_map(|item| item.passes.keys()).collect::<BTreeSet<_>>().len()
}

fn times(of: &BTreeMap<String, usize>, class: &str) -> String {
    of.get(class).copied().unwrap_or_default().to_string()
}

fn made(tables: &Tables) -> String {
    let rows: Vec<Line<'_>> = vec![
        ("judge".to_owned(), Box::new(|it| shown(&it.made.judge).to_owned())),
        ("parser".to_owned(), Box::new(|it| it.table.counting.parser.name().to_owned())),
        ("clamped".to_owned(), Box::new(|it| yes(it.table.counting.clamp).to_owned())),
        ("rubric".to_owned(), Box::new(|it| shown(&it.made.rubric).to_owned())),
        ("rubric's hash".to_owned(), Box::new(|it| short(&it.made.rubric_hash).to_owned())),
        ("items' hash".to_owned(), Box::new(|it| short(&it.table.items_hash).to_owned())),
        ("date".to_owned(), Box::new(|it| shown(&it.made.date).to_owned())),
    ];
    grid(tables, "made with", &rows)
}

/// A text in a cell: on one line, its bars and marks being text.
pub(super) fn escaped(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().flat_map(|it| if "|<*_`\\".contains(it) { vec!['\\', it] } else { vec![it] }).collect()
}
