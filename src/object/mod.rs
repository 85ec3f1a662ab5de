//! Objects in stores that are read over the network: S3, Google Cloud Storage, Azure Blob Storage, data sets of Hugging Face's hub, and
//! plain HTTPS servers.
//!
//! [`Objects`] lists, looks and reads, by the `object_store` crate (the hub by its own API, `hub.rs`); `connect.rs` carries its requests by `ureq`, as all other requests of
//! this program go, and counts them. It writes, too (`writes.rs`), under conditions that tell two writers apart. Every read is of one [`Version`] of an object and says so to the server, so that no two reads of an
//! object mix what was there before with what is there now. [`Cache`] keeps whole objects in a folder of bounded size.
//!
//! Credentials come from the environment as `object_store` documents it (`AWS_ACCESS_KEY_ID`, `GOOGLE_SERVICE_ACCOUNT`,
//! `AZURE_STORAGE_ACCOUNT_NAME`, ...). They are in no URL that this room shows, and in none of its messages.

use std::cmp::Ordering;
use std::fmt;

mod blocks;
mod cache;
mod connect;
mod counts;
mod hub;
mod pattern;
mod reads;
mod stores;
#[cfg(test)]
mod tests;
mod tries;
mod trust;
mod url;
mod writes;

pub(crate) use cache::Emptied;
pub use cache::{Cache, CacheOptions, Entry};
pub use counts::Counts;
pub use pattern::braces;
pub use reads::{ObjectSettings, Objects};
pub use trust::{BadRoots, TRUST_ADVICE, is_distrust, is_loopback, named_roots};
pub use url::{ObjectUrl, is_url};
pub use writes::{PutIf, Tag};

/// What an object is known by: another version is another content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// In bytes.
    pub len: u64,
    /// As the server gives it, quotes and all. A server without ETags tells versions apart by their times.
    pub etag: Option<String>,
    /// The time of the last change, in milliseconds since 1970.
    pub modified: i64,
    /// A revision of the store that has it and never changes, where there are such: reads name it.
    pub pin: Option<String>,
}

/// An object, and who reads it.
#[derive(Clone)]
pub struct Object {
    /// Where it lies; shown as it is, since it holds no key.
    pub url: ObjectUrl,
    /// As it was listed; none where it is yet to be looked at.
    pub version: Option<Version>,
    /// Who reads it.
    pub objects: Objects,
}

impl Object {
    /// The version that it was listed with, else the one that is there now.
    pub fn version(&self) -> Result<Version, ObjectError> {
        match &self.version {
            Some(version) => Ok(version.clone()),
            None => self.objects.look(&self.url),
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("url", &self.url).field("version", &self.version).finish()
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Object {}

impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Object {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.url, &self.version).cmp(&(&other.url, &other.version))
    }
}

/// What kind of failure: it decides what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFailure {
    /// Another version is there by now.
    Changed,
    /// There is no such object, or no such bucket.
    Gone,
    /// The server knows the caller not, or lets him not.
    Denied,
    /// What was asked cannot be: a wrong URL, a server that reads no ranges.
    Unfit,
    /// The server was not reached, failed, or was cut off, as often as it was tried.
    Failed,
    /// The run was stopped meanwhile.
    Stopped,
    /// The cache's folder failed.
    Cache,
}

/// An object, a bucket or a server failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {why}; {next}", next = self.next())]
pub struct ObjectError {
    pub url: String,
    pub failure: ObjectFailure,
    pub why: String,
}

impl ObjectError {
    /// What to do next.
    pub fn next(&self) -> &'static str {
        let scheme = self.url.split_once("://").map_or("", |(scheme, _)| scheme);
        match self.failure {
            ObjectFailure::Changed => "leave it alone while it is read or written, then run again",
            ObjectFailure::Gone => "check the URL: bucket, folder and name",
            ObjectFailure::Denied => match scheme {
                "s3" => {
                    "check the credentials in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION; \
                     AWS_SKIP_SIGNATURE=true for a public bucket), and what they may do"
                }
                "gs" => {
                    "check the credentials in the environment (GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT; \
                     GOOGLE_SKIP_SIGNATURE=true for a public bucket), and what they may do"
                }
                "az" => {
                    "check the credentials in the environment (AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, or a service \
                     principal; AZURE_SKIP_SIGNATURE=true for a public container), and what they may do"
                }
                "hf" => {
                    "check the token in the environment (HF_TOKEN; HF_ENDPOINT names another hub), and what it may read"
                }
                _ => "check that everybody may read it, and that its server is trusted",
            },
            ObjectFailure::Unfit => {
                "give another URL, or copy what lies there to a bucket or a disk that can be used"
            }
            ObjectFailure::Failed if scheme == "s3" => {
                "check that the server can be reached (elsewhere than at Amazon: AWS_ENDPOINT_URL), and run again: what was answered is kept. \
                 --object-retries tries more often, --object-timeout waits longer"
            }
            ObjectFailure::Failed if scheme == "az" => {
                "check that the server can be reached (elsewhere than at Microsoft: AZURE_STORAGE_ENDPOINT), and run again: what was answered is \
                 kept. --object-retries tries more often, --object-timeout waits longer"
            }
            ObjectFailure::Failed => {
                "check that the server can be reached, and run again: what was answered is kept. --object-retries tries more often, \
                 --object-timeout waits longer"
            }
            ObjectFailure::Stopped => "run again: what was answered is kept",
            ObjectFailure::Cache => "check the folder of --cache, or give another one or more --cache-bytes",
        }
    }
}
