//! One pass on one endpoint: upload, prompt, wait, fetch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use threshflow::row::Refusal;

use super::ComfySettings;
use super::client::{CallError, Client, PromptState, Stored};
use super::pictures::{self, Upload, Uploads};
use super::socket::{Heard, Socket};
use super::verdict;
use super::workflow::{Uploaded, Workflow};
use crate::editors::{Made, Pass};
use crate::http::shortened;

/// Between the end that was heard and the history that tells of it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Why an endpoint made no picture.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is well, and the pass won't go better elsewhere.
    Refused(Refusal),
    /// It isn't well, and took no prompt: the pass may go to another.
    Endpoint { why: String, retry_after: Option<Duration> },
    /// Its certificate is not trusted.
    Distrusted(String),
    /// It took the prompt, and the prompt or its picture is gone.
    Lost(String),
    /// The prompt took too long and was cancelled.
    TimedOut(String),
}

impl Failure {
    fn endpoint(why: String) -> Self {
        Failure::Endpoint { why, retry_after: None }
    }

    fn after_the_prompt(self) -> Self {
        match self {
            Failure::Endpoint { why, .. } => Failure::Lost(why),
            other => other,
        }
    }
}

/// What is to be done, on whichever endpoint.
pub(super) struct Task<'a> {
    pub(super) workflow: &'a Workflow,
    pub(super) pass: &'a Pass<'a>,
    pub(super) uploads: &'a Uploads,
    pub(super) settings: &'a ComfySettings,
}

/// A task on an endpoint.
pub(super) struct Run<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) client: &'a Client,
}

impl Run<'_> {
    pub(super) fn make(&self) -> Result<Made, Failure> {
        let client_id = new_client_id();
        // Before the prompt: one whose nodes are all cached is over at once.
        let mut socket = self.client.socket(&client_id);
        let uploaded = self.upload()?;
        let graph = self.task.workflow.filled(self.task.pass, &uploaded);
        let id = self.prompt(&graph, &client_id)?;
        let made = self.finish(&mut socket, &id).map_err(Failure::after_the_prompt)?;
        self.client.forget(&id);
        Ok(made)
    }

    fn finish(&self, socket: &mut Option<Socket>, id: &str) -> Result<Made, Failure> {
        let entry = self.wait(socket, id)?;
        let name = &self.task.workflow.name;
        let stored = verdict::ended(name, &entry, &self.task.workflow.binding.output);
        self.fetch(&stored.map_err(Failure::Refused)?)
    }

    fn upload(&self) -> Result<Uploaded, Failure> {
        let Uploads { picture, mask, reference } = self.task.uploads;
        let upload = |upload: &Upload| {
            self.client.upload(upload).map_err(|error| match error {
                CallError::Rejected { status, body } => {
                    let message = format!(
                        "{} won't take {} bytes of PNG: status {status}: {}",
                        self.client.address(),
                        upload.bytes.len(),
                        shortened(&body.to_string())
                    );
                    Failure::Refused(Refusal::transient("upload_rejected", message))
                }
                other => failure(other),
            })
        };
        Ok(Uploaded {
            picture: upload(picture)?,
            mask: mask.as_ref().map(upload).transpose()?,
            reference: reference.as_ref().map(upload).transpose()?,
        })
    }

    /// Puts the prompt into the queue, once: an answer that is lost is looked for before anything is sent again.
    fn prompt(&self, graph: &Value, client_id: &str) -> Result<String, Failure> {
        let name = &self.task.workflow.name;
        match self.client.prompt(graph, client_id) {
            Ok((id, answer)) => {
                match verdict::output_rejected(name, &answer, &self.task.workflow.binding.output) {
                    None => Ok(id),
                    Some(refusal) => {
                        self.client.cancel(&id);
                        Err(Failure::Refused(refusal))
                    }
                }
            }
            Err(CallError::Rejected { status: 400, body }) => {
                Err(Failure::Refused(verdict::rejected(name, &body)))
            }
            Err(lost) => match self.client.find_of_client(client_id) {
                Ok(Some(id)) => Ok(id),
                Ok(None) | Err(_) => Err(failure(lost)),
            },
        }
    }

    /// The prompt's entry in the history. The socket says when to look; where it is silent or gone, looks are further and
    /// further apart.
    fn wait(&self, socket: &mut Option<Socket>, id: &str) -> Result<Value, Failure> {
        let settings = self.task.settings;
        let deadline = Instant::now() + settings.prompt_timeout;
        let mut silent_since = None;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.client.find(id) {
                Ok(PromptState::Ended(entry)) => return Ok(entry),
                Ok(PromptState::Running | PromptState::Waiting) => silent_since = None,
                Ok(PromptState::Nowhere) => {
                    let why = format!("{} knows nothing of its prompt {id} any more", self.client.address());
                    return Err(Failure::endpoint(why));
                }
                Err(error) => {
                    let since: Instant = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= settings.lost_after.min(settings.give_up_after) {
                        return Err(failure(error));
                    }
                }
            }
            if Instant::now() >= deadline {
                self.client.cancel(id);
                return Err(Failure::TimedOut(format!(
                    "{}: the workflow {} was not done in {:.1?}",
                    self.client.address(),
                    self.task.workflow.name,
                    settings.prompt_timeout
                )));
            }
            match listen(socket, id, (Instant::now() + pause).min(deadline)) {
                Heard::Over => pause = FIRST_PAUSE,
                Heard::Nothing | Heard::Gone => pause = (pause * 2).min(settings.most_between_looks),
            }
        }
    }

    /// The picture, once more if it didn't come whole.
    fn fetch(&self, stored: &Stored) -> Result<Made, Failure> {
        let mut bad = String::new();
        let mut failed = None;
        for again in [true, false] {
            match self.client.view(stored) {
                Ok((bytes, content_type)) => match sound(bytes, &content_type) {
                    Ok(bytes) => return Ok(Made { bytes }),
                    Err(why) => bad = why,
                },
                Err(CallError::Rejected { status, .. }) => {
                    let message = format!(
                        "{} has no {} any more: status {status}",
                        self.client.address(),
                        shortened(&stored.filename)
                    );
                    return Err(Failure::Refused(Refusal::transient("output_lost", message)));
                }
                Err(CallError::TooLarge(why)) => return Err(failure(CallError::TooLarge(why))),
                Err(error) => failed = Some(failure(error)),
            }
            if again {
                rest(FIRST_PAUSE);
            }
        }
        if bad.is_empty()
            && let Some(failed) = failed
        {
            return Err(failed);
        }
        let message = format!("{} of {}: {bad}", shortened(&stored.filename), self.client.address());
        Err(Failure::Refused(Refusal::transient("bad_output", message)))
    }
}

