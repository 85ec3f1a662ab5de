//! A folder of pictures as a source: it comes to what a tar of the same files comes to, whatever became of its files before.

mod changes;
mod histories;
mod many;
mod own_source;
mod same;

use std::path::Path;

use tests::program::Desk;
use tests::shards::Sample;

/// The samples as loose files below `folder`.
fn put(folder: &Path, samples: &[Sample]) {
    for Sample { key, picture, json } in samples {
        let path = folder.join(format!("{key}.png"));
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("makes");
        std::fs::write(&path, picture).expect("writes");
        json.iter().for_each(|json| std::fs::write(path.with_extension("json"), json).expect("writes"));
    }
}

fn desk() -> Desk {
    Desk::new(env!("CARGO_BIN_EXE_curate"))
}

/// `run` over the folder `photos`.
fn run(desk: &Desk, more: &str) -> tests::program::Ended {
    desk.ask(&format!("run --pictures photos --max-error-rate 1 {more}"))
}

fn done(desk: &Desk, more: &str) -> serde_json::Value {
    run(desk, &format!("--json {more}")).expect(0, &[]).json()
}
