//! Memory for a picture. It is requested before a decoder that aborts the process without memory runs.

use std::sync::{Arc, OnceLock};

use threshflow::lane::Budget;
use threshflow::row::Refusal;

/// As many bytes as a run's decoded pictures may have by default.
const MOST_BESIDE: u64 = 1 << 30;

/// The budget of what is decoded outside of a stage's preparing. Not the lanes' own: who holds a permit of that one and waits for
/// another, with others who do the same, waits for ever.
static BESIDE: OnceLock<Arc<Budget>> = OnceLock::new();

/// Bounds what is decoded beside the lanes by so many bytes; the first to say so counts.
pub(super) fn bound_beside(bytes: u64) {
    BESIDE.get_or_init(|| Budget::new(bytes));
}

/// Room beside the lanes. What is larger than all of it goes alone. Nobody who holds a permit of it waits for anything.
pub(super) fn beside() -> &'static Arc<Budget> {
    BESIDE.get_or_init(|| Budget::new(MOST_BESIDE))
}

/// Pictures that need less are not asked for: what is left of memory then changes faster than it can be asked.
const WORTH_ASKING: u64 = 16 << 20;

/// Whether so many bytes can be had at this moment. They are given back at once, and nothing of them was touched; who decodes holds a
/// permit that keeps others from taking them.
pub(super) fn ask_for(bytes: u64) -> Result<(), Refusal> {
    if bytes < WORTH_ASKING {
        return Ok(());
    }
    reserved(bytes).map(drop)
}

/// So many zeros, or a refusal where there is no room for them.
pub(super) fn zeros(bytes: u64) -> Result<Vec<u8>, Refusal> {
    let mut zeros = reserved(bytes)?;
    zeros.resize(bytes as usize, 0);
    Ok(zeros)
}

/// An empty vector with room for so many bytes.
pub(super) fn reserved(bytes: u64) -> Result<Vec<u8>, Refusal> {
    let mut room = Vec::new();
    let had = usize::try_from(bytes).is_ok_and(|bytes| room.try_reserve_exact(bytes).is_ok());
    if had { Ok(room) } else { Err(out_of_memory(bytes)) }
}

fn out_of_memory(bytes: u64) -> Refusal {
    let message = format!(
        "decoding the picture takes {bytes} bytes, and the system has no room for them; free memory, or refuse such pictures by \
         a lower --max-pixels"
    );
    Refusal::transient(Refusal::OUT_OF_MEMORY, message)
}
