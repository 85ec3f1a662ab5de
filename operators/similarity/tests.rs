//! Which parts of an edit's pictures are compared, and what is said of them by a tower that knows colours alone.

use image::{Rgb as Ink, imageops};

use super::*;
use crate::edit::tests::desk::{Desk, Stub, picture_of};
use crate::models::clip_model::tests::fixtures;
use crate::onnx::tests::backends;
use crate::plan::edit_plan::Operation;

use Column::*;
use Operation::*;

/// The colours, of crops of 16 pixels.
fn similarity(pictures: EditPictures, backend: &Backend) -> Similarity {
    Similarity::open(&fixtures().join("colours"), backend, 1, pictures).unwrap()
}

/// The box of a region, as ImgEdit's boxes of masks are.
fn boxed(picture: &RgbImage, region: usize) -> RgbImage {
    let [left, top, right, bottom] = Desk::BOXES[region].map(|edge| edge as u32);
    imageops::crop_imm(picture, left, top, right - left, bottom - top).to_image()
}

fn without(picture: &RgbImage, desk: &Desk, regions: &[usize], ink: [u8; 3]) -> RgbImage {
    let mut picture = picture.clone();
    for region in regions {
        let mask = &desk.masks[*region];
        let wide = paint::widened(mask, paint::reach(mask.area()));
        let inside = |x, y| wide.holds(x, y);
        picture
            .enumerate_pixels_mut()
            .filter(|(x, y, _)| inside(*x, *y))
            .for_each(|(.., pixel)| pixel.0 = ink);
    }
    picture
}

#[test]
fn each_column_compares_what_it_says() {
    type Part = (Column, fn(&RgbImage, &Desk, [u8; 3]) -> RgbImage);
    type Case = (EditType, &'static [Operation], &'static [u16], &'static [[&'static str; 2]], Vec<Part>);
    let whole: Part = (Whole, |picture, _, _| picture.clone());
    let all_inside: Part = (Inside, |picture, _, _| picture.clone());
    let cases: Vec<Case> = vec![
        (
            EditType::Remove,
            &[Remove],
            &[1],
            &[["original", "made 0"]],
            vec![
                whole,
                (Inside, |it, _, _| boxed(it, 1)),
                (Outside, |it, desk, ink| without(it, desk, &[1], ink)),
            ],
        ),
        (
            EditType::Background,
            &[Background],
            &[2],
            &[["original", "made 0"]],
            vec![
                whole,
                (Inside, |it, _, _| boxed(it, 2)),
                (Outside, |it, desk, ink| without(it, desk, &[2], ink)),
            ],
        ),
        (
            EditType::Hybrid,
            &[Adjust, Add],
            &[0, 1],
            &[["made 1", "made 0"]],
            vec![
                whole,
                (Inside, |it, _, _| boxed(it, 0)),
                (Inside, |it, _, _| boxed(it, 1)),
                (Outside, |it, desk, ink| without(it, desk, &[0, 1], ink)),
            ],
        ),
        (
            EditType::Extract,
            &[Extract],
            &[0],
            &[["original", "made 0"]],
            vec![whole, all_inside, (Outside, |it, _, _| boxed(it, 0))],
        ),
        (EditType::Style, &[Style], &[], &[["original", "made 0"]], vec![whole, all_inside]),
        (EditType::Action, &[Action], &[], &[["original", "end"]], vec![whole, all_inside]),
    ];
    let backend = backends().remove(0);
    let mut desk = Desk::with(Stub::default());
    for (number, (edit_type, operations, regions, turns, parts)) in cases.into_iter().enumerate() {
        desk.anew(number);
        let (pictures, question) = desk.remembered(edit_type, operations, regions);
        let similarity = similarity(pictures, &backend);
        let end = desk.end_frame();
        let found = desk.prepare(&similarity, &question, Some(&end)).unwrap();
        let preprocess = similarity.model.preprocess();
        let ink = mean_of(preprocess);
        assert!(ink.iter().all(|level| [127, 128].contains(level)), "{ink:?} for means of a half");
        let mut wanted = Vec::new();
        for names in turns {
            for (column, part) in &parts {
                let crops = names.map(|name| {
                    let part = part(&picture_of(&desk, name), &desk, ink);
                    preprocess.crop_u8(&Rgb::of_image(&part).unwrap()).unwrap()
                });
                wanted.push((*column, crops));
            }
        }
        let found: Vec<(Column, [Vec<u8>; 2])> =
            found.into_iter().map(|pair| (pair.column, pair.crops)).collect();
        let columns =
            |all: &[(Column, [Vec<u8>; 2])]| all.iter().map(|(column, _)| *column).collect::<Vec<_>>();
        assert_eq!(columns(&found), columns(&wanted), "{edit_type}");
        assert!(found == wanted, "{edit_type}: other pixels");
    }
}

