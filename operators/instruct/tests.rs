//! What a writer is shown of an edit.

use super::*;
use crate::edit::tests::desk::{Desk, Stub};
use crate::http::{Host, HostSettings};
use crate::plan::edit_plan::Operation;
use crate::words::chat::{ChatModel, Part};

use Operation::*;

/// What a chat model would be asked, and the reference that goes with it.
fn asked(
    desk: &Desk,
    (edit_type, operations, regions): (EditType, &[Operation], &[u16]),
    with_end: bool,
) -> Result<(ChatRequest, StoredReference), Refusal> {
    let host = Host::open(HostSettings::new("chat", "http://127.0.0.1:9/v1")).unwrap();
    let chat = ChatCache::open("instruct_chat", ChatModel::new("writer"), host, desk.lanes()).unwrap();
    let instruct = Instruct::new(InstructBy::Chat(chat), desk.source());
    let question = desk.question(edit_type, operations, regions);
    let end = desk.end_frame();
    match desk.prepare(&instruct, &question, with_end.then_some(&end))? {
        ToWrite::Ask { request, planned, reference } => {
            assert_eq!(planned.plan.edit_type, edit_type);
            Ok((request, reference))
        }
        ToWrite::Written(_) => panic!("a chat model writes"),
    }
}

/// The pictures of a question, each with the words before it.
fn shown(request: &ChatRequest) -> Vec<(String, Part)> {
    let pairs = request.parts.windows(2).filter_map(|pair| match pair {
        [Part::Text(text), picture @ Part::Picture { .. }] => Some((text.clone(), picture.clone())),
        _ => None,
    });
    pairs.collect()
}

fn encoded(picture: &RgbImage) -> Part {
    chat::encode(picture, PixelRange::OF_A_WRITER).unwrap()
}

fn cut(desk: &Desk, number: usize) -> Part {
    let [left, top, right, bottom] = Desk::BOXES[number].map(|edge| edge as u32);
    let original = desk.original();
    encoded(&image::imageops::crop_imm(&original, left, top, right - left, bottom - top).to_image())
}

#[test]
fn a_writer_is_told_what_the_editors_can_make_and_its_words_are_remembered_apart() {
    let desk = Desk::with(Stub::default());
    let host = Host::open(HostSettings::new("chat", "http://127.0.0.1:9/v1")).unwrap();
    let chat = ChatCache::open("instruct_chat", ChatModel::new("writer"), host, desk.lanes()).unwrap();
    let instruct = || Instruct::new(InstructBy::Chat(chat.clone()), desk.source());
    let bound = instruct().within(Limits::of(&[Arc::new(crate::editors::paint::Paint)]));
    assert_eq!(instruct().stamp(), instruct().within(Arc::default()).stamp(), "no limits, no other words");
    assert_ne!(instruct().stamp(), bound.stamp());
    let question = desk.question(EditType::Style, &[Style], &[]);
    let text = |instruct: &Instruct| match desk.prepare(instruct, &question, None).unwrap() {
        ToWrite::Ask { request, .. } => match request.parts.last() {
            Some(Part::Text(text)) => text.clone(),
            other => panic!("{other:?}"),
        },
        ToWrite::Written(_) => panic!("a chat model writes"),
    };
    assert!(
        text(&bound).contains("the result must be: one of pencil sketch, oil painting"),
        "{}",
        text(&bound)
    );
    assert!(!text(&instruct()).contains("the result must be"));
}

#[test]
fn a_writer_sees_the_picture_the_objects_of_the_steps_and_what_else_the_edit_is_about() {
    let desk = Desk::with(Stub::default());
    let (request, reference) = asked(&desk, (EditType::Hybrid, &[Remove, Replace], &[1, 0]), true).unwrap();
    let pictures = shown(&request);
    assert_eq!(pictures[0], ("The picture:".to_owned(), encoded(&desk.original())));
    assert_eq!(pictures[1], ("The object of step 1, cut out:".to_owned(), cut(&desk, 1)));
    assert_eq!(pictures[2], ("The object of step 2, cut out:".to_owned(), cut(&desk, 0)));
    assert_eq!(pictures.len(), 3, "no second frame, though there is one, and no reference");
    assert_eq!(reference, StoredReference::default());

    let (request, reference) = asked(&desk, (EditType::Visual, &[Visual], &[0]), false).unwrap();
    let drawn = desk.source().reference_picture(&reference).unwrap().unwrap();
    let last = shown(&request).pop().unwrap();
    assert_eq!(last, ("The reference picture:".to_owned(), encoded(&drawn)));

    let (request, _) = asked(&desk, (EditType::Action, &[Action], &[]), true).unwrap();
    let wanted = [
        ("The picture before the edit:".to_owned(), encoded(&desk.original())),
        ("The picture after the edit:".to_owned(), encoded(&desk.end_pixels())),
    ];
    assert_eq!(shown(&request), wanted);
    let refused = asked(&desk, (EditType::Action, &[Action], &[]), false).err().unwrap();
    assert_eq!(refused.class, "no_end_frame");
}

#[test]
fn a_grammar_speaks_of_the_steps_own_objects() {
    let desk = Desk::with(Stub::default());
    let instruct = Instruct::new(InstructBy::Plain(Lexicon::default()), desk.source());
    for (edit_type, operations, regions, named, unnamed) in [
        (EditType::Remove, &[Remove][..], &[0][..], "dog", "cat"),
        (EditType::Remove, &[Remove], &[1], "cat", "dog"),
        (EditType::Replace, &[Replace], &[1], "cat", "dog"),
    ] {
        let question = desk.question(edit_type, operations, regions);
        let prepared = desk.prepare(&instruct, &question, None).unwrap();
        let ToWrite::Written(stored) = prepared else { panic!("the grammar writes at once") };
        let prompt = &stored.instruction.prompts[0];
        assert!(prompt.contains(named) && !prompt.contains(unnamed), "{edit_type}: {prompt}");
        assert_eq!(stored.reference, StoredReference::default());
    }
}

#[test]
fn each_object_has_its_own_colour() {
    let coloured = RgbImage::from_fn(64, 48, |x, _| match x {
        0..25 => image::Rgb([210, 20, 20]),
        25..48 => image::Rgb([20, 40, 220]),
        _ => image::Rgb([240; 3]),
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    coloured.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::of_picture(folder.path(), bytes.get_ref());
    let mut seen = [0; 2];
    for number in 0..40 {
        desk.anew(number);
        let instruct = Instruct::new(InstructBy::Plain(Lexicon::default()), desk.source());
        let question = desk.question(EditType::Hybrid, &[Remove, Replace], &[0, 1]);
        let prepared = desk.prepare(&instruct, &question, None).unwrap();
        let ToWrite::Written(stored) = prepared else { panic!("the grammar writes at once") };
        let prompt = &stored.instruction.prompts[0];
        assert!(!prompt.contains("blue dog") && !prompt.contains("red cat"), "{prompt}");
        for (seen, words) in seen.iter_mut().zip(["red dog", "blue cat"]) {
            *seen += usize::from(prompt.contains(words));
        }
    }
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?} of 40");
}
