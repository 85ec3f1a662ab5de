//! The editor ComfyUI: one or several servers, and workflows of the user, each with a small binding file.
//!
//! A folder holds workflows in API format, `NAME.json`, and beside each a `NAME.binding.json`, whose keys [`binding`] lists. Everything is
//! checked when the editor is opened: operations, nodes, inputs, templates.
//!
//! A pass connects the websocket under an id of its own, uploads picture, mask and reference, puts the prompt into the queue, and waits
//! until the websocket reports its end. Only the history decides what came of it, so that a run is found too if it was over before anyone
//! listened, or if its websocket died. The picture is fetched, decoded once to prove that it is sound, and passed on as it came. Its size
//! may differ from the source's, because workflows scale.
//!
//! **What is left on a server.** ComfyUI has no call that deletes a file. Uploads are in the folder `threshflow` of its input, named by
//! their content, so that the same picture is stored once however often it is edited. What its nodes save is in the folder `threshflow` of
//! its output (`threshflow/` is put before every `filename_prefix`, except one that a binding sets). Both folders may be cleared while no
//! run is active. A successful prompt is removed from the server's history.
//!
//! **Several servers** share one queue. A server that fails (no connection, no answer in time, status 5xx or 429, an answer that is not
//! ComfyUI's, a prompt that took too long) is set aside, twice as long each time, and the pass continues on another server. A server whose
//! certificate is not trusted is asked nothing any more (`SSL_CERT_FILE` names the authorities to trust, for HTTP and websocket). A prompt
//! is sent again only if the server that had it is gone or has lost it. If only its answer was lost, the prompt is looked for first. The
//! websocket goes straight to the server; HTTP goes through the proxy that the environment names.
//!
//! Formats: ComfyUI's HTTP and websocket interface as of version 0.3.64.

pub mod binding;
mod client;
mod endpoints;
mod pictures;
mod run;
mod servers;
mod socket;
mod verdict;
mod workflow;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use threshflow::lane::Endpoint;
use threshflow::row::{Refusal, Stamp};

use crate::editors::{Editor, Made, Means, Pass, Results};
use crate::http::Afresh;
use crate::plan::edit_plan::Operation;
use client::Client;
use endpoints::Endpoints;
use pictures::Uploads;
use run::{Failure, Run, Task};
use servers::Server;
use workflow::Workflow;

const VERSION: &[u8] = b"comfy/2";

/// Prompts of one pass that servers took and didn't finish: it may be the pass that fells them.
const MOST_PROMPTS: usize = 3;

/// Where and how passes are made.
#[derive(Clone, Debug)]
pub struct ComfySettings {
    /// Addresses of servers, without names and passwords: `http://127.0.0.1:8188`.
    pub endpoints: Vec<String>,
    /// The folder of workflows and their binding files.
    pub workflows: PathBuf,
    /// From the queue's taking a prompt to its end, waiting included; then it is cancelled.
    pub prompt_timeout: Duration,
    /// Of one HTTP call, from the connection to the last byte.
    pub call_timeout: Duration,
    /// How long no server may be well before passes are refused: those that wait, and then at once those that come.
    pub give_up_after: Duration,
    /// How long a server may be silent before its prompt counts as lost; no longer than `give_up_after`.
    pub lost_after: Duration,
    /// How often the history is looked at, at least, whatever the websocket says.
    pub most_between_looks: Duration,
    /// A failing server is set aside this long at first, then twice as long each time.
    pub first_aside: Duration,
    /// And never longer than this.
    pub longest_aside: Duration,
    /// The longest answer that is read, pictures included.
    pub most_body_bytes: u64,
    /// Prompts a server is given side by side. It runs one after the other; with 2, uploads overlap with work.
    pub at_once_each: usize,
}

