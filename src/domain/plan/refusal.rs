//! Why an event or a command cannot be applied.

use super::MAX_CLIENTS;
use crate::domain::ids::ClientId;
use crate::domain::session::Flow;

/// A field of an event or command. What it is called on the wire is each source's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The id of the session.
    Sid,
    /// The id of the user.
    Sub,
    /// The client that joined the session.
    ClientId,
    /// The clients to notify.
    Clients,
    /// The clients not to notify.
    ExcludeClients,
    /// The session metadata.
    SessionMetadata,
}

/// An identifier that a logout token can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// The session's `sid`.
    Sid,
    /// The user's `sub`.
    Sub,
}

impl Identifier {
    /// The name of its claim.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sid => "sid",
            Self::Sub => "sub",
        }
    }
}

/// Why a well-formed event or command cannot be applied. Nothing of it is stored.
///
/// The texts name no field: [`Refusal::field`] says which one it is, and each source writes the field's path in its
/// own wire form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is known of the session, and no clients to notify are named.
    #[error("no such session, and no clients to notify are named")]
    UnknownSession,
    /// Nothing is known of the user, and no clients to notify are named.
    #[error("no session of this subject was ever reported, and no clients to notify are named")]
    UnknownSubject,
    /// An update to a session that has ended.
    #[error("the session has ended and can no longer be updated")]
    SessionEnded,
    /// The session belongs to another user.
    #[error("the session belongs to another subject")]
    SubMismatch,
    /// A client is named that is not registered.
    #[error("client \"{client_id}\" is not registered")]
    UnknownClient {
        /// Where it is named.
        field: Field,
        /// The client.
        client_id: ClientId,
    },
    /// The client's tokens need an identifier that neither the event nor the session has.
    #[error(
        "client \"{client_id}\" takes only tokens with a {needs}, and none is known for this session",
        needs = .needs.as_str()
    )]
    NoIdentifier {
        /// The client.
        client_id: ClientId,
        /// What its tokens need.
        needs: Identifier,
    },
    /// The session would have more than [`MAX_CLIENTS`] clients.
    #[error("a session has at most {MAX_CLIENTS} clients, and this one would have {count}")]
    TooManyClients {
        /// Where they are named.
        field: Field,
        /// How many it would have.
        count: usize,
    },
    /// The session's flow cannot carry metadata.
    #[error(
        "only sessions of the browser flow can carry metadata, and this one's flow is {flow}",
        flow = .0.as_str()
    )]
    MetadataFlow(Flow),
}

impl Refusal {
    /// The field that is at fault.
    pub const fn field(&self) -> Field {
        match self {
            Self::UnknownSession | Self::SessionEnded | Self::NoIdentifier { needs: Identifier::Sid, .. } => {
                Field::Sid
            }
            Self::UnknownSubject | Self::SubMismatch | Self::NoIdentifier { needs: Identifier::Sub, .. } => {
                Field::Sub
            }
            Self::UnknownClient { field, .. } | Self::TooManyClients { field, .. } => *field,
            Self::MetadataFlow(_) => Field::SessionMetadata,
        }
    }
}
