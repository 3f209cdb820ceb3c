//! The segment of a path that varies, with errors in the shape that all errors have: those of axum's `Path` are plain text.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::http::error::ApiError;

/// The one segment of a route's path that varies, percent-decoded and parsed.
pub(crate) struct ApiPath<T>(pub(crate) T);

/// What a segment of a path can be parsed to. The error is that of the resource: text that cannot be an id is
/// answered as an id that does not exist is.
pub(crate) trait PathSegment: Sized {
    fn parse(text: &str) -> Result<Self, ApiError>;
}

impl PathSegment for String {
    fn parse(text: &str) -> Result<Self, ApiError> {
        Ok(text.to_owned())
    }
}

impl<S: Send + Sync, T: PathSegment> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let segments = RawPathParams::from_request_parts(parts, state).await;
        let segments =
            segments.map_err(|_| ApiError::invalid_path("path", "must be percent-encoded UTF-8"))?;
        let (_, text) = segments.iter().next().expect("the route's path has a segment that varies");
        Ok(Self(T::parse(text)?))
    }
}
