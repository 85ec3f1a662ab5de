//! Which refusals pass with the process: what a device, its memory or the store's disk did says nothing of the content.

use threshflow::row::Refusal;

/// Whether a refusal says something of what was asked about, and is remembered for good.
pub fn tells_of_the_content(refusal: &Refusal) -> bool {
    const OF_THE_STORE: [&str; 4] = ["unwritable_memo", "unreadable_memo", "not_remembered", "wrong_count"];
    crate::onnx::tells_of_the_content(refusal) && !OF_THE_STORE.contains(&&*refusal.class)
}
