//! What is published loads by its card, as Hugging Face `datasets` reads it.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::ground::{Ground, pictures};
use tests::python::load_datasets;
use tests::shards::write;
use threshflow::cli::invoke;
use threshflow::publish::read_manifest;

#[test]
fn datasets_loads_every_configuration_of_what_is_published() {
    let folder = tests::scratch();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // A second shard, of a name as nobody would choose it.
    write(&folder.path().join("a.tar"), &pictures(11, 0..80, 0));
    write(&folder.path().join("b [1]?#.tar"), &pictures(12, 80..84, 0));
    let run = |more: &[&str]| {
        let mut command = ["run", "--max-error-rate", "1", "--max-removed", "1"].map(str::to_owned).to_vec();
        for (flag, value) in [("--shards", path("")), ("--store", path("store")), ("--out", path("out"))] {
            command.extend([flag.to_owned(), value]);
        }
        command.extend(more.iter().map(|word| (*word).to_owned()));
        invoke::run::<Ground>(&command).unwrap();
        let manifest = read_manifest(&folder.path().join("out")).unwrap().unwrap();
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        for part in manifest.parts {
            let below = part.file.split('/').next().unwrap().to_owned();
            *rows.entry(if below == "data" { "default".to_owned() } else { below }).or_default() += part.rows;
        }
        rows.remove("jsons");
        rows
    };
    let counts = |loaded: &Value| -> BTreeMap<String, u64> {
        let loaded = loaded.as_object().unwrap().iter();
        loaded.map(|(name, table)| (name.clone(), table["rows"].as_array().unwrap().len() as u64)).collect()
    };
    let published = run(&[]);
    assert_eq!(published.len(), 4, "{published:?}");
    let Some(loaded) = load_datasets(&folder.path().join("out")) else { return };
    assert_eq!(counts(&loaded), published);
    let kept = &loaded["default"]["rows"][0];
    assert!(kept["key"].is_string() && kept["regions_kept"][0]["content"].is_string(), "{kept}");

    // Nothing is kept: what has no rows has no configuration, and the rest loads.
    let published = run(&["--set", "regions=1000"]);
    assert_eq!(published.keys().collect::<Vec<_>>(), ["regions_rejected", "rejected"]);
    assert_eq!(counts(&load_datasets(&folder.path().join("out")).unwrap()), published);
}
