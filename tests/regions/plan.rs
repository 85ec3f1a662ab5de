//! `plan` foretells what a run asks of pictures and of regions, and what it publishes; where it cannot, it says so.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use tests::Rng;
use tests::ground::{At, Ground, Plain, has_no_mask, pictures, plain};
use tests::shards::{Sample, write};
use threshflow::cli::{Effect, PieceEffect, invoke};
use threshflow::publish::{Table, published_keys};

use crate::{Asks, DEFAULTS, learn, some_value};

const NAMES: [&str; 11] = [
    "short_side",
    "sure",
    "object_area",
    "object_area_most",
    "background_area",
    "object_clip",
    "object_large",
    "quality",
    "background_clip",
    "background_pleasing",
    "regions",
];

struct Desk {
    folder: tempfile::TempDir,
    samples: Vec<Sample>,
    known: Asks,
}

impl Desk {
    fn new() -> Self {
        let folder = tests::scratch();
        let samples = pictures(11, 0..160, 0);
        write(&folder.path().join("a.tar"), &samples);
        Desk { folder, samples, known: Asks::new() }
    }

    fn command(&self, subcommand: &str, values: &[f32]) -> Vec<String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = vec![subcommand.to_owned(), "--shards".to_owned(), path("a.tar")];
        command.extend(["--store".to_owned(), path("store"), "--out".to_owned(), path("out")]);
        command.extend(["--max-error-rate", "1", "--cores", "2"].map(str::to_owned));
        for (name, value) in NAMES.iter().zip(values) {
            command.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        command
    }

    fn plain(&self, values: &[f32]) -> Plain {
        plain([("a", self.samples.as_slice())], At(values), None)
    }

    fn plan(&self, values: &[f32]) -> Effect {
        invoke::plan::<Ground>(&self.command("plan", values)).unwrap().total
    }

    /// What a run asked, by stage.
    fn run(&mut self, values: &[f32]) -> std::collections::BTreeMap<&'static str, u64> {
        let report = invoke::run::<Ground>(&self.command("run", values)).unwrap();
        let asks = self.plain(values).asks;
        learn(&mut self.known, &asks);
        report.summary.asks.into_iter().map(|(stage, asks)| (stage, asks.asked)).collect()
    }

    /// What is published of regions and of edits: `key number content`, as the parts say.
    fn pieces(&self) -> [BTreeSet<String>; 2] {
        let mut pieces = [BTreeSet::new(), BTreeSet::new()];
        for part in std::fs::read_dir(self.folder.path().join("out/data")).into_iter().flatten() {
            let table = Table::open(&part.unwrap().path()).unwrap();
            let seen = table.read(&["key", "regions_kept", "edits_kept"], |_, row| {
                for (pieces, cell) in pieces.iter_mut().zip(&row[1..]) {
                    let piece = |piece: &serde_json::Value| {
                        format!("{} {} {}", row[0], piece["number"], piece["content"])
                    };
                    pieces.extend(cell.as_array().unwrap().iter().map(piece));
                }
                ControlFlow::<()>::Continue(())
            });
            seen.unwrap();
        }
        pieces
    }

    fn published(&self) -> BTreeSet<String> {
        published_keys(&self.folder.path().join("out")).unwrap().iter().map(ToString::to_string).collect()
    }
}

fn asks(effect: &Effect, stage: &str) -> u64 {
    effect.asks.get(stage).copied().unwrap_or(0)
}

/// That what came and went is what was planned; whether that was foretold to the piece.
fn as_planned(planned: &PieceEffect, [before, now]: [&BTreeSet<String>; 2], context: &str) -> bool {
    let (came, left) = (now.difference(before).count() as u64, before.difference(now).count() as u64);
    let context = format!("{context}: {planned:?}, and {came} came, {left} left");
    assert!(planned.enter <= came && planned.leave <= left, "{context}");
    assert!(planned.may_enter.is_none_or(|more| came <= planned.enter + more), "{context}");
    assert!(left <= planned.leave + planned.may_leave, "{context}");
    assert_eq!(planned.may_enter.is_none(), planned.unseen > 0, "{context}");
    came + left > 0 && planned.may_enter == Some(0) && planned.may_leave == 0
}

