//! An event around its `data`: attributes, as CloudEvents has them.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::json_text::typed;
use super::{FieldError, data};
use crate::domain::event::Event;
use crate::domain::ids::MAX_ID_CHARS;
use crate::domain::time;

/// The attributes of an event, in any mode.
pub(super) struct Attributes {
    pub(super) specversion: String,
    pub(super) id: String,
    pub(super) source: String,
    pub(super) r#type: String,
    pub(super) time: Option<Timestamp>,
}

/// An event in structured mode. Unknown attributes are extensions and ignored.
#[derive(Deserialize)]
struct Envelope<'a> {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    #[serde(default, deserialize_with = "time::option")]
    time: Option<Timestamp>,
    /// Unparsed: its form depends on the type.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "is_present")]
    data_base64: bool,
}

/// Parses an event in structured mode.
pub(super) fn structured(envelope: &str) -> Result<Event, FieldError> {
    // serde also accepts an array for a struct.
    if !envelope.starts_with('{') {
        return Err(FieldError::new("", "an event must be a JSON object"));
    }
    let Envelope { specversion, id, source, r#type, time, data, data_base64 } = typed(envelope)?;
    if data_base64 {
        return Err(FieldError::new("data_base64", "event data must be JSON, in the member `data`"));
    }
    let data = data.ok_or_else(|| FieldError::new("data", "this member is required"))?;
    event(Attributes { specversion, id, source, r#type, time }, data.get())
}

/// An event with these attributes. `data` is JSON.
pub(super) fn event(attributes: Attributes, data: &str) -> Result<Event, FieldError> {
    let Attributes { specversion, id, source, r#type, time } = attributes;
    if specversion != "1.0" {
        return Err(FieldError::new("specversion", "must be \"1.0\""));
    }
    check_attribute("id", &id)?;
    check_attribute("source", &source)?;
    let body = data::parse(&r#type, data)?;
    Ok(Event { source, id, time, body })
}

fn check_attribute(name: &str, value: &str) -> Result<(), FieldError> {
    let chars = value.chars().count();
    if chars == 0 || chars > MAX_ID_CHARS || value.chars().any(char::is_control) {
        let message = format!("must have 1 to {MAX_ID_CHARS} characters, none of them a control character");
        return Err(FieldError::new(name, message));
    }
    Ok(())
}

/// `true` for a member with any value; the default is for one that is missing.
fn is_present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}
