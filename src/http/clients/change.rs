//! What is to be made of a client: the body of `POST` and `PATCH`, in either vocabulary or both.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::body::Member;
use super::super::openapi as doc;
use super::descriptive;
use super::oidc_logout::OidcLogoutChange;
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{
    Client, ClientRecord, LogoutUri, SubjectLogout, SubjectType, TokenOptions, TokenSubject, TokenTyp,
};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiators;
use crate::domain::metadata::MetadataChoice;
use crate::domain::sector::SectorIdentifierUri;
use crate::registry::InvalidMember;

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 255;

/// What is left out stays as it is, or is the default of a new client; `null` makes it the default.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct ClientChange {
    /// Of a new client only. One is made up where it is left out.
    #[schema(value_type = Option<doc::ClientId>)]
    pub(super) client_id: Option<ClientId>,

    // OpenID Connect registration, and logoutd's own.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[^<>]+$")]
    client_name: Member<String>,
    #[serde(default)]
    #[schema(value_type = Option<doc::LogoutUri>)]
    backchannel_logout_uri: Member<LogoutUri>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    backchannel_logout_session_required: Member<bool>,
    #[serde(default)]
    #[schema(value_type = Option<doc::SigningAlg>)]
    id_token_signed_response_alg: Member<SigningAlg>,
    #[serde(default)]
    #[schema(value_type = Option<doc::Initiators>)]
    initiators: Member<Initiators>,
    #[serde(default)]
    #[schema(value_type = Option<doc::MetadataChoice>)]
    session_metadata: Member<MetadataChoice>,
    #[serde(default)]
    #[schema(value_type = Option<TokenChange>)]
    token: Member<TokenChange>,
    #[serde(default)]
    #[schema(value_type = Option<doc::SubjectLogout>)]
    subject_logout: Member<SubjectLogout>,
    #[serde(default)]
    #[schema(value_type = Option<doc::SubjectType>)]
    subject_type: Member<SubjectType>,
    #[serde(default)]
    #[schema(value_type = Option<doc::SectorIdentifierUri>)]
    sector_identifier_uri: Member<SectorIdentifierUri>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    enabled: Member<bool>,

    // Auth0's Management API.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[^<>]+$")]
    name: Member<String>,
    #[serde(default)]
    #[schema(value_type = Option<OidcLogoutChange>)]
    oidc_logout: Member<OidcLogoutChange>,
    /// The older name of `oidc_logout`, which wins.
    #[serde(default)]
    #[schema(value_type = Option<OidcLogoutChange>)]
    oidc_backchannel_logout: Member<OidcLogoutChange>,
    #[serde(default)]
    #[schema(value_type = Option<doc::JwtConfiguration>)]
    jwt_configuration: Member<BTreeMap<String, Value>>,

    /// Everything else.
    #[serde(flatten)]
    #[schema(ignore)]
    descriptive: BTreeMap<String, Value>,
}

/// What is left out stays as it is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenChange {
    /// A duration with a unit, such as `2m`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2m")]
    ttl: Member<String>,
    #[serde(default)]
    #[schema(value_type = Option<doc::TokenTyp>)]
    typ: Member<TokenTyp>,
    #[serde(default)]
    #[schema(value_type = Option<doc::TokenSubject>)]
    subject: Member<TokenSubject>,
}

impl ClientChange {
    /// Whether it would change nothing.
    pub(super) fn is_empty(&self) -> bool {
        let given = [
            self.client_name.is_given(),
            self.backchannel_logout_uri.is_given(),
            self.backchannel_logout_session_required.is_given(),
            self.id_token_signed_response_alg.is_given(),
            self.initiators.is_given(),
            self.session_metadata.is_given(),
            self.token.is_given(),
            self.subject_logout.is_given(),
            self.subject_type.is_given(),
            self.sector_identifier_uri.is_given(),
            self.enabled.is_given(),
            self.name.is_given(),
            self.oidc_logout.is_given(),
            self.oidc_backchannel_logout.is_given(),
            self.jwt_configuration.is_given(),
            !self.descriptive.is_empty(),
        ];
        !given.contains(&true)
    }

