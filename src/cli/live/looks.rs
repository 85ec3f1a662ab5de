//! How the files of shards look, and whether they are all there: what `--watch` goes by.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::object::Object;
use crate::row::ContentHash;
use crate::shard::{Holds, ShardSource};

/// How the files of each shard look, by its name.
pub(super) type Looks = HashMap<String, Option<ContentHash>>;

/// The files of a shard, by what the system says of them; `None` where one of them is not there.
pub(super) fn look(source: &ShardSource) -> Option<ContentHash> {
    look_at(source, |meta| meta.ino())
}

/// The same as it is seen from every machine.
pub(super) fn look_from_anywhere(source: &ShardSource) -> Option<ContentHash> {
    look_at(source, |_| 0)
}

fn look_at(source: &ShardSource, inode: impl Fn(&Metadata) -> u64) -> Option<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    let mut see = |path: &Path| -> Option<()> {
        let meta = std::fs::metadata(path).ok()?;
        hasher.update(path.as_os_str().as_encoded_bytes());
        for number in [meta.len(), inode(&meta), meta.mtime() as u64, meta.mtime_nsec() as u64] {
            hasher.update(&number.to_le_bytes());
        }
        Some(())
    };
    match &source.holds {
        Holds::Tar(chunks) => chunks.iter().try_for_each(|chunk| see(chunk.as_ref().ok()?))?,
        // As they were listed: nobody sees an object that is not whole.
        Holds::Objects(chunks) => {
            for chunk in chunks {
                let object = chunk.as_ref().ok()?;
                hasher.update(object.url.to_string().as_bytes());
                hasher.update(&object.version.as_ref()?.identity().0);
            }
        }
        Holds::Files(files) => {
            for member in &files.members {
                if let Some(path) = files.file_of(member) {
                    see(&path)?;
                }
            }
        }
    }
    Some(ContentHash::from_hasher(&hasher))
}

pub(super) fn looks(sources: &[ShardSource]) -> Looks {
    sources.iter().map(|source| (source.name.clone(), look(source))).collect()
}

/// Whether no chunk of a tar of objects is yet to come. An object is whole, or not there.
fn is_a_whole_row(chunks: &[Result<Object, String>]) -> bool {
    let Some(Ok(last)) = chunks.last() else { return false };
    if !last.url.key().contains(".tar.split.") {
        return true;
    }
    let Some(version) = last.version.as_ref().filter(|version| version.len >= 1024) else { return false };
    let end = last.objects.read(&last.url, version, version.len - 1024, 1024);
    end.is_ok_and(|end| end.iter().all(|byte| *byte == 0))
}

/// Whether a tar ends as tars end: in two blocks of zeros. A folder has no end that it could lack.
pub(super) fn has_its_end(source: &ShardSource) -> bool {
    const END: i64 = 1024;
    if let Holds::Objects(chunks) = &source.holds {
        return is_a_whole_row(chunks);
    }
    let Holds::Tar(chunks) = &source.holds else { return true };
    let Some(Ok(last)) = chunks.last() else { return false };
    let ends = || -> std::io::Result<bool> {
        let mut file = File::open(last)?;
        let length = file.metadata()?.len();
        // A tar is made of blocks of 512 bytes.
        if length < END as u64 || length % 512 != 0 {
            return Ok(false);
        }
        file.seek(SeekFrom::End(-END))?;
        let mut end = [1; END as usize];
        file.read_exact(&mut end)?;
        Ok(end.iter().all(|byte| *byte == 0))
    };
    ends().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_that_is_being_written_has_no_end_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let source = || ShardSource { name: "a".into(), holds: Holds::Tar(vec![Ok(path.clone())]) };
        assert_eq!((look(&source()), has_its_end(&source())), (None, false), "it is not there");
        let mut header = tar::Header::new_gnu();
        header.set_size(700);
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_data(&mut header, "a.txt", [7; 700].as_slice()).unwrap();
        let whole = tar.into_inner().unwrap();
        let mut seen = std::collections::HashSet::new();
        for length in [0, 512, 1024, whole.len() - 1024, whole.len() - 1, whole.len()] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(has_its_end(&source()), length == whole.len(), "{length} of {} bytes", whole.len());
            assert!(seen.insert(look(&source())), "{length} bytes look as others did");
        }
    }
}
