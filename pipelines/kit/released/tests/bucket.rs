//! A release in a bucket: names without digests, so that what changes is written over.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ::tests::buckets::TestBucket;
use operators::plan::edit_plan::EditType;
use serde_json::json;
use threshflow::cli::{Destination, Failure};
use threshflow::object::{ObjectSettings, Objects};
use threshflow::publish::Sent;
use threshflow::row::ContentHash;

use super::super::folder::Manifest;
use super::super::*;
use super::made_up::MadeUp;
use super::writing::bytes;

const PORT: &str = "S3_PORT_OF_THIS_TEST";
const PLACE: &str = "released/set";

/// The environment says where S3 is. So what is tested runs in a process of its own, this program once more.
#[test]
fn a_release_in_a_bucket() {
    let Some(s3) = TestBucket::new() else { return };
    let home = tempfile::tempdir().unwrap();
    // A bucket is made when something lies there.
    std::fs::write(home.path().join("beside"), "beside").unwrap();
    s3.control("upload", &json!({ "folder": home.path(), "prefix": "" }));
    let program = std::process::Command::new(std::env::current_exe().unwrap());
    let mut program = s3.led(program, home.path());
    program.args(["--exact", "released::tests::bucket::in_a_process_of_its_own", "--ignored", "--nocapture"]);
    let ended = program.env(PORT, format!("{} {}", s3.port(), s3.bucket)).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

struct Place {
    s3: TestBucket,
    folder: tempfile::TempDir,
}

impl Place {
    fn release(&self, store: &str, made_up: &MadeUp, layout: PicturesIn) -> Result<Sent, Failure> {
        let objects = Objects::default();
        objects.set(ObjectSettings {
            retries: 1,
            patience: Duration::from_secs(1),
            ..ObjectSettings::default()
        });
        let url = self.s3.url_of(PLACE);
        let store = self.folder.path().join(store);
        let destination = Destination::open(Path::new(&url), &REMOTE, &store, &objects)?;
        let failed = |error: ReleaseError| Failure::Failed(error.to_string());
        let (_, sent) = destination.put(|folder| release(folder, made_up, layout).map_err(failed))?;
        Ok(sent.expect("it is in a bucket"))
    }

    fn tree(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = self.folder.path().join("there");
        self.s3.download(&format!("{PLACE}/"), &folder);
        let mut tree = bytes(&folder);
        tree.retain(|name, _| !name.starts_with('.'));
        tree
    }

    /// Panics unless the bucket holds what a folder would.
    fn assert_is(&self, made_up: &MadeUp, layout: PicturesIn, context: &str) {
        let folder = tempfile::tempdir().unwrap();
        release(folder.path(), made_up, layout).unwrap();
        let (mut wanted, there) = (bytes(folder.path()), self.tree());
        wanted.retain(|name, _| !name.starts_with('.'));
        assert_eq!(there.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{context}");
        for (name, bytes) in &wanted {
            assert!(there[name] == *bytes, "{context}: {name}");
        }
        assert_eq!(
            report(&check(&self.folder.path().join("there"))),
            "clean: no faults, 0 notes\n",
            "{context}"
        );
    }

    /// Panics where the manifest names a file that is not as it says; gives how many it names.
    fn named_and_whole(&self, context: &str) -> usize {
        let tree = self.tree();
        let manifest: Manifest = serde_json::from_slice(&tree["manifest.json"]).unwrap();
        for file in manifest.files() {
            let bytes = tree.get(&file.path).unwrap_or_else(|| panic!("{context}: {} is missing", file.path));
            assert_eq!(ContentHash::of(bytes).to_string(), file.hash, "{context}: {}", file.path);
        }
        manifest.files().count()
    }
}

#[test]
#[ignore = "a_release_in_a_bucket runs it"]
fn in_a_process_of_its_own() {
    let place = std::env::var(PORT).unwrap();
    let (port, bucket) = place.split_once(' ').unwrap();
    let s3 = TestBucket::known(port.parse().unwrap(), bucket.to_owned());
    let place = Place { s3, folder: tempfile::tempdir().unwrap() };
    let mut made_up = MadeUp::new();
    made_up.keep(&[EditType::Remove, EditType::Visual, EditType::ContentMemory]);
    let tars = PicturesIn::TARS;
    place.release("store", &made_up, tars).unwrap();
    place.assert_is(&made_up, tars, "the first");
    let all = place.named_and_whole("the first");
    // Nothing changed: nothing is sent.
    assert_eq!(place.release("store", &made_up, tars).unwrap().files, 0);

    // One edit changes: its part, the details of its type, the scores, the manifest twice, and what is said of them.
    place.s3.rules(&json!([]));
    made_up.change(EditType::Remove, |edit| edit.key.push('x'));
    let sent = place.release("store", &made_up, tars).unwrap();
    place.assert_is(&made_up, tars, "one edit");
    let written: Vec<String> = place
        .s3
        .requests()
        .iter()
        .filter(|asked| asked["kind"] == "put")
        .map(|asked| asked["key"].as_str().unwrap().trim_start_matches(&format!("{PLACE}/")).to_owned())
        .filter(|key| key != ".lock")
        .collect();
    let others = ["visual", "content_memory"];
    assert!(!written.iter().any(|key| others.iter().any(|other| key.contains(other))), "{written:?}");
    assert_eq!(written.iter().filter(|key| *key == "manifest.json").count(), 2, "{written:?}");
    assert!(sent.files > 3, "{sent:?}");

    // A failure at any write: what is named is whole, and the next release makes all of it right.
    let mut failures = 0;
    let step = if ::tests::is_long() { 1 } else { 2 };
    for skip in (0..).step_by(step) {
        made_up.change(EditType::Remove, |edit| edit.key = format!("00/000/1-{skip}"));
        if skip % 4 == 0 {
            made_up.change(EditType::Visual, |edit| edit.key = format!("00/000/1-{skip}"));
        }
        let context = format!("write {skip} fails");
        place.s3.rules(&json!([{ "on": if skip % 3 == 1 { "any" } else { "put" }, "skip": skip, "do": { "status": 403 } }]));
        let done = place.release("store", &made_up, tars);
        place.s3.rules(&json!([]));
        let named = place.named_and_whole(&context);
        assert!(named <= all + 2, "{context}: {named}");
        if done.is_ok() {
            break;
        }
        failures += 1;
        // By another store, too, which begins from what is there.
        let store = if skip % 5 == 3 { "other" } else { "store" };
        place.release(store, &made_up, tars).unwrap();
        place.assert_is(&made_up, tars, &context);
    }
    assert!(failures > 8 / step, "{failures}");

    // Pictures in rows: no tar is left.
    place.release("store", &made_up, PicturesIn::Rows).unwrap();
    place.assert_is(&made_up, PicturesIn::Rows, "in rows");
}