impl ComfySettings {
    /// Servers and a folder of workflows, and for the rest: 10 minutes a prompt, a minute a call, 128 MiB an answer.
    pub fn new(endpoints: Vec<String>, workflows: PathBuf) -> Self {
        ComfySettings {
            endpoints,
            workflows,
            prompt_timeout: Duration::from_secs(600),
            call_timeout: Duration::from_secs(60),
            give_up_after: Duration::from_secs(300),
            lost_after: Duration::from_secs(30),
            most_between_looks: Duration::from_secs(5),
            first_aside: Duration::from_secs(1),
            longest_aside: Duration::from_secs(60),
            most_body_bytes: 128 << 20,
            at_once_each: 1,
        }
    }
}

/// What is wrong with settings or workflows: all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ComfyUI can't be used:\n{}", .wrong.join("\n"))]
pub struct ComfyError {
    pub wrong: Vec<String>,
}

/// Makes passes by ComfyUI.
pub struct Comfy {
    settings: ComfySettings,
    workflows: Vec<Workflow>,
    endpoints: Arc<Endpoints>,
    /// Of the servers as they were when it was asked.
    first_word: Afresh<Result<(), String>>,
}

impl Comfy {
    /// The servers, for a run to watch.
    pub fn servers(&self) -> Vec<Arc<dyn Endpoint>> {
        let server =
            |number| -> Arc<dyn Endpoint> { Arc::new(Server { endpoints: self.endpoints.clone(), number }) };
        (0..self.endpoints.clients().len()).map(server).collect()
    }

    /// Before the first pass: whether a server is there, and has the nodes of the workflows. It is asked once a process.
    fn first_word(&self) -> Result<(), Refusal> {
        if self.endpoints.hopeless().is_none() {
            self.first_word.forget_if(Result::is_err);
        }
        let said = self.first_word.get_or_init(|| {
            servers::first_word(&self.endpoints, &self.workflows)
                .inspect_err(|why| self.endpoints.despair(why))
        });
        said.map_err(|why| Refusal::transient("unreachable", why))
    }

    /// Reads and checks the workflows. No server is asked anything yet.
    pub fn open(settings: ComfySettings) -> Result<Self, ComfyError> {
        let mut wrong: Vec<String> =
            settings.endpoints.iter().filter_map(|address| client::check_address(address).err()).collect();
        if settings.endpoints.is_empty() {
            wrong.push("there is no endpoint; one is written as in http://127.0.0.1:8188".to_owned());
        }
        if settings.at_once_each == 0 {
            wrong.push("0 prompts side by side; 1 and more are allowed".to_owned());
        }
        let workflows = workflow::read_folder(&settings.workflows).unwrap_or_else(|faults| {
            wrong.extend(faults);
            Vec::new()
        });
        if !wrong.is_empty() {
            return Err(ComfyError { wrong });
        }
        let client = |address: &String| Client::new(address, settings.call_timeout, settings.most_body_bytes);
        let clients: Vec<Client> = settings
            .endpoints
            .iter()
            .map(client)
            .collect::<Result<_, _>>()
            .map_err(|error| ComfyError { wrong: vec![error.to_string()] })?;
        let endpoints =
            Endpoints::new(clients, settings.at_once_each, settings.first_aside, settings.longest_aside);
        Ok(Comfy { settings, workflows, endpoints: Arc::new(endpoints), first_word: Afresh::default() })
    }

