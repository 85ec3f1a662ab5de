//! `docs/your-first-operator.md`: its code is put into a copy of the crates, built and run. What it publishes is what plain arithmetic
//! says, and it is as short as the page says.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use image::{ImageFormat, RgbImage};
use serde_json::Value;
use tests::outside::{blocks, build, read, root};
use tests::program::ended;
use tests::shards::{Sample, write};
use threshflow::publish::{Ended, find_verdict, published_keys};

/// The most lines of new code, and the places that they go to.
const MOST_LINES: usize = 60;
const PLACES: [&str; 3] = ["operators/sharpness.rs", "operators/lib.rs", "pipelines/distinct/mod.rs"];

/// The page's code: the new file, and the changes of others.
struct Tutorial {
    page: String,
    new: Vec<(String, String)>,
    changed: Vec<(String, String)>,
}

impl Tutorial {
    fn read() -> Self {
        let page = read(&root().join("docs/your-first-operator.md"));
        let (new, changed) = (blocks(&page, "rust"), blocks(&page, "diff"));
        Tutorial { page, new, changed }
    }

    /// Lines that a newcomer writes: all that are not blank, comments too.
    fn lines(&self) -> usize {
        let new = self.new.iter().flat_map(|(_, code)| code.lines());
        let added =
            self.changed.iter().flat_map(|(_, diff)| diff.lines().filter_map(|line| line.strip_prefix('+')));
        new.chain(added).filter(|line| !line.trim().is_empty()).count()
    }

    fn places(&self) -> Vec<&str> {
        self.new.iter().chain(&self.changed).map(|(path, _)| path.as_str()).collect()
    }

    /// The commands that the page shows, after the program's name.
    fn commands(&self) -> Vec<String> {
        let shown = blocks(&self.page, "");
        let lines = shown.iter().flat_map(|(_, block)| block.lines());
        let commands = lines.filter_map(|line| line.strip_prefix("cargo run --release -- "));
        commands.map(|line| line.split("  ").next().unwrap_or(line).replace('\'', "")).collect()
    }
}

/// A file with the changes of a diff, whose hunks stand apart by `@@`. Each must fit one place.
fn changed(file: &str, diff: &str) -> String {
    let mut text = file.to_owned();
    for hunk in diff.split("@@\n") {
        let side = |other: char| -> String {
            let lines = hunk.lines().filter(|line| !line.starts_with(other));
            lines.map(|line| format!("{}\n", line.get(1..).unwrap_or_default())).collect()
        };
        let (before, after) = (side('+'), side('-'));
        assert_eq!(text.matches(&before).count(), 1, "this stands once in the file: {before}");
        text = text.replace(&before, &after);
    }
    text
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("is made");
    for entry in fs::read_dir(from).expect("is listed").map(|entry| entry.expect("is listed")) {
        let (path, name) = (entry.path(), entry.file_name());
        match path.is_dir() {
            true if name == "fixtures" || name == "tests" => {}
            true => copy_folder(&path, &to.join(&name)),
            false => drop(fs::copy(&path, to.join(&name)).expect("is copied")),
        }
    }
}

/// A workspace of copies of the crates above the engine, which is this repository's own.
fn copy_workspace(to: &Path) {
    let manifest = read(&root().join("Cargo.toml"));
    let at = |start: &str| manifest.find(start).unwrap_or_else(|| panic!("{start} in Cargo.toml"));
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).expect("members");
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    let members: Vec<&str> =
        members.into_iter().filter(|it| ![".", "tests", "benches"].contains(it)).collect();
    assert!(members.len() >= 2, "{members:?}");
    let engine = format!("threshflow = {{ path = \"{}\" }}", root().display());
    let head = manifest[at("[workspace.package]")..at("[package]")]
        .replace("threshflow = { path = \".\" }", &engine);
    assert!(head.contains(&engine), "{head}");
    let lints = &manifest[at("[workspace.lints")..at("# Full debug information")];
    let members_and = [members.as_slice(), &["same-features"]].concat();
    let text = format!("[workspace]\nmembers = {members_and:?}\nresolver = \"3\"\n\n{head}{lints}");
    fs::write(to.join("Cargo.toml"), text).expect("is written");
    fs::copy(root().join("Cargo.lock"), to.join("Cargo.lock")).expect("is copied");
    for member in members {
        copy_folder(&root().join(member), &to.join(member));
        // Tests are not built, and what they need is not here.
        let manifest = read(&to.join(member).join("Cargo.toml"));
        let (head, tail) = manifest.split_once("[dev-dependencies]").unwrap_or((&manifest, ""));
        let tail = tail.find("\n[").map_or("", |at| &tail[at..]);
        fs::write(to.join(member).join("Cargo.toml"), format!("{head}{tail}")).expect("is written");
    }
    std::os::unix::fs::symlink(root().join("models"), to.join("models")).expect("is linked");
}

