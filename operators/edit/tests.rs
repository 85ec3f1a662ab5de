//! What an editor is handed, pass by pass, for every type of edit; what is made once and what anew; and what becomes of refusals.

pub(crate) mod desk;
mod remembered;

use threshflow::lane::Mode;
use threshflow::shard::ReadOptions;

use super::*;
use desk::{Desk, Handed, Stub};

use Operation::*;

/// What a pass of this operation is to be handed: picture, mask, object, instruction, result.
type Row = (Operation, &'static str, Option<usize>, &'static str, &'static str, &'static str);

/// A type, its steps' operations and regions, and what its editor is to be handed.
type Case = (EditType, &'static [Operation], &'static [u16], &'static [Row]);

/// The same of an edit's turns: their pictures, before and after.
pub type CaseOfTurns = (EditType, &'static [Operation], &'static [u16], &'static [[&'static str; 2]]);

/// Every type.
const PASSES: [Case; 18] = [
    (EditType::Add, &[Add], &[0], &[(Remove, "original", Some(0), "dog", "", "")]),
    (EditType::Remove, &[Remove], &[0], &[(Remove, "original", Some(0), "dog", "prompt 0", "")]),
    (EditType::Replace, &[Replace], &[1], &[(Replace, "original", Some(1), "cat", "prompt 0", "result 0")]),
    (EditType::Adjust, &[Adjust], &[0], &[(Adjust, "original", Some(0), "dog", "prompt 0", "result 0")]),
    (EditType::Action, &[Action], &[], &[]),
    (EditType::Style, &[Style], &[], &[(Style, "original", None, "", "prompt 0", "result 0")]),
    (EditType::Extract, &[Extract], &[1], &[(Extract, "original", Some(1), "cat", "prompt 0", "")]),
    (EditType::Visual, &[Visual], &[0], &[(Visual, "original", Some(0), "dog", "prompt 0", "result 0")]),
    (
        EditType::Background,
        &[Background],
        &[2],
        &[(Background, "original", Some(2), "sky", "prompt 0", "result 0")],
    ),
    // One instruction for both steps, each with its own region and result.
    (
        EditType::Hybrid,
        &[Remove, Replace],
        &[0, 1],
        &[
            (Remove, "original", Some(0), "dog", "prompt 0", ""),
            (Replace, "made 0", Some(1), "cat", "prompt 0", "result 1"),
        ],
    ),
    (
        EditType::Hybrid,
        &[Adjust, Add],
        &[1, 0],
        &[
            (Adjust, "original", Some(1), "cat", "prompt 0", "result 0"),
            (Remove, "original", Some(0), "dog", "", ""),
        ],
    ),
    (
        EditType::Hybrid,
        &[Add, Remove],
        &[0, 1],
        &[(Remove, "original", Some(0), "dog", "", ""), (Remove, "original", Some(1), "cat", "prompt 0", "")],
    ),
    (
        EditType::Hybrid,
        &[Replace, Adjust],
        &[0, 1],
        &[
            (Replace, "original", Some(0), "dog", "prompt 0", "result 0"),
            (Adjust, "made 0", Some(1), "cat", "prompt 0", "result 1"),
        ],
    ),
    (
        EditType::ContentMemory,
        &[Replace, Adjust],
        &[1, 0],
        &[
            (Replace, "original", Some(1), "cat", "prompt 0", "result 0"),
            (Adjust, "made 0", Some(0), "dog", "prompt 1", "result 1"),
        ],
    ),
    (
        EditType::ContentMemory,
        &[Adjust, Adjust],
        &[0, 1],
        &[
            (Adjust, "original", Some(0), "dog", "prompt 0", "result 0"),
            (Adjust, "made 0", Some(1), "cat", "prompt 1", "result 1"),
        ],
    ),
    (
        EditType::ContentUnderstanding,
        &[Add, Adjust, Remove],
        &[0],
        &[
            (Remove, "original", Some(0), "dog", "", ""),
            (Adjust, "original", Some(0), "dog", "prompt 1", "result 1"),
            (Remove, "made 1", Some(0), "dog", "prompt 2", ""),
        ],
    ),
    (
        EditType::ContentUnderstanding,
        &[Add, Adjust, Replace],
        &[1],
        &[
            (Remove, "original", Some(1), "cat", "", ""),
            (Adjust, "original", Some(1), "cat", "prompt 1", "result 1"),
            (Replace, "made 1", Some(1), "cat", "prompt 2", "result 2"),
        ],
    ),
    (
        EditType::VersionBacktracking,
        &[Add, Replace, Adjust],
        &[0],
        &[
            (Remove, "original", Some(0), "dog", "", ""),
            (Replace, "original", Some(0), "dog", "prompt 1", "result 1"),
            (Adjust, "original", Some(0), "dog", "prompt 2", "result 2"),
        ],
    ),
];

