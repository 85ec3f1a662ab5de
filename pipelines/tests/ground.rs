//! `recap_mask` from shards to records: how well the demo's models find what was drawn, what reruns ask, and pictures whose
//! nouns are odd.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use operators::pixels::rle;
use operators::record::tars::JsonsTars;
use operators::record::{Record, Region};
use pipelines::demo::{DemoOptions, HELD_OUT_SEED, Scene, write_demo_shards};
use pipelines::recap_mask::RecapMask;
use tests::tars::{file, tar_of};
use threshflow::cli::{RunReport, invoke};
use threshflow::lane::AskLog;
use threshflow::shard::ReadOptions;

fn command(folder: &Path, subcommand: &str, more: &[&str]) -> Vec<String> {
    let path = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let mut command: Vec<String> =
        [subcommand, "--max-error-rate=1", "--set=short_side=0"].map(str::to_owned).into();
    for (flag, model) in tests::demo_models() {
        if !more.contains(&flag) {
            command.extend([flag.to_owned(), model]);
        }
    }
    for (flag, part) in [("--shards", "shards"), ("--store", "store"), ("--out", "out")] {
        command.extend([flag.to_owned(), path(part)]);
    }
    // What a test sets, it sets once: the last word on a flag of the same name counts.
    command.extend(more.iter().map(|word| (*word).to_owned()));
    command
}

fn run(folder: &Path, more: &[&str]) -> RunReport {
    invoke::run::<RecapMask>(&command(folder, "run", more)).expect("runs")
}

/// Every published record, by key.
fn records(folder: &Path) -> BTreeMap<String, Record> {
    let pattern = folder.join("out/jsons/*.tar").to_string_lossy().into_owned();
    let tars = JsonsTars::open(&[pattern], &ReadOptions::default()).expect("the tars of records open");
    assert!(tars.unusable().is_empty(), "{:?}", tars.unusable().first());
    tars.records().map(|(name, record)| (name, record.expect("can be read").expect("parses"))).collect()
}

fn keys(folder: &Path) -> BTreeSet<String> {
    records(folder).into_keys().collect()
}

fn shards(scenes: usize, shrink: u32, seed: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DemoOptions { scenes, shrink, seed, ..DemoOptions::default() };
    write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
    folder
}

fn area([left, top, right, bottom]: [f32; 4]) -> f32 {
    (right - left).max(0.0) * (bottom - top).max(0.0)
}

fn overlap(one: [f32; 4], other: [f32; 4]) -> f32 {
    let both = [one[0].max(other[0]), one[1].max(other[1]), one[2].min(other[2]), one[3].min(other[3])];
    area(both) / (area(one) + area(other) - area(both))
}

/// What was found in one picture, against what was drawn.
#[derive(Default)]
struct Measured {
    drawn: usize,
    drawn_and_found: usize,
    /// Of every region that was published as an object: its best overlap with a drawn one of that noun.
    boxes: Vec<f32>,
    /// Of every drawn object that was found.
    masks: Vec<f32>,
}

