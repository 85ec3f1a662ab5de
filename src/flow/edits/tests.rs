//! What memos are keyed by, to the letter: stores of earlier versions are read by these hashes. They were worked out by another BLAKE3
//! than ours, and are those of the first version that remembered edits.

use super::*;
use crate::flow::Found;
use crate::lane::{Key, Question};
use crate::row::RegionKind;

fn image() -> Image {
    let id = RowId { shard: 3, member: 4 };
    let content = ContentHash::of(b"a picture");
    Image { id, content, width: 640, height: 480 }
}

fn found(noun_text: &str, bbox: [f32; 4], told_by: Option<&[u8]>) -> Found {
    let (noun_text, told_by) = (noun_text.to_owned(), told_by.map(ContentHash::of));
    Found { kind: RegionKind::Object, noun: 9, noun_text, bbox, score: 0.5, told_by }
}

/// What is found in [`image`], as rows.
fn regions() -> Vec<Region> {
    let in_picture = [
        found("cat", [1.0, 2.0, 30.5, 40.25], None),
        found("the sea 海", [-0.0, 0.0, 640.0, 480.0], None),
        found("cat", [1.0, 2.0, 30.5, 40.25], Some(b"a record")),
    ];
    (0..4).filter_map(|number| Found::region_of(&in_picture, &image(), number)).collect()
}

fn edit(number: u16, regions: [u16; 2], operations: [u8; 3], candidates: &[Region]) -> Result<Edit, Refusal> {
    let choice = Ok(Choice { regions, operations });
    Chosen { number, choice }.edit(&image(), ContentHash::of(b"a row"), candidates)
}

#[test]
fn regions_and_edits_are_keyed_as_ever() {
    let regions = regions();
    let keys: Vec<String> = regions.iter().map(|region| region.content().to_string()).collect();
    let wanted = [
        "0147a02fbad05c5e6e06dc8ca673066b",
        "28897e458b2cc3072e9ebfefad63b208",
        "26bffce3f738f330720de3b4b65a39f2",
    ];
    assert_eq!(keys, wanted);
    const NONE: u16 = Choice::NONE;
    for (number, of, operations, wanted) in [
        (7, [NONE, NONE], [8, 255, 255], "8ea1cf698630c6549cdd0becedf68a46"),
        (1, [0, NONE], [1, 255, 255], "740bf94f50c217fcfe10c42346008a36"),
        (259, [2, 1], [2, 1, 255], "b4f28d14dc3d5d67d36a5f7ceb42634f"),
        (259, [1, 2], [2, 1, 255], "6904d2f18fc495a2cbf4f203825f7cba"),
    ] {
        let edit = edit(number, of, operations, &regions).expect("they are candidates");
        assert_eq!(edit.content().to_string(), wanted, "{number} {of:?}");
        assert_eq!((edit.number, edit.choice.regions, edit.image.id), (number, of, image().id));
    }
    // A sample's key: the picture, and where it lies.
    let sample = Question::about(&image(), Key::Sample).content;
    assert_eq!(sample.to_string(), "423f3c4e29cdca68df3e80fa7fb3db36");
}

#[test]
fn a_region_that_is_no_candidate_is_not_left_out_of_a_key() {
    let regions = regions();
    let refusal = edit(4, [0, 2], [0, 255, 255], &regions[..2]).unwrap_err();
    assert_eq!((&*refusal.class, refusal.is_permanent()), ("foreign_choice", false));
    assert!(
        ["edit 4", "region 2", "2 candidates"].iter().all(|it| refusal.message.contains(it)),
        "{refusal}"
    );
    let too_few = Refusal::permanent("too_few", "no object");
    let chosen = Chosen { number: 4, choice: Err(too_few.clone()) };
    assert_eq!(chosen.edit(&image(), ContentHash::of(b"a row"), &regions), Err(too_few));
}
