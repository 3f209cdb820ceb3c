//! A change through the management API, and whoever made it.

use serde::{Deserialize, Serialize};

use crate::domain::access::Caller;
use crate::domain::ids::ClientId;

/// A request that was to change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it was for, such as "Update a client".
    pub description: String,
    /// Its method.
    pub method: String,
    /// Its path. A segment that holds personal data is left as the route has it: `/users/{id}/sessions`.
    pub path: String,
    /// The status it was answered with.
    pub status: u16,
    /// The `errorCode` it was answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Names of the members it was to change. Never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Ids of what it made or changed, where the path does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<String>,
    /// Who made it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// The address it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The `User-Agent` it came with, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The request's id, as the log has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Change {
    /// Whether it was made.
    pub fn succeeded(&self) -> bool {
        (200..400).contains(&self.status)
    }
}

/// Whoever made a change: a token's bearer. Never the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The kind of token: `bootstrap_token`, `api_token` or `access_token`.
    pub kind: String,
    /// The API token's id, or the access token's `sub`. Without it nobody could say who changed something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What people call the API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The client that the access token was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
