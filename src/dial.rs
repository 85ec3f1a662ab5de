//! Dials: how a pipeline declares them, and how `--set name=value` is read.

use crate::flow::{DialMaker, DialSpec};

/// The dials of a pipeline, at work in a dataflow. Implemented by [`dials!`](crate::dials), not by hand.
pub trait DialSet<'s>: Sized {
    /// In the order of the declaration.
    const SPECS: &'static [DialSpec];
    fn make(maker: &mut DialMaker<'s>) -> Self;
}

/// Declares a pipeline's dials: for each its doc comment, its name, its unit, how scores are compared with it,
/// and its default.
///
/// ```
/// use threshflow::prelude::*;
/// struct Aesthetic;
/// impl Unit for Aesthetic {
///     const NAME: &'static str = "aesthetic";
///     const UNIT: &'static str = "0 to 10";
///     const LOW: f32 = 0.0;
///     const HIGH: f32 = 10.0;
/// }
/// dials! {
///     /// What a rerun may turn.
///     pub struct Dials {
///         /// How pleasing a source picture must be.
///         aesthetic: Aesthetic > 4.75,
///     }
/// }
/// let spec = &Dials::SPECS[0];
/// assert_eq!((spec.name, spec.comparison.sign(), spec.default, spec.unit), ("aesthetic", ">", 4.75, "0 to 10"));
/// assert_eq!(spec.about, "How pleasing a source picture must be.");
/// ```
#[macro_export]
macro_rules! dials {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $dials:ident {
            $($(#[doc = $doc:literal])+ $name:ident : $unit:ident $comparison:tt $default:literal),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $visibility struct $dials<'s> {
            $($(#[doc = $doc])+ pub $name: $crate::flow::Dial<'s, $unit>,)*
        }

        impl<'s> $crate::dial::DialSet<'s> for $dials<'s> {
            const SPECS: &'static [$crate::flow::DialSpec] = &[$(
                $crate::flow::DialSpec {
                    name: stringify!($name),
                    unit: <$unit as $crate::row::Unit>::UNIT,
                    comparison: $crate::dials!(@comparison $comparison),
                    default: $default as f32,
                    low: <$unit as $crate::row::Unit>::LOW,
                    high: <$unit as $crate::row::Unit>::HIGH,
                    about: concat!($($doc),+).trim_ascii(),
                }
            ),*];

            fn make(maker: &mut $crate::flow::DialMaker<'s>) -> Self {
                let mut specs = Self::SPECS.iter();
                $(let $name = maker.dial(specs.next().expect("one spec a dial"));)*
                $dials { $($name),* }
            }
        }
    };
    (@comparison >) => { $crate::flow::Comparison::Above };
    (@comparison >=) => { $crate::flow::Comparison::AtLeast };
    (@comparison <) => { $crate::flow::Comparison::Below };
    (@comparison <=) => { $crate::flow::Comparison::AtMost };
}

/// What is wrong with the `--set` arguments: all of it, not just the first.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SetError(pub Vec<String>);

/// The dials' values after `settings` (each `name=value`) were applied to the defaults.
pub fn values(specs: &[DialSpec], settings: &[String]) -> Result<Vec<f32>, SetError> {
    let mut values: Vec<f32> = specs.iter().map(|spec| spec.default).collect();
    let mut wrong = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for setting in settings {
        let Some((name, value)) = setting.split_once('=') else {
            wrong.push(format!(
                "--set {setting}: a setting is written name=value, for example {}",
                example(specs)
            ));
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        let Some(index) = specs.iter().position(|spec| spec.name == name) else {
            wrong.push(unknown(specs, name));
            continue;
        };
        if seen.contains(&name) {
            wrong.push(format!("--set {setting}: {name} is set twice; set it once"));
        }
        seen.push(name);
        match parse(&specs[index], value) {
            Ok(value) => values[index] = value,
            Err(message) => wrong.push(message),
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(SetError(wrong)) }
}

fn example(specs: &[DialSpec]) -> String {
    specs.first().map_or_else(|| "aesthetic=5.0".to_owned(), |spec| format!("{}={}", spec.name, spec.default))
}

fn unknown(specs: &[DialSpec], name: &str) -> String {
    let near = specs.iter().map(|spec| (strsim::jaro_winkler(spec.name, name), spec.name));
    let near = near.filter(|(likeness, _)| *likeness > 0.7).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map(|(_, near)| format!(" Did you mean {near}?")).unwrap_or_default();
    let names: Vec<_> = specs.iter().map(|spec| spec.name).collect();
    format!("--set {name}: there is no dial of that name.{hint} The dials are: {}", names.join(", "))
}

fn parse(spec: &DialSpec, value: &str) -> Result<f32, String> {
    let range = format!("from {} to {} ({})", spec.low, spec.high, spec.unit);
    match value.parse::<f32>() {
        Ok(number) if (spec.low..=spec.high).contains(&number) => Ok(number),
        Ok(number) => Err(format!("--set {}={value}: {number} is out of range; it takes {range}", spec.name)),
        Err(_) => Err(format!("--set {}={value}: not a number; it takes one {range}", spec.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Comparison;

    const SPECS: &[DialSpec] = &[
        DialSpec {
            name: "aesthetic",
            unit: "0 to 10",
            comparison: Comparison::Above,
            default: 4.75,
            low: 0.0,
            high: 10.0,
            about: "",
        },
        DialSpec {
            name: "short_side",
            unit: "px",
            comparison: Comparison::Above,
            default: 1280.0,
            low: 0.0,
            high: 65535.0,
            about: "",
        },
    ];

    fn set(settings: &[&str]) -> Result<Vec<f32>, SetError> {
        values(SPECS, &settings.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_not_set_stands_at_its_default() {
        assert_eq!(set(&[]), Ok(vec![4.75, 1280.0]));
        assert_eq!(set(&[" short_side = 512 "]), Ok(vec![4.75, 512.0]));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let error =
            set(&["aestetic=5", "short_side=-1", "aesthetic=high", "5.0", "aesthetic=NaN"]).unwrap_err();
        assert_eq!(error.0.len(), 6, "{error}");
        assert!(error.0[0].contains("Did you mean aesthetic?"), "{error}");
        assert!(
            error.0[1].contains("-1 is out of range") && error.0[1].contains("from 0 to 65535 (px)"),
            "{error}"
        );
        assert!(error.0[2].contains("not a number"), "{error}");
        assert!(error.0[3].contains("name=value"), "{error}");
        assert!(error.0[4].contains("set twice") && error.0[5].contains("out of range"), "{error}");
    }
}
