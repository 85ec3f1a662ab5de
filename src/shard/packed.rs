//! Small files of the store: four letters that say what it is, the format's version, the CRC-32 of the rest, then zstd.

const HEAD: usize = 12;

/// What a file is of, and in which version.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) magic: [u8; 4],
    pub(super) version: u32,
}

impl Kind {
    /// A file of this.
    pub(super) fn pack(self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        let packed = zstd::bulk::compress(plain, 3)?;
        let mut file = Vec::with_capacity(HEAD + packed.len());
        file.extend_from_slice(&self.magic);
        file.extend_from_slice(&self.version.to_le_bytes());
        file.extend_from_slice(&crc32fast::hash(&packed).to_le_bytes());
        file.extend_from_slice(&packed);
        Ok(file)
    }

    /// What was packed, if the file is whole and of this version.
    pub(super) fn unpack(self, file: &[u8]) -> Option<Vec<u8>> {
        if self.version_of(file)? != self.version {
            return None;
        }
        zstd::stream::decode_all(file.get(HEAD..)?).ok()
    }

    /// The version of a file whose bytes are as they were written, whatever is in them.
    pub(super) fn version_of(self, file: &[u8]) -> Option<u32> {
        let (head, packed) = file.split_at_checked(HEAD)?;
        let is_sound = head[..4] == self.magic && head[8..] == crc32fast::hash(packed).to_le_bytes();
        let version = head[4..8].try_into().map(u32::from_le_bytes).ok()?;
        is_sound.then_some(version)
    }
}
