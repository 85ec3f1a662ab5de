//! What is looked for after each operation, and what is said of what was found.

use super::*;
use crate::detect::Spotted;
use crate::edit::at_size_of;
use crate::edit::tests::desk::{Desk, Stub, picture_of};
use crate::edit_source::PlannedRegion;
use crate::plan::edit_plan::{Operation, PlannedObject};
use threshflow::row::RegionKind;

use Operation::*;

const AT: [f32; 4] = [10.0, 10.0, 50.0, 50.0];
const ELSEWHERE: [f32; 4] = [100.0, 10.0, 140.0, 50.0];

fn region(noun: &str) -> PlannedRegion {
    let object = PlannedObject { noun: noun.to_owned(), kind: RegionKind::Object, bbox: AT };
    PlannedRegion { number: 0, content: ContentHash::default(), object, sure: true }
}

fn spotted(noun: &str, bbox: [f32; 4], score: f32) -> Spotted {
    Spotted { noun: noun.to_owned(), bbox, score }
}

/// The scores of one operation about a cat, beside which stand a dog elsewhere and a collar on the cat.
fn said(operation: Operation, result: &str, found: &[Spotted]) -> [f32; 3] {
    let cat = region("cat");
    let about = (!matches!(operation, Style | Action)).then_some(&cat);
    let sure = [
        ("cat".to_owned(), AT),
        ("dog".to_owned(), ELSEWHERE),
        ("collar".to_owned(), [20.0, 20.0, 30.0, 24.0]),
    ];
    wanted(&[(operation, about, Some(result))], &sure, |_| true).scores(found).0
}

#[test]
fn what_had_to_go_to_come_and_to_stay_is_looked_for() {
    let dog = spotted("dog", [102.0, 10.0, 140.0, 51.0], 0.4);
    let cat = |score| spotted("cat", [12.0, 11.0, 50.0, 50.0], score);
    let blue = |score| spotted("blue cat", [15.0, 15.0, 45.0, 45.0], score);
    let all = [dog.clone(), cat(0.7), blue(0.6)];
    for (operation, result, found, scores) in [
        (Remove, "", &all[..1], [0.0, 1.0, 1.0]),
        (Remove, "", &all[..], [0.7, 1.0, 1.0]),
        (Remove, "", &[], [0.0, 1.0, 0.0]),
        (Add, "cat", &all[..1], [0.0, 1.0, 1.0]),
        (Add, "cat", &all[..2], [0.7, 1.0, 1.0]),
        (Replace, "a blue cat", &all[..], [0.7, 0.6, 1.0]),
        (Replace, "a bird", &all[..1], [0.0, 0.0, 1.0]),
        (Replace, "", &all[..1], [0.0, 1.0, 1.0]),
        (Visual, "the blue cat", &all[..], [0.7, 0.6, 1.0]),
        (Adjust, "blue cat", &all[..], [0.0, 0.7, 1.0]),
        (Adjust, "blue cat", &[all[2].clone()][..], [0.0, 0.6, 0.0]),
        (Extract, "", &all[1..2], [0.0, 0.7, 1.0]),
        (Style, "watercolour", &[], [0.0, 1.0, 1.0]),
        (Action, "", &[], [0.0, 1.0, 1.0]),
    ] {
        assert_eq!(said(operation, result, found), scores, "{operation:?} {result:?} {found:?}");
    }
}

#[test]
fn a_box_is_at_a_region_or_it_is_not() {
    let removed = |bbox| said(Remove, "", &[spotted("cat", bbox, 0.9)])[0];
    assert_eq!(removed(ELSEWHERE), 0.0, "another cat");
    assert_eq!(removed([10.0, 10.0, 50.0, 31.0]), 0.9, "IoU above a half");
    assert_eq!(removed([28.0, 28.0, 32.0, 32.0]), 0.9, "a part of it");
    assert_eq!(removed([0.0, 0.0, 400.0, 300.0]), 0.0, "all of the picture");
    let stays = |bbox, score| said(Remove, "", &[spotted("dog", bbox, score)])[2];
    assert_eq!(stays(ELSEWHERE, 0.15), 1.0);
    assert_eq!(stays(ELSEWHERE, 0.14), 0.0, "too unsure");
    assert_eq!(stays([160.0, 10.0, 200.0, 50.0], 0.9), 0.0, "it moved");
    assert_eq!(said(Remove, "", &[spotted("cow", ELSEWHERE, 0.9)])[2], 0.0, "another thing");
}

#[test]
fn a_new_ground_leaves_all_objects_where_they_were() {
    let sky = region("sky");
    let sure = [("cat".to_owned(), AT), ("dog".to_owned(), ELSEWHERE)];
    let wanted = wanted(&[(Background, Some(&sky), Some("the sea"))], &sure, |_| true);
    let found = [spotted("dog", ELSEWHERE, 0.9), spotted("sea", AT, 0.8)];
    assert_eq!(wanted.scores(&found).0, [0.0, 0.8, 0.5], "the cat is gone");
}

