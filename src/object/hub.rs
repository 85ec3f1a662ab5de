//! Data sets on Hugging Face's hub, by its HTTP API.
//!
//! A revision is resolved to its commit first, and all reads name the commit: what a later commit brings is another version. A file is
//! known by the hash that the hub has of it, so that a commit that leaves it as it is changes nothing.
//! (API: <https://huggingface.co/docs/hub/api>, `/api/datasets/{repo}/revision/{rev}` and `/tree/{rev}/{path}`; files are at
//! `/datasets/{repo}/resolve/{rev}/{path}`, which leads to where their bytes lie.)

use http::{Method, Request, Response, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::connect::Connector;
use super::stores::server_named;
use super::tries::Trouble;
use super::{ObjectFailure, ObjectUrl, Version};

const HUB: &str = "https://huggingface.co";
/// Entries of a page of a list.
const PAGE: usize = 1_000;
/// What stands in a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PART: &AsciiSet = &PATH.add(b'/');

/// What the hub says of a revision.
#[derive(Deserialize)]
struct Revision {
    sha: String,
}

/// One entry of a list.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    oid: String,
    /// Of a file that lies beside the repository, as large ones do.
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    oid: String,
    size: u64,
}

fn endpoint() -> Result<String, Trouble> {
    Ok(server_named(&["HF_ENDPOINT"])?.unwrap_or_else(|| HUB.to_owned()))
}

/// `datasets/OWNER/NAME` and the revision.
fn repository(url: &ObjectUrl) -> (String, String) {
    let (repository, revision) = url.bucket.split_once('@').unwrap_or((&url.bucket, "main"));
    (utf8_percent_encode(repository, PATH).to_string(), utf8_percent_encode(revision, PART).to_string())
}

fn get(connector: &Connector, url: &str, range: Option<String>) -> Result<Response<Vec<u8>>, Trouble> {
    let mut request = Request::builder().method(Method::GET).uri(url);
    // Not sent on to where the bytes lie: redirects to other hosts go without it.
    if let Some(token) = std::env::var("HF_TOKEN").ok().filter(|token| !token.trim().is_empty()) {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.trim()));
    }
    if let Some(range) = range {
        request = request.header(header::RANGE, range);
    }
    let unfit =
        |_| Trouble::lasting(ObjectFailure::Unfit, "no request can be made of its URL, or of HF_TOKEN");
    let response = connector.send(request.body(Vec::new()).map_err(unfit)?);
    // The hub says so of what is not there, too, where nobody logged in.
    response.map_err(|trouble| match trouble.failure {
        ObjectFailure::Denied => {
            Trouble { why: format!("{} (or there is no such data set)", trouble.why), ..trouble }
        }
        _ => trouble,
    })
}

fn json<T: for<'a> Deserialize<'a>>(response: &Response<Vec<u8>>) -> Result<T, Trouble> {
    serde_json::from_slice(response.body()).map_err(|error| {
        Trouble::lasting(ObjectFailure::Unfit, format!("the hub says what cannot be understood: {error}"))
    })
}

/// The commit that the revision of a URL is now.
fn commit_of(connector: &Connector, url: &ObjectUrl) -> Result<String, Trouble> {
    let (repository, revision) = repository(url);
    let said = get(connector, &format!("{}/api/{repository}/revision/{revision}", endpoint()?), None)?;
    let Revision { sha } = json(&said)?;
    let is_one = sha.len() >= 7 && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    let why = || Trouble::lasting(ObjectFailure::Unfit, format!("the hub says that its revision is {sha:?}"));
    if is_one { Ok(sha.clone()) } else { Err(why()) }
}

/// The files below a folder of the data set, which ends with a slash or is empty; at any depth, or of this folder alone.
pub(super) fn list(
    connector: &Connector,
    folder: &ObjectUrl,
    at_any_depth: bool,
) -> Result<Vec<(String, Version)>, Trouble> {
    let commit = commit_of(connector, folder)?;
    let (repository, _) = repository(folder);
    let path = utf8_percent_encode(folder.key().trim_end_matches('/'), PATH).to_string();
    let slash = if path.is_empty() { "" } else { "/" };
    let base = endpoint()?;
    let mut next = Some(format!(
        "{base}/api/{repository}/tree/{commit}{slash}{path}?recursive={at_any_depth}&limit={PAGE}"
    ));
    let mut files = Vec::new();
    while let Some(page) = next {
        let said = get(connector, &page, None)?;
        for entry in json::<Vec<Entry>>(&said)? {
            if entry.kind == "file" {
                let (hash, len) = entry.lfs.map_or((entry.oid, entry.size), |lfs| (lfs.oid, lfs.size));
                let version = Version { len, etag: Some(hash), modified: 0, pin: Some(commit.clone()) };
                files.push((entry.path, version));
            }
        }
        next = next_page(&said, &base)?;
    }
    Ok(files)
}

/// The page behind this one, which the hub links to.
fn next_page(response: &Response<Vec<u8>>, base: &str) -> Result<Option<String>, Trouble> {
    let links = response.headers().get_all(header::LINK).iter().filter_map(|link| link.to_str().ok());
    let next = links.flat_map(|links| links.split(',')).find(|link| link.contains("rel=\"next\""));
    let Some(next) = next else { return Ok(None) };
    let url = next.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(url, _)| url);
    match url.filter(|url| url.starts_with(base)) {
        Some(url) => Ok(Some(url.to_owned())),
        None => Err(Trouble::lasting(
            ObjectFailure::Unfit,
            "the hub's list goes on at another server, which is not followed",
        )),
    }
}

/// The version of one file.
pub(super) fn look(connector: &Connector, url: &ObjectUrl) -> Result<Version, Trouble> {
    let folder = url.key().rfind('/').map_or("", |slash| &url.key()[..=slash]);
    let files = list(connector, &url.with_key(folder), false)?;
    let found = files.into_iter().find(|(path, _)| path == url.key());
    let gone = || Trouble::lasting(ObjectFailure::Gone, "the data set has no such file");
    found.map(|(_, version)| version).ok_or_else(gone)
}

/// `len` bytes at `at`, of the commit that the version was listed in.
pub(super) fn read(
    connector: &Connector,
    url: &ObjectUrl,
    (version, commit): (&Version, &str),
    at: u64,
    len: u64,
) -> Result<Vec<u8>, Trouble> {
    let (repository, _) = repository(url);
    let path = utf8_percent_encode(url.key(), PATH);
    let place = format!("{}/{repository}/resolve/{commit}/{path}", endpoint()?);
    let response = get(connector, &place, Some(format!("bytes={at}-{}", at + len - 1)))?;
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let wanted = format!("bytes {at}-{}/{}", at + len - 1, version.len);
    if range != Some(&*wanted) || response.body().len() as u64 != len {
        let why = format!(
            "{wanted:?} was asked for, and {:?} with {} bytes came",
            range.unwrap_or(""),
            response.body().len()
        );
        return Err(Trouble::lasting(ObjectFailure::Changed, why));
    }
    Ok(response.into_body())
}
