//! Runs with bound inputs and outputs, through memory that a GPU reads and writes by itself.
//!
//! Sessions on GPUs run in this way. Inputs are written into page-locked buffers of the session, in the graph's own width. From there they
//! are copied to the device, and the copy is waited for. Outputs are written into page-locked memory, and are waited for before they are
//! read. A buffer is kept while its input keeps its shape. For another shape, it is given back to the session's arena, and a new one is
//! taken from there. The arena keeps the most that it ever gave, so that shapes that grow and shrink soon lock no more pages. Outputs come
//! from the same arena, at the size that the graph gives them.
//!
//! There is no second way. A session does not open if no page-locked memory can be had for it. If it runs out of this memory later, it
//! reports this as it does for other memory, and is opened again for half the batch. On a CPU a session reads the caller's memory in place.
//! With binding there, the demo's models took 1.03 to 1.2 times the CPU time, and only a graph of a few KB that takes halves took less
//! (0.7). Only [`page_locked`] is special to a GPU. Everything else is tested with the memory of the CPU.
//!
//! How binding copies and when it must be waited for: onnxruntime.ai/docs/performance/tune-performance/iobinding.html.

use std::fmt::Debug;
use std::{ptr, slice};

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::{DynTensor, PrimitiveTensorElementType, TensorElementType};

use super::contract::Feed;
use super::graph::Element;
use super::ort::read;
use super::session::{TensorIn, TensorOut, narrowed};

/// The page-locked memory of the GPU that a session runs on.
pub(super) fn page_locked(session: &Session, gpu: u32) -> Result<Allocator, String> {
    let of = |device: i32| {
        let locked = AllocationDevice::CUDA_PINNED;
        let info = MemoryInfo::new(locked, device, AllocatorType::Device, MemoryType::CPUInput)?;
        Allocator::new(session, info)
    };
    // Older libraries have it under the number 0 for every GPU.
    let found = i32::try_from(gpu).map_or_else(|_| of(0), |gpu| of(gpu).or_else(|_| of(0)));
    found.map_err(|error| format!("no page-locked memory for its inputs: {error}"))
}

/// A session's bound inputs and outputs.
pub(super) struct Bound {
    binding: IoBinding,
    buffers: Buffers,
    outputs: Vec<String>,
}

impl Bound {
    /// Binds a session to `memory`, which the CPU must be able to read and write.
    pub(super) fn new(session: &Session, memory: Allocator) -> Result<Self, String> {
        let binding = session.create_binding().map_err(|error| error.to_string())?;
        let outputs = session.outputs().iter().map(|output| output.name().to_string()).collect();
        Ok(Bound { binding, buffers: Buffers { memory, kept: Vec::new() }, outputs })
    }

    /// Runs `session`, which must be the one that was bound. `inputs` are all of the graph's, in its order.
    pub(super) fn run(
        &mut self,
        session: &mut Session,
        inputs: &[Feed<'_>],
    ) -> Result<Vec<TensorOut>, String> {
        let outputs = self.run_bound(session, inputs);
        // What lies on the device for this run would else lie there beside what the next one takes.
        self.binding.clear();
        outputs
    }

    fn run_bound(&mut self, session: &mut Session, inputs: &[Feed<'_>]) -> Result<Vec<TensorOut>, String> {
        for (kept, feed) in inputs.iter().enumerate() {
            let buffer = self.buffers.fill(kept, feed)?;
            self.binding.bind_input(&feed.0.name, buffer).map_err(text)?;
        }
        let memory = self.buffers.memory.memory_info();
        for output in &self.outputs {
            self.binding.bind_output_to_device(output, memory).map_err(text)?;
        }
        self.binding.synchronize_inputs().map_err(text)?;
        let outputs = session.run_binding(&self.binding).map_err(text)?;
        self.binding.synchronize_outputs().map_err(text)?;
        outputs.iter().map(|(name, value)| read(name, &value)).collect()
    }
}

fn text(error: ort::Error) -> String {
    error.to_string()
}

/// What inputs are written into.
struct Buffers {
    memory: Allocator,
    /// One an input, in the graph's order: of the shape that it last had.
    kept: Vec<Option<DynTensor>>,
}

impl Buffers {
    /// Writes what is fed into the buffer of its input, in the graph's width.
    fn fill(&mut self, at: usize, (port, tensor): &Feed<'_>) -> Result<&DynTensor, String> {
        match (tensor, port.element) {
            (TensorIn::F32 { shape, data }, Element::F16) => {
                self.written(at, shape, |halves: &mut [f16]| halves.convert_from_f32_slice(data))
            }
            (TensorIn::I64 { shape, data }, Element::I32) => {
                let narrow = narrowed(port, data)?;
                self.written(at, shape, |numbers| numbers.copy_from_slice(&narrow))
            }
            (TensorIn::F32 { shape, data }, _) => {
                self.written(at, shape, |numbers| numbers.copy_from_slice(data))
            }
            (TensorIn::I64 { shape, data }, _) => {
                self.written(at, shape, |numbers| numbers.copy_from_slice(data))
            }
            (TensorIn::U8 { shape, data }, _) => {
                self.written(at, shape, |numbers| numbers.copy_from_slice(data))
            }
        }
    }

    /// The buffer of an input, of this shape, after `write` wrote all of it.
    fn written<T: PrimitiveTensorElementType + Debug>(
        &mut self,
        at: usize,
        shape: &[usize],
        write: impl FnOnce(&mut [T]),
    ) -> Result<&DynTensor, String> {
        if self.kept.len() <= at {
            self.kept.resize_with(at + 1, || None);
        }
        let (kept, element) = (&mut self.kept[at], T::into_tensor_element_type());
        // Given back before more is asked for.
        drop(kept.take_if(|buffer| !is_of(buffer, element, shape)));
        let buffer = match kept {
            Some(buffer) => buffer,
            none => none.insert(zeroed(&self.memory, element, shape)?),
        };
        let (start, length) = (buffer.data_ptr_mut().cast::<T>(), shape.iter().product());
        // One of no numbers has no memory.
        if length > 0 {
            // SAFETY: the tensor is of this type and shape, was zeroed when it was made, and lies in memory that the CPU can
            // write. Nothing reads it meanwhile: it was unbound after the run before.
            write(unsafe { slice::from_raw_parts_mut(start, length) });
        }
        Ok(buffer)
    }
}

fn is_of(tensor: &DynTensor, element: TensorElementType, shape: &[usize]) -> bool {
    let lengths = tensor.shape().iter().map(|&length| usize::try_from(length).ok());
    *tensor.data_type() == element && lengths.eq(shape.iter().map(|&length| Some(length)))
}

/// A tensor of zeros, since memory that was never written must not be looked at as numbers.
fn zeroed(memory: &Allocator, element: TensorElementType, shape: &[usize]) -> Result<DynTensor, String> {
    let mut tensor = DynTensor::new(memory, element, shape).map_err(text)?;
    let bytes = tensor.size().unwrap_or_default();
    let start = tensor.data_ptr_mut().cast::<u8>();
    if !start.is_null() {
        // SAFETY: the tensor's own bytes, which nobody else knows of yet, in memory that the CPU can write.
        unsafe { ptr::write_bytes(start, 0, bytes) };
    }
    Ok(tensor)
}

#[cfg(test)]
mod tests;
