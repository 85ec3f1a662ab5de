//! Endpoints outside of this process, as a run sees them: it ends their waiting, and tells what they did.

/// An endpoint that stages ask.
pub trait Remote: Send + Sync {
    /// As summaries name it; one endpoint has one name.
    fn name(&self) -> String;
    /// Calls that wait end at once, and new ones don't start; calls under way are waited for, since they are paid for.
    fn stop(&self);
    /// What it did, for machines. No secrets.
    fn report(&self) -> serde_json::Value;
    /// The same for people, in one line.
    fn line(&self) -> String;
}
