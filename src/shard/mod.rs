//! Tar shards, plain or in pieces: found, memory-mapped, indexed once. The only room that hands out bytes of pictures.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::row::{ContentHash, Refusal};

/// A shard as the user named it: where its bytes lie, and the name that outputs know it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardSource {
    /// Path relative to the fixed part of the pattern that found it, without `.tar` or `.tar.split.NNN`,
    /// parts joined by `/`: `laion/*.tar` finds `laion/00012.tar` as `00012`.
    pub name: String,
    /// One file, or the pieces in order. A piece that is missing stands here as `Err(path)`.
    pub pieces: Vec<Result<PathBuf, PathBuf>>,
}

/// What stops a shard (or the whole list) from being read at all: the caller ends with exit code 2 or 1.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    #[error("{0}")]
    Usage(String),
    #[error("{path}: {source}; {next}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error, next: &'static str },
}

/// Finds the shards that `patterns` name (files, folders, globs), sorted by name.
pub fn find(_patterns: &[String]) -> Result<Vec<ShardSource>, ShardError> {
    todo!()
}

/// What is read, and how. All of it but `mmap` shapes rows, and so is part of the index's own stamp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadOptions {
    /// Map files into memory; else plain reads (for files that may be truncated while they are read).
    #[serde(skip)]
    pub mmap: bool,
    /// Most pixels that a picture may have; default 178,956,970 (Pillow's decompression-bomb limit times two).
    pub max_pixels: u64,
    /// Most bytes that one member may have; default 512 MiB.
    pub max_bytes: u64,
    /// Follow the EXIF orientation: width and height are then those of the upright picture. Default true.
    pub exif_orientation: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
    Tiff,
}

/// One file of a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What follows the first dot of the last part of the path, lower-cased: `jpg`, `json`, `seg.png`.
    pub extension: String,
    /// Of the payload, in bytes from the start of the (joined) tar.
    pub offset: u64,
    pub len: u64,
}

/// A picture that was probed (its header read), not decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Which of the sample's members it is.
    pub member: u32,
    pub content: ContentHash,
    pub format: Format,
    /// In pixels, as shown (see [`ReadOptions::exif_orientation`]).
    pub width: u16,
    pub height: u16,
    /// 1 to 8 as EXIF counts them; 1 where there is none, or where it is not to be followed.
    pub orientation: u8,
}

/// One row of the input: a sample, or a place in the shard that had to be refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Path up to the first dot of its last part; unique in the shard but for refused rows.
    pub key: String,
    pub members: Vec<Member>,
    pub picture: Result<Picture, Refusal>,
    /// Top-level numbers of the `.json` sidecar, by name, in the order of the file.
    pub numbers: Vec<(String, f32)>,
    /// Why the `.json` sidecar could not be read, where it could not; the picture is not lost by it.
    pub sidecar_refusal: Option<Refusal>,
}

/// What a walk over a shard found. Written beside the store, so that a second run does not walk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardIndex {
    /// Of every member's path, place and content: a changed file is a new shard.
    pub fingerprint: ContentHash,
    pub samples: Vec<Sample>,
}

/// A shard that is open: its index and its bytes.
pub struct Shard {
    /// The number that the catalogue gave to (name, fingerprint): `RowId::shard`.
    pub seq: u32,
    pub name: String,
    pub index: ShardIndex,
    // the map, private
}

/// The sidecar of a sample as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// The `.json` member where it holds one valid JSON object, re-serialised compactly (key order kept).
    pub json: Option<String>,
    /// The `.txt` member, else the JSON's `caption`, else the first of its `cap`.
    pub caption: Option<String>,
}

impl Shard {
    /// The bytes of a sample's picture as they lie in the shard, touched on the calling thread.
    pub fn picture_bytes(&self, _sample: u32) -> Result<Cow<'_, [u8]>, Refusal> {
        todo!()
    }
    /// The bytes of any member.
    pub fn member_bytes(&self, _member: &Member) -> Result<Cow<'_, [u8]>, Refusal> {
        todo!()
    }
    pub fn sidecar(&self, _sample: u32) -> Sidecar {
        todo!()
    }
}

/// The shards that this store knows, and their numbers. Shared by all threads.
pub struct Catalogue {}

impl Catalogue {
    /// Opens (or starts) the catalogue under `store`. With `read_only`, nothing is ever written: new
    /// shards get numbers for this process only (what `plan` needs).
    pub fn open(_store: &Path, _options: ReadOptions, _read_only: bool) -> Result<Self, ShardError> {
        todo!()
    }
    /// Opens a shard: by its index file where that still fits the shard's files (length, mtime), else by a walk.
    pub fn load(&self, _source: &ShardSource) -> Result<Arc<Shard>, ShardError> {
        todo!()
    }
    /// The shard of this number, loaded before in this process; kept open for the few used last.
    pub fn shard(&self, _seq: u32) -> Result<Arc<Shard>, ShardError> {
        todo!()
    }
    /// The shard that this store has indexed under that name and fingerprint, at its paths as last seen.
    /// An error that names the paths where its files have changed since, or are gone.
    pub fn by_name(&self, _name: &str, _fingerprint: ContentHash) -> Result<Arc<Shard>, ShardError> {
        todo!()
    }
}
