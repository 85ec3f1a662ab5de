//! The values of `--score NAME=FOLDER` and `--score-from-sidecar NAME=FIELD`, and whether their names may be given.

use std::path::PathBuf;
use std::str::FromStr;

use super::Direction;

/// The most letters of a name: it is a column, a dial and a stage.
const MOST_LETTERS: usize = 40;

/// What is wrong with a name, or with what it stands before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NamedError(String);

impl NamedError {
    pub(super) fn new(message: String) -> Self {
        NamedError(message)
    }
}

/// `--score nsfw=models/nsfw`: a scorer, by the name of its column, its dial and its stage.
///
/// ```
/// use operators::score::NamedFolder;
/// let named: NamedFolder = "nsfw=models/nsfw".parse().unwrap();
/// assert_eq!((named.name.as_str(), named.folder.to_str()), ("nsfw", Some("models/nsfw")));
/// assert!("NSFW=models/nsfw".parse::<NamedFolder>().unwrap_err().to_string().contains("nsfw=models/nsfw"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFolder {
    pub name: String,
    /// With a model and a `score.json`.
    pub folder: PathBuf,
}

/// `--score-from-sidecar nsfw=nsfw_score`: a number that the sidecars have, by the name of its column and its dial.
///
/// `nsfw=nsfw_score:0..100:lower_is_better` says what the numbers are: the ends of their range (0 and 1 where it is left out), and which are
/// good (the higher ones). A number beyond the range is none.
///
/// ```
/// use operators::score::{Direction, NamedField};
/// let named: NamedField = "rating=aes:0..10".parse().unwrap();
/// assert_eq!((named.field.as_str(), named.range), ("aes", Some([0.0, 10.0])));
/// let named: NamedField = "nsfw=punsafe:lower_is_better".parse().unwrap();
/// assert_eq!((named.range, named.direction), (None, Some(Direction::LowerIsBetter)));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NamedField {
    pub name: String,
    /// Of the sidecars' JSON.
    pub field: String,
    /// The least and the greatest number, where they are said.
    pub range: Option<[f32; 2]>,
    /// Where it is said.
    pub direction: Option<Direction>,
}

impl FromStr for NamedFolder {
    type Err = NamedError;

    fn from_str(text: &str) -> Result<Self, NamedError> {
        let (name, folder) = named(text, "FOLDER", "nsfw=models/nsfw")?;
        Ok(NamedFolder { name, folder: folder.into() })
    }
}

impl FromStr for NamedField {
    type Err = NamedError;

    fn from_str(text: &str) -> Result<Self, NamedError> {
        let (name, mut field) = named(text, "FIELD", "nsfw=nsfw_score")?;
        let (mut range, mut direction) = (None, None);
        // What is behind a `:` and is neither of the two is of the field's name.
        while let Some((before, last)) = field.rsplit_once(':') {
            match (last, ends(last)?) {
                ("higher_is_better", _) if direction.is_none() => direction = Some(Direction::HigherIsBetter),
                ("lower_is_better", _) if direction.is_none() => direction = Some(Direction::LowerIsBetter),
                (_, Some(ends)) if range.is_none() => range = Some(ends),
                _ => break,
            }
            field = before;
        }
        if field.trim().is_empty() {
            return Err(NamedError(format!(
                "no field stands behind `{name}=`; it takes NAME=FIELD, such as nsfw=nsfw_score:0..1"
            )));
        }
        Ok(NamedField { name, field: field.to_owned(), range, direction })
    }
}

/// The ends of `LOW..HIGH`; none where it is something else.
fn ends(text: &str) -> Result<Option<[f32; 2]>, NamedError> {
    let number = |text: &str| text.trim().parse::<f32>().ok().filter(|number| number.is_finite());
    let Some((low, high)) = text.split_once("..").and_then(|(low, high)| Some((number(low)?, number(high)?)))
    else {
        return Ok(None);
    };
    match low < high {
        true => Ok(Some([low, high])),
        false => Err(NamedError(format!("the range {text} has its ends the wrong way round; write 0..1"))),
    }
}

fn named<'t>(text: &'t str, what: &str, example: &str) -> Result<(String, &'t str), NamedError> {
    let Some((name, rest)) = text.split_once('=') else {
        return Err(NamedError(format!("it has no `=`; it takes NAME={what}, such as {example}")));
    };
    if rest.trim().is_empty() {
        return Err(NamedError(format!(
            "nothing stands behind `{name}=`; it takes NAME={what}, such as {example}"
        )));
    }
    let is_lower = |c: char| c.is_ascii_lowercase();
    let starts = name.starts_with(is_lower);
    let rest_fits = name.chars().all(|c| is_lower(c) || c.is_ascii_digit() || c == '_');
    if starts && rest_fits && name.len() <= MOST_LETTERS {
        return Ok((name.to_owned(), rest));
    }
    let hint = snake(name).map(|snake| format!("; write {snake}={rest}")).unwrap_or_default();
    Err(NamedError(format!(
        "the name {name:?} is not in snake_case: a small letter, then small letters, digits and `_`, {MOST_LETTERS} at most{hint}"
    )))
}

