//! What models measure of edits, where flags ask for it.

use super::*;

/// The demo's CLIP, which compares the pictures too.
fn flags() -> [String; 3] {
    let (_, clip) =
        tests::demo_models().into_iter().find(|(flag, _)| *flag == "--clip").expect("the demo's CLIP");
    [format!("--similarity={clip}"), "--clip-direction".to_owned(), "--redetect".to_owned()]
}

const COLUMNS: [&str; 7] = [
    "similarity",
    "similarity_inside",
    "similarity_outside",
    "clip_direction",
    "old_found",
    "new_found",
    "others_found",
];

/// The type of every edit that is published, with these columns.
fn by_type(out: &Path, columns: &[&str]) -> Vec<(String, Vec<f64>)> {
    let mut edits = Vec::new();
    let wanted: Vec<&str> = ["edit_type"].iter().chain(columns).copied().collect();
    for part in std::fs::read_dir(out.join("edits")).expect("edits are published") {
        let table = Table::open(&part.expect("a file").path()).expect("a table");
        let stopped = table.read(&wanted, |_, row| {
            let scores = row[1..].iter().map(|score| score.as_f64().expect("every edit has the score"));
            edits.push((row[0].as_str().expect("a type").to_owned(), scores.collect()));
            ControlFlow::<()>::Continue(())
        });
        assert!(stopped.expect("reads").is_none());
    }
    edits
}

#[test]
fn measures_by_models_come_and_go_and_nothing_is_asked_twice() {
    let folder = scenes(16);
    let (folder, out) = (folder.path(), folder.path().join("out"));
    let flags = flags();
    let [similarity, direction, redetect] = flags.each_ref().map(String::as_str);
    let (_, asked) = run(folder, &[]);
    let compared = asked["compare"];
    let before = trees::read(&out);
    let error = refused(folder, &["--set=similarity=0.5"]);
    assert!(error.contains("similarity"), "a dial of a stage that is absent: {error}");

    // One by one they are asked, about every edit, and nobody else but for words that were never embedded.
    let one = plan(folder, &[similarity]).total.asks;
    let (_, asked) = run(folder, &[similarity]);
    assert_eq!((asked.clone(), asked["similarity"]), (one.into_iter().collect(), compared));
    assert_eq!(asked.len(), 1, "{asked:?}");
    let both = plan(folder, &[similarity, direction, redetect]).total.asks;
    let (_, asked) = run(folder, &[similarity, direction, redetect]);
    assert_eq!(asked, both.into_iter().collect(), "as was foretold");
    assert_eq!((asked["clip_direction"], asked["redetect"]), (compared, compared));
    let others = ["clip_direction", "redetect", "clip_text", "noun_text"];
    assert!(asked.keys().all(|stage| others.contains(stage)), "{asked:?}");

    let edits = by_type(&out, &COLUMNS);
    assert_eq!(edits.len() as u64, compared);
    let of = |name: &str, column: usize| -> Vec<f64> {
        edits.iter().filter(|(known, _)| known == name).map(|(_, scores)| scores[column]).collect()
    };
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    let (removed, styled) = (|column| of("remove", column), |column| of("style", column));
    assert!(removed(0).len() > 4 && styled(0).len() > 4, "{}, {}", removed(0).len(), styled(0).len());
    // The embedded editor leaves the rest as it was.
    assert!(removed(2).iter().all(|outside| *outside > 0.999), "{:?}", removed(2));
    assert!(
        mean(&removed(1)) < mean(&removed(0)),
        "where it is gone more changed than in all of the picture"
    );
    assert_eq!(styled(2), vec![1.0; styled(2).len()], "nothing is outside");
    // Detected at 0.4 or more before; what was taken out is mostly found no more, and the others are.
    let gone = removed(4).iter().filter(|score| **score < 0.4).count();
    assert!(gone * 2 > removed(4).len(), "{:?}", removed(4));
    assert!(mean(&removed(6)) > 0.8, "{:?}", removed(6));
    assert!(mean(&removed(3)) > 0.0, "from the noun to nothing: {:?}", removed(3));
    assert_eq!(styled(4), vec![0.0; styled(4).len()]);

    // Dials that turn ask nothing, and leave what passes.
    let foretold = plan(folder, &[similarity, direction, redetect, "--set=old_found=0.4"]);
    let (_, asked) = run(folder, &[similarity, direction, redetect, "--set=old_found=0.4"]);
    assert!(asked.is_empty(), "{asked:?}");
    let left = by_type(&out, &["old_found"]);
    assert_eq!(left.len(), edits.iter().filter(|(_, scores)| scores[4] <= 0.4).count());
    assert!(foretold.total.asks.is_empty(), "{:?}", foretold.total.asks);

    // They go, and come back.
    let (_, asked) = run(folder, &[]);
    assert!(asked.is_empty() && before == trees::read(&out), "as if they had never been there: {asked:?}");
    let (_, asked) = run(folder, &[redetect, direction, similarity]);
    assert!(asked.is_empty() && by_type(&out, &COLUMNS) == edits, "{asked:?}");
}

#[test]
fn a_tower_that_is_none_is_refused_before_anything_is_asked() {
    let folder = scenes(1);
    let empty = folder.path().join("empty");
    std::fs::create_dir_all(&empty).expect("a folder");
    let error = refused(folder.path(), &[&format!("--similarity={}", empty.display())]);
    assert!(error.contains("vision_model.onnx"), "{error}");
    assert!(!folder.path().join("out").exists());
}
