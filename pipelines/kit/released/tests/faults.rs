//! Planted faults: each is found, named, and alone.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use operators::plan::edit_plan::EditType;
use operators::{pixels::mask::Mask, pixels::rle};
use serde_json::json;
use tempfile::TempDir;
use threshflow::publish::{Nested, TableWriter};

use super::super::*;
use super::made_up::MadeUp;

const ADD: &str = "results_add_laion_00001/00_000_1";

fn released(made_up: &MadeUp) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    made_up.release_to(to.path());
    to
}

/// That all faults are of these classes, and say these words of these paths.
#[track_caller]
fn found(folder: &Path, wanted: &[(&str, &str, &str)]) {
    let findings = check(folder);
    let text = report(&findings);
    let faults: Vec<&Finding> = findings.iter().filter(|it| it.severity == Severity::Fault).collect();
    assert_eq!(faults.len(), wanted.len(), "{text}");
    for (class, path, words) in wanted {
        let is_it =
            |it: &&&Finding| it.class == *class && it.path.contains(path) && it.message.contains(words);
        assert!(faults.iter().any(|it| is_it(&it)), "no {class} of {path} with {words:?} in\n{text}");
    }
    assert!(text.contains(&format!("not clean: {} faults", wanted.len())), "{text}");
}

/// The faults of a set with one edit changed.
#[track_caller]
fn found_with(edit_type: EditType, change: impl FnOnce(&mut ReleasedEdit), wanted: &[(&str, &str, &str)]) {
    let mut made_up = MadeUp::new();
    made_up.change(edit_type, change);
    found(released(&made_up).path(), wanted);
}

/// As if fetched from a hub: no manifest, no details, tars and tables where people put them.
fn as_download(to: &TempDir) {
    std::fs::remove_file(to.path().join("manifest.json")).unwrap();
    std::fs::remove_dir_all(to.path().join("Details")).unwrap();
}

/// The tar at `path`, its members changed.
fn change_tar(path: &Path, change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) {
    let mut members = Vec::new();
    for entry in tar::Archive::new(File::open(path).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (name, mut bytes) = (entry.path().unwrap().to_str().unwrap().to_owned(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        members.push((name, bytes));
    }
    change(&mut members);
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        // As it is: `set_path` would leave out a `./`.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, &bytes[..]).unwrap();
    }
    tar.finish().unwrap();
}

#[test]
fn a_sound_set_is_clean_ours_or_a_download() {
    let to = released(&MadeUp::new());
    assert_eq!(report(&check(to.path())), "clean: no faults, 0 notes\n");
    as_download(&to);
    assert_eq!(check(to.path()), []);
    // Whole tars and nested folders are as good.
    let deep = to.path().join("hub/ImgEdit");
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::rename(to.path().join("Singleturn"), deep.join("Singleturn")).unwrap();
    let add = deep.join("Singleturn/add_part1.tar.split.000");
    std::fs::rename(&add, deep.join("Singleturn/results_add_part1.tar")).unwrap();
    assert_eq!(check(to.path()), []);
}

#[test]
fn folders_that_pyarrow_pandas_and_tarfile_wrote_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/released");
    let path = "results_remove_laion_part5/00094_00030_000000001/result.png";
    found(&folder, &[("missing_picture", path, "Parquet/remove_part5.parquet row 1")]);
    assert_eq!(check(&folder).len(), 1);
}

#[test]
fn a_picture_that_no_tar_has_is_found() {
    let to = released(&MadeUp::new());
    as_download(&to);
    let tar = to.path().join("Singleturn/add_part1.tar.split.000");
    change_tar(&tar, |members| members.retain(|(name, _)| *name != format!("{ADD}/result.png")));
    found(to.path(), &[("missing_picture", &format!("{ADD}/result.png"), "Parquet/add_part1.parquet row 0")]);
    // All of a tar: told once.
    std::fs::remove_file(tar).unwrap();
    let message = "4 pictures";
    let findings = check(to.path());
    assert!(
        findings.iter().all(|it| it.class == "missing_picture") && findings.len() == 4,
        "{message}: {findings:?}"
    );
}

