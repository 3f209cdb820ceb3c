//! Why there was no answer, found among the client's errors by type.

use std::error::Error;
use std::fmt;
use std::io;

use hyper_util::client::legacy;

use super::byte_budget::BudgetExceeded;
use super::connector::ConnectTimedOut;
use super::pool_limit::PoolFull;
use super::resolver::ResolveError;
use crate::egress::policy::PolicyError;

/// There was no answer.
#[derive(Debug)]
pub struct SendError {
    /// What went wrong.
    pub kind: SendErrorKind,
    /// Whether the request may have reached the peer all the same. Never if no connection was made.
    pub outcome_unknown: bool,
    source: Option<legacy::Error>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// No connection can be made to such a URI. It was registered when the rules for URIs were less strict.
    InvalidUri,
    /// The policy forbids the URI or an address that its host resolves to. Nothing was sent.
    Policy(PolicyError),
    /// The name could not be resolved.
    Dns,
    /// No connection could be made: refused, unreachable.
    Connect,
    /// The TLS handshake failed, for example because the certificate is not trusted.
    Tls,
    /// The deadline passed.
    Timeout,
    /// There were too many interim responses, or the head was too large.
    AnswerTooLarge,
    /// The connection broke, or the answer was not HTTP.
    Reset,
}

impl SendErrorKind {
    /// The error class under which attempts are recorded.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::InvalidUri => "invalid_uri",
            Self::Policy(PolicyError::HttpNotAllowed) => "http_not_allowed",
            Self::Policy(PolicyError::Forbidden(_)) => "forbidden_address",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::AnswerTooLarge => "answer_too_large",
            Self::Reset => "reset",
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SendErrorKind::InvalidUri => f.write_str("no connection can be made to this URI"),
            SendErrorKind::Policy(error) => error.fmt(f),
            SendErrorKind::Dns => f.write_str("the host's name could not be resolved"),
            SendErrorKind::Connect => f.write_str("no connection could be made"),
            SendErrorKind::Tls => f.write_str("the TLS handshake failed"),
            SendErrorKind::Timeout => f.write_str("there was no answer in time"),
            SendErrorKind::AnswerTooLarge => {
                f.write_str("the answer had too many interim responses, or too large a head")
            }
            SendErrorKind::Reset => f.write_str("the connection broke before an answer came"),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as &dyn Error)
    }
}

impl From<PolicyError> for SendError {
    fn from(error: PolicyError) -> Self {
        Self::before_connecting(SendErrorKind::Policy(error))
    }
}

impl SendError {
    /// Nothing was tried.
    pub(in crate::egress) fn before_connecting(kind: SendErrorKind) -> Self {
        Self { kind, outcome_unknown: false, source: None }
    }

    /// The request was given up. `handed_over`: whether it had a connection by then.
    pub(super) fn given_up(kind: SendErrorKind, handed_over: bool) -> Self {
        Self { kind, outcome_unknown: handed_over, source: None }
    }

    /// The client failed. `handed_over`: whether the request had a connection by then; `overrun`: whether the byte
    /// budget of that was exceeded.
    pub(super) fn failed(error: legacy::Error, handed_over: bool, overrun: bool) -> Self {
        // With TLS 1.3 the server may refuse a client after that has sent its request: then it is TLS that failed,
        // and the request may have been read. A canceled request was never written.
        let outcome_unknown = handed_over
            && !error.is_connect()
            && !find::<hyper::Error>(&error).is_some_and(hyper::Error::is_canceled);
        let kind = if overrun { SendErrorKind::AnswerTooLarge } else { kind(&error) };
        Self { kind, outcome_unknown, source: Some(error) }
    }

    /// Whether no connection was made because the pool is full.
    pub(super) fn is_pool_full(&self) -> bool {
        self.source.as_ref().is_some_and(|error| find::<PoolFull>(error).is_some())
    }

    /// Whether the peer said, over HTTP/2, that it has not processed the request (RFC 9113 §8.7): the stream was
    /// refused, or the connection is being closed gracefully.
    pub(super) fn may_be_sent_again(&self) -> bool {
        let Some(error) = self.source.as_ref().and_then(|error| find::<h2::Error>(error)) else {
            return false;
        };
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        let closed = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (refused || closed)
    }
}

fn kind(error: &legacy::Error) -> SendErrorKind {
    if let Some(resolve) = find::<ResolveError>(error) {
        return match resolve {
            ResolveError::Forbidden(forbidden) => SendErrorKind::Policy((*forbidden).into()),
            ResolveError::Lookup(_) | ResolveError::NoAddress => SendErrorKind::Dns,
        };
    }
    if find::<BudgetExceeded>(error).is_some()
        || find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse_too_large)
    {
        return SendErrorKind::AnswerTooLarge;
    }
    if find::<rustls::Error>(error).is_some() {
        return SendErrorKind::Tls;
    }
    if !error.is_connect() {
        return SendErrorKind::Reset;
    }
    let timed_out = find::<ConnectTimedOut>(error).is_some()
        || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    if timed_out { SendErrorKind::Timeout } else { SendErrorKind::Connect }
}

/// The error of this type among an error's causes. An [`io::Error`] does not return what it wraps as its `source()`,
/// so that is looked at too.
fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
