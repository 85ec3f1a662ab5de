//! What a server's messages mean for a pass: why it rejects a prompt, how a prompt ended, and where the picture is.

use serde_json::Value;
use threshflow::row::Refusal;

use super::client::{Stored, is_name};
use crate::http::shortened;

// What a server says of its nodes and models is transient: whether they are there is checked before anything runs, for nothing, and a
// missing model must not stick to every picture that came by. So is a run that went well and left no picture: what became of its output
// (a cache, a full disk, a preview that was cleared away) is the server's affair.

/// Why a prompt was rejected: the body of a status 400.
pub(super) fn rejected(workflow: &str, body: &Value) -> Refusal {
    let mut faults: Vec<String> =
        node_errors(body).take(MOST_FAULTS).map(|(id, node)| of_node(id, node)).collect();
    if faults.is_empty() {
        // {"error": {"message", "details"}}; of old servers, {"error": "message"}.
        let error = &body["error"];
        let parts = [error.as_str(), error["message"].as_str(), error["details"].as_str()];
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        faults.push(shortened(&if parts.is_empty() { body.to_string() } else { parts.join(" ") }));
    }
    let more = node_errors(body).count().saturating_sub(MOST_FAULTS);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    let message = format!("ComfyUI won't run the workflow {workflow}: {}", faults.join("; "));
    Refusal::transient("workflow_rejected", message)
}

/// A prompt that was taken, but for the one output that counts.
pub(super) fn output_rejected(workflow: &str, answer: &Value, output: &str) -> Option<Refusal> {
    let is_ours = |node: &Value| {
        node["dependent_outputs"].as_array().into_iter().flatten().any(|id| id.as_str() == Some(output))
    };
    let ours = node_errors(answer).any(|(id, node)| id == output || is_ours(node));
    ours.then(|| rejected(workflow, answer))
}

/// Nodes that a message names, and errors of each.
const MOST_FAULTS: usize = 4;

fn node_errors(body: &Value) -> impl Iterator<Item = (&String, &Value)> {
    body["node_errors"].as_object().into_iter().flatten()
}

fn of_node(id: &str, node: &Value) -> String {
    let class = node["class_type"].as_str().unwrap_or("unknown");
    let errors = node["errors"].as_array().into_iter().flatten().take(MOST_FAULTS).map(|error| {
        let part = |name: &str| error[name].as_str().unwrap_or_default();
        format!("{}: {}", part("message"), part("details")).trim_end_matches(": ").to_owned()
    });
    let errors = errors.collect::<Vec<_>>().join(", ");
    format!("node {} ({}): {}", shortened(id), shortened(class), shortened(&errors))
}

/// How a prompt ended, by its entry in the history: where the first picture of the node `output` lies.
pub(super) fn ended(workflow: &str, entry: &Value, output: &str) -> Result<Stored, Refusal> {
    let messages = || entry["status"]["messages"].as_array().into_iter().flatten();
    let message = |kind: &str| messages().find(|message| message[0].as_str() == Some(kind));
    if let Some(error) = message("execution_error") {
        return Err(execution_error(workflow, &error[1]));
    }
    if message("execution_interrupted").is_some() {
        let message = format!("somebody stopped the workflow {workflow} on the server");
        return Err(Refusal::transient("interrupted", message));
    }
    if entry["status"]["status_str"].as_str() == Some("error") {
        let message =
            format!("the workflow {workflow} failed, and the server doesn't say why; look into its log");
        return Err(Refusal::transient("server_failed", message));
    }
    let pictures = entry["outputs"][output]["images"].as_array();
    let first = pictures.and_then(|pictures| pictures.first()).filter(|first| first["filename"].is_string());
    if let Some(first) = first {
        return stored(first).ok_or_else(|| {
            let message = format!(
                "the workflow {workflow} gave a picture under a name that is none: {}",
                shortened(&first.to_string())
            );
            Refusal::transient("bad_output", message)
        });
    }
    Err({
        let message = format!(
            "the workflow {workflow} ran well, and its node {output} gave no picture; the next run asks again, check the node \
             if it never does"
        );
        Refusal::transient("no_picture", message)
    })
}

/// `None` where it lies under no name that a file can have, or in none of ComfyUI's folders.
fn stored(picture: &Value) -> Option<Stored> {
    let text = |name: &str| picture[name].as_str().unwrap_or_default();
    let (filename, subfolder) = (text("filename"), text("subfolder"));
    let folder = Some(text("type")).filter(|kind| !kind.is_empty()).unwrap_or("output");
    let is_meant = is_name(filename)
        && (subfolder.is_empty() || is_name(subfolder))
        && ["output", "temp", "input"].contains(&folder);
    let [filename, subfolder, folder] = [filename, subfolder, folder].map(str::to_owned);
    is_meant.then_some(Stored { filename, subfolder, folder })
}

