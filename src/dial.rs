//! Dials: how a pipeline declares them, and how `--set name=value` is read.

use crate::flow::{DialMaker, DialSpec, Setting};

/// The dials of a pipeline, at work in a dataflow. Implemented by [`dials!`](crate::dials), not by hand.
pub trait DialSet<'s>: Sized {
    /// In the order of the declaration; of a dial by group one for each group.
    fn specs() -> &'static [DialSpec];
    fn make(maker: &mut DialMaker<'s>) -> Self;
}

/// Declares a pipeline's dials: for each its doc comment, its name, its unit, how scores are compared with it,
/// and its default. A dial `by` a [`Group`](crate::row::Group) may stand elsewhere for each of the groups.
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
/// struct Light;
/// impl Group for Light {
///     const NAME: &'static str = "light";
///     const NAMES: &'static [&'static str] = &["day", "night"];
/// }
/// dials! {
///     /// What a rerun may turn.
///     pub struct Dials {
///         /// How pleasing a source picture must be.
///         aesthetic: Aesthetic > 4.75,
///         /// How pleasing it must be by its light.
///         by_light: Aesthetic >= 5.0 by Light,
///     }
/// }
/// let spec = &Dials::specs()[0];
/// assert_eq!((spec.name, spec.comparison.sign(), spec.default, spec.unit), ("aesthetic", ">", 4.75, "0 to 10"));
/// assert_eq!(spec.about, "How pleasing a source picture must be.");
/// let names: Vec<&str> = Dials::specs().iter().map(|spec| spec.name).collect();
/// assert_eq!(names, ["aesthetic", "by_light[day]", "by_light[night]"]);
/// ```
#[macro_export]
macro_rules! dials {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $dials:ident {
            $($(#[doc = $doc:literal])+ $name:ident : $unit:ident $comparison:tt $default:literal $(by $group:ident)?),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $visibility struct $dials<'s> {
            $($(#[doc = $doc])+ pub $name: $crate::dials!(@type 's $unit $($group)?),)*
        }

        impl<'s> $crate::dial::DialSet<'s> for $dials<'s> {
            fn specs() -> &'static [$crate::flow::DialSpec] {
                static SPECS: ::std::sync::OnceLock<Vec<$crate::flow::DialSpec>> = ::std::sync::OnceLock::new();
                SPECS.get_or_init(|| {
                    let mut specs = Vec::new();
                    $(
                        let groups = $crate::dials!(@groups $($group)?);
                        specs.extend($crate::dial::by_group(groups, $crate::flow::DialSpec {
                            name: stringify!($name),
                            group: None,
                            unit: <$unit as $crate::row::Unit>::UNIT,
                            comparison: $crate::dials!(@comparison $comparison),
                            default: $default as f32,
                            low: <$unit as $crate::row::Unit>::LOW,
                            high: <$unit as $crate::row::Unit>::HIGH,
                            about: concat!($($doc),+).trim_ascii(),
                        }));
                    )*
                    specs
                })
            }

            fn make(maker: &mut $crate::flow::DialMaker<'s>) -> Self {
                let mut specs = <Self as $crate::dial::DialSet<'s>>::specs();
                $(let $name = $crate::dials!(@make maker specs $unit $($group)?);)*
                let _ = specs;
                $dials { $($name),* }
            }
        }
    };
    (@type $life:lifetime $unit:ident) => { $crate::flow::Dial<$life, $unit> };
    (@type $life:lifetime $unit:ident $group:ident) => { $crate::flow::DialBy<$life, $unit, $group> };
    (@groups) => { &[] };
    (@groups $group:ident) => { <$group as $crate::row::Group>::NAMES };
    (@make $maker:ident $specs:ident $unit:ident) => {{
        let (first, rest) = $specs.split_first().expect("one spec a dial");
        $specs = rest;
        $maker.dial::<$unit>(first)
    }};
    (@make $maker:ident $specs:ident $unit:ident $group:ident) => {{
        let (first, rest) = $specs.split_at(<$group as $crate::row::Group>::NAMES.len());
        $specs = rest;
        $maker.dial_by::<$unit, $group>(first)
    }};
    (@comparison >) => { $crate::flow::Comparison::Above };
    (@comparison >=) => { $crate::flow::Comparison::AtLeast };
    (@comparison <) => { $crate::flow::Comparison::Below };
    (@comparison <=) => { $crate::flow::Comparison::AtMost };
}

/// A dial's spec, or one for each of its groups. What [`dials!`](crate::dials) calls, once a pipeline: the names are never freed.
pub fn by_group(groups: &[&'static str], spec: DialSpec) -> Vec<DialSpec> {
    if groups.is_empty() {
        return vec![spec];
    }
    let of = |group: &&'static str| {
        let name = format!("{}[{group}]", spec.name).leak();
        DialSpec { name, group: Some(group), ..spec }
    };
    groups.iter().map(of).collect()
}

/// What is wrong with the `--set` arguments: all of it, not just the first.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SetError(pub Vec<String>);

/// Where the dials are to stand after `settings` (each `name=value`) were applied to the defaults. The name of a dial by group stands for
/// all its groups; what is said of one group counts before that.
pub fn settings(specs: &[DialSpec], settings: &[String]) -> Result<Vec<Setting>, SetError> {
    let defaults: Vec<Setting> = specs.iter().map(|spec| Setting::At(spec.default)).collect();
    settings_from(specs, &defaults, settings)
}

/// As [`settings`], applied to where the dials stand.
pub(crate) fn settings_from(
    specs: &[DialSpec],
    stand: &[Setting],
    settings: &[String],
) -> Result<Vec<Setting>, SetError> {
    let mut stand = stand.to_vec();
    let mut of_group = vec![false; specs.len()];
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
        let meant: Vec<usize> = (0..specs.len())
            .filter(|index| [specs[*index].name, specs[*index].dial()].contains(&name))
            .collect();
        let Some(first) = meant.first() else {
            wrong.push(unknown(specs, name));
            continue;
        };
        if seen.contains(&name) {
            wrong.push(format!("--set {setting}: {name} is set twice; set it once"));
        }
        seen.push(name);
        let setting = match parse(&specs[*first], name, value) {
            Ok(setting) => setting,
            Err(message) => {
                wrong.push(message);
                continue;
            }
        };
        for index in meant {
            let of_this_group = specs[index].name == name;
            if of_this_group || !of_group[index] {
                stand[index] = setting;
            }
            of_group[index] |= of_this_group;
        }
    }
    if wrong.is_empty() { Ok(stand) } else { Err(SetError(wrong)) }
}