type Told<'a> = (Operation, String, Option<usize>, &'a str, &'a str, &'a str);

/// What was handed, in the words of [`PASSES`].
fn told<'a>(desk: &Desk, handed: &'a [Handed]) -> Vec<Told<'a>> {
    let picture = |handed: &Handed| match handed.picture == desk.original() {
        true => "original".to_owned(),
        false => {
            desk.made_by(&handed.picture).map_or("another".to_owned(), |number| format!("made {number}"))
        }
    };
    let mask = |handed: &Handed| handed.mask.as_ref().map(|mask| desk.region_of(mask));
    let row = |handed: &'a Handed| {
        let [object, instruction, result] = [&handed.object, &handed.instruction, &handed.result];
        (
            handed.operation,
            picture(handed),
            mask(handed),
            object.as_str(),
            instruction.as_str(),
            result.as_str(),
        )
    };
    handed.iter().map(row).collect()
}

#[test]
fn every_pass_of_every_type_is_handed_what_it_is_about() {
    for reads in [true, false] {
        let mut desk = Desk::with(Stub { reads, ..Stub::default() });
        for (number, (edit_type, operations, regions, wanted)) in PASSES.into_iter().enumerate() {
            desk.anew(number);
            desk.make(edit_type, operations, regions).unwrap();
            let handed = desk.take();
            let wanted: Vec<_> =
                wanted.iter().map(|(a, b, c, d, e, f)| (*a, (*b).to_owned(), *c, *d, *e, *f)).collect();
            assert_eq!(told(&desk, &handed), wanted, "{edit_type} {operations:?}");
            let with_reference = handed.iter().all(|handed| handed.reference.is_some());
            assert_eq!(with_reference && !handed.is_empty(), edit_type == EditType::Visual, "{edit_type}");
            let mut seeds: Vec<u64> = handed.iter().map(|handed| handed.seed).collect();
            assert!(seeds.iter().all(|seed| *seed < 1 << 53), "JSON carries it");
            seeds.sort_unstable();
            seeds.dedup();
            assert_eq!(seeds.len(), handed.len(), "passes have seeds of their own");
            // Nothing is made twice, and what is read back is what was made.
            let stored = desk.make(edit_type, operations, regions).unwrap();
            assert!(desk.take().is_empty(), "{edit_type}");
            assert_eq!(stored.passes.len(), wanted.len());
            for (number, StoredPass { operation, key, .. }) in stored.passes.iter().enumerate() {
                assert_eq!(*operation, wanted[number].0);
                let made = desk.editors.made(*operation, &ContentHash(*key)).unwrap();
                let made = pixels_of_file(&made).unwrap();
                assert_eq!(desk.made_by(&made), Some(number), "{edit_type}");
            }
        }
    }
}

