//! What a person sees of a run that goes on: a short line, and in it the stage that holds the others up.

use std::process::Command;

use tests::ground::pictures;
use tests::program::{ended_within, start};
use tests::shards::write;

#[test]
fn piped_progress_is_a_short_line_that_names_what_holds_the_others_up() {
    let folder = tests::scratch();
    write(&folder.path().join("a.tar"), &pictures(3, 0..90, 0));
    let run = |store: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ground"));
        command.current_dir(folder.path()).args(["run", "--shards", "a.tar", "--max-error-rate", "1"]);
        command.args([
            "--slow",
            "20",
            "--slow-masks",
            "2000",
            "--store",
            store,
            "--out",
            &format!("out-{store}"),
        ]);
        start(command.args(more))
    };
    let [short, long] = [run("short", &[]), run("long", &["--verbose"])].map(|child| {
        let ended = ended_within(child, 90).expect(0, &[]);
        let lines: Vec<String> =
            ended.stderr.lines().filter(|line| line.contains(" rows, ")).map(str::to_owned).collect();
        assert!((1..=6).contains(&lines.len()), "{ended:?}");
        lines
    });
    for line in &short {
        assert!(line.len() < 120 && line.contains("of 90 rows, ") && !line.contains("failed"), "{line}");
    }
    assert!(short[0].contains("mask holds the others up (2 at work, "), "{short:?}");
    assert!(long[0].contains("mask holds the others up (2 at work, "), "{long:?}");
    assert!(long.iter().all(|line| line.contains(" | judge: ")), "{long:?}");
}