#[test]
fn a_plan_says_what_the_run_then_does() {
    let mut desk = Desk::new();
    let mut values = DEFAULTS.to_vec();
    let mut rng = Rng(5);
    (values[0], values[1]) = (19.0, 0.875);
    desk.run(&values);
    let (mut exact, mut regions_undecided, mut pictures_undecided, mut edits_foretold) = (0, 0, 0, 0);
    let (mut foretold, mut unknown) = ([0, 0], [0, 0]);
    for turn in 0..30 {
        for _ in 0..1 + rng.below(3) {
            // Of the dials before a question, ever wider ones: there must be something left to ask.
            match rng.below(3) {
                0 => values[0] = 20.0 - rng.below(2 + turn / 3) as f32,
                1 => values[1] = 1.0 - rng.below(2 + turn / 4) as f32 / 8.0,
                _ => {
                    let dial = 2 + rng.below(DEFAULTS.len() - 2);
                    values[dial] =
                        if rng.below(2) == 0 { DEFAULTS[dial] } else { some_value(dial, &mut rng) };
                }
            }
        }
        let (before, known, pieces_before) = (desk.published(), desk.known.clone(), desk.pieces());
        let (plain, planned) = (desk.plain(&values), desk.plan(&values));
        let asked = desk.run(&values);
        let context = format!("turn {turn} to {values:?}: {planned:?}, and then {asked:?}");
        for (stage, asked) in &asked {
            assert_eq!(*asked, plain.fresh(stage, &known), "{context}: {stage}");
        }
        let unseen = asks(&planned, "words") > 0 || asks(&planned, "find") > 0;
        // A plan does not know beforehand which masks will be refused, and so never judged.
        let nothing = BTreeSet::new();
        let known_masks = known.get("mask").unwrap_or(&nothing);
        let fresh_masks = plain.asks.get("mask").unwrap_or(&nothing).difference(known_masks);
        let lost = fresh_masks.filter(|region| has_no_mask(region)).count() as u64;
        assert_eq!(asks(&planned, "words"), asked["words"], "{context}");
        let earlier = [("find", 0), ("spelling", 0)];
        for (stage, lost) in earlier.into_iter().chain([("mask", 0), ("judge", lost)]) {
            let known = match stage {
                "find" | "spelling" => asked["words"] == 0,
                _ => !unseen,
            };
            match known {
                true => assert_eq!(asks(&planned, stage), asked[stage] + lost, "{context}: {stage}"),
                false => assert!(asks(&planned, stage) <= asked[stage] + lost, "{context}: {stage}"),
            }
        }
        // Among regions that were not looked at, other edits may be chosen.
        let (regions, edits) = (planned.regions.clone().unwrap(), planned.edits.clone().unwrap());
        if !unseen && regions.undecided == 0 {
            assert_eq!(asks(&planned, "make"), asked["make"], "{context}: make");
            edits_foretold += u64::from(asked["make"] > 0);
        }
        let now = desk.published();
        let (came, left) = (now.difference(&before).count() as u64, before.difference(&now).count() as u64);
        let undecided = planned.undecided;
        assert!(planned.enter <= came && came <= planned.enter + undecided, "{context}: {came} came");
        assert!(planned.leave <= left && left <= planned.leave + undecided, "{context}: {left} left");
        assert!(!unseen || planned.undecided > 0, "{context}");
        exact += u64::from(planned.asks.is_empty() && came + left > 0);
        for (sort, planned_of) in [&regions, &edits].into_iter().enumerate() {
            let was_told = as_planned(
                planned_of,
                [&pieces_before[sort], &desk.pieces()[sort]],
                &format!("{context}: {sort}"),
            );
            foretold[sort] += u64::from(was_told);
            unknown[sort] += u64::from(planned_of.may_enter.is_none());
            assert!(!planned.is_decided() || planned_of.may_enter == Some(0) && planned_of.may_leave == 0);
        }
        assert_eq!(regions.unseen > 0, unseen, "{context}");
        regions_undecided += u64::from(!unseen && regions.undecided > 0);
        pictures_undecided += u64::from(unseen);
    }
    println!(
        "{exact} exact, {regions_undecided} with regions and {pictures_undecided} with pictures undecided"
    );
    assert!(exact > 5 && regions_undecided > 3 && pictures_undecided > 1, "too few of one kind");
    assert!(edits_foretold > 0, "edits were foretold {edits_foretold} times");
    println!("{foretold:?} turns of regions and edits were foretold to the piece, {unknown:?} unknown");
    assert!(
        foretold[0] > 5 && foretold[1] > 5 && unknown[0] > 1 && unknown[1] > 1,
        "{foretold:?}, {unknown:?}"
    );
}