    /// Makes the change.
    pub(super) fn apply(&self, record: &mut ClientRecord) -> Result<(), InvalidMember> {
        let oidc_logout = self.oidc_logout();
        self.apply_uri(&oidc_logout, record)?;
        let client = &mut record.client;
        match agreed("name", self.name.clone(), "client_name", self.client_name.clone())? {
            Member::Absent => {}
            Member::Null => client.client_name = None,
            Member::Is(name) => client.client_name = Some(checked_name(name)?),
        }
        if let Some(alg) = self.alg()?.sets(SigningAlg::Rs256) {
            client.id_token_signed_response_alg = alg;
        }
        self.apply_initiators(&oidc_logout, client)?;
        self.apply_metadata(&oidc_logout, client)?;
        if let Some(required) = self.backchannel_logout_session_required.clone().sets(false) {
            client.backchannel_logout_session_required = required;
        }
        match &self.token {
            Member::Absent => {}
            Member::Null => client.token = TokenOptions::default(),
            Member::Is(change) => change.apply(&mut client.token)?,
        }
        if let Some(subject_logout) = self.subject_logout.clone().sets(SubjectLogout::default()) {
            client.subject_logout = subject_logout;
        }
        if let Some(subject_type) = self.subject_type.clone().sets(SubjectType::default()) {
            client.subject_type = subject_type;
        }
        match &self.sector_identifier_uri {
            Member::Absent => {}
            Member::Null => client.sector_identifier_uri = None,
            Member::Is(uri) => client.sector_identifier_uri = Some(uri.clone()),
        }
        if let Some(enabled) = self.enabled.clone().sets(true) {
            client.enabled = enabled;
        }
        descriptive::apply(&mut client.descriptive, &self.descriptive())
    }

    fn apply_uri(
        &self,
        oidc_logout: &OidcLogoutChange,
        record: &mut ClientRecord,
    ) -> Result<(), InvalidMember> {
        let (ours, theirs) = (self.backchannel_logout_uri.clone(), oidc_logout.logout_uri()?);
        let uri = match agreed("backchannel_logout_uri", ours, "oidc_logout.backchannel_logout_urls", theirs)?
        {
            Member::Absent => return Ok(()),
            Member::Null => None,
            Member::Is(uri) => Some(uri),
        };
        // Whoever sets the URI, to another or to the same, subscribes again after a 410.
        record.subscribed = uri.is_some();
        record.client.backchannel_logout_uri = uri;
        Ok(())
    }

    fn apply_initiators(
        &self,
        oidc_logout: &OidcLogoutChange,
        client: &mut Client,
    ) -> Result<(), InvalidMember> {
        let ours = self.initiators.clone().sets(Initiators::default()).map_or(Member::Absent, Member::Is);
        let theirs = oidc_logout.initiators()?.map_or(Member::Absent, Member::Is);
        let agreed = agreed("initiators", ours, "oidc_logout.backchannel_logout_initiators", theirs)?;
        if let Member::Is(initiators) = agreed {
            client.initiators = initiators;
        }
        Ok(())
    }

    fn apply_metadata(
        &self,
        oidc_logout: &OidcLogoutChange,
        client: &mut Client,
    ) -> Result<(), InvalidMember> {
        let ours = self.session_metadata.clone().sets(MetadataChoice::None);
        let theirs = oidc_logout.session_metadata(ours.as_ref().unwrap_or(&client.session_metadata));
        let ours = ours.map_or(Member::Absent, Member::Is);
        let theirs = theirs.map_or(Member::Absent, Member::Is);
        let theirs_name = "oidc_logout.backchannel_logout_session_metadata";
        if let Member::Is(choice) = agreed("session_metadata", ours, theirs_name, theirs)? {
            client.session_metadata = choice;
        }
        Ok(())
    }