#[test]
fn two_steps_count_by_the_worse_of_them() {
    let (cat, mut bird) = (region("cat"), region("bird"));
    bird.object.bbox = ELSEWHERE;
    let steps = [(Remove, Some(&cat), None), (Replace, Some(&bird), Some("a fish"))];
    let wanted = wanted(&steps, &[], |_| true);
    let found = [spotted("bird", ELSEWHERE, 0.3), spotted("fish", ELSEWHERE, 0.4), spotted("cat", AT, 0.2)];
    assert_eq!(wanted.scores(&found).0, [0.3, 0.4, 1.0]);
}

#[test]
fn a_label_that_the_detector_lacks_is_not_looked_for() {
    let cat = region("cat");
    let sure = [("dog".to_owned(), ELSEWHERE)];
    let known = |nouns: &'static [&'static str]| {
        wanted(&[(Replace, Some(&cat), Some("a boat"))], &sure, move |noun| nouns.contains(&noun))
    };
    assert_eq!(known(&[]).nouns(), Vec::<&str>::new());
    assert_eq!(known(&[]).scores(&[]).0, [0.0, 1.0, 1.0]);
    assert_eq!(known(&["cat"]).nouns(), ["cat"]);
    assert_eq!(known(&["cat", "boat", "dog"]).nouns(), ["cat", "dog", "boat"]);
}

#[test]
fn the_picture_that_an_editor_made_is_looked_at_with_the_detector_of_the_edits() {
    let mut desk = Desk::with(Stub::default());
    // The desk's detector has labels of its own; these are none of them.
    desk.nouns = ["zebra", "gnu", "tundra"];
    let (pictures, question) = desk.remembered(EditType::Remove, &[Remove], &[0]);
    let redetect = Redetect::new(pictures);
    let prepared = desk.prepare(&redetect, &question, None).unwrap();
    assert!(prepared.iter().all(|turn| turn.asked.is_none()), "nothing is to be looked for");
    assert_eq!(redetect.bytes_held(&prepared, 1), 0);
    let mut session = redetect.open_session().unwrap();
    let answers = redetect.answer(&mut session, &[prepared]);
    assert_eq!(answers[0].as_ref().unwrap().answer.0, [0.0, 1.0, 1.0]);
    desk.anew(1);
    let label = redetect.detect().labels().of_class(0).unwrap().0.to_owned();
    desk.nouns[0] = label.leak();
    let (pictures, question) = desk.remembered(EditType::Add, &[Add], &[0]);
    let redetect = Redetect::new(pictures);
    let prepared = desk.prepare(&redetect, &question, None).unwrap();
    assert!(prepared[0].asked.is_some() && redetect.bytes_held(&prepared, 1) > 0);
    let answers = redetect.answer(&mut session, &[prepared]);
    let [old, new, _] = answers[0].as_ref().unwrap().answer.0;
    assert!((0.0..=1.0).contains(&old) && new == 1.0, "{old}, {new}");
}

#[test]
fn what_was_put_in_beside_another_edit_is_looked_for_in_the_picture_before() {
    let mut desk = Desk::with(Stub { halves: true, ..Stub::default() });
    let (pictures, _) = desk.remembered(EditType::Remove, &[Remove], &[0]);
    let labels = Redetect::new(pictures);
    let label = |number: usize| labels.detect().labels().of_class(number).unwrap().0.to_owned().leak();
    desk.anew(1);
    desk.nouns = [label(0), label(1), "tundra"];
    let (pictures, question) = desk.remembered(EditType::Hybrid, &[Adjust, Add], &[0, 1]);
    let redetect = Redetect::new(pictures);
    let prepared = desk.prepare(&redetect, &question, None).unwrap();
    let fitted = |name: &str| {
        let picture = at_size_of(&desk.original(), picture_of(&desk, name));
        redetect
            .detect()
            .ask_for(&Rgb::of_image(&picture).unwrap(), NounList::default())
            .unwrap()
            .picture
            .pixels
    };
    let looked = |at: usize| &prepared[at].asked.as_ref().unwrap().picture.pixels;
    assert_eq!(prepared.len(), 2);
    // The hybrid's first picture is what the removal left, its second what the adjustment made.
    assert!(*looked(0) == fitted("made 1") && *looked(1) == fitted("made 0"));
    let there =
        |noun: &str| [spotted(noun, Desk::BOXES[1], 0.9), spotted(desk.nouns[0], Desk::BOXES[0], 0.8)];
    let [before, after] = [0, 1].map(|at| prepared[at].wanted.scores(&there(desk.nouns[1])).0);
    assert_eq!((before[0], before[1]), (0.9, 1.0), "it should not be there before");
    assert_eq!((after[0], after[1]), (0.0, 0.8), "and may be there after");
}
