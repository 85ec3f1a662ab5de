//! What a judge is shown of every turn, and what becomes of its scores.

mod words;

use threshflow::shard::EndFrame;

use super::*;
use crate::edit::at_size_of;
use crate::edit::tests::CaseOfTurns;
use crate::edit::tests::desk::{Desk, Stub, picture_of};
use crate::http::{Host, HostSettings};
use crate::words::chat::{ChatModel, Part};
use crate::words::chat_cache::ChatCache;

use Operation::*;

#[test]
fn scores_ride_in_five_bytes_and_the_weakest_turn_counts() {
    let judgement = |follows, natural, matches| Judgement { follows, natural, matches, reason: "so".into() };
    let scores = EditScores::of(&[judgement(5.0, 2.25, true), judgement(3.5, 4.0, true)]);
    assert_eq!(scores, EditScores { follows: 3.5, natural: 2.25, matches: true });
    assert_eq!(EditScores::from_inline(scores.to_inline().bytes()), Some(scores));
    assert!(!EditScores::of(&[judgement(5.0, 5.0, true), judgement(5.0, 5.0, false)]).matches);
    assert_eq!(EditScores::from_inline(&[0; 4]), None);
}

/// A chat model that is never asked.
fn nobody(desk: &Desk) -> JudgeBy {
    let host = Host::open(HostSettings::new("judge", "http://127.0.0.1:9/v1")).unwrap();
    JudgeBy::Chat(ChatCache::open("judge_chat", ChatModel::new("judge"), host, desk.lanes()).unwrap())
}

/// What is asked about an edit that was made.
fn asked(desk: &Desk, edit_type: EditType, operations: &[Operation], regions: &[u16]) -> Vec<ChatRequest> {
    let (pictures, question) = desk.remembered(edit_type, operations, regions);
    let judge = Judge::new(nobody(desk), pictures);
    let end = desk.end_frame();
    match desk.prepare(&judge, &question, Some(&end)).unwrap() {
        ToJudge::Ask(requests) => requests,
        ToJudge::Measured(_) => panic!("a chat model judges"),
    }
}

/// The question's pictures, in their order.
fn pictures(request: &ChatRequest) -> Vec<Part> {
    let is_picture = |part: &&Part| matches!(part, Part::Picture { .. });
    request.parts.iter().filter(is_picture).cloned().collect()
}

#[test]
fn a_chat_model_is_shown_each_turn_with_its_words_and_with_what_was_said_before() {
    type Case<'a> = (EditType, &'a [Operation], &'a [u16], &'a [(&'a str, &'a str, Rubric)]);
    let of = |edit_type, operation| Rubric::of(edit_type, operation);
    let cases: [Case<'_>; 6] = [
        (EditType::Add, &[Add], &[0], &[("made 0", "original", of(EditType::Add, Add))]),
        (EditType::Remove, &[Remove], &[0], &[("original", "made 0", of(EditType::Remove, Remove))]),
        (EditType::Action, &[Action], &[], &[("original", "end", of(EditType::Action, Action))]),
        (EditType::Hybrid, &[Adjust, Add], &[0, 1], &[("made 1", "made 0", of(EditType::Hybrid, Adjust))]),
        (
            EditType::ContentMemory,
            &[Replace, Adjust],
            &[0, 1],
            &[
                ("original", "made 0", of(EditType::ContentMemory, Replace)),
                ("made 0", "made 1", of(EditType::ContentMemory, Adjust)),
            ],
        ),
        (
            EditType::VersionBacktracking,
            &[Add, Replace, Adjust],
            &[1],
            &[
                ("made 0", "original", of(EditType::VersionBacktracking, Add)),
                ("original", "made 1", of(EditType::VersionBacktracking, Replace)),
                ("made 1", "made 2", of(EditType::VersionBacktracking, Adjust)),
            ],
        ),
    ];
    let mut desk = Desk::with(Stub::default());
    for (number, (edit_type, operations, regions, turns)) in cases.into_iter().enumerate() {
        desk.anew(number);
        if edit_type == EditType::ContentMemory {
            desk.words.lock().unwrap().instruction.premise = Some("the premise".to_owned());
        }
        let requests = asked(&desk, edit_type, operations, regions);
        assert_eq!(requests.len(), turns.len(), "{edit_type}");
        for (turn, (request, (before, after, rubric))) in requests.iter().zip(turns).enumerate() {
            let encoded =
                |name: &str| chat::encode(&picture_of(&desk, name), PixelRange::OF_A_JUDGE).unwrap();
            let pair = Pair { before: encoded(before), after: encoded(after), reference: None };
            let said = ["the premise", "prompt 0", "prompt 1", "prompt 2"];
            let earlier =
                if edit_type == EditType::ContentMemory { &said[..turn + 1] } else { &said[1..turn + 1] };
            let wanted = chat::judge::request(pair, said[turn + 1], earlier, *rubric);
            assert_eq!(*request, wanted, "{edit_type}, turn {turn}");
        }
    }
}

