//! What a source reports: a session was created, changed or terminated.
//!
//! These are the meanings; the wire forms they come in belong to `sources`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::ids::{ClientId, Sid, Sub};
use super::initiator::Initiator;
use super::metadata::SessionMetadata;
use super::session::Flow;
use super::session_details::SessionDetails;

/// One report of a source. `source` and `id` together are its idempotency key (CloudEvents 1.0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The CloudEvents `source`: a URI reference, 1 to 255 characters.
    pub source: String,
    /// The CloudEvents `id`, unique within the source, 1 to 255 characters.
    pub id: String,
    /// When it happened, if the source says.
    pub time: Option<Timestamp>,
    /// What happened.
    pub body: EventBody,
}

/// What happened to which session.
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

/// The clients an event names, each with its own `sub` where it has one (pairwise subjects).
pub type NamedClients = BTreeMap<ClientId, Option<Sub>>;

/// A user logged in at the OP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCreated {
    /// The session.
    pub sid: Sid,
    /// The user.
    pub sub: Sub,
    /// The clients known at the start.
    pub clients: NamedClients,
    /// What the OP puts on the session.
    pub session_metadata: SessionMetadata,
    /// When the user authenticated, if that was before the session began.
    pub authenticated_at: Option<Timestamp>,
    /// When it is to end unless something is heard of it before.
    pub idle_expires_at: Option<Timestamp>,
    /// When it is to end by itself.
    pub expires_at: Option<Timestamp>,
    /// How it was made.
    pub flow: Flow,
    /// What else the source tells of it.
    pub details: SessionDetails,
}

/// The user of a session logged in to one more client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAdded {
    /// The session.
    pub sid: Sid,
    /// The client.
    pub client_id: ClientId,
    /// The `sub` this client knows the user by, if it is its own.
    pub sub: Option<Sub>,
}

/// The OP changed a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUpdated {
    /// The session.
    pub sid: Sid,
    /// Replaces the metadata whole.
    pub session_metadata: Option<SessionMetadata>,
    /// Replaces the end of its idle lifetime.
    pub idle_expires_at: Option<Timestamp>,
    /// Replaces the end of its lifetime.
    pub expires_at: Option<Timestamp>,
    /// Each of them replaces what was told of it before.
    pub details: SessionDetails,
}

/// One session, or every session of a user, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTerminated {
    /// Which session or sessions.
    pub target: Target,
    /// Why.
    pub initiator: Initiator,
    /// Clients to tell beside those known.
    pub clients: NamedClients,
    /// The metadata of a session that was never reported, or was reported without any.
    pub session_metadata: SessionMetadata,
    /// Clients not to tell, such as the one the user logged out at.
    pub exclude_clients: BTreeSet<ClientId>,
}

/// What ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One session.
    Session {
        /// Its id.
        sid: Sid,
        /// The user, where the source says; it must match what is known of the session.
        sub: Option<Sub>,
    },
    /// Every session of this user.
    Subject(Sub),
}
