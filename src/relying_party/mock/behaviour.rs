//! The behaviours of a mock relying party (`--behaviour`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::StatusCode;

/// How a mock relying party answers. It verifies every token whatever it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// 200 to a valid token, 400 to any other.
    #[default]
    Ok,
    /// 503 to the first so many valid tokens of each session, then as [`Ok`](Self::Ok).
    FailFirst(u32),
    /// As [`Ok`](Self::Ok), after waiting; in whole milliseconds, at most [`MAX_SLOW`].
    Slow(Duration),
    /// This status, to whatever comes.
    Status(StatusCode),
    /// 429 with `Retry-After` of so many seconds to the first valid token of each session, then as
    /// [`Ok`](Self::Ok).
    RetryAfter(u32),
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Reset,
}

/// The longest wait of [`Behaviour::Slow`].
pub const MAX_SLOW: Duration = Duration::from_mins(10);

/// Why a text is not a [`Behaviour`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BehaviourError {
    /// No behaviour has this name, or it lacks its value, or has one too many.
    #[error(
        "`{0}` is not a behaviour; use ok, fail-first=N, slow=MS, status=CODE, retry-after=S, hang or reset"
    )]
    Unknown(String),
    /// `fail-first` wants a count.
    #[error("fail-first wants a number of requests from 1 to 4294967295, such as fail-first=2, not `{0}`")]
    FailFirst(String),
    /// `slow` wants milliseconds.
    #[error("slow wants milliseconds from 0 to 600000 without a unit, such as slow=1500, not `{0}`")]
    Slow(String),
    /// `status` wants a final status code.
    #[error("status wants an HTTP status code from 200 to 599, such as status=500, not `{0}`")]
    Status(String),
    /// `retry-after` wants seconds.
    #[error("retry-after wants whole seconds without a unit, such as retry-after=3, not `{0}`")]
    RetryAfter(String),
}

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Self, BehaviourError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        match (name, value) {
            ("ok", None) => Ok(Self::Ok),
            ("hang", None) => Ok(Self::Hang),
            ("reset", None) => Ok(Self::Reset),
            ("fail-first", Some(value)) => number(value)
                .filter(|count| *count > 0)
                .map(Self::FailFirst)
                .ok_or_else(|| BehaviourError::FailFirst(value.to_owned())),
            ("slow", Some(value)) => number(value)
                .map(Duration::from_millis)
                .filter(|wait| *wait <= MAX_SLOW)
                .map(Self::Slow)
                .ok_or_else(|| BehaviourError::Slow(value.to_owned())),
            ("status", Some(value)) => number::<u16>(value)
                .filter(|code| (200..600).contains(code))
                .and_then(|code| StatusCode::from_u16(code).ok())
                .map(Self::Status)
                .ok_or_else(|| BehaviourError::Status(value.to_owned())),
            ("retry-after", Some(value)) => number(value)
                .map(Self::RetryAfter)
                .ok_or_else(|| BehaviourError::RetryAfter(value.to_owned())),
            _ => Err(BehaviourError::Unknown(text.to_owned())),
        }
    }
}

/// Digits only: `FromStr` of the integers would take a sign as well.
fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::FailFirst(count) => write!(f, "fail-first={count}"),
            Self::Slow(wait) => write!(f, "slow={}", wait.as_millis()),
            Self::Status(code) => write!(f, "status={}", code.as_u16()),
            Self::RetryAfter(seconds) => write!(f, "retry-after={seconds}"),
            Self::Hang => f.write_str("hang"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_behaviour_reads_back_as_it_is_written() {
        for text in [
            "ok",
            "fail-first=1",
            "slow=0",
            "slow=600000",
            "status=204",
            "status=599",
            "retry-after=0",
            "hang",
            "reset",
        ] {
            assert_eq!(text.parse::<Behaviour>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_behaviour_says_what_is() {
        for (text, expected) in [
            ("", "`` is not a behaviour; use ok"),
            ("OK", "`OK` is not a behaviour"),
            ("ok=1", "`ok=1` is not a behaviour"),
            ("slow", "`slow` is not a behaviour"),
            ("fail-first=0", "fail-first wants a number of requests"),
            ("fail-first=", "fail-first wants a number of requests"),
            ("fail-first=4294967296", "fail-first wants a number of requests"),
            ("slow=5s", "slow wants milliseconds"),
            ("slow=600001", "slow wants milliseconds"),
            ("status=100", "status wants an HTTP status code"),
            ("status=+200", "status wants an HTTP status code"),
            ("retry-after=-1", "retry-after wants whole seconds"),
        ] {
            let error = text.parse::<Behaviour>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
