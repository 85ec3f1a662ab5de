//! Endpoints outside of this process, as a run sees them. The run ends their waiting, and they report what they did.

/// An endpoint that stages ask.
pub trait Endpoint: Send + Sync {
    /// As summaries name it; one endpoint has one name.
    fn name(&self) -> String;
    /// Calls that wait end at once, and new ones don't start; calls under way are waited for, since they are paid for.
    fn stop(&self);
    /// What it did, for machines. No secrets.
    fn report(&self) -> serde_json::Value;
    /// The same for people, in one line.
    fn line(&self) -> String;
    /// Why nothing will come of asking it, where that is known: nobody reached it at the first word, or it knows neither key nor
    /// model. The run ends with it.
    fn hopeless(&self) -> Option<String> {
        None
    }
    /// A session asks anew: what made it hopeless may be over.
    fn try_again(&self) {}
    /// Requests under way of which nothing is expected, since it has ceased to answer.
    fn in_vain(&self) -> usize {
        0
    }
    /// What ails it now, and when it is tried again, for people; `None` where all is well.
    fn trouble(&self) -> Option<String> {
        None
    }
}
