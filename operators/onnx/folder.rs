//! A model folder as on Hugging Face: graphs, their external data beside them and nowhere else, a preprocessor's config.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use threshflow::row::ContentHash;

use super::OnnxError;
use super::demonstration;
use super::graph::{self, Element, Signature};
use super::witness::{GRAPH, Witness};
use crate::pixels::clip_crop::Preprocess;

/// A folder that holds one or several graphs, or one graph that was named by itself.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    root: PathBuf,
    /// The file that the user named, where it was a file.
    named: Option<String>,
}

/// The floats that a graph takes and gives. What it computes with in between is a matter of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    F32,
    /// Half precision: exported so, it is fed from f32 and read as f32, with about three decimal digits in between.
    F16,
}

/// One graph of a folder, looked into and hashed, not loaded.
#[derive(Clone, Debug)]
pub struct Model {
    pub path: PathBuf,
    pub signature: Signature,
    /// Of the graph's bytes, but for a mark that it is a [demonstration](Model::is_demonstration), and of all its external data.
    pub content: ContentHash,
    /// Of the graph and its external data together, in bytes.
    pub bytes: u64,
    /// External data: as the graph names it, and where it lies.
    pub(super) external: BTreeMap<String, PathBuf>,
    pub(super) resizes_cubically: bool,
    /// What whoever exported it wrote beside the graph (ModelProto.metadata_props).
    pub metadata: BTreeMap<String, String>,
    pub(super) witness: Arc<Witness>,
}

impl Model {
    /// Whether the files that the model was read from are still there, with what was hashed.
    pub(super) fn is_still_there(&self) -> Result<(), OnnxError> {
        self.witness.is_still_there()
    }

    /// Whether nobody wrote into those files since.
    pub(super) fn is_unwritten(&self) -> Result<(), OnnxError> {
        self.witness.is_unwritten()
    }

    /// Whether whoever made it marked it as one that demonstrates, and makes nothing to train on.
    pub fn is_demonstration(&self) -> bool {
        self.metadata.contains_key(demonstration::KEY)
    }

    /// Half precision where an input or an output is.
    pub fn precision(&self) -> Precision {
        let mut ports = self.signature.inputs.iter().chain(&self.signature.outputs);
        match ports.any(|port| port.element == Element::F16) {
            true => Precision::F16,
            false => Precision::F32,
        }
    }
}

impl ModelFolder {
    /// Opens a folder, or the folder of one `.onnx` file. Nothing is read yet.
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        let failed = |why: String| OnnxError::Folder { path: path.to_path_buf(), why };
        let kind = std::fs::metadata(path).map_err(|error| {
            failed(format!("{error}; give a folder that holds model.onnx, or an .onnx file"))
        })?;
        if kind.is_dir() {
            return Ok(ModelFolder { root: path.to_path_buf(), named: None });
        }
        let name = path.file_name().and_then(|name| name.to_str());
        match (name, path.extension().and_then(|extension| extension.to_str())) {
            (Some(name), Some("onnx")) => {
                let root =
                    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                Ok(ModelFolder { root: root.to_path_buf(), named: Some(name.to_string()) })
            }
            _ => Err(failed("it is neither a folder nor an .onnx file".to_string())),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name of the file that the user named, where it was a file.
    pub fn named(&self) -> Option<&str> {
        self.named.as_deref()
    }

    /// The first of `names` that is there.
    pub(crate) fn first_of<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().copied().find(|name| self.root.join(name).is_file())
    }

    /// The names of all graphs in the folder, sorted.
    pub fn graphs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.root).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".onnx"))
            .collect();
        names.sort();
        names
    }

    /// The folder's `preprocessor_config.json`, decided; `None` where there is none.
    pub fn preprocess(&self) -> Result<Option<Preprocess>, OnnxError> {
        let failed = |why: String| OnnxError::Folder { path: self.root.clone(), why };
        let text = self.preprocessor_config()?;
        text.map(|text| Preprocess::from_json(&text).map_err(|error| failed(error.to_string()))).transpose()
    }

    /// The folder's `preprocessor_config.json` as it is; `None` where there is none.
    pub fn preprocessor_config(&self) -> Result<Option<Vec<u8>>, OnnxError> {
        const NAME: &str = "preprocessor_config.json";
        match std::fs::read(self.root.join(NAME)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OnnxError::Folder { path: self.root.clone(), why: format!("{NAME}: {error}") }),
        }
    }

    /// Looks into one graph of the folder, checks where its external data lies, and hashes both.
    pub fn model(&self, name: &str) -> Result<Model, OnnxError> {
        let path = self.root.join(name);
        let failed = |why: String| OnnxError::Model { path: path.clone(), why };
        let seen = graph::look(&path).map_err(failed)?;
        let mut external = BTreeMap::new();
        for location in &seen.locations {
            external.insert(location.clone(), self.beside(location).map_err(failed)?);
        }
        let mut files = vec![(GRAPH.to_string(), path.clone())];
        files.extend(external.iter().map(|(location, file)| (location.clone(), file.clone())));
        let witness = Witness::of(files).map_err(|(name, error)| match external.contains_key(&name) {
            true => failed(format!("external data `{name}`: {error}")),
            false => failed(error.to_string()),
        })?;
        // What was looked at before it was opened to be hashed could be another file.
        if graph::look(&path).map_err(failed)? != seen {
            return Err(OnnxError::Changed { path });
        }
        Ok(Model {
            path,
            signature: seen.signature,
            content: witness.content,
            bytes: witness.bytes,
            external,
            resizes_cubically: seen.resizes_cubically,
            metadata: seen.metadata,
            witness: Arc::new(witness),
        })
    }

    /// Where a graph's external data lies: a plain file in this very folder, or a refusal.
    fn beside(&self, location: &str) -> Result<PathBuf, String> {
        let parts: Vec<Component<'_>> = Path::new(location).components().collect();
        let [Component::Normal(name)] = parts[..] else {
            return Err(format!(
                "its external data is `{location}`: only a file beside the graph may be named; move it there and export again"
            ));
        };
        let path = self.root.join(name);
        match std::fs::symlink_metadata(&path) {
            Ok(kind) if kind.is_file() => Ok(path),
            Ok(_) => Err(format!(
                "its external data `{location}` is a link or no file; copy the file itself into the folder (cp -L)"
            )),
            Err(error) => Err(format!(
                "its external data `{location}` can't be read: {error}; it belongs beside the graph"
            )),
        }
    }
}