fn example(specs: &[DialSpec]) -> String {
    specs
        .first()
        .map_or_else(|| "aesthetic=5.0".to_owned(), |spec| format!("{}={}", spec.dial(), spec.default))
}

fn unknown(specs: &[DialSpec], name: &str) -> String {
    if let Some((dial, _)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        let of_dial = specs.iter().filter(|spec| spec.dial() == dial);
        let groups: Vec<&str> = of_dial.filter_map(|spec| spec.group).collect();
        if !groups.is_empty() {
            return format!("--set {name}: {dial} has no such group; its groups are: {}", groups.join(", "));
        }
        if specs.iter().any(|spec| spec.name == dial) {
            return format!(
                "--set {name}: {dial} is one dial for all rows, and has no groups; write {dial}=..."
            );
        }
    }
    let near = specs.iter().map(|spec| (strsim::jaro_winkler(spec.dial(), name), spec.dial()));
    let near = near.filter(|(likeness, _)| *likeness > 0.7).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map(|(_, near)| format!(" Did you mean {near}?")).unwrap_or_default();
    let mut names: Vec<_> = specs.iter().map(DialSpec::dial).collect();
    names.dedup();
    format!("--set {name}: there is no dial of that name.{hint} The dials are: {}", names.join(", "))
}

fn parse(spec: &DialSpec, name: &str, value: &str) -> Result<Setting, String> {
    let range = format!("from {} to {} ({})", spec.low, spec.high, spec.unit);
    match value.parse::<Setting>() {
        Ok(Setting::At(number)) if !(spec.low..=spec.high).contains(&number) => {
            Err(format!("--set {name}={value}: {number} is out of range; it takes {range}"))
        }
        Ok(setting) => Ok(setting),
        Err(why) if value.starts_with("top:") => Err(format!("--set {name}={value}: {why}")),
        Err(why) => {
            Err(format!("--set {name}={value}: {why}; it takes one {range}, or a share such as top:30%"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Comparison;

    const SPECS: &[DialSpec] = &[
        DialSpec {
            name: "aesthetic",
            group: None,
            unit: "0 to 10",
            comparison: Comparison::Above,
            default: 4.75,
            low: 0.0,
            high: 10.0,
            about: "",
        },
        DialSpec {
            name: "short_side",
            group: None,
            unit: "px",
            comparison: Comparison::Above,
            default: 1280.0,
            low: 0.0,
            high: 65535.0,
            about: "",
        },
    ];

    fn set_of(specs: &[DialSpec], set: &[&str]) -> Result<Vec<String>, SetError> {
        let stand = settings(specs, &set.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        stand.map(|stand| stand.into_iter().map(|setting| setting.to_string()).collect())
    }

    fn set(set: &[&str]) -> Result<Vec<String>, SetError> {
        set_of(SPECS, set)
    }

    #[test]
    fn what_is_not_set_stands_at_its_default() {
        assert_eq!(set(&[]).unwrap(), ["4.75", "1280"]);
        assert_eq!(set(&[" short_side = 512 "]).unwrap(), ["4.75", "512"]);
        assert_eq!(set(&["short_side=top:30%"]).unwrap(), ["4.75", "top:30%"]);
    }

    #[test]
    fn what_is_said_of_a_group_counts_before_what_is_said_of_all() {
        let specs = by_group(&["add", "remove"], SPECS[0]);
        for order in [["aesthetic=6", "aesthetic[remove]=top:5"], ["aesthetic[remove]=top:5", "aesthetic=6"]]
        {
            assert_eq!(set_of(&specs, &order).unwrap(), ["6", "top:5"]);
        }
        let said = |setting: &str| set_of(&specs, &[setting]).unwrap_err().to_string();
        assert!(
            said("aesthetic[style]=1").contains("its groups are: add, remove"),
            "{}",
            said("aesthetic[style]=1")
        );
        assert!(said("aesthetic[add]=11").contains("aesthetic[add]=11: 11 is out of range"));
        assert!(
            said("aestetic=1").contains("The dials are: aesthetic")
                && said("aestetic=1").ends_with("aesthetic")
        );
        assert!(set(&["short_side[add]=1"]).unwrap_err().to_string().contains("has no groups"));
        assert!(said("aesthetic=top:0%").contains("above 0 %"), "{}", said("aesthetic=top:0%"));
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
