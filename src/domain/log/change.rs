//! A change by an operator, and whoever made it.

use serde::Serialize;

use crate::domain::access::Caller;
use crate::domain::ids::ClientId;

/// A request, or a command, that was to change something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was for, such as "Update a client".
    pub description: String,
    /// How it came.
    pub asked: Asked,
    /// The id in its path, decoded and whole, where the path holds one that may be written down; the SHA-256 of it
    /// (`sha256:…`) where it is longer than any id can be.
    pub object: Option<String>,
    /// Whether it was made.
    pub succeeded: bool,
    /// The HTTP status it was answered with.
    pub status: Option<u16>,
    /// The `errorCode` it was answered with.
    pub error_code: Option<String>,
    /// Names of the members it was to change. Never their values.
    pub changed: Vec<String>,
    /// Ids of what it made or changed, where the path does not say.
    pub affected: Vec<String>,
    /// Who made it, where that is known.
    pub actor: Option<Actor>,
    /// The address it came from.
    pub ip: Option<String>,
    /// The `User-Agent` it came with, shortened.
    pub user_agent: Option<String>,
    /// The request's id, as the log has it.
    pub request_id: Option<String>,
    /// How many failed in the same way since the entry of the first: this one is the last of them.
    pub count: Option<u64>,
}

/// How a change was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "channel", rename_all = "lowercase")]
pub enum Asked {
    /// Over the management API.
    Api {
        /// The method.
        method: String,
        /// The path. A segment that holds personal data is left as the route has it: `/users/{id}/sessions`.
        path: String,
    },
    /// From the shell of the host.
    Cli {
        /// The command, without what was said to it: `tokens create`.
        command: String,
    },
}

impl Change {
    /// What a command has changed.
    pub fn by_command(description: &str, command: &str, affected: Vec<String>) -> Self {
        Self {
            description: description.to_owned(),
            asked: Asked::Cli { command: command.to_owned() },
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

/// Whoever made a change: a token's bearer. Never the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Actor {
    /// The kind of token: `bootstrap_token`, `api_token` or `access_token`.
    pub kind: String,
    /// The API token's id, or the access token's `sub`. Without it nobody could say who changed something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What people call the API token.
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
