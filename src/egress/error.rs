//! Why a relying party gave no answer, told apart by type.

use std::error::Error;
use std::fmt;
use std::io;

use super::policy::PolicyError;
use super::resolver::ResolveError;

/// A relying party gave no answer.
#[derive(Debug)]
pub struct SendError {
    /// What went wrong.
    pub kind: SendErrorKind,
    /// Whether the request may have reached the RP all the same.
    pub outcome_unknown: bool,
    source: Option<reqwest::Error>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// The operator's rules forbid the URI or an address it resolves to. Nothing was sent.
    Policy(PolicyError),
    /// The name could not be resolved.
    Dns,
    /// No connection came about: refused, unreachable.
    Connect,
    /// The TLS handshake failed, for example because the certificate is not trusted.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection broke, or what came was no HTTP.
    Reset,
}

impl SendErrorKind {
    /// The class under which it is recorded.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Policy(PolicyError::HttpNotAllowed) => "http_not_allowed",
            Self::Policy(PolicyError::Forbidden(_)) => "forbidden_address",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SendErrorKind::Policy(error) => error.fmt(f),
            SendErrorKind::Dns => f.write_str("the host's name could not be resolved"),
            SendErrorKind::Connect => f.write_str("no connection could be made"),
            SendErrorKind::Tls => f.write_str("the TLS handshake failed"),
            SendErrorKind::Timeout => f.write_str("there was no answer within delivery.timeout"),
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
        Self { kind: SendErrorKind::Policy(error), outcome_unknown: false, source: None }
    }
}

impl SendError {
    /// The deadline passed, with a connection that something may have been sent on, or without.
    pub(super) fn deadline(connected: bool) -> Self {
        Self { kind: SendErrorKind::Timeout, outcome_unknown: connected, source: None }
    }
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        let kind = if let Some(resolve) = find::<ResolveError>(&error) {
            match resolve {
                ResolveError::Forbidden(forbidden) => SendErrorKind::Policy((*forbidden).into()),
                ResolveError::Lookup(_) | ResolveError::NoAddress => SendErrorKind::Dns,
            }
        } else if find::<rustls::Error>(&error).is_some() {
            SendErrorKind::Tls
        } else if error.is_timeout() {
            SendErrorKind::Timeout
        } else if error.is_connect() {
            SendErrorKind::Connect
        } else {
            SendErrorKind::Reset
        };
        // Until there is a connection nothing can have been sent. The handshake of TLS belongs to it, but
        // not an alert that comes later: with TLS 1.3 a client learns of its refusal after it has spoken.
        let outcome_unknown =
            !error.is_connect() && !matches!(kind, SendErrorKind::Policy(_) | SendErrorKind::Dns);
        Self { kind, outcome_unknown, source: Some(error.without_url()) }
    }
}

/// The error of this type among an error's causes. An [`io::Error`] hides what it wraps from `source()`,
/// so it is opened.
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
