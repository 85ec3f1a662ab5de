//! `docs/own-pipeline`, copied to a folder outside of this repository as a user would copy it: cargo builds it and it runs. What it
//! publishes is what plain arithmetic says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{ImageFormat, RgbImage};
use serde_json::Value;
use tests::outside::{self, read, root};
use tests::program::{Ended, ended};
use tests::shards::{Sample, write};
use threshflow::publish::{Ended as End, find_verdict, published_keys};

/// The packages of a lock file: name, version and checksum.
fn locked(lock: &str) -> BTreeSet<(String, String, String)> {
    let value = |package: &str, field: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(&format!("{field} = ")));
        line.unwrap_or_default().to_owned()
    };
    let packages = lock.split("[[package]]").skip(1);
    packages.map(|it| (value(it, "name"), value(it, "version"), value(it, "checksum"))).collect()
}

/// Copies the crate to `to`, names this repository by its path, and gives it the workspace's lock.
fn copy(to: &Path) {
    let from = root().join("docs/own-pipeline");
    fs::create_dir_all(to.join("src")).expect("is made");
    fs::copy(from.join("src/main.rs"), to.join("src/main.rs")).expect("is copied");
    let manifest = read(&from.join("Cargo.toml"));
    let here = manifest.replace("path = \"../../", &format!("path = \"{}/", root().display()));
    let here = here.replace("path = \"../..\"", &format!("path = \"{}\"", root().display()));
    assert!(here.matches(&*root().to_string_lossy()).count() == 2, "{manifest}");
    // With the workspace's in place of its own, see `outside::build`.
    let own = here.find("[profile.dev").expect("a profile for `cargo run` without --release");
    let (head, tail) = here[..own].split_once("[workspace]\n").expect("a workspace of its own");
    let manifest = format!("{head}[workspace]\nmembers = [\"same-features\"]\n{tail}");
    fs::write(to.join("Cargo.toml"), manifest).expect("is written");
    fs::copy(root().join("Cargo.lock"), to.join("Cargo.lock")).expect("is copied");
}

