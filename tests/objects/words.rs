//! What messages must say, in one place: the words that users search for and scripts match.

/// An object was written over while it was read.
pub const CHANGED: &str = "changed";
/// A request is made again: this, and the reason.
pub const AGAIN: &str = "again";
/// What reasons name, by what happened.
pub const CUT: &[&str] = &["connection", "closed", "reset", "ended", "cut", "incomplete", "body"];
pub const STALLED: &[&str] = &["timed out", "time-out", "timeout", "--object-timeout"];
/// Retries are over: the next step.
pub const RETRIES: &str = "--object-retries";
/// A shard is larger than the cache: the flag.
pub const CACHE_BYTES: &str = "--cache-bytes";
/// What a cached file is called that is not what was written.
pub const DAMAGED: &str = "damaged";
/// Where keys come from.
pub const KEY_VARIABLE: &str = "AWS_ACCESS_KEY_ID";
/// More was lost than may be.
pub const MAX_LOST: &str = "--max-lost";

/// Whether any of the words is said.
pub fn says_any(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}
