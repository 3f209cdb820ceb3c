//! What a source is told about an event it reported.

use super::delivery::DeliverySummary;
use super::ids::Sid;

/// The answer to an accepted event. It is stored with the event, so that the same event reported again
/// gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The event's `id`.
    pub id: String,
    /// The sessions it was about.
    pub sessions: Vec<Sid>,
    /// The deliveries of those sessions, each as it stood when the event was accepted.
    pub deliveries: Vec<DeliverySummary>,
}

impl Receipt {
    /// The answer to an event of which nothing follows.
    pub const fn new(id: String) -> Self {
        Self { id, sessions: Vec::new(), deliveries: Vec::new() }
    }
}
