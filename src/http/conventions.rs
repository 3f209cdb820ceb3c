//! What every request to the management API has to be, whatever it is about: so that no resource makes something else
//! of it. It is checked once a caller is known, before the handler.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;

use crate::http::error::ApiError;
use crate::http::extract::query::{NOT_ENCODED, Query, is_percent_encoded};
use crate::http::router::{API, Route};

/// The routes that have parameters in their query string, and read it themselves; the others have none.
const WITH_PARAMETERS: [(&str, &str); 5] = [
    ("GET", "/api/v2/users/{id}/sessions"),
    ("GET", "/api/v2/clients"),
    ("GET", "/api/v2/clients/{id}"),
    ("GET", "/api/v2/deliveries"),
    ("GET", "/api/v2/logs"),
];

/// What holds for the requests of a route.
#[derive(Clone, Copy)]
pub(super) struct Conventions {
    has_parameters: bool,
}

impl Conventions {
    /// Those of this route, if it is one of the management API.
    pub(super) fn of(route: &Route) -> Option<Self> {
        let has_parameters = WITH_PARAMETERS.contains(&(route.method.as_str(), route.path));
        (route.path.starts_with(API) && route.scope.is_some()).then_some(Self { has_parameters })
    }
}

/// Refuses what is not as it has to be.
pub(super) async fn check(
    State(conventions): State<Conventions>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if !is_percent_encoded(request.uri().path()) {
        return Err(ApiError::invalid_path("path", NOT_ENCODED));
    }
    let query = Query::of(request.uri())?;
    if !conventions.has_parameters {
        query.finish()?;
    }
    if !request.method().is_safe() && has_body(&request) && !is_json(request.headers()) {
        return Err(ApiError::not_json());
    }
    Ok(next.run(request).await)
}

/// Whether a body comes with it, as far as its head tells: over HTTP/2 it may without saying so.
fn has_body(request: &Request) -> bool {
    match request.headers().get(CONTENT_LENGTH) {
        Some(length) => length.as_bytes() != b"0",
        None => {
            request.headers().contains_key(TRANSFER_ENCODING)
                || (request.version() >= Version::HTTP_2 && request.headers().contains_key(CONTENT_TYPE))
        }
    }
}

/// Whether a body says that it is JSON, or nothing of what it is.
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
