//! A folder and a tar of the same files: the same answers, scores and kept keys, and the same files in the end.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tests::program::asks;
use tests::python::read_tar;
use tests::shards::{Sample, corpus, write};
use tests::trees;
use threshflow::publish::{Table, published_keys, read_manifest};

use crate::{desk, done, put, run};

/// Keys with folders, dots in folders, and neighbours that a sort of whole paths would put between a key's files.
fn samples() -> Vec<Sample> {
    let folders = ["", "a/", "a.b/", "a-b/", "a/b/"];
    let named = |(place, sample): (usize, Sample)| {
        let key = format!("{}{}{}", folders[place % 5], sample.key, ["", " x", "-1", "é"][place / 5 % 4]);
        Sample { key, ..sample }
    };
    let mut samples: Vec<Sample> = corpus(5, 0..150).into_iter().enumerate().map(named).collect();
    samples.sort_by(|one, other| one.key.cmp(&other.key));
    samples
}

/// The published rows, by key, without the columns that say where the picture lies.
fn rows(desk: &tests::program::Desk, out: &str) -> BTreeMap<String, Value> {
    let out = desk.path(out);
    let columns = [
        "key",
        "length",
        "width",
        "height",
        "format",
        "content",
        "short_side",
        "taste",
        "caption",
        "sidecar",
    ];
    let mut rows = BTreeMap::new();
    for part in
        read_manifest(&out).unwrap().unwrap().parts.iter().filter(|part| part.file.starts_with("data/"))
    {
        let table = Table::open(&out.join(&part.file)).unwrap();
        table
            .read(&columns, |_, row| {
                rows.insert(row[0].as_str().unwrap().to_owned(), Value::from(row.to_vec()));
                std::ops::ControlFlow::<()>::Continue(())
            })
            .unwrap();
    }
    rows
}

/// The files of the exported tars. Within a key, a folder's lie in the order of their names.
fn exported(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for tar in trees::read(folder).into_iter().filter(|(name, _)| name.ends_with(".tar")).map(|(_, tar)| tar)
    {
        for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            files.insert(entry.path().unwrap().to_string_lossy().into_owned(), bytes);
        }
    }
    files
}

#[test]
fn a_folder_publishes_what_a_tar_of_its_files_publishes_and_asks_nothing_after_it() {
    let (desk, samples) = (desk(), samples());
    put(&desk.path("photos"), &samples);
    write(&desk.path("packed.tar"), &samples);
    let log = |name: &str| format!("--log-asks {}", desk.path(name).display());
    let of_tar = |more: &str| {
        let command = format!(
            "run --shards packed.tar --max-error-rate 1 --json --out of_tar --export tar_tars {more}"
        );
        desk.ask(&command).expect(0, &[]).json()
    };
    let tar = of_tar(&log("asked"));
    let folder = done(&desk, &format!("--export tars {}", log("asked_again")));
    assert!(tar["asks"]["judge"]["asked"].as_u64() > Some(50) && tar["kept"].as_u64() > Some(20), "{tar}");
    assert_eq!(asks(&desk.path("asked_again")), [] as [String; 0]);
    for counted in ["rows", "kept", "gated", "refused", "sidecar_errors"] {
        assert_eq!(folder[counted], tar[counted], "{counted}");
    }
    assert_eq!(rows(&desk, "out"), rows(&desk, "of_tar"));
    let files = exported(&desk.path("tars"));
    assert_eq!(files, exported(&desk.path("tar_tars")));
    assert!(files.len() > 20);
    // A second run reads nothing anew, writes nothing anew, and asks nothing.
    let before = trees::read(&desk.path("out"));
    let again = run(&desk, &log("asked_at_last")).expect(0, &[]);
    assert!(again.stdout.contains("published in out: 0 parts written"), "{}", again.stdout);
    assert_eq!((trees::read(&desk.path("out")), asks(&desk.path("asked_at_last")).len()), (before, 0));
}

