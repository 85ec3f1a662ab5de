//! `export`: tars with the original bytes of the published pictures.

use std::path::Path;

use super::store::Store;
use super::{Destination, Failure, ObjectOptions, Output, apart, finished, look_at_published, print_json};
use crate::publish::{self, Committed, Mended, Sent};

/// `export`: tars with the original bytes of what `out` publishes.
pub(super) fn export(
    (store, out, to): (&Path, &Path, &Path),
    objects: &ObjectOptions,
    output: Output,
) -> Result<(), Failure> {
    apart(&[("--store", store), ("--out", out), ("--to", to)])?;
    if !store.is_dir() {
        return Err(Failure::Usage(format!(
            "there is no store at {}; --store names the one that was published with",
            store.display()
        )));
    }
    let reader = objects.reader();
    let destination = Destination::of_an_export(to, store, &reader)?;
    publish::check_export(&destination.folder)?;
    let published = look_at_published(out, store, &reader)?;
    let store = Store::look(store)?;
    let catalogue = super::run::catalogue_of(&store, objects.read_known(store.folder()), true)?;
    let export = |to: &Path| {
        let done = publish::export(&published.folder, to, &catalogue);
        done.map_err(|error| published.told(error.into()))
    };
    let (done, sent) = destination.put(export)?;
    tell_mended(to, &done.mended);
    match output {
        Output::Json => print_json(&serde_json::json!({
            "to": to, "parts_written": done.parts_written, "parts_removed": done.parts_removed,
            "parts_unchanged": done.parts_unchanged, "bytes_written": done.bytes_written, "mended": done.mended,
            "sent": sent,
        })),
        Output::Text => {
            print_exported(to, &done, sent.as_ref());
            Ok(())
        }
    }?;
    finished(sent.as_ref())
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

/// What was sent to a bucket, in a line.
pub fn sent_line(sent: &Sent) -> String {
    let Sent { url, files, bytes, deleted, mended: _, unfinished: _ } = sent;
    format!("sent to {url}: {files} files ({:.1} MB), {deleted} deleted there", *bytes as f64 / 1e6)
}

pub(super) fn print_exported(to: &Path, done: &Committed, sent: Option<&Sent>) {
    crate::say!(
        "exported to {}: {} tars written ({:.1} MB), {} removed, {} left as they were",
        to.display(),
        done.parts_written,
        done.bytes_written as f64 / 1e6,
        done.parts_removed,
        done.parts_unchanged
    );
    if let Some(sent) = sent {
        crate::say!("{}", sent_line(sent));
    }
}
