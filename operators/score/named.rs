//! The values of `--score NAME=FOLDER` and `--score-from-sidecar NAME=FIELD`, and whether their names may be given.

use std::path::PathBuf;
use std::str::FromStr;

/// The most letters of a name: it is a column, a dial and a stage.
const MOST_LETTERS: usize = 40;

/// What is wrong with a name, or with what it stands before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NamedError(String);

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedField {
    pub name: String,
    /// Of the sidecars' JSON.
    pub field: String,
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
        let (name, field) = named(text, "FIELD", "nsfw=nsfw_score")?;
        Ok(NamedField { name, field: field.to_owned() })
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

/// Whether no name is given twice, and none is `taken` by a column, a dial or a stage of the pipeline. `names`: each with its flag.
///
/// ```
/// use operators::score::check_names;
/// assert!(check_names([("--score", "nsfw"), ("--score", "text")], &["aesthetic"]).is_ok());
/// let error = check_names([("--score", "aesthetic")], &["aesthetic"]).unwrap_err();
/// assert!(error.to_string().starts_with("--score aesthetic=…: the name is taken"), "{error}");
/// ```
pub fn check_names<'n>(
    names: impl IntoIterator<Item = (&'static str, &'n str)>,
    taken: &[&str],
) -> Result<(), NamedError> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (flag, name) in names {
        if taken.contains(&name) {
            return Err(NamedError(format!(
                "{flag} {name}=…: the name is taken by a column, a dial or a stage of this pipeline; take another, such as my_{name}"
            )));
        }
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
        let error = "nsfw".parse::<NamedField>().unwrap_err().to_string();
        assert!(error.contains("NAME=FIELD, such as nsfw=nsfw_score"), "{error}");
    }

    #[test]
    fn a_name_stands_for_one_thing() {
        let names = [("--score", "nsfw"), ("--score-from-sidecar", "nsfw")];
        let error = check_names(names, &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("--score-from-sidecar nsfw=…") && error.contains("also by --score"),
            "{error}"
        );
    }
}
