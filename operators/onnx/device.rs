//! `--device cpu | cuda:0,1 | tensorrt:0`: where models run.

use std::fmt;
use std::str::FromStr;

use super::OnnxError;
use crate::pixels::UnknownName;

/// The devices that a run may use: the CPU, or some of the machine's GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    #[default]
    Cpu,
    /// GPUs by CUDA's numbers, at least one.
    Cuda(Vec<u32>),
    /// GPUs by CUDA's numbers, at least one, with graphs compiled by TensorRT where it can.
    TensorRt(Vec<u32>),
}

/// One device: where one session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionDevice {
    Cpu,
    Cuda(u32),
    TensorRt(u32),
}

impl Device {
    /// Every single device of it, in the order given.
    pub fn places(&self) -> Vec<SessionDevice> {
        match self {
            Device::Cpu => vec![SessionDevice::Cpu],
            Device::Cuda(indexes) => indexes.iter().map(|&index| SessionDevice::Cuda(index)).collect(),
            Device::TensorRt(indexes) => {
                indexes.iter().map(|&index| SessionDevice::TensorRt(index)).collect()
            }
        }
    }
}

impl FromStr for Device {
    type Err = OnnxError;

    /// `cpu`, `cuda`, `cuda:0`, `cuda:0,1`, `tensorrt`, `tensorrt:1`; without numbers, GPU 0.
    fn from_str(text: &str) -> Result<Self, OnnxError> {
        const ALLOWED: &str =
            "cpu, cuda, cuda:0, cuda:0,1 or tensorrt:0 (different numbers, separated by commas)";
        let unknown =
            || OnnxError::Usage(UnknownName { what: "--device", found: text.to_string(), allowed: ALLOWED });
        let (kind, numbers) = text.split_once(':').unwrap_or((text, "0"));
        let mut indexes: Vec<u32> = Vec::new();
        for number in numbers.split(',') {
            let index = number.trim().parse().map_err(|_| unknown())?;
            if indexes.contains(&index) {
                return Err(unknown());
            }
            indexes.push(index);
        }
        match kind {
            "cpu" if text == "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda(indexes)),
            "tensorrt" => Ok(Device::TensorRt(indexes)),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = |indexes: &[u32]| indexes.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(indexes) => write!(f, "cuda:{}", numbers(indexes)),
            Device::TensorRt(indexes) => write!(f, "tensorrt:{}", numbers(indexes)),
        }
    }
}

impl fmt::Display for SessionDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionDevice::Cpu => f.write_str("cpu"),
            SessionDevice::Cuda(index) => write!(f, "cuda:{index}"),
            SessionDevice::TensorRt(index) => write!(f, "tensorrt:{index}"),
        }
    }
}
