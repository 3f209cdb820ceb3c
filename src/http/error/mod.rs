//! Errors as they are answered: a fixed phrase, never a cause. Causes are logged where they are known.

mod conversions;

use std::any::Any;
use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::conversions::not_accepted;
use crate::domain::algorithm::SigningAlg;
use crate::http::schema::shown;

/// The largest request body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// An error in the shape of Auth0's Management API.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// Why a request was refused, or failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body<'a> {
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 400)]
    status_code: u16,
    /// The status in words.
    #[schema(example = "Bad Request")]
    error: &'a str,
    /// What is wrong, for people: it names the field and the limit.
    #[schema(example = "session_metadata: this member is required")]
    message: &'a str,
    /// What is wrong, for programs.
    #[schema(example = "invalid_body", pattern = "^[a-z_]+$")]
    error_code: &'a str,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), header: None }
    }

    fn with_header(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, HeaderValue::from_static(value))), ..self }
    }

    fn with_retry_after(self, wait: Duration) -> Self {
        Self { header: Some((RETRY_AFTER, HeaderValue::from(whole_seconds(wait).max(1)))), ..self }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take this method")
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "Content-Type must be application/cloudevents+json, application/cloudevents-batch+json, or \
                       application/json (with ce- headers for the binary mode)";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// No token at all (RFC 6750 §3: then the challenge names no error).
    pub(crate) fn missing_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "missing_token",
            "An API token is required: Authorization: Bearer …",
        )
        .with_header(WWW_AUTHENTICATE, "Bearer realm=\"logoutd\"")
    }

    /// The caller is above its rate limit.
    pub(crate) fn rate_limited(wait: Duration) -> Self {
        Self::too_many_requests(
            "The rate limit of this token has been reached; try again after Retry-After",
            wait,
        )
    }

    /// The limit of concurrent tests of clients is reached.
    pub(crate) fn too_many_tests(problem: &str) -> Self {
        Self::too_many_requests(&format!("{problem}; try again when one has ended"), Duration::from_secs(1))
    }

    fn too_many_requests(message: &str, wait: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).with_retry_after(wait)
    }

    /// The resource does not exist.
    pub(crate) fn inexistent(what: &str) -> Self {
        let message = format!("There is no such {what}");
        Self::new(StatusCode::NOT_FOUND, "inexistent_resource", message)
    }

    /// The session does not exist, or has ended.
    pub(crate) fn inexistent_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "inexistent_session", "The session does not exist")
    }

    /// The client does not exist.
    pub(crate) fn inexistent_client() -> Self {
        Self::new(StatusCode::NOT_FOUND, "inexistent_client", "The client does not exist")
    }

    /// The client has no logout URI.
    pub(crate) fn client_without_uri() -> Self {
        let message = "The client has no backchannel_logout_uri; set one first";
        Self::new(StatusCode::CONFLICT, "client_not_subscribed", message)
    }

    /// There is no current key for this algorithm.
    pub(crate) fn no_signing_key(alg: SigningAlg) -> Self {
        let message = format!("There is no current {alg} key, which this client's tokens are signed with");
        Self::new(StatusCode::CONFLICT, "no_signing_key", message)
    }

    /// A key failed to sign; the log says why.
    pub(crate) fn signing_failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Signing failed; the log says why")
    }

    /// A segment of the path is invalid.
    pub(crate) fn invalid_path(name: &str, problem: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_uri", format!("{name}: {problem}"))
    }

    /// A header is invalid.
    pub(crate) fn invalid_header(name: &str, problem: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_header", format!("{name}: {problem}"))
    }

    /// A parameter of the query string is invalid.
    pub(crate) fn invalid_query(name: &str, problem: &str) -> Self {
        let message = format!("{}: {problem}", shortened(name));
        Self::new(StatusCode::BAD_REQUEST, "invalid_query_string", message)
    }

    /// A page beyond the last that can be requested, in Auth0's words.
    pub(crate) fn invalid_paging(page: u32, most: u32) -> Self {
        let message = format!(
            "Requesting page {page} exceeds the allowed maximum of {most} records. To fetch results beyond \
             {most}, use the checkpoint pagination method: from and take."
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_paging", message)
    }

    /// A search that reached its limit of entries, at this time.
    pub(crate) fn search_too_broad(stopped_at: Timestamp) -> Self {
        let message = format!(
            "The search got as far as {}, and no further: no index serves it. Narrow it down, such as by date, or \
             go through the entries with from and take.",
            shown(stopped_at)
        );
        Self::new(StatusCode::BAD_REQUEST, "search_too_broad", message)
    }

    /// A body whose media type is not JSON.
    pub(crate) fn not_json() -> Self {
        let message = "Content-Type must be application/json, text/json or another type that ends in +json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// The condition of `If-Match` does not hold, and some of its tags are weak.
    pub(crate) fn weak_tag() -> Self {
        let message = "If-Match: a weak tag (W/) never matches (RFC 9110, section 13.1.1); a proxy that compresses \
                       answers makes tags weak, and has to leave those of /api/v2 as they are";
        Self::new(StatusCode::PRECONDITION_FAILED, "revision_mismatch", message)
    }

    /// The session has changed since its tag was read.
    pub(crate) fn revision_mismatch() -> Self {
        let message = "the session was changed by another request meanwhile; read it again";
        Self::new(StatusCode::PRECONDITION_FAILED, "revision_mismatch", message)
    }

    /// A member of the body is invalid; the body itself, where `path` is empty.
    pub(crate) fn invalid_body(path: &str, problem: &str) -> Self {
        let separator = if path.is_empty() { "" } else { ": " };
        let message = format!("{}{separator}{}", shortened(path), shortened(problem));
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", message)
    }

    /// The body is larger than [`MAX_BODY_BYTES`].
    pub(crate) fn body_too_large() -> Self {
        let message = format!("The body must be at most {MAX_BODY_BYTES} bytes long");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    /// The body ended early, or could not be decoded.
    pub(crate) fn body_unreadable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", "The body could not be read whole")
    }

    /// The body did not arrive in time.
    pub(crate) fn body_too_slow(limit: Duration) -> Self {
        let message = format!("The body must arrive whole within {} seconds", limit.as_secs());
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message)
    }

    /// The token may not report for the source of an event, which has this index in a batch.
    pub(crate) fn source_not_allowed(index: Option<usize>, source: &str) -> Self {
        let at = index.map(|index| format!("[{index}].")).unwrap_or_default();
        let message = format!(
            "{at}source: this API token may not report for `{}`; `logoutd tokens list` shows its sources",
            shortened(&source.escape_debug().to_string())
        );
        Self::new(StatusCode::FORBIDDEN, "source_not_allowed", message)
    }

    /// A defect of logoutd, which the log shows.
    pub(crate) fn internal() -> Self {
        let message = "Something went wrong here; the log says what";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    /// A row of the store is corrupt. The log names it.
    fn unreadable_row() -> Self {
        let message =
            "The stored row of this cannot be read, and must be repaired first; the log names the row";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    fn store_unavailable() -> Self {
        let message = "The store is not available; nothing was stored, try again";
        Self::unavailable("store_unavailable", message)
    }

    fn unavailable(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).with_header(RETRY_AFTER, "1")
    }
}

/// The `errorCode` of an answer, for the audit trail: an extension of the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorCode(pub(super) &'static str);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            status_code: self.status.as_u16(),
            error: self.status.canonical_reason().unwrap_or("Error"),
            message: &self.message,
            error_code: self.code,
        };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(ErrorCode(self.code));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Text of the request, which can be as long as a body, cut for a message.
fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 400;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A duration of a header, in whole seconds, rounded up: after that many seconds it has passed.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The answer when a handler panicked. The panic itself was printed by its hook.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal().into_response()
}