#[test]
fn of_pictures_that_were_never_looked_at_a_plan_knows_the_least() {
    let mut desk = Desk::new();
    let planned = desk.plan(&DEFAULTS);
    let asked = desk.run(&DEFAULTS);
    assert_eq!(planned.undecided, asked["words"]);
    assert_eq!(planned.asks.iter().collect::<Vec<_>>(), [(&"words", &asked["words"])]);
    assert_eq!((planned.enter, planned.leave), (0, 0));
    for (of, pieces) in [("regions", &planned.regions), ("edits", &planned.edits)] {
        let pieces = pieces.as_ref().unwrap();
        assert_eq!((pieces.may_enter, pieces.unseen, pieces.undecided), (None, asked["words"], 0), "{of}");
        let unknown =
            format!("how many {of} enter is unknown until {} pictures are asked about", asked["words"]);
        assert!(planned.to_string().contains(&unknown), "{planned}");
        assert_eq!(serde_json::to_value(&planned).unwrap()[of]["may_enter"], serde_json::Value::Null);
    }
    let again = desk.plan(&DEFAULTS);
    assert_eq!((again.asks.len(), again.enter, again.leave, again.undecided), (0, 0, 0, 0));
    let nothing =
        PieceEffect { enter: 0, may_enter: Some(0), leave: 0, may_leave: 0, undecided: 0, unseen: 0 };
    assert_eq!((again.regions, again.edits), (Some(nothing.clone()), Some(nothing)));
}

#[test]
fn what_another_finder_would_ask_is_known_to_the_word() {
    let mut desk = Desk::new();
    let words = desk.run(&DEFAULTS)["words"];
    let other = |subcommand: &str| {
        let mut command = desk.command(subcommand, &DEFAULTS);
        command.extend(["--exactly", "4"].map(str::to_owned));
        command
    };
    let published = desk.pieces();
    let planned = invoke::plan::<Ground>(&other("plan")).unwrap().total;
    let asked = invoke::run::<Ground>(&other("run")).unwrap().summary.asks;
    assert!(asked["find"].given > 5, "pictures without words are given their answer");
    assert!(asked["find"].asked > 50 && asked["find"].asked < words);
    let wanted = [("find", asked["find"].asked), ("spelling", asked["spelling"].asked)];
    assert_eq!(planned.asks.into_iter().collect::<Vec<_>>(), wanted);
    assert_eq!((planned.enter, planned.leave), (0, 0), "all that was published is undecided");
    for (pieces, published) in [planned.regions, planned.edits].into_iter().flatten().zip(published) {
        assert!(pieces.unseen > 0 && pieces.may_enter.is_none(), "{pieces:?}");
        assert_eq!((pieces.leave, pieces.may_leave), (0, published.len() as u64));
    }
}
