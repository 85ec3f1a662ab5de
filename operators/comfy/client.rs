//! The calls of ComfyUI's HTTP interface that a pass needs, each with a deadline and a bound on what is read.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::{Response, Uri};
use ureq::unversioned::multipart::{Form, Part};
use ureq::{Agent, Body};

use super::pictures::Upload;

/// The folder below ComfyUI's input that uploads lie in.
const SUBFOLDER: &str = "threshflow";
/// How far back a lost answer is looked for.
const MOST_HISTORY: usize = 64;
/// Errors are shown to people.
const MOST_SHOWN: usize = 300;

/// For answers that cost a server nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum CallError {
    /// Of the endpoint: no connection, no answer in time, a fault of its own, or an answer that isn't ComfyUI's.
    Endpoint { why: String, retry_after: Option<Duration> },
    /// It understood, and won't.
    Rejected { status: u16, body: Value },
    /// More than is read.
    TooLarge(String),
}

/// One endpoint.
pub(super) struct Client {
    base: String,
    agent: Agent,
    most_body_bytes: u64,
}

/// Where a picture lies on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) filename: String,
    pub(super) subfolder: String,
    pub(super) folder: String,
}

/// What the queue and the history say of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Its entry in the history: it has ended.
    Ended(Value),
    Running,
    Waiting,
    Nowhere,
}

/// What is wrong with an endpoint's address; never repeats a password.
pub(super) fn check_address(address: &str) -> Result<(), String> {
    const EXAMPLE: &str = "one is written as in http://127.0.0.1:8188";
    let uri: Uri =
        address.parse().map_err(|error| format!("an endpoint is no address: {error}; {EXAMPLE}"))?;
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    if authority.contains('@') {
        return Err(format!(
            "the endpoint at {} holds a name or password, which would end up in messages; leave it out",
            uri.host().unwrap_or_default()
        ));
    }
    match uri.scheme_str() {
        Some("http" | "https") if !authority.is_empty() && uri.query().is_none() => Ok(()),
        _ => Err(format!("{address:?} is no endpoint of ComfyUI; {EXAMPLE}")),
    }
}

