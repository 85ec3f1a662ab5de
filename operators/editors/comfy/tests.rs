//! Passes against a fake server: every way in which it may go wrong ends in the right verdict, and nothing is put into a
//! queue twice unless the first was lost.

mod bindings;
mod hostile;
mod several;

use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::socket::Heard;
use super::*;
use crate::pixels::mask::Mask;
use ::tests::fakes::comfy::{Ending, Fake, Reply, png};

fn workflow() -> Value {
    json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "Load Image"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a text", "clip": ["4", 1]}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "model.safetensors"}},
        "8": {"class_type": "KSampler", "inputs": {"seed": 5, "positive": ["2", 0], "model": ["4", 0]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "edit", "images": ["8", 0]}}
    })
}

fn binding() -> Value {
    json!({"operations": ["remove", "replace"], "picture": "1.image", "mask": "alpha", "seeds": ["8.seed"], "output": "9",
        "prompt": {"to": ["2.text"], "text": "{result}", "for": {"remove": "empty"}}})
}

fn folder(files: &[(&str, Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in files {
        std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    }
    folder
}

/// An editor that tries again soon.
fn editor_with(addresses: Vec<String>, change: impl FnOnce(&mut ComfySettings)) -> Comfy {
    let folder = folder(&[("inpaint.json", workflow()), ("inpaint.binding.json", binding())]);
    let mut settings = ComfySettings::new(addresses, folder.path().to_owned());
    settings.prompt_timeout = Duration::from_secs(5);
    settings.call_timeout = Duration::from_secs(5);
    settings.give_up_after = Duration::from_secs(5);
    settings.lost_after = Duration::from_millis(40);
    settings.most_between_looks = Duration::from_millis(20);
    settings.first_aside = Duration::from_millis(5);
    settings.longest_aside = Duration::from_millis(20);
    change(&mut settings);
    Comfy::open(settings).unwrap()
}

fn editor(fakes: &[&Fake]) -> Comfy {
    editor_with(fakes.iter().map(|fake| fake.address.clone()).collect(), |_| ())
}

/// An editor that doesn't wait for servers that hang.
fn hasty_editor(fakes: &[&Fake]) -> Comfy {
    editor_with(fakes.iter().map(|fake| fake.address.clone()).collect(), |settings| {
        settings.call_timeout = Duration::from_millis(200);
    })
}

/// Replaces the upper left pixel of a small picture.
fn edit(editor: &Comfy) -> Result<Made, Refusal> {
    let picture = RgbImage::from_pixel(6, 4, Rgb([10, 20, 30]));
    let mut mask = Mask::empty(6, 4);
    mask.bits[0] = 1;
    let pass = Pass {
        operation: Operation::Replace,
        picture: &picture,
        mask: Some(&mask),
        reference: None,
        object: "cup",
        instruction: "Replace the cup by a red mug.",
        result: "red mug",
        seed: u64::MAX,
    };
    editor.edit(&pass)
}

/// The verdict of one pass: its class, and whether it is of the content; and how many prompts it took.
fn verdict(fake: &Fake, editor: &Comfy) -> (String, bool, usize) {
    let refusal = edit(editor).unwrap_err();
    (refusal.class.to_string(), refusal.is_permanent(), fake.prompts())
}

#[test]
fn a_good_run() {
    let fake = Fake::new(Ending::Picture);
    let made = edit(&editor(&[&fake])).unwrap();
    assert_eq!(made.bytes, png(48, 32));
    assert_eq!(fake.calls(), ["websocket", "POST /upload/image", "POST /prompt", "GET /view"]);
    let state = fake.state();
    let graph = &state.prompts[0];
    assert_eq!(graph["2"]["inputs"]["text"], "red mug");
    assert_eq!(graph["8"]["inputs"]["seed"], json!((1_u64 << 53) - 1));
    let mut saves = workflow()["9"].clone();
    saves["inputs"]["filename_prefix"] = json!("threshflow/edit");
    assert_eq!(graph["9"], saves);
    assert!(state.history().is_empty(), "what went well is taken out of the history");
    let uploaded = &state.uploads[graph["1"]["inputs"]["image"].as_str().unwrap()];
    let uploaded = image::load_from_memory(uploaded).unwrap().to_rgba8();
    assert_eq!(
        (uploaded.get_pixel(0, 0).0, uploaded.get_pixel(5, 3).0),
        ([10, 20, 30, 0], [10, 20, 30, 255])
    );
}

#[test]
fn the_same_pass_uploads_the_same_name() {
    let fake = Fake::new(Ending::Cached);
    let editor = editor(&[&fake]);
    assert_eq!(edit(&editor), edit(&editor));
    let state = fake.state();
    assert_eq!((state.prompts.len(), state.uploads.len()), (2, 1));
    assert_eq!(state.prompts[0], state.prompts[1]);
    assert!(state.uploads.keys().all(|name| name.starts_with("threshflow/")));
}

#[test]
fn a_run_that_is_over_before_anyone_listens() {
    let fake = Fake::scripted(Ending::Cached, |request, _| {
        request.is("GET", "/ws").then(|| Reply::Json(404, json!({"error": "no websocket here"})))
    });
    assert!(edit(&editor(&[&fake])).is_ok());
    assert_eq!(fake.calls(), ["POST /upload/image", "POST /prompt", "GET /view"]);
}

#[test]
fn a_websocket_that_dies_or_never_answers_costs_nothing() {
    let fake = Fake::new(Ending::SocketDies);
    assert!(edit(&editor(&[&fake])).is_ok());
    assert_eq!(fake.prompts(), 1);
    let fake = Fake::scripted(Ending::Picture, |request, _| request.is("GET", "/ws").then_some(Reply::Hang));
    assert!(edit(&hasty_editor(&[&fake])).is_ok());
    assert_eq!(fake.prompts(), 1);
}

#[test]
fn the_end_is_heard_over_the_websocket() {
    let heard = |ending: Ending, id: Option<&str>, patience: Duration| {
        let fake = Fake::new(ending);
        let client = Client::new(&fake.address, Duration::from_secs(5), 1 << 20).unwrap();
        let mut socket = client.socket("me").unwrap();
        let (own, _) = client.prompt(&json!({}), "me").unwrap();
        socket.listen(id.unwrap_or(&own), Instant::now() + patience)
    };
    let (long, short) = (Duration::from_secs(30), Duration::from_millis(50));
    assert_eq!(heard(Ending::Picture, None, long), Heard::Over);
    assert_eq!(heard(Ending::Error("a", "b"), None, long), Heard::Over);
    assert_eq!(heard(Ending::Interrupted, None, long), Heard::Over);
    assert_eq!(heard(Ending::SocketDies, None, long), Heard::Gone);
    assert_eq!(heard(Ending::Never, None, short), Heard::Nothing);
    assert_eq!(heard(Ending::Picture, Some("another's"), short), Heard::Nothing);
}

#[test]
fn errors_of_a_run() {
    let ends = |ending: Ending| {
        let fake = Fake::new(ending);
        verdict(&fake, &editor(&[&fake]))
    };
    let told = |class: &str, content: bool| (class.to_owned(), content, 1);
    let broken =
        Ending::Error("PIL.UnidentifiedImageError", "cannot identify image file '/comfy/input/bad.png'\n");
    assert_eq!(ends(broken), told("execution_failed", true));
    let full = Ending::Error("torch.OutOfMemoryError", "Allocation on device ");
    assert_eq!(ends(full), told("out_of_memory", false));
    assert_eq!(ends(Ending::NoPicture), told("no_picture", false));
    assert_eq!(ends(Ending::Interrupted), told("interrupted", false));
}

#[test]
fn a_prompt_that_is_not_valid() {
    let rejects = |body: Value| {
        let fake = Fake::scripted(Ending::Picture, move |request, _| {
            request.is("POST", "/prompt").then(|| Reply::Json(400, body.clone()))
        });
        let editor = editor(&[&fake]);
        let refusal = edit(&editor).unwrap_err();
        assert_eq!((refusal.class.as_ref(), refusal.is_permanent()), ("workflow_rejected", false));
        assert_eq!(fake.calls(), ["websocket", "POST /upload/image", "POST /prompt"]);
        refusal.message
    };
    let unknown = json!({"error": {"type": "invalid_prompt", "message": "Cannot execute because node NoSuchNode does not \
        exist.", "details": "Node ID '#2'", "extra_info": {}}, "node_errors": {}});
    let message = rejects(unknown);
    assert!(
        message.ends_with("inpaint: Cannot execute because node NoSuchNode does not exist. Node ID '#2'"),
        "{message}"
    );
    let missing = json!({"error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation",
        "details": "", "extra_info": {}}, "node_errors": {"1": {"errors": [{"type": "custom_validation_failed", "message":
        "Custom validation failed for node", "details": "image - Invalid image file: missing.png", "extra_info":
        {"input_name": "image"}}], "dependent_outputs": ["9"], "class_type": "LoadImage"}}});
    let message = rejects(missing);
    assert!(
        message.contains("node 1 (LoadImage): Custom validation failed for node: image - Invalid"),
        "{message}"
    );
}

#[test]
fn a_prompt_of_which_only_the_output_is_not_valid_is_taken_back() {
    let fake = Fake::scripted(Ending::Waits, |request, _| {
        let errors =
            json!({"4": {"errors": [], "dependent_outputs": ["9"], "class_type": "CheckpointLoaderSimple"}});
        let answer = json!({"prompt_id": "p", "number": 0, "node_errors": errors});
        request.is("POST", "/prompt").then(|| Reply::Json(200, answer))
    });
    assert_eq!(edit(&editor(&[&fake])).unwrap_err().class, "workflow_rejected");
    assert_eq!(fake.calls()[2..], ["POST /prompt", "POST /queue"]);
}

#[test]
fn a_prompt_whose_answer_is_lost_is_found_and_not_sent_again() {
    for ending in [Ending::Picture, Ending::Cached] {
        // The prompt is taken, and the answer doesn't arrive, comes too late, or is not to be understood.
        let replies: [fn() -> Reply; 4] = [
            || Reply::Cut,
            || Reply::Hang,
            || Reply::Json(200, json!({})),
            || Reply::Json(502, json!("bad gateway")),
        ];
        for lost in replies {
            let fake = Fake::new(ending.clone());
            fake.state().instead_of_the_id = Some(lost);
            assert!(edit(&hasty_editor(&[&fake])).is_ok());
            assert_eq!(fake.prompts(), 1);
        }
    }
}

#[test]
fn a_prompt_that_never_ends_is_cancelled() {
    let timed_out = |ending: Ending| {
        let fake = Fake::new(ending);
        let editor = editor_with(vec![fake.address.clone()], |settings| {
            settings.prompt_timeout = Duration::from_millis(40);
        });
        assert_eq!(verdict(&fake, &editor), ("timed_out".to_owned(), false, MOST_PROMPTS));
        let of_one = fake.calls().len() / MOST_PROMPTS;
        fake.calls()[2..of_one].to_vec()
    };
    assert_eq!(timed_out(Ending::Never), ["POST /prompt", "POST /queue", "POST /interrupt"]);
    // What doesn't run is not stopped: another's prompt does.
    assert_eq!(timed_out(Ending::Waits), ["POST /prompt", "POST /queue"]);
}

#[test]
fn pictures_that_come_back_badly() {
    let view = |reply: fn(usize) -> Reply| {
        let fake = Fake::scripted(Ending::Picture, move |request, state| {
            let times = state.calls.iter().filter(|call| *call == "GET /view").count();
            request.is("GET", "/view").then(|| reply(times))
        });
        let editor = editor_with(vec![fake.address.clone()], |settings| settings.most_body_bytes = 100_000);
        let class = edit(&editor).map_err(|refusal| {
            assert!(!refusal.is_permanent(), "{refusal}");
            refusal.class.to_string()
        });
        (class.map(|made| made.bytes.len()), fake.prompts())
    };
    fn reply(headers: &str, body: Vec<u8>) -> Reply {
        Reply::Raw { status: 200, headers: headers.into(), body }
    }
    let told = |class: &str| (Err(class.to_owned()), 1);
    assert_eq!(view(|_| reply("content-type: text/html", png(8, 8))), told("bad_output"));
    assert_eq!(view(|_| reply("content-type: image/png", png(8, 8)[..60].to_vec())), told("bad_output"));
    assert_eq!(view(|_| reply("content-type: image/png", vec![0; 100_001])), told("answer_too_large"));
    assert_eq!(view(|_| reply("content-type: image/png", b"{]".to_vec())), told("bad_output"));
    assert_eq!(view(|_| Reply::Json(404, json!({}))), told("output_lost"));
    // The second look is good.
    let good = (Ok(png(8, 8).len()), 1);
    assert_eq!(view(|n| if n == 1 { Reply::Cut } else { reply("content-type: image/png", png(8, 8)) }), good);
}
