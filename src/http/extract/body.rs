//! JSON bodies, with errors that name the member.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::http::error::ApiError;
use crate::json;

/// A JSON body.
pub(crate) struct ApiJson<T>(pub(crate) T);

/// A JSON body that may be empty or `null`: then it is the default.
pub(crate) struct OptionalApiJson<T>(pub(crate) T);

/// A JSON body that changes something, with the names of its members for the audit trail.
pub(crate) struct ApiChange<T> {
    pub(crate) change: T,
    pub(crate) members: Vec<String>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await?;
        Ok(Self(parse_json(&body)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await?;
        Ok(Self(match body.trim_ascii() {
            b"" | b"null" => T::default(),
            body => parse_json(body)?,
        }))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiChange<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await?;
        let change = parse_json(&body)?;
        let members: BTreeMap<String, IgnoredAny> = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Self { change, members: members.into_keys().collect() })
    }
}

/// Reads a JSON body, which must be an object without repeated members, whatever the type would accept.
fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Serde accepts an array for a struct, too.
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

    /// The value it sets: its own, or `default` for `null`; none if it is absent.
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