#[test]
fn a_visuals_reference_is_shown_and_no_others() {
    let desk = Desk::with(Stub::default());
    let requests = asked(&desk, EditType::Visual, &[Visual], &[0]);
    let drawn = paint::reference("blue star", crate::edit_source::REFERENCE_SIDE).unwrap();
    assert_eq!(pictures(&requests[0])[2..], [chat::encode(&drawn, PixelRange::OF_A_WRITER).unwrap()]);
}

#[test]
fn pixels_are_measured_turn_by_turn_within_the_steps_own_masks() {
    let cases: [CaseOfTurns; 4] = [
        (EditType::Remove, &[Remove], &[1], &[["original", "made 0"]]),
        (EditType::Hybrid, &[Adjust, Add], &[0, 1], &[["made 1", "made 0"]]),
        (
            EditType::ContentMemory,
            &[Replace, Adjust],
            &[1, 0],
            &[["original", "made 0"], ["made 0", "made 1"]],
        ),
        (EditType::Action, &[Action], &[], &[["original", "end"]]),
    ];
    let mut desk = Desk::with(Stub { halves: true, ..Stub::default() });
    for (number, (edit_type, operations, regions, turns)) in cases.into_iter().enumerate() {
        desk.anew(number);
        let (pictures, question) = desk.remembered(edit_type, operations, regions);
        let judge = Judge::new(JudgeBy::Pixels(None), pictures);
        let end = desk.end_frame();
        let ToJudge::Measured(measured) = desk.prepare(&judge, &question, Some(&end)).unwrap() else {
            panic!("pixels judge");
        };
        assert_eq!(measured.len(), turns.len());
        for (turn, (measured, names)) in measured.iter().zip(turns).enumerate() {
            let steps: Vec<usize> =
                if edit_type == EditType::Hybrid { (0..operations.len()).collect() } else { vec![turn] };
            let mask = |step: usize| {
                let region = if regions.len() > 1 { regions.get(step) } else { regions.first() };
                let mask = &desk.masks[usize::from(*region?)];
                Some(paint::widened(mask, paint::reach(mask.area())))
            };
            let masks: Vec<Option<Mask>> = steps.iter().map(|step| mask(*step)).collect();
            let wanted: Vec<pixels::Step<'_>> = steps
                .iter()
                .zip(&masks)
                .map(|(step, mask)| pixels::Step { operation: operations[*step], mask: mask.as_ref() })
                .collect();
            let original = desk.original();
            let [before, after] = names.map(|name| at_size_of(&original, picture_of(&desk, name)));
            let wanted = pixels::measure(&before, &after, &wanted).unwrap();
            let is: Vec<String> = measured.iter().map(|step| format!("{:?}", step.measured)).collect();
            let wanted: Vec<String> = wanted.iter().map(|measured| format!("{measured:?}")).collect();
            assert_eq!(is, wanted, "{edit_type}, turn {turn}");
            let operations_are: Vec<Operation> = measured.iter().map(|step| step.operation).collect();
            assert_eq!(operations_are, steps.iter().map(|step| operations[*step]).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_sample_without_a_second_frame_has_no_action_to_judge() {
    let desk = Desk::with(Stub::default());
    let (pictures, question) = desk.remembered(EditType::Action, &[Action], &[]);
    let judge = Judge::new(JudgeBy::Pixels(None), pictures);
    assert_eq!(desk.prepare(&judge, &question, None).err().unwrap().class, "no_end_frame");
    let (bytes, options) = (b"no picture", threshflow::shard::ReadOptions::default());
    let broken = EndFrame::of(bytes, &options);
    assert_eq!(desk.prepare(&judge, &question, Some(&broken)).err().unwrap().class, "not_a_picture");
}

#[test]
fn a_plan_counts_a_request_a_turn() {
    let desk = Desk::with(Stub::default());
    for (edit_type, operations, regions) in [
        (EditType::Remove, &[Remove][..], &[0][..]),
        (EditType::Hybrid, &[Adjust, Add], &[0, 1]),
        (EditType::ContentMemory, &[Replace, Adjust], &[0, 1]),
        (EditType::VersionBacktracking, &[Add, Replace, Adjust], &[0]),
    ] {
        let (pictures, question) = desk.remembered(edit_type, operations, regions);
        let judge = Judge::new(nobody(&desk), pictures.clone());
        let mut asks = judge.asks_in_turn(std::slice::from_ref(&question));
        assert_eq!(asks.len(), edit_type.turns());
        asks.sort_unstable();
        asks.dedup();
        assert_eq!(asks.len(), edit_type.turns(), "each its own");
        assert!(Judge::new(JudgeBy::Pixels(None), pictures).asks_in_turn(&[question]).is_empty());
    }
}
