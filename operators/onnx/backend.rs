//! Which back-end runs the models. This is decided once, at the start, and reported.

use std::fmt;
use std::str::FromStr;

use super::device::{Device, SessionDevice};
use super::folder::{Model, Precision};
use super::ort::{self, Library};
use super::{OnnxError, rten};
use crate::pixels::UnknownName;

/// The embedded back-end's numerics class: part of every stamp of an answer that it computes. Raise it where answers change
/// beyond rounding: with a version of rten that computes an operator otherwise, or with what `respell` and `fold` make of a graph.
/// What was remembered under the class before is then asked again.
pub(crate) const EMBEDDED_NUMERICS: u32 = 1;

/// Likewise of ONNX Runtime, of whatever version is found on the machine.
pub(crate) const ONNXRUNTIME_NUMERICS: u32 = 1;

/// What the user asked for: `--backend auto | onnxruntime | embedded`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendChoice {
    /// ONNX Runtime where a library is found, else the embedded one.
    #[default]
    Auto,
    OnnxRuntime,
    Embedded,
}

impl FromStr for BackendChoice {
    type Err = OnnxError;

    fn from_str(text: &str) -> Result<Self, OnnxError> {
        match text {
            "auto" => Ok(BackendChoice::Auto),
            "onnxruntime" => Ok(BackendChoice::OnnxRuntime),
            "embedded" => Ok(BackendChoice::Embedded),
            _ => Err(OnnxError::Usage(UnknownName {
                what: "--backend",
                found: text.to_string(),
                allowed: "auto, onnxruntime or embedded",
            })),
        }
    }
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackendChoice::Auto => "auto",
            BackendChoice::OnnxRuntime => "onnxruntime",
            BackendChoice::Embedded => "embedded",
        })
    }
}

/// The back-end that was found, and the devices that it may use.
#[derive(Clone, Debug)]
pub struct Backend {
    pub(super) runtime: Runtime,
    device: Device,
    /// Why the embedded back-end was taken where any would have done.
    why_embedded: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Runtime {
    OnnxRuntime(&'static Library),
    Embedded,
}

impl Backend {
    /// Finds the back-end. Looking for the library happens once a process; later calls only choose again.
    pub fn find(choice: BackendChoice, device: Device) -> Result<Self, OnnxError> {
        let found = |library| Backend {
            runtime: Runtime::OnnxRuntime(library),
            device: device.clone(),
            why_embedded: None,
        };
        let embedded = |why| Backend { runtime: Runtime::Embedded, device: Device::Cpu, why_embedded: why };
        match (choice, &device) {
            (BackendChoice::Embedded, Device::Cpu) => Ok(embedded(None)),
            (BackendChoice::Embedded, gpu) => Err(OnnxError::Device {
                device: gpu.to_string(),
                why: "the embedded back-end runs on the CPU only; take --backend onnxruntime with an onnxruntime-gpu \
                      library, or --device cpu"
                    .to_string(),
            }),
            (BackendChoice::OnnxRuntime, _) | (BackendChoice::Auto, Device::Cuda(_) | Device::TensorRt(_)) => {
                ort::library().map(found)
            }
            // A library that the user named and that is broken is an error; one that just happens to lie around isn't.
            (BackendChoice::Auto, Device::Cpu) => match ort::library() {
                Ok(library) => Ok(found(library)),
                Err(error) if ort::was_named() => Err(error),
                Err(OnnxError::NoLibrary { .. }) => Ok(embedded(Some("no ONNX Runtime library was found".to_string()))),
                Err(error) => Ok(embedded(Some(error.to_string()))),
            },
        }
    }

    /// For people: the runtime, its version and where it was found, and why it isn't ONNX Runtime where it isn't.
    pub fn description(&self) -> String {
        match (&self.runtime, &self.why_embedded) {
            (Runtime::OnnxRuntime(library), _) => {
                format!("ONNX Runtime {} on {} ({})", library.version, self.device, library.path.display())
            }
            (Runtime::Embedded, None) => format!("embedded ({})", rten::VERSION),
            (Runtime::Embedded, Some(why)) => format!("embedded ({}): {why}", rten::VERSION),
        }
    }

    /// The runtime and its precision class, for graphs of single precision. TensorRT multiplies in TF32, with 10 bits of mantissa,
    /// and ort has no switch for that; on CUDA it is off.
    pub(crate) fn stamp_class(&self) -> &'static str {
        match (&self.runtime, &self.device) {
            (Runtime::OnnxRuntime(_), Device::TensorRt(_)) => "tensorrt/tf32",
            (Runtime::OnnxRuntime(_), _) => "onnxruntime/f32",
            (Runtime::Embedded, _) => "rten/f32",
        }
    }

    /// The class for an operator that runs these graphs: that of [`stamp_class`](Self::stamp_class), but `f16` where one of
    /// them computes in halves. The embedded back-end widens those to f32 when it loads them.
    pub(crate) fn precision_class<'a>(&self, models: impl IntoIterator<Item = &'a Model>) -> &'static str {
        let halves = models.into_iter().any(|model| model.precision() == Precision::F16);
        match (&self.runtime, &self.device) {
            (Runtime::OnnxRuntime(_), Device::TensorRt(_)) if halves => "tensorrt/f16",
            (Runtime::OnnxRuntime(_), _) if halves => "onnxruntime/f16",
            _ => self.stamp_class(),
        }
    }

    /// For the stamp of an operator that runs these graphs: its [`precision_class`](Self::precision_class) and the numerics class.
    /// Never the device's number, and not the version of the back-end: the same graph in the same precision differs between
    /// versions by rounding only, and where it doesn't, [`EMBEDDED_NUMERICS`] or [`ONNXRUNTIME_NUMERICS`] is raised.
    pub(crate) fn stamp_class_for<'a>(&self, models: impl IntoIterator<Item = &'a Model>) -> String {
        let numerics = match &self.runtime {
            Runtime::OnnxRuntime(_) => ONNXRUNTIME_NUMERICS,
            Runtime::Embedded => EMBEDDED_NUMERICS,
        };
        format!("{}; numerics={numerics}", self.precision_class(models))
    }

    /// Whether models run on GPUs.
    pub(crate) fn on_gpu(&self) -> bool {
        self.device != Device::Cpu
    }

    /// The single devices that sessions may be opened on.
    pub fn places(&self) -> Vec<SessionDevice> {
        self.device.places()
    }
}