    /// The object of either name; `null` unsubscribes and makes the rest the default.
    fn oidc_logout(&self) -> OidcLogoutChange {
        let given =
            if self.oidc_logout.is_given() { &self.oidc_logout } else { &self.oidc_backchannel_logout };
        match given {
            Member::Absent => OidcLogoutChange::default(),
            Member::Null => OidcLogoutChange::unsubscribed(),
            Member::Is(change) => change.clone(),
        }
    }

    fn alg(&self) -> Result<Member<SigningAlg>, InvalidMember> {
        let theirs = match &self.jwt_configuration {
            Member::Is(configuration) => match configuration.get("alg") {
                None => Member::Absent,
                Some(alg) => Member::deserialize(alg)
                    .map_err(|error| InvalidMember::new("jwt_configuration.alg", error.to_string()))?,
            },
            Member::Absent | Member::Null => Member::Absent,
        };
        let ours = self.id_token_signed_response_alg.clone();
        agreed("id_token_signed_response_alg", ours, "jwt_configuration.alg", theirs)
    }

    /// The descriptive members, with what else there is in `jwt_configuration`.
    fn descriptive(&self) -> BTreeMap<String, Value> {
        let mut descriptive = self.descriptive.clone();
        let configuration = match &self.jwt_configuration {
            Member::Absent => return descriptive,
            Member::Null => Value::Null,
            Member::Is(configuration) => {
                let rest = configuration.iter().filter(|(name, _)| *name != "alg");
                let rest: serde_json::Map<_, _> = rest.map(|(name, it)| (name.clone(), it.clone())).collect();
                if rest.is_empty() {
                    return descriptive;
                }
                Value::Object(rest)
            }
        };
        descriptive.insert("jwt_configuration".to_owned(), configuration);
        descriptive
    }
}

impl TokenChange {
    fn apply(&self, token: &mut TokenOptions) -> Result<(), InvalidMember> {
        let default = TokenOptions::default();
        match &self.ttl {
            Member::Absent => {}
            Member::Null => token.ttl = default.ttl,
            Member::Is(text) => token.ttl = checked_ttl(text)?,
        }
        token.typ = self.typ.clone().sets(default.typ).unwrap_or(token.typ);
        token.subject = self.subject.clone().sets(default.subject).unwrap_or(token.subject);
        Ok(())
    }
}

/// The value of a member that has two names.
fn agreed<T: PartialEq>(
    name: &'static str,
    value: Member<T>,
    other_name: &'static str,
    other: Member<T>,
) -> Result<Member<T>, InvalidMember> {
    match (value, other) {
        (value, Member::Absent) => Ok(value),
        (Member::Absent, other) => Ok(other),
        (value, other) if value == other => Ok(value),
        _ => {
            let problem = format!("contradicts {name}; they are the same thing, give one of them");
            Err(InvalidMember::new(other_name, problem))
        }
    }
}

fn checked_name(name: String) -> Result<String, InvalidMember> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || name.chars().any(|c| matches!(c, '<' | '>') || c.is_control())
    {
        let problem =
            format!("must have 1 to {MAX_NAME_CHARS} characters, none of them <, > or a control character");
        return Err(InvalidMember::new("name", problem));
    }
    Ok(name)
}

fn checked_ttl(text: &str) -> Result<Duration, InvalidMember> {
    let whole_seconds = |ttl: &Duration| ttl.subsec_nanos() == 0;
    let range = Duration::from_secs(1)..=TokenOptions::MAX_TTL;
    let ttl = humantime::parse_duration(text).ok().filter(|ttl| range.contains(ttl)).filter(whole_seconds);
    ttl.ok_or_else(|| {
        InvalidMember::new("token.ttl", "must be a duration of whole seconds from 1s to 10m, such as \"2m\"")
    })
}
