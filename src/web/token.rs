//! The token: the secret that every request bears. It is compared in constant time, and nothing shows it but [`Server::url`].
//!
//! [`Server::url`]: super::Server::url

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::WebError;

/// How many characters a token from a file has at least, and at most.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=512;

/// What stands for itself in a URL (RFC 3986, section 2.3), and what does not.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret text. `Debug` doesn't show it.
pub struct Token(String);

impl Token {
    /// 256 random bits of the system, as 43 characters that need no escapes in a URL.
    ///
    /// # Errors
    ///
    /// The system has no source of random bits.
    pub fn random() -> Result<Self, WebError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|error| WebError::Random(error.to_string()))?;
        Ok(Token(URL_SAFE_NO_PAD.encode(bits)))
    }

    /// The first line of a file, without spaces around it: 16 to 512 printable ASCII characters.
    ///
    /// # Errors
    ///
    /// The file cannot be read; others than its owner may read it (any bit of 077 in its mode); its first line is no token.
    pub fn from_file(path: &Path) -> Result<Self, WebError> {
        let file = File::open(path).map_err(WebError::file(path))?;
        let about = file.metadata().map_err(WebError::file(path))?;
        if about.is_dir() {
            return Err(WebError::file(path)(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let mode = about.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(WebError::TokenIsOpen { path: path.to_owned(), mode });
        }
        let mut start = Vec::new();
        file.take(4096).read_to_end(&mut start).map_err(WebError::file(path))?;
        let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        let no_token = |what: String| WebError::NoToken { path: path.to_owned(), what };
        if !LENGTHS.contains(&line.len()) {
            return Err(no_token(format!(
                "it has {} characters, and {} to {} are allowed",
                line.len(),
                LENGTHS.start(),
                LENGTHS.end()
            )));
        }
        if !line.iter().all(u8::is_ascii_graphic) {
            return Err(no_token("it has spaces, or characters that are not printable ASCII".to_owned()));
        }
        Ok(Token(String::from_utf8_lossy(line).into_owned()))
    }

    /// Whether that is the token. The time does not depend on where they differ, nor on the length of this token.
    pub(super) fn is(&self, other: &str) -> bool {
        // blake3 compares its hashes in constant time.
        blake3::hash(self.0.as_bytes()) == blake3::hash(other.as_bytes())
    }

    /// The token as the value of a query.
    pub(super) fn in_query(&self) -> String {
        utf8_percent_encode(&self.0, RESERVED).to_string()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