/// The name in snake_case, where there is one near.
fn snake(name: &str) -> Option<String> {
    let mut snake = String::new();
    for c in name.trim().chars() {
        let c = if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        if !(c == '_' && snake.ends_with('_')) {
            snake.push(c);
        }
    }
    let snake = snake.trim_matches(|c: char| c == '_' || c.is_ascii_digit()).to_owned();
    (!snake.is_empty() && snake.len() <= MOST_LETTERS).then_some(snake)
}

/// Whether no name is given twice. `names`: each with its flag.
///
/// ```
/// use operators::score::check_names;
/// assert!(check_names([("--score", "nsfw"), ("--score", "text")]).is_ok());
/// let error = check_names([("--score", "nsfw"), ("--score", "nsfw")]).unwrap_err();
/// assert!(error.to_string().starts_with("--score nsfw=…: the name is given twice"), "{error}");
/// ```
pub fn check_names<'n>(names: impl IntoIterator<Item = (&'static str, &'n str)>) -> Result<(), NamedError> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (flag, name) in names {
        if let Some((other, _)) = seen.iter().find(|(_, given)| *given == name) {
            return Err(NamedError(format!(
                "{flag} {name}=…: the name is given twice (also by {other}); give each scorer a name of its own"
            )));
        }
        seen.push((flag, name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> Result<NamedFolder, String> {
        text.parse().map_err(|error: NamedError| error.to_string())
    }

    #[test]
    fn a_folder_may_have_any_letters_and_a_name_few() {
        let named = folder("text_2=/a b/c=d").unwrap();
        assert_eq!((named.name.as_str(), named.folder.to_str()), ("text_2", Some("/a b/c=d")));
        for (text, words) in [
            ("models/nsfw", "it takes NAME=FOLDER, such as nsfw=models/nsfw"),
            ("nsfw=", "nothing stands behind `nsfw=`"),
            ("nsfw= ", "nothing stands behind `nsfw=`"),
            ("=x", "the name \"\" is not in snake_case"),
            ("Is It-Blurry=x", "write is_it_blurry=x"),
            ("2nd=x", "write nd=x"),
            ("_x=x", "write x=x"),
            ("ñ=x", "the name \"ñ\" is not in snake_case"),
        ] {
            let error = folder(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(folder(&format!("{}=x", "a".repeat(41))).is_err());
        assert!(folder(&format!("{}=x", "a".repeat(40))).is_ok());
    }

    #[test]
    fn a_field_is_taken_as_it_stands() {
        let named: NamedField = "nsfw=a.b c".parse().unwrap();
        assert_eq!((named.name.as_str(), named.field.as_str()), ("nsfw", "a.b c"));
        for (text, field, range, direction) in [
            ("nsfw=x:0..10", "x", Some([0.0, 10.0]), None),
            ("nsfw=x:-1..1:lower_is_better", "x", Some([-1.0, 1.0]), Some(Direction::LowerIsBetter)),
            ("nsfw=x:higher_is_better:0..2", "x", Some([0.0, 2.0]), Some(Direction::HigherIsBetter)),
            ("nsfw=a:b", "a:b", None, None),
            ("nsfw=a:0..1:0..2", "a:0..1", Some([0.0, 2.0]), None),
        ] {
            let named: NamedField = text.parse().unwrap();
            assert_eq!(
                (named.field.as_str(), named.range, named.direction),
                (field, range, direction),
                "{text}"
            );
        }
        for (text, words) in [("nsfw=x:1..0", "wrong way round"), ("nsfw=:0..1", "no field stands behind")] {
            let error = text.parse::<NamedField>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = "nsfw".parse::<NamedField>().unwrap_err().to_string();
        assert!(error.contains("NAME=FIELD, such as nsfw=nsfw_score"), "{error}");
    }

    #[test]
    fn a_name_stands_for_one_thing() {
        let names = [("--score", "nsfw"), ("--score-from-sidecar", "nsfw")];
        let error = check_names(names).unwrap_err().to_string();
        assert!(
            error.starts_with("--score-from-sidecar nsfw=…") && error.contains("also by --score"),
            "{error}"
        );
    }
}
