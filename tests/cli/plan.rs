//! `plan` writes nothing and foretells what a run then does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use tests::Rng;
use tests::program::{Ended, ended};
use threshflow::publish::published_keys;

use crate::{desk, distinct};

/// Every file and folder, dot-files too, with its bytes and when it was changed.
fn everything(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        found.insert(path.display().to_string(), (bytes, entry.metadata().unwrap().modified().unwrap()));
        if path.is_dir() {
            found.extend(everything(&path));
        }
    }
    found
}

fn published(out: &Path) -> BTreeSet<String> {
    if out.exists() {
        published_keys(out).unwrap().iter().map(ToString::to_string).collect()
    } else {
        BTreeSet::new()
    }
}

#[test]
fn without_a_store_everything_is_to_be_asked_and_no_store_is_made() {
    let (desk, samples) = desk();
    let before = everything(desk.folder.path());
    let text = ended(&mut desk.command("plan", "")).expect(0, &[]);
    assert!(text.stdout.contains("nothing was asked and nothing was written"), "{text:?}");
    let plan = ended(&mut desk.command("plan", "--json")).expect(0, &[]).json();
    assert!(everything(desk.folder.path()) == before, "something was written");
    assert_eq!(plan["total"]["asks"]["judge"], distinct(&samples).len());
    assert_eq!((plan["rows"].as_u64(), plan["moved"].as_array().map(Vec::len)), (Some(320), Some(0)));
    assert_eq!((&plan["total"]["enter"], &plan["total"]["leave"]), (&0.into(), &0.into()));
}

#[test]
fn a_plan_says_what_the_run_then_does() {
    let (desk, samples) = desk();
    let mut rng = Rng(11);
    let mut all_asked = 0;
    let (mut entered, mut left, mut later_asks) = (0, 0, 0);
    // From the tightest, so that there is something to loosen.
    let mut dials = (18, 5.0);
    for n in 0..21 {
        if n > 0 {
            match rng.below(3) {
                0 => dials.0 = 20 - rng.below(2 + n).min(20),
                1 => dials.1 = rng.below(21) as f32 / 2.0,
                _ => dials = (8 + rng.below(12), rng.below(21) as f32 / 2.0),
            }
        }
        let set = format!("--json --set short_side={} --set taste={}", dials.0, dials.1);
        let before = everything(desk.folder.path());
        let planned: Ended = ended(&mut desk.command("plan", &set)).expect(0, &[]);
        let context = format!("turn {n} to {dials:?}: {}", planned.stdout);
        assert!(everything(desk.folder.path()) == before, "{context}: something was written");
        let total = &planned.json()["total"];
        let keys = published(&desk.path("out"));
        let done = desk.run(&set).expect(0, &[]).json();
        let now = published(&desk.path("out"));
        let count = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        let asked = count(&done["asks"]["judge"]["asked"]);
        assert_eq!(count(&total["asks"]["judge"]), asked, "{context}");
        assert_eq!(count(&total["leave"]), keys.difference(&now).count() as u64, "{context}");
        let came = now.difference(&keys).count() as u64;
        let (enter, undecided) = (count(&total["enter"]), count(&total["undecided"]));
        assert!(came >= enter && came - enter <= undecided, "{context}: {came} came");
        assert!((asked == 0) == (undecided == 0), "{context}");
        all_asked += asked;
        entered += enter;
        left += count(&total["leave"]);
        later_asks += u64::from(n > 0 && asked > 0);
    }
    assert!(
        entered > 50 && left > 50 && later_asks > 2,
        "{entered} entered, {left} left, {later_asks} asked"
    );
    let widest = tests::curate::asked(&samples, 0.0).len() as u64;
    assert!(all_asked <= widest, "{all_asked} asked of {widest}");
}

#[test]
fn dials_that_move_together_are_told_one_by_one_and_in_total() {
    let (desk, _) = desk();
    desk.done("");
    let keys = published(&desk.path("out"));
    let set = "--set short_side=15 --set taste=7";
    let plan = ended(&mut desk.command("plan", &format!("--json {set}"))).expect(0, &[]).json();
    let left = |set: &str| {
        desk.done(set);
        let left = keys.difference(&published(&desk.path("out"))).count();
        desk.done("");
        left
    };
    let moved = plan["moved"].as_array().unwrap();
    assert_eq!(moved.len(), 2);
    assert_eq!(
        (&moved[0]["dial"], &moved[0]["leave"]),
        (&"short_side".into(), &left("--set short_side=15").into())
    );
    assert_eq!((&moved[1]["dial"], &moved[1]["leave"]), (&"taste".into(), &left("--set taste=7").into()));
    assert_eq!(plan["total"]["leave"], left(set));
}

#[test]
fn a_plan_is_against_what_is_published_whatever_shards_came_and_went() {
    let (desk, samples) = desk();
    desk.done("");
    // The store now knows every answer; what is published here was made of other shards.
    let both = published(&desk.path("out"));
    let b = desk.path("shards/b.tar");
    std::fs::rename(&b, desk.path("b.tar")).unwrap();
    let plan =
        |flags: &str| ended(&mut desk.command("plan", &format!("--json {flags}"))).expect(0, &[]).json();
    let total = |flags: &str| {
        let total = &plan(flags)["total"];
        (total["enter"].as_u64().unwrap() as usize, total["leave"].as_u64().unwrap() as usize)
    };
    let of_b = both.iter().filter(|key| key.starts_with("b/")).count();
    assert!(of_b > 10);
    assert_eq!(total(""), (0, of_b), "a shard that is gone leaves");
    desk.done("--max-removed 100%");
    std::fs::rename(desk.path("b.tar"), &b).unwrap();
    assert_eq!(total(""), (of_b, 0), "a shard that came back enters");
    desk.done("");
    let mut changed = samples[200..].to_vec();
    changed.retain(|sample| !both.contains(&format!("b/{}", sample.key)) || sample.key.ends_with('1'));
    desk.shard("b", &changed);
    let stay = changed.iter().filter(|sample| both.contains(&format!("b/{}", sample.key))).count();
    assert_eq!(total(""), (0, of_b - stay), "a shard that lost some of its pictures");
    desk.done("--max-removed 1");
    assert_eq!(both.difference(&published(&desk.path("out"))).count(), of_b - stay);
}
