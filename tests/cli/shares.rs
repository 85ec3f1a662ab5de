//! Dials by share on the command line: what they come to, what a plan says of them, and what is refused.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::curate::{ShortSide, short_side};
use tests::program::{Desk, ended};
use tests::shards::corpus;
use threshflow::cli::{App, Failure, Workbench, invoke};
use threshflow::prelude::*;
use threshflow::publish::published_keys;

use crate::desk;

fn kept(desk: &Desk) -> BTreeSet<String> {
    published_keys(&desk.path("out")).unwrap().iter().map(ToString::to_string).collect()
}

fn plan(desk: &Desk, set: &str) -> Value {
    ended(&mut desk.command("plan", &format!("--json {set}"))).expect(0, &[]).json()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

const SHARES: &str = "--set short_side=top:50% --set taste=top:40";

#[test]
fn a_share_comes_to_a_value_that_everything_published_says() {
    let (desk, _) = desk();
    let done = desk.run(&format!("--json {SHARES}")).expect(0, &[]).json();
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(desk.path("out/manifest.json")).unwrap()).unwrap();
    let [side, taste] = ["short_side", "taste"].map(|name| {
        let dials = manifest["dials"].as_array().unwrap();
        dials.iter().find(|dial| dial["name"] == name).unwrap()
    });
    assert_eq!([&side["share"], &taste["share"]], ["top:50%", "top:40"]);
    assert_eq!([&done["dials"]["short_side"], &done["dials"]["taste"]], [&side["value"], &taste["value"]]);
    let by_share = kept(&desk);
    // Ties with the fortieth pass too.
    assert!((40..60).contains(&by_share.len()), "{} are kept", by_share.len());
    let card = std::fs::read_to_string(desk.path("out/README.md")).unwrap();
    assert!(card.contains(&format!(">= {} (top:40)", taste["value"].as_f64().unwrap())), "{card}");

    // Set to these values, the dials keep the same rows; and nothing is asked.
    let values = format!("--json --set short_side={} --set taste={}", side["value"], taste["value"]);
    let done = desk.run(&values).expect(0, &[]).json();
    assert_eq!(count(&done["asks"]["judge"]["asked"]), 0);
    assert_eq!(kept(&desk), by_share);
    let manifest = std::fs::read_to_string(desk.path("out/manifest.json")).unwrap();
    assert!(!manifest.contains("\"share\""), "{manifest}");
}

#[test]
fn a_plan_foretells_a_share_when_all_is_known_and_says_so_when_it_is_not() {
    let (desk, _) = desk();
    let early = plan(&desk, SHARES);
    let open = early["total"]["open_shares"].as_array().unwrap();
    assert_eq!(open.len(), 1, "whose rows are not asked about yet: {early}");
    assert_eq!((&open[0]["dial"], &open[0]["known"]), (&"taste".into(), &0.into()));
    let asked = count(&desk.run(&format!("--json {SHARES}")).expect(0, &[]).json()["asks"]["judge"]["asked"]);
    assert_eq!(count(&early["total"]["asks"]["judge"]), asked);

    let same = plan(&desk, SHARES);
    assert_eq!(
        (&same["moved"], &same["total"]["enter"], &same["total"]["leave"]),
        (&Value::Array(vec![]), &0.into(), &0.into())
    );

    // Within what was asked: each move is known to the row, and costs nothing.
    for set in ["--set short_side=top:40% --set taste=top:40", "--set short_side=top:50% --set taste=top:10%"]
    {
        let (planned, before) = (plan(&desk, set), kept(&desk));
        assert!(planned["total"].get("open_shares").is_none(), "{planned}");
        let done = desk.run(&format!("--json {set}")).expect(0, &[]).json();
        let now = kept(&desk);
        let total = &planned["total"];
        assert_eq!(count(&total["enter"]), now.difference(&before).count() as u64, "{set}: {planned}");
        assert_eq!(count(&total["leave"]), before.difference(&now).count() as u64, "{set}: {planned}");
        assert_eq!(
            (count(&done["asks"]["judge"]["asked"]), total["asks"].as_object().unwrap().len()),
            (0, 0)
        );
        for moved in planned["moved"].as_array().unwrap() {
            assert!(moved["share"].as_str().unwrap().starts_with("top:"), "{moved}");
        }
        assert_eq!(planned["to"], done["dials"]);
    }

    // A shard more moves what the share comes to, though nobody turned a dial.
    desk.done(SHARES);
    desk.shard("c", &corpus(9, 0..60));
    let (planned, before) = (plan(&desk, SHARES), kept(&desk));
    let done = desk.run(&format!("--json {SHARES}")).expect(0, &[]).json();
    assert_eq!(planned["total"]["asks"]["judge"], done["asks"]["judge"]["asked"]);
    let came = kept(&desk).difference(&before).count();
    assert!(came > 0, "the new shard has some of the best");
    let words = ended(&mut desk.command("plan", "--set taste=top:5%")).expect(0, &[]);
    assert!(words.stdout.contains("(top:5%)"), "{words:?}");
}

#[test]
fn what_is_no_share_is_refused_with_what_one_is() {
    let (desk, _) = desk();
    for (set, words) in [
        ("--set taste=top:0%", "above 0 %"),
        ("--set taste=top:101%", "up to 100 %"),
        ("--set taste=top:many", "top:100000"),
        ("--set taste=best", "a share such as top:30%"),
        ("--set taste[wide]=3", "has no groups"),
    ] {
        ended(&mut desk.command("run", set)).expect(2, &[words]);
    }
}

/// One dial at two gates.
struct Twice;

dials! {
    struct TwiceDials {
        /// The shorter side.
        short_side: ShortSide > 12,
    }
}

impl Pipeline for Twice {
    const NAME: &'static str = "twice";
    type Dials<'s> = TwiceDials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &TwiceDials<'s>) -> Flow<'s, impl Row> {
        images.each(short_side).gate(&dial.short_side).gate(&dial.short_side)
    }
}

impl App for Twice {
    const ABOUT: &'static str = "One dial at two gates";
    type Args = NoFlags;

    fn open(_: &NoFlags, _: &Workbench) -> Result<Self, Failure> {
        Ok(Twice)
    }
}

#[derive(clap::Args, Clone)]
struct NoFlags {}

#[test]
fn a_share_of_a_dial_at_two_gates_is_refused() {
    let (desk, _) = desk();
    let path = |name: &str| desk.path(name).display().to_string();
    let command = |set: &str| {
        let (shards, store, out) = (path("shards"), path("store"), path("out"));
        let words = [
            "run",
            "--shards",
            &shards,
            "--store",
            &store,
            "--out",
            &out,
            "--max-error-rate=1",
            "--set",
            set,
        ];
        words.map(str::to_owned)
    };
    let refused = invoke::run::<Twice>(&command("short_side=top:50%"));
    let Err(Failure::Usage(error)) = refused else { panic!("it is refused") };
    assert!(
        error.starts_with("--set short_side=top:50%: 2 gates of this pipeline have this dial"),
        "{error}"
    );
    assert!(error.ends_with("set it to a value"), "{error}");
    assert!(invoke::run::<Twice>(&command("short_side=13")).is_ok());
}