/// Words of a machine that is short of memory.
const OUT_OF_MEMORY: [&str; 6] = [
    "OutOfMemoryError",
    "MemoryError",
    "out of memory",
    "ran out of memory",
    "Allocation on device",
    "not enough memory",
];
/// Words of a machine, or of an installation, that is at fault whatever the picture.
const OF_THE_SERVER: [&str; 17] = [
    "CUDA error",
    "HIP error",
    "MPS backend",
    "OSError",
    "TimeoutError",
    "BrokenPipeError",
    "SafetensorError",
    "Unauthorized",
    "requests.exceptions",
    "cuDNN",
    "CUBLAS",
    "No space left",
    "FileNotFoundError",
    "PermissionError",
    "ModuleNotFoundError",
    "ImportError",
    "ConnectionError",
];

fn execution_error(workflow: &str, error: &Value) -> Refusal {
    let part = |name: &str| error[name].as_str().unwrap_or_default();
    let what = format!("{}: {}", part("exception_type"), part("exception_message"));
    let is_any = |words: &[&str]| words.iter().any(|word| what.contains(word));
    let refused = if is_any(&OUT_OF_MEMORY) {
        |why| Refusal::transient("out_of_memory", why)
    } else if is_any(&OF_THE_SERVER) {
        |why| Refusal::transient("server_failed", why)
    } else {
        |why| Refusal::permanent("execution_failed", why)
    };
    let (id, node) = (part("node_id"), part("node_type"));
    let (id, node, what) = (shortened(id), shortened(node), shortened(&what));
    refused(format!("node {id} ({node}) of the workflow {workflow}: {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rejections_name_node_and_fault() {
        let body = json!({"error": {"message": "Prompt outputs failed validation", "details": ""}, "node_errors": {"11": {
            "class_type": "CheckpointLoaderSimple", "dependent_outputs": ["27"], "errors": [{"type": "value_not_in_list",
                "message": "Value not in list", "details": "ckpt_name: 'a.safetensors' not in []"}]}}});
        let refusal = rejected("inpaint", &body);
        assert_eq!(
            refusal.to_string(),
            "workflow_rejected: ComfyUI won't run the workflow inpaint: node 11 (CheckpointLoaderSimple): Value not in list: \
             ckpt_name: 'a.safetensors' not in []"
        );
        assert!(!refusal.is_permanent());
        assert!(output_rejected("inpaint", &body, "27").is_some());
        assert!(output_rejected("inpaint", &body, "29").is_none());
        assert!(
            rejected("a", &json!({"error": "no prompt", "node_errors": []})).message.ends_with(": no prompt")
        );
    }

    #[test]
    fn a_machine_at_fault_is_no_word_about_the_picture() {
        let failed = |kind: &str, message: &str| {
            let error = json!({"node_id": "8", "node_type": "KSampler", "exception_type": kind, "exception_message": message});
            let entry = json!({"status": {"status_str": "error", "messages": [["execution_error", error]]}, "outputs": {}});
            ended("inpaint", &entry, "27").unwrap_err()
        };
        let refusal = failed("torch.OutOfMemoryError", "Allocation on device");
        assert_eq!((refusal.class.as_ref(), refusal.is_permanent()), ("out_of_memory", false));
        let refusal = failed("RuntimeError", "CUDA error: an illegal memory access was encountered");
        assert_eq!((refusal.class.as_ref(), refusal.is_permanent()), ("server_failed", false));
        let refusal = failed("ValueError", "mask is empty");
        assert_eq!((refusal.class.as_ref(), refusal.is_permanent()), ("execution_failed", true));
        assert_eq!(refusal.message, "node 8 (KSampler) of the workflow inpaint: ValueError: mask is empty");
    }

    #[test]
    fn the_picture_is_the_named_nodes() {
        let picture = |name: &str| json!({"images": [{"filename": name, "subfolder": "s", "type": "temp"}]});
        let entry = json!({"outputs": {"9": picture("a.png"), "27": picture("b.png")}, "status": {"status_str": "success"}});
        let found = ended("w", &entry, "27").unwrap();
        assert_eq!(
            (found.filename.as_str(), found.subfolder.as_str(), found.folder.as_str()),
            ("b.png", "s", "temp")
        );
        let refusal = ended("w", &entry, "3").unwrap_err();
        assert_eq!((refusal.class.as_ref(), refusal.is_permanent()), ("no_picture", false));
        let entry = json!({"outputs": {}, "status": {"status_str": "error", "messages": []}});
        let refusal = ended("w", &entry, "3").unwrap_err();
        assert_eq!((refusal.class.as_ref(), refusal.is_permanent()), ("server_failed", false));
        let entry = json!({"outputs": {}, "status": {"status_str": "error", "messages": [["execution_interrupted", {}]]}});
        assert_eq!(ended("w", &entry, "3").unwrap_err().class, "interrupted");
    }
}
