//! The real ONNX Runtime, through the `ort` crate and a library that is loaded when it is first needed.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::OnceLock;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::environment::Environment;
use ort::ep;
use ort::logging::LogLevel;
use ort::memory::AllocationDevice;
use ort::session::{Session, SessionInputValue};
use ort::value::{
    DynTensorValueType, DynValue, PrimitiveTensorElementType, Tensor, TensorElementType, TensorRef, ValueType,
};

use super::OnnxError;
use super::bound::{self, Bound};
use super::contract::Feed;
use super::device::SessionDevice;
use super::find;
use super::folder::Model;
use super::graph::Element;
use super::session::{Runner, TensorData, TensorIn, TensorOut, narrowed, quietly};

/// The oldest library that the crate's `api-20` feature takes.
const LEAST: &str = "1.20";

/// The library in use: one a process, for ever.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) path: PathBuf,
    /// As the library gives it: `1.32.0`.
    pub(super) version: String,
    environment: Environment,
}

/// Whether the user named a library.
pub(super) fn was_named() -> bool {
    find::named().is_some()
}

/// Looks for a library and loads it, the first time; afterwards gives what was found.
pub(super) fn library() -> Result<&'static Library, OnnxError> {
    static LIBRARY: OnceLock<Result<Library, Missing>> = OnceLock::new();
    LIBRARY.get_or_init(load_any).as_ref().map_err(Missing::error)
}

/// Why there is no library, kept to be told again.
struct Missing {
    tried: String,
    /// The first library that was there and couldn't be used.
    broken: Option<(PathBuf, String)>,
}

impl Missing {
    fn error(&self) -> OnnxError {
        match &self.broken {
            Some((path, why)) => OnnxError::Library { path: path.clone(), why: why.clone(), least: LEAST },
            None => OnnxError::NoLibrary { tried: self.tried.clone() },
        }
    }
}

fn load_any() -> Result<Library, Missing> {
    let candidates = find::candidates();
    let mut broken = None;
    for path in candidates.paths {
        match load(&path) {
            Ok(library) => return Ok(library),
            Err(why) => broken = broken.or(Some((path, why))),
        }
    }
    Err(Missing { tried: candidates.tried, broken })
}

fn load(path: &Path) -> Result<Library, String> {
    // Asked first, because ort asserts what this finds out.
    let version = version_of(path)?;
    let environment = quietly(|| {
        let builder = ort::init_from(path).map_err(|error| error.to_string())?;
        let environment =
            builder.with_name("threshflow").with_telemetry(false).build().map_err(|e| e.to_string())?;
        environment.set_log_level(LogLevel::Error);
        Ok(environment)
    })?;
    Ok(Library { path: path.to_path_buf(), version, environment })
}

/// Loads the library and asks it for its version, through the one function that every release exports.
fn version_of(path: &Path) -> Result<String, String> {
    let c_path =
        CString::new(path.as_os_str().as_bytes()).map_err(|_| "a path with a zero byte".to_string())?;
    // SAFETY: dlopen and dlsym with valid C strings; the library is never closed, so its functions and strings stay. The
    // layout of OrtApiBase is the C header's, and has not changed since ONNX Runtime 1.0.
    unsafe {
        let handle = libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        if handle.is_null() {
            let why = libc::dlerror();
            let text =
                if why.is_null() { "dlopen failed".into() } else { CStr::from_ptr(why).to_string_lossy() };
            return Err(text.into_owned());
        }
        let symbol = libc::dlsym(handle, c"OrtGetApiBase".as_ptr());
        if symbol.is_null() {
            return Err("it has no OrtGetApiBase, so it is no ONNX Runtime".to_string());
        }
        let base_of: unsafe extern "C" fn() -> *const ort::sys::OrtApiBase = std::mem::transmute(symbol);
        let base = base_of();
        if base.is_null() {
            return Err("its OrtGetApiBase gives nothing".to_string());
        }
        let version = ((*base).GetVersionString)();
        if version.is_null() || ((*base).GetApi)(ort::sys::ORT_API_VERSION).is_null() {
            let version =
                if version.is_null() { "unknown".into() } else { CStr::from_ptr(version).to_string_lossy() };
            return Err(format!("its version is {version}"));
        }
        Ok(CStr::from_ptr(version).to_string_lossy().into_owned())
    }
}

