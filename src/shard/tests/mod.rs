//! Tests of the shard room: what the tests share is here, each file holds one side of it.

mod catalogue;
mod chunks;
mod damage;
mod files;
mod finding;
mod folder;
mod fuzz;
mod grouping;
mod headers;
mod links;
mod loose;
mod probes;
mod sidecars;
mod stale;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bytes::Bytes;
use super::{Catalogue, Holds, ReadOptions, Sample, Shard, ShardIndex, ShardSource, index};

/// A PNG of `width` x `height` pixels of one colour.
pub(crate) fn png(width: u32, height: u32, shade: u8) -> Vec<u8> {
    encoded(
        &image::DynamicImage::ImageRgb8(image::RgbImage::from_pixel(width, height, image::Rgb([shade; 3]))),
        "png",
    )
}

/// A picture in the format of this extension.
pub(crate) fn encoded(picture: &image::DynamicImage, extension: &str) -> Vec<u8> {
    let format = image::ImageFormat::from_extension(extension).unwrap();
    let mut out = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// One member of a tar to be made; the name is written as it is, however hostile.
pub(crate) struct Made {
    name: Vec<u8>,
    kind: u8,
    payload: Vec<u8>,
}

pub(crate) fn file(name: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Made {
    Made { name: name.as_ref().to_vec(), kind: b'0', payload: payload.as_ref().to_vec() }
}

pub(crate) fn special(name: &str, kind: u8) -> Made {
    Made { name: name.as_bytes().to_vec(), kind, payload: Vec::new() }
}

/// The blocks of one member.
pub(crate) fn blocks(made: &Made) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..made.name.len()].copy_from_slice(&made.name);
    header.set_size(made.payload.len() as u64);
    header.set_mode(0o644);
    header.as_mut_bytes()[156] = made.kind;
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(&made.payload);
    out.resize(out.len().div_ceil(512) * 512, 0);
    out
}

/// A tar of these members with the end-of-archive mark.
pub(crate) fn tar_of(members: &[Made]) -> Vec<u8> {
    let mut out: Vec<u8> = members.iter().flat_map(blocks).collect();
    out.resize(out.len() + 1024, 0);
    out
}

/// `count` samples of a small PNG and a JSON sidecar each: a good tar.
pub(crate) fn good_tar(count: u32) -> Vec<u8> {
    let members: Vec<Made> = (0..count)
        .flat_map(|i| {
            let json = format!("{{\"aes\":{i}.5,\"id\":\"{i}\"}}");
            [file(format!("{i:05}.png"), png(4 + i, 3, i as u8)), file(format!("{i:05}.json"), json)]
        })
        .collect();
    tar_of(&members)
}

/// A shard of one file.
pub(crate) fn source_of(path: &Path) -> ShardSource {
    ShardSource::of_tar("x", vec![Ok(path.to_path_buf())])
}

/// A source, open.
pub(super) fn opened(source: &ShardSource, options: &ReadOptions) -> Bytes {
    Bytes::open(source, options, super::tar_bytes::Kept::default()).unwrap()
}

/// The chunks of a tar.
pub(crate) fn chunks_of(source: &ShardSource) -> &[Result<PathBuf, PathBuf>] {
    match &source.holds {
        Holds::Tar(chunks) => chunks,
        other => panic!("{other:?} are no files of a tar"),
    }
}

/// Walks these bytes as the one file of a shard.
pub(crate) fn walked(bytes: &[u8]) -> ShardIndex {
    walked_with(bytes, &ReadOptions::default())
}

pub(crate) fn walked_with(bytes: &[u8], options: &ReadOptions) -> ShardIndex {
    let folder = folder();
    let path = folder.path().join("x.tar");
    std::fs::write(&path, bytes).unwrap();
    let opened = opened(&source_of(&path), options);
    index::build(&opened, options)
}

/// Each row as `key=class`, or `key` where it is good.
pub(crate) fn outcome(index: &ShardIndex) -> Vec<String> {
    index.samples.iter().map(outcome_of).collect()
}

fn outcome_of(sample: &Sample) -> String {
    match &sample.picture {
        Ok(_) => sample.key.clone(),
        Err(refusal) => format!("{}={}", sample.key, refusal.class),
    }
}

/// The message of the last row's refusal.
pub(crate) fn last_message(index: &ShardIndex) -> String {
    index
        .samples
        .last()
        .and_then(|sample| sample.picture.as_ref().err())
        .map(|r| r.message.clone())
        .unwrap_or_default()
}

/// A folder that goes away by itself: in memory where there is such a place, as these tests make many files.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A folder with a store and a place for shards.
pub(crate) struct Desk {
    pub folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Desk { folder: folder() }
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn catalogue(&self) -> Catalogue {
        Catalogue::open(&self.store(), ReadOptions::default(), false).unwrap()
    }

    /// Loads a shard of this tar, in a store of its own.
    pub(crate) fn load(tar: &[u8]) -> (Self, Arc<Shard>) {
        let desk = Desk::new();
        let path = desk.put("x.tar", tar);
        let shard = desk.catalogue().load(&source_of(&path)).unwrap();
        (desk, shard)
    }
}

/// A small generator of repeatable numbers (xorshift): tests need no crate for it.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
