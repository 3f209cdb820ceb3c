//! Checks that hold for every request to the management API, whatever its resource. They run after authentication and
//! before the handler.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;

use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::extract::query::{NOT_ENCODED, is_percent_encoded};

/// The checks of a route.
#[derive(Clone, Copy)]
pub(super) struct Conventions {
    /// Whether the handler reads parameters of the query string; else there may be none.
    pub(super) has_query: bool,
}

/// Rejects requests that break a convention.
pub(super) async fn check(
    State(conventions): State<Conventions>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if !is_percent_encoded(request.uri().path()) {
        return Err(ApiError::invalid_path("path", NOT_ENCODED));
    }
    let query = Query::of(request.uri())?;
    if !conventions.has_query {
        query.finish()?;
    }
    if !request.method().is_safe() && has_body(&request) && !is_json(request.headers()) {
        return Err(ApiError::not_json());
    }
    Ok(next.run(request).await)
}

/// Whether the request has a body, as far as its headers say: over HTTP/2 they need not.
fn has_body(request: &Request) -> bool {
    match request.headers().get(CONTENT_LENGTH) {
        Some(length) => length.as_bytes() != b"0",
        None => {
            request.headers().contains_key(TRANSFER_ENCODING)
                || (request.version() >= Version::HTTP_2 && request.headers().contains_key(CONTENT_TYPE))
        }
    }
}

/// Whether the media type is JSON, or missing.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|value: &HeaderValue| {
        let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        let media_type = media_type.trim().to_ascii_lowercase();
        let (kind, name) = media_type.split_once('/').unwrap_or_default();
        !kind.is_empty()
            && (matches!((kind, name), ("application" | "text", "json"))
                || name.strip_suffix("+json").is_some_and(|it| !it.is_empty()))
    })
}