#[test]
fn a_picture_that_does_not_decode_is_found() {
    let mut made_up = MadeUp::new();
    made_up.spoil = |edit, picture, bytes| {
        if edit.edit_type == EditType::Style
            && edit.key.ends_with('1')
            && *picture != PictureRef::Shown(Shown::Original)
        {
            bytes.truncate(bytes.len() / 2);
        }
    };
    use operators::plan::edit_plan::passes::Shown;
    let cut = |shard: &str| format!("results_style_laion_{shard}/00_000_1/result.png");
    found(
        released(&made_up).path(),
        &[("broken_picture", &cut("00001"), "does not decode"), ("broken_picture", &cut("00003"), "row 0")],
    );
}

#[test]
fn an_output_that_is_its_input_is_found() {
    let same = |edit: &mut ReleasedEdit| edit.turns[0].output = edit.turns[0].input;
    let path = "results_remove_laion_00001/00_000_1/result.png";
    found_with(EditType::Remove, same, &[("same_pictures", path, "nothing was edited")]);
}

#[test]
fn a_mask_of_another_size_is_found() {
    let other = |edit: &mut ReleasedEdit| {
        edit.width = 60;
        edit.objects[0].mask = rle::encode(&Mask { bits: vec![1; 60 * 48], width: 60, height: 48 });
    };
    let path = "results_adjust_laion_00001/00_000_1/mask.png";
    found_with(
        EditType::Adjust,
        other,
        &[("mask_misfit", path, "is of 60 x 48, and the pictures are of 64 x 48")],
    );
}

#[test]
fn a_box_outside_its_picture_is_found() {
    let outside = |edit: &mut ReleasedEdit| edit.objects[0].bbox[2] = 70.0;
    let task = "results_extract_laion_00001/00_000_1/result.json";
    let words = "[20.0, 12.0, 70.0, 36.0] of \"red box\"";
    found_with(
        EditType::Extract,
        outside,
        &[("box_outside", task, words), ("box_outside", "Details/extract.parquet row 0", words)],
    );
}

#[test]
fn an_instruction_that_names_nothing_that_is_there_is_found() {
    let other = |edit: &mut ReleasedEdit| edit.turns[0].prompt = "replace the dog".to_owned();
    let path = "results_replace_laion_00001/00_000_1/result.png";
    found_with(EditType::Replace, other, &[("unnamed_object", path, "does not name \"red box\"")]);
    // In a conversation, the turn that it is about.
    let other = |edit: &mut ReleasedEdit| edit.turns[1].prompt = "make the dog shine".to_owned();
    let path = "results_content_memory_laion_00001/00_000_1/result_1.png";
    found_with(EditType::ContentMemory, other, &[("unnamed_object", path, "make the dog shine")]);
}

#[test]
fn swapped_pictures_are_found() {
    let swap = |edit: &mut ReleasedEdit| {
        let turn = &mut edit.turns[0];
        std::mem::swap(&mut turn.input, &mut turn.output);
    };
    let wanted = ("swapped", ADD, "comes out of an add; the input is: they are swapped");
    found_with(EditType::Add, swap, &[wanted, ("swapped", ADD, "starts from the source picture")]);
    let path = "results_remove_laion_00001/00_000_1/original.png";
    found_with(EditType::Remove, swap, &[("swapped", path, "the edit starts from; the output is")]);
    // A download does not say what the source picture is, but other edits start from it.
    let to = released(&MadeUp::new());
    as_download(&to);
    change_tar(&to.path().join("Singleturn/add_part1.tar.split.000"), |members| {
        members.retain(|(name, _)| !name.ends_with("result.json"));
        for (name, _) in members.iter_mut().filter(|(name, _)| name.starts_with(ADD)) {
            *name = match name.rsplit_once('/').unwrap().1 {
                "original.png" => format!("{ADD}/result.png"),
                "result.png" => format!("{ADD}/original.png"),
                other => format!("{ADD}/{other}"),
            };
        }
    });
    found(to.path(), &[("swapped", ADD, "starts from the source picture, as other edits of it do")]);
}

#[test]
fn a_turn_that_starts_from_nowhere_is_found() {
    let swap = |edit: &mut ReleasedEdit| {
        let turn = &mut edit.turns[1];
        std::mem::swap(&mut turn.input, &mut turn.output);
    };
    let origin =
        |turn: usize| format!("results_content_understanding_laion_00001/00_000_1/origin_{turn}.png");
    found_with(
        EditType::ContentUnderstanding,
        swap,
        &[
            ("broken_chain", &origin(1), "is not what an earlier turn came to"),
            ("broken_chain", &origin(2), "is not what an earlier turn came to"),
        ],
    );
}

