//! The body of `POST` and `PATCH`: settings under their own names and under Auth0's, and descriptive members.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth0::Auth0Settings;
use super::descriptive;
use super::fault;
use super::oidc_logout::OidcLogoutChange;
use crate::domain::client::document::{Document as _, Fault};
use crate::domain::client::{Client, ClientRecord};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiators;
use crate::domain::metadata::MetadataChoice;
use crate::http::extract::{Member, object};
use crate::http::schema as doc;
use crate::registry::InvalidMember;

/// What is left out stays as it is, or is the default of a new client; `null` makes it the default.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct ClientBody {
    /// Of a new client only. One is made up where it is left out.
    client_id: Option<ClientId>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[^<>]+$")]
    name: Member<Value>,
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
    /// Settings under their own names, and descriptive members.
    #[serde(flatten)]
    #[schema(ignore)]
    others: BTreeMap<String, Value>,
}

/// A change of a client.
#[derive(Clone, Debug)]
pub(super) struct ClientChange {
    pub(super) client_id: Option<ClientId>,
    /// Settings under their own names, as a document.
    settings: Map<String, Value>,
    /// Settings under Auth0's names.
    auth0: Auth0Settings,
    /// Everything else, the ignored members included.
    descriptive: BTreeMap<String, Value>,
}

impl TryFrom<ClientBody> for ClientChange {
    type Error = InvalidMember;

    fn try_from(body: ClientBody) -> Result<Self, InvalidMember> {
        let ClientBody { client_id, name, oidc_logout, oidc_backchannel_logout, jwt_configuration, .. } =
            body;
        let mut descriptive = body.others;
        let mut settings = Map::new();
        for definition in Client::SETTINGS {
            let value = descriptive.remove_entry(definition.name);
            settings.extend(value);
        }
        let alg = match jwt_configuration {
            Member::Absent => Member::Absent,
            Member::Null => {
                descriptive.insert("jwt_configuration".to_owned(), Value::Null);
                // The algorithm's own name says what it is to be.
                if settings.contains_key("id_token_signed_response_alg") {
                    Member::Absent
                } else {
                    Member::Null
                }
            }
            Member::Is(mut configuration) => {
                let alg = configuration.remove("alg");
                if !configuration.is_empty() {
                    let rest = configuration.into_iter().collect();
                    descriptive.insert("jwt_configuration".to_owned(), Value::Object(rest));
                }
                alg.map_or(Member::Absent, Member::Is)
            }
        };
        let auth0 = Auth0Settings::of(name, alg, oidc_logout, oidc_backchannel_logout)?;
        Ok(Self { client_id, settings, auth0, descriptive })
    }
}

impl ClientChange {
    /// Whether it would change nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.auth0.document.is_empty() && self.descriptive.is_empty()
    }

    /// Makes the change.
    pub(super) fn apply(&self, record: &mut ClientRecord) -> Result<(), InvalidMember> {
        let document = self.agreed(record)?;
        let uri_before = record.client.backchannel_logout_uri.clone();
        if let Some(found) = record.client.merge(&document).into_iter().next() {
            return Err(fault::invalid(found));
        }
        if document.contains_key("backchannel_logout_uri") {
            // To set the URI, also to what it is, ends the unsubscription by a 410. To send back what was read
            // does not.
            let uri = &record.client.backchannel_logout_uri;
            let was_read = self.descriptive.get("subscribed") == Some(&Value::Bool(false));
            if !(was_read && *uri == uri_before) {
                record.subscribed = uri.is_some();
            }
        }
        self.keep_explicit_defaults(&mut record.client);
        descriptive::apply(&mut record.client.descriptive, &self.descriptive)
    }

    /// The settings under either name. Where both names are given and differ, the value that the client has `now`
    /// gives way: the other was changed in what was read. Only a body with the client's `updated_at` was read just
    /// before; by an older one, the two values would be set in turn, each time that it is sent.
    fn agreed(&self, record: &ClientRecord) -> Result<Map<String, Value>, InvalidMember> {
        let current = record.client.document();
        let is_as_read = self.is_as_read(record);
        let mut document = self.settings.clone();
        for (setting, value) in &self.auth0.document {
            let own = self.settings.get(setting).map(|own| canonical(setting, own)).transpose();
            let own = own.map_err(fault::invalid)?;
            let now = &current[setting];
            let value = match setting.as_str() {
                // A client without a name is shown with its id for one.
                "client_name" if now.is_null() && value == record.client.client_id.as_str() => continue,
                "session_metadata" => included(value, own.as_ref().unwrap_or(now)),
                _ => canonical(setting, value).map_err(|found| {
                    let path = self.auth0.path(&found.path);
                    fault::invalid(Fault { path, ..found })
                })?,
            };
            match own {
                Some(own) if own == value || (is_as_read && value == *now) => {}
                Some(own) if !(is_as_read && own == *now) => {
                    let other = self.auth0.name(setting);
                    let problem = format!("contradicts {other}; they are the same thing, give one of them");
                    return Err(InvalidMember::new(setting, problem));
                }
                Some(_) | None => drop(document.insert(setting.clone(), value)),
            }
        }
        Ok(document)
    }

    /// Whether the body was made of what the client is now: it has its `updated_at`.
    fn is_as_read(&self, record: &ClientRecord) -> bool {
        let updated_at = self.descriptive.get("updated_at").and_then(Value::as_str);
        let updated_at: Option<Timestamp> = updated_at.and_then(|text| text.parse().ok());
        let now = record.updated_at.as_millisecond();
        record.revision > 0 && updated_at.is_some_and(|at| at.as_millisecond() == now)
    }

    /// Keeps in mind which defaults Auth0's members set, since only those are shown there.
    fn keep_explicit_defaults(&self, client: &mut Client) {
        let is_default = client.initiators == Initiators::default();
        match self.auth0.document.get("initiators") {
            Some(value) => client.spelled_out.initiators = !value.is_null() && is_default,
            None if self.settings.get("initiators") == Some(&Value::Null) => {
                client.spelled_out.initiators = false;
            }
            None => {}
        }
        if let Some(value) = self.auth0.document.get("session_metadata") {
            client.spelled_out.no_session_metadata = *value == Value::Bool(false);
        }
        if self.settings.get("session_metadata") == Some(&Value::Null)
            || client.session_metadata != MetadataChoice::None
        {
            client.spelled_out.no_session_metadata = false;
        }
    }
}

/// A setting as it is written after it was set to `value`: `null` is its default, and lists are in order.
fn canonical(setting: &str, value: &Value) -> Result<Value, Fault> {
    let mut client = Client::new("any".parse().expect("it is a client_id"));
    let faults = client.merge(&Map::from_iter([(setting.to_owned(), value.clone())]));
    faults.into_iter().next().map_or_else(|| Ok(client.document().remove(setting).unwrap_or_default()), Err)
}

/// `session_metadata` after Auth0's `include`, which keeps a choice of keys.
fn included(include: &Value, now: &Value) -> Value {
    match (include, now) {
        (Value::Bool(true), Value::Array(_)) => now.clone(),
        (Value::Bool(true), _) => true.into(),
        _ => false.into(),
    }
}
