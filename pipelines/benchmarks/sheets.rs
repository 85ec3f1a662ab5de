//! Tables of commas: read by `csv-core` with their heads, and written so that any program reads them.

use std::collections::BTreeSet;

use csv_core::{ReadRecordResult, ReaderBuilder};

/// A table with a head. Names of columns are in small letters.
pub(crate) struct Sheet {
    columns: Vec<String>,
    /// Each with the number of its line.
    rows: Vec<(u64, Vec<String>)>,
}

/// A row of it.
pub(crate) struct SheetRow<'a> {
    sheet: &'a Sheet,
    pub line: u64,
    cells: &'a [String],
}

impl SheetRow<'_> {
    /// What stands in a column, without blanks around it; nothing where the row or the table has none.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        let at = self.sheet.columns.iter().position(|name| name == column)?;
        self.cells.get(at).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    }
}

impl Sheet {
    /// Reads commas, semicolons or tabs, whichever the head has most of. The error says which of `wanted` columns is missing, or which
    /// row has more cells than the head.
    pub(crate) fn read(text: &str, wanted: &[&str]) -> Result<Sheet, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let head = text.lines().next().unwrap_or_default();
        let count = |sign: char| head.matches(sign).count();
        let delimiter = [',', ';', '\t'].into_iter().rev().max_by_key(|sign| count(*sign)).unwrap_or(',');
        let mut records = records(text, delimiter as u8)?.into_iter();
        let columns: Vec<String> = match records.next() {
            Some((_, columns)) => columns.iter().map(|name| name.trim().to_lowercase()).collect(),
            None => {
                return Err(format!("it is empty; a table with the columns {} is wanted", wanted.join(", ")));
            }
        };
        if let Some(missing) = wanted.iter().find(|name| !columns.iter().any(|column| column == **name)) {
            return Err(format!(
                "it has no column {missing:?}; its columns are {}, and {} are wanted",
                columns.join(", "),
                wanted.join(", ")
            ));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|name| !name.is_empty() && !names.insert(name.as_str())) {
            return Err(format!("it has the column {twice:?} twice"));
        }
        let rows: Vec<(u64, Vec<String>)> =
            records.filter(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty())).collect();
        if let Some((line, cells)) = rows.iter().find(|(_, cells)| cells.len() > columns.len()) {
            return Err(format!("line {line} has {} cells, and the head has {}", cells.len(), columns.len()));
        }
        Ok(Sheet { columns, rows })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = SheetRow<'_>> {
        self.rows.iter().map(|(line, cells)| SheetRow { sheet: self, line: *line, cells })
    }
}

/// The records of a text, each with the number of the line that it begins on.
fn records(text: &str, delimiter: u8) -> Result<Vec<(u64, Vec<String>)>, String> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    let (mut input, mut records) = (text.as_bytes(), Vec::new());
    // No record has more bytes or cells than what it is read from.
    let (mut bytes, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 2]);
    loop {
        let line = reader.line();
        let (mut written, mut cells) = (0, 0);
        loop {
            let (result, read, more_bytes, more_cells) =
                reader.read_record(input, &mut bytes[written..], &mut ends[cells..]);
            input = &input[read..];
            written += more_bytes;
            cells += more_cells;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(records),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(format!("line {line} is longer than the file"));
                }
            }
        }
        let mut from = 0;
        let cell = |end: &usize| {
            let cell = String::from_utf8_lossy(&bytes[from..*end]).into_owned();
            from = *end;
            cell
        };
        records.push((line, ends[..cells].iter().map(cell).collect()));
    }
}

/// A row with a line break (RFC 4180, with `\n`). A cell that a spreadsheet would take for a formula is text all the same: a quote
/// stands before it.
pub(crate) fn row(cells: &[&str]) -> String {
    let cell = |cell: &&str| {
        let formula = cell.starts_with(['=', '+', '@', '\t', '\r'])
            || cell.starts_with('-') && cell.parse::<f64>().is_err();
        let text = if formula { format!("'{cell}") } else { (*cell).to_owned() };
        match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text,
        }
    };
    cells.iter().map(cell).collect::<Vec<_>>().join(",") + "\n"
}
