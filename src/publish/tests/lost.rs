//! What is published and lost to failures, against counts made by hand.

use super::super::lost::{Lost, LostRows, lost_of};
use super::regions::all_regions;
use super::*;
use crate::flow::PieceVerdict;
use crate::row::{Lasts, Place};

fn refused(lasts: Lasts) -> Refused {
    let refusal = Refusal { lasts, ..Refusal::transient("unreachable", "nobody listens") };
    Refused { stage: "aesthetic".into(), refusal }
}

fn counts(lost: &Lost) -> (LostRows, LostRows) {
    (lost.pictures.clone(), lost.edits.clone())
}

fn rows(rows: u64, of: u64) -> LostRows {
    LostRows { rows, of }
}

#[test]
fn published_pictures_that_failed_are_lost_and_no_others() {
    let (folder, world) = (scratch(), World::new(&["one", "two"], 60));
    // Every row fails: nothing is published yet, and nothing can be lost.
    let fail_all = |lasts: Lasts| {
        move |verdicts: &mut Vec<Vec<Verdict>>| {
            let all = verdicts.iter_mut().flatten();
            all.for_each(|verdict| *verdict = Verdict::Refused(Box::new(refused(lasts))));
        }
    };
    let lost = |change: &dyn Fn(&mut Vec<Vec<Verdict>>)| {
        world.want(change, |_| {}, |wanted| lost_of(folder.path(), wanted, &world)).unwrap()
    };
    assert_eq!(lost(&fail_all(Lasts::Process)), Lost::default());
    world.commit(folder.path()).unwrap();
    let kept = |verdicts: &[Vec<Verdict>]| -> u64 {
        verdicts.iter().flatten().filter(|verdict| matches!(verdict, Verdict::Kept(_))).count() as u64
    };
    let published = world.want(
        |verdicts| assert!(kept(verdicts) > 10),
        |_| {},
        |wanted| wanted.shards.iter().map(|shard| kept(&[shard.verdicts.to_vec()])).sum::<u64>(),
    );
    for lasts in [Lasts::Process, Lasts::Budget] {
        let all = lost(&fail_all(lasts));
        assert_eq!(counts(&all), (rows(published, published), rows(0, 0)));
        assert_eq!(all.share(), 1.0);
        assert!(all.to_string().contains("for example: aesthetic: unreachable: nobody listens"), "{all}");
    }
    assert_eq!(lost(&fail_all(Lasts::Content)), Lost::default(), "a model that refuses fails not");
    // What fails and was not published before.
    assert_eq!(lost(&|_| {}).share(), 0.0);
    // What was not published is not lost, and what is held back now is held back.
    let others = lost(&|verdicts| {
        for verdict in verdicts.iter_mut().flatten() {
            *verdict = match verdict {
                Verdict::Kept(_) => Verdict::Gated { dial: "aesthetic", score: 0.0 },
                _ => Verdict::Refused(Box::new(refused(Lasts::Process))),
            };
        }
    });
    assert_eq!(others.pictures.rows, 0);
    let first = lost(&|verdicts| {
        let first = verdicts[1].iter_mut().find(|verdict| matches!(verdict, Verdict::Kept(_))).unwrap();
        *first = Verdict::Refused(Box::new(refused(Lasts::Process)));
    });
    assert_eq!(counts(&first), (rows(1, published), rows(0, 0)));
}

#[test]
fn a_picture_that_would_be_published_with_fewer_regions_is_lost_too() {
    let (folder, world) = (scratch(), World::new(&["one"], 60).with_regions());
    world.commit(folder.path()).unwrap();
    let is_published =
        |it: &(String, String, u16, PieceVerdict, bool)| matches!(it.3, PieceVerdict::Kept { .. }) && it.4;
    let (_, key, number, verdict, _) = all_regions(&world).into_iter().find(is_published).unwrap();
    let shard = &world.shards[0];
    let member = shard.open.index.samples.iter().position(|sample| sample.key == key).unwrap();
    let place = Place::region(RowId { shard: shard.seq, member: member as u32 }, number);
    // A gate that counts regions holds the picture back when one of them failed.
    let hold = |verdicts: &mut Vec<Vec<Verdict>>| {
        verdicts[0][member] = Verdict::Gated { dial: "aesthetic", score: 0.0 };
    };
    for (lasts, lost_rows) in [(Lasts::Process, 1), (Lasts::Content, 0)] {
        let fail = |verdicts: &mut Verdicts| {
            verdicts.add_piece(place, verdict.clone(), -1);
            verdicts.add_piece(place, PieceVerdict::Refused(Box::new(refused(lasts))), 1);
        };
        let lost = world.want(|_| {}, fail, |wanted| lost_of(folder.path(), wanted, &world)).unwrap();
        assert_eq!(lost.pictures.rows, lost_rows, "{lasts:?}");
        let held = world.want(hold, fail, |wanted| lost_of(folder.path(), wanted, &world)).unwrap();
        assert_eq!(held.pictures.rows, lost_rows, "{lasts:?}, held back");
        assert!(lost.pictures.of > 2);
    }
}
