//! What is published of regions: which parts change with them, the rows of those that are not kept, the counts.

use super::made_up::{REGION_SCORES, Regions};
use super::*;
use crate::flow::PieceVerdict;
use crate::row::Place;

/// The kinds of the parts, by shard, that `after` has and `before` has not.
fn new_parts(before: &Manifest, after: &Manifest) -> Vec<(String, PartKind)> {
    let is_new = |part: &&Part| before.parts.iter().all(|old| old.file != part.file);
    after.parts.iter().filter(is_new).map(|part| (part.shard.clone(), part.kind)).collect()
}

fn manifest(out: &Path) -> Manifest {
    read_manifest(out).unwrap().unwrap()
}

/// Every region of the world: its shard, key and number, where it stands, and whether its picture is kept.
pub(crate) fn all_regions(world: &World) -> Vec<(String, String, u16, PieceVerdict, bool)> {
    let regions = world.regions.as_ref().unwrap();
    let verdicts = regions.verdicts(world);
    let mut all = Vec::new();
    for shard in &world.shards {
        for (member, (sample, picture)) in world.samples(shard).enumerate() {
            let id = RowId { shard: shard.seq, member: member as u32 };
            for (number, region) in verdicts.pieces_of(Of::Regions, id) {
                let kept = matches!(picture, Verdict::Kept(_));
                all.push((shard.name.clone(), sample.key.clone(), number, region.clone(), kept));
            }
        }
    }
    all
}

#[test]
fn the_same_set_again_writes_nothing() {
    let (folder, world) = (scratch(), World::new(&["one", "two"], 30).with_regions());
    let first = world.commit(folder.path()).unwrap();
    assert_eq!((first.parts_written, first.parts_unchanged, first.parts_removed), (8, 0, 0));
    let again = world.commit(folder.path()).unwrap();
    assert_eq!(again, Committed { parts_unchanged: 8, ..Committed::default() });
}

#[test]
fn another_score_of_one_region_rewrites_what_its_shard_tells_of_its_picture() {
    let (folder, mut world) = (scratch(), World::new(&["one", "two", "three"], 30).with_regions());
    world.commit(folder.path()).unwrap();
    let before = manifest(folder.path());
    let is_published =
        |it: &(String, String, u16, PieceVerdict, bool)| matches!(it.3, PieceVerdict::Kept { .. }) && it.4;
    let (shard, key, number, ..) = all_regions(&world).into_iter().rfind(is_published).unwrap();
    world.regions.as_mut().unwrap().moved.push((key, number, 17.0));
    let moved = world.commit(folder.path()).unwrap();
    assert_eq!((moved.parts_written, moved.parts_unchanged, moved.parts_removed), (3, 9, 0));
    // The recorder is shown the kept regions of a picture when it tells of the rejected ones.
    let kinds = [PartKind::Data, PartKind::Records, PartKind::RegionsRejected];
    let wanted = kinds.map(|kind| (shard.clone(), kind));
    assert_eq!(new_parts(&before, &manifest(folder.path())), wanted);
    assert_same(&tree(folder.path()), &world.fresh_bytes());
}

#[test]
fn a_score_of_a_region_whose_picture_is_rejected_changes_the_rejected_regions() {
    let (folder, mut world) = (scratch(), World::new(&["one"], 60).with_regions());
    world.commit(folder.path()).unwrap();
    let unpublished =
        |it: &(String, String, u16, PieceVerdict, bool)| matches!(it.3, PieceVerdict::Kept { .. }) && !it.4;
    let (_, key, number, ..) = all_regions(&world).into_iter().find(unpublished).unwrap();
    let before = manifest(folder.path());
    world.regions.as_mut().unwrap().moved.push((key, number, 17.0));
    world.commit(folder.path()).unwrap();
    let wanted = [("one".to_owned(), PartKind::RegionsRejected)];
    assert_eq!(new_parts(&before, &manifest(folder.path())), wanted);
}

#[test]
fn another_recorder_rewrites_what_it_records() {
    let (folder, mut world) = (scratch(), World::new(&["one", "two"], 30).with_regions());
    world.commit(folder.path()).unwrap();
    let before = manifest(folder.path());
    world.regions.as_mut().unwrap().recorder.version = 2;
    world.commit(folder.path()).unwrap();
    let after = manifest(folder.path());
    assert_ne!(before.regions, after.regions);
    let kinds: Vec<PartKind> = new_parts(&before, &after).into_iter().map(|(_, kind)| kind).collect();
    use PartKind::{Data, Records, RegionsRejected};
    assert_eq!(kinds, [Data, Records, RegionsRejected, Data, Records, RegionsRejected]);
    // One that tells nothing of rejected regions is none of what shapes their rows.
    let mut quiet = world.clone();
    quiet.regions.as_mut().unwrap().recorder.is_quiet = true;
    quiet.commit(folder.path()).unwrap();
    let before = manifest(folder.path());
    quiet.regions.as_mut().unwrap().recorder.version = 3;
    quiet.commit(folder.path()).unwrap();
    let kinds: Vec<PartKind> =
        new_parts(&before, &manifest(folder.path())).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [Data, Records, Data, Records]);
}

