//! A client as JSON, in both vocabularies.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::descriptive;
use super::oidc_logout::OidcLogoutView;
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{
    Client, ClientRecord, LogoutUri, Origin, SubjectLogout, SubjectType, TokenOptions, TokenSubject, TokenTyp,
};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiators;
use crate::domain::metadata::MetadataChoice;
use crate::domain::sector::SectorIdentifierUri;
use crate::http::schema as doc;
use crate::http::schema::{Shown, shown};

/// A client.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
#[expect(clippy::struct_excessive_bools, reason = "they are members of the registration, not states")]
pub(super) struct ClientView {
    client_id: ClientId,
    /// Its name; of a client that has none, its id, since Auth0's tools go by it.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    client_name: Option<String>,
    /// Auth0's: no client here is one for everything.
    global: bool,
    is_first_party: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Shown,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Shown,
    /// `file`: it is read-only here. `api`: it is managed here.
    origin: Origin,
    enabled: bool,
    /// Whether it gets logout tokens: it has a URI, and has not answered 410 (Gone) since that was set.
    subscribed: bool,

    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LogoutUri)]
    backchannel_logout_uri: Option<LogoutUri>,
    backchannel_logout_session_required: bool,
    id_token_signed_response_alg: SigningAlg,
    initiators: Initiators,
    session_metadata: MetadataChoice,
    token: TokenView,
    subject_logout: SubjectLogout,
    subject_type: SubjectType,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = SectorIdentifierUri)]
    sector_identifier_uri: Option<SectorIdentifierUri>,

    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OidcLogoutView)]
    oidc_logout: Option<OidcLogoutView>,
    #[schema(value_type = doc::JwtConfiguration)]
    jwt_configuration: Map<String, Value>,

    /// What else its registration says.
    #[serde(flatten)]
    #[schema(ignore)]
    descriptive: BTreeMap<String, Value>,
}

/// The shape of a client's tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenOptions)]
struct TokenView {
    /// A duration with a unit.
    #[schema(example = "2m")]
    ttl: String,
    typ: TokenTyp,
    subject: TokenSubject,
}

impl From<ClientRecord> for ClientView {
    fn from(record: ClientRecord) -> Self {
        let ClientRecord { client, origin, subscribed, revision: _, created_at, updated_at } = record;
        let oidc_logout = OidcLogoutView::of(&client);
        let Client { mut descriptive, token: TokenOptions { ttl, typ, subject }, .. } = client;
        let alg = client.id_token_signed_response_alg;
        descriptive.retain(|name, value| descriptive::is_shown(name, value));
        let mut jwt_configuration = match descriptive.remove("jwt_configuration") {
            Some(Value::Object(configuration)) => configuration,
            _ => Map::new(),
        };
        jwt_configuration.insert("alg".to_owned(), alg.as_str().into());
        let is_first_party =
            descriptive.remove("is_first_party").and_then(|value| value.as_bool()).unwrap_or(true);
        Self {
            name: client.client_name.clone().unwrap_or_else(|| client.client_id.as_str().to_owned()),
            client_name: client.client_name,
            client_id: client.client_id,
            global: false,
            is_first_party,
            created_at: shown(created_at),
            updated_at: shown(updated_at),
            origin,
            enabled: client.enabled,
            subscribed,
            backchannel_logout_uri: client.backchannel_logout_uri,
            backchannel_logout_session_required: client.backchannel_logout_session_required,
            id_token_signed_response_alg: alg,
            initiators: client.initiators,
            session_metadata: client.session_metadata,
            token: TokenView { ttl: humantime::format_duration(ttl).to_string(), typ, subject },
            subject_logout: client.subject_logout,
            subject_type: client.subject_type,
            sector_identifier_uri: client.sector_identifier_uri,
            oidc_logout,
            jwt_configuration,
            descriptive,
        }
    }
}
