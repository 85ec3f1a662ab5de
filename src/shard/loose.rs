//! Loose files as a shard: what its members are called and where their bytes lie. A large list is cut into parts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ShardSource;
use super::names::readable;
use super::sample::key_of;
use crate::object::Object;
use crate::row::ContentHash;

/// Most samples of one part.
const MOST_SAMPLES: usize = 4096;

/// What a shard is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// A tar: one file, or the chunks in order. A chunk that is missing stands here as `Err(path)`.
    Tar(Vec<Result<PathBuf, PathBuf>>),
    /// The same of objects in a store. A chunk that is missing stands here as `Err(url)`.
    Objects(Vec<Result<Object, String>>),
    /// Files that lie loose.
    Files(Arc<LooseFiles>),
}

/// The members of a shard of loose files, in order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LooseFiles {
    /// As it was named: what names in published rows are relative to.
    pub folder: PathBuf,
    /// Files with the same key must lie side by side, as in a tar.
    pub members: Vec<FileMember>,
}

/// One member of a shard of loose files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileMember {
    path: Box<[u8]>,
    bytes: FileBytes,
}

/// Where the bytes of a member lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileBytes {
    /// In the file that its path names below the shard's folder.
    InFolder,
    /// In this file. Several members may name the same one.
    File(PathBuf),
    /// In no file.
    Text(Arc<[u8]>),
}

impl FileMember {
    /// A member that is called `path`, as in a tar: relative, with `/` between its parts. Key and extension follow from it by the same
    /// rules, and a name that a tar could not have either makes a refused row.
    pub fn new(path: impl Into<Vec<u8>>, bytes: FileBytes) -> Self {
        FileMember { path: path.into().into_boxed_slice(), bytes }
    }

    /// What it is called.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Where its bytes lie.
    pub fn bytes(&self) -> &FileBytes {
        &self.bytes
    }
}

impl LooseFiles {
    /// Where the file of a member lies; none where it has none.
    pub(crate) fn file_of(&self, member: &FileMember) -> Option<PathBuf> {
        match &member.bytes {
            FileBytes::InFolder => Some(self.folder.join(OsStr::from_bytes(&member.path))),
            FileBytes::File(path) => Some(path.clone()),
            FileBytes::Text(_) => None,
        }
    }

    /// The name of a member's file as it is published: relative to the folder where it lies in it, else whole. It is the same by whatever
    /// path the folder was named.
    pub(super) fn shown(&self, member: &FileMember) -> String {
        match &member.bytes {
            FileBytes::File(path) => {
                let (path, folder) = (whole(path), whole(&self.folder));
                readable(path.strip_prefix(folder).unwrap_or(&path).as_os_str().as_bytes())
            }
            FileBytes::InFolder | FileBytes::Text(_) => readable(&member.path),
        }
    }

    /// Of what members are called, and of what is published of where they lie: what of the list counts for a shard's fingerprint.
    pub(super) fn names(&self) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        let mut text = |text: &[u8]| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        for member in &self.members {
            text(&member.path);
            text(self.shown(member).as_bytes());
        }
        ContentHash::from_hasher(&hasher)
    }

    /// With whole paths, wherever it is read.
    pub(super) fn absolute(&self) -> Self {
        let member = |member: &FileMember| match &member.bytes {
            FileBytes::File(path) => FileMember { bytes: FileBytes::File(whole(path)), ..member.clone() },
            _ => member.clone(),
        };
        LooseFiles { folder: whole(&self.folder), members: self.members.iter().map(member).collect() }
    }
}

fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl ShardSource {
    /// A tar: one file, or its chunks in order. A chunk that is missing stands as `Err(path)`.
    pub fn of_tar(name: impl Into<String>, chunks: Vec<Result<PathBuf, PathBuf>>) -> Self {
        ShardSource { name: name.into(), holds: Holds::Tar(chunks) }
    }

    /// A tar of objects in a store.
    pub fn of_objects(name: impl Into<String>, chunks: Vec<Result<Object, String>>) -> Self {
        ShardSource { name: name.into(), holds: Holds::Objects(chunks) }
    }

    /// Loose files as one shard, in the order given; see [`LooseFiles`].
    ///
    /// ```
    /// use threshflow::shard::{Catalogue, FileBytes, FileMember, ReadOptions, ShardSource};
    /// let folder = tempfile::tempdir()?;
    /// std::fs::write(folder.path().join("meow.jpg"), "meow!")?;
    /// let members = ["cat", "dog"].into_iter().flat_map(|key| {
    ///     let text = FileBytes::Text(format!(r#"{{"caption":"a {key}"}}"#).into_bytes().into());
    ///     let picture = FileBytes::File(folder.path().join("meow.jpg"));
    ///     [FileMember::new(format!("{key}.jpg"), picture), FileMember::new(format!("{key}.json"), text)]
    /// });
    /// let source = ShardSource::of_files("pets", folder.path(), members.collect());
    /// let catalogue = Catalogue::open(&folder.path().join("store"), ReadOptions::default(), false)?;
    /// let shard = catalogue.load(&source)?;
    /// assert_eq!(shard.index.samples[1].key, "dog");
    /// assert_eq!(shard.index.samples[1].picture.as_ref().unwrap_err().class, "not_a_picture");
    /// assert_eq!(shard.sidecar(1)?.caption.as_deref(), Some("a dog"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_files(name: impl Into<String>, folder: impl Into<PathBuf>, members: Vec<FileMember>) -> Self {
        let files = LooseFiles { folder: folder.into(), members };
        ShardSource { name: name.into(), holds: Holds::Files(Arc::new(files)) }
    }

    /// Loose files as shards of at most some 4,096 samples, so that one changed file changes one small part: `photos` where one is enough,
    /// else `photos/1-of-16` and so on.
    ///
    /// A sample's part follows from the hash of its key, and the number of parts is a power of two that follows from the number of
    /// samples. Where that number changes, indexes and published parts are written anew, and no question about a picture is asked again.
    pub fn in_parts(name: &str, folder: &Path, members: Vec<FileMember>) -> Vec<Self> {
        let same_key = |a: &FileMember, b: &FileMember| key_of(&a.path) == key_of(&b.path);
        let samples = members.chunk_by(same_key).count();
        let parts = samples.div_ceil(MOST_SAMPLES).next_power_of_two();
        if parts == 1 {
            return vec![ShardSource::of_files(name, folder, members)];
        }
        let mut of_part: Vec<Vec<FileMember>> = vec![Vec::new(); parts];
        for member in members {
            let hash = ContentHash::of(key_of(&member.path).as_bytes());
            let low = u64::from(hash.0[0]) | u64::from(hash.0[1]) << 8 | u64::from(hash.0[2]) << 16;
            of_part[low as usize & (parts - 1)].push(member);
        }
        let named = |(part, members): (usize, Vec<FileMember>)| {
            ShardSource::of_files(format!("{name}/{}-of-{parts}", part + 1), folder, members)
        };
        of_part.into_iter().enumerate().filter(|(_, members)| !members.is_empty()).map(named).collect()
    }

    /// Where it lies, for a message: its first file or object, or its folder.
    pub fn place(&self) -> PathBuf {
        match &self.holds {
            Holds::Tar(chunks) => match chunks.first() {
                Some(Ok(path) | Err(path)) => path.clone(),
                None => PathBuf::from(&self.name),
            },
            Holds::Objects(chunks) => match chunks.first() {
                Some(Ok(object)) => object.url.to_string().into(),
                Some(Err(url)) => url.into(),
                None => PathBuf::from(&self.name),
            },
            Holds::Files(files) => files.folder.clone(),
        }
    }
}

/// What a shard of loose files is called without the number of its part: `photos` of `photos/3-of-16`. Other names come back whole.
pub fn undivided(name: &str) -> &str {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match name.rsplit_once('/') {
        Some((before, part)) if part.split_once("-of-").is_some_and(|(at, of)| number(at) && number(of)) => {
            before
        }
        _ => name,
    }
}
