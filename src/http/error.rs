//! What a caller is told when a request fails: a fixed phrase, never a cause. Causes are logged where
//! they are known.

use std::any::Any;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::whole_seconds;
use super::router::MAX_BODY_BYTES;
use crate::access::Denied;
use crate::causes::Causes;
use crate::domain::algorithm::SigningAlg;
use crate::domain::metadata::MetadataError;
use crate::domain::plan::{CommandRefusal, Refusal};
use crate::domain::redelivery::RedeliveryRefusal;
use crate::intake::cloudevents::WireError;
use crate::intake::{AcceptError, CommandError};
use crate::keyring::KeyringError;
use crate::registry::{ClientError, InvalidMember};
use crate::storage::StorageError;

/// An error in the shape of Auth0's Management API.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// Why a request was refused, or failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
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

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take this method")
    }

    pub(super) fn unsupported_media_type() -> Self {
        let message = "Content-Type must be application/cloudevents+json, application/cloudevents-batch+json, or \
                       application/json (with ce- headers for the binary mode)";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// No token at all (RFC 6750 §3: then the challenge names no error).
    pub(super) fn missing_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "missing_token",
            "An API token is required: Authorization: Bearer …",
        )
        .with_header(WWW_AUTHENTICATE, "Bearer realm=\"logoutd\"")
    }

    /// The caller has asked too often.
    pub(super) fn rate_limited(wait: Duration) -> Self {
        Self::too_many_requests(
            "The rate limit of this token has been reached; try again after Retry-After",
            wait,
        )
    }

    fn too_many_requests(message: &str, wait: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).with_retry_after(wait)
    }

    /// There is no such thing.
    pub(super) fn inexistent(what: &str) -> Self {
        let message = format!("There is no such {what}");
        Self::new(StatusCode::NOT_FOUND, "inexistent_resource", message)
    }

    /// There is no such session, or none any more.
    pub(super) fn inexistent_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "inexistent_session", "The session does not exist")
    }

    /// There is no such client.
    pub(super) fn inexistent_client() -> Self {
        Self::new(StatusCode::NOT_FOUND, "inexistent_client", "The client does not exist")
    }

    /// The client has nowhere to send a token to.
    pub(super) fn client_without_uri() -> Self {
        let message = "The client has no backchannel_logout_uri; set one first";
        Self::new(StatusCode::CONFLICT, "client_not_subscribed", message)
    }

    /// Nothing signs this algorithm.
    pub(super) fn no_signing_key(alg: SigningAlg) -> Self {
        let message = format!("There is no current {alg} key, which this client's tokens are signed with");
        Self::new(StatusCode::CONFLICT, "no_signing_key", message)
    }

    /// A key failed to sign; the log says why.
    pub(super) fn signing_failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Signing failed; the log says why")
    }

    /// A part of the path is wrong.
    pub(super) fn invalid_path(name: &str, problem: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_uri", format!("{name}: {problem}"))
    }

    /// A header is wrong.
    pub(super) fn invalid_header(name: &str, problem: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_header", format!("{name}: {problem}"))
    }

    /// A parameter of the query string is wrong.
    pub(super) fn invalid_query(name: &str, problem: &str) -> Self {
        let message = format!("{}: {problem}", shortened(name));
        Self::new(StatusCode::BAD_REQUEST, "invalid_query_string", message)
    }

    /// A page that lies beyond what pages reach: Auth0's words for it.
    pub(super) fn invalid_paging(page: u32, most: u32) -> Self {
        let message = format!(
            "Requesting page {page} exceeds the allowed maximum of {most} records. To fetch results beyond \
             {most}, use the checkpoint pagination method: from and take."
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_paging", message)
    }

    /// A member of the body is wrong; or the body itself, where `path` is empty.
    pub(super) fn invalid_body(path: &str, problem: &str) -> Self {
        let separator = if path.is_empty() { "" } else { ": " };
        let message = format!("{}{separator}{}", shortened(path), shortened(problem));
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", message)
    }

    /// A defect of ours. The log has it.
    pub(super) fn internal() -> Self {
        let message = "Something went wrong here; the log says what";
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
pub(super) struct ErrorCode(pub(super) &'static str);

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

/// RFC 6750 §3: the challenge names the error, and the scope where that is what is missing.
impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let message = denied.to_string();
        match denied {
            Denied::Invalid(_) | Denied::Expired(_) | Denied::Revoked => {
                Self::new(StatusCode::UNAUTHORIZED, "invalid_token", message)
                    .with_header(WWW_AUTHENTICATE, "Bearer realm=\"logoutd\", error=\"invalid_token\"")
            }
            Denied::InsufficientScope(scope) => {
                let challenge =
                    format!("Bearer realm=\"logoutd\", error=\"insufficient_scope\", scope=\"{scope}\"");
                let challenge = HeaderValue::from_str(&challenge).expect("scopes are visible ASCII");
                Self {
                    header: Some((WWW_AUTHENTICATE, challenge)),
                    ..Self::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
                }
            }
            Denied::TooManyFailures { retry_after } => Self::too_many_requests(&message, retry_after),
            Denied::StoreUnavailable => Self::store_unavailable(),
            Denied::KeysUnavailable => Self::unavailable("keys_unavailable", &message),
        }
    }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", error.to_string())
    }
}

