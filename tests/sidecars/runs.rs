//! A run of the program over shards with odd sidecars and with what systems leave beside files.

use tests::curate::taste;
use tests::program::{Desk, ended};
use tests::shards::png;
use tests::tars::{Member, file, tar_of};
use threshflow::row::ContentHash;

fn desk(members: &[Member]) -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    std::fs::write(desk.path("shards").join("a.tar"), tar_of(members)).expect("writes");
    desk
}

/// A picture that the pipeline's judge does not refuse.
fn picture(seed: u64) -> Vec<u8> {
    let pictures = (0..).map(|more| png(64, 64, seed + 1000 * more));
    pictures.into_iter().find(|bytes| taste(ContentHash::of(bytes)).is_ok()).expect("most are not refused")
}

fn row(desk: &Desk, key: &str) -> serde_json::Value {
    desk.ask(&format!("explain --out out --json {key}")).expect(0, &[]).json()
}

#[test]
fn a_tar_of_macos_is_its_pictures_and_the_rest_is_passed_over_and_counted() {
    let mut members = vec![file("._a", "x"), file(".DS_Store", "x")];
    for number in 0..12 {
        members.push(file(format!("._{number}.png"), "Mac OS X"));
        members.push(file(format!("{number}.png"), picture(number)));
        members.push(file(format!("._{number}.txt"), "Mac OS X"));
        members.push(file(format!("{number}.txt"), "a dog"));
    }
    let desk = desk(&members);
    // Beside the shard, too.
    std::fs::write(desk.path("shards").join("._a.tar"), "Mac OS X").expect("writes");
    let done = ended(&mut desk.command("run", "--json --max-error-rate 0")).expect(0, &[]).json();
    assert_eq!((&done["rows"], &done["passed_over"]), (&12.into(), &26.into()));
    assert_eq!(done["sidecar_errors"], 0);
    let again = desk.run("");
    assert!(again.stdout.contains("26 files passed over"), "{again:#?}");
}

#[test]
fn what_is_lost_of_a_sidecar_is_told_by_the_summary_and_by_explain() {
    let desk = desk(&[
        file("a.png", picture(1)),
        file("a.json", r#"{"punsafe": NaN, "caption": ["a dog"]}"#),
        file("b.png", picture(2)),
        file("b.txt", b"\xff\xfea\0 \0c\0a\0t\0"),
        file("b.json", "{"),
    ]);
    let done = desk.done("--set short_side=1 --set taste=0");
    assert_eq!((&done["rows"], &done["sidecar_errors"]), (&2.into(), &2.into()));
    let said = desk.run("--set short_side=1 --set taste=0").stdout;
    assert!(said.contains("2 sidecars") && said.contains("a/a: bad_fields: \"punsafe\" is NaN"), "{said}");
    let a = row(&desk, "a/a");
    assert_eq!(a["ended"]["caption"], "a dog", "{a}");
    assert!(a["sidecar_error"].as_str().is_some_and(|told| told.contains("null stands there")), "{a}");
    let b = row(&desk, "a/b");
    assert_eq!(b["ended"]["caption"], "a cat", "{b}");
    assert!(b["sidecar_error"].as_str().is_some_and(|told| told.starts_with("bad_sidecar")), "{b}");
}
