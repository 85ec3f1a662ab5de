//! Lists of the members of shards of loose files, kept under `store/files/`: a line of `sources.log` names one by the hash of its bytes.
//!
//! The layout is `TFFL`, the format's version, the CRC-32 of the rest, then zstd over postcard. A list is written whole or not at all, and
//! never changed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::loose::{FileBytes, FileMember, LooseFiles};
use super::packed::Kind;
use crate::row::ContentHash;

const KIND: Kind = Kind { magic: *b"TFFL", version: 1 };

#[derive(Serialize, Deserialize)]
struct Stored {
    folder: Vec<u8>,
    members: Vec<(Vec<u8>, StoredBytes)>,
}

#[derive(Serialize, Deserialize)]
enum StoredBytes {
    InFolder,
    File(Vec<u8>),
    Text(Vec<u8>),
}

/// Where the lists of a store lie.
pub(super) fn folder_of(store: &Path) -> PathBuf {
    store.join("files")
}

fn path_of(store: &Path, hash: ContentHash) -> PathBuf {
    folder_of(store).join(format!("{hash}.list"))
}

/// A list as it lies in its file, and the hash that names it. Its paths are whole.
pub(super) fn encode(files: &LooseFiles) -> std::io::Result<(ContentHash, Vec<u8>)> {
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    let LooseFiles { folder, members } = files.absolute();
    let stored = |member: &FileMember| {
        let stored = match member.bytes() {
            FileBytes::InFolder => StoredBytes::InFolder,
            FileBytes::File(path) => StoredBytes::File(bytes(path)),
            FileBytes::Text(text) => StoredBytes::Text(text.to_vec()),
        };
        (member.path().to_vec(), stored)
    };
    let stored = Stored { folder: bytes(&folder), members: members.iter().map(stored).collect() };
    let plain = postcard::to_stdvec(&stored).map_err(std::io::Error::other)?;
    Ok((ContentHash::of(&plain), KIND.pack(&plain)?))
}

/// Puts a list in its place, unless it is there.
pub(super) fn keep(store: &Path, hash: ContentHash, file: &[u8]) -> std::io::Result<()> {
    let path = path_of(store, hash);
    // One that is damaged is written again.
    if read(store, hash).is_some() {
        return Ok(());
    }
    std::fs::create_dir_all(folder_of(store))?;
    super::numbers::replace(&folder_of(store), &path, file)
}

/// The list of this hash, if it is there and whole.
pub(super) fn read(store: &Path, hash: ContentHash) -> Option<Arc<LooseFiles>> {
    let file = std::fs::read(path_of(store, hash)).ok()?;
    let plain = KIND.unpack(&file).filter(|plain| ContentHash::of(plain) == hash)?;
    let Stored { folder, members } = postcard::from_bytes(&plain).ok()?;
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let member = |(name, stored): (Vec<u8>, StoredBytes)| {
        let bytes = match stored {
            StoredBytes::InFolder => FileBytes::InFolder,
            StoredBytes::File(file) => FileBytes::File(path(&file)),
            StoredBytes::Text(text) => FileBytes::Text(text.into()),
        };
        FileMember::new(name, bytes)
    };
    let members = members.into_iter().map(member).collect();
    Some(Arc::new(LooseFiles { folder: path(&folder), members }))
}

/// Whether a list is as it was written, by its bytes and its name; of one of another version only its bytes are looked at.
pub(super) fn is_whole(name: &str, file: &[u8]) -> bool {
    let is_named =
        || KIND.unpack(file).is_some_and(|plain| format!("{}.list", ContentHash::of(&plain)) == name);
    KIND.version_of(file).is_some_and(|version| version > 0 && (version != KIND.version || is_named()))
}
