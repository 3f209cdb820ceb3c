//! JSON bodies, with errors that name the member.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::http::error::ApiError;
use crate::json;

/// Reads a JSON body, which is an object. Nothing in it may be given twice, whatever the type would make of it.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Serde takes an array for a struct, too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::invalid_body("", "the body must be a JSON object"));
    }
    if let Err(json::Fault::Repeated { path }) = json::check(body) {
        return Err(ApiError::invalid_body(&path, json::REPEATED));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        ApiError::invalid_body(&path, &error.into_inner().to_string())
    })?;
    deserializer.end().map_err(|error| ApiError::invalid_body("", &error.to_string()))?;
    Ok(value)
}

/// A member of a body that may be left out, `null`, or have a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Member<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is there, and `null`.
    Null,
    /// It has a value.
    Is(T),
}

impl<T> Member<T> {
    /// Whether it is there, with a value or without.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// What it sets: its value, or `default` for `null`; nothing if it is not there.
    pub(crate) fn sets(self, default: T) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Null => Some(default),
            Self::Is(value) => Some(value),
        }
    }
}

impl<T> From<Option<T>> for Member<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Is)
    }
}

/// For `deserialize_with`: a member whose value is an object.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Member<T>, D::Error> {
    json::optional_object(deserializer).map(Member::from)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.into())
    }
}
