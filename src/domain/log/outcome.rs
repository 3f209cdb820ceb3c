//! What a delivery came to.

use crate::domain::delivery::State;
use crate::domain::ids::{DeliveryId, Sid};
use crate::domain::initiator::Initiator;

/// What a delivery came to, with its last attempt. Its session metadata and `sub` are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// `delivered`, `rejected` or `exhausted`: one that was `discarded` is no outcome, nobody was asked.
    pub state: State,
    /// Why the session ended.
    pub initiator: Initiator,
    /// The session, if known.
    pub sid: Option<Sid>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Where the last one was posted to; `None` if none was.
    pub uri: Option<String>,
    /// The HTTP status of its answer, if one came.
    pub status: Option<u16>,
    /// The class of its failure.
    pub error: Option<String>,
}

impl Outcome {
    /// The states that are outcomes.
    pub const STATES: [State; 3] = [State::Delivered, State::Rejected, State::Exhausted];

    /// Whether its relying party took the token.
    pub fn succeeded(&self) -> bool {
        self.state == State::Delivered
    }
}
