//! `data` of each type of event. Unknown members are errors: a misspelt `clients` would leave users logged in.

use jiff::Timestamp;
use serde::Deserialize;

use super::FieldError;
use super::details::{AuthenticationData, CookieData, DeviceData, details};
use super::json_text::typed;
use super::named_clients::{ExcludedClients, NamedClientList};
use crate::domain::event::{
    ClientAdded, EventBody, SessionCreated, SessionTerminated, SessionUpdated, Target,
};
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::domain::session::Flow;
use crate::domain::time;
use crate::json::optional_object;

/// Parses the `data` of an event of this type.
pub(super) fn parse(r#type: &str, data: &str) -> Result<EventBody, FieldError> {
    let body = match r#type {
        _ if !data.starts_with('{') => Err(FieldError::new("", "must be a JSON object")),
        "session.created" => typed(data).and_then(CreatedData::into_body),
        "session.client_added" => typed(data).map(ClientAddedData::into_body),
        "session.updated" => typed(data).and_then(UpdatedData::into_body),
        "session.terminated" => typed(data).and_then(TerminatedData::into_body),
        other => {
            let message = format!(
                "`{}` is not an event type; use one of session.created, session.client_added, session.updated, \
                 session.terminated",
                other.escape_debug()
            );
            return Err(FieldError::new("type", message));
        }
    };
    body.map_err(|error| error.within("data"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreatedData {
    sid: Sid,
    sub: Sub,
    #[serde(default)]
    clients: NamedClientList,
    #[serde(default)]
    session_metadata: SessionMetadata,
    #[serde(default, deserialize_with = "time::option")]
    authenticated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::option")]
    idle_expires_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::option")]
    expires_at: Option<Timestamp>,
    #[serde(default)]
    flow: Flow,
    #[serde(default, deserialize_with = "optional_object")]
    device: Option<DeviceData>,
    #[serde(default, deserialize_with = "optional_object")]
    authentication: Option<AuthenticationData>,
    #[serde(default, deserialize_with = "time::option")]
    last_interacted_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "optional_object")]
    cookie: Option<CookieData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientAddedData {
    sid: Sid,
    client_id: ClientId,
    sub: Option<Sub>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdatedData {
    sid: Sid,
    session_metadata: Option<SessionMetadata>,
    #[serde(default, deserialize_with = "time::option")]
    idle_expires_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::option")]
    expires_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "optional_object")]
    device: Option<DeviceData>,
    #[serde(default, deserialize_with = "optional_object")]
    authentication: Option<AuthenticationData>,
    #[serde(default, deserialize_with = "time::option")]
    last_interacted_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "optional_object")]
    cookie: Option<CookieData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TerminatedData {
    sid: Option<Sid>,
    sub: Option<Sub>,
    initiator: Initiator,
    #[serde(default)]
    clients: NamedClientList,
    #[serde(default)]
    session_metadata: SessionMetadata,
    #[serde(default)]
    exclude_clients: ExcludedClients,
}

impl CreatedData {
    fn into_body(self) -> Result<EventBody, FieldError> {
        Ok(EventBody::Created(SessionCreated {
            sid: self.sid,
            sub: self.sub,
            clients: self.clients.0,
            session_metadata: self.session_metadata,
            authenticated_at: self.authenticated_at,
            idle_expires_at: self.idle_expires_at,
            expires_at: self.expires_at,
            flow: self.flow,
            details: details(self.device, self.authentication, self.last_interacted_at, self.cookie)?,
        }))
    }
}

impl ClientAddedData {
    fn into_body(self) -> EventBody {
        EventBody::ClientAdded(ClientAdded { sid: self.sid, client_id: self.client_id, sub: self.sub })
    }
}

impl UpdatedData {
    fn into_body(self) -> Result<EventBody, FieldError> {
        let details = details(self.device, self.authentication, self.last_interacted_at, self.cookie)?;
        let nothing_else =
            self.session_metadata.is_none() && self.idle_expires_at.is_none() && self.expires_at.is_none();
        if nothing_else && details.is_empty() {
            let message = "one or more of `session_metadata`, `idle_expires_at`, `expires_at`, `device`, \
                           `authentication`, `last_interacted_at` and `cookie` must be given";
            return Err(FieldError::new("", message));
        }
        Ok(EventBody::Updated(SessionUpdated {
            sid: self.sid,
            session_metadata: self.session_metadata,
            idle_expires_at: self.idle_expires_at,
            expires_at: self.expires_at,
            details,
        }))
    }
}

impl TerminatedData {
    fn into_body(self) -> Result<EventBody, FieldError> {
        let target = match (self.sid, self.sub) {
            (Some(sid), sub) => Target::Session { sid, sub },
            (None, Some(sub)) => Target::Subject(sub),
            (None, None) => return Err(FieldError::new("", "`sid`, `sub` or both must be given")),
        };
        Ok(EventBody::Terminated(SessionTerminated {
            target,
            initiator: self.initiator,
            clients: self.clients.0,
            session_metadata: self.session_metadata,
            exclude_clients: self.exclude_clients.0,
        }))
    }
}
