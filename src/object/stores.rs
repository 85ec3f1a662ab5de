//! The clients of `object_store`, one for each bucket.

use std::error::Error;
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, RetryConfig};

use super::connect::Connector;
use super::tries::Trouble;
use super::url::Scheme;
use super::{ObjectFailure, ObjectUrl, Version};

/// Names the place of an S3 that is not Amazon's, as `boto3` and the AWS CLI read it, the more special one first.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// The server that the first of these variables names, without a slash at its end; none where none is set.
pub(super) fn server_named(variables: &[&str]) -> Result<Option<String>, Trouble> {
    let named = |name: &&str| {
        std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| ((*name).to_owned(), value))
    };
    let Some((name, value)) = variables.iter().find_map(named) else { return Ok(None) };
    let unfit = |why: String| Err(Trouble::lasting(ObjectFailure::Unfit, why));
    if value.contains('@') {
        return unfit(format!("{name} has a name or a password in it, which is not used; take it out"));
    }
    let uri = value.parse::<http::Uri>().ok();
    let is_one =
        uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    match is_one {
        true => Ok(Some(value.trim_end_matches('/').to_owned())),
        false => unfit(format!("{name} is {value:?}; it takes http://HOST:PORT or https://HOST")),
    }
}

/// A bucket, or a server of plain files.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same, where it can be written to, an object in parts.
    pub(super) parts: Option<Arc<dyn MultipartStore>>,
}

impl Opened {
    fn of<S: ObjectStore + MultipartStore>(store: S) -> Self {
        let store = Arc::new(store);
        Opened { store: store.clone(), parts: Some(store) }
    }
}

/// Opens the bucket of a URL, with what the environment says.
pub(super) fn open(url: &ObjectUrl, connector: Connector) -> Result<Opened, Trouble> {
    // Retries are ours: see `tries.rs`.
    let retries = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let options = ClientOptions::new().with_allow_http(true);
    Ok(match url.scheme {
        Scheme::S3 => {
            let mut builder = AmazonS3Builder::from_env()
                .with_bucket_name(&url.bucket)
                .with_client_options(options)
                .with_retry(retries)
                .with_http_connector(connector);
            if let Some(endpoint) = server_named(&ENDPOINTS)? {
                builder = builder.with_endpoint(endpoint);
            }
            Opened::of(builder.build().map_err(unopened)?)
        }
        Scheme::Google => Opened::of(
            GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(&url.bucket)
                .with_client_options(options)
                .with_retry(retries)
                .with_http_connector(connector)
                .build()
                .map_err(unopened)?,
        ),
        Scheme::Azure => Opened::of(
            MicrosoftAzureBuilder::from_env()
                .with_container_name(&url.bucket)
                .with_client_options(options)
                .with_retry(retries)
                .with_http_connector(connector)
                .build()
                .map_err(unopened)?,
        ),
        // Asked by its own API.
        Scheme::Hub => return Err(Trouble::lasting(ObjectFailure::Unfit, "it is no bucket")),
        Scheme::Http => {
            let store = HttpBuilder::new()
                .with_url(url.server())
                .with_client_options(options)
                .with_retry(retries)
                .with_http_connector(connector)
                .build()
                .map_err(unopened)?;
            Opened { store: Arc::new(store), parts: None }
        }
    })
}

/// What the environment lacks, or says wrongly.
fn unopened(error: object_store::Error) -> Trouble {
    let why = error.to_string();
    let why = why.split_once(" error: ").map_or(why.as_str(), |(_, why)| why);
    // What follows is the value, which may be a key.
    let why = why.split_once("invalid type").map_or(why, |_| "a key file, or a key, that cannot be read");
    Trouble::lasting(ObjectFailure::Denied, format!("it cannot be opened: {why}"))
}

/// A key as `object_store` has it.
pub(super) fn path_of(url: &ObjectUrl) -> Result<Path, Trouble> {
    let unfit = |error: object_store::path::Error| {
        Trouble::lasting(ObjectFailure::Unfit, format!("its key cannot be read: {error}"))
    };
    let unlike =
        |why: &str| Err(Trouble::lasting(ObjectFailure::Unfit, format!("its key cannot be read: {why}")));
    if url.scheme == Scheme::Http {
        // Decoded, it would be a slash.
        return match url.key.to_ascii_lowercase().contains("%2f") {
            true => unlike("it has a %2F"),
            false => Path::from_url_path(&url.key).map_err(unfit),
        };
    }
    let path = Path::parse(&url.key).map_err(unfit)?;
    // It leaves out a slash in front and at the end: that would be another object.
    if path.as_ref() == url.key { Ok(path) } else { unlike("it begins or ends with a slash") }
}

/// The version that a store's words name.
pub(super) fn version_of(meta: &ObjectMeta) -> Version {
    // One that is weak says of two contents that they are as good as the same.
    let strong = meta.e_tag.as_deref().filter(|etag| !etag.starts_with("W/"));
    let quoted = |etag: &str| if etag.starts_with('"') { etag.to_owned() } else { format!("\"{etag}\"") };
    Version {
        len: meta.size,
        etag: strong.map(quoted),
        modified: meta.last_modified.timestamp_millis(),
        pin: None,
    }
}

/// What was seen on the wire, where it was that; else what `object_store` says.
pub(super) fn trouble(error: &object_store::Error) -> Trouble {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(trouble) = error.downcast_ref::<Trouble>() {
            return trouble.clone();
        }
        source = error.source();
    }
    if error.to_string().contains("169.254.169.254") {
        return super::connect::no_role("it gives none");
    }
    // Some answers say 200 first, and that it failed behind it.
    let why = error.to_string();
    if ["InternalError", "SlowDown", "ServiceUnavailable"].iter().any(|word| why.contains(word)) {
        return Trouble::passing(why);
    }
    let failure = match error {
        object_store::Error::NotFound { .. } => ObjectFailure::Gone,
        object_store::Error::Precondition { .. }
        | object_store::Error::NotModified { .. }
        | object_store::Error::AlreadyExists { .. } => ObjectFailure::Changed,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            ObjectFailure::Denied
        }
        // Of single objects that were to be deleted at once.
        _ if why.contains("AccessDenied") => ObjectFailure::Denied,
        _ => ObjectFailure::Unfit,
    };
    Trouble::lasting(failure, why)
}
