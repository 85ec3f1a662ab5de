//! Editors behind an address, a folder of results, and what becomes of items that lack a picture.

use std::fs;

use benchmarks::{Counting, Table};
use pipelines::edit_bench_stages::bench::load;
use tests::fakes::models::Models;

use crate::desk::{Desk, Judge, asked, write_png};

const EVERY: usize = 40;

#[test]
fn an_editing_model_is_asked_once_an_item_and_its_pictures_are_a_folder_of_results() {
    let (desk, judge, models) = (Desk::of(EVERY), Judge::fair(), Models::start());
    let n = Desk::items(EVERY).len() as u64;
    let edit = format!("--edit-url {} --edit-model E1", models.url());
    let first = asked(&desk.run(&judge, &edit));
    assert_eq!((first.get("edit_http"), first.get("judge_pass_1")), (Some(&n), Some(&n)), "{first:?}");
    assert!(asked(&desk.run(&judge, &edit)).is_empty());
    // Every model is told the item's own words.
    let forms: Vec<String> = models
        .server()
        .asked()
        .iter()
        .map(|asked| String::from_utf8_lossy(&asked.body).into_owned())
        .collect();
    for item in Desk::items(EVERY) {
        let told = forms.iter().filter(|form| form.contains(&item.prompt)).count();
        assert_eq!(told, 1, "{}", item.prompt);
    }
    // What it made can be judged as a folder of results, by nobody's new word.
    let folder = desk.path("bench/imgedit-basic/E1/pictures");
    assert_eq!(fs::read_dir(&folder).unwrap().count() as u64, n);
    let results = format!("--results {} --name copied", folder.display());
    assert!(asked(&desk.run(&judge, &results)).is_empty(), "the same pictures were judged before");
    let [made, copied] = ["E1", "copied"].map(|name| {
        let run = load(&desk.path("bench/imgedit-basic").join(name)).unwrap();
        Table::of(run.benchmark().unwrap(), &run.judged, Counting::default())
    });
    assert_eq!(made, copied);
}

#[test]
fn items_that_lack_a_picture_count_and_are_no_score() {
    let (desk, judge) = (Desk::of(EVERY), Judge::fair());
    let items = Desk::items(EVERY);
    desk.write_results("mine", EVERY, |number| 7000 + number as u32);
    // Two have no result, one has half a picture, and the picture of the last few is not there.
    fs::remove_file(desk.path("mine").join(format!("{}.png", items[0].key))).unwrap();
    fs::remove_file(desk.path("mine").join(format!("{}.png", items[1].key))).unwrap();
    let broken = desk.path("mine").join(format!("{}.png", items[2].key));
    let whole = fs::read(&broken).unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let last = items.len() - 1;
    fs::remove_file(desk.path(&format!("items/pictures/{:03}.png", last / 4))).unwrap();
    let gone = items.iter().enumerate().filter(|(number, _)| number / 4 == last / 4).count();

    desk.run(&judge, "--results @mine --max-error-rate=1");
    let run = load(&desk.path("bench/imgedit-basic/mine")).unwrap();
    let table = Table::of(run.benchmark().unwrap(), &run.judged, Counting::default());
    let lacking = &table.all.row.lacking;
    let expected = [("broken_result", 1), ("missing_result", 2), ("no_picture", gone)];
    assert_eq!(lacking.iter().map(|(class, n)| (class.as_str(), *n)).collect::<Vec<_>>(), expected);
    assert_eq!(table.all.row.n, items.len());
    assert_eq!(table.all.row.scored, items.len() - 3 - gone);

    // The two come; one of them is what another item's picture is, in another format.
    desk.write_results("mine", EVERY, |number| 7000 + number as u32);
    let jpeg = desk.path("mine").join(format!("{}.jpg", items[0].key));
    image::open(desk.path("mine").join(format!("{}.png", items[0].key))).unwrap().save(&jpeg).unwrap();
    let two = threshflow::cli::invoke::run::<pipelines::edit_bench::EditBench>(&desk.command(
        "run",
        &judge.url(),
        "--results @mine --max-error-rate=1",
    ));
    let said = two.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(said.contains("two pictures of item") && said.contains("keep one"), "{said}");
    fs::remove_file(jpeg).unwrap();
    let report = desk.run(&judge, "--results @mine --max-error-rate=1");
    assert_eq!(asked(&report).values().sum::<u64>(), 3, "only what was never asked");
}

