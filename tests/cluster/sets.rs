//! What several processes say and publish of a whole set: counts, labels, what would be removed or lost, failures; beside what one process says.

use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};
use tests::ground::pictures;
use tests::program::{Desk, Ended};
use tests::resident::Resident;
use tests::shards::Sample;
use tests::trees;

use crate::desk;

const BY_THREE: &str = "--processes 3 --cores 1";

/// Runs over the shards of the desk, with a store and an output of their own; `more` says how.
fn run(desk: &Desk, name: &str, more: &str) -> Ended {
    desk.ask(&format!("run --shards shards --store store_{name} --out out_{name} {more}"))
}

/// What went wrong, as the process says that tells the user: the one process, or process 0.
fn error_of(ended: &Ended) -> &str {
    let line = ended.stderr.lines().find(|line| line.starts_with("error: "));
    line.unwrap_or_else(|| panic!("no error: {ended:#?}"))
}

#[test]
fn one_summary_tells_of_all() {
    let desk = desk(7, false);
    let [one, three] = [("one", ""), ("three", BY_THREE)].map(|(name, flags)| {
        let mut said = run(&desk, name, &format!("--json --max-error-rate 1 {flags}")).expect(0, &[]).json();
        let said = said.as_object_mut().expect("an object");
        for own in ["seconds", "images_per_second", "peak_rss_bytes", "processes"] {
            let there = said.remove(own);
            assert_eq!(there.is_some(), own != "processes" || name == "three", "{own} of {name}");
        }
        // Each process asks in words of its own: what two ask in the same words is asked by both.
        let spelling = said["asks"].as_object_mut().expect("stages").remove("spelling").expect("a cache");
        assert!(spelling["asked"].as_u64().is_some_and(|asked| (21..=63).contains(&asked)), "{spelling}");
        // Nothing lies in two shards here.
        for asks in said["asks"].as_object_mut().expect("stages").values_mut() {
            asks.as_object_mut().expect("counts").remove("remembered");
        }
        Value::Object(said.clone())
    });
    for (name, value) in one.as_object().expect("an object") {
        assert_eq!(three[name], *value, "{name}");
    }
    assert_eq!(three, one);
    assert!(
        one["errors"].as_object().is_some_and(|errors| !errors.is_empty())
            && one["edits"]["kept"].as_u64() > Some(0)
    );
    let text = run(&desk, "three", &format!("--max-error-rate 1 {BY_THREE}")).expect(0, &[]);
    for words in
        [" 3 processes; ", " bytes crossed between them (", "published in out_three: 0 parts written"]
    {
        assert!(text.stdout.contains(words), "{words}: {text:#?}");
    }
}

#[test]
fn what_labels_say_is_said_of_the_rows_of_all() {
    let desk = desk(4, true);
    let session = Resident::start(&desk, "");
    let mut labelled = 0;
    while labelled < 40 {
        let drawn = session.get("/api/labels?dial=short_side&draw=10&seed=7");
        for row in drawn["next"].as_array().expect("a list") {
            let good = row["score"].as_f64() > Some(11.0);
            session.post("/api/labels", &json!({ "dial": "short_side", "row": row["id"], "good": good }));
            labelled += 1;
        }
    }
    assert_eq!(session.end().code, Some(0));
    let run = |out: &str, more: &str| {
        desk.ask(&format!("run --max-error-rate 1 --shards shards --store store --out {out} {more}"))
            .expect(0, &[])
    };
    run("one", "");
    run("three", BY_THREE);
    trees::assert_same(&desk.path("three"), &desk.path("one"), "labels in three processes");
    let card = std::fs::read_to_string(desk.path("three/README.md")).expect("a card");
    assert!(card.contains("(precision 0."), "{card}");
}

#[test]
fn what_shards_do_not_hold_any_more_is_not_removed_silently() {
    let desk = desk(6, false);
    for name in ["one", "three"] {
        run(&desk, name, "--max-error-rate 1").expect(0, &[]);
    }
    std::fs::remove_file(desk.path("shards/s4.tar")).expect("is there");
    desk.shard("s2", &pictures(7, 66..72, 0));
    let before = trees::read(&desk.path("out_three"));
    let [one, three] = [("one", ""), ("three", BY_THREE)].map(|(name, flags)| {
        run(&desk, name, &format!("--max-error-rate 1 --max-removed 22% {flags}"))
            .expect(1, &["of \"s4\" (there is no such shard)", "of \"s2\""])
    });
    let plain = |ended: &Ended| error_of(ended).replace("out_one", "OUT").replace("out_three", "OUT");
    assert_eq!(plain(&three), plain(&one));
    assert_eq!(trees::read(&desk.path("out_three")), before);
    for (name, flags) in [("one", ""), ("three", BY_THREE)] {
        run(&desk, name, &format!("--max-error-rate 1 --max-removed 100% {flags}")).expect(0, &[]);
    }
    trees::assert_same(&desk.path("out_three"), &desk.path("out_one"), "after the shards left");
}

