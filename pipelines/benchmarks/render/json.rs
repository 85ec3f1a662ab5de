//! Tables as JSON.

use serde_json::json;

use super::Tables;

pub(super) fn of(tables: &Tables) -> String {
    let all = json!({
        "format": "threshflow benchmark tables/1",
        "warnings": tables.warnings(),
        "tables": tables.entries,
    });
    // Texts and finite numbers: nothing in it can fail.
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}