impl Client {
    pub(super) fn new(address: &str, call_timeout: Duration, most_body_bytes: u64) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_per_call(Some(call_timeout))
            .build();
        Client { base: address.trim_end_matches('/').to_owned(), agent: config.new_agent(), most_body_bytes }
    }

    /// Without a slash at its end.
    pub(super) fn address(&self) -> &str {
        &self.base
    }

    /// That something of ComfyUI's answers at the address.
    pub(super) fn is_there(&self) -> Result<(), String> {
        match self.json(self.short(self.agent.get(self.at("/system_stats"))).call()) {
            Ok(_) => Ok(()),
            Err(CallError::Endpoint { why, .. } | CallError::TooLarge(why)) => Err(why),
            Err(CallError::Rejected { status, body }) => {
                Err(format!("{}: status {status}: {}", self.base, shown(&body.to_string())))
            }
        }
    }

    /// Whether the server knows nodes of a type; `None` where it does not say.
    pub(super) fn has_node(&self, kind: &str) -> Option<bool> {
        let path = format!("/object_info/{}", escaped(kind));
        let info = self.json(self.short(self.agent.get(self.at(&path))).call()).ok()?;
        Some(info.get(kind).is_some())
    }

    /// A request that a server which is well answers at once.
    fn short<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        request.config().timeout_global(Some(PATIENCE)).build()
    }

    /// The name by which the server's nodes load the picture.
    ///
    /// The name is of the content, and the server is not told to overwrite: what it has already it leaves as it is, which
    /// a prompt that runs may be reading.
    pub(super) fn upload(&self, upload: &Upload) -> Result<String, CallError> {
        let part = Part::bytes(&upload.bytes).file_name(&upload.name);
        let part = part.mime_str("image/png").map_err(|error| self.failed(&error))?;
        let form = Form::new().text("type", "input").text("subfolder", SUBFOLDER).part("image", part);
        let sent = self.agent.post(self.at("/upload/image")).send(form);
        let answer = self.json(sent)?;
        let name = answer["name"].as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| self.strange("an upload without a name", &answer.to_string()))?;
        Ok(match answer["subfolder"].as_str() {
            None | Some("") => name.to_owned(),
            Some(folder) => format!("{folder}/{name}"),
        })
    }

    /// Puts a prompt into the queue: its id and what the server says of it.
    pub(super) fn prompt(&self, graph: &Value, client_id: &str) -> Result<(String, Value), CallError> {
        let body = json!({"prompt": graph, "client_id": client_id});
        let answer = self.json(self.agent.post(self.at("/prompt")).send_json(&body))?;
        match answer["prompt_id"].as_str() {
            Some(id) => Ok((id.to_owned(), answer)),
            None => Err(self.strange("a prompt without an id", &answer.to_string())),
        }
    }

    /// Where a prompt is. One that moves on while it is looked for is found.
    pub(super) fn find(&self, id: &str) -> Result<Found, CallError> {
        if let Some(entry) = self.history(id)? {
            return Ok(Found::Ended(entry));
        }
        let queue = self.queue()?;
        let is_in = |part: &str| items(&queue, part).any(|item| item[1].as_str() == Some(id));
        Ok(if is_in("queue_running") {
            Found::Running
        } else if is_in("queue_pending") {
            Found::Waiting
        } else {
            self.history(id)?.map_or(Found::Nowhere, Found::Ended)
        })
    }

    /// The prompt that this client put into the queue, if the server took it.
    pub(super) fn find_of_client(&self, client_id: &str) -> Result<Option<String>, CallError> {
        let is_ours = |item: &Value| item[3]["client_id"].as_str() == Some(client_id);
        let id_of = |item: &Value| item[1].as_str().map(str::to_owned);
        let queue = self.queue()?;
        let mut queued = items(&queue, "queue_pending").chain(items(&queue, "queue_running"));
        if let Some(item) = queued.find(|item| is_ours(item)) {
            return Ok(id_of(item));
        }
        let url = self.at(&format!("/history?max_items={MOST_HISTORY}"));
        let history = self.json(self.agent.get(url).call())?;
        let mut prompts = history.as_object().into_iter().flatten().map(|(_, entry)| &entry["prompt"]);
        Ok(prompts.find(|item| is_ours(item)).and_then(id_of))
    }

    /// Takes a prompt out of the queue, and stops it if it runs. What fails here is left: nobody waits for it.
    pub(super) fn cancel(&self, id: &str) {
        let post = |path: &str, body: &Value| self.agent.post(self.at(path)).send_json(body).is_ok();
        post("/queue", &json!({"delete": [id]}));
        // Older servers stop whatever runs: they are told only while it is ours.
        if matches!(self.find(id), Ok(Found::Running)) {
            post("/interrupt", &json!({"prompt_id": id}));
        }
    }

    /// The file of a picture and its content type.
    pub(super) fn view(&self, stored: &Stored) -> Result<(Vec<u8>, String), CallError> {
        let request = self.agent.get(self.at("/view"));
        let request = request.query("filename", &stored.filename).query("subfolder", &stored.subfolder);
        let response = request.query("type", &stored.folder).call();
        let (status, content_type, bytes) = self.answer(response)?;
        if status != 200 {
            return Err(CallError::Rejected { status, body: text(&bytes) });
        }
        Ok((bytes, content_type))
    }

    fn history(&self, id: &str) -> Result<Option<Value>, CallError> {
        let mut history = self.json(self.agent.get(self.at(&format!("/history/{id}"))).call())?;
        Ok(history.get_mut(id).map(Value::take))
    }

    fn queue(&self) -> Result<Value, CallError> {
        let queue = self.json(self.agent.get(self.at("/queue")).call())?;
        if queue["queue_running"].is_array() && queue["queue_pending"].is_array() {
            Ok(queue)
        } else {
            Err(self.strange("no queue", &queue.to_string()))
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// An answer that must be a JSON object.
    fn json(&self, response: Result<Response<Body>, ureq::Error>) -> Result<Value, CallError> {
        let (status, _, bytes) = self.answer(response)?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) if status == 200 && value.is_object() => Ok(value),
            Ok(body) if status == 400 && body.is_object() => Err(CallError::Rejected { status, body }),
            _ if status == 413 => Err(CallError::Rejected { status, body: text(&bytes) }),
            _ => {
                let start = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_SHOWN)]).into_owned();
                Err(self.strange(&format!("status {status}, which is not an answer of ComfyUI"), &start))
            }
        }
    }

    /// Status, content type and body, of what is no fault of the server's.
    fn answer(
        &self,
        response: Result<Response<Body>, ureq::Error>,
    ) -> Result<(u16, String, Vec<u8>), CallError> {
        let mut response = response.map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let content_type = header("content-type").unwrap_or_default().to_owned();
        let retry_after = header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        let body = response.body_mut().with_config().limit(self.most_body_bytes).read_to_vec();
        if status >= 500 || status == 429 {
            let body = body.unwrap_or_default();
            let why = format!("{}: status {status}: {}", self.base, shown(&String::from_utf8_lossy(&body)));
            return Err(CallError::Endpoint { why, retry_after: retry_after.map(Duration::from_secs) });
        }
        match body {
            Ok(body) => Ok((status, content_type, body)),
            Err(ureq::Error::BodyExceedsLimit(limit)) => {
                Err(CallError::TooLarge(format!("{}: an answer of more than {limit} bytes", self.base)))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &ureq::Error) -> CallError {
        CallError::Endpoint { why: format!("{}: {error}", self.base), retry_after: None }
    }

    fn strange(&self, what: &str, body: &str) -> CallError {
        CallError::Endpoint { why: format!("{}: {what}: {}", self.base, shown(body)), retry_after: None }
    }
}

fn items<'a>(queue: &'a Value, part: &str) -> impl Iterator<Item = &'a Value> {
    queue[part].as_array().into_iter().flatten()
}

/// As a part of a path: node types hold spaces, brackets and more.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn text(bytes: &[u8]) -> Value {
    Value::String(shown(&String::from_utf8_lossy(bytes)))
}

/// The start of a text, on one line.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim().replace(['\n', '\r'], " ");
    match text.char_indices().nth(MOST_SHOWN) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_passwords_kept() {
        assert_eq!(check_address("http://127.0.0.1:8188"), Ok(()));
        assert_eq!(check_address("https://pictures.example/comfy/"), Ok(()));
        for wrong in ["127.0.0.1:8188", "ftp://a", "http://a/?b=c", "", "/a"] {
            assert!(check_address(wrong).is_err(), "{wrong}");
        }
        let told = check_address("http://me:canary@host:8188").unwrap_err();
        assert!(told.contains("host") && !told.contains("canary"), "{told}");
    }

    #[test]
    fn only_the_start_is_shown() {
        assert_eq!(shown(" a\nb "), "a b");
        assert_eq!(shown(&"ä".repeat(1000)).chars().count(), MOST_SHOWN + 4);
    }
}
