//! The only room for ONNX: model folders, the back-end that runs them, sessions. Nothing else in the crate knows ort or rten.
//!
//! There are two back-ends behind [`Session`]: the real ONNX Runtime, loaded from a library that the machine has, and rten, which is
//! compiled in and needs nothing. [`Backend::find`] decides once which one runs, and this never changes silently. If the user asked for a
//! back-end or a device that cannot be had, this is an error.
//!
//! An operator opens its [`Model`]s, checks them with [`Model::fit`], and takes sessions from a [`SessionPool`]. The pool opens them by a
//! [`SessionPlan`], warms them up on GPUs, and halves a batch whose memory ran out. Numbers go in and come out as f32 and i64, whatever the
//! graph's own width is. Half precision has a stamp class of its own (`Backend::stamp_class_for`).
//!
//! What the embedded back-end is known to compute wrong is refused when a session opens (`screen`, `rules`) or rewritten first (`respell`,
//! `fold`). When a session opens, a model's files must be the ones that were hashed, and they must stay unwritten (`witness`).

mod backend;
mod bound;
mod constant;
mod contract;
mod cubic;
mod demonstration;
mod device;
mod find;
mod fold;
mod folder;
mod graph;
mod memory;
mod node;
mod ort;
mod pool;
mod respell;
mod rten;
mod rules;
mod screen;
mod session;
mod shared;
mod sizes;
mod wire;
mod witness;

use std::path::PathBuf;

use crate::pixels::UnknownName;

pub use backend::{Backend, BackendChoice};
pub use contract::{Axis, Wanted};
pub use demonstration::demonstration;
pub use device::{Device, SessionDevice};
pub use folder::{Model, ModelFolder, Precision};
pub use graph::{Element, Port, Signature};
pub use pool::{Pooled, SessionPlan, SessionPool};
pub use session::{Session, TensorData, TensorIn, TensorOut, session_plan};
pub use shared::SharedPool;

/// What can go wrong between a model's folder and its answer.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// ONNX Runtime was asked for, or is needed for a device, and no library of it was found.
    #[error(
        "no ONNX Runtime library was found ({tried}); `pip install onnxruntime` (or onnxruntime-gpu) in the active Python, \
         or set ORT_DYLIB_PATH to libonnxruntime.so, or run with --backend embedded"
    )]
    NoLibrary { tried: String },
    /// A library was found, or named, and can't be used.
    #[error("the ONNX Runtime library {path} can't be used: {why}; ONNX Runtime {least} or later is needed, or run with --backend embedded", path = path.display())]
    Library { path: PathBuf, why: String, least: &'static str },
    #[error("--device {device} can't be had: {why}")]
    Device { device: String, why: String },
    /// A word on the command line that means nothing.
    #[error(transparent)]
    Usage(#[from] UnknownName),
    #[error("model folder {path}: {why}", path = path.display())]
    Folder { path: PathBuf, why: String },
    /// The graph can't be read, or the back-end refuses it.
    #[error("model {path}: {why}", path = path.display())]
    Model { path: PathBuf, why: String },
    /// A model's file is not what was hashed when the run began.
    #[error(
        "model file {path} was replaced or written over while it was in use; run again, and questions are asked of the file that is \
         there now", path = path.display()
    )]
    Changed { path: PathBuf },
    /// The graph is sound, but isn't what its operator needs.
    #[error("model {path} doesn't fit: wanted {wanted}; found {found}", path = path.display())]
    Contract { path: PathBuf, wanted: String, found: String },
    #[error("running {path}: {why}", path = path.display())]
    Run { path: PathBuf, why: String },
    /// A run wanted more memory than the device has left: fewer at once may fit.
    #[error("running {path}: {why}; let other work on that device end, or take a smaller model", path = path.display())]
    OutOfMemory { path: PathBuf, why: String },
}

#[cfg(test)]
pub(crate) mod tests;
