//! Deliveries: one for each terminated session and client, with their states and attempts.

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

/// The content of a delivery. Never a signed token: each attempt signs a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The session record it belongs to; `None` for a token about the user, without a `sid`.
    pub session_key: Option<SessionKey>,
    /// The session's `sid`, if known.
    pub sid: Option<Sid>,
    /// The user's `sub` for this client, if known.
    pub sub: Option<Sub>,
    /// Whether `sub` is the OP's public one. It must not be sent if the client has become pairwise since.
    pub sub_is_public: bool,
    /// The recipient.
    pub client_id: ClientId,
    /// Why the session ended.
    pub initiator: Initiator,
    /// The part of the session's metadata that the client receives, as of the session's end.
    pub session_metadata: SessionMetadata,
    /// When the session's end was accepted.
    pub created_at: Timestamp,
    /// No attempt is scheduled after this time.
    pub expires_at: Timestamp,
}

/// A delivery's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits until it is due, or for a slot.
    Pending,
    /// Leased to a worker.
    InFlight,
    /// The RP answered 2xx.
    Delivered,
    /// The RP rejected it: 400 and other unrecoverable answers.
    Rejected,
    /// It failed recoverably until it expired.
    Exhausted,
    /// The client was deleted, disabled or unsubscribed before it was delivered.
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

    /// Whether the delivery is finished; only a redelivery changes it again.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InFlight)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not a delivery state.
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

/// A delivery as listed in the answer to an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliverySummary {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The recipient.
    pub client_id: ClientId,
    /// Its state when the event was accepted.
    pub state: State,
}

/// How an attempt settles its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The RP accepted the token.
    Delivered,
    /// The RP rejected the token, or no token could be made that it would accept.
    Rejected,
    /// It failed recoverably, and there is no time for another attempt.
    Exhausted,
    /// The client is no longer subscribed.
    Discarded,
    /// It failed recoverably; the next attempt is due at this time.
    Retry(Timestamp),
}

impl Verdict {
    /// The delivery's resulting state.
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

/// A delivery as the management API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Recipient and content.
    pub intent: Intent,
    /// Its state.
    pub state: State,
    /// The number of attempts, over all redeliveries.
    pub attempts: u32,
    /// The number of redeliveries.
    pub redeliveries: u32,
    /// Whether an attempt without an answer may have reached the RP. If so, `rejected` may mean that the RP had
    /// already processed the logout.
    pub outcome_unknown: bool,
    /// When the next attempt is due, or when the last one was.
    pub due_at: Timestamp,
    /// When it reached its final state.
    pub settled_at: Option<Timestamp>,
}

/// Selects deliveries. `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of this client.
    pub client_id: Option<ClientId>,
    /// In one of these states.
    pub states: Option<BTreeSet<State>>,
    /// Of sessions that ended for this reason.
    pub initiator: Option<Initiator>,
    /// Created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Created before this time.
    pub created_before: Option<Timestamp>,
}

/// The durations of an attempt's phases. `None` if a phase did not take place: DNS and connect are skipped on a
/// reused connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Building and signing the token.
    pub sign: Option<Duration>,
    /// Resolving the host's name.
    pub dns: Option<Duration>,
    /// Connecting: TCP and TLS.
    pub connect: Option<Duration>,
    /// From sending the request to the response's headers.
    pub answer: Option<Duration>,
    /// Reading the response's body.
    pub body: Option<Duration>,
}

/// The record of an attempt. Never contains the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took: signing, DNS, connect, TLS, headers and body.
    pub duration: Duration,
    /// The duration of each phase.
    pub phases: Phases,
    /// The token's `jti`, if one was signed.
    pub jti: Option<Uuid>,
    /// The id of the signing key.
    pub kid: Option<String>,
    /// The URI of the request, if one was sent.
    pub uri: Option<String>,
    /// The IP address that was connected to, or to which the name resolved.
    pub remote_address: Option<String>,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The error class, such as `timeout` or `status_503`; `None` if the token was delivered.
    pub error: Option<String>,
    /// The first KiB of the response's body.
    pub answer: Option<String>,
    /// Whether the RP may have received the token although there was no response.
    pub outcome_unknown: bool,
}

impl Attempt {
    /// An attempt that has just begun.
    pub fn begun(started_at: Timestamp) -> Self {
        Self {
            started_at,
            duration: Duration::ZERO,
            phases: Phases::default(),
            jti: None,
            kid: None,
            uri: None,
            remote_address: None,
            status: None,
            error: None,
            answer: None,
            outcome_unknown: false,
        }
    }
}
