//! The mark of a model that is there to demonstrate: an entry of the graph's own metadata (`ModelProto.metadata_props`).
//!
//! The mark says what a model is for, and shapes no answer. So it is no part of what a model's content is the hash of, where it is the last
//! thing in the file, as ONNX writes it: a model that is marked is the same model, and what it answered before stands.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::folder::Model;

/// The key of the entry.
pub(super) const KEY: &str = "threshflow.demonstration";
/// What the models of the demo say there.
const VALUE: &str =
    "Made for the drawn scenes of the demo. What it makes of other pictures is not for training.";

/// Of the entry: its key and its value, each behind a tag and a length of one byte.
const ENTRY: usize = 2 + KEY.len() + 2 + VALUE.len();
const _: () = assert!(ENTRY < 0x80, "a length above takes two bytes");

/// The mark as it stands at the end of a file: a field 14 that holds the key as its field 1 and the value as its field 2.
fn mark() -> Vec<u8> {
    let tag = |field: u8| field << 3 | 2;
    let mut mark = vec![tag(14), ENTRY as u8];
    for (field, text) in [(1, KEY), (2, VALUE)] {
        mark.extend([tag(field), text.len() as u8]);
        mark.extend(text.as_bytes());
    }
    mark
}

/// The bytes of a graph's file before the mark; all of them where it ends in none. `length` is the file's.
pub(super) fn length_before_mark(file: &File, length: u64) -> io::Result<u64> {
    let mark = mark();
    let Some(before) = length.checked_sub(mark.len() as u64) else { return Ok(length) };
    let mut end = vec![0; mark.len()];
    file.read_exact_at(&mut end, before)?;
    Ok(if end == mark { before } else { length })
}

/// What is said of an operator that these models answer for, where one of them is marked.
pub fn demonstration<'a>(mut models: impl Iterator<Item = &'a Model>) -> Option<String> {
    models.any(Model::is_demonstration).then(|| "a model of the demo, made for its drawn scenes".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use threshflow::row::ContentHash;

    use super::*;
    use crate::onnx::ModelFolder;

    const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/demo");

    /// What the demo's models were before they were marked: stores remember answers under stamps that these hashes are in.
    const CONTENTS: [(&str, &str, &str); 6] = [
        ("aesthetic", "model.onnx", "0c208511db4da4ef418b464688aef57c"),
        ("clip", "text_model.onnx", "e9155dffcc7d876f2515814d6836265d"),
        ("clip", "vision_model.onnx", "96372ef5a60fc12829b6f9a6d2b3170c"),
        ("detect", "model.onnx", "0198ed668443a61926337dd942d2c662"),
        ("segment", "decoder.onnx", "191715539f92bf81f3709bc0cd0ad7db"),
        ("segment", "encoder.onnx", "7eb010d9d1bf97356c49c380d1aa90e7"),
    ];

    #[test]
    fn the_demos_models_are_marked_and_are_the_models_that_they_were() {
        let open = |folder: &str, graph: &str| {
            ModelFolder::open(&Path::new(DEMO).join(folder)).unwrap().model(graph).unwrap()
        };
        let contents = CONTENTS.map(|(folder, graph, _)| open(folder, graph).content.to_string());
        assert_eq!(contents, CONTENTS.map(|(.., content)| content.to_owned()));
        for (folder, graph, _) in CONTENTS {
            let model = open(folder, graph);
            assert!(model.is_demonstration(), "{folder}/{graph}");
            assert_eq!(model.metadata.get(KEY).map(String::as_str), Some(VALUE));
        }
    }

    #[test]
    fn only_the_mark_at_the_end_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let marked = std::fs::read(Path::new(DEMO).join("aesthetic/model.onnx")).unwrap();
        let plain = marked.strip_suffix(mark().as_slice()).expect("the mark comes last");
        let content = |name: &str, bytes: &[u8]| -> (ContentHash, bool) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            let model = ModelFolder::open(folder.path()).unwrap().model(name).unwrap();
            (model.content, model.is_demonstration())
        };
        let (of_marked, of_plain) = (content("marked.onnx", &marked), content("plain.onnx", plain));
        assert_eq!((of_marked.0, of_marked.1, of_plain.1), (of_plain.0, true, false));
        // Another word in it, and a second one behind it, are parts of the file as all else is.
        let other: Vec<u8> =
            [plain, &mark().iter().map(|byte| if *byte == b'M' { b'm' } else { *byte }).collect::<Vec<_>>()]
                .concat();
        let twice = [marked.as_slice(), &mark()].concat();
        for (name, bytes) in [("other.onnx", other), ("twice.onnx", twice)] {
            let (hash, is_demonstration) = content(name, &bytes);
            assert!(hash != of_plain.0 && is_demonstration, "{name}");
        }
    }
}
