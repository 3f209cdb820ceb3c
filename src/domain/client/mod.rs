//! A client: a registered relying party, where its logout tokens go and what they look like.

mod logout_uri;
mod token_options;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::algorithm::SigningAlg;
use super::ids::ClientId;
use super::initiator::Initiators;
use super::metadata::MetadataChoice;
use super::sector::{self, SectorIdentifierUri};

pub use self::logout_uri::{LogoutUri, LogoutUriError};
pub use self::token_options::{TokenOptions, TokenSubject, TokenTyp};

/// A registered relying party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The `aud` of its tokens.
    pub client_id: ClientId,
    /// A name for people.
    pub client_name: Option<String>,
    /// Where its tokens go, by POST. Without one it is registered, but not subscribed to logouts.
    #[serde(default, deserialize_with = "logout_uri::stored")]
    pub backchannel_logout_uri: Option<LogoutUri>,
    /// Whether its tokens must carry a `sid` (Back-Channel Logout 1.0 §2.2).
    pub backchannel_logout_session_required: bool,
    /// What its tokens are signed with (§2.6).
    pub id_token_signed_response_alg: SigningAlg,
    /// Which ends of a session it hears of.
    pub initiators: Initiators,
    /// Which session metadata its tokens carry.
    pub session_metadata: MetadataChoice,
    /// The shape of its tokens.
    pub token: TokenOptions,
    /// How it is told that every session of a user ended.
    pub subject_logout: SubjectLogout,
    /// Whether it knows users by the OP's `sub` or by one of its own (OpenID Connect Core §8).
    pub subject_type: SubjectType,
    /// Its host stands for the group of clients that share pairwise subjects. Without one, that of the
    /// logout URI does.
    #[serde(default, deserialize_with = "sector::stored")]
    pub sector_identifier_uri: Option<SectorIdentifierUri>,
    /// An operator's switch: while it is off, deliveries wait.
    pub enabled: bool,
    /// Which defaults were set in so many words.
    #[serde(default, skip_serializing_if = "SpelledOut::is_nothing")]
    pub spelled_out: SpelledOut,
    /// What else its registration says of it. It is kept and given back, and nothing here acts on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptive: BTreeMap<String, Value>,
}

impl Client {
    /// A client with nothing but its id: not subscribed, everything else by default.
    pub fn new(client_id: ClientId) -> Self {
        Self {
            client_id,
            client_name: None,
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            id_token_signed_response_alg: SigningAlg::Rs256,
            initiators: Initiators::default(),
            session_metadata: MetadataChoice::default(),
            token: TokenOptions::default(),
            subject_logout: SubjectLogout::default(),
            subject_type: SubjectType::default(),
            sector_identifier_uri: None,
            enabled: true,
            spelled_out: SpelledOut::default(),
            descriptive: BTreeMap::new(),
        }
    }

    /// Which of its settings contradict each other.
    pub fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Vec::new();
        let session_required = self.backchannel_logout_session_required;
        if session_required && self.token.subject == TokenSubject::Sub {
            let fix = "must be \"sid+sub\" or \"sid\": backchannel_logout_session_required asks for a sid";
            found.push(Contradiction { field: "token.subject", fix });
        }
        if self.subject_logout == SubjectLogout::Sub
            && (session_required || self.token.subject == TokenSubject::Sid)
        {
            let fix = "must be \"sid\": this client's tokens must have a sid";
            found.push(Contradiction { field: "subject_logout", fix });
        }
        if self.subject_type == SubjectType::Public && self.sector_identifier_uri.is_some() {
            let fix = "is for clients with the subject_type \"pairwise\" only";
            found.push(Contradiction { field: "sector_identifier_uri", fix });
        }
        found
    }
}

/// Defaults that were set in so many words, in Auth0's members. They are shown there; others are not: Terraform
/// compares what it wrote with what it reads, and would forever want to remove what it did not write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpelledOut {
    /// The default initiators.
    #[serde(default)]
    pub initiators: bool,
    /// That tokens carry no session metadata.
    #[serde(default)]
    pub no_session_metadata: bool,
}

impl SpelledOut {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A setting of a client that contradicts another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The setting.
    pub field: &'static str,
    /// What it must be, and why.
    pub fix: &'static str,
}

/// A client as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// The client.
    pub client: Client,
    /// Who manages it.
    pub origin: Origin,
    /// It has a `backchannel_logout_uri`, and its RP has not answered 410 (Gone) since that was set.
    pub subscribed: bool,
    /// Counts its changes, so that a change can be made on the condition that nobody else made one.
    pub revision: u64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Who manages a client.
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

/// How a client is told that every session of a user ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectLogout {
    /// A token for each session it takes part in. Some receivers can do nothing with a `sub` alone.
    #[default]
    Sid,
    /// One token with the `sub` alone, which means every session of the user (Back-Channel Logout 1.0 §2.4).
    Sub,
}

/// What a client knows users by (OpenID Connect Core §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectType {
    /// The OP's `sub`, the same at every such client.
    #[default]
    Public,
    /// A `sub` of the client's own, or of its sector's. It is never told the public one.
    Pairwise,
}
