//! `manifest.json`: the one file that says what a folder of parts holds. A file that it does not name is not published.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::names::part_name;
use super::origins::OriginCounts;
use super::{Demonstration, DialSetting, FORMAT, PublishError, StageDescription, Wanted};
use crate::row::{ContentHash, Of};

/// The file's name, in `out` and in an export alike.
pub(super) const MANIFEST: &str = "manifest.json";
/// What [`Manifest::format`] says.
pub(super) const PUBLISHED_FORMAT: &str = "threshflow published set";

/// What `out` holds, and what it is a function of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `threshflow published set`.
    pub format: String,
    /// Of the files' layout and bytes: raised where either changes.
    pub version: u32,
    /// The file ends in a hash of all the rest of it; not so before there were such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
    /// The pipeline's name.
    pub pipeline: String,
    /// The columns of scores, in order.
    pub score_columns: Vec<String>,
    /// What is published of regions, where the pipeline has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<PublishedPieces>,
    /// What is published of edits, where the pipeline makes some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits: Option<PublishedPieces>,
    /// The stages that were there to demonstrate: what they made of these pictures is not for training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demonstration: Vec<Demonstration>,
    /// The folders that pictures lie loose in, where some do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<PicturesFolder>,
    /// Where the dials stood.
    pub dials: Vec<PublishedDial>,
    /// The pipeline's stages, in the order of their wiring.
    pub stages: Vec<PublishedStage>,
    /// The files of rows, sorted by shard, data before rejected.
    pub parts: Vec<Part>,
    /// The files beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// A folder of loose pictures: `picture` in a row of its shards is a path below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PicturesFolder {
    /// The shard's name; of a folder that is in parts, what stands before `/1-of-16`.
    pub shard: String,
    /// The folder as it was named.
    pub folder: String,
}

/// A file beside the parts: the card, the counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Path below the folder of the manifest.
    pub file: String,
    /// Its length, in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes, the first 16, as 32 hex digits.
    pub hash: String,
}

impl Note {
    pub(super) fn of((file, bytes): &(&'static str, Vec<u8>)) -> Self {
        let hash = ContentHash::of(bytes).to_string();
        Note { file: (*file).to_owned(), bytes: bytes.len() as u64, hash }
    }
}

/// A dial as it stood when the set was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedDial {
    /// The dial's name, as `--set` takes it. A dial by group has one of these for each group: `follows[remove]`.
    pub name: String,
    /// `px`, `0 to 10`.
    pub unit: String,
    /// `>`, `>=`, `<`, `<=`: a row passed where `score comparison value`.
    pub comparison: String,
    /// Where it stood.
    pub value: f32,
    /// The share that the value was resolved from, where it was set by share: `top:30%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// What labels said of it there, where there were some: `precision 0.97 [0.93, 0.99] by 84 labels`, with an interval of 95 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Where it stands if nobody turns it.
    pub default: f32,
    /// What it is about, in a sentence.
    pub about: String,
}

/// How regions or edits are published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPieces {
    /// The scores of a kept one, in order.
    pub score_columns: Vec<String>,
    /// The stamp of all that shaped the pictures' records, as 32 hex digits.
    pub recorder: String,
}

/// A stage of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PublishedStage {
    /// Where rows come from.
    Probe,
    /// A question, and the stamp of all that shaped its answers.
    Ask {
        /// The stage's name.
        name: String,
        /// What it was asked about.
        #[serde(default, skip_serializing_if = "is_of_pictures")]
        of: Of,
        /// As 32 hex digits.
        stamp: String,
        /// The model, in words.
        model: String,
    },
    /// Where edits are chosen.
    Choose {
        /// The stage's name.
        name: String,
    },
    /// A gate.
    Gate {
        /// The dial that it stands at.
        dial: String,
        /// What it held back.
        #[serde(default, skip_serializing_if = "is_of_pictures")]
        of: Of,
        /// Whether it held back nothing, since its score was absent.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        open: bool,
    },
    /// A stage that the run did without.
    Absent {
        /// The columns that are NaN for it.
        columns: Vec<String>,
        /// What has these columns.
        #[serde(default, skip_serializing_if = "is_of_pictures")]
        of: Of,
    },
}

