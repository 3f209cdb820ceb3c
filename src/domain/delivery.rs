//! A delivery: one terminated session × one client, and what becomes of it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{ClientId, DeliveryId, Sid, Sub};
use super::initiator::Initiator;
use super::metadata::SessionMetadata;
use super::session::SessionKey;

/// What a delivery is to say. It holds intent, never a signed token: each attempt signs a fresh one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The delivery.
    pub id: DeliveryId,
    /// The life of the session it belongs to; `None` where only a `sub` is known.
    pub session_key: Option<SessionKey>,
    /// The session, if known.
    pub sid: Option<Sid>,
    /// The `sub` the client knows the user by, if known.
    pub sub: Option<Sub>,
    /// Whether `sub` is the OP's public one. A client that has become pairwise meanwhile must not see it.
    pub sub_is_public: bool,
    /// Whom to tell.
    pub client_id: ClientId,
    /// Why the session ended.
    pub initiator: Initiator,
    /// The metadata this client chose to see, as it was when the session ended.
    pub session_metadata: SessionMetadata,
    /// When the session's end was accepted.
    pub created_at: Timestamp,
    /// After this no further attempt is planned.
    pub expires_at: Timestamp,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its time, or for a slot.
    Pending,
    /// Leased to a worker.
    InFlight,
    /// The RP answered 2xx.
    Delivered,
    /// The RP refused it: 400 and other unrecoverable answers.
    Rejected,
    /// It failed recoverably until the attempts or the age ran out.
    Exhausted,
    /// The client was removed, disabled or unsubscribed meanwhile.
    Discarded,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::InFlight, Self::Delivered, Self::Rejected, Self::Exhausted, Self::Discarded];

    /// The name used in JSON and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InFlight => "in_flight",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::Discarded => "discarded",
        }
    }

    /// Whether nothing more happens to it by itself.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InFlight)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is no delivery state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a delivery state; use one of pending, in_flight, delivered, rejected, exhausted, discarded"
)]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| UnknownState(name.to_owned()))
    }
}

/// A delivery by name: what an event's answer lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliverySummary {
    /// The delivery.
    pub id: DeliveryId,
    /// Whom it tells.
    pub client_id: ClientId,
    /// Where it stood when this was made.
    pub state: State,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The RP has it.
    Delivered,
    /// The RP refused it, or nothing could be sent that it would take.
    Rejected,
    /// It failed recoverably, and its time ran out.
    Exhausted,
    /// There is nobody left to tell.
    Discarded,
    /// It failed recoverably and is tried again then.
    Retry(Timestamp),
}

impl Verdict {
    /// The state a delivery is left in.
    pub const fn state(self) -> State {
        match self {
            Self::Delivered => State::Delivered,
            Self::Rejected => State::Rejected,
            Self::Exhausted => State::Exhausted,
            Self::Discarded => State::Discarded,
            Self::Retry(_) => State::Pending,
        }
    }
}

/// A delivery as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What it is to say.
    pub intent: Intent,
    /// Where it stands.
    pub state: State,
    /// How many attempts were made, over all redeliveries.
    pub attempts: u32,
    /// How often it was put back into the queue by hand.
    pub redeliveries: u32,
    /// Whether some attempt may have reached the RP without our learning of its answer. A `rejected` one
    /// may then only mean that the RP had the token already.
    pub outcome_unknown: bool,
    /// When it is, or was, to be attempted next.
    pub due_at: Timestamp,
    /// When it reached its final state.
    pub settled_at: Option<Timestamp>,
}

/// Which deliveries. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of this client.
    pub client_id: Option<ClientId>,
    /// In one of these states.
    pub states: Option<BTreeSet<State>>,
    /// Of sessions that ended so.
    pub initiator: Option<Initiator>,
    /// Made at this time or later.
    pub created_after: Option<Timestamp>,
    /// Made before this time.
    pub created_before: Option<Timestamp>,
}

/// How long the parts of an attempt took. A part that did not take place is `None`: a kept connection needs
/// no DNS and no connecting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Building and signing the token.
    pub sign: Option<Duration>,
    /// Resolving the host's name.
    pub dns: Option<Duration>,
    /// Connecting: TCP and TLS.
    pub connect: Option<Duration>,
    /// From then to the answer's head.
    pub answer: Option<Duration>,
    /// Reading the answer's body.
    pub body: Option<Duration>,
}

/// What is kept of one attempt. Never the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took: signing, DNS, connect, TLS, headers and body.
    pub duration: Duration,
    /// Its parts.
    pub phases: Phases,
    /// The token's `jti`, if one was signed.
    pub jti: Option<Uuid>,
    /// The key it was signed with.
    pub kid: Option<String>,
    /// What it was posted to, if it got that far.
    pub uri: Option<String>,
    /// The address that was connected to, or that the name resolved to.
    pub remote_address: Option<String>,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The class of the failure, such as `timeout` or `status_503`; `None` if it was delivered.
    pub error: Option<String>,
    /// The first KiB of the answer's body.
    pub answer: Option<String>,
    /// Whether the RP may have received the token although no answer came.
    pub outcome_unknown: bool,
}
