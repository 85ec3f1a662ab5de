//! Tars that we write, read by others: Python's `tarfile`, webdataset and GNU tar find in them what was put in, whatever the names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::curate::taste;
use tests::program::Desk;
use tests::python::{TarFile, read_tar};
use tests::shards::{Sample, png};
use threshflow::publish::PlainTar;
use threshflow::row::ContentHash;

/// Names of all lengths around those at which a header has no more room, with slashes and letters of several bytes at every place
/// that matters. Each ends in this extension.
fn names(extension: &str) -> Vec<String> {
    let mut names = BTreeSet::new();
    let near = |places: &[usize]| places.iter().flat_map(|at| at - 3..=at + 3).collect::<Vec<_>>();
    let lengths: BTreeSet<usize> =
        (5..=20).chain(near(&[99, 155, 200, 255, 256, 400, 512, 600])).chain((20..600).step_by(13)).collect();
    for length in lengths {
        let mut add = |text: String| {
            let mut text: String = text.chars().take(600).collect();
            text.truncate(text.floor_char_boundary(length - extension.len()));
            if !text.is_empty() && !text.ends_with('/') {
                names.insert(text + extension);
            }
        };
        add("k".repeat(600));
        add("\u{e9}".repeat(600));
        add(format!("x{}", "\u{1f408}".repeat(600)));
        add("d/".repeat(300));
        for slash in near(&[99, 155, 255]) {
            add(format!("{}/{}", "s".repeat(slash), "t".repeat(600)));
        }
        add(format!("{}//{}", "u".repeat(98), "v".repeat(600)));
    }
    names.extend(
        ["./a", "b//c", "d/./e", "f g", "'h'", "i\\j", "k\nl", "*m", "-n", "@o", ".p/q"]
            .map(|name| name.to_owned() + extension),
    );
    names.into_iter().collect()
}

/// Files of these names, no two of the same bytes.
fn files(names: Vec<String>) -> Vec<TarFile> {
    (0..)
        .zip(names)
        .map(|(place, name): (usize, String)| (name, format!("{place}").repeat(1 + place % 300).into_bytes()))
        .collect()
}

fn tar_of(files: &[TarFile]) -> Vec<u8> {
    let mut tar = PlainTar::new(Vec::new());
    for (name, bytes) in files {
        tar.append(name, bytes).unwrap();
    }
    tar.finish().unwrap()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn assert_same(found: &[TarFile], wanted: &[TarFile]) {
    let differs = found.iter().zip(wanted).find(|(one, other)| one != other);
    assert!(differs.is_none(), "{:?}", differs.map(|(one, other)| (&one.0, &other.0)));
    assert_eq!(found.len(), wanted.len());
}

#[test]
fn python_finds_every_name_and_byte() {
    let (folder, wanted) = (tests::scratch(), files(names(".jpg")));
    assert!(wanted.len() > 1_000);
    let tar = tar_of(&wanted);
    let pieces: Vec<PathBuf> = (0..)
        .zip(tar.chunks(100_000))
        .map(|(place, piece): (usize, &[u8])| write(folder.path(), &format!("{place}"), piece))
        .collect();
    let Some((found, samples)) = read_tar(&pieces) else { return };
    assert_same(&found, &wanted);
    // Webdataset knows no keys with a dot in the last part, and neither do we.
    assert_eq!(samples.len(), wanted.len());
}

#[test]
fn gnu_tar_finds_every_name_and_byte() {
    let (folder, wanted) = (tests::scratch(), files(names(".jpg")));
    let path = write(folder.path(), "x.tar", &tar_of(&wanted));
    let said = |arguments: &[&str]| {
        let mut command = Command::new("tar");
        let output = command.args(arguments).arg("--file").arg(&path).stdin(Stdio::null()).output().ok()?;
        let output = output.status.success().then_some(output)?;
        Some((String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap()))
    };
    if said(&["--version"]).is_none_or(|(version, _)| !version.contains("GNU tar")) {
        return eprintln!("passed over: there is no GNU tar");
    }
    let (listed, complaints) = said(&["--list", "--quoting-style=literal", "--show-stored-names"]).unwrap();
    assert_eq!(complaints, "");
    let wanted_names: String = wanted.iter().map(|(name, _)| format!("{name}\n")).collect();
    assert!(listed == wanted_names);
    let (bytes, complaints) = said(&["--extract", "--to-stdout"]).unwrap();
    assert_eq!(complaints, "");
    assert!(bytes.into_bytes() == wanted.into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<_>>());
}

#[test]
fn python_finds_every_sample_of_an_export() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    // A dot in the last part would end the key, and `./` before it is none of it.
    let is_key = |name: &String| !name.rsplit('/').next().unwrap().contains('.') && !name.starts_with("./");
    let keys: Vec<String> = names("").into_iter().filter(is_key).collect();
    let sample = |(place, key): (u64, String)| Sample {
        key,
        picture: png(20, 20, place),
        json: (place % 2 == 0).then(|| format!("{{\"caption\":\"number {place}\"}}")),
    };
    // Every third, since each is a picture.
    let samples: Vec<Sample> = (0..)
        .zip(keys.into_iter().step_by(3))
        .map(sample)
        .filter(|sample| taste(ContentHash::of(&sample.picture)).is_ok())
        .collect();
    assert!(samples.len() > 300);
    desk.shard("long", &samples);
    desk.done("--set short_side=0 --set taste=0 --export curated");
    let tars: Vec<PathBuf> = std::fs::read_dir(desk.path("curated"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tar"))
        .collect();
    assert_eq!(tars.len(), 1);
    let Some((found, grouped)) = read_tar(&tars) else { return };
    let mut wanted: Vec<TarFile> = Vec::new();
    for Sample { key, picture, json } in &samples {
        wanted.push((format!("{key}.png"), picture.clone()));
        wanted.extend(json.iter().map(|json| (format!("{key}.json"), json.clone().into_bytes())));
    }
    assert_same(&found, &wanted);
    let keys: Vec<&String> = grouped.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, samples.iter().map(|sample| &sample.key).collect::<Vec<_>>());
}