#[test]
fn who_does_not_read_the_instruction_empties_a_picture_once() {
    for reads in [false, true] {
        let desk = Desk::with(Stub { reads, ..Stub::default() });
        desk.make(EditType::Add, &[Add], &[0]).unwrap();
        desk.make(EditType::Remove, &[Remove], &[0]).unwrap();
        desk.make(EditType::VersionBacktracking, &[Add, Replace, Adjust], &[0]).unwrap();
        let removed = desk.take().into_iter().filter(|handed| handed.operation == Remove);
        let instructions: Vec<String> = removed.map(|handed| handed.instruction).collect();
        // The words of an `add` reach nobody; those of a `remove` only who reads them.
        let wanted = if reads { vec!["", "prompt 0"] } else { vec![""] };
        assert_eq!(instructions, wanted);
    }
}

#[test]
fn another_picture_mask_object_result_reference_or_seed_is_another_pass() {
    let mut desk = Desk::with(Stub::default());
    let mut number = 0;
    let mut asked = |change: &dyn Fn(&mut Desk)| {
        number += 1;
        desk.anew(number);
        desk.make(EditType::Visual, &[Visual], &[0]).unwrap();
        assert_eq!(desk.take().len(), 1);
        change(&mut desk);
        desk.make(EditType::Visual, &[Visual], &[0]).unwrap();
        desk.take().len()
    };
    assert_eq!(asked(&|_| ()), 0, "the same");
    assert_eq!(asked(&|desk| desk.words.lock().unwrap().instruction.prompts[0] = "other words".into()), 0);
    assert_eq!(
        asked(&|desk| desk.words.lock().unwrap().instruction.results[0] = "a star".into()),
        1,
        "result"
    );
    assert_eq!(
        asked(&|desk| desk.words.lock().unwrap().reference.shows = Some("red star".into())),
        1,
        "reference"
    );
    assert_eq!(asked(&|desk| desk.content = ContentHash::of(b"another picture")), 1, "picture");
    assert_eq!(asked(&|desk| desk.nouns[0] = "wolf"), 1, "object");
    assert_eq!(
        asked(&|desk| {
            desk.seed = 8;
            desk.open_editors()
        }),
        1,
        "seed"
    );
    assert_eq!(
        asked(&|desk| {
            desk.stub.stamp = 1;
            desk.open_editors()
        }),
        1,
        "another editor"
    );
    // Which region: of the same noun, in the same picture.
    number += 1;
    desk.anew(number);
    desk.nouns = ["dog", "dog", "sky"];
    desk.make(EditType::Extract, &[Extract], &[0]).unwrap();
    desk.make(EditType::Extract, &[Extract], &[1]).unwrap();
    assert_eq!(desk.take().len(), 2, "mask");
    desk.make(EditType::Remove, &[Remove], &[0]).unwrap();
    assert_eq!(desk.take().len(), 1, "operation");
    // And of each step its own.
    desk.anew(number + 1);
    desk.nouns = ["dog", "dog", "sky"];
    desk.make(EditType::Hybrid, &[Add, Remove], &[0, 1]).unwrap();
    assert_eq!(desk.take().len(), 2, "the second step's mask");
    desk.anew(number + 2);
    desk.masks[1] = desk.masks[0].clone();
    desk.make(EditType::Hybrid, &[Add, Remove], &[0, 1]).unwrap();
    assert_eq!(desk.take().len(), 2, "the second step's object");
    // Who reads the instruction makes another picture for other words; and so does everybody who is told nothing else.
    for (reads, edit_type, operation, region) in
        [(true, EditType::Remove, Remove, Some(0)), (false, EditType::Style, Style, None)]
    {
        let desk = Desk::with(Stub { reads, ..Stub::default() });
        desk.words.lock().unwrap().instruction.results = vec![String::new(); 3];
        let regions: Vec<u16> = region.into_iter().collect();
        for (words, asked) in [("these", 1), ("those", 1), ("these", 0)] {
            desk.words.lock().unwrap().instruction.prompts = vec![words.to_owned()];
            desk.make(edit_type, &[operation], &regions).unwrap();
            assert_eq!(desk.take().len(), asked, "{edit_type}: {words}");
        }
    }
}