/// A session of ONNX Runtime.
pub(super) struct OrtRunner {
    /// On a GPU: what inputs and outputs go through. On a CPU the session reads the caller's memory where it lies.
    bound: Option<Bound>,
    session: Session,
}

impl OrtRunner {
    pub(super) fn open(
        library: &Library,
        model: &Model,
        place: SessionDevice,
        threads: usize,
    ) -> Result<Self, OnnxError> {
        let path = model.path.clone();
        let result = quietly(|| {
            let text = |error: ort::Error<_>| ort::Error::<()>::from(error).to_string();
            let mut builder = Session::builder(&library.environment)
                .map_err(|error| error.to_string())?
                .with_intra_threads(threads)
                .map_err(text)?
                .with_inter_threads(1)
                .map_err(text)?
                // A thread that spins while it waits takes the core that the decoder needs.
                .with_intra_op_spinning(false)
                .map_err(text)?;
            if place != SessionDevice::Cpu {
                let text = |error| format!("{DEVICE_FAILED}{}", ort::Error::<()>::from(error));
                builder = builder.with_execution_providers(providers(place)).map_err(text)?;
            }
            let session = builder.commit_from_file(&model.path).map_err(|error| error.to_string())?;
            let bound = match place {
                SessionDevice::Cpu => None,
                SessionDevice::Cuda(gpu) | SessionDevice::TensorRt(gpu) => Some(
                    bound::page_locked(&session, gpu)
                        .and_then(|memory| Bound::new(&session, memory))
                        .map_err(|why| format!("{DEVICE_FAILED}{why}"))?,
                ),
            };
            Ok(OrtRunner { bound, session })
        });
        match result {
            Ok(runner) => Ok(runner),
            Err(why) => Err(match why.strip_prefix(DEVICE_FAILED) {
                Some(why) => OnnxError::Device {
                    device: place.to_string(),
                    why: format!(
                        "ONNX Runtime {} ({}) says: {why}; the onnxruntime-gpu wheel with its [cuda,cudnn] extras has what is \
                         needed, or take --device cpu",
                        library.version,
                        library.path.display()
                    ),
                },
                None => OnnxError::Model { path, why },
            }),
        }
    }
}

/// For tests, which have no GPU.
#[cfg(test)]
impl OrtRunner {
    /// Binds the session to `memory` as it is to page-locked memory on a GPU.
    pub(super) fn bind_to(&mut self, memory: ort::memory::Allocator) -> Result<(), String> {
        self.bound = Some(Bound::new(&self.session, memory)?);
        Ok(())
    }

