//! A client as it is registered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Client;

/// A client as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// The client.
    pub client: Client,
    /// Where it is managed.
    pub origin: Origin,
    /// Whether it has a `backchannel_logout_uri`, and its RP has not answered 410 (Gone) since that was set.
    pub subscribed: bool,
    /// Counts its changes, for optimistic concurrency.
    pub revision: u64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Where a client is managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The configuration file: it is read-only here.
    File,
    /// The management API.
    Api,
}

impl Origin {
    /// The name used in the store and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }
}
