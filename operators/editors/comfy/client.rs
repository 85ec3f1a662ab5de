//! The calls of ComfyUI's HTTP interface that a pass needs. Each has a deadline, and a bound on what is read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use serde_json::{Value, json};
use ureq::http::{Response, Uri};
use ureq::unversioned::multipart::{Form, Part};
use ureq::{Agent, Body};

use super::pictures::Upload;
use super::socket::Socket;
use crate::http::{
    ADVICE, HttpError, LONGEST_CONNECT, NEWS_AFTER, Pulse, Roots, SILENCE_IS_NEWS_AFTER, is_distrust,
    is_loopback, shortened, trouble,
};

/// The folder below ComfyUI's input and output that all lies in which is left there.
pub(super) const SUBFOLDER: &str = "threshflow";
/// How far back a lost answer is looked for.
const MOST_HISTORY: usize = 64;
/// The bytes of a name that a server gives: of a file or folder, which no system lets be longer, or of a prompt.
const MOST_NAME: usize = 1024;

/// For answers that cost a server nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum CallError {
    /// Of the endpoint: no connection, no answer in time, a fault of its own, or an answer that isn't ComfyUI's.
    Endpoint { why: String, retry_after: Option<Duration> },
    /// Its certificate is not trusted, and won't be the next time.
    Distrusted(String),
    /// It understood, and won't.
    Rejected { status: u16, body: Value },
    /// More than is read.
    TooLarge(String),
}

impl CallError {
    /// For people.
    pub(super) fn why(self) -> String {
        match self {
            CallError::Endpoint { why, .. } | CallError::Distrusted(why) | CallError::TooLarge(why) => why,
            CallError::Rejected { status, body } => {
                format!("status {status}: {}", shortened(&body.to_string()))
            }
        }
    }
}

/// One endpoint.
pub(super) struct Client {
    base: String,
    agent: Agent,
    /// For websockets, where it isn't the usual one.
    tls: Option<Arc<ClientConfig>>,
    call_timeout: Duration,
    most_body_bytes: u64,
    pulse: Pulse,
    /// Calls that came to nothing since the last that did not.
    ails: Mutex<Option<Ails>>,
}

struct Ails {
    why: String,
    tries: u32,
    since: Instant,
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
pub(super) enum PromptState {
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
    /// # Errors
    /// `SSL_CERT_FILE` is set and gives no roots of trust.
    pub(super) fn new(
        address: &str,
        call_timeout: Duration,
        most_body_bytes: u64,
    ) -> Result<Self, HttpError> {
        let roots = Roots::of(address)?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(LONGEST_CONNECT.min(call_timeout)))
            .timeout_per_call(Some(call_timeout));
        if is_loopback(address) {
            config = config.proxy(None);
        }
        if let Some(roots) = &roots {
            config = config.tls_config(roots.for_http());
        }
        Ok(Client {
            base: address.trim_end_matches('/').to_owned(),
            agent: config.build().new_agent(),
            tls: roots.map(|roots| roots.for_websockets()),
            call_timeout,
            most_body_bytes,
            pulse: Pulse::new(SILENCE_IS_NEWS_AFTER),
            ails: Mutex::default(),
        })
    }

    /// A websocket under this id; `None` where there is none to be had.
    pub(super) fn socket(&self, client_id: &str) -> Option<Socket> {
        Socket::connect(&self.base, client_id, self.tls.clone(), self.call_timeout)
    }

    /// What ails its calls, a prompt's looks among them: when it has lasted for a while.
    pub(super) fn trouble(&self) -> Option<String> {
        let ails = self.ails.lock().unwrap_or_else(PoisonError::into_inner);
        let ails = ails.as_ref().filter(|ails| ails.since.elapsed() >= NEWS_AFTER);
        ails.map(|ails| self.told(&ails.why, ails.tries, None)).or_else(|| self.pulse.silence())
    }

    /// Trouble in the words for all endpoints; the address stands before it already.
    pub(super) fn told(&self, why: &str, tries: u32, next: Option<Instant>) -> String {
        let why = why.strip_prefix(&*self.base).and_then(|why| why.strip_prefix(": ")).unwrap_or(why);
        trouble(why, tries, next)
    }

