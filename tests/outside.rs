//! Crates outside of this repository that build on it: copied to a folder, and built there as a user would build them, without a network.
//!
//! Their dependencies are those of the workspace, in the versions of its `Cargo.lock` and with its profiles, in the same target
//! folder, so that they are not built twice. Only our own crates are, since their path is another one to a crate elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program::ended;

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The text of a file. Panics where it cannot be read.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of a page that are fenced with this word, such as `rust`: what follows the word on its line, and the lines.
pub fn blocks(page: &str, word: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let (first, rest) = fence.split_once(' ').unwrap_or((fence, ""));
        if first == word {
            blocks.push((rest.to_owned(), block.join("\n") + "\n"));
        }
    }
    blocks
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A member that is never built, which asks for all that the workspace asks for. Cargo builds a crate anew where somebody asks for other features of it,
/// and all that stands on it: what only tests ask for, such as a web driver, would have the proc macros, and most else, built a second time.
fn write_same_features(folder: &Path) {
    let mut metadata = cargo();
    metadata.args(["metadata", "--offline", "--no-deps", "--format-version=1"]).current_dir(root());
    let workspace: Value = ended(&mut metadata).expect(0, &[]).json();
    let mut wanted: BTreeMap<&str, (&str, bool, BTreeSet<&str>)> = BTreeMap::new();
    let list = |value: &'_ Value, name: &str| value[name].as_array().expect("a list").clone();
    let packages = list(&workspace, "packages");
    let dependencies: Vec<Value> = packages.iter().flat_map(|it| list(it, "dependencies")).collect();
    for it in &dependencies {
        if it["path"].is_null() && it["optional"] == false && it["kind"] != "build" {
            let text = |name: &str| it[name].as_str().expect("a text");
            let wanted = wanted.entry(text("name")).or_insert((text("req"), false, BTreeSet::new()));
            wanted.1 |= it["uses_default_features"] == true;
            wanted.2.extend(it["features"].as_array().expect("a list").iter().filter_map(Value::as_str));
        }
    }
    let lines = wanted.iter().map(|(name, (version, default, features))| {
        let features: Vec<&&str> = features.iter().collect();
        format!(
            "{name} = {{ version = {version:?}, default-features = {default}, features = {features:?} }}\n"
        )
    });
    let head = "[package]\nname = \"same-features\"\nedition = \"2024\"\n\n[dependencies]\n";
    let manifest = head.to_owned() + &lines.collect::<String>();
    fs::create_dir_all(folder.join("same-features/src")).expect("is made");
    fs::write(folder.join("same-features/src/lib.rs"), "").expect("is written");
    fs::write(folder.join("same-features/Cargo.toml"), manifest).expect("is written");
}

/// Builds the crate or workspace in `folder`, which has the workspace's lock file and no profiles of its own, and gives `program`, one
/// of its programs. `target` is the target folder of the test.
pub fn build(folder: &Path, target: &Path, ours: &[&str], program: &str) -> PathBuf {
    let manifest = read(&root().join("Cargo.toml"));
    let profiles = manifest.find("[profile.").expect("profiles");
    fs::write(folder.join("profiles.toml"), &manifest[profiles..]).expect("is written");
    write_same_features(folder);
    let mut cargo = cargo();
    cargo
        .args(["build", "--offline", "--workspace", "--config", "profiles.toml", "--bin", program])
        .current_dir(folder);
    // They are not run for long here: what counts is how soon they are built.
    for package in ours {
        cargo.args(["--config", &format!("profile.dev.package.{package}.opt-level=0")]);
        cargo.args(["--config", &format!("profile.dev.package.{package}.debug=false")]);
    }
    // What cargo tells tests of their own package: build scripts that look at it would run again, here and in the workspace's next build.
    let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if told.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            cargo.env_remove(name);
        }
    }
    // Programs go to the crate's own folder: those of the workspace, which other tests run, stay what they are.
    let own = folder.join("target");
    let built = ended(cargo.env("CARGO_TARGET_DIR", &own).env("CARGO_BUILD_BUILD_DIR", target));
    assert!(built.code == Some(0) && !built.stderr.contains("warning"), "{}", built.stderr);
    own.join("debug").join(program)
}