#[test]
fn the_scores_are_the_cosines_of_mean_colours() {
    // A red object at the left on black; the editor makes all of it one colour.
    let red = RgbImage::from_fn(64, 48, |x, y| {
        let object = (2..20).contains(&x) && (4..30).contains(&y);
        Ink(if object { [250, 10, 0] } else { [20, 20, 20] })
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    red.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::of_picture(folder.path(), &bytes.into_inner());
    let (pictures, question) = desk.remembered(EditType::Remove, &[Remove], &[0]);
    let made = picture_of(&desk, "made 0").get_pixel(0, 0).0;
    // The tower's embedding is the mean colour, -1 to 1 a channel.
    let cosine_of = |one: [f64; 3], other: [f64; 3]| {
        let [a, b] = [one, other].map(|colour| colour.map(|level| level / 127.5 - 1.0));
        let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for backend in backends() {
        let similarity = similarity(pictures.clone(), &backend);
        let prepared = desk.prepare(&similarity, &question, None).unwrap();
        let mut session = similarity.open_session().unwrap();
        let answers = similarity.answer(&mut session, &[prepared]);
        let Similarities([whole, inside, outside]) = answers[0].as_ref().unwrap().answer;
        let wanted = cosine_of([250.0, 10.0, 0.0], made.map(f64::from));
        assert!((f64::from(inside) - wanted).abs() < 0.01, "{inside} and not {wanted}");
        assert!(whole < 1.0 && outside < 1.0 && whole != inside, "{whole}, {outside}");
    }
}

#[test]
fn what_is_the_same_is_one_and_the_worst_turn_counts() {
    let of = |pairs: &[(Column, f32)]| of_cosines(pairs.iter().copied()).unwrap().0;
    assert_eq!(of(&[(Whole, 0.9), (Inside, 0.3)]), [0.9, 0.3, 1.0], "nothing is outside");
    let two = [(Whole, 0.9), (Inside, 0.3), (Outside, 0.8), (Whole, 0.5), (Inside, 0.7), (Outside, 0.95)];
    assert_eq!(of(&two), [0.5, 0.7, 0.8]);
    assert_eq!(of_cosines(std::iter::empty()), None);
    let desk = Desk::with(Stub::default());
    let (pictures, _) = desk.remembered(EditType::Style, &[Style], &[]);
    let similarity = similarity(pictures, &backends().remove(0));
    let same = || Crops { column: Outside, crops: [vec![1, 2], vec![1, 2]] };
    let mut session = similarity.open_session().unwrap();
    // The crops fit no model: it is not asked.
    let answers = similarity.answer(&mut session, &[vec![same()], vec![same()]]);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().answer.0[2] == 1.0));
    let unfit = Crops { column: Whole, crops: [vec![1, 2], vec![1, 3]] };
    let sound = Crops { column: Whole, crops: [vec![9; 16 * 16 * 3], vec![200; 16 * 16 * 3]] };
    let answers = similarity.answer(&mut session, &[vec![unfit, same()], vec![sound]]);
    assert!(answers[0].is_err(), "asked, and told");
    assert!(answers[1].is_ok(), "the other has its answer: {:?}", answers[1].as_ref().err());
}