#[test]
fn a_missing_piece_is_found_by_name() {
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Remove]);
    let to = released(&made_up);
    let bytes = std::fs::metadata(to.path().join("Singleturn/remove_part3.tar.split.000")).unwrap().len();
    release(to.path(), &made_up, PicturesIn::Tars { piece_bytes: bytes.div_ceil(4) }).unwrap();
    as_download(&to);
    let tar = |number: usize| to.path().join(format!("Singleturn/remove_part3.tar.split.{number:03}"));
    let last = (0..).take_while(|number| tar(*number).exists()).count() - 1;
    assert_eq!(last, 3);
    let named = |number: usize| {
        let findings = check(to.path());
        let name = format!("remove_part3.tar.split.{number:03}");
        let told = |it: &Finding| {
            it.class == "missing_piece" && it.path.contains("remove_part3") && it.message.contains(&name)
        };
        assert!(findings.iter().any(told), "no {name} in {}", report(&findings));
    };
    let bytes = std::fs::read(tar(last)).unwrap();
    std::fs::remove_file(tar(last)).unwrap();
    named(last);
    std::fs::write(tar(last), bytes).unwrap();
    std::fs::remove_file(tar(1)).unwrap();
    named(1);
}

#[test]
fn a_wrong_schema_is_told_with_what_is_wanted() {
    let to = released(&MadeUp::new());
    as_download(&to);
    let path = to.path().join("Parquet/add_part1.parquet");
    let columns = [("input_images", Nested::Text), ("prompt", Nested::Text)];
    let mut table = TableWriter::new(File::create(path).unwrap(), &columns).unwrap();
    table.push(&[json!("a.png"), json!("add a cat")]).unwrap();
    table.finish().unwrap();
    let words = "has the columns input_images: string, prompt: string, and input_images: list<string>, \
                 output_images: list<string>, prompt: string are wanted";
    found(to.path(), &[("wrong_schema", "Parquet/add_part1.parquet", words)]);
    let notes: Vec<Finding> =
        check(to.path()).into_iter().filter(|it| it.severity == Severity::Note).collect();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].class == "not_in_parquet" && notes[0].path.ends_with("add_part1"), "{notes:?}");
}

#[test]
fn nothing_to_check_is_a_fault() {
    let empty = tempfile::tempdir().unwrap();
    let classes: Vec<_> = check(empty.path()).iter().map(|it| it.class).collect();
    assert_eq!(classes, ["no_parquet", "no_tars"]);
    assert!(check(&empty.path().join("not there")).iter().any(|it| it.class == "no_tars"));
}

#[test]
fn what_was_touched_after_writing_is_found() {
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Extract]);
    let to = released(&made_up);
    let path = "Singleturn/extract_part3.tar.split.000";
    let mut bytes = std::fs::read(to.path().join(path)).unwrap();
    // In the words of a picture's file, where no check sum of the tar looks.
    let at = bytes.windows(9).position(|it| it == b"red box\",").unwrap();
    bytes[at + 4] = b'f';
    std::fs::write(to.path().join(path), bytes).unwrap();
    let task = "results_extract_laion_00003/00_000_1";
    found(
        to.path(),
        &[("changed_file", path, "was written"), ("unnamed_object", task, "does not name \"red fox\"")],
    );
}

#[test]
fn paths_with_another_folder_before_them_are_told() {
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Style]);
    let to = released(&made_up);
    as_download(&to);
    let tar = to.path().join("Singleturn/style_part1.tar.split.000");
    change_tar(&tar, |members| members.iter_mut().for_each(|(name, _)| *name = format!("./{name}")));
    assert_eq!(check(to.path()), []);
    change_tar(&tar, |members| {
        members.iter_mut().for_each(|(name, _)| *name = name.replace("./", "mnt/data/"))
    });
    let path = "results_style_laion_00001/00_000_1/original.png";
    let findings = check(to.path());
    assert_eq!(findings.iter().filter(|it| it.severity == Severity::Fault).count(), 4);
    let told = format!("a tar has mnt/data/{path}");
    assert!(findings.iter().any(|it| it.path == path && it.message.contains(&told)), "{}", report(&findings));
}
