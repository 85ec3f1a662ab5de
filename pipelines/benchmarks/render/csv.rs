//! Tables as CSV.

use super::{Entry, Tables, two, yes};
use crate::bootstrap::Estimate;
use crate::sheets::row;
use crate::table::{BY_GROUPS, BY_ITEMS, Part, Row};

const HEAD: [&str; 26] = [
    "benchmark",
    "model",
    "part",
    "dimension",
    "group",
    "mean",
    "low",
    "high",
    "accuracy",
    "n",
    "scored",
    "refused",
    "unread",
    "unasked",
    "lacking",
    "answers",
    "refusals",
    "unread_answers",
    "dropped_lines",
    "rule_breaking",
    "items_hash",
    "rubric",
    "rubric_hash",
    "judge",
    "parser",
    "clamped",
];

pub(super) fn of(tables: &Tables) -> String {
    let mut all = row(&[HEAD.as_slice(), &["date"]].concat());
    for entry in &tables.entries {
        let table = &entry.table;
        for part in std::iter::once(&table.all).chain(&table.subsets) {
            all += &overalls(entry, part);
        }
        for (dimension, groups) in &table.groups {
            for (group, row) in groups {
                all += &line(entry, ["all", dimension, group], row.mean, Some(row));
            }
        }
        for (name, (n, mean)) in &table.scores {
            let row = Row { n: *n, scored: *n, ..Row::default() };
            all += &line(entry, ["all", "score", name], *mean, Some(&row));
        }
    }
    all
}

fn overalls(entry: &Entry, part: &Part) -> String {
    line(entry, [&part.name, "", BY_ITEMS], part.by_items, Some(&part.row))
        + &line(entry, [&part.name, "", BY_GROUPS], part.by_groups, Some(&part.row))
}

fn line(entry: &Entry, place: [&str; 3], mean: Option<Estimate>, of: Option<&Row>) -> String {
    let Entry { model, made, table } = entry;
    let number = |value: Option<f64>| value.map(two).unwrap_or_default();
    let mut cells = vec![table.benchmark.clone(), model.clone()];
    cells.extend(place.map(str::to_owned));
    cells.push(number(mean.map(|it| it.value)));
    let ends = mean.and_then(|it| it.interval);
    cells.extend([number(ends.map(|ends| ends[0])), number(ends.map(|ends| ends[1]))]);
    if let Some(row) = of {
        cells.push(number(row.accuracy.map(|it| it.value)));
        cells.extend([row.n, row.scored, row.refused, row.unread, row.unasked].map(|it| it.to_string()));
        cells.push(row.lacking.values().sum::<usize>().to_string());
        let refusals = row.refusals.values().sum::<usize>();
        let answers = [row.answers, refusals, row.unread_answers, row.dropped_lines, row.rule_breaking];
        cells.extend(answers.map(|it| it.to_string()));
    }
    let made = [&table.items_hash, &made.rubric, &made.rubric_hash, &made.judge];
    cells.extend(made.map(Clone::clone));
    cells.extend(
        [table.counting.parser.name(), yes(table.counting.clamp), &entry.made.date].map(str::to_owned),
    );
    row(&cells.iter().map(String::as_str).collect::<Vec<_>>())
}
