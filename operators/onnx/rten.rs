//! The embedded back-end: rten, pure Rust, on the CPU, for machines without ONNX Runtime.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use ::rten::{Model as Graph, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueView};
use threshflow::limits::no_thread;
use threshflow::row::ContentHash;

use super::OnnxError;
use super::contract::Feed;
use super::fold::fold_cubic_resizes;
use super::folder::Model;
use super::graph;
use super::respell::respell;
use super::screen::screen;
use super::session::{Runner, TensorData, TensorIn, TensorOut, narrowed, quietly};

/// For people.
pub(super) const VERSION: &str = "rten 0.27";

/// A session: the graph, shared by all sessions on the same model, and threads of its own.
pub(super) struct RtenRunner {
    graph: Arc<Graph>,
    outputs: Vec<(String, NodeId)>,
    options: RunOptions,
}

impl RtenRunner {
    pub(super) fn open(model: &Model, threads: usize) -> Result<Self, OnnxError> {
        let failed = |why: String| OnnxError::Model { path: model.path.clone(), why };
        let graph = shared(model).map_err(failed)?;
        let name =
            |id: &NodeId| graph.node_info(*id).and_then(|node| node.name()).unwrap_or_default().to_string();
        let outputs = graph.output_ids().iter().map(|id| (name(id), *id)).collect();
        let mut options = RunOptions::default();
        options.thread_pool = Some(Arc::new(pool(threads).map_err(failed)?));
        Ok(RtenRunner { graph, outputs, options })
    }
}

/// Threads for a session. Where one can't be started there is no pool, and runs would start threads elsewhere, and panic there.
fn pool(threads: usize) -> Result<ThreadPool, String> {
    let pool = ThreadPool::with_num_threads(threads);
    let here = std::thread::current().id();
    if pool.run(|| std::thread::current().id()) == here {
        let error = std::io::Error::from_raw_os_error(libc::EAGAIN);
        return Err(no_thread("for a session", &error));
    }
    Ok(pool)
}

/// Loads the graph, or takes the one that another session has loaded.
fn shared(model: &Model) -> Result<Arc<Graph>, String> {
    static LOADED: OnceLock<Mutex<HashMap<ContentHash, Weak<Graph>>>> = OnceLock::new();
    let mut loaded =
        LOADED.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(graph) = loaded.get(&model.content).and_then(Weak::upgrade) {
        return Ok(graph);
    }
    loaded.retain(|_, graph| graph.strong_count() > 0);
    let graph = Arc::new(load(model)?);
    loaded.insert(model.content, Arc::downgrade(&graph));
    Ok(graph)
}

fn load(model: &Model) -> Result<Graph, String> {
    if let Some(other) = model.external.keys().find(|location| !takes(location)) {
        return Err(format!(
            "the embedded back-end takes external data only from files named *.data or *.onnx_data, and not from `{other}`; \
             export again under such a name, or take ONNX Runtime (--backend onnxruntime)"
        ));
    }
    let file = graph::map(&model.path)?;
    screen(&file, &model.external)?;
    let mut options = ModelOptions::with_all_ops();
    options.prepack_weights(true);
    let words = other_words(model, &file)?;
    let loaded = quietly(|| {
        Ok(match words {
            Some(graph) => {
                for (location, file) in &model.external {
                    let bytes = std::fs::read(file)
                        .map_err(|error| format!("external data `{location}`: {error}"))?;
                    options.external_data(location, bytes);
                }
                options.load(graph)
            }
            // SAFETY: external data is mapped; see `graph::map` on models that are rewritten while they are in use.
            None => unsafe { options.load_mmap(&model.path) },
        })
    })?;
    loaded.map_err(|error| format!("the embedded back-end refuses it: {error}"))
}

/// The model in words that rten computes right, where its own aren't: see `fold` and `respell`.
fn other_words(model: &Model, file: &[u8]) -> Result<Option<Vec<u8>>, String> {
    if !model.resizes_cubically {
        return respell(file);
    }
    let folded = without_cubic_resizes(model, file).map_err(|why| {
        format!(
            "it resizes cubically what isn't constant, which the embedded back-end cannot ({why}); export again with a fixed \
             size, or take ONNX Runtime (--backend onnxruntime)"
        )
    })?;
    Ok(Some(respell(&folded)?.unwrap_or(folded)))
}

/// The model's file with its cubic Resizes computed: rten 0.27 resizes linearly where a graph says cubic, and doesn't tell.
fn without_cubic_resizes(model: &Model, file: &[u8]) -> Result<Vec<u8>, String> {
    let folded = fold_cubic_resizes(file, &model.external)?;
    match graph::look_at(&folded)?.resizes_cubically {
        true => Err("one is in the branch of an If, in a Loop or in a function".to_string()),
        false => Ok(folded),
    }
}

/// rten's own rule for names of external data.
fn takes(location: &str) -> bool {
    let extension = location.rsplit_once('.').map_or("", |(_, extension)| extension);
    extension.starts_with("data") || extension.starts_with("onnx_data")
}

impl Runner for RtenRunner {
    fn run(&mut self, inputs: &[Feed<'_>]) -> Result<Vec<TensorOut>, String> {
        let mut feeds: Vec<(NodeId, ValueOrView<'_>)> = Vec::with_capacity(inputs.len());
        for (port, tensor) in inputs {
            let id = self.graph.node_id(&port.name).map_err(|error| error.to_string())?;
            feeds.push((id, feed((port, *tensor))?));
        }
        let ids: Vec<NodeId> = self.outputs.iter().map(|(_, id)| *id).collect();
        let values = quietly(|| {
            self.graph.run(feeds, &ids, Some(self.options.clone())).map_err(|error| error.to_string())
        })?;
        self.outputs.iter().zip(values).map(|((name, _), value)| read(name, value)).collect()
    }
}

/// A view of the caller's floats, also for a graph of halves, which rten widens when it loads it; integers are narrowed, since
/// rten counts in 32 bits.
fn feed<'a>((port, tensor): Feed<'a>) -> Result<ValueOrView<'a>, String> {
    match tensor {
        TensorIn::F32 { shape, data } => {
            ValueView::from_shape(shape, data).map(ValueOrView::View).map_err(|error| error.to_string())
        }
        TensorIn::U8 { shape, data } => {
            ValueView::from_shape(shape, data).map(ValueOrView::View).map_err(|error| error.to_string())
        }
        TensorIn::I64 { shape, data } => Value::from_shape(shape, narrowed(port, data)?)
            .map(ValueOrView::Value)
            .map_err(|error| error.to_string()),
    }
}

fn read(name: &str, value: Value) -> Result<TensorOut, String> {
    let (shape, data) = match value {
        Value::FloatTensor(tensor) => (tensor_shape(&tensor), TensorData::F32(tensor.into_data())),
        Value::Int32Tensor(tensor) => {
            let shape = tensor_shape(&tensor);
            (shape, TensorData::I64(tensor.into_data().into_iter().map(i64::from).collect()))
        }
        Value::UInt8Tensor(tensor) => {
            let shape = tensor_shape(&tensor);
            (shape, TensorData::I64(tensor.into_data().into_iter().map(i64::from).collect()))
        }
        other => {
            return Err(format!(
                "output `{name}` holds {}, and only f32, i32 and u8 are read",
                other.dtype()
            ));
        }
    };
    Ok(TensorOut { name: name.to_string(), shape, data })
}

fn tensor_shape<T>(tensor: &rten_tensor::Tensor<T>) -> Vec<usize> {
    use rten_tensor::Layout;
    tensor.shape().to_vec()
}