/// Pictures with steps of brightness, steeper the later they come, under scores from 4 to 8.
fn samples() -> Vec<Sample> {
    let sample = |n: u32| {
        let (width, height) = (12 + n % 9, 12 + n % 7);
        let paint = |x: u32, y: u32| image::Rgb([0, 1, 2].map(|c| ((x * n / 3 + y + c) % 200) as u8));
        let mut picture = Cursor::new(Vec::new());
        RgbImage::from_fn(width, height, paint).write_to(&mut picture, ImageFormat::Png).expect("encodes");
        let json = format!("{{\"aes\": {}}}", 4.0 + f64::from(n % 5));
        Sample { key: format!("{n:03}"), picture: picture.into_inner(), json: Some(json) }
    };
    (0..60).map(sample).collect()
}

/// A picture's sharpness, pixel by pixel.
fn sharpness(sample: &Sample) -> f64 {
    let picture = image::load_from_memory(&sample.picture).expect("a picture").into_rgb8();
    let (mut sum, mut count) = (0.0, 0.0);
    for y in 0..picture.height() {
        for x in 1..picture.width() {
            let pair = picture.get_pixel(x - 1, y).0.into_iter().zip(picture.get_pixel(x, y).0);
            sum += pair.map(|(one, next)| (f64::from(one) - f64::from(next)).abs()).sum::<f64>();
            count += 3.0;
        }
    }
    sum / count
}

/// The sharpness of what is published, by key.
fn published(out: &Path) -> BTreeMap<String, f64> {
    let of = |key: String| match find_verdict(out, &key).expect("reads").expect("is there").ended {
        Ended::Kept(kept) => {
            (key, kept.scores.iter().find(|it| it.0 == "sharpness").expect("a column").1.into())
        }
        other => panic!("{key}: {other:?}"),
    };
    published_keys(out).expect("reads").into_iter().map(|row| of(row.to_string())).collect()
}

#[test]
fn the_page_keeps_to_its_lines_and_places() {
    let tutorial = Tutorial::read();
    assert_eq!(tutorial.places(), PLACES);
    let lines = tutorial.lines();
    assert!(lines <= MOST_LINES, "{lines} lines");
    assert!(tutorial.page.contains(&format!("It also counts: {lines} lines.")), "{lines} lines");
    assert_eq!(tutorial.commands().len(), 3);
}

#[test]
fn the_page_makes_an_operator_that_runs() {
    let folder = tests::scratch();
    let workspace = folder.path().join("threshflow");
    fs::create_dir(&workspace).expect("is made");
    copy_workspace(&workspace);
    let tutorial = Tutorial::read();
    for (path, code) in &tutorial.new {
        assert!(!workspace.join(path).exists(), "{path} is new");
        fs::write(workspace.join(path), code).expect("is written");
    }
    for (path, diff) in &tutorial.changed {
        fs::write(workspace.join(path), changed(&read(&workspace.join(path)), diff)).expect("is written");
    }
    for path in PLACES.iter().filter(|path| !path.ends_with("lib.rs")) {
        let mut format = Command::new("rustfmt");
        format.args(["--check", "--edition", "2024", "--config-path"]).arg(root()).arg(workspace.join(path));
        ended(&mut format).expect(0, &[]);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let program = build(
        &workspace,
        target,
        &["threshflow", "operators", "pipelines", "kit", "benchmarks"],
        "threshflow",
    );

    let samples = samples();
    fs::create_dir(folder.path().join("laion")).expect("is made");
    write(&folder.path().join("laion/00012.tar"), &samples);
    let pleasing = |sample: &&Sample| !sample.json.as_ref().is_some_and(|json| json.contains("4"));
    let asked = samples.iter().filter(pleasing).count();
    // Small pictures that look alike: what is measured here is the new gate.
    let more = ["--json", "--set", "short_side=0", "--set", "duplicate_distance=-1"];
    let commands = tutorial.commands();
    for (command, at, asked) in [(&commands[0], 2.0, asked), (&commands[1], 8.0, 0)] {
        let ran =
            Command::new(&program).args(command.split(' ')).args(more).current_dir(folder.path()).output();
        let ran = tests::program::Ended::of(ran.expect("starts")).expect(0, &[]).json();
        assert_eq!(ran["asks"]["sharpness"]["asked"], asked, "{ran}");
        let all = samples.iter().filter(pleasing).map(|it| (format!("00012/{}", it.key), sharpness(it)));
        let wanted: BTreeMap<String, f64> = all.filter(|(_, sharpness)| *sharpness >= at).collect();
        assert!(wanted.len() > 5 && wanted.len() < 47, "{}", wanted.len());
        let is = published(&folder.path().join("out"));
        assert_eq!(is.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (key, sharpness) in wanted {
            assert!((is[&key] - sharpness).abs() < 1e-3, "{key}: {} and not {sharpness}", is[&key]);
        }
    }
    let dials = Command::new(&program).args(["distinct", "dials", "--json"]).output().expect("starts");
    let dials: Value = tests::program::Ended::of(dials).expect(0, &[]).json();
    assert!(dials.to_string().contains("How much neighbouring pixels must differ."), "{dials}");
    let explain = commands[2].replace("000120345", "007");
    let explained = Command::new(&program).args(explain.split(' ')).current_dir(folder.path()).output();
    let story = tests::program::Ended::of(explained.expect("starts")).expect(0, &[]).stdout;
    assert!(story.contains("sharpness"), "{story}");
}
