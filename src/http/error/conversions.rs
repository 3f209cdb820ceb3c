//! Errors of other modules, as they are answered.

use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};

use crate::access::Denied;
use crate::causes::Causes;
use crate::domain::metadata::MetadataError;
use crate::domain::plan::{CommandRefusal, Refusal};
use crate::domain::redelivery::{RedeliveryRefusal, TooManyJobs};
use crate::http::error::ApiError;
use crate::intake::{AcceptError, CommandError};
use crate::keyring::KeyringError;
use crate::registry::{ClientError, InvalidMember};
use crate::sources::cloudevents::FieldError;
use crate::storage::{Rejection, StorageError};

/// When to try again to create a redelivery job: later than the commands wait by themselves.
const JOB_RETRY_AFTER: Duration = Duration::from_secs(10);

/// RFC 6750 §3: the challenge names the error, and the scope that is missing.
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

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", error.to_string())
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        if let StorageError::Rejected { reason: Rejection::TooBroad, .. } = error {
            let message = "The filter looks through too many entries; narrow it by time or type, or leave it out and \
                           go on by checkpoints (from and take)";
            return Self::new(StatusCode::BAD_REQUEST, "filter_too_broad", message);
        }
        tracing::error!(error = %Causes(&error), "a request failed at the store");
        // A retry helps against an outage, and not against a row that has to be repaired first.
        if error.is_corrupt() { Self::unreadable_row() } else { Self::store_unavailable() }
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

impl From<TooManyJobs> for ApiError {
    fn from(refusal: TooManyJobs) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_jobs", refusal.to_string())
            .with_retry_after(JOB_RETRY_AFTER)
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
            E::Io { .. } | E::LockedElsewhere(_) | E::Generate(_) | E::Certificate(_) => {
                tracing::error!(error = %Causes(&error), "a request failed at the keys");
                return Self::unavailable(
                    "keys_unavailable",
                    "The keys cannot be worked with now; the log says why",
                );
            }
            E::NoActiveKey(_)
            | E::KeyFile { .. }
            | E::FileName { .. }
            | E::UnexpectedFile(_)
            | E::SameKid { .. }
            | E::NotRegular { .. }
            | E::Exposed { .. }
            | E::FolderExposed { .. }
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
                    "Something in the keys folder must be repaired first; the log says what",
                )
            }
        };
        Self::new(StatusCode::CONFLICT, code, message)
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::body_too_large();
        }
        Self::body_unreadable()
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
            CommandError::Refused(CommandRefusal::Plan(refusal)) => match &refusal {
                Refusal::UnknownSession | Refusal::UnknownSubject | Refusal::SessionEnded => {
                    Self::inexistent_session()
                }
                Refusal::MetadataFlow(_) => Self::invalid_body("session_metadata", &refusal.to_string()),
                _ => refused(&refusal, refusal.to_string()),
            },
            CommandError::Sensitive(refusal) => {
                let path = match refusal.key() {
                    Some(key) => format!("session_metadata.{key}"),
                    None => "session_metadata".to_owned(),
                };
                Self::invalid_body(&path, &refusal.to_string())
            }
            CommandError::Busy => Self::unavailable("busy", "Too many requests are waiting; try again"),
            CommandError::Unavailable => Self::store_unavailable(),
            CommandError::Unreadable => Self::unreadable_row(),
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

/// A refusal of the planner.
fn refused(refusal: &Refusal, message: String) -> ApiError {
    let (status, code) = match refusal {
        Refusal::MetadataFlow(_) => (StatusCode::BAD_REQUEST, "invalid_body"),
        Refusal::UnknownSession | Refusal::UnknownSubject => {
            (StatusCode::UNPROCESSABLE_ENTITY, "unknown_session")
        }
        Refusal::SessionEnded => (StatusCode::UNPROCESSABLE_ENTITY, "session_ended"),
        Refusal::SubMismatch => (StatusCode::UNPROCESSABLE_ENTITY, "sub_mismatch"),
        Refusal::UnknownClient { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_client"),
        Refusal::NoIdentifier { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_identifier"),
        Refusal::TooManyClients { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too_many_clients"),
    };
    ApiError::new(status, code, message)
}

/// Why intake did not accept an event: of a batch, the one with this index.
pub(crate) fn not_accepted(error: &AcceptError, index: Option<usize>) -> ApiError {
    let message = match (FieldError::of_rejected_event(error), index) {
        (Some(at_fault), Some(index)) => at_fault.at_index(index).to_string(),
        (Some(at_fault), None) => at_fault.to_string(),
        (None, _) => error.to_string(),
    };
    match error {
        AcceptError::Refused(refusal) => refused(refusal, message),
        AcceptError::Sensitive(_) => ApiError::new(StatusCode::BAD_REQUEST, "invalid_body", message),
        AcceptError::IdReused => ApiError::new(StatusCode::CONFLICT, "event_id_reused", message),
        AcceptError::BatchTooLarge => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "batch_too_large", message)
        }
        AcceptError::Busy => ApiError::unavailable("busy", "Too many events are waiting; try again"),
        AcceptError::Unavailable => ApiError::store_unavailable(),
        AcceptError::Unreadable => ApiError::unreadable_row(),
        // It comes with the error of the event at fault, which is answered instead.
        AcceptError::BatchRefused => ApiError::internal(),
    }
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
