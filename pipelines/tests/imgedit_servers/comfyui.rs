//! ComfyUI as the editor: two servers, of which one dies in the middle.

use std::collections::HashSet;

use serde_json::json;
use tests::fakes::comfy::{Ending, Fake};
use tests::fakes::models::Models;

use crate::desk::{Desk, asked};

#[test]
fn a_server_that_dies_in_the_middle_costs_its_own_prompt() {
    const BEFORE: usize = 4;
    let models = Models::start();
    let desk = Desk::new();
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