#[test]
fn a_means_that_changes_makes_its_own_passes_anew_and_no_other() {
    for reads in [false, true] {
        let stub = Stub { means: vec![(Remove, 1), (Style, 1)], reads, ..Stub::default() };
        let mut desk = Desk::with(stub);
        let edits = |desk: &Desk| {
            let types = [
                (EditType::Remove, &[Remove][..], &[0][..]),
                (EditType::Style, &[Style], &[]),
                (EditType::Replace, &[Replace], &[1]),
                // What rests on a pass that is made anew is made anew, too.
                (EditType::Hybrid, &[Remove, Replace], &[0, 1]),
            ];
            types.map(|(edit_type, operations, regions)| {
                desk.make(edit_type, operations, regions).unwrap();
                desk.take().iter().map(|handed| (handed.operation, handed.seed)).collect::<Vec<_>>()
            })
        };
        let whole = |desk: &Desk| (desk.edit().stamp(), desk.edit().stamp_of_pictures());
        let (first, stamps) = (edits(&desk), whole(&desk));
        assert_eq!(first.iter().map(Vec::len).sum::<usize>(), 4, "{first:?}");
        desk.stub.means[0].1 = 2;
        desk.open_editors();
        let second = edits(&desk);
        assert_eq!(second[0], first[0], "with the seed that it had");
        assert_eq!(second[1..3], [vec![], vec![]]);
        assert_eq!(second[3].iter().map(|(operation, _)| *operation).collect::<Vec<_>>(), [Replace]);
        let now = whole(&desk);
        assert!(now.0 != stamps.0 && now.1 == stamps.1, "edits are looked up anew, judgements are not");
        // What was made before is still there.
        desk.stub.means[0].1 = 1;
        desk.open_editors();
        assert!(edits(&desk).iter().all(Vec::is_empty));
    }
}

#[test]
fn a_pass_is_made_anew_where_pictures_are_shown_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let turned = std::fs::read(desk::fixtures().join("pictures/exif_6.jpg")).unwrap();
    let mut sizes = Vec::new();
    for (exif_orientation, asked) in [(true, 1), (false, 1), (true, 0), (false, 0)] {
        let options = ReadOptions { exif_orientation, ..ReadOptions::default() };
        let desk = Desk::in_folder(folder.path(), Stub::default(), &turned, options, Mode::Ask);
        let stored = desk.make(EditType::Style, &[Style], &[]).unwrap();
        let handed = desk.take();
        assert_eq!(handed.len(), asked, "EXIF followed: {exif_orientation}");
        for handed in &handed {
            assert_eq!(handed.picture, desk.original());
            sizes.push(handed.picture.dimensions());
        }
        let StoredPass { operation, key, .. } = stored.passes[0];
        let made = pixels_of_file(&desk.editors.made(operation, &ContentHash(key)).unwrap()).unwrap();
        assert_eq!(made.dimensions(), desk.original().dimensions(), "EXIF followed: {exif_orientation}");
    }
    assert_eq!(sizes.len(), 2);
    assert_eq!(sizes[0], (sizes[1].1, sizes[1].0), "upright, and as it lies");
}

#[test]
fn a_later_pass_sees_an_earlier_ones_picture_at_the_originals_size() {
    let desk = Desk::with(Stub { halves: true, ..Stub::default() });
    desk.make(EditType::ContentMemory, &[Replace, Adjust], &[0, 1]).unwrap();
    let sizes: Vec<(u32, u32)> = desk.take().iter().map(|handed| handed.picture.dimensions()).collect();
    assert_eq!(sizes, [desk.original().dimensions(); 2]);
}

