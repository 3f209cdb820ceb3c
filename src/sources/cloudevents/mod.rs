//! CloudEvents 1.0, as `POST /events` takes them: structured, batched and binary.
//!
//! Only the wire form: what an event leads to is the planner's. Unknown members of `data` are errors (a
//! misspelt `clients` would leave people logged in); unknown attributes are extensions and ignored.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::domain::event::{
    ClientAdded, Event, EventBody, SessionCreated, SessionTerminated, SessionUpdated, Target,
};
use crate::domain::ids::{ClientId, MAX_ID_CHARS, Sid, Sub};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::domain::session::Flow;
use crate::domain::time;
use crate::json::{self, optional_object};

mod batch;
mod binary;
mod details;
mod named_clients;
#[cfg(test)]
mod tests;

use batch::Batch;
use binary::AttributeHeaders;
use details::{AuthenticationData, CookieData, DeviceData, details};
use named_clients::{ExcludedClients, NamedClientList};

/// The most events in a batch.
pub const MAX_BATCH: usize = 1000;

/// The longest message about an event, in characters.
const MAX_MESSAGE_CHARS: usize = 400;

/// What is wrong with an event's wire form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{message}", path, if path.is_empty() { "" } else { ": " })]
pub struct WireError {
    path: String,
    message: String,
}

impl WireError {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // Messages quote what they are about, and that can be as long as the body.
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE_CHARS) {
            message.truncate(end);
            message.push('…');
        }
        Self { path: path.into(), message }
    }

    fn within(self, outer: &str) -> Self {
        let path = match self.path.as_str() {
            "" | "." => outer.to_owned(),
            inner if inner.starts_with('[') => format!("{outer}{inner}"),
            inner => format!("{outer}.{inner}"),
        };
        Self { path, ..self }
    }
}

/// An event in structured mode.
pub fn parse_structured(body: &[u8]) -> Result<Event, WireError> {
    structured(checked(body)?)
}

/// A batch of events. The error names the one at fault by its index, from 0.
pub fn parse_batch(body: &[u8]) -> Result<Vec<Event>, WireError> {
    let text = checked(body)?;
    if !text.starts_with('[') {
        return Err(WireError::new("", "the body must be a JSON array of events"));
    }
    let Batch { events, count } = typed(text)?;
    if count > MAX_BATCH {
        let message = format!("a batch must have at most {MAX_BATCH} events, and this one has {count}");
        return Err(WireError::new("", message));
    }
    let parse = |(index, event): (usize, &RawValue)| {
        structured(event.get()).map_err(|error| error.within(&format!("[{index}]")))
    };
    events.into_iter().enumerate().map(parse).collect()
}

/// An event in binary mode: attributes in `ce-` headers, the body is `data`. `headers` are all of the request's,
/// with names in lower case.
pub fn parse_binary<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    body: &[u8],
) -> Result<Event, WireError> {
    let mut headers = AttributeHeaders::read(headers)?;
    let time = match headers.optional("ce-time") {
        Some(text) => Some(time::parse(&text).map_err(|error| WireError::new("ce-time", error.to_string()))?),
        None => None,
    };
    let attributes = Attributes {
        specversion: headers.required("ce-specversion")?,
        id: headers.required("ce-id")?,
        source: headers.required("ce-source")?,
        r#type: headers.required("ce-type")?,
        time,
    };
    let data = checked(body).map_err(|error| error.within("data"))?;
    event(attributes, data)
}

struct Attributes {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    time: Option<Timestamp>,
}

/// An event in structured mode. Its extensions are passed over.
#[derive(Deserialize)]
struct Envelope<'a> {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    #[serde(default, deserialize_with = "time::option")]
    time: Option<Timestamp>,
    /// As it is written: only the type says what it may hold.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "given")]
    data_base64: bool,
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

/// The text of a body that is JSON in which nothing is said twice.
fn checked(body: &[u8]) -> Result<&str, WireError> {
    json::check(body).map_err(|fault| match fault {
        json::Fault::Syntax(error) => WireError::new("", format!("the body is not valid JSON: {error}")),
        json::Fault::Repeated { path } => WireError::new(path, json::REPEATED),
    })?;
    let text = str::from_utf8(body).map_err(|_| WireError::new("", "the body must be UTF-8"))?;
    Ok(text.trim_ascii())
}

fn structured(envelope: &str) -> Result<Event, WireError> {
    // Serde takes an array for a struct, too.
    if !envelope.starts_with('{') {
        return Err(WireError::new("", "an event must be a JSON object"));
    }
    let Envelope { specversion, id, source, r#type, time, data, data_base64 } = typed(envelope)?;
    if data_base64 {
        return Err(WireError::new("data_base64", "event data must be JSON, in the member `data`"));
    }
    let data = data.ok_or_else(|| WireError::new("data", "this member is required"))?;
    event(Attributes { specversion, id, source, r#type, time }, data.get())
}

fn event(attributes: Attributes, data: &str) -> Result<Event, WireError> {
    let Attributes { specversion, id, source, r#type, time } = attributes;
    if specversion != "1.0" {
        return Err(WireError::new("specversion", "must be \"1.0\""));
    }
    check_attribute("id", &id)?;
    check_attribute("source", &source)?;
    let body = match r#type.as_str() {
        _ if !data.starts_with('{') => Err(WireError::new("", "must be a JSON object")),
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
            return Err(WireError::new("type", message));
        }
    };
    Ok(Event { source, id, time, body: body.map_err(|error| error.within("data"))? })
}

fn check_attribute(name: &str, value: &str) -> Result<(), WireError> {
    let chars = value.chars().count();
    if chars == 0 || chars > MAX_ID_CHARS || value.chars().any(char::is_control) {
        let message = format!("must have 1 to {MAX_ID_CHARS} characters, none of them a control character");
        return Err(WireError::new(name, message));
    }
    Ok(())
}

/// Reads a part of a text that was [`checked`].
fn typed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, WireError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        WireError::new(path, json::complaint(error.inner()))
    })
}

/// Whether a member is there, whatever it holds.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl CreatedData {
    fn into_body(self) -> Result<EventBody, WireError> {
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
    fn into_body(self) -> Result<EventBody, WireError> {
        let details = details(self.device, self.authentication, self.last_interacted_at, self.cookie)?;
        let nothing_else =
            self.session_metadata.is_none() && self.idle_expires_at.is_none() && self.expires_at.is_none();
        if nothing_else && details.is_empty() {
            let message = "one or more of `session_metadata`, `idle_expires_at`, `expires_at`, `device`, \
                           `authentication`, `last_interacted_at` and `cookie` must be given";
            return Err(WireError::new("", message));
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
    fn into_body(self) -> Result<EventBody, WireError> {
        let target = match (self.sid, self.sub) {
            (Some(sid), sub) => Target::Session { sid, sub },
            (None, Some(sub)) => Target::Subject(sub),
            (None, None) => return Err(WireError::new("", "`sid`, `sub` or both must be given")),
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