    fn note(&self, error: Option<&CallError>) {
        let mut ails = self.ails.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            None | Some(CallError::Rejected { .. } | CallError::TooLarge(_)) => *ails = None,
            Some(CallError::Endpoint { why, .. } | CallError::Distrusted(why)) => {
                let now = || Ails { why: String::new(), tries: 0, since: Instant::now() };
                let ails = ails.get_or_insert_with(now);
                ails.tries += 1;
                why.clone_into(&mut ails.why);
            }
        }
    }

    /// Without a slash at its end.
    pub(super) fn address(&self) -> &str {
        &self.base
    }

    /// That something of ComfyUI's answers at the address; else what is wrong.
    pub(super) fn is_there(&self) -> Result<(), CallError> {
        self.json(|| self.short(self.agent.get(self.at("/system_stats"))).call()).map(drop)
    }

    /// Whether the server knows nodes of a type; `None` where it does not say.
    pub(super) fn has_node(&self, kind: &str) -> Option<bool> {
        if kind.len() > MOST_NAME {
            return None;
        }
        let path = format!("/object_info/{}", escaped(kind));
        let info = self.json(|| self.short(self.agent.get(self.at(&path))).call()).ok()?;
        Some(info.get(kind).is_some())
    }

    /// A request that a server which is well answers at once.
    fn short<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        request.config().timeout_global(Some(PATIENCE.min(self.call_timeout))).build()
    }

    /// The name by which the server's nodes load the picture.
    ///
    /// The name is of the content, and the server is not told to overwrite: what it has already it leaves as it is, which
    /// a prompt that runs may be reading.
    pub(super) fn upload(&self, upload: &Upload) -> Result<String, CallError> {
        let part = Part::bytes(&upload.bytes).file_name(&upload.name);
        let part = part.mime_str("image/png").map_err(|error| self.failed(&error))?;
        let form = Form::new().text("type", "input").text("subfolder", SUBFOLDER).part("image", part);
        let answer = self.json(|| self.agent.post(self.at("/upload/image")).send(form))?;
        let is_name = |text: &&str| is_name(text);
        let name = answer["name"].as_str().filter(is_name);
        let name = name.ok_or_else(|| self.strange("an upload without a name", &answer.to_string()))?;
        match answer["subfolder"].as_str() {
            None | Some("") => Ok(name.to_owned()),
            Some(folder) if is_name(&folder) => Ok(format!("{folder}/{name}")),
            Some(_) => Err(self.strange("an upload to a folder that has no name", &answer.to_string())),
        }
    }

    /// Puts a prompt into the queue: its id and what the server says of it.
    pub(super) fn prompt(&self, graph: &Value, client_id: &str) -> Result<(String, Value), CallError> {
        let body = json!({"prompt": graph, "client_id": client_id});
        let answer = self.json(|| self.agent.post(self.at("/prompt")).send_json(&body))?;
        match answer["prompt_id"].as_str().filter(|id| is_name(id)) {
            Some(id) => Ok((id.to_owned(), answer)),
            None => Err(self.strange("a prompt without an id", &answer.to_string())),
        }
    }

    /// Where a prompt is. One that moves on while it is looked for is found.
    pub(super) fn find(&self, id: &str) -> Result<PromptState, CallError> {
        if let Some(entry) = self.history(id)? {
            return Ok(PromptState::Ended(entry));
        }
        let queue = self.queue()?;
        let is_in = |part: &str| items(&queue, part).any(|item| item[1].as_str() == Some(id));
        Ok(if is_in("queue_running") {
            PromptState::Running
        } else if is_in("queue_pending") {
            PromptState::Waiting
        } else {
            self.history(id)?.map_or(PromptState::Nowhere, PromptState::Ended)
        })
    }

    /// The prompt that this client put into the queue, if the server took it.
    pub(super) fn find_of_client(&self, client_id: &str) -> Result<Option<String>, CallError> {
        let is_ours = |item: &Value| item[3]["client_id"].as_str() == Some(client_id);
        let id_of = |item: &Value| item[1].as_str().filter(|id| is_name(id)).map(str::to_owned);
        let queue = self.queue()?;
        let mut queued = items(&queue, "queue_pending").chain(items(&queue, "queue_running"));
        if let Some(item) = queued.find(|item| is_ours(item)) {
            return Ok(id_of(item));
        }
        let url = self.at(&format!("/history?max_items={MOST_HISTORY}"));
        let history = self.json(|| self.agent.get(url).call())?;
        let mut prompts = history.as_object().into_iter().flatten().map(|(_, entry)| &entry["prompt"]);
        Ok(prompts.find(|item| is_ours(item)).and_then(id_of))
    }

    /// Takes a prompt out of the queue, and stops it if it runs. What fails here is left: nobody waits for it.
    pub(super) fn cancel(&self, id: &str) {
        let post = |path: &str, body: &Value| self.agent.post(self.at(path)).send_json(body).is_ok();
        post("/queue", &json!({"delete": [id]}));
        // Older servers stop whatever runs: they are told only while it is ours.
        if matches!(self.find(id), Ok(PromptState::Running)) {
            post("/interrupt", &json!({"prompt_id": id}));
        }
    }

    /// Takes a prompt that is done out of the history: nobody looks for it any more, and its words are nobody's to read there. What
    /// fails here is left.
    pub(super) fn forget(&self, id: &str) {
        let request = self.short(self.agent.post(self.at("/history")));
        drop(request.send_json(json!({"delete": [id]})));
    }

    /// The file of a picture and its content type.
    pub(super) fn view(&self, stored: &Stored) -> Result<(Vec<u8>, String), CallError> {
        let Stored { filename, subfolder, folder } = stored;
        let query = [("filename", filename), ("subfolder", subfolder), ("type", folder)]
            .map(|(name, value)| format!("{name}={}", escaped(value)));
        let url = self.at(&format!("/view?{}", query.join("&")));
        let (status, content_type, bytes) = self.answer(|| self.agent.get(url).call())?;
        if status != 200 {
            return Err(CallError::Rejected { status, body: text(&bytes) });
        }
        Ok((bytes, content_type))
    }

    fn history(&self, id: &str) -> Result<Option<Value>, CallError> {
        let url = self.at(&format!("/history/{}", escaped(id)));
        let mut history = self.json(|| self.agent.get(url).call())?;
        Ok(history.get_mut(id).map(Value::take))
    }

    fn queue(&self) -> Result<Value, CallError> {
        let queue = self.json(|| self.agent.get(self.at("/queue")).call())?;
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
    fn json(&self, call: impl FnOnce() -> Result<Response<Body>, ureq::Error>) -> Result<Value, CallError> {
        let answer = self.json_of(call);
        self.note(answer.as_ref().err());
        answer
    }

    fn json_of(
        &self,
        call: impl FnOnce() -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Value, CallError> {
        let (status, _, bytes) = self.answer(call)?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) if status == 200 && value.is_object() => Ok(value),
            Ok(body) if status == 400 && body.is_object() => Err(CallError::Rejected { status, body }),
            _ if status == 413 => Err(CallError::Rejected { status, body: text(&bytes) }),
            _ => {
                let said = String::from_utf8_lossy(&bytes);
                Err(self.strange(&format!("status {status}, which is not an answer of ComfyUI"), &said))
            }
        }
    }

    /// Status, content type and body, of what is no fault of the server's.
    fn answer(
        &self,
        call: impl FnOnce() -> Result<Response<Body>, ureq::Error>,
    ) -> Result<(u16, String, Vec<u8>), CallError> {
        let beat = self.pulse.asked();
        let mut response = call().map_err(|error| self.failed(&error))?;
        // It speaks; the bound on a call sees to the rest.
        beat.heard();
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let content_type = header("content-type").unwrap_or_default().to_owned();
        let retry_after = header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        let body = response.body_mut().with_config().limit(self.most_body_bytes).read_to_vec();
        if status >= 500 || status == 429 {
            let body = body.unwrap_or_default();
            let said = shortened(&String::from_utf8_lossy(&body));
            let why = format!("{}: status {status}: {said}", self.base);
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
        let why = format!("{}: {}", self.base, shortened(&error.to_string()));
        if is_distrust(error) {
            return CallError::Distrusted(format!("{why}; {ADVICE}"));
        }
        CallError::Endpoint { why, retry_after: None }
    }

    fn strange(&self, what: &str, body: &str) -> CallError {
        CallError::Endpoint { why: format!("{}: {what}: {}", self.base, shortened(body)), retry_after: None }
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
    Value::String(shortened(&String::from_utf8_lossy(bytes)))
}

/// Whether a server means something by it: what is longer than any file's name, or holds control characters, names nothing.
pub(super) fn is_name(text: &str) -> bool {
    (1..=MOST_NAME).contains(&text.len()) && !text.chars().any(char::is_control)
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
}
