//! Captions that samples bring along, with control tokens of whatever model wrote them.

use std::path::Path;

use operators::record::tars::JsonsTars;
use pipelines::demo::Scene;
use pipelines::recap_mask::RecapMask;
use tests::fakes::models::Models;
use tests::tars::{file, tar_of};
use threshflow::cli::invoke;
use threshflow::shard::ReadOptions;

use crate::desk::{Desk, asked};

const SCENES: u64 = 4;

/// Shards of a few scenes whose captions are a chat template's.
fn write_shards(folder: &Path) {
    let mut members = Vec::new();
    for number in 0..SCENES {
        let scene = Scene::number(7, number);
        let mut jpeg = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90);
        scene.draw(192, 160).write_with_encoder(encoder).expect("encodes");
        let caption = format!(
            "<|im_start|>assistant\n<think>Hm.</think>{}<|im_end|><|endoftext|>[INST]",
            scene.caption()
        );
        let tags = serde_json::json!({"object": scene.nouns(), "background": scene.background});
        let sidecar = serde_json::json!({"caption": caption, "tags": tags});
        members.extend([
            file(format!("{number:03}.jpg"), jpeg),
            file(format!("{number:03}.json"), sidecar.to_string()),
        ]);
    }
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("scenes.tar"), tar_of(&members)).expect("writes");
}

/// The captions of all records.
fn captions(out: &Path) -> Vec<String> {
    let pattern = out.join("jsons/*.tar").to_string_lossy().into_owned();
    let tars = JsonsTars::open(&[pattern], &ReadOptions::default()).expect("the tars of records open");
    let records = tars.records().map(|(_, record)| record.expect("is read").expect("parses"));
    let texts = records.filter_map(|record| record.cap);
    texts
        .flat_map(|captions| captions.all().iter().map(|text| text.to_string()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn control_tokens_of_a_samples_caption_are_neither_stored_nor_sent() {
    let models = Models::start();
    let desk = Desk::of(1, 8);
    std::fs::remove_dir_all(desk.path("shards")).expect("other shards");
    write_shards(&desk.path("shards"));
    let dials = "--set=regions=0 --set=edits=0";
    let report = desk.run(&models, &format!("--sidecar-captions --edits=remove,replace {dials}"));
    assert_eq!(asked(&report).get("caption_chat"), None, "{:?}", asked(&report));
    assert!(asked(&report)["nouns_chat"] > 0 && asked(&report)["instruct_chat"] > 0, "{:?}", asked(&report));
    let sent = models.server().asked();
    for question in &sent {
        let body = String::from_utf8_lossy(&question.body);
        for token in ["<|im_start", "im_end|>", "endoftext", "[INST]"] {
            assert!(!body.contains(token), "{token} in {body:.300}");
        }
    }
    let scenes: Vec<String> = (0..SCENES).map(|number| Scene::number(7, number).caption()).collect();
    let heard = |captions: &[String]| {
        assert!(captions.len() > 1, "{captions:?}");
        for caption in captions {
            assert!(scenes.contains(caption), "{caption}");
        }
    };
    heard(&captions(&desk.path("out")));
    // The same where nobody captions: the sample's own caption goes into the record.
    let mut command = desk.command("run", &models.url(), "");
    let of_edits = ["--nouns-from", "--chat", "--edit", "--set=no_op", "--set=follows", "--set=natural"];
    let own = |word: &String| of_edits.iter().any(|flag| word.starts_with(flag));
    let urls = |word: &String| word.starts_with("http://");
    command.retain(|word| !own(word) && !urls(word));
    let out = command.iter().position(|word| *word == desk.path("out").to_string_lossy()).expect("an out");
    command[out] = desk.path("recapped").to_string_lossy().into_owned();
    command.push("--set=regions=0".into());
    invoke::run::<RecapMask>(&command).expect("runs").check().expect("is done");
    heard(&captions(&desk.path("recapped")));
}
