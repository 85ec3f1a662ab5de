//! Where an object lies.

use std::fmt;

use super::{ObjectError, ObjectFailure};

/// The schemes that are known, as they are shown where another one was given.
const SCHEMES: &str = "s3://BUCKET/KEY, gs://BUCKET/KEY, az://CONTAINER/KEY, hf://datasets/OWNER/NAME/PATH, https://HOST/PATH \
     and http://HOST/PATH";

/// Which kind of store an object lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Scheme {
    S3,
    Google,
    Azure,
    Hub,
    Http,
}

/// Of an object, or of a folder or a glob of objects: a scheme, a bucket (of HTTP the server, of Hugging Face's hub the data set and its
/// revision), and a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectUrl {
    pub(super) scheme: Scheme,
    /// As it is shown, before the bucket.
    word: &'static str,
    pub(super) bucket: String,
    /// Without the slash before it; as the store has it, so that nothing in it is escaped (of HTTP as the URL has it).
    pub(super) key: String,
}

/// Whether a pattern is a URL and no path.
pub fn is_url(pattern: &str) -> bool {
    pattern.split_once("://").is_some_and(|(scheme, _)| {
        let of_a_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        !scheme.is_empty() && scheme.bytes().all(of_a_scheme)
    })
}

impl ObjectUrl {
    /// Reads a URL, or a pattern that begins as one.
    ///
    /// ```
    /// use threshflow::object::ObjectUrl;
    /// let url = ObjectUrl::parse("s3://laion/art/00012.tar")?;
    /// assert_eq!((url.to_string().as_str(), url.key()), ("s3://laion/art/00012.tar", "art/00012.tar"));
    /// assert!(ObjectUrl::parse("ftp://laion/art").unwrap_err().to_string().contains("s3://BUCKET/KEY"));
    /// # Ok::<(), threshflow::object::ObjectError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        let unfit = |why: String| ObjectError { url: shown(text), failure: ObjectFailure::Unfit, why };
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (scheme, word) = match scheme {
            "s3" | "s3a" => (Scheme::S3, "s3"),
            "gs" => (Scheme::Google, "gs"),
            "az" => (Scheme::Azure, "az"),
            "hf" => (Scheme::Hub, "hf"),
            "https" => (Scheme::Http, "https"),
            "http" => (Scheme::Http, "http"),
            _ => return Err(unfit(format!("the scheme {scheme:?} is not known; there are {SCHEMES}"))),
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if scheme == Scheme::Hub {
            let (bucket, key) = of_the_hub(rest).ok_or_else(|| {
                unfit("it names no data set of Hugging Face; write hf://datasets/OWNER/NAME/PATH or hf://datasets/OWNER/NAME@REVISION/PATH".to_owned())
            })?;
            return Ok(ObjectUrl { scheme, word, bucket, key });
        }
        if bucket.is_empty() {
            return Err(unfit(format!("a bucket or a server is missing; there are {SCHEMES}")));
        }
        if bucket.contains('@') {
            return Err(unfit(
                "names and passwords in a URL would be shown; give them in the environment".to_owned(),
            ));
        }
        if scheme == Scheme::Http && key.contains(['?', '#']) {
            let why = "URLs with a query (as presigned ones have) end, and are not read; use the store's own scheme, with credentials";
            return Err(unfit(why.to_owned()));
        }
        Ok(ObjectUrl { scheme, word, bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The key in its bucket, or the path on its server.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Another key in the same bucket.
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        ObjectUrl { key: key.into(), ..self.clone() }
    }

    /// Whether the server can say what it holds.
    pub fn can_list(&self) -> bool {
        self.scheme != Scheme::Http
    }

    /// Whether objects can be written there.
    pub(super) fn can_be_written(&self) -> bool {
        matches!(self.scheme, Scheme::S3 | Scheme::Google | Scheme::Azure)
    }

    /// The URL without a revision, which some stores have: a file is the same in all that have it.
    pub(crate) fn whatever_revision(&self) -> String {
        let bucket = self.bucket.split_once('@').map_or(self.bucket.as_str(), |(bucket, _)| bucket);
        format!("{}://{bucket}/{}", self.word, self.key)
    }

    /// The server of an HTTP URL.
    pub(super) fn server(&self) -> String {
        format!("{}://{}", self.word, self.bucket)
    }
}

/// `datasets/OWNER/NAME` with its revision, and the path in it.
fn of_the_hub(rest: &str) -> Option<(String, String)> {
    let mut parts = rest.splitn(4, '/');
    let [kind, owner, name] = [parts.next()?, parts.next()?, parts.next()?];
    let is_one = kind == "datasets" && !owner.is_empty() && !name.is_empty() && !name.starts_with('@');
    is_one.then(|| (format!("{kind}/{owner}/{name}"), parts.next().unwrap_or_default().to_owned()))
}

/// A URL for a message: names, passwords and signatures in it are left out.
fn shown(text: &str) -> String {
    let text = text.split_once('?').map_or(text, |(before, _)| before);
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            let bucket = bucket.rsplit_once('@').map_or(bucket, |(_, host)| host);
            format!("{scheme}://{bucket}/{key}")
        }
        None => text.to_owned(),
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.word, self.bucket, self.key)
    }
}

impl fmt::Debug for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