/// Manifests say nothing of it where a stage is about pictures, as most are.
fn is_of_pictures(of: &Of) -> bool {
    *of == Of::Pictures
}

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Kept rows, as parquet.
    Data,
    /// Gated and refused rows, as parquet.
    Rejected,
    /// The files of kept rows, as a tar.
    Tar,
    /// The records of kept rows, as a tar of JSON files.
    Records,
    /// Regions that are not published with a picture, as parquet.
    RegionsRejected,
    /// The edits of kept pictures, as parquet.
    Edits,
    /// Edits that are not published with a picture, as parquet.
    EditsRejected,
}

impl PartKind {
    /// Where parts of this kind lie, below the folder of the manifest; `""` is that folder itself.
    pub(super) fn folder(self) -> &'static str {
        match self {
            PartKind::Data => "data",
            PartKind::Rejected => "rejected",
            PartKind::Tar => "",
            PartKind::Records => "jsons",
            PartKind::RegionsRejected => "regions_rejected",
            PartKind::Edits => "edits",
            PartKind::EditsRejected => "edits_rejected",
        }
    }

    /// How the names of their files end.
    pub(super) fn extension(self) -> &'static str {
        match self {
            PartKind::Data
            | PartKind::Rejected
            | PartKind::RegionsRejected
            | PartKind::Edits
            | PartKind::EditsRejected => "parquet",
            PartKind::Tar | PartKind::Records => "tar",
        }
    }

    /// The path of a part, below the folder of the manifest.
    pub(super) fn file(self, shard: &str, digest: ContentHash) -> String {
        let name = part_name(shard, digest, self.extension());
        if self.folder().is_empty() { name } else { format!("{}/{name}", self.folder()) }
    }
}

/// A file of rows, all from one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The shard's name.
    pub shard: String,
    /// The shard's fingerprint, as 32 hex digits.
    pub fingerprint: String,
    /// What the part holds.
    pub kind: PartKind,
    /// Path below the folder of the manifest.
    pub file: String,
    /// Of the rows that the part is a function of.
    pub digest: String,
    /// How many rows (samples or records, in a tar) it holds.
    pub rows: u64,
    /// The length of the file: a file of another length is written anew.
    pub bytes: u64,
    /// BLAKE3 of the file's bytes, the first 16, as 32 hex digits: a file of another hash is written anew. Not there in what was
    /// published before there were such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// In an export: the digest of the data part that the tar follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// Of kept pictures: what their sidecars say of where they come from, counted. Not there where they say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<OriginCounts>,
}

impl Manifest {
    pub(super) fn of(
        wanted: &Wanted<'_>,
        folders: Vec<PicturesFolder>,
        parts: &[Part],
        notes: Vec<Note>,
    ) -> Self {
        Manifest {
            format: PUBLISHED_FORMAT.to_owned(),
            version: FORMAT,
            sealed: true,
            pipeline: wanted.pipeline.to_owned(),
            score_columns: wanted.score_columns.iter().map(|&name| name.to_owned()).collect(),
            regions: PublishedPieces::of(wanted, Of::Regions),
            edits: PublishedPieces::of(wanted, Of::Edits),
            demonstration: wanted.demonstration.to_vec(),
            folders,
            dials: wanted.dials.iter().map(PublishedDial::from).collect(),
            stages: wanted.stages.iter().map(PublishedStage::from).collect(),
            parts: parts.to_vec(),
            notes,
        }
    }

    /// The dial of that name.
    pub fn dial(&self, name: &str) -> Option<&PublishedDial> {
        self.dials.iter().find(|dial| dial.name == name)
    }
}

impl From<&DialSetting> for PublishedDial {
    fn from(dial: &DialSetting) -> Self {
        PublishedDial {
            name: dial.name.to_owned(),
            unit: dial.unit.to_owned(),
            comparison: dial.comparison.to_owned(),
            value: dial.value,
            share: dial.share.clone(),
            labels: dial.labels.clone(),
            default: dial.default,
            about: dial.about.to_owned(),
        }
    }
}

