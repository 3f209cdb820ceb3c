//! The result of an accepted event.

use super::delivery::DeliverySummary;
use super::ids::Sid;

/// The result of an accepted event. It is stored with the event, so that a repetition of the event gets the same
/// answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The event's `id`.
    pub id: String,
    /// The sessions it affected.
    pub sessions: Vec<Sid>,
    /// The deliveries of those sessions, each in its state when the event was accepted.
    pub deliveries: Vec<DeliverySummary>,
}

impl Receipt {
    /// The result of an event without effect.
    pub const fn new(id: String) -> Self {
        Self { id, sessions: Vec::new(), deliveries: Vec::new() }
    }
}
