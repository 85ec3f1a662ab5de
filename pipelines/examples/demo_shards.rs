//! Writes the demo's shards into a folder, and says how long it took and what was planted.
//!
//! `demo_shards <folder> [threads]`; without words, into `demo/shards` with a thread a core.

use std::path::PathBuf;
use std::time::Instant;

use pipelines::demo::{DemoOptions, write_demo_shards};

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).map(Into::into).unwrap_or_else(|| "demo/shards".into());
    let mut options = DemoOptions::default();
    if let Some(threads) = std::env::args().nth(2) {
        options.threads = threads.parse()?;
    }
    let start = Instant::now();
    let shards = write_demo_shards(&folder, &options)?;
    threshflow::say!("{:#?}", shards.planted);
    let (seconds, megabytes) = (start.elapsed().as_secs_f64(), shards.bytes as f64 / 1e6);
    threshflow::say!(
        "{} samples, {} too small, {megabytes:.1} MB, {seconds:.1} s",
        shards.samples,
        shards.too_small.len()
    );
    Ok(())
}
