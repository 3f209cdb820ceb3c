//! What is to be made of a client: the body of `POST` and `PATCH`, in either vocabulary or both.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::descriptive;
use super::oidc_logout::{OidcLogoutChange, metadata_choice};
use super::token::TokenChange;
use super::twice::{Twice, agreed};
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, ClientRecord, LogoutUri, SubjectLogout, SubjectType, TokenOptions};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiators;
use crate::domain::metadata::MetadataChoice;
use crate::domain::sector::SectorIdentifierUri;
use crate::http::extract::{Member, object};
use crate::http::schema as doc;
use crate::registry::InvalidMember;

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 255;

/// What is left out stays as it is, or is the default of a new client; `null` makes it the default.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct ClientChange {
    /// Of a new client only. One is made up where it is left out.
    pub(super) client_id: Option<ClientId>,

    // OpenID Connect registration, and logoutd's own.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[^<>]+$")]
    client_name: Member<String>,
    #[serde(default)]
    #[schema(value_type = Option<LogoutUri>)]
    backchannel_logout_uri: Member<LogoutUri>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    backchannel_logout_session_required: Member<bool>,
    #[serde(default)]
    #[schema(value_type = Option<SigningAlg>)]
    id_token_signed_response_alg: Member<SigningAlg>,
    #[serde(default)]
    #[schema(value_type = Option<Initiators>)]
    initiators: Member<Initiators>,
    #[serde(default)]
    #[schema(value_type = Option<MetadataChoice>)]
    session_metadata: Member<MetadataChoice>,
    #[serde(default, deserialize_with = "object")]
    #[schema(value_type = Option<TokenChange>)]
    token: Member<TokenChange>,
    #[serde(default)]
    #[schema(value_type = Option<SubjectLogout>)]
    subject_logout: Member<SubjectLogout>,
    #[serde(default)]
    #[schema(value_type = Option<SubjectType>)]
    subject_type: Member<SubjectType>,
    #[serde(default)]
    #[schema(value_type = Option<SectorIdentifierUri>)]
    sector_identifier_uri: Member<SectorIdentifierUri>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    enabled: Member<bool>,

    // Auth0's Management API.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[^<>]+$")]
    name: Member<String>,
    #[serde(default, deserialize_with = "object")]
    #[schema(value_type = Option<OidcLogoutChange>)]
    oidc_logout: Member<OidcLogoutChange>,
    /// The older name of `oidc_logout`, which wins.
    #[serde(default, deserialize_with = "object")]
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
        let as_read = self.is_as_read(record);
        self.apply_uri(&oidc_logout, record, as_read)?;
        let client = &mut record.client;
        self.apply_name(client, as_read)?;
        let now = as_read.then_some(Member::Is(client.id_token_signed_response_alg));
        if let Some(alg) = self.alg(now.as_ref())?.sets(SigningAlg::Rs256) {
            client.id_token_signed_response_alg = alg;
        }
        self.apply_initiators(&oidc_logout, client, as_read)?;
        self.apply_metadata(&oidc_logout, client, as_read)?;
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

    /// Whether the body was made of what the client is now: it has its `updated_at`.
    fn is_as_read(&self, record: &ClientRecord) -> bool {
        let updated_at = self.descriptive.get("updated_at").and_then(Value::as_str);
        let updated_at: Option<Timestamp> = updated_at.and_then(|text| text.parse().ok());
        let now = record.updated_at.as_millisecond();
        record.revision > 0 && updated_at.is_some_and(|at| at.as_millisecond() == now)
    }

    fn apply_uri(
        &self,
        oidc_logout: &OidcLogoutChange,
        record: &mut ClientRecord,
        as_read: bool,
    ) -> Result<(), InvalidMember> {
        let ours = Twice { name: "backchannel_logout_uri", value: self.backchannel_logout_uri.clone() };
        let theirs = Twice { name: "oidc_logout.backchannel_logout_urls", value: oidc_logout.logout_uri()? };
        let now = as_read.then(|| record.client.backchannel_logout_uri.clone().into());
        let uri = match agreed(ours, theirs, now.as_ref())? {
            Member::Absent => return Ok(()),
            Member::Null => None,
            Member::Is(uri) => Some(uri),
        };
        // Whoever sets the URI, to another or to the same, subscribes again after a 410. But not whoever sends back
        // what was read.
        let sent_back = self.descriptive.get("subscribed") == Some(&Value::Bool(false));
        if !(sent_back && uri == record.client.backchannel_logout_uri) {
            record.subscribed = uri.is_some();
        }
        record.client.backchannel_logout_uri = uri;
        Ok(())
    }

    fn apply_name(&self, client: &mut Client, as_read: bool) -> Result<(), InvalidMember> {
        let name = match &self.name {
            // A client without a name is shown with its id for one.
            Member::Is(name) if client.client_name.is_none() && name == client.client_id.as_str() => {
                Member::Absent
            }
            name => name.clone(),
        };
        let ours = Twice { name: "name", value: name };
        let theirs = Twice { name: "client_name", value: self.client_name.clone() };
        let now = as_read.then(|| client.client_name.clone().into());
        match agreed(ours, theirs, now.as_ref())? {
            Member::Absent => {}
            Member::Null => client.client_name = None,
            Member::Is(name) => client.client_name = Some(checked_name(name)?),
        }
        Ok(())
    }

    fn apply_initiators(
        &self,
        oidc_logout: &OidcLogoutChange,
        client: &mut Client,
        as_read: bool,
    ) -> Result<(), InvalidMember> {
        let ours = self.initiators.clone().sets(Initiators::default()).map_or(Member::Absent, Member::Is);
        let change = oidc_logout.initiators()?;
        let theirs = change.as_ref().map_or(Member::Absent, |it| Member::Is(it.initiators.clone()));
        let ours = Twice { name: "initiators", value: ours };
        let theirs = Twice { name: "oidc_logout.backchannel_logout_initiators", value: theirs };
        let now = as_read.then(|| Member::Is(client.initiators.clone()));
        let agreed = agreed(ours, theirs, now.as_ref())?;
        if let Member::Is(initiators) = agreed {
            client.initiators = initiators;
        }
        if let Some(change) = change {
            // What is not the default is shown anyway: to send it back is no change.
            let is_default = client.initiators == Initiators::default();
            client.spelled_out.initiators = change.spelled_out && is_default;
        } else if self.initiators == Member::Null {
            client.spelled_out.initiators = false;
        }
        Ok(())
    }

    fn apply_metadata(
        &self,
        oidc_logout: &OidcLogoutChange,
        client: &mut Client,
        as_read: bool,
    ) -> Result<(), InvalidMember> {
        let ours = self.session_metadata.clone().sets(MetadataChoice::None);
        let included = oidc_logout.included();
        let now = ours.as_ref().unwrap_or(&client.session_metadata);
        let theirs = included.clone().sets(false).map(|include| metadata_choice(include, now));
        let ours = Twice { name: "session_metadata", value: ours.map_or(Member::Absent, Member::Is) };
        let theirs_name = "oidc_logout.backchannel_logout_session_metadata";
        let theirs = Twice { name: theirs_name, value: theirs.map_or(Member::Absent, Member::Is) };
        let now = as_read.then(|| Member::Is(client.session_metadata.clone()));
        if let Member::Is(choice) = agreed(ours, theirs, now.as_ref())? {
            client.session_metadata = choice;
        }
        if included.is_given() {
            client.spelled_out.no_session_metadata = included == Member::Is(false);
        }
        if self.session_metadata == Member::Null || client.session_metadata != MetadataChoice::None {
            client.spelled_out.no_session_metadata = false;
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

    fn alg(&self, now: Option<&Member<SigningAlg>>) -> Result<Member<SigningAlg>, InvalidMember> {
        let theirs = match &self.jwt_configuration {
            Member::Is(configuration) => match configuration.get("alg") {
                None => Member::Absent,
                Some(alg) => Member::deserialize(alg)
                    .map_err(|error| InvalidMember::new("jwt_configuration.alg", error.to_string()))?,
            },
            Member::Absent => Member::Absent,
            Member::Null if self.id_token_signed_response_alg.is_given() => Member::Absent,
            Member::Null => Member::Null,
        };
        let ours = self.id_token_signed_response_alg.clone();
        let ours = Twice { name: "id_token_signed_response_alg", value: ours };
        agreed(ours, Twice { name: "jwt_configuration.alg", value: theirs }, now)
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