#[test]
fn a_wrong_command_line_says_what_to_do() {
    let (desk, judge) = (Desk::of(EVERY), Judge::fair());
    let said = |more: &str| {
        let ran = threshflow::cli::invoke::run::<pipelines::edit_bench::EditBench>(&desk.command(
            "run",
            &judge.url(),
            more,
        ));
        ran.err().map(|error| error.to_string()).unwrap_or_default()
    };
    fs::create_dir(desk.path("empty")).unwrap();
    for (more, words) in [
        ("", "nobody makes the edited pictures"),
        ("--results @nowhere", "is no folder"),
        ("--results @empty", "has a picture for none of the"),
        ("--editor embedded", "knows the demo's items alone"),
        ("--editor no-op --rubrics @nothing.json", "nothing.json"),
        ("--editor no-op --passes 0", "1..=20"),
        ("--editor no-op --benchmark other", "imgedit-basic"),
        ("--editor no-op --results @empty", "cannot be used with"),
        ("--editor no-op --judge-pixels small", "imgedit-judge"),
    ] {
        assert!(said(more).contains(words), "{more}: {}", said(more));
    }
    fs::remove_file(desk.path("items/prompts.json")).unwrap();
    assert!(said("--editor no-op").contains("--own-rubrics"), "{}", said("--editor no-op"));
    desk.write_rubrics("some.json", |edit_type| format!("Judge this {edit_type}."));
    let path = desk.path("items/some.json");
    let less = fs::read_to_string(&path).unwrap().replace("\"remove\"", "\"removal\"");
    fs::write(&path, less).unwrap();
    let lacks = said("--editor no-op --rubrics @items/some.json");
    assert!(lacks.contains("remove") && lacks.contains("items"), "{lacks}");
    assert!(judge.server().asked().is_empty());
}

#[test]
fn what_lies_beside_a_run_and_is_not_its_own_stays() {
    let (desk, judge, models) = (Desk::of(EVERY), Judge::fair(), Models::start());
    let n = Desk::items(EVERY).len();
    let edit = format!("--edit-url {} --edit-model E1 --passes 2", models.url());
    desk.run(&judge, &edit);
    let run = desk.path("bench/imgedit-basic/E1");
    let pictures = run.join("pictures");
    fs::write(pictures.join("mine.png"), "somebody's").unwrap();
    assert!(run.join("pass_2/result.json").is_file());
    // The same run is made of its own pictures: they are what is judged, and stay.
    let own = format!("--results {} --name E1", pictures.display());
    assert!(asked(&desk.run(&judge, &own)).is_empty());
    assert_eq!(fs::read_dir(&pictures).unwrap().count(), n + 1);
    assert!(!run.join("pass_2").exists(), "there is one pass now");
    // An item less: its picture goes, and nothing else does.
    desk.run(&judge, &edit);
    let path = desk.path("items/basic_edit.json");
    let mut file: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    file.as_object_mut().unwrap().remove("style0");
    fs::write(&path, file.to_string()).unwrap();
    desk.run(&judge, &format!("{edit} --max-removed=100%"));
    assert!(!pictures.join("style0.png").exists());
    assert_eq!(fs::read_dir(&pictures).unwrap().count(), n);
    assert_eq!(fs::read_to_string(pictures.join("mine.png")).unwrap(), "somebody's");
}

#[test]
fn another_reference_picture_is_judged_anew_and_nothing_else_is() {
    let desk = Desk::of(EVERY);
    fs::remove_dir_all(desk.path("items")).unwrap();
    let rows: Vec<serde_json::Value> = (0..3)
        .map(|number| {
            write_png(&desk.path(&format!("items/a/{number}.png")), number);
            write_png(&desk.path(&format!("items/r/{number}.png")), 50 + number);
            write_png(&desk.path(&format!("mine/i{number}.png")), 90 + number);
            serde_json::json!({ "index": format!("i{number}"), "instruction": format!("Do {number}."),
                "image": format!("a/{number}.png"), "category": "spatial_reasoning", "reference_img": format!("r/{number}.png") })
        })
        .collect();
    fs::write(desk.path("items/data_total.json"), serde_json::json!(rows).to_string()).unwrap();
    let judge = Judge::of(|_, _| crate::desk::said("Final Score: 4"));
    let flags = "--benchmark rise --own-rubrics --results @mine";
    let all = asked(&desk.run(&judge, flags)).values().sum::<u64>();
    assert_eq!(all, 9, "three asks an item");
    assert!(asked(&desk.run(&judge, flags)).is_empty());
    write_png(&desk.path("items/r/1.png"), 77);
    // Of the three asks, two show the reference, or one that has its place.
    let again = asked(&desk.run(&judge, flags)).values().sum::<u64>();
    assert!((1..3).contains(&again), "{again} were asked");
}
