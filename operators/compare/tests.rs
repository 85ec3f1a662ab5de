//! What is measured of every type of edit, and that a pair is decoded once.

use super::*;
use crate::edit::tests::desk::{Desk, Stub, picture_of};
use crate::judge::{Judge, JudgeBy};
use crate::models::clip_model::tests::fixtures as clips;
use crate::onnx::tests::backends;
use crate::plan::edit_plan::EditType;
use crate::redetect::Redetect;
use crate::similarity::Similarity;

use Operation::*;

/// Each turn's masks that may change, widened; and whether shifts are undone.
fn wanted<'a>(desk: &'a Desk, edit_type: EditType, regions: &[u16]) -> Inside<'a> {
    let mask = |number: u16| &desk.masks[usize::from(number)];
    match (edit_type, regions) {
        (EditType::Extract, [region]) => Inside::AllBut(mask(*region)),
        (_, []) => Inside::Everything,
        (_, regions) => {
            let masks: Vec<(&Mask, u8)> = regions
                .iter()
                .map(|region| (mask(*region), paint::reach(mask(*region).area()) as u8))
                .collect();
            Inside::Masks(masks.leak())
        }
    }
}

#[test]
fn every_operation_is_measured_within_what_it_may_change() {
    type Turn = ([&'static str; 2], &'static [u16]);
    type Case = (EditType, &'static [Operation], &'static [u16], &'static [Turn]);
    let cases: [Case; 8] = [
        (EditType::Remove, &[Remove], &[1], &[(["original", "made 0"], &[1])]),
        (EditType::Add, &[Add], &[0], &[(["made 0", "original"], &[0])]),
        (EditType::Background, &[Background], &[2], &[(["original", "made 0"], &[2])]),
        (EditType::Extract, &[Extract], &[0], &[(["original", "made 0"], &[0])]),
        (EditType::Style, &[Style], &[], &[(["original", "made 0"], &[])]),
        (EditType::Action, &[Action], &[], &[(["original", "end"], &[])]),
        (EditType::Hybrid, &[Adjust, Add], &[0, 1], &[(["made 1", "made 0"], &[0, 1])]),
        (
            EditType::ContentMemory,
            &[Replace, Adjust],
            &[1, 0],
            &[(["original", "made 0"], &[1]), (["made 0", "made 1"], &[0])],
        ),
    ];
    let mut desk = Desk::with(Stub { halves: true, ..Stub::default() });
    for (number, (edit_type, operations, regions, turns)) in cases.into_iter().enumerate() {
        desk.anew(number);
        let (pictures, question) = desk.remembered(edit_type, operations, regions);
        let end = desk.end_frame();
        let found = desk.prepare(&Compare::new(pictures), &question, Some(&end)).unwrap();
        let original = desk.original();
        let of_turn = |(names, inside): &Turn| {
            let came = names.map(|name| picture_of(&desk, name));
            let pixels = |picture: &image::RgbImage| f64::from(picture.width()) * f64::from(picture.height());
            let resized = (pixels(&came[0]).min(pixels(&came[1])) / pixels(&original)).sqrt() as f32;
            let [before, after] = came.map(|picture| crate::edit::at_size_of(&original, picture));
            let made = if edit_type == EditType::Add { Made::Before } else { Made::After };
            let inside = wanted(&desk, edit_type, inside);
            let seams: Vec<(&Mask, u8, Made)> = match inside {
                Inside::Masks(masks) => masks.iter().map(|(mask, reach)| (*mask, *reach, made)).collect(),
                _ => Vec::new(),
            };
            let seams: Vec<(&Mask, u8, Made)> = match edit_type {
                EditType::Hybrid => {
                    vec![(seams[0].0, seams[0].1, Made::After), (seams[1].0, seams[1].1, Made::Before)]
                }
                _ => seams,
            };
            let undo = edit_type != EditType::Action;
            Measures::of(
                &pair::compare(&before, &after, &Wanted { inside, seams: &seams, undo }).unwrap(),
                resized,
            )
        };
        let wanted = turns.iter().map(of_turn).reduce(Measures::weaker).unwrap();
        assert_eq!(found, wanted, "{edit_type}: {:?} and not {:?}", found.scores(), wanted.scores());
        let resized = found.scores()[COLUMNS.iter().position(|name| *name == "resized").unwrap()];
        assert!(edit_type == EditType::Action || resized < 1.0, "{edit_type}: made at half the size");
    }
}

#[test]
fn a_pair_is_decoded_once_for_the_comparison_and_the_judge() {
    let mut desk = Desk::with(Stub::default());
    desk.anew(1);
    let (pictures, question) = desk.remembered(EditType::Remove, &[Remove], &[1]);
    desk.prepare(&Compare::new(pictures.clone()), &question, None).unwrap();
    let (bytes, decoded) = pictures.decoded();
    assert_eq!(decoded, 2, "the original, and what was made of it");
    desk.prepare(&Judge::new(JudgeBy::Pixels(None), pictures.clone()), &question, None).unwrap();
    let similarity = Similarity::open(&clips().join("colours"), &backends()[0], 1, pictures.clone()).unwrap();
    desk.prepare(&similarity, &question, None).unwrap();
    desk.prepare(&Redetect::new(pictures.clone()), &question, None).unwrap();
    assert_eq!(pictures.decoded(), (bytes, 2), "judge, similarity and redetect decode nothing");
    let (pictures, question) = desk.remembered(EditType::Action, &[Action], &[]);
    let refusal = desk.prepare(&Compare::new(pictures), &question, None).err().unwrap();
    assert_eq!(refusal.class, "no_end_frame");
}
