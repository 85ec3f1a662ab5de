//! `dials`: lists the thresholds that can be moved.

use super::{Failure, Output, print_json};
use crate::flow::DialSpec;

pub(super) fn dials(specs: &[DialSpec], output: Output) -> Result<(), Failure> {
    let dials: Vec<&[DialSpec]> = specs.chunk_by(|one, next| one.dial() == next.dial()).collect();
    let groups = |of: &[DialSpec]| of.iter().filter_map(|dial| dial.group).collect::<Vec<_>>();
    if output == Output::Json {
        let as_json = |of: &&[DialSpec]| {
            let dial = &of[0];
            let mut json = serde_json::json!({
                "name": dial.dial(), "comparison": dial.comparison.sign(), "default": dial.default,
                "unit": dial.unit, "low": dial.low, "high": dial.high, "about": dial.about,
            });
            if dial.group.is_some() {
                json["groups"] = groups(of).into();
            }
            json
        };
        return print_json(&dials.iter().map(as_json).collect::<Vec<_>>());
    }
    let width = dials.iter().map(|of| of[0].dial().len()).max().unwrap_or(0);
    for of in dials {
        let dial = &of[0];
        let (name, comparison) = (dial.dial(), dial.comparison);
        crate::say!("{name:width$}  keeps what is {comparison} {} ({})", dial.default, dial.unit);
        crate::say!("{:width$}  {}", "", dial.about);
        crate::say!("{:width$}  --set {name}=VALUE, from {} to {}", "", dial.low, dial.high);
        if dial.group.is_some() {
            crate::say!("{:width$}  --set '{name}[GROUP]=VALUE' for one of {}", "", groups(of).join(", "));
        }
    }
    crate::say!(
        "--set NAME=top:30% or NAME=top:100000 keeps the best of what comes to a dial, by share or by number"
    );
    Ok(())
}
