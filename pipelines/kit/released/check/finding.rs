//! What a check found, and how it is reported.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The set is not what it says it is.
    Fault,
    /// Worth knowing; nobody who trains on the set is hurt by it.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub severity: Severity,
    /// One of the classes that [`check`](super::check) lists.
    pub class: &'static str,
    /// The file, the member of a tar, or the row: `Parquet/add_part1.parquet row 3`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Finding {
    pub(super) fn fault(class: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Fault, class, path: path.into(), message: message.into() }
    }

    pub(super) fn note(class: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Note, class, path: path.into(), message: message.into() }
    }
}

/// The findings for a person: faults before notes, by class, the first twenty of each. The caller decides on the exit code,
/// by whether any is a [`Severity::Fault`].
pub fn report(findings: &[Finding]) -> String {
    const SHOWN: usize = 20;
    let mut classes: BTreeMap<(Severity, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        classes.entry((finding.severity, finding.class)).or_default().push(finding);
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    for ((severity, class), found) in &classes {
        let kind = if *severity == Severity::Fault { "fault" } else { "note" };
        let _ = writeln!(text, "{kind}: {class} ({})", found.len());
        for finding in found.iter().take(SHOWN) {
            let _ = writeln!(text, "  {}: {}", finding.path, finding.message);
        }
        if found.len() > SHOWN {
            let _ = writeln!(text, "  and {} more", found.len() - SHOWN);
        }
    }
    let faults = findings.iter().filter(|finding| finding.severity == Severity::Fault).count();
    let notes = findings.len() - faults;
    let _ = match faults {
        0 => writeln!(text, "clean: no faults, {notes} notes"),
        _ => writeln!(text, "not clean: {faults} faults, {notes} notes"),
    };
    text
}
