//! Thousands of small files: few of them are open at once, a row takes little memory, and a folder that grows into more parts asks nothing
//! again.

use std::path::Path;
use std::process::Stdio;

use tests::limited::{Limit, limited};
use tests::program::{Desk, ended_within};
use tests::shards::{Sample, png};
use threshflow::publish::{published_keys, read_manifest};

use crate::{desk, done, put, run};

fn samples(range: std::ops::Range<u32>) -> Vec<Sample> {
    let picture = png(16, 16, 0);
    let sample = |n: u32| {
        // Bytes behind the end of a picture make it another.
        let picture = [&picture, &n.to_le_bytes()[..]].concat();
        let json = n.is_multiple_of(3).then(|| format!("{{\"caption\":\"number {n}\"}}"));
        Sample { key: format!("{:03}/{n:06}", n / 1000), picture, json }
    };
    range.map(sample).collect()
}

/// The most files that a run has open at once, and the most anonymous bytes that it has.
fn peaks(desk: &Desk, most_open: u64) -> (usize, u64) {
    let mut command = desk
        .bare("run --pictures photos --max-error-rate 1 --cores 2 --set short_side=0 --set taste=0 --json");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        limited(&mut command, Limit { resource: libc::RLIMIT_NOFILE, value: most_open }).spawn().unwrap();
    let (mut files, mut bytes) = (0, 0);
    let process = format!("/proc/{}", child.id());
    while child.try_wait().unwrap().is_none() {
        files = files.max(std::fs::read_dir(Path::new(&process).join("fd")).map_or(0, Iterator::count));
        let status = std::fs::read_to_string(Path::new(&process).join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        bytes = bytes.max(kilobytes.unwrap_or_default() << 10);
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    let ended = ended_within(child, 1);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    (files, bytes)
}

/// More rows than stay open, and many more.
const ROWS: [u32; 2] = [34_000, 90_000];
/// Bytes of memory for each row more: what a row of a tar takes, and the names of its files. (Measured: 365, with a third of the rows having
/// a sidecar; from run to run it varies by 200.)
const MOST_A_ROW: u64 = 650;
/// Files of the store and the output, and the pipes.
const MOST_OPEN: usize = 24;

#[test]
fn few_of_many_files_are_open_and_a_row_takes_little() {
    let [few, many] = ROWS.map(|count| {
        let desk = desk();
        put(&desk.path("photos"), &samples(0..count));
        peaks(&desk, 64)
    });
    assert!(many.0 <= MOST_OPEN, "{} files were open at once", many.0);
    let a_row = many.1.saturating_sub(few.1) / u64::from(ROWS[1] - ROWS[0]);
    println!("{a_row} bytes a row, {} files open", many.0);
    assert!((60..=MOST_A_ROW).contains(&a_row), "{a_row} bytes for every row more");
}

#[test]
fn a_folder_that_grows_into_more_parts_asks_about_what_is_new() {
    let desk = desk();
    put(&desk.path("photos"), &samples(0..4_000));
    let first = done(&desk, "");
    let parts = || {
        let manifest = read_manifest(&desk.path("out")).unwrap().unwrap();
        let mut shards: Vec<String> = manifest.parts.into_iter().map(|part| part.shard).collect();
        shards.dedup();
        shards
    };
    assert_eq!(parts(), ["photos"]);
    put(&desk.path("photos"), &samples(4_000..4_200));
    // Nothing that is published counts as removed, and a plan sees the rows where they were.
    let plan = desk.ask("plan --pictures photos --json").expect(0, &[]).json();
    assert_eq!((&plan["total"]["leave"], plan.get("removed")), (&0.into(), None), "{plan}");
    // One that was published and cannot be read now is lost, though it would be in another part.
    let key = published_keys(&desk.path("out")).unwrap()[7].key.clone();
    let picture = desk.path(&format!("photos/{key}.png"));
    std::fs::rename(&picture, desk.path("away")).unwrap();
    std::os::unix::fs::symlink("nowhere", &picture).unwrap();
    run(&desk, "--max-removed 0%").expect(1, &["1 of ", "--max-lost 0%"]);
    std::fs::rename(desk.path("away"), &picture).unwrap();
    let more = done(&desk, "--max-removed 0%");
    assert_eq!(parts(), ["photos/1-of-2", "photos/2-of-2"]);
    // The run that published nothing asked about what is new.
    assert_eq!(more["asks"]["judge"]["asked"], 0);
    assert_eq!(more["asks"]["judge"]["remembered"], first["asks"]["judge"]["asked"].as_u64().unwrap() + 200);
    // It is explained by the folder's name, and by that of its part.
    let key = "photos/004/004100";
    let told = desk.ask(&format!("explain {key}")).expect(0, &[]).stdout;
    assert!(told.contains("-of-2/004/004100 (shard \"photos/"), "{told}");
    desk.ask("explain --shard photos 004/004100").expect(0, &[]);
    // One picture more changes one part.
    put(&desk.path("photos"), &samples(4_200..4_201));
    let again = run(&desk, "").expect(0, &[]).stdout;
    assert!(again.contains("1 asked of judge"), "{again}");
    let written = again.lines().find(|line| line.contains("parts written")).unwrap();
    assert!(
        written.contains(": 2 parts written") || written.contains(": 1 parts written"),
        "data and rejected: {written}"
    );
    // Pictures that go are told, though they were published in other parts.
    std::fs::rename(desk.path("photos/003"), desk.path("003")).unwrap();
    std::fs::rename(desk.path("photos/004"), desk.path("004")).unwrap();
    run(&desk, "").expect(1, &["of \"photos/1-of-2\" (it does not hold them)", "--max-removed"]);
    done(&desk, "--max-removed 100%");
    assert_eq!(parts(), ["photos"]);
}
