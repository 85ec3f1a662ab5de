//! A scorer of the user's own as an operator, and against the code of the packages that its weights come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use threshflow::lane::Operator;

use super::*;
use crate::edit::tests::CaseOfTurns;
use crate::edit::tests::desk::{Desk, Stub, picture_of};
use crate::onnx::tests::backends;
use crate::pixels::decode::decode_file;
use crate::plan::edit_plan::{EditType, Operation};

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
    // Side by side: half a minute each, unoptimised.
    std::thread::scope(|scope| {
        for scorer in ["nsfw", "text"] {
            let (folder, said, decoded) = (folder.path().join(scorer), &said, &decoded);
            scope.spawn(move || assert_scores_as_said(scorer, &folder, said, decoded));
        }
    });
}

/// Panics where the scorer says another number than its package, on any back-end.
fn assert_scores_as_said(name: &'static str, folder: &Path, said: &Said, decoded: &BTreeMap<&str, Rgb>) {
    let mut fitted = BTreeMap::new();
    for backend in backends() {
        let scorer: UserScorer = UserScorer::open(name, folder, &backend, 1).unwrap();
        let mut session = scorer.open_session().unwrap();
        let mut most = 0f32;
        for (picture, theirs) in said {
            let fitted =
                fitted.entry(picture).or_insert_with(|| scorer.fit(&decoded[picture.as_str()]).unwrap());
            let ours = *scorer.scores(&mut session, &[&*fitted])[0].as_ref().unwrap();
            let apart = (ours - theirs[name]).abs();
            println!("{} {name} {picture} {ours} {} {apart}", backend.description(), theirs[name]);
            most = most.max(apart);
        }
        println!("{name}: {most}");
        assert!(most < TOLERANCE, "{name} is {most} away on {}", backend.description());
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

/// A scorer by the mean of the red of a picture of 8 x 8 pixels, within these ends.
fn reddest(direction: &str, range: [f32; 2]) -> (tempfile::TempDir, UserScorer) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(root().join("operators/fixtures/scorers/free.onnx"), folder.path().join("free.onnx"))
        .unwrap();
    let file = format!(
        r#"{{"input": {{"layout": "nchw", "channels": "rgb", "fit": "squash", "size": [8, 8]}},
            "output": {{"name": "means", "index": [0]}}, "unit": "red", "range": {range:?}, "direction": "{direction}"}}"#
    );
    std::fs::write(folder.path().join("score.json"), file).unwrap();
    let scorer = UserScorer::open("red", folder.path(), &backends()[0], 1).unwrap();
    (folder, scorer)
}

/// The mean red of a picture, as the scorer has to find it: squashed first.
fn red(scorer: &UserScorer, image: &image::RgbImage) -> f32 {
    let rgb = Rgb::full(image.width(), image.height(), image.clone().into_raw()).unwrap();
    let fitted = scorer.fit(&rgb).unwrap().pixels;
    fitted.iter().step_by(3).map(|red| f32::from(*red)).sum::<f32>() / 64.0
}

#[test]
fn a_source_picture_is_scored_and_refused_outside_of_the_range() {
    let desk = Desk::with(Stub::default());
    let (_, question) = desk.remembered(EditType::Remove, &[Operation::Remove], &[0]);
    let (_folder, scorer) = reddest("higher_is_better", [0.0, 255.0]);
    assert_eq!((scorer.name(), scorer.spec().unit.as_str()), ("red", "red"));
    let wanted = red(&scorer, &desk.original());
    let answer = |scorer: &UserScorer| {
        let prepared = desk.prepare(scorer, &question, None).unwrap();
        assert_eq!((scorer.bytes_prepared(1), scorer.bytes_held(&prepared, 1)), (192, 192));
        scorer.answer(&mut scorer.open_session().unwrap(), &[prepared]).pop().unwrap()
    };
    let score = answer(&scorer).unwrap().answer.get();
    assert!((score - wanted).abs() < 1e-3, "{score} instead of {wanted}");
    let (_narrow, narrow) = reddest("higher_is_better", [wanted + 1.0, 255.0]);
    let refusal = answer(&narrow).unwrap_err();
    assert!(refusal.class == "out_of_range" && refusal.is_permanent(), "{refusal}");
    assert_ne!(narrow.stamp(), scorer.stamp());
    assert_eq!(reddest("lower_is_better", [0.0, 255.0]).1.stamp(), scorer.stamp());
}

#[test]
fn a_result_has_the_score_of_its_worst_turn() {
    use Operation::{Action, Add, Adjust, Remove, Replace};
    let cases: [CaseOfTurns; 5] = [
        (EditType::Add, &[Add], &[0], &[["made 0", "original"]]),
        (EditType::Remove, &[Remove], &[1], &[["original", "made 0"]]),
        (EditType::Action, &[Action], &[], &[["original", "end"]]),
        (
            EditType::ContentMemory,
            &[Replace, Adjust],
            &[0, 1],
            &[["original", "made 0"], ["made 0", "made 1"]],
        ),
        (
            EditType::VersionBacktracking,
            &[Add, Replace, Adjust],
            &[1],
            &[["made 0", "original"], ["original", "made 1"], ["made 1", "made 2"]],
        ),
    ];
    let (_higher, higher) = reddest("higher_is_better", [0.0, 255.0]);
    let (_lower, lower) = reddest("lower_is_better", [0.0, 255.0]);
    let (higher, lower) = (Arc::new(higher), Arc::new(lower));
    let mut desk = Desk::with(Stub { halves: true, ..Stub::default() });
    let mut apart = 0;
    for (number, (edit_type, operations, regions, turns)) in cases.into_iter().enumerate() {
        desk.anew(number);
        let (pictures, question) = desk.remembered(edit_type, operations, regions);
        let reds: Vec<f32> = turns.iter().map(|[_, after]| red(&higher, &picture_of(&desk, after))).collect();
        let (least, most) = reds.iter().fold((f32::MAX, f32::MIN), |(a, b), red| (a.min(*red), b.max(*red)));
        apart += usize::from(most - least > 0.5);
        let end = desk.end_frame();
        let mut stamps = Vec::new();
        for (scorer, wanted) in [(&higher, least), (&lower, most)] {
            let results = ResultScorer::of("red_result", scorer.clone(), pictures.clone());
            let prepared = desk.prepare(&results, &question, Some(&end)).unwrap();
            assert_eq!(prepared.len(), turns.len());
            // Two edits in a batch: each has its own turns.
            let batch = [prepared.clone(), prepared];
            for answer in results.answer(&mut results.open_session().unwrap(), &batch) {
                let score = answer.unwrap().answer.get();
                assert!(
                    (score - wanted).abs() < 1e-3,
                    "{edit_type}: {score} instead of {wanted} of {reds:?}"
                );
            }
            stamps.push(results.stamp());
        }
        assert_ne!(stamps[0], stamps[1], "another turn counts");
    }
    assert!(apart >= 2, "turns that are alike tell nothing");
}
