//! Conversations: turns run in order through the editor, a sheet goes to people, and what they say comes back.

use std::fs;

use image::GenericImageView;
use serde_json::{Value, json};
use tests::fakes::http::{Action, FakeServer};
use tests::fakes::models::Models;
use tests::program::ended;

use crate::desk::{Desk, Judge, asked, said, text_of, write_png};

/// The three folders of the archive, with two conversations each; one of them has two turns.
fn conversations(desk: &Desk) {
    for (number, category) in
        ["content_memory", "content_understand", "version_backtrace"].into_iter().enumerate()
    {
        let folder = desk.path("items/Benchmark/multiturn").join(category);
        let turns = |key: usize| {
            let mut row = json!({ "id": format!("{key}.png"), "turn1": format!("{category} {key} one."),
                "turn2": format!("{category} {key} two.") });
            if key > 0 {
                row["turn3"] = format!("{category} {key} three.").into();
            }
            row
        };
        for key in 0..2 {
            write_png(&folder.join(format!("{key}.png")), (40 + number * 10 + key) as u32);
        }
        let file = json!({ "0": turns(0), "1": turns(1) });
        fs::write(folder.join("annotation.json"), file.to_string()).expect("writes");
    }
}

#[test]
fn turns_run_in_order_and_people_have_the_last_word() {
    let desk = Desk::of(40);
    fs::remove_dir_all(desk.path("items")).unwrap();
    conversations(&desk);
    let models = Models::start();
    // The judge says yes of every first turn.
    let judge = Judge::from(FakeServer::start(|asked| -> Action {
        let yes = text_of(asked).contains(" one.");
        let first =
            text_of(asked).split("This turn's request: ").nth(1).is_some_and(|text| text.contains(" one."));
        assert!(yes, "a later turn is told what came before");
        said(&format!("Brief reasoning: so it is\nFulfilled: {}", if first { "yes" } else { "no" }))
    }));
    let flags =
        format!("--benchmark imgedit-multiturn --own-rubrics --edit-url {} --edit-model E1", models.url());
    let report = desk.run(&judge, &flags);
    // Three conversations of two turns, three of three.
    assert_eq!(asked(&report).get("edit_http"), Some(&15));
    assert_eq!(asked(&report).get("judge_pass_1"), Some(&15));
    assert!(asked(&desk.run(&judge, &flags)).is_empty());

    // Each turn starts from what the turn before it made.
    let pictures = desk.path("bench/imgedit-multiturn/E1/pictures");
    let forms = models.server().asked();
    let form_of = |words: &str| {
        let form = forms.iter().find(|asked| String::from_utf8_lossy(&asked.body).contains(words));
        form.unwrap_or_else(|| panic!("{words} was not asked")).body.clone()
    };
    for turn in [1, 2] {
        let made =
            image::open(pictures.join(format!("content_memory_1_turn{turn}.png"))).expect("is written");
        let next = ["two", "three"][turn - 1];
        let body = form_of(&format!("content_memory 1 {next}."));
        let start =
            body.windows(8).position(|window| window == b"\x89PNG\r\n\x1a\n").expect("a picture is sent");
        let sent = image::load_from_memory(&body[start..]).expect("is a picture");
        assert!(sent.to_rgb8() == made.to_rgb8(), "turn {}: {:?}", turn + 1, sent.dimensions());
    }

    // The sheet has every turn, and comes back from two raters.
    let command = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        ended(&mut desk.program(&words))
    };
    command("sheet bench E1 --to people/sheet.html").expect(0, &["written"]);
    let page = fs::read_to_string(desk.path("people/sheet.html")).unwrap();
    assert_eq!(page.matches("class=\"turn\"").count(), 15);
    assert_eq!(page.matches("data:image/jpeg").count(), 15 + 6);
    let sheet = fs::read_to_string(desk.path("people/sheet.csv")).unwrap();
    assert_eq!(sheet.lines().count(), 16);
    let rated = |rater: &str, yes: fn(&str, u32) -> bool| {
        let mut text = "key,turn,rater,verdict\r\n".to_owned();
        for category in ["content_memory", "content_understand", "version_backtrace"] {
            for (key, turns) in [(0, 2), (1, 3)] {
                for turn in 1..=turns {
                    let verdict = if yes(category, turn) { "yes" } else { "no" };
                    text.push_str(&format!("{category}_{key},{turn},{rater},{verdict}\r\n"));
                }
            }
        }
        fs::write(desk.path(&format!("{rater}.csv")), text).unwrap();
    };
    // Ann agrees with the judge; Ben is stricter, in one category.
    rated("ann", |_, turn| turn == 1);
    rated("ben", |category, turn| turn == 1 && category != "content_memory");
    let told = command("agreement bench --people ann.csv ben.csv --json").expect(0, &[]);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let near = |value: &Value, wanted: f64| {
        let value = value.as_f64().unwrap_or(f64::NAN);
        assert!((value - wanted).abs() < 1e-9, "{value} is not {wanted}");
    };
    // Of 15 turns both say yes to 4 and no to 9, and Ann alone yes to 2: observed 13/15; by chance (6*4 + 9*11)/225.
    let chance = (6.0 * 4.0 + 9.0 * 11.0) / 225.0;
    near(&told["people"]["agreement"]["cohen"][0][3], (13.0 / 15.0 - chance) / (1.0 - chance));
    // First turns: six, of which four are yes by both and two by one of two.
    near(&told["people"]["each"]["by_turn"]["1"]["yes"], 5.0 / 6.0);
    near(&told["judge"]["opinion"]["by_turn"]["1"]["yes"], 1.0);
    near(&told["judge"]["kappa"], 1.0);
    let text = command("agreement bench --people ann.csv ben.csv").expect(0, &[]).stdout;
    assert!(text.contains("no person's rating") && text.contains("ann and ben"), "{text}");
    command("agreement bench --people nobody.csv").expect(2, &["nobody.csv cannot be read"]);
}

#[test]
fn a_judge_is_held_against_peoples_scores() {
    let (desk, judge) = (Desk::of(40), Judge::fair());
    desk.write_results("mine", 40, |number| 100 + number as u32);
    desk.run(&judge, "--results @mine");
    let run = pipelines::edit_bench_stages::bench::load(&desk.path("bench/imgedit-basic/mine")).unwrap();
    let counting = benchmarks::Counting::default();
    let mut csv = "key,score\n".to_owned();
    for item in benchmarks::Table::of(run.benchmark().unwrap(), &run.judged, counting).items {
        // People say twice what the judge says, plus one: the same order.
        csv.push_str(&format!("{},{}\n", item.key, item.score.unwrap() * 2.0 + 1.0));
    }
    fs::write(desk.path("people.csv"), &csv).unwrap();
    let words =
        "agreement bench --people people.csv --json".split(' ').map(str::to_owned).collect::<Vec<_>>();
    let told: Value = serde_json::from_str(&ended(&mut desk.program(&words)).expect(0, &[]).stdout).unwrap();
    for measure in ["spearman", "kendall", "pearson"] {
        let value = told["agreement"]["all"][measure]["value"].as_f64().unwrap();
        assert!((value - 1.0).abs() < 1e-9, "{measure} {value}");
    }
    fs::write(desk.path("people.csv"), csv.replace("key,score", "name,points")).unwrap();
    ended(&mut desk.program(&words)).expect(2, &["key"]);
}
