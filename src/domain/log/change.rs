//! An operator's change to the system, with the actor who made it.

use serde::Serialize;

use crate::domain::access::Caller;
use crate::domain::ids::ClientId;

/// An attempt to change something: a request to the management API, or a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The operation, such as "Update a client".
    pub description: String,
    /// Management API or command line.
    pub channel: Channel,
    /// The id in the request's path, decoded and in full, unless it is personal data; its SHA-256 (`sha256:…`) if it
    /// is longer than the longest id.
    pub object: Option<String>,
    /// Whether the change was made.
    pub succeeded: bool,
    /// The HTTP status of the response.
    pub status: Option<u16>,
    /// The `errorCode` of the response.
    pub error_code: Option<String>,
    /// Names of the members in the request's body. Never their values.
    pub changed: Vec<String>,
    /// Ids of created or changed objects that the path does not name.
    pub affected: Vec<String>,
    /// Who made it; `None` if unknown, as for commands and rejected tokens.
    pub actor: Option<Actor>,
    /// The client's IP address.
    pub ip: Option<String>,
    /// The `User-Agent` header, truncated.
    pub user_agent: Option<String>,
    /// The request id, as in the service's log.
    pub request_id: Option<String>,
    /// For repeated failures of the same kind: how many there were since the entry of the first. This entry is the
    /// last of them.
    pub count: Option<u64>,
}

/// The interface through which a change was requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "channel", rename_all = "lowercase")]
pub enum Channel {
    /// Over the management API.
    Api {
        /// The method.
        method: String,
        /// The path. A segment with personal data is replaced by the route's placeholder: `/users/{id}/sessions`.
        path: String,
    },
    /// A command on the service's host.
    Cli {
        /// The command without its arguments: `tokens create`.
        command: String,
    },
}

impl Change {
    /// A successful change by a command.
    pub fn by_command(description: &str, command: &str, affected: Vec<String>) -> Self {
        Self {
            description: description.to_owned(),
            channel: Channel::Cli { command: command.to_owned() },
            object: None,
            succeeded: true,
            status: None,
            error_code: None,
            changed: Vec::new(),
            affected,
            actor: None,
            ip: None,
            user_agent: None,
            request_id: None,
            count: None,
        }
    }
}

/// The bearer of the token with which a change was made. Never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Actor {
    /// The kind of token: `bootstrap_token`, `api_token` or `access_token`.
    pub kind: String,
    /// The API token's id, or the access token's `sub`. This `sub` is an operator's and is kept: an audit trail has to
    /// name who made a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The API token's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The client that the access token was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
}

impl From<Caller> for Actor {
    fn from(caller: Caller) -> Self {
        let actor = |kind: &str| Self { kind: kind.to_owned(), id: None, name: None, client_id: None };
        match caller {
            Caller::Bootstrap => actor("bootstrap_token"),
            Caller::ApiToken { id, name } => {
                Self { id: Some(id.to_string()), name: Some(name.into()), ..actor("api_token") }
            }
            Caller::Jwt { subject, client } => {
                Self { id: subject.map(String::from), client_id: client, ..actor("access_token") }
            }
        }
    }
}
