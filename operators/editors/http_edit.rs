//! Edits by a model behind an HTTP endpoint that takes a picture and words, and returns a picture: OpenAI's `POST {base}/images/edits`.
//! Gateways and servers of other editing models have the same form (ImgEdit-E1 among them).
//!
//! A form is sent: `model`, `prompt`, `n` = 1, the picture as a PNG in `image`, and whatever fields the settings add. If the pass has a
//! reference, both pictures are sent as `image[]`, the picture first. If the pass is about a region, a PNG in `mask` has transparent pixels
//! where the picture is to change. `response_format` = `b64_json` is sent except to models that are named gpt-image or chatgpt-image, which
//! refuse that field and always answer so. The answer is JSON, `{"data": [{"b64_json": ...}]}` or `{"data": [{"url": ...}]}`. Its picture
//! is decoded once, and kept as it came.
//!
//! A `url` is followed only to the endpoint's own origin (or if it is a `data:` URL), because an answer could name any machine within
//! reach. Redirects are not followed. A server that stores its pictures elsewhere must be asked for `b64_json`. Source of the form:
//! OpenAI's API reference, "Create image edit".

mod answer;
mod form;
mod host;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use image::RgbImage;
use threshflow::row::{Refusal, Stamp};

use crate::editors::{Editor, Made, Pass};
use crate::plan::edit_plan::{MadeBy, Operation, Outcome};

use form::Sent;

pub use crate::http::Part;
pub use host::EditEndpoint;
pub use words::Wording;

/// Raise this when the code changes what is asked or what is taken for an answer; `words.rs` counts for itself.
const VERSION: &[u8] = b"http_edit/1";

const PATH: &str = "images/edits";
/// Fields that are the editor's own.
const OWN_FIELDS: [&str; 6] = ["model", "prompt", "image", "image[]", "mask", "n"];
const RESPONSE_FORMAT: &str = "response_format";

/// What carries forms to an endpoint and its answers back: with keys, retries, limits and budgets, of which an editor knows nothing.
pub trait SendForm: Send + Sync + 'static {
    /// For people: the endpoint's name.
    fn name(&self) -> String;
    /// How many forms may be under way.
    fn at_once(&self) -> usize;
    /// How long a form or a file may take, retries and all, where that is bounded.
    fn deadline(&self) -> Option<Duration> {
        None
    }
    /// Posts a form to a path below the endpoint's base URL; gives the JSON that a success comes with.
    fn post_form(&self, path: &str, parts: &[Part<'_>]) -> Result<Vec<u8>, Refusal>;
    /// Gets the file that an answer named. Refused as `url_elsewhere` where that isn't of the endpoint's origin.
    fn get_file(&self, url: &str) -> Result<Vec<u8>, Refusal>;
}

/// Whether an endpoint is told of the region by a mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Masks {
    /// Where the pass has one, but for `extract`, which is about all around it too.
    #[default]
    Sent,
    /// Never: for models that edit by words alone.
    NotSent,
}

/// What is decided about the questions. All of it shapes the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpEditSettings {
    /// As the endpoint calls it.
    pub model: String,
    /// Fields that are sent as they are: `size`, `quality`, `num_inference_steps`. A `response_format` here goes before the usual one; an empty
    /// one leaves the field out. No secrets: keys are the endpoint's.
    pub fields: BTreeMap<String, String>,
    /// The field that the pass's seed is sent in, where the endpoint takes one.
    pub seed_field: Option<String>,
    pub masks: Masks,
    pub wording: Wording,
    /// A picture of more pixels is sent smaller.
    pub most_pixels: u64,
}

impl HttpEditSettings {
    /// Masks are sent, words are of the pass, and pictures have at most 1.5 million pixels.
    pub fn new(model: impl Into<String>) -> Self {
        HttpEditSettings {
            model: model.into(),
            fields: BTreeMap::new(),
            seed_field: None,
            masks: Masks::default(),
            wording: Wording::default(),
            most_pixels: 1_500_000,
        }
    }

    /// The fields that go with every form.
    fn all_fields(&self) -> BTreeMap<String, String> {
        let mut fields = self.fields.clone();
        let refuses = ["gpt-image", "chatgpt-image"].iter().any(|name| self.model.starts_with(name));
        if !refuses && !fields.contains_key(RESPONSE_FORMAT) {
            fields.insert(RESPONSE_FORMAT.to_string(), "b64_json".to_string());
        }
        fields.retain(|name, value| name != RESPONSE_FORMAT || !value.is_empty());
        fields
    }
}

/// A setting that can't be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HttpEditError {
    #[error("the editing endpoint has no model's name; give the one that it calls the model by")]
    NoModel,
    #[error("the field `{name}` can't be set: {why}")]
    Field { name: String, why: &'static str },
    #[error("pictures for the editing endpoint may have {found} pixels; at least {LEAST_PIXELS} are needed")]
    TooFewPixels { found: u64 },
}

const LEAST_PIXELS: u64 = 64 * 64;