/// What a rejected region was told is in its row, and so in the digest of its part.
#[test]
fn what_a_rejected_region_was_told_rewrites_the_rejected_regions() {
    let (folder, mut world) = (scratch(), World::new(&["one", "two"], 60).with_regions());
    world.commit(folder.path()).unwrap();
    let before = manifest(folder.path());
    let is_refused =
        |it: &(String, String, u16, PieceVerdict, bool)| matches!(it.3, PieceVerdict::Refused(_));
    let (shard, key, number, ..) = all_regions(&world).into_iter().find(is_refused).unwrap();
    world.regions.as_mut().unwrap().told_otherwise.push((key, number));
    world.commit(folder.path()).unwrap();
    assert_eq!(new_parts(&before, &manifest(folder.path())), [(shard, PartKind::RegionsRejected)]);
    assert_same(&tree(folder.path()), &world.fresh_bytes());
}

#[test]
fn a_turn_moves_regions_to_the_rejected_ones() {
    let (folder, mut world) = (scratch(), World::new(&["one"], 60).with_regions());
    world.commit(folder.path()).unwrap();
    let kept = |world: &World| {
        let is_kept = |it: &(_, _, _, PieceVerdict, _)| matches!(it.3, PieceVerdict::Kept { .. });
        all_regions(world).iter().filter(|it| is_kept(it)).count()
    };
    let (before, manifest_before) = (kept(&world), manifest(folder.path()));
    world.regions.as_mut().unwrap().detection = 0.6;
    assert!(kept(&world) < before);
    world.commit(folder.path()).unwrap();
    let after = manifest(folder.path());
    let kinds: Vec<PartKind> =
        new_parts(&manifest_before, &after).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [PartKind::Data, PartKind::Records, PartKind::RegionsRejected]);
    let rejected = after.parts.iter().find(|part| part.kind == PartKind::RegionsRejected).unwrap();
    let is_published = |it: &(_, _, _, PieceVerdict, bool)| matches!(it.3, PieceVerdict::Kept { .. }) && it.4;
    let published = all_regions(&world).iter().filter(|it| is_published(it)).count();
    assert_eq!(rejected.rows as usize, all_regions(&world).len() - published);
    assert_same(&tree(folder.path()), &world.fresh_bytes());
}

#[test]
fn a_pipeline_that_finds_regions_no_more_leaves_none_of_their_parts() {
    let (folder, world) = (scratch(), World::new(&["one"], 30).with_regions());
    world.commit(folder.path()).unwrap();
    let plain = World { regions: None, ..world };
    assert_eq!(plain.commit(folder.path()).unwrap().parts_removed, 2);
    assert_same(&tree(folder.path()), &plain.fresh_bytes());
    let folder = scratch();
    plain.commit(folder.path()).unwrap();
    assert!(!folder.path().join("jsons").exists() && !folder.path().join("regions_rejected").exists());
}

#[test]
fn the_counts_add_up_and_the_card_tells_them() {
    let (folder, world) = (scratch(), World::new(&["a", "b"], 100).with_regions());
    world.commit(folder.path()).unwrap();
    let text = fs::read_to_string(folder.path().join("summary.json")).unwrap();
    let summary: Summary = serde_json::from_str(&text).unwrap();
    let regions = summary.regions.unwrap();
    let all = all_regions(&world);
    let count = |is: &dyn Fn(&PieceVerdict, bool) -> bool| {
        all.iter().filter(|(.., region, kept)| is(region, *kept)).count() as u64
    };
    let gated = count(&|region, _| matches!(region, PieceVerdict::Gated { .. }));
    let refused = count(&|region, _| matches!(region, PieceVerdict::Refused(_)));
    let kept = count(&|region, _| matches!(region, PieceVerdict::Kept { .. }));
    let published = count(&|region, kept| matches!(region, PieceVerdict::Kept { .. }) && kept);
    assert!([gated, refused, kept, published].iter().all(|count| *count > 3) && published < kept);
    let wanted = PieceSummary {
        found: all.len() as u64,
        kept,
        published,
        gated: [("detection".to_owned(), gated)].into(),
        refused: [("segment".to_owned(), [("no_mask".to_owned(), refused)].into())].into(),
    };
    assert_eq!(regions, wanted);
    assert_eq!(summary.gated.keys().collect::<Vec<_>>(), ["aesthetic", "short_side"]);

    let card = fs::read_to_string(folder.path().join("README.md")).unwrap();
    let (found, passed) = (all.len(), all.len() as u64 - gated);
    for line in [
        "- config_name: regions_rejected\n  data_files: regions_rejected/*.parquet\n".to_owned(),
        format!("| gate detection | {found} | {gated} | 0 | {passed} |\n| ask segment | {passed} | 0 | {refused} | {kept} |\n\n"),
        format!("{found} regions were found in the pictures, {kept} of them were kept; {published} of these"),
        "| `regions_kept` | `list<struct<number: int64, content: text, detection: float32, agreement: float32>>` |\n"
            .to_owned(),
        "| `words` | `list<struct<name: text, value: list<float32>>>` |\n".to_owned(),
        "data_files=\"regions_rejected/*.parquet\"".to_owned(),
    ] {
        assert!(card.contains(&line), "{line}\nis not in\n{card}");
    }
    // The stages of regions are not in the pictures' funnel.
    assert!(card.contains("| gate short_side |") && card.matches("detection |").count() == 1, "{card}");
}

