//! Records: the files of the tars, the columns that say the same, and what goes wrong with them.

use std::io::Read;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::super::parquet::{Cell, Rows, read};
use super::*;
use crate::flow::PieceVerdict;

/// Every kept row's record as the recorder gives it, by shard and key, in order.
fn texts(world: &World) -> Vec<(String, String, String)> {
    let regions = world.regions.as_ref().unwrap();
    let verdicts = regions.verdicts(world);
    let wanted = WantedPieces { verdicts: &verdicts, sorts: &made_up::sorts(), recorder: &regions.recorder };
    let mut texts = Vec::new();
    for shard in &world.shards {
        let sidecars = &shard.open.sidecars;
        for (member, ((sample, verdict), sidecar)) in world.samples(shard).zip(sidecars).enumerate() {
            let Verdict::Kept(scores) = verdict else { continue };
            let id = RowId { shard: shard.seq, member: member as u32 };
            let picture = KeptPicture {
                shard: &shard.name,
                id,
                sample,
                picture: sample.picture.as_ref().unwrap(),
                file: &format!("{}.jpg", sample.key),
                sidecar,
                scores: world.columns.into_iter().zip(scores).collect(),
                regions: super::super::pieces::published_pieces(&wanted, Of::Regions, id),
                region_score_names: &made_up::REGION_SCORES,
                edits: Vec::new(),
                edit_score_names: &[],
            };
            let text = regions.recorder.record(&picture).unwrap();
            texts.push((shard.name.clone(), sample.key.clone(), text));
        }
    }
    texts
}

fn parts_of(out: &Path, kind: PartKind) -> Vec<Part> {
    let parts = read_manifest(out).unwrap().unwrap().parts.into_iter();
    parts.filter(|part| part.kind == kind).collect()
}

#[test]
fn tars_hold_the_records_of_kept_pictures_in_order() {
    let (folder, mut world) = (scratch(), World::new(&["a", "b/c"], 60).with_regions());
    let mut shard = (*world.shards[0].open).clone();
    // A name that no plain header can hold, and one that is no ASCII.
    shard
        .index
        .samples
        .iter_mut()
        .for_each(|sample| sample.key = format!("{}/é {}", "long".repeat(50), sample.key));
    world.shards[0].open = Arc::new(shard);
    world.commit(folder.path()).unwrap();
    let mut found = Vec::new();
    for part in parts_of(folder.path(), PartKind::Records) {
        let before = found.len();
        assert!(part.file.starts_with("jsons/") && part.file.ends_with(".tar"));
        let mut archive = tar::Archive::new(fs::File::open(folder.path().join(&part.file)).unwrap());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let key = name.strip_prefix("jsons/").unwrap().strip_suffix(".json").unwrap().to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((part.shard.clone(), key, text));
        }
        assert_eq!((found.len() - before) as u64, part.rows);
    }
    assert!(found.len() > 10);
    assert_eq!(found, texts(&world));
}

/// What the columns say of a record: entries as a list, other fields left out, all that is missing null.
fn as_columns(record: &Value) -> Value {
    let object =
        |object: &Value| json!({ "label": object["label"], "box": object["box"], "score": object["score"] });
    let entry = |(name, value): (&String, &Value)| json!({ "name": name, "value": value });
    let entries: Vec<Value> = record["words"].as_object().unwrap().iter().map(entry).collect();
    json!({
        "path": record["path"], "resolution": record["resolution"], "words": entries, "note": record["note"],
        "objects": record["objects"].as_array().map(|objects| objects.iter().map(object).collect::<Vec<_>>()),
    })
}

#[test]
fn columns_say_what_the_records_say() {
    let (folder, world) = (scratch(), World::new(&["a", "b/c"], 60).with_regions());
    world.commit(folder.path()).unwrap();
    let columns = ["path", "resolution", "objects", "words", "note"];
    let mut found = Vec::new();
    for part in parts_of(folder.path(), PartKind::Data) {
        let see = |_: usize, cells: &[Cell<'_>]| {
            let value = |cell: &Cell<'_>| match cell {
                Cell::Missing => Value::Null,
                Cell::Text(text) => (*text).into(),
                Cell::Json(value) => value.clone().into_owned(),
                other => panic!("{other:?}"),
            };
            let values = columns.iter().map(|name| (*name).to_owned()).zip(cells.iter().map(value));
            found.push(Value::Object(values.collect()));
            ControlFlow::<()>::Continue(())
        };
        read(&folder.path().join(&part.file), &columns, Rows::All, see).unwrap();
    }
    let wanted: Vec<Value> =
        texts(&world).iter().map(|(.., text)| as_columns(&serde_json::from_str(text).unwrap())).collect();
    assert!(
        wanted.iter().any(|it| it["objects"].is_null()) && wanted.iter().any(|it| it["resolution"].is_null())
    );
    assert!(wanted.iter().any(|it| it["note"].is_string()) && wanted.iter().any(|it| it["note"].is_null()));
    assert_eq!(found, wanted);
}