#[test]
fn the_crate_can_be_used_where_it_lies() {
    let manifest = root().join("docs/own-pipeline/Cargo.toml");
    let read = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version=1", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

/// The crate's program, built.
fn build(folder: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    outside::build(folder, target, &["threshflow", "operators"], "own-pipeline")
}

struct Own {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Own {
    fn say(&self, words: &[&str]) -> Ended {
        ended(Command::new(&self.program).args(words).current_dir(self.folder.path()))
    }

    fn run(&self, more: &[&str]) -> Value {
        let words = ["run", "--json", "--shards", "shards", "--store", "store", "--out", "out"];
        let all: Vec<&str> = words.iter().chain(more).copied().collect();
        self.say(&all).expect(0, &[]).json()
    }

    /// The scores of the pictures that are published, by key.
    fn published(&self) -> BTreeMap<String, (f32, f32)> {
        let out = self.folder.path().join("out");
        let scores = |key: String| match find_verdict(&out, &key).expect("reads").expect("is there").ended {
            End::Kept(kept) => {
                let score = |name: &str| kept.scores.iter().find(|it| it.0 == name).expect("a column").1;
                (key, (score("short_side"), score("contrast")))
            }
            other => panic!("{key}: {other:?}"),
        };
        published_keys(&out).expect("reads").into_iter().map(|row| scores(row.to_string())).collect()
    }
}

/// Pictures of many sizes, with fields of two colours; each has the more contrast the later it comes.
fn samples() -> Vec<Sample> {
    let sample = |n: u64| {
        let (width, height) = (12 + n as u32 % 9, 12 + n as u32 % 7);
        let paint = |x: u32, y: u32| {
            let up = if (x / 5 + y / 3).is_multiple_of(2) { 128 + 2 * n as u32 } else { 128 - 2 * n as u32 };
            image::Rgb([up as u8, up as u8 / 2, (x * 11 + y * 7) as u8])
        };
        let mut picture = Cursor::new(Vec::new());
        RgbImage::from_fn(width, height, paint).write_to(&mut picture, ImageFormat::Png).expect("encodes");
        Sample { key: format!("{n:03}"), picture: picture.into_inner(), json: None }
    };
    (0..60).map(sample).collect()
}

/// A picture's shorter side and its contrast `border` pixels from each edge.
fn measured(sample: &Sample, border: u32) -> (f32, f64) {
    let picture = image::load_from_memory(&sample.picture).expect("a picture").into_rgb8();
    let (width, height) = picture.dimensions();
    let mut greys = Vec::new();
    for y in border..height - border {
        for x in border..width - border {
            let [red, green, blue] = picture.get_pixel(x, y).0.map(f64::from);
            greys.push((299.0 * red + 587.0 * green + 114.0 * blue) / 1000.0);
        }
    }
    let count = greys.len() as f64;
    let mean = greys.iter().sum::<f64>() / count;
    let squares = greys.iter().map(|grey| grey * grey).sum::<f64>() / count;
    (width.min(height) as f32, (squares - mean * mean).max(0.0).sqrt())
}

#[track_caller]
fn same(published: &BTreeMap<String, (f32, f32)>, samples: &[Sample], border: u32, at: [f64; 2]) {
    let all = samples.iter().map(|sample| (format!("a/{}", sample.key), measured(sample, border)));
    let wanted: BTreeMap<String, (f32, f64)> =
        all.filter(|(_, (side, contrast))| f64::from(*side) > at[0] && *contrast >= at[1]).collect();
    assert!(wanted.len() > 5 && wanted.len() < samples.len() - 5, "{} of all", wanted.len());
    assert_eq!(published.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (key, (side, contrast)) in &wanted {
        let (has_side, has_contrast) = published[key];
        assert_eq!(has_side, *side, "{key}");
        assert!((f64::from(has_contrast) - contrast).abs() < 1e-3, "{key}: {has_contrast}, not {contrast}");
    }
}

/// The commands that the page shows for the copied crate, after `cargo run --release -- `.
fn shown() -> Vec<String> {
    let page = read(&root().join("docs/your-own-pipeline.md"));
    let block =
        page.split("```").find(|block| block.contains("cp -r docs/own-pipeline")).expect("the page copies");
    let lines = block.lines().filter_map(|line| line.strip_prefix("cargo run --release -- "));
    lines.map(|line| line.split("  #").next().unwrap_or(line).replace('\'', "")).collect()
}

#[test]
fn a_pipeline_in_a_crate_elsewhere_is_built_and_publishes_what_it_says() {
    let folder = tests::scratch();
    let crate_folder = folder.path().join("own-pipeline");
    copy(&crate_folder);
    let own = Own { program: build(&crate_folder), folder };
    let (mut ours, theirs) =
        (locked(&read(&crate_folder.join("Cargo.lock"))), locked(&read(&root().join("Cargo.lock"))));
    ours.retain(|(name, ..)| !["\"own-pipeline\"", "\"same-features\""].contains(&&**name));
    assert!(ours.len() > 100 && ours.is_subset(&theirs), "{:?}", ours.difference(&theirs));

    let samples = samples();
    fs::create_dir(own.folder.path().join("shards")).expect("is made");
    write(&own.folder.path().join("shards/a.tar"), &samples);
    let large = samples.iter().filter(|sample| measured(sample, 0).0 > 13.0).count();
    let first = own.run(&["--set=short_side=13"]);
    assert_eq!(first["asks"]["contrast"]["asked"], large, "{first}");
    same(&own.published(), &samples, 0, [13.0, 30.0]);
    let turned = own.run(&["--set=short_side=13", "--set=contrast=45"]);
    assert_eq!(turned["asks"]["contrast"]["asked"], 0, "{turned}");
    same(&own.published(), &samples, 0, [13.0, 45.0]);
    let framed = own.run(&["--set=short_side=13", "--border=3"]);
    assert_eq!(framed["asks"]["contrast"]["asked"], large, "another border is another question");
    same(&own.published(), &samples, 3, [13.0, 30.0]);

    // The page's own commands, over shards in the folder that they name.
    fs::rename(own.folder.path().join("shards"), own.folder.path().join("laion")).expect("is renamed");
    let commands = shown();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in &commands {
        let words: Vec<&str> = command.split_whitespace().chain(["--json", "--set=short_side=13"]).collect();
        let ran = own.say(&words).expect(0, &[]).json();
        assert!(!own.published().is_empty() && ran["dials"]["short_side"] == 13.0, "{ran}");
        if command.contains("contrast=50") {
            assert_eq!(ran["asks"]["contrast"]["asked"], 0, "{ran}");
        }
    }
    same(&own.published(), &samples, 0, [13.0, 50.0]);
    fs::rename(own.folder.path().join("laion"), own.folder.path().join("shards")).expect("is renamed");

    // It has what it gave, and no more.
    let help = own.say(&["--help"]).expect(0, &[]).stdout;
    assert!(help.contains("Usage: own-pipeline <COMMAND>") && help.contains("\n  run "), "{help}");
    assert!(!help.contains("\n  demo ") && !help.contains("\n  bench "), "{help}");
    let dials = own.say(&["dials"]).expect(0, &[]).stdout;
    assert!(dials.contains("How much the brightness of a picture must vary."), "{dials}");
    own.say(&["run", "--shards=shards", "--border=9", "--set=short_side=0", "--max-error-rate=0.5"]).expect(
        1,
        &["60 of 60 pictures failed at contrast", "too_small: 12 x 12 pixels, and --border 9 leaves none"],
    );
}
