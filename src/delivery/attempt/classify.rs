//! Classification: what the result of an attempt means for its delivery and for its client's circuit breaker. Pure.

use std::borrow::Cow;
use std::time::Duration;

use crate::delivery::attempt::NotSent;
use crate::egress::{Answer, SendError, SendErrorKind};

/// What the result of an attempt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Classification {
    /// For the delivery.
    pub(super) outcome: AttemptOutcome,
    /// For the client's circuit breaker.
    pub(super) health: Health,
    /// The class of the failure; `None` if the token was delivered.
    pub(super) error: Option<ErrorClass>,
}

/// What the result of an attempt means for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptOutcome {
    /// The RP has accepted the token.
    Delivered,
    /// A later attempt may succeed: Back-Channel Logout 1.0 §2.5 allows retransmission for such failures only.
    Recoverable {
        /// The answer's `Retry-After`.
        hint: Option<Duration>,
    },
    /// Another attempt would fail likewise.
    Unrecoverable,
    /// The RP's endpoint is gone for good (410): its subscription ends.
    Gone,
    /// The client has no logout URI any more.
    Unsubscribed,
}

/// What an attempt says about its RP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::delivery) enum Health {
    /// It answered, if only to refuse.
    Answers,
    /// It failed recoverably.
    Fails {
        /// Whether there was an HTTP answer.
        answered: bool,
    },
    /// Nothing: the failure has causes on this side.
    Unknown,
}

/// The class of a failed attempt, as the API, the audit trail and the metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// There was no token to send.
    NotSent(NotSent),
    /// The token was to be sent, and there was no answer.
    Send(SendErrorKind),
    /// The answer's status is not 2xx.
    Status(u16),
}

impl ErrorClass {
    /// The name of the class.
    pub(super) fn as_str(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NotSent(NotSent::NoSigningKey(_)) => "no_signing_key",
            Self::NotSent(NotSent::SigningFailed) => "signing_failed",
            Self::NotSent(NotSent::NoIdentifier) => "no_identifier",
            Self::NotSent(NotSent::Unsubscribed) => "unsubscribed",
            Self::Send(kind) => kind.as_str(),
            Self::Status(status) => return Cow::Owned(format!("status_{status}")),
        })
    }
}

/// There was no token to send. Nothing of that is the RP's doing.
pub(super) fn not_sent(reason: NotSent) -> Classification {
    let outcome = match reason {
        NotSent::NoSigningKey(_) | NotSent::SigningFailed => AttemptOutcome::Recoverable { hint: None },
        NotSent::NoIdentifier => AttemptOutcome::Unrecoverable,
        NotSent::Unsubscribed => AttemptOutcome::Unsubscribed,
    };
    Classification { outcome, health: Health::Unknown, error: Some(ErrorClass::NotSent(reason)) }
}

/// The RP answered, or did not.
pub(super) fn sent(result: &Result<Answer, SendError>) -> Classification {
    match result {
        Ok(answer) => {
            let outcome = of_status(answer.status, answer.retry_after);
            let health =
                if outcome.is_recoverable() { Health::Fails { answered: true } } else { Health::Answers };
            let error = (outcome != AttemptOutcome::Delivered).then_some(ErrorClass::Status(answer.status));
            Classification { outcome, health, error }
        }
        Err(SendError { kind, .. }) => {
            let outcome = of_error(kind);
            let health =
                if outcome.is_recoverable() { Health::Fails { answered: false } } else { Health::Unknown };
            Classification { outcome, health, error: Some(ErrorClass::Send(*kind)) }
        }
    }
}

impl AttemptOutcome {
    fn is_recoverable(self) -> bool {
        matches!(self, Self::Recoverable { .. })
    }
}

/// What a status code means. A redirect is a refusal: following it would send the logout token to an address
/// that an answer names.
fn of_status(status: u16, retry_after: Option<Duration>) -> AttemptOutcome {
    match status {
        200..=299 => AttemptOutcome::Delivered,
        410 => AttemptOutcome::Gone,
        429 | 503 => AttemptOutcome::Recoverable { hint: retry_after },
        404 | 408 | 421 | 425 => AttemptOutcome::Recoverable { hint: None },
        501 | 505 => AttemptOutcome::Unrecoverable,
        // A status above 599 is invalid, and treated as a server error (RFC 9110 §15).
        500..=999 => AttemptOutcome::Recoverable { hint: None },
        _ => AttemptOutcome::Unrecoverable,
    }
}

/// What the lack of an answer means.
fn of_error(kind: &SendErrorKind) -> AttemptOutcome {
    match kind {
        // Only a change of the configuration or of the registration helps, and then a redelivery.
        SendErrorKind::Policy(_) | SendErrorKind::InvalidUri => AttemptOutcome::Unrecoverable,
        SendErrorKind::Dns
        | SendErrorKind::Connect
        | SendErrorKind::Tls
        | SendErrorKind::Timeout
        | SendErrorKind::AnswerTooLarge
        | SendErrorKind::Reset => AttemptOutcome::Recoverable { hint: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::algorithm::SigningAlg;
    use crate::egress::{Policy, PolicyError};

    #[test]
    fn every_status_has_the_designs_meaning() {
        let recoverable = |status| of_status(status, None).is_recoverable();
        for status in 100..1000 {
            let expected = [404, 408, 421, 425, 429].contains(&status)
                || (status >= 500 && status != 501 && status != 505);
            assert_eq!(recoverable(status), expected, "{status}");
            assert_eq!(
                of_status(status, None) == AttemptOutcome::Delivered,
                (200..300).contains(&status),
                "{status}"
            );
        }
        assert_eq!(of_status(410, None), AttemptOutcome::Gone);
    }

    #[test]
    fn only_429_and_503_may_ask_for_time() {
        let hint = Some(Duration::from_secs(7));
        for (status, expected) in [(429, hint), (503, hint), (500, None), (404, None)] {
            let outcome = of_status(status, hint);
            assert_eq!(outcome, AttemptOutcome::Recoverable { hint: expected }, "{status}");
        }
    }

    #[test]
    fn error_classes_have_these_names() {
        let forbidden = Policy::default().check_address([127, 0, 0, 1].into()).unwrap_err();
        for (class, name) in [
            (ErrorClass::NotSent(NotSent::NoSigningKey(SigningAlg::Es256)), "no_signing_key"),
            (ErrorClass::NotSent(NotSent::SigningFailed), "signing_failed"),
            (ErrorClass::NotSent(NotSent::NoIdentifier), "no_identifier"),
            (ErrorClass::NotSent(NotSent::Unsubscribed), "unsubscribed"),
            (ErrorClass::Send(SendErrorKind::InvalidUri), "invalid_uri"),
            (ErrorClass::Send(SendErrorKind::Policy(PolicyError::HttpNotAllowed)), "http_not_allowed"),
            (ErrorClass::Send(SendErrorKind::Policy(forbidden.into())), "forbidden_address"),
            (ErrorClass::Send(SendErrorKind::Dns), "dns"),
            (ErrorClass::Send(SendErrorKind::Connect), "connect"),
            (ErrorClass::Send(SendErrorKind::Tls), "tls"),
            (ErrorClass::Send(SendErrorKind::Timeout), "timeout"),
            (ErrorClass::Send(SendErrorKind::AnswerTooLarge), "answer_too_large"),
            (ErrorClass::Send(SendErrorKind::Reset), "reset"),
            (ErrorClass::Status(503), "status_503"),
        ] {
            assert_eq!(class.as_str(), name);
        }
    }
}
