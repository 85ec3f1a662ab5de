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

/// The dials of the scorers that `--score` and `--score-from-sidecar` name, in the order of the flags. Files are read, and no model is
/// opened.
///
/// The names are kept until the process ends.
///
/// # Errors
/// A name that stands for two scorers; a folder whose `score.json` is wrong; numbers of sidecars for a scorer that looks at results alone.
pub fn dials_of(folders: &[NamedFolder], fields: &[NamedField]) -> Result<Vec<DialSpec>, ScorersError> {
    let names = folders.iter().map(|it| ("--score", it.name.as_str()));
    check_names(names, &[])?;
    check_names(fields.iter().map(|it| ("--score-from-sidecar", it.name.as_str())), &[])?;
    let mut dials = Vec::new();
    for named in folders {
        let spec = UserScorer::<UserScore>::read_spec(&named.folder)?;
        if let (Some(field), LooksAt::Results) =
            (fields.iter().find(|it| it.name == named.name), spec.looks_at)
        {
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
        if spec.looks_at != LooksAt::Sources {
            let of = "Of what the editor made; the worst of an edit's turns counts.";
            dials.push(dial(&name_of_results(&named.name, spec.looks_at), &spec, of));
        }
    }
    // Numbers of a scorer's own name stand before its model, and have its dial.
    let alone = fields.iter().filter(|field| folders.iter().all(|folder| folder.name != field.name));
    dials.extend(alone.map(NamedField::dial));
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
    /// Its dial, which is open.
    fn dial(&self) -> DialSpec {
        let ([low, high], higher) = (self.range, self.direction == Direction::HigherIsBetter);
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