#[test]
fn regions_that_do_not_add_up_publish_nothing() {
    let world = World::new(&["one"], 30).with_regions();
    let id = RowId { shard: 1, member: 0 };
    let place = Place::region(id, 70);
    let found = |verdicts: &mut Verdicts, verdict| {
        verdicts.add_found(id, (Of::Regions, 1), 1);
        verdicts.add_piece(place, verdict, 1);
    };
    type Change<'a> = &'a dyn Fn(&mut Verdicts);
    let wrong: [(&str, Change<'_>); 6] = [
        ("regions were found in the rows", &|all| all.add_found(id, (Of::Regions, 1), 1)),
        ("gated by aesthetic", &|all| found(all, PieceVerdict::Gated { dial: "aesthetic", score: 1.0 })),
        ("refused at aesthetic", &|all| {
            let refused =
                Refused { stage: "aesthetic".into(), refusal: Refusal::transient("timeout", "30 s") };
            found(all, PieceVerdict::Refused(Box::new(refused)));
        }),
        ("refused at probe", &|all| {
            let refused =
                Refused { stage: "probe".into(), refusal: Refusal::permanent("cut_picture", "cut") };
            found(all, PieceVerdict::Refused(Box::new(refused)));
        }),
        ("kept with 1 scores", &|all| {
            found(all, PieceVerdict::Kept { content: ContentHash([7; 16]), scores: Box::new([1.0]) });
        }),
        ("anywhere", &|all| {
            let nowhere = RowId { shard: 99, member: 0 };
            all.add_found(nowhere, (Of::Regions, 1), 1);
            let verdict = PieceVerdict::Gated { dial: "detection", score: 0.1 };
            all.add_piece(Place::region(nowhere, 0), verdict, 1);
        }),
    ];
    for (why, change) in wrong {
        let folder = scratch();
        let error = world.commit_with(folder.path(), |_| {}, change).unwrap_err();
        assert!(matches!(error, PublishError::Verdicts(_)) && error.to_string().contains(why), "{error}");
        assert!(tree(folder.path()).is_empty());
    }
}

#[test]
fn explain_tells_the_regions_of_a_picture() {
    let (folder, world) = (scratch(), World::new(&["a", "b"], 40).with_regions());
    world.commit(folder.path()).unwrap();
    let all = all_regions(&world);
    let mut told = 0;
    for shard in &world.shards {
        for sample in &shard.open.index.samples {
            let found =
                find_verdict(folder.path(), &format!("{}/{}", shard.name, sample.key)).unwrap().unwrap();
            let wanted = all.iter().filter(|it| it.0 == shard.name && it.1 == sample.key);
            let wanted: Vec<ExplainedPiece> = wanted.map(|it| as_told(&world, it.2, &it.3, it.4)).collect();
            assert_eq!(found.regions, wanted);
            told += wanted.len();
        }
    }
    assert!(told > 30);
    assert_eq!(near_keys(folder.path(), "a/a-00001").unwrap()[0], "a/a-00001");
    // By the bare key, and no record's tar is taken for a part of rows.
    assert!(find_verdict(folder.path(), "a-00001").unwrap().is_some());
    assert_eq!(find_verdict(folder.path(), "nowhere").unwrap(), None);
}

fn as_told(world: &World, number: u16, region: &PieceVerdict, published: bool) -> ExplainedPiece {
    let Regions { detection, .. } = *world.regions.as_ref().unwrap();
    let names = REGION_SCORES.iter().map(|name| (*name).to_owned());
    let scores: Vec<f32> = match region {
        PieceVerdict::Kept { scores, .. } => scores.to_vec(),
        // The detector's score and nothing else: `told` of it ends there.
        PieceVerdict::Gated { score, .. } => vec![*score],
        PieceVerdict::Refused(_) => Vec::new(),
    };
    let ended = match region {
        PieceVerdict::Kept { .. } if !published => PieceEnded::WithPicture,
        PieceVerdict::Kept { .. } => PieceEnded::Kept,
        PieceVerdict::Gated { dial, score } => PieceEnded::Rejected(Ended::Gated {
            dial: (*dial).to_owned(),
            score: *score,
            threshold: detection,
        }),
        PieceVerdict::Refused(refused) => PieceEnded::Rejected(Ended::Refused {
            stage: refused.stage.to_string(),
            class: refused.refusal.class.to_string(),
            message: refused.refusal.message.clone(),
        }),
    };
    ExplainedPiece { number: number.into(), ended, scores: names.zip(scores).collect() }
}
