//! The answers of a mock relying party (Back-Channel Logout 1.0 §2.8), by its behaviour.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::ReaderStream;

use super::behaviour::Behaviour;
use super::received::{Assessment, Verdict};

/// The longest `error_description`, in characters.
const MAX_DESCRIPTION: usize = 500;

/// An answer that has not been sent yet.
pub(super) enum Answer {
    /// After the wait, this status.
    Reply { after: Duration, status: StatusCode, retry_after: Option<u32>, error: Option<OauthError> },
    /// None, and the connection stays open.
    Hang,
    /// None, and the connection is closed.
    Reset,
}

/// The body of a refusal (RFC 6749 §5.2, to which Back-Channel Logout 1.0 §2.8 refers).
pub(super) struct OauthError {
    code: &'static str,
    description: String,
}

impl Answer {
    /// Chooses the answer. `nth` is which valid token of its session this is, from 1.
    pub(super) fn choose(behaviour: Behaviour, assessment: &Assessment, nth: u32) -> Self {
        let by_verdict = Self::by_verdict(assessment);
        match behaviour {
            Behaviour::Status(status) => Self::plain(status, None),
            Behaviour::Hang => Self::Hang,
            Behaviour::Reset => Self::Reset,
            Behaviour::Slow(wait) => by_verdict.delayed(wait),
            Behaviour::FailFirst(count) if assessment.verdict == Verdict::Valid && nth <= count => {
                Self::plain(StatusCode::SERVICE_UNAVAILABLE, None)
            }
            Behaviour::RetryAfter(seconds) if assessment.verdict == Verdict::Valid && nth == 1 => {
                Self::plain(StatusCode::TOO_MANY_REQUESTS, Some(seconds))
            }
            Behaviour::Ok | Behaviour::FailFirst(_) | Behaviour::RetryAfter(_) => by_verdict,
        }
    }

    fn by_verdict(assessment: &Assessment) -> Self {
        let (status, code) = match assessment.verdict {
            Verdict::Valid => return Self::plain(StatusCode::OK, None),
            Verdict::Unverified => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            Verdict::Invalid | Verdict::Replayed | Verdict::Malformed => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
        };
        let description = describable(assessment.problem.as_deref().unwrap_or_default());
        let error = Some(OauthError { code, description });
        Self::Reply { after: Duration::ZERO, status, retry_after: None, error }
    }

    fn plain(status: StatusCode, retry_after: Option<u32>) -> Self {
        Self::Reply { after: Duration::ZERO, status, retry_after, error: None }
    }

    fn delayed(self, after: Duration) -> Self {
        match self {
            Self::Reply { status, retry_after, error, .. } => {
                Self::Reply { after, status, retry_after, error }
            }
            Self::Hang | Self::Reset => self,
        }
    }

    /// The status, where there is an answer.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Reply { status, .. } => Some(status.as_u16()),
            Self::Hang | Self::Reset => None,
        }
    }

    /// Sends the answer. `stopping` ends waits and hanging requests.
    pub(super) async fn give(self, stopping: impl Future<Output = ()> + Send) -> Response {
        let mut response = match self {
            Self::Hang => {
                stopping.await;
                return reset();
            }
            Self::Reset => return reset(),
            Self::Reply { after, status, retry_after, error } => {
                tokio::select! {
                    () = tokio::time::sleep(after) => {}
                    () = stopping => {}
                }
                let mut response = match error {
                    Some(error) => {
                        let body = json!({"error": error.code, "error_description": error.description});
                        (status, Json(body)).into_response()
                    }
                    None => status.into_response(),
                };
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert(RETRY_AFTER, seconds.into());
                }
                response
            }
        };
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        response
    }
}

const NO_STORE: axum::http::HeaderValue = axum::http::HeaderValue::from_static("no-store");

/// RFC 6749 §5.2 allows printable ASCII without the quotation mark and the backslash.
fn describable(text: &str) -> String {
    let allowed = |c: char| match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => '?',
    };
    text.chars().map(allowed).take(MAX_DESCRIPTION).collect()
}

/// A response whose body breaks before its first byte. The server then closes the connection, and the
/// head, which is still in its buffer, is never sent.
fn reset() -> Response {
    Response::new(Body::from_stream(ReaderStream::new(Broken)))
}

struct Broken;

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}
