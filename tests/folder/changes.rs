//! Files that change, go or cannot be read while a run is at work.

use tests::program::{asks, ended_within, start, wait_for_asks};
use tests::shards::{Sample, corpus, png};
use threshflow::publish::published_keys;

use crate::{desk, done, put};

/// Sixty pictures, none of which the judge refuses or the gate before it holds back.
fn pictures() -> Vec<Sample> {
    let fits = |sample: &Sample| {
        matches!(tests::curate::verdict(sample, 12.0, 0.0), threshflow::row::Verdict::Kept(_))
    };
    corpus(11, 0..200).into_iter().filter(fits).take(60).collect()
}

#[test]
fn what_goes_or_changes_under_a_run_costs_its_own_picture() {
    let (desk, samples) = (desk(), pictures());
    put(&desk.path("photos"), &samples);
    let log = desk.path("asked");
    let command = format!(
        "run --pictures photos --slow-prepare 20 --cores 1 --set taste=0 --json --max-error-rate 0.2 --log-asks {}",
        log.display()
    );
    let child = start(&mut desk.bare(&command));
    wait_for_asks(&log, 3);
    // Those that come last: one goes, one is written over with another picture of its length.
    let (gone, other) = (&samples[59], &samples[58]);
    std::fs::remove_file(desk.path("photos").join(format!("{}.png", gone.key))).unwrap();
    let mut bytes = other.picture.clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(desk.path("photos").join(format!("{}.png", other.key)), &bytes).unwrap();
    let summary = ended_within(child, 60).expect(0, &[]).json();
    let refused = &summary["refused"]["judge"];
    assert_eq!((&refused["unreadable"], &refused["changed_while_read"]), (&1.into(), &1.into()), "{summary}");
    assert_eq!(summary["kept"], 58);
    // The next run asks about the picture that is there now, and about nothing else.
    let before = asks(&log).len();
    let after = done(&desk, &format!("--set taste=0 --log-asks {}", log.display()));
    let asked: Vec<String> = asks(&log).split_off(before);
    assert_eq!(asked, [threshflow::row::ContentHash::of(&bytes).to_string()], "{after}");
    assert_eq!(after["rows"], 59);
}

#[test]
fn a_file_that_cannot_be_read_is_no_end_of_the_run() {
    let (desk, mut samples) = (desk(), pictures());
    put(&desk.path("photos"), &samples);
    std::os::unix::fs::symlink("nowhere", desk.path("photos/broken.jpg")).unwrap();
    let ended = desk.ask("run --pictures photos --set taste=0 --json").expect(0, &[]);
    assert_eq!(ended.json()["refused"]["probe"]["unreadable"], 1);
    // As soon as it can be read it is in.
    std::fs::remove_file(desk.path("photos/broken.jpg")).unwrap();
    samples.push(Sample { key: "broken".to_owned(), picture: png(20, 20, 9), json: None });
    put(&desk.path("photos"), &samples[60..]);
    let summary = done(&desk, "--set taste=0");
    assert_eq!((&summary["rows"], &summary["asks"]["judge"]["asked"]), (&61.into(), &1.into()));
}

#[test]
fn pictures_that_are_gone_stop_a_run_that_would_unpublish_them() {
    let (desk, samples) = (desk(), pictures());
    put(&desk.path("photos/a"), &samples[..50]);
    put(&desk.path("photos/b"), &samples[50..]);
    done(&desk, "--set taste=0");
    let rows = published_keys(&desk.path("out")).unwrap();
    std::fs::rename(desk.path("photos/b"), desk.path("b")).unwrap();
    let said = "10 of \"photos\" (it does not hold them)";
    crate::run(&desk, "--set taste=0").expect(1, &[said, "--max-removed 5%", "--pictures"]);
    let plan = desk.ask("plan --pictures photos --set taste=0 --json").expect(0, &[]).json();
    assert_eq!(plan["removed"]["rows"], 10);
    assert_eq!(published_keys(&desk.path("out")).unwrap(), rows);
    std::fs::rename(desk.path("photos"), desk.path("photographs")).unwrap();
    put(&desk.path("photos"), &[Sample { key: "z".to_owned(), picture: png(20, 20, 1), json: None }]);
    crate::run(&desk, "").expect(1, &["60 of \"photos\" (it does not hold them)"]);
    desk.ask("run --pictures photographs --max-error-rate 1")
        .expect(1, &["60 of \"photos\" (there is no such shard)"]);
}

#[test]
fn lists_of_files_are_verified_cleaned_and_written_again() {
    let (desk, samples) = (desk(), pictures());
    put(&desk.path("photos"), &samples[..50]);
    done(&desk, "--set taste=0");
    put(&desk.path("photos"), &samples[50..]);
    done(&desk, "--set taste=0");
    let lists = || {
        std::fs::read_dir(desk.path("store/files"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    assert_eq!(lists().len(), 2, "of fifty and of sixty");
    let said = desk.ask("clean").expect(0, &[]).stdout;
    assert!(said.contains("lists of what folders of pictures held before: 1, "), "{said}");
    desk.ask("clean --drop dead").expect(0, &[]);
    assert_eq!(lists().len(), 1);
    desk.ask("verify out --store store").expect(0, &[]);
    desk.ask("export --to tars").expect(0, &[]);
    // A damaged one is told of; `export` needs it where it has to read pictures, and the next run writes it again.
    let mut bytes = std::fs::read(&lists()[0]).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&lists()[0], bytes).unwrap();
    let damaged = desk.ask("verify --store store").expect(1, &["1 file is damaged"]).stdout;
    assert!(
        damaged.contains("store/files/") && damaged.contains("the next run over that folder"),
        "{damaged}"
    );
    desk.ask("export --to others").expect(1, &["run again with its shards first"]);
    done(&desk, "--set taste=0");
    desk.ask("verify --store store").expect(0, &[]);
    desk.ask("export --to others").expect(0, &[]);
}