/// All that is in a row of a region that is not published, from the verdicts and by nobody's code but this.
fn as_rejected(
    world: &World,
    (shard, key, number, region, published): &(String, String, u16, PieceVerdict, bool),
) -> Option<Value> {
    let regions = world.regions.as_ref().unwrap();
    let (picture, sample) = {
        let shard = world.shards.iter().find(|it| it.name == *shard).unwrap();
        let mut samples = world.samples(shard);
        let (sample, verdict) = samples.find(|(sample, _)| sample.key == *key).unwrap();
        (verdict, sample)
    };
    let told = regions.told(key, *number, region).map(|told| told.content.to_string());
    let mut row = json!({
        "key": key, "shard": shard, "region": number, "rejected": "region", "dial": null, "score": null, "threshold": null,
        "class": null, "message": null, "content": told, "scores": { "detection": null, "agreement": null },
        "label": format!("thing {number}"), "of": format!("{shard}/{}.jpg", sample.key), "mask": null,
    });
    let mut held_back = |dial: &str, score: f32, threshold: f32| {
        row["stage"] = dial.into();
        row["dial"] = dial.into();
        row["score"] = score.into();
        row["threshold"] = threshold.into();
    };
    match region {
        PieceVerdict::Kept { .. } if *published => return None,
        PieceVerdict::Kept { content, scores } => {
            let Verdict::Gated { dial: "aesthetic", score } = picture else { panic!("{picture:?}") };
            held_back("aesthetic", score, world.aesthetic);
            row["rejected"] = "picture".into();
            row["content"] = content.to_string().into();
            row["scores"] = json!({ "detection": scores[0], "agreement": scores[1] });
            row["mask"] = (*number).into();
        }
        PieceVerdict::Gated { dial, score } => {
            held_back(dial, *score, regions.detection);
            row["scores"]["detection"] = (*score).into();
        }
        PieceVerdict::Refused(refused) => {
            row["stage"] = (*refused.stage).into();
            row["class"] = (*refused.refusal.class).into();
            row["message"] = (*refused.refusal.message).into();
        }
    }
    Some(row)
}

#[test]
fn rejected_regions_read_back() {
    let (folder, world) = (scratch(), World::new(&["a", "b/c"], 60).with_regions());
    world.commit(folder.path()).unwrap();
    let mut found = Vec::new();
    for part in parts_of(folder.path(), PartKind::RegionsRejected) {
        let table = Table::open(&folder.path().join(&part.file)).unwrap();
        let columns: Vec<String> = table.columns().into_iter().map(|(name, _)| name).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let before = found.len();
        let see = |_: u64, cells: &[Value]| {
            let row = columns.iter().map(|name| (*name).to_owned()).zip(cells.iter().cloned());
            found.push(Value::Object(row.collect()));
            ControlFlow::<()>::Continue(())
        };
        table.read(&columns, see).unwrap();
        assert_eq!((found.len() - before) as u64, part.rows);
    }
    let wanted: Vec<Value> =
        regions::all_regions(&world).iter().filter_map(|it| as_rejected(&world, it)).collect();
    let of_picture = wanted.iter().filter(|row| row["rejected"] == "picture").count();
    assert!(wanted.len() > 20 && of_picture > 3, "{of_picture} of {}", wanted.len());
    assert_eq!(found, wanted);
}

#[test]
fn a_record_that_cannot_be_made_is_said_and_publishes_nothing() {
    let (folder, mut world) = (scratch(), World::new(&["one"], 30).with_regions());
    world.commit(folder.path()).unwrap();
    let before = tree(folder.path());
    let odd: [(Result<&str, &str>, &str); 5] = [
        (
            Err("the captioner has not answered this"),
            "its record could not be made: the captioner has not answered",
        ),
        (Ok("[1]"), "what was made is no JSON object"),
        (Ok("{\"path\":\"x\""), "what was made is no JSON object"),
        (
            Ok(r#"{"objects":[{"score":0.5},{"score":"high"}]}"#),
            r#"objects[1].score: "high" stands where a number of 32 bits belongs"#,
        ),
        (Ok(r#"{"words":{"a":[1],"b":[2,[]]}}"#), r#"words["b"][1]: [] stands where a number"#),
    ];
    for (text, why) in odd {
        let regions = world.regions.as_mut().unwrap();
        regions.recorder.version += 1;
        regions.recorder.odd = Some(text.map(str::to_owned).map_err(str::to_owned));
        let error = world.commit(folder.path()).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("one-000"), "{error}");
        assert_same(&tree(folder.path()), &before);
    }
}

#[test]
fn columns_named_twice_are_an_error() {
    let (folder, mut world) = (scratch(), World::new(&["one"], 5).with_regions());
    world.columns = ["path", "aesthetic"];
    let error = world.commit(folder.path()).unwrap_err().to_string();
    assert!(error.contains("two columns would be named path"), "{error}");
}
