//! The grammar against the checker: thousands of random plans, and every wording reached.

use std::collections::{HashMap, HashSet};

use threshflow::row::RegionKind;

use super::*;
use crate::plan::choice::{of, operations, slot};
use crate::plan::edit_plan::check::check;
use crate::plan::edit_plan::words::{names, words};
use crate::plan::edit_plan::{EditType, Operation, PlannedObject, PlannedStep};

const USUAL: [&str; 14] = [
    "car",
    "fire truck",
    "猫",
    "Eiffel Tower",
    "bow tie",
    "red car",
    "left shoe",
    "small dog",
    "glass of water",
    "scissors",
    "T-shirt",
    "hourglass",
    "orange",
    "apple",
];

const GROUNDS: [&str; 5] = ["sky", "meadow", "mountains", "brick wall", "sea"];

fn plan(edit_type: EditType, nouns: [&str; 2], pick: u64) -> EditPlan {
    let (width, height) = (200 + slot(pick, "width") as u32 % 800, 200 + slot(pick, "height") as u32 % 800);
    let steps = operations(edit_type, pick).into_iter().enumerate().map(|(step, operation)| {
        // Both objects, or one object in all steps.
        let number = if edit_type.objects() == 2 { step } else { 0 };
        let side = |what: &str, most: u32| (slot(pick, &format!("{what} {number}")) % u64::from(most)) as f32;
        let (left, top) = (side("left", width * 3 / 4), side("top", height * 3 / 4));
        let bbox =
            [left, top, left + 20.0 + side("across", width / 2), top + 20.0 + side("down", height / 2)];
        let kind = edit_type.kind();
        let object = PlannedObject { noun: nouns[number].to_owned(), kind, bbox };
        PlannedStep { operation, object: (edit_type.objects() > 0).then_some(object) }
    });
    EditPlan { edit_type, width, height, caption: String::new(), steps: steps.collect(), pick }
}

fn colours(pick: u64) -> [Option<&'static str>; 3] {
    ["first", "second", "third"].map(|what| {
        let colours = crate::words::plain::colour::COLOURS;
        of(slot(pick, what), &colours).copied().filter(|_| !pick.is_multiple_of(3))
    })
}

fn motion(pick: u64) -> Motion {
    let share = |what: &str| (slot(pick, what) % 50) as f32 / 100.0 - 0.25;
    let zoom = [1.0, 1.0, 1.25, 0.75][(slot(pick, "zoom") % 4) as usize];
    Motion {
        dx: share("dx") + 0.26,
        dy: share("dy"),
        zoom,
        of: pick.is_multiple_of(2).then(|| "red car".to_owned()),
    }
}

