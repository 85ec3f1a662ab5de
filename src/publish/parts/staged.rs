//! What a process has staged of a folder.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Folder, WRITING};
use crate::publish::PublishError;
use crate::publish::manifest::Part;
use crate::publish::origins::OriginCounts;
use crate::publish::seen::{Mended, Seen};
use crate::publish::steps::step;
use crate::row::ContentHash;

/// How long what another machine wrote may take to be seen.
const MARK_PATIENCE: Duration = Duration::from_secs(10);

/// A file in `.writing/`, and where it will lie.
pub(in crate::publish) struct StagedFile {
    file: File,
    pub(in crate::publish) path: PathBuf,
    hasher: blake3::Hasher,
    /// See [`Part::origins`].
    pub(in crate::publish) origins: Option<OriginCounts>,
}

/// What is known of a part when it is written.
#[derive(Clone, Default)]
pub(super) struct Written {
    bytes: u64,
    hash: String,
    origins: Option<OriginCounts>,
}

impl StagedFile {
    pub(super) fn new(file: File, path: PathBuf) -> Self {
        StagedFile { file, path, hasher: blake3::Hasher::new(), origins: None }
    }

    /// Syncs it and tells of it.
    pub(super) fn finish(self) -> Result<Written, PublishError> {
        let StagedFile { file, path, hasher, origins } = self;
        step("sync a part").map_err(PublishError::io("sync", &path))?;
        file.sync_all().map_err(PublishError::io("sync", &path))?;
        let bytes = file.metadata().map_err(PublishError::io("measure", &path))?.len();
        Ok(Written { bytes, hash: ContentHash::from_hasher(&hasher).to_string(), origins })
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        step("write into a part")?;
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Written {
    pub(super) fn tell(self, part: &mut Part) {
        part.bytes = self.bytes;
        part.hash = Some(self.hash);
        part.origins = self.origins;
    }
}

/// Parts that are wanted, and those among them that lie in `.writing/`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::publish) struct Staged {
    pub(super) parts: Vec<Part>,
    /// The places of those that were written.
    pub(super) changed: Vec<usize>,
    /// Those of them that were published as they are wanted, and were damaged.
    pub(super) mended: Vec<Mended>,
    /// How the parts looked that were not.
    pub(super) seen: Seen,
}

impl Staged {
    /// All of several processes, each with shards of its own, in the order that one process would give them.
    pub(in crate::publish) fn of_all(all: Vec<Staged>) -> Self {
        let mut marked: Vec<(Part, bool)> = Vec::new();
        let (mut mended, mut seen) = (Vec::new(), Vec::new());
        for staged in all {
            seen.push(staged.seen);
            let changed: HashSet<usize> = staged.changed.into_iter().collect();
            let with_mark = |(place, part)| (part, changed.contains(&place));
            marked.extend(staged.parts.into_iter().enumerate().map(with_mark));
            mended.extend(staged.mended);
        }
        // Those of one shard come from one process, in their order.
        marked.sort_by(|(one, _), (other, _)| one.shard.cmp(&other.shard));
        mended.sort_by(|one: &Mended, other: &Mended| one.file.cmp(&other.file));
        let changed = marked.iter().enumerate().filter(|(_, (_, changed))| *changed).map(|(place, _)| place);
        let (changed, seen) = (changed.collect(), Seen::of_all(seen));
        Staged { changed, parts: marked.into_iter().map(|(part, _)| part).collect(), mended, seen }
    }

    /// An error where a part, staged or in place, has not the length that it was written with: another process of an earlier run may have been
    /// at it.
    pub(in crate::publish) fn check(&self, folder: &Folder) -> Result<(), PublishError> {
        let staged: HashSet<usize> = self.changed.iter().copied().collect();
        for (place, part) in self.parts.iter().enumerate() {
            let is_staged = staged.contains(&place);
            let path = if is_staged { folder.staged(&part.file) } else { folder.root.join(&part.file) };
            let there = fs::metadata(&path).map_err(PublishError::io("measure", &path))?.len();
            if there != part.bytes {
                return Err(PublishError::Other(format!(
                    "{} has {there} bytes, and was written with {}: run again",
                    path.display(),
                    part.bytes
                )));
            }
        }
        Ok(())
    }
}

impl Folder {
    /// Makes a file for others to find. It goes with all that is staged.
    pub(in crate::publish) fn mark(&self) -> Result<String, PublishError> {
        self.make_writing()?;
        let path = self.root.join(WRITING);
        let file = tempfile::Builder::new().prefix("mark-").tempfile_in(&path);
        let (_, kept) = file.and_then(|file| Ok(file.keep()?)).map_err(PublishError::io("mark", &path))?;
        Ok(kept.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
    }

    /// Whether another process made that file in this folder; a network's file system may show it a little later.
    pub(in crate::publish) fn has_mark(&self, mark: &str) -> bool {
        let begin = Instant::now();
        loop {
            if fs::read_dir(self.root.join(WRITING)).is_ok_and(|all| {
                all.map_while(Result::ok).any(|entry| entry.file_name().to_str() == Some(mark))
            }) {
                return true;
            }
            if begin.elapsed() > MARK_PATIENCE {
                return false;
            }
            #[expect(clippy::disallowed_methods, reason = "the thread that publishes, which may wait")]
            std::thread::sleep(MARK_PATIENCE / 50);
        }
    }
}
