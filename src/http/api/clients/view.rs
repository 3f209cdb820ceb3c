//! A client as JSON: its settings under their own names and under Auth0's, and its descriptive members.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::descriptive;
use super::oidc_logout::OidcLogoutView;
use crate::domain::client::document::Document as _;
use crate::domain::client::{ClientRecord, Origin};
use crate::domain::ids::ClientId;
use crate::http::schema as doc;
use crate::http::schema::{Shown, shown};

/// A client.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
pub(super) struct ClientView {
    client_id: ClientId,
    /// Its name; of a client that has none, its id, since Auth0's tools go by it.
    name: String,
    /// Auth0's: no client here is one for everything.
    global: bool,
    is_first_party: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Shown,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Shown,
    /// `file`: it is read-only here. `api`: it is managed here.
    origin: Origin,
    /// Whether it gets logout tokens: it has a URI, and has not answered 410 (Gone) since that was set.
    subscribed: bool,

    /// Those that have a value.
    #[serde(flatten)]
    #[schema(ignore)]
    settings: Map<String, Value>,

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

impl From<ClientRecord> for ClientView {
    fn from(record: ClientRecord) -> Self {
        let ClientRecord { client, origin, subscribed, revision: _, created_at, updated_at } = record;
        let mut settings = client.document();
        settings.retain(|_, value| !value.is_null());
        let oidc_logout = OidcLogoutView::of(&client);
        let mut descriptive = client.descriptive;
        descriptive.retain(|name, value| descriptive::is_shown(name, value));
        let mut jwt_configuration = match descriptive.remove("jwt_configuration") {
            Some(Value::Object(configuration)) => configuration,
            _ => Map::new(),
        };
        jwt_configuration.insert("alg".to_owned(), client.id_token_signed_response_alg.as_str().into());
        let is_first_party =
            descriptive.remove("is_first_party").and_then(|value| value.as_bool()).unwrap_or(true);
        Self {
            name: client.client_name.unwrap_or_else(|| client.client_id.as_str().to_owned()),
            client_id: client.client_id,
            global: false,
            is_first_party,
            created_at: shown(created_at),
            updated_at: shown(updated_at),
            origin,
            subscribed,
            settings,
            oidc_logout,
            jwt_configuration,
            descriptive,
        }
    }
}
