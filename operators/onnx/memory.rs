//! What to do when memory runs out: how to tell such an error from others, and how to ask again in smaller batches.

use threshflow::row::Refusal;

use super::OnnxError;

const OUT_OF_MEMORY: &str = Refusal::OUT_OF_MEMORY;
const MODEL_FAILED: &str = "model_failed";

/// Whether a runtime's message tells of memory that ran out. There is no error code for it, only these words: of ONNX
/// Runtime's arena, in both its forms, and of CUDA, cuBLAS, cuDNN, TensorRT and the allocator of C++.
pub(super) fn ran_out(message: &str) -> bool {
    const WORDS: [&str; 9] = [
        "failed to allocate memory",
        "is smaller than requested bytes of",
        "out of memory",
        "outofmemory",
        "out_of_memory",
        "cudaerrormemoryallocation",
        "alloc_failed",
        "allocation_failed",
        "bad_alloc",
    ];
    let message = message.to_lowercase();
    WORDS.iter().any(|words| message.contains(words))
}

/// What a batch is run with: a session that can be run, and opened anew.
pub(super) trait Runs<I, O> {
    fn run(&mut self, items: &[I]) -> Result<Vec<O>, OnnxError>;
    /// Lets go of a session whose memory ran out; the next run opens another.
    fn let_go(&mut self);
}

/// Runs `batch` in runs of at most `most`, in order, and gives one answer an item.
///
/// A run that is out of memory is done again as two halves, on a fresh session, and `most` becomes the half, so that no later
/// batch tries in vain. One item that doesn't fit alone is refused, and says nothing of batches: then `most` is again what it
/// was. A run that fails otherwise is done again item by item, so that only what is at fault is refused.
pub(super) fn halving<I, O>(
    session: &mut impl Runs<I, O>,
    most: &mut usize,
    batch: &[I],
) -> Vec<Result<O, Refusal>> {
    let most_before = *most;
    let mut answers = Vec::with_capacity(batch.len());
    // What is still to be run, the first on top.
    let mut ahead = vec![batch];
    while let Some(items) = ahead.pop() {
        let (now, rest) = items.split_at(items.len().min((*most).max(1)));
        if now.is_empty() {
            continue;
        }
        ahead.push(rest);
        match (session.run(now), now) {
            (Ok(values), _) if values.len() == now.len() => answers.extend(values.into_iter().map(Ok)),
            (Ok(values), _) => {
                let why = format!("the model gave {} answers to {} questions", values.len(), now.len());
                answers.extend(now.iter().map(|_| Err(Refusal::transient(MODEL_FAILED, why.clone()))));
            }
            (Err(OnnxError::OutOfMemory { why, .. }), [_]) => {
                session.let_go();
                *most = most_before;
                answers.push(Err(Refusal::transient(OUT_OF_MEMORY, why)));
            }
            (Err(OnnxError::OutOfMemory { .. }), [_, _, ..]) => {
                session.let_go();
                *most = now.len().div_ceil(2);
                ahead.push(now);
            }
            (Err(OnnxError::Run { .. }), [_, _, ..]) => ahead.extend(now.chunks(1).rev()),
            (Err(OnnxError::Run { why, .. }), _) => answers.push(Err(Refusal::transient(MODEL_FAILED, why))),
            // No session: the rest would fare no better.
            (Err(error), _) => {
                let why = error.to_string();
                answers.resize_with(batch.len(), || Err(Refusal::transient(MODEL_FAILED, why.clone())));
                return answers;
            }
        }
    }
    answers
}

#[cfg(test)]
mod tests;