fn measure(record: &Record, measured: &mut Measured) {
    let field =
        |name: &str| record.keys.unknown().find(|(key, _)| *key == name).map(|(_, value)| value.text());
    let number = field("scene").expect("fields of the sidecar go on").parse().expect("a number");
    let size = record.resolution.as_ref().expect("a size");
    let scene = Scene::number(HELD_OUT_SEED, number);
    let truth = scene.objects(size.width, size.height);
    let found: &[Region] =
        record.segmentation.as_ref().and_then(|it| it.object.as_deref()).unwrap_or_default();
    let bounds = |object: &pipelines::demo::Object| object.bounds.map(|edge| edge as f32);
    let best = |of: [f32; 4], noun: &str| {
        let same = truth.objects.iter().filter(|object| object.noun == noun);
        same.map(|object| overlap(of, bounds(object))).fold(0.0, f32::max)
    };
    measured.boxes.extend(found.iter().map(|region| best(region.bbox_f32(), region.class_name.as_str())));
    // Smaller ones are held back by the default dial.
    let least = 0.01 * (size.width * size.height) as f32;
    for object in truth.objects.iter().filter(|object| area(bounds(object)) > least) {
        measured.drawn += 1;
        let same = found.iter().filter(|region| region.class_name.as_str() == object.noun);
        let hit = same.max_by(|a, b| {
            overlap(a.bbox_f32(), bounds(object)).total_cmp(&overlap(b.bbox_f32(), bounds(object)))
        });
        let Some(hit) = hit.filter(|region| overlap(region.bbox_f32(), bounds(object)) >= 0.5) else {
            continue;
        };
        measured.drawn_and_found += 1;
        let counts = hit.mask.as_ref().expect("a published region has a mask").as_str();
        let mask = rle::decode(counts, size.width, size.height).expect("a mask of the picture's size");
        let drawn = truth.mask(object);
        let (mut both, mut either) = (0_u32, 0_u32);
        for (bit, pixel) in mask.bits.iter().zip(drawn.pixels()) {
            let inside = pixel.0[0] > 0;
            both += u32::from(*bit == 1 && inside);
            either += u32::from(*bit == 1 || inside);
        }
        measured.masks.push(both as f32 / either.max(1) as f32);
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

#[test]
fn what_was_drawn_is_found_and_masked_at_the_default_dials() {
    let folder = shards(72, 2, HELD_OUT_SEED);
    run(folder.path(), &["--set=aesthetic=0"]);
    let mut measured = Measured::default();
    for record in
        records(folder.path()).values().filter(|record| record.keys.unknown().any(|(key, _)| key == "scene"))
    {
        measure(record, &mut measured);
    }
    let recall = measured.drawn_and_found as f32 / measured.drawn as f32;
    let (boxes, masks) = (mean(&measured.boxes), mean(&measured.masks));
    println!(
        "{} drawn, recall {recall:.3}; {} found, mean IoU {boxes:.3}; mean IoU of masks {masks:.3}",
        measured.drawn,
        measured.boxes.len()
    );
    assert!(measured.drawn > 100, "too few to tell: {}", measured.drawn);
    assert!(recall >= 0.8, "recall {recall}");
    assert!(boxes >= 0.7, "mean IoU of found boxes {boxes}");
    assert!(masks >= 0.7, "mean IoU of masks {masks}");
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in tests::trees::read(from) {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("writes");
    }
}

/// Every dial of this stage, and the values that it is turned to and back from.
const TURNS: [(&str, f32); 10] = [
    ("detection", 0.5),
    ("object_area", 0.05),
    ("object_area_most", 0.3),
    ("object_clip", 0.99),
    ("object_area_sure", 0.2),
    ("object_mask", 0.95),
    ("background_area", 0.5),
    ("background_area_most", 0.6),
    ("background_clip", 0.99),
    ("regions", 2.0),
];

#[test]
fn dials_turned_twenty_times_ask_nothing_and_end_where_they_began() {
    let folder = shards(1000, 6, 1);
    let first = run(folder.path(), &[]);
    assert!(first.summary.asks["segment"].asked > 0 && first.summary.asks["region_score"].asked > 0);
    let (out, before) = (folder.path().join("out"), folder.path().join("before"));
    copy(&out, &before);
    let mut moved = 0;
    for (dial, value) in TURNS {
        for setting in [Some(format!("--set={dial}={value}")), None] {
            let log = AskLog::default();
            let more: Vec<&str> = setting.as_deref().into_iter().collect();
            let planned =
                invoke::plan::<RecapMask>(&command(folder.path(), "plan", &more)).expect("plans").total;
            let published = keys(folder.path());
            invoke::run_logged::<RecapMask>(&command(folder.path(), "run", &more), log.clone())
                .expect("runs");
            let asked = log.lock().expect("nobody panicked").clone();
            assert!(asked.is_empty(), "{dial} to {setting:?} asked {:?}", asked.first());
            // The plan knew all of it.
            let now = keys(folder.path());
            let came = now.difference(&published).count() as u64;
            let left = published.difference(&now).count() as u64;
            assert_eq!((planned.enter, planned.leave), (came, left), "{dial} to {setting:?}");
            assert!(planned.is_decided(), "{dial} to {setting:?}: {planned:?}");
            assert!(planned.asks.is_empty(), "{dial} to {setting:?}: {:?}", planned.asks);
            moved += came + left;
        }
    }
    assert!(moved > 0, "no picture came or left");
    tests::trees::assert_same(&out, &before, "back where they began");
}

#[test]
fn a_dial_loosened_asks_exactly_what_was_planned() {
    let folder = shards(48, 4, 1);
    run(folder.path(), &["--set=detection=0.5", "--set=object_area=0.05", "--set=background_area=0.6"]);
    let loose = ["--set=detection=0.05", "--set=object_area=0.01", "--set=background_area=0.2"];
    let plan = invoke::plan::<RecapMask>(&command(folder.path(), "plan", &loose)).expect("plans");
    assert!(plan.total.asks.contains_key("segment") && plan.total.asks.contains_key("region_score"));
    let report = run(folder.path(), &loose);
    let asked = report.summary.asks.iter().map(|(stage, asks)| (*stage, asks.asked));
    let asked: BTreeMap<&str, u64> = asked.filter(|(_, asked)| *asked > 0).collect();
    assert_eq!(asked, plan.total.asks);
}

#[test]
fn workers_sessions_and_the_way_there_leave_no_trace() {
    let one = shards(48, 4, 1);
    run(one.path(), &["--workers=1", "--cores=1"]);
    // A session of each model on every core.
    let many = shards(48, 4, 1);
    run(many.path(), &["--workers=3", "--cores=2", "--set=detection=0.6"]);
    run(many.path(), &["--workers=2", "--cores=2"]);
    tests::trees::assert_same(&one.path().join("out"), &many.path().join("out"), "another way there");
}

/// A shard of one scene, again and again, with these sidecars.
fn odd_nouns(sidecars: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut members = Vec::new();
    for (n, (name, json)) in sidecars.iter().enumerate() {
        let mut png = std::io::Cursor::new(Vec::new());
        let scene = Scene::number(1, 2 + n as u64).draw(320, 240);
        scene.write_to(&mut png, image::ImageFormat::Png).expect("encodes");
        members.push(file(format!("{name}.png"), png.into_inner()));
        members.push(file(format!("{name}.json"), json));
    }
    std::fs::create_dir(folder.path().join("shards")).expect("a folder");
    std::fs::write(folder.path().join("shards/odd.tar"), tar_of(&members)).expect("writes");
    folder
}

#[test]
fn odd_nouns_end_in_a_defined_verdict_each() {
    let tags = |nouns: &[String]| serde_json::json!({ "tags": { "object": nouns } }).to_string();
    let many: Vec<String> = (0..300).map(|n| format!("thing number {n}")).collect();
    let sidecars = [
        ("none", "{}".to_owned()),
        ("empty", tags(&[])),
        ("many", tags(&many)),
        ("chinese", tags(&["猫".to_owned(), "房子".to_owned()])),
        ("long", tags(&["n".repeat(500), "tree".to_owned()])),
        ("wrong", r#"{"tags": {"object": "tree"}}"#.to_owned()),
        ("too_many", tags(&(0..1001).map(|n| n.to_string()).collect::<Vec<_>>())),
    ];
    let folder = odd_nouns(&sidecars);
    let report = run(folder.path(), &["--set=aesthetic=0"]);
    let refused: HashMap<&str, u64> =
        report.summary.refused["nouns"].iter().map(|(class, count)| (class.as_str(), *count)).collect();
    assert_eq!(refused, HashMap::from([("bad_tags", 1), ("too_many_nouns", 1)]));
    assert_eq!(report.summary.kept, 5, "a picture without regions is published too");
    let records = records(folder.path());
    let regions = |name: &str| {
        let found = records.iter().find(|(key, _)| key.contains(name)).expect(name).1;
        found.segmentation.as_ref().map_or(0, |it| {
            it.object.as_ref().map_or(0, Vec::len) + it.background.as_ref().map_or(0, Vec::len)
        })
    };
    assert_eq!([regions("none"), regions("empty")], [0, 0]);
    let asked = &report.summary.asks;
    assert_eq!(
        (asked["detect"].asked, asked["detect"].given),
        (3, 2),
        "nothing to look for is not looked for"
    );
    assert_eq!(asked["noun_text"].asked, 300 + 2 + 2);
    // And with a dial that wants a region, those without one are held back by it.
    let held = run(folder.path(), &["--set=aesthetic=0", "--set=regions=1"]);
    assert!(held.summary.gated["regions"] >= 2, "{:?}", held.summary.gated);
}

/// What became of six scenes by a detector of tests/fixtures/odd_detectors.
fn by_odd_detector(name: &str) -> (tempfile::TempDir, RunReport) {
    let scenes: Vec<(String, String)> = (0..6).map(|n| (n.to_string(), "{}".to_owned())).collect();
    let folder =
        odd_nouns(&scenes.iter().map(|(name, json)| (name.as_str(), json.clone())).collect::<Vec<_>>());
    let detector = format!("{}/../tests/fixtures/odd_detectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let wide = ["object_area=0", "object_area_most=1", "object_clip=0", "aesthetic=0"]
        .map(|dial| format!("--set={dial}"));
    let mut more = vec!["--detector", &detector];
    more.extend(wide.iter().map(String::as_str));
    let report = run(folder.path(), &more);
    (folder, report)
}

#[test]
fn a_detector_that_finds_nothing_leaves_pictures_without_regions() {
    let (folder, report) = by_odd_detector("nothing");
    assert_eq!((report.summary.rows, report.summary.kept), (6, 6));
    assert_eq!(report.summary.regions.as_ref().expect("it finds regions").found, 0);
    assert_eq!((report.summary.asks["detect"].asked, report.summary.asks["segment"].asked), (6, 0));
    assert_eq!(records(folder.path()).len(), 6);
}

#[test]
fn a_detector_whose_answer_is_no_number_is_a_refusal_a_picture() {
    for name in ["no_number_score", "no_number_box"] {
        let (_folder, report) = by_odd_detector(name);
        assert_eq!((report.summary.rows, report.summary.kept), (6, 0), "{name}");
        let refused = &report.summary.refused["detect"];
        assert_eq!(refused.iter().collect::<Vec<_>>(), [(&"not_a_number".to_owned(), &6)], "{name}");
    }
}

#[test]
fn boxes_of_no_area_and_outside_of_the_picture_are_not_found() {
    let (_folder, report) = by_odd_detector("no_area");
    let regions = report.summary.regions.as_ref().expect("it finds regions");
    assert_eq!((report.summary.kept, regions.found), (6, 6), "the one that reaches over the edge");
    assert!(report.summary.refused.is_empty() && report.summary.asks["segment"].asked == 6);
    let refused: u64 = regions.refused.values().flat_map(|classes| classes.values()).sum();
    assert_eq!(regions.kept + regions.gated.values().sum::<u64>() + refused, 6, "{regions:?}");
}

#[test]
fn released_records_are_gone_on_from_and_only_what_is_missing_is_asked() {
    let folder = shards(24, 4, 1);
    run(folder.path(), &["--set=aesthetic=0"]);
    let published = records(folder.path());
    let jsons = folder.path().join("jsons");
    std::fs::rename(folder.path().join("out/jsons"), &jsons).expect("moves");
    for part in ["store", "out"] {
        std::fs::remove_dir_all(folder.path().join(part)).expect("removes");
    }
    let pattern: PathBuf = jsons.join("*.tar");
    let pattern = pattern.to_string_lossy().into_owned();
    // What was published passes the same dials again.
    let report = run(folder.path(), &["--set=aesthetic=0", "--records", &pattern]);
    let asks = &report.summary.asks;
    for stage in ["detect", "segment", "region_score", "noun_text", "clip_text"] {
        assert_eq!(asks[stage].asked, 0, "{stage}");
    }
    let again = records(folder.path());
    assert_eq!(again.len(), published.len());
    for (key, record) in &published {
        let without_numbers = |record: &Record| {
            let mut record = record.clone();
            let segmentation = record.segmentation.as_mut().expect("is there");
            for region in segmentation.object.iter_mut().chain(&mut segmentation.background).flatten() {
                region.number = None;
                // Ours first has its fields in our order; a released one in its own, with `number` among them.
                region.keys = Default::default();
            }
            segmentation.keys = Default::default();
            record.keys = Default::default();
            record.to_json()
        };
        assert_eq!(without_numbers(&again[key]), without_numbers(record), "{key}");
    }
    // Of a record that doesn't say what was found, a detector is asked.
    let silent = again.keys().next().expect("some are published");
    silence(&jsons, silent);
    std::fs::remove_dir_all(folder.path().join("store")).expect("removes");
    let report = run(folder.path(), &["--set=aesthetic=0", "--records", &pattern]);
    assert_eq!(report.summary.asks["detect"].asked, 1);
    let segmentation = records(folder.path())[silent].segmentation.clone();
    assert!(
        segmentation.is_some_and(|found| found.object.is_some_and(|objects| !objects.is_empty())),
        "{silent}"
    );
}

/// Takes what was found out of the record of this name (its path without extension), in the tars of this folder.
fn silence(jsons: &Path, name: &str) {
    let mut silenced = 0;
    for part in std::fs::read_dir(jsons).expect("a folder") {
        let path = part.expect("a file").path();
        let mut members = Vec::new();
        let mut tar = tar::Archive::new(std::fs::File::open(&path).expect("opens"));
        for member in tar.entries().expect("a tar") {
            let mut member = member.expect("a member");
            let at = member.path().expect("a name").to_string_lossy().into_owned();
            let mut record: serde_json::Value = serde_json::from_reader(&mut member).expect("JSON");
            let of = record["path"].as_str().expect("every record has a path");
            if Path::new(of).with_extension("") == Path::new(name) {
                record.as_object_mut().expect("an object").remove("segmentation").expect("it was there");
                silenced += 1;
            }
            members.push(file(at, serde_json::to_vec(&record).expect("JSON")));
        }
        std::fs::write(&path, tar_of(&members)).expect("writes");
    }
    assert_eq!(silenced, 1, "{name}");
}

/// Shards of one and the same picture with the same nouns, under the key `pic`.
fn twins(folder: &Path, names: &[&str]) {
    let (scene, mut png) = (Scene::number(1, 2), std::io::Cursor::new(Vec::new()));
    scene.draw(320, 240).write_to(&mut png, image::ImageFormat::Png).expect("encodes");
    let nouns: BTreeSet<String> =
        scene.objects(320, 240).objects.iter().map(|object| object.noun.to_owned()).collect();
    let tags = serde_json::json!({ "tags": { "object": nouns } }).to_string();
    std::fs::create_dir_all(folder.join("shards")).expect("a folder");
    for name in names {
        let members = [file("pic.png", png.get_ref()), file("pic.json", &tags)];
        std::fs::write(folder.join(format!("shards/{name}.tar")), tar_of(&members)).expect("writes");
    }
}

/// What was found in the twin that brings a record along, and in the other.
fn told(folder: &Path, bearing: &str, bare: &str) -> [String; 2] {
    let all = records(folder);
    [bearing, bare].map(|name| all[&format!("{name}/pic")].to_json().replace(&format!("{name}/pic"), "pic"))
}

#[test]
fn a_record_answers_for_its_own_sample_and_for_no_other_with_the_same_picture() {
    let folder = || tempfile::tempdir().expect("a folder");
    let dials = ["--set=aesthetic=0", "--set=object_clip=0"];
    let alone = folder();
    twins(alone.path(), &["bare"]);
    run(alone.path(), &dials);
    let found = &records(alone.path())["bare/pic"];
    // The same boxes under the same nouns, and for all else other answers than any model gave.
    let mut other: serde_json::Value = serde_json::from_str(&found.to_json()).expect("JSON");
    let regions = other["segmentation"]["object"].as_array_mut().expect("regions");
    assert!(!regions.is_empty());
    for region in regions {
        let mut mask = operators::pixels::mask::Mask::empty(320, 240);
        mask.bits[7000..9000].fill(1);
        region["mask"] = rle::encode(&mask).into();
        for (score, value) in
            [("score", 0.75), ("mask_score", 0.875), ("clip_score", 1.0), ("aes_score", 6.25)]
        {
            region[score] = value.into();
        }
    }
    // A record of another picture's size says nothing of this one.
    let of_another_size = folder();
    let tar = of_another_size.path().join("jsons.tar");
    let mut small = other.clone();
    small["path"] = "bare/pic.png".into();
    small["resolution"]["width"] = 300.into();
    std::fs::write(&tar, tar_of(&[file("jsons/0.json", small.to_string())])).expect("writes");
    twins(of_another_size.path(), &["bare"]);
    let report = run(of_another_size.path(), &[&dials[..], &["--records", &tar.to_string_lossy()]].concat());
    let refused = &report.summary.refused["detect"];
    assert_eq!(refused.iter().collect::<Vec<_>>(), [(&"record_of_another_size".to_owned(), &1)]);
    for (bearing, bare) in [("a", "bare"), ("z", "bare")] {
        other["path"] = format!("{bearing}/pic.png").into();
        let jsons = folder();
        let tar = jsons.path().join("jsons.tar");
        std::fs::write(&tar, tar_of(&[file("jsons/0.json", other.to_string())])).expect("writes");
        let tar = tar.to_string_lossy().into_owned();
        let both = |workers: &str, before: &[&str]| {
            let folder = folder();
            let more = [&dials[..], &["--records", &tar, workers]].concat();
            if !before.is_empty() {
                twins(folder.path(), before);
                run(folder.path(), &more);
            }
            twins(folder.path(), &[bearing, bare]);
            run(folder.path(), &more);
            folder
        };
        let fresh = both("--workers=1", &[]);
        let [of_the_record, of_the_models] = told(fresh.path(), bearing, bare);
        assert!(of_the_record.contains("\"aes_score\":6.25"), "{of_the_record}");
        assert_eq!(of_the_models, found.to_json().replace("bare/pic", "pic"));
        for (workers, before) in
            [("--workers=3", &[][..]), ("--workers=1", &[bearing]), ("--workers=2", &[bare])]
        {
            let another = both(workers, before);
            let (one, other) = (fresh.path().join("out"), another.path().join("out"));
            tests::trees::assert_same(&one, &other, &format!("{bearing}: {workers}, {before:?} first"));
        }
    }
}
