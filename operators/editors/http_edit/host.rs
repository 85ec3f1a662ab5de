//! Sends forms through a [`Host`], with its keys, retries, limits and budget.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use threshflow::row::Refusal;

use super::{Part, SendForm};
use crate::http::{Host, HostSettings, HttpError, Spending, Tokens};

/// An editing endpoint.
#[derive(Debug)]
pub struct EditEndpoint {
    host: Arc<Host>,
    /// The same endpoint from its origin on: answers name files that needn't lie below the base URL.
    files: Arc<Host>,
    /// What one edit may come to, for bounds and the budget.
    estimated: Tokens,
}

impl EditEndpoint {
    /// Over a host; `estimated` is what one edit may come to in tokens, as the token buckets and the budget take it beforehand.
    ///
    /// # Errors
    /// As [`Host::open`].
    pub fn over(host: Arc<Host>, estimated: Tokens) -> Result<Self, HttpError> {
        let settings = host.settings();
        let base_url = origin(&settings.base_url).0.to_string();
        // What was paid for is fetched whatever the budget says by then.
        let spending = Spending::unlimited();
        let files = Host::open(HostSettings { base_url, spending, ..settings.clone() })?;
        Ok(EditEndpoint { host, files, estimated })
    }

    /// The host that edits are asked of: for its report. Files that answers name are fetched by [`EditEndpoint::files`].
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The host that fetches what answers name by URL; it stays at nothing where answers hold their pictures.
    pub fn files(&self) -> &Arc<Host> {
        &self.files
    }
}

impl SendForm for EditEndpoint {
    fn name(&self) -> String {
        self.host.name().to_string()
    }

    fn at_once(&self) -> usize {
        self.host.settings().most_in_flight
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.host.settings().deadline)
    }

    fn post_form(&self, path: &str, parts: &[Part<'_>]) -> Result<Vec<u8>, Refusal> {
        self.host.first_word()?;
        let mut answered = self.host.post_multipart(path, parts, self.estimated)?;
        let body = std::mem::take(&mut answered.body);
        // Who isn't told what it cost takes it for the estimate: so it is where `answered` is dropped unsettled.
        if let Some(tokens) = usage(&body) {
            self.host.spent(answered, model(parts), tokens);
        }
        Ok(body)
    }

    fn get_file(&self, url: &str) -> Result<Vec<u8>, Refusal> {
        let path = below(origin(&self.files.settings().base_url).0, url).ok_or_else(|| {
            let elsewhere: String = origin(url).0.rsplit('@').next().unwrap_or_default().chars().take(100).collect();
            let message = format!(
                "the answer names a picture at {elsewhere:?}, which isn't the endpoint itself; make the server answer with b64_json"
            );
            Refusal::transient("url_elsewhere", message)
        })?;
        Ok(self.files.get_bytes(path)?.body)
    }
}

fn model<'a>(parts: &[Part<'a>]) -> &'a str {
    let text = |part: &Part<'a>| match *part {
        Part::Text { name: "model", text } => Some(text),
        _ => None,
    };
    parts.iter().find_map(text).unwrap_or_default()
}

/// `usage`, in the words of OpenAI's endpoint for pictures or of that for chats.
fn usage(body: &[u8]) -> Option<Tokens> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let usage = value.get("usage")?;
    let count = |names: [&str; 2]| names.iter().find_map(|name| usage.get(name)?.as_u64());
    Some(Tokens {
        prompt: count(["input_tokens", "prompt_tokens"])?,
        completion: count(["output_tokens", "completion_tokens"])?,
    })
}

/// The origin of a URL (`https://host:8000`), and what follows it.
fn origin(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    // A backslash is a slash to some, and no part of a host to anyone.
    let end = url[start..].find(['/', '\\', '?', '#']).map_or(url.len(), |at| start + at);
    url.split_at(end)
}

/// The path of a URL of this origin, or of one that starts with a single slash.
fn below<'a>(origin_wanted: &str, url: &'a str) -> Option<&'a str> {
    if url.starts_with('/') && !url.starts_with("//") {
        return Some(url);
    }
    let (found, path) = origin(url);
    let path = path.split('#').next().unwrap_or_default();
    (found.contains("://") && plain(found) == plain(origin_wanted)).then_some(path)
}

/// In small letters, without the port that goes without saying.
fn plain(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let bare = |scheme: &str, port: &str| {
        origin.strip_prefix(scheme).and_then(|_| origin.strip_suffix(port)).map(str::to_string)
    };
    bare("http://", ":80").or_else(|| bare("https://", ":443")).unwrap_or(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_endpoints_own_origin_is_followed() {
        let wanted = "https://pictures.example:8443";
        for (url, path) in [
            ("https://pictures.example:8443/files/1.png?sig=x", Some("/files/1.png?sig=x")),
            ("HTTPS://Pictures.Example:8443/files/1.png", Some("/files/1.png")),
            ("/files/1.png", Some("/files/1.png")),
            ("http://pictures.example:8443/files/1.png", None),
            ("https://pictures.example/files/1.png", None),
            ("https://pictures.example:8443.evil.example/1.png", None),
            ("https://pictures.example:8443@evil.example/1.png", None),
            ("https://evil.example/https://pictures.example:8443/1.png", None),
            ("//evil.example/1.png", None),
            ("file:///etc/passwd", None),
            ("files/1.png", None),
        ] {
            assert_eq!(below(wanted, url), path, "{url}");
        }
        assert_eq!(below("https://a.example", "https://a.example:443/x"), Some("/x"));
        assert_eq!(below("http://a.example:80", "http://a.example/x"), Some("/x"));
        assert_eq!(below("http://a.example", "https://a.example:80/x"), None);
    }

    #[test]
    fn usage_is_read_in_both_wordings() {
        let of = |text: &str| usage(text.as_bytes());
        let both = Some(Tokens { prompt: 7, completion: 9 });
        assert_eq!(of(r#"{"usage": {"input_tokens": 7, "output_tokens": 9, "total_tokens": 16}}"#), both);
        assert_eq!(of(r#"{"usage": {"prompt_tokens": 7, "completion_tokens": 9}}"#), both);
        assert_eq!(of(r#"{"usage": {"input_tokens": 7}}"#), None);
        assert_eq!(of(r#"{"data": []}"#), None);
    }
}
