//! WebDataset tars of the kept samples, with the original bytes of every file, made from a published set.
//!
//! A tar is named `<shard>-<digest>.tar`, not `<shard>.tar`. A plain name would have to be replaced while the manifest still names its old
//! bytes, and a job that reads the tars would see them change. A numbered range such as `{00000..00041}.tar` would also name shards of
//! which nothing was kept. `*.tar`, or the list of files in `manifest.json`, is always right.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;

use super::digest::Digest;
use super::parts::{self, Folder, Layout, Notes, PartFile, Planned, lock_for_reading};
use super::plain_tar::PlainTar;
use super::source::{OpenShard, Shards};
use super::wanted::{member_name, picture_of, place_of};
use super::{Committed, Part, PartKind, PublishError, check_part, manifest, parquet, read_manifest};
use crate::row::ContentHash;
use crate::shard::{Catalogue, Sample, content_of};

/// The version of the tars' bytes. Not that of the parquet files: an upgrade there must not copy every picture.
pub(super) const TAR_FORMAT: u32 = 2;

pub(super) static EXPORT: Layout =
    Layout { format: "threshflow export", version: TAR_FORMAT, kinds: &[PartKind::Tar] };

/// `manifest.json` of an export.
#[derive(Serialize)]
struct ExportManifest<'a> {
    format: &'a str,
    version: u32,
    sealed: bool,
    pipeline: &'a str,
    parts: &'a [Part],
}

/// Makes `to` hold WebDataset tars with the original bytes of the rows that `out` publishes.
///
/// One tar a shard that has kept rows: every file of each kept sample, in the order of the shard. Only the tars
/// whose samples changed are written. Each picture is compared to the hash that was recorded of it; an error
/// leaves the export that was there before, whole.
pub fn export(out: &Path, to: &Path, catalogue: &Catalogue) -> Result<Committed, PublishError> {
    export_from(out, to, catalogue)
}

/// Whether [`export`] may and can write to `to`, as far as can be told without changing it.
pub(crate) fn check_export(to: &Path) -> Result<(), PublishError> {
    parts::check(to, &EXPORT)
}

pub(super) fn export_from(out: &Path, to: &Path, shards: &impl Shards) -> Result<Committed, PublishError> {
    let _no_committer = lock_for_reading(out)?;
    let published =
        read_manifest(out)?.ok_or_else(|| PublishError::NothingPublished { path: out.to_owned() })?;
    let folder = Folder::open(to, &EXPORT)?;
    let whole: HashMap<(&str, Option<&str>), &Part> =
        folder.whole_parts().map(|tar| ((tar.shard.as_str(), tar.follows.as_deref()), tar)).collect();
    let mut planned = Vec::new();
    for data in published.parts.iter().filter(|part| part.kind == PartKind::Data) {
        let part = match whole.get(&(data.shard.as_str(), Some(data.digest.as_str()))) {
            // It was made of the same rows: neither they nor the shard need be opened.
            Some(&old) => old.clone(),
            None => tar_part(out, data, shards)?,
        };
        planned.push(Planned { part, recipe: data });
    }
    folder.commit(
        planned,
        |data, file| write_tar(out, data, shards, file),
        |parts| {
            let pipeline = &published.pipeline;
            let (format, version) = (EXPORT.format, EXPORT.version);
            let manifest =
                manifest::json_file(&ExportManifest { format, version, sealed: true, pipeline, parts })?;
            Ok(Notes { manifest, others: Vec::new() })
        },
    )
}

/// The tar that follows a part of kept rows.
fn tar_part(out: &Path, data: &Part, shards: &impl Shards) -> Result<Part, PublishError> {
    let (open, fingerprint) = open(data, shards)?;
    let mut digest = Digest::of_part(PartKind::Tar, &data.shard, fingerprint);
    for number in kept_samples(out, data, &*open)? {
        digest.number(number as u64);
        digest.sample(&open.index().samples[number]);
    }
    let digest = digest.finish();
    Ok(Part {
        kind: PartKind::Tar,
        file: PartKind::Tar.file(&data.shard, digest),
        digest: digest.to_string(),
        bytes: 0,
        hash: None,
        follows: Some(data.digest.clone()),
        origins: None,
        ..data.clone()
    })
}

fn open<S: Shards>(data: &Part, shards: &S) -> Result<(std::sync::Arc<S::Open>, ContentHash), PublishError> {
    let fingerprint = manifest::hash_of_hex(&data.fingerprint).ok_or_else(|| {
        PublishError::Other(format!(
            "manifest.json says that shard {} has the fingerprint {:?}, which is not 32 hex digits: run the pipeline again",
            data.shard, data.fingerprint
        ))
    })?;
    Ok((shards.named(&data.shard, fingerprint)?, fingerprint))
}

/// The places in a shard of the rows of a part. Both are in the order of the shard, so that one walk finds them.
fn kept_samples(out: &Path, data: &Part, open: &impl OpenShard) -> Result<Vec<usize>, PublishError> {
    check_part(out, data)?;
    let samples = &open.index().samples;
    let path = out.join(&data.file);
    let mut kept = Vec::new();
    let mut places = 0..samples.len();
    let missing = parquet::read(&path, &["key", "offset"], parquet::Rows::All, |_, cells| {
        let is_row = |sample: &Sample| {
            let offset =
                picture_of(&data.shard, sample).map(|(_, member)| place_of(open, &sample.key, member).1);
            cells[0] == parquet::Cell::Text(&sample.key)
                && offset.is_ok_and(|it| cells[1] == parquet::Cell::Int64(it))
        };
        match places.find(|&place| is_row(&samples[place])) {
            Some(place) => {
                kept.push(place);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(format!("{:?}", cells[0])),
        }
    });
    match missing.map_err(|error| parquet::failure("read", &path, error))? {
        Some(key) => Err(changed(data, &key, "the shard's index has no such row at that place")),
        None => Ok(kept),
    }
}

fn write_tar(out: &Path, data: &Part, shards: &impl Shards, file: &mut PartFile) -> Result<(), PublishError> {
    let (open, _) = open(data, shards)?;
    let path = file.get_ref().path.clone();
    let mut tar = PlainTar::new(file);
    for place in kept_samples(out, data, &*open)? {
        let sample = &open.index().samples[place];
        let (picture, picture_member) = picture_of(&data.shard, sample)?;
        let (mut copied_picture, mut copied_end) = (ContentHash::default(), None);
        for member in &sample.members {
            let name = member_name(&sample.key, member);
            let bytes =
                open.member_bytes(member).map_err(|refusal| changed(data, &name, &refusal.to_string()))?;
            if bytes.len() as u64 != member.len {
                return Err(changed(
                    data,
                    &name,
                    &format!("{} bytes where {} were", bytes.len(), member.len),
                ));
            }
            let copied = tar.append(&name, &bytes).map_err(PublishError::io("write", &path))?;
            if std::ptr::eq(member, picture_member) {
                copied_picture = copied;
            }
            if sample.end_frame().is_some_and(|end| std::ptr::eq(member, end)) {
                copied_end = Some(copied);
            }
        }
        let copied = content_of(copied_picture, copied_end);
        if copied != picture.content {
            let why = format!("its bytes hash to {copied}, and {} was recorded", picture.content);
            return Err(changed(data, &member_name(&sample.key, picture_member), &why));
        }
    }
    tar.finish().map(drop).map_err(PublishError::io("write", &path))
}

fn changed(data: &Part, member: &str, why: &str) -> PublishError {
    PublishError::Changed { shard: data.shard.clone(), member: member.to_owned(), why: why.to_owned() }
}