impl PublishedPieces {
    fn of(wanted: &Wanted<'_>, of: Of) -> Option<Self> {
        let pieces = wanted.pieces.as_ref()?;
        let score_columns = pieces.score_columns(of)?;
        Some(PublishedPieces {
            score_columns: score_columns.iter().map(|&name| name.to_owned()).collect(),
            recorder: pieces.recorder.stamp().to_string(),
        })
    }
}

impl From<&StageDescription> for PublishedStage {
    fn from(stage: &StageDescription) -> Self {
        match stage {
            StageDescription::Probe => PublishedStage::Probe,
            StageDescription::Ask { name, of, stamp, model } => PublishedStage::Ask {
                name: (*name).to_owned(),
                of: *of,
                stamp: stamp.to_string(),
                model: model.clone(),
            },
            StageDescription::Choose { name } => PublishedStage::Choose { name: (*name).to_owned() },
            StageDescription::Gate { dial, of, open } => {
                PublishedStage::Gate { dial: (*dial).to_owned(), of: *of, open: *open }
            }
            StageDescription::Absent { columns, of } => PublishedStage::Absent {
                columns: columns.iter().map(|column| (*column).to_owned()).collect(),
                of: *of,
            },
        }
    }
}

/// What the manifest in `out` says, or `None` where nothing has been published there yet.
pub fn read_manifest(out: &Path) -> Result<Option<Manifest>, PublishError> {
    read(out, PUBLISHED_FORMAT, FORMAT)
}

/// Where the dials stood when `out` was published, or `None` where nothing has been published there yet.
pub(crate) fn dials_of(out: &Path) -> Result<Option<Vec<PublishedDial>>, PublishError> {
    Ok(read_manifest(out)?.map(|manifest| manifest.dials))
}

/// What `manifest.json` below `folder` says, if there is one, and if it is of `format` and of a version that is `known` or older.
pub(super) fn read<M: serde::de::DeserializeOwned>(
    folder: &Path,
    format: &str,
    known: u32,
) -> Result<Option<M>, PublishError> {
    #[derive(Deserialize)]
    struct Header {
        format: String,
        version: u32,
    }
    let path = folder.join(MANIFEST);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PublishError::io("read", &path)(error)),
    };
    let damaged = |error: serde_json::Error| PublishError::DamagedManifest {
        path: path.clone(),
        why: error.to_string(),
    };
    let header: Option<Header> = serde_json::from_slice(&text).ok();
    // The mark says whose the folder is, whatever became of the manifest.
    let marked = || super::parts::is_marked(folder, format);
    let of_another = || match marked() {
        true => PublishError::DamagedManifest { path: path.clone(), why: "it is none of a set".to_owned() },
        false => PublishError::NotOurs {
            path: folder.to_owned(),
            found: MANIFEST.to_owned(),
            format: format.to_owned(),
        },
    };
    match header {
        // A manifest cut short by a failing disk still begins as ours do; another's file does not.
        None if !String::from_utf8_lossy(&text).contains(&format!("\"format\": \"{format}\"")) => {
            Err(of_another())
        }
        Some(header) if header.format != format => Err(of_another()),
        Some(header) if header.version > known => {
            Err(PublishError::NewerFormat { path, version: header.version, known })
        }
        _ if !super::seal_holds(&text) => Err(PublishError::DamagedManifest {
            path,
            why: "its bytes are not those that were written".to_owned(),
        }),
        _ => serde_json::from_slice(&text).map(Some).map_err(damaged),
    }
}

/// As our JSON files are laid out: indented, with a newline at the end; sealed where they say so.
pub(super) fn json_file(value: &impl Serialize) -> Result<Vec<u8>, PublishError> {
    super::sealed(value).map_err(|error| PublishError::Other(error.to_string()))
}

/// The hash that 32 hex digits stand for.
pub(super) fn hash_of_hex(text: &str) -> Option<ContentHash> {
    let mut hash = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(ContentHash(hash))
}
