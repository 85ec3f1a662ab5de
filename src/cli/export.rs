//! `export`: tars with the original bytes of the published pictures.

use std::path::Path;

use super::store::Store;
use super::{Failure, ObjectOptions, Output, apart, print_json};
use crate::publish::{self, Committed, Mended};

/// `export`: tars with the original bytes of what `out` publishes.
pub(super) fn export(
    (store, out, to): (&Path, &Path, &Path),
    objects: &ObjectOptions,
    output: Output,
) -> Result<(), Failure> {
    apart(&[("--store", store), ("--out", out), ("--to", to)])?;
    publish::check_export(to)?;
    let store = Store::look(store)?;
    let options = crate::shard::ReadOptions {
        // All pictures of a shard: it is fetched whole.
        cache: objects.cache().or_in(store.folder(), false),
        objects: objects.reader(),
        max_pixels: u64::MAX,
        max_bytes: u64::MAX,
        ..crate::shard::ReadOptions::default()
    };
    let catalogue = super::run::catalogue_of(&store, options, true)?;
    let done = publish::export(out, to, &catalogue)?;
    tell_mended(to, &done.mended);
    match output {
        Output::Json => print_json(&serde_json::json!({
            "to": to, "parts_written": done.parts_written, "parts_removed": done.parts_removed,
            "parts_unchanged": done.parts_unchanged, "bytes_written": done.bytes_written, "mended": done.mended,
        })),
        Output::Text => {
            print_exported(to, &done);
            Ok(())
        }
    }
}

/// Says on stderr which published files were damaged, and were written again.
pub fn tell_mended(folder: &Path, mended: &[Mended]) {
    const MOST: usize = 8;
    for Mended { file, why } in mended.iter().take(MOST) {
        crate::note!("warning: {}: {why}; it is written again", folder.join(file).display());
    }
    if mended.len() > MOST {
        crate::note!("warning: so were {} more files", mended.len() - MOST);
    }
}

pub(super) fn print_exported(to: &Path, done: &Committed) {
    crate::say!(
        "exported to {}: {} tars written ({:.1} MB), {} removed, {} left as they were",
        to.display(),
        done.parts_written,
        done.bytes_written as f64 / 1e6,
        done.parts_removed,
        done.parts_unchanged
    );
}
