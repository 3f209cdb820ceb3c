//! The id in a path, with an error in the shape that all errors have: those of axum's `Path` are plain text.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::http::error::ApiError;

/// The one segment of a path that varies, percent-decoded.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let segments = RawPathParams::from_request_parts(parts, state).await;
        let segments =
            segments.map_err(|_| ApiError::invalid_path("path", "must be percent-encoded UTF-8"))?;
        let (_, id) =
            segments.iter().next().expect("it is asked for only where the route has such a segment");
        Ok(Self(id.to_owned()))
    }
}
