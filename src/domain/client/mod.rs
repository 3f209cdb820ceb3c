//! A client: a registered relying party, where its logout tokens go and what they look like.
//!
//! [`Client`] defines its settings, each in three lines of this file that the compiler keeps together: a field, a row
//! of the `settings!` list, a default in [`Client::new`]. See [`document`].

pub mod document;
mod forms;
mod logout_uri;
mod record;
mod subject;
mod token_options;

use std::collections::BTreeMap;

use serde_json::Value;

use super::algorithm::SigningAlg;
use super::ids::ClientId;
use super::initiator::Initiators;
use super::metadata::MetadataChoice;
use super::sector::SectorIdentifierUri;

use self::document::settings;
use self::forms::{DisplayName, Flag, Group, InitiatorList, Maybe, MetadataKeys, OneOf, Text};

pub use self::logout_uri::{LogoutUri, LogoutUriError};
pub use self::record::{ClientRecord, Origin};
pub use self::subject::{SubjectLogout, SubjectType};
pub use self::token_options::{TokenOptions, TokenSubject, TokenTyp};

/// A registered relying party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The `aud` of its tokens.
    pub client_id: ClientId,
    /// A name for people.
    pub client_name: Option<String>,
    /// Where its tokens go, by POST. Without one it is registered, but not subscribed to logouts.
    pub backchannel_logout_uri: Option<LogoutUri>,
    /// Whether its tokens must carry a `sid` (Back-Channel Logout 1.0 §2.2).
    pub backchannel_logout_session_required: bool,
    /// What its tokens are signed with (§2.6).
    pub id_token_signed_response_alg: SigningAlg,
    /// Which ends of a session it gets a token for.
    pub initiators: Initiators,
    /// Which session metadata its tokens carry.
    pub session_metadata: MetadataChoice,
    /// The shape of its tokens.
    pub token: TokenOptions,
    /// Which tokens it gets when all sessions of a user end.
    pub subject_logout: SubjectLogout,
    /// Whether it knows users by the OP's `sub` or by one of its own (OpenID Connect Core §8).
    pub subject_type: SubjectType,
    /// Clients with the same host here share pairwise subjects. Without one, the host of the logout URI counts.
    pub sector_identifier_uri: Option<SectorIdentifierUri>,
    /// Deliveries to a disabled client stay pending.
    pub enabled: bool,
    /// Which defaults were set explicitly.
    pub spelled_out: SpelledOut,
    /// Descriptive members of its registration. They are stored and returned, and have no effect.
    pub descriptive: BTreeMap<String, Value>,
}

settings! {
    Client, defaults: |client| Self::new(client.client_id.clone()),
    besides: [client_id, spelled_out, descriptive],
    {
        client_name: Maybe<DisplayName>,
        backchannel_logout_uri: Maybe<Text<LogoutUri>>,
        backchannel_logout_session_required: Flag,
        id_token_signed_response_alg: Text<SigningAlg>,
        initiators: InitiatorList,
        session_metadata: MetadataKeys,
        token: Group<TokenOptions>,
        subject_logout: OneOf<SubjectLogout>,
        subject_type: OneOf<SubjectType>,
        sector_identifier_uri: Maybe<Text<SectorIdentifierUri>>,
        enabled: Flag,
    }
}

impl Client {
    /// A client with default settings, which is not subscribed.
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

    /// Finds settings that contradict each other.
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

/// Defaults that were set explicitly in Auth0's `oidc_logout`. Only those are shown there: Terraform compares what it
/// wrote with what it reads, and would want to remove what it did not write, again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpelledOut {
    /// The default initiators.
    pub initiators: bool,
    /// That tokens carry no session metadata.
    pub no_session_metadata: bool,
}

/// A setting of a client that contradicts another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The setting.
    pub field: &'static str,
    /// What it must be, and why.
    pub fix: &'static str,
}

#[cfg(test)]
mod tests;
