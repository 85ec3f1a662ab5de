//! Sessions: a loaded model on one device, run by one thread at a time.

use threshflow::shard::guarded;

use super::backend::{Backend, Runtime};
use super::contract::Feed;
use super::device::SessionDevice;
use super::folder::Model;
use super::graph::{Port, Signature};
use super::ort::OrtRunner;
use super::rten::RtenRunner;
use super::{OnnxError, contract, memory};

/// An input: a shape and the caller's own memory, row-major.
///
/// `F32` is narrowed where the graph takes halves (beyond 65504 they are infinite), and `I64` where it takes 32 bits.
#[derive(Clone, Copy, Debug)]
pub enum TensorIn<'a> {
    F32 { shape: &'a [usize], data: &'a [f32] },
    I64 { shape: &'a [usize], data: &'a [i64] },
    U8 { shape: &'a [usize], data: &'a [u8] },
}

/// An output, row-major. Halves come as f32; smaller integers and truth values (0 or 1) as i64.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorOut {
    pub name: String,
    pub shape: Vec<usize>,
    pub data: TensorData,
}

/// The numbers of an output.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    F32(Vec<f32>),
    I64(Vec<i64>),
}

impl TensorOut {
    /// The numbers, where they are floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            TensorData::F32(data) => Some(data),
            TensorData::I64(_) => None,
        }
    }
}

/// What a back-end does for a session.
pub(super) trait Runner: Send {
    /// Runs the graph on what [`contract::check_feeds`] let through.
    fn run(&mut self, inputs: &[Feed<'_>]) -> Result<Vec<TensorOut>, String>;
}

/// A loaded model on one device. Opened for a thread, and kept by it.
pub struct Session {
    model: Model,
    runner: Box<dyn Runner>,
}

impl Session {
    /// Loads `model`. `threads` is how many cores one run may use; it must be one of [`Backend::places`] that it runs on.
    pub fn open(
        model: &Model,
        backend: &Backend,
        place: SessionDevice,
        threads: usize,
    ) -> Result<Self, OnnxError> {
        let threads = threads.max(1);
        model.is_still_there()?;
        let runner: Box<dyn Runner> = match (backend.runtime, place) {
            (Runtime::OnnxRuntime(library), _) => Box::new(OrtRunner::open(library, model, place, threads)?),
            (Runtime::Embedded, SessionDevice::Cpu) => Box::new(RtenRunner::open(model, threads)?),
            (Runtime::Embedded, gpu) => {
                let why =
                    "the embedded back-end runs on the CPU only; take --backend onnxruntime".to_string();
                return Err(OnnxError::Device { device: gpu.to_string(), why });
            }
        };
        // What was read meanwhile is what was hashed, or else no answer may bear its stamp.
        model.is_still_there()?;
        Ok(Session { model: model.clone(), runner })
    }

    /// Names, element types and shapes of what goes in and comes out, as the graph declares them.
    pub fn signature(&self) -> &Signature {
        &self.model.signature
    }

    /// Runs the model on named inputs. Outputs come in the graph's order. [`OnnxError::OutOfMemory`] where a smaller batch may
    /// fit, on a session that is opened anew: this one may keep what it had taken.
    pub fn run(&mut self, inputs: &[(&str, TensorIn<'_>)]) -> Result<Vec<TensorOut>, OnnxError> {
        let path = || self.model.path.clone();
        let feeds = contract::check_feeds(&self.model.signature, inputs)
            .map_err(|why| OnnxError::Run { path: path(), why })?;
        let outputs = self.runner.run(&feeds).map_err(|why| match memory::ran_out(&why) {
            true => OnnxError::OutOfMemory { path: path(), why },
            false => OnnxError::Run { path: path(), why },
        })?;
        // Weights may be mapped: what is written over them is in the answer.
        self.model.is_unwritten()?;
        Ok(outputs)
    }
}

/// Runs what might panic inside a back-end (ort asserts in a few places, rten's integers overflow) and gives its panic as an error.
pub(super) fn quietly<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    guarded(work).unwrap_or_else(Err)
}

/// The integers of an input in 32 bits, or which one has no place there.
pub(super) fn narrowed(port: &Port, data: &[i64]) -> Result<Vec<i32>, String> {
    let narrow = |&value: &i64| {
        i32::try_from(value).map_err(|_| {
            format!("input `{port}` was given {value}, which is beyond the 32 bits that it is run with")
        })
    };
    data.iter().map(narrow).collect()
}

/// How many sessions to open side by side, and with how many threads each, for a model of `model_bytes` on `cores` cores.
///
/// One-thread sessions are steadier and no slower than one session of many threads, but each may hold its own weights: as many
/// as fit into 2 GiB, and the cores shared among those.
///
/// ```
/// use operators::onnx::session_plan;
/// assert_eq!(session_plan(45 << 20, 8), (8, 1));
/// assert_eq!(session_plan(1200 << 20, 8), (1, 8));
/// assert_eq!(session_plan(600 << 20, 8), (3, 2));
/// ```
pub fn session_plan(model_bytes: u64, cores: usize) -> (usize, usize) {
    const BUDGET: u64 = 2 << 30;
    let cores = cores.max(1);
    let that_fit = usize::try_from(BUDGET / model_bytes.max(1)).unwrap_or(usize::MAX);
    let sessions = that_fit.clamp(1, cores);
    (sessions, cores / sessions)
}
