//! All scorers that a command line names: which of them look at source pictures and which at results, and the dial of each.

use threshflow::flow::{Comparison, DialSpec};

use super::{
    Direction, LooksAt, NamedError, NamedField, NamedFolder, ScoreSpec, UserScore, UserScorer, check_names,
};
use crate::onnx::OnnxError;

/// What the dial, the column and the stage of a scorer about results are called, where it looks at source pictures too.
pub fn name_of_results(name: &str, looks_at: LooksAt) -> String {
    match looks_at {
        LooksAt::Both => format!("{name}_result"),
        _ => name.to_owned(),
    }
}

/// Why scorers cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ScorersError {
    #[error(transparent)]
    Name(#[from] NamedError),
    #[error(transparent)]
    Folder(#[from] OnnxError),
}

/// The numbers of sidecars that are scores of their own. Those of a scorer's name stand before its model, and have its dial.
pub fn alone<'f>(
    folders: &'f [NamedFolder],
    fields: &'f [NamedField],
) -> impl Iterator<Item = &'f NamedField> {
    fields.iter().filter(|field| folders.iter().all(|folder| folder.name != field.name))
}

/// Whether a pipeline makes results that a scorer can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    Made,
    /// It has source pictures alone: a scorer of both looks at those.
    NotMade,
}

/// The dials of the scorers that `--score` and `--score-from-sidecar` name: first those of sidecars, then in the order of the flags. Files
/// are read, and no model is opened.
///
/// The names are kept until the process ends.
///
/// # Errors
/// A name that stands for two scorers; a folder whose `score.json` is wrong; numbers of sidecars for a scorer that looks at results alone,
/// or that are said to be other than the scorer's; a scorer that looks at results alone, in a pipeline that makes none.
pub fn dials_of(
    folders: &[NamedFolder],
    fields: &[NamedField],
    results: Results,
) -> Result<Vec<DialSpec>, ScorersError> {
    let names = folders.iter().map(|it| ("--score", it.name.as_str()));
    check_names(names)?;
    check_names(fields.iter().map(|it| ("--score-from-sidecar", it.name.as_str())))?;
    let mut dials: Vec<DialSpec> = alone(folders, fields).map(NamedField::dial).collect();
    for named in folders {
        let spec = UserScorer::<UserScore>::read_spec(&named.folder)?;
        if (spec.looks_at, results) == (LooksAt::Results, Results::NotMade) {
            return Err(NamedError::new(format!(
                "--score {}={}: its score.json says that it looks at results, and this pipeline makes none; write \
                 \"looks_at\": \"sources\" or \"both\", or leave the scorer out",
                named.name,
                named.folder.display()
            ))
            .into());
        }
        let field = fields.iter().find(|it| it.name == named.name);
        if let Some(field) = field.filter(|field| field.is_otherwise(&spec)) {
            return Err(NamedError::new(format!(
                "--score-from-sidecar {}={}:…: --score has a scorer of this name, and its score.json says that scores are from {} to {}, {}; \
                 leave range and direction out here",
                field.name, field.field, spec.range[0], spec.range[1], spec.direction
            ))
            .into());
        }
        if let (Some(field), LooksAt::Results) = (field, spec.looks_at) {
            return Err(NamedError::new(format!(
                "--score-from-sidecar {}={}: sidecars have numbers of source pictures, and the scorer of this name looks at results; \
                 give the numbers another name",
                field.name, field.field
            ))
            .into());
        }
        if spec.looks_at != LooksAt::Results {
            dials.push(dial(&named.name, &spec, ""));
        }
        if spec.looks_at != LooksAt::Sources && results == Results::Made {
            let of = "Of what the editor made; the worst of an edit's turns counts.";
            dials.push(dial(&name_of_results(&named.name, spec.looks_at), &spec, of));
        }
    }
    Ok(dials)
}

fn kept(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn dial(name: &str, spec: &ScoreSpec, of: &str) -> DialSpec {
    let about = match (spec.about.as_deref(), of) {
        (None, "") => "A scorer of your own.".to_owned(),
        (None, of) => format!("A scorer of your own. {of}"),
        (Some(about), of) => format!("{about} {of}").trim_end().to_owned(),
    };
    DialSpec {
        name: kept(name),
        group: None,
        unit: kept(&spec.unit),
        comparison: spec.comparison(),
        default: spec.default_dial(),
        low: spec.range[0],
        high: spec.range[1],
        about: kept(&about),
    }
}

impl NamedField {
    /// The least and the greatest number.
    pub fn ends(&self) -> [f32; 2] {
        self.range.unwrap_or([0.0, 1.0])
    }

    /// Whether it says of its numbers what a `score.json` does not.
    fn is_otherwise(&self, spec: &ScoreSpec) -> bool {
        let range = self.range.is_some_and(|range| range != spec.range);
        range || self.direction.is_some_and(|direction| direction != spec.direction)
    }

    /// Its dial, which is open.
    fn dial(&self) -> DialSpec {
        let ([low, high], higher) = (self.ends(), self.direction != Some(Direction::LowerIsBetter));
        DialSpec {
            name: kept(&self.name),
            group: None,
            unit: kept(&format!("as the sidecars' `{}`", self.field)),
            comparison: if higher { Comparison::AtLeast } else { Comparison::AtMost },
            default: if higher { low } else { high },
            low,
            high,
            about: kept(&format!("The number `{}` of the sidecars.", self.field)),
        }
    }
}