    /// On one endpoint after the other, until one has made it or all have failed for too long.
    fn run(&self, task: &Task<'_>) -> Result<Made, Refusal> {
        let mut prompts = 0;
        let mut last = None;
        while let Some(lease) = self.endpoints.take(self.settings.give_up_after) {
            let client = lease.client();
            let (class, why) = match (Run { task, client }).make() {
                Ok(made) => {
                    lease.worked(true);
                    return Ok(made);
                }
                Err(Failure::Refused(refusal)) => {
                    lease.worked(false);
                    return Err(refusal);
                }
                Err(Failure::Endpoint { why, retry_after }) => {
                    lease.failed(&why, retry_after);
                    last = Some(why);
                    continue;
                }
                Err(Failure::Distrusted(why)) => {
                    lease.distrusted(&why);
                    last = Some(why);
                    continue;
                }
                Err(Failure::Lost(why)) => ("unreachable", why),
                Err(Failure::TimedOut(why)) => ("timed_out", why),
            };
            lease.failed(&why, None);
            prompts += 1;
            if prompts == MOST_PROMPTS {
                return Err(Refusal::transient(
                    class,
                    format!("{why}; that was prompt {prompts} of the pass"),
                ));
            }
            last = Some(why);
        }
        if self.endpoints.is_stopped() {
            return Err(Refusal::transient("stopped", "ComfyUI was not asked: the run is ending"));
        }
        let last = last.or_else(|| self.endpoints.last_failure());
        let message = format!(
            "no endpoint of ComfyUI was well for {:.1?}; the last failure: {}",
            self.settings.give_up_after,
            last.unwrap_or_default()
        );
        Err(Refusal::transient("unreachable", message))
    }
}

impl Editor for Comfy {
    fn stamp(&self) -> Stamp {
        let common = self.common_stamp();
        let mut parts: Vec<(&str, &[u8])> = vec![("editor", &common.0.0)];
        for workflow in &self.workflows {
            parts.push(("name", workflow.name.as_bytes()));
            parts.push(("workflow", &workflow.stamp.0.0));
        }
        Stamp::of(&parts)
    }

    fn common_stamp(&self) -> Stamp {
        Stamp::of(&[("editor", VERSION)])
    }

    /// The workflow, by its file and its binding.
    fn means(&self, operation: Operation, result: &str, seed: u64) -> Option<Means> {
        let workflow = workflow::choose(&self.workflows, operation, result, seed)?;
        Some(Means { stamp: workflow.stamp, reads_the_instruction: workflow.reads_the_instruction() })
    }

    fn name(&self) -> &'static str {
        "edit_comfyui"
    }

    fn reads_the_instruction(&self) -> bool {
        self.workflows.iter().any(Workflow::reads_the_instruction)
    }

    fn description(&self) -> String {
        let count = self.workflows.len();
        format!("ComfyUI, {count} workflow{}", if count == 1 { "" } else { "s" })
    }

    fn can(&self, operation: Operation) -> bool {
        workflow::serves(&self.workflows, operation)
    }

    fn at_once(&self) -> usize {
        self.endpoints.at_once()
    }

    /// Bound where every workflow of the operation is for some results only.
    fn results(&self, operation: Operation) -> Option<Results> {
        let words = workflow::words_of(&self.workflows, operation)?;
        let told = format!("words with one of {} in them", words.join(", "));
        Some(Results { told, makes: Box::new(move |result| workflow::holds_one(&words, result)) })
    }

    fn deadline(&self) -> Option<Duration> {
        let settings = &self.settings;
        let one = settings.prompt_timeout + settings.give_up_after + settings.call_timeout * 2;
        Some(one * MOST_PROMPTS as u32)
    }

    /// Refusal classes. Of the content: `execution_failed`, `no_reference` (the workflow wants one), `no_workflow` (none for this
    /// operation and result), `bad_mask` (not of the picture's size), `bad_picture`. Of the servers: `no_picture`, `unreachable`, `timed_out`, `workflow_rejected` (a node or a model is missing), `out_of_memory`, `server_failed`,
    /// `interrupted`, `upload_rejected`, `output_lost`, `bad_output`, `answer_too_large`.
    fn edit(&self, pass: &Pass<'_>) -> Result<Made, Refusal> {
        let chosen = workflow::choose(&self.workflows, pass.operation, pass.result, pass.seed);
        let Some(workflow) = chosen else {
            let message =
                format!("no workflow serves {} with the result {:?}", pass.operation.name(), pass.result);
            return Err(Refusal::permanent("no_workflow", message));
        };
        let uploads = Uploads::of(pass, &workflow.binding)?;
        self.first_word()?;
        self.run(&Task { workflow, pass, uploads: &uploads, settings: &self.settings })
    }
}

#[cfg(test)]
mod tests;