/// What a caller wrote can be as long as a body; no message is.
fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 400;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        tracing::error!(error = %Causes(&error), "a request failed at the store");
        Self::store_unavailable()
    }
}

impl From<RedeliveryRefusal> for ApiError {
    fn from(refusal: RedeliveryRefusal) -> Self {
        let code = match refusal {
            RedeliveryRefusal::InFlight => "delivery_in_flight",
            RedeliveryRefusal::NotSubscribed(_) => "client_not_subscribed",
        };
        Self::new(StatusCode::CONFLICT, code, refusal.to_string())
    }
}

impl From<KeyringError> for ApiError {
    fn from(error: KeyringError) -> Self {
        use KeyringError as E;
        let (code, message) = match &error {
            E::UnknownKid(_) => return Self::inexistent("signing key"),
            E::ReadOnly { .. } => (
                "keys_read_only",
                "The keys folder (keys.directory) is read-only; change the keys where it comes from, or let \
                 logoutd write there",
            ),
            E::Io { .. } | E::Generate(_) | E::Certificate(_) => {
                tracing::error!(error = %Causes(&error), "a request failed at the keys");
                return Self::unavailable(
                    "keys_unavailable",
                    "The keys cannot be worked with now; the log says why",
                );
            }
            E::NoActiveKey(_)
            | E::KeyFile { .. }
            | E::FileName { .. }
            | E::Stranger(_)
            | E::SameKid { .. }
            | E::Exposed { .. }
            | E::Manifest { .. }
            | E::AllGone(_)
            | E::KidTaken(_)
            | E::Import(_)
            | E::ImportKid
            | E::ImportKidText(_)
            | E::Bits(_) => {
                tracing::error!(error = %Causes(&error), "a request failed at the keys folder");
                (
                    "keys_folder_invalid",
                    "Something in the keys folder has to be put right first; the log says what",
                )
            }
        };
        Self::new(StatusCode::CONFLICT, code, message)
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let message = format!("The body must be at most {MAX_BODY_BYTES} bytes long");
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message);
        }
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", "The body could not be read whole")
    }
}

