//! What an answer, or the lack of one, means for a delivery. Pure.

use std::time::Duration;

use crate::egress::SendErrorKind;

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The RP has it.
    Delivered,
    /// It may go better later (Back-Channel Logout 1.0 §2.5 allows a retransmission for that alone).
    Recoverable {
        /// The RP's wish for when.
        hint: Option<Duration>,
    },
    /// The RP refused it, and would again.
    Unrecoverable,
    /// The RP says its endpoint is gone for good.
    Gone,
}

/// What a status code means. Redirects are refusals: a logout token is not handed on to whoever an RP's
/// answer names.
pub(super) fn of_status(status: u16, retry_after: Option<Duration>) -> Outcome {
    match status {
        200..=299 => Outcome::Delivered,
        410 => Outcome::Gone,
        429 | 503 => Outcome::Recoverable { hint: retry_after },
        404 | 408 | 421 | 425 => Outcome::Recoverable { hint: None },
        501 | 505 => Outcome::Unrecoverable,
        // Those that HTTP does not know are server errors to a client (RFC 9110 §15).
        500..=999 => Outcome::Recoverable { hint: None },
        _ => Outcome::Unrecoverable,
    }
}

/// What the lack of an answer means.
pub(super) fn of_error(kind: &SendErrorKind) -> Outcome {
    match kind {
        // The operator's own rules forbid it: only a change of configuration helps, and then redelivery.
        SendErrorKind::Policy(_) => Outcome::Unrecoverable,
        // Only another registration helps.
        SendErrorKind::InvalidUri => Outcome::Unrecoverable,
        SendErrorKind::Dns
        | SendErrorKind::Connect
        | SendErrorKind::Tls
        | SendErrorKind::Timeout
        | SendErrorKind::AnswerTooLarge
        | SendErrorKind::Reset => Outcome::Recoverable { hint: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_designs_meaning() {
        let recoverable = |status| matches!(of_status(status, None), Outcome::Recoverable { .. });
        for status in 100..1000 {
            let expected = [404, 408, 421, 425, 429].contains(&status)
                || (status >= 500 && status != 501 && status != 505);
            assert_eq!(recoverable(status), expected, "{status}");
            assert_eq!(
                of_status(status, None) == Outcome::Delivered,
                (200..300).contains(&status),
                "{status}"
            );
        }
        assert_eq!(of_status(410, None), Outcome::Gone);
    }

    #[test]
    fn only_429_and_503_may_ask_for_time() {
        let hint = Some(Duration::from_secs(7));
        for (status, expected) in [(429, hint), (503, hint), (500, None), (404, None)] {
            assert_eq!(of_status(status, hint), Outcome::Recoverable { hint: expected }, "{status}");
        }
    }
}
