//! A scorer of the user's own against the code of the packages that its weights come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::onnx::tests::backends;
use crate::pixels::decode::decode_file;

/// Of the range: what the packages' own numbers may be away.
const TOLERANCE: f32 = 0.01;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The JSON blocks of the page about scorers, in order.
fn files_on_the_page() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/your-own-scorer.md")).unwrap();
    let blocks = page.split("```json\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// What the page says an error looks like.
fn error_on_the_page() -> String {
    let page = std::fs::read_to_string(root().join("docs/your-own-scorer.md")).unwrap();
    let block = page.split("```text\n").nth(1).and_then(|rest| rest.split("\n```").next());
    block.unwrap_or_default().to_owned()
}

/// By picture, by scorer.
type Said = BTreeMap<String, BTreeMap<String, f32>>;

/// The packages' numbers; their models lie in `folder` with the page's files beside them. `None` where Python lacks the packages.
fn said_by_the_packages(folder: &Path) -> Option<Said> {
    let mut python = ::tests::python::python_with(&["rapidocr_onnxruntime", "onnxruntime", "numpy", "PIL"])?;
    let output = python.arg(root().join("tests/scorers.py")).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, file) in ["nsfw", "text"].into_iter().zip(files_on_the_page()) {
        std::fs::write(folder.join(name).join("score.json"), file).unwrap();
    }
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn real_weights_score_as_their_own_packages_do() {
    let folder = tempfile::tempdir().unwrap();
    let Some(said) = said_by_the_packages(folder.path()) else { return };
    assert_eq!(said.len(), 30);
    assert_the_page_shows_the_error(folder.path());
    let decoded: BTreeMap<&str, Rgb> = said
        .keys()
        .map(|name| {
            let file = std::fs::read(folder.path().join("pictures").join(name)).unwrap();
            (name.as_str(), decode_file(&file).unwrap())
        })
        .collect();
    for backend in backends() {
        for scorer_name in ["nsfw", "text"] {
            let scorer: UserScorer =
                UserScorer::open(scorer_name, &folder.path().join(scorer_name), &backend, 1).unwrap();
            let mut session = scorer.open_session().unwrap();
            let mut most = 0f32;
            for (name, theirs) in &said {
                let fitted = scorer.fit(&decoded[name.as_str()]).unwrap();
                let ours = *scorer.scores(&mut session, &[&fitted])[0].as_ref().unwrap();
                let apart = (ours - theirs[scorer_name]).abs();
                println!(
                    "{} {scorer_name} {name} {ours} {} {apart}",
                    backend.description(),
                    theirs[scorer_name]
                );
                most = most.max(apart);
            }
            println!("{scorer_name}: {most}");
            assert!(most < TOLERANCE, "{scorer_name} is {most} away on {}", backend.description());
        }
    }
}

/// The nsfw folder with a file that is wrong in two ways.
#[track_caller]
fn assert_the_page_shows_the_error(folder: &Path) {
    let right = files_on_the_page().swap_remove(0);
    let wrong = right.replace("\"nhwc\"", "\"nchw\"").replace("\"range\": [0, 1]", "\"range\": [1, 1]");
    assert_ne!(wrong, right);
    let path = folder.join("nsfw/score.json");
    std::fs::write(&path, wrong).unwrap();
    let opened = UserScorer::<UserScore>::open("nsfw", &folder.join("nsfw"), &backends()[0], 1);
    let error = opened.err().expect("it is wrong").to_string();
    assert_eq!(error.replace(&folder.display().to_string(), "models"), error_on_the_page());
    std::fs::write(path, right).unwrap();
}