    pub(super) fn bound(&self) -> Option<&Bound> {
        self.bound.as_ref()
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}

const DEVICE_FAILED: &str = "device: ";

/// Each may refuse to start, and then nothing else takes its place. What TensorRT leaves over, CUDA runs.
fn providers(place: SessionDevice) -> Vec<ep::ExecutionProviderDispatch> {
    // TF32 would be a precision class of its own.
    let cuda = |index: u32| ep::CUDA::default().with_device_id(index as i32).with_tf32(false).build();
    let tensorrt = |index: u32| ep::TensorRT::default().with_device_id(index as i32).build();
    let wanted = match place {
        SessionDevice::Cpu => vec![],
        SessionDevice::Cuda(index) => vec![cuda(index)],
        SessionDevice::TensorRt(index) => vec![tensorrt(index), cuda(index)],
    };
    wanted.into_iter().map(|provider| provider.error_on_failure()).collect()
}

impl Runner for OrtRunner {
    fn run(&mut self, inputs: &[Feed<'_>]) -> Result<Vec<TensorOut>, String> {
        if let Some(bound) = &mut self.bound {
            return quietly(|| bound.run(&mut self.session, inputs));
        }
        let mut feeds: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (port, tensor) in inputs {
            feeds.push((&port.name, feed((port, *tensor))?));
        }
        let outputs = self.session.run(feeds).map_err(|error| error.to_string())?;
        outputs.iter().map(|(name, value)| read(name, &value)).collect()
    }
}

/// A view of the caller's memory: nothing is copied, but where the graph's numbers are narrower.
fn feed<'a>((port, tensor): Feed<'a>) -> Result<SessionInputValue<'a>, String> {
    match (tensor, port.element) {
        (TensorIn::F32 { shape, data }, Element::F16) => {
            let mut halves = vec![f16::ZERO; data.len()];
            halves.convert_from_f32_slice(data);
            Tensor::from_array((shape.to_vec(), halves)).map(Into::into)
        }
        (TensorIn::I64 { shape, data }, Element::I32) => {
            Tensor::from_array((shape.to_vec(), narrowed(port, data)?)).map(Into::into)
        }
        (TensorIn::F32 { shape, data }, _) => TensorRef::from_array_view((shape, data)).map(Into::into),
        (TensorIn::I64 { shape, data }, _) => TensorRef::from_array_view((shape, data)).map(Into::into),
        (TensorIn::U8 { shape, data }, _) => TensorRef::from_array_view((shape, data)).map(Into::into),
    }
    .map_err(|error| error.to_string())
}

/// An output in the caller's own numbers.
pub(super) fn read(name: &str, value: &DynValue) -> Result<TensorOut, String> {
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return Err(format!("output `{name}` is no tensor"));
    };
    let data = match ty {
        TensorElementType::Float32 => TensorData::F32(numbers::<f32>(value)?.to_vec()),
        TensorElementType::Float16 => TensorData::F32(numbers::<f16>(value)?.to_f32_vec()),
        TensorElementType::Int64 => TensorData::I64(numbers::<i64>(value)?.to_vec()),
        TensorElementType::Int32 => TensorData::I64(widened(numbers::<i32>(value)?)),
        TensorElementType::Uint8 => TensorData::I64(widened(numbers::<u8>(value)?)),
        TensorElementType::Bool => TensorData::I64(widened(numbers::<bool>(value)?)),
        other => {
            return Err(format!(
                "output `{name}` holds {other:?}, and only f32, f16, i64, i32, u8 and bool are read"
            ));
        }
    };
    Ok(TensorOut { name: name.to_string(), shape: shape.iter().map(|&d| d as usize).collect(), data })
}

/// The numbers of a tensor that the CPU can read where it lies. (ort's own view takes page-locked memory for a device's.)
fn numbers<T: PrimitiveTensorElementType>(value: &DynValue) -> Result<&[T], String> {
    let tensor = value.view().downcast::<DynTensorValueType>().map_err(|error| error.to_string())?;
    let lies_in = tensor.memory_info().allocation_device();
    if ![AllocationDevice::CPU, AllocationDevice::CUDA_PINNED].contains(&lies_in) {
        return Err(format!("an output was left in the memory of {}", lies_in.as_str()));
    }
    let wanted = T::into_tensor_element_type();
    if *tensor.data_type() != wanted {
        return Err(format!("an output of {} was to be read as {wanted}", tensor.data_type()));
    }
    let (start, length) = (tensor.data_ptr().cast::<T>(), tensor.shape().num_elements());
    if length == 0 {
        return Ok(&[]);
    }
    if start.is_null() {
        return Err(format!("an output of {length} numbers has no memory"));
    }
    // SAFETY: the tensor is of this type and holds so many, in memory that the CPU can read. The runtime wrote them all, has
    // been waited for, and leaves them alone for as long as the value is borrowed.
    Ok(unsafe { slice::from_raw_parts(start, length) })
}

fn widened<T: Copy + Into<i64>>(numbers: &[T]) -> Vec<i64> {
    numbers.iter().map(|&number| number.into()).collect()
}
