//! What is said of all models at once: where they run, what runs them, and how the pictures are decoded that they are shown.

use operators::onnx::{Backend, BackendChoice, Device};
use operators::pixels::decode::Decoding;
use threshflow::cli::{Failure, Workbench};

/// Flags of `run` and `plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct ModelArgs {
    /// Where models run: cpu, cuda:0,1 or tensorrt:0
    #[arg(long, default_value = "cpu")]
    pub device: Device,
    /// What runs models: onnxruntime, embedded, or auto (ONNX Runtime if its library is found)
    #[arg(long, default_value = "auto")]
    pub backend: BackendChoice,
    /// How JPEGs are decoded for models that see them small: full, or scaled (at a half or a quarter of their size, where they stay
    /// large enough: faster, and scores move a little). Both are remembered apart
    #[arg(long, value_name = "WAY", default_value = "full")]
    pub decode: Decoding,
}

impl ModelArgs {
    /// The back-end, looked for on this machine.
    pub fn find(&self) -> Result<Backend, Failure> {
        Backend::find(self.backend, self.device.clone()).map_err(|error| Failure::Failed(error.to_string()))
    }

    /// [`ModelArgs::find`], and the user is told which it is.
    pub fn backend(&self, workbench: &Workbench) -> Result<Backend, Failure> {
        let backend = self.find()?;
        workbench.note(&backend.description());
        Ok(backend)
    }
}