#[test]
fn the_first_editor_that_can_is_asked_and_nobody_is_a_refusal() {
    let desk = Desk::with(Stub { cannot: Some(Extract), ..Stub::default() });
    let refusal = desk.make(EditType::Extract, &[Extract], &[0]).unwrap_err();
    assert!(refusal.class == "no_editor" && refusal.message.contains("extract"), "{refusal}");
    desk.make(EditType::Remove, &[Remove], &[0]).unwrap();
    let desk = Desk::with(Stub { cannot: Some(Extract), second: true, ..Stub::default() });
    desk.make(EditType::Extract, &[Extract], &[0]).unwrap();
    desk.make(EditType::Remove, &[Remove], &[0]).unwrap();
    let by: Vec<&str> = desk.take().iter().map(|handed| handed.editor).collect();
    assert_eq!(by, ["second", "stub"]);
}

#[test]
fn a_refusal_of_the_content_is_remembered_and_one_of_the_editor_is_not() {
    for (class, of_the_content, asked_again) in
        [("ugly", true, 0), ("busy", false, 1), (Refusal::OVER_BUDGET, false, 1)]
    {
        let folder = tempfile::tempdir().unwrap();
        let stub = || Stub { refuses: Some((class, of_the_content)), ..Stub::default() };
        let desk = Desk::of_png(folder.path(), stub());
        let refusal = desk.make(EditType::ContentMemory, &[Replace, Adjust], &[0, 1]).unwrap_err();
        assert_eq!((&*refusal.class, refusal.is_permanent()), (class, of_the_content));
        assert_eq!(desk.take().len(), 1, "a pass that rests on a refused one is not made");
        // In the same process nobody asks again.
        assert_eq!(desk.make(EditType::Replace, &[Replace], &[0]).unwrap_err().class, class);
        assert_eq!(desk.take().len(), 0);
        drop(desk);
        let desk = Desk::of_png(folder.path(), stub());
        desk.make(EditType::Replace, &[Replace], &[0]).unwrap_err();
        assert_eq!(desk.take().len(), asked_again, "{class}");
    }
}

#[test]
fn a_plan_counts_the_passes_that_are_not_made_yet() {
    for reads in [false, true] {
        let desk = Desk::with(Stub { reads, ..Stub::default() });
        let unmade = |desk: &Desk, edit_type, operations: &[Operation], regions: &[u16]| {
            let question = desk.question(edit_type, operations, regions);
            desk.edit().asks_in_turn(&[question])
        };
        let backtracking = (EditType::VersionBacktracking, [Add, Replace, Adjust], [0]);
        let (edit_type, operations, regions) = &backtracking;
        let before = unmade(&desk, *edit_type, operations, regions);
        assert_eq!(before.len(), 3);
        assert!(before.iter().all(|(name, _)| *name == "stub"));
        // Not written yet: what its words shape is a question of its own; the emptied picture is not.
        *desk.written.lock().unwrap() = false;
        let open = unmade(&desk, *edit_type, operations, regions);
        assert_eq!(open.len(), 3);
        assert_eq!(open[0], before[0], "no words shape what is taken out for an `add`");
        assert!(open[1..].iter().all(|asked| !before.contains(asked)) && open[1] != open[2]);
        let removed = unmade(&desk, EditType::Remove, &[Remove], &[0]);
        assert_eq!(removed == before[..1], !reads, "words shape it only for who reads them");
        *desk.written.lock().unwrap() = true;
        desk.make(*edit_type, operations, regions).unwrap();
        assert!(unmade(&desk, *edit_type, operations, regions).is_empty());
        assert_eq!(unmade(&desk, EditType::Remove, &[Remove], &[0]).len(), usize::from(reads));
        // A pass that rests on one which is open is open too.
        *desk.written.lock().unwrap() = false;
        let (edit_type, operations) = (EditType::ContentUnderstanding, [Add, Adjust, Remove]);
        let question = desk.question(edit_type, &operations, &[0]);
        let own = |number: usize| {
            ("stub", ContentHash::of(&[question.content.0.as_slice(), &number.to_le_bytes()].concat()))
        };
        assert_eq!(unmade(&desk, edit_type, &operations, &[0]), [own(1), own(2)]);
    }
}