#[test]
fn what_failed_is_not_taken_away_and_too_many_failures_publish_nothing() {
    let desk = desk(4, false);
    put_photos(&desk, pictures(9, 0..40, 0));
    for name in ["one", "three"] {
        run(&desk, name, "--pictures photos --max-error-rate 1").expect(0, &[]);
    }
    let before = trees::read(&desk.path("out_three"));
    // A picture that is published, and cannot be read this time.
    let kept = threshflow::publish::published_keys(&desk.path("out_one")).expect("reads");
    let key = &kept.iter().find(|row| row.shard == "photos").expect("one of the photos is kept").key;
    let picture = desk.path(&format!("photos/{key}.png"));
    std::fs::remove_file(&picture).expect("is there");
    std::os::unix::fs::symlink("nowhere", &picture).expect("is made");
    let [one, three] = [("one", ""), ("three", BY_THREE)].map(|(name, flags)| {
        run(&desk, name, &format!("--pictures photos --max-error-rate 1 {flags}"))
            .expect(1, &["1 of ", "--max-lost 0% allows"])
    });
    let plain = |ended: &Ended| error_of(ended).replace("out_one", "OUT").replace("out_three", "OUT");
    assert_eq!(plain(&three), plain(&one));
    let [one, three] = [("one", ""), ("three", BY_THREE)].map(|(name, flags)| {
        run(&desk, name, &format!("--pictures photos --max-error-rate 0.01 {flags}"))
            .expect(1, &["rows were refused"])
    });
    assert_eq!(error_of(&three), error_of(&one));
    assert_eq!(trees::read(&desk.path("out_three")), before);
}

#[test]
fn an_output_that_is_in_use_or_that_is_no_output_ends_all() {
    let desk = desk(3, false);
    run(&desk, "x", &format!("--max-error-rate 1 --set short_side=8 {BY_THREE}")).expect(0, &[]);
    let before = trees::read(&desk.path("out_x"));
    let lock = File::open(desk.path("out_x/.lock")).expect("is there");
    lock.lock().expect("is free");
    let busy = run(&desk, "x", &format!("--max-error-rate 1 {BY_THREE}"));
    let busy = busy.expect(1, &["process 1: error: process 0 on ", "process 2: error: process 0 on "]);
    assert!(error_of(&busy).contains("out_x"), "{busy:#?}");
    drop(lock);
    assert_eq!(trees::read(&desk.path("out_x")), before);
    std::fs::write(desk.path("out_x/mine.txt"), "mine").expect("writes");
    std::fs::remove_file(desk.path("out_x/.lock")).expect("is there");
    std::fs::remove_file(desk.path("out_x/manifest.json")).expect("is there");
    run(&desk, "x", &format!("--max-error-rate 1 {BY_THREE}")).expect(1, &["out_x"]);
    assert!(Path::new(&desk.path("out_x/mine.txt")).exists());
}

#[test]
fn pictures_that_lie_loose_and_tars_of_what_is_published() {
    let desk = desk(2, false);
    // A folder that is in parts, since it holds many; most of them are too small for anybody to be asked.
    put_photos(&desk, pictures(9, 0..120, 0));
    for n in 0..4_100 {
        let tiny = tests::shards::png(3, 2, n);
        std::fs::write(desk.path(&format!("photos/tiny{n}.png")), tiny).expect("writes");
    }
    for (name, flags) in [("one", ""), ("three", BY_THREE)] {
        run(&desk, name, &format!("--pictures photos --max-error-rate 1 --export tars_{name} {flags}"))
            .expect(0, &[]);
        // Any process knows later where the others' pictures lie.
        desk.ask(&format!("export --store store_{name} --out out_{name} --to later_{name}")).expect(0, &[]);
    }
    for folder in ["out", "tars", "later"] {
        trees::assert_same(
            &desk.path(&format!("{folder}_three")),
            &desk.path(&format!("{folder}_one")),
            folder,
        );
    }
}

/// Pictures that lie loose, with their sidecars.
fn put_photos(desk: &Desk, samples: Vec<Sample>) {
    for sample in samples {
        let path = desk.path("photos").join(format!("{}.png", sample.key));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        std::fs::write(&path, &sample.picture).expect("writes");
        sample
            .json
            .iter()
            .for_each(|json| std::fs::write(path.with_extension("json"), json).expect("writes"));
    }
}
