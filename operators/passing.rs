//! Which refusals pass with the process: what a device, its memory or the store's disk did says nothing of the content.

use threshflow::row::Refusal;

use crate::references::LOST_REFERENCE;

/// Whether a refusal says something of what was asked about, and is remembered for good.
pub fn tells_of_the_content(refusal: &Refusal) -> bool {
    const OF_THE_STORE: [&str; 4] = ["unwritable_memo", "unreadable_memo", "not_remembered", "wrong_count"];
    crate::onnx::tells_of_the_content(refusal)
        && !OF_THE_STORE.contains(&&*refusal.class)
        && refusal.class != LOST_REFERENCE
}

/// The same where a chat model was asked: what its server did says nothing of the question either.
pub fn tells_of_the_question(refusal: &Refusal) -> bool {
    let of_a_call = crate::http::CallClass::ALL.iter().any(|class| class.name() == refusal.class);
    tells_of_the_content(refusal)
        && !crate::chat::is_of_the_server(&refusal.class)
        && (!of_a_call || crate::chat::is_of_the_content(&refusal.class))
}
