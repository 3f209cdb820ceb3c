//! The outcome of a delivery.

use crate::domain::delivery::State;
use crate::domain::ids::{DeliveryId, Sid};
use crate::domain::initiator::Initiator;

/// The outcome of a delivery, with its last attempt. Session metadata and `sub` are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// `delivered`, `rejected` or `exhausted`. A `discarded` delivery has no entry: its relying party was not called.
    pub state: State,
    /// Why the session ended.
    pub initiator: Initiator,
    /// The session, if known.
    pub sid: Option<Sid>,
    /// How many attempts were made.
    pub attempts: u32,
    /// The URI of the last attempt; `None` if no request was sent.
    pub uri: Option<String>,
    /// The HTTP status of the last attempt's response, if there was one.
    pub status: Option<u16>,
    /// The error class of the last attempt.
    pub error: Option<String>,
}

impl DeliveryOutcome {
    /// The states that have an entry.
    pub const STATES: [State; 3] = [State::Delivered, State::Rejected, State::Exhausted];

    /// Whether the relying party accepted the token.
    pub fn succeeded(&self) -> bool {
        self.state == State::Delivered
    }
}
