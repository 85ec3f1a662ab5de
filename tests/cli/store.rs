//! What was published is explained and exported; what is stored is listed, dropped and asked again.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tests::curate::verdict;
use tests::trees;
use threshflow::row::{ContentHash, Verdict};

use crate::{desk, distinct, keys_of};

#[test]
fn explain_finds_every_kind_of_end() {
    let (desk, samples) = desk();
    desk.done("");
    let mut kinds = BTreeMap::new();
    for sample in &samples[..60] {
        let json = desk.ask(&format!("explain --out out --json a/{}", sample.key)).expect(0, &[]).json();
        let ended = &json["ended"];
        let said = (ended["verdict"].as_str().unwrap(), &ended["dial"], &ended["stage"], &ended["class"]);
        let (wanted, kind) = match verdict(sample, 12.0, 4.5) {
            Verdict::Kept(scores) => {
                assert_eq!(ended["scores"]["taste"], f64::from(scores[1]));
                (("kept", &Value::Null, &Value::Null, &Value::Null), "kept".to_owned())
            }
            Verdict::Gated { dial, score } => {
                assert_eq!(ended["score"], f64::from(score));
                (("gated", &Value::from(dial), &Value::Null, &Value::Null), dial.to_owned())
            }
            Verdict::Refused(refused) => {
                let (stage, class) = (refused.stage.to_string(), refused.refusal.class.to_string());
                (("refused", &Value::Null, &Value::from(stage.clone()), &Value::from(class)), stage)
            }
        };
        assert_eq!(said, wanted, "{}", sample.key);
        kinds.insert(kind, sample.key.clone());
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    let story = |kind: &str| desk.ask(&format!("explain --out out a/{}", kinds[kind])).expect(0, &[]).stdout;
    assert!(story("kept").contains("kept: published as"));
    assert!(story("taste").contains("does not pass >= 4.5 (0 to 10): held back here"));
    assert!(story("judge").contains("refused, distasteful: the judge will not look at this"));
    desk.ask("explain --out out a/000O01").expect(2, &["no row of that key", "near it: a/0000"]);
    desk.ask("explain --out out nowhere/1").expect(2, &["no row of that key"]);
}

/// Every member of every tar, by `tar/member`.
fn members(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for (name, bytes) in trees::read(folder) {
        let Some((shard, _)) = name.strip_suffix(".tar").and_then(|name| name.rsplit_once('-')) else {
            continue;
        };
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            assert!(found.insert(format!("{shard}/{path}"), bytes).is_none(), "{path} twice");
        }
    }
    found
}

#[test]
fn exported_bytes_are_the_originals_and_only_what_changed_is_written_again() {
    let (desk, samples) = desk();
    desk.done("");
    let export = "export --store store --out out --to curated --json";
    let done = desk.ask(export).expect(0, &[]).json();
    assert_eq!((&done["parts_written"], &done["parts_unchanged"]), (&2.into(), &0.into()));
    let mut wanted = BTreeMap::new();
    for (place, sample) in samples.iter().enumerate() {
        if matches!(verdict(sample, 12.0, 4.5), Verdict::Kept(_)) {
            let shard = if place < 200 { "a" } else { "b" };
            wanted.insert(format!("{shard}/{}.png", sample.key), sample.picture.clone());
            let json = sample.json.as_ref().map(|json| json.clone().into_bytes());
            wanted.extend(json.map(|json| (format!("{shard}/{}.json", sample.key), json)));
        }
    }
    assert!(members(&desk.path("curated")) == wanted, "the tars hold what is kept, byte for byte");
    assert_eq!(desk.ask(export).expect(0, &[]).json()["parts_written"], 0);

    // One picture more in one shard: only that shard's tar is written again.
    let mut b = samples[200..].to_vec();
    let kept = samples.iter().find(|sample| matches!(verdict(sample, 12.0, 4.5), Verdict::Kept(_))).unwrap();
    b.push(tests::shards::Sample { key: "one-more".into(), ..kept.clone() });
    desk.shard("b", &b);
    assert_eq!(desk.done("")["asks"]["judge"]["asked"], 0, "a copy is known");
    let done = desk.ask(export).expect(0, &[]).json();
    assert_eq!((&done["parts_written"], &done["parts_unchanged"]), (&1.into(), &1.into()));
    assert_eq!(members(&desk.path("curated")).get("b/one-more.png"), Some(&kept.picture));
    let direct = desk.done("--export direct");
    assert!(direct["kept"].as_u64() > Some(0));
    trees::assert_same(&desk.path("curated"), &desk.path("direct"), "`run --export` is `export`");
}