fn sound(bytes: Vec<u8>, content_type: &str) -> Result<Vec<u8>, String> {
    if !content_type.starts_with("image/") {
        return Err(format!("it comes as {:?}, which is no picture", shortened(content_type)));
    }
    pictures::taken(bytes)
}

fn failure(error: CallError) -> Failure {
    match error {
        CallError::Endpoint { why, retry_after } => Failure::Endpoint { why, retry_after },
        CallError::Distrusted(why) => Failure::Distrusted(why),
        rejected @ CallError::Rejected { .. } => Failure::endpoint(rejected.why()),
        CallError::TooLarge(why) => Failure::Refused(Refusal::transient("answer_too_large", why)),
    }
}

fn listen(socket: &mut Option<Socket>, id: &str, until: Instant) -> Heard {
    if let Some(open) = socket {
        let heard = open.listen(id, until);
        if heard == Heard::Gone {
            *socket = None;
        }
        return heard;
    }
    rest(until.saturating_duration_since(Instant::now()));
    Heard::Nothing
}

fn rest(pause: Duration) {
    #[expect(clippy::disallowed_methods, reason = "an editor runs on a thread of a lane, which may wait")]
    std::thread::sleep(pause);
}

/// Of one prompt, and no other's in the world: by it the server tells of this prompt, and finds it again.
fn new_client_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&now.as_nanos().to_le_bytes());
    hasher.update(&std::process::id().to_le_bytes());
    hasher.update(&count.to_le_bytes());
    // Two machines may share the hour and the process's number, but hardly where its memory lies.
    hasher.update(&(&raw const COUNT as usize).to_le_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