/// Auth0's own words, without the name of the member in front.
impl From<MetadataError> for ApiError {
    fn from(error: MetadataError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", error.to_string())
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(CommandRefusal::Revision) => {
                Self::new(StatusCode::PRECONDITION_FAILED, "revision_mismatch", error.to_string())
            }
            CommandError::Refused(CommandRefusal::Plan(refusal)) => match refusal {
                Refusal::UnknownSession | Refusal::UnknownSubject | Refusal::SessionEnded => {
                    Self::inexistent_session()
                }
                Refusal::MetadataFlow(flow) => {
                    let problem = format!(
                        "only sessions of the browser flow can carry metadata, and this one's flow is {}",
                        flow.as_str()
                    );
                    Self::invalid_body("session_metadata", &problem)
                }
                other => refused(&other, ""),
            },
            CommandError::Sensitive(refusal) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_body", refusal.to_string())
            }
            CommandError::Busy => Self::unavailable("busy", "Too many requests are waiting; try again"),
            CommandError::Unavailable => Self::store_unavailable(),
        }
    }
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unknown => Self::inexistent_client(),
            ClientError::Exists => Self::new(
                StatusCode::CONFLICT,
                "client_exists",
                "A client with this client_id exists already",
            ),
            ClientError::ReadOnly => {
                let message =
                    "The client is kept in the configuration file and is read-only here; change it there";
                Self::new(StatusCode::CONFLICT, "client_read_only", message)
            }
            ClientError::Invalid(InvalidMember { member, problem }) => Self::invalid_body(&member, &problem),
            ClientError::Contended => {
                let message = "The client is being changed by others at the same time; try again";
                Self::new(StatusCode::CONFLICT, "client_contended", message)
            }
            ClientError::Store(error) => error.into(),
        }
    }
}

impl From<InvalidMember> for ApiError {
    fn from(invalid: InvalidMember) -> Self {
        Self::invalid_body(&invalid.member, &invalid.problem)
    }
}

/// A refusal of the planner; `at` says of which event.
fn refused(refusal: &Refusal, at: &str) -> ApiError {
    let (status, code) = match refusal {
        Refusal::MetadataFlow(_) => (StatusCode::BAD_REQUEST, "invalid_body"),
        Refusal::UnknownSession | Refusal::UnknownSubject => {
            (StatusCode::UNPROCESSABLE_ENTITY, "unknown_session")
        }
        Refusal::SessionEnded => (StatusCode::UNPROCESSABLE_ENTITY, "session_ended"),
        Refusal::SubMismatch => (StatusCode::UNPROCESSABLE_ENTITY, "sub_mismatch"),
        Refusal::UnknownClient { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_client"),
        Refusal::NoIdentifier { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_identifier"),
    };
    ApiError::new(status, code, format!("{at}{refusal}"))
}

/// An error of the intake, and whether the request was a batch: then the event is named by its index.
pub(super) fn not_accepted(error: &AcceptError, batch: bool) -> ApiError {
    let at = |index: &usize| if batch { format!("[{index}].") } else { String::new() };
    match error {
        AcceptError::Refused { index, refusal } => refused(refusal, &at(index)),
        AcceptError::Sensitive { index, .. } => {
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_body", format!("{}{error}", at(index)))
        }
        AcceptError::IdReused { index } => {
            ApiError::new(StatusCode::CONFLICT, "event_id_reused", format!("{}{error}", at(index)))
        }
        AcceptError::Busy => ApiError::unavailable("busy", "Too many events are waiting; try again"),
        AcceptError::Unavailable => ApiError::store_unavailable(),
    }
}

/// The answer when a handler panicked. The panic itself was printed by its hook.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_keys_is_no_fault_of_the_server_unless_it_may_pass() {
        let read_only = || KeyringError::ReadOnly { action: "rotate".to_owned(), path: "/etc/keys".into() };
        let io =
            KeyringError::Io { action: "read", path: "/etc/keys".into(), error: std::io::Error::other("x") };
        for (error, status, code) in [
            (read_only(), 409, "keys_read_only"),
            (KeyringError::AllGone("/etc/keys".into()), 409, "keys_folder_invalid"),
            (KeyringError::UnknownKid("a".parse().unwrap()), 404, "inexistent_resource"),
            (io, 503, "keys_unavailable"),
        ] {
            let shown = ApiError::from(error);
            assert_eq!((shown.status.as_u16(), shown.code), (status, code));
            assert!(!shown.message.contains("/etc"), "paths are for the log: {}", shown.message);
        }
        assert!(ApiError::from(read_only()).message.contains("keys.directory"), "the fix is named");
    }
}