/// An editor behind an endpoint.
pub struct HttpEdit<S> {
    endpoint: S,
    settings: HttpEditSettings,
    /// With every form: the settings' fields, and `response_format` where it is due.
    fields: BTreeMap<String, String>,
}

impl<S: SendForm> HttpEdit<S> {
    /// # Errors
    /// [`HttpEditError`] where a setting can't be. Nothing is asked yet.
    pub fn new(endpoint: S, settings: HttpEditSettings) -> Result<Self, HttpEditError> {
        if settings.model.trim().is_empty() {
            return Err(HttpEditError::NoModel);
        }
        for name in settings.fields.keys().chain(&settings.seed_field) {
            let wrong = if OWN_FIELDS.contains(&name.as_str()) {
                "it is the editor's own"
            } else if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
                "a name is of letters, digits and signs, without blanks and quotes"
            } else if settings.seed_field.as_ref() == Some(name) && settings.fields.contains_key(name) {
                "it is the seed's"
            } else {
                continue;
            };
            return Err(HttpEditError::Field { name: name.clone(), why: wrong });
        }
        if settings.most_pixels < LEAST_PIXELS {
            return Err(HttpEditError::TooFewPixels { found: settings.most_pixels });
        }
        let fields = settings.all_fields();
        Ok(HttpEdit { endpoint, settings, fields })
    }

    pub fn endpoint(&self) -> &S {
        &self.endpoint
    }

    /// Sends the form, and gives the picture that came for it.
    fn ask(&self, prompt: &str, seed: u64, sent: &Sent) -> Result<Vec<u8>, Refusal> {
        let seed = seed_text(seed);
        let text = |name, text| Part::Text { name, text };
        let mut parts =
            vec![text("model", self.settings.model.as_str()), text("prompt", prompt), text("n", "1")];
        parts.extend(self.fields.iter().map(|(name, value)| text(name.as_str(), value)));
        parts.extend(self.settings.seed_field.iter().map(|name| text(name.as_str(), seed.as_str())));
        parts.extend(sent.parts());
        let body = self.endpoint.post_form(PATH, &parts)?;
        let bytes = match answer::picture(&body)? {
            answer::Picture::Here(bytes) => bytes,
            answer::Picture::There(url) => self.endpoint.get_file(&url)?,
        };
        answer::taken(bytes)
    }
}

/// Most servers take seeds of 31 bits: no sign, and no more than JavaScript's numbers hold.
fn seed_text(seed: u64) -> String {
    (seed & 0x7FFF_FFFF).to_string()
}

impl<S: SendForm> Editor for HttpEdit<S> {
    /// Of the model's name and all settings; not of the endpoint's address or key.
    fn stamp(&self) -> Stamp {
        let HttpEditSettings { model, fields: _, seed_field, masks, wording, most_pixels } = &self.settings;
        let fields = serde_json::to_vec(&self.fields).unwrap_or_default();
        let rest = format!("{seed_field:?} {masks:?} {wording:?} {most_pixels}");
        Stamp::of(&[
            ("editor", VERSION),
            ("words", words::VERSION),
            ("model", model.as_bytes()),
            ("fields", &fields),
            ("settings", rest.as_bytes()),
        ])
    }

    fn name(&self) -> &'static str {
        "edit_http"
    }

    fn reads_the_instruction(&self) -> bool {
        self.settings.wording == Wording::Instruction
    }

    fn description(&self) -> String {
        self.settings.model.clone()
    }

    /// All but action, which is two frames and nobody's edit.
    fn can(&self, operation: Operation) -> bool {
        operation.made() != MadeBy::OnFilm
    }

    fn at_once(&self) -> usize {
        self.endpoint.at_once()
    }

    fn deadline(&self) -> Option<Duration> {
        // The form, and the file that its answer may name.
        self.endpoint.deadline().map(|one| one * 2)
    }

    /// Refusal classes: `unsupported_operation`, `no_words`, `no_reference`, `bad_mask`, `bad_picture` (it can't be sent); of the answer
    /// `bad_answer` (no picture in it, or none that decodes), `url_elsewhere`; and the endpoint's, `content_filter` among them.
    fn edit(&self, pass: &Pass<'_>) -> Result<Made, Refusal> {
        if !self.can(pass.operation) {
            let message =
                format!("{} was asked of an editor; it is made of two frames", pass.operation.name());
            return Err(Refusal::permanent("unsupported_operation", message));
        }
        let prompt = words::prompt(pass, self.settings.wording)?;
        let sent = Sent::of(pass, self.settings.masks, self.settings.most_pixels)?;
        Ok(Made { bytes: self.ask(&prompt, pass.seed, &sent)? })
    }
}

/// The reference of a pass, where it is sent: with `visual` alone.
fn reference<'a>(pass: &Pass<'a>) -> Result<Option<&'a RgbImage>, Refusal> {
    if pass.operation.outcome() != Outcome::Reference {
        return Ok(None);
    }
    match pass.reference {
        None => {
            let message = "visual was asked for without the picture of the object that is to be shown";
            Err(Refusal::permanent("no_reference", message))
        }
        reference => Ok(reference),
    }
}

#[cfg(test)]
mod tests;
