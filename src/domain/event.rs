//! Events: a source reports that a session was created, changed or terminated.
//!
//! These types are independent of any wire format; parsing belongs to `sources`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::ids::{ClientId, Sid, Sub};
use super::initiator::Initiator;
use super::metadata::SessionMetadata;
use super::session::Flow;
use super::session_details::SessionDetails;

/// An event. `source` and `id` together are its idempotency key, within one
/// [`Reporter`](super::access::Reporter) (CloudEvents 1.0 §3.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The CloudEvents `source`: a URI reference, 1 to 255 characters.
    pub source: String,
    /// The CloudEvents `id`, unique within the source, 1 to 255 characters.
    pub id: String,
    /// When it happened, by the source's clock; `None` if the source gives no time.
    pub time: Option<Timestamp>,
    /// What happened, and to which session.
    pub body: EventBody,
}

/// The event's type and data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventBody {
    /// `session.created`
    Created(SessionCreated),
    /// `session.client_added`
    ClientAdded(ClientAdded),
    /// `session.updated`
    Updated(SessionUpdated),
    /// `session.terminated`
    Terminated(SessionTerminated),
}

/// The clients that an event names, each with its client-specific `sub` if the event gives one (pairwise subjects).
pub type NamedClients = BTreeMap<ClientId, Option<Sub>>;

/// A user logged in at the OP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCreated {
    /// The session.
    pub sid: Sid,
    /// The user.
    pub sub: Sub,
    /// The clients that take part from the start.
    pub clients: NamedClients,
    /// The session's metadata.
    pub session_metadata: SessionMetadata,
    /// When the user authenticated; `None`: when the session was created.
    pub authenticated_at: Option<Timestamp>,
    /// The end of its idle lifetime: it expires then unless a later event extends it.
    pub idle_expires_at: Option<Timestamp>,
    /// The end of its absolute lifetime.
    pub expires_at: Option<Timestamp>,
    /// The login flow that created it.
    pub flow: Flow,
    /// Device, authentication methods and other details.
    pub details: SessionDetails,
}

/// The user of a session logged in to another client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAdded {
    /// The session.
    pub sid: Sid,
    /// The client.
    pub client_id: ClientId,
    /// The client-specific (pairwise) `sub`, if the source gives one.
    pub sub: Option<Sub>,
}

/// The OP changed a session. Members that are `None` stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUpdated {
    /// The session.
    pub sid: Sid,
    /// Replaces the metadata as a whole.
    pub session_metadata: Option<SessionMetadata>,
    /// Replaces the end of the idle lifetime.
    pub idle_expires_at: Option<Timestamp>,
    /// Replaces the end of the absolute lifetime.
    pub expires_at: Option<Timestamp>,
    /// Each detail that is present replaces the previous one.
    pub details: SessionDetails,
}

/// One session, or every session of a user, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTerminated {
    /// Which session or sessions ended.
    pub target: Target,
    /// Why.
    pub initiator: Initiator,
    /// Clients to notify in addition to the session's participants.
    pub clients: NamedClients,
    /// Metadata for sessions that have none: never reported, or reported without metadata.
    pub session_metadata: SessionMetadata,
    /// Clients not to notify, such as the one where the user logged out.
    pub exclude_clients: BTreeSet<ClientId>,
}

/// The sessions that ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One session.
    Session {
        /// Its id.
        sid: Sid,
        /// The user, if the source gives it; must equal the known session's `sub`.
        sub: Option<Sub>,
    },
    /// Every session of this user.
    Subject(Sub),
}
