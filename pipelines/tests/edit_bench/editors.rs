//! Editors behind an address, a folder of results, and what becomes of items that lack a picture.

use std::fs;

use benchmarks::{Counting, Table};
use pipelines::edit_bench_stages::bench::load;
use tests::fakes::models::Models;

use crate::desk::{Desk, Judge, asked};

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