fn usual(edit_type: EditType, pick: u64) -> EditPlan {
    let list: &[&'static str] = if edit_type == EditType::Background { &GROUNDS } else { &USUAL };
    let first = *of(slot(pick, "first noun"), list).unwrap();
    let others: Vec<&str> = list.iter().copied().filter(|noun| *noun != first).collect();
    plan(edit_type, [first, *of(slot(pick, "second noun"), &others).unwrap()], pick)
}

#[test]
fn every_usual_plan_is_put_in_words_that_pass() {
    let lexicon = Lexicon::embedded();
    for edit_type in EditType::ALL {
        for pick in 0..600 {
            let plan = usual(edit_type, pick);
            let (colours, motion) = (colours(pick), motion(pick));
            let reference = (pick % 2 == 0).then_some("star");
            let known = Known { colours: &colours, motion: Some(&motion), reference, objects: &["house"] };
            let made = instruct(&lexicon, &plan, &known).unwrap_or_else(|why| panic!("{why} {plan:?}"));
            assert_eq!(check(&made, &plan), Ok(()), "{plan:?}");
            assert_eq!(instruct(&lexicon, &plan, &known).as_ref(), Ok(&made));
            assert_eq!(made.premise.is_some(), edit_type == EditType::ContentMemory);
            for (result, step) in made.results.iter().zip(&plan.steps) {
                assert_eq!(result.is_empty(), !step.operation.has_result(), "{made:?}");
            }
        }
    }
}

#[test]
fn odd_nouns_are_put_in_words_or_refused_and_nothing_panics() {
    let lexicon = Lexicon::embedded();
    let long = "n".repeat(500);
    let wordy = "word ".repeat(40);
    let odd = [
        "",
        " ",
        "!!",
        "-",
        "a",
        "the sea",
        "猫",
        "红色 汽车",
        "DOG",
        &long,
        &wordy,
        "two\nlines",
        "{brace}",
        "St. Bernard",
        "it",
        "reference",
        "background",
        "left",
        "right",
        "large small thing",
        "undo",
        "red",
        "blue blue",
        "star",
        "dog's bowl",
        "\u{202e}dlrow",
        "🚗",
        "naïve café",
        "100",
        "x-",
        "\u{0}",
        "of",
    ];
    let mut refused: HashMap<String, usize> = HashMap::new();
    let mut said = 0;
    for (number, noun) in odd.iter().enumerate() {
        for edit_type in EditType::ALL {
            for pick in 0..16 {
                let other = odd[(number + 1 + pick as usize) % odd.len()];
                let mut plan = plan(edit_type, [noun, other], pick * 977 + number as u64);
                if let (0, Some(object)) =
                    (pick, plan.steps.first_mut().and_then(|step| step.object.as_mut()))
                {
                    object.bbox = [f32::NAN, f32::INFINITY, -1.0, 0.0];
                }
                if pick == 1 {
                    (plan.width, plan.height) = (0, 0);
                }
                let moved = Motion { of: Some((*noun).to_owned()), ..motion(pick) };
                let known =
                    Known { motion: Some(&moved), reference: Some(noun), objects: &odd, ..Known::default() };
                match instruct(&lexicon, &plan, &known) {
                    Ok(made) => {
                        said += 1;
                        assert_eq!(check(&made, &plan), Ok(()), "{plan:?}");
                    }
                    Err(refusal) => {
                        assert!(refusal.message.len() < 700, "{refusal}");
                        *refused.entry(refusal.class.into_owned()).or_default() += 1;
                    }
                }
            }
        }
    }
    assert!(said > 3000, "{said}");
    assert_eq!(refused.keys().collect::<Vec<_>>(), ["unsayable"]);
}

/// What is said with every number and every name of a slot's filling taken out: its wording.
fn skeleton(lexicon: &Lexicon, text: &str, plan: &EditPlan) -> String {
    let mut text = format!(" {} ", text.trim_end_matches('.').to_lowercase()).replace(',', " ,");
    let nouns = plan.steps.iter().filter_map(|step| step.object.as_ref()).map(|object| object.noun.clone());
    for noun in nouns {
        text = text.replace(&format!(" {noun} "), " NOUN ");
    }
    let all = [&lexicon.grounds, &lexicon.styles, &lexicon.things, &lexicon.colours, &lexicon.looks];
    for (list, name) in all.iter().zip(["GROUND", "STYLE", "THING", "LOOK", "LOOK"]) {
        for entry in list.iter() {
            text = text.replace(&format!(" {entry} "), &format!(" {name} "));
        }
    }
    let blanks = [" in the centre", " small", " large", " an ", " a "];
    for blank in blanks {
        text = text.replace(blank, " ");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_wording_and_every_entry_is_reached() {
    let lexicon = Lexicon::embedded();
    // How many wordings each type's turns have, looks and colours counted once; of a hybrid's 636 some are left to chance.
    let due: [(EditType, &[usize]); 12] = [
        (EditType::Add, &[3]),
        (EditType::Remove, &[4]),
        (EditType::Replace, &[6]),
        (EditType::Adjust, &[4]),
        (EditType::Style, &[3]),
        (EditType::Extract, &[3]),
        (EditType::Visual, &[3]),
        (EditType::Background, &[3]),
        (EditType::Hybrid, &[400]),
        (EditType::ContentMemory, &[5, 5]),
        (EditType::ContentUnderstanding, &[3, 3, 9]),
        (EditType::VersionBacktracking, &[3, 6, 4]),
    ];
    for (edit_type, turns) in due {
        let mut wordings = vec![HashSet::new(); turns.len()];
        let (mut premises, mut results) = (HashSet::new(), HashSet::new());
        for pick in 0..1500 {
            let mut plan = plan(edit_type, ["boat", "hat"], pick);
            for object in plan.steps.iter_mut().filter_map(|step| step.object.as_mut()) {
                object.bbox = [60.0, 60.0, 140.0, 140.0];
                (plan.width, plan.height) = (200, 200);
            }
            let made = instruct(&lexicon, &plan, &Known::default()).unwrap();
            for (turn, prompt) in made.prompts.iter().enumerate() {
                wordings[turn].insert(skeleton(&lexicon, prompt, &plan));
            }
            premises.extend(made.premise.iter().map(|premise| skeleton(&lexicon, premise, &plan)));
            results.extend(made.results);
        }
        for (turn, (found, due)) in wordings.iter().zip(turns).enumerate() {
            let enough = found.len() == *due || (edit_type == EditType::Hybrid && found.len() > *due);
            assert!(enough, "{edit_type} turn {turn}: {found:#?}");
        }
        assert_eq!(premises.len(), if edit_type == EditType::ContentMemory { 4 } else { 0 }, "{premises:?}");
        let reached = |list: &[String]| {
            for entry in list {
                assert!(results.iter().any(|result| names(result, entry)), "{edit_type} never says {entry}");
            }
        };
        match edit_type {
            EditType::Style => reached(&lexicon.styles),
            EditType::Background => reached(&lexicon.grounds),
            EditType::Replace => {
                [&lexicon.things, &lexicon.colours].into_iter().for_each(|list| reached(list))
            }
            EditType::Adjust => [&lexicon.looks, &lexicon.colours].into_iter().for_each(|list| reached(list)),
            EditType::ContentMemory => reached(&lexicon.colours),
            _ => {}
        }
    }
}

fn example(edit_type: EditType, known: &Known<'_>, pick: u64) -> Result<Instruction, Refusal> {
    let nouns = if edit_type == EditType::Background { ["sky", "sky"] } else { ["red car", "tree"] };
    let mut plan = plan(edit_type, nouns, pick);
    (plan.width, plan.height) = (300, 300);
    for (number, step) in plan.steps.iter_mut().enumerate() {
        if let Some(object) = &mut step.object {
            let left = if edit_type.objects() == 2 { 200.0 * number as f32 } else { 0.0 };
            object.bbox = [left, 120.0, left + 90.0, 180.0];
        }
    }
    instruct(&Lexicon::embedded(), &plan, known)
}

#[test]
fn what_a_thing_already_is_it_is_not_made() {
    let colours = [Some("red"), Some("green"), None];
    let known = Known { colours: &colours, ..Known::default() };
    for pick in 0..400 {
        let made = example(EditType::Adjust, &known, pick).unwrap();
        assert!(!names(&made.results[0], "red") && names(&made.results[0], "car"), "{made:?}");
        assert!(made.prompts[0].contains("the red car on the left"), "{made:?}");
        let made = example(EditType::ContentMemory, &known, pick).unwrap();
        let premise = made.premise.unwrap();
        let colour = Lexicon::embedded().colours.into_iter().find(|colour| names(&premise, colour)).unwrap();
        assert!(colour != "red" && colour != "green");
        assert!(made.results.iter().all(|result| names(result, &colour)), "{premise} {:?}", made.results);
        assert!(made.prompts.iter().all(|prompt| !names(prompt, &colour)), "{premise} {:?}", made.prompts);
    }
}

#[test]
fn motion_is_told_as_it_was_seen() {
    let told = |dx: f32, dy: f32, zoom: f32| {
        let motion = Motion { dx, dy, zoom, of: Some("red car".to_owned()) };
        let known = Known { motion: Some(&motion), ..Known::default() };
        example(EditType::Action, &known, 1).map(|made| made.prompts[0].clone())
    };
    for (dx, dy, zoom, way) in [
        (0.2, 0.01, 1.0, "the red car move further to the right."),
        (-0.2, 0.0, 1.0, "the red car move further to the left."),
        (0.0, -0.2, 1.0, "the red car move further up."),
        (0.2, 0.2, 1.0, "the red car move down and to the right."),
        (0.0, 0.0, 1.25, "the red car move closer."),
        (0.0, 0.1, 0.75, "the red car move further away, further down."),
    ] {
        assert!(told(dx, dy, zoom).unwrap().ends_with(way), "{:?}", told(dx, dy, zoom));
    }
    assert_eq!(told(0.0, 0.01, 1.0).unwrap_err().class, "no_motion");
    assert_eq!(told(f32::NAN, f32::NAN, f32::NAN).unwrap_err().class, "no_motion");
    assert_eq!(example(EditType::Action, &Known::default(), 1).unwrap_err().class, "no_motion");
}

#[test]
fn plans_that_are_none_are_refused() {
    let lexicon = Lexicon::embedded();
    for edit_type in EditType::ALL {
        let mut missing = usual(edit_type, 5);
        missing.steps.pop();
        let motion = motion(0);
        let known = Known { motion: Some(&motion), ..Known::default() };
        assert_eq!(instruct(&lexicon, &missing, &known).unwrap_err().class, "bad_plan", "{edit_type}");
        let mut bare = usual(edit_type, 5);
        bare.steps.iter_mut().for_each(|step| step.object = None);
        assert_eq!(instruct(&lexicon, &bare, &known).is_err(), edit_type.objects() > 0, "{edit_type}");
    }
    // Steps of another type's, and an object where none is due.
    let object = PlannedObject { noun: "car".into(), kind: RegionKind::Object, bbox: [0.0; 4] };
    for edit_type in EditType::ALL {
        for operation in Operation::ALL {
            let mut strange = usual(edit_type, 7);
            for step in &mut strange.steps {
                *step = PlannedStep { operation, object: Some(object.clone()) };
            }
            if let Ok(made) = instruct(&lexicon, &strange, &Known::default()) {
                assert_eq!(check(&made, &strange), Ok(()));
            }
        }
    }
}

#[test]
fn a_richer_lexicon_is_used() {
    let json =
        r#"{"things": ["hot air balloon", "camel"], "styles": ["cubism", "art nouveau"], "looks": []}"#;
    let lexicon = Lexicon::from_json(json.as_bytes()).unwrap();
    let mut results = HashSet::new();
    for pick in 0..99 {
        for edit_type in [EditType::Replace, EditType::Style] {
            results.extend(instruct(&lexicon, &usual(edit_type, pick), &Known::default()).unwrap().results);
        }
    }
    for result in ["cubism", "art nouveau", "a camel", "a hot air balloon", "a red camel"] {
        assert!(results.contains(result), "{result} {results:?}");
    }
}

/// Of what the embedded lexicon asks for, the embedded editor finds what it must make in the result's words.
#[test]
fn the_embedded_editor_understands_every_result() {
    use crate::editors::paint::names::{colour_in, name_in};
    let lexicon = Lexicon::embedded();
    for edit_type in EditType::ALL {
        for pick in 0..300 {
            let plan = usual(edit_type, pick);
            let colours = colours(pick);
            let known = Known { colours: &colours, ..Known::default() };
            let Ok(made) = instruct(&lexicon, &plan, &known) else {
                assert_eq!(edit_type, EditType::Action);
                continue;
            };
            for (step, result) in plan.steps.iter().zip(&made.results) {
                let found = match step.operation {
                    Operation::Replace => {
                        let thing = name_in(crate::editors::paint::drawable(), result);
                        thing.is_some_and(|thing| result.ends_with(thing))
                    }
                    Operation::Adjust => {
                        let said = words(result);
                        let at = usize::from(matches!(said[0].as_str(), "a" | "an"));
                        let colour = colour_in(result).map(|(name, _)| name);
                        let look = name_in(crate::editors::paint::looks(), result);
                        [colour, look].contains(&Some(said[at].as_str()))
                    }
                    Operation::Background => {
                        name_in(crate::editors::paint::grounds(), result) == Some(result)
                    }
                    Operation::Style => name_in(crate::editors::paint::styles(), result) == Some(result),
                    _ => true,
                };
                assert!(found, "{made:?}");
            }
        }
    }
}