#[test]
fn what_is_dropped_is_asked_again_and_nothing_else() {
    let (desk, samples) = desk();
    let all = distinct(&samples).len();
    let asked = |flags: &str| desk.done(flags)["asks"]["judge"]["asked"].as_u64().unwrap() as usize;
    let held = || desk.ask("clean --store store --json").expect(0, &[]).json().as_array().unwrap().clone();
    assert_eq!((asked("--judge 0"), asked("--judge 1")), (all, all));
    let before = held();
    assert_eq!(before.len(), 2);
    let dead: Vec<bool> = before.iter().map(|held| held["dead"].as_bool().unwrap()).collect();
    assert_eq!(dead.iter().filter(|dead| **dead).count(), 1, "the judge of the run before the last is dead");
    desk.ask("clean --store store").expect(0, &[]);
    assert_eq!(held(), before, "listing drops nothing");

    desk.ask("clean --store store --drop dead").expect(0, &[]);
    assert_eq!(held().len(), 1);
    assert_eq!((asked("--judge 1"), asked("--judge 0"), asked("--judge 0")), (0, all, 0));

    let stamp = |judge: u64| {
        let held = held().into_iter().find(|held| held["model"] == format!("judge {judge}"));
        held.unwrap()["stamp"].as_str().unwrap().to_owned()
    };
    let dropped = desk.ask(&format!("clean --store store --json --drop {}", &stamp(0)[..12])).expect(0, &[]);
    assert_eq!(dropped.json()["dropped"].as_array().map(Vec::len), Some(1));
    assert_eq!((asked("--judge 1"), asked("--judge 0")), (0, all));
    desk.ask("clean --store store --drop feedbeef").expect(2, &["no such stamp"]);
}

#[test]
fn retry_asks_what_was_refused_and_only_that() {
    let (desk, samples) = desk();
    desk.done("--log-asks first.log");
    let refused = desk.done("--retry --log-asks retried.log");
    let mut again = tests::program::asks(&desk.path("retried.log"));
    again.sort();
    let distasteful = |content: &String| {
        let sample =
            samples.iter().find(|sample| ContentHash::of(&sample.picture).to_string() == **content).unwrap();
        matches!(verdict(sample, 12.0, 4.5), Verdict::Refused(_))
    };
    let wanted: Vec<String> = distinct(&samples).into_iter().filter(distasteful).collect();
    assert!(wanted.len() > 3);
    assert_eq!(
        (again, refused["asks"]["judge"]["asked"].as_u64()),
        (wanted.clone(), Some(wanted.len() as u64))
    );
    assert_eq!(desk.done("")["asks"]["judge"]["asked"], 0, "refused again, and that is remembered");
    assert!(wanted.iter().all(|content| !keys_of(&samples, content).is_empty()));
}

#[test]
fn neither_workers_nor_mapping_nor_cores_change_a_byte() {
    let (desk, _) = desk();
    desk.done("");
    for (n, flags) in
        ["--workers 3", "--no-mmap", "--cores 1 --window 1", "--workers 2 --no-mmap"].iter().enumerate()
    {
        let mut command = desk.bare("run --shards shards --max-error-rate 1");
        command.args(flags.split_whitespace()).args([
            "--store",
            &format!("store{n}"),
            "--out",
            &format!("out{n}"),
        ]);
        tests::program::ended(&mut command).expect(0, &[]);
        trees::assert_same(&desk.path("out"), &desk.path(&format!("out{n}")), flags);
    }
}
