//! A secret of an endpoint: where it comes from and how it is sent. Nothing else ever shows it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::HttpError;

/// What stands where a key stood.
const REDACTED: &str = "[key]";

/// A secret, and where it came from. It is shown by neither `Debug` nor `Display`: they name its source.
#[derive(Clone)]
pub struct ApiKey {
    text: String,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Environment(String),
    File(PathBuf),
}

impl ApiKey {
    /// From the environment variable of this name.
    ///
    /// # Errors
    /// [`HttpError::NoKey`] where it isn't set, [`HttpError::BadKey`] where it holds no key.
    pub fn from_environment(name: &str) -> Result<Self, HttpError> {
        let source = Source::Environment(name.to_owned());
        let text = std::env::var(name)
            .map_err(|error| HttpError::NoKey { place: source.to_string(), why: why_not(&error) })?;
        ApiKey::of(&text, source)
    }

    /// From a file that holds nothing else; white space around it is dropped.
    ///
    /// # Errors
    /// [`HttpError::NoKey`] where it can't be read, [`HttpError::BadKey`] where it holds no key.
    pub fn from_file(path: &Path) -> Result<Self, HttpError> {
        let source = Source::File(path.to_owned());
        let text = std::fs::read_to_string(path)
            .map_err(|error| HttpError::NoKey { place: source.to_string(), why: error.to_string() })?;
        ApiKey::of(&text, source)
    }

    fn of(text: &str, source: Source) -> Result<Self, HttpError> {
        let text = text.trim();
        let wrong = match text {
            "" => "is empty",
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                "has a space, a control character or a letter beyond ASCII"
            }
            // What is this short would be scrubbed out of harmless words.
            _ if text.len() < 4 => "is shorter than 4 characters",
            _ => return Ok(ApiKey { text: text.to_owned(), source }),
        };
        Err(HttpError::BadKey { place: source.to_string(), wrong })
    }

    /// To be put into a header, and nowhere else.
    pub(super) fn secret(&self) -> &str {
        &self.text
    }

    /// The text without the key, also as JSON would write it.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.written().iter().fold(text.to_owned(), |text, form| text.replace(form, REDACTED))
    }

    /// The bytes without the key; untouched where it isn't in them.
    pub(super) fn scrub_bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for form in self.written() {
            let form = form.as_bytes();
            let mut from = 0;
            while let Some(at) = bytes[from..].windows(form.len()).position(|window| window == form) {
                bytes.splice(from + at..from + at + form.len(), REDACTED.bytes());
                from += at + REDACTED.len();
            }
        }
        bytes
    }

    /// As it may stand in an answer: itself, and as JSON writes it, which may escape slashes as well.
    fn written(&self) -> Vec<String> {
        let json = self.text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut forms = vec![self.text.clone(), json.clone(), json.replace('/', "\\/")];
        forms.dedup();
        forms
    }
}

fn why_not(error: &std::env::VarError) -> String {
    match error {
        std::env::VarError::NotPresent => "it isn't set".to_owned(),
        std::env::VarError::NotUnicode(_) => "it isn't text".to_owned(),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Environment(name) => write!(f, "${name}"),
            Source::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.source)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key of {}", self.source)
    }
}

/// How a key is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer KEY`.
    #[default]
    Bearer,
    /// `NAME: KEY`: Azure's is `api-key`.
    Named(String),
}