#[test]
fn a_reader_finds_every_picture_by_card_and_columns() {
    let (desk, mut samples) = (desk(), samples());
    // As a camera spells it.
    samples[0].key = "DSC_1".to_owned();
    samples.truncate(40);
    put(&desk.path("photos"), &samples);
    std::fs::rename(desk.path("photos/DSC_1.png"), desk.path("photos/DSC_1.PNG")).unwrap();
    done(&desk, "--set taste=0 --set short_side=0");
    let out = desk.path("out");
    let manifest = read_manifest(&out).unwrap().unwrap();
    assert_eq!((manifest.folders.len(), manifest.folders[0].folder.as_str()), (1, "photos"));
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains("| photos | photos |") && card.contains("lie loose in folders"), "{card}");
    let mut found = 0;
    for part in manifest.parts.iter().filter(|part| part.file.starts_with("data/")) {
        let table = Table::open(&out.join(&part.file)).unwrap();
        table
            .read(&["picture", "offset", "length", "content", "key"], |_, row| {
                let bytes =
                    std::fs::read(desk.path(&manifest.folders[0].folder).join(row[0].as_str().unwrap()))
                        .unwrap();
                assert_eq!((row[1].as_i64(), row[2].as_i64()), (Some(0), Some(bytes.len() as i64)));
                assert_eq!(row[3], threshflow::row::ContentHash::of(&bytes).to_string());
                found += 1;
                std::ops::ControlFlow::<()>::Continue(())
            })
            .unwrap();
    }
    assert!(found > 30);
    let key = published_keys(&out)
        .unwrap()
        .into_iter()
        .find(|row| row.key.contains('/') && !row.key.contains(' '))
        .unwrap()
        .key;
    let told = desk.ask(&format!("explain photos/{key}")).stdout;
    assert!(told.contains(&format!("kept: published as {key}.png")), "{told}");
    // A set of tars has no word of folders.
    write(&desk.path("packed.tar"), &samples);
    desk.ask("run --shards packed.tar --max-error-rate 1 --out of_tar").expect(0, &[]);
    let text = |file: &str| std::fs::read_to_string(desk.path("of_tar").join(file)).unwrap();
    assert!(!text("manifest.json").contains("folder") && !text("README.md").contains("loose"));
}

#[test]
fn webdataset_groups_the_exported_files_as_the_folder_does() {
    let desk = desk();
    put(&desk.path("photos"), &samples());
    std::fs::write(desk.path("photos/a/readme.md"), "no picture").unwrap();
    std::fs::write(desk.path("photos/Thumbs.db"), "no picture").unwrap();
    let summary = done(&desk, "--set taste=0 --set short_side=0 --export tars");
    assert_eq!((summary["left_aside"].as_u64(), summary["passed_over"].as_u64()), (Some(1), Some(1)));
    let tars: Vec<_> =
        trees::read(&desk.path("tars")).into_keys().filter(|name| name.ends_with(".tar")).collect();
    let Some((files, grouped)) = read_tar(&[desk.path("tars").join(&tars[0])]) else { return };
    let kept = published_keys(&desk.path("out")).unwrap();
    let keys: Vec<&str> = kept.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(grouped.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), keys);
    assert!(keys.len() > 100);
    for (name, bytes) in files {
        assert_eq!(std::fs::read(desk.path("photos").join(&name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn folders_and_tars_are_mixed_and_what_cannot_be_meant_is_told() {
    let (desk, samples) = (desk(), samples());
    put(&desk.path("photos"), &samples[..60]);
    put(&desk.path("more"), &samples[60..100]);
    desk.shard("packed", &samples[100..]);
    let mixed = "run --pictures photos more --shards shards --max-error-rate 1 --json";
    assert_eq!(desk.ask(mixed).expect(0, &[]).json()["rows"], samples.len());
    let plan = "plan --pictures photos --pictures more --shards shards --json --set taste=3";
    assert_eq!(desk.ask(plan).expect(0, &[]).json()["rows"], samples.len());
    std::fs::create_dir(desk.path("empty")).unwrap();
    for (command, words) in [
        ("run", ["--shards", "--pictures"]),
        ("run --pictures shards", ["holds no pictures", "--shards shards"]),
        ("run --pictures shards/packed.tar", ["is no folder", "for a tar use --shards"]),
        ("run --pictures empty", ["holds no pictures", "*.jpg"]),
        ("run --pictures nowhere", ["\"nowhere\" does not exist", "a folder of pictures"]),
        ("run --shards photos", ["holds no shards", "--pictures"]),
        ("run --pictures photos --report photos/page.html", ["would lie in --pictures photos", "outside"]),
    ] {
        desk.ask(command).expect(2, &words);
    }
}
