//! The servers as a run sees them: the first call to each, its trouble, and what it did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use threshflow::lane::Endpoint;

use super::client::CallError;
use super::endpoints::Endpoints;
use super::workflow::Workflow;

/// One server of an editor.
pub(super) struct Server {
    pub(super) endpoints: Arc<Endpoints>,
    pub(super) number: usize,
}

impl Endpoint for Server {
    fn name(&self) -> String {
        self.endpoints.clients()[self.number].address().to_owned()
    }

    fn stop(&self) {
        self.endpoints.stop();
    }

    fn report(&self) -> Value {
        let state = self.endpoints.state(self.number);
        json!({
            "name": "comfyui", "base_url": self.name(), "passes": state.made, "refused": state.refused, "failures": state.failed,
        })
    }

    fn line(&self) -> String {
        let state = self.endpoints.state(self.number);
        let mut line = format!("ComfyUI at {}: {} passes", self.name(), state.made);
        for (count, what) in [(state.refused, "refused"), (state.failed, "failed")] {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        line
    }

    fn hopeless(&self) -> Option<String> {
        self.endpoints.hopeless()
    }

    fn try_again(&self) {
        self.endpoints.try_again();
    }

    fn in_vain(&self) -> usize {
        let state = self.endpoints.state(self.number);
        if state.failures > 0 { state.busy } else { 0 }
    }

    fn trouble(&self) -> Option<String> {
        let client = &self.endpoints.clients()[self.number];
        let state = self.endpoints.state(self.number);
        if state.failures == 0 {
            return client.trouble();
        }
        Some(client.told(&state.why, state.failures, state.aside_until))
    }
}

/// The node types that the workflows need, each with the workflows that need it.
fn node_types(workflows: &[Workflow]) -> BTreeMap<String, BTreeSet<&str>> {
    let mut types: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for workflow in workflows {
        for kind in workflow.node_types() {
            types.entry(kind.to_owned()).or_default().insert(&workflow.name);
        }
    }
    types
}

/// Asks every server how it is, and whether it has the nodes of all workflows: what is wrong with that for good. A server that
/// nobody reaches is set aside, unless none is reached.
///
/// # Errors
/// No server is reached, or one is not to be trusted or lacks node types.
pub(super) fn first_word(endpoints: &Endpoints, workflows: &[Workflow]) -> Result<(), String> {
    let types = node_types(workflows);
    let (mut reached, mut wrong, mut lacking) = (0, Vec::new(), Vec::new());
    for (number, client) in endpoints.clients().iter().enumerate() {
        match client.is_there() {
            Ok(()) => {}
            Err(CallError::Distrusted(why)) => {
                return Err(format!("a server of ComfyUI can't be used: {why}"));
            }
            Err(error) => {
                let why = error.why();
                endpoints.set_aside(number, &why);
                wrong.push(why);
                continue;
            }
        }
        reached += 1;
        let missing: Vec<String> = types
            .iter()
            .filter(|(kind, _)| client.has_node(kind) == Some(false))
            .map(|(kind, of)| format!("{kind} (of {})", of.iter().copied().collect::<Vec<_>>().join(", ")))
            .collect();
        if !missing.is_empty() {
            lacking.push(format!("{} has no node type {}", client.address(), missing.join(", ")));
        }
    }
    if reached == 0 {
        return Err(format!(
            "no server of ComfyUI can be used: {}. Start it, or check --comfyui and the proxy variables",
            wrong.join("; ")
        ));
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}; install these custom nodes there, or take the workflows out of --workflows",
        lacking.join("; ")
    ))
}