#[test]
fn turns_show_the_pictures_of_their_passes() {
    let mut desk = Desk::with(Stub::default());
    let cases: [CaseOfTurns; 5] = [
        (EditType::Add, &[Add], &[0], &[["made 0", "original"]]),
        (EditType::Action, &[Action], &[], &[["original", "end"]]),
        (EditType::Hybrid, &[Adjust, Add], &[0, 1], &[["made 1", "made 0"]]),
        (
            EditType::ContentMemory,
            &[Replace, Adjust],
            &[0, 1],
            &[["original", "made 0"], ["made 0", "made 1"]],
        ),
        (
            EditType::VersionBacktracking,
            &[Add, Replace, Adjust],
            &[0],
            &[["made 0", "original"], ["original", "made 1"], ["made 1", "made 2"]],
        ),
    ];
    for (number, (edit_type, operations, regions, wanted)) in cases.into_iter().enumerate() {
        desk.anew(number);
        let (pictures, question) = desk.remembered(edit_type, operations, regions);
        let planned = desk.source().planned(&question).unwrap();
        let (turns, made) = pictures.made(&question, &planned).unwrap();
        let files: Vec<Arc<[u8]>> =
            made.iter().map(|pass| pictures.made_by(pass.operation, &pass.key).unwrap()).collect();
        let name = |picture: &EditPicture| match picture {
            EditPicture::Original => "original".to_owned(),
            EditPicture::EndFrame => "end".to_owned(),
            EditPicture::Made(bytes) => {
                format!("made {}", files.iter().position(|file| file == bytes).unwrap())
            }
        };
        let shown = pictures.of(&question, &planned).unwrap();
        let shown: Vec<[String; 2]> = shown.iter().map(|turn| [name(&turn[0]), name(&turn[1])]).collect();
        assert_eq!(
            shown,
            wanted.iter().map(|turn| turn.map(str::to_owned)).collect::<Vec<_>>(),
            "{edit_type}"
        );
        assert_eq!(turns.len(), wanted.len());
        assert_eq!(pictures.instruction(&question).unwrap(), *desk.words.lock().unwrap());
        for turn in 0..turns.len() {
            let of_turn: Vec<(usize, Operation)> = operations_of_turn(&planned, turn);
            let wanted = match edit_type {
                EditType::Hybrid => operations.iter().copied().enumerate().collect(),
                _ => vec![(turn, operations[turn])],
            };
            assert_eq!(of_turn, wanted, "{edit_type}, turn {turn}");
        }
    }
}

#[test]
fn each_editor_is_called_in_its_own_line_and_an_edit_goes_from_one_to_the_other() {
    let desk = Desk::with(Stub { cannot: Some(Remove), second: true, ..Stub::default() });
    let edit = desk.edit();
    assert_eq!(edit.limits().lines, [1, 1], "as many threads as each works side by side");
    let question = desk.question(EditType::Hybrid, &[Remove, Replace], &[1, 0]);
    let in_line = |line: usize| {
        assert_eq!(edit.line(&question).unwrap(), line);
        let prepared = desk.prepare(&edit, &question, None).unwrap();
        let said = edit.answer_in_line(line, &mut (), &prepared);
        let called: Vec<&str> = desk.take().into_iter().map(|handed| handed.editor).collect();
        (said.map(|said| said.is_ok()), called)
    };
    // The second editor takes out, the first puts in.
    assert_eq!(in_line(1), (None, vec!["second"]));
    assert_eq!(in_line(0), (Some(true), vec!["stub"]));
    // All is made: whoever is asked makes nothing.
    assert_eq!(in_line(1), (Some(true), vec![]));
    // Who waited in the wrong line, since another edit shares its pass, calls nobody.
    let question = desk.question(EditType::Remove, &[Remove], &[0]);
    let prepared = desk.prepare(&edit, &question, None).unwrap();
    assert!(edit.answer_in_line(0, &mut (), &prepared).is_none());
    assert!(desk.take().is_empty());
}
