//! ComfyUI as the editor: two servers, of which one dies in the middle; one that returns no picture now and then.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde_json::json;
use tests::fakes::comfy::{Ending, Fake};
use tests::fakes::models::Models;
use tests::trees;

use crate::desk::{Desk, asked, planned};

/// A folder with a workflow that removes and replaces.
pub(crate) fn workflows(desk: &Desk) -> PathBuf {
    let workflow = json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "Load Image"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a text", "clip": ["4", 1]}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "model.safetensors"}},
        "8": {"class_type": "KSampler", "inputs": {"seed": 5, "positive": ["2", 0], "model": ["4", 0]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "edit", "images": ["8", 0]}}
    });
    let binding = json!({"operations": ["remove", "replace"], "picture": "1.image", "mask": "alpha", "seeds": ["8.seed"],
        "output": "9", "prompt": {"to": ["2.text"], "text": "{result}", "for": {"remove": "empty"}}});
    let folder = desk.path("workflows");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("inpaint.json"), workflow.to_string()).expect("writes");
    std::fs::write(folder.join("inpaint.binding.json"), binding.to_string()).expect("writes");
    folder
}

#[test]
fn a_server_that_dies_in_the_middle_costs_its_own_prompt() {
    const BEFORE: usize = 4;
    let models = Models::start();
    let desk = Desk::new();
    let folder = workflows(&desk);
    let lives = Fake::new(Ending::Picture);
    let dies = Fake::scripted(Ending::Picture, |request, state| {
        if request.is("POST", "/prompt") && state.prompts.len() == BEFORE {
            state.ending = Ending::Dies;
        }
        None
    });
    let flags = format!(
        "--edits=remove,replace --comfyui {} {} --workflows={}",
        dies.address,
        lives.address,
        folder.display()
    );
    let report = desk.run(&models, &flags);
    let edits = report.summary.edits.as_ref().expect("edits are tried");
    assert!(edits.refused.keys().all(|stage| stage == "choose"), "{:?}", edits.refused);
    let made = asked(&report)["edit_comfyui"] as usize;
    // The one that it died over was lost, and sent to the other.
    assert_eq!((dies.prompts(), lives.prompts()), (BEFORE + 1, made - BEFORE));
    let mut graphs = HashSet::new();
    for fake in [&dies, &lives] {
        let prompts = fake.state().prompts.clone();
        let done = if fake.address == dies.address { BEFORE } else { prompts.len() };
        assert!(prompts[..done].iter().all(|graph| graphs.insert(graph.to_string())), "made twice");
    }
    assert_eq!(graphs.len(), made);
    let prompts = dies.prompts() + lives.prompts();
    assert_eq!(asked(&desk.run(&models, &flags)).len(), 0);
    assert_eq!(dies.prompts() + lives.prompts(), prompts);
}

#[test]
fn a_picture_that_did_not_come_is_asked_for_by_the_next_run() {
    let models = Models::start();
    let (desk, undisturbed) = (Desk::new(), Desk::new());
    let ill = Fake::scripted(Ending::Picture, |request, state| {
        if request.is("POST", "/prompt") {
            state.ending = if state.prompts.len() % 3 == 1 { Ending::NoPicture } else { Ending::Picture };
        }
        None
    });
    let well = Fake::new(Ending::Picture);
    let flags = |desk: &Desk, fake: &Fake| {
        format!("--edits=remove --comfyui {} --workflows={}", fake.address, workflows(desk).display())
    };
    let report = desk.run(&models, &flags(&desk, &ill));
    // The second of every three.
    let missing = ((ill.prompts() + 1) / 3) as u64;
    let edits = report.summary.edits.as_ref().expect("edits are tried");
    assert!(missing > 2, "{missing}");
    assert_eq!(edits.refused["edit"], BTreeMap::from([("no_picture".to_owned(), missing)]));
    // No `--retry`: it was the server's doing.
    let flags_of_the_well =
        format!("--edits=remove --comfyui {} --workflows={}", well.address, desk.path("workflows").display());
    let report = desk.run(&models, &flags_of_the_well);
    assert_eq!(asked(&report)["edit_comfyui"], missing);
    assert_eq!(well.prompts() as u64, missing);
    let edits = report.summary.edits.as_ref().expect("edits are tried");
    assert!(!edits.refused.contains_key("edit"), "{:?}", edits.refused);
    // What is published tells nothing of it.
    undisturbed.run(&models, &flags(&undisturbed, &Fake::new(Ending::Picture)));
    trees::assert_same(&desk.path("out"), &undisturbed.path("out"), "with and without missing pictures");
}

#[test]
fn a_mended_workflow_makes_its_own_edits_anew_and_no_other() {
    let models = Models::start();
    let (desk, comfy) = (Desk::new(), Fake::new(Ending::Picture));
    let folder = workflows(&desk);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("is there");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("writes");
    let graph = read("inpaint.json");
    write("style.json", &graph);
    let binding = json!({"operations": ["style"], "picture": "1.image", "seeds": ["8.seed"], "output": "9",
        "prompt": {"to": ["2.text"], "text": "{result}"}});
    write("style.binding.json", &binding.to_string());
    let flags = format!("--edits=remove,style --comfyui {} --workflows={}", comfy.address, folder.display());
    let first = asked(&desk.run(&models, &flags))["edit_comfyui"];
    let prompts = |from: usize| comfy.state().prompts[from..].to_vec();
    let of_style = |graph: &serde_json::Value| graph["2"]["inputs"]["text"] != "empty";
    let styles = prompts(0).iter().filter(|graph| of_style(graph)).count();
    assert!(styles > 3 && styles + 3 < first as usize, "{styles} of {first}");
    write("style.json", &graph.replace("model.safetensors", "mended.safetensors"));
    let plan = planned(&desk.plan(&models, &flags));
    let asks = asked(&desk.run(&models, &flags));
    let again = prompts(first as usize);
    assert!(again.iter().all(|graph| graph["4"]["inputs"]["ckpt_name"] == "mended.safetensors"));
    assert_eq!(again.len(), styles);
    assert_eq!((asks["edit_comfyui"], plan["edit_comfyui"]), (styles as u64, styles as u64));
    // Judged is what shows another picture; here all pictures are the same file, and only their keys differ.
    assert_eq!(asks["judge"], styles as u64, "{asks:?}");
    assert!(!asks.contains_key("instruct"), "{asks:?}");
    assert_eq!(asked(&desk.run(&models, &flags)).len(), 0);
}
