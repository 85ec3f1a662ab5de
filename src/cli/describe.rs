//! `dials`: lists the thresholds that can be moved.

use super::{Failure, Output, print_json};
use crate::flow::DialSpec;

pub(super) fn dials(specs: &[DialSpec], output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        let dials: Vec<_> = specs
            .iter()
            .map(|dial| {
                serde_json::json!({
                    "name": dial.name, "comparison": dial.comparison.sign(), "default": dial.default,
                    "unit": dial.unit, "low": dial.low, "high": dial.high, "about": dial.about,
                })
            })
            .collect();
        return print_json(&dials);
    }
    let width = specs.iter().map(|dial| dial.name.len()).max().unwrap_or(0);
    for dial in specs {
        crate::say!(
            "{:width$}  keeps what is {} {} ({})",
            dial.name,
            dial.comparison,
            dial.default,
            dial.unit
        );
        crate::say!("{:width$}  {}", "", dial.about);
        crate::say!("{:width$}  --set {}=VALUE, from {} to {}", "", dial.name, dial.low, dial.high);
    }
    Ok(())
}
